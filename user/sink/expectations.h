/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * expectations - a sink that counts kept and broken expectations of --expect, for the summary at the end and the exit
 * status. Handshakes left out by --requested count, too: a server without a request may break an expectation.
 */
#ifndef SINK_EXPECTATIONS_H
#define SINK_EXPECTATIONS_H

#include "handshake/handshake.h"
#include "sink/sink.h"

#include <stdbool.h>
#include <stdint.h>

enum expectations_bounds {
	EXPECTATIONS_LINES_MAX = 8, /* broken lines that the summary names */
};

/* A line of the policy that was broken. */
struct expectations_line {
	uint32_t line;
	uint8_t expectation; /* enum policy_expectation */
	uint64_t broken[POLICY_BREACHES];
};

struct expectations {
	uint64_t results[POLICY_RESULTS];
	uint32_t lines; /* in the list below */
	struct expectations_line line[EXPECTATIONS_LINES_MAX];
	uint64_t other_lines; /* broken handshakes of further lines */
};

/* The sink; its state is the struct, which starts as zero. */
struct sink expectations_sink(struct expectations *expectations);

bool expectations_are_broken(const struct expectations *expectations);

/* Print the counts on standard error; path is the policy's. */
void expectations_summarize(const struct expectations *expectations, const char *path);

#endif /* SINK_EXPECTATIONS_H */
