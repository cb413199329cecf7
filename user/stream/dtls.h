/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * dtls - one direction of a DTLS 1.0 or 1.2 association: datagrams in, events as of TLS out.
 *
 * Messages come out whole and in the order of message_seq: fragments are joined, retransmissions dropped. ChangeCipherSpec and
 * later records wait for missing earlier messages. HelloVerifyRequest is an ordinary message; the second ClientHello is another
 * EVENT_MESSAGE.
 *
 * A message's length is the length of its body, as in TLS. Versions are those of DTLS, 0xfeff for 1.0 and 0xfefd for 1.2, and the
 * ClientHello has its cookie.
 *
 * Sources: RFC 6347 section 4 (RFC 4347 for DTLS 1.0), RFC 9146 (connection IDs: such records are encrypted).
 */
#ifndef STREAM_DTLS_H
#define STREAM_DTLS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/shared/event.h"

enum dtls_bounds {
	DTLS_BYTES_MAX = 128 * 1024, /* of incomplete messages, held per direction */
	DTLS_MESSAGES_AHEAD = 16,    /* messages held after a missing message */
	DTLS_BODY_MAX = 65535,       /* of a message's body told */
	DTLS_ENCRYPTED_MAX = 12,     /* encrypted records told of, as TLS_WALK_ENCRYPTED_MAX */
	DTLS_ALERTS_MAX = 8,         /* alerts told of */
};

/* Takes an event. Connection, direction and time_ns are those of the datagram that completed the event. */
typedef void (*dtls_sink)(const struct event *event, void *context);

struct dtls;

/* NULL where there is no memory. */
struct dtls *dtls_new(dtls_sink sink, void *context);
void dtls_free(struct dtls *dtls);

/*
 * Take an EVENT_DATAGRAM: position 0 begins a datagram, other positions continue the datagram. Returns 0, or -ENOBUFS if a bound was
 * hit and bytes were dropped.
 */
int dtls_datagram(struct dtls *dtls, const struct event_bytes *datagram);

/* Bytes of the latest datagram were not captured (EVENT_CUT). */
void dtls_cut(struct dtls *dtls);

/* No more datagrams come: report messages held after missing messages, and the known part of incomplete messages. */
void dtls_finish(struct dtls *dtls);

/* Whether a message is missing before others that came, or bytes were cut off. */
bool dtls_has_gap(const struct dtls *dtls);

/* How many bytes of incomplete messages are held. */
__u32 dtls_held(const struct dtls *dtls);

/* Whether later datagrams may bring more events. */
bool dtls_wants_more(const struct dtls *dtls);

/*
 * Whether a datagram begins with the first message of an association, or of the answer: other protocols on UDP do not. For a
 * ClientHello with message_seq 0, random is set to the first 8 bytes of its random: a different random begins another association
 * between the same ports (RFC 6347 section 4.2.8). Else random is 0.
 */
bool dtls_begins(const __u8 *datagram, size_t length, __u64 *random);

#endif /* STREAM_DTLS_H */
