/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ask - the commands services, clients, certificates, failures, changes and handshakes: a question to a store, answered on
 * standard output.
 */
#ifndef STORE_ASK_H
#define STORE_ASK_H

#include "store/answer.h"
#include "store/database.h"
#include "store/question.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct ask_options {
	enum question question;
	enum answer_format format;
	bool ladder; /* of handshakes: each as curl -v shows it */
	struct question_scope scope;
	size_t columns; /* of the terminal; 0: no limit */
};

/* Ask the store at path. Returns 0, or -errno after a message. */
int ask_file(const char *path, const struct ask_options *options, FILE *out);

/* The same of an open database. */
int ask_database(sqlite3 *database, const struct ask_options *options, FILE *out);

/*
 * A point in time as people type it: "2026-11-30", "2026-11-30T12:00", "2026-11-30T12:00:00Z" (all in UTC), "now",
 * seconds since the epoch, or a span such as "14d" before now (after now if ahead). Returns 0, or -EINVAL.
 */
int ask_time(const char *text, int64_t now, bool ahead, int64_t *seconds);

/* A span of time such as "90d", "12h", "30m", "45s", "2w" in seconds. Returns 0, or -EINVAL. */
int ask_span(const char *text, int64_t *seconds);

#endif /* STORE_ASK_H */
