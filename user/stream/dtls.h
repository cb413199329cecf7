/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * dtls - one direction of a DTLS 1.0 or 1.2 association: datagrams in, the events that tls_walk makes of TLS out.
 *
 * Messages come out whole and in the order of their message_seq, whatever became of the datagrams: fragments are put
 * together, retransmissions left away. ChangeCipherSpec and what follows wait for messages that are known to be missing
 * before them. HelloVerifyRequest is a message like others; the second ClientHello then comes as another EVENT_MESSAGE.
 *
 * A message is told as TLS has it: its length is that of its body, whatever fragments that came in. Versions are DTLS's
 * own, 0xfeff for 1.0 and 0xfefd for 1.2, and so is the ClientHello with its cookie.
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
	DTLS_MESSAGES_AHEAD = 16,    /* messages held behind one that is missing */
	DTLS_BODY_MAX = 65535,       /* of a message's body told */
	DTLS_ENCRYPTED_MAX = 12,     /* encrypted records told of, as TLS_WALK_ENCRYPTED_MAX */
	DTLS_ALERTS_MAX = 8,         /* alerts told of */
};

/* Takes an event; its connection, direction and time_ns are those of the datagram that completed it. */
typedef void (*dtls_sink)(const struct event *event, void *context);

struct dtls;

/* NULL where there is no memory. */
struct dtls *dtls_new(dtls_sink sink, void *context);
void dtls_free(struct dtls *dtls);

/*
 * Take an EVENT_DATAGRAM; one with position 0 begins a datagram, others go on with it. Returns 0, or -ENOBUFS where a
 * bound was hit: something was left out.
 */
int dtls_datagram(struct dtls *dtls, const struct event_bytes *datagram);

/* Bytes of the datagram told last were not captured (EVENT_CUT): there may have been anything in them. */
void dtls_cut(struct dtls *dtls);

/* No more will come: tell what is held behind messages that are missing, and what is known of incomplete ones. */
void dtls_finish(struct dtls *dtls);

/* Whether a message is missing before others that came, or bytes were cut off. */
bool dtls_has_gap(const struct dtls *dtls);

/* How many bytes of incomplete messages are held. */
__u32 dtls_held(const struct dtls *dtls);

/* Whether there may be more to tell of this direction. */
bool dtls_wants_more(const struct dtls *dtls);

/*
 * Whether a datagram begins with the first message of an association or of an answer to it: what is not TLS on UDP can
 * be told from it by this. Where it is the start of a ClientHello with message_seq 0, random is its first 8 bytes: a
 * different one begins a new association between the same ports (RFC 6347 section 4.2.8). Else random is 0.
 */
bool dtls_begins(const __u8 *datagram, size_t length, __u64 *random);

#endif /* STREAM_DTLS_H */
