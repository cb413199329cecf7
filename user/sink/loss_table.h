/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loss_table - every loss that mtlsnoop counts, one row each. Messages on standard error (losses.h) and the metrics
 * read the same rows: a further loss costs its counter in struct status and its row here.
 */
#ifndef SINK_LOSS_TABLE_H
#define SINK_LOSS_TABLE_H

#include "sink/status.h"

#include <stddef.h>

enum loss_flags {
	LOSS_URGENT = 1 << 0, /* connections are missing or unknown, and somebody can do something about it: /healthz */
	LOSS_WHOLE_HOST = 1 << 1, /* counts the whole host, also with --cgroup: then the message would mislead */
	LOSS_SELECTION = 1 << 2,  /* matters to a selection by process, unit, container or pod: null in other records */
};

struct loss {
	size_t counter; /* offset of a uint64_t in struct status */
	const char
		*where; /* label of mtlsnoop_lost_events_total; neighbours may share a label; NULL: a separate metric */
	const char *one;     /* the message, after the number 1; NULL: no message */
	const char *several; /* the same for other numbers */
	const char *advice;  /* not NULL: something is wrong, and the message comes at once, with this */
	uint8_t flags;       /* enum loss_flags */
};

/* The rows; *count is how many. */
const struct loss *loss_table(size_t *count);

uint64_t loss_count(const struct loss *loss, const struct status *status);

/* The sum of all urgent losses. */
uint64_t loss_urgent(const struct status *status);

#endif /* SINK_LOSS_TABLE_H */
