/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report - the way of each record from the table of connections to the sinks: filters, the id, who made the handshake, the
 * count of --count.
 */
#ifndef REPORT_H
#define REPORT_H

#include "attribution/attributor.h"
#include "handshake/event_id.h"
#include "options.h"
#include "sink/sinks.h"

struct report {
	const struct options *options;
	struct sinks sinks;
	struct attributor *attributor; /* NULL: no sink and no filter wants to know */
	struct event_ids ids;
	uint64_t reported; /* records that the user wants to see */
};

/*
 * The sinks are in the list: begin. Before threads and before privileges are given up. Returns 0, or -errno after a message.
 */
int report_open(struct report *report, const struct options *options);

/* Closes the sinks, too. */
void report_close(struct report *report);

/* A handshake has ended: a tracker_report whose context is the struct report. */
void report_handshake(const struct handshake *handshake, void *context);

/* Whether as many records were reported as --count wants. */
bool report_is_complete(const struct report *report);

#endif /* REPORT_H */
