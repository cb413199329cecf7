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

/*
 * Write a serialised JSON value. What is not let out comes as \uNNNN, which means the same to who parses it; a byte that
 * is not UTF-8 comes as U+FFFD.
 */
void escape_json(FILE *out, const char *json);

#endif /* SYSTEM_ESCAPE_H */
