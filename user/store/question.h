/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* question - the six questions that a store answers. The command line, the page and top ask through this interface. */
#ifndef STORE_QUESTION_H
#define STORE_QUESTION_H

#include "store/answer.h"
#include "store/database.h"

#include <stdint.h>

struct filter;

enum question {
	QUESTION_SERVICES,     /* each TLS service and the results of its handshakes */
	QUESTION_CLIENTS,      /* the clients of each service, with their certificates */
	QUESTION_CERTIFICATES, /* all that were seen, soonest to expire first */
	QUESTION_FAILURES,     /* by service, client and reason */
	QUESTION_CHANGES,      /* what is new, gone or different */
	QUESTION_HANDSHAKES,   /* the last ones in full */
	QUESTIONS,
};

/* What a question is limited to. */
struct question_scope {
	const struct filter *filter; /* NULL: all */
	int64_t since;    /* seconds since the epoch: cells that end before are left out; 0: from the beginning */
	int64_t until;    /* cells that begin later are left out; 0: to the end */
	int64_t expiring; /* certificates that end before this time; 0: all */
	int64_t now;      /* seconds since the epoch */
	uint32_t limit;   /* rows; 0: ANSWER_ROWS_MAX */
};

/* "services"; NULL for a number that is no question. */
const char *question_name(enum question question);

/* QUESTIONS where the word is none. */
enum question question_of_name(const char *name);

/*
 * Ask. Returns 0 and an answer, which the caller frees; or -errno after a message. A cell counts an hour, or a day
 * after folding: the cell counts whole if any of its records is in the scope's time.
 */
int question_ask(sqlite3 *database, enum question question, const struct question_scope *scope,
                 struct store_answer **answer);

#endif /* STORE_QUESTION_H */
