/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report_text - a handshake as a line of a table, and as the ladder that curl -v shows. Text from the network is
 * escaped. Nothing here knows a terminal.
 */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include "handshake.h"

#include <stdio.h>

/* The column headings: TIME ROLE SERVER CLIENT SNI VERSION ASKED ANSWER RESULT MS */
void report_text_header(FILE *out);

/* One line. */
void report_text_line(FILE *out, const struct handshake *handshake);

/* The ladder: what it is about, a line per step, the verdict. */
void report_text_ladder(FILE *out, const struct handshake *handshake);

#endif /* REPORT_TEXT_H */
