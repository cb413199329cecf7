/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * top - the live view in a terminal: services with rates and bars of verdicts, failures with their causes, certificates
 * that are about to expire. top watches a store: the store of a running service, of a capture, or in memory, filled by
 * a sink from the live host.
 */
#ifndef TOP_TOP_H
#define TOP_TOP_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "sink/sink.h"

struct top_options {
	const char *source;     /* what is watched, for the title */
	const char *expression; /* of the command line; NULL: none */
	bool colour;
	bool redact;
};

struct top;

/* Take the terminal over and show database; NULL: a store of its own in memory. Returns 0, or -errno after a message. */
int top_open(struct top **top, sqlite3 *database, const struct top_options *options);

/* Gives the terminal back. */
void top_close(struct top *top);

/* Read keys and draw where something is new. Returns whether the user wants to go on. */
bool top_look(struct top *top);

/* Show until the user ends it, or a signal does. Returns 0. */
int top_run(struct top *top);

/* top as a sink of the live host: its ticks look, and end the program where the user does. close() is left to top_close(). */
struct sink top_sink(struct top *top);

#endif /* TOP_TOP_H */
