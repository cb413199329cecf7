/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * transcript_handshake - a handshake from the bytes of a transcript: framing, and the order and content of messages.
 * Knows no process and no table.
 *
 * A transcript has the messages of both sides in the order of the handshake hash (RFC 8446 section 4.4.1), each with its header
 * of 4 bytes, in DTLS of 12 as if unfragmented (RFC 6347 section 4.2.6). Type and place of a message
 * name the sender. A message out of place damages the handshake: a stranger's hash must not count.
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
	STAGE_CLIENT_HELLO, /* at this stage the next message is given */
	STAGE_RETRY,        /* behind the hash of a first ClientHello: HelloRetryRequest */
	STAGE_SERVER_HELLO,
	STAGE_SERVER,      /* the server's flight */
	STAGE_CLIENT,      /* the client's */
	STAGE_SERVER_LAST, /* up to TLS 1.2: the server's last messages */
	STAGE_CLIENT_LAST, /* the same of the client in an abbreviated handshake */
	STAGE_OVER,
};

/* All zeroes: nothing was seen. Readers may look at the fields. */
struct message_rule;

struct transcript_handshake {
	struct library_handshake seen;
	struct parse_cache *cache; /* NULL: certificates are not read */
	struct body body;          /* of the current message, if the content is wanted */
	uint8_t header[TRANSCRIPT_HEADER_DTLS];
	uint8_t header_have;
	uint8_t header_size; /* 0: not known yet */
	uint8_t type;        /* of the message at hand */
	uint8_t direction;   /* enum library_event_from of the next bytes */
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

/* This many bytes are missing. A hole in a body is ignored; anywhere else a hole damages the handshake. */
void transcript_handshake_missing(struct transcript_handshake *handshake, uint32_t count);

/* The bytes of a call end here: a message with the same end was hashed on arrival or departure. */
void transcript_handshake_call_ends(struct transcript_handshake *handshake);

/* Later bytes are unknown. */
void transcript_handshake_damage(struct transcript_handshake *handshake);

/* Whether the bytes so far end with a message. */
bool transcript_handshake_at_boundary(const struct transcript_handshake *handshake);

/* The handshake is over; go on with a request after the handshake. Forget the old messages and the client's answer. */
void transcript_handshake_begin_post(struct transcript_handshake *handshake);

/* Free held data, but keep the handshake's identity. */
void transcript_handshake_release(struct transcript_handshake *handshake);

#endif /* TRACKING_TRANSCRIPT_HANDSHAKE_H */
