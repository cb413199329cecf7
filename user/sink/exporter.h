/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * exporter - metrics (report_metrics) and health over HTTP (http), for the live host.
 *
 *	/metrics	all metrics, as text or OpenMetrics
 *	/healthz	200 "ok"; or 503 and why: the reader stands still, or something was lost in the last minute
 *	/		the page (web/web.h), or links to both
 *
 * The thread that reads events only counts, under a lock that is held for as long as it takes to copy the counts; the
 * server's thread writes the text. So a scrape takes no time from the events, and the server can tell when the reader
 * stands still. All functions do nothing where exporter is NULL: metrics are not wanted.
 */
#ifndef SINK_EXPORTER_H
#define SINK_EXPORTER_H

#include "http/guard.h"
#include "http/server.h"
#include "sink/sink.h"

#include <stdint.h>
#include <sys/socket.h>

/*
 * Answer a request for anything but /metrics and /healthz, such as the page; false: there is no such thing. In the server's thread.
 */
typedef bool (*exporter_other)(const struct http_request *request, struct http_answer *answer, void *context);

struct exporter_options {
	struct sockaddr_storage address; /* AF_UNSPEC: no metrics are wanted */
	uint32_t services_max;
};

struct exporter;

/* Before exporter_start(): who answers all other requests. */
void exporter_set_other(struct exporter *exporter, exporter_other other, void *context);

/*
 * Listen, as the guard says (http). Returns 0 and an exporter, NULL where none is wanted; or -errno after a message on standard error. Before
 * privileges are given up: the port may need them.
 */
int exporter_open(struct exporter **exporter, const struct exporter_options *options, struct http_guard *guard);

/* The programs are attached: begin to answer. After privileges are given up: the thread must not have any. */
int exporter_start(struct exporter *exporter);

/* From now on it is as this guard says. */
void exporter_set_guard(struct exporter *exporter, struct http_guard *guard);

void exporter_close(struct exporter *exporter);

/* The sink that counts. Its close closes the exporter. exporter is not NULL. */
struct sink exporter_sink(struct exporter *exporter);

#endif /* SINK_EXPORTER_H */
