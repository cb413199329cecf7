/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * renegotiation - a handshake inside an established connection of TLS 1.2 or older, from the outside: all of it is encrypted,
 * but the types of its records are not, nor are their lengths. Pure.
 *
 * A client that is not asked sends ClientKeyExchange and ChangeCipherSpec; one that is asked sends a Certificate before, empty
 * or not, and behind it a CertificateVerify where it is not (RFC 5246 section 7.3). No client splits a ClientKeyExchange
 * over records, so that two handshake records before ChangeCipherSpec show a Certificate. Where the client puts all in one,
 * its length tells, if the cipher does not pad: ChangeCipherSpec, one byte, shows what the cipher adds. The rule and its
 * limits are in docs/design/renegotiation.md.
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
	RENEGOTIATED_UNCLEAR, /* a flight that fits none of these, or more than one */
};

/* What the records of facts->renegotiation show of the client's flight. */
enum renegotiated renegotiation_of(const struct handshake_facts *facts);

#endif /* HANDSHAKE_RENEGOTIATION_H */
