// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/basic_auth.h"

#include <crypt.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "system/log.h"
#include "system/threads.h"

enum {
	FORGIVE_EACH = 64, /* checks: then the counts of wrong passwords are halved */
	KEY_LENGTH = 32,
	DIGEST_LENGTH = 32, /* HMAC-SHA256 */
	NICE = 10,          /* clients that guess passwords must not take the time from the rest of the host */
};

/* A user, and the keyed hash of the password that was found right. */
struct user {
	struct web_user user;
	bool known;
	uint8_t digest[DIGEST_LENGTH];
};

struct basic_auth_users {
	uint8_t key[KEY_LENGTH];
	pthread_mutex_t lock; /* of known and digest */
	uint32_t count;
	struct user user[WEB_USERS_MAX];
};

/* The bytes to hash: both texts whole and padded with zeroes, so different pairs have different bytes. */
struct pair {
	char name[WEB_USER_MAX + 1];
	char password[BASIC_AUTH_PASSWORD_MAX + 1];
};

struct basic_auth_users *basic_auth_users_new(const struct web_user *user, uint32_t count)
{
	struct basic_auth_users *users = calloc(1, sizeof(*users));

	if (!users)
		return NULL;
	if (gnutls_rnd(GNUTLS_RND_KEY, users->key, sizeof(users->key))) {
		free(users);
		return NULL;
	}
	pthread_mutex_init(&users->lock, NULL);
	users->count = count < WEB_USERS_MAX ? count : WEB_USERS_MAX;
	for (uint32_t index = 0; index < users->count; index++)
		users->user[index].user = user[index];
	return users;
}

void basic_auth_users_free(struct basic_auth_users *users)
{
	if (!users)
		return;
	pthread_mutex_destroy(&users->lock);
	explicit_bzero(users, sizeof(*users));
	free(users);
}

void basic_auth_users_keep_known(struct basic_auth_users *users, struct basic_auth_users *before)
{
	/* the digests are keyed */
	memcpy(users->key, before->key, sizeof(users->key));
	pthread_mutex_lock(&before->lock);
	for (uint32_t index = 0; index < users->count; index++) {
		struct user *user = &users->user[index];

		for (uint32_t old = 0; old < before->count; old++)
			if (!memcmp(&user->user, &before->user[old].user, sizeof(user->user)))
				*user = before->user[old];
	}
	pthread_mutex_unlock(&before->lock);
}

static bool make_pair(struct pair *pair, const char *name, const char *password)
{
	*pair = (struct pair){};
	if (strlen(name) > WEB_USER_MAX || strlen(password) > BASIC_AUTH_PASSWORD_MAX)
		return false;
	strcpy(pair->name, name);
	strcpy(pair->password, password);
	return true;
}

/* The user of the name, or NULL. All names are compared in full, so the time does not reveal the name. */
static struct user *find(struct basic_auth_users *users, const struct pair *pair)
{
	struct user *found = NULL;

	for (uint32_t index = 0; index < users->count; index++)
		if (!gnutls_memcmp(users->user[index].user.name, pair->name, sizeof(pair->name)))
			found = &users->user[index];
	return found;
}

static bool digest_of(const struct basic_auth_users *users, const struct pair *pair, uint8_t digest[DIGEST_LENGTH])
{
	return !gnutls_hmac_fast(GNUTLS_MAC_SHA256, users->key, sizeof(users->key), pair, sizeof(*pair), digest);
}

bool basic_auth_is_known(struct basic_auth_users *users, const char *name, const char *password)
{
	uint8_t digest[DIGEST_LENGTH];
	bool known = false;
	struct user *user;
	struct pair pair;

	if (!make_pair(&pair, name, password))
		return false;
	user = find(users, &pair);
	if (digest_of(users, &pair, digest) && user) {
		pthread_mutex_lock(&users->lock);
		known = user->known && !gnutls_memcmp(user->digest, digest, sizeof(digest));
		pthread_mutex_unlock(&users->lock);
	}
	explicit_bzero(&pair, sizeof(pair));
	return known;
}

static bool matches(const char *password, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made = data ? crypt_r(password, hash, data) : NULL;
	/* crypt_r() reports an error as a text of another length */
	bool same = made && strlen(made) == WEB_HASH_LENGTH && !gnutls_memcmp(made, hash, WEB_HASH_LENGTH);

	if (data)
		explicit_bzero(data, sizeof(*data));
	free(data);
	return same;
}

bool basic_auth_check(struct basic_auth_users *users, const char *name, const char *password)
{
	struct user *user, *compared;
	uint8_t digest[DIGEST_LENGTH];
	struct pair pair;
	bool right;

	if (!users->count || !make_pair(&pair, name, password))
		return false;
	user = find(users, &pair);
	/* an unknown name is compared, too, with the hash of another user */
	compared = user ?: &users->user[0];
	right = matches(pair.password, compared->user.hash) && user;
	if (right && digest_of(users, &pair, digest)) {
		pthread_mutex_lock(&users->lock);
		user->known = true;
		memcpy(user->digest, digest, sizeof(digest));
		pthread_mutex_unlock(&users->lock);
	}
	explicit_bzero(&pair, sizeof(pair));
	return right;
}

/* An address, and how many of its passwords were wrong lately. */
struct source {
	uint8_t address[BASIC_AUTH_SOURCE];
	uint32_t wrong;
	uint64_t used; /* number of the last check of this address */
};

struct basic_auth_checker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock: */
	bool ended;
	struct basic_auth_job *first; /* in the order of arrival */
	uint32_t waiting;
	uint64_t checks;
	struct source source[BASIC_AUTH_SOURCES_MAX];
};

/* How many passwords of this address were wrong; 0 where the address is not in the table. */
static uint32_t wrong_of(const struct basic_auth_checker *checker, const uint8_t address[BASIC_AUTH_SOURCE])
{
	for (int index = 0; index < BASIC_AUTH_SOURCES_MAX; index++)
		if (checker->source[index].wrong && !memcmp(checker->source[index].address, address, BASIC_AUTH_SOURCE))
			return checker->source[index].wrong;
	return 0;
}

/* The entry of an address, or else the entry with the fewest wrong passwords; of equals the oldest. */
static struct source *entry_of(struct basic_auth_checker *checker, const uint8_t address[BASIC_AUTH_SOURCE])
{
	struct source *chosen = &checker->source[0];

	for (int index = 0; index < BASIC_AUTH_SOURCES_MAX; index++) {
		struct source *source = &checker->source[index];

		if (source->wrong && !memcmp(source->address, address, BASIC_AUTH_SOURCE))
			return source;
		if (source->wrong < chosen->wrong || (source->wrong == chosen->wrong && source->used < chosen->used))
			chosen = source;
	}
	*chosen = (struct source){};
	memcpy(chosen->address, address, BASIC_AUTH_SOURCE);
	return chosen;
}

/* Under the lock. A right password forgives the address; with time every address is forgiven. */
static void count_result(struct basic_auth_checker *checker, const struct basic_auth_job *job)
{
	struct source *source = entry_of(checker, job->source);

	source->wrong = job->right ? 0 : source->wrong + 1;
	source->used = ++checker->checks;
	if (checker->checks % FORGIVE_EACH)
		return;
	for (int index = 0; index < BASIC_AUTH_SOURCES_MAX; index++)
		checker->source[index].wrong /= 2;
}

/* Take a job out of the list. */
static struct basic_auth_job *unlink_job(struct basic_auth_checker *checker, struct basic_auth_job **place)
{
	struct basic_auth_job *job = *place;

	*place = job->next;
	job->next = NULL;
	checker->waiting--;
	return job;
}

/* Where the job is that is checked next: of the address with the fewest wrong passwords the first. NULL: no job waits. */
static struct basic_auth_job **place_of_next(struct basic_auth_checker *checker)
{
	struct basic_auth_job **chosen = NULL, **place = &checker->first;
	uint32_t least = UINT32_MAX;

	for (; *place; place = &(*place)->next) {
		uint32_t wrong = wrong_of(checker, (*place)->source);

		if (chosen && wrong >= least)
			continue;
		chosen = place;
		least = wrong;
	}
	return chosen;
}

/* Where the last job of the address with the most wrong passwords is; NULL: no address has more than this. */
static struct basic_auth_job **place_of_worst(struct basic_auth_checker *checker, uint32_t wrong)
{
	struct basic_auth_job **chosen = NULL, **place = &checker->first;

	for (; *place; place = &(*place)->next) {
		uint32_t other = wrong_of(checker, (*place)->source);

		if (other < wrong || (other == wrong && !chosen))
			continue;
		chosen = place;
		wrong = other;
	}
	return chosen;
}

/* The next job; NULL: the checker ends. */
static struct basic_auth_job *take_job(struct basic_auth_checker *checker, bool *ended)
{
	struct basic_auth_job *job = NULL;

	pthread_mutex_lock(&checker->lock);
	while (!checker->first && !checker->ended)
		pthread_cond_wait(&checker->changed, &checker->lock);
	*ended = checker->ended;
	if (checker->first)
		job = unlink_job(checker, place_of_next(checker));
	pthread_mutex_unlock(&checker->lock);
	return job;
}

static void *check_passwords(void *context)
{
	struct basic_auth_checker *checker = context;
	struct basic_auth_job *job;
	bool ended;

	setpriority(PRIO_PROCESS, gettid(), NICE);
	while ((job = take_job(checker, &ended))) {
		job->right = !ended && basic_auth_check(job->users, job->name, job->password);
		pthread_mutex_lock(&checker->lock);
		count_result(checker, job);
		pthread_mutex_unlock(&checker->lock);
		job->done(job);
	}
	return NULL;
}

struct basic_auth_checker *basic_auth_checker_start(void)
{
	struct basic_auth_checker *checker = calloc(1, sizeof(*checker));

	if (!checker) {
		log_out_of_memory();
		return NULL;
	}
	pthread_mutex_init(&checker->lock, NULL);
	pthread_cond_init(&checker->changed, NULL);
	if (!threads_start(&checker->thread, "checks passwords", check_passwords, checker))
		return checker;
	free(checker);
	return NULL;
}

/* Under the lock: turn a job away. Returns the job, NULL where no address is worse than that of the newcomer. */
static struct basic_auth_job *make_room(struct basic_auth_checker *checker, const struct basic_auth_job *newcomer)
{
	struct basic_auth_job **worst = place_of_worst(checker, wrong_of(checker, newcomer->source));

	return worst ? unlink_job(checker, worst) : NULL;
}

bool basic_auth_checker_add(struct basic_auth_checker *checker, struct basic_auth_job *job)
{
	struct basic_auth_job **end = &checker->first, *turned_away = NULL;
	bool has_room = true;

	pthread_mutex_lock(&checker->lock);
	if (checker->waiting >= BASIC_AUTH_WAITING_MAX) {
		turned_away = make_room(checker, job);
		has_room = turned_away != NULL;
	}
	if (has_room) {
		while (*end)
			end = &(*end)->next;
		job->next = NULL;
		*end = job;
		checker->waiting++;
		pthread_cond_signal(&checker->changed);
	}
	pthread_mutex_unlock(&checker->lock);
	if (turned_away) {
		turned_away->turned_away = true;
		turned_away->done(turned_away);
	}
	return has_room;
}

void basic_auth_checker_stop(struct basic_auth_checker *checker)
{
	if (!checker)
		return;
	pthread_mutex_lock(&checker->lock);
	checker->ended = true;
	pthread_cond_signal(&checker->changed);
	pthread_mutex_unlock(&checker->lock);
	pthread_join(checker->thread, NULL);
	pthread_mutex_destroy(&checker->lock);
	pthread_cond_destroy(&checker->changed);
	free(checker);
}
