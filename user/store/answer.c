// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/answer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "system/escape.h"

enum {
	CELL_TEXT_MAX = 1024,
	GAP = 2, /* spaces between columns */
};

struct value {
	bool known;
	int64_t number;
	double percent;
	char *text;
};

struct store_answer {
	const struct answer_column *columns;
	size_t column_count;
	struct value *values; /* row by row */
	size_t rows;
	size_t room; /* rows that values has room for */
	bool cut;
};

struct store_answer *answer_new(const struct answer_column *columns, size_t count)
{
	struct store_answer *answer = calloc(1, sizeof(*answer));

	if (answer) {
		answer->columns = columns;
		answer->column_count = count;
	}
	return answer;
}

void answer_free(struct store_answer *answer)
{
	if (!answer)
		return;
	for (size_t index = 0; index < answer->rows * answer->column_count; index++)
		free(answer->values[index].text);
	free(answer->values);
	free(answer);
}

int answer_row(struct store_answer *answer)
{
	if (answer->rows == ANSWER_ROWS_MAX) {
		answer->cut = true;
		return -E2BIG;
	}
	if (answer->rows == answer->room) {
		size_t room = answer->room ? 2 * answer->room : 64;
		struct value *values = reallocarray(answer->values, room * answer->column_count, sizeof(*values));

		if (!values)
			return -ENOMEM;
		answer->values = values;
		answer->room = room;
	}
	memset(answer->values + answer->rows * answer->column_count, 0, answer->column_count * sizeof(struct value));
	answer->rows++;
	return 0;
}

static struct value *last_row(struct store_answer *answer)
{
	return answer->values + (answer->rows - 1) * answer->column_count;
}

int answer_text(struct store_answer *answer, size_t column, const char *text)
{
	struct value *value = &last_row(answer)[column];

	if (!text || !*text)
		return 0;
	value->text = strdup(text);
	value->known = value->text;
	return value->text ? 0 : -ENOMEM;
}

void answer_number(struct store_answer *answer, size_t column, int64_t number)
{
	last_row(answer)[column].number = number;
	last_row(answer)[column].known = true;
}

void answer_percent(struct store_answer *answer, size_t column, double percent)
{
	last_row(answer)[column].percent = percent;
	last_row(answer)[column].known = true;
}

const char *answer_text_of(const struct store_answer *answer, size_t row, size_t column)
{
	return answer->values[row * answer->column_count + column].text;
}

int64_t answer_number_of(const struct store_answer *answer, size_t row, size_t column, int64_t fallback)
{
	const struct value *value = &answer->values[row * answer->column_count + column];

	return value->known ? value->number : fallback;
}

double answer_percent_of(const struct store_answer *answer, size_t row, size_t column, double fallback)
{
	const struct value *value = &answer->values[row * answer->column_count + column];

	return value->known ? value->percent : fallback;
}

size_t answer_column_of(const struct store_answer *answer, const char *key)
{
	for (size_t column = 0; column < answer->column_count; column++)
		if (!strcmp(answer->columns[column].key, key))
			return column;
	return ANSWER_COLUMNS_MAX;
}

size_t answer_rows(const struct store_answer *answer)
{
	return answer->rows;
}

bool answer_is_cut(const struct store_answer *answer)
{
	return answer->cut;
}

static void time_text(char *text, size_t size, int64_t seconds, const char *format)
{
	time_t time = seconds;
	struct tm parts;

	if (!gmtime_r(&time, &parts) || !strftime(text, size, format, &parts))
		snprintf(text, size, "-");
}

/* JSON */

void answer_write_string(FILE *out, const char *text, size_t length)
{
	fputc('"', out);
	for (size_t index = 0; index < length; index++) {
		unsigned char byte = text[index];

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			fprintf(out, "\\u%04x", byte);
		else
			fputc(byte, out);
	}
	fputc('"', out);
}

static void write_json_list(FILE *out, const char *text)
{
	fputc('[', out);
	while (*text) {
		size_t length = strcspn(text, "\n");

		answer_write_string(out, text, length);
		text += length;
		if (*text++ != '\n')
			break;
		fputc(',', out);
	}
	fputc(']', out);
}

static void write_json_value(FILE *out, const struct answer_column *column, const struct value *value)
{
	const char *text = value->text ? value->text : "";
	char time[sizeof("2026-11-30T12:00:00Z") + 16];

	if (!value->known) {
		fputs(column->type == ANSWER_TYPE_LIST ? "[]" : "null", out);
		return;
	}
	switch (column->type) {
	case ANSWER_TYPE_TEXT:
		answer_write_string(out, text, strlen(text));
		break;
	case ANSWER_TYPE_LIST:
		write_json_list(out, text);
		break;
	case ANSWER_TYPE_JSON:
		fputs(text, out);
		break;
	case ANSWER_TYPE_NUMBER:
		fprintf(out, "%lld", (long long)value->number);
		break;
	case ANSWER_TYPE_PERCENT:
		fprintf(out, "%.2f", value->percent);
		break;
	case ANSWER_TYPE_BOOLEAN:
		fputs(value->number ? "true" : "false", out);
		break;
	case ANSWER_TYPE_TIME:
		time_text(time, sizeof(time), value->number, "%Y-%m-%dT%H:%M:%SZ");
		fprintf(out, "\"%s\"", time);
		break;
	}
}

static void write_json_row(const struct store_answer *answer, FILE *out, size_t row)
{
	const struct value *values = answer->values + row * answer->column_count;

	fputc('{', out);
	for (size_t column = 0; column < answer->column_count; column++) {
		fprintf(out, "%s\"%s\":", column ? "," : "", answer->columns[column].key);
		write_json_value(out, &answer->columns[column], &values[column]);
	}
	fputc('}', out);
}

void answer_write_array(const struct store_answer *answer, FILE *out, size_t first, size_t limit)
{
	fputc('[', out);
	for (size_t row = first; row < answer->rows && row - first < limit; row++) {
		if (row > first)
			fputc(',', out);
		write_json_row(answer, out, row);
	}
	fputc(']', out);
}

/* CSV */

/* A text that a spreadsheet would take for a formula begins with an apostrophe: names come from strangers. */
static void write_csv_text(FILE *out, const char *text)
{
	bool formula = strchr("=+-@\t\r", *text);

	fputc('"', out);
	if (formula && *text)
		fputc('\'', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text == '\n' ? ' ' : *text, out);
	}
	fputc('"', out);
}

static void write_csv_value(FILE *out, const struct answer_column *column, const struct value *value)
{
	if (!value->known)
		return;
	if (value->text)
		write_csv_text(out, value->text);
	else
		write_json_value(out, column, value);
}

static void write_csv(const struct store_answer *answer, FILE *out)
{
	for (size_t column = 0; column < answer->column_count; column++)
		if (answer->columns[column].type != ANSWER_TYPE_JSON)
			fprintf(out, "%s%s", column ? "," : "", answer->columns[column].key);
	fputs("\r\n", out);
	for (size_t row = 0; row < answer->rows; row++) {
		for (size_t column = 0; column < answer->column_count; column++) {
			if (answer->columns[column].type == ANSWER_TYPE_JSON)
				continue;
			if (column)
				fputc(',', out);
			write_csv_value(out, &answer->columns[column],
			                &answer->values[row * answer->column_count + column]);
		}
		fputs("\r\n", out);
	}
}

/* The table */

/* Entries of a list on one line. */
static void list_text(char *text, size_t size, const char *list)
{
	size_t used = 0;

	for (; *list && used + 3 < size; list++) {
		if (*list == '\n') {
			text[used++] = ',';
			text[used++] = ' ';
		} else {
			text[used++] = *list;
		}
	}
	text[used] = '\0';
}

/* Characters, each of which takes a column of a terminal. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

/* Text from strangers, at most columns characters wide; a longer one ends in "...". */
static void word_text(char *word, size_t size, size_t columns, const char *text)
{
	FILE *out = fmemopen(word, size, "w");
	size_t width = 0;
	char *end;

	word[0] = '\0';
	if (!out)
		return;
	escape_text(out, text);
	fclose(out);
	word[size - 1] = '\0';
	if (!columns || width_of(word) <= columns)
		return;
	for (end = word; *end; end++) {
		width += (*end & 0xc0) != 0x80;
		if (width > columns - strlen("..."))
			break;
	}
	strcpy(end, "...");
}

static void cell_text(char *text, size_t size, const struct answer_column *column, const struct value *value)
{
	char list[CELL_TEXT_MAX];

	if (!value->known) {
		snprintf(text, size, "-");
		return;
	}
	switch (column->type) {
	case ANSWER_TYPE_LIST:
		list_text(list, sizeof(list), value->text);
		word_text(text, size - strlen("..."), column->width_max, list);
		break;
	case ANSWER_TYPE_TEXT:
	case ANSWER_TYPE_JSON:
		word_text(text, size - strlen("..."), column->width_max, value->text);
		break;
	case ANSWER_TYPE_NUMBER:
		snprintf(text, size, "%lld", (long long)value->number);
		break;
	case ANSWER_TYPE_PERCENT:
		/* "100 %" and "0 %" are exact */
		snprintf(text, size, value->percent > 0 && value->percent < 1 ? "<1 %%" : "%.0f %%",
		         value->percent < 100 && value->percent > 99 ? floor(value->percent) : value->percent);
		break;
	case ANSWER_TYPE_BOOLEAN:
		snprintf(text, size, "%s", value->number ? "yes" : "no");
		break;
	case ANSWER_TYPE_TIME:
		time_text(text, size, value->number, "%Y-%m-%d %H:%M");
		break;
	}
}

void answer_cell(const struct store_answer *answer, size_t row, size_t column, char *text, size_t size, size_t width)
{
	struct answer_column kind = answer->columns[column];

	kind.width_max = width;
	cell_text(text, size, &kind, &answer->values[row * answer->column_count + column]);
}

static bool is_right_aligned(const struct answer_column *column)
{
	return column->type == ANSWER_TYPE_NUMBER || column->type == ANSWER_TYPE_PERCENT;
}

static void measure(const struct store_answer *answer, size_t *widths)
{
	char text[CELL_TEXT_MAX];

	for (size_t column = 0; column < answer->column_count; column++) {
		const struct answer_column *kind = &answer->columns[column];

		widths[column] = kind->heading ? strlen(kind->heading) : 0;
		for (size_t row = 0; kind->heading && row < answer->rows; row++) {
			cell_text(text, sizeof(text), kind, &answer->values[row * answer->column_count + column]);
			if (width_of(text) > widths[column])
				widths[column] = width_of(text);
		}
	}
}

/* Leave out columns of the highest rank, the rightmost first, until the line is short enough. */
static void fit(const struct store_answer *answer, size_t *widths, size_t line)
{
	for (;;) {
		size_t total = 0, victim = ANSWER_COLUMNS_MAX;

		for (size_t column = 0; column < answer->column_count; column++) {
			total += widths[column] ? widths[column] + GAP : 0;
			if (widths[column] && answer->columns[column].rank &&
			    (victim == ANSWER_COLUMNS_MAX ||
			     answer->columns[column].rank >= answer->columns[victim].rank))
				victim = column;
		}
		if (!line || total <= line + GAP || victim == ANSWER_COLUMNS_MAX)
			return;
		widths[victim] = 0;
	}
}

static void write_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
	int padding = width - width_of(text);

	if (right)
		fprintf(out, "%*s%s", padding, "", text);
	else
		fprintf(out, "%s%*s", text, last ? 0 : padding, "");
	fputs(last ? "\n" : "  ", out);
}

static void write_table(const struct store_answer *answer, FILE *out, size_t line)
{
	size_t widths[ANSWER_COLUMNS_MAX], last = 0;
	char text[CELL_TEXT_MAX];

	measure(answer, widths);
	fit(answer, widths, line);
	for (size_t column = 0; column < answer->column_count; column++)
		if (widths[column])
			last = column;
	for (size_t column = 0; column < answer->column_count; column++)
		if (widths[column])
			write_cell(out, answer->columns[column].heading, widths[column],
			           is_right_aligned(&answer->columns[column]), column == last);
	for (size_t row = 0; row < answer->rows; row++)
		for (size_t column = 0; column < answer->column_count; column++) {
			if (!widths[column])
				continue;
			cell_text(text, sizeof(text), &answer->columns[column],
			          &answer->values[row * answer->column_count + column]);
			write_cell(out, text, widths[column], is_right_aligned(&answer->columns[column]),
			           column == last);
		}
}

void answer_write(const struct store_answer *answer, FILE *out, enum answer_format format, size_t columns)
{
	switch (format) {
	case ANSWER_TABLE:
		write_table(answer, out, columns);
		break;
	case ANSWER_JSON:
		for (size_t row = 0; row < answer->rows; row++) {
			write_json_row(answer, out, row);
			fputc('\n', out);
		}
		break;
	case ANSWER_CSV:
		write_csv(answer, out);
		break;
	}
}
