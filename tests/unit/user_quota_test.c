// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The time that each user's processes may take (user/library/user_quota.c). */
#include "library/user_quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum {
	ROOT = 0,
	HEAVY = 65533,
};

static struct user_quota *new_quota(void)
{
	struct user_quota *quota = calloc(1, sizeof(*quota));

	assert_non_null(quota);
	return quota;
}

static void heavy_user_pauses_and_delays_nobody_else(void **state)
{
	struct user_quota *quota = new_quota();

	(void)state;
	user_quota_begin(quota, 1000);
	assert_true(user_quota_allows(quota, HEAVY, 10, 1000));
	user_quota_charge(quota, HEAVY, 100 * 1000);
	user_quota_charge(quota, ROOT, 20 * 1000);
	user_quota_end(quota, 1100);
	assert_int_equal(user_quota_delay(quota, 1100), 100 * USER_QUOTA_SHARE);
	user_quota_begin(quota, 6100);
	assert_true(user_quota_allows(quota, ROOT, 9, 6100));
	assert_false(user_quota_allows(quota, HEAVY, 10, 6100));
	assert_true(user_quota_skipped(quota, HEAVY));
	assert_false(user_quota_skipped(quota, ROOT));
	assert_int_equal(quota->skipped, 1);
	user_quota_end(quota, 6100);
	user_quota_begin(quota, 1100 + 100 * USER_QUOTA_SHARE);
	assert_true(user_quota_allows(quota, HEAVY, 10, 1100 + 100 * USER_QUOTA_SHARE));
	free(quota);
}

static void look_that_is_cut_goes_on_where_it_ended(void **state)
{
	struct user_quota *quota = new_quota();
	uint64_t now_ms = 1000;

	(void)state;
	user_quota_begin(quota, now_ms);
	assert_true(user_quota_allows(quota, HEAVY, 10, now_ms));
	user_quota_charge(quota, HEAVY, USER_QUOTA_ROUND_MS * 1000 + 1);
	assert_false(user_quota_allows(quota, HEAVY, 20, now_ms));
	assert_false(user_quota_allows(quota, HEAVY, 30, now_ms));
	user_quota_end(quota, now_ms);
	now_ms += user_quota_delay(quota, now_ms);
	user_quota_begin(quota, now_ms);
	assert_false(user_quota_allows(quota, HEAVY, 10, now_ms));
	assert_true(user_quota_allows(quota, HEAVY, 20, now_ms));
	assert_true(user_quota_allows(quota, HEAVY, 30, now_ms));
	user_quota_end(quota, now_ms);
	user_quota_begin(quota, now_ms);
	assert_true(user_quota_allows(quota, HEAVY, 10, now_ms));
	free(quota);
}

static void users_beyond_the_table_share_a_row(void **state)
{
	struct user_quota *quota = new_quota();

	(void)state;
	user_quota_begin(quota, 1000);
	for (uint32_t user = 0; user < USER_QUOTA_USERS; user++)
		assert_true(user_quota_allows(quota, user, 1, 1000));
	user_quota_charge(quota, USER_QUOTA_USERS, 1000 * 1000);
	user_quota_end(quota, 1000);
	assert_false(user_quota_is_due(quota, USER_QUOTA_USERS + 7, 1001));
	assert_true(user_quota_is_due(quota, USER_QUOTA_USERS - 1, 1001));
	free(quota);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heavy_user_pauses_and_delays_nobody_else),
		cmocka_unit_test(look_that_is_cut_goes_on_where_it_ended),
		cmocka_unit_test(users_beyond_the_table_share_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
