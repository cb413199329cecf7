// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/expectations.h"

#include "captured_output.h"

static void take(const struct sink *sink, uint8_t expectation, uint8_t result, uint8_t breach, uint32_t line)
{
	struct handshake handshake = {
		.policy = {.expectation = expectation, .result = result, .breach = breach, .line = line}};

	sink->class->take(sink->state, &handshake);
}

static void assert_summary(const struct expectations *expectations, const char *expected)
{
	struct captured_output captured;

	captured_begin(&captured, stderr);
	expectations_summarize(expectations, "policy");
	assert_string_equal(captured_end(&captured), expected);
}

static void nothing_is_broken(void **state)
{
	struct expectations expectations = {};
	struct sink sink = expectations_sink(&expectations);

	(void)state;
	take(&sink, POLICY_NOTHING, POLICY_BROKEN, POLICY_BREACH_MISSING, 1);
	take(&sink, POLICY_REQUIRED, POLICY_KEPT, POLICY_BREACH_NONE, 1);
	take(&sink, POLICY_REQUIRED, POLICY_UNJUDGED, POLICY_BREACH_NONE, 1);
	assert_false(expectations_are_broken(&expectations));
	assert_summary(&expectations,
	               "mtlsnoop: policy: 1 handshakes as expected, 0 broke an expectation, 1 cannot be judged\n");
}

static void broken_lines_are_named(void **state)
{
	struct expectations expectations = {};
	struct sink sink = expectations_sink(&expectations);

	(void)state;
	take(&sink, POLICY_TRUSTED, POLICY_BROKEN, POLICY_BREACH_UNTRUSTED, 3);
	take(&sink, POLICY_TRUSTED, POLICY_BROKEN, POLICY_BREACH_UNTRUSTED, 3);
	take(&sink, POLICY_TRUSTED, POLICY_BROKEN, POLICY_BREACH_MISSING, 3);
	take(&sink, POLICY_NEVER, POLICY_BROKEN, POLICY_BREACH_REQUESTED, 9);
	assert_true(expectations_are_broken(&expectations));
	assert_summary(&expectations,
	               "mtlsnoop: policy: 0 handshakes as expected, 4 broke an expectation, 0 cannot be judged\n"
	               "mtlsnoop: policy, line 3: trusted: broken by 1 handshakes (missing)\n"
	               "mtlsnoop: policy, line 3: trusted: broken by 2 handshakes (untrusted)\n"
	               "mtlsnoop: policy, line 9: never: broken by 1 handshakes (requested)\n");
}

static void lines_beyond_the_bound_are_counted(void **state)
{
	struct expectations expectations = {};
	struct sink sink = expectations_sink(&expectations);
	struct captured_output captured;
	const char *text;

	(void)state;
	for (uint32_t line = 1; line <= EXPECTATIONS_LINES_MAX + 3; line++)
		take(&sink, POLICY_REQUIRED, POLICY_BROKEN, POLICY_BREACH_MISSING, line);
	captured_begin(&captured, stderr);
	expectations_summarize(&expectations, "policy");
	text = captured_end(&captured);
	assert_non_null(strstr(text, "line 8: "));
	assert_null(strstr(text, "line 9: "));
	assert_non_null(strstr(text, "policy: 3 more handshakes broke the expectations of further lines\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_broken),
		cmocka_unit_test(broken_lines_are_named),
		cmocka_unit_test(lines_beyond_the_bound_are_counted),
	};

	return cmocka_run_group_tests_name("expectations", tests, NULL, NULL);
}
