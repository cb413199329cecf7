// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mtlsnoop - did the server ask the client for a certificate, how did the client answer, how did the handshake end.
 * The file wires the parts: a source of events (the live host, or a capture file), the table of connections, the
 * report, the sinks.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "evidence/evidence.h"
#include "filter/filter.h"
#include "live.h"
#include "options.h"
#include "read_file.h"
#include "report.h"
#include "settings.h"
#include "sink/console.h"
#include "sink/expectations.h"
#include "sink/exporter.h"
#include "store/store.h"
#include "system/journal.h"
#include "system/log.h"
#include "system/signals.h"
#include "system/standard_output.h"
#include "tracking/tracker.h"
#include "web/web.h"

/* The resources that main opens and closes. */
struct parts {
	struct options options;
	struct settings *settings;
	struct report report;
	struct exporter *exporter;        /* NULL: no metrics; else a sink */
	struct evidence_writer *evidence; /* NULL: no packets are written; else a sink */
	struct store *store;              /* NULL: nothing is remembered; else a sink */
	struct web *web;                  /* NULL: no page */
	struct command *command;
	struct tracker *table;
	struct standard_output_queue output; /* of the live host: bytes not yet taken by standard output */
	struct expectations expectations;    /* of --expect, in a run with an end */
};

enum {
	EXIT_EXPECTATION_BROKEN = 3,
};

static const uint64_t NS_PER_SECOND = 1000000000;

/* A file waits for the reader of the output; the events of the live host would be lost meanwhile. */
static struct standard_output_queue *queue_of(struct parts *parts)
{
	if (parts->options.read_file)
		return NULL;
	parts->output.max = STANDARD_OUTPUT_QUEUE_MAX;
	return &parts->output;
}

static int add_console(struct parts *parts)
{
	struct standard_output_queue *queue = queue_of(parts);
	static const uint8_t formats[] = {
		[FORMAT_TABLE] = CONSOLE_TABLE, [FORMAT_LADDER] = CONSOLE_LADDER, [FORMAT_JSON] = CONSOLE_JSON};
	struct console_options options = {.format = formats[parts->options.format],
	                                  .redact = parts->options.redact,
	                                  /* the journal's lines are read one by one, and by many */
	                                  .headings = !journal_takes(STDOUT_FILENO),
	                                  .both_ends = parts->options.both_ends || parts->options.read_file,
	                                  .of_host = !parts->options.read_file,
	                                  .stream = standard_output_open(signals_stop, queue) ?: stdout,
	                                  .queue = queue};
	struct sink sink;

	if (parts->options.write_file && !strcmp(parts->options.write_file, "-"))
		return 0;
	if (parts->options.quiet || parts->options.summary || parts->options.command != COMMAND_TRACE)
		return 0;
	screen_read(&options.screen, STDOUT_FILENO, parts->options.color);
	if (parts->options.wide)
		options.screen.width = 0;
	return console_open(&sink, &options) ?: sinks_add(&parts->report.sinks, &sink);
}

static int add_metrics(struct parts *parts)
{
	int error = exporter_open(&parts->exporter, &parts->options.metrics, settings_guard(parts->settings));
	struct sink sink;

	if (error || !parts->exporter)
		return error;
	sink = exporter_sink(parts->exporter);
	return sinks_add(&parts->report.sinks, &sink);
}

static int add_store(struct parts *parts)
{
	const struct options *options = &parts->options;
	const struct store_options store = {
		.path = options->store,
		.redact = options->redact,
		.waits = options->read_file,
		.limits = {.bytes = options->store_bytes, .keep_seconds = options->store_keep_ns / NS_PER_SECOND}};
	int error = store_open(&parts->store, &store);
	struct sink sink;

	if (error || !parts->store)
		return error;
	sink = store_sink(parts->store);
	return sinks_add(&parts->report.sinks, &sink);
}

/* A run with an end reports a broken expectation in the exit status. */
static bool ends_by_itself(const struct options *options)
{
	return options->read_file || options->duration_ns || options->count;
}

static int add_expectations(struct parts *parts)
{
	const struct sink sink = expectations_sink(&parts->expectations);

	if (!parts->options.expect_file || !ends_by_itself(&parts->options))
		return 0;
	return sinks_add(&parts->report.sinks, &sink);
}

/* Of a run not stopped by a signal. */
static int status_of_expectations(const struct parts *parts)
{
	if (!parts->options.expect_file || !ends_by_itself(&parts->options) || signals_stop())
		return EXIT_SUCCESS;
	expectations_summarize(&parts->expectations, parts->options.expect_file);
	return expectations_are_broken(&parts->expectations) ? EXIT_EXPECTATION_BROKEN : EXIT_SUCCESS;
}

static int add_evidence(struct parts *parts)
{
	const struct evidence_options options = {.path = parts->options.write_file,
	                                         .rotate_bytes = parts->options.rotate_bytes,
	                                         .rotate_ns = parts->options.rotate_ns};
	struct sink sink;
	int error;

	if (!options.path)
		return 0;
	error = evidence_open(&parts->evidence, &options);
	if (error)
		return error;
	sink = evidence_sink(parts->evidence);
	return sinks_add(&parts->report.sinks, &sink);
}

/* The page is behind the metrics' port. */
static bool answer_page(const struct http_request *request, struct http_answer *answer, void *context)
{
	return web_answer(context, request, request->identified, answer);
}

static int add_web(struct parts *parts)
{
	const struct options *options = &parts->options;
	const struct web_options web = {
		.store = options->store, .address = &options->metrics.address, .redact = options->redact};
	struct sink sink;
	int error;

	if (!parts->exporter || options->no_web)
		return 0;
	error = web_open(&parts->web, &web);
	if (error)
		return error;
	exporter_set_other(parts->exporter, answer_page, parts->web);
	sink = web_sink(parts->web);
	return sinks_add(&parts->report.sinks, &sink);
}

static int make_table(struct parts *parts)
{
	const struct options *options = &parts->options;
	const struct tracker_limits limits = {.connections = options->max_connections,
	                                      .handshake_timeout_ns = options->handshake_timeout_ns,
	                                      .no_certificates =
	                                              !(sinks_needs(&parts->report.sinks) & SINK_NEEDS_CERTIFICATES) &&
	                                              !filter_needs_certificates(options->filter)};

	parts->table = tracker_new(&limits, report_handshake, &parts->report);
	if (!parts->table) {
		log_out_of_memory();
		return -ENOMEM;
	}
	tracker_set_policy(parts->table, settings_policy(parts->settings));
	return 0;
}

static int trace(struct parts *parts)
{
	const struct live live = {.options = &parts->options,
	                          .table = parts->table,
	                          .report = &parts->report,
	                          .exporter = parts->exporter,
	                          .evidence = parts->evidence,
	                          .settings = parts->settings};

	if (parts->options.read_file)
		return read_file(&parts->options, parts->table, &parts->report, parts->evidence);
	return live_trace(&live);
}

/* --check: the files have been read, and are valid. */
static int check(struct parts *parts)
{
	settings_print(parts->settings, stdout);
	settings_close(parts->settings);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct parts parts = {};
	int error, unwritten, status;

	journal_begin();
	options_parse(argc, argv, &parts.options);
	log_set_debug(parts.options.debug);
	signals_catch();
	if (!parts.options.read_file)
		signals_catch_reload(settings_are_named(&parts.options));
	error = settings_open(&parts.settings, &parts.options);
	if (!error && parts.options.check)
		return check(&parts);
	if (!error && command_stands_alone(&parts.options))
		return command_alone(&parts.options) ? EXIT_FAILURE : EXIT_SUCCESS;
	error = error ?: add_console(&parts) ?: add_metrics(&parts) ?: add_store(&parts) ?: add_web(&parts);
	error = error ?: add_evidence(&parts) ?: add_expectations(&parts);
	error = error ?: command_open(&parts.command, &parts.options, &parts.report.sinks);
	error = error ?: report_open(&parts.report, &parts.options) ?: make_table(&parts);
	if (!error)
		error = trace(&parts);
	sinks_finish(&parts.report.sinks);
	unwritten = sinks_flush(&parts.report.sinks);
	if (!unwritten)
		unwritten = standard_output_finish(&parts.output, signals_stop);
	report_close(&parts.report);
	web_close(parts.web);
	if (!error)
		error = command_finish(parts.command);
	command_close(parts.command);
	tracker_free(parts.table);
	settings_close(parts.settings);
	status = error || unwritten ? EXIT_FAILURE : status_of_expectations(&parts);
	options_release(&parts.options);
	return status;
}
