/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * text - bytes from the network into a string.
 */
#ifndef TLS_TEXT_H
#define TLS_TEXT_H

#include <stddef.h>

/*
 * Copy length bytes unchanged, except NULs, which become '?', into text[size], size 4 or more. An excess is cut, with
 * "..." at the end, and no UTF-8 character is cut in two.
 */
void text_copy(char *text, size_t size, const void *bytes, size_t length);

#endif /* TLS_TEXT_H */
