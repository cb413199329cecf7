// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mtlsnoop - did the server ask the client for a certificate, what did the client answer, how did it end. This file wires
 * the parts: a source of events (the kernel's hooks, or a capture file), the table of connections, the output.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "capture.h"
#include "connection.h"
#include "losses.h"
#include "options.h"
#include "output.h"
#include "privileges.h"
#include "tracer.h"

enum {
	POLL_MS = 50,           /* the reader is not woken for each event: it looks this often */
	CAPTURE_PACKETS = 4096, /* read between looks at the clock and at signals */
};

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * SECOND_NS + time.tv_nsec;
}

static void take_event(const struct event *event, void *context)
{
	connection_table_event(context, event);
}

static bool take_captured_event(const struct event *event, void *context)
{
	return connection_table_event(context, event);
}

/* What has to be done now and then: time-outs, the clock, losses. */
static void look_around(struct tracer *tracer, struct connection_table *table, struct losses *losses)
{
	uint64_t statistics[STATISTICS];
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	connection_table_set_realtime_offset(table, clock_ns(CLOCK_REALTIME) - now_ns);
	tracer_statistics(tracer, statistics);
	if (losses_tell(losses, statistics, connection_table_counts(table)))
		connection_table_lost_events(table);
	connection_table_time(table, now_ns);
}

static int trace_live(const struct options *options, struct connection_table *table, struct output *output)
{
	const struct tracer_options tracer_options = { .cgroup = options->cgroup, .buffer_bytes = options->buffer_bytes };
	uint64_t end_ns = options->duration_ns ? clock_ns(CLOCK_MONOTONIC) + options->duration_ns : UINT64_MAX;
	uint64_t statistics[STATISTICS];
	struct losses losses = {};
	struct tracer *tracer;
	int error;

	error = tracer_open(&tracer, &tracer_options, take_event, table);
	if (error)
		return error;
	/* what comes from here on is read from strangers */
	error = privileges_drop();
	if (error)
		goto cleanup;
	look_around(tracer, table, &losses);
	output_begin(output, options);
	error = output_flush();
	while (!error && !stopped && !output_is_complete(output) && clock_ns(CLOCK_MONOTONIC) < end_ns) {
		error = tracer_poll(tracer, POLL_MS);
		if (error == -EINTR)
			error = 0;
		look_around(tracer, table, &losses);
		if (!error)
			error = output_flush();
	}
	tracer_detach(tracer);
	tracer_poll(tracer, 0);
	look_around(tracer, table, &losses);
	connection_table_finish(table);
	tracer_statistics(tracer, statistics);
	losses_summarize(statistics, connection_table_counts(table));
cleanup:
	tracer_close(tracer);
	return error;
}

static int read_capture(const struct options *options, struct connection_table *table, struct output *output)
{
	struct capture *capture;
	int more;

	more = capture_open(&capture, options->read_file, take_captured_event, table);
	if (more < 0)
		return more;
	if (privileges_drop()) {
		capture_close(capture);
		return -EPERM;
	}
	output_begin(output, options);
	do {
		more = capture_read(capture, CAPTURE_PACKETS);
		connection_table_time(table, capture_time(capture));
	} while (more > 0 && !stopped && !output_is_complete(output));
	connection_table_finish(table);
	capture_print_left_out(capture, stderr);
	losses_summarize(NULL, connection_table_counts(table));
	capture_close(capture);
	return more < 0 ? more : 0;
}

int main(int argc, char **argv)
{
	struct connection_limits limits;
	struct connection_table *table;
	struct options options;
	struct output output;
	int error;

	options_parse(argc, argv, &options);
	catch_signals();
	limits.connections = options.max_connections;
	limits.handshake_timeout_ns = options.handshake_timeout_ns;
	limits.no_certificates = !output_tells_certificates(&options);
	output.options = &options;
	table = connection_table_new(&limits, output_handshake, &output);
	if (!table) {
		fprintf(stderr, "mtlsnoop: out of memory\n");
		return EXIT_FAILURE;
	}
	if (options.read_file)
		error = read_capture(&options, table, &output);
	else
		error = trace_live(&options, table, &output);
	connection_table_free(table);
	if (output_flush())
		error = -EIO;
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
