// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sink/json.h"
#include "sink/text.h"
#include "system/log.h"

struct console {
	struct console_options options;
	struct host host;
	bool begun;
	bool failed; /* the stream could not be written, after a message */
};

static int take_json(void *state, const struct handshake *handshake)
{
	const struct console *console = state;
	const struct json_options options = {
		.redact = console->options.redact,
		.host = console->options.of_host ? &console->host : NULL,
	};

	return json_line(console->options.stream, handshake, &options);
}

static int take_ladder(void *state, const struct handshake *handshake)
{
	const struct console *console = state;

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
	if (error && !console->failed)
		log_error("cannot write to standard output: %s", strerror(-error));
	console->failed |= error != 0;
	return error;
}

static const struct sink_class classes[] = {
	[CONSOLE_TABLE] = {.name = "table", .take = take_table, .tick = tick_table, .flush = flush, .close = free},
	[CONSOLE_LADDER] = {.name = "ladder", .take = take_ladder, .flush = flush, .close = free},
	[CONSOLE_JSON] = {.name = "json", .take = take_json, .flush = flush, .close = free},
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
