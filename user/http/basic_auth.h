/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * basic_auth - whether a user's password is right (RFC 7617), against hashes of bcrypt.
 *
 * bcrypt is slow on purpose, and every client can ask for it. So a thread of its own computes the hashes, one at a time. A
 * correct password is recognised later by a keyed hash, without bcrypt, and also after a reload that leaves the user's hash
 * unchanged. So a client with a correct password waits once.
 *
 * Guessers must not lock out an unknown client: addresses with fewer wrong passwords come first, and if too many
 * passwords wait, a password from the address with the most wrong passwords is turned away. Guessers at the client's own
 * address share the queue with the client, in the order of arrival.
 *
 * An unknown user costs as much time as a known user.
 */
#ifndef HTTP_BASIC_AUTH_H
#define HTTP_BASIC_AUTH_H

#include "http/web_config.h"

#include <stdbool.h>
#include <stdint.h>

enum basic_auth_bounds {
	BASIC_AUTH_PASSWORD_MAX = 256, /* bytes; bcrypt looks at 72 */
	BASIC_AUTH_WAITING_MAX = 32,   /* passwords: each holds a connection until it is checked */
	BASIC_AUTH_SOURCES_MAX = 64,   /* addresses whose wrong passwords are counted */
	BASIC_AUTH_SOURCE = 16,        /* bytes of an address */
};

/* The users. Any thread may use them; they do not change. */
struct basic_auth_users;

/* Returns NULL without memory or randomness. */
struct basic_auth_users *basic_auth_users_new(const struct web_user *user, uint32_t count);
void basic_auth_users_free(struct basic_auth_users *users);

/* Copy the known passwords of users with the same name and hash. No other thread may use users yet. */
void basic_auth_users_keep_known(struct basic_auth_users *users, struct basic_auth_users *before);

/* Whether the password was correct before. Quick. */
bool basic_auth_is_known(struct basic_auth_users *users, const char *name, const char *password);

/* Whether the password is correct. Takes as long as bcrypt. */
bool basic_auth_check(struct basic_auth_users *users, const char *name, const char *password);

/* A password for the checker thread. */
struct basic_auth_job {
	struct basic_auth_job *next;
	struct basic_auth_users *users;
	char *name;
	char *password;
	uint8_t source[BASIC_AUTH_SOURCE]; /* the client's address, of IPv6 the first 8 bytes (a /64) */
	bool right;                        /* the result */
	bool turned_away;                  /* the password was not checked: too many wait */
	/*
	 * Called when the job is done: in the checker thread, or in the thread that adds another job. If the checker is
	 * stopped before, nothing is right.
	 */
	void (*done)(struct basic_auth_job *job);
};

struct basic_auth_checker;

/* Start the thread. NULL after a message on standard error. */
struct basic_auth_checker *basic_auth_checker_start(void);

/*
 * Add a job, which is the checker's until done() is called. Where BASIC_AUTH_WAITING_MAX wait, a waiting job of an address with
 * more wrong passwords is turned away. Without such a job, returns false, and the job stays the caller's.
 */
bool basic_auth_checker_add(struct basic_auth_checker *checker, struct basic_auth_job *job);

/* Stop the thread once it is done with the job at hand, and refuse the others. */
void basic_auth_checker_stop(struct basic_auth_checker *checker);

#endif /* HTTP_BASIC_AUTH_H */
