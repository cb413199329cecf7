// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The walker and reassembly against each other and against the reference. The input is a script and the bytes of a
 * direction:
 *
 *	1 byte    flags: 1 an answer, 2 TLS_WALK_EITHER, 4 the numbers wrap around, 8 the last deliveries are missing
 *	2 bytes   where the kernel would hand over
 *	1 byte    deliveries
 *	4 bytes   of each: offset, then length; its highest bits: the offset begins a segment, the bytes are cut
 *	the rest  the stream
 *
 * However the bytes are delivered, if all are, the events have to be those of the stream in order; and those are what the
 * reference reads in it. If some are missing, what is told has to be the beginning of that: holes hide, they never invent.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/reassembly.h"
#include "stream/walk.h"
#include "../unit/recorder.h"
#include "../unit/reference.h"

enum fuzz_bounds {
	DELIVERIES_MAX = 200, /* each makes two pieces at most: none is refused */
	STREAM_MAX = 0xffff,
};

enum fuzz_flags {
	FUZZ_ANSWER = 1,
	FUZZ_EITHER = 2,
	FUZZ_WRAP = 4,
	FUZZ_MISSING = 8,
};

struct delivery {
	uint16_t offset;
	uint16_t length;
	bool cut;
};

struct script {
	uint8_t flags;
	uint16_t handover;
	unsigned int deliveries;
	struct delivery delivery[DELIVERIES_MAX];
	const uint8_t *stream;
	size_t length;
	size_t starts;
	size_t start[DELIVERIES_MAX + 2]; /* in order; the last is behind the stream */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int compare_starts(const void *one, const void *other)
{
	const size_t *a = one, *b = other;

	return *a < *b ? -1 : *a > *b;
}

static uint16_t number_at(const uint8_t *data)
{
	return data[0] << 8 | data[1];
}

static bool script_read(struct script *script, const uint8_t *data, size_t size)
{
	struct delivery *delivery;
	unsigned int i;

	if (size < 4)
		return false;
	script->flags = data[0];
	script->handover = number_at(data + 1);
	script->deliveries = data[3];
	data += 4;
	size -= 4;
	if (script->deliveries > DELIVERIES_MAX || size < 4 * script->deliveries)
		return false;
	script->stream = data + 4 * script->deliveries;
	script->length = size - 4 * script->deliveries;
	if (script->length == 0 || script->length > STREAM_MAX)
		return false;
	script->start[script->starts++] = 0;
	for (i = 0; i < script->deliveries; i++, data += 4) {
		delivery = &script->delivery[i];
		delivery->offset = number_at(data) % script->length;
		delivery->length = number_at(data + 2) & 0x3fff;
		delivery->cut = data[2] & 0x40;
		if (data[2] & 0x80)
			script->start[script->starts++] = delivery->offset;
	}
	qsort(script->start, script->starts, sizeof(script->start[0]), compare_starts);
	script->start[script->starts] = script->length;
	return true;
}

static size_t next_start(const struct script *script, size_t position)
{
	const size_t *start = script->start;

	while (*start < position)
		start++;
	return *start;
}

/* Segments are not joined, so that it does not depend on the order of deliveries which beginnings are seen. */
static size_t clip(const struct script *script, size_t offset, size_t length)
{
	size_t end = next_start(script, offset + 1);

	return length < end - offset ? length : end - offset;
}

static struct tls_walk walk_begin(const struct script *script)
{
	struct tls_walk walk = {};

	if (script->flags & FUZZ_ANSWER)
		tls_walk_expect_answer(&walk);
	else if (script->flags & FUZZ_EITHER)
		walk.flags = TLS_WALK_EITHER;
	return walk;
}

/* Walk the stream up to end, each piece in memory of its own. */
static void walk_in_order(const struct script *script, struct tls_walk *walk, size_t end, struct recorder *recorder)
{
	const struct event origin = {};
	size_t position, count;
	uint8_t *piece;

	for (position = 0; position < end; position += count) {
		count = clip(script, position, end - position);
		piece = malloc(count);
		if (!piece)
			abort();
		memcpy(piece, script->stream + position, count);
		if (next_start(script, position) == position)
			tls_walk_segment(walk);
		walk_bytes(walk, piece, count, &origin, recorder_event, recorder);
		free(piece);
	}
}

static void expect_same(const char *what, const char *actual, const char *expected, size_t length)
{
	if (strncmp(actual, expected, length) == 0)
		return;
	fprintf(stderr, "%s:\n%s\nexpected:\n%s\n", what, actual, expected);
	abort();
}

/*
 * The reference knows neither TDS, whose packets may carry TLS, nor that a request of HTTP ends the search: both have vectors of
 * their own (walk_test).
 */
static bool is_beyond_reference(const struct script *script)
{
	static const char *const methods[] = {"GET /", "HEAD ", "POST ", "PUT /", "DELET", "PATCH"};
	const uint8_t *stream = script->stream;

	for (size_t index = 0; index < sizeof(methods) / sizeof(methods[0]); index++)
		if (script->length >= 5 && !memcmp(stream, methods[index], 5))
			return true;
	for (size_t index = 0; index + 5 <= script->length; index++)
		if (stream[index] == 0x12 && stream[index + 1] <= 1 && !stream[index + 4])
			return true;
	/* the walker follows one candidate: a segment of fewer than five bytes that may begin a request hides a hello behind it */
	for (size_t index = 0; index + 1 < script->starts; index++) {
		size_t begin = script->start[index], length = script->start[index + 1] - begin;

		if (length && length < 5 && memchr("\x12\x20\x30SA\0", stream[begin], 6))
			return true;
	}
	return false;
}

static void check_reference(const struct script *script, const char *expected)
{
	enum reference_begin begin = REFERENCE_SEARCH;
	struct recorder recorder = {.hash_bodies = true};

	if (is_beyond_reference(script))
		return;

	if (script->flags & FUZZ_ANSWER)
		begin = REFERENCE_ANSWER;
	else if (script->flags & FUZZ_EITHER)
		begin = REFERENCE_EITHER;
	reference_parse(script->stream, script->length, script->start, script->starts, begin, &recorder);
	expect_same("the walker", expected, recorder_text(&recorder), SIZE_MAX);
	recorder_free(&recorder);
}

static void check_bytewise(const struct script *script, const char *expected)
{
	const struct event origin = {};
	struct recorder recorder = {.hash_bodies = true};
	struct tls_walk walk = walk_begin(script);
	size_t position;

	for (position = 0; position < script->length; position++) {
		if (next_start(script, position) == position)
			tls_walk_segment(&walk);
		walk_bytes(&walk, script->stream + position, 1, &origin, recorder_event, &recorder);
	}
	expect_same("byte by byte", recorder_text(&recorder), expected, SIZE_MAX);
	recorder_free(&recorder);
}

static int deliver_bytes(struct reassembly *reassembly, const struct script *script, __u32 base, size_t offset,
                         size_t length)
{
	struct event_bytes *segment = malloc(sizeof(*segment) + length);
	int error;

	if (!segment)
		abort();
	*segment = (struct event_bytes){
		.event.flags = next_start(script, offset) == offset ? EVENT_SEGMENT_START : 0,
		.position = base + offset,
		.length = length,
	};
	memcpy(segment->data, script->stream + offset, length);
	error = reassembly_segment(reassembly, segment);
	free(segment);
	return error;
}

static int deliver(struct reassembly *reassembly, const struct script *script, __u32 base,
                   const struct delivery *delivery)
{
	size_t length = clip(script, delivery->offset, delivery->length);
	struct event_cut cut = {.position = base + delivery->offset, .count = length};

	if (script->flags & FUZZ_MISSING && delivery->cut)
		return reassembly_cut(reassembly, &cut);
	return deliver_bytes(reassembly, script, base, delivery->offset, length);
}

/* Deliver by the script, then, unless some are to be missing, all that there is. */
static void check_deliveries(const struct script *script, struct recorder *recorder)
{
	__u32 base = script->flags & FUZZ_WRAP ? -(script->length / 2) : 1;
	size_t position = script->handover % (script->length + 1);
	struct tls_walk walk = walk_begin(script);
	struct reassembly *reassembly;
	unsigned int i;
	size_t count;

	walk_in_order(script, &walk, position, recorder);
	reassembly = reassembly_new(&walk, base + position, recorder_event, recorder);
	if (!reassembly)
		abort();
	for (i = 0; i < script->deliveries; i++)
		if (deliver(reassembly, script, base, &script->delivery[i]))
			abort();
	for (position = 0; position < script->length && !(script->flags & FUZZ_MISSING); position += count) {
		count = clip(script, position, script->length);
		if (deliver_bytes(reassembly, script, base, position, count))
			abort();
	}
	if (!(script->flags & FUZZ_MISSING) &&
	    (reassembly_has_gap(reassembly) || !reassembly_reached(reassembly, base + script->length)))
		abort();
	reassembly_finish(reassembly);
	reassembly_free(reassembly);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recorder expected = {.hash_bodies = true};
	struct recorder actual = {.hash_bodies = true};
	struct script script = {};
	struct tls_walk walk;

	if (!script_read(&script, data, size))
		return 0;
	expected.no_bodies = actual.no_bodies = script.flags & FUZZ_MISSING;
	walk = walk_begin(&script);
	walk_in_order(&script, &walk, script.length, &expected);
	check_deliveries(&script, &actual);
	if (!(script.flags & FUZZ_MISSING)) {
		expect_same("deliveries", recorder_text(&actual), recorder_text(&expected), SIZE_MAX);
		check_reference(&script, recorder_text(&expected));
		check_bytewise(&script, recorder_text(&expected));
	} else if (script.flags & FUZZ_ANSWER) {
		/* a search may miss its hello in a hole and find another */
		expect_same("some deliveries", recorder_text(&actual), recorder_text(&expected),
		            strlen(recorder_text(&actual)));
	}
	recorder_free(&expected);
	recorder_free(&actual);
	return 0;
}
