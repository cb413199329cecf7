// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "store/rows.h"
#include "store/tidy.h"
#include "system/log.h"

static const int64_t US_PER_SECOND = 1000000;

enum {
	REMEMBERED = 8192,     /* records that a later record may replace */
	WAITING_MAX = 1 << 18, /* cells in memory while the file cannot be written; further cells are dropped */
	DETAILS_MAX = 512,     /* handshakes in full between two writes */
	EVENT_MAX = 33,
};

static const struct store_limits defaults = {
	.services = 10000,
	.names = 64,
	.clients = 100000,
	.certificates = 100000,
	.handshakes = 20000,
	.changes = 20000,
	.bytes = 512ULL << 20,
	.keep_seconds = 90 * STORE_DAY,
};

static const char *const counter_names[STORE_COUNTERS] = {
	[STORE_RECORDS] = "records",
	[STORE_CORRECTED] = "corrected",
	[STORE_CORRECTIONS_LATE] = "corrections_late",
	[STORE_CLIENTS_FOLDED] = "clients_folded",
	[STORE_NAMES_FOLDED] = "names_folded",
	[STORE_CERTIFICATES_FOLDED] = "certificates_folded",
	[STORE_CELLS_FOLDED] = "cells_folded",
	[STORE_CELLS_DELETED] = "cells_deleted",
	[STORE_HANDSHAKES_DELETED] = "handshakes_deleted",
	[STORE_LOST] = "lost",
};

/* The cell of a record: the columns of the primary key. No padding: the key is hashed as bytes. */
struct cell_key {
	int64_t begin;
	int64_t service;
	int64_t client;
	int64_t certificate;
	int64_t outcome;
};

struct cell {
	UT_hash_handle hh;
	struct cell_key key;
	int64_t count; /* below 0: records of an earlier write are taken back */
	int64_t first;
	int64_t last;
};

struct failure_key {
	int64_t service;
	int64_t client;
	int64_t certificate;
	int64_t outcome;
};

struct failure_row {
	UT_hash_handle hh;
	struct failure_key key;
	int64_t time;
	char event[EVENT_MAX];
	char detail[256];
};

/* A handshake in full. */
struct detail {
	struct cell_key key;
	int64_t time_us;
	int64_t duration_us;
	int client_port;
	char event[EVENT_MAX];
	char *json;
	char *ladder;
};

struct remembered {
	char event[EVENT_MAX];
	struct cell_key key;
};

enum statement {
	ADD_CELL,
	ADD_FAILURE,
	ADD_HANDSHAKE,
	DELETE_HANDSHAKE,
	SET_META,
	STATEMENTS,
};

static const char *const queries[STATEMENTS] = {
	[ADD_CELL] = ("INSERT INTO cell(begin, service, client, certificate, outcome, count, first, last)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                      " ON CONFLICT(begin, service, client, certificate, outcome) DO UPDATE SET"
                      " count = count + ?6, first = min(first, ?7), last = max(last, ?8)"),
	[ADD_FAILURE] =
		("INSERT INTO failure(service, client, certificate, outcome, time, event, detail) VALUES(?1, ?2, ?3, "
                 "?4, ?5, ?6, ?7)"
                 " ON CONFLICT(service, client, certificate, outcome) DO UPDATE SET time = ?5, event = ?6, detail = ?7"
                 " WHERE time <= ?5"),
	[ADD_HANDSHAKE] = ("INSERT INTO handshake(event, time_us, service, client, certificate, outcome, client_port,"
                           " duration_us, json, ladder) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"),
	[DELETE_HANDSHAKE] = "DELETE FROM handshake WHERE event = ?1",
	[SET_META] = "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2",
};

struct ledger {
	sqlite3 *database;
	struct store_limits limits;
	struct rows *rows;
	sqlite3_stmt *statement[STATEMENTS];
	struct cell *cells;
	struct failure_row *failures;
	struct detail details[DETAILS_MAX]; /* a ring: the latest are kept */
	uint32_t details_count;
	struct remembered remembered[REMEMBERED];
	uint32_t next_remembered;
	uint64_t counters[STORE_COUNTERS];
	uint64_t waiting; /* records in cells */
	int64_t aged;     /* when the store was last looked through for what is too old */
	bool failing;     /* the file cannot be written, and that was reported */
	bool in_transaction;
};

static uint32_t limit_of(uint32_t limit, uint32_t fallback)
{
	return limit ? limit : fallback;
}

static struct store_limits limits_of(const struct store_limits *limits)
{
	return (struct store_limits){
		.services = limit_of(limits->services, defaults.services),
		.names = limit_of(limits->names, defaults.names),
		.clients = limit_of(limits->clients, defaults.clients),
		.certificates = limit_of(limits->certificates, defaults.certificates),
		.handshakes = limit_of(limits->handshakes, defaults.handshakes),
		.changes = limit_of(limits->changes, defaults.changes),
		.bytes = limits->bytes ? limits->bytes : defaults.bytes,
		.keep_seconds = limits->keep_seconds ? limits->keep_seconds : defaults.keep_seconds,
	};
}

const char *ledger_counter_name(enum store_counter counter)
{
	return counter_names[counter];
}

uint64_t ledger_counter(const struct ledger *ledger, enum store_counter counter)
{
	return ledger->counters[counter];
}

static void read_counters(struct ledger *ledger)
{
	char query[96];

	for (int counter = 0; counter < STORE_COUNTERS; counter++) {
		snprintf(query, sizeof(query), "SELECT value FROM meta WHERE name = '%s'", counter_names[counter]);
		ledger->counters[counter] = store_database_number(ledger->database, query, 0);
	}
}

int ledger_open(struct ledger **result, sqlite3 *database, const struct store_limits *limits)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		return -ENOMEM;
	ledger->database = database;
	ledger->limits = limits_of(limits);
	ledger->rows = rows_new(database, &ledger->limits, ledger->counters);
	for (int statement = 0; statement < STATEMENTS && ledger->rows; statement++)
		if (sqlite3_prepare_v3(database, queries[statement], -1, SQLITE_PREPARE_PERSISTENT,
		                       &ledger->statement[statement], NULL))
			break;
	if (!ledger->rows || !ledger->statement[STATEMENTS - 1]) {
		log_error("cannot use the store: %s", sqlite3_errmsg(database));
		ledger_close(ledger);
		return -EIO;
	}
	read_counters(ledger);
	*result = ledger;
	return 0;
}

static void release_detail(struct detail *detail)
{
	free(detail->json);
	free(detail->ladder);
	*detail = (struct detail){};
}

/* NOLINTNEXTLINE(readability-function-*): macros of uthash */
static void forget_waiting(struct ledger *ledger)
{
	struct failure_row *failure, *next_failure;
	struct cell *cell, *next;

	HASH_ITER(hh, ledger->cells, cell, next)
	{
		HASH_DEL(ledger->cells, cell);
		free(cell);
	}
	HASH_ITER(hh, ledger->failures, failure, next_failure)
	{
		HASH_DEL(ledger->failures, failure);
		free(failure);
	}
	for (int index = 0; index < DETAILS_MAX; index++)
		release_detail(&ledger->details[index]);
	ledger->details_count = 0;
	ledger->waiting = 0;
}

void ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	forget_waiting(ledger);
	rows_free(ledger->rows);
	for (int statement = 0; statement < STATEMENTS; statement++)
		sqlite3_finalize(ledger->statement[statement]);
	free(ledger);
}

/* The cell of a key, created if absent; NULL without memory. */
/* NOLINTNEXTLINE(readability-function-*): macros of uthash */
static struct cell *cell_of(struct ledger *ledger, const struct cell_key *key, int64_t time)
{
	struct cell *cell;

	HASH_FIND(hh, ledger->cells, key, sizeof(*key), cell);
	if (cell)
		return cell;
	cell = calloc(1, sizeof(*cell));
	if (!cell)
		return NULL;
	cell->key = *key;
	cell->first = cell->last = time;
	HASH_ADD(hh, ledger->cells, key, sizeof(cell->key), cell);
	return cell;
}

/* Rows are made as records come: the transaction begins with the first. */
static int begin(struct ledger *ledger)
{
	int error;

	if (ledger->in_transaction)
		return 0;
	error = store_database_run(ledger->database, "BEGIN IMMEDIATE");
	ledger->in_transaction = !error;
	return error;
}

static int key_of(struct ledger *ledger, const struct store_record *record, struct cell_key *key)
{
	int64_t time = record->time_us / US_PER_SECOND;
	int64_t server_certificate = rows_server_certificate(ledger->rows, record);

	if (server_certificate < 0)
		return server_certificate;
	*key = (struct cell_key){.begin = time - time % STORE_HOUR,
	                         .service = rows_service(ledger->rows, record, server_certificate),
	                         .client = rows_client(ledger->rows, record),
	                         .certificate = rows_client_certificate(ledger->rows, record),
	                         .outcome = rows_outcome(ledger->rows, record)};
	if (key->service < 0 || key->client < 0 || key->certificate < 0 || key->outcome < 0)
		return -EIO;
	return 0;
}

/* Take back the record that this record replaces. */
static void take_back(struct ledger *ledger, const struct store_record *record, int64_t time)
{
	const char *event = record->text[STORE_TEXT_CORRECTS];

	for (int index = 0; *event && index < REMEMBERED; index++) {
		struct remembered *remembered = &ledger->remembered[index];
		struct cell *cell;

		if (strcmp(remembered->event, event))
			continue;
		cell = cell_of(ledger, &remembered->key, time);
		if (cell)
			cell->count--;
		remembered->event[0] = '\0';
		ledger->counters[STORE_CORRECTED]++;
		sqlite3_bind_text(ledger->statement[DELETE_HANDSHAKE], 1, event, -1, SQLITE_STATIC);
		sqlite3_step(ledger->statement[DELETE_HANDSHAKE]);
		sqlite3_reset(ledger->statement[DELETE_HANDSHAKE]);
		return;
	}
	ledger->counters[STORE_CORRECTIONS_LATE] += *event != '\0';
}

static void remember(struct ledger *ledger, const struct store_record *record, const struct cell_key *key)
{
	struct remembered *remembered = &ledger->remembered[ledger->next_remembered++ % REMEMBERED];

	snprintf(remembered->event, sizeof(remembered->event), "%s", record->text[STORE_TEXT_EVENT]);
	remembered->key = *key;
}

/* NOLINTNEXTLINE(readability-function-*): macros of uthash */
static int take_failure(struct ledger *ledger, const struct store_record *record, const struct cell_key *cell)
{
	const struct failure_key key = {cell->service, cell->client, cell->certificate, cell->outcome};
	struct failure_row *failure;

	HASH_FIND(hh, ledger->failures, &key, sizeof(key), failure);
	if (!failure) {
		failure = calloc(1, sizeof(*failure));
		if (!failure)
			return -ENOMEM;
		failure->key = key;
		HASH_ADD(hh, ledger->failures, key, sizeof(failure->key), failure);
	}
	failure->time = record->time_us / US_PER_SECOND;
	snprintf(failure->event, sizeof(failure->event), "%s", record->text[STORE_TEXT_EVENT]);
	snprintf(failure->detail, sizeof(failure->detail), "%s", record->text[STORE_TEXT_FAILURE_DETAIL]);
	return 0;
}

static void take_detail(struct ledger *ledger, const struct store_record *record, const struct cell_key *key)
{
	struct detail *detail = &ledger->details[ledger->details_count++ % DETAILS_MAX];

	release_detail(detail);
	*detail = (struct detail){.key = *key,
	                          .time_us = record->time_us,
	                          .duration_us = record->duration_us,
	                          .client_port = record->client_port,
	                          .json = strdup(record->text[STORE_TEXT_JSON]),
	                          .ladder = strdup(record->text[STORE_TEXT_LADDER])};
	snprintf(detail->event, sizeof(detail->event), "%s", record->text[STORE_TEXT_EVENT]);
	if (!detail->json || !detail->ladder)
		release_detail(detail);
}

static const char *error_text(int error)
{
	switch (error) {
	case -ENOSPC:
		return "the disk is full";
	case -EUCLEAN:
		return "the file is damaged: move it away and start again";
	default:
		return strerror(-error);
	}
}

/* Nothing in memory fits the file any more: ids of rows that were made are gone with the transaction. */
static void give_up(struct ledger *ledger, int error)
{
	store_database_run(ledger->database, "ROLLBACK");
	ledger->in_transaction = false;
	ledger->counters[STORE_LOST] += ledger->waiting;
	if (!ledger->failing)
		log_error("cannot write the store: %s; records are lost until it can be written again",
		          error_text(error));
	ledger->failing = true;
	rows_forget(ledger->rows);
	forget_waiting(ledger);
	memset(ledger->remembered, 0, sizeof(ledger->remembered));
}

int ledger_take(struct ledger *ledger, const struct store_record *record)
{
	int64_t time = record->time_us / US_PER_SECOND;
	struct cell_key key;
	struct cell *cell;
	int error;

	error = begin(ledger);
	if (!error)
		error = key_of(ledger, record, &key);
	if (error) {
		ledger->waiting++;
		give_up(ledger, error);
		return error;
	}
	take_back(ledger, record, time);
	cell = cell_of(ledger, &key, time);
	if (!cell)
		return -ENOMEM;
	cell->count++;
	cell->first = time < cell->first ? time : cell->first;
	cell->last = time > cell->last ? time : cell->last;
	ledger->waiting++;
	ledger->counters[STORE_RECORDS]++;
	remember(ledger, record, &key);
	if (rows_failed(record))
		error = take_failure(ledger, record, &key);
	if (*record->text[STORE_TEXT_JSON])
		take_detail(ledger, record, &key);
	if (!error && HASH_COUNT(ledger->cells) >= WAITING_MAX)
		error = ledger_write(ledger);
	return error;
}

static int run(sqlite3_stmt *statement)
{
	int error = store_database_error(sqlite3_step(statement));

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return error;
}

static int write_cells(struct ledger *ledger)
{
	sqlite3_stmt *statement = ledger->statement[ADD_CELL];
	struct cell *cell, *next;
	int error = 0;

	HASH_ITER(hh, ledger->cells, cell, next)
	{
		const int64_t values[] = {cell->key.begin,   cell->key.service, cell->key.client, cell->key.certificate,
		                          cell->key.outcome, cell->count,       cell->first,      cell->last};

		for (int index = 0; index < 8; index++)
			sqlite3_bind_int64(statement, index + 1, values[index]);
		if (cell->count)
			error = run(statement);
		if (error)
			return error;
	}
	return 0;
}

static int write_failures(struct ledger *ledger)
{
	sqlite3_stmt *statement = ledger->statement[ADD_FAILURE];
	struct failure_row *failure, *next;
	int error;

	HASH_ITER(hh, ledger->failures, failure, next)
	{
		sqlite3_bind_int64(statement, 1, failure->key.service);
		sqlite3_bind_int64(statement, 2, failure->key.client);
		sqlite3_bind_int64(statement, 3, failure->key.certificate);
		sqlite3_bind_int64(statement, 4, failure->key.outcome);
		sqlite3_bind_int64(statement, 5, failure->time);
		sqlite3_bind_text(statement, 6, failure->event, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 7, failure->detail, -1, SQLITE_STATIC);
		error = run(statement);
		if (error)
			return error;
	}
	return 0;
}

static int write_details(struct ledger *ledger)
{
	sqlite3_stmt *statement = ledger->statement[ADD_HANDSHAKE];
	uint32_t kept = ledger->details_count < DETAILS_MAX ? ledger->details_count : DETAILS_MAX;
	int error;

	for (uint32_t back = kept; back; back--) {
		const struct detail *detail = &ledger->details[(ledger->details_count - back) % DETAILS_MAX];

		if (!detail->json)
			continue;
		sqlite3_bind_text(statement, 1, detail->event, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 2, detail->time_us);
		sqlite3_bind_int64(statement, 3, detail->key.service);
		sqlite3_bind_int64(statement, 4, detail->key.client);
		sqlite3_bind_int64(statement, 5, detail->key.certificate);
		sqlite3_bind_int64(statement, 6, detail->key.outcome);
		sqlite3_bind_int(statement, 7, detail->client_port);
		sqlite3_bind_int64(statement, 8, detail->duration_us);
		sqlite3_bind_text(statement, 9, detail->json, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 10, detail->ladder, -1, SQLITE_STATIC);
		error = run(statement);
		if (error)
			return error;
	}
	return 0;
}

static int write_counters(struct ledger *ledger)
{
	int error = 0;

	for (int counter = 0; counter < STORE_COUNTERS && !error; counter++) {
		sqlite3_bind_text(ledger->statement[SET_META], 1, counter_names[counter], -1, SQLITE_STATIC);
		sqlite3_bind_int64(ledger->statement[SET_META], 2, ledger->counters[counter]);
		error = run(ledger->statement[SET_META]);
	}
	return error;
}

int ledger_write(struct ledger *ledger)
{
	int error;

	if (!ledger->in_transaction)
		return 0;
	error = write_cells(ledger);
	if (!error)
		error = write_failures(ledger);
	if (!error)
		error = write_details(ledger);
	if (!error)
		error = rows_write(ledger->rows);
	if (!error)
		error = write_counters(ledger);
	if (!error)
		error = store_database_run(ledger->database, "COMMIT");
	if (error) {
		give_up(ledger, error);
		return error;
	}
	if (ledger->failing)
		log_notice("the store can be written again; %llu records were lost",
		           (unsigned long long)ledger->counters[STORE_LOST]);
	ledger->failing = false;
	ledger->in_transaction = false;
	forget_waiting(ledger);
	return 0;
}

int ledger_tidy(struct ledger *ledger, int64_t now)
{
	bool by_age = now < ledger->aged || now - ledger->aged >= STORE_HOUR;
	int error = ledger_write(ledger);

	if (!error)
		error = tidy(ledger->database, &ledger->limits, now, by_age, ledger->counters);
	/* rows that no cell names may be gone */
	if (by_age)
		rows_forget(ledger->rows);
	if (!error && by_age)
		ledger->aged = now;
	return error;
}
