// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/console.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sink/json.h"
#include "sink/text.h"
#include "system/log.h"

struct console {
	struct console_options options;
	struct host host;
	bool begun;
	bool failed;      /* the stream could not be written, after a message */
	uint64_t dropped; /* records: nobody read standard output */
};

/* Whether there is no room for a record. */
static bool is_full(struct console *console)
{
	if (!standard_output_is_full(console->options.queue))
		return false;
	if (!console->dropped++)
		log_warning("standard output is not read: records are not printed; the trace goes on, and the metric "
		            "mtlsnoop_sink_records_total counts them");
	return true;
}

static int take_json(void *state, const struct handshake *handshake)
{
	struct console *console = state;
	const struct json_options options = {
		.redact = console->options.redact,
		.host = console->options.of_host ? &console->host : NULL,
	};

	if (is_full(console))
		return 0;
	return json_line(console->options.stream, handshake, &options);
}

static int take_ladder(void *state, const struct handshake *handshake)
{
	struct console *console = state;

	if (!is_full(console))
		text_ladder(console->options.stream, handshake, console->options.redact);
	return 0;
}

static void begin_table(struct console *console)
{
	if (!console->begun && console->options.headings)
		text_header(console->options.stream);
	console->begun = true;
}

static int take_table(void *state, const struct handshake *handshake)
{
	struct console *console = state;

	if (is_full(console))
		return 0;
	begin_table(console);
	text_line(console->options.stream, handshake);
	return 0;
}

static void tick_table(void *state, const struct status *status)
{
	(void)status;
	begin_table(state);
}

static int flush(void *state)
{
	struct console *console = state;
	FILE *stream = console->options.stream;
	int error = fflush(stream) ? -errno : 0;

	/* a write between two flushes, when the buffer was full, may have failed */
	if (!error && ferror(stream))
		error = -EIO;
	/* what the reader did not take before, and takes now */
	if (!error && console->options.queue)
		error = standard_output_drain(console->options.queue);
	if (error && !console->failed)
		log_error("cannot write to standard output: %s", strerror(-error));
	console->failed |= error != 0;
	return error;
}

static void count(void *state, struct sink_counts *counts)
{
	const struct console *console = state;

	counts->dropped = console->dropped;
}

static void close_console(void *state)
{
	const struct console *console = state;

	if (console->dropped)
		log_notice("%" PRIu64 " handshakes were not printed: nobody read standard output", console->dropped);
	free(state);
}

static const struct sink_class classes[] = {
	[CONSOLE_TABLE] = {.name = "table",
                           .take = take_table,
                           .tick = tick_table,
                           .flush = flush,
                           .count = count,
                           .close = close_console},
	[CONSOLE_LADDER] =
		{.name = "ladder", .take = take_ladder, .flush = flush, .count = count, .close = close_console},
	[CONSOLE_JSON] = {.name = "json", .take = take_json, .flush = flush, .count = count, .close = close_console},
};

static const unsigned int needs[] = {
	[CONSOLE_TABLE] = 0,
	[CONSOLE_LADDER] = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_ATTRIBUTION | SINK_NEEDS_HINTS,
	[CONSOLE_JSON] = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_ATTRIBUTION | SINK_NEEDS_HINTS,
};

int console_open(struct sink *sink, const struct console_options *options)
{
	struct console *console = calloc(1, sizeof(*console));

	if (!console) {
		log_out_of_memory();
		return -ENOMEM;
	}
	console->options = *options;
	if (options->of_host)
		host_read(&console->host);
	*sink = (struct sink){.class = &classes[options->format], .state = console, .needs = needs[options->format]};
	return 0;
}
