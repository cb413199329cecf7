// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/text.h"

#include <stdbool.h>
#include <string.h>

static const char ellipsis[] = "...";

/* Whether byte continues a UTF-8 character, RFC 3629 section 3. */
static bool is_continuation(char byte)
{
	return (byte & 0xc0) == 0x80;
}

void text_copy(char *text, size_t size, const void *bytes, size_t length)
{
	const char *source = bytes;
	const char *end = "";

	if (length >= size) {
		length = size - sizeof(ellipsis);
		end = ellipsis;
		/* a character has at most three bytes after its first; more are not UTF-8 */
		for (int i = 0; i < 3 && length > 0 && is_continuation(source[length]); i++)
			length--;
	}
	for (size_t i = 0; i < length; i++)
		text[i] = source[i] ? source[i] : '?';
	strcpy(text + length, end);
}
