/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * text - text that strangers chose, as the store keeps it: valid UTF-8 without control characters, so that any program may
 * print a row. Pure.
 */
#ifndef STORE_TEXT_H
#define STORE_TEXT_H

#include <stddef.h>

/*
 * Copy text into clean of size bytes. A control character and a byte that is no UTF-8 become '?'; a newline, which separates the
 * entries of a list, stays. What is too long ends in front of the character that does not fit.
 */
void store_text_clean(char *clean, size_t size, const char *text);

#endif /* STORE_TEXT_H */
