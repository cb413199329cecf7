/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reassembly - one direction of a connection that is walked in userspace: the kernel handed the direction over at a gap, or a
 * capture is read. Segments come in any order, overlapping and repeated. The walker (tls_walk.h) gets each byte once and in order,
 * and the events are the kernel's own. The first copy of a byte counts. If a further copy differs, and the receiver had not
 * acknowledged the byte before (EVENT_SEGMENT_ACKNOWLEDGED), the direction is contradicted, and has a gap: the latest 32 KiB are
 * compared.
 */
#ifndef STREAM_REASSEMBLY_H
#define STREAM_REASSEMBLY_H

#include <linux/types.h>
#include <stdbool.h>

#include "bpf/shared/event.h"

enum reassembly_bounds {
	REASSEMBLY_BYTES_MAX = 256 * 1024, /* held behind a gap, per direction */
	REASSEMBLY_SEGMENTS_MAX = 512,     /* the same in pieces; a segment makes one or more pieces */
};

/*
 * Takes an event found in the bytes. Connection and direction are those of the segments; time_ns is that of the segment that
 * completed the event or closed the gap before it.
 */
typedef void (*reassembly_sink)(const struct event *event, void *context);

struct reassembly;

/* Begin at next_sequence with this state of the walker. NULL: no memory. */
struct reassembly *reassembly_new(const struct tls_walk *walk, __u32 next_sequence, reassembly_sink sink,
                                  void *context);
void reassembly_free(struct reassembly *reassembly);

/*
 * Take an EVENT_SEGMENT. Returns 0; -EBADMSG from the first contradiction on: no verdict may rest on the direction; or -ENOBUFS
 * where a bound was hit or -ENOMEM: bytes were left out, and unless they come again the gap will not close.
 */
int reassembly_segment(struct reassembly *reassembly, const struct event_bytes *segment);

/*
 * Bytes that will never come (EVENT_CUT). Inside the body of a message, or inside a record that is not read, the framing goes on
 * after the hole. Elsewhere the direction ends, unless the search for a hello still runs. Returns as reassembly_segment().
 */
int reassembly_cut(struct reassembly *reassembly, const struct event_cut *cut);

/*
 * The other direction sent a ClientHello: expect answers from next_sequence on, or after the held bytes, which the client had seen
 * before its ClientHello. Does nothing if this direction has found a hello of its own.
 *
 * A direction with a failed search (reassembly_wants_more() false, reassembly_is_searching() true) needs its segments until then:
 * the segments show where the answers begin.
 */
void reassembly_expect_answer(struct reassembly *reassembly);

/*
 * The other direction answered a ClientHello that was not captured: expect the client's later messages. Otherwise the same as
 * reassembly_expect_answer().
 */
void reassembly_expect_client(struct reassembly *reassembly);

/* No more will come: go on behind gaps as reassembly_cut() does. */
void reassembly_finish(struct reassembly *reassembly);

/*
 * Whether the direction is contradicted, or bytes are missing that the walker wanted: before held or dropped bytes, or at a cut
 * that stopped the framing. A hole in a body is not counted: the positions of the body's chunks show the hole.
 */
bool reassembly_has_gap(const struct reassembly *reassembly);

/*
 * Go on from record to record after a handshake up to TLS 1.2, as tls_walk_follow(). Bytes missing after the handshake are no gap in
 * the handshake.
 */
void reassembly_follow(struct reassembly *reassembly);

/* The other direction sent its Finished after the Finished of this direction: tls_walk_finished(). */
void reassembly_finished(struct reassembly *reassembly);

/* Whether the direction is, or was, followed behind its handshake. */
bool reassembly_followed(const struct reassembly *reassembly);

/* Whether a followed direction has lost track of its records. */
bool reassembly_lost_track(const struct reassembly *reassembly);

/* Whether the walker still wants bytes of this direction. */
bool reassembly_wants_more(const struct reassembly *reassembly);

/* How much memory the bytes behind gaps take. Those kept to compare, at most 32 KiB, come on top. */
__u32 reassembly_held(const struct reassembly *reassembly);

/* Whether no ClientHello (nor, with TLS_WALK_EITHER, ServerHello) was found yet, and none was told of. */
bool reassembly_is_searching(const struct reassembly *reassembly);

/* Whether all wanted bytes before sequence were walked: a FIN at sequence cuts nothing off. */
bool reassembly_reached(const struct reassembly *reassembly, __u32 sequence);

#endif /* STREAM_REASSEMBLY_H */
