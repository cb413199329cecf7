// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/escape.h"

#include "report_sample.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>

enum {
	CODE_POINTS = 0x110000,
	WORD_COLUMNS = 12,
	/*
	 * Below U+E0000, by the categories of Python's unicodedata 14.0 (all but Cc, Cf, Co, Cs, Zl, Zp and Zs, with U+0020)
	 * and without noncharacters and Default_Ignorable_Code_Point.
	 */
	UNICODE_14_PRINTABLE = 908810,
};

/* What a function writes, in memory that the caller frees. */
static char *written(void (*write)(FILE *, const char *), const char *text)
{
	char *result = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&result, &size);

	assert_non_null(out);
	write(out, text);
	fclose(out);
	assert_int_equal(size, strlen(result));
	return result;
}

struct vector {
	const char *in;
	const char *out;
};

static void assert_written(void (*write)(FILE *, const char *), const struct vector *vectors, size_t count)
{
	size_t i;
	char *out;

	for (i = 0; i < count; i++) {
		out = written(write, vectors[i].in);
		assert_string_equal(out, vectors[i].out);
		assert_clean(out, strlen(out));
		free(out);
	}
}

static void text_keeps_what_people_read(void **state)
{
	static const struct vector vectors[] = {
		{"", ""},
		{"CN=client, O=\"Example\"", "CN=client, O=\"Example\""},
		{"CN=a\\,b\\0A", "CN=a\\,b\\0A"},
		{"M\xc3\xbcller", "M\xc3\xbcller"},
		{"\xd0\x96 \xd7\xa2 \xd8\xb9",
	         "\xd0\x96 \xd7\xa2 \xd8\xb9"}, /* Zhe, ayin, ain: right-to-left letters */
		{"\xe4\xb8\xad\xed\x95\x9c", "\xe4\xb8\xad\xed\x95\x9c"},
		{"\xef\xbf\xbd", "\xef\xbf\xbd"}, /* U+FFFD */
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
	};

	(void)state;
	assert_written(escape_text, vectors, sizeof(vectors) / sizeof(vectors[0]));
}

static void text_escapes_what_a_terminal_obeys(void **state)
{
	static const struct vector vectors[] = {
		{"a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"},
		{"\x1b]0;title\x07", "\\x1b]0;title\\x07"},
		{"\x1b[2J", "\\x1b[2J"},
		{"\x7f", "\\x7f"},
		{"\xc2\x9b"
	         "31m",
	         "\\xc2\\x9b31m"},          /* CSI as a C1 control */
		{"\xc2\x85", "\\xc2\\x85"}, /* NEL */
		{"\xe2\x80\xae"
	         "gpj.exe",
	         "\\xe2\\x80\\xaegpj.exe"},                   /* U+202E */
		{"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},          /* U+2066 */
		{"\xe2\x80\x8f", "\\xe2\\x80\\x8f"},          /* U+200F */
		{"\xd8\x9c", "\\xd8\\x9c"},                   /* U+061C */
		{"\xe2\x80\x8b", "\\xe2\\x80\\x8b"},          /* zero-width space */
		{"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},          /* line separator */
		{"\xef\xbb\xbf", "\\xef\\xbb\\xbf"},          /* byte order mark */
		{"\xf3\xa0\x81\xa1", "\\xf3\\xa0\\x81\\xa1"}, /* tag 'a' */
	};

	(void)state;
	assert_written(escape_text, vectors, sizeof(vectors) / sizeof(vectors[0]));
}

static void text_escapes_what_is_not_utf8(void **state)
{
	static const struct vector vectors[] = {
		{"\xff\xfe", "\\xff\\xfe"},
		{"\x80", "\\x80"},
		{"\x9b"
	         "2J",
	         "\\x9b2J"},       /* CSI to a terminal that reads Latin-1 */
		{"\xc3", "\\xc3"}, /* cut short by the end */
		{"\xc3(", "\\xc3("},
		{"\xe4\xb8", "\\xe4\\xb8"},
		{"\xe4\xb8x", "\\xe4\\xb8x"},
		{"\xf0\x9f\x98", "\\xf0\\x9f\\x98"},
		{"\xc0\xaf", "\\xc0\\xaf"}, /* '/' in two bytes */
		{"\xc1\x9b", "\\xc1\\x9b"},
		{"\xe0\x80\x8a", "\\xe0\\x80\\x8a"},          /* newline in three */
		{"\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a"}, /* and in four */
		{"\xe0\x81\x81", "\\xe0\\x81\\x81"},          /* 'A' in three */
		{"\xf0\x80\x81\x81", "\\xf0\\x80\\x81\\x81"}, /* and in four */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond Unicode */
		{"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80"},
	};

	(void)state;
	assert_written(escape_text, vectors, sizeof(vectors) / sizeof(vectors[0]));
}

/* RFC 3629 section 3, for any number: surrogates too */
static void encode(uint32_t code_point, char bytes[5])
{
	size_t length = 0;

	if (code_point < 0x80) {
		bytes[length++] = code_point;
	} else if (code_point < 0x800) {
		bytes[length++] = 0xc0 | code_point >> 6;
	} else if (code_point < 0x10000) {
		bytes[length++] = 0xe0 | code_point >> 12;
		bytes[length++] = 0x80 | (code_point >> 6 & 0x3f);
	} else {
		bytes[length++] = 0xf0 | code_point >> 18;
		bytes[length++] = 0x80 | (code_point >> 12 & 0x3f);
		bytes[length++] = 0x80 | (code_point >> 6 & 0x3f);
	}
	if (code_point >= 0x80)
		bytes[length++] = 0x80 | (code_point & 0x3f);
	bytes[length] = '\0';
}

/* Each code point there is, alone: comes out as it is, or in ASCII; in either case clean. */
static void every_code_point(void **state)
{
	char *text = NULL, bytes[5];
	size_t size = 0, kept = 0, before;
	uint32_t code_point;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	for (code_point = 1; code_point < CODE_POINTS; code_point++) {
		encode(code_point, bytes);
		fflush(out);
		before = size;
		escape_text(out, bytes);
		fflush(out);
		if (!strcmp(text + before, bytes))
			kept++;
		else if (strncmp(text + before, "\\x", 2))
			fail_msg("U+%04X came out as %s", code_point, text + before);
	}
	fclose(out);
	assert_clean(text, strlen(text));
	assert_int_equal(kept, UNICODE_14_PRINTABLE);
	free(text);
}

static void word_keeps_graphic_ascii_only(void **state)
{
	static const struct vector vectors[] = {
		{"", ""},
		{"example.org", "example.org"},
		{"a b", "a\\x20b"},
		{"a\\x", "a\\x5cx"},
		{"\xc3\xbc", "\\xc3\\xbc"},
		{"\n\x1b\x7f", "\\x0a\\x1b\\x7f"},
		{"~!", "~!"},
	};
	char word[WORD_COLUMNS + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		escape_word(word, WORD_COLUMNS, vectors[i].in);
		assert_string_equal(word, vectors[i].out);
	}
}

static void word_keeps_the_end_of_a_long_name(void **state)
{
	static const struct vector vectors[] = {
		{"123456789012", "123456789012"},
		{"1234567890123", "...567890123"},
		{"long.host.example.org", "...ample.org"},
		{"x\xff\xff\xff", "...\\xff\\xff"}, /* an escape is not cut in two */
		{"\xff"
	         "23456789",
	         "\\xff23456789"},
		{"\xff"
	         "234567890",
	         "...234567890"},
		{"\xff"
	         "1234567\xff",
	         "...34567\\xff"},
	};
	char word[WORD_COLUMNS + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		escape_word(word, WORD_COLUMNS, vectors[i].in);
		assert_string_equal(word, vectors[i].out);
	}
}

/* Whatever the bytes, the word stays within its columns: AddressSanitizer watches the buffer. */
static void word_stays_within_its_columns(void **state)
{
	char text[MESSAGE_SERVER_NAME_MAX + 1];
	size_t length, columns;
	char *word;

	(void)state;
	for (length = 0; length <= MESSAGE_SERVER_NAME_MAX; length += 5) {
		memset(text, 0x9b, length);
		memset(text, 'a', length / 2);
		text[length] = '\0';
		for (columns = 7; columns < 40; columns++) {
			word = malloc(columns + 1);
			assert_non_null(word);
			escape_word(word, columns, text);
			assert_in_range(strlen(word), length ? 1 : 0, columns);
			free(word);
		}
	}
}

/* The text as the inside of a JSON string. */
static void write_json(FILE *out, const char *text)
{
	char escape[ESCAPE_JSON_MAX];

	for (;;) {
		size_t span = escape_json_span(text);

		fwrite(text, 1, span, out);
		text += span;
		if (!*text)
			return;
		text += escape_json_character(text, escape);
		fputs(escape, out);
	}
}

static void json_string_escapes_what_a_terminal_obeys(void **state)
{
	static const struct vector vectors[] = {
		{"", ""},
		{"{[1,-2.5,true]}", "{[1,-2.5,true]}"},
		{"M\xc3\xbcller", "M\xc3\xbcller"},
		{"\n\x1b\\\"", "\\n\\u001b\\\\\\\""},
		{"\b\f\r\t\v", "\\b\\f\\r\\t\\u000b"},
		{"http/1.1", "http/1.1"},
		{"\x7f", "\\u007f"},
		{"\xc2\x9b", "\\u009b"},
		{"\xe2\x80\xae", "\\u202e"},
		{"\xf3\xa0\x81\xa1", "\\udb40\\udc61"}, /* U+E0061 */
		{"a\xff\xfe", "a\\ufffd\\ufffd"},
		{"\xc3\"", "\\ufffd\\\""}, /* the quote is no part of the character */
	};

	(void)state;
	assert_written(write_json, vectors, sizeof(vectors) / sizeof(vectors[0]));
}

static void json_string_parses_back(void **state)
{
	static const char text[] = "\x1b[2J\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x81\xa1/\"\\\n";
	char *inside = written(write_json, text), *json;
	struct json_object *parsed;

	(void)state;
	assert_clean(inside, strlen(inside));
	assert_true(asprintf(&json, "\"%s\"", inside) > 0);
	parsed = json_tokener_parse(json);
	assert_non_null(parsed);
	assert_string_equal(json_object_get_string(parsed), text);
	json_object_put(parsed);
	free(json);
	free(inside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_keeps_what_people_read),
		cmocka_unit_test(text_escapes_what_a_terminal_obeys),
		cmocka_unit_test(text_escapes_what_is_not_utf8),
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(word_keeps_graphic_ascii_only),
		cmocka_unit_test(word_keeps_the_end_of_a_long_name),
		cmocka_unit_test(word_stays_within_its_columns),
		cmocka_unit_test(json_string_escapes_what_a_terminal_obeys),
		cmocka_unit_test(json_string_parses_back),
	};

	return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
