// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Go's table of functions (user/library/pclntab.c): tables made here, of each form; real ones are read by tests/library. */
#include "message_bytes.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "library/pclntab.h"

enum {
	FUNCTIONS = 3,
	TEXT = 0x401000,
	END = 0x900,
	NAMES_MAX = 512,
};

static const char *const names[FUNCTIONS] = {"main.main", "crypto/tls.(*Conn).writeRecordLocked", "runtime.text"};
static const uint32_t offsets[FUNCTIONS] = {0, 0x80, 0x300};

/* Little-endian, as the table is on all machines that are read. */
static void put_little(struct message_bytes *bytes, size_t size, uint64_t number)
{
	uint64_t little = htole64(number);

	put_bytes(bytes, &little, size);
}

static void set_little(struct message_bytes *bytes, size_t at, uint64_t number)
{
	uint64_t little = htole64(number);

	memcpy(bytes->data + at, &little, sizeof(little));
}

static void put_names(struct message_bytes *bytes, uint32_t at[FUNCTIONS], size_t base)
{
	for (size_t index = 0; index < FUNCTIONS; index++) {
		at[index] = bytes->length - base;
		put_bytes(bytes, names[index], strlen(names[index]) + 1);
	}
}

/* Functions with addresses, and records of an address and a name's offset: the form of Go 1.2. */
static void put_table_1_2(struct message_bytes *bytes)
{
	uint32_t name[FUNCTIONS];
	size_t list;

	put_little(bytes, 8, 0x080100000000 << 16 | 0xfffffffb);
	put_little(bytes, 8, FUNCTIONS);
	list = bytes->length;
	put_zeros(bytes, (2 * FUNCTIONS + 1) * 8);
	put_names(bytes, name, 0);
	for (size_t index = 0; index < FUNCTIONS; index++) {
		set_little(bytes, list + index * 16, TEXT + offsets[index]);
		set_little(bytes, list + index * 16 + 8, bytes->length);
		put_little(bytes, 8, TEXT + offsets[index]);
		put_little(bytes, 4, name[index]);
	}
	set_little(bytes, list + FUNCTIONS * 16, TEXT + END);
}

/* With a header of offsets, and 32 bits for each field that counts from somewhere. */
static void put_table_1_18(struct message_bytes *bytes, uint32_t magic, uint64_t text)
{
	uint32_t name[FUNCTIONS];
	size_t list, record;

	put_little(bytes, 8, 0x080100000000 << 16 | magic);
	put_little(bytes, 8, FUNCTIONS);
	put_zeros(bytes, 7 * 8);
	set_little(bytes, 24, text);
	set_little(bytes, 32, bytes->length);
	put_names(bytes, name, bytes->length);
	set_little(bytes, 64, bytes->length);
	list = bytes->length;
	record = (2 * FUNCTIONS + 1) * 4;
	for (size_t index = 0; index < FUNCTIONS; index++) {
		put_little(bytes, 4, offsets[index]);
		put_little(bytes, 4, record + index * 8);
	}
	put_little(bytes, 4, END);
	assert_int_equal(bytes->length - list, record);
	for (size_t index = 0; index < FUNCTIONS; index++) {
		put_little(bytes, 4, offsets[index]);
		put_little(bytes, 4, name[index]);
	}
}

struct seen {
	size_t count;
	size_t limit;
	uint64_t text;
};

static bool take(const char *name, uint64_t begin, uint64_t end, void *context)
{
	struct seen *seen = context;
	size_t index = seen->count++;

	assert_true(index < FUNCTIONS);
	assert_string_equal(name, names[index]);
	assert_int_equal(begin, seen->text + offsets[index]);
	assert_int_equal(end, seen->text + (index + 1 < FUNCTIONS ? offsets[index + 1] : END));
	return seen->count < seen->limit;
}

static void expect_functions(const struct message_bytes *bytes, uint8_t form, uint64_t text, size_t limit)
{
	struct seen seen = {.limit = limit, .text = text};
	struct pclntab table;

	assert_int_equal(pclntab_open(&table, bytes->data, bytes->length), 0);
	assert_int_equal(table.form, form);
	pclntab_each(&table, take, &seen);
	assert_int_equal(seen.count, limit);
}

static void test_forms(void **state)
{
	struct message_bytes bytes = {};

	(void)state;
	put_table_1_2(&bytes);
	expect_functions(&bytes, PCLNTAB_1_2, TEXT, FUNCTIONS);
	bytes.length = 0;
	put_table_1_18(&bytes, 0xfffffff0, TEXT);
	expect_functions(&bytes, PCLNTAB_1_18, TEXT, FUNCTIONS);
	expect_functions(&bytes, PCLNTAB_1_18, TEXT, 1);
	bytes.length = 0;
	put_table_1_18(&bytes, 0xfffffff1, 0);
	expect_functions(&bytes, PCLNTAB_1_20, 0, FUNCTIONS);
}

static void expect_error(const struct message_bytes *bytes, int error)
{
	struct pclntab table;

	assert_int_equal(pclntab_open(&table, bytes->data, bytes->length), error);
}

static void test_not_read(void **state)
{
	struct message_bytes bytes = {};

	(void)state;
	expect_error(&bytes, -EINVAL);
	put_table_1_18(&bytes, 0xfffffffa, TEXT);
	expect_error(&bytes, -ENOTSUP);
	bytes.data[0] = 0xf2;
	expect_error(&bytes, -EINVAL);
	bytes.data[0] = 0xf1;
	bytes.data[7] = 4; /* size of a pointer */
	expect_error(&bytes, -EINVAL);
	bytes.data[7] = 8;
	set_little(&bytes, 8, PCLNTAB_FUNCTIONS_MAX + 1ull);
	expect_error(&bytes, -EINVAL);
	set_little(&bytes, 8, 0);
	expect_error(&bytes, -EINVAL);
	set_little(&bytes, 8, FUNCTIONS);
	set_little(&bytes, 64, UINT64_MAX - 3); /* where the list begins */
	expect_error(&bytes, -EINVAL);
}

static bool count(const char *name, uint64_t begin, uint64_t end, void *context)
{
	size_t *counted = context;

	assert_true(strlen(name) < PCLNTAB_NAME_MAX);
	assert_true(begin < end);
	(*counted)++;
	return true;
}

/* Cut anywhere the table is refused, or shows fewer functions; never is a byte read beyond its end. */
static void test_cut(void **state)
{
	struct message_bytes bytes = {};

	(void)state;
	for (size_t form = 0; form < 2; form++) {
		bytes.length = 0;
		if (form)
			put_table_1_18(&bytes, 0xfffffff1, TEXT);
		else
			put_table_1_2(&bytes);
		for (size_t length = 0; length < bytes.length; length++) {
			uint8_t *copy = malloc(length);
			struct pclntab table;
			size_t counted = 0;

			if (length)
				memcpy(copy, bytes.data, length);
			if (!pclntab_open(&table, copy, length))
				pclntab_each(&table, count, &counted);
			assert_true(counted < FUNCTIONS);
			free(copy);
		}
	}
}

/* Names outside of the table, and names that are too long. */
static void test_names(void **state)
{
	struct message_bytes bytes = {};
	struct pclntab table;
	size_t counted = 0;

	(void)state;
	put_table_1_18(&bytes, 0xfffffff1, TEXT);
	set_little(&bytes, 32, bytes.length); /* where names begin */
	assert_int_equal(pclntab_open(&table, bytes.data, bytes.length), 0);
	pclntab_each(&table, count, &counted);
	assert_int_equal(counted, 0);
	/* 300, 290 and 253 letters */
	for (size_t index = 0; index < 300; index++)
		put_bytes(&bytes, "a", 1);
	put_zeros(&bytes, 1);
	assert_int_equal(pclntab_open(&table, bytes.data, bytes.length), 0);
	pclntab_each(&table, count, &counted);
	assert_int_equal(counted, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_not_read),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("pclntab", tests, NULL, NULL);
}
