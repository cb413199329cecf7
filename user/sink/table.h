/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table - a handshake, or both ends of it, as a line of a table. Text from the network is escaped (escape.h). The columns adapt
 * to a width: columns that do not fit are left out, the least important first, and a line is never longer.
 */
#ifndef SINK_TABLE_H
#define SINK_TABLE_H

#include "handshake/handshake.h"
#include "sink/words.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum table_column {
	COLUMN_TIME,
	COLUMN_ROLE,
	COLUMN_SERVER,
	COLUMN_CLIENT,
	COLUMN_SNI,
	COLUMN_VERSION,
	COLUMN_ASKED,
	COLUMN_ANSWER,
	COLUMN_RESULT,
	COLUMN_MS,
	COLUMN_PROCESS,
	COLUMN_WHERE,
	COLUMNS,
};

enum table_bounds {
	TABLE_SNI_WIDTH = 24,
	TABLE_PROCESS_MAX = 64, /* "curl/123 -> nginx/456", escaped */
	TABLE_WHERE_MAX = 64,   /* unit, container or pod */
	TABLE_BOTH_RESULT_MAX = 2 * RESULT_TEXT_MAX,
	TABLE_DATE_MAX = sizeof("9999-12-31"),
	TABLE_WIDTH_MIN = 60, /* of a terminal that is narrower the line is cut */
};

/* Where columns start. */
struct table_layout {
	size_t width; /* 0: no bound, and all columns */
	bool shown[COLUMNS];
	size_t start[COLUMNS];
	bool color;
};

/* The cells of a line, and what tells two ends of a handshake apart from two handshakes. */
struct table_row {
	uint8_t role; /* enum handshake_role */
	bool both;    /* two ends in one line */
	uint8_t client_auth;
	uint8_t failure;
	uint8_t evidence;
	uint8_t family;
	uint8_t transport;
	bool has_random;
	uint8_t random[MESSAGE_RANDOM];
	struct endpoint server_end;
	struct endpoint nat;
	bool has_nat;
	struct endpoint client_end;
	uint64_t start_ns;
	bool breach;
	bool untrusted;
	char date[TABLE_DATE_MAX];
	char time[CLOCK_TEXT_MAX];
	char server[ENDPOINT_TEXT_MAX];
	char client[ENDPOINT_TEXT_MAX];
	char sni[TABLE_SNI_WIDTH + 1];
	char asked[4];
	char answer[16];
	char version[16];
	char result[TABLE_BOTH_RESULT_MAX];
	char ms[MILLISECONDS_TEXT_MAX];
	char process[TABLE_PROCESS_MAX];
	char where[TABLE_WHERE_MAX];
};

/* The columns that fit width; 0: all. */
void table_layout(struct table_layout *layout, size_t width, bool color);

void table_heading(FILE *out, const struct table_layout *layout);

/* Fill in the row of one end. */
void table_row(struct table_row *row, const struct handshake *handshake);

/* Whether the two rows are the two ends of one handshake. */
bool table_row_matches(const struct table_row *one, const struct table_row *other);

/* Make row the line of both ends. Where the ends saw different things the line says so. */
void table_row_merge(struct table_row *row, const struct table_row *other);

void table_row_print(FILE *out, const struct table_layout *layout, const struct table_row *row);

/* The heading and a line with all columns. */
void text_header(FILE *out);
void text_line(FILE *out, const struct handshake *handshake);

#endif /* SINK_TABLE_H */
