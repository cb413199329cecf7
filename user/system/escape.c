// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	WORD_ESCAPE_LENGTH = 4, /* \xNN */
};

/*
 * Unicode 14 by general category: Cc, Cf, Zl, Zp, Co and Zs except U+0020; and its property
 * Default_Ignorable_Code_Point, which adds fillers and variation selectors. Sorted.
 */
static const struct {
	uint32_t first;
	uint32_t last;
} unprintable[] = {
	{0x0000, 0x001f},    /* C0 */
	{0x007f, 0x00a0},    /* DEL, C1, no-break space */
	{0x00ad, 0x00ad},    /* soft hyphen */
	{0x034f, 0x034f},    /* combining grapheme joiner */
	{0x0600, 0x0605},    /* Arabic number signs */
	{0x061c, 0x061c},    /* Arabic letter mark */
	{0x06dd, 0x06dd},    /* Arabic end of ayah */
	{0x070f, 0x070f},    /* Syriac abbreviation mark */
	{0x0890, 0x0891},    /* Arabic pound and piastre marks */
	{0x08e2, 0x08e2},    /* Arabic disputed end of ayah */
	{0x115f, 0x1160},    /* Hangul fillers */
	{0x1680, 0x1680},    /* Ogham space */
	{0x17b4, 0x17b5},    /* Khmer inherent vowels */
	{0x180b, 0x180f},    /* Mongolian selectors */
	{0x2000, 0x200f},    /* spaces, zero-width characters, left-to-right and right-to-left marks */
	{0x2028, 0x202f},    /* line and paragraph separators, embeddings, overrides */
	{0x205f, 0x206f},    /* word joiner, invisible operators, isolates */
	{0x3000, 0x3000},    /* ideographic space */
	{0x3164, 0x3164},    /* Hangul filler */
	{0xe000, 0xf8ff},    /* private use */
	{0xfdd0, 0xfdef},    /* noncharacters */
	{0xfe00, 0xfe0f},    /* variation selectors */
	{0xfeff, 0xfeff},    /* byte order mark */
	{0xffa0, 0xffa0},    /* Hangul filler */
	{0xfff0, 0xfffb},    /* interlinear annotation */
	{0x110bd, 0x110bd},  /* Kaithi number sign */
	{0x110cd, 0x110cd},  /* Kaithi number sign above */
	{0x13430, 0x13438},  /* hieroglyph joiners */
	{0x1bca0, 0x1bca3},  /* shorthand controls */
	{0x1d173, 0x1d17a},  /* musical controls */
	{0xe0000, 0x10ffff}, /* tags, variation selectors, private use */
};

static bool is_printable(uint32_t code_point)
{
	size_t i;

	if ((code_point & 0xfffe) == 0xfffe)
		return false;
	for (i = 0; i < sizeof(unprintable) / sizeof(unprintable[0]); i++)
		if (code_point <= unprintable[i].last)
			return code_point < unprintable[i].first;
	return true;
}

/* The number of bytes of a character with this first byte; 0 if invalid (RFC 3629 section 4). */
static size_t utf8_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

/*
 * Read the character at text. Returns its length, or 0 if the bytes are not UTF-8: cut short (the terminating NUL is no
 * continuation, so no later byte is read), overlong, a surrogate, or beyond Unicode.
 */
static size_t utf8_read(const char *text, uint32_t *code_point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = utf8_length(text[0]), i;
	uint32_t value = (uint8_t)text[0];

	if (length > 1)
		value &= 0x7f >> length;
	for (i = 1; i < length; i++) {
		if (((uint8_t)text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | ((uint8_t)text[i] & 0x3f);
	}
	if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code_point = value;
	return length;
}

/* The end of the unescaped characters at text. They come in long runs. */
static const char *end_of_printable(const char *text)
{
	uint32_t code_point = 0;
	size_t length;

	for (;;) {
		while (*text >= ' ' && *text < 0x7f)
			text++;
		length = utf8_read(text, &code_point);
		if (!length || !is_printable(code_point))
			return text;
		text += length;
	}
}

static const char *write_printable(FILE *out, const char *text)
{
	const char *end = end_of_printable(text);

	fwrite(text, 1, end - text, out);
	return end;
}

void escape_text(FILE *out, const char *text)
{
	uint32_t code_point;
	size_t length;

	while (*(text = write_printable(out, text))) {
		length = utf8_read(text, &code_point);
		do
			fprintf(out, "\\x%02x", (uint8_t)*text++);
		while (length && --length);
	}
}

/* A backslash is escaped too, so that no name can look like another's escape. */
static bool is_word_character(char character)
{
	return character > ' ' && character < 0x7f && character != '\\';
}

static size_t word_width(char character)
{
	return is_word_character(character) ? 1 : WORD_ESCAPE_LENGTH;
}

void escape_word(char *word, size_t columns, const char *text)
{
	static const char mark[] = "...";
	const size_t mark_width = sizeof(mark) - 1;
	size_t start = strlen(text), used = 0;

	/* the end of a long host name says more than its start */
	while (start && used + word_width(text[start - 1]) <= columns)
		used += word_width(text[--start]);
	if (start) {
		while (text[start] && used + mark_width > columns)
			used -= word_width(text[start++]);
		memcpy(word, mark, mark_width);
		word += mark_width;
	}
	for (; text[start]; start++) {
		if (is_word_character(text[start]))
			*word++ = text[start];
		else
			word += sprintf(word, "\\x%02x", (uint8_t)text[start]);
	}
	*word = '\0';
}

static bool is_json_special(char character)
{
	return character == '"' || character == '\\';
}

size_t escape_json_span(const char *text)
{
	const char *end = text;
	uint32_t code_point;
	size_t length;

	for (;;) {
		while (*end >= ' ' && *end < 0x7f && !is_json_special(*end))
			end++;
		if ((uint8_t)*end < 0x80)
			return end - text;
		length = utf8_read(end, &code_point);
		if (!length || !is_printable(code_point))
			return end - text;
		end += length;
	}
}

/* Outside the basic plane as a surrogate pair. */
static void write_json_escape(char escape[ESCAPE_JSON_MAX], uint32_t code_point)
{
	if (code_point < 0x10000) {
		snprintf(escape, ESCAPE_JSON_MAX, "\\u%04x", code_point);
		return;
	}
	code_point = (code_point - 0x10000) & 0xfffff;
	snprintf(escape, ESCAPE_JSON_MAX, "\\u%04x\\u%04x", 0xd800 | code_point >> 10, 0xdc00 | (code_point & 0x3ff));
}

size_t escape_json_character(const char *text, char escape[ESCAPE_JSON_MAX])
{
	static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char *found = strchr(special, *text);
	const uint32_t replacement = 0xfffd;
	uint32_t code_point;
	size_t length;

	if (found && *found) {
		escape[0] = '\\';
		escape[1] = letter[found - special];
		escape[2] = '\0';
		return 1;
	}
	length = utf8_read(text, &code_point);
	write_json_escape(escape, length ? code_point : replacement);
	return length ? length : 1;
}
