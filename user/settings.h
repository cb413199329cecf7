/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * settings - what is read from files, at the start and again on SIGHUP: the policy (--expect), and TLS and users of the
 * metrics service (--web-config). All of it is taken over, or nothing.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "http/guard.h"
#include "handshake/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct options;
struct settings;

/* Whether the options name a file. */
bool settings_are_named(const struct options *options);

/*
 * Read the files; before threads and before privileges are given up. On the live host a child is left that can read them
 * again. Returns 0, or -errno after a message on standard error.
 */
int settings_open(struct settings **settings, const struct options *options);
void settings_close(struct settings *settings);

/* As they are now; NULL where there is none. The policy lives until settings_poll() returns SETTINGS_NEW. */
const struct policy *settings_policy(const struct settings *settings);
struct http_guard *settings_guard(const struct settings *settings);

/* How the last reading went. */
struct settings_state {
	bool named;     /* there are files to read; else the rest says nothing */
	bool refused;   /* the last time they were read again */
	uint64_t since; /* seconds of CLOCK_REALTIME: when what counts now was taken over */
	bool has_policy;
	uint32_t lines[POLICY_EXPECTATIONS]; /* of the policy, by what they expect */
};

struct settings_state settings_state(const struct settings *settings);

/* Begin to read the files again. Returns 0; or -errno where there are none or, after a
 * message, nobody is left who can read them. */
int settings_reload(struct settings *settings);

enum settings_change {
	SETTINGS_SAME,    /* nothing has been read */
	SETTINGS_NEW,     /* they are others now; whoever uses the old ones has to be told before the next call */
	SETTINGS_REFUSED, /* after a message: they stay what they were */
};

/* Take over what was read since. Never waits. */
enum settings_change settings_poll(struct settings *settings);

#endif /* SETTINGS_H */
