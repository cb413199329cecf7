/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * text - text chosen by strangers, as the store keeps it: valid UTF-8 without control characters, so any program may
 * print a row. Pure.
 */
#ifndef STORE_TEXT_H
#define STORE_TEXT_H

#include <stddef.h>

/*
 * Copy text into clean of size bytes. A control character and an invalid byte become '?'; a newline, which separates
 * the entries of a list, stays. A long text ends before the first character without room.
 */
void store_text_clean(char *clean, size_t size, const char *text);

#endif /* STORE_TEXT_H */
