// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/console.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sink/json.h"
#include "sink/status.h"
#include "sink/table.h"
#include "sink/text.h"
#include "system/log.h"

enum {
	HELD_MAX = 512, /* rows that wait for the other end of their handshake; one more: the oldest is printed */
};

/* The two ends of a handshake are reported one after the other; a library may owe its last word for 200 ms. */
static const uint64_t PAIR_WAIT_NS = 350 * 1000 * 1000;

struct held_row {
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	struct table_row row;
};

struct console {
	struct console_options options;
	struct host host;
	struct table_layout layout;
	bool begun;
	size_t lines;              /* since the last heading, which is one of them */
	char date[TABLE_DATE_MAX]; /* of the last line */
	uint64_t now_ns;
	uint32_t held_first;
	uint32_t held_count;
	struct held_row *held; /* HELD_MAX, of a table that has one line for both ends */
	bool failed;           /* the stream could not be written, after a message */
	uint64_t dropped;      /* records: nobody read standard output */
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

/* The heading; on a terminal again on each screen. */
static void print_heading(struct console *console)
{
	const size_t height = console->options.screen.height;

	if (!console->options.headings || (console->begun && (!height || console->lines < height - 1)))
		return;
	table_heading(console->options.stream, &console->layout);
	console->begun = true;
	console->lines = 1;
}

static void print_row(struct console *console, const struct table_row *row)
{
	if (is_full(console))
		return;
	print_heading(console);
	/* a table that runs for days has times of day alone */
	if (*console->date && *row->date && strcmp(console->date, row->date)) {
		fprintf(console->options.stream, "--- %s ---\n", row->date);
		console->lines++;
	}
	memcpy(console->date, row->date, sizeof(console->date));
	table_row_print(console->options.stream, &console->layout, row);
	console->lines++;
}

static struct held_row *held_at(struct console *console, uint32_t index)
{
	return &console->held[(console->held_first + index) % HELD_MAX];
}

static void print_oldest(struct console *console)
{
	const struct held_row *oldest = held_at(console, 0);

	print_row(console, &oldest->row);
	console->held_first = (console->held_first + 1) % HELD_MAX;
	console->held_count--;
}

/* The other end of a held row's handshake: the line is complete, and its place is free when the rows before it have gone. */
static bool join_held(struct console *console, const struct table_row *row)
{
	for (uint32_t index = 0; index < console->held_count; index++) {
		struct table_row *held = &held_at(console, index)->row;

		if (!table_row_matches(held, row))
			continue;
		table_row_merge(held, row);
		return true;
	}
	return false;
}

/* Lines keep their order: rows that need not wait for another end go when all before them have gone. */
static void print_ready(struct console *console)
{
	while (console->held_count) {
		const struct held_row *oldest = held_at(console, 0);

		if (!oldest->row.both && oldest->until_ns > console->now_ns)
			return;
		print_oldest(console);
	}
}

static void hold(struct console *console, const struct table_row *row)
{
	struct held_row *place;

	if (console->held_count == HELD_MAX)
		print_oldest(console);
	place = held_at(console, console->held_count++);
	place->row = *row;
	place->until_ns = console->now_ns + PAIR_WAIT_NS;
}

static int take_table(void *state, const struct handshake *handshake)
{
	struct console *console = state;
	struct table_row row;

	if (is_full(console))
		return 0;
	table_row(&row, handshake);
	if (console->options.both_ends || row.role == ROLE_OBSERVER)
		print_row(console, &row);
	else if (!join_held(console, &row))
		hold(console, &row);
	return 0;
}

static void tick_table(void *state, const struct status *status)
{
	struct console *console = state;

	if (!console->begun)
		print_heading(console);
	console->now_ns = status->now_ns;
	print_ready(console);
}

static void finish_table(void *state)
{
	struct console *console = state;

	while (console->held_count)
		print_oldest(console);
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
	struct console *console = state;

	if (console->dropped)
		log_notice("%" PRIu64 " handshakes were not printed: nobody read standard output", console->dropped);
	free(console->held);
	free(console);
}

static const struct sink_class classes[] = {
	[CONSOLE_TABLE] = {.name = "table",
                           .take = take_table,
                           .tick = tick_table,
                           .finish = finish_table,
                           .flush = flush,
                           .count = count,
                           .close = close_console},
	[CONSOLE_LADDER] =
		{.name = "ladder", .take = take_ladder, .flush = flush, .count = count, .close = close_console},
	[CONSOLE_JSON] = {.name = "json", .take = take_json, .flush = flush, .count = count, .close = close_console},
};

static const unsigned int needs[] = {
	[CONSOLE_TABLE] = SINK_NEEDS_ATTRIBUTION,
	[CONSOLE_LADDER] = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_ATTRIBUTION | SINK_NEEDS_HINTS,
	[CONSOLE_JSON] = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_ATTRIBUTION | SINK_NEEDS_HINTS,
};

int console_open(struct sink *sink, const struct console_options *options)
{
	struct console *console = calloc(1, sizeof(*console));

	if (console && options->format == CONSOLE_TABLE && !options->both_ends)
		console->held = calloc(HELD_MAX, sizeof(*console->held));
	if (!console || (options->format == CONSOLE_TABLE && !options->both_ends && !console->held)) {
		free(console);
		log_out_of_memory();
		return -ENOMEM;
	}
	console->options = *options;
	table_layout(&console->layout, options->screen.width, options->screen.color);
	if (options->of_host)
		host_read(&console->host);
	*sink = (struct sink){.class = &classes[options->format], .state = console, .needs = needs[options->format]};
	return 0;
}
