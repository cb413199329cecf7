/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * escape - text that came from the network or from a certificate, made fit for a terminal, a table and JSON.
 *
 * None of the functions lets out what can move a cursor, start a terminal's escape sequence, or hide or reorder the text
 * around it: C0 and C1 controls and DEL (ECMA-48), bytes that are not UTF-8 (RFC 3629), spaces other than ' ', line and
 * paragraph separators, and Unicode's invisible format characters, the bidirectional controls (UAX #9) among them.
 * Input is NUL-terminated and otherwise any bytes; output is UTF-8. A terminal that is not UTF-8 sees only ASCII in
 * escape_word().
 */
#ifndef SYSTEM_ESCAPE_H
#define SYSTEM_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/*
 * Write text for people, such as a distinguished name. What is not let out comes as \xNN, byte by byte. A backslash
 * stays as it is: RFC 4514 names have their own, and none of those has an 'x' behind it.
 */
void escape_text(FILE *out, const char *text);

/*
 * Make one word of a table, at most columns (7 or more) wide, in word[columns + 1]. Only graphic ASCII stays: a host
 * name on the wire has nothing else (RFC 6066 section 3). Of a longer one the end is kept, behind "...".
 */
void escape_word(char *word, size_t columns, const char *text);

enum escape_bounds {
	ESCAPE_JSON_MAX = sizeof("\\ud800\\udc00"),
};

/* How many bytes at text may stand in a JSON string as they are. */
size_t escape_json_span(const char *text);

/*
 * The escape (RFC 8259 section 7) of the character at text, which is neither NUL nor in a span. A byte that is not UTF-8 becomes
 * U+FFFD. Returns how many bytes of text the escape stands for.
 */
size_t escape_json_character(const char *text, char escape[ESCAPE_JSON_MAX]);

#endif /* SYSTEM_ESCAPE_H */
