// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table within a width, both ends of a handshake in one line, causes, colors, dates, screens. */
#include "sink/table.h"

#include "captured_output.h"
#include "report_sample.h"
#include "sink/console.h"
#include "sink/status.h"

#include <time.h>

enum {
	PRINTED_MAX = 64 * 1024,
};

/* A row as it is printed, without its newline, in memory that the next call reuses. */
static const char *printed_row(size_t width, bool color, const struct table_row *row)
{
	static char text[PRINTED_MAX];
	struct table_layout layout;
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	table_layout(&layout, width, color);
	table_row_print(out, &layout, row);
	fclose(out);
	assert_int_equal(text[strlen(text) - 1], '\n');
	text[strlen(text) - 1] = '\0';
	return text;
}

static const char *printed(size_t width, const struct handshake *handshake)
{
	struct table_row row;

	table_row(&row, handshake);
	return printed_row(width, false, &row);
}

static const char *heading(size_t width)
{
	static char text[PRINTED_MAX];
	struct table_layout layout;
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	table_layout(&layout, width, false);
	table_heading(out, &layout);
	fclose(out);
	return text;
}

static void columns_go_by_importance(void **state)
{
	(void)state;
	assert_string_equal(heading(80), "TIME     SERVER                CLIENT                RESULT\n");
	assert_string_equal(heading(100),
	                    "TIME     SERVER                CLIENT                RESULT                       "
	                    "PROCESS\n");
	assert_string_equal(heading(120), "TIME     ROLE     SERVER                CLIENT                VERSION  "
	                                  "RESULT                       PROCESS\n");
	assert_non_null(strstr(heading(0), " ASKED ANSWER      RESULT "));
	assert_non_null(strstr(heading(0), "      MS PROCESS         WHERE\n"));
}

/* Whatever is in the record, no line is longer than the terminal is wide. */
static void no_line_is_wider_than_the_terminal(void **state)
{
	static const size_t widths[] = {60, 80, 99, 100, 101, 120, 132, 200};
	struct attribution attribution = {.unit = "a-very-long-name-of-a-unit-that-nobody-reads@1.service"};
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.family = 6;
	memset(handshake.server.address, 0xee, 16);
	memset(handshake.client.address, 0xdd, 16);
	memset(handshake.client_hello.server_name, 0xff, MESSAGE_SERVER_NAME_MAX);
	handshake.process = (struct process){.id = 4194303};
	memset(handshake.process.name, 0xff, PROCESS_NAME_MAX - 1);
	handshake.attribution = &attribution;
	handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE;
	handshake.verdict.evidence = EVIDENCE_INFERRED;
	handshake.verdict.conflict = 1;
	handshake.failure = (struct failure){.reason = FAILURE_NO_SHARED_SIGNATURE_ALGORITHM, .by = FROM_SERVER};
	handshake.facts.end = END_ALERT;
	handshake.facts.ended_by = FROM_SERVER;
	for (size_t i = 0; i < sizeof(widths) / sizeof(*widths); i++)
		if (strlen(printed(widths[i], &handshake)) > widths[i])
			fail_msg("%zu columns: %s", widths[i], printed(widths[i], &handshake));
}

/* A long address is cut at its front: the columns after it stay. */
static void ipv6_keeps_columns(void **state)
{
	struct handshake handshake = sample_handshake();
	const char *line;

	(void)state;
	handshake.family = 6;
	memset(handshake.server.address, 0x11, 16);
	memset(handshake.client.address, 0x22, 16);
	line = printed(100, &handshake);
	assert_string_equal(line, "11:00:00 ...111:1111:1111]:443 ...2:2222:2222]:51234 presented");
}

static void result_names_the_cause(void **state)
{
	static const struct {
		uint8_t client_auth, established, end, ended_by, reason, by;
		const char *expected;
	} cases[] = {
		{CLIENT_AUTH_REJECTED_CERTIFICATE, KNOWN_NO, END_ALERT, FROM_SERVER, FAILURE_CERTIFICATE_EXPIRED,
	         FROM_SERVER, "rejected_certificate: certificate_expired (server)"},
		{CLIENT_AUTH_UNANSWERED, KNOWN_NO, END_ALERT, FROM_CLIENT, FAILURE_UNKNOWN_CA, FROM_CLIENT,
	         "unanswered: unknown_ca (client refused the server's certificate)"},
		{CLIENT_AUTH_FAILED_BEFORE_REQUEST, KNOWN_NO, END_ALERT, FROM_CLIENT, FAILURE_UNSUPPORTED_VERSION,
	         FROM_CLIENT, "failed_before_request: unsupported_version (client)"},
		/* the cause blames one side and the end another: nobody is named */
		{CLIENT_AUTH_UNANSWERED, KNOWN_NO, END_ALERT, FROM_SERVER, FAILURE_UNKNOWN_CA, FROM_CLIENT,
	         "unanswered: unknown_ca"},
		{CLIENT_AUTH_UNANSWERED, KNOWN_NO, END_TIMEOUT, FROM_SERVER, FAILURE_TIMEOUT, FAILURE_BY_NOBODY,
	         "unanswered: timeout"},
	};
	struct handshake handshake = sample_handshake();
	struct table_row row;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		handshake.verdict.client_auth = cases[i].client_auth;
		handshake.verdict.established = cases[i].established;
		handshake.facts.end = cases[i].end;
		handshake.facts.ended_by = cases[i].ended_by;
		handshake.failure = (struct failure){.reason = cases[i].reason, .by = cases[i].by};
		table_row(&row, &handshake);
		assert_string_equal(row.result, cases[i].expected);
	}
	handshake = sample_handshake();
	handshake.verification[FROM_CLIENT] = (struct verification){.known = true, .result = FAILURE_SELF_SIGNED};
	table_row(&row, &handshake);
	assert_string_equal(row.result, "presented, not trusted: self_signed");
}

/* A cause or a process that does not fit is cut, and the cut shows. */
static void long_cell_is_cut_with_a_mark(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE;
	handshake.failure = (struct failure){.reason = FAILURE_CERTIFICATE_REQUIRED, .by = FROM_SERVER};
	assert_string_equal(printed(100, &handshake), "11:00:00 10.0.0.1:443          10.0.0.5:51234        "
	                                              "rejected_without_certificate: certificate_re...");
	handshake = sample_handshake();
	handshake.process = (struct process){.id = 4194303, .name = "a-long-name-123"};
	assert_string_equal(printed(85, &handshake), "11:00:00 10.0.0.1:443          10.0.0.5:51234        presented");
	assert_string_equal(printed(100, &handshake), "11:00:00 10.0.0.1:443          10.0.0.5:51234        "
	                                              "presented                    -> a-long-name-...");
}

static void where_is_pod_container_or_unit(void **state)
{
	struct attribution attribution = {.unit = "nginx.service"};
	struct handshake handshake = sample_handshake();
	struct table_row row;

	(void)state;
	table_row(&row, &handshake);
	assert_string_equal(row.where, "");
	handshake.attribution = &attribution;
	table_row(&row, &handshake);
	assert_string_equal(row.where, "nginx");
	strcpy(attribution.container, "0123456789abcdef0123456789abcdef");
	table_row(&row, &handshake);
	assert_string_equal(row.where, "0123456789ab");
	strcpy(attribution.pod_namespace, "shop");
	strcpy(attribution.pod, "cart-7c9");
	table_row(&row, &handshake);
	assert_string_equal(row.where, "shop/cart-7c9");
}

static struct handshake end_of(uint8_t role, const char *name, uint32_t process)
{
	struct handshake handshake = sample_handshake();

	handshake.role = role;
	handshake.process.id = process;
	strcpy(handshake.process.name, name);
	memset(handshake.client_hello.random, 7, MESSAGE_RANDOM);
	return handshake;
}

static void ends_match_by_random_and_addresses(void **state)
{
	struct handshake server = end_of(ROLE_SERVER, "nginx", 2), client = end_of(ROLE_CLIENT, "curl", 1);
	struct table_row one, other;

	(void)state;
	table_row(&one, &server);
	table_row(&other, &client);
	assert_true(table_row_matches(&one, &other));
	assert_true(table_row_matches(&other, &one));
	assert_false(table_row_matches(&one, &one));
	client.client_hello.random[0] = 8;
	table_row(&other, &client);
	assert_false(table_row_matches(&one, &other));
	client = end_of(ROLE_CLIENT, "curl", 1);
	client.client.port++;
	table_row(&other, &client);
	assert_false(table_row_matches(&one, &other));
	client = end_of(ROLE_CLIENT, "curl", 1);
	client.start_ns += 2000000000;
	table_row(&other, &client);
	assert_false(table_row_matches(&one, &other));
	/* the client dialled an address that this host translates */
	client = end_of(ROLE_CLIENT, "curl", 1);
	client.server.address[3] = 99;
	table_row(&other, &client);
	assert_false(table_row_matches(&one, &other));
	client.has_nat = true;
	client.nat = server.server;
	table_row(&other, &client);
	assert_true(table_row_matches(&one, &other));
}

static const char *merged_result(const struct handshake *one, const struct handshake *other)
{
	static struct table_row row;
	struct table_row second;

	table_row(&row, one);
	table_row(&second, other);
	table_row_merge(&row, &second);
	assert_true(row.both);
	return row.result;
}

static void line_of_both_ends_says_where_they_differ(void **state)
{
	struct handshake server = end_of(ROLE_SERVER, "nginx", 2), client = end_of(ROLE_CLIENT, "curl", 1);
	struct table_row row, other;

	(void)state;
	assert_string_equal(merged_result(&server, &client), "presented");
	/* the stronger evidence names the result */
	client.verdict.evidence = EVIDENCE_INFERRED;
	assert_string_equal(merged_result(&server, &client), "presented");
	assert_string_equal(merged_result(&client, &server), "presented");
	client.verdict.client_auth = CLIENT_AUTH_UNKNOWN;
	client.verdict.reason = REASON_ENCRYPTED;
	assert_string_equal(merged_result(&client, &server), "presented; the client's end: unknown (encrypted)");
	/* a cause that one end knows holds for both, two causes are a difference */
	client = end_of(ROLE_CLIENT, "curl", 1);
	server.verdict.client_auth = client.verdict.client_auth = CLIENT_AUTH_REJECTED_CERTIFICATE;
	client.failure = (struct failure){.reason = FAILURE_BAD_CERTIFICATE, .by = FAILURE_BY_NOBODY};
	assert_string_equal(merged_result(&server, &client), "rejected_certificate: bad_certificate");
	server.failure = (struct failure){.reason = FAILURE_CERTIFICATE_EXPIRED, .by = FAILURE_BY_NOBODY};
	assert_string_equal(merged_result(&server, &client),
	                    "rejected_certificate: certificate_expired; the client's end: "
	                    "rejected_certificate: bad_certificate");
	table_row(&row, &server);
	table_row(&other, &client);
	table_row_merge(&row, &other);
	assert_string_equal(row.process, "curl/1 -> nginx/2");
	assert_non_null(strstr(printed_row(0, false, &row), "11:00:00 both     10.0.0.1:443 "));
}

static void arrow_stands_for_the_role(void **state)
{
	struct handshake server = end_of(ROLE_SERVER, "nginx", 2), client = end_of(ROLE_CLIENT, "curl", 1);

	(void)state;
	assert_non_null(strstr(printed(100, &server), " -> nginx/2"));
	assert_non_null(strstr(printed(100, &client), " curl/1 ->"));
	assert_null(strstr(printed(0, &server), "->"));
}

static void color_is_of_the_result_alone(void **state)
{
	struct handshake handshake = sample_handshake();
	struct table_row row;

	(void)state;
	table_row(&row, &handshake);
	assert_non_null(strstr(printed_row(100, true, &row), "\x1b[32mpresented\x1b[0m"));
	handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_CERTIFICATE;
	table_row(&row, &handshake);
	assert_non_null(strstr(printed_row(100, true, &row), "\x1b[31mrejected_certificate\x1b[0m"));
	handshake.verdict.client_auth = CLIENT_AUTH_NOT_REQUESTED;
	table_row(&row, &handshake);
	assert_null(strchr(printed_row(100, true, &row), '\x1b'));
}

/* A console whose stream is memory. */
struct bench {
	struct sink sink;
	char *text;
	size_t size;
	FILE *out;
};

static void bench_open(struct bench *bench, bool both_ends, size_t height)
{
	struct console_options options = {.format = CONSOLE_TABLE, .headings = true, .both_ends = both_ends};

	*bench = (struct bench){};
	bench->out = open_memstream(&bench->text, &bench->size);
	assert_non_null(bench->out);
	options.stream = bench->out;
	options.screen.width = 100;
	options.screen.height = height;
	assert_int_equal(console_open(&bench->sink, &options), 0);
}

static void bench_take(struct bench *bench, const struct handshake *handshake)
{
	bench->sink.class->take(bench->sink.state, handshake);
}

static size_t bench_lines(struct bench *bench)
{
	size_t lines = 0;

	fflush(bench->out);
	for (const char *text = bench->text; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void bench_tick(struct bench *bench, uint64_t milliseconds)
{
	const struct status status = {.now_ns = SAMPLE_START_NS + milliseconds * 1000000};

	bench->sink.class->tick(bench->sink.state, &status);
}

static void bench_close(struct bench *bench)
{
	bench->sink.class->finish(bench->sink.state);
	bench->sink.class->close(bench->sink.state);
	fclose(bench->out);
	free(bench->text);
}

static void both_ends_are_one_line(void **state)
{
	struct handshake server = end_of(ROLE_SERVER, "nginx", 2), client = end_of(ROLE_CLIENT, "curl", 1);
	struct bench bench;

	(void)state;
	bench_open(&bench, false, 0);
	bench_tick(&bench, 0);
	bench_take(&bench, &server);
	assert_int_equal(bench_lines(&bench), 1);
	bench_take(&bench, &client);
	bench_tick(&bench, 50);
	assert_int_equal(bench_lines(&bench), 2);
	assert_non_null(strstr(bench.text, "curl/1 -> nginx/2\n"));
	bench_close(&bench);
	bench_open(&bench, true, 0);
	bench_take(&bench, &server);
	bench_take(&bench, &client);
	assert_int_equal(bench_lines(&bench), 3);
	bench_close(&bench);
}

/* One end alone waits 350 ms, and lines after it wait for it: the order stays. */
static void one_end_waits_a_bounded_time(void **state)
{
	struct handshake server = end_of(ROLE_SERVER, "nginx", 2), client = end_of(ROLE_CLIENT, "curl", 1);
	struct handshake alone = end_of(ROLE_CLIENT, "wget", 3), observer = end_of(ROLE_OBSERVER, "", 0);
	struct bench bench;

	(void)state;
	alone.client.port = 1;
	bench_open(&bench, false, 0);
	bench_tick(&bench, 0);
	bench_take(&bench, &alone);
	bench_take(&bench, &server);
	bench_take(&bench, &client);
	bench_tick(&bench, 349);
	assert_int_equal(bench_lines(&bench), 1);
	bench_tick(&bench, 350);
	assert_int_equal(bench_lines(&bench), 3);
	assert_true(strstr(bench.text, "wget/3") < strstr(bench.text, "nginx/2"));
	/* nobody has another end of a connection that was seen on a device or in a file */
	bench_take(&bench, &observer);
	assert_int_equal(bench_lines(&bench), 4);
	/* the end of the input ends every wait */
	bench_take(&bench, &alone);
	bench.sink.class->finish(bench.sink.state);
	assert_int_equal(bench_lines(&bench), 5);
	bench_close(&bench);
}

/* More ends than are held: the oldest goes, nothing is lost. */
static void waiting_ends_are_bounded(void **state)
{
	struct handshake alone = end_of(ROLE_SERVER, "nginx", 2);
	struct bench bench;

	(void)state;
	bench_open(&bench, false, 0);
	for (int index = 0; index < 1000; index++) {
		alone.client.port = index;
		bench_take(&bench, &alone);
	}
	assert_int_equal(bench_lines(&bench), 1 + 1000 - 512);
	bench.sink.class->finish(bench.sink.state);
	assert_int_equal(bench_lines(&bench), 1 + 1000);
	bench_close(&bench);
}

static void heading_comes_again_on_each_screen(void **state)
{
	struct handshake observer = end_of(ROLE_OBSERVER, "", 0);
	const char *again;
	struct bench bench;

	(void)state;
	bench_open(&bench, false, 10);
	for (int index = 0; index < 9; index++)
		bench_take(&bench, &observer);
	/* 1 heading and 8 lines, then a heading and a line */
	assert_int_equal(bench_lines(&bench), 11);
	again = strstr(bench.text + 1, "TIME ");
	assert_non_null(again);
	assert_null(strstr(again + 1, "TIME "));
	bench_close(&bench);
}

static void line_with_the_date_when_the_day_changes(void **state)
{
	struct handshake observer = end_of(ROLE_OBSERVER, "", 0);
	struct bench bench;

	(void)state;
	bench_open(&bench, false, 0);
	bench_take(&bench, &observer);
	bench_take(&bench, &observer);
	assert_int_equal(bench_lines(&bench), 3);
	observer.start_realtime_ns += 86400ull * 1000000000;
	bench_take(&bench, &observer);
	assert_int_equal(bench_lines(&bench), 5);
	assert_non_null(strstr(bench.text, "\n--- 2026-11-24 ---\n11:00:00 "));
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_go_by_importance),
		cmocka_unit_test(no_line_is_wider_than_the_terminal),
		cmocka_unit_test(ipv6_keeps_columns),
		cmocka_unit_test(result_names_the_cause),
		cmocka_unit_test(long_cell_is_cut_with_a_mark),
		cmocka_unit_test(where_is_pod_container_or_unit),
		cmocka_unit_test(ends_match_by_random_and_addresses),
		cmocka_unit_test(line_of_both_ends_says_where_they_differ),
		cmocka_unit_test(arrow_stands_for_the_role),
		cmocka_unit_test(color_is_of_the_result_alone),
		cmocka_unit_test(both_ends_are_one_line),
		cmocka_unit_test(one_end_waits_a_bounded_time),
		cmocka_unit_test(waiting_ends_are_bounded),
		cmocka_unit_test(heading_comes_again_on_each_screen),
		cmocka_unit_test(line_with_the_date_when_the_day_changes),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
