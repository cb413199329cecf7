/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * body - the body of one handshake message, joined from chunks (EVENT_BODY). Chunks come in order; bytes between them
 * may be missing, and bytes after a hole are useless to a parser: they are left out.
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
	uint8_t *data; /* the first `have` bytes; NULL without bytes */
	uint32_t have;
	uint32_t length;   /* what the message's header claims */
	uint32_t capacity; /* of data */
	uint8_t type;      /* HandshakeType */
};

/* A message begins: forget the one before. */
void body_begin(struct body *body, uint8_t type, uint32_t length);

/*
 * Add length bytes at position in the body. Returns 0, or the reason why the body stays incomplete: -ENODATA (earlier
 * bytes are missing), -EMSGSIZE (beyond BODY_MAX or the claimed length), -ENOMEM.
 */
int body_add(struct body *body, uint32_t position, const uint8_t *data, size_t length);

/* Whether all of the claimed length is there. */
bool body_complete(const struct body *body);

/* Free what is held; the body is all zeroes again. */
void body_release(struct body *body);

#endif /* TLS_BODY_H */
