// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/user_quota.h"

/* The row of a user: its own, a free row, or the last row, which all others share. */
static struct user_quota_row *row_of(struct user_quota *quota, uint32_t user)
{
	uint32_t place = (user * 0x9e3779b1u >> 16) % USER_QUOTA_USERS;

	for (uint32_t step = 0; step < USER_QUOTA_USERS; step++) {
		struct user_quota_row *row = &quota->row[(place + step) % USER_QUOTA_USERS];

		if (row->used && row->user != user)
			continue;
		row->used = true;
		row->user = user;
		return row;
	}
	return &quota->row[USER_QUOTA_USERS];
}

void user_quota_begin(struct user_quota *quota, uint64_t now_ms)
{
	for (uint32_t index = 0; index <= USER_QUOTA_USERS; index++) {
		struct user_quota_row *row = &quota->row[index];

		row->skipped = false;
		if (row->due_ms > now_ms)
			continue;
		row->taken_us = 0;
		row->from = row->cut_at;
		row->cut_at = 0;
	}
}

bool user_quota_allows(struct user_quota *quota, uint32_t user, uint32_t process, uint64_t now_ms)
{
	struct user_quota_row *row = row_of(quota, user);

	if (!row->cut_at && row->taken_us > USER_QUOTA_ROUND_MS * 1000)
		row->cut_at = process;
	if (row->due_ms <= now_ms && process >= row->from && !row->cut_at)
		return true;
	row->skipped = true;
	quota->skipped++;
	return false;
}

bool user_quota_is_due(struct user_quota *quota, uint32_t user, uint64_t now_ms)
{
	return row_of(quota, user)->due_ms <= now_ms;
}

void user_quota_charge(struct user_quota *quota, uint32_t user, uint64_t took_us)
{
	struct user_quota_row *row = row_of(quota, user);
	uint32_t room = UINT32_MAX - row->taken_us;

	row->taken_us += took_us < room ? took_us : room;
}

void user_quota_end(struct user_quota *quota, uint64_t now_ms)
{
	for (uint32_t index = 0; index <= USER_QUOTA_USERS; index++) {
		struct user_quota_row *row = &quota->row[index];
		uint64_t pause_ms = (uint64_t)row->taken_us * USER_QUOTA_SHARE / 1000;

		if (row->due_ms <= now_ms && pause_ms > USER_QUOTA_PAUSE_MS)
			row->due_ms = now_ms + pause_ms;
	}
}

bool user_quota_skipped(struct user_quota *quota, uint32_t user)
{
	return row_of(quota, user)->skipped;
}

uint64_t user_quota_delay(const struct user_quota *quota, uint64_t now_ms)
{
	uint64_t delay = 0;

	for (uint32_t index = 0; index <= USER_QUOTA_USERS; index++)
		if (quota->row[index].due_ms > now_ms + delay)
			delay = quota->row[index].due_ms - now_ms;
	return delay;
}
