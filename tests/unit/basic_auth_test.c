// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
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
	JOBS = BASIC_AUTH_WAITING_MAX,
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
		assert_true(basic_auth_checker_add(checker, &jobs[i].job));
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

/* A reload makes new users: a password of a user whose hash is the same stays known. */
static void known_after_a_reload(void **state)
{
	static const struct web_user changed[] = {
		{"carol", "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"},
		{"bob", "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"},
		{"alice", "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"},
	};
	struct basic_auth_users *before = users_of_two(), *after = basic_auth_users_new(changed, 3);

	(void)state;
	assert_true(basic_auth_check(before, "alice", "secret"));
	assert_true(basic_auth_check(before, "bob", "other"));
	basic_auth_users_keep_known(after, before);
	basic_auth_users_free(before);
	assert_true(basic_auth_is_known(after, "alice", "secret"));
	assert_false(basic_auth_is_known(after, "alice", "other"));
	/* the hash of bob is another one */
	assert_false(basic_auth_is_known(after, "bob", "other"));
	assert_false(basic_auth_is_known(after, "carol", "secret"));
	assert_true(basic_auth_check(after, "bob", "secret"));
	basic_auth_users_free(after);
}

/* A queue whose first job holds the thread until the test lets it go. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct basic_auth_checker *checker;
	struct basic_auth_users *users;
	bool held, open;
	int order;
	struct counted_job jobs[2 * BASIC_AUTH_WAITING_MAX];
	int count;
	struct basic_auth_job holder;
};

static struct queue *the_queue;

static void hold(struct basic_auth_job *job)
{
	(void)job;
	pthread_mutex_lock(&the_queue->lock);
	the_queue->held = true;
	pthread_cond_broadcast(&the_queue->changed);
	while (!the_queue->open)
		pthread_cond_wait(&the_queue->changed, &the_queue->lock);
	pthread_mutex_unlock(&the_queue->lock);
}

static void queue_open(struct queue *queue)
{
	*queue = (struct queue){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	the_queue = queue;
	queue->users = users_of_two();
	queue->checker = basic_auth_checker_start();
	assert_non_null(queue->checker);
}

static void queue_hold(struct queue *queue)
{
	queue->held = queue->open = false;
	queue->holder = (struct basic_auth_job){
		.users = queue->users, .name = "alice", .password = "secret", .source = "holder", .done = hold};
	assert_true(basic_auth_checker_add(queue->checker, &queue->holder));
	pthread_mutex_lock(&queue->lock);
	while (!queue->held)
		pthread_cond_wait(&queue->changed, &queue->lock);
	pthread_mutex_unlock(&queue->lock);
}

/* Returns the job's number, or -1 where it was not taken. */
static int queue_add(struct queue *queue, const char *source, char *password)
{
	struct counted_job *job = &queue->jobs[queue->count];

	*job = (struct counted_job){
		.job = {.users = queue->users, .name = "alice", .password = password, .done = count_job},
		.lock = &queue->lock,
		.changed = &queue->changed,
		.order = &queue->order};
	strncpy((char *)job->job.source, source, BASIC_AUTH_SOURCE);
	return basic_auth_checker_add(queue->checker, &job->job) ? queue->count++ : -1;
}

/* Let the thread go on until this many jobs are done. */
static void queue_run(struct queue *queue, int done)
{
	pthread_mutex_lock(&queue->lock);
	queue->open = true;
	pthread_cond_broadcast(&queue->changed);
	while (queue->order < done)
		pthread_cond_wait(&queue->changed, &queue->lock);
	pthread_mutex_unlock(&queue->lock);
}

static void queue_close(struct queue *queue)
{
	basic_auth_checker_stop(queue->checker);
	basic_auth_users_free(queue->users);
	the_queue = NULL;
}

/* Guessers whose passwords were wrong wait for a client whose passwords were not. */
static void guessers_wait_for_others(void **state)
{
	static struct queue queue;
	int scraper;

	(void)state;
	queue_open(&queue);
	queue_hold(&queue);
	queue_add(&queue, "guesser", "wrong");
	queue_run(&queue, 1);
	queue_hold(&queue);
	for (int i = 0; i < 5; i++)
		queue_add(&queue, "guesser", "wrong");
	scraper = queue_add(&queue, "scraper", "secret");
	queue_run(&queue, 7);
	assert_int_equal(queue.jobs[scraper].done, 2);
	assert_true(queue.jobs[scraper].job.right);
	queue_close(&queue);
}

/* Where the queue is full, a guesser is turned away for a client that is not known; a further guesser is not taken. */
static void guessers_make_room_for_others(void **state)
{
	static struct queue queue;
	int scraper, last = -1;

	(void)state;
	queue_open(&queue);
	queue_hold(&queue);
	queue_add(&queue, "guesser", "wrong");
	queue_run(&queue, 1);
	queue_hold(&queue);
	for (int i = 0; i < BASIC_AUTH_WAITING_MAX; i++)
		last = queue_add(&queue, "guesser", "wrong");
	assert_int_equal(last, BASIC_AUTH_WAITING_MAX);
	assert_int_equal(queue_add(&queue, "guesser", "wrong"), -1);
	scraper = queue_add(&queue, "scraper", "secret");
	assert_true(scraper >= 0);
	assert_true(queue.jobs[last].job.turned_away);
	assert_int_equal(queue.jobs[last].done, 2);
	queue_run(&queue, 3);
	assert_int_equal(queue.jobs[scraper].done, 3);
	assert_true(queue.jobs[scraper].job.right);
	assert_false(queue.jobs[scraper].job.turned_away);
	queue_close(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_and_wrong),
		cmocka_unit_test(known_only_when_checked),
		cmocka_unit_test(bounds),
		cmocka_unit_test(in_the_order_asked),
		cmocka_unit_test(known_after_a_reload),
		cmocka_unit_test(guessers_wait_for_others),
		cmocka_unit_test(guessers_make_room_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
