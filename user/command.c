// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "store/ask.h"
#include "store/memory.h"
#include "system/log.h"
#include "system/privileges.h"
#include "system/sandbox.h"
#include "top/top.h"

struct command {
	const struct options *options;
	struct store_memory *memory; /* a question to a capture, or sums */
	struct top *top;
};

static bool is_live(const struct options *options)
{
	return options->cgroup || options->interfaces || !options->store;
}

bool command_stands_alone(const struct options *options)
{
	if (options->command == COMMAND_ASK)
		return !options->read_file;
	return options->command == COMMAND_TOP && !options->read_file && !is_live(options);
}

/* Characters of a line of the terminal; 0 where the output is none. */
static size_t terminal_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return 0;
	return size.ws_col;
}

static int64_t moment(const char *text, int64_t now, bool ahead)
{
	int64_t seconds = 0;

	if (text)
		ask_time(text, now, ahead, &seconds);
	return seconds;
}

static struct ask_options ask_options_of(const struct options *options)
{
	int64_t now = time(NULL);
	/* changes are asked for since a time: a day, where none is given */
	const char *since = options->since
	                            ?: options->question == QUESTION_CHANGES && !options->read_file ? "1d"
	                                                                                            : NULL;

	return (struct ask_options){.question = options->question,
	                            .format = options->csv    ? ANSWER_CSV
	                                      : options->json ? ANSWER_JSON
	                                                      : ANSWER_TABLE,
	                            .ladder = options->trace,
	                            .columns = terminal_columns(),
	                            .scope = {.filter = options->filter,
	                                      .since = moment(since, now, false),
	                                      .until = moment(options->until, now, false),
	                                      .expiring = moment(options->expiring, now, true),
	                                      .now = now,
	                                      .limit = options->rows}};
}

static struct top_options top_options_of(const struct options *options, const char *source)
{
	return (struct top_options){.source = source,
	                            .expression = options->expression,
	                            .colour = getenv("NO_COLOR") == NULL,
	                            .redact = options->redact};
}

/* Strangers chose the contents of the files: the files are open, and so is the terminal. */
static int confine(sqlite3 *database)
{
	int error;

	store_database_number(database, "SELECT count(*) FROM meta", 0);
	error = privileges_drop();
	if (!error)
		sandbox_enter(SANDBOX_STORE);
	return error;
}

static int watch(sqlite3 *database, const struct options *options)
{
	const struct top_options top_options = top_options_of(options, options->store);
	struct top *top;
	int error = top_open(&top, database, &top_options);

	if (error)
		return error;
	error = confine(database);
	if (!error)
		error = top_run(top);
	top_close(top);
	return error;
}

static int ask_store(sqlite3 *database, const struct options *options)
{
	const struct ask_options ask = ask_options_of(options);
	int error = confine(database);

	return error ? error : ask_database(database, &ask, stdout);
}

int command_alone(const struct options *options)
{
	sqlite3 *database;
	int error = store_database_open(&database, options->store, STORE_READ);

	if (error)
		return error;
	error = options->command == COMMAND_TOP ? watch(database, options) : ask_store(database, options);
	sqlite3_close(database);
	return error;
}

/* Whether sums are printed at the end: the run ends by itself, and people read the output. */
static bool wants_sums(const struct options *options)
{
	bool ends = options->read_file || options->duration_ns || options->count;

	return options->summary ||
	       (ends && options->format == FORMAT_TABLE && isatty(STDOUT_FILENO) && !options->quiet);
}

static int open_memory(struct command *command, struct sinks *sinks)
{
	const struct options *options = command->options;
	bool details = options->command == COMMAND_TOP ||
	               (options->command == COMMAND_ASK && options->question == QUESTION_HANDSHAKES);
	struct sink sink;
	int error = store_memory_open(&command->memory, options->redact, details);

	if (error)
		return error;
	sink = store_memory_sink(command->memory);
	return sinks_add(sinks, &sink);
}

/* top of the live host looks as the trace runs, top of a capture when the capture was read. Both take the terminal now. */
static int open_top(struct command *command, struct sinks *sinks)
{
	const struct options *options = command->options;
	const struct top_options top_options = top_options_of(options, options->read_file ?: "this host");
	struct sink sink;
	int error = options->read_file ? open_memory(command, sinks) : 0;

	if (!error)
		error = top_open(&command->top, options->read_file ? store_memory_database(command->memory) : NULL,
		                 &top_options);
	if (error || options->read_file)
		return error;
	sink = top_sink(command->top);
	return sinks_add(sinks, &sink);
}

int command_open(struct command **result, const struct options *options, struct sinks *sinks)
{
	struct command *command;

	if (options->command == COMMAND_TRACE && !wants_sums(options))
		return 0;
	command = calloc(1, sizeof(*command));
	if (!command) {
		log_out_of_memory();
		return -ENOMEM;
	}
	command->options = options;
	*result = command;
	if (options->command == COMMAND_TOP)
		return open_top(command, sinks);
	return open_memory(command, sinks);
}

/* The services, and what became of the handshakes, behind the lines of a run. */
static int print_sums(struct command *command)
{
	struct ask_options ask = ask_options_of(command->options);

	ask.question = QUESTION_SERVICES;
	ask.scope.filter = NULL; /* what the expression leaves out did not reach the sink */
	ask.scope.since = 0;
	ask.scope.limit = 0;
	if (!command->options->summary)
		fputc('\n', stdout);
	return ask_database(store_memory_database(command->memory), &ask, stdout);
}

int command_finish(struct command *command)
{
	struct ask_options ask;

	if (!command)
		return 0;
	if (command->options->command == COMMAND_TRACE)
		return print_sums(command);
	if (command->options->command == COMMAND_TOP && command->memory) {
		store_memory_database(command->memory);
		return top_run(command->top);
	}
	if (command->options->command == COMMAND_TOP)
		return 0;
	ask = ask_options_of(command->options);
	ask.scope.filter = NULL; /* what the expression leaves out did not reach the sink */
	return ask_database(store_memory_database(command->memory), &ask, stdout);
}

void command_close(struct command *command)
{
	if (!command)
		return;
	top_close(command->top);
	store_memory_free(command->memory);
	free(command);
}
