/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stream - one direction of a connection whose bytes are decoded in userspace: carriers of TLS go in, the events of
 * bpf/shared/event.h come out. Two decoders exist: reassembly (TCP) and dtls (UDP). A caller knows neither.
 *
 * Each function except stream_take() and stream_free() also takes NULL: a direction that the kernel decodes. Such a
 * direction holds nothing, misses nothing and reaches every sequence number.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <linux/types.h>
#include <stdbool.h>

#include "bpf/shared/event.h"

/*
 * Takes an event found in the bytes. Connection and direction are the bytes'; time_ns is the time of the completing
 * bytes.
 */
typedef void (*stream_sink)(const struct event *event, void *context);

struct stream;

/* The functions of a decoder. state is the decoder's own. Functions that do not apply are NULL. */
struct stream_class {
	void (*free)(void *state);
	int (*take)(void *state, const struct event *event);
	void (*finish)(void *state);
	bool (*has_gap)(const void *state);
	__u32 (*held)(const void *state);
	bool (*ended)(const void *state);
	bool (*searching)(const void *state);
	bool (*follows)(const void *state);
	bool (*lost_track)(const void *state);
	bool (*reached)(const void *state, __u32 sequence);
	void (*expect)(void *state, bool client);
	void (*peer_finished)(void *state);
};

/* How the bytes of a TCP direction are decoded. */
enum stream_mode {
	STREAM_HANDSHAKE, /* until the handshake is over */
	STREAM_FOLLOW,    /* and from record to record behind it, up to TLS 1.2 */
};

/* Begin a TCP direction where the kernel, or the reader of a file, hands it over. NULL: no memory. */
struct stream *stream_of_segments(const struct event_handover *handover, enum stream_mode mode, stream_sink sink,
                                  void *context);

/* Begin a direction of DTLS. NULL: no memory. */
struct stream *stream_of_datagrams(stream_sink sink, void *context);

void stream_free(struct stream *stream);

/*
 * Take an EVENT_SEGMENT, EVENT_DATAGRAM or EVENT_CUT. Returns 0, -ENOBUFS if a bound was hit, or -ENOMEM: bytes were left
 * out.
 */
int stream_take(struct stream *stream, const struct event *event);

/* No more bytes come: report what is held behind gaps. */
void stream_finish(struct stream *stream);

/* Whether bytes are missing that the decoder wanted. */
bool stream_has_gap(const struct stream *stream);

/* Bytes of memory that held data takes. */
__u32 stream_held(const struct stream *stream);

/* Whether the decoder searched for a hello up to its bound, without result. */
bool stream_search_failed(const struct stream *stream);

/* Whether the direction still waits for its first hello. */
bool stream_is_searching(const struct stream *stream);

/* Whether the source has to go on with the bytes of this direction. */
bool stream_wants_more(const struct stream *stream);

/* Whether the direction goes on from record to record behind its handshake, and could still go on. */
bool stream_follows(const struct stream *stream);
bool stream_can_follow(const struct stream *stream);

/* Whether a followed direction has lost track of its records. */
bool stream_lost_track(const struct stream *stream);

/* Whether all bytes before this TCP sequence number were decoded, as far as wanted. */
bool stream_reached(const struct stream *stream, __u32 sequence);

/* The other direction had a hello: later bytes here are the rest of the client's bytes, or the answer. */
void stream_expect(struct stream *stream, bool client);

/* The other direction sent its Finished after this direction's (RFC 5246 section 7.3, figure 1). */
void stream_peer_finished(struct stream *stream);

#endif /* STREAM_STREAM_H */
