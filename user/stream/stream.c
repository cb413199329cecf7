// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stream/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "stream/dtls.h"
#include "stream/reassembly.h"

struct stream {
	const struct stream_class *class;
	void *state;
};

static void segments_free(void *state)
{
	reassembly_free(state);
}

static int segments_take(void *state, const struct event *event)
{
	if (event->kind == EVENT_CUT)
		return reassembly_cut(state, (const struct event_cut *)event);
	return reassembly_segment(state, (const struct event_bytes *)event);
}

static void segments_finish(void *state)
{
	reassembly_finish(state);
}

static bool segments_have_gap(const void *state)
{
	return reassembly_has_gap(state);
}

static __u32 segments_held(const void *state)
{
	return reassembly_held(state);
}

static bool segments_ended(const void *state)
{
	return !reassembly_wants_more(state);
}

static bool segments_searching(const void *state)
{
	return reassembly_is_searching(state);
}

static bool segments_follow(const void *state)
{
	return reassembly_followed(state);
}

static bool segments_lost_track(const void *state)
{
	return reassembly_lost_track(state);
}

static bool segments_reached(const void *state, __u32 sequence)
{
	return reassembly_reached(state, sequence);
}

static void segments_expect(void *state, bool client)
{
	if (client)
		reassembly_expect_client(state);
	else
		reassembly_expect_answer(state);
}

static void segments_peer_finished(void *state)
{
	reassembly_finished(state);
}

static const struct stream_class segments_class = {
	.free = segments_free,
	.take = segments_take,
	.finish = segments_finish,
	.has_gap = segments_have_gap,
	.held = segments_held,
	.ended = segments_ended,
	.searching = segments_searching,
	.follows = segments_follow,
	.lost_track = segments_lost_track,
	.reached = segments_reached,
	.expect = segments_expect,
	.peer_finished = segments_peer_finished,
};

static void datagrams_free(void *state)
{
	dtls_free(state);
}

static int datagrams_take(void *state, const struct event *event)
{
	if (event->kind != EVENT_CUT)
		return dtls_datagram(state, (const struct event_bytes *)event);
	dtls_cut(state);
	return 0;
}

static void datagrams_finish(void *state)
{
	dtls_finish(state);
}

static bool datagrams_have_gap(const void *state)
{
	return dtls_has_gap(state);
}

static __u32 datagrams_held(const void *state)
{
	return dtls_held(state);
}

/* A direction of datagrams is never ended for the source: another association may begin on the same ports. */
static const struct stream_class datagrams_class = {
	.free = datagrams_free,
	.take = datagrams_take,
	.finish = datagrams_finish,
	.has_gap = datagrams_have_gap,
	.held = datagrams_held,
};

/* Takes ownership of the state; frees the state without memory. */
static struct stream *stream_new(const struct stream_class *class, void *state)
{
	struct stream *stream = state ? calloc(1, sizeof(*stream)) : NULL;

	if (!stream) {
		class->free(state);
		return NULL;
	}
	stream->class = class;
	stream->state = state;
	return stream;
}

struct stream *stream_of_segments(const struct event_handover *handover, enum stream_mode mode, stream_sink sink,
                                  void *context)
{
	struct reassembly *reassembly = reassembly_new(&handover->walk, handover->next_sequence, sink, context);

	if (reassembly && mode == STREAM_FOLLOW)
		reassembly_follow(reassembly);
	return stream_new(&segments_class, reassembly);
}

struct stream *stream_of_datagrams(stream_sink sink, void *context)
{
	return stream_new(&datagrams_class, dtls_new(sink, context));
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	stream->class->free(stream->state);
	free(stream);
}

int stream_take(struct stream *stream, const struct event *event)
{
	return stream->class->take(stream->state, event);
}

void stream_finish(struct stream *stream)
{
	if (stream)
		stream->class->finish(stream->state);
}

bool stream_has_gap(const struct stream *stream)
{
	return stream && stream->class->has_gap(stream->state);
}

__u32 stream_held(const struct stream *stream)
{
	return stream ? stream->class->held(stream->state) : 0;
}

static bool stream_ended(const struct stream *stream)
{
	return stream && stream->class->ended && stream->class->ended(stream->state);
}

bool stream_is_searching(const struct stream *stream)
{
	return stream && stream->class->searching && stream->class->searching(stream->state);
}

bool stream_search_failed(const struct stream *stream)
{
	return stream_is_searching(stream) && stream_ended(stream);
}

/* A direction after its search still needs the stream's position: answers may begin there. */
bool stream_wants_more(const struct stream *stream)
{
	return !stream_ended(stream) || stream_is_searching(stream);
}

bool stream_follows(const struct stream *stream)
{
	return stream && stream->class->follows && stream->class->follows(stream->state);
}

bool stream_can_follow(const struct stream *stream)
{
	return stream_follows(stream) && !stream_ended(stream);
}

bool stream_lost_track(const struct stream *stream)
{
	return stream && stream->class->lost_track && stream->class->lost_track(stream->state);
}

bool stream_reached(const struct stream *stream, __u32 sequence)
{
	return !stream || !stream->class->reached || stream->class->reached(stream->state, sequence);
}

void stream_expect(struct stream *stream, bool client)
{
	if (stream && stream->class->expect)
		stream->class->expect(stream->state, client);
}

void stream_peer_finished(struct stream *stream)
{
	if (stream && stream->class->peer_finished)
		stream->class->peer_finished(stream->state);
}
