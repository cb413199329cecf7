// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the character that begins with this byte by RFC 3629; 0: invalid. */
static size_t character_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	if (first >= 0xf0 && first < 0xf5)
		return 4;
	return 0;
}

/* Whether length bytes are one character: no overlong form, no surrogate, nothing above U+10FFFF, no C1 control. */
static bool is_character(const uint8_t *bytes, size_t length)
{
	for (size_t index = 1; index < length; index++)
		if ((bytes[index] & 0xc0) != 0x80)
			return false;
	switch (bytes[0]) {
	case 0xc2:
		return bytes[1] >= 0xa0;
	case 0xe0:
		return bytes[1] >= 0xa0;
	case 0xed:
		return bytes[1] < 0xa0;
	case 0xf0:
		return bytes[1] >= 0x90;
	case 0xf4:
		return bytes[1] < 0x90;
	default:
		return length > 1 || bytes[0] == '\n' || (bytes[0] >= 0x20 && bytes[0] != 0x7f);
	}
}

void store_text_clean(char *clean, size_t size, const char *text)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t used = 0;

	while (*bytes) {
		size_t length = character_length(*bytes);
		bool whole = length && is_character(bytes, length);

		if (!whole)
			length = 1;
		if (used + length >= size)
			break;
		if (whole)
			memcpy(clean + used, bytes, length);
		else
			clean[used] = '?';
		used += length;
		bytes += length;
	}
	clean[used] = '\0';
}
