/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sink/losses.h"

#include "captured_output.h"

static const struct connection_counts nothing;

/* What losses_tell() prints, and in grown what it returns. */
static const char *tell(struct captured_output *captured, struct losses *losses, const uint64_t *statistics,
                        const struct connection_counts *counts, bool *grown)
{
	captured_begin(captured, stderr);
	*grown = losses_tell(losses, statistics, counts);
	return captured_end(captured);
}

static const char *summarize(struct captured_output *captured, const uint64_t *statistics,
                             const struct connection_counts *counts)
{
	captured_begin(captured, stderr);
	losses_summarize(statistics, counts, NULL);
	return captured_end(captured);
}

static void nothing_is_lost(void **state)
{
	uint64_t statistics[STATISTICS] = {[STATISTIC_CONNECTIONS] = 5000, [STATISTIC_HANDSHAKES] = 4000};
	const struct connection_counts counts = {.handshakes = 3999};
	struct captured_output captured;
	struct losses losses = {0};
	bool grown;

	(void)state;
	assert_string_equal(tell(&captured, &losses, statistics, &counts, &grown), "");
	assert_false(grown);
	assert_string_equal(tell(&captured, &losses, NULL, &counts, &grown), "");
	assert_false(grown);
	assert_string_equal(summarize(&captured, statistics, &counts), "");
	assert_string_equal(summarize(&captured, NULL, &counts), "");
}

/* Told when it begins, with what may be done; not again when it grows; its sum at the end. */
static void told_once_and_summed_up(void **state)
{
	uint64_t statistics[STATISTICS] = {[STATISTIC_LOST_RING] = 3};
	struct captured_output captured;
	struct losses losses = {0};
	bool grown;

	(void)state;
	assert_string_equal(tell(&captured, &losses, statistics, &nothing, &grown),
	                    "mtlsnoop: 3 events found no room in the ring buffer: their connections are unknown; "
	                    "a larger --buffer helps\n");
	assert_true(grown);
	assert_string_equal(tell(&captured, &losses, statistics, &nothing, &grown), "");
	assert_false(grown);
	statistics[STATISTIC_LOST_RING] = 4000000000000;
	assert_string_equal(tell(&captured, &losses, statistics, &nothing, &grown), "");
	assert_true(grown);
	assert_string_equal(summarize(&captured, statistics, &nothing),
	                    "mtlsnoop: 4000000000000 events found no room in the ring buffer: their connections are "
	                    "unknown\n");
}

/* Whether events of connections that userspace knows are gone. */
static bool loses_events(int statistic)
{
	return statistic == STATISTIC_LOST_RING || statistic == STATISTIC_CONTENDED;
}

/* What the kernel counts and is no loss. */
static bool is_no_loss(int statistic)
{
	return statistic == STATISTIC_CONNECTIONS || statistic == STATISTIC_HANDSHAKES;
}

/* Each of the kernel's counters alone: all that is a loss has a line at the end, zero has none. */
static void every_statistic_has_words(void **state)
{
	struct captured_output captured;
	bool grown;
	int i;

	(void)state;
	for (i = 0; i < STATISTICS; i++) {
		uint64_t statistics[STATISTICS] = {0};
		struct losses losses = {0};
		const char *text;

		statistics[i] = 17;
		text = tell(&captured, &losses, statistics, &nothing, &grown);
		assert_int_equal(grown, loses_events(i));
		if (*text)
			assert_non_null(strstr(text, "mtlsnoop: 17 "));
		text = summarize(&captured, statistics, &nothing);
		if (is_no_loss(i) != !*text)
			fail_msg("statistic %d at the end: \"%s\"", i, text);
		if (*text)
			assert_int_equal(strncmp(text, "mtlsnoop: 17 ", 13), 0);
		assert_null(strstr(text, "(null)"));
		statistics[i] = 1;
		text = summarize(&captured, statistics, &nothing);
		if (is_no_loss(i) != !*text || strstr(text, "(null)") || strstr(text, " were ") ||
		    strstr(text, " their "))
			fail_msg("one of statistic %d at the end: \"%s\"", i, text);
	}
}

/* So with what the table counts; a capture has no kernel. */
static void every_count_has_words(void **state)
{
	static const struct {
		struct connection_counts counts;
		const char *told;
		const char *sum;
	} cases[] = {
		{{.table_full = 1},
	         "mtlsnoop: 1 connection found the table full: not followed; a larger --max-connections helps\n",
	         "mtlsnoop: 1 connection found the table full: not followed\n"},
		{{.events_lost = 2}, "", "mtlsnoop: 2 handshakes are unknown for lost events\n"},
		{{.gaps = 3}, "", "mtlsnoop: 3 directions had gaps that never closed\n"},
		{{.bounds = 4}, "", "mtlsnoop: 4 segments behind gaps were more than are held\n"},
		{{.malformed_events = 5},
	         "mtlsnoop: 5 events had no valid form: left out; this is a defect of mtlsnoop\n",
	         "mtlsnoop: 5 events had no valid form: left out\n"},
	};
	struct captured_output captured;
	bool grown;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct losses losses = {0};

		assert_string_equal(tell(&captured, &losses, NULL, &cases[i].counts, &grown), cases[i].told);
		assert_false(grown);
		assert_string_equal(tell(&captured, &losses, NULL, &cases[i].counts, &grown), "");
		assert_string_equal(summarize(&captured, NULL, &cases[i].counts), cases[i].sum);
	}
}

/* What became of what libraries told; where nobody listened, nothing. */
static void listening_has_words(void **state)
{
	static const struct {
		struct listening listening;
		const char *sum;
	} cases[] = {
		{{.join = {.joined = 5, .untold = 6}, .transcripts = {.handshakes = 7, .strangers = 8}}, ""},
		{{.join = {.unjoined = 1}},
	         "mtlsnoop: 1 handshake of a TLS library is of no connection that was seen: not told\n"},
		{{.join = {.unjoined = 2}},
	         "mtlsnoop: 2 handshakes of TLS libraries are of no connection that was seen: not told\n"},
		{{.transcripts = {.damaged = 1}}, "mtlsnoop: 1 handshake of a TLS library was not seen in whole\n"},
		{{.transcripts = {.damaged = 2}}, "mtlsnoop: 2 handshakes of TLS libraries were not seen in whole\n"},
		{{.transcripts = {.table_full = 1}}, "mtlsnoop: 1 handshake of a TLS library made room for others\n"},
		{{.transcripts = {.table_full = 1}, .join = {.table_full = 2}},
	         "mtlsnoop: 3 handshakes of TLS libraries made room for others\n"},
		{{.transcripts = {.malformed_events = 1}},
	         "mtlsnoop: 1 event of a TLS library had no valid form: left out\n"},
		{{.transcripts = {.malformed_events = 2}},
	         "mtlsnoop: 2 events of TLS libraries had no valid form: left out\n"},
	};
	const uint64_t statistics[STATISTICS] = {0};
	struct captured_output captured;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		captured_begin(&captured, stderr);
		losses_summarize(statistics, &nothing, &cases[i].listening);
		assert_string_equal(captured_end(&captured), cases[i].sum);
	}
}

/* Several at once: each has its own line and is told on its own. */
static void losses_do_not_hide_each_other(void **state)
{
	uint64_t statistics[STATISTICS] = {[STATISTIC_LOST_STORAGE] = 2};
	struct connection_counts counts = {.table_full = 1};
	struct captured_output captured;
	struct losses losses = {0};
	const char *text;
	bool grown;

	(void)state;
	text = tell(&captured, &losses, statistics, &counts, &grown);
	assert_non_null(strstr(text, "mtlsnoop: 2 packets came for whose connection the kernel had no memory"));
	assert_non_null(strstr(text, "mtlsnoop: 1 connection found the table full"));
	statistics[STATISTIC_CONTENDED] = 9;
	text = tell(&captured, &losses, statistics, &counts, &grown);
	assert_true(grown);
	assert_int_equal(strncmp(text, "mtlsnoop: 9 packets came on two CPUs at once", 44), 0);
	assert_null(strstr(text, "table full"));
	/* as many lost in either way: both count */
	statistics[STATISTIC_LOST_RING] = 9;
	tell(&captured, &losses, statistics, &counts, &grown);
	assert_true(grown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),           cmocka_unit_test(told_once_and_summed_up),
		cmocka_unit_test(every_statistic_has_words), cmocka_unit_test(every_count_has_words),
		cmocka_unit_test(listening_has_words),       cmocka_unit_test(losses_do_not_hide_each_other),
	};

	return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
