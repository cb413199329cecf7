/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * output - from the records of all handshakes to what the user asked for on standard output.
 */
#ifndef SINK_CONSOLE_H
#define SINK_CONSOLE_H

#include "handshake/handshake.h"
#include "options.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct output {
	const struct options *options;
	FILE *stream; /* standard output; NULL: stdio's own */
	uint64_t printed;
	bool failed; /* standard output could not be written, and that was said */
};

/* Whether what the options ask for says what is in certificates and in the requests for them. */
bool output_tells_certificates(const struct options *options);

/* Print the headings, where the format has any. */
void output_begin(struct output *output, const struct options *options);

/* Print a handshake if the options ask for it: a connection_report whose context is the struct output. */
void output_handshake(const struct handshake *handshake, void *context);

/* Whether as many handshakes were printed as were asked for (--count). */
bool output_is_complete(const struct output *output);

/*
 * Hand what was printed to the system. Returns 0, or -errno: standard output cannot be written, which is said on standard error
 * the first time.
 */
int output_flush(struct output *output);

#endif /* SINK_CONSOLE_H */
