/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* question - the six questions to a store. The command line, the page and top ask through this interface. */
#ifndef STORE_QUESTION_H
#define STORE_QUESTION_H

#include "store/answer.h"
#include "store/database.h"

#include <stdint.h>

struct filter;

enum question {
	QUESTION_SERVICES,     /* each TLS service and the results of the service's handshakes */
	QUESTION_CLIENTS,      /* the clients of each service, with certificates */
	QUESTION_CERTIFICATES, /* all seen certificates, soonest to expire first */
	QUESTION_FAILURES,     /* by service, client and reason */
	QUESTION_CHANGES,      /* new, gone and different facts */
	QUESTION_HANDSHAKES,   /* the last handshakes in full */
	QUESTIONS,
};

/* The limits of a question. */
struct question_scope {
	const struct filter *filter; /* NULL: all */
	int64_t since;               /* seconds since the epoch: earlier cells are left out; 0: from the beginning */
	int64_t until;               /* later cells are left out; 0: to the end */
	int64_t expiring;            /* only certificates expiring before the time; 0: all */
	int64_t now;                 /* seconds since the epoch */
	uint32_t limit;              /* rows; 0: ANSWER_ROWS_MAX */
};

/* "services"; NULL for a number that is no question. */
const char *question_name(enum question question);

/* QUESTIONS if the word is no question. */
enum question question_of_name(const char *name);

/*
 * Ask. Returns 0 and an answer, which the caller frees; or -errno after a message. A cell counts an hour, or a day
 * after folding: the cell counts whole if any of its records is in the scope's time.
 */
int question_ask(sqlite3 *database, enum question question, const struct question_scope *scope,
                 struct store_answer **answer);

#endif /* STORE_QUESTION_H */
