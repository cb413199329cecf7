// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "filter/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter/node.h"
#include "report_sample.h"

enum {
	NOW = 1796000000,
	DAY = 86400,
	ATTRIBUTED_PROCESS = 2960,
};

static struct filter *parse(const char *text)
{
	struct filter *filter;
	struct filter_error error;
	char message[FILTER_ERROR_TEXT_MAX];

	if (filter_parse(text, &filter, &error)) {
		filter_error_text(message, text, &error);
		fail_msg("%s", message);
	}
	return filter;
}

static void expect(const struct handshake *handshake, const char *text, bool expected)
{
	struct filter *filter = parse(text);
	bool actual = filter_match(filter, handshake, NOW);

	filter_free(filter);
	if (actual != expected)
		fail_msg("%s: %s, expected %s", text, actual ? "matches" : "does not match",
		         expected ? "a match" : "none");
}

static struct certificate certificate = {
	.certificates = 1,
	.leaf_parsed = true,
	.subject = "CN=alice,O=\"Corp\"",
	.issuer = "CN=Example CA",
	.serial = "0A1B",
	.not_after = NOW + 10 * DAY,
	.alternative_names = 2,
	.alternative_name = {"spiffe://corp/ns/shop/sa/cart", "alice@corp.example"},
};

static const struct attribution attribution = {
	.process = ATTRIBUTED_PROCESS,
	.name = "nginx",
	.user_known = true,
	.user = 33,
	.user_name = "www-data",
	.unit = "nginx.service",
	.container = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	.pod = "cart-7c9",
	.pod_namespace = "shop",
};

/* A server's handshake of which everything is known. */
static struct handshake known_handshake(void)
{
	struct handshake handshake = {
		.family = 4,
		.transport = IPPROTO_TCP,
		.role = ROLE_SERVER,
		.server.port = 443,
		.client.port = 51234,
		.start_ns = SAMPLE_START_NS,
		.end_ns = SAMPLE_MICROSECONDS(1500),
		.version = 0x0303,
		.facts = {.client_hello = true, .server_hello = true},
		.client_hello.server_name = "API.corp",
		.server_hello = {.cipher_suite = 0xc030, .protocol = "h2"},
		.verdict = {.client_auth = CLIENT_AUTH_REJECTED_CERTIFICATE,
	                    .evidence = EVIDENCE_LIBRARY,
	                    .requested = KNOWN_YES,
	                    .answer = ANSWER_CERTIFICATE,
	                    .established = KNOWN_NO,
	                    .resumed = KNOWN_NO},
		.failure = {.reason = FAILURE_CERTIFICATE_EXPIRED, .by = FROM_SERVER},
		.verification[FROM_CLIENT] = {.known = true, .result = FAILURE_CERTIFICATE_EXPIRED},
		.policy = {.expectation = POLICY_REQUIRED, .result = POLICY_KEPT},
		.certificate = &certificate,
		.attribution = &attribution,
	};

	inet_pton(AF_INET, "10.0.0.1", handshake.server.address);
	inet_pton(AF_INET, "10.1.2.3", handshake.client.address);
	return handshake;
}

/* A handshake of which next to nothing is known. */
static struct handshake unknown_handshake(void)
{
	return (struct handshake){
		.role = ROLE_OBSERVER,
		.start_ns = 1,
		.verdict = {.client_auth = CLIENT_AUTH_UNKNOWN,
	                    .reason = REASON_GAP,
	                    .requested = NOT_KNOWN,
	                    .established = NOT_KNOWN,
	                    .resumed = NOT_KNOWN},
		.failure.by = FAILURE_BY_NOBODY,
	};
}

static void each_field_of_a_known_record_is_compared(void **state)
{
	static const char *const matches[] = {
		"verdict == rejected_certificate",
		"verdict != presented",
		"verdict in {presented, rejected_certificate}",
		"verdict matches rejected_*",
		"requested",
		"requested == true and requested == yes and requested != false",
		"answer == certificate",
		"not trusted",
		"trusted == false",
		"evidence == library",
		"reason == null",
		"failure.reason == certificate_expired",
		"failure.reason != null and failure.by == server",
		"role == server",
		"version == 1.2 and version == TLSv1.2 and version >= 1.0 and version < 1.3 and version in 1.0..1.2",
		"version > SSLv3 and version > SSLv2",
		"cipher == TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"sni == api.corp and sni matches *.CORP and sni matches \"*.corp\"",
		"alpn == h2",
		"server.ip == 10.0.0.1 and server.ip in 10.0.0.0/31 and server.ip in 0.0.0.0/0",
		"client.ip in {192.0.2.1, 10.1.0.0/16, 2001:db8::/32}",
		"not (client.ip in 10.1.2.0/31) and client.ip not in 10.1.2.0/31",
		"server.port == 443 and server.port in 1..443 and server.port in {1, 400..500}",
		"client.port > 1024 and client.port <= 51234 and client.port != 443",
		"service == 10.0.0.1:443",
		"process.name == nginx and process.pid == 2960 and user.name == \"www-data\"",
		"unit == nginx.service and container matches 0123456789ab*",
		"pod == cart-7c9 and namespace == shop",
		"subject == 'CN=alice,O=\"Corp\"' and subject matches \"CN=alice,*\"",
		"issuer == \"CN=Example CA\" and serial == 0a1b",
		"names == alice@corp.example and names matches spiffe://corp/*",
		"names != nobody",
		"not_after < now + 14d and not_after > now+9d and not_after > now-1d and not_after in now..now + 10d",
		"not_after > 2026-11-01 and not_after < 2027-01-01T00:00:00Z",
		"duration > 1ms and duration < 1.6ms and duration == 1500us and duration in 1ms..1.5ms",
		"resumed == false",
		"policy == kept",
		"not resumed and (role == client or role == server) && !trusted || resumed",
		"destination.port == 443 and source.ip == 10.1.2.3 and tls.client.server_name == api.corp",
		"role == client or role == server and requested",
		"not role == client and requested",
	};
	const struct handshake handshake = known_handshake();

	(void)state;
	for (size_t index = 0; index < sizeof(matches) / sizeof(matches[0]); index++)
		expect(&handshake, matches[index], true);
}

static void a_known_value_that_differs_does_not_match(void **state)
{
	static const char *const differ[] = {
		"verdict == presented",
		"verdict matches *presented",
		"not requested",
		"trusted",
		"trusted == null",
		"server.ip in 10.0.0.2/31",
		"server.ip in ::/0",
		"client.port < 51234",
		"names != alice@corp.example",
		"names in {alice@corp.example}and names == other",
		"not_after > now + 10d",
		"duration > 1500us",
		"sni matches *.corp.example",
		"process.name == NGINX",
		"subject matches alice",
	};
	const struct handshake handshake = known_handshake();

	(void)state;
	for (size_t index = 0; index < sizeof(differ) / sizeof(differ[0]); index++)
		expect(&handshake, differ[index], false);
}

/* Neither a comparison nor its opposite is true of what is not known. */
static void an_unknown_field_matches_only_null(void **state)
{
	static const char *const fields[] = {
		"requested == true",
		"answer == empty",
		"trusted",
		"failure.reason == other",
		"failure.by == client",
		"version == 1.2",
		"cipher == x",
		"sni == x",
		"alpn == h2",
		"server.ip == 10.0.0.1",
		"service == x",
		"process.name == x",
		"process.pid == 1",
		"user.name == root",
		"unit == x",
		"container == x",
		"pod == x",
		"namespace == x",
		"subject == x",
		"issuer == x",
		"serial == 01",
		"names == x",
		"not_after > now",
		"duration > 1s",
		"resumed",
		"policy == kept",
		"sni matches *",
		"process.pid in 1..9",
	};
	const struct handshake handshake = unknown_handshake();
	char text[128];

	(void)state;
	for (size_t index = 0; index < sizeof(fields) / sizeof(fields[0]); index++) {
		const int name = strcspn(fields[index], " ");

		expect(&handshake, fields[index], false);
		snprintf(text, sizeof(text), "not (%s)", fields[index]);
		expect(&handshake, text, false);
		snprintf(text, sizeof(text), "%.*s == null", name, fields[index]);
		expect(&handshake, text, true);
		snprintf(text, sizeof(text), "%.*s != null", name, fields[index]);
		expect(&handshake, text, false);
		snprintf(text, sizeof(text), "not (%.*s != null)", name, fields[index]);
		expect(&handshake, text, true);
		snprintf(text, sizeof(text), "%s or verdict == unknown", fields[index]);
		expect(&handshake, text, true);
		snprintf(text, sizeof(text), "not (%s and verdict == presented)", fields[index]);
		expect(&handshake, text, true);
	}
	expect(&handshake, "verdict == unknown and reason == gap and role == observer", true);
}

static void names_beyond_those_kept_are_not_known(void **state)
{
	struct handshake handshake = known_handshake();
	struct certificate many = certificate;

	(void)state;
	many.alternative_names = MESSAGE_ALTERNATIVE_NAMES_MAX + 1;
	handshake.certificate = &many;
	expect(&handshake, "names == alice@corp.example", true);
	expect(&handshake, "names != alice@corp.example", false);
	expect(&handshake, "names == bob or names != bob or not (names == bob)", false);
	expect(&handshake, "names != null", true);
}

static void the_process_falls_back_to_the_library_then_to_the_opener(void **state)
{
	struct handshake handshake = known_handshake();

	(void)state;
	handshake.owner = (struct process){.id = 7, .name = "opener"};
	expect(&handshake, "process.pid == 2960 and process.name == nginx", true);
	handshake.attribution = NULL;
	expect(&handshake, "process.pid == 7 and process.name == opener", true);
	handshake.process = (struct process){.id = 8, .name = "library"};
	expect(&handshake, "process.pid == 8 and process.name == library", true);
	strcpy(handshake.container, "c0ffee");
	expect(&handshake, "container == c0ffee", true);
}

static void hostile_texts_are_compared_byte_by_byte(void **state)
{
	struct handshake handshake = known_handshake();

	(void)state;
	strcpy(handshake.client_hello.server_name, "a\n\"\\\x1b\xff*");
	expect(&handshake, "sni == \"a\\n\\\"\\\\\\x1b\\xff*\"", true);
	expect(&handshake, "sni matches \"a\\x0a??\\x1b\\xff\\*\"", true);
	expect(&handshake, "sni matches \"*\\\\\\\\*\\\\*\"", true);
	expect(&handshake, "sni matches \"*b\"", false);
	expect(&handshake, "sni == 'a\n\"\\\\\\x1b\xff*'", true);
}

static void globs(void **state)
{
	static const struct {
		const char *pattern;
		const char *text;
		bool matches;
	} cases[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "abc", true},
		{"?", "", false},
		{"?", "a", true},
		{"a*c", "abc", true},
		{"a*c", "ac", true},
		{"a*c", "acb", false},
		{"*b*", "abc", true},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "aXcYb", false},
		{"**", "a", true},
		{"*.corp", "x.corp", true},
		{"*.corp", "corp", false},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"\\?", "?", true},
		{"\\", "\\", true},
		{"a\\", "a\\", true},
		{"[ab]", "a", false},
		{"[ab]", "[ab]", true},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"?*?", "ab", true},
		{"?*?", "a", false},
		{"*\\**", "a*b", true},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++)
		if (filter_glob(cases[index].pattern, cases[index].text, false) != cases[index].matches)
			fail_msg("'%s' on '%s': expected %d", cases[index].pattern, cases[index].text,
			         cases[index].matches);
	assert_true(filter_glob("A?c*", "aBCd", true));
	assert_false(filter_glob("A?c*", "aBCd", false));
}

static void an_error_points_at_its_place(void **state)
{
	static const struct {
		const char *text;
		size_t offset;
		size_t length;
		const char *message;
	} cases[] = {
		{"", 0, 0, "the expression ends too early: expected a field, not, ("},
		{"   ", 3, 0, "the expression ends too early: expected a field, not, ("},
		{"verdct == presented", 0, 6, "unknown field 'verdct' (did you mean verdict?)"},
		{"server.prot == 1", 0, 11, "unknown field 'server.prot' (did you mean server.port?)"},
		{"frobnicate == 1", 0, 10, "unknown field 'frobnicate'"},
		{"verdict == presentd", 11, 8, "'presentd' is no value of verdict (did you mean presented?)"},
		{"role == peer", 8, 4, "'peer' is no value of role: expected server, client, observer"},
		{"verdict = presented", 8, 1, "'=' is not an operator (did you mean ==?)"},
		{"verdict", 7, 0,
	         "verdict needs a comparison: one of ==, !=, in, matches (verdict != null: it is known)"},
		{"verdict presented", 8, 9,
	         "unexpected 'presented': expected a comparison (==, !=, <, <=, >, >=, in, matches), and, or"},
		{"requested and", 13, 0, "the expression ends too early: expected a field, not, ("},
		{"requested and and", 14, 3, "unexpected 'and': expected a field, not, ("},
		{"(requested", 10, 0,
	         "the expression ends too early: expected a comparison (==, !=, <, <=, >, >=, in, matches), and, "
	         "or, )"},
		{"requested)", 9, 1,
	         "unexpected ')': expected a comparison (==, !=, <, <=, >, >=, in, matches), and, or"},
		{"sni == \"open", 7, 5, "the string is not closed"},
		{"sni ~ x", 4, 1, "regular expressions are not supported: use matches with * and ?"},
		{"sni < x", 4, 1, "sni is not compared with <: expected one of ==, !=, in, matches"},
		{"duration > 50", 11, 2,
	         "'50' is no value of duration: expected a duration with its unit, such as 50ms or 1.5s"},
		{"duration > 5x", 11, 2,
	         "'5x' is no value of duration: expected a duration with its unit, such as 50ms or 1.5s"},
		{"not_after < tomorrow", 12, 8,
	         "'tomorrow' is no value of not_after: expected a time: now, now + 14d, 2026-12-01 or "
	         "2026-12-01T10:30:00Z (UTC)"},
		{"not_after < 2026-02-30", 12, 10,
	         "'2026-02-30' is no value of not_after: expected a time: now, now + 14d, 2026-12-01 or "
	         "2026-12-01T10:30:00Z (UTC)"},
		{"server.port == https", 15, 5, "'https' is no value of server.port: expected a number"},
		{"server.port in {1, x}", 19, 1, "'x' is no value of server.port: expected a number"},
		{"server.port in {}", 16, 1, "unexpected '}': expected a value"},
		{"server.port in {1,}", 18, 1, "unexpected '}': expected a value"},
		{"server.port in 9..1", 15, 4, "the range is empty: its end lies before its begin"},
		{"server.port in 1..null", 15, 7, "null can only be compared with == and !="},
		{"server.port < null", 14, 4, "null can only be compared with == and !="},
		{"client.ip == 10.0.0.0/8", 13, 10, "'10.0.0.0/8' is a prefix: use in"},
		{"client.ip in 10.0.0.1/8", 13, 10, "'10.0.0.1/8' has bits set behind its prefix"},
		{"client.ip in 10.0.0/8", 13, 8,
	         "'10.0.0/8' is no value of client.ip: expected an IP address, or with in a prefix such as 10.0.0.0/8"},
		{"client.ip in 10.0.0.0/33", 13, 11,
	         "'10.0.0.0/33' is no value of client.ip: expected an IP address, or with in a prefix such as "
	         "10.0.0.0/8"},
		{"client.ip in 1.1.1.1..2.2.2.2", 13, 16,
	         "client.ip has no ranges: expected an IP address, or with in a prefix such as 10.0.0.0/8"},
		{"requested == maybe", 13, 5, "'maybe' is no value of requested: expected true, false or null"},
		{"version == 1.4", 11, 3,
	         "'1.4' is no value of version: expected a version: 1.0, 1.1, 1.2, 1.3, or TLSv1.2, SSLv3"},
		{"sni not == x", 8, 2, "unexpected '==': expected in, matches"},
		{"sni == x;", 8, 1, "unexpected character: put a value with special characters in \"quotes\""},
	};
	struct filter *filter;
	struct filter_error error;

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		assert_int_equal(filter_parse(cases[index].text, &filter, &error), -EINVAL);
		assert_null(filter);
		if (error.offset != cases[index].offset || error.length != cases[index].length ||
		    strcmp(error.message, cases[index].message))
			fail_msg("%s\n%zu, %zu: %s\nexpected\n%zu, %zu: %s", cases[index].text, error.offset,
			         error.length, error.message, cases[index].offset, cases[index].length,
			         cases[index].message);
	}
}

static void expect_error_text(const char *expression, const char *expected)
{
	struct filter *filter;
	struct filter_error error;
	char text[FILTER_ERROR_TEXT_MAX];

	assert_int_equal(filter_parse(expression, &filter, &error), -EINVAL);
	filter_error_text(text, expression, &error);
	assert_string_equal(text, expected);
}

static void an_error_is_shown_with_a_caret(void **state)
{
	char expression[400], expected[FILTER_ERROR_TEXT_MAX];

	(void)state;
	expect_error_text("role == server and verdct == x", "unknown field 'verdct' (did you mean verdict?)\n"
	                                                    "  role == server and verdct == x\n"
	                                                    "                     ^^^^^^\n");
	expect_error_text("sni == \"\xc3\xa9\xc3\xa9\" x", "unexpected 'x': expected and, or\n"
	                                                   "  sni == \"\xc3\xa9\xc3\xa9\" x\n"
	                                                   "              ^\n");
	expect_error_text("sni ==\n\x1b[31m",
	                  "unexpected character: put a value with special characters in \"quotes\"\n"
	                  "  sni ==??[31m\n"
	                  "         ^\n");
	expect_error_text("requested and", "the expression ends too early: expected a field, not, (\n"
	                                   "  requested and\n"
	                                   "               ^\n");
	memset(expression, ' ', sizeof(expression));
	memcpy(expression + 200, "x == 1", sizeof("x == 1"));
	snprintf(expected, sizeof(expected), "unknown field 'x'\n%62sx == 1\n%62s^\n", "", "");
	expect_error_text(expression, expected);
}

static void expressions_are_bounded(void **state)
{
	char text[FILTER_TEXT_MAX + 2];
	struct filter *filter;
	struct filter_error error;
	size_t length = 0;

	(void)state;
	memset(text, ' ', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(filter_parse(text, &filter, &error), -EINVAL);
	assert_string_equal(error.message, "the expression is longer than 16384 bytes");
	memset(text, '(', FILTER_TEXT_MAX);
	text[FILTER_TEXT_MAX] = '\0';
	assert_int_equal(filter_parse(text, &filter, &error), -EINVAL);
	assert_string_equal(error.message, "the expression is nested too deeply");
	for (int part = 0; part < FILTER_NODES_MAX; part++)
		length += sprintf(text + length, "!");
	sprintf(text + length, "pid==1");
	assert_int_equal(filter_parse(text, &filter, &error), -EINVAL);
	assert_string_equal(error.message, "the expression has more than 2048 parts");
	length = sprintf(text, "pid in {1");
	while (length < FILTER_TEXT_MAX - 3)
		length += sprintf(text + length, ",1");
	strcpy(text + length, "}");
	assert_int_equal(filter_parse(text, &filter, &error), -EINVAL);
	assert_string_equal(error.message, "the sets have more than 4096 values");
}

static void needs_follow_the_fields(void **state)
{
	static const struct {
		const char *text;
		bool certificates;
		bool attribution;
	} cases[] = {
		{"role == server", false, false},       {"sni == x or subject == y", true, false},
		{"not_after < now + 14d", true, false}, {"not (unit == x)", false, true},
		{"process.pid == 1", false, true},      {"names == x and pod == y", true, true},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		struct filter *filter = parse(cases[index].text);

		assert_int_equal(filter_needs_certificates(filter), cases[index].certificates);
		assert_int_equal(filter_needs_attribution(filter), cases[index].attribution);
		filter_free(filter);
	}
	assert_false(filter_needs_certificates(NULL));
	assert_true(filter_match(NULL, NULL, NOW));
}

static void each_alias_leads_to_a_field(void **state)
{
	enum filter_field field = FIELDS;
	const char *name;

	(void)state;
	for (size_t index = 0; (name = filter_field_alias(index, &field)) != NULL; index++) {
		assert_in_range(field, 0, FIELDS - 1);
		assert_int_equal(filter_field_find(name), field);
	}
	for (int number = 0; number < FIELDS; number++) {
		assert_non_null(filter_field_information(number)->name);
		assert_int_equal(filter_field_find(filter_field_information(number)->name), number);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_of_a_known_record_is_compared),
		cmocka_unit_test(a_known_value_that_differs_does_not_match),
		cmocka_unit_test(an_unknown_field_matches_only_null),
		cmocka_unit_test(names_beyond_those_kept_are_not_known),
		cmocka_unit_test(the_process_falls_back_to_the_library_then_to_the_opener),
		cmocka_unit_test(hostile_texts_are_compared_byte_by_byte),
		cmocka_unit_test(globs),
		cmocka_unit_test(an_error_points_at_its_place),
		cmocka_unit_test(an_error_is_shown_with_a_caret),
		cmocka_unit_test(expressions_are_bounded),
		cmocka_unit_test(needs_follow_the_fields),
		cmocka_unit_test(each_alias_leads_to_a_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
