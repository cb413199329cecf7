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

#include "system/threads.h"

enum {
	KEY_LENGTH = 32,
	DIGEST_LENGTH = 32, /* HMAC-SHA256 */
	NICE = 10,          /* who guesses passwords must not take the time from the rest of the host */
};

/* A user, and the keyed hash of the password that was found right. */
struct user {
	struct web_user user;
	bool known;
	uint8_t digest[DIGEST_LENGTH];
};

struct basic_auth_users {
	uint8_t key[KEY_LENGTH];
	pthread_mutex_t lock; /* of what is known */
	uint32_t count;
	struct user user[WEB_USERS_MAX];
};

/* What is hashed: both texts whole, with zeroes behind their ends, so that no two pairs make the same bytes. */
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

static bool make_pair(struct pair *pair, const char *name, const char *password)
{
	*pair = (struct pair){};
	if (strlen(name) > WEB_USER_MAX || strlen(password) > BASIC_AUTH_PASSWORD_MAX)
		return false;
	strcpy(pair->name, name);
	strcpy(pair->password, password);
	return true;
}

/* The user of that name; NULL where there is none. All are compared, whole: the time does not tell which one it is. */
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
	/* what went wrong comes as a text that is no hash, and has not its length */
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
	/* a name that there is not is compared all the same, with a hash that it cannot match */
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

struct basic_auth_checker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock: */
	bool ended;
	struct basic_auth_job *first;
	struct basic_auth_job *last;
	uint32_t waiting;
};

/* The next job; NULL: there will be none. */
static struct basic_auth_job *take_job(struct basic_auth_checker *checker, bool *ended)
{
	struct basic_auth_job *job;

	pthread_mutex_lock(&checker->lock);
	while (!checker->first && !checker->ended)
		pthread_cond_wait(&checker->changed, &checker->lock);
	*ended = checker->ended;
	job = checker->first;
	if (job) {
		checker->first = job->next;
		checker->waiting--;
	}
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
		job->done(job);
	}
	return NULL;
}

struct basic_auth_checker *basic_auth_checker_start(void)
{
	struct basic_auth_checker *checker = calloc(1, sizeof(*checker));

	if (!checker)
		return NULL;
	pthread_mutex_init(&checker->lock, NULL);
	pthread_cond_init(&checker->changed, NULL);
	if (!threads_start(&checker->thread, "checks passwords", check_passwords, checker))
		return checker;
	free(checker);
	return NULL;
}

bool basic_auth_checker_has_room(struct basic_auth_checker *checker)
{
	bool has_room;

	pthread_mutex_lock(&checker->lock);
	has_room = checker->waiting < BASIC_AUTH_WAITING_MAX;
	pthread_mutex_unlock(&checker->lock);
	return has_room;
}

void basic_auth_checker_add(struct basic_auth_checker *checker, struct basic_auth_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&checker->lock);
	if (checker->first)
		checker->last->next = job;
	else
		checker->first = job;
	checker->last = job;
	checker->waiting++;
	pthread_cond_signal(&checker->changed);
	pthread_mutex_unlock(&checker->lock);
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
