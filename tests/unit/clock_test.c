// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The clock of a capture whose times jump (user/capture/clock.c). */
#include "capture/clock.h"

#include "message_bytes.h"

#define SECONDS 1000000000ull

static void test_ordinary_times(void **state)
{
	struct clock clock = {0};

	(void)state;
	assert_false(clock_jumps(&clock, 100 * SECONDS)); /* the first packet */
	expect_number("first", "time", clock_take(&clock, 100 * SECONDS), 100 * SECONDS);
	expect_number("later", "time", clock_take(&clock, 100 * SECONDS + 5), 100 * SECONDS + 5);
	/* out of order by little: the packet keeps its time, the clock stands */
	expect_number("earlier", "time", clock_take(&clock, 100 * SECONDS - 7), 100 * SECONDS - 7);
	expect_number("earlier", "now", clock.now, 100 * SECONDS + 5);
	expect_number("earlier", "offset", clock.offset, 0);
}

static void test_clock_set_back(void **state)
{
	struct clock clock = {0};

	(void)state;
	clock_take(&clock, 100 * SECONDS);
	expect_number("back", "time", clock_take(&clock, 30 * SECONDS), 100 * SECONDS);
	expect_number("back", "offset", clock.offset, 70 * SECONDS);
	expect_number("on", "time", clock_take(&clock, 31 * SECONDS), 101 * SECONDS);
}

static void test_one_packet_from_the_future(void **state)
{
	struct clock clock = {0};

	(void)state;
	clock_take(&clock, 100 * SECONDS);
	assert_true(clock_jumps(&clock, 900 * SECONDS));
	assert_true(clock_refutes(&clock, 900 * SECONDS, 100 * SECONDS + 3));
	expect_number("after", "time", clock_take(&clock, 100 * SECONDS + 3), 100 * SECONDS + 3);
}

static void test_a_quiet_time_is_no_jump(void **state)
{
	struct clock clock = {0};

	(void)state;
	clock_take(&clock, 100 * SECONDS);
	assert_true(clock_jumps(&clock, 900 * SECONDS));
	assert_false(clock_refutes(&clock, 900 * SECONDS, 900 * SECONDS + 3));
	/* a file that was appended, of a time long before: the last packet before it is right */
	assert_false(clock_refutes(&clock, 900 * SECONDS, 10 * SECONDS));
	expect_number("after", "time", clock_take(&clock, 900 * SECONDS), 900 * SECONDS);
}

static void test_restart(void **state)
{
	struct clock clock = {0};

	(void)state;
	clock_take(&clock, 100 * SECONDS);
	clock_restart(&clock);
	assert_false(clock_jumps(&clock, 900 * SECONDS));
	expect_number("earlier by little", "time", clock_take(&clock, 100 * SECONDS - 3), 100 * SECONDS);
	expect_number("on", "time", clock_take(&clock, 100 * SECONDS), 100 * SECONDS + 3);
	expect_number("on", "offset", clock.offset, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary_times),
		cmocka_unit_test(test_clock_set_back),
		cmocka_unit_test(test_one_packet_from_the_future),
		cmocka_unit_test(test_a_quiet_time_is_no_jump),
		cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
