/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * settings - the files of the command line, read at the start and again on SIGHUP: the policy (--expect), and TLS and users of
 * the metrics service (--web-config). If one file is wrong, nothing of the new files is used.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "http/guard.h"
#include "handshake/policy.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct options;
struct settings;

/* Whether the options name a file. */
bool settings_are_named(const struct options *options);

/*
 * Read the files; before threads and before privileges are given up. On the live host a child stays that can read the files
 * again. Returns 0, or -errno after a message on standard error.
 */
int settings_open(struct settings **settings, const struct options *options);
void settings_close(struct settings *settings);

/* The present values; NULL if absent. The policy lives until settings_poll() returns SETTINGS_NEW. */
const struct policy *settings_policy(const struct settings *settings);
struct http_guard *settings_guard(const struct settings *settings);

/* How the last reading went. */
struct settings_state {
	bool named;     /* there are files to read; otherwise the other fields are meaningless */
	bool refused;   /* the last reload failed */
	uint64_t since; /* seconds of CLOCK_REALTIME: when the present values were read */
	bool has_policy;
	uint32_t lines[POLICY_EXPECTATIONS]; /* of the policy, by their expectation */
};

struct settings_state settings_state(const struct settings *settings);

/*
 * Begin to read the files again. Returns 0; -ENOENT without files; or another -errno after a message: the process that
 * reads the files has ended.
 */
int settings_reload(struct settings *settings);

enum settings_change {
	SETTINGS_SAME,    /* nothing has been read */
	SETTINGS_NEW,     /* new values exist; the old values must not be used after the next call */
	SETTINGS_REFUSED, /* after a message: the old values stay */
};

/* Use the files that were read since the last call. Never waits. */
enum settings_change settings_poll(struct settings *settings);

/* Print what the files contain: --check. settings is NULL where no files are named. */
void settings_print(const struct settings *settings, FILE *out);

#endif /* SETTINGS_H */
