/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sinks - the list of all sinks: each function calls the function of the same name of every sink, in the order of
 * addition. A failing sink does not keep the record from the others.
 */
#ifndef SINK_SINKS_H
#define SINK_SINKS_H

#include "sink/sink.h"
#include "sink/status.h"

struct sinks {
	uint32_t count;
	struct sink sink[STATUS_SINKS_MAX];
	struct sink_counts counts[STATUS_SINKS_MAX];
};

/* Add a sink, which the list closes. Returns 0, or -ENOSPC after a message; then the sink was closed. */
int sinks_add(struct sinks *sinks, const struct sink *sink);

/* The union of all needs (enum sink_needs). */
unsigned int sinks_needs(const struct sinks *sinks);

/* wanted: the record passed --requested and the expression. */
void sinks_take(struct sinks *sinks, const struct handshake *handshake, bool wanted);
void sinks_tick(struct sinks *sinks, const struct status *status);

void sinks_finish(struct sinks *sinks);

/* Returns 0, or the first error of a sink. */
int sinks_flush(struct sinks *sinks);

/* Write down the names and counts of all sinks. */
void sinks_count(const struct sinks *sinks, struct status_sink counts[STATUS_SINKS_MAX]);

/* Flushes nothing. Afterwards the list is empty. */
void sinks_close(struct sinks *sinks);

#endif /* SINK_SINKS_H */
