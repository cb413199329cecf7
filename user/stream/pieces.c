// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stream/pieces.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	struct piece *next;
	uint32_t offset;
	uint32_t length;
	uint32_t kept;
	uint8_t bytes[];
};

static uint32_t at_most(uint32_t value, uint32_t bound)
{
	return value < bound ? value : bound;
}

/* Insert a piece without overlaps between *place and its predecessor. */
static int insert(struct pieces *pieces, struct piece **place, uint32_t offset, uint32_t length, const uint8_t *bytes,
                  uint32_t kept)
{
	struct piece *piece;

	if (pieces->count >= PIECES_MAX)
		return -ENOBUFS;
	piece = malloc(sizeof(*piece) + kept);
	if (!piece)
		return -ENOMEM;
	piece->offset = offset;
	piece->length = length;
	piece->kept = kept;
	if (kept)
		memcpy(piece->bytes, bytes, kept);
	piece->next = *place;
	*place = piece;
	pieces->count++;
	pieces->covered += length;
	pieces->held += kept;
	return 0;
}

int pieces_add(struct pieces *pieces, uint32_t offset, uint32_t length, const uint8_t *bytes, uint32_t kept)
{
	struct piece **place = &pieces->first;
	uint32_t at = offset;
	uint32_t end = offset + length;
	uint32_t before = pieces->covered;
	uint32_t free_bytes, passed;
	int error;

	kept = at_most(kept, length);
	while (at < end) {
		while (*place && (*place)->offset + (*place)->length <= at)
			place = &(*place)->next;
		if (*place && (*place)->offset <= at) {
			at = (*place)->offset + (*place)->length;
			continue;
		}
		free_bytes = (*place ? at_most((*place)->offset, end) : end) - at;
		passed = at - offset;
		error = insert(pieces, place, at, free_bytes, kept > passed ? bytes + passed : NULL,
		               kept > passed ? at_most(kept - passed, free_bytes) : 0);
		if (error)
			return error;
		at += free_bytes;
	}
	return length - (pieces->covered - before);
}

uint32_t pieces_copy(const struct pieces *pieces, uint8_t *bytes, uint32_t capacity)
{
	const struct piece *piece;
	uint32_t copied = 0;
	uint32_t count;

	for (piece = pieces->first; piece && piece->offset == copied && copied < capacity; piece = piece->next) {
		count = at_most(piece->kept, capacity - copied);
		memcpy(bytes + copied, piece->bytes, count);
		copied += count;
		if (count < piece->length)
			break;
	}
	return copied;
}

void pieces_clear(struct pieces *pieces)
{
	struct piece *piece = pieces->first;
	struct piece *next;

	for (; piece; piece = next) {
		next = piece->next;
		free(piece);
	}
	memset(pieces, 0, sizeof(*pieces));
}
