// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "evidence/trail.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/shared/tcp_order.h"
#include "evidence/blank.h"
#include "stream/walk.h"

enum {
	RECORD_CONTENT_MAX = 16384, /* RFC 8446 section 5.1 */
	MESSAGE_BYTES_MAX = 80 * 1024,
};

void trail_begin(struct trail *trail, const struct event_open *open)
{
	*trail = (struct trail){.open = *open};
	STAILQ_INIT(&trail->pieces);
	STAILQ_INIT(&trail->side[EVENT_RECEIVED].early);
	STAILQ_INIT(&trail->side[EVENT_SENT].early);
}

static void pieces_free(struct trail_pieces *pieces)
{
	struct trail_piece *piece;

	while ((piece = STAILQ_FIRST(pieces))) {
		STAILQ_REMOVE_HEAD(pieces, next);
		free(piece);
	}
}

void trail_release(struct trail *trail)
{
	pieces_free(&trail->pieces);
	pieces_free(&trail->side[EVENT_RECEIVED].early);
	pieces_free(&trail->side[EVENT_SENT].early);
}

static struct trail_piece *piece_new(struct trail *trail, const struct event *event, enum trail_kind kind,
                                     uint32_t length, uint32_t captured)
{
	struct trail_piece *piece = NULL;

	if (trail->bytes + captured <= TRAIL_BYTES_MAX && trail->count < TRAIL_PIECES_MAX)
		piece = calloc(1, sizeof(*piece) + captured);
	if (!piece) {
		trail->full = true;
		return NULL;
	}
	piece->time_ns = event->time_ns;
	piece->direction = event->direction;
	piece->kind = kind;
	piece->length = length;
	piece->captured = captured;
	trail->bytes += captured;
	trail->count++;
	return piece;
}

static void piece_add(struct trail *trail, struct trail_piece *piece)
{
	STAILQ_INSERT_TAIL(&trail->pieces, piece, next);
}

/* The tracker ends the search of one side once the other side has sent its ClientHello. */
static void expect_answer(struct trail *trail, uint8_t direction)
{
	const struct tls_walk *own = &trail->side[direction].walk;
	struct tls_walk *other = &trail->side[!direction].walk;

	if (own->flags & TLS_WALK_CLIENT && !(own->flags & TLS_WALK_CANDIDATE) && other->phase == TLS_WALK_SEARCH &&
	    !(other->flags & TLS_WALK_CANDIDATE))
		tls_walk_expect_answer(other);
}

/* The piece continues the direction, or begins with repeated bytes. */
static void take_in_order(struct trail *trail, struct trail_piece *piece)
{
	struct trail_side *side = &trail->side[piece->direction];
	uint32_t old = side->next - piece->position;
	uint32_t fresh = old < piece->captured ? piece->captured - old : 0;
	uint32_t missing = piece->length - piece->captured;

	tls_walk_segment(&side->walk);
	blank_stream(&side->walk, piece->bytes + (piece->captured - fresh), fresh);
	/* a repetition shows nothing new, and perhaps other bytes */
	memset(piece->bytes, 0, piece->captured - fresh);
	if (missing)
		blank_hole(&side->walk, missing);
	side->next = piece->position + piece->length;
	expect_answer(trail, piece->direction);
	piece_add(trail, piece);
}

/* Repeated bytes are left out. */
static void take_next(struct trail *trail, struct trail_piece *piece)
{
	struct trail_side *side = &trail->side[piece->direction];
	uint32_t old = side->next - piece->position;

	if (old >= piece->length) {
		free(piece);
		return;
	}
	if (old) {
		uint32_t kept = old < piece->captured ? piece->captured - old : 0;

		memmove(piece->bytes, piece->bytes + (piece->captured - kept), kept);
		piece->captured = kept;
		piece->length -= old;
		piece->position += old;
	}
	take_in_order(trail, piece);
}

/* The waiting piece with the lowest beginning; NULL: no piece waits. */
static struct trail_piece *first_early(const struct trail_side *side)
{
	struct trail_piece *first = STAILQ_FIRST(&side->early);

	for (struct trail_piece *piece = first; piece; piece = STAILQ_NEXT(piece, next))
		if ((int32_t)(piece->position - first->position) < 0)
			first = piece;
	return first;
}

/* Join waiting pieces up to the next hole; with force, across holes. */
/* NOLINTNEXTLINE(readability-function-cognitive-complexity): a macro of sys/queue.h */
static void take_early(struct trail *trail, struct trail_side *side, bool force)
{
	struct trail_piece *first;

	while ((first = first_early(side))) {
		if ((int32_t)(first->position - side->next) > 0) {
			if (!force)
				return;
			blank_hole(&side->walk, first->position - side->next);
			side->next = first->position;
		}
		STAILQ_REMOVE(&side->early, first, trail_piece, next);
		take_next(trail, first);
	}
}

static void take_piece(struct trail *trail, struct trail_piece *piece)
{
	struct trail_side *side = &trail->side[piece->direction];

	if ((int32_t)(piece->position - side->next) > 0) {
		STAILQ_INSERT_TAIL(&side->early, piece, next);
		return;
	}
	take_next(trail, piece);
	take_early(trail, side, false);
}

/* Header and content of a rebuilt record; content may be NULL: zeros. */
static void put_record(struct trail *trail, const struct event *event, uint8_t type, uint16_t version, uint16_t length,
                       const uint8_t *content)
{
	struct trail_side *side = &trail->side[event->direction];
	struct trail_piece *piece =
		piece_new(trail, event, TRAIL_BYTES, TLS_WALK_RECORD_HEADER + length, TLS_WALK_RECORD_HEADER + length);

	if (!piece)
		return;
	piece->bytes[0] = type;
	piece->bytes[1] = version >> 8;
	piece->bytes[2] = version;
	piece->bytes[3] = length >> 8;
	piece->bytes[4] = length;
	if (content)
		memcpy(piece->bytes + TLS_WALK_RECORD_HEADER, content, length);
	piece->position = side->next;
	side->next += piece->length;
	side->message = NULL;
	piece_add(trail, piece);
}

/* The place of a message's byte in the records with the message. */
static uint32_t place_in_records(uint32_t at)
{
	return at + TLS_WALK_RECORD_HEADER * (at / RECORD_CONTENT_MAX + 1);
}

/* A message in records of its own. The body is zeros until its bytes come. */
static void put_message(struct trail *trail, const struct event_message *message)
{
	struct trail_side *side = &trail->side[message->event.direction];
	uint32_t content = TLS_WALK_MESSAGE_HEADER + message->length;
	uint32_t length = place_in_records(content - 1) + 1;
	uint32_t captured = length < MESSAGE_BYTES_MAX ? length : MESSAGE_BYTES_MAX;
	struct trail_piece *piece;

	/* SSL 2.0's framing is not rebuilt */
	if (message->ssl2 || message->length > 0xffffff)
		return;
	piece = piece_new(trail, &message->event, TRAIL_BYTES, length, captured);
	if (!piece)
		return;
	for (uint32_t at = 0; at < content; at += RECORD_CONTENT_MAX) {
		uint32_t count = content - at < RECORD_CONTENT_MAX ? content - at : RECORD_CONTENT_MAX;
		uint32_t place = place_in_records(at) - TLS_WALK_RECORD_HEADER;
		const uint8_t header[] = {TLS_HANDSHAKE, message->version >> 8, message->version, count >> 8, count};

		if (place + sizeof(header) <= captured)
			memcpy(piece->bytes + place, header, sizeof(header));
	}
	piece->bytes[5] = message->type;
	piece->bytes[6] = message->length >> 16;
	piece->bytes[7] = message->length >> 8;
	piece->bytes[8] = message->length;
	piece->position = side->next;
	side->next += length;
	side->message = piece;
	piece_add(trail, piece);
}

static void put_body(struct trail *trail, const struct event_bytes *body)
{
	struct trail_piece *piece = trail->side[body->event.direction].message;
	uint32_t place;

	for (uint32_t i = 0; piece && i < body->length; i++) {
		place = place_in_records(TLS_WALK_MESSAGE_HEADER + body->position + i);
		if (place < piece->captured)
			piece->bytes[place] = body->data[i];
	}
}

/* Take a report of a walk: the kernel's walk, or our walk over bytes from the kernel. */
static void take_walked(const struct event *event, void *context)
{
	struct trail *trail = context;
	const struct event_record *record = (const struct event_record *)event;
	const struct event_alert *alert = (const struct event_alert *)event;

	switch (event->kind) {
	case EVENT_MESSAGE:
		put_message(trail, (const struct event_message *)event);
		break;
	case EVENT_BODY:
		put_body(trail, (const struct event_bytes *)event);
		break;
	case EVENT_RECORD:
		put_record(trail, event, record->type, record->version, record->length, NULL);
		break;
	case EVENT_ALERT:
		put_record(trail, event, TLS_ALERT, 0x0303, 2, (const uint8_t[]){alert->level, alert->description});
		break;
	case EVENT_NOT_TLS:
		put_record(trail, event, 0, 0, 0, NULL);
		break;
	}
}

static bool is_from_file(const struct trail *trail)
{
	return trail->open.source == EVENT_FROM_FILE;
}

static void take_handover(struct trail *trail, const struct event_handover *handover)
{
	struct trail_side *side = &trail->side[handover->event.direction];

	side->handed_over = true;
	side->walk = handover->walk;
	side->initial = handover->next_sequence;
	if (is_from_file(trail))
		side->next = 0;
	expect_answer(trail, !handover->event.direction);
}

/* Bytes from the kernel are walked in order. Bytes after a hole are left out. */
static void walk_segment(struct trail *trail, const struct event_bytes *bytes)
{
	struct trail_side *side = &trail->side[bytes->event.direction];
	struct tcp_order order = tcp_order_place(side->initial, bytes->position, bytes->length);

	if (order.kind != TCP_ORDER_NEW)
		return;
	walk_bytes(&side->walk, bytes->data + order.skip, order.count, &bytes->event, take_walked, trail);
	side->initial += order.count;
}

static void take_segment(struct trail *trail, const struct event_bytes *bytes)
{
	struct trail_side *side = &trail->side[bytes->event.direction];
	struct trail_piece *piece;

	if (!is_from_file(trail)) {
		walk_segment(trail, bytes);
		return;
	}
	piece = piece_new(trail, &bytes->event, TRAIL_BYTES, bytes->length, bytes->length);
	if (!piece)
		return;
	memcpy(piece->bytes, bytes->data, bytes->length);
	piece->position = bytes->position - side->initial;
	take_piece(trail, piece);
}

static void take_cut(struct trail *trail, const struct event_cut *cut)
{
	struct trail_side *side = &trail->side[cut->event.direction];
	struct trail_piece *piece;

	/* a count of 0: nothing more will be seen; a missing byte has the same effect */
	if (!is_from_file(trail))
		return;
	piece = piece_new(trail, &cut->event, TRAIL_BYTES, cut->count ?: 1, 0);
	if (!piece)
		return;
	piece->position = cut->position - side->initial;
	take_piece(trail, piece);
}

static void take_datagram(struct trail *trail, const struct event_bytes *bytes)
{
	struct trail_piece *piece;

	if (bytes->position) /* the rest of a message longer than an event */
		return;
	piece = piece_new(trail, &bytes->event, TRAIL_DATAGRAM, bytes->length, bytes->length);
	if (!piece)
		return;
	memcpy(piece->bytes, bytes->data, bytes->length);
	blank_datagram(piece->bytes, piece->captured);
	piece_add(trail, piece);
}

static void take_close(struct trail *trail, const struct event_close *close)
{
	struct trail_side *side = &trail->side[close->event.direction];
	struct trail_piece *piece =
		piece_new(trail, &close->event, close->how == EVENT_RST ? TRAIL_RST : TRAIL_FIN, 0, 0);

	if (!piece)
		return;
	piece->position = is_from_file(trail) && side->handed_over ? close->sequence - side->initial : side->next;
	piece_add(trail, piece);
}

void trail_event(struct trail *trail, const struct event *event)
{
	if (trail->full)
		return;
	switch (event->kind) {
	case EVENT_HANDOVER:
		take_handover(trail, (const struct event_handover *)event);
		break;
	case EVENT_SEGMENT:
		take_segment(trail, (const struct event_bytes *)event);
		break;
	case EVENT_CUT:
		take_cut(trail, (const struct event_cut *)event);
		break;
	case EVENT_DATAGRAM:
		take_datagram(trail, (const struct event_bytes *)event);
		break;
	case EVENT_CLOSE:
		take_close(trail, (const struct event_close *)event);
		break;
	default:
		take_walked(event, trail);
	}
}

void trail_end(struct trail *trail)
{
	take_early(trail, &trail->side[EVENT_RECEIVED], true);
	take_early(trail, &trail->side[EVENT_SENT], true);
}
