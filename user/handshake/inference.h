/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * inference - TLS 1.3 from outside: did the server ask for a certificate, and what did the client answer, by the lengths of
 * encrypted records. Pure.
 *
 * A TLS 1.3 record shows the length of content, type byte and tag (RFC 8446 section 5.2). The cleartext ServerHello names the suite,
 * so three client messages have known lengths: Finished 4 bytes and the hash, an empty Certificate 4 + 4, an alert 2. Without a
 * request the client sends Finished alone; with a request a Certificate first (RFC 8446 section 4.4.2). docs/design/inference.md
 * has the rules and their limits.
 */
#ifndef HANDSHAKE_INFERENCE_H
#define HANDSHAKE_INFERENCE_H

#include "handshake/handshake.h"

/* What the client's encrypted flight is. */
enum inferred_flight {
	FLIGHT_NONE,             /* nothing of it was seen */
	FLIGHT_FINISHED,         /* Finished alone: not requested */
	FLIGHT_EMPTY,            /* an empty Certificate, Finished: requested */
	FLIGHT_EMPTY_ONLY,       /* an empty Certificate, and no Finished yet */
	FLIGHT_CERTIFICATE,      /* Certificate, CertificateVerify, Finished: requested */
	FLIGHT_ANSWER,           /* an answer, requested; padding hides which */
	FLIGHT_CERTIFICATE_ONLY, /* one record, requested: a Certificate, with or without the rest of the flight */
	FLIGHT_ALERT,            /* an alert instead of a flight */
	FLIGHT_UNCLEAR, /* fits no pattern: padding, or messages put together in a way that padding could imitate */
};

/* The server's reaction to the flight. */
enum inferred_reply {
	REPLY_NONE,    /* nothing yet */
	REPLY_ALERT,   /* records of an alert's length, and nothing else */
	REPLY_WENT_ON, /* a ticket, data */
	REPLY_UNSEEN,  /* more records than are looked at came before it */
	REPLY_PARTING, /* nothing, or perhaps close_notify: the client closed first, or padding hides the type */
};

/* Whether the server's own flight has a CertificateRequest. Its lengths are not the client's to choose. */
enum inferred_request {
	REQUEST_UNCLEAR,
	REQUEST_ABSENT,  /* four records: EncryptedExtensions, Certificate, CertificateVerify, Finished */
	REQUEST_LIKELY,  /* five; the Certificate may take two of them */
	REQUEST_CERTAIN, /* five; the second is a whole message */
};

struct inference {
	uint8_t flight;     /* enum inferred_flight */
	uint8_t reply;      /* enum inferred_reply */
	bool open;          /* one more client record may decide the flight */
	bool owing;         /* the client sent more after its flight (a request): the server owes a reply */
	uint8_t request;    /* enum inferred_request */
	bool server_agrees; /* the server's own flight agrees with the client's flight about the request */
	bool late;          /* the reply, or the end, came so late that the flight may not be the reason */
};

/* What the encrypted records seen so far show. facts->version_1_3 is set. */
struct inference inference_of(const struct handshake_facts *facts);

/*
 * Whether the server refused the client's flight: the server sent an alert and the connection ended, or the server ended the
 * connection without a record. A record that may be close_notify is no refusal.
 */
bool inference_refused(const struct handshake_facts *facts, const struct inference *inference);

/* Whether the suite's lengths are known. */
bool inference_is_possible(const struct handshake_facts *facts);

#endif /* HANDSHAKE_INFERENCE_H */
