// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One direction walked in userspace (user/stream/reassembly.c): gaps, overlaps, bounds, holes that stay. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "stream/reassembly.h"
#include "recorder.h"
#include "stream.h"
#include "stream_random.h"
#include "stream/walk.h"

enum {
	BASE = 1000, /* sequence number of a stream's first byte, where it does not matter */
	RANDOM_STREAMS = 700,
	DELIVERIES_MAX = 4096,
};

static const struct tls_walk searching;

struct fixture {
	struct reassembly *reassembly;
	struct recorder recorder;
	struct stream *stream;
	__u32 base; /* sequence number of the stream's first byte */
	uint64_t time_ns;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		return -1;
	fixture->base = BASE;
	fixture->stream = stream_new();
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	reassembly_free(fixture->reassembly);
	recorder_free(&fixture->recorder);
	free(fixture->stream);
	free(fixture);
	return 0;
}

static void begin(struct fixture *fixture, const struct tls_walk *walk, __u32 base)
{
	reassembly_free(fixture->reassembly);
	recorder_free(&fixture->recorder);
	fixture->base = base;
	fixture->reassembly = reassembly_new(walk, base, recorder_event, &fixture->recorder);
	assert_non_null(fixture->reassembly);
}

static void begin_answer(struct fixture *fixture, __u32 base)
{
	struct tls_walk walk = {};

	tls_walk_expect_answer(&walk);
	begin(fixture, &walk, base);
}

/* Deliver bytes as a segment of their own memory, so that nothing beyond it goes unseen. */
static int deliver_bytes(struct fixture *fixture, const uint8_t *data, size_t offset, size_t length, bool start)
{
	struct event_bytes *segment = malloc(sizeof(*segment) + length);
	int error;

	assert_non_null(segment);
	*segment = (struct event_bytes){
		.event.size = sizeof(*segment) + length,
		.event.kind = EVENT_SEGMENT,
		.event.flags = start ? EVENT_SEGMENT_START : 0,
		.event.connection = 77,
		.event.time_ns = ++fixture->time_ns,
		.position = fixture->base + offset,
		.length = length,
	};
	memcpy(segment->data, data, length);
	error = reassembly_segment(fixture->reassembly, segment);
	free(segment);
	return error;
}

/* Deliver a part of the stream. */
static int deliver(struct fixture *fixture, size_t offset, size_t length, bool start)
{
	assert_in_range(offset + length, 0, fixture->stream->length);
	return deliver_bytes(fixture, fixture->stream->bytes + offset, offset, length, start);
}

static void deliver_from(struct fixture *fixture, size_t offset)
{
	assert_int_equal(deliver(fixture, offset, fixture->stream->length - offset, true), 0);
}

static int cut(struct fixture *fixture, size_t offset, __u32 count)
{
	const struct event_cut event = {
		.event.size = sizeof(event),
		.event.kind = EVENT_CUT,
		.event.connection = 77,
		.event.time_ns = ++fixture->time_ns,
		.position = fixture->base + offset,
		.count = count,
	};

	return reassembly_cut(fixture->reassembly, &event);
}

static void expect(struct fixture *fixture, const char *expected)
{
	assert_string_equal(recorder_text(&fixture->recorder), expected);
}

static bool has_gap(const struct fixture *fixture)
{
	return reassembly_has_gap(fixture->reassembly);
}

/* ServerHello (offset 0, body from 9 to 79), Certificate (79, 88 to 588), CertificateRequest (588, 597 to 647), Done (647) */
enum {
	CERTIFICATE = 79,
	CERTIFICATE_BODY = 88,
	REQUEST = 588,
	REQUEST_BODY = 597,
	DONE = 647,
	FLIGHT = 656,
};

static const char flight_events[] =
	"message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+500\nmessage 13 50 0303\n"
	"body 13 0+50\nmessage 14 0 0303\n";

/* The same where bytes of the Certificate's body are missing. */
static const char flight_events_without_certificate[] =
	"message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nmessage 13 50 0303\n"
	"body 13 0+50\nmessage 14 0 0303\n";

static const char flight_events_with_holes[] = "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 "
					       "0+112\nbody 11 162+30\nbody 11 212+288\nmessage 13 50 0303\n"
					       "body 13 0+50\nmessage 14 0 0303\n";

static void build_flight(struct stream *stream)
{
	stream_reset(stream);
	stream_message_record(stream, 0x0303, 2, 70);
	stream_message_record(stream, 0x0303, 11, 500);
	stream_message_record(stream, 0x0303, 13, 50);
	stream_message_record(stream, 0x0303, 14, 0);
	assert_int_equal(stream->length, FLIGHT);
}

static void test_in_order(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	for (i = 0; i < FLIGHT; i++) {
		assert_int_equal(deliver(fixture, i, 1, false), 0);
		assert_false(has_gap(fixture));
	}
	expect(fixture, flight_events);
	assert_true(reassembly_wants_more(fixture->reassembly));
	assert_false(reassembly_is_searching(fixture->reassembly));
}

static void test_gap(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 300, 356, true), 0);
	expect(fixture, "");
	assert_true(has_gap(fixture));
	assert_false(reassembly_reached(fixture->reassembly, BASE + 1));
	assert_true(reassembly_reached(fixture->reassembly, BASE));
	assert_int_equal(deliver(fixture, 0, 300, true), 0);
	expect(fixture, flight_events);
	assert_false(has_gap(fixture));
	assert_true(reassembly_reached(fixture->reassembly, BASE + FLIGHT));
	assert_false(reassembly_reached(fixture->reassembly, BASE + FLIGHT + 1));
}

static void test_retransmissions(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, 100, true), 0);
	assert_int_equal(deliver(fixture, 0, 100, true), 0);
	assert_int_equal(deliver(fixture, 200, 100, true), 0);
	assert_int_equal(deliver(fixture, 150, 200, true), 0);
	assert_int_equal(deliver(fixture, 400, 100, true), 0);
	assert_int_equal(deliver(fixture, 120, 500, true), 0);
	assert_true(has_gap(fixture));
	assert_int_equal(deliver(fixture, 50, 60, true), 0);
	assert_int_equal(deliver(fixture, 90, FLIGHT - 90, true), 0);
	expect(fixture, flight_events);
	assert_false(has_gap(fixture));
}

/* Of bytes that come twice the first count, whichever way they lie over each other. */
/* The first copy of a byte counts; a copy that differs contradicts it, from then on. */
static void test_first_bytes_count(void **state)
{
	struct fixture *fixture = *state;
	uint8_t other[FLIGHT];

	memset(other, 0xee, sizeof(other));
	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 100, 100, true), 0);
	assert_int_equal(deliver(fixture, 300, 300, true), 0);
	assert_int_equal(deliver_bytes(fixture, other, 100, 100, true), -EBADMSG);
	assert_int_equal(deliver_bytes(fixture, other, 350, 50, true), -EBADMSG);
	assert_int_equal(deliver(fixture, 600, 56, true), -EBADMSG);
	assert_int_equal(deliver(fixture, 0, 300, true), -EBADMSG);
	assert_int_equal(deliver_bytes(fixture, other, 0, FLIGHT, true), -EBADMSG);
	expect(fixture, flight_events);
	assert_true(has_gap(fixture));
}

/* A copy of bytes that were walked, and one of bytes that are held, with one byte changed at each place. */
static void test_contradictions(void **state)
{
	struct fixture *fixture = *state;
	uint8_t copy[FLIGHT];

	build_flight(fixture->stream);
	memcpy(copy, fixture->stream->bytes, sizeof(copy));
	for (__u32 changed = 0; changed < 400; changed++) {
		begin_answer(fixture, BASE);
		assert_int_equal(deliver(fixture, 0, 200, true), 0);
		assert_int_equal(deliver(fixture, 250, 100, true), 0);
		copy[changed] ^= 1;
		assert_int_equal(deliver_bytes(fixture, copy, 0, 400, true),
		                 changed < 200 || (changed >= 250 && changed < 350) ? -EBADMSG : 0);
		copy[changed] ^= 1;
	}
}

/* What the receiver had acknowledged before makes no difference: a keep-alive carries a byte of garbage. */
static void test_acknowledged_copies(void **state)
{
	struct fixture *fixture = *state;
	struct event_bytes *probe = calloc(1, sizeof(*probe) + 1);

	assert_non_null(probe);
	*probe = (struct event_bytes){
		.event = {.size = sizeof(*probe) + 1, .kind = EVENT_SEGMENT},
		.position = BASE + 199,
		.length = 1,
		.type = EVENT_SEGMENT_ACKNOWLEDGED,
	};
	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, 200, true), 0);
	probe->data[0] = fixture->stream->bytes[199] ^ 0xff;
	assert_int_equal(reassembly_segment(fixture->reassembly, probe), 0);
	assert_int_equal(deliver(fixture, 200, FLIGHT - 200, true), 0);
	assert_false(has_gap(fixture));
	free(probe);
}

static void test_wrap_around(void **state)
{
	struct fixture *fixture = *state;
	__u32 base;

	build_flight(fixture->stream);
	for (base = -FLIGHT - 2; base != 2; base++) {
		begin_answer(fixture, base);
		assert_int_equal(deliver(fixture, 500, 156, true), 0);
		assert_int_equal(deliver(fixture, 100, 100, true), 0);
		assert_int_equal(deliver(fixture, 150, 300, true), 0);
		assert_true(has_gap(fixture));
		assert_int_equal(deliver(fixture, 0, 120, true), 0);
		assert_int_equal(deliver(fixture, 440, 70, true), 0);
		expect(fixture, flight_events);
		assert_false(has_gap(fixture));
		assert_true(reassembly_reached(fixture->reassembly, base + FLIGHT));
	}
}

/* ---- Any order of any segments ---- */

struct delivery {
	size_t offset;
	size_t length;
};

static size_t next_start(const struct stream *stream, size_t position)
{
	size_t i;

	for (i = 0; i < stream->starts; i++)
		if (stream->start[i] >= position)
			return stream->start[i];
	return SIZE_MAX;
}

/* Clip a segment so that it covers no other's beginning: else it would depend on the order which ones are seen. */
static size_t clip(const struct stream *stream, size_t offset, size_t length)
{
	size_t end = next_start(stream, offset + 1);

	if (length > stream->length - offset)
		length = stream->length - offset;
	return end - offset < length ? end - offset : length;
}

static size_t random_deliveries(const struct stream *stream, uint32_t *random, struct delivery *deliveries)
{
	static const uint32_t sizes[] = {3, 40, 500, 3000};
	uint32_t size = sizes[stream_random_below(random, 4)];
	size_t count = 0, position, i, swap;
	struct delivery delivery;

	if (size < stream->length / 200)
		size = stream->length / 200;
	for (position = 0; position < stream->length; position += deliveries[count++].length) {
		deliveries[count].offset = position;
		deliveries[count].length = clip(stream, position, 1 + stream_random_below(random, size));
	}
	for (i = stream_random_below(random, 20); i && count < DELIVERIES_MAX && stream->length; i--) {
		deliveries[count].offset = stream_random_below(random, stream->length);
		deliveries[count].length =
			clip(stream, deliveries[count].offset, 1 + stream_random_below(random, 2 * size));
		count++;
	}
	for (i = count; i > 1; i--) {
		swap = stream_random_below(random, i);
		delivery = deliveries[swap];
		deliveries[swap] = deliveries[i - 1];
		deliveries[i - 1] = delivery;
	}
	return count;
}

static void record_in_order(struct fixture *fixture, const struct tls_walk *walk, struct recorder *recorder)
{
	const struct stream *stream = fixture->stream;
	size_t position, length;

	begin(fixture, walk, 0);
	fixture->recorder.hash_bodies = true;
	for (position = 0; position < stream->length; position += length) {
		length = clip(stream, position, 60000);
		assert_int_equal(deliver(fixture, position, length, next_start(stream, position) == position), 0);
	}
	recorder_text(&fixture->recorder);
	*recorder = fixture->recorder;
	fixture->recorder = (struct recorder){};
}

static void test_any_order(void **state)
{
	struct fixture *fixture = *state;
	struct delivery deliveries[DELIVERIES_MAX];
	const struct stream *stream = fixture->stream;
	struct recorder expected = {};
	struct tls_walk walk;
	uint32_t random = 31, number;
	size_t count, i;

	for (number = 0; number < RANDOM_STREAMS; number++) {
		walk = searching;
		if (number % 2)
			tls_walk_expect_answer(&walk);
		stream_random(fixture->stream, &random, number % 2);
		if (number % 4 == 0)
			stream_mutate(fixture->stream, &random);
		record_in_order(fixture, &walk, &expected);
		begin(fixture, &walk, stream_random_next(&random) | (number % 3 ? 0 : 0xffffc000));
		fixture->recorder.hash_bodies = true;
		count = random_deliveries(stream, &random, deliveries);
		for (i = 0; i < count; i++)
			assert_int_equal(deliver(fixture, deliveries[i].offset, deliveries[i].length,
			                         next_start(stream, deliveries[i].offset) == deliveries[i].offset),
			                 0);
		assert_false(has_gap(fixture));
		expect(fixture, expected.text ?: "");
		recorder_free(&expected);
	}
}

/* The kernel hands over after any byte. */
static void test_handover(void **state)
{
	struct fixture *fixture = *state;
	const struct event origin = {};
	struct tls_walk walk;
	size_t position;

	build_flight(fixture->stream);
	for (position = 0; position < FLIGHT - 50; position++) {
		walk = (struct tls_walk){};
		tls_walk_expect_answer(&walk);
		recorder_free(&fixture->recorder);
		walk_bytes(&walk, fixture->stream->bytes, position, &origin, recorder_event, &fixture->recorder);
		reassembly_free(fixture->reassembly);
		fixture->reassembly = reassembly_new(&walk, BASE + position, recorder_event, &fixture->recorder);
		assert_non_null(fixture->reassembly);
		assert_int_equal(deliver(fixture, position + 50, FLIGHT - position - 50, true), 0);
		assert_true(has_gap(fixture));
		assert_int_equal(deliver(fixture, 0, FLIGHT, true), 0);
		expect(fixture, flight_events);
	}
}

/* A state that no walker leaves behind ends the direction, and reads nothing that is not there. */
static void test_handover_damaged(void **state)
{
	struct fixture *fixture = *state;
	const struct tls_walk damaged[] = {
		{.phase = TLS_WALK_RECORD, .flags = TLS_WALK_STARTED, .header_have = 200},
		{.phase = TLS_WALK_BODY, .flags = TLS_WALK_STARTED, .message_left = 10},
	};
	size_t i;

	build_flight(fixture->stream);
	for (i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		begin(fixture, &damaged[i], BASE);
		assert_int_equal(deliver(fixture, 0, FLIGHT, true), 0);
		expect(fixture, "");
		assert_true(has_gap(fixture));
		assert_false(reassembly_wants_more(fixture->reassembly));
	}
}

/* ---- What an event says of its origin ---- */

struct times {
	uint64_t message[4];
	uint64_t body_end[4]; /* of the body in question: the last chunk's */
	unsigned int messages;
};

static void take_times(const struct event *event, void *context)
{
	struct times *times = context;

	assert_int_equal(event->connection, 77);
	if (event->kind == EVENT_MESSAGE)
		times->message[times->messages++] = event->time_ns;
	if (event->kind == EVENT_BODY)
		times->body_end[times->messages - 1] = event->time_ns;
}

/* An event has the time of the segment that closed the gap before it, not of the one that brought its bytes. */
static void test_times(void **state)
{
	struct fixture *fixture = *state;
	struct times times = {};
	struct tls_walk walk = {};

	build_flight(fixture->stream);
	tls_walk_expect_answer(&walk);
	fixture->reassembly = reassembly_new(&walk, BASE, take_times, &times);
	fixture->time_ns = 10;
	assert_int_equal(deliver(fixture, REQUEST, FLIGHT - REQUEST, true), 0); /* 11 */
	assert_int_equal(deliver(fixture, 0, 40, true), 0);                     /* 12 */
	assert_int_equal(deliver(fixture, 100, 100, true), 0);                  /* 13 */
	assert_int_equal(deliver(fixture, 40, 60, true), 0);                    /* 14 */
	assert_int_equal(deliver(fixture, 200, 300, true), 0);                  /* 15 */
	assert_int_equal(deliver(fixture, 500, 100, true), 0);                  /* 16 */
	assert_int_equal(times.messages, 4);
	assert_int_equal(times.message[0], 12);
	assert_int_equal(times.body_end[0], 14);
	assert_int_equal(times.message[1], 14);
	assert_int_equal(times.message[2], 16);
	assert_int_equal(times.body_end[2], 16);
	assert_int_equal(times.message[3], 16);
}

/* A cut closes a gap as a segment does. */
static void test_times_of_cut(void **state)
{
	struct fixture *fixture = *state;
	struct times times = {};
	struct tls_walk walk = {};

	build_flight(fixture->stream);
	tls_walk_expect_answer(&walk);
	fixture->reassembly = reassembly_new(&walk, BASE, take_times, &times);
	assert_int_equal(deliver(fixture, 0, 200, true), 0);            /* 1 */
	assert_int_equal(deliver(fixture, 300, FLIGHT - 300, true), 0); /* 2 */
	assert_int_equal(times.messages, 2);
	assert_int_equal(cut(fixture, 200, 100), 0); /* 3 */
	assert_int_equal(times.messages, 4);
	assert_int_equal(times.message[1], 1);
	assert_int_equal(times.message[2], 3);
	assert_int_equal(times.message[3], 3);
}

/* ---- Bounds ---- */

static void test_bound_of_pieces(void **state)
{
	struct fixture *fixture = *state;
	uint32_t i;

	stream_message_record(fixture->stream, 0x0303, 13, 3000);
	begin_answer(fixture, BASE);
	for (i = 0; i < REASSEMBLY_SEGMENTS_MAX; i++)
		assert_int_equal(deliver(fixture, 100 + 2 * i, 1, true), 0);
	assert_int_equal(deliver(fixture, 100 + 2 * i, 1, true), -ENOBUFS);
	assert_int_equal(deliver(fixture, 101, 1, true), -ENOBUFS);
	assert_true(has_gap(fixture));
	/* what is held is none the worse, and held pieces that come again take no room */
	assert_int_equal(deliver(fixture, 102, 1, true), 0);
	assert_int_equal(deliver(fixture, 0, 100, true), 0);
	assert_true(has_gap(fixture));
	assert_int_equal(deliver(fixture, 101, 2 * REASSEMBLY_SEGMENTS_MAX - 1, true), 0);
	expect(fixture, "message 13 3000 0303\nbody 13 0+1115\n");
	/* the one left out is still missing */
	assert_true(has_gap(fixture));
	deliver_from(fixture, 1100);
	expect(fixture, "message 13 3000 0303\nbody 13 0+1115\nbody 13 1115+1885\n");
	assert_false(has_gap(fixture));
}

static void test_bound_of_bytes(void **state)
{
	struct fixture *fixture = *state;
	enum {
		COUNT = 4,
		LENGTH = REASSEMBLY_BYTES_MAX / COUNT - 1
	};
	uint8_t *bytes = calloc(1, LENGTH);
	uint32_t i;

	assert_non_null(bytes);
	assert_in_range(LENGTH, 1, UINT16_MAX);
	begin_answer(fixture, BASE);
	for (i = 0; i < COUNT; i++)
		assert_int_equal(deliver_bytes(fixture, bytes, 1 + i * LENGTH, LENGTH, true), 0);
	assert_int_equal(deliver_bytes(fixture, bytes, 1 + i * LENGTH, COUNT + 1, true), -ENOBUFS);
	assert_int_equal(deliver_bytes(fixture, bytes, 1 + i * LENGTH, COUNT, true), 0);
	assert_int_equal(deliver_bytes(fixture, bytes, 5 + i * LENGTH, 1, true), -ENOBUFS);
	assert_true(has_gap(fixture));
	free(bytes);
}

static void fill_up(struct fixture *fixture, size_t offset)
{
	uint32_t i;

	for (i = 0; i < REASSEMBLY_SEGMENTS_MAX; i++)
		assert_int_equal(deliver(fixture, offset + 2 * i, 1, true), 0);
}

/* The doubt lasts up to the last byte left out, and no longer, wherever the numbers stand. */
static void test_left_out(void **state)
{
	static const __u32 bases[] = {BASE, 0x7ffffc00, 0xfffffc00};
	struct fixture *fixture = *state;
	size_t i;

	stream_message_record(fixture->stream, 0x0303, 13, 3000);
	for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		begin_answer(fixture, bases[i]);
		fill_up(fixture, 100);
		assert_int_equal(deliver(fixture, 1200, 50, true), -ENOBUFS);
		assert_int_equal(deliver(fixture, 1500, 50, true), -ENOBUFS);
		assert_int_equal(deliver(fixture, 1300, 50, true), -ENOBUFS);
		assert_int_equal(deliver(fixture, 0, 1549, true), 0);
		assert_true(has_gap(fixture));
		assert_int_equal(deliver(fixture, 1549, 1, true), 0);
		assert_false(has_gap(fixture));
	}
}

/* What was walked takes no room any more. */
static void test_bound_again(void **state)
{
	struct fixture *fixture = *state;
	enum {
		COUNT = 4,
		LENGTH = 60000
	};
	size_t offset = 0, round, i;

	/* empty records, on and on */
	for (i = 0; i < LENGTH; i += 5)
		stream_record_header(fixture->stream, 22, 0x0303, 0);
	begin_answer(fixture, BASE);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < COUNT; i++)
			assert_int_equal(
				deliver_bytes(fixture, fixture->stream->bytes, offset + 5 + i * LENGTH, LENGTH, true),
				0);
		assert_true(has_gap(fixture));
		assert_int_equal(deliver_bytes(fixture, fixture->stream->bytes, offset, 5, true), 0);
		assert_false(has_gap(fixture));
		offset += 5 + COUNT * LENGTH;
	}
	/* and the bound is what it was */
	for (i = 0; i < COUNT; i++)
		assert_int_equal(deliver_bytes(fixture, fixture->stream->bytes, offset + 5 + i * LENGTH, LENGTH, true),
		                 0);
	assert_int_equal(deliver_bytes(fixture, fixture->stream->bytes, offset + 5 + i * LENGTH, LENGTH, true),
	                 -ENOBUFS);
	expect(fixture, "");
}

/* One byte a segment, never in order, for long: as fast and as small as the bound. */
static void test_flood(void **state)
{
	struct fixture *fixture = *state;
	const uint8_t byte = 0;
	uint32_t random = 99, refused = 0, i;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	for (i = 0; i < 100000; i++)
		refused += deliver_bytes(fixture, &byte, FLIGHT + 2 * stream_random_below(&random, 400000), 1, false) ==
		           -ENOBUFS;
	assert_in_range(refused, 100000 - 2 * REASSEMBLY_SEGMENTS_MAX, 100000 - REASSEMBLY_SEGMENTS_MAX);
	assert_int_equal(deliver(fixture, 0, FLIGHT, true), 0);
	expect(fixture, flight_events);
	assert_true(has_gap(fixture));
}

/* A segment far outside the stream is anybody's: it leaves a doubt only while nothing else comes. */
static void test_outside(void **state)
{
	struct fixture *fixture = *state;
	const uint8_t byte = 0;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver_bytes(fixture, &byte, 2 << 20, 1, true), 0);
	assert_true(has_gap(fixture));
	assert_int_equal(deliver(fixture, 0, FLIGHT, true), 0);
	assert_false(has_gap(fixture));
	expect(fixture, flight_events);
	assert_int_equal(deliver_bytes(fixture, &byte, 2 << 20, 1, true), 0);
	assert_true(has_gap(fixture));
}

static void test_ended(void **state)
{
	struct fixture *fixture = *state;
	size_t end;

	build_flight(fixture->stream);
	stream_change_cipher_spec(fixture->stream, 0x0303);
	stream_encrypted(fixture->stream, 22, 0x0303, 40);
	end = fixture->stream->length;
	stream_encrypted(fixture->stream, 23, 0x0303, 500);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, end + 100, 100, true), 0);
	assert_true(has_gap(fixture));
	assert_true(reassembly_wants_more(fixture->reassembly));
	assert_int_equal(deliver(fixture, 0, end, true), 0);
	assert_false(reassembly_wants_more(fixture->reassembly));
	assert_false(has_gap(fixture));
	assert_int_equal(reassembly_held(fixture->reassembly), 0);
	assert_true(reassembly_reached(fixture->reassembly, BASE + fixture->stream->length));
	assert_int_equal(deliver(fixture, end + 300, 100, true), 0);
	assert_false(has_gap(fixture));
}

/* ---- Holes that stay ---- */

static void test_cut_in_body(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, REQUEST_BODY + 10, true), 0);
	assert_int_equal(cut(fixture, REQUEST_BODY + 10, 20), 0);
	assert_false(has_gap(fixture));
	deliver_from(fixture, REQUEST_BODY + 30);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+500\nmessage 13 50 0303\n"
	                "body 13 0+10\nbody 13 30+20\nmessage 14 0 0303\n");
	assert_false(has_gap(fixture));
}

static void test_cut_to_end_of_body(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, CERTIFICATE_BODY, true), 0);
	assert_int_equal(cut(fixture, CERTIFICATE_BODY, REQUEST - CERTIFICATE_BODY), 0);
	deliver_from(fixture, REQUEST);
	expect(fixture, flight_events_without_certificate);
	assert_false(has_gap(fixture));
}

/* One byte more than the body: behind it, nobody knows where records begin. What comes must not be read as if. */
static void test_cut_into_header(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, CERTIFICATE_BODY, true), 0);
	assert_int_equal(cut(fixture, CERTIFICATE_BODY, REQUEST - CERTIFICATE_BODY + 1), 0);
	assert_true(has_gap(fixture));
	assert_false(reassembly_wants_more(fixture->reassembly));
	deliver_from(fixture, REQUEST + 1);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\n");
	assert_true(has_gap(fixture));
}

static void test_cut_of_whole_records(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, REQUEST, true), 0);
	assert_int_equal(cut(fixture, REQUEST, DONE - REQUEST), 0);
	deliver_from(fixture, DONE);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+500\n");
	assert_true(has_gap(fixture));
}

static void test_cut_in_encrypted_record(void **state)
{
	struct fixture *fixture = *state;

	stream_message_record(fixture->stream, 0x0303, 2, 70);
	stream_encrypted(fixture->stream, 23, 0x0303, 500);
	stream_encrypted(fixture->stream, 23, 0x0303, 69);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, 79 + 5 + 10, true), 0);
	assert_int_equal(cut(fixture, 79 + 5 + 10, 490), 0);
	deliver_from(fixture, 79 + 5 + 500);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\nrecord 23 500 0303\nrecord 23 69 0303\n");
	assert_false(has_gap(fixture));
}

/* A cut can be told of before the bytes in front of it come, and of bytes that were there before. */
static void test_cut_behind_gap(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(cut(fixture, 200, 50), 0);
	assert_true(has_gap(fixture));
	assert_int_equal(deliver(fixture, 300, FLIGHT - 300, true), 0);
	assert_int_equal(cut(fixture, 280, 100), 0);
	assert_int_equal(deliver(fixture, 0, 200, true), 0);
	assert_int_equal(cut(fixture, 100, 50), 0);
	assert_true(has_gap(fixture));
	assert_int_equal(deliver(fixture, 250, 30, true), 0);
	expect(fixture, flight_events_with_holes);
	assert_false(has_gap(fixture));
}

static void test_cut_of_all(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(cut(fixture, 300, 0), 0);
	assert_true(has_gap(fixture));
	assert_true(reassembly_wants_more(fixture->reassembly));
	assert_int_equal(deliver(fixture, 0, 300, true), 0);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+212\n");
	assert_true(has_gap(fixture));
	assert_false(reassembly_wants_more(fixture->reassembly));
	/* and the other way round; of two cuts the first in the stream counts */
	begin_answer(fixture, BASE);
	assert_int_equal(cut(fixture, 300, 0), 0);
	assert_int_equal(cut(fixture, 400, 0), 0);
	assert_int_equal(deliver(fixture, 0, 200, true), 0);
	assert_true(reassembly_wants_more(fixture->reassembly));
	assert_int_equal(cut(fixture, 200, 0), 0);
	assert_true(has_gap(fixture));
	assert_false(reassembly_wants_more(fixture->reassembly));
}

/* More than can be told from bytes that went before. */
static void test_cut_of_very_many(void **state)
{
	static const __u32 counts[] = {1 << 30, 0x7fffffff, 0x80000000, 0xffffffff};
	struct fixture *fixture = *state;
	size_t i;

	build_flight(fixture->stream);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		begin_answer(fixture, BASE);
		assert_int_equal(cut(fixture, 300, counts[i]), 0);
		assert_int_equal(deliver(fixture, 0, 300, true), 0);
		assert_true(has_gap(fixture));
		assert_false(reassembly_wants_more(fixture->reassembly));
	}
}

/* A cut of bytes that were there all the same. */
static void test_cut_of_walked_bytes(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, FLIGHT, true), 0);
	assert_int_equal(cut(fixture, 100, 300), 0);
	assert_false(has_gap(fixture));
	assert_true(reassembly_wants_more(fixture->reassembly));
	expect(fixture, flight_events);
}

static void test_cut_of_all_that_nobody_wants(void **state)
{
	struct fixture *fixture = *state;

	stream_message_record(fixture->stream, 0x0303, 2, 70);
	stream_change_cipher_spec(fixture->stream, 0x0303);
	stream_encrypted(fixture->stream, 22, 0x0303, 40);
	begin_answer(fixture, BASE);
	assert_int_equal(cut(fixture, fixture->stream->length, 0), 0);
	deliver_from(fixture, 0);
	assert_false(has_gap(fixture));
	assert_false(reassembly_wants_more(fixture->reassembly));
}

static void test_finish(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, 200, true), 0);
	assert_int_equal(deliver(fixture, 300, 300, true), 0);
	assert_int_equal(deliver(fixture, 610, 46, true), 0);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+112\n");
	assert_true(has_gap(fixture));
	reassembly_finish(fixture->reassembly);
	/* both holes lie in bodies: 13's from 3 to 13 */
	expect(fixture, "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+112\nbody 11 212+288\nmessage "
	                "13 50 0303\n"
	                "body 13 0+3\nbody 13 13+37\nmessage 14 0 0303\n");
	assert_false(has_gap(fixture));
}

static void test_finish_hides_header(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, 580, true), 0);
	assert_int_equal(deliver(fixture, REQUEST_BODY, 59, true), 0);
	reassembly_finish(fixture->reassembly);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+492\n");
	assert_int_equal(reassembly_held(fixture->reassembly), 0);
	assert_true(has_gap(fixture));
	assert_false(reassembly_wants_more(fixture->reassembly));
}

/* ---- The search ---- */

static void build_starttls(struct stream *stream)
{
	stream_reset(stream);
	stream_text(stream, "EHLO a\r\n"); /* 0 to 8 */
	stream_segment(stream);
	stream_text(stream, "STARTTLS\r\n"); /* 8 to 18 */
	stream_segment(stream);
	stream_message_record(stream, 0x0301, 1, 60); /* 18 to 87 */
}

static const char hello_events[] = "message 1 60 0301\nbody 1 0+60\n";

static void test_search(void **state)
{
	struct fixture *fixture = *state;

	build_starttls(fixture->stream);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 18, 69, true), 0);
	assert_int_equal(deliver(fixture, 0, 8, true), 0);
	assert_true(reassembly_is_searching(fixture->reassembly));
	assert_int_equal(deliver(fixture, 8, 10, true), 0);
	assert_false(reassembly_is_searching(fixture->reassembly));
	expect(fixture, hello_events);
}

/* The search is over with the message's header, whatever comes of its body. */
static void test_search_found(void **state)
{
	struct fixture *fixture = *state;

	stream_message_record(fixture->stream, 0x0301, 1, 60);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 8, true), 0);
	assert_true(reassembly_is_searching(fixture->reassembly));
	assert_int_equal(deliver(fixture, 8, 1, true), 0);
	assert_false(reassembly_is_searching(fixture->reassembly));
	expect(fixture, "message 1 60 0301\n");
}

/* The beginning of a held segment is known even where the gap before it is closed by a longer one. */
static void test_search_keeps_beginnings(void **state)
{
	struct fixture *fixture = *state;

	build_starttls(fixture->stream);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 18, 20, true), 0);
	assert_int_equal(deliver(fixture, 0, 87, true), 0);
	expect(fixture, hello_events);
}

static void test_search_needs_beginnings(void **state)
{
	struct fixture *fixture = *state;

	build_starttls(fixture->stream);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 18, true), 0);
	assert_int_equal(deliver(fixture, 18, 69, false), 0);
	expect(fixture, "");
	/* nor is it one where the first bytes of the segment were there before */
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 18, true), 0);
	assert_int_equal(deliver(fixture, 8, 79, true), 0);
	expect(fixture, "");
	assert_true(reassembly_is_searching(fixture->reassembly));
}

/* A hole in the search may have held the hello; a hello found behind it makes the hole one before the handshake. */
static void test_search_behind_cut(void **state)
{
	struct fixture *fixture = *state;

	build_starttls(fixture->stream);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 8, true), 0);
	assert_int_equal(cut(fixture, 8, 10), 0);
	assert_true(has_gap(fixture));
	assert_true(reassembly_wants_more(fixture->reassembly));
	assert_int_equal(deliver(fixture, 18, 69, true), 0);
	expect(fixture, hello_events);
	assert_false(has_gap(fixture));
}

static void test_search_cut_in_candidate(void **state)
{
	struct fixture *fixture = *state;

	build_starttls(fixture->stream);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 8, true), 0);
	assert_int_equal(deliver(fixture, 8, 10, true), 0);
	assert_int_equal(deliver(fixture, 18, 7, true), 0);
	assert_int_equal(cut(fixture, 25, 10), 0);
	assert_int_equal(deliver(fixture, 35, 52, true), 0);
	expect(fixture, "");
	assert_true(has_gap(fixture));
	assert_true(reassembly_is_searching(fixture->reassembly));
	/* it is not given up */
	stream_segment(fixture->stream);
	stream_message_record(fixture->stream, 0x0301, 1, 60);
	deliver_from(fixture, 87);
	expect(fixture, hello_events);
	assert_false(has_gap(fixture));
}

static void test_search_finish(void **state)
{
	struct fixture *fixture = *state;

	build_starttls(fixture->stream);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 8, true), 0);
	assert_int_equal(deliver(fixture, 18, 69, true), 0);
	reassembly_finish(fixture->reassembly);
	expect(fixture, hello_events);
	assert_false(has_gap(fixture));
}

static void test_expect_answer(void **state)
{
	struct fixture *fixture = *state;

	stream_text(fixture->stream, "220 ready\r\n"); /* 0 to 11 */
	stream_message_record(fixture->stream, 0x0303, 2, 70);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 11, true), 0);
	reassembly_expect_answer(fixture->reassembly);
	assert_false(reassembly_is_searching(fixture->reassembly));
	deliver_from(fixture, 11);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\n");
}

/* The client has seen what is held, or it would not have spoken: the hole before it will not close. */
static void test_expect_answer_behind_gap(void **state)
{
	struct fixture *fixture = *state;

	stream_text(fixture->stream, "220 ready\r\n");
	stream_message_record(fixture->stream, 0x0303, 2, 70);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 4, 7, true), 0);
	assert_true(has_gap(fixture));
	reassembly_expect_answer(fixture->reassembly);
	assert_false(has_gap(fixture));
	deliver_from(fixture, 11);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\n");
}

static void test_expect_answer_after_search(void **state)
{
	struct fixture *fixture = *state;
	size_t position;

	stream_fill(fixture->stream, 'x', 3 * TLS_WALK_SEARCH_MAX);
	stream_message_record(fixture->stream, 0x0303, 2, 70);
	begin(fixture, &searching, BASE);
	for (position = 0; position < 3 * TLS_WALK_SEARCH_MAX; position += TLS_WALK_SEARCH_MAX)
		assert_int_equal(deliver(fixture, position, TLS_WALK_SEARCH_MAX, true), 0);
	assert_false(reassembly_wants_more(fixture->reassembly));
	assert_true(reassembly_is_searching(fixture->reassembly));
	assert_false(has_gap(fixture));
	reassembly_expect_answer(fixture->reassembly);
	assert_true(reassembly_wants_more(fixture->reassembly));
	deliver_from(fixture, 3 * TLS_WALK_SEARCH_MAX);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\n");
}

/* Nor will those that found no room. */
static void test_expect_answer_behind_left_out(void **state)
{
	struct fixture *fixture = *state;

	stream_fill(fixture->stream, 'x', 2000);
	stream_message_record(fixture->stream, 0x0303, 2, 70);
	begin(fixture, &searching, BASE);
	fill_up(fixture, 100);
	assert_int_equal(deliver(fixture, 1200, 800, true), -ENOBUFS);
	reassembly_expect_answer(fixture->reassembly);
	assert_false(has_gap(fixture));
	deliver_from(fixture, 2000);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\n");
	assert_false(has_gap(fixture));
}

static void test_expect_answer_behind_cut(void **state)
{
	struct fixture *fixture = *state;

	stream_text(fixture->stream, "220 ready\r\n");
	stream_message_record(fixture->stream, 0x0303, 2, 70);
	begin(fixture, &searching, BASE);
	assert_int_equal(cut(fixture, 0, 11), 0);
	assert_true(has_gap(fixture));
	reassembly_expect_answer(fixture->reassembly);
	assert_false(has_gap(fixture));
	deliver_from(fixture, 11);
	expect(fixture, "message 2 70 0303\nbody 2 0+70\n");
	/* but where nothing more will come, there is no answer either */
	begin(fixture, &searching, BASE);
	assert_int_equal(cut(fixture, 0, 0), 0);
	reassembly_expect_answer(fixture->reassembly);
	assert_true(has_gap(fixture));
}

/* A direction that has said hello itself is no answer. */
static void test_expect_answer_of_client(void **state)
{
	struct fixture *fixture = *state;

	stream_message_record(fixture->stream, 0x0301, 1, 60);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 30, true), 0);
	reassembly_expect_answer(fixture->reassembly);
	deliver_from(fixture, 30);
	expect(fixture, hello_events);
}

/* The rest of a client whose hello was not captured: its Certificate is read. */
static void test_expect_client(void **state)
{
	struct fixture *fixture = *state;

	stream_fill(fixture->stream, 0xe5, 50); /* the end of its hello */
	stream_segment(fixture->stream);
	stream_message_record(fixture->stream, 0x0303, 11, 40);
	stream_message_record(fixture->stream, 0x0303, 16, 66);
	begin(fixture, &searching, BASE);
	assert_int_equal(deliver(fixture, 0, 50, true), 0);
	reassembly_expect_client(fixture->reassembly);
	assert_false(reassembly_is_searching(fixture->reassembly));
	deliver_from(fixture, 50);
	expect(fixture, "message 11 40 0303\nbody 11 0+40\nmessage 16 66 0303\n");
}

/* A direction that has found a hello of its own goes on as it was. */
static void test_expect_client_of_server(void **state)
{
	struct fixture *fixture = *state;
	const struct tls_walk either = {.flags = TLS_WALK_EITHER};

	build_flight(fixture->stream);
	begin(fixture, &either, BASE);
	assert_int_equal(deliver(fixture, 0, 300, true), 0);
	reassembly_expect_client(fixture->reassembly);
	deliver_from(fixture, 300);
	expect(fixture, flight_events);
}

static void test_held(void **state)
{
	struct fixture *fixture = *state;

	build_flight(fixture->stream);
	begin_answer(fixture, BASE);
	assert_int_equal(deliver(fixture, 0, 100, true), 0);
	assert_int_equal(reassembly_held(fixture->reassembly), 0);
	assert_int_equal(deliver(fixture, 200, 100, true), 0);
	assert_in_range(reassembly_held(fixture->reassembly), 101, 200);
	assert_int_equal(deliver(fixture, 400, 100, true), 0);
	assert_in_range(reassembly_held(fixture->reassembly), 202, 400);
	assert_int_equal(deliver(fixture, 100, 100, true), 0);
	assert_in_range(reassembly_held(fixture->reassembly), 101, 200);
	reassembly_finish(fixture->reassembly);
	assert_int_equal(reassembly_held(fixture->reassembly), 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_in_order),
		TEST(test_gap),
		TEST(test_retransmissions),
		TEST(test_first_bytes_count),
		TEST(test_contradictions),
		TEST(test_acknowledged_copies),
		TEST(test_wrap_around),
		TEST(test_any_order),
		TEST(test_handover),
		TEST(test_handover_damaged),
		TEST(test_times),
		TEST(test_times_of_cut),
		TEST(test_bound_of_pieces),
		TEST(test_bound_of_bytes),
		TEST(test_left_out),
		TEST(test_bound_again),
		TEST(test_flood),
		TEST(test_outside),
		TEST(test_ended),
		TEST(test_cut_in_body),
		TEST(test_cut_to_end_of_body),
		TEST(test_cut_into_header),
		TEST(test_cut_of_whole_records),
		TEST(test_cut_in_encrypted_record),
		TEST(test_cut_behind_gap),
		TEST(test_cut_of_all),
		TEST(test_cut_of_very_many),
		TEST(test_cut_of_walked_bytes),
		TEST(test_cut_of_all_that_nobody_wants),
		TEST(test_finish),
		TEST(test_finish_hides_header),
		TEST(test_search),
		TEST(test_search_found),
		TEST(test_search_keeps_beginnings),
		TEST(test_search_needs_beginnings),
		TEST(test_search_behind_cut),
		TEST(test_search_cut_in_candidate),
		TEST(test_search_finish),
		TEST(test_expect_answer),
		TEST(test_expect_answer_behind_gap),
		TEST(test_expect_answer_behind_left_out),
		TEST(test_expect_answer_behind_cut),
		TEST(test_expect_answer_after_search),
		TEST(test_expect_answer_of_client),
		TEST(test_expect_client),
		TEST(test_expect_client_of_server),
		TEST(test_held),
	};
#undef TEST

	return cmocka_run_group_tests_name("reassembly", tests, NULL, NULL);
}
