/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* live_status - asks every module for the status, and stores the status as plain data for the sinks (sink/status.h). */
#ifndef LIVE_STATUS_H
#define LIVE_STATUS_H

#include "attribution/attributor.h"
#include "kernel/probes.h"
#include "kernel/tracer.h"
#include "library/finder.h"
#include "settings.h"
#include "sink/sinks.h"
#include "sink/status.h"
#include "tracking/tracker.h"
#include "tracking/transcript.h"

/* The modules to ask. A module that is NULL leaves the module's part of the status at 0. */
struct live_sources {
	const struct tracker *table;
	const struct tracer *tracer;
	const struct probes *probes;
	const struct library *library;
	const struct transcript_table *transcripts;
	const struct settings *settings;
	const struct attributor *attributor;
	const struct sinks *sinks;
	bool with_runs; /* of the BPF programs, too: one system call for each program */
};

/* The times in the status are left at 0. */
void live_status(const struct live_sources *sources, struct status *status);

#endif /* LIVE_STATUS_H */
