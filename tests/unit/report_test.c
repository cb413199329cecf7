// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The way of a record to the sinks: filters, ids, --count, and the list of sinks. */
#include "options_filter.h"
#include "report.h"

#include <errno.h>

#include "captured_output.h"
#include "report_sample.h"

/* A sink that counts its records and keeps the last id. */
struct counting {
	unsigned int taken;
	unsigned int ticks;
	unsigned int closed;
	int flush_error;
	int take_error;
	char id[EVENT_ID_MAX];
};

static int take(void *state, const struct handshake *handshake)
{
	struct counting *counting = state;

	counting->taken++;
	strcpy(counting->id, handshake->id);
	return counting->take_error;
}

static void tick(void *state, const struct status *status)
{
	struct counting *counting = state;

	(void)status;
	counting->ticks++;
}

static int flush(void *state)
{
	return ((struct counting *)state)->flush_error;
}

static void count_dropped(void *state, struct sink_counts *counts)
{
	(void)state;
	counts->dropped = 5;
}

static void close_counting(void *state)
{
	((struct counting *)state)->closed++;
}

static const struct sink_class full_class = {
	.name = "full", .take = take, .tick = tick, .flush = flush, .count = count_dropped, .close = close_counting};
static const struct sink_class bare_class = {.name = "bare", .take = take};

/* A report with one sink for the records that the user wants to see, and one for all. */
struct bench {
	struct options options;
	struct report report;
	struct counting shown;
	struct counting all;
};

static void bench_open(struct bench *bench, const struct options *options)
{
	const struct sink shown = {&full_class, &bench->shown, SINK_NEEDS_CERTIFICATES};
	const struct sink all = {&bare_class, &bench->all, SINK_NEEDS_UNFILTERED};
	struct filter_error error;

	memset(bench, 0, sizeof(*bench));
	bench->options = *options;
	assert_int_equal(options_filter_compile(&bench->options, &error), 0);
	assert_int_equal(sinks_add(&bench->report.sinks, &shown), 0);
	assert_int_equal(sinks_add(&bench->report.sinks, &all), 0);
	assert_int_equal(report_open(&bench->report, &bench->options), 0);
}

static void bench_close(struct bench *bench)
{
	report_close(&bench->report);
	filter_free(bench->options.filter);
	filter_free(bench->options.counted);
}

static void bench_report(struct bench *bench, const struct handshake *handshake, unsigned int times)
{
	while (times--)
		report_handshake(handshake, &bench->report);
}

static void assert_taken(const struct options *options, const struct handshake *handshake, unsigned int shown,
                         unsigned int all)
{
	struct bench bench;

	bench_open(&bench, options);
	bench_report(&bench, handshake, 1);
	assert_int_equal(bench.shown.taken, shown);
	assert_int_equal(bench.all.taken, all);
	assert_int_equal(bench.report.reported, shown);
	bench_close(&bench);
}

static void port_filter_holds_for_all_sinks(void **state)
{
	static const struct {
		struct options options;
		bool expected;
	} cases[] = {
		{{}, true},
		{{.ports = 1, .port = {{443, 443}}}, true},
		{{.ports = 1, .port = {{51234, 51234}}}, true},
		{{.ports = 1, .port = {{444, 444}}}, false},
		{{.ports = 3, .port = {{1, 1}, {2, 2}, {443, 443}}}, true},
		{{.ports = 2, .port = {{1, 1}, {2, 2}, {443, 443}}}, false},
	};
	struct handshake handshake = sample_handshake();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_taken(&cases[i].options, &handshake, cases[i].expected, cases[i].expected);
}

static void process_filter_holds_for_all_sinks(void **state)
{
	const struct options options = {.process = 1234};
	struct handshake handshake = sample_handshake();

	(void)state;
	assert_taken(&options, &handshake, 0, 0);
	handshake.owner.id = 1234;
	assert_taken(&options, &handshake, 1, 1);
	handshake.owner.id = 1;
	handshake.process.id = 1234;
	assert_taken(&options, &handshake, 1, 1);
}

/* The filter `tls.handshake.type == 13`: nobody saw a request that is not known. The metrics count every record. */
static void requested_filter_spares_unfiltered_sinks(void **state)
{
	const struct options options = {.requested_only = true};
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.verdict.requested = KNOWN_YES;
	assert_taken(&options, &handshake, 1, 1);
	handshake.verdict.requested = KNOWN_NO;
	assert_taken(&options, &handshake, 0, 1);
	handshake.verdict.requested = NOT_KNOWN;
	assert_taken(&options, &handshake, 0, 1);
	/* the result is unknown, the request is not */
	handshake.verdict.client_auth = CLIENT_AUTH_UNKNOWN;
	handshake.verdict.reason = REASON_GAP;
	handshake.verdict.requested = KNOWN_YES;
	assert_taken(&options, &handshake, 1, 1);
}

static void expression_holds_for_all_sinks(void **state)
{
	struct options options = {.expression = "sni == example.org and role != client"};
	struct handshake handshake = sample_handshake();

	(void)state;
	strcpy(handshake.client_hello.server_name, "example.org");
	assert_taken(&options, &handshake, 1, 1);
	handshake.role = ROLE_CLIENT;
	assert_taken(&options, &handshake, 0, 0);
}

/* --count ends after that many records of those that pass the filters; unfiltered sinks take the rest. */
static void count_ends_the_report(void **state)
{
	const struct options three = {.count = 3}, no_end = {}, other_port = {.count = 1, .ports = 1, .port = {{1, 1}}};
	struct handshake handshake = sample_handshake();
	struct bench bench;

	(void)state;
	bench_open(&bench, &three);
	bench_report(&bench, &handshake, 2);
	assert_false(report_is_complete(&bench.report));
	bench_report(&bench, &handshake, 1);
	assert_true(report_is_complete(&bench.report));
	bench_report(&bench, &handshake, 6);
	assert_int_equal(bench.shown.taken, 3);
	assert_int_equal(bench.all.taken, 9);
	bench_close(&bench);
	bench_open(&bench, &no_end);
	bench_report(&bench, &handshake, 50);
	assert_int_equal(bench.shown.taken, 50);
	assert_false(report_is_complete(&bench.report));
	bench_close(&bench);
	bench_open(&bench, &other_port);
	bench_report(&bench, &handshake, 5);
	assert_int_equal(bench.shown.taken, 0);
	assert_false(report_is_complete(&bench.report));
	bench_close(&bench);
}

/* A record that replaces an earlier one is the same handshake: sinks get both, --count counts one. */
static void correction_counts_once(void **state)
{
	const struct options two = {.count = 2};
	struct handshake handshake = sample_handshake(), correction = sample_handshake();
	struct bench bench;

	(void)state;
	bench_open(&bench, &two);
	bench_report(&bench, &handshake, 1);
	strcpy(correction.corrects, bench.shown.id);
	bench_report(&bench, &correction, 1);
	assert_false(report_is_complete(&bench.report));
	assert_int_equal(bench.shown.taken, 2);
	bench_report(&bench, &handshake, 1);
	assert_true(report_is_complete(&bench.report));
	bench_close(&bench);
}

static void every_record_gets_an_id_of_its_own(void **state)
{
	static const struct options options;
	struct handshake handshake = sample_handshake();
	char first[EVENT_ID_MAX];
	struct bench bench;

	(void)state;
	bench_open(&bench, &options);
	bench_report(&bench, &handshake, 1);
	strcpy(first, bench.shown.id);
	assert_int_equal(strlen(first), 32);
	assert_int_equal(strspn(first, "0123456789abcdef"), 32);
	bench_report(&bench, &handshake, 1);
	assert_string_not_equal(bench.shown.id, first);
	/* both sinks see the same id */
	assert_string_equal(bench.shown.id, bench.all.id);
	/* an id that the record already has stays */
	strcpy(handshake.id, "0123");
	bench_report(&bench, &handshake, 1);
	assert_string_equal(bench.shown.id, "0123");
	bench_close(&bench);
	bench_open(&bench, &options);
	handshake.id[0] = '\0';
	bench_report(&bench, &handshake, 1);
	assert_string_not_equal(bench.shown.id, first);
	bench_close(&bench);
}

static void list_calls_every_sink_and_counts(void **state)
{
	static const struct options options;
	struct status_sink counts[STATUS_SINKS_MAX] = {};
	struct handshake handshake = sample_handshake();
	struct status status = {};
	struct bench bench;

	(void)state;
	bench_open(&bench, &options);
	assert_int_equal(sinks_needs(&bench.report.sinks), SINK_NEEDS_CERTIFICATES | SINK_NEEDS_UNFILTERED);
	bench.all.take_error = -ENOMEM;
	bench_report(&bench, &handshake, 3);
	sinks_tick(&bench.report.sinks, &status);
	assert_int_equal(bench.shown.ticks, 1);
	assert_int_equal(sinks_flush(&bench.report.sinks), 0);
	bench.shown.flush_error = -EIO;
	assert_int_equal(sinks_flush(&bench.report.sinks), -EIO);
	sinks_count(&bench.report.sinks, counts);
	assert_string_equal(counts[0].name, "full");
	assert_int_equal(counts[0].counts.taken, 3);
	assert_int_equal(counts[0].counts.dropped, 5);
	assert_int_equal(counts[0].counts.failed, 0);
	assert_string_equal(counts[1].name, "bare");
	assert_int_equal(counts[1].counts.failed, 3);
	assert_null(counts[2].name);
	bench_close(&bench);
	assert_int_equal(bench.shown.closed, 1);
	assert_int_equal(sinks_needs(&bench.report.sinks), 0);
}

static void list_refuses_a_sink_too_many(void **state)
{
	struct captured_output captured;
	struct counting counting = {};
	const struct sink sink = {&full_class, &counting, 0};
	struct sinks sinks = {};
	int error;

	(void)state;
	for (int index = 0; index < STATUS_SINKS_MAX; index++)
		assert_int_equal(sinks_add(&sinks, &sink), 0);
	captured_begin(&captured, stderr);
	error = sinks_add(&sinks, &sink);
	captured_end(&captured);
	assert_int_equal(error, -ENOSPC);
	assert_string_equal(captured.text, "mtlsnoop: sink full: at most 16 sinks are possible\n");
	assert_int_equal(counting.closed, 1);
	sinks_close(&sinks);
	assert_int_equal(counting.closed, 1 + STATUS_SINKS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_filter_holds_for_all_sinks),
		cmocka_unit_test(process_filter_holds_for_all_sinks),
		cmocka_unit_test(requested_filter_spares_unfiltered_sinks),
		cmocka_unit_test(expression_holds_for_all_sinks),
		cmocka_unit_test(count_ends_the_report),
		cmocka_unit_test(correction_counts_once),
		cmocka_unit_test(every_record_gets_an_id_of_its_own),
		cmocka_unit_test(list_calls_every_sink_and_counts),
		cmocka_unit_test(list_refuses_a_sink_too_many),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
