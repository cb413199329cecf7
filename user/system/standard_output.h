/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * standard_output - a stream to standard output; signals do not tear lines. stdio takes an interrupted write for a
 * failed write, and drops the bytes; restarted writes would keep the program from stopping while nobody reads.
 *
 * With a queue the stream never waits for its reader: bytes that the reader does not take stay in memory, up to a
 * bound. So a reader that stands still does not hold up the program, which would lose events meanwhile.
 */
#ifndef SYSTEM_STANDARD_OUTPUT_H
#define SYSTEM_STANDARD_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum standard_output_bounds {
	STANDARD_OUTPUT_PATIENCE_MS = 1000,           /* of a stopping program with a stuck reader */
	STANDARD_OUTPUT_QUEUE_MAX = 16 * 1024 * 1024, /* bytes; the default of a queue */
};

/* The bytes not yet taken by the reader. All zero at first, except max. */
struct standard_output_queue {
	size_t max;     /* a writer should leave its record out while waiting is not below this */
	size_t waiting; /* bytes; may exceed max by one flush of the stream */
	char *bytes;
	size_t begin; /* of the waiting bytes */
	size_t capacity;
};

/*
 * stopping tells whether the program is to end. Without a queue (NULL) a write waits for the reader until then; an
 * abandoned write has errno EAGAIN. The queue must live as long as the stream. Returns NULL where there is no memory.
 * fclose() leaves standard output open.
 */
FILE *standard_output_open(bool (*stopping)(void), struct standard_output_queue *queue);

/* Whether a further record should be left out, because the queue is full. false for NULL. */
bool standard_output_is_full(const struct standard_output_queue *queue);

/* Hand over what the reader takes now, without waiting. Returns 0, or -errno: standard output cannot be written. */
int standard_output_drain(struct standard_output_queue *queue);

/* Hand over the rest, waiting as a stream without a queue waits, and free the queue. Returns 0, or -errno after a message. */
int standard_output_finish(struct standard_output_queue *queue, bool (*stopping)(void));

#endif /* SYSTEM_STANDARD_OUTPUT_H */
