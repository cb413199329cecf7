// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Places in Go's machine code (user/library/go_code.c). The bytes are what Go 1.19.8 and 1.24.4 compile, as objdump shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "library/go_code.h"

struct beginning {
	const char *name;
	int64_t expected;
	uint8_t length;
	uint8_t code[24];
};

static const struct beginning beginnings[] = {
	{"certificateMsg.unmarshal",
         10,
         14,
         {0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0xd1, 0x02, 0, 0, 0x48, 0x83, 0xec, 0x40}},
	{"a jump that is near", 6, 7, {0x49, 0x3b, 0x66, 0x10, 0x76, 0x40, 0x55}},
	{"a larger frame",
         15,
         16,
         {0x4c, 0x8d, 0x64, 0x24, 0xe0, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0x75, 0x0b, 0, 0, 0x55}},
	{"a frame of more than 128 bytes",
         18,
         19,
         {0x4c, 0x8d, 0xa4, 0x24, 0xe0, 0xfd, 0xff, 0xff, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0x75, 0x0b, 0, 0, 0x55}},
	{"no check: finishedMsg.unmarshal", 0, 9, {0x48, 0x89, 0x5c, 0x24, 0x10, 0x48, 0x83, 0xf9, 0x04}},
	{"no check: push %rbp", 0, 4, {0x55, 0x48, 0x89, 0xe5}},
	{"another jump", -EINVAL, 7, {0x49, 0x3b, 0x66, 0x10, 0x77, 0x40, 0x55}},
	{"another comparison", -EINVAL, 11, {0x4c, 0x8d, 0x64, 0x24, 0xe0, 0x49, 0x3b, 0x66, 0x10, 0x76, 0x40}},
};

static void test_stack_check(void **state)
{
	(void)state;
	for (size_t index = 0; index < sizeof(beginnings) / sizeof(beginnings[0]); index++) {
		const struct beginning *beginning = &beginnings[index];
		int64_t found = go_code_stack_check(beginning->code, beginning->length);

		if (found != beginning->expected)
			fail_msg("%s: %lld, expected %lld", beginning->name, (long long)found,
			         (long long)beginning->expected);
	}
}

/* Cut anywhere it is not seen, or there is none: never is it taken for shorter or longer. */
static void test_stack_check_cut(void **state)
{
	(void)state;
	for (size_t index = 0; index < sizeof(beginnings) / sizeof(beginnings[0]); index++) {
		const struct beginning *beginning = &beginnings[index];

		for (int64_t length = 0; length < beginning->expected; length++) {
			uint8_t *copy = malloc(length);

			if (length)
				memcpy(copy, beginning->code, length);
			assert_true(go_code_stack_check(copy, length) <= 0);
			free(copy);
		}
	}
}

enum {
	BEGIN = 0x593100,
	CALLEE = 0x592900,
	CODE = 64,
	CALL_AT = 0x20,
};

static void put_call(uint8_t *code, uint32_t at, uint64_t begin, uint64_t callee)
{
	int32_t offset = callee - (begin + at + 5);

	code[at] = 0xe8;
	memcpy(code + at + 1, &offset, sizeof(offset));
}

static void test_find_call(void **state)
{
	uint8_t code[CODE] = {};

	(void)state;
	assert_int_equal(go_code_find_call(code, CODE, BEGIN, CALLEE), -ENOENT);
	put_call(code, CALL_AT, BEGIN, CALLEE);
	put_call(code, 2, BEGIN, CALLEE + 0x10);
	assert_int_equal(go_code_find_call(code, CODE, BEGIN, CALLEE), CALL_AT);
	/* backwards or forwards */
	assert_int_equal(go_code_find_call(code, CODE, BEGIN, CALLEE + 0x10), 2);
	put_call(code, 2, BEGIN, BEGIN + 0x1000);
	assert_int_equal(go_code_find_call(code, CODE, BEGIN, BEGIN + 0x1000), 2);
	/* cut within the call */
	assert_int_equal(go_code_find_call(code, CALL_AT + 4, BEGIN, CALLEE), -ENOENT);
	assert_int_equal(go_code_find_call(code, CALL_AT + 5, BEGIN, CALLEE), CALL_AT);
	/* two of them */
	put_call(code, CODE - 5, BEGIN, CALLEE);
	assert_int_equal(go_code_find_call(code, CODE, BEGIN, CALLEE), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stack_check),
		cmocka_unit_test(test_stack_check_cut),
		cmocka_unit_test(test_find_call),
	};

	return cmocka_run_group_tests_name("go_code", tests, NULL, NULL);
}
