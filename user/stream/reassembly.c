// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stream/reassembly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/shared/tcp_order.h"
#include "stream/walk.h"

/* A cut this long, or longer than sequence numbers can order, leaves nothing useful after it. */
enum {
	CUT_MAX = 1 << 30,
	HISTORY_MAX = 32 * 1024, /* the latest walked bytes, kept to compare with copies */
};

/* Bytes behind a gap. Pieces are in order and do not overlap. */
struct piece {
	struct piece *next;
	__u32 position; /* sequence number of the first byte */
	__u32 length;
	bool start; /* the first byte begins a segment */
	bool cut;   /* the bytes will never come: data is empty */
	uint8_t data[];
};

/* Bytes on their way in: the rest of a segment or of a cut. */
struct stretch {
	const uint8_t *data; /* NULL: a cut */
	__u32 position;
	__u32 length;
	bool start;
};

struct reassembly {
	struct tls_walk walk;
	reassembly_sink sink;
	void *context;
	struct event origin; /* of the latest segment: whose connection, direction and time the events have */
	__u32 next_sequence; /* of the first byte not walked */
	struct piece *held;
	__u32 held_bytes;
	__u32 held_pieces;
	__u32 left_out_end; /* if left_out: after the last byte without room */
	__u32 limit;        /* where limited: no byte from here on will ever come */
	bool left_out;
	bool limited;
	bool outside;      /* the latest segment was too far ahead to be believed */
	bool searching;    /* no hello found or told of */
	bool search_cut;   /* bytes are missing in which the hello may have been */
	bool ended_at_cut; /* bytes are missing, and the walker cannot go on behind them */
	bool follows;      /* is to go on behind the handshake */
	bool contradicted; /* a byte came twice and differed: nobody knows which copy the receiver took */
	uint8_t *history;  /* the latest bytes walked: those before history_end */
	__u32 history_end;
	__u32 history_length;
	__u32 history_capacity;
};

struct reassembly *reassembly_new(const struct tls_walk *walk, __u32 next_sequence, reassembly_sink sink, void *context)
{
	struct reassembly *reassembly = calloc(1, sizeof(*reassembly));

	if (!reassembly)
		return NULL;
	reassembly->walk = *walk;
	reassembly->next_sequence = next_sequence;
	reassembly->sink = sink;
	reassembly->context = context;
	reassembly->searching = walk->phase == TLS_WALK_SEARCH || walk->flags & TLS_WALK_CANDIDATE;
	return reassembly;
}

/* Take the first piece out of the list: the caller's to free. */
static struct piece *piece_take(struct reassembly *reassembly)
{
	struct piece *piece = reassembly->held;

	reassembly->held = piece->next;
	reassembly->held_pieces--;
	if (!piece->cut)
		reassembly->held_bytes -= piece->length;
	return piece;
}

static void reassembly_drop_held(struct reassembly *reassembly)
{
	while (reassembly->held)
		free(piece_take(reassembly));
}

void reassembly_free(struct reassembly *reassembly)
{
	if (!reassembly)
		return;
	reassembly_drop_held(reassembly);
	free(reassembly->history);
	free(reassembly);
}

/* How far sequence number position lies ahead of base, modulo 2^32. */
static __s32 sequence_ahead(__u32 position, __u32 base)
{
	return (__s32)(position - base);
}

static __u32 piece_end(const struct piece *piece)
{
	return piece->position + piece->length;
}

static void stretch_skip(struct stretch *stretch, __u32 count)
{
	if (count > stretch->length)
		count = stretch->length;
	if (count == 0)
		return;
	if (stretch->data)
		stretch->data += count;
	stretch->position += count;
	stretch->length -= count;
	stretch->start = false;
}

/* Whether nothing that comes can tell anything any more. */
static bool reassembly_ended(const struct reassembly *reassembly)
{
	return reassembly->ended_at_cut || tls_walk_ended(&reassembly->walk);
}

bool reassembly_followed(const struct reassembly *reassembly)
{
	return reassembly->walk.flags & TLS_WALK_FOLLOWED;
}

static void history_drop(struct reassembly *reassembly)
{
	free(reassembly->history);
	reassembly->history = NULL;
	reassembly->history_length = 0;
	reassembly->history_capacity = 0;
}

/* Make room for count more bytes, by dropping the oldest bytes. Returns false without memory. */
static bool history_make_room(struct reassembly *reassembly, __u32 count)
{
	__u32 kept = reassembly->history_length, capacity = reassembly->history_capacity;
	uint8_t *history;

	if (kept + count > HISTORY_MAX) {
		kept = HISTORY_MAX - count < HISTORY_MAX / 2 ? HISTORY_MAX - count : HISTORY_MAX / 2;
		kept = kept < reassembly->history_length ? kept : reassembly->history_length;
		memmove(reassembly->history, reassembly->history + reassembly->history_length - kept, kept);
		reassembly->history_length = kept;
	}
	while (capacity < kept + count)
		capacity = capacity ? 2 * capacity : 1024;
	if (capacity == reassembly->history_capacity)
		return true;
	history = realloc(reassembly->history, capacity);
	if (!history)
		return false;
	reassembly->history = history;
	reassembly->history_capacity = capacity;
	return true;
}

/* Keep walked bytes up to next_sequence. Without memory nothing can be compared. */
static void history_add(struct reassembly *reassembly, const uint8_t *data, __u32 count)
{
	if (count > HISTORY_MAX) {
		data += count - HISTORY_MAX;
		count = HISTORY_MAX;
		reassembly->history_length = 0;
	}
	if (!history_make_room(reassembly, count)) {
		history_drop(reassembly);
		return;
	}
	memcpy(reassembly->history + reassembly->history_length, data, count);
	reassembly->history_length += count;
	reassembly->history_end = reassembly->next_sequence;
}

/* Whether bytes at position differ from known ones at known_position, where the two overlap. */
static bool bytes_differ(const struct stretch *stretch, __u32 known_position, const uint8_t *known, __u32 known_length)
{
	__s32 ahead = sequence_ahead(known_position, stretch->position);
	__u32 from = ahead > 0 ? ahead : 0, before = ahead < 0 ? -(__u32)ahead : 0, count;

	if (from >= stretch->length || before >= known_length)
		return false;
	count = stretch->length - from < known_length - before ? stretch->length - from : known_length - before;
	return memcmp(stretch->data + from, known + before, count) != 0;
}

/*
 * Compare bytes with earlier bytes at the same sequence numbers. TCP takes one copy of a byte. An observer does not
 * know which copy: the receiver drops segments for their checksum, their timestamp, their place in the window.
 */
static void reassembly_compare(struct reassembly *reassembly, const struct stretch *stretch)
{
	const struct piece *piece;

	if (bytes_differ(stretch, reassembly->history_end - reassembly->history_length, reassembly->history,
	                 reassembly->history_length))
		reassembly->contradicted = true;
	for (piece = reassembly->held; piece; piece = piece->next)
		if (!piece->cut && bytes_differ(stretch, piece->position, piece->data, piece->length))
			reassembly->contradicted = true;
}

static void reassembly_found(const struct event *event, void *context)
{
	struct reassembly *reassembly = context;

	if (event->kind == EVENT_MESSAGE)
		reassembly->searching = false;
	reassembly->sink(event, reassembly->context);
}

/*
 * Continue after count bytes that nobody will see. Records can be counted only if the hole lies within a record of
 * known length and hides no header; a search continues, but may have lost the hello.
 */
static void reassembly_pass_hole(struct reassembly *reassembly, __u32 count)
{
	struct tls_walk *walk = &reassembly->walk;

	reassembly->next_sequence += count;
	reassembly->history_length = 0;
	if (reassembly_ended(reassembly))
		return;
	if (reassembly->searching) {
		if (walk->phase != TLS_WALK_SEARCH)
			tls_walk_reject_candidate(walk);
		reassembly->search_cut = true;
	}
	if (tls_walk_wanted(walk) == 0 && tls_walk_passable(walk) >= count)
		tls_walk_pass(walk, count);
	else
		reassembly->ended_at_cut = true;
}

/* Walk count bytes, the next ones of the direction. */
static void reassembly_walk(struct reassembly *reassembly, const uint8_t *data, __u32 count, bool start)
{
	struct tls_walk *walk = &reassembly->walk;
	size_t walked;

	reassembly->next_sequence += count;
	reassembly->outside = false;
	if (reassembly_ended(reassembly))
		return;
	if (!reassembly_followed(reassembly))
		history_add(reassembly, data, count);
	if (start)
		tls_walk_segment(walk);
	walked = walk_bytes(walk, data, count, &reassembly->origin, reassembly_found, reassembly);
	if (reassembly->follows && tls_walk_may_follow(walk)) {
		tls_walk_follow(walk);
		walked += walk_bytes(walk, data + walked, count - walked, &reassembly->origin, reassembly_found,
		                     reassembly);
	}
	if (walked < count && !tls_walk_ended(walk))
		reassembly->ended_at_cut = true;
}

/* Walk the held bytes, as far as they come next. */
static void reassembly_walk_held(struct reassembly *reassembly)
{
	struct piece *piece;

	while (reassembly->held && reassembly->held->position == reassembly->next_sequence) {
		piece = piece_take(reassembly);
		if (piece->cut)
			reassembly_pass_hole(reassembly, piece->length);
		else
			reassembly_walk(reassembly, piece->data, piece->length, piece->start);
		free(piece);
	}
}

/*
 * Walk a stretch that comes next. Held pieces inside the stretch keep their own bytes and their own beginnings of
 * segments.
 */
static void reassembly_walk_stretch(struct reassembly *reassembly, struct stretch stretch)
{
	__u32 count;

	while (stretch.length) {
		count = stretch.length;
		if (reassembly->held && count > reassembly->held->position - stretch.position)
			count = reassembly->held->position - stretch.position;
		if (stretch.data)
			reassembly_walk(reassembly, stretch.data, count, stretch.start);
		else
			reassembly_pass_hole(reassembly, count);
		reassembly_walk_held(reassembly);
		stretch_skip(&stretch, reassembly->next_sequence - stretch.position);
	}
}

/* Hold the first count bytes of a stretch, in the list at link. */
static int piece_hold(struct reassembly *reassembly, struct piece **link, const struct stretch *stretch, __u32 count)
{
	__u32 bytes = stretch->data ? count : 0;
	struct piece *piece;

	if (reassembly->held_pieces >= REASSEMBLY_SEGMENTS_MAX || bytes > REASSEMBLY_BYTES_MAX - reassembly->held_bytes)
		return -ENOBUFS;
	piece = malloc(sizeof(*piece) + bytes);
	if (!piece)
		return -ENOMEM;
	piece->next = *link;
	piece->position = stretch->position;
	piece->length = count;
	piece->start = stretch->start;
	piece->cut = !stretch->data;
	if (bytes)
		memcpy(piece->data, stretch->data, bytes);
	*link = piece;
	reassembly->held_pieces++;
	reassembly->held_bytes += bytes;
	return 0;
}

static void reassembly_leave_out(struct reassembly *reassembly, const struct stretch *stretch)
{
	__u32 end = stretch->position + stretch->length;

	if (!reassembly->left_out || sequence_ahead(end, reassembly->left_out_end) > 0)
		reassembly->left_out_end = end;
	reassembly->left_out = true;
}

/* Hold the new bytes of a stretch after a gap. At most as many steps as pieces. */
static int reassembly_hold(struct reassembly *reassembly, struct stretch stretch)
{
	struct piece **link = &reassembly->held;
	__u32 count;
	int error;

	while (stretch.length) {
		while (*link && sequence_ahead(piece_end(*link), stretch.position) <= 0)
			link = &(*link)->next;
		count = stretch.length;
		if (*link && sequence_ahead((*link)->position, stretch.position) <= 0) {
			stretch_skip(&stretch, piece_end(*link) - stretch.position);
			continue;
		}
		if (*link && count > (*link)->position - stretch.position)
			count = (*link)->position - stretch.position;
		error = piece_hold(reassembly, link, &stretch, count);
		if (error) {
			reassembly_leave_out(reassembly, &stretch);
			return error;
		}
		stretch_skip(&stretch, count);
	}
	return 0;
}

/* Later bytes are not walked. If the hello may still be reported, the beginning of the answer is known. */
static void reassembly_skip_stretch(struct reassembly *reassembly, const struct stretch *stretch)
{
	__u32 end = stretch->position + stretch->length;

	reassembly_drop_held(reassembly);
	if (sequence_ahead(end, reassembly->next_sequence) > 0)
		reassembly->next_sequence = end;
}

/* The stream ends where the bytes do that will ever come. */
static void reassembly_check_limit(struct reassembly *reassembly)
{
	if (reassembly->limited && sequence_ahead(reassembly->next_sequence, reassembly->limit) >= 0 &&
	    !tls_walk_ended(&reassembly->walk))
		reassembly->ended_at_cut = true;
}

/*
 * A gap after the handshake: harmless within a skipped record, elsewhere it may close. Bytes beyond the bound are no
 * loss to a handshake.
 */
static int reassembly_jump(struct reassembly *reassembly, struct stretch stretch)
{
	__u32 hole = stretch.position - reassembly->next_sequence;

	if (!reassembly->held && tls_walk_wanted(&reassembly->walk) == 0 &&
	    tls_walk_passable(&reassembly->walk) >= hole) {
		reassembly_pass_hole(reassembly, hole);
		reassembly_walk_stretch(reassembly, stretch);
	} else if (reassembly_hold(reassembly, stretch)) {
		reassembly->ended_at_cut = true;
		reassembly_drop_held(reassembly);
	}
	return 0;
}

static int reassembly_take(struct reassembly *reassembly, struct stretch stretch)
{
	struct tcp_order order = tcp_order_place(reassembly->next_sequence, stretch.position, stretch.length);
	int error = 0;

	if (order.kind == TCP_ORDER_OUTSIDE) {
		reassembly->outside = true;
		return 0;
	}
	if (reassembly_ended(reassembly)) {
		reassembly_skip_stretch(reassembly, &stretch);
		return 0;
	}
	if (order.kind == TCP_ORDER_GAP && reassembly_followed(reassembly))
		return reassembly_jump(reassembly, stretch);
	if (order.kind == TCP_ORDER_GAP)
		error = reassembly_hold(reassembly, stretch);
	if (order.kind == TCP_ORDER_NEW) {
		stretch_skip(&stretch, order.skip);
		reassembly_walk_stretch(reassembly, stretch);
	}
	reassembly_check_limit(reassembly);
	if (reassembly_ended(reassembly))
		reassembly_drop_held(reassembly);
	return error;
}

int reassembly_segment(struct reassembly *reassembly, const struct event_bytes *segment)
{
	struct stretch stretch = {
		.data = segment->data,
		.position = segment->position,
		.length = segment->length,
		.start = segment->event.flags & EVENT_SEGMENT_START,
	};
	int error;

	reassembly->origin = segment->event;
	/* also where the walk has ended: the copy that the receiver takes may come after the forged one */
	if (segment->type != EVENT_SEGMENT_ACKNOWLEDGED)
		reassembly_compare(reassembly, &stretch);
	error = reassembly_take(reassembly, stretch);
	return reassembly->contradicted ? -EBADMSG : error;
}

int reassembly_cut(struct reassembly *reassembly, const struct event_cut *cut)
{
	struct stretch stretch = {.position = cut->position, .length = cut->count};

	reassembly->origin = cut->event;
	if (cut->count && cut->count < CUT_MAX)
		return reassembly_take(reassembly, stretch);
	if (!reassembly->limited || sequence_ahead(cut->position, reassembly->limit) < 0)
		reassembly->limit = cut->position;
	reassembly->limited = true;
	reassembly_check_limit(reassembly);
	return 0;
}

void reassembly_expect_answer(struct reassembly *reassembly)
{
	const struct piece *piece;

	if (!reassembly->searching)
		return;
	for (piece = reassembly->held; piece; piece = piece->next)
		reassembly->next_sequence = piece_end(piece);
	history_drop(reassembly);
	if (reassembly->left_out && sequence_ahead(reassembly->left_out_end, reassembly->next_sequence) > 0)
		reassembly->next_sequence = reassembly->left_out_end;
	reassembly_drop_held(reassembly);
	reassembly->searching = false;
	reassembly->left_out = false;
	tls_walk_expect_answer(&reassembly->walk);
}

void reassembly_expect_client(struct reassembly *reassembly)
{
	if (!reassembly->searching)
		return;
	reassembly_expect_answer(reassembly);
	reassembly->walk.flags |= TLS_WALK_CLIENT;
}

void reassembly_finish(struct reassembly *reassembly)
{
	while (reassembly->held && !reassembly_ended(reassembly)) {
		reassembly_pass_hole(reassembly, reassembly->held->position - reassembly->next_sequence);
		reassembly_walk_held(reassembly);
	}
	reassembly_drop_held(reassembly);
}

void reassembly_follow(struct reassembly *reassembly)
{
	reassembly->follows = true;
}

void reassembly_finished(struct reassembly *reassembly)
{
	tls_walk_finished(&reassembly->walk);
}

bool reassembly_lost_track(const struct reassembly *reassembly)
{
	return reassembly_followed(reassembly) && (reassembly_ended(reassembly) || reassembly->held ||
	                                           reassembly->outside || reassembly->limited || reassembly->left_out);
}

/* Whether the handshake was walked to its end. */
static bool reassembly_told_all(const struct reassembly *reassembly)
{
	return tls_walk_ended(&reassembly->walk) || reassembly_followed(reassembly);
}

bool reassembly_has_gap(const struct reassembly *reassembly)
{
	if (reassembly->contradicted)
		return true;
	if (reassembly->ended_at_cut && !reassembly_followed(reassembly))
		return true;
	if (reassembly_told_all(reassembly))
		return reassembly->searching && reassembly->search_cut;
	if (reassembly->held || reassembly->outside || reassembly->limited)
		return true;
	return (reassembly->searching && reassembly->search_cut) ||
	       (reassembly->left_out && sequence_ahead(reassembly->left_out_end, reassembly->next_sequence) > 0);
}

bool reassembly_wants_more(const struct reassembly *reassembly)
{
	return !reassembly_ended(reassembly);
}

__u32 reassembly_held(const struct reassembly *reassembly)
{
	return reassembly->held_bytes + reassembly->held_pieces * sizeof(struct piece);
}

bool reassembly_is_searching(const struct reassembly *reassembly)
{
	return reassembly->searching;
}

bool reassembly_reached(const struct reassembly *reassembly, __u32 sequence)
{
	return reassembly_told_all(reassembly) || sequence_ahead(sequence, reassembly->next_sequence) <= 0;
}
