// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/matches.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "filter/filter.h"
#include "filter/node.h"
#include "handshake/handshake.h"
#include "handshake/verdict.h"
#include "sink/report.h"
#include "store/database.h"
#include "tls/names.h"

enum {
	UNKNOWN_WORD = 0xff,              /* a number without a word: the field is unknown */
	UNKNOWN_PROCESS = UINT32_MAX - 1, /* the store knows the name of a process, and not its number */
};

/* The columns of MATCHES_CONDITION. */
enum column {
	SERVICE_ADDRESS,
	SERVICE_PORT,
	SERVICE_TRANSPORT,
	SERVICE_NAME,
	SERVICE_PROCESS,
	SERVICE_USER,
	SERVICE_UNIT,
	SERVICE_CONTAINER,
	SERVICE_NAMESPACE,
	SERVICE_POD,
	CLIENT_ADDRESS,
	CLIENT_PROCESS,
	CLIENT_UNIT,
	CLIENT_CONTAINER,
	CLIENT_NAMESPACE,
	CLIENT_POD,
	CERTIFICATE_SUBJECT,
	CERTIFICATE_ISSUER,
	CERTIFICATE_SERIAL,
	CERTIFICATE_NAMES,
	CERTIFICATE_NOT_AFTER,
	OUTCOME_ROLE,
	OUTCOME_VERDICT,
	OUTCOME_REASON,
	OUTCOME_EVIDENCE,
	OUTCOME_VERSION,
	OUTCOME_REQUESTED,
	OUTCOME_ANSWER,
	OUTCOME_RESUMED,
	OUTCOME_TRUSTED,
	OUTCOME_FAILURE,
	OUTCOME_FAILED_BY,
	OUTCOME_POLICY,
	COLUMNS,
};

/* A record made of a row. */
struct row {
	struct handshake handshake;
	struct attribution attribution;
	struct certificate certificate;
};

static const char *text_of(sqlite3_value **values, enum column column)
{
	return (const char *)sqlite3_value_text(values[column]) ?: "";
}

/* The number of a word in a list of names; UNKNOWN_WORD where the list has no such word. */
static uint8_t number_of(const char *word, const char *(*name)(uint8_t number), uint8_t count)
{
	for (uint8_t number = 0; *word && number < count; number++) {
		const char *candidate = name(number);

		if (candidate && !strcmp(candidate, word))
			return number;
	}
	return UNKNOWN_WORD;
}

static const char *verdict_word(uint8_t number)
{
	return client_auth_name(number);
}

static const char *evidence_word(uint8_t number)
{
	return evidence_name(number);
}

static const char *reason_word(uint8_t number)
{
	return unknown_reason_name(number);
}

static uint8_t known_of(sqlite3_value *value)
{
	if (sqlite3_value_type(value) == SQLITE_NULL)
		return NOT_KNOWN;
	return sqlite3_value_int(value) ? KNOWN_YES : KNOWN_NO;
}

static uint8_t answer_of(const char *word)
{
	if (!strcmp(word, "certificate"))
		return ANSWER_CERTIFICATE;
	if (!strcmp(word, "empty"))
		return ANSWER_EMPTY;
	return *word ? ANSWER_NONE : ANSWER_NOT_KNOWN;
}

static uint16_t version_of(const char *word)
{
	static const uint16_t versions[] = {0x0304, 0x0303, 0x0302, 0x0301, 0x0300,
	                                    0x0002, 0xfefd, 0xfeff, 0xfefc, 0x0101};

	for (size_t index = 0; *word && index < sizeof(versions) / sizeof(*versions); index++)
		if (!strcmp(version_name(versions[index]), word))
			return versions[index];
	return 0;
}

static void set_endpoint(struct handshake *handshake, struct endpoint *endpoint, const char *address)
{
	if (inet_pton(AF_INET, address, endpoint->address) == 1)
		handshake->family = 4;
	else if (inet_pton(AF_INET6, address, endpoint->address) == 1)
		handshake->family = 6;
}

static void set_outcome(struct handshake *handshake, sqlite3_value **values)
{
	const char *policy = text_of(values, OUTCOME_POLICY);

	handshake->role = number_of(text_of(values, OUTCOME_ROLE), report_role_name, ROLE_OBSERVER + 1);
	handshake->version = version_of(text_of(values, OUTCOME_VERSION));
	handshake->verdict = (struct verdict){
		.client_auth = number_of(text_of(values, OUTCOME_VERDICT), verdict_word, CLIENT_AUTHS),
		.evidence = number_of(text_of(values, OUTCOME_EVIDENCE), evidence_word, EVIDENCES),
		.reason = number_of(text_of(values, OUTCOME_REASON), reason_word, REASONS),
		.requested = known_of(values[OUTCOME_REQUESTED]),
		.answer = answer_of(text_of(values, OUTCOME_ANSWER)),
		.resumed = known_of(values[OUTCOME_RESUMED]),
	};
	handshake->failure.reason = number_of(text_of(values, OUTCOME_FAILURE), failure_reason_name, FAILURE_REASONS);
	if (handshake->failure.reason == UNKNOWN_WORD)
		handshake->failure.reason = FAILURE_NONE;
	handshake->failure.by = number_of(text_of(values, OUTCOME_FAILED_BY), report_side_name, SIDES);
	handshake->verification[FROM_CLIENT].known = known_of(values[OUTCOME_TRUSTED]) != NOT_KNOWN;
	handshake->verification[FROM_CLIENT].result =
		known_of(values[OUTCOME_TRUSTED]) == KNOWN_YES ? FAILURE_NONE : FAILURE_OTHER;
	if (*policy)
		handshake->policy.expectation = POLICY_REQUIRED;
	handshake->policy.result = !strcmp(policy, "kept")     ? POLICY_KEPT
	                           : !strcmp(policy, "broken") ? POLICY_BROKEN
	                                                       : POLICY_UNJUDGED;
}

static void copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
}

/* The process at this host's end: the service's in a server's row, the client's in a client's row. */
static void set_attribution(struct row *row, sqlite3_value **values)
{
	struct attribution *attribution = &row->attribution;
	bool client = row->handshake.role == ROLE_CLIENT;

	copy(attribution->name, sizeof(attribution->name), text_of(values, client ? CLIENT_PROCESS : SERVICE_PROCESS));
	copy(attribution->user_name, sizeof(attribution->user_name), client ? "" : text_of(values, SERVICE_USER));
	copy(attribution->unit, sizeof(attribution->unit), text_of(values, client ? CLIENT_UNIT : SERVICE_UNIT));
	copy(attribution->container, sizeof(attribution->container),
	     text_of(values, client ? CLIENT_CONTAINER : SERVICE_CONTAINER));
	copy(attribution->pod_namespace, sizeof(attribution->pod_namespace),
	     text_of(values, client ? CLIENT_NAMESPACE : SERVICE_NAMESPACE));
	copy(attribution->pod, sizeof(attribution->pod), text_of(values, client ? CLIENT_POD : SERVICE_POD));
	attribution->process = *attribution->name ? UNKNOWN_PROCESS : 0;
	row->handshake.attribution = attribution;
}

static void set_names(struct certificate *certificate, const char *names)
{
	while (*names) {
		size_t length = strcspn(names, "\n");

		if (certificate->alternative_names < MESSAGE_ALTERNATIVE_NAMES_MAX)
			snprintf(certificate->alternative_name[certificate->alternative_names++],
			         MESSAGE_ALTERNATIVE_NAME_MAX, "%.*s", (int)length, names);
		names += length + (names[length] == '\n');
	}
}

static void set_certificate(struct row *row, sqlite3_value **values)
{
	struct certificate *certificate = &row->certificate;

	if (sqlite3_value_type(values[CERTIFICATE_SUBJECT]) == SQLITE_NULL)
		return;
	certificate->certificates = 1;
	certificate->leaf_parsed = sqlite3_value_type(values[CERTIFICATE_NOT_AFTER]) != SQLITE_NULL;
	copy(certificate->subject, sizeof(certificate->subject), text_of(values, CERTIFICATE_SUBJECT));
	copy(certificate->issuer, sizeof(certificate->issuer), text_of(values, CERTIFICATE_ISSUER));
	copy(certificate->serial, sizeof(certificate->serial), text_of(values, CERTIFICATE_SERIAL));
	certificate->not_after = sqlite3_value_int64(values[CERTIFICATE_NOT_AFTER]);
	set_names(certificate, text_of(values, CERTIFICATE_NAMES));
	row->handshake.certificate = certificate;
}

static void matches_function(sqlite3_context *context, int count, sqlite3_value **values)
{
	const struct matches *matches = sqlite3_user_data(context);
	struct row *row = sqlite3_malloc(sizeof(*row));

	(void)count;
	if (!row) {
		sqlite3_result_error_nomem(context);
		return;
	}
	memset(row, 0, sizeof(*row));
	set_endpoint(&row->handshake, &row->handshake.client, text_of(values, CLIENT_ADDRESS));
	set_endpoint(&row->handshake, &row->handshake.server, text_of(values, SERVICE_ADDRESS));
	row->handshake.server.port = sqlite3_value_int(values[SERVICE_PORT]);
	row->handshake.transport = sqlite3_value_int(values[SERVICE_TRANSPORT]);
	row->handshake.facts.client_hello = true;
	copy(row->handshake.client_hello.server_name, sizeof(row->handshake.client_hello.server_name),
	     text_of(values, SERVICE_NAME));
	set_outcome(&row->handshake, values);
	set_attribution(row, values);
	set_certificate(row, values);
	sqlite3_result_int(context, filter_match(matches->filter, &row->handshake, matches->now));
	sqlite3_free(row);
}

int matches_register(sqlite3 *database, struct matches *matches)
{
	return store_database_error(sqlite3_create_function_v2(database, "matches", COLUMNS, SQLITE_UTF8, matches,
	                                                       matches_function, NULL, NULL, NULL));
}

/* NOLINTNEXTLINE(misc-no-recursion): a tree whose depth filter_parse() bounds */
static const char *field_missing(const struct filter_node *node)
{
	const char *missing;

	if (!node)
		return NULL;
	if (node->kind == FILTER_TEST) {
		switch (node->field) {
		case FIELD_CIPHER:
		case FIELD_ALPN:
		case FIELD_CLIENT_PORT:
		case FIELD_PROCESS_PID:
		case FIELD_DURATION:
			return filter_field_information(node->field)->name;
		default:
			return NULL;
		}
	}
	missing = field_missing(node->left);
	return missing ? missing : field_missing(node->right);
}

const char *matches_field_missing(const struct filter *filter)
{
	return filter ? field_missing(filter_root(filter)) : NULL;
}
