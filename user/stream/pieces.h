/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pieces - one whole of up to 2^24 bytes that comes in pieces, in any order, repeated and overlapping: an IP packet in
 * fragments, a DTLS message in fragments. Of bytes that come twice the first ones count. All zeroes is an empty one.
 */
#ifndef STREAM_PIECES_H
#define STREAM_PIECES_H

#include <stdint.h>

enum pieces_bounds {
	PIECES_MAX = 512, /* of one whole */
};

struct piece;

struct pieces {
	struct piece *first; /* in order, none overlapping */
	uint32_t count;
	uint32_t covered; /* bytes of the whole that came, kept or not */
	uint32_t held;    /* bytes kept */
};

/*
 * Add length bytes at offset, of which the first kept ones are kept (fewer where a capture was cut short, or where
 * nobody wants the content). Returns how many of them had come before, -ENOBUFS at the bound or -ENOMEM.
 */
int pieces_add(struct pieces *pieces, uint32_t offset, uint32_t length, const uint8_t *bytes, uint32_t kept);

/* Copy the bytes kept, from the first one to the first that is missing, at most capacity. Returns how many. */
uint32_t pieces_copy(const struct pieces *pieces, uint8_t *bytes, uint32_t capacity);

/* Free what is held. */
void pieces_clear(struct pieces *pieces);

#endif /* STREAM_PIECES_H */
