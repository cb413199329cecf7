// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Messages on standard error, and their levels where the journal reads them. */
#include "system/journal.h"
#include "system/log.h"

#include <sys/stat.h>

#include "captured_output.h"

static void plain_line_carries_name_and_escapes_hostile_bytes(void **state)
{
	struct captured_output captured;

	(void)state;
	captured_begin(&captured, stderr);
	log_error("cannot read %s: %s", "/tmp/\x1b[31m\n<3>forged", "no such file");
	log_debug("not printed");
	assert_string_equal(captured_end(&captured),
	                    "mtlsnoop: cannot read /tmp/\\x1b[31m\\x0a<3>forged: no such file\n");
}

static void debug_line_needs_the_option(void **state)
{
	struct captured_output captured;

	(void)state;
	captured_begin(&captured, stderr);
	log_set_debug(true);
	log_debug("attached to %s", "lo");
	log_set_debug(false);
	log_debug("attached to %s", "eth0");
	assert_string_equal(captured_end(&captured), "mtlsnoop: attached to lo\n");
}

/* The last test: standard error stays the journal's. */
static void journal_gets_levels_instead_of_the_name(void **state)
{
	struct captured_output captured;
	struct stat status;
	char stream[64];

	(void)state;
	captured_begin(&captured, stderr);
	fstat(STDERR_FILENO, &status);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
	         (unsigned long long)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	journal_begin();
	captured.stream = stdout; /* the journal's stream has no descriptor */
	log_error("one");
	log_warning("two");
	log_notice("three");
	log_set_debug(true);
	log_debug("four");
	log_out_of_memory();
	fprintf(stderr, "mtlsnoop: five\n");
	fflush(stderr);
	fflush(stdout);
	dup2(captured.saved, STDERR_FILENO);
	captured.saved = dup(STDOUT_FILENO);
	assert_string_equal(captured_end(&captured), "<3>one\n<4>two\n<5>three\n<7>four\n<3>out of memory\n<3>five\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_line_carries_name_and_escapes_hostile_bytes),
		cmocka_unit_test(debug_line_needs_the_option),
		cmocka_unit_test(journal_gets_levels_instead_of_the_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
