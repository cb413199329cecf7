/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "http/basic_auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Passwords are "secret" and "other"; made by python's crypt.crypt(). */
static const struct web_user two_users[] = {
	{"alice", "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"},
	{"bob", "$2y$04$abcdefghijklmnopqrstuu0HtfOlPbTiymk5tcV.3TsFPDd3SYZqu"},
};

enum {
	TWO = 2,
	JOBS = 40,
};

static struct basic_auth_users *users_of_two(void)
{
	struct basic_auth_users *users = basic_auth_users_new(two_users, TWO);

	assert_non_null(users);
	return users;
}

static void right_and_wrong(void **state)
{
	static const struct {
		const char *name, *password;
		bool right;
	} cases[] = {
		{"alice", "secret", true},  {"bob", "other", true},     {"alice", "other", false},
		{"bob", "secret", false},   {"alice", "", false},       {"", "", false},
		{"", "secret", false},      {"alic", "secret", false},  {"alicea", "secret", false},
		{"Alice", "secret", false}, {"carol", "secret", false}, {"alice", "secret ", false},
	};
	struct basic_auth_users *users = users_of_two();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool right = basic_auth_check(users, cases[i].name, cases[i].password);
		bool known = basic_auth_is_known(users, cases[i].name, cases[i].password);

		if (right != cases[i].right || known != cases[i].right)
			fail_msg("%s:%s is %d, known %d; expected %d", cases[i].name, cases[i].password, right, known,
			         cases[i].right);
	}
	/* what was wrong in between is not known, and what was right still is */
	assert_true(basic_auth_is_known(users, "alice", "secret"));
	assert_false(basic_auth_is_known(users, "bob", "secret"));
	basic_auth_users_free(users);
}

/* Nothing is known that was not checked: not by others of the same name either. */
static void known_only_when_checked(void **state)
{
	struct basic_auth_users *one = users_of_two(), *other = users_of_two();

	(void)state;
	assert_false(basic_auth_is_known(one, "alice", "secret"));
	assert_true(basic_auth_check(one, "alice", "secret"));
	assert_true(basic_auth_is_known(one, "alice", "secret"));
	assert_false(basic_auth_is_known(other, "alice", "secret"));
	basic_auth_users_free(one);
	basic_auth_users_free(other);
}

static void bounds(void **state)
{
	struct basic_auth_users *users = users_of_two(), *none = basic_auth_users_new(NULL, 0);
	char name[WEB_USER_MAX + 2], password[BASIC_AUTH_PASSWORD_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(password, 'p', sizeof(password) - 1);
	password[sizeof(password) - 1] = '\0';
	assert_false(basic_auth_check(users, name, "secret"));
	assert_false(basic_auth_check(users, "alice", password));
	assert_false(basic_auth_is_known(users, name, password));
	assert_false(basic_auth_check(none, "alice", "secret"));
	basic_auth_users_free(users);
	basic_auth_users_free(none);
}

struct counted_job {
	struct basic_auth_job job;
	pthread_mutex_t *lock;
	pthread_cond_t *changed;
	int *order; /* of the next one that is done */
	int done;   /* its place, from 1 */
};

static void count_job(struct basic_auth_job *job)
{
	struct counted_job *counted = (struct counted_job *)job;

	pthread_mutex_lock(counted->lock);
	counted->done = ++*counted->order;
	pthread_cond_signal(counted->changed);
	pthread_mutex_unlock(counted->lock);
}

static void in_the_order_asked(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
	struct basic_auth_checker *checker = basic_auth_checker_start();
	struct basic_auth_users *users = users_of_two();
	struct counted_job jobs[JOBS];
	int order = 0;

	(void)state;
	assert_non_null(checker);
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct counted_job){.job = {.users = users,
		                                       .name = "alice",
		                                       .password = i % 2 ? "wrong" : "secret",
		                                       .done = count_job},
		                               .lock = &lock,
		                               .changed = &changed,
		                               .order = &order};
		basic_auth_checker_add(checker, &jobs[i].job);
	}
	pthread_mutex_lock(&lock);
	while (order < JOBS / 2)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	basic_auth_checker_stop(checker);
	assert_int_equal(order, JOBS);
	for (int i = 0; i < JOBS; i++) {
		assert_int_equal(jobs[i].done, i + 1);
		/* those behind the stop are refused, whatever they are */
		if (i < JOBS / 2 || jobs[i].job.right)
			assert_int_equal(jobs[i].job.right, i % 2 == 0);
	}
	basic_auth_users_free(users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_and_wrong),
		cmocka_unit_test(known_only_when_checked),
		cmocka_unit_test(bounds),
		cmocka_unit_test(in_the_order_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
