// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/question.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "questions.h" /* the texts of questions/: services_sql and so on */
#include "store/matches.h"
#include "system/log.h"

static const struct answer_column services_columns[] = {
	{"address", "SERVICE", ANSWER_TYPE_TEXT, 0, 0},
	{"port", "PORT", ANSWER_TYPE_NUMBER, 0, 0},
	{"transport", "OVER", ANSWER_TYPE_TEXT, 7, 0},
	{"name", "SNI", ANSWER_TYPE_TEXT, 2, 32},
	{"role", "ROLE", ANSWER_TYPE_TEXT, 3, 0},
	{"process", "PROCESS", ANSWER_TYPE_TEXT, 4, 0},
	{"where", "WHERE", ANSWER_TYPE_TEXT, 6, 32},
	{"asks", "ASKS", ANSWER_TYPE_BOOLEAN, 0, 0},
	{"handshakes", "COUNT", ANSWER_TYPE_NUMBER, 0, 0},
	{"presented_percent", "PRESENTED", ANSWER_TYPE_PERCENT, 0, 0},
	{"declined_percent", "DECLINED", ANSWER_TYPE_PERCENT, 0, 0},
	{"rejected_percent", "REJECTED", ANSWER_TYPE_PERCENT, 0, 0},
	{"resumed_percent", "RESUMED", ANSWER_TYPE_PERCENT, 5, 0},
	{"unknown_percent", "UNKNOWN", ANSWER_TYPE_PERCENT, 3, 0},
	{"trusted_percent", "TRUSTED", ANSWER_TYPE_PERCENT, 2, 0},
	{"plaintext", "PLAINTEXT", ANSWER_TYPE_NUMBER, 5, 0},
	{"versions", "VERSIONS", ANSWER_TYPE_TEXT, 7, 0},
	{"last_failure", "LAST FAILURE", ANSWER_TYPE_TEXT, 4, 28},
	{"last_failure_time", NULL, ANSWER_TYPE_TIME, 0, 0},
	{"first_seen", NULL, ANSWER_TYPE_TIME, 0, 0},
	{"last_seen", "LAST SEEN", ANSWER_TYPE_TIME, 6, 0},
	{"authorities", NULL, ANSWER_TYPE_LIST, 0, 0},
	{"user", NULL, ANSWER_TYPE_TEXT, 0, 0},
	{"executable", NULL, ANSWER_TYPE_TEXT, 0, 0},
	{"unit", NULL, ANSWER_TYPE_TEXT, 0, 0},
	{"container", NULL, ANSWER_TYPE_TEXT, 0, 0},
	{"namespace", NULL, ANSWER_TYPE_TEXT, 0, 0},
	{"pod", NULL, ANSWER_TYPE_TEXT, 0, 0},
};

static const struct answer_column clients_columns[] = {
	{"client", "CLIENT", ANSWER_TYPE_TEXT, 0, 0},
	{"process", "PROCESS", ANSWER_TYPE_TEXT, 6, 0},
	{"subject", "SUBJECT", ANSWER_TYPE_TEXT, 1, 40},
	{"names", "NAMES", ANSWER_TYPE_LIST, 5, 40},
	{"service_address", "SERVICE", ANSWER_TYPE_TEXT, 0, 0},
	{"service_port", "PORT", ANSWER_TYPE_NUMBER, 0, 0},
	{"service_name", "SNI", ANSWER_TYPE_TEXT, 4, 32},
	{"role", NULL, ANSWER_TYPE_TEXT, 0, 0},
	{"handshakes", "COUNT", ANSWER_TYPE_NUMBER, 0, 0},
	{"presented", "PRESENTED", ANSWER_TYPE_NUMBER, 0, 0},
	{"declined", "DECLINED", ANSWER_TYPE_NUMBER, 0, 0},
	{"rejected", "REJECTED", ANSWER_TYPE_NUMBER, 0, 0},
	{"resumed", "RESUMED", ANSWER_TYPE_NUMBER, 5, 0},
	{"unknown", "UNKNOWN", ANSWER_TYPE_NUMBER, 3, 0},
	{"untrusted", "UNTRUSTED", ANSWER_TYPE_NUMBER, 2, 0},
	{"last_failure", "LAST FAILURE", ANSWER_TYPE_TEXT, 2, 28},
	{"first_seen", NULL, ANSWER_TYPE_TIME, 0, 0},
	{"last_seen", "LAST SEEN", ANSWER_TYPE_TIME, 4, 0},
	{"issuer", NULL, ANSWER_TYPE_TEXT, 0, 0},
	{"sha256", NULL, ANSWER_TYPE_TEXT, 0, 0},
	{"not_after", NULL, ANSWER_TYPE_TIME, 0, 0},
	{"where", NULL, ANSWER_TYPE_TEXT, 0, 0},
};

static const struct answer_column certificates_columns[] = {
	{"not_after", "NOT AFTER", ANSWER_TYPE_TIME, 0, 0},    {"days_left", "DAYS", ANSWER_TYPE_NUMBER, 0, 0},
	{"subject", "SUBJECT", ANSWER_TYPE_TEXT, 0, 48},       {"names", "NAMES", ANSWER_TYPE_LIST, 3, 48},
	{"issuer", "ISSUER", ANSWER_TYPE_TEXT, 4, 40},         {"shown_by", "SHOWN BY", ANSWER_TYPE_TEXT, 1, 0},
	{"clients", "CLIENTS", ANSWER_TYPE_NUMBER, 4, 0},      {"services", "SERVICES", ANSWER_TYPE_TEXT, 2, 40},
	{"handshakes", "COUNT", ANSWER_TYPE_NUMBER, 2, 0},     {"key", "KEY", ANSWER_TYPE_TEXT, 5, 0},
	{"signature_algorithm", NULL, ANSWER_TYPE_TEXT, 0, 0}, {"chain_length", NULL, ANSWER_TYPE_NUMBER, 0, 0},
	{"serial_number", NULL, ANSWER_TYPE_TEXT, 0, 0},       {"sha256", "SHA-256", ANSWER_TYPE_TEXT, 6, 16},
	{"not_before", NULL, ANSWER_TYPE_TIME, 0, 0},          {"first_seen", NULL, ANSWER_TYPE_TIME, 0, 0},
	{"last_seen", NULL, ANSWER_TYPE_TIME, 0, 0},
};

static const struct answer_column failures_columns[] = {
	{"address", "SERVICE", ANSWER_TYPE_TEXT, 0, 0},  {"port", "PORT", ANSWER_TYPE_NUMBER, 0, 0},
	{"name", "SNI", ANSWER_TYPE_TEXT, 3, 32},        {"client", "CLIENT", ANSWER_TYPE_TEXT, 0, 0},
	{"subject", "SUBJECT", ANSWER_TYPE_TEXT, 2, 36}, {"verdict", "VERDICT", ANSWER_TYPE_TEXT, 1, 0},
	{"reason", "REASON", ANSWER_TYPE_TEXT, 0, 0},    {"by", "BY", ANSWER_TYPE_TEXT, 2, 0},
	{"count", "COUNT", ANSWER_TYPE_NUMBER, 0, 0},    {"first_seen", "FIRST", ANSWER_TYPE_TIME, 4, 0},
	{"last_seen", "LAST", ANSWER_TYPE_TIME, 0, 0},   {"detail", "DETAIL", ANSWER_TYPE_TEXT, 3, 60},
	{"example", NULL, ANSWER_TYPE_TEXT, 0, 0},       {"role", NULL, ANSWER_TYPE_TEXT, 0, 0},
};

static const struct answer_column changes_columns[] = {
	{"time", "TIME", ANSWER_TYPE_TIME, 0, 0},       {"change", "CHANGE", ANSWER_TYPE_TEXT, 0, 0},
	{"address", "SERVICE", ANSWER_TYPE_TEXT, 0, 0}, {"port", "PORT", ANSWER_TYPE_NUMBER, 0, 0},
	{"name", "SNI", ANSWER_TYPE_TEXT, 2, 32},       {"subject", "SUBJECT", ANSWER_TYPE_TEXT, 1, 40},
	{"before", "BEFORE", ANSWER_TYPE_LIST, 3, 40},  {"after", "AFTER", ANSWER_TYPE_LIST, 1, 40},
};

static const struct answer_column handshakes_columns[] = {
	{"time", "TIME", ANSWER_TYPE_TIME, 0, 0},         {"role", "ROLE", ANSWER_TYPE_TEXT, 3, 0},
	{"address", "SERVICE", ANSWER_TYPE_TEXT, 0, 0},   {"port", "PORT", ANSWER_TYPE_NUMBER, 0, 0},
	{"client", "CLIENT", ANSWER_TYPE_TEXT, 0, 0},     {"client_port", "PORT", ANSWER_TYPE_NUMBER, 2, 0},
	{"name", "SNI", ANSWER_TYPE_TEXT, 2, 32},         {"version", "VERSION", ANSWER_TYPE_TEXT, 3, 0},
	{"verdict", "VERDICT", ANSWER_TYPE_TEXT, 0, 0},   {"reason", "REASON", ANSWER_TYPE_TEXT, 0, 0},
	{"milliseconds", "MS", ANSWER_TYPE_NUMBER, 4, 0}, {"subject", "SUBJECT", ANSWER_TYPE_TEXT, 2, 40},
	{"event", "EVENT", ANSWER_TYPE_TEXT, 5, 0},       {"record", NULL, ANSWER_TYPE_JSON, 0, 0},
	{"ladder", NULL, ANSWER_TYPE_TEXT, 0, 0},
};

#define COLUMNS(array) (array), sizeof(array) / sizeof(*(array))

static const struct {
	const char *name;
	const char *query;
	const struct answer_column *columns;
	size_t column_count;
} kinds[QUESTIONS] = {
	[QUESTION_SERVICES] = {"services", services_sql, COLUMNS(services_columns)},
	[QUESTION_CLIENTS] = {"clients", clients_sql, COLUMNS(clients_columns)},
	[QUESTION_CERTIFICATES] = {"certificates", certificates_sql, COLUMNS(certificates_columns)},
	[QUESTION_FAILURES] = {"failures", failures_sql, COLUMNS(failures_columns)},
	[QUESTION_CHANGES] = {"changes", changes_sql, COLUMNS(changes_columns)},
	[QUESTION_HANDSHAKES] = {"handshakes", handshakes_sql, COLUMNS(handshakes_columns)},
};

const char *question_name(enum question question)
{
	return question < QUESTIONS ? kinds[question].name : NULL;
}

enum question question_of_name(const char *name)
{
	for (int question = 0; question < QUESTIONS; question++)
		if (!strcmp(name, kinds[question].name))
			return question;
	return QUESTIONS;
}

/* The query with the condition of the filter inserted; NULL without memory. */
static char *query_of(enum question question, const struct filter *filter)
{
	static const char place[] = "FILTER\n";
	const char *query = kinds[question].query;
	const char *found = strstr(query, place);
	char *text;

	if (asprintf(&text, "%.*s%s%s", (int)(found - query), query, filter ? MATCHES_CONDITION : "1",
	             found + strlen(place) - 1) < 0)
		return NULL;
	return text;
}

static void bind(sqlite3_stmt *statement, const struct question_scope *scope)
{
	const int64_t values[] = {scope->since, scope->until ? scope->until : INT64_MAX / 2000000,
	                          scope->limit ? scope->limit : ANSWER_ROWS_MAX + 1, scope->expiring, scope->now};

	for (int place = 0; place < sqlite3_bind_parameter_count(statement); place++)
		sqlite3_bind_int64(statement, place + 1, values[place]);
}

static int take_row(struct store_answer *answer, sqlite3_stmt *statement)
{
	int error = answer_row(answer);

	for (int column = 0; column < sqlite3_column_count(statement) && !error; column++) {
		switch (sqlite3_column_type(statement, column)) {
		case SQLITE_INTEGER:
			answer_number(answer, column, sqlite3_column_int64(statement, column));
			break;
		case SQLITE_FLOAT:
			answer_percent(answer, column, sqlite3_column_double(statement, column));
			break;
		case SQLITE_TEXT:
			error = answer_text(answer, column, (const char *)sqlite3_column_text(statement, column));
			break;
		}
	}
	return error;
}

static int read_rows(sqlite3_stmt *statement, struct store_answer *answer)
{
	int result, error = 0;

	while (!error && (result = sqlite3_step(statement)) == SQLITE_ROW)
		error = take_row(answer, statement);
	if (error == -E2BIG)
		return 0;
	return error ? error : store_database_error(result);
}

int question_ask(sqlite3 *database, enum question question, const struct question_scope *scope,
                 struct store_answer **result)
{
	struct matches matches = {.filter = scope->filter, .now = scope->now};
	struct store_answer *answer = answer_new(kinds[question].columns, kinds[question].column_count);
	char *query = query_of(question, scope->filter);
	sqlite3_stmt *statement = NULL;
	int error = answer && query ? 0 : -ENOMEM;

	if (!error && scope->filter)
		error = matches_register(database, &matches);
	if (!error)
		error = store_database_error(sqlite3_prepare_v2(database, query, -1, &statement, NULL));
	if (!error) {
		bind(statement, scope);
		error = read_rows(statement, answer);
	}
	if (error)
		log_error("cannot ask the store for %s: %s", kinds[question].name,
		          error == -ENOMEM ? strerror(ENOMEM) : sqlite3_errmsg(database));
	sqlite3_finalize(statement);
	free(query);
	if (error) {
		answer_free(answer);
		return error;
	}
	*result = answer;
	return 0;
}
