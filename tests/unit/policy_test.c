// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/policy.h"
#include "handshake/verdict.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The hosts of the tests: two addresses, one, and none. */
static uint32_t resolve(const char *name, struct policy_address addresses[POLICY_ADDRESSES_MAX], void *context)
{
	(void)context;
	if (!strcmp(name, "db.corp")) {
		addresses[0] = (struct policy_address){.family = 4, .bytes = {192, 0, 2, 1}};
		addresses[1] = (struct policy_address){.family = 6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 7}};
		return 2;
	}
	if (!strcmp(name, "localhost") || !strcmp(name, "Web-1")) {
		addresses[0] = (struct policy_address){.family = 4, .bytes = {127, 0, 0, 1}};
		return 1;
	}
	return 0;
}

static struct policy *parse(const char *text)
{
	struct policy *policy = NULL;
	struct policy_error error;

	if (policy_parse(&policy, text, strlen(text), resolve, NULL, &error))
		fail_msg("line %u: %s", error.line, error.reason);
	return policy;
}

static struct handshake handshake_with(const char *address, uint16_t port)
{
	struct handshake handshake = {.server.port = port, .family = strchr(address, ':') ? 6 : 4};

	assert_int_equal(inet_pton(handshake.family == 6 ? AF_INET6 : AF_INET, address, handshake.server.address), 1);
	handshake.verdict.client_auth = CLIENT_AUTH_NOT_REQUESTED;
	return handshake;
}

/* Which line counts for a server; 0 where none does. */
static void line_that_counts(void **state)
{
	static const char text[] = "# by address and port\n"
				   "10.0.0.1:443 required\n"
				   "\n"
				   "10.0.0.0/24:443\toptional # a comment\r\n"
				   "[2001:db8::1]:443 required\n"
				   "  [2001:db8::/32]:443 never  \n"
				   ":5432 never\n"
				   "10.0.0.1 optional\n"
				   "172.16.0.0/12 required\n"
				   "192.0.2.128/25 never\n"
				   "[fe80::/10] optional\n"
				   "0.0.0.0/0:636 required";
	static const struct {
		const char *address;
		uint16_t port;
		uint32_t line;
		uint8_t expectation;
	} cases[] = {
		{"10.0.0.1", 443, 2, POLICY_REQUIRED},    {"10.0.0.2", 443, 4, POLICY_OPTIONAL},
		{"10.0.0.255", 443, 4, POLICY_OPTIONAL},  {"10.0.1.0", 443, 0, POLICY_NOTHING},
		{"10.0.0.1", 444, 8, POLICY_OPTIONAL},    {"10.0.0.1", 5432, 7, POLICY_NEVER},
		{"2001:db8::1", 443, 5, POLICY_REQUIRED}, {"2001:db8::2", 443, 6, POLICY_NEVER},
		{"2001:db9::1", 443, 0, POLICY_NOTHING},  {"2001:db8::1", 5432, 7, POLICY_NEVER},
		{"172.16.0.1", 1, 9, POLICY_REQUIRED},    {"172.31.255.255", 65535, 9, POLICY_REQUIRED},
		{"172.32.0.0", 1, 0, POLICY_NOTHING},     {"172.15.255.255", 1, 0, POLICY_NOTHING},
		{"192.0.2.127", 1, 0, POLICY_NOTHING},    {"192.0.2.128", 1, 10, POLICY_NEVER},
		{"fe80::1", 1, 11, POLICY_OPTIONAL},      {"febf::1", 1, 11, POLICY_OPTIONAL},
		{"fec0::1", 1, 0, POLICY_NOTHING},        {"203.0.113.9", 636, 12, POLICY_REQUIRED},
		{"2001:db9::1", 636, 0, POLICY_NOTHING},
	};
	struct policy *policy = parse(text);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct handshake handshake = handshake_with(cases[i].address, cases[i].port);
		struct policy_judgement judgement = policy_judge(policy, &handshake);

		if (judgement.line != cases[i].line || judgement.expectation != cases[i].expectation)
			fail_msg("%s port %u: line %u expects %u, expected line %u, %u", cases[i].address,
			         cases[i].port, judgement.line, judgement.expectation, cases[i].line,
			         cases[i].expectation);
	}
	assert_int_equal(policy_lines(policy, POLICY_REQUIRED), 4);
	assert_int_equal(policy_lines(policy, POLICY_OPTIONAL), 3);
	assert_int_equal(policy_lines(policy, POLICY_NEVER), 3);
	policy_free(policy);
}

/* All that is refused, with its line and what is said. */
static void lines_that_are_refused(void **state)
{
	static const struct {
		const char *text;
		uint32_t line;
		const char *reason; /* is in it */
	} cases[] = {
		{"10.0.0.1:443", 1, "after the service the line needs an expectation"},
		{"\n\n10.0.0.1:443 always\n", 3, "'always' is not an expectation"},
		{"10.0.0.1:443 Required", 1, "is not an expectation"},
		{"10.0.0.1:443 required yes", 1, "'yes' is too much"},
		{"required 10.0.0.1:443", 1, "is not an expectation"},
		{"10.0.0.1:0 required", 1, "is not a port"},
		{"10.0.0.1:65536 required", 1, "is not a port"},
		{"10.0.0.1:4294967739 required", 1, "is not a port"},
		{"10.0.0.1:0443 required", 1, "is not a port"},
		{"10.0.0.1: required", 1, "is not a port"},
		{"10.0.0.1:+443 required", 1, "is not a port"},
		{": required", 1, "is not a port"},
		{"10.0.0.256:443 required", 1, "is not an IPv4 address"},
		{"10.0.0:443 required", 1, "is not an IPv4 address"},
		{"no-such-host:443 required", 1, "the host 'no-such-host' has no address"},
		{":443 never\ndb.corp required\nnobody required", 3, "the host 'nobody' has no address"},
		{"-x:443 required", 1, "is not an IPv4 address"},
		{"a_b/24 required", 1, "is not an IPv4 address"},
		{"10.0.0.1x.7 required", 1, "is not an IPv4 address"},
		{"sni: required", 1, "is not the pattern of a server name"},
		{"sni::443 required", 1, "is not the pattern of a server name"},
		{"sni:a/b required", 1, "is not the pattern of a server name"},
		{"sni:a?b required", 1, "is not the pattern of a server name"},
		{"sni:a.corp:0 required", 1, "is not a port"},
		{"sni:a.corp:443:1 required", 1, "is not a port"},
		{"sni:a.corp required\nsni:A.CORP:443 never", 2, "line 1 matches every handshake"},
		{"*:443 required\nsni:a.corp:443 never", 2, "line 1 matches every handshake"},
		{"* required\n:443 never", 2, "line 1 matches every handshake"},
		{"*x:443 required", 1, "is not an IPv4 address"},
		{"443 required", 1, "is not an IPv4 address"},
		{"10.0.0.1/33 required", 1, "is not the length of a prefix: 0 to 32"},
		{"10.0.0.0/ required", 1, "is not the length of a prefix"},
		{"10.0.0.0/8/8 required", 1, "is not the length of a prefix"},
		{"10.0.0.1/8 required", 1, "bits after its prefix of 8"},
		{"[2001:db8::1/32] required", 1, "bits after its prefix of 32"},
		{"[2001:db8::/129] required", 1, "0 to 128"},
		{"[2001:db8::1:443 required", 1, "follows the bracket"},
		{"[2001:db8::1]443 required", 1, "follows the bracket"},
		{"[2001:db8::]/32:443 required", 1, "follows the bracket"},
		{"[10.0.0.1]:443 required", 1, "is not an IPv6 address"},
		{"[]:443 required", 1, "is not an IPv6 address"},
		{"[::ffff:10.0.0.1]:443 required", 1, "is an IPv4 address"},
		{"2001:db8::1 required", 1, "in brackets"},
		{"# x\n:443 required\n10.0.0.1:443 never\n", 3, "line 2 matches every handshake"},
		{"10.0.0.0/8 required\n10.1.0.0/16:443 never\n", 2, "line 1 matches every handshake"},
		{"10.0.0.1:443 required\n10.0.0.1:443 required\n", 2, "line 1 matches every handshake"},
		{"0.0.0.0/0 required\n10.0.0.1:443 required\n", 2, "line 1 matches every handshake"},
		{":443 required\n:443 never\n", 2, "line 1 matches every handshake"},
		{":443 required \x1b[2J", 1, "control character (0x1b)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy *policy = NULL;
		struct policy_error error;
		int result = policy_parse(&policy, cases[i].text, strlen(cases[i].text), resolve, NULL, &error);

		if (result != -EINVAL || error.line != cases[i].line || !strstr(error.reason, cases[i].reason))
			fail_msg("'%s': %d, line %u: %s; expected line %u: %s", cases[i].text, result, error.line,
			         error.reason, cases[i].line, cases[i].reason);
		assert_null(policy);
	}
}

/* Which line counts where a client names a server, and where lines name hosts. */
static void line_that_counts_by_name(void **state)
{
	static const char text[] = "sni:api.corp:443 trusted\n"
				   "sni:*.corp:443 required\n"
				   "sni:*-db.* optional\n"
				   "db.corp:5432 never\n"
				   "localhost required\n"
				   "*:443 never\n";
	static const struct {
		const char *name;
		const char *address;
		uint16_t port;
		uint32_t line;
	} cases[] = {
		{"api.corp", "10.0.0.1", 443, 1},
		{"API.Corp", "10.0.0.1", 443, 1},
		{"api.corp", "2001:db8::1", 443, 1},
		{"api.corp", "10.0.0.1", 444, 0},
		{"a.b.corp", "10.0.0.1", 443, 2},
		{".corp", "10.0.0.1", 443, 2},
		{"corp", "10.0.0.1", 443, 6},
		{"api.corp.", "10.0.0.1", 443, 6},
		{"xapi.corpx", "10.0.0.1", 443, 6},
		{"a-db-db.b-db.c", "10.0.0.1", 1, 3},
		{"-db.", "10.0.0.1", 1, 3},
		{"-db", "10.0.0.1", 1, 0},
		{"", "10.0.0.1", 443, 6},
		{"", "10.0.0.1", 1, 0},
		{"", "192.0.2.1", 5432, 4},
		{"", "2001:db8::7", 5432, 4},
		{"", "2001:db8::8", 5432, 0},
		{"", "192.0.2.1", 5433, 0},
		{"", "127.0.0.1", 9, 5},
	};
	struct policy *policy = parse(text);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct handshake handshake = handshake_with(cases[i].address, cases[i].port);

		handshake.facts.client_hello = true;
		strcpy(handshake.client_hello.server_name, cases[i].name);
		if (policy_judge(policy, &handshake).line != cases[i].line)
			fail_msg("'%s' at %s port %u: line %u, expected %u", cases[i].name, cases[i].address,
			         cases[i].port, policy_judge(policy, &handshake).line, cases[i].line);
	}
	assert_int_equal(policy_lines(policy, POLICY_NEVER), 2);
	policy_free(policy);
}

/* A redirected connection belongs to the service that was dialled, and to the service that answers. */
static void line_that_counts_for_a_redirected_connection(void **state)
{
	struct policy *policy = parse("192.0.2.9:8443 required\n10.0.0.1:443 never\n");
	struct handshake handshake = handshake_with("10.0.0.1", 443);

	(void)state;
	assert_int_equal(policy_judge(policy, &handshake).line, 2);
	handshake.has_nat = true;
	handshake.nat = (struct endpoint){.address = {192, 0, 2, 9}, .port = 8443};
	assert_int_equal(policy_judge(policy, &handshake).line, 1);
	policy_free(policy);
}

/* Whose addresses change today need not be unreachable tomorrow: no line with a host name is refused. */
static void hosts_are_not_compared(void **state)
{
	struct policy *policy = parse("127.0.0.1 required\nlocalhost never\nWeb-1:443 never\n");

	(void)state;
	assert_int_equal(policy_lines(policy, POLICY_NEVER), 2);
	policy_free(policy);
}

static void a_byte_of_zero_ends_no_line(void **state)
{
	static const char text[] = ":443 required\0\n:444 never\n";
	struct policy *policy = NULL;
	struct policy_error error;

	(void)state;
	assert_int_equal(policy_parse(&policy, text, sizeof(text) - 1, NULL, NULL, &error), -EINVAL);
	assert_int_equal(error.line, 1);
	assert_string_equal(error.reason, "the line has a control character (0x00)");
}

static void bounds(void **state)
{
	char *text = malloc((POLICY_LINES_MAX + 1) * sizeof(":65535 never"));
	struct policy *policy = NULL;
	struct policy_error error;
	size_t length = 0;
	char wide[512];

	(void)state;
	assert_non_null(text);
	for (int port = 1; port <= POLICY_LINES_MAX; port++)
		length += sprintf(text + length, ":%d never\n", port);
	assert_int_equal(policy_parse(&policy, text, length, NULL, NULL, &error), 0);
	assert_int_equal(policy_lines(policy, POLICY_NEVER), POLICY_LINES_MAX);
	policy_free(policy);
	length += sprintf(text + length, ":%d never\n", POLICY_LINES_MAX + 1);
	assert_int_equal(policy_parse(&policy, text, length, NULL, NULL, &error), -EINVAL);
	assert_int_equal(error.line, POLICY_LINES_MAX + 1);
	assert_string_equal(error.reason, "the line is one too many: at most 1024 services and addresses of hosts");
	free(text);
	memset(wide, ' ', sizeof(wide));
	memcpy(wide, ":443 never", strlen(":443 never"));
	assert_int_equal(policy_parse(&policy, wide, 511, NULL, NULL, &error), 0);
	policy_free(policy);
	assert_int_equal(policy_parse(&policy, wide, 512, NULL, NULL, &error), -EINVAL);
	assert_string_equal(error.reason, "the line is too long: at most 511 bytes");
}

static void nothing_is_expected(void **state)
{
	struct handshake handshake = handshake_with("10.0.0.1", 443);
	struct policy *policy = parse("# nothing\n");

	(void)state;
	assert_int_equal(policy_judge(policy, &handshake).expectation, POLICY_NOTHING);
	assert_int_equal(policy_judge(NULL, &handshake).expectation, POLICY_NOTHING);
	assert_int_equal(policy_lines(NULL, POLICY_NEVER), 0);
	assert_null(policy_expectation_name(POLICY_NOTHING));
	assert_null(policy_expectation_name(POLICY_EXPECTATIONS));
	policy_free(policy);
	policy = parse(":443 never");
	handshake.family = 0;
	handshake.server.port = 443;
	assert_int_equal(policy_judge(policy, &handshake).line, 1);
	policy_free(policy);
}

enum {
	KEPT = POLICY_KEPT,
	BROKEN = POLICY_BROKEN,
	OPEN = POLICY_UNJUDGED,
};

/* The table of the man page: under trusted, required, optional and never. */
static void what_breaks_what(void **state)
{
	static const struct {
		const char *what;
		struct verdict verdict;
		uint8_t wanted[4];
	} cases[] = {
		{"not_requested",
	         {CLIENT_AUTH_NOT_REQUESTED, .requested = KNOWN_NO, .established = KNOWN_YES},
	         {BROKEN, BROKEN, BROKEN, KEPT}},
		{"not_requested, failed",
	         {CLIENT_AUTH_NOT_REQUESTED, .requested = KNOWN_NO, .established = KNOWN_NO},
	         {BROKEN, BROKEN, BROKEN, KEPT}},
		{"presented",
	         {CLIENT_AUTH_PRESENTED, .requested = KNOWN_YES, .established = KNOWN_YES},
	         {OPEN, KEPT, KEPT, BROKEN}},
		{"presented, perhaps",
	         {CLIENT_AUTH_PRESENTED, .requested = KNOWN_YES, .established = NOT_KNOWN},
	         {OPEN, KEPT, KEPT, BROKEN}},
		{"declined",
	         {CLIENT_AUTH_DECLINED, .requested = KNOWN_YES, .established = KNOWN_YES},
	         {BROKEN, BROKEN, KEPT, BROKEN}},
		{"declined, perhaps",
	         {CLIENT_AUTH_DECLINED, .requested = KNOWN_YES, .established = NOT_KNOWN},
	         {OPEN, OPEN, OPEN, BROKEN}},
		{"rejected_certificate",
	         {CLIENT_AUTH_REJECTED_CERTIFICATE, .requested = KNOWN_YES},
	         {KEPT, KEPT, KEPT, BROKEN}},
		{"rejected_without_certificate",
	         {CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE, .requested = KNOWN_YES},
	         {KEPT, KEPT, BROKEN, BROKEN}},
		{"unanswered", {CLIENT_AUTH_UNANSWERED, .requested = KNOWN_YES}, {KEPT, KEPT, KEPT, BROKEN}},
		{"resumed",
	         {CLIENT_AUTH_RESUMED, .requested = KNOWN_NO, .established = KNOWN_YES},
	         {OPEN, OPEN, OPEN, OPEN}},
		{"psk",
	         {CLIENT_AUTH_PSK, .requested = KNOWN_NO, .established = KNOWN_YES},
	         {BROKEN, BROKEN, OPEN, KEPT}},
		{"psk, perhaps",
	         {CLIENT_AUTH_PSK, .requested = KNOWN_NO, .established = NOT_KNOWN},
	         {OPEN, OPEN, OPEN, KEPT}},
		{"not_tls", {CLIENT_AUTH_NOT_TLS, .requested = NOT_KNOWN}, {OPEN, OPEN, OPEN, OPEN}},
		{"failed_before_request",
	         {CLIENT_AUTH_FAILED_BEFORE_REQUEST, .requested = NOT_KNOWN},
	         {OPEN, OPEN, OPEN, OPEN}},
		{"unknown",
	         {CLIENT_AUTH_UNKNOWN, .requested = NOT_KNOWN, .established = NOT_KNOWN},
	         {OPEN, OPEN, OPEN, OPEN}},
		{"unknown, asked",
	         {CLIENT_AUTH_UNKNOWN, .requested = KNOWN_YES, .established = NOT_KNOWN},
	         {OPEN, OPEN, OPEN, BROKEN}},
		{"unknown, not asked",
	         {CLIENT_AUTH_UNKNOWN, .requested = KNOWN_NO, .established = KNOWN_YES},
	         {OPEN, OPEN, OPEN, OPEN}},
	};
	struct policy *policy = parse(":1 trusted\n:2 required\n:3 optional\n:4 never\n");
	bool seen[CLIENT_AUTHS] = {};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		seen[cases[i].verdict.client_auth] = true;
		for (uint16_t port = 1; port <= 4; port++) {
			struct handshake handshake = handshake_with("10.0.0.1", port);
			struct policy_judgement judgement;

			handshake.verdict = cases[i].verdict;
			judgement = policy_judge(policy, &handshake);
			if (judgement.result != cases[i].wanted[port - 1])
				fail_msg("%s under %s: %u, expected %u", cases[i].what,
				         policy_expectation_name(judgement.expectation), judgement.result,
				         cases[i].wanted[port - 1]);
			assert_int_equal(judgement.result == POLICY_BROKEN, judgement.breach != POLICY_BREACH_NONE);
		}
	}
	for (size_t i = 0; i < CLIENT_AUTHS; i++)
		if (!seen[i])
			fail_msg("no case for the verdict %s", client_auth_name(i));
	policy_free(policy);
}

/* A certificate that is not trusted is told apart from a missing one. */
static void trust_and_breaches(void **state)
{
	static const struct {
		uint8_t client_auth, established;
		struct verification verification;
		uint8_t result, breach;
	} cases[] = {
		{CLIENT_AUTH_PRESENTED, KNOWN_YES, {.known = true}, KEPT, POLICY_BREACH_NONE},
		{CLIENT_AUTH_PRESENTED, NOT_KNOWN, {.known = true}, KEPT, POLICY_BREACH_NONE},
		{CLIENT_AUTH_PRESENTED, KNOWN_YES, {.known = false}, OPEN, POLICY_BREACH_NONE},
		{CLIENT_AUTH_PRESENTED,
	         KNOWN_YES,
	         {.known = true, .result = FAILURE_SELF_SIGNED},
	         BROKEN,
	         POLICY_BREACH_UNTRUSTED},
		{CLIENT_AUTH_PRESENTED,
	         NOT_KNOWN,
	         {.known = true, .result = FAILURE_SELF_SIGNED},
	         OPEN,
	         POLICY_BREACH_NONE},
		{CLIENT_AUTH_REJECTED_CERTIFICATE,
	         KNOWN_NO,
	         {.known = true, .result = FAILURE_SELF_SIGNED},
	         KEPT,
	         POLICY_BREACH_NONE},
		{CLIENT_AUTH_DECLINED, KNOWN_YES, {}, BROKEN, POLICY_BREACH_MISSING},
		{CLIENT_AUTH_NOT_REQUESTED, KNOWN_YES, {}, BROKEN, POLICY_BREACH_NOT_REQUESTED},
		{CLIENT_AUTH_RESUMED, KNOWN_YES, {.known = true}, OPEN, POLICY_BREACH_NONE},
	};
	struct policy *policy = parse(":443 trusted\n");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct handshake handshake = handshake_with("10.0.0.1", 443);
		struct policy_judgement judgement;

		handshake.verdict.client_auth = cases[i].client_auth;
		handshake.verdict.established = cases[i].established;
		handshake.verification[FROM_CLIENT] = cases[i].verification;
		/* what the client says of the server's certificate is another matter */
		handshake.verification[FROM_SERVER] = (struct verification){.known = true, .result = FAILURE_OTHER};
		judgement = policy_judge(policy, &handshake);
		if (judgement.result != cases[i].result || judgement.breach != cases[i].breach)
			fail_msg("case %zu: %u, breach %s", i, judgement.result,
			         policy_breach_name(judgement.breach) ?: "none");
	}
	assert_string_equal(policy_breach_name(POLICY_BREACH_UNTRUSTED), "untrusted");
	assert_string_equal(policy_breach_name(POLICY_BREACH_MISSING), "missing");
	assert_null(policy_breach_name(POLICY_BREACH_NONE));
	assert_null(policy_breach_name(POLICY_BREACHES));
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_that_counts),
		cmocka_unit_test(line_that_counts_by_name),
		cmocka_unit_test(line_that_counts_for_a_redirected_connection),
		cmocka_unit_test(hosts_are_not_compared),
		cmocka_unit_test(lines_that_are_refused),
		cmocka_unit_test(a_byte_of_zero_ends_no_line),
		cmocka_unit_test(bounds),
		cmocka_unit_test(nothing_is_expected),
		cmocka_unit_test(what_breaks_what),
		cmocka_unit_test(trust_and_breaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
