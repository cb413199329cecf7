/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * losses - messages on standard error about everything that the tracer did not see or could not keep (loss_table.h): when a
 * loss first happens, and the sums at the end. Zero must be distinguishable from blind.
 */
#ifndef SINK_LOSSES_H
#define SINK_LOSSES_H

#include "sink/status.h"

#include <stdint.h>

enum {
	LOSSES_MAX = 64,
};

struct losses {
	bool reported[LOSSES_MAX]; /* by row of the table */
};

/* Report each kind of loss that has advice and has begun since the last call. */
void losses_report(struct losses *losses, const struct status *status);

/* Report the sums of all losses, without the rows that have one of these flags (enum loss_flags). */
void losses_summarize(const struct status *status, uint8_t without);

#endif /* SINK_LOSSES_H */
