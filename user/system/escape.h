/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * escape - text from the network or from a certificate, made safe for a terminal, a table and JSON.
 *
 * No function emits bytes that can move a cursor, start a terminal's escape sequence, or hide or reorder the
 * surrounding text: C0 and C1 controls and DEL (ECMA-48), bytes that are not UTF-8 (RFC 3629), spaces other than ' ',
 * line and paragraph separators, and Unicode's invisible format characters, including the bidirectional controls (UAX
 * #9). Input is NUL-terminated, otherwise any bytes; output is UTF-8. A terminal that is not UTF-8 sees only ASCII in
 * escape_word().
 */
#ifndef SYSTEM_ESCAPE_H
#define SYSTEM_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/*
 * Write text for people, such as a distinguished name. Unsafe bytes appear as \xNN. A backslash stays: RFC 4514 names
 * have backslashes, and an 'x' never follows theirs.
 */
void escape_text(FILE *out, const char *text);

/*
 * Make one word of a table, at most columns (7 or more) wide, in word[columns + 1]. Only graphic ASCII stays: a host
 * name on the wire has nothing else (RFC 6066 section 3). A longer word keeps its end, after "...".
 */
void escape_word(char *word, size_t columns, const char *text);

enum escape_bounds {
	ESCAPE_JSON_MAX = sizeof("\\ud800\\udc00"),
};

/* How many bytes at text may stand in a JSON string as they are. */
size_t escape_json_span(const char *text);

/*
 * The escape (RFC 8259 section 7) of the character at text, which is neither NUL nor in a span. An invalid byte becomes
 * U+FFFD. Returns the number of bytes of text for the escape.
 */
size_t escape_json_character(const char *text, char escape[ESCAPE_JSON_MAX]);

#endif /* SYSTEM_ESCAPE_H */
