// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/sinks.h"

#include <errno.h>

#include "system/log.h"

int sinks_add(struct sinks *sinks, const struct sink *sink)
{
	if (sinks->count < STATUS_SINKS_MAX) {
		sinks->sink[sinks->count++] = *sink;
		return 0;
	}
	log_error("sink %s: at most %d sinks are possible", sink->class->name, STATUS_SINKS_MAX);
	if (sink->class->close)
		sink->class->close(sink->state);
	return -ENOSPC;
}

unsigned int sinks_needs(const struct sinks *sinks)
{
	unsigned int needs = 0;

	for (uint32_t index = 0; index < sinks->count; index++)
		needs |= sinks->sink[index].needs;
	return needs;
}

void sinks_take(struct sinks *sinks, const struct handshake *handshake, bool wanted)
{
	for (uint32_t index = 0; index < sinks->count; index++) {
		const struct sink *sink = &sinks->sink[index];
		struct sink_counts *counts = &sinks->counts[index];

		if (!wanted && !(sink->needs & SINK_NEEDS_UNFILTERED))
			continue;
		counts->taken++;
		if (sink->class->take(sink->state, handshake))
			counts->failed++;
	}
}

void sinks_tick(struct sinks *sinks, const struct status *status)
{
	for (uint32_t index = 0; index < sinks->count; index++)
		if (sinks->sink[index].class->tick)
			sinks->sink[index].class->tick(sinks->sink[index].state, status);
}

void sinks_finish(struct sinks *sinks)
{
	for (uint32_t index = 0; index < sinks->count; index++)
		if (sinks->sink[index].class->finish)
			sinks->sink[index].class->finish(sinks->sink[index].state);
}

int sinks_flush(struct sinks *sinks)
{
	int error = 0;

	for (uint32_t index = 0; index < sinks->count; index++) {
		const struct sink *sink = &sinks->sink[index];
		int failed = sink->class->flush ? sink->class->flush(sink->state) : 0;

		error = error ?: failed;
	}
	return error;
}

void sinks_count(const struct sinks *sinks, struct status_sink counts[STATUS_SINKS_MAX])
{
	for (uint32_t index = 0; index < sinks->count; index++) {
		const struct sink *sink = &sinks->sink[index];

		counts[index].name = sink->class->name;
		counts[index].counts = sinks->counts[index];
		if (sink->class->count)
			sink->class->count(sink->state, &counts[index].counts);
	}
}

void sinks_close(struct sinks *sinks)
{
	for (uint32_t index = 0; index < sinks->count; index++)
		if (sinks->sink[index].class->close)
			sinks->sink[index].class->close(sinks->sink[index].state);
	sinks->count = 0;
}
