/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report_text - a handshake as a line of a table, and as the ladder that curl -v shows. Text from the network is
 * escaped (escape.h). Nothing here knows a terminal.
 */
#ifndef SINK_TEXT_H
#define SINK_TEXT_H

#include "handshake/handshake.h"

#include <stdbool.h>
#include <stdio.h>

/* The column headings: TIME ROLE SERVER CLIENT SNI VERSION ASKED ANSWER RESULT MS */
void text_header(FILE *out);

/* One line. A cell that is too long for its column moves those behind it only as far as it must. */
void text_line(FILE *out, const struct handshake *handshake);

/*
 * The ladder: what it is about, a line per step, what was asked and answered, the verdict, an empty line. With redact
 * only the fingerprint is told of the client's certificate.
 */
void text_ladder(FILE *out, const struct handshake *handshake, bool redact);

#endif /* SINK_TEXT_H */
