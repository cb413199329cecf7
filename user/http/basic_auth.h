/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * basic_auth - whether a user's password is right (RFC 7617), against hashes of bcrypt.
 *
 * bcrypt is slow on purpose, and whoever can connect can ask for it. So the hashes are computed by a thread of their own, one
 * at a time and in the order asked; a password that was right once is known again by a keyed hash, at once. Who scrapes every
 * few seconds waits once, whatever others try. A user that there is not costs what one costs that there is.
 */
#ifndef HTTP_BASIC_AUTH_H
#define HTTP_BASIC_AUTH_H

#include "http/web_config.h"

#include <stdbool.h>
#include <stdint.h>

enum basic_auth_bounds {
	BASIC_AUTH_PASSWORD_MAX = 256, /* bytes; bcrypt looks at 72 */
	BASIC_AUTH_WAITING_MAX = 8,    /* passwords: each holds a connection until it is checked */
};

/* The users. Any thread may use them; they do not change. */
struct basic_auth_users;

/* NULL where there is no memory, or no randomness. */
struct basic_auth_users *basic_auth_users_new(const struct web_user *user, uint32_t count);
void basic_auth_users_free(struct basic_auth_users *users);

/* Whether this was right before. Quick. */
bool basic_auth_is_known(struct basic_auth_users *users, const char *name, const char *password);

/* Whether this is right. Takes as long as bcrypt does. */
bool basic_auth_check(struct basic_auth_users *users, const char *name, const char *password);

/* A password to be checked, by the thread that has the time for it. */
struct basic_auth_job {
	struct basic_auth_job *next;
	struct basic_auth_users *users;
	char *name;
	char *password;
	bool right; /* what came out */
	/* called in that thread when it is done; also where the checker is stopped before: then nothing is right */
	void (*done)(struct basic_auth_job *job);
};

struct basic_auth_checker;

/* Start the thread. NULL after a message on standard error. */
struct basic_auth_checker *basic_auth_checker_start(void);

/* Whether there are fewer jobs waiting than BASIC_AUTH_WAITING_MAX. Holds until the caller adds one, if nobody else does. */
bool basic_auth_checker_has_room(struct basic_auth_checker *checker);

/* Put a job behind the others. It is the checker's until done() is called. */
void basic_auth_checker_add(struct basic_auth_checker *checker, struct basic_auth_job *job);

/* Stop the thread once it is done with the job at hand, and refuse the others. */
void basic_auth_checker_stop(struct basic_auth_checker *checker);

#endif /* HTTP_BASIC_AUTH_H */
