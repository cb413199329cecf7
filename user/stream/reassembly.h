/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reassembly - one direction of a connection whose bytes are walked in userspace: handed over by the kernel at a gap, or
 * read from a capture. Segments come in any order, overlapping and repeated; the walker (tls_walk.h) sees each byte once
 * and in order, and what it finds comes out as the events that the kernel itself would have made. The first copy of a byte
 * counts. If a further copy differs from it, and the receiver had not acknowledged the byte before
 * (EVENT_SEGMENT_ACKNOWLEDGED), the direction is contradicted, which counts as a gap: the latest 32 KiB are compared.
 */
#ifndef STREAM_REASSEMBLY_H
#define STREAM_REASSEMBLY_H

#include <linux/types.h>
#include <stdbool.h>

#include "bpf/shared/event.h"

enum reassembly_bounds {
	REASSEMBLY_BYTES_MAX = 256 * 1024, /* held behind a gap, per direction */
	REASSEMBLY_SEGMENTS_MAX = 512,     /* the same in pieces: a segment that covers a hole in part is one or more */
};

/*
 * Takes an event found in the bytes. It has the connection and direction of the segments, and the time of the one that
 * completed it: the one that closed the gap, where there was one.
 */
typedef void (*reassembly_sink)(const struct event *event, void *context);

struct reassembly;

/* Begin at next_sequence with this state of the walker. NULL where there is no memory. */
struct reassembly *reassembly_new(const struct tls_walk *walk, __u32 next_sequence, reassembly_sink sink,
                                  void *context);
void reassembly_free(struct reassembly *reassembly);

/*
 * Take an EVENT_SEGMENT. Returns 0; -EBADMSG from the first contradiction on: no verdict may rest on the direction; or -ENOBUFS
 * where a bound was hit or -ENOMEM: bytes were left out, and unless they come again the gap will not close.
 */
int reassembly_segment(struct reassembly *reassembly, const struct event_bytes *segment);

/*
 * Bytes that will never come (EVENT_CUT). Where they lie in the body of a message or in a record that is not read, the
 * framing goes on behind them; else the direction ends here. A direction that is still searching goes on searching.
 * Returns as reassembly_segment().
 */
int reassembly_cut(struct reassembly *reassembly, const struct event_cut *cut);

/*
 * The other direction sent a ClientHello: answers are expected here from next_sequence on, or behind what is held: the
 * client had seen all that when it spoke. Does nothing where this direction has found a hello of its own.
 *
 * A direction whose search has ended (reassembly_wants_more() is false, reassembly_is_searching() true) has to be given
 * its segments until then all the same, or it does not know where the answers begin.
 */
void reassembly_expect_answer(struct reassembly *reassembly);

/*
 * The other direction answered a ClientHello that was not captured: what comes here from now on is the rest of the client's.
 * As reassembly_expect_answer() otherwise.
 */
void reassembly_expect_client(struct reassembly *reassembly);

/* No more will come: go on behind gaps as reassembly_cut() does. */
void reassembly_finish(struct reassembly *reassembly);

/*
 * Whether the direction is contradicted, or bytes are missing that the walker wanted: before others that are held, or were left out, or cut where it could
 * not go on behind them. A hole in a body is not counted: the positions of its chunks tell.
 */
bool reassembly_has_gap(const struct reassembly *reassembly);

/*
 * Go on behind a handshake of TLS 1.2 or older from record to record, as tls_walk_follow(). The handshake itself is over all
 * the same: nothing behind it is a gap in it.
 */
void reassembly_follow(struct reassembly *reassembly);

/* The other direction sent its Finished behind that of this one: tls_walk_finished(). */
void reassembly_finished(struct reassembly *reassembly);

/* Whether the direction is, or was, followed behind its handshake. */
bool reassembly_followed(const struct reassembly *reassembly);

/* Whether a direction that was followed has lost track of its records. */
bool reassembly_lost_track(const struct reassembly *reassembly);

/* Whether the walker still wants bytes of this direction. */
bool reassembly_wants_more(const struct reassembly *reassembly);

/* How much memory the bytes behind gaps take. Those kept to compare, at most 32 KiB, come on top. */
__u32 reassembly_held(const struct reassembly *reassembly);

/* Whether no ClientHello (nor, with TLS_WALK_EITHER, ServerHello) was found yet, and none was told of. */
bool reassembly_is_searching(const struct reassembly *reassembly);

/* Whether the whole stream up to sequence was walked, as far as it is wanted: a FIN there leaves nothing behind. */
bool reassembly_reached(const struct reassembly *reassembly, __u32 sequence);

#endif /* STREAM_REASSEMBLY_H */
