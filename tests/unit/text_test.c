// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct text_case {
	const char *bytes;
	size_t length;
	size_t size;
	const char *expected;
};

static const struct text_case cases[] = {
	{"", 0, 8, ""},
	{"abc", 3, 8, "abc"},
	{"abcdefg", 7, 8, "abcdefg"},
	{"abcdefgh", 8, 8, "abcd..."},
	{"abcdefgh", 8, 4, "..."},
	{"a\0b\0", 4, 8, "a?b?"},
	{"\xff\x80\x01\x7f", 4, 8, "\xff\x80\x01\x7f"},
	/* a character that does not fit is left out whole: of two, three and four bytes */
	{"abc\xc3\xbc...", 8, 8, "abc..."},
	{"ab\xe2\x82\xac...", 8, 8, "ab..."},
	{"a\xf0\x9f\x94\x92...", 8, 8, "a..."},
	/* and one that fits is kept */
	{"ab\xc3\xbc"
         "efgh",
         8, 8, "ab\xc3\xbc..."},
	/* no UTF-8: not more than three bytes are given up for it */
	{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 12, 12, "\x80\x80\x80\x80\x80..."},
	{"\x80\x80\x80\x80\x80\x80", 6, 5, "..."},
};

static void test_text_copy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[16];

		memset(text, 'X', sizeof(text));
		text_copy(text, cases[i].size, cases[i].bytes, cases[i].length);
		assert_string_equal(text, cases[i].expected);
		for (size_t j = cases[i].size; j < sizeof(text); j++)
			assert_int_equal(text[j], 'X');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_copy),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
