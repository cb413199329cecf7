/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * matches - the condition of an expression in SQL: a function that builds the record of a handshake from a row's
 * columns and asks the filter. So an expression means the same for a store and for live handshakes.
 */
#ifndef STORE_MATCHES_H
#define STORE_MATCHES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct filter;

struct matches {
	const struct filter *filter;
	int64_t now; /* seconds since the epoch */
};

/* In a query whose tables are s (service), k (client), z (certificate) and o (outcome); each but s may be NULL in a row. */
#define MATCHES_CONDITION                                                                                              \
	"matches(s.address, s.port, s.transport, s.name, s.process, s.user, s.unit, s.container, s.namespace, s.pod,"  \
	" k.address, k.process, k.unit, k.container, k.namespace, k.pod, z.subject, z.issuer, z.serial, z.names,"      \
	" z.not_after, o.role, o.verdict, o.reason, o.evidence, o.version, o.requested, o.answer, o.resumed,"          \
	" o.trusted, o.failure, o.failed_by, o.policy)"

/* Make the function known to the database; matches must outlive the queries. Returns 0 or -errno. */
int matches_register(sqlite3 *database, struct matches *matches);

/*
 * The first field of the expression that a store does not keep, such as "client.port": an answer would be wrong. NULL:
 * the store can answer.
 */
const char *matches_field_missing(const struct filter *filter);

#endif /* STORE_MATCHES_H */
