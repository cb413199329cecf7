/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * transcript_handshake - one handshake out of the bytes of its transcript: framing, the order of messages, and what they say.
 * Knows no process and no table.
 *
 * A transcript has the messages of both sides in the order in which they count (RFC 8446 section 4.4.1), each with its header
 * of 4 bytes, in DTLS of 12 as if it had come in one piece (RFC 6347 section 4.2.6). Who sent a message follows from its type
 * and place. Messages that are out of place damage the handshake: what a stranger hashes must not count.
 */
#ifndef TRACKING_TRANSCRIPT_HANDSHAKE_H
#define TRACKING_TRANSCRIPT_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/body.h"
#include "tls/parse_cache.h"
#include "tracking/transcript.h"

enum transcript_handshake_bounds {
	TRANSCRIPT_HEADER_TLS = 4,
	TRANSCRIPT_HEADER_DTLS = 12,
};

enum transcript_stage {
	STAGE_CLIENT_HELLO, /* where the next message must be this */
	STAGE_RETRY,        /* behind the hash of a first ClientHello: HelloRetryRequest */
	STAGE_SERVER_HELLO,
	STAGE_SERVER,      /* the server's flight */
	STAGE_CLIENT,      /* the client's */
	STAGE_SERVER_LAST, /* up to TLS 1.2: what the server finishes with */
	STAGE_CLIENT_LAST, /* the same of the client in an abbreviated handshake */
	STAGE_OVER,
};

/* All zeroes is one of which nothing was seen. Fields are the reader's to look at. */
struct message_rule;

struct transcript_handshake {
	struct library_handshake seen;
	struct parse_cache *cache; /* NULL: what certificates say is not read */
	struct body body;          /* of the message at hand, where its content is wanted */
	uint8_t header[TRANSCRIPT_HEADER_DTLS];
	uint8_t header_have;
	uint8_t header_size; /* 0: not known yet */
	uint8_t type;        /* of the message at hand */
	uint8_t direction;   /* enum library_event_from of the bytes that come */
	bool in_body;
	uint32_t body_left;
	uint8_t stage;                   /* enum transcript_stage */
	const struct message_rule *rule; /* of the message at hand */
	uint8_t rank;                    /* of the latest message of this flight */
	uint8_t context_length;          /* of the CertificateRequest */
	bool changed;                    /* something new is known */
	struct client_hello client_hello;
	uint8_t verify_data_length; /* of the client's Finished, up to TLS 1.2 */
	uint8_t verify_data[MESSAGE_VERIFY_DATA_MAX];
};

/* The next bytes of the transcript. */
void transcript_handshake_bytes(struct transcript_handshake *handshake, const uint8_t *data, size_t length,
                                uint64_t time_ns);

/* As many bytes are missing. In a body they are passed over, anywhere else they damage the handshake. */
void transcript_handshake_missing(struct transcript_handshake *handshake, uint32_t count);

/* The bytes of a call end here: a message that ends with it was hashed as it came or went. */
void transcript_handshake_call_ends(struct transcript_handshake *handshake);

/* Nothing is said of what comes from here on. */
void transcript_handshake_damage(struct transcript_handshake *handshake);

/* Whether the bytes so far end with a message. */
bool transcript_handshake_at_boundary(const struct transcript_handshake *handshake);

/* Go on with a request behind the handshake, which is over: forget its messages and its client's answer. */
void transcript_handshake_begin_post(struct transcript_handshake *handshake);

/* Free what is held, but for what names the handshake. */
void transcript_handshake_release(struct transcript_handshake *handshake);

#endif /* TRACKING_TRANSCRIPT_HANDSHAKE_H */
