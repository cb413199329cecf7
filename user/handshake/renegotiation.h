/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * renegotiation - a handshake inside an established connection up to TLS 1.2, from outside: messages are encrypted, record types and
 * lengths are visible. Pure.
 *
 * Without a request the client sends ClientKeyExchange and ChangeCipherSpec. With a request the client sends a Certificate first,
 * and a CertificateVerify after a non-empty Certificate (RFC 5246 section 7.3). So two handshake records before ChangeCipherSpec
 * show a Certificate, unless a message was cut. A single record shows the answer by its length, if the cipher does not pad:
 * ChangeCipherSpec has one byte of content and shows what the cipher adds. docs/design/renegotiation.md has the rules.
 */
#ifndef HANDSHAKE_RENEGOTIATION_H
#define HANDSHAKE_RENEGOTIATION_H

#include "handshake/handshake.h"

enum renegotiated {
	RENEGOTIATED_NOTHING,       /* no flight of the client behind its ClientHello */
	RENEGOTIATED_SESSION,       /* the server resumed a session: its ChangeCipherSpec came first */
	RENEGOTIATED_NOT_REQUESTED, /* ClientKeyExchange alone */
	RENEGOTIATED_EMPTY,         /* an empty Certificate before it */
	RENEGOTIATED_CERTIFICATE,
	RENEGOTIATED_ANSWER,  /* a Certificate, empty or not */
	RENEGOTIATED_UNCLEAR, /* no row matches, or more than one */
};

/* What the records of facts->renegotiation show of the client's flight. */
enum renegotiated renegotiation_of(const struct handshake_facts *facts);

#endif /* HANDSHAKE_RENEGOTIATION_H */
