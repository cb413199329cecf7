/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report_metrics - handshakes and counters summed up, and written for Prometheus: the text format 0.0.4 or OpenMetrics 1.0.
 *
 * Pure: no clock, no sockets, no lock. Memory is taken when it is made and never again, so its size is bounded by
 * services_max, whatever comes from the network. Counters only grow, and a series of them that was written once is written
 * from then on. No label says anything about a client but which side sent a message.
 */
#ifndef SINK_METRICS_H
#define SINK_METRICS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared/event.h"
#include "tracking/connection.h"
#include "handshake/handshake.h"
#include "library/finder.h"
#include "tracking/listening.h"
#include "settings.h"
#include "kernel/tracer.h"

enum report_metrics_bounds {
	REPORT_METRICS_EXPIRY_HOURS = 24, /* certificates that were presented so lately count */
};

enum report_metrics_format {
	REPORT_METRICS_TEXT,        /* Prometheus text format 0.0.4 */
	REPORT_METRICS_OPENMETRICS, /* OpenMetrics 1.0 */
};

/* What is not summed up here, as it is now. */
struct report_metrics_state {
	struct connection_counts counts;
	uint64_t statistics[STATISTICS];
	uint32_t connections[CONNECTION_STATES];
	uint64_t now_ns;            /* CLOCK_MONOTONIC: events were last looked for */
	uint64_t last_event_ns;     /* 0: none yet */
	int64_t realtime_offset_ns; /* to be added for the time since the epoch */
	struct tracer_sight sight;
	uint64_t library_statistics[LIBRARY_STATISTICS];
	struct library_counts libraries;
	struct listening listening;
	struct settings_state settings;
	struct program_runs runs[TRACER_RUNS]; /* a program without any is not written */
};

struct report_metrics;

/* At most services_max services of each role have series of their own. NULL where there is no memory. */
struct report_metrics *report_metrics_new(uint32_t services_max);
void report_metrics_free(struct report_metrics *metrics);

/* Count a handshake. */
void report_metrics_handshake(struct report_metrics *metrics, const struct handshake *handshake);

/* Take over the state. */
void report_metrics_update(struct report_metrics *metrics, const struct report_metrics_state *state);

/* Make to, of the same services_max, the same as from: a snapshot. */
void report_metrics_copy(struct report_metrics *to, const struct report_metrics *from);

/* Of lost_events_total what leaves connections untold or unknown, and somebody can do something about. */
uint64_t report_metrics_lost(const struct report_metrics *metrics);

/* The metrics as text that the caller frees; NULL where there is no memory. */
char *report_metrics_text(const struct report_metrics *metrics, enum report_metrics_format format, size_t *length);

/* The media type of a format. */
const char *report_metrics_content_type(enum report_metrics_format format);

/* The format that the field Accept of an HTTP request prefers (RFC 9110 section 12.5.1); NULL: there is none. */
enum report_metrics_format report_metrics_choose(const char *accept);

#endif /* SINK_METRICS_H */
