// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/fragment.h"
#include "stream/pieces.h"

#include <stdlib.h>
#include <string.h>

/* A packet of which fragments came. */
struct incomplete {
	struct incomplete *next;
	struct packet key; /* addresses, protocol, identification */
	uint64_t time_ns;  /* of the first fragment that came */
	struct pieces pieces;
	uint32_t end;   /* the farthest end of a fragment seen */
	bool end_known; /* the last fragment came */
	bool left_out;  /* left out, and so are the fragments still to come */
};

struct fragment_table {
	struct incomplete *oldest; /* a list in the order of time_ns */
	uint32_t count;
	struct fragment_counts counts;
	uint8_t whole[FRAGMENT_BYTES_MAX];
};

struct fragment_table *fragment_table_new(void)
{
	return calloc(1, sizeof(struct fragment_table));
}

static void drop(struct fragment_table *table, struct incomplete **place)
{
	struct incomplete *incomplete = *place;

	*place = incomplete->next;
	table->count--;
	pieces_clear(&incomplete->pieces);
	free(incomplete);
}

void fragment_table_free(struct fragment_table *table)
{
	if (!table)
		return;
	while (table->oldest)
		drop(table, &table->oldest);
	free(table);
}

static void drop_oldest(struct fragment_table *table)
{
	table->counts.incomplete += !table->oldest->left_out;
	drop(table, &table->oldest);
}

static void drop_expired(struct fragment_table *table, uint64_t time_ns)
{
	const uint64_t timeout_ns = FRAGMENT_TIMEOUT_SECONDS * 1000000000ull;

	while (table->oldest && time_ns > table->oldest->time_ns && time_ns - table->oldest->time_ns > timeout_ns)
		drop_oldest(table);
}

static bool same_packet(const struct packet *left, const struct packet *right)
{
	return left->identification == right->identification && left->family == right->family &&
	       left->protocol == right->protocol && memcmp(left->source, right->source, sizeof(left->source)) == 0 &&
	       memcmp(left->destination, right->destination, sizeof(left->destination)) == 0;
}

/* The place of the fragment's packet in the list: a new place at the end if absent. NULL without memory. */
static struct incomplete **find_or_add(struct fragment_table *table, const struct packet *fragment, uint64_t time_ns)
{
	struct incomplete **place = &table->oldest;

	for (; *place; place = &(*place)->next)
		if (same_packet(&(*place)->key, fragment))
			return place;
	if (table->count >= FRAGMENT_PACKETS_MAX) {
		drop_oldest(table);
		for (place = &table->oldest; *place;)
			place = &(*place)->next;
	}
	*place = calloc(1, sizeof(**place));
	if (!*place)
		return NULL;
	(*place)->key = *fragment;
	(*place)->time_ns = time_ns;
	table->count++;
	return place;
}

/* The length of every fragment except the last is a multiple of 8 bytes, and all fragments lie within a packet. */
static bool fragment_is_possible(const struct packet *fragment)
{
	if (fragment->fragment_offset + fragment->length > FRAGMENT_BYTES_MAX || fragment->length == 0)
		return false;
	return !fragment->more_fragments || fragment->length % 8 == 0;
}

/* Whether the fragment agrees with earlier fragments about the packet's end. */
static bool end_agrees(struct incomplete *incomplete, const struct packet *fragment)
{
	uint32_t end = fragment->fragment_offset + fragment->length;

	if (incomplete->end_known && (fragment->more_fragments ? end >= incomplete->end : end != incomplete->end))
		return false;
	if (!fragment->more_fragments) {
		if (end < incomplete->end)
			return false;
		incomplete->end_known = true;
	}
	if (end > incomplete->end)
		incomplete->end = end;
	return true;
}

/* Add the fragment to its packet, or leave the packet out. */
static void add_fragment(struct fragment_table *table, struct incomplete *incomplete, const struct packet *fragment)
{
	bool agrees = end_agrees(incomplete, fragment);
	int repeated = 0;

	if (agrees)
		repeated = pieces_add(&incomplete->pieces, fragment->fragment_offset, fragment->length,
		                      fragment->payload, fragment->captured);
	if (agrees && (repeated == 0 || repeated == (int)fragment->length))
		return;
	if (repeated < 0)
		table->counts.incomplete++;
	else
		table->counts.overlapping++;
	incomplete->left_out = true;
	pieces_clear(&incomplete->pieces);
}

bool fragment_table_add(struct fragment_table *table, const struct packet *fragment, uint64_t time_ns,
                        struct packet *packet)
{
	struct incomplete **place;
	struct incomplete *incomplete;
	uint32_t captured, length;

	if (!fragment_is_possible(fragment)) {
		table->counts.malformed++;
		return false;
	}
	drop_expired(table, time_ns);
	place = find_or_add(table, fragment, time_ns);
	if (!place)
		return false;
	incomplete = *place;
	if (!incomplete->left_out)
		add_fragment(table, incomplete, fragment);
	if (incomplete->left_out || !incomplete->end_known || incomplete->pieces.covered < incomplete->end)
		return false;
	length = incomplete->end;
	captured = pieces_copy(&incomplete->pieces, table->whole, sizeof(table->whole));
	drop(table, place);
	packet_parse_reassembled(fragment, table->whole, captured, length, packet);
	return true;
}

struct fragment_counts fragment_table_counts(const struct fragment_table *table)
{
	struct fragment_counts counts = table->counts;
	const struct incomplete *incomplete;

	for (incomplete = table->oldest; incomplete; incomplete = incomplete->next)
		counts.incomplete += !incomplete->left_out;
	return counts;
}
