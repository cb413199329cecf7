// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The store (user/store): what is folded is what is answered, and each bound is kept and counted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "handshake/handshake.h"
#include "store/answer.h"
#include "store/database.h"
#include "store/ledger.h"
#include "store/question.h"
#include "store/record.h"
#include "store/text.h"

enum {
	NOW = 1796040000, /* 2026-11-30 */
};

/* A record of a server's end; tests change what they are about. */
static struct store_record sample(int64_t seconds)
{
	struct store_record record = {.time_us = seconds * 1000000,
	                              .server_port = 443,
	                              .client_port = 40000,
	                              .version = 0x0304,
	                              .transport = 6,
	                              .role = ROLE_SERVER,
	                              .client_auth = CLIENT_AUTH_PRESENTED,
	                              .evidence = EVIDENCE_LIBRARY,
	                              .requested = KNOWN_YES,
	                              .answer = ANSWER_CERTIFICATE,
	                              .resumed = KNOWN_NO,
	                              .trusted = NOT_KNOWN,
	                              .failure_by = FAILURE_BY_NOBODY};

	for (int text = 0; text < STORE_TEXTS; text++)
		record.text[text] = "";
	record.text[STORE_TEXT_SERVER_ADDRESS] = "10.0.0.1";
	record.text[STORE_TEXT_CLIENT_ADDRESS] = "10.0.0.5";
	record.text[STORE_TEXT_SERVER_NAME] = "api.example";
	record.text[STORE_TEXT_PROCESS] = "nginx";
	return record;
}

struct fixture {
	sqlite3 *database;
	struct ledger *ledger;
};

static struct fixture open_fixture(const struct store_limits *limits)
{
	struct fixture fixture;

	assert_int_equal(store_database_open(&fixture.database, NULL, STORE_MEMORY), 0);
	assert_int_equal(ledger_open(&fixture.ledger, fixture.database, limits), 0);
	return fixture;
}

static void close_fixture(struct fixture *fixture)
{
	ledger_close(fixture->ledger);
	assert_int_equal(sqlite3_close(fixture->database), SQLITE_OK);
}

static void take(struct fixture *fixture, const struct store_record *record)
{
	assert_int_equal(ledger_take(fixture->ledger, record), 0);
}

static int64_t number(struct fixture *fixture, const char *query)
{
	return store_database_number(fixture->database, query, -1);
}

/* The text that a question brings back; the caller frees it. */
static char *ask(struct fixture *fixture, enum question question, const struct question_scope *scope,
                 enum answer_format format)
{
	struct store_answer *answer;
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_int_equal(ledger_write(fixture->ledger), 0);
	assert_int_equal(question_ask(fixture->database, question, scope, &answer), 0);
	answer_write(answer, out, format, 0);
	fclose(out);
	answer_free(answer);
	return text;
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void packed_record_comes_back_as_it_was(void **state)
{
	struct store_record record = sample(NOW), back;
	uint8_t *bytes = malloc(STORE_RECORD_PACKED_MAX);
	size_t size;

	(void)state;
	record.text[STORE_TEXT_JSON] = "{}";
	strcpy(record.client.sha256, "AB");
	size = store_record_pack(&record, bytes);
	for (size_t length = 0; length < size; length++)
		assert_int_equal(store_record_unpack(&back, bytes, length), 0);
	assert_int_equal(store_record_unpack(&back, bytes, size), size);
	assert_memory_equal(&back, &record, offsetof(struct store_record, text));
	for (int text = 0; text < STORE_TEXTS; text++)
		assert_string_equal(back.text[text], record.text[text]);
	free(bytes);
}

static void bytes_that_are_no_record_are_refused(void **state)
{
	struct store_record record = sample(NOW), back;
	uint8_t *bytes = malloc(STORE_RECORD_PACKED_MAX);
	size_t size = store_record_pack(&record, bytes);

	(void)state;
	/* each length of a text, made larger than the record */
	for (size_t place = 0; place + 4 <= size; place++) {
		uint8_t saved[4];

		memcpy(saved, bytes + place, 4);
		memset(bytes + place, 0xff, 4);
		assert_true(store_record_unpack(&back, bytes, size) <= (ptrdiff_t)size);
		memcpy(bytes + place, saved, 4);
	}
	bytes[0] ^= 1;
	assert_true(store_record_unpack(&back, bytes, size) <= 0);
	bytes[0] ^= 1;
	bytes[4] ^= 1;
	assert_int_equal(store_record_unpack(&back, bytes, size), -EBADMSG);
	free(bytes);
}

static void text_is_made_valid_utf8_without_controls(void **state)
{
	static const struct {
		const char *text, *clean;
	} cases[] = {
		{"plain", "plain"},
		{"a\x1b[31m", "a?[31m"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xc3", "?"},                /* cut off */
		{"\xc0\xaf", "??"},           /* overlong */
		{"\xed\xa0\x80", "???"},      /* surrogate */
		{"\xf4\x90\x80\x80", "????"}, /* above U+10FFFF */
		{"\xc2\x85", "??"},           /* C1 control */
		{"a\nb", "a\nb"},
		{"\x7f", "?"},
	};
	char clean[64];

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		store_text_clean(clean, sizeof(clean), cases[index].text);
		assert_string_equal(clean, cases[index].clean);
	}
	store_text_clean(clean, 4, "ab\xc3\xbc");
	assert_string_equal(clean, "ab");
}

static void records_of_an_hour_are_one_cell(void **state)
{
	struct fixture fixture = open_fixture(&(struct store_limits){});
	struct store_record record = sample(NOW);

	(void)state;
	for (int index = 0; index < 1000; index++) {
		record.time_us = (NOW + index) * 1000000LL;
		take(&fixture, &record);
	}
	assert_int_equal(ledger_write(fixture.ledger), 0);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM cell"), 1);
	assert_int_equal(number(&fixture, "SELECT count FROM cell"), 1000);
	assert_int_equal(number(&fixture, "SELECT first FROM cell"), NOW);
	assert_int_equal(number(&fixture, "SELECT last FROM cell"), NOW + 999);
	record.time_us = (NOW + 3600) * 1000000LL;
	take(&fixture, &record);
	assert_int_equal(ledger_write(fixture.ledger), 0);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM cell"), 2);
	assert_int_equal(number(&fixture, "SELECT value FROM meta WHERE name = 'records'"), 1001);
	close_fixture(&fixture);
}

static void correction_replaces_the_earlier_record(void **state)
{
	struct fixture fixture = open_fixture(&(struct store_limits){});
	struct store_record record = sample(NOW);
	char *text;

	(void)state;
	record.text[STORE_TEXT_EVENT] = "0001";
	record.client_auth = CLIENT_AUTH_UNANSWERED;
	take(&fixture, &record);
	/* the first one may have been written already */
	assert_int_equal(ledger_write(fixture.ledger), 0);
	record.text[STORE_TEXT_EVENT] = "0002";
	record.text[STORE_TEXT_CORRECTS] = "0001";
	record.client_auth = CLIENT_AUTH_PRESENTED;
	take(&fixture, &record);
	text = ask(&fixture, QUESTION_SERVICES, &(struct question_scope){.now = NOW}, ANSWER_JSON);
	assert_contains(text, "\"handshakes\":1,\"presented_percent\":100.00");
	free(text);
	record.text[STORE_TEXT_CORRECTS] = "9999";
	take(&fixture, &record);
	assert_int_equal(ledger_counter(fixture.ledger, STORE_CORRECTED), 1);
	assert_int_equal(ledger_counter(fixture.ledger, STORE_CORRECTIONS_LATE), 1);
	close_fixture(&fixture);
}

static void service_that_stops_asking_is_a_change(void **state)
{
	struct fixture fixture = open_fixture(&(struct store_limits){});
	struct store_record record = sample(NOW);
	char *text;

	(void)state;
	record.text[STORE_TEXT_AUTHORITIES] = "CN=One";
	take(&fixture, &record);
	record.time_us += 1000000;
	record.text[STORE_TEXT_AUTHORITIES] = "CN=One\nCN=Two";
	take(&fixture, &record);
	record.time_us += 1000000;
	record.text[STORE_TEXT_AUTHORITIES] = "";
	record.requested = KNOWN_NO;
	record.client_auth = CLIENT_AUTH_NOT_REQUESTED;
	take(&fixture, &record);
	/* an inferred handshake is the client's word: no change */
	record.evidence = EVIDENCE_INFERRED;
	record.requested = KNOWN_YES;
	take(&fixture, &record);
	text = ask(&fixture, QUESTION_CHANGES, &(struct question_scope){.since = NOW - 10, .now = NOW + 10},
	           ANSWER_JSON);
	assert_contains(text, "\"change\":\"new service\"");
	assert_contains(text, "\"change\":\"stopped asking\"");
	assert_contains(text, "\"before\":[\"CN=One\"],\"after\":[\"CN=One\",\"CN=Two\"]");
	assert_null(strstr(text, "began to ask"));
	free(text);
	close_fixture(&fixture);
}

static void tables_that_are_full_count_under_coarser_names(void **state)
{
	const struct store_limits limits = {.services = 8, .names = 4, .clients = 8, .certificates = 4};
	struct fixture fixture = open_fixture(&limits);
	char address[32], name[32];

	(void)state;
	for (int index = 0; index < 200; index++) {
		struct store_record record = sample(NOW);

		snprintf(address, sizeof(address), "10.0.%d.%d", index / 20, index % 20);
		snprintf(name, sizeof(name), "host%d.example", index);
		snprintf(record.client.sha256, sizeof(record.client.sha256), "%064d", index);
		record.text[STORE_TEXT_CLIENT_ADDRESS] = address;
		record.text[STORE_TEXT_SERVER_NAME] = name;
		take(&fixture, &record);
	}
	assert_int_equal(ledger_write(fixture.ledger), 0);
	assert_int_equal(number(&fixture, "SELECT sum(count) FROM cell"), 200);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM service"), 5);
	assert_in_range(number(&fixture, "SELECT count(*) FROM client"), 8, 11);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM client WHERE address = '10.0.0.0/24'"), 1);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM client WHERE address = '*'"), 1);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM certificate"), 4);
	assert_int_equal(ledger_counter(fixture.ledger, STORE_NAMES_FOLDED), 196);
	assert_int_equal(ledger_counter(fixture.ledger, STORE_CLIENTS_FOLDED), 192);
	assert_int_equal(ledger_counter(fixture.ledger, STORE_CERTIFICATES_FOLDED), 196);
	close_fixture(&fixture);
}

static void old_records_are_deleted_and_counted(void **state)
{
	const struct store_limits limits = {.keep_seconds = 10 * STORE_DAY};
	struct fixture fixture = open_fixture(&limits);
	struct store_record record = sample(NOW - 20 * STORE_DAY);

	(void)state;
	record.text[STORE_TEXT_JSON] = "{}";
	take(&fixture, &record);
	record = sample(NOW);
	record.text[STORE_TEXT_CLIENT_ADDRESS] = "10.0.0.6";
	take(&fixture, &record);
	assert_int_equal(ledger_tidy(fixture.ledger, NOW), 0);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM cell"), 1);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM client"), 1);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM handshake"), 0);
	assert_int_equal(ledger_counter(fixture.ledger, STORE_CELLS_DELETED), 1);
	assert_int_equal(ledger_counter(fixture.ledger, STORE_HANDSHAKES_DELETED), 1);
	close_fixture(&fixture);
}

static void file_that_is_too_large_folds_the_oldest_first(void **state)
{
	const struct store_limits limits = {.bytes = 160 << 10};
	struct fixture fixture = open_fixture(&limits);
	char address[32];
	int64_t sum;

	(void)state;
	for (int day = 10; day > 0; day--)
		for (int index = 0; index < 2400; index++) {
			struct store_record record = sample(NOW - day * STORE_DAY + index % 24 * STORE_HOUR);

			snprintf(address, sizeof(address), "10.0.0.%d", index % 100);
			record.text[STORE_TEXT_CLIENT_ADDRESS] = address;
			take(&fixture, &record);
		}
	assert_int_equal(ledger_write(fixture.ledger), 0);
	sum = number(&fixture, "SELECT sum(count) FROM cell");
	assert_int_equal(sum, 24000);
	assert_int_equal(ledger_tidy(fixture.ledger, NOW), 0);
	assert_int_equal(number(&fixture, "SELECT sum(count) FROM cell"), sum);
	assert_true(ledger_counter(fixture.ledger, STORE_CELLS_FOLDED) > 0);
	assert_true(number(&fixture, "SELECT max(begin) FROM cell WHERE span = 86400") <
	            number(&fixture, "SELECT max(begin) FROM cell WHERE span = 3600"));
	close_fixture(&fixture);
}

/* Each verdict counted by the test itself, against what the question says. */
static void services_answer_what_was_folded(void **state)
{
	struct fixture fixture = open_fixture(&(struct store_limits){});
	unsigned counts[CLIENT_AUTHS] = {}, total = 0;
	char expected[128], *text;

	(void)state;
	for (unsigned index = 0; index < 5000; index++) {
		struct store_record record = sample(NOW + index);

		record.client_auth = index * 7919 % CLIENT_AUTHS;
		counts[record.client_auth]++;
		total++;
		take(&fixture, &record);
	}
	text = ask(&fixture, QUESTION_SERVICES, &(struct question_scope){.now = NOW}, ANSWER_JSON);
	snprintf(expected, sizeof(expected), "\"handshakes\":%u,\"presented_percent\":%.2f,\"declined_percent\":%.2f",
	         total, 100.0 * counts[CLIENT_AUTH_PRESENTED] / total, 100.0 * counts[CLIENT_AUTH_DECLINED] / total);
	assert_contains(text, expected);
	snprintf(expected, sizeof(expected), "\"plaintext\":%u,", counts[CLIENT_AUTH_NOT_TLS]);
	assert_contains(text, expected);
	free(text);
	close_fixture(&fixture);
}

static void failures_are_grouped_with_an_example(void **state)
{
	struct fixture fixture = open_fixture(&(struct store_limits){});
	struct store_record record = sample(NOW);
	char *text;

	(void)state;
	record.client_auth = CLIENT_AUTH_REJECTED_CERTIFICATE;
	record.failure = FAILURE_CERTIFICATE_EXPIRED;
	record.failure_by = FROM_SERVER;
	for (int index = 0; index < 3; index++) {
		record.time_us += 1000000;
		record.text[STORE_TEXT_EVENT] = index == 2 ? "00e2" : "00e1";
		record.text[STORE_TEXT_FAILURE_DETAIL] = "X509 10 certificate has expired";
		take(&fixture, &record);
	}
	record = sample(NOW);
	take(&fixture, &record);
	text = ask(&fixture, QUESTION_FAILURES, &(struct question_scope){.now = NOW}, ANSWER_JSON);
	assert_contains(text, "\"verdict\":\"rejected_certificate\",\"reason\":\"certificate_expired\",\"by\":"
	                      "\"server\",\"count\":3");
	assert_contains(text, "\"detail\":\"X509 10 certificate has expired\",\"example\":\"00e2\"");
	assert_null(strstr(text, "\n{"));
	free(text);
	close_fixture(&fixture);
}

static void certificates_come_soonest_to_expire_first(void **state)
{
	struct fixture fixture = open_fixture(&(struct store_limits){});
	char *text, *first, *second;

	(void)state;
	for (int index = 0; index < 2; index++) {
		struct store_record record = sample(NOW);

		snprintf(record.client.sha256, sizeof(record.client.sha256), "%064d", index);
		record.client.not_after = NOW + (2 - index) * 20 * STORE_DAY;
		record.client.chain = 1;
		record.text[STORE_TEXT_CLIENT_CERTIFICATE + STORE_CERTIFICATE_SUBJECT] = index ? "CN=soon" : "CN=later";
		take(&fixture, &record);
	}
	text = ask(&fixture, QUESTION_CERTIFICATES, &(struct question_scope){.now = NOW}, ANSWER_JSON);
	first = strstr(text, "CN=soon");
	second = strstr(text, "CN=later");
	assert_non_null(first);
	assert_non_null(second);
	assert_true(first < second);
	assert_contains(text, "\"days_left\":20,\"subject\":\"CN=soon\"");
	free(text);
	text = ask(&fixture, QUESTION_CERTIFICATES,
	           &(struct question_scope){.now = NOW, .expiring = NOW + 30 * STORE_DAY}, ANSWER_JSON);
	assert_null(strstr(text, "CN=later"));
	free(text);
	close_fixture(&fixture);
}

static void formats_escape_what_strangers_chose(void **state)
{
	struct fixture fixture = open_fixture(&(struct store_limits){});
	struct store_record record = sample(NOW);
	char *text;

	(void)state;
	record.text[STORE_TEXT_SERVER_NAME] = "=cmd|'\"\\\x1b[2J\xff";
	take(&fixture, &record);
	text = ask(&fixture, QUESTION_SERVICES, &(struct question_scope){.now = NOW}, ANSWER_JSON);
	assert_contains(text, "\"name\":\"=cmd|'\\\"\\\\?[2J?\"");
	free(text);
	text = ask(&fixture, QUESTION_SERVICES, &(struct question_scope){.now = NOW}, ANSWER_CSV);
	assert_contains(text, "\"'=cmd|'\"\"\\?[2J?\"");
	free(text);
	text = ask(&fixture, QUESTION_SERVICES, &(struct question_scope){.now = NOW}, ANSWER_TABLE);
	assert_null(strchr(text, 0x1b));
	free(text);
	close_fixture(&fixture);
}

static void other_files_are_refused_and_left_alone(void **state)
{
	char path[] = "/tmp/mtlsnoop-store-test.XXXXXX";
	int descriptor = mkstemp(path);
	sqlite3 *database;
	char text[16] = {};

	(void)state;
	assert_int_equal(write(descriptor, "not a database, but a text of some length", 41), 41);
	assert_true(store_database_open(&database, path, STORE_WRITE) < 0);
	assert_null(database);
	assert_int_equal(pread(descriptor, text, 14, 0), 14);
	assert_string_equal(text, "not a database");
	close(descriptor);
	unlink(path);
	/* a database of another program */
	assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database, "CREATE TABLE other(a)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(database);
	assert_int_equal(store_database_open(&database, path, STORE_WRITE), -EINVAL);
	unlink(path);
}

static void older_schema_is_migrated_and_newer_one_refused(void **state)
{
	char path[] = "/tmp/mtlsnoop-store-test.XXXXXX";
	sqlite3 *database;

	(void)state;
	close(mkstemp(path));
	unlink(path);
	assert_int_equal(store_database_open(&database, path, STORE_WRITE), 0);
	/* what the first version had */
	assert_int_equal(store_database_run(database,
	                                    "INSERT INTO cell(begin, service, client, certificate, outcome, count,"
	                                    " first, last) VALUES(0, 1, 1, 0, 1, 7, 0, 0);"
	                                    "ALTER TABLE cell DROP COLUMN span; PRAGMA user_version = 1"),
	                 0);
	sqlite3_close(database);
	assert_int_equal(store_database_open(&database, path, STORE_READ), -EINVAL);
	assert_int_equal(store_database_open(&database, path, STORE_WRITE), 0);
	assert_int_equal(store_database_number(database, "SELECT count FROM cell WHERE span = 3600", 0), 7);
	store_database_run(database, "PRAGMA user_version = 99");
	sqlite3_close(database);
	assert_int_equal(store_database_open(&database, path, STORE_WRITE), -EINVAL);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_record_comes_back_as_it_was),
		cmocka_unit_test(bytes_that_are_no_record_are_refused),
		cmocka_unit_test(text_is_made_valid_utf8_without_controls),
		cmocka_unit_test(records_of_an_hour_are_one_cell),
		cmocka_unit_test(correction_replaces_the_earlier_record),
		cmocka_unit_test(service_that_stops_asking_is_a_change),
		cmocka_unit_test(tables_that_are_full_count_under_coarser_names),
		cmocka_unit_test(old_records_are_deleted_and_counted),
		cmocka_unit_test(file_that_is_too_large_folds_the_oldest_first),
		cmocka_unit_test(services_answer_what_was_folded),
		cmocka_unit_test(failures_are_grouped_with_an_example),
		cmocka_unit_test(certificates_come_soonest_to_expire_first),
		cmocka_unit_test(formats_escape_what_strangers_chose),
		cmocka_unit_test(other_files_are_refused_and_left_alone),
		cmocka_unit_test(older_schema_is_migrated_and_newer_one_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
