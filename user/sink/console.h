/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * console - the sinks on standard output: the table, the ladder (text.h) and JSON lines (json.h).
 */
#ifndef SINK_CONSOLE_H
#define SINK_CONSOLE_H

#include "sink/screen.h"
#include "sink/sink.h"
#include "system/standard_output.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum console_format {
	CONSOLE_TABLE,
	CONSOLE_LADDER,
	CONSOLE_JSON,
};

struct console_options {
	uint8_t format;       /* enum console_format */
	bool redact;          /* of certificates only the fingerprint */
	bool headings;        /* of the table */
	bool both_ends;       /* of the table: a line for each end, even if both are on this host */
	struct screen screen; /* of the table */
	bool of_host;         /* records are of this host, and not of a file: JSON names the host */
	FILE *stream;         /* stays the caller's */

	/* of the stream; NULL: writes wait for the reader. While the queue is full, records are left out and counted. */
	struct standard_output_queue *queue;
};

/*
 * In the table, the two ends of a handshake on this host are one line. A row waits 350 ms for the other end, and lines keep their
 * order. The heading of the table comes with the first tick or record. Returns 0, or -ENOMEM after a message. Its flush returns
 * -errno where the stream cannot be written, and says so the first time.
 */
int console_open(struct sink *sink, const struct console_options *options);

#endif /* SINK_CONSOLE_H */
