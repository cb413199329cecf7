/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * inference - TLS 1.3 from the outside: whether the server asked for a certificate and what the client answered, from the
 * lengths of encrypted records. Pure.
 *
 * A record of TLS 1.3 shows its length: the content's, one byte of type and the tag (RFC 8446 section 5.2). The suite is in
 * the cleartext ServerHello, so the lengths of the client's messages are known where they are fixed: Finished is 4 bytes
 * and the hash, an empty Certificate 4 + 4, an alert 2. A client that was not asked sends Finished alone; one that was
 * asked sends a Certificate first (RFC 8446 section 4.4.2). The rule and its limits are in docs/design/inference.md.
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

/* What the server did behind it. */
enum inferred_reply {
	REPLY_NONE,    /* nothing yet */
	REPLY_ALERT,   /* records of an alert's length, and nothing else */
	REPLY_WENT_ON, /* a ticket, data */
	REPLY_UNSEEN,  /* more records than are looked at came before it */
	REPLY_PARTING, /* nothing or such a record, where it may be close_notify: the client closed, or padding hides it */
};

/* Whether the server's own flight has a CertificateRequest. Its lengths are not the client's to choose. */
enum inferred_request {
	REQUEST_UNCLEAR,
	REQUEST_ABSENT,  /* four records: EncryptedExtensions, Certificate, CertificateVerify, Finished */
	REQUEST_LIKELY,  /* five, of which one may be a second part of the Certificate */
	REQUEST_CERTAIN, /* five, of which none can be */
};

struct inference {
	uint8_t flight;     /* enum inferred_flight */
	uint8_t reply;      /* enum inferred_reply */
	bool open;          /* one more record of the client may make its flight clear */
	bool owing;         /* the client said more behind its flight, a request say: the server owes it a reply */
	uint8_t request;    /* enum inferred_request */
	bool server_agrees; /* the server's own records show the request, or the lack of one, that the flight shows */
	bool late;          /* the reply, or the end, came so late that it may have another reason than the flight */
};

/* What the encrypted records seen so far show. facts->version_1_3 is set. */
struct inference inference_of(const struct handshake_facts *facts);

/*
 * Whether the server refused what the flight brought: it answered with an alert and the connection ended, or ended it without
 * a word. Whoever ends it first without having said what may be close_notify has refused.
 */
bool inference_refused(const struct handshake_facts *facts, const struct inference *inference);

/* Whether the suite is one whose lengths are known. */
bool inference_is_possible(const struct handshake_facts *facts);

#endif /* HANDSHAKE_INFERENCE_H */
