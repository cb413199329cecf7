/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * live - the page's current data, kept in memory: the last handshakes as lines of JSON, and counts by verdict for each
 * minute of the last day. The thread that reads events adds; the server's thread reads. Always bounded.
 */
#ifndef WEB_LIVE_H
#define WEB_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct handshake;

enum web_live_bounds {
	WEB_LIVE_LINES = 256, /* handshakes in memory */
	WEB_LIVE_MINUTES = 24 * 60,
	WEB_LIVE_LINES_PER_SECOND = 100, /* more are counted and not shown: a page cannot show them */
};

struct web_live;

struct web_live *web_live_new(bool redact);
void web_live_free(struct web_live *live);

/* A handshake has ended. Returns 0, or -ENOMEM: the line is not shown. */
int web_live_take(struct web_live *live, const struct handshake *handshake);

/*
 * Copy the lines after the number `after`, at most size bytes, each as an event of text/event-stream (HTML, section
 * 9.2) with the line's number as id. Returns the number of copied bytes, and sets after to the number of the last.
 */
size_t web_live_events(struct web_live *live, uint64_t *after, char *text, size_t size);

/* The number of the last line. */
uint64_t web_live_last(struct web_live *live);

/* Write the counts by minute as JSON: {"minutes":[{"time":...,"presented":1,...},...]}; minutes without a handshake are left out. */
void web_live_rates(struct web_live *live, FILE *out);

#endif /* WEB_LIVE_H */
