// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/exporter.h"

#include "http/server.h"
#include "sink/metrics.h"
#include "system/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	STALLED_SECONDS = 5, /* the reader looks every 50 ms */
	LOSING_SECONDS = 60, /* a loss is a matter of now for so long: a probe has to come across it */
	REASON_MAX = 128,
	STATUS_OK = 200,
	STATUS_NOT_FOUND = 404,
	STATUS_UNAVAILABLE = 503,
};

static const char page_type[] = "text/html; charset=utf-8";
static const char text_type[] = "text/plain; charset=utf-8";

static const char page[] = "<!DOCTYPE html>\n"
			   "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>mtlsnoop</title></head>\n"
			   "<body><h1>mtlsnoop " MTLSNOOP_VERSION "</h1>\n"
			   "<p><a href=\"/metrics\">Metrics</a>, <a href=\"/healthz\">health</a></p></body></html>\n";

struct exporter {
	struct http *http;
	exporter_other other; /* NULL: nobody */
	void *other_context;
	struct metrics *snapshot; /* of the server's thread alone */
	pthread_mutex_t lock;
	/* under the lock: */
	struct metrics *metrics;
	time_t looked;    /* when the reader last looked, seconds of CLOCK_MONOTONIC */
	uint64_t lost;    /* as of then */
	time_t lost_last; /* when it was last more than before; 0: never */
};

static time_t clock_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void answer_metrics(struct exporter *exporter, const char *accept, struct http_answer *answer)
{
	enum metrics_format format = metrics_choose(accept);

	pthread_mutex_lock(&exporter->lock);
	metrics_copy(exporter->snapshot, exporter->metrics);
	pthread_mutex_unlock(&exporter->lock);
	answer->status = STATUS_OK;
	answer->content_type = metrics_content_type(format);
	answer->body = metrics_text(exporter->snapshot, format, &answer->length);
}

static void answer_text(struct http_answer *answer, unsigned status, const char *type, const char *text)
{
	answer->status = status;
	answer->content_type = type;
	answer->body = strdup(text);
	answer->length = strlen(text);
}

static void answer_health(struct exporter *exporter, struct http_answer *answer)
{
	char reason[REASON_MAX];
	time_t silent, now = clock_seconds();
	bool loses;

	pthread_mutex_lock(&exporter->lock);
	silent = now - exporter->looked;
	loses = exporter->lost_last && now - exporter->lost_last < LOSING_SECONDS;
	pthread_mutex_unlock(&exporter->lock);
	if (silent > STALLED_SECONDS)
		snprintf(reason, sizeof(reason), "events have not been read for %lld s: the program stands still\n",
		         (long long)silent);
	else if (loses)
		snprintf(reason, sizeof(reason),
		         "something was lost in the last %d s: see mtlsnoop_lost_events_total\n", LOSING_SECONDS);
	else
		strcpy(reason, "ok\n");
	answer_text(answer, silent > STALLED_SECONDS || loses ? STATUS_UNAVAILABLE : STATUS_OK, text_type, reason);
}

static void answer_request(const struct http_request *request, struct http_answer *answer, void *context)
{
	struct exporter *exporter = context;
	const char *path = request->path;

	if (!strcmp(path, "/metrics"))
		answer_metrics(exporter, request->accept, answer);
	else if (!strcmp(path, "/healthz"))
		answer_health(exporter, answer);
	else if (exporter->other && exporter->other(request, answer, exporter->other_context))
		return;
	else if (!strcmp(path, "/"))
		answer_text(answer, STATUS_OK, page_type, page);
	else
		answer_text(answer, STATUS_NOT_FOUND, text_type, "There is /metrics and /healthz.\n");
}

int exporter_open(struct exporter **result, const struct exporter_options *options, struct http_guard *guard)
{
	struct exporter *exporter;
	int error = -ENOMEM;

	*result = NULL;
	if (options->address.ss_family == AF_UNSPEC)
		return 0;
	exporter = calloc(1, sizeof(*exporter));
	if (!exporter)
		goto out_of_memory;
	pthread_mutex_init(&exporter->lock, NULL);
	exporter->metrics = metrics_new(options->services_max);
	exporter->snapshot = metrics_new(options->services_max);
	if (!exporter->metrics || !exporter->snapshot)
		goto out_of_memory;
	error = http_open(&exporter->http, &options->address, guard, answer_request, exporter);
	if (error)
		goto cleanup;
	*result = exporter;
	return 0;
out_of_memory:
	log_out_of_memory();
cleanup:
	exporter_close(exporter);
	return error;
}

void exporter_set_other(struct exporter *exporter, exporter_other other, void *context)
{
	exporter->other = other;
	exporter->other_context = context;
}

int exporter_start(struct exporter *exporter)
{
	if (!exporter)
		return 0;
	exporter->looked = clock_seconds();
	return http_start(exporter->http);
}

void exporter_set_guard(struct exporter *exporter, struct http_guard *guard)
{
	if (exporter)
		http_set_guard(exporter->http, guard);
}

void exporter_close(struct exporter *exporter)
{
	if (!exporter)
		return;
	http_close(exporter->http);
	metrics_free(exporter->metrics);
	metrics_free(exporter->snapshot);
	pthread_mutex_destroy(&exporter->lock);
	free(exporter);
}

static int take(void *state, const struct handshake *handshake)
{
	struct exporter *exporter = state;

	pthread_mutex_lock(&exporter->lock);
	metrics_handshake(exporter->metrics, handshake);
	pthread_mutex_unlock(&exporter->lock);
	return 0;
}

static void tick(void *state, const struct status *status)
{
	struct exporter *exporter = state;
	uint64_t lost;

	pthread_mutex_lock(&exporter->lock);
	metrics_update(exporter->metrics, status);
	exporter->looked = clock_seconds();
	lost = metrics_lost(exporter->metrics);
	if (lost > exporter->lost)
		exporter->lost_last = exporter->looked;
	exporter->lost = lost;
	pthread_mutex_unlock(&exporter->lock);
}

static void close_exporter(void *state)
{
	exporter_close(state);
}

struct sink exporter_sink(struct exporter *exporter)
{
	static const struct sink_class class = {.name = "metrics", .take = take, .tick = tick, .close = close_exporter};

	return (struct sink){
		.class = &class, .state = exporter, .needs = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_UNFILTERED};
}
