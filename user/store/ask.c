// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/matches.h"
#include "system/escape.h"
#include "system/log.h"

enum {
	YEARS_MAX = 100, /* a longer span is a mistake */
	LADDER_COLUMN = 14,
};

int ask_span(const char *text, int64_t *seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {
		{'s', 1}, {'m', 60}, {'h', STORE_HOUR}, {'d', STORE_DAY}, {'w', 7 * STORE_DAY}, {'y', 365 * STORE_DAY}};
	char *end;
	long long number;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || !*end || end[1])
		return -EINVAL;
	for (size_t index = 0; index < sizeof(units) / sizeof(*units); index++) {
		if (units[index].unit != *end)
			continue;
		if (number > YEARS_MAX * 365LL * STORE_DAY / units[index].seconds)
			return -EINVAL;
		*seconds = number * units[index].seconds;
		return 0;
	}
	return -EINVAL;
}

/* Seconds since the epoch as a plain number. */
static int epoch_time(const char *text, int64_t *seconds)
{
	char *end;

	if (strspn(text, "0123456789") != strlen(text) || strlen(text) < 9)
		return -EINVAL;
	errno = 0;
	*seconds = strtoll(text, &end, 10);
	return errno ? -EINVAL : 0;
}

static int calendar_time(const char *text, int64_t *seconds)
{
	static const char *const formats[] = {"%Y-%m-%d",           "%Y-%m-%dT%H:%M",    "%Y-%m-%d %H:%M",
	                                      "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"};

	for (size_t index = 0; index < sizeof(formats) / sizeof(*formats); index++) {
		struct tm parts = {};
		const char *end = strptime(text, formats[index], &parts);
		int day = parts.tm_mday;

		if (!end || *end)
			continue;
		*seconds = timegm(&parts);
		/* the 30th of February would become the 2nd of March */
		return parts.tm_mday == day ? 0 : -EINVAL;
	}
	return -EINVAL;
}

int ask_time(const char *text, int64_t now, bool ahead, int64_t *seconds)
{
	int64_t span;

	if (!strcmp(text, "now")) {
		*seconds = now;
		return 0;
	}
	if (!ask_span(text, &span)) {
		*seconds = ahead ? now + span : now - span;
		return 0;
	}
	if (!epoch_time(text, seconds))
		return 0;
	return calendar_time(text, seconds);
}

/* A cut or empty answer is reported where people look. */
static void remark(const struct store_answer *answer, const struct ask_options *options)
{
	if (answer_is_cut(answer))
		log_warning(
			"only the first %d rows are shown: narrow the question with an expression, --since or --until",
			ANSWER_ROWS_MAX);
	else if (!answer_rows(answer) && options->format == ANSWER_TABLE)
		log_notice("no %s in this time", question_name(options->question));
}

static void write_ladders(const struct store_answer *answer, FILE *out)
{
	for (size_t row = answer_rows(answer); row > 0; row--) {
		const char *ladder = answer_text_of(answer, row - 1, LADDER_COLUMN);

		/* the ladder was escaped when it was made */
		if (ladder)
			fputs(ladder, out);
	}
}

/* One line of JSON for each handshake, oldest first, as in --json. */
static void write_records(const struct store_answer *answer, FILE *out)
{
	for (size_t row = answer_rows(answer); row > 0; row--) {
		const char *record = answer_text_of(answer, row - 1, LADDER_COLUMN - 1);

		if (record)
			fprintf(out, "%s\n", record);
	}
}

int ask_database(sqlite3 *database, const struct ask_options *options, FILE *out)
{
	const char *missing = matches_field_missing(options->scope.filter);
	struct store_answer *answer;
	int error;

	if (missing) {
		log_error("the store does not keep %s of each handshake: leave it out of the expression", missing);
		return -EINVAL;
	}
	error = question_ask(database, options->question, &options->scope, &answer);
	if (error)
		return error;
	if (options->question == QUESTION_HANDSHAKES && options->ladder)
		write_ladders(answer, out);
	else if (options->question == QUESTION_HANDSHAKES && options->format == ANSWER_JSON)
		write_records(answer, out);
	else
		answer_write(answer, out, options->format, options->columns);
	if (fflush(out))
		error = -errno;
	remark(answer, options);
	answer_free(answer);
	return error;
}

int ask_file(const char *path, const struct ask_options *options, FILE *out)
{
	sqlite3 *database;
	int error = store_database_open(&database, path, STORE_READ);

	if (error)
		return error;
	error = ask_database(database, options, out);
	sqlite3_close(database);
	return error;
}
