/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * answer - the result of a question: rows of typed values, and their output: as a table for people, as JSON lines, as
 * CSV (RFC 4180). An unknown value is null in JSON and empty in CSV, never a guess. Pure except for the stream.
 */
#ifndef STORE_ANSWER_H
#define STORE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum answer_type {
	ANSWER_TYPE_TEXT,
	ANSWER_TYPE_LIST, /* text whose entries a newline separates: an array in JSON */
	ANSWER_TYPE_NUMBER,
	ANSWER_TYPE_PERCENT, /* 0 to 100 */
	ANSWER_TYPE_TIME,    /* seconds since the epoch: ISO 8601 in UTC */
	ANSWER_TYPE_BOOLEAN,
	ANSWER_TYPE_JSON, /* a JSON object as text: a part of JSON output as it is, left out of tables */
};

struct answer_column {
	const char *key;     /* in JSON and CSV */
	const char *heading; /* in the table; NULL: the table leaves the column out */
	enum answer_type type;
	uint8_t rank;      /* where the table is too wide, columns of the highest rank go first; 0: never */
	uint8_t width_max; /* characters in the table; 0: as long as its text */
};

enum answer_bounds {
	ANSWER_COLUMNS_MAX = 32,
	ANSWER_ROWS_MAX = 100000, /* maximum rows of a question; an excess is cut off and reported */
};

struct store_answer;

/* Returns NULL where there is no memory. columns must outlive the answer. */
struct store_answer *answer_new(const struct answer_column *columns, size_t count);
void answer_free(struct store_answer *answer);

/*
 * Begin a row: all its values are null. Returns 0, -ENOMEM, or -E2BIG: the answer is full, and says so in the output.
 */
int answer_row(struct store_answer *answer);

/* Set a value of the last row. Returns 0 or -ENOMEM. */
int answer_text(struct store_answer *answer, size_t column, const char *text);
void answer_number(struct store_answer *answer, size_t column, int64_t number);
void answer_percent(struct store_answer *answer, size_t column, double percent);

/* The text of a value; NULL where it is not known. */
const char *answer_text_of(const struct store_answer *answer, size_t row, size_t column);

/* A number or a time; fallback where it is not known. */
int64_t answer_number_of(const struct store_answer *answer, size_t row, size_t column, int64_t fallback);
double answer_percent_of(const struct store_answer *answer, size_t row, size_t column, double fallback);

/* The column with this key; ANSWER_COLUMNS_MAX if absent. */
size_t answer_column_of(const struct store_answer *answer, const char *key);

/* A value as the table shows it, escaped, at most width characters wide; "-" if unknown. */
void answer_cell(const struct store_answer *answer, size_t row, size_t column, char *text, size_t size, size_t width);

size_t answer_rows(const struct store_answer *answer);
bool answer_is_cut(const struct store_answer *answer);

enum answer_format {
	ANSWER_TABLE,
	ANSWER_JSON,
	ANSWER_CSV,
};

/* Write all rows. columns: characters of a line of the table; 0: no limit. Text is escaped for each format. */
void answer_write(const struct store_answer *answer, FILE *out, enum answer_format format, size_t columns);

/* The same rows as one JSON array, for an HTTP answer; from the row first on, at most limit. */
void answer_write_array(const struct store_answer *answer, FILE *out, size_t first, size_t limit);

/* Write length bytes of text, which is UTF-8, as a JSON string with its quotes. */
void answer_write_string(FILE *out, const char *text, size_t length);

#endif /* STORE_ANSWER_H */
