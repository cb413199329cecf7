/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * body - the body of one handshake message, put together from the chunks in which it comes (EVENT_BODY). Chunks come in
 * order; bytes between them may be missing, and what lies behind a hole is of no use to a parser: it is left out.
 */
#ifndef TLS_BODY_H
#define TLS_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum body_bounds {
	BODY_MAX = 64 * 1024, /* bytes kept: no message that mtlsnoop reads is longer (RFC 8446 section 4.3.2) */
};

/* All zeroes is a body of nothing. Fields are the reader's to look at. */
struct body {
	uint8_t *data; /* its first have bytes; NULL where none */
	uint32_t have;
	uint32_t length;   /* what the message's header claims */
	uint32_t capacity; /* of data */
	uint8_t type;      /* HandshakeType */
};

/* A message begins: forget the one before. */
void body_begin(struct body *body, uint8_t type, uint32_t length);

/*
 * Add length bytes that stand at position in the body. Returns 0, or what makes the body incomplete for good: -ENODATA
 * (bytes before these are missing), -EMSGSIZE (beyond BODY_MAX or the claimed length), -ENOMEM.
 */
int body_add(struct body *body, uint32_t position, const uint8_t *data, size_t length);

/* Whether all of the claimed length is there. */
bool body_complete(const struct body *body);

/* Free what is held; the body is all zeroes again. */
void body_release(struct body *body);

#endif /* TLS_BODY_H */
