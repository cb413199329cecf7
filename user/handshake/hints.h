/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hints - what an operator should look at, from what the record of a handshake holds. Each hint is certain of its fact:
 * "client certificate expired 12 days ago". Pure.
 */
#ifndef HANDSHAKE_HINTS_H
#define HANDSHAKE_HINTS_H

#include <stdint.h>

enum hints_bounds {
	HINTS_MAX = 8,
	HINT_TEXT_MAX = 256, /* what is longer ends in "..." */
};

struct handshake;

struct hints {
	uint8_t count;
	char text[HINTS_MAX][HINT_TEXT_MAX]; /* names from certificates are in it as they came: sinks escape it */
};

/* The hints on a handshake that has ended. Certificates are judged by the time at which the handshake began. */
void hints_of(const struct handshake *handshake, struct hints *hints);

#endif /* HANDSHAKE_HINTS_H */
