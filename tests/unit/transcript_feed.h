/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * transcript_feed - transcripts for tests: messages put together into calls, and calls told as the probes tell them.
 */
#ifndef TRANSCRIPT_FEED_H
#define TRANSCRIPT_FEED_H

#include "message_bytes.h"

#include <linux/types.h>
#include <stdlib.h>

#include "bpf/shared/library_event.h"
#include "bpf/shared/tls_walk.h"
#include "certificate_bodies.h"
#include "hello_bodies.h"
#include "tracking/transcript.h"

enum {
	FEED_PROCESS = 4711,
	FEED_HANDLE = 0x55d0,
	FEED_CALLS_MAX = 24,
	FEED_START_NS = 1000,
};

/* Where each call of a transcript ends. */
struct feed {
	struct message_bytes bytes;
	size_t calls;
	size_t end[FEED_CALLS_MAX];
	uint8_t kind;
	uint8_t role;        /* of the process, where the direction of calls is told; else ROLE_OBSERVER */
	const char *senders; /* then: who sent the message of each call, c or s */
	uint32_t process;
	uint64_t handle;
	uint64_t time_ns;
	size_t chunk;     /* bytes of an event */
	size_t leave_out; /* call that is not told, counted from 1; 0: none */
	bool tell_loss;   /* of which the next event tells */
};

static inline struct feed *feed_new(void)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	assert_non_null(feed);
	feed->kind = LIBRARY_TRANSCRIPT;
	feed->role = ROLE_OBSERVER;
	feed->process = FEED_PROCESS;
	feed->handle = FEED_HANDLE;
	feed->time_ns = FEED_START_NS;
	feed->chunk = LIBRARY_DATA_MAX;
	return feed;
}

/* What was put since the last call is one. */
static inline void feed_call_ends(struct feed *feed)
{
	assert_true(feed->calls < FEED_CALLS_MAX);
	feed->end[feed->calls++] = feed->bytes.length;
}

static inline void feed_hex(struct feed *feed, uint8_t type, const char *body)
{
	size_t begin;

	put_number(&feed->bytes, 1, type);
	begin = vector_begin(&feed->bytes, 3);
	put_hex(&feed->bytes, body);
	vector_end(&feed->bytes, 3, begin);
}

static inline void feed_zeros(struct feed *feed, uint8_t type, size_t length)
{
	put_number(&feed->bytes, 1, type);
	put_number(&feed->bytes, 3, length);
	put_zeros(&feed->bytes, length);
}

static inline void feed_hex_call(struct feed *feed, uint8_t type, const char *body)
{
	feed_hex(feed, type, body);
	feed_call_ends(feed);
}

static inline void feed_zeros_call(struct feed *feed, uint8_t type, size_t length)
{
	feed_zeros(feed, type, length);
	feed_call_ends(feed);
}

static inline uint8_t feed_direction(const struct feed *feed, size_t begin)
{
	size_t call = 0;

	if (feed->role == ROLE_OBSERVER || !feed->senders)
		return LIBRARY_FROM_UNKNOWN;
	while (begin && feed->end[call++] != begin)
		;
	return (feed->senders[call] == 'c') == (feed->role == ROLE_CLIENT) ? LIBRARY_SENT : LIBRARY_RECEIVED;
}

static inline void feed_event(const struct feed *feed, struct transcript_table *table, size_t begin, size_t length,
                              size_t position, size_t total)
{
	struct library_event *event = calloc(1, sizeof(*event) + length);

	assert_non_null(event);
	*event = (struct library_event){
		.size = sizeof(*event) + length,
		.kind = feed->kind,
		.from = feed_direction(feed, begin),
		.length = length,
		.time_ns = feed->time_ns,
		.handle = feed->handle,
		.process = feed->process,
		.position = position,
		.total = total,
		.name = "server",
	};
	memcpy(event->data, feed->bytes.data + begin + position, length);
	transcript_table_event(table, event);
	free(event);
}

/* Tell of the bytes of a call up to limit, counted from the transcript's beginning. */
static inline void feed_tell_call(const struct feed *feed, struct transcript_table *table, size_t call, size_t limit)
{
	size_t begin = call ? feed->end[call - 1] : 0, total = feed->end[call] - begin;
	size_t have = limit > begin ? limit - begin : 0;

	if (have > total)
		have = total;
	for (size_t position = 0; position < have; position += feed->chunk)
		feed_event(feed, table, begin, have - position < feed->chunk ? have - position : feed->chunk, position,
		           total);
}

/* Tell of the first bytes of all of it, one call each microsecond. */
static inline void feed_tell_first(struct feed *feed, struct transcript_table *table, size_t limit)
{
	bool lost = false;

	for (size_t call = 0; call < feed->calls; call++) {
		if (lost && feed->tell_loss)
			feed_event(feed, table, 0, 0, 0, 1);
		lost = call + 1 == feed->leave_out;
		if (!lost)
			feed_tell_call(feed, table, call, limit);
		feed->time_ns += 1000;
	}
}

static inline void feed_tell(struct feed *feed, struct transcript_table *table)
{
	feed_tell_first(feed, table, feed->bytes.length);
}

#endif /* TRANSCRIPT_FEED_H */
