/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * losses - says on standard error what the tracer did not see or could not keep: when it first happens, and at the end.
 * Zero must be distinguishable from blind.
 */
#ifndef SINK_LOSSES_H
#define SINK_LOSSES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/event.h"
#include "tracking/connection.h"
#include "tracking/listening.h"

enum {
	LOSSES_MAX = 32,
};

struct losses {
	bool told[LOSSES_MAX];
	uint64_t events; /* lost in the ring buffer as of the last look */
};

/*
 * Tell of each kind of loss that has begun since the last call. Returns whether events were lost since then. statistics is
 * NULL where there is no kernel (a capture).
 */
bool losses_tell(struct losses *losses, const uint64_t *statistics, const struct connection_counts *counts);

/* Tell the sums of all that is not zero. listening is NULL where libraries are not listened to. */
void losses_summarize(const uint64_t *statistics, const struct connection_counts *counts,
                      const struct listening *listening);

#endif /* SINK_LOSSES_H */
