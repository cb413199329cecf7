// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/losses.h"

#include "sink/loss_table.h"

#include "captured_output.h"

static const char *report(struct captured_output *captured, struct losses *losses, const struct status *status)
{
	captured_begin(captured, stderr);
	losses_report(losses, status);
	return captured_end(captured);
}

static const char *summarize(struct captured_output *captured, const struct status *status, uint8_t without)
{
	captured_begin(captured, stderr);
	losses_summarize(status, without);
	return captured_end(captured);
}

static void normal_counters_print_nothing(void **state)
{
	const struct status status = {
		.statistics = {[STATISTIC_CONNECTIONS] = 5000, [STATISTIC_HANDSHAKES] = 4000},
		.library_calls = {[LIBRARY_STATISTIC_CALLS] = 1, [LIBRARY_STATISTIC_STRANGERS] = 2},
		.libraries = {.joined = 5, .untold = 6, .strangers = 8, .refused = 9},
	};
	struct captured_output captured;
	struct losses losses = {};

	(void)state;
	assert_string_equal(report(&captured, &losses, &status), "");
	assert_string_equal(summarize(&captured, &status, 0), "");
}

/* A loss is reported when it begins, with advice; not again when it grows; its sum at the end. */
static void loss_is_reported_once_and_summed_up(void **state)
{
	struct status status = {.statistics = {[STATISTIC_LOST_RING] = 3}};
	struct captured_output captured;
	struct losses losses = {};

	(void)state;
	assert_string_equal(report(&captured, &losses, &status),
	                    "mtlsnoop: 3 events found no room in the ring buffer: their connections are unknown; "
	                    "a larger --buffer helps\n");
	assert_string_equal(report(&captured, &losses, &status), "");
	status.statistics[STATISTIC_LOST_RING] = 4000000000000;
	assert_string_equal(report(&captured, &losses, &status), "");
	assert_string_equal(summarize(&captured, &status, 0),
	                    "mtlsnoop: 4000000000000 events found no room in the ring buffer: their connections are "
	                    "unknown\n");
}

/* The counters of the kernel that count no loss. */
static bool is_no_loss(int statistic)
{
	return statistic == STATISTIC_CONNECTIONS || statistic == STATISTIC_HANDSHAKES;
}

/* Each of the kernel's counters alone: each loss has a line at the end, zero has none. */
static void every_statistic_has_a_message(void **state)
{
	struct captured_output captured;

	(void)state;
	for (int i = 0; i < STATISTICS; i++) {
		struct losses losses = {};
		struct status status = {};
		const char *text;

		status.statistics[i] = 17;
		text = report(&captured, &losses, &status);
		if (*text)
			assert_non_null(strstr(text, "mtlsnoop: 17 "));
		text = summarize(&captured, &status, 0);
		if (is_no_loss(i) != !*text)
			fail_msg("statistic %d at the end: \"%s\"", i, text);
		if (*text)
			assert_int_equal(strncmp(text, "mtlsnoop: 17 ", 13), 0);
		assert_null(strstr(text, "(null)"));
		status.statistics[i] = 1;
		text = summarize(&captured, &status, 0);
		if (is_no_loss(i) != !*text || strstr(text, "(null)") || strstr(text, " were ") ||
		    strstr(text, " their "))
			fail_msg("one of statistic %d at the end: \"%s\"", i, text);
	}
}

/* Losses that userspace counts. A capture has no others. */
static void every_count_has_a_message(void **state)
{
	static const struct {
		struct status_tracking tracking;
		const char *reported;
		const char *sum;
	} cases[] = {
		{{.table_full = 1},
	         "mtlsnoop: 1 connection found the table full and was not followed; a larger --max-connections helps\n",
	         "mtlsnoop: 1 connection found the table full and was not followed\n"},
		{{.events_lost = 2}, "", "mtlsnoop: 2 handshakes are unknown because of lost events\n"},
		{{.gaps = 3}, "", "mtlsnoop: 3 directions had gaps that never closed\n"},
		{{.bounds = 4}, "", "mtlsnoop: 4 segments after gaps exceeded the memory for such segments\n"},
		{{.malformed_events = 5},
	         "mtlsnoop: 5 events had no valid form and were ignored; this is a defect of mtlsnoop\n",
	         "mtlsnoop: 5 events had no valid form and were ignored\n"},
		{{.unfollowed = 1},
	         "",
	         "mtlsnoop: 1 direction of an established connection lost track of its records: a later renegotiation "
	         "is "
	         "not seen\n"},
	};
	struct captured_output captured;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct status status = {.tracking = cases[i].tracking};
		struct losses losses = {};

		assert_string_equal(report(&captured, &losses, &status), cases[i].reported);
		assert_string_equal(report(&captured, &losses, &status), "");
		assert_string_equal(summarize(&captured, &status, 0), cases[i].sum);
		assert_string_equal(summarize(&captured, &status, LOSS_WHOLE_HOST), cases[i].sum);
	}
}

/* With --cgroup, libraries of the whole host are still probed: their sums would mislead. */
static void library_losses_have_messages_for_the_whole_host_only(void **state)
{
	static const struct {
		struct status_libraries libraries;
		const char *sum;
	} cases[] = {
		{{.unjoined = 1}, "mtlsnoop: 1 library handshake matched no traced connection and was skipped\n"},
		{{.unjoined = 2}, "mtlsnoop: 2 library handshakes matched no traced connection and were skipped\n"},
		{{.damaged = 1}, "mtlsnoop: 1 handshake of a TLS library was seen in part only\n"},
		{{.damaged = 2}, "mtlsnoop: 2 handshakes of TLS libraries were seen in part only\n"},
		{{.table_full = 1}, "mtlsnoop: 1 handshake of a TLS library made room for others\n"},
		{{.table_full = 3}, "mtlsnoop: 3 handshakes of TLS libraries made room for others\n"},
		{{.malformed_events = 1}, "mtlsnoop: 1 event of a TLS library had no valid form and was ignored\n"},
		{{.malformed_events = 2}, "mtlsnoop: 2 events of TLS libraries had no valid form and were ignored\n"},
	};
	struct captured_output captured;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct status status = {.libraries = cases[i].libraries};

		assert_string_equal(summarize(&captured, &status, 0), cases[i].sum);
		assert_string_equal(summarize(&captured, &status, LOSS_WHOLE_HOST), "");
	}
}

/* The programs in libraries count for --cgroup as well. */
static void probe_losses_have_messages(void **state)
{
	static const struct {
		int statistic;
		const char *sum;
	} cases[] = {
		{LIBRARY_STATISTIC_LOST_RING,
	         "mtlsnoop: 7 events of TLS libraries found no room in their ring buffer\n"},
		{LIBRARY_STATISTIC_LOST_READ, "mtlsnoop: 7 calls of TLS libraries had bytes that could not be read\n"},
		{LIBRARY_STATISTIC_LOST_STATE,
	         "mtlsnoop: 7 handshakes in TLS libraries found no room in the kernel's table\n"},
		{LIBRARY_STATISTIC_CALL_BOUND, "mtlsnoop: 7 calls of TLS libraries had more bytes than are read\n"},
	};
	struct captured_output captured;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct status status = {};

		status.library_calls[cases[i].statistic] = 7;
		assert_string_equal(summarize(&captured, &status, LOSS_WHOLE_HOST), cases[i].sum);
	}
}

/* Any record may have no process; only a selection by process leaves such records out, and so prints the sum. */
static void records_without_process_have_a_message_for_a_selection(void **state)
{
	static const struct {
		uint64_t unnamed;
		const char *sum;
	} cases[] = {
		{0, ""},
		{1,
	         "mtlsnoop: 1 handshake has no process to select by: this host wrote nothing to the connection, or the "
	         "process was gone\n"},
		{4,
	         "mtlsnoop: 4 handshakes have no process to select by: this host wrote nothing to the connections, or "
	         "the processes were gone\n"},
	};
	struct captured_output captured;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct status status = {.attribution.unnamed = cases[i].unnamed};
		struct losses losses = {};

		assert_string_equal(report(&captured, &losses, &status), "");
		assert_string_equal(summarize(&captured, &status, 0), cases[i].sum);
		assert_string_equal(summarize(&captured, &status, LOSS_WHOLE_HOST), cases[i].sum);
		assert_string_equal(summarize(&captured, &status, LOSS_SELECTION), "");
	}
}

/* Lookups that were late leave fields empty in every run: their message has no condition. */
static void late_lookups_always_have_a_message(void **state)
{
	const struct status status = {.attribution.late = 2};
	struct captured_output captured;

	(void)state;
	assert_string_equal(
		summarize(&captured, &status, LOSS_WHOLE_HOST | LOSS_SELECTION),
		"mtlsnoop: 2 handshakes have no unit, container, pod and executable: looking them up took too "
		"long\n");
}

/* Several at once: each has its own line and is reported on its own. */
static void losses_do_not_hide_each_other(void **state)
{
	struct status status = {.statistics = {[STATISTIC_LOST_STORAGE] = 2}, .tracking = {.table_full = 1}};
	struct captured_output captured;
	struct losses losses = {};
	const char *text;

	(void)state;
	text = report(&captured, &losses, &status);
	assert_non_null(strstr(text, "mtlsnoop: 2 packets came for connections for which the kernel had no memory"));
	assert_non_null(strstr(text, "mtlsnoop: 1 connection found the table full"));
	status.statistics[STATISTIC_CONTENDED] = 9;
	text = report(&captured, &losses, &status);
	assert_int_equal(strncmp(text, "mtlsnoop: 9 packets came on two CPUs at once", 44), 0);
	assert_null(strstr(text, "table full"));
}

/* Each row reads a counter of its own, and can be told apart in the metrics. */
static void rows_are_distinct(void **state)
{
	size_t rows;
	const struct loss *table = loss_table(&rows);

	(void)state;
	assert_true(rows <= LOSSES_MAX);
	for (size_t one = 0; one < rows; one++) {
		assert_true(table[one].counter + sizeof(uint64_t) <= sizeof(struct status));
		assert_true(!table[one].advice || table[one].one);
		assert_int_equal(!table[one].one, !table[one].several);
		for (size_t other = 0; other < one; other++) {
			assert_int_not_equal(table[one].counter, table[other].counter);
			/* rows that share a label stand side by side: the metrics add them up */
			if (table[one].where && table[other].where && !strcmp(table[one].where, table[other].where))
				assert_int_equal(other, one - 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_counters_print_nothing),
		cmocka_unit_test(loss_is_reported_once_and_summed_up),
		cmocka_unit_test(every_statistic_has_a_message),
		cmocka_unit_test(every_count_has_a_message),
		cmocka_unit_test(library_losses_have_messages_for_the_whole_host_only),
		cmocka_unit_test(probe_losses_have_messages),
		cmocka_unit_test(records_without_process_have_a_message_for_a_selection),
		cmocka_unit_test(late_lookups_always_have_a_message),
		cmocka_unit_test(losses_do_not_hide_each_other),
		cmocka_unit_test(rows_are_distinct),
	};

	return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
