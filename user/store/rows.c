// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/rows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "handshake/handshake.h"
#include "handshake/verdict.h"
#include "sink/report.h"
#include "store/text.h"
#include "tls/names.h"

static const int64_t US_PER_SECOND = 1000000;

enum {
	KEY_MAX = STORE_RECORD_TEXT_MAX + 128,
	CACHE_MAX = 1 << 17, /* rows in memory; beyond that all are forgotten and read again */
	IPV4_NETWORK_BITS = 24,
	IPV6_NETWORK_BITS = 48,
};

enum table {
	TABLE_SERVICE,
	TABLE_CLIENT,
	TABLE_CERTIFICATE,
	TABLE_OUTCOME,
	TABLES,
};

/* What the ledger last knew of a service: a difference is a change. */
struct service_state {
	bool asks_known;
	bool asks;
	int64_t certificate; /* ROW_NONE: never seen */
	char *authorities;   /* "": never seen */
};

struct row {
	UT_hash_handle hh;
	int64_t id;
	int64_t last;         /* seconds since the epoch */
	bool touched;         /* last has to be written */
	uint64_t description; /* of the process, unit and so on that are in the file: a hash */
	struct service_state service;
	char key[];
};

enum statement {
	FIND_SERVICE,
	ADD_SERVICE,
	FIND_CLIENT,
	ADD_CLIENT,
	FIND_CERTIFICATE,
	ADD_CERTIFICATE,
	FIND_OUTCOME,
	ADD_OUTCOME,
	TOUCH_SERVICE,
	TOUCH_CLIENT,
	TOUCH_CERTIFICATE,
	DESCRIBE_SERVICE,
	DESCRIBE_CLIENT,
	DESCRIBE_CERTIFICATE,
	STATE_SERVICE,
	COUNT_NAMES,
	ADD_CHANGE,
	STATEMENTS,
};

static const char *const queries[STATEMENTS] = {
	[FIND_SERVICE] = ("SELECT id, last, asks, authorities, certificate FROM service"
                          " WHERE address = ?1 AND port = ?2 AND transport = ?3 AND name = ?4"),
	[ADD_SERVICE] =
		"INSERT INTO service(address, port, transport, name, first, last) VALUES(?1, ?2, ?3, ?4, ?5, ?5)",
	[FIND_CLIENT] = "SELECT id, last FROM client WHERE address = ?1",
	[ADD_CLIENT] = "INSERT INTO client(address, first, last) VALUES(?1, ?5, ?5)",
	[FIND_CERTIFICATE] = "SELECT id, last FROM certificate WHERE sha256 = ?1",
	[ADD_CERTIFICATE] =
		("INSERT INTO certificate(sha256, subject, issuer, serial, names, key, signature, chain, first, last)"
                 " VALUES(?1, '', '', '', '', '', '', 0, ?5, ?5)"),
	[FIND_OUTCOME] = ("SELECT id, 0 FROM outcome WHERE role = ?1 AND verdict = ?2 AND reason = ?3 AND evidence = ?4"
                          " AND version = ?5 AND requested IS ?6 AND answer = ?7 AND resumed IS ?8 AND trusted IS ?9"
                          " AND failure = ?10 AND failed_by = ?11 AND policy = ?12"),
	[ADD_OUTCOME] =
		("INSERT INTO outcome(role, verdict, reason, evidence, version, requested, answer, resumed, trusted,"
                 " failure, failed_by, policy) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"),
	[TOUCH_SERVICE] = "UPDATE service SET last = max(last, ?2) WHERE id = ?1",
	[TOUCH_CLIENT] = "UPDATE client SET last = max(last, ?2) WHERE id = ?1",
	[TOUCH_CERTIFICATE] = "UPDATE certificate SET last = max(last, ?2) WHERE id = ?1",
	[DESCRIBE_SERVICE] = ("UPDATE service SET process = ?2, executable = ?3, user = ?4, unit = ?5, container = ?6,"
                              " namespace = ?7, pod = ?8 WHERE id = ?1"),
	[DESCRIBE_CLIENT] =
		"UPDATE client SET process = ?2, unit = ?3, container = ?4, namespace = ?5, pod = ?6 WHERE id = ?1",
	[DESCRIBE_CERTIFICATE] =
		("UPDATE certificate SET subject = ?2, issuer = ?3, serial = ?4, names = ?5, key = ?6,"
                 " signature = ?7, not_before = nullif(?8, 0), not_after = nullif(?9, 0),"
                 " chain = max(chain, ?10), by_client = max(by_client, ?11), by_server = max(by_server, ?12)"
                 " WHERE id = ?1"),
	[STATE_SERVICE] = "UPDATE service SET asks = ?2, authorities = ?3, certificate = ?4 WHERE id = ?1",
	[COUNT_NAMES] = "SELECT count(*) FROM service WHERE address = ?1 AND port = ?2",
	[ADD_CHANGE] = "INSERT INTO change(time, service, what, before, after) VALUES(?1, ?2, ?3, ?4, ?5)",
};

struct rows {
	sqlite3 *database;
	const struct store_limits *limits;
	uint64_t *counters; /* enum store_counter */
	sqlite3_stmt *statement[STATEMENTS];
	struct row *rows[TABLES];
	uint64_t counts[TABLES]; /* in the file */
};

struct rows *rows_new(sqlite3 *database, const struct store_limits *limits, uint64_t *counters)
{
	static const char *const count[TABLES] = {"SELECT count(*) FROM service", "SELECT count(*) FROM client",
	                                          "SELECT count(*) FROM certificate", "SELECT count(*) FROM outcome"};
	struct rows *rows = calloc(1, sizeof(*rows));

	if (!rows)
		return NULL;
	rows->database = database;
	rows->limits = limits;
	rows->counters = counters;
	for (int statement = 0; statement < STATEMENTS; statement++)
		if (sqlite3_prepare_v3(database, queries[statement], -1, SQLITE_PREPARE_PERSISTENT,
		                       &rows->statement[statement], NULL)) {
			rows_free(rows);
			return NULL;
		}
	for (int table = 0; table < TABLES; table++)
		rows->counts[table] = store_database_number(database, count[table], 0);
	return rows;
}

/* NOLINTNEXTLINE(readability-function-*): macros of uthash */
static void forget_table(struct rows *rows, enum table table)
{
	struct row *row, *next;

	HASH_ITER(hh, rows->rows[table], row, next)
	{
		HASH_DEL(rows->rows[table], row);
		free(row->service.authorities);
		free(row);
	}
}

void rows_forget(struct rows *rows)
{
	for (int table = 0; table < TABLES; table++)
		forget_table(rows, table);
}

void rows_free(struct rows *rows)
{
	if (!rows)
		return;
	rows_forget(rows);
	for (int statement = 0; statement < STATEMENTS; statement++)
		sqlite3_finalize(rows->statement[statement]);
	free(rows);
}

static void bind_text(sqlite3_stmt *statement, int place, const char *text)
{
	char clean[STORE_RECORD_TEXT_MAX];

	store_text_clean(clean, sizeof(clean), text);
	sqlite3_bind_text(statement, place, clean, -1, SQLITE_TRANSIENT);
}

/* Run a statement that has no result. */
static int run(sqlite3_stmt *statement)
{
	int error = store_database_error(sqlite3_step(statement));

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return error;
}

/* NOLINTNEXTLINE(readability-function-*): macros of uthash */
static struct row *find(struct rows *rows, enum table table, const char *key, size_t length)
{
	struct row *row;

	HASH_FIND(hh, rows->rows[table], key, length, row);
	return row;
}

/* Keep a row in memory. NULL where there is no memory. */
/* NOLINTNEXTLINE(readability-function-*): macros of uthash */
static struct row *keep(struct rows *rows, enum table table, const char *key, size_t length, int64_t id, int64_t last)
{
	struct row *row = calloc(1, sizeof(*row) + length);

	if (!row)
		return NULL;
	if (HASH_COUNT(rows->rows[table]) >= CACHE_MAX && !rows_write(rows))
		forget_table(rows, table);
	memcpy(row->key, key, length);
	row->id = id;
	row->last = last;
	HASH_ADD_KEYPTR(hh, rows->rows[table], row->key, length, row);
	return row;
}

/* FNV-1a over the texts that name this end. Two texts with the same hash leave a row unchanged. */
static uint64_t description_of(const struct store_record *record)
{
	static const enum store_text texts[] = {STORE_TEXT_PROCESS, STORE_TEXT_EXECUTABLE, STORE_TEXT_USER,
	                                        STORE_TEXT_UNIT,    STORE_TEXT_CONTAINER,  STORE_TEXT_NAMESPACE,
	                                        STORE_TEXT_POD};
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t index = 0; index < sizeof(texts) / sizeof(*texts); index++) {
		const char *text = record->text[texts[index]];

		do
			hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
		while (*text++);
	}
	return hash;
}

/* Whether the row has to be described anew. An end without a process says nothing new. */
static bool describes(struct row *row, const struct store_record *record)
{
	uint64_t description = description_of(record);

	if (!*record->text[STORE_TEXT_PROCESS] || description == row->description)
		return false;
	row->description = description;
	return true;
}

static void touch(struct row *row, const struct store_record *record)
{
	int64_t seconds = record->time_us / US_PER_SECOND;

	if (seconds <= row->last)
		return;
	row->last = seconds;
	row->touched = true;
}

/*
 * Look for a row by the key bound to both statements; create the row if may_add. Returns the row in memory; NULL:
 * absent and not allowed (*error 0), or *error is -errno.
 */
static struct row *find_or_add(struct rows *rows, enum table table, enum statement find_it, enum statement add_it,
                               const char *key, size_t length, bool may_add, int *error)
{
	sqlite3_stmt *statement = rows->statement[find_it];
	struct row *row = NULL;
	int result = sqlite3_step(statement);

	*error = 0;
	if (result == SQLITE_ROW) {
		row = keep(rows, table, key, length, sqlite3_column_int64(statement, 0),
		           sqlite3_column_int64(statement, 1));
		if (row && table == TABLE_SERVICE) {
			row->service.asks_known = sqlite3_column_type(statement, 2) != SQLITE_NULL;
			row->service.asks = sqlite3_column_int(statement, 2);
			row->service.authorities = strdup((const char *)sqlite3_column_text(statement, 3) ?: "");
			row->service.certificate = sqlite3_column_int64(statement, 4);
		}
	} else if (result == SQLITE_DONE && may_add) {
		*error = run(rows->statement[add_it]);
		if (!*error) {
			row = keep(rows, table, key, length, sqlite3_last_insert_rowid(rows->database), 0);
			rows->counts[table]++;
		}
	} else if (result != SQLITE_DONE) {
		*error = store_database_error(result);
	}
	if (!row && !*error && (result == SQLITE_ROW || may_add))
		*error = -ENOMEM;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	sqlite3_clear_bindings(rows->statement[add_it]);
	return row;
}

bool rows_failed(const struct store_record *record)
{
	return record->failure != FAILURE_NONE || record->client_auth == CLIENT_AUTH_REJECTED_CERTIFICATE ||
	       record->client_auth == CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE ||
	       record->client_auth == CLIENT_AUTH_FAILED_BEFORE_REQUEST ||
	       record->client_auth == CLIENT_AUTH_UNANSWERED;
}

/* Outcomes */

static const char *answer_name(uint8_t answer)
{
	switch (answer) {
	case ANSWER_CERTIFICATE:
		return "certificate";
	case ANSWER_EMPTY:
		return "empty";
	case ANSWER_NONE:
		return "none";
	default:
		return "";
	}
}

static const char *policy_result_name(const struct store_record *record)
{
	if (record->policy_expectation == POLICY_NOTHING)
		return "";
	switch (record->policy_result) {
	case POLICY_KEPT:
		return "kept";
	case POLICY_BROKEN:
		return "broken";
	default:
		return "unjudged";
	}
}

static void bind_known(sqlite3_stmt *statement, int place, uint8_t known)
{
	if (known != NOT_KNOWN)
		sqlite3_bind_int(statement, place, known == KNOWN_YES);
}

/* The words of an outcome are constants of this program: they outlive the statement. */
static void bind_word(sqlite3_stmt *statement, int place, const char *word)
{
	sqlite3_bind_text(statement, place, word ?: "", -1, SQLITE_STATIC);
}

static void bind_outcome(sqlite3_stmt *statement, const struct store_record *record)
{
	const char *failure = record->failure == FAILURE_NONE ? "" : failure_reason_name(record->failure);
	const char *failed_by = record->failure_by < SIDES ? report_side_name(record->failure_by) : "";

	bind_word(statement, 1, report_role_name(record->role));
	bind_word(statement, 2, client_auth_name(record->client_auth));
	bind_word(statement, 3, unknown_reason_name(record->reason));
	bind_word(statement, 4, evidence_name(record->evidence));
	bind_word(statement, 5, record->version ? version_name(record->version) : "");
	bind_known(statement, 6, record->requested);
	bind_word(statement, 7, answer_name(record->answer));
	bind_known(statement, 8, record->resumed);
	bind_known(statement, 9, record->trusted);
	bind_word(statement, 10, failure);
	bind_word(statement, 11, failure && *failure ? failed_by : "");
	bind_word(statement, 12, policy_result_name(record));
}

int64_t rows_outcome(struct rows *rows, const struct store_record *record)
{
	const int values[] = {record->role,         record->client_auth, record->reason,
	                      record->evidence,     record->version,     record->requested,
	                      record->answer,       record->resumed,     record->trusted,
	                      record->failure,      record->failure_by,  record->policy_expectation != POLICY_NOTHING,
	                      record->policy_result};
	const char *key = (const char *)values;
	struct row *row = find(rows, TABLE_OUTCOME, key, sizeof(values));
	int error;

	if (row)
		return row->id;
	bind_outcome(rows->statement[FIND_OUTCOME], record);
	bind_outcome(rows->statement[ADD_OUTCOME], record);
	row = find_or_add(rows, TABLE_OUTCOME, FIND_OUTCOME, ADD_OUTCOME, key, sizeof(values), true, &error);
	return row ? row->id : error;
}

/* Clients */

/* The network of an address, for a table of clients that is full: "10.1.2.0/24", "2001:db8:1::/48"; "*" for no address. */
static void network_of(char *text, size_t size, const char *address)
{
	struct in6_addr six;
	struct in_addr four;
	char network[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, address, &four) == 1) {
		four.s_addr &= htonl(~0U << (32 - IPV4_NETWORK_BITS));
		inet_ntop(AF_INET, &four, network, sizeof(network));
		snprintf(text, size, "%s/%d", network, IPV4_NETWORK_BITS);
	} else if (inet_pton(AF_INET6, address, &six) == 1) {
		memset(six.s6_addr + IPV6_NETWORK_BITS / 8, 0, sizeof(six.s6_addr) - IPV6_NETWORK_BITS / 8);
		inet_ntop(AF_INET6, &six, network, sizeof(network));
		snprintf(text, size, "%s/%d", network, IPV6_NETWORK_BITS);
	} else {
		snprintf(text, size, "*");
	}
}

static struct row *client_row(struct rows *rows, const char *address, const struct store_record *record, bool may_add,
                              int *error)
{
	struct row *row = find(rows, TABLE_CLIENT, address, strlen(address));

	*error = 0;
	if (row)
		return row;
	sqlite3_bind_text(rows->statement[FIND_CLIENT], 1, address, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(rows->statement[ADD_CLIENT], 1, address, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(rows->statement[ADD_CLIENT], 5, record->time_us / US_PER_SECOND);
	return find_or_add(rows, TABLE_CLIENT, FIND_CLIENT, ADD_CLIENT, address, strlen(address), may_add, error);
}

/* A client on this host has a process, a unit, a container. */
static int describe_client(struct rows *rows, const struct row *row, const struct store_record *record)
{
	sqlite3_stmt *statement = rows->statement[DESCRIBE_CLIENT];

	sqlite3_bind_int64(statement, 1, row->id);
	bind_text(statement, 2, record->text[STORE_TEXT_PROCESS]);
	bind_text(statement, 3, record->text[STORE_TEXT_UNIT]);
	bind_text(statement, 4, record->text[STORE_TEXT_CONTAINER]);
	bind_text(statement, 5, record->text[STORE_TEXT_NAMESPACE]);
	bind_text(statement, 6, record->text[STORE_TEXT_POD]);
	return run(statement);
}

int64_t rows_client(struct rows *rows, const struct store_record *record)
{
	const char *address = record->text[STORE_TEXT_CLIENT_ADDRESS];
	char network[INET6_ADDRSTRLEN + sizeof("/128")];
	bool room = rows->counts[TABLE_CLIENT] < rows->limits->clients;
	struct row *row;
	int error;

	row = client_row(rows, *address ? address : "*", record, room, &error);
	if (!row && !error) {
		rows->counters[STORE_CLIENTS_FOLDED]++;
		network_of(network, sizeof(network), address);
		/* networks have a quarter more room than addresses; beyond that all is "*" */
		room = rows->counts[TABLE_CLIENT] < rows->limits->clients + rows->limits->clients / 4;
		row = client_row(rows, network, record, room, &error);
	}
	if (!row && !error)
		row = client_row(rows, "*", record, true, &error);
	if (!row)
		return error;
	touch(row, record);
	if (record->role == ROLE_CLIENT && describes(row, record))
		error = describe_client(rows, row, record);
	return error ? error : row->id;
}

/* Certificates */

static int describe_certificate(struct rows *rows, const struct row *row, const struct store_record *record,
                                bool client)
{
	const struct store_certificate *certificate = client ? &record->client : &record->server;
	const char *const *text =
		record->text + (client ? STORE_TEXT_CLIENT_CERTIFICATE : STORE_TEXT_SERVER_CERTIFICATE);
	sqlite3_stmt *statement = rows->statement[DESCRIBE_CERTIFICATE];

	sqlite3_bind_int64(statement, 1, row->id);
	for (int index = 0; index < STORE_CERTIFICATE_TEXTS; index++)
		bind_text(statement, 2 + index, text[index]);
	sqlite3_bind_int64(statement, 8, certificate->not_before);
	sqlite3_bind_int64(statement, 9, certificate->not_after);
	sqlite3_bind_int(statement, 10, certificate->chain);
	sqlite3_bind_int(statement, 11, client);
	sqlite3_bind_int(statement, 12, !client);
	return run(statement);
}

static int64_t certificate_row(struct rows *rows, const struct store_record *record, bool client)
{
	const char *sha256 = client ? record->client.sha256 : record->server.sha256;
	/* a certificate that both sides show is described by each once */
	char key[sizeof(record->client.sha256) + 1];
	bool room = rows->counts[TABLE_CERTIFICATE] < rows->limits->certificates;
	struct row *row;
	size_t length;
	int error;

	if (!*sha256)
		return ROW_NONE;
	length = snprintf(key, sizeof(key), "%c%s", client ? 'c' : 's', sha256);
	row = find(rows, TABLE_CERTIFICATE, key, length);
	if (!row) {
		sqlite3_bind_text(rows->statement[FIND_CERTIFICATE], 1, sha256, -1, SQLITE_TRANSIENT);
		sqlite3_bind_text(rows->statement[ADD_CERTIFICATE], 1, sha256, -1, SQLITE_TRANSIENT);
		sqlite3_bind_int64(rows->statement[ADD_CERTIFICATE], 5, record->time_us / US_PER_SECOND);
		row = find_or_add(rows, TABLE_CERTIFICATE, FIND_CERTIFICATE, ADD_CERTIFICATE, key, length, room,
		                  &error);
		if (!row && !error) {
			rows->counters[STORE_CERTIFICATES_FOLDED]++;
			return ROW_NONE;
		}
		if (row)
			error = describe_certificate(rows, row, record, client);
		if (error)
			return error;
	}
	touch(row, record);
	return row->id;
}

int64_t rows_client_certificate(struct rows *rows, const struct store_record *record)
{
	return certificate_row(rows, record, true);
}

int64_t rows_server_certificate(struct rows *rows, const struct store_record *record)
{
	return certificate_row(rows, record, false);
}

/* Services */

static int add_change(struct rows *rows, const struct row *service, const struct store_record *record, const char *what,
                      const char *before, const char *after)
{
	sqlite3_stmt *statement = rows->statement[ADD_CHANGE];

	sqlite3_bind_int64(statement, 1, record->time_us / US_PER_SECOND);
	sqlite3_bind_int64(statement, 2, service->id);
	sqlite3_bind_text(statement, 3, what, -1, SQLITE_STATIC);
	bind_text(statement, 4, before);
	bind_text(statement, 5, after);
	return run(statement);
}

/* A full handshake that was read, not inferred, says whether the service asks. */
static bool says_whether_it_asks(const struct store_record *record)
{
	return record->requested != NOT_KNOWN && record->resumed != KNOWN_YES &&
	       record->evidence != EVIDENCE_INFERRED && record->client_auth != CLIENT_AUTH_PSK &&
	       record->client_auth != CLIENT_AUTH_NOT_TLS && record->client_auth != CLIENT_AUTH_UNKNOWN &&
	       record->client_auth != CLIENT_AUTH_FAILED_BEFORE_REQUEST;
}

static int write_state(struct rows *rows, const struct row *row)
{
	sqlite3_stmt *statement = rows->statement[STATE_SERVICE];

	sqlite3_bind_int64(statement, 1, row->id);
	if (row->service.asks_known)
		sqlite3_bind_int(statement, 2, row->service.asks);
	bind_text(statement, 3, row->service.authorities ?: "");
	sqlite3_bind_int64(statement, 4, row->service.certificate);
	return run(statement);
}

static int notice_asking(struct rows *rows, struct row *row, const struct store_record *record, bool *changed)
{
	bool asks = record->requested == KNOWN_YES;

	if (!says_whether_it_asks(record) || (row->service.asks_known && row->service.asks == asks))
		return 0;
	*changed = true;
	if (row->service.asks_known) {
		int error = add_change(rows, row, record, asks ? "began to ask" : "stopped asking",
		                       row->service.asks ? "asks" : "does not ask", asks ? "asks" : "does not ask");

		if (error)
			return error;
	}
	row->service.asks_known = true;
	row->service.asks = asks;
	return 0;
}

static int notice_authorities(struct rows *rows, struct row *row, const struct store_record *record, bool *changed)
{
	const char *authorities = record->text[STORE_TEXT_AUTHORITIES];
	char clean[STORE_RECORD_TEXT_MAX];
	char *copy;
	int error = 0;

	store_text_clean(clean, sizeof(clean), authorities);
	if (!*clean || (row->service.authorities && !strcmp(row->service.authorities, clean)))
		return 0;
	copy = strdup(clean);
	if (!copy)
		return -ENOMEM;
	if (row->service.authorities && *row->service.authorities)
		error = add_change(rows, row, record, "asks for other CAs", row->service.authorities, clean);
	free(row->service.authorities);
	row->service.authorities = copy;
	*changed = true;
	return error;
}

static int notice_certificate(struct rows *rows, struct row *row, const struct store_record *record,
                              int64_t certificate, bool *changed)
{
	char before[24], after[24];
	int error = 0;

	if (certificate == ROW_NONE || certificate == row->service.certificate)
		return 0;
	snprintf(before, sizeof(before), "%lld", (long long)row->service.certificate);
	snprintf(after, sizeof(after), "%lld", (long long)certificate);
	if (row->service.certificate != ROW_NONE)
		error = add_change(rows, row, record, "shows another certificate", before, after);
	row->service.certificate = certificate;
	*changed = true;
	return error;
}

static int notice(struct rows *rows, struct row *row, const struct store_record *record, int64_t certificate)
{
	bool changed = false;
	int error = notice_asking(rows, row, record, &changed);

	if (!error)
		error = notice_authorities(rows, row, record, &changed);
	if (!error)
		error = notice_certificate(rows, row, record, certificate, &changed);
	return !error && changed ? write_state(rows, row) : error;
}

/* A server on this host has a process, a unit, a container: taken from its last record. */
static int describe_service(struct rows *rows, const struct row *row, const struct store_record *record)
{
	sqlite3_stmt *statement = rows->statement[DESCRIBE_SERVICE];

	sqlite3_bind_int64(statement, 1, row->id);
	bind_text(statement, 2, record->text[STORE_TEXT_PROCESS]);
	bind_text(statement, 3, record->text[STORE_TEXT_EXECUTABLE]);
	bind_text(statement, 4, record->text[STORE_TEXT_USER]);
	bind_text(statement, 5, record->text[STORE_TEXT_UNIT]);
	bind_text(statement, 6, record->text[STORE_TEXT_CONTAINER]);
	bind_text(statement, 7, record->text[STORE_TEXT_NAMESPACE]);
	bind_text(statement, 8, record->text[STORE_TEXT_POD]);
	return run(statement);
}

/* Names come from clients: a service has room for so many, and the table for so many services. */
static bool service_has_room(struct rows *rows, const struct store_record *record)
{
	sqlite3_stmt *statement = rows->statement[COUNT_NAMES];
	bool room = rows->counts[TABLE_SERVICE] < rows->limits->services;

	sqlite3_bind_text(statement, 1, record->text[STORE_TEXT_SERVER_ADDRESS], -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 2, record->server_port);
	if (room && sqlite3_step(statement) == SQLITE_ROW)
		room = sqlite3_column_int64(statement, 0) < rows->limits->names;
	sqlite3_reset(statement);
	return room;
}

static struct row *service_row(struct rows *rows, const struct store_record *record, const char *name, bool always,
                               int *error)
{
	static const enum statement both[] = {FIND_SERVICE, ADD_SERVICE};
	char clean[STORE_RECORD_TEXT_MAX], key[KEY_MAX];
	size_t length;
	struct row *row;

	store_text_clean(clean, sizeof(clean), name);
	length = snprintf(key, sizeof(key), "%s %u %u %s", record->text[STORE_TEXT_SERVER_ADDRESS], record->server_port,
	                  record->transport, clean);
	row = find(rows, TABLE_SERVICE, key, length);
	*error = 0;
	if (row)
		return row;
	for (int index = 0; index < 2; index++) {
		sqlite3_stmt *statement = rows->statement[both[index]];

		sqlite3_bind_text(statement, 1, record->text[STORE_TEXT_SERVER_ADDRESS], -1, SQLITE_TRANSIENT);
		sqlite3_bind_int(statement, 2, record->server_port);
		sqlite3_bind_int(statement, 3, record->transport);
		sqlite3_bind_text(statement, 4, clean, -1, SQLITE_TRANSIENT);
	}
	sqlite3_bind_int64(rows->statement[ADD_SERVICE], 5, record->time_us / US_PER_SECOND);
	return find_or_add(rows, TABLE_SERVICE, FIND_SERVICE, ADD_SERVICE, key, length,
	                   always || service_has_room(rows, record), error);
}

int64_t rows_service(struct rows *rows, const struct store_record *record, int64_t certificate)
{
	struct row *row;
	int error;

	row = service_row(rows, record, record->text[STORE_TEXT_SERVER_NAME], false, &error);
	if (!row && !error) {
		rows->counters[STORE_NAMES_FOLDED]++;
		row = service_row(rows, record, "*", rows->counts[TABLE_SERVICE] < 2 * (uint64_t)rows->limits->services,
		                  &error);
	}
	if (!row)
		return error;
	touch(row, record);
	if (record->role == ROLE_SERVER && describes(row, record))
		error = describe_service(rows, row, record);
	if (!error)
		error = notice(rows, row, record, certificate);
	return error ? error : row->id;
}

/* When each was last seen. */
static int write_touched(struct rows *rows, enum table table, enum statement touch_it)
{
	struct row *row, *next;

	HASH_ITER(hh, rows->rows[table], row, next)
	{
		int error;

		if (!row->touched)
			continue;
		sqlite3_bind_int64(rows->statement[touch_it], 1, row->id);
		sqlite3_bind_int64(rows->statement[touch_it], 2, row->last);
		error = run(rows->statement[touch_it]);
		if (error)
			return error;
		row->touched = false;
	}
	return 0;
}

int rows_write(struct rows *rows)
{
	int error = write_touched(rows, TABLE_SERVICE, TOUCH_SERVICE);

	if (!error)
		error = write_touched(rows, TABLE_CLIENT, TOUCH_CLIENT);
	if (!error)
		error = write_touched(rows, TABLE_CERTIFICATE, TOUCH_CERTIFICATE);
	return error;
}
