// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The body of a message, put together from its chunks (user/tls/body.c). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "tls/body.h"

enum {
	BYTES = 200 * 1024
};

struct fixture {
	struct body body;
	uint8_t bytes[BYTES]; /* of a body: byte i is that of position i */
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	size_t i;

	if (!fixture)
		return -1;
	for (i = 0; i < BYTES; i++)
		fixture->bytes[i] = i % 251;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	body_release(&fixture->body);
	free(fixture);
	return 0;
}

static int add(struct fixture *fixture, uint32_t position, size_t length)
{
	return body_add(&fixture->body, position, fixture->bytes + position, length);
}

static void expect_prefix(const struct fixture *fixture, uint32_t have)
{
	assert_int_equal(fixture->body.have, have);
	if (have)
		assert_memory_equal(fixture->body.data, fixture->bytes, have);
}

static void test_zero(void **state)
{
	struct fixture *fixture = *state;

	body_begin(&fixture->body, 14, 0);
	assert_int_equal(fixture->body.type, 14);
	assert_true(body_complete(&fixture->body));
	assert_int_equal(add(fixture, 0, 0), 0);
	assert_int_equal(add(fixture, 0, 1), -EMSGSIZE);
	assert_true(body_complete(&fixture->body));
	expect_prefix(fixture, 0);
}

static void test_chunks(void **state)
{
	struct fixture *fixture = *state;
	uint32_t position;

	body_begin(&fixture->body, 13, 5000);
	for (position = 0; position < 5000; position++) {
		assert_false(body_complete(&fixture->body));
		assert_int_equal(add(fixture, position, 1), 0);
	}
	assert_true(body_complete(&fixture->body));
	expect_prefix(fixture, 5000);
}

static void test_overlap(void **state)
{
	struct fixture *fixture = *state;

	body_begin(&fixture->body, 13, 1000);
	assert_int_equal(add(fixture, 0, 600), 0);
	assert_int_equal(add(fixture, 100, 200), 0);
	expect_prefix(fixture, 600);
	assert_int_equal(add(fixture, 0, 600), 0);
	expect_prefix(fixture, 600);
	assert_int_equal(add(fixture, 500, 500), 0);
	assert_true(body_complete(&fixture->body));
	expect_prefix(fixture, 1000);
}

static void test_hole(void **state)
{
	struct fixture *fixture = *state;

	body_begin(&fixture->body, 13, 1000);
	assert_int_equal(add(fixture, 0, 600), 0);
	assert_int_equal(add(fixture, 601, 399), -ENODATA);
	assert_false(body_complete(&fixture->body));
	expect_prefix(fixture, 600);
}

static void test_hole_at_start(void **state)
{
	struct fixture *fixture = *state;

	body_begin(&fixture->body, 13, 1000);
	assert_int_equal(add(fixture, 1, 999), -ENODATA);
	assert_false(body_complete(&fixture->body));
	expect_prefix(fixture, 0);
}

static void test_longer_than_claimed(void **state)
{
	struct fixture *fixture = *state;

	body_begin(&fixture->body, 13, 1000);
	assert_int_equal(add(fixture, 0, 1001), -EMSGSIZE);
	assert_true(body_complete(&fixture->body));
	expect_prefix(fixture, 1000);
	assert_int_equal(add(fixture, 1000, 1), -EMSGSIZE);
	expect_prefix(fixture, 1000);
}

static void test_bound(void **state)
{
	struct fixture *fixture = *state;

	body_begin(&fixture->body, 11, BODY_MAX);
	assert_int_equal(add(fixture, 0, BODY_MAX), 0);
	assert_true(body_complete(&fixture->body));
	expect_prefix(fixture, BODY_MAX);

	body_begin(&fixture->body, 11, BODY_MAX + 1);
	assert_int_equal(add(fixture, 0, BODY_MAX - 1), 0);
	assert_int_equal(add(fixture, BODY_MAX - 1, 2), -EMSGSIZE);
	assert_false(body_complete(&fixture->body));
	expect_prefix(fixture, BODY_MAX);
	assert_int_equal(add(fixture, BODY_MAX + 1, 100), -ENODATA);
	assert_int_equal(fixture->body.capacity, BODY_MAX);
}

/* What a header claims costs no memory. */
static void test_claim(void **state)
{
	struct fixture *fixture = *state;

	body_begin(&fixture->body, 11, 0xffffff);
	assert_int_equal(fixture->body.capacity, 0);
	assert_int_equal(add(fixture, 0, 10), 0);
	assert_in_range(fixture->body.capacity, 10, 1024);
	assert_false(body_complete(&fixture->body));
}

static void test_begin_again(void **state)
{
	struct fixture *fixture = *state;

	body_begin(&fixture->body, 11, 2000);
	assert_int_equal(add(fixture, 0, 1500), 0);
	body_begin(&fixture->body, 13, 100);
	assert_int_equal(fixture->body.type, 13);
	assert_false(body_complete(&fixture->body));
	expect_prefix(fixture, 0);
	assert_int_equal(add(fixture, 0, 100), 0);
	assert_true(body_complete(&fixture->body));
	expect_prefix(fixture, 100);
	body_release(&fixture->body);
	assert_null(fixture->body.data);
	assert_int_equal(fixture->body.have, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chunks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hole_at_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longer_than_claimed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_claim, setup, teardown),
		cmocka_unit_test_setup_teardown(test_begin_again, setup, teardown),
	};

	return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
