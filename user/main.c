// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mtlsnoop - did the server ask the client for a certificate, what did the client answer, how did it end. This file wires
 * the parts: a source of events (the live host, or a capture file), the table of connections, the output, the metrics.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/capture.h"
#include "tracking/connection.h"
#include "sink/exporter.h"
#include "system/journal.h"
#include "live.h"
#include "sink/losses.h"
#include "options.h"
#include "sink/console.h"
#include "system/privileges.h"
#include "attribution/process.h"
#include "system/sandbox.h"
#include "settings.h"
#include "system/signals.h"
#include "system/standard_output.h"
#include "system/log.h"

enum {
	CAPTURE_PACKETS = 4096, /* read between looks at the clock and at signals */
};

/* Where handshakes go. */
struct sinks {
	const struct options *options;
	struct output output;
	struct exporter *exporter;
	struct settings *settings;
	struct processes *processes; /* NULL: nobody wants to know of containers, or can */
};

static void take_handshake(const struct handshake *handshake, void *context)
{
	struct sinks *sinks = context;
	struct handshake described;

	if (!options_want_process(sinks->options, handshake))
		return;
	if (options_want_ports(sinks->options, handshake->server.port, handshake->client.port))
		exporter_handshake(sinks->exporter, handshake);
	if (sinks->processes) {
		described = *handshake;
		processes_container(sinks->processes, handshake->process.id ?: handshake->owner.id,
		                    described.container);
		handshake = &described;
	}
	output_handshake(handshake, &sinks->output);
}

/* A capture file on its way into the table of connections. */
struct reading {
	struct capture *capture;
	struct connection_table *table;
};

/* What was quiet for too long when this was captured is over, however many packets are read in one go. */
static bool take_captured_event(const struct event *event, void *context)
{
	const struct reading *reading = context;

	connection_table_time(reading->table, capture_time(reading->capture));
	return connection_table_event(reading->table, event);
}

static int read_capture(const struct options *options, struct connection_table *table, struct output *output)
{
	struct reading reading = {.table = table};
	int more;

	more = capture_open(&reading.capture, options->read_file, take_captured_event, &reading);
	if (more < 0)
		return more;
	if (privileges_drop()) {
		capture_close(reading.capture);
		return -EPERM;
	}
	sandbox_enter(SANDBOX_CAPTURE);
	output_begin(output, options);
	do {
		more = capture_read(reading.capture, CAPTURE_PACKETS);
		connection_table_time(table, capture_time(reading.capture));
	} while (more > 0 && !signals_stop() && !output_is_complete(output));
	connection_table_finish(table);
	capture_log_left_out(reading.capture);
	losses_summarize(NULL, connection_table_counts(table), NULL);
	capture_close(reading.capture);
	return more < 0 ? more : 0;
}

static int trace_live(const struct options *options, struct connection_table *table, struct sinks *sinks)
{
	const struct live live = {.options = options,
	                          .table = table,
	                          .output = &sinks->output,
	                          .exporter = sinks->exporter,
	                          .settings = sinks->settings};

	return live_trace(&live);
}

/* Containers are told of where there is room for them. */
static int open_processes(struct sinks *sinks)
{
	const struct options *options = sinks->options;

	if (options->read_file || options->quiet || options->format == FORMAT_TABLE)
		return 0;
	return processes_open(&sinks->processes);
}

static struct connection_table *make_table(const struct options *options, struct sinks *sinks)
{
	const struct connection_limits limits = {.connections = options->max_connections,
	                                         .handshake_timeout_ns = options->handshake_timeout_ns,
	                                         .no_certificates = !output_tells_certificates(options) &&
	                                                            options->metrics.address.ss_family == AF_UNSPEC};
	struct connection_table *table = connection_table_new(&limits, take_handshake, sinks);

	if (table)
		connection_table_set_policy(table, settings_policy(sinks->settings));
	else
		log_out_of_memory();
	return table;
}

int main(int argc, char **argv)
{
	struct sinks sinks = {};
	struct connection_table *table;
	struct options options;
	int error;

	journal_begin();
	options_parse(argc, argv, &options);
	log_set_debug(options.debug);
	signals_catch();
	if (!options.read_file)
		signals_catch_reload(settings_are_named(&options));
	sinks.options = &options;
	sinks.output.options = &options;
	sinks.output.stream = standard_output_open(signals_stop);
	if (settings_open(&sinks.settings, &options) || open_processes(&sinks))
		return EXIT_FAILURE;
	table = make_table(&options, &sinks);
	if (!table)
		return EXIT_FAILURE;
	error = exporter_open(&sinks.exporter, &options.metrics, settings_guard(sinks.settings));
	if (!error && options.read_file)
		error = read_capture(&options, table, &sinks.output);
	else if (!error)
		error = trace_live(&options, table, &sinks);
	exporter_close(sinks.exporter);
	connection_table_free(table);
	settings_close(sinks.settings);
	processes_close(sinks.processes);
	if (output_flush(&sinks.output))
		error = -EIO;
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
