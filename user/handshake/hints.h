/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hints - advice for an operator, from the record of a handshake. Each hint states a certain fact: "client certificate
 * expired 12 days ago". Pure.
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
	char text[HINTS_MAX][HINT_TEXT_MAX]; /* contains names from certificates unescaped: sinks escape them */
};

/* The hints on a finished handshake. Certificates are judged at the time of the handshake's beginning. */
void hints_of(const struct handshake *handshake, struct hints *hints);

#endif /* HANDSHAKE_HINTS_H */
