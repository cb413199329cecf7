// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/tidy.h"

#include <stdbool.h>

enum {
	STEPS_MAX = 64,      /* of one call: the writer has records to take */
	HANDSHAKES_PART = 4, /* this part of the handshakes goes at once where the file is too large */
};

/* Run a statement with up to two numbers. *changed: how many rows it changed. */
static int run(sqlite3 *database, const char *query, int64_t one, int64_t two, uint64_t *changed)
{
	sqlite3_stmt *statement = NULL;
	int error = store_database_error(sqlite3_prepare_v2(database, query, -1, &statement, NULL));

	if (!error) {
		sqlite3_bind_int64(statement, 1, one);
		if (sqlite3_bind_parameter_count(statement) > 1)
			sqlite3_bind_int64(statement, 2, two);
		error = store_database_error(sqlite3_step(statement));
	}
	if (changed)
		*changed += sqlite3_changes(database);
	sqlite3_finalize(statement);
	return error;
}

int64_t tidy_bytes(sqlite3 *database)
{
	int64_t pages = store_database_number(database, "PRAGMA page_count", 0);
	int64_t unused = store_database_number(database, "PRAGMA freelist_count", 0);

	return (pages - unused) * store_database_number(database, "PRAGMA page_size", 0);
}

static int delete_old(sqlite3 *database, int64_t before, uint64_t *counters)
{
	int error =
		run(database, "DELETE FROM cell WHERE begin < ?1 - 86400", before, 0, &counters[STORE_CELLS_DELETED]);

	if (!error)
		error = run(database, "DELETE FROM failure WHERE time < ?1", before, 0, NULL);
	if (!error)
		error = run(database, "DELETE FROM change WHERE time < ?1", before, 0, NULL);
	if (!error)
		error = run(database, "DELETE FROM handshake WHERE time_us < ?1 * 1000000", before, 0,
		            &counters[STORE_HANDSHAKES_DELETED]);
	if (!error)
		error = run(database, "DELETE FROM client WHERE last < ?1 AND id NOT IN (SELECT client FROM cell)",
		            before, 0, NULL);
	if (!error)
		error = run(database,
		            "DELETE FROM certificate WHERE last < ?1 AND id NOT IN (SELECT certificate FROM cell)"
		            " AND id NOT IN (SELECT certificate FROM service)",
		            before, 0, NULL);
	if (!error)
		error = run(database, "DELETE FROM service WHERE last < ?1 AND id NOT IN (SELECT service FROM cell)",
		            before, 0, NULL);
	return error;
}

/* Keep the newest rows of a table whose ids are counted up. */
static int delete_beyond(sqlite3 *database, const char *query, uint32_t kept, uint64_t *counter)
{
	return run(database, query, kept, 0, counter);
}

/* The cells of the oldest day that has any of hours become cells of the day. */
static int fold_hours(sqlite3 *database, int64_t day, uint64_t *counters)
{
	int error = run(database,
	                "CREATE TEMP TABLE folded AS SELECT ?1 AS begin, service, client, certificate, outcome,"
	                " sum(count) AS count, min(first) AS first, max(last) AS last FROM cell"
	                " WHERE begin >= ?1 AND begin < ?2 GROUP BY service, client, certificate, outcome",
	                day, day + STORE_DAY, NULL);

	if (!error)
		error = run(database, "DELETE FROM cell WHERE begin >= ?1 AND begin < ?2", day, day + STORE_DAY,
		            &counters[STORE_CELLS_FOLDED]);
	if (!error)
		error = store_database_run(
			database, "INSERT INTO cell(begin, service, client, certificate, outcome, count, first,"
				  " last, span) SELECT begin, service, client, certificate, outcome, count, first,"
				  " last, 86400 FROM folded; DROP TABLE folded");
	return error;
}

/* The clients and certificates of a day become none. */
static int fold_clients(sqlite3 *database, int64_t day, uint64_t *counters)
{
	int error = run(database,
	                "CREATE TEMP TABLE folded AS SELECT ?1 AS begin, service, outcome, sum(count) AS count,"
	                " min(first) AS first, max(last) AS last FROM cell WHERE begin = ?1 GROUP BY service, outcome",
	                day, 0, NULL);

	if (!error)
		error = run(database, "DELETE FROM cell WHERE begin = ?1", day, 0, &counters[STORE_CELLS_FOLDED]);
	if (!error)
		error = store_database_run(
			database, "INSERT INTO cell(begin, service, client, certificate, outcome, count, first,"
				  " last, span) SELECT begin, service, 0, 0, outcome, count, first, last, 86400"
				  " FROM folded; DROP TABLE folded");
	return error;
}

/* One step towards fewer bytes. *done: nothing is left to fold. */
static int shrink(sqlite3 *database, int64_t today, uint64_t *counters, bool *done)
{
	int64_t handshakes = store_database_number(database, "SELECT count(*) FROM handshake", 0);
	int64_t hours = store_database_number(database, "SELECT min(begin) FROM cell WHERE span < 86400", 0);
	int64_t clients = store_database_number(
		database, "SELECT min(begin) FROM cell WHERE span = 86400 AND (client != 0 OR certificate != 0)", 0);
	int64_t oldest = store_database_number(database, "SELECT min(begin) FROM cell", 0);

	if (handshakes)
		return run(database,
		           "DELETE FROM handshake WHERE id IN (SELECT id FROM handshake ORDER BY id LIMIT ?1)",
		           handshakes / HANDSHAKES_PART + 1, 0, &counters[STORE_HANDSHAKES_DELETED]);
	if (hours && hours - hours % STORE_DAY < today)
		return fold_hours(database, hours - hours % STORE_DAY, counters);
	if (clients)
		return fold_clients(database, clients, counters);
	if (oldest && oldest < today)
		return run(database, "DELETE FROM cell WHERE begin < ?1", oldest + STORE_DAY, 0,
		           &counters[STORE_CELLS_DELETED]);
	/* today alone is too much: its clients go */
	if (hours)
		return fold_hours(database, today, counters);
	*done = true;
	return 0;
}

int tidy(sqlite3 *database, const struct store_limits *limits, int64_t now, bool by_age,
         uint64_t counters[STORE_COUNTERS])
{
	int64_t today = now - now % STORE_DAY;
	bool done = false;
	int error = store_database_run(database, "BEGIN IMMEDIATE");

	if (error)
		return error;
	if (by_age)
		error = delete_old(database, now - limits->keep_seconds, counters);
	if (!error)
		error = delete_beyond(database,
		                      "DELETE FROM handshake WHERE id <= (SELECT max(id) FROM handshake) - ?1",
		                      limits->handshakes, &counters[STORE_HANDSHAKES_DELETED]);
	if (!error)
		error = delete_beyond(database, "DELETE FROM change WHERE id <= (SELECT max(id) FROM change) - ?1",
		                      limits->changes, NULL);
	for (int step = 0; step < STEPS_MAX && !error && !done && tidy_bytes(database) > (int64_t)limits->bytes; step++)
		error = shrink(database, today, counters, &done);
	if (error) {
		store_database_run(database, "ROLLBACK");
		return error;
	}
	error = store_database_run(database, "COMMIT");
	if (!error)
		error = store_database_run(database, "PRAGMA incremental_vacuum(4096)");
	return error;
}
