// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Causes that TLS libraries name, joined to records (user/tracking/library_statement.c, user/handshake/library_reason.c). */
#include "tracking/library_statement.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "handshake/library_reason.h"

enum {
	WRITER = 100,
	STRANGER = 300,
	CGROUP = 77,
	SECOND = 1000 * 1000 * 1000,
};

struct fixture {
	struct library_statements *statements;
	struct handshake handshake;
};

static void open_fixture(struct fixture *fixture, enum handshake_role role)
{
	*fixture = (struct fixture){.statements = library_statements_new(4)};
	assert_non_null(fixture->statements);
	fixture->handshake.role = role;
	fixture->handshake.facts.client_hello = true;
	fixture->handshake.facts.end = END_FIN;
	fixture->handshake.facts.ended_by = FROM_CLIENT;
	fixture->handshake.end_ns = 2 * (uint64_t)SECOND;
	fixture->handshake.writer.process = WRITER;
	fixture->handshake.failure.by = FAILURE_BY_NOBODY;
	memset(fixture->handshake.client_hello.random, 0xc1, MESSAGE_RANDOM);
}

static struct library_statement statement_of(const struct fixture *fixture, uint8_t kind, int32_t code, int32_t alert)
{
	struct library_statement statement = {
		.kind = kind,
		.is_server = fixture->handshake.role == ROLE_SERVER,
		.code = code,
		.alert = alert,
		.process = WRITER,
		.cgroup = CGROUP,
		.time_ns = SECOND,
	};

	memset(statement.client_random, 0xc1, MESSAGE_RANDOM);
	return statement;
}

static void say(struct fixture *fixture, uint8_t kind, int32_t code, int32_t alert)
{
	const struct library_statement statement = statement_of(fixture, kind, code, alert);

	library_statements_take(fixture->statements, &statement);
}

static void server_refuses_an_expired_certificate(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, ROLE_SERVER);
	say(&fixture, LIBRARY_VERIFICATION, 10, -1);
	say(&fixture, LIBRARY_FAILURE, 134, 45);
	/* a consequence */
	say(&fixture, LIBRARY_FAILURE, 999, 80);
	assert_int_equal(library_statements_fill(fixture.statements, &fixture.handshake), SECOND);
	assert_int_equal(fixture.handshake.failure.reason, FAILURE_CERTIFICATE_EXPIRED);
	assert_int_equal(fixture.handshake.failure.by, FROM_SERVER);
	assert_int_equal(fixture.handshake.facts.ended_by, FROM_SERVER);
	assert_string_equal(fixture.handshake.failure.detail,
	                    "X509 10 certificate has expired; SSL 134 certificate verify failed");
	assert_true(fixture.handshake.verification[FROM_CLIENT].known);
	assert_int_equal(fixture.handshake.verification[FROM_CLIENT].result, FAILURE_CERTIFICATE_EXPIRED);
	assert_int_equal(fixture.handshake.verification[FROM_CLIENT].code, 10);
	assert_false(fixture.handshake.verification[FROM_SERVER].known);
	library_statements_free(fixture.statements);
}

static void client_gets_an_alert(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, ROLE_CLIENT);
	say(&fixture, LIBRARY_VERIFICATION, 0, -1);
	say(&fixture, LIBRARY_FAILURE, LIBRARY_REASON_ALERT + 48, -1);
	library_statements_fill(fixture.statements, &fixture.handshake);
	assert_int_equal(fixture.handshake.failure.reason, FAILURE_UNKNOWN_CA);
	assert_int_equal(fixture.handshake.failure.by, FROM_SERVER);
	assert_string_equal(fixture.handshake.failure.detail, "alert 48 unknown_ca received");
	assert_int_equal(fixture.handshake.verification[FROM_SERVER].result, FAILURE_NONE);
	assert_true(fixture.handshake.verification[FROM_SERVER].known);
	library_statements_free(fixture.statements);
}

static void only_the_process_that_writes_to_the_socket_counts(void **state)
{
	struct library_statement lie;
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, ROLE_SERVER);
	lie = statement_of(&fixture, LIBRARY_VERIFICATION, 0, -1);
	lie.process = STRANGER;
	/* in the cgroup of the socket, even */
	fixture.handshake.cgroup = CGROUP;
	library_statements_take(fixture.statements, &lie);
	library_statements_fill(fixture.statements, &fixture.handshake);
	assert_false(fixture.handshake.verification[FROM_CLIENT].known);
	assert_int_equal(library_statements_foreign(fixture.statements), 1);
	/* as long as nobody was seen to write: the cgroup, or the process that opened the socket */
	fixture.handshake.writer.process = 0;
	assert_true(library_owns(&fixture.handshake, STRANGER, CGROUP));
	assert_false(library_owns(&fixture.handshake, STRANGER, CGROUP + 1));
	fixture.handshake.owner.id = STRANGER;
	assert_true(library_owns(&fixture.handshake, STRANGER, CGROUP + 1));
	fixture.handshake.cgroup = 0;
	assert_false(library_owns(&fixture.handshake, WRITER, 0));
	library_statements_free(fixture.statements);
}

static void other_end_other_server_and_no_connection_do_not_count(void **state)
{
	struct library_statement statement;
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, ROLE_SERVER);
	statement = statement_of(&fixture, LIBRARY_VERIFICATION, 10, -1);
	statement.is_server = false;
	library_statements_take(fixture.statements, &statement);
	statement = statement_of(&fixture, LIBRARY_VERIFICATION, 10, -1);
	statement.server_random[0] = 1;
	fixture.handshake.facts.server_hello = true;
	library_statements_take(fixture.statements, &statement);
	assert_int_equal(library_statements_fill(fixture.statements, &fixture.handshake), 0);
	assert_false(fixture.handshake.verification[FROM_CLIENT].known);
	assert_false(fixture.handshake.verification[FROM_SERVER].known);
	library_statements_free(fixture.statements);
}

static void error_after_the_handshake_is_no_failure_of_it(void **state)
{
	struct fixture fixture;
	uint64_t failed_ns;

	(void)state;
	open_fixture(&fixture, ROLE_SERVER);
	say(&fixture, LIBRARY_FAILURE, 294, 50);
	fixture.handshake.end_ns = SECOND / 2;
	failed_ns = library_statements_fill(fixture.statements, &fixture.handshake);
	assert_int_equal(fixture.handshake.failure.reason, FAILURE_CLOSED);
	assert_int_equal(fixture.handshake.failure.by, FROM_CLIENT);
	fixture.handshake.verdict.established = KNOWN_YES;
	library_statements_settle(&fixture.handshake, failed_ns);
	assert_int_equal(fixture.handshake.failure.reason, FAILURE_NONE);
	assert_int_equal(fixture.handshake.failure.by, FAILURE_BY_NOBODY);
	library_statements_free(fixture.statements);
}

static void server_that_ends_after_an_empty_answer_requires_one(void **state)
{
	struct fixture fixture;
	uint64_t failed_ns;

	(void)state;
	open_fixture(&fixture, ROLE_CLIENT);
	say(&fixture, LIBRARY_FAILURE, LIBRARY_REASON_ALERT + 40, -1);
	failed_ns = library_statements_fill(fixture.statements, &fixture.handshake);
	assert_int_equal(fixture.handshake.failure.reason, FAILURE_OTHER);
	fixture.handshake.verdict.established = KNOWN_NO;
	fixture.handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_CERTIFICATE;
	library_statements_settle(&fixture.handshake, failed_ns);
	assert_int_equal(fixture.handshake.failure.reason, FAILURE_OTHER);
	fixture.handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE;
	library_statements_settle(&fixture.handshake, failed_ns);
	assert_int_equal(fixture.handshake.failure.reason, FAILURE_CERTIFICATE_REQUIRED);
	library_statements_free(fixture.statements);
}

static void oldest_makes_room_and_time_ends_all(void **state)
{
	struct library_statement statement;
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, ROLE_SERVER);
	say(&fixture, LIBRARY_VERIFICATION, 10, -1);
	statement = statement_of(&fixture, LIBRARY_VERIFICATION, 10, -1);
	for (int number = 0; number < 4; number++) {
		statement.client_random[0] = number;
		library_statements_take(fixture.statements, &statement);
	}
	library_statements_fill(fixture.statements, &fixture.handshake);
	assert_false(fixture.handshake.verification[FROM_CLIENT].known);
	say(&fixture, LIBRARY_VERIFICATION, 10, -1);
	library_statements_time(fixture.statements, 3 * (uint64_t)SECOND, SECOND);
	library_statements_fill(fixture.statements, &fixture.handshake);
	assert_false(fixture.handshake.verification[FROM_CLIENT].known);
	library_statements_free(fixture.statements);
}

static void events_that_are_no_statements_are_refused(void **state)
{
	struct {
		struct library_event event;
		struct library_cause cause;
	} buffer = {.event = {.size = sizeof(buffer), .kind = LIBRARY_FAILURE, .length = sizeof(struct library_cause)}};
	struct library_statement statement;

	(void)state;
	assert_int_equal(library_statement_read(&buffer.event, NULL, &statement), -ENOENT);
	buffer.cause.random[1][31] = 1;
	buffer.cause.code = 258;
	assert_int_equal(library_statement_read(&buffer.event, NULL, &statement), 0);
	assert_int_equal(statement.code, 258);
	buffer.event.length--;
	assert_int_equal(library_statement_read(&buffer.event, NULL, &statement), -EINVAL);
	buffer.event.length++;
	buffer.event.size--;
	assert_int_equal(library_statement_read(&buffer.event, NULL, &statement), -EINVAL);
}

static void event_of_go_is_of_the_handshake_at_its_handle(void **state)
{
	struct {
		struct library_event event;
		struct library_cause cause;
	} buffer = {.event = {.size = sizeof(buffer),
	                      .kind = LIBRARY_FAILURE,
	                      .length = sizeof(struct library_cause),
	                      .process = WRITER},
	            .cause = {.alert = 42, .library = LIBRARY_CAUSE_GO}};
	struct library_handshake seen = {.process = WRITER, .role = ROLE_SERVER, .random = {1}};
	struct library_statement statement;

	(void)state;
	assert_int_equal(library_statement_read(&buffer.event, NULL, &statement), -ENOENT);
	assert_int_equal(library_statement_read(&buffer.event, &seen, &statement), 0);
	assert_true(statement.is_server);
	assert_int_equal(statement.client_random[0], 1);
	assert_int_equal(statement.alert, 42);
	seen.role = ROLE_OBSERVER;
	assert_int_equal(library_statement_read(&buffer.event, &seen, &statement), -ENOENT);
	seen.role = ROLE_CLIENT;
	seen.process = STRANGER;
	assert_int_equal(library_statement_read(&buffer.event, &seen, &statement), -ENOENT);
}

static void numbers_have_reasons(void **state)
{
	(void)state;
	assert_int_equal(library_reason_of_x509(26).reason, FAILURE_CERTIFICATE_PURPOSE);
	assert_int_equal(library_reason_of_x509(23).reason, FAILURE_CERTIFICATE_REVOKED);
	assert_int_equal(library_reason_of_x509(-1).reason, FAILURE_OTHER);
	assert_int_equal(library_reason_of_openssl(193).reason, FAILURE_NO_SHARED_CIPHER);
	assert_int_equal(library_reason_of_openssl(156).reason, FAILURE_NOT_TLS);
	assert_int_equal(library_reason_of_openssl(12345).reason, FAILURE_OTHER);
	assert_int_equal(library_reason_of_alert(116).reason, FAILURE_CERTIFICATE_REQUIRED);
	assert_int_equal(library_reason_of_alert(40).reason, FAILURE_OTHER);
	assert_int_equal(library_reason_of_gnutls_status(1 << 1 | 1 << 10).reason, FAILURE_CERTIFICATE_EXPIRED);
	assert_int_equal(library_reason_of_gnutls_status(0).reason, FAILURE_NONE);
	assert_int_equal(library_reason_of_gnutls_status(1 << 1).reason, FAILURE_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_refuses_an_expired_certificate),
		cmocka_unit_test(client_gets_an_alert),
		cmocka_unit_test(only_the_process_that_writes_to_the_socket_counts),
		cmocka_unit_test(other_end_other_server_and_no_connection_do_not_count),
		cmocka_unit_test(error_after_the_handshake_is_no_failure_of_it),
		cmocka_unit_test(server_that_ends_after_an_empty_answer_requires_one),
		cmocka_unit_test(oldest_makes_room_and_time_ends_all),
		cmocka_unit_test(events_that_are_no_statements_are_refused),
		cmocka_unit_test(event_of_go_is_of_the_handshake_at_its_handle),
		cmocka_unit_test(numbers_have_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
