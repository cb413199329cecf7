/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* live - trace the host: start, read events until the end, and run the periodic work. */
#ifndef LIVE_H
#define LIVE_H

#include "tracking/tracker.h"
#include "sink/exporter.h"
#include "options.h"
#include "report.h"
#include "evidence/evidence.h"
#include "settings.h"

/* The parts that events go through. */
struct live {
	const struct options *options;
	struct tracker *table;
	struct report *report;
	struct exporter *exporter;        /* NULL: no metrics are wanted */
	struct evidence_writer *evidence; /* NULL: no packets are written */
	struct settings *settings;        /* NULL: no files are named */
};

/* Returns 0, or -errno after a message on standard error. */
int live_trace(const struct live *live);

#endif /* LIVE_H */
