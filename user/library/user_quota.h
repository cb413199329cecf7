/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * user_quota - the share of the finder's time for the processes of each user, and the time of their next examination.
 * Users pay for their own processes: many mappings of one user delay no examination of another user's processes. Pure.
 */
#ifndef LIBRARY_USER_QUOTA_H
#define LIBRARY_USER_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

enum user_quota_bounds {
	USER_QUOTA_USERS = 1024,    /* users with a row of their own; all others share a row */
	USER_QUOTA_SHARE = 100,     /* one part of this many of the passing time may go to a user's processes */
	USER_QUOTA_ROUND_MS = 300,  /* a user's maximum in a look at all processes; the next look continues there */
	USER_QUOTA_PAUSE_MS = 5000, /* shorter pauses are not made: looks at all processes are no closer together */
};

struct user_quota_row {
	uint32_t user;
	bool used;
	bool skipped;      /* a process of the user was left out of this look at all processes */
	uint32_t cut_at;   /* the process at which the user's time was over; 0: the time sufficed */
	uint32_t from;     /* the process at which this look continues */
	uint32_t taken_us; /* since the user's latest look began */
	uint64_t due_ms;   /* when the user's processes are looked at again */
};

/* All zeroes is an empty table. */
struct user_quota {
	uint64_t skipped; /* processes left out of a look; only grows */
	struct user_quota_row row[USER_QUOTA_USERS + 1];
};

/* A look at all processes begins: users after a pause have time again. */
void user_quota_begin(struct user_quota *quota, uint64_t now_ms);

/*
 * Whether a look at all processes, in the order of their numbers, includes this process of this user. Otherwise counts
 * the process.
 */
bool user_quota_allows(struct user_quota *quota, uint32_t user, uint32_t process, uint64_t now_ms);

/* Whether the user is not in a pause. For looks at single processes. */
bool user_quota_is_due(struct user_quota *quota, uint32_t user, uint64_t now_ms);

/* A look at a process of this user took so long. */
void user_quota_charge(struct user_quota *quota, uint32_t user, uint64_t took_us);

/* A look at all processes is over. Users above their share pause. */
void user_quota_end(struct user_quota *quota, uint64_t now_ms);

/* Whether the latest look at all processes left out a process of this user. */
bool user_quota_skipped(struct user_quota *quota, uint32_t user);

/* How long the user that waits longest still has to wait, in milliseconds. 0: nobody waits. */
uint64_t user_quota_delay(const struct user_quota *quota, uint64_t now_ms);

#endif /* LIBRARY_USER_QUOTA_H */
