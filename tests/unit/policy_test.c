/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "handshake/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct policy *parse(const char *text)
{
	struct policy *policy = NULL;
	struct policy_error error;

	if (policy_parse(&policy, text, strlen(text), &error))
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
		{"10.0.0.1:443", 1, "behind the service comes"},
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
		{"localhost:443 required", 1, "is not an IPv4 address"},
		{"443 required", 1, "is not an IPv4 address"},
		{"10.0.0.1/33 required", 1, "is not the length of a prefix: 0 to 32"},
		{"10.0.0.0/ required", 1, "is not the length of a prefix"},
		{"10.0.0.0/8/8 required", 1, "is not the length of a prefix"},
		{"10.0.0.1/8 required", 1, "bits behind its prefix of 8"},
		{"[2001:db8::1/32] required", 1, "bits behind its prefix of 32"},
		{"[2001:db8::/129] required", 1, "0 to 128"},
		{"[2001:db8::1:443 required", 1, "behind the bracket"},
		{"[2001:db8::1]443 required", 1, "behind the bracket"},
		{"[2001:db8::]/32:443 required", 1, "behind the bracket"},
		{"[10.0.0.1]:443 required", 1, "is not an IPv6 address"},
		{"[]:443 required", 1, "is not an IPv6 address"},
		{"[::ffff:10.0.0.1]:443 required", 1, "is an IPv4 address"},
		{"2001:db8::1 required", 1, "in brackets"},
		{"# x\n:443 required\n10.0.0.1:443 never\n", 3, "line 2 takes all"},
		{"10.0.0.0/8 required\n10.1.0.0/16:443 never\n", 2, "line 1 takes all"},
		{"10.0.0.1:443 required\n10.0.0.1:443 required\n", 2, "line 1 takes all"},
		{"0.0.0.0/0 required\n10.0.0.1:443 required\n", 2, "line 1 takes all"},
		{":443 required\n:443 never\n", 2, "line 1 takes all"},
		{":443 required \x1b[2J", 1, "control character (0x1b)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy *policy = NULL;
		struct policy_error error;
		int result = policy_parse(&policy, cases[i].text, strlen(cases[i].text), &error);

		if (result != -EINVAL || error.line != cases[i].line || !strstr(error.reason, cases[i].reason))
			fail_msg("'%s': %d, line %u: %s; expected line %u: %s", cases[i].text, result, error.line,
			         error.reason, cases[i].line, cases[i].reason);
		assert_null(policy);
	}
}

static void a_byte_of_zero_ends_no_line(void **state)
{
	static const char text[] = ":443 required\0\n:444 never\n";
	struct policy *policy = NULL;
	struct policy_error error;

	(void)state;
	assert_int_equal(policy_parse(&policy, text, sizeof(text) - 1, &error), -EINVAL);
	assert_int_equal(error.line, 1);
	assert_string_equal(error.reason, "it has a control character (0x00)");
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
	assert_int_equal(policy_parse(&policy, text, length, &error), 0);
	assert_int_equal(policy_lines(policy, POLICY_NEVER), POLICY_LINES_MAX);
	policy_free(policy);
	length += sprintf(text + length, ":%d never\n", POLICY_LINES_MAX + 1);
	assert_int_equal(policy_parse(&policy, text, length, &error), -EINVAL);
	assert_int_equal(error.line, POLICY_LINES_MAX + 1);
	assert_string_equal(error.reason, "it is one too many: at most 1024 services");
	free(text);
	memset(wide, ' ', sizeof(wide));
	memcpy(wide, ":443 never", strlen(":443 never"));
	assert_int_equal(policy_parse(&policy, wide, 255, &error), 0);
	policy_free(policy);
	assert_int_equal(policy_parse(&policy, wide, 256, &error), -EINVAL);
	assert_string_equal(error.reason, "it is too long: at most 255 bytes");
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

/* The table of the man page. */
static void what_breaks_what(void **state)
{
	static const struct {
		const char *what;
		struct verdict verdict;
		uint8_t required, optional, never;
	} cases[] = {
		{"not_requested",
	         {CLIENT_AUTH_NOT_REQUESTED, .requested = KNOWN_NO, .established = KNOWN_YES},
	         BROKEN,
	         BROKEN,
	         KEPT},
		{"not_requested, failed",
	         {CLIENT_AUTH_NOT_REQUESTED, .requested = KNOWN_NO, .established = KNOWN_NO},
	         BROKEN,
	         BROKEN,
	         KEPT},
		{"presented",
	         {CLIENT_AUTH_PRESENTED, .requested = KNOWN_YES, .established = KNOWN_YES},
	         KEPT,
	         KEPT,
	         BROKEN},
		{"presented, perhaps",
	         {CLIENT_AUTH_PRESENTED, .requested = KNOWN_YES, .established = NOT_KNOWN},
	         KEPT,
	         KEPT,
	         BROKEN},
		{"declined",
	         {CLIENT_AUTH_DECLINED, .requested = KNOWN_YES, .established = KNOWN_YES},
	         BROKEN,
	         KEPT,
	         BROKEN},
		{"declined, perhaps",
	         {CLIENT_AUTH_DECLINED, .requested = KNOWN_YES, .established = NOT_KNOWN},
	         OPEN,
	         OPEN,
	         BROKEN},
		{"rejected_certificate",
	         {CLIENT_AUTH_REJECTED_CERTIFICATE, .requested = KNOWN_YES},
	         KEPT,
	         KEPT,
	         BROKEN},
		{"rejected_without_certificate",
	         {CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE, .requested = KNOWN_YES},
	         KEPT,
	         BROKEN,
	         BROKEN},
		{"unanswered", {CLIENT_AUTH_UNANSWERED, .requested = KNOWN_YES}, KEPT, KEPT, BROKEN},
		{"resumed", {CLIENT_AUTH_RESUMED, .requested = KNOWN_NO, .established = KNOWN_YES}, OPEN, OPEN, OPEN},
		{"failed_before_request",
	         {CLIENT_AUTH_FAILED_BEFORE_REQUEST, .requested = NOT_KNOWN},
	         OPEN,
	         OPEN,
	         OPEN},
		{"unknown", {CLIENT_AUTH_UNKNOWN, .requested = NOT_KNOWN, .established = NOT_KNOWN}, OPEN, OPEN, OPEN},
		{"unknown, asked",
	         {CLIENT_AUTH_UNKNOWN, .requested = KNOWN_YES, .established = NOT_KNOWN},
	         OPEN,
	         OPEN,
	         BROKEN},
		{"unknown, not asked",
	         {CLIENT_AUTH_UNKNOWN, .requested = KNOWN_NO, .established = KNOWN_YES},
	         OPEN,
	         OPEN,
	         OPEN},
	};
	struct policy *policy = parse(":1 required\n:2 optional\n:3 never\n");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t wanted[] = {cases[i].required, cases[i].optional, cases[i].never};

		for (uint16_t port = 1; port <= 3; port++) {
			struct handshake handshake = handshake_with("10.0.0.1", port);
			struct policy_judgement judgement;

			handshake.verdict = cases[i].verdict;
			judgement = policy_judge(policy, &handshake);
			if (judgement.result != wanted[port - 1])
				fail_msg("%s under %s: %u, expected %u", cases[i].what,
				         policy_expectation_name(judgement.expectation), judgement.result,
				         wanted[port - 1]);
		}
	}
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_that_counts),
		cmocka_unit_test(lines_that_are_refused),
		cmocka_unit_test(a_byte_of_zero_ends_no_line),
		cmocka_unit_test(bounds),
		cmocka_unit_test(nothing_is_expected),
		cmocka_unit_test(what_breaks_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
