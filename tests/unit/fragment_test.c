// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/fragment.h"

#include "frame.h"

#include <pcap/dlt.h>

enum {
	SECOND = 1000000000,
	MORE = 0x2000,
	TCP_LENGTH = 32 + sizeof(FRAME_PAYLOAD) - 1, /* what is sent in fragments: 53 bytes */
};

/* A fragment of the frame's segment: bytes [offset, offset + length). */
struct part {
	unsigned int offset;
	unsigned int length;
	bool more;
	unsigned int kept; /* bytes captured, where not 0 */
};

static struct packet ipv4_part(struct message_bytes *frame, uint16_t identification, const struct part *part)
{
	struct message_bytes segment = {.length = 0};
	struct packet packet;
	size_t at, whole;

	put_tcp(&segment);
	put_zeros(&segment, 64);
	frame->length = 0;
	at = ipv4_begin(frame, IPPROTO_TCP, FRAME_IPV4_SOURCE, FRAME_IPV4_DESTINATION, identification,
	                part->offset / 8 | (part->more ? MORE : 0));
	put_bytes(frame, segment.data + part->offset, part->length);
	ipv4_end(frame, at);
	whole = frame->length;
	if (part->kept)
		frame->length = at + 20 + part->kept;
	packet_parse(DLT_RAW, frame->data, frame->length, whole, &packet);
	expect_number("fragment", "kind", packet.kind, PACKET_FRAGMENT);
	return packet;
}

struct fragments_case {
	const char *name;
	struct part parts[6];
	size_t count;
	size_t completes; /* which one completes the packet; count: none */
	size_t captured;  /* bytes of the payload that are there then */
};

#define WHOLE (sizeof(FRAME_PAYLOAD) - 1)

static const struct fragments_case cases[] = {
	{"in order", {{0, 16, true, 0}, {16, 24, true, 0}, {40, 13, false, 0}}, 3, 2, WHOLE},
	{"backwards", {{40, 13, false, 0}, {16, 24, true, 0}, {0, 16, true, 0}}, 3, 2, WHOLE},
	{"last one in between", {{0, 16, true, 0}, {40, 13, false, 0}, {16, 24, true, 0}}, 3, 2, WHOLE},
	{"repeated",
         {{0, 16, true, 0}, {0, 16, true, 0}, {40, 13, false, 0}, {40, 13, false, 0}, {16, 24, true, 0}},
         5,
         4,
         WHOLE},
	{"one missing", {{0, 16, true, 0}, {40, 13, false, 0}}, 2, 2, 0},
	{"first missing", {{16, 24, true, 0}, {40, 13, false, 0}}, 2, 2, 0},
	{"last missing", {{0, 16, true, 0}, {16, 24, true, 0}}, 2, 2, 0},
	{"overlapping", {{0, 24, true, 0}, {16, 24, true, 0}, {40, 13, false, 0}}, 3, 3, 0},
	{"two ends", {{40, 13, false, 0}, {40, 12, false, 0}, {0, 40, true, 0}}, 3, 3, 0},
	{"behind the end", {{40, 13, false, 0}, {56, 8, true, 0}, {0, 40, true, 0}}, 3, 3, 0},
	{"last one cut short", {{0, 40, true, 0}, {40, 13, false, 5}}, 2, 1, WHOLE - 8},
	{"middle one cut short", {{0, 16, true, 0}, {16, 24, true, 20}, {40, 13, false, 0}}, 3, 2, 4},
	{"first one cut short in its options", {{0, 40, true, 20}, {40, 13, false, 0}}, 2, 1, 0},
};

static void expect_segment(const char *name, const struct packet *packet, size_t captured)
{
	expect_number(name, "kind", packet->kind, PACKET_TCP);
	expect_number(name, "family", packet->family, 4);
	expect_hex(name, "source", packet->source, 4, FRAME_IPV4_SOURCE);
	expect_hex(name, "destination", packet->destination, 4, FRAME_IPV4_DESTINATION);
	expect_number(name, "sequence", packet->sequence, FRAME_SEQUENCE);
	expect_number(name, "length", packet->length, WHOLE);
	expect_number(name, "captured", packet->captured, captured);
	assert_memory_equal(packet->payload, FRAME_PAYLOAD, captured);
}

static void fragments_make_the_packet(void **state)
{
	struct message_bytes frame;
	struct fragment_table *table;
	struct packet packet;
	size_t i, j;
	bool whole;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		table = fragment_table_new();
		assert_non_null(table);
		for (j = 0; j < cases[i].count; j++) {
			packet = ipv4_part(&frame, 7, &cases[i].parts[j]);
			whole = fragment_table_add(table, &packet, SECOND, &packet);
			expect_number(cases[i].name, "whole", whole, j == cases[i].completes);
			if (whole)
				expect_segment(cases[i].name, &packet, cases[i].captured);
		}
		fragment_table_free(table);
	}
}

static void ipv6_fragments(void **state)
{
	static const char *const headers[] = {"0600000100000009", "0600002800000009"}; /* at 0 and more; at 40, last */
	struct fragment_table *table = fragment_table_new();
	struct message_bytes segment = {.length = 0};
	struct message_bytes frame;
	struct packet packet;
	size_t at, i;
	bool whole;

	(void)state;
	assert_non_null(table);
	put_tcp(&segment);
	for (i = 0; i < 2; i++) {
		frame.length = 0;
		at = ipv6_begin(&frame, 44);
		put_hex(&frame, headers[i]);
		put_bytes(&frame, segment.data + i * 40, i ? segment.length - 40 : 40);
		ipv6_end(&frame, at);
		packet_parse(DLT_RAW, frame.data, frame.length, frame.length, &packet);
		expect_number("IPv6 fragment", "kind", packet.kind, PACKET_FRAGMENT);
		whole = fragment_table_add(table, &packet, SECOND, &packet);
		expect_number("IPv6 fragment", "whole", whole, i == 1);
	}
	expect_number("IPv6", "kind", packet.kind, PACKET_TCP);
	expect_hex("IPv6", "source", packet.source, 16, FRAME_IPV6_SOURCE);
	expect_number("IPv6", "captured", packet.captured, WHOLE);
	assert_memory_equal(packet.payload, FRAME_PAYLOAD, WHOLE);
	fragment_table_free(table);
}

/* Fragments of a packet that carries fragments of another. */
static void fragments_in_fragments(void **state)
{
	static const struct part inner[] = {{0, 40, true, 0}, {40, 13, false, 0}};
	struct fragment_table *table = fragment_table_new();
	struct message_bytes carried, frame;
	struct packet packet;
	size_t at, i, half;
	bool whole = false;

	(void)state;
	assert_non_null(table);
	for (i = 0; i < 4; i++) {
		ipv4_part(&carried, 7, &inner[i / 2]);
		frame.length = 0;
		at = ipv4_begin(&frame, IPPROTO_IPIP, "c0000201", "c0000202", 100 + i / 2, i % 2 ? 16 / 8 : MORE);
		half = i % 2 ? 16 : 0;
		put_bytes(&frame, carried.data + half, i % 2 ? carried.length - 16 : 16);
		ipv4_end(&frame, at);
		packet_parse(DLT_RAW, frame.data, frame.length, frame.length, &packet);
		do {
			expect_number("outer", "kind", packet.kind, PACKET_FRAGMENT);
			whole = fragment_table_add(table, &packet, SECOND, &packet);
		} while (whole && packet.kind == PACKET_FRAGMENT);
		expect_number("inner", "whole", whole, i == 3);
	}
	expect_segment("inner", &packet, WHOLE);
	fragment_table_free(table);
}

static void counts(void **state)
{
	static const struct part part = {0, 16, true, 0}, odd = {0, 17, true, 0};
	static const struct part contradicting = {8, 16, true, 0};
	struct fragment_table *table = fragment_table_new();
	struct fragment_counts found;
	struct message_bytes frame;
	struct packet packet;

	(void)state;
	assert_non_null(table);
	packet = ipv4_part(&frame, 1, &part);
	assert_false(fragment_table_add(table, &packet, SECOND, &packet));
	packet = ipv4_part(&frame, 2, &part);
	assert_false(fragment_table_add(table, &packet, SECOND, &packet));
	packet = ipv4_part(&frame, 2, &contradicting);
	assert_false(fragment_table_add(table, &packet, SECOND, &packet));
	packet = ipv4_part(&frame, 3, &odd);
	assert_false(fragment_table_add(table, &packet, SECOND, &packet));
	found = fragment_table_counts(table);
	expect_number("counts", "incomplete", found.incomplete, 1);
	expect_number("counts", "overlapping", found.overlapping, 1);
	expect_number("counts", "malformed", found.malformed, 1);
	fragment_table_free(table);
}

/* The two ends of a packet, too far apart in time to be of the same one. */
static void time_is_bounded(void **state)
{
	static const struct part first = {0, 40, true, 0}, last = {40, 13, false, 0};
	const uint64_t late = (FRAGMENT_TIMEOUT_SECONDS + 2) * (uint64_t)SECOND;
	struct fragment_table *table = fragment_table_new();
	struct message_bytes frame;
	struct packet packet;

	(void)state;
	assert_non_null(table);
	packet = ipv4_part(&frame, 1, &first);
	assert_false(fragment_table_add(table, &packet, SECOND, &packet));
	packet = ipv4_part(&frame, 1, &last);
	assert_false(fragment_table_add(table, &packet, late, &packet));
	expect_number("late", "incomplete", fragment_table_counts(table).incomplete, 2);
	fragment_table_free(table);
}

/* One packet more than may be incomplete: the oldest one is forgotten, the others are not. */
static void number_is_bounded(void **state)
{
	static const struct part first = {0, 40, true, 0}, last = {40, 13, false, 0};
	struct fragment_table *table = fragment_table_new();
	struct message_bytes frame;
	struct packet packet;
	unsigned int i;

	(void)state;
	assert_non_null(table);
	for (i = 0; i <= FRAGMENT_PACKETS_MAX; i++) {
		packet = ipv4_part(&frame, i, &first);
		assert_false(fragment_table_add(table, &packet, SECOND, &packet));
	}
	expect_number("full", "incomplete", fragment_table_counts(table).incomplete, FRAGMENT_PACKETS_MAX + 1);
	packet = ipv4_part(&frame, 1, &last);
	assert_true(fragment_table_add(table, &packet, SECOND, &packet));
	packet = ipv4_part(&frame, 0, &last);
	assert_false(fragment_table_add(table, &packet, SECOND, &packet));
	fragment_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_make_the_packet), cmocka_unit_test(ipv6_fragments),
		cmocka_unit_test(fragments_in_fragments),    cmocka_unit_test(counts),
		cmocka_unit_test(time_is_bounded),           cmocka_unit_test(number_is_bounded),
	};

	return cmocka_run_group_tests_name("fragment", tests, NULL, NULL);
}
