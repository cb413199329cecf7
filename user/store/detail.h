/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * detail - a handshake in full, as the two texts that a store keeps: the line of JSON and the ladder.
 */
#ifndef STORE_DETAIL_H
#define STORE_DETAIL_H

#include <stdbool.h>

struct handshake;

struct detail_texts {
	char *json; /* without the newline; NULL where there was no memory: then ladder is NULL, too */
	char *ladder;
};

struct detail_texts detail_texts_of(const struct handshake *handshake, bool redact);
void detail_texts_free(struct detail_texts *texts);

#endif /* STORE_DETAIL_H */
