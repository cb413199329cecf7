/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pieces - a whole of up to 2^24 bytes from pieces in any order, repeated and overlapping: an IP packet in fragments, a
 * DTLS message in fragments. The first copy of a byte counts. All zeroes is empty.
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
 * Add length bytes at offset, and keep the first `kept` bytes (fewer for a truncated capture, or if nobody wants the
 * content). Returns the number of bytes that had come before, -ENOBUFS at the bound or -ENOMEM.
 */
int pieces_add(struct pieces *pieces, uint32_t offset, uint32_t length, const uint8_t *bytes, uint32_t kept);

/* Copy the kept bytes from the first to the first missing byte, at most capacity. Returns the number. */
uint32_t pieces_copy(const struct pieces *pieces, uint8_t *bytes, uint32_t capacity);

/* Free what is held. */
void pieces_clear(struct pieces *pieces);

#endif /* STREAM_PIECES_H */
