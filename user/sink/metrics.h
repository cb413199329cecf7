/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * metrics - sums of handshakes and counters (metrics.c), written for Prometheus: the text format 0.0.4 or OpenMetrics
 * 1.0 (metrics_page.c).
 *
 * Pure: no clock, no sockets, no lock. metrics_new() allocates all memory, so services_max bounds the memory whatever
 * the network sends. Counters only grow, and a written series never disappears. No label describes a client, except the
 * side of a message.
 */
#ifndef SINK_METRICS_H
#define SINK_METRICS_H

#include "handshake/handshake.h"
#include "sink/status.h"

#include <stddef.h>
#include <stdint.h>

enum metrics_bounds {
	METRICS_EXPIRY_HOURS = 24, /* certificates presented in these last hours count */
};

enum metrics_format {
	METRICS_TEXT,        /* Prometheus text format 0.0.4 */
	METRICS_OPENMETRICS, /* OpenMetrics 1.0 */
};

struct metrics;

/* At most services_max services of each role have series of their own. NULL without memory. */
struct metrics *metrics_new(uint32_t services_max);
void metrics_free(struct metrics *metrics);

/* Count a handshake. */
void metrics_handshake(struct metrics *metrics, const struct handshake *handshake);

/* Everything that is not summed up here: the present state. */
void metrics_update(struct metrics *metrics, const struct status *status);

/* A snapshot: make to, of the same services_max, equal to from. */
void metrics_copy(struct metrics *to, const struct metrics *from);

/* The sum of lost_events_total by the urgent losses (loss_table.h). */
uint64_t metrics_lost(const struct metrics *metrics);

/* The metrics as text, which the caller frees; NULL without memory. */
char *metrics_text(const struct metrics *metrics, enum metrics_format format, size_t *length);

/* The media type of a format. */
const char *metrics_content_type(enum metrics_format format);

/* The format preferred by the field Accept of an HTTP request (RFC 9110 section 12.5.1); accept NULL: no such field. */
enum metrics_format metrics_choose(const char *accept);

#endif /* SINK_METRICS_H */
