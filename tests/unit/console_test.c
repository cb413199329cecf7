// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/console.h"

#include <errno.h>

#include "captured_output.h"
#include "report_sample.h"
#include "sink/json.h"
#include "sink/sinks.h"
#include "sink/status.h"
#include "sink/table.h"
#include "sink/text.h"

/* The text that the formatters themselves print: the sink chooses among them and adds nothing. */
static const char *formatted(struct captured_output *captured, const struct handshake *handshake, uint8_t format,
                             bool redact)
{
	const struct json_options json = {.redact = redact};

	captured_begin(captured, stdout);
	if (format == CONSOLE_TABLE)
		text_line(stdout, handshake);
	else if (format == CONSOLE_LADDER)
		text_ladder(stdout, handshake, redact);
	else
		json_line(stdout, handshake, &json);
	return captured_end(captured);
}

static struct sink open_console(uint8_t format, bool redact, bool headings)
{
	const struct console_options options = {
		.format = format, .redact = redact, .headings = headings, .stream = stdout};
	struct sink sink;

	assert_int_equal(console_open(&sink, &options), 0);
	return sink;
}

/* The text that the sink prints for the record; handshake NULL: for a tick alone. */
static const char *printed(struct captured_output *captured, struct sink sink, const struct handshake *handshake)
{
	static const struct status status;

	captured_begin(captured, stdout);
	if (sink.class->tick)
		sink.class->tick(sink.state, &status);
	if (handshake)
		sink.class->take(sink.state, handshake);
	if (sink.class->finish)
		sink.class->finish(sink.state);
	sink.class->close(sink.state);
	return captured_end(captured);
}

static void heading_comes_with_the_first_tick_of_a_table(void **state)
{
	static const struct {
		uint8_t format;
		bool headings;
		bool expected;
	} cases[] = {
		{CONSOLE_TABLE, true, true},
		{CONSOLE_TABLE, false, false},
		{CONSOLE_LADDER, true, false},
		{CONSOLE_JSON, true, false},
	};
	struct captured_output captured, header;

	(void)state;
	captured_begin(&header, stdout);
	text_header(stdout);
	captured_end(&header);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(printed(&captured, open_console(cases[i].format, false, cases[i].headings), NULL),
		                    cases[i].expected ? header.text : "");
}

static void record_is_printed_as_its_formatter_does(void **state)
{
	static const uint8_t all[] = {CONSOLE_TABLE, CONSOLE_LADDER, CONSOLE_JSON};
	struct certificate certificate = sample_certificate();
	struct handshake handshake = sample_handshake();
	struct captured_output captured, expected;

	(void)state;
	handshake.certificate = &certificate;
	for (size_t i = 0; i < sizeof(all); i++) {
		for (int redact = 0; redact < 2; redact++) {
			const char *text;

			formatted(&expected, &handshake, all[i], redact);
			assert_true(strlen(expected.text) > 20);
			text = printed(&captured, open_console(all[i], redact, false), &handshake);
			assert_string_equal(text, expected.text);
			if (redact)
				assert_null(strstr(text, certificate.subject));
		}
	}
}

/* Certificates are read only for the sinks that print them. */
static void needs_follow_the_format(void **state)
{
	static const struct {
		uint8_t format;
		bool certificates;
	} cases[] = {
		{CONSOLE_TABLE, false},
		{CONSOLE_LADDER, true},
		{CONSOLE_JSON, true},
	};
	struct captured_output captured;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sink sink = open_console(cases[i].format, false, false);

		assert_int_equal(!!(sink.needs & SINK_NEEDS_CERTIFICATES), cases[i].certificates);
		assert_int_equal(sink.needs & SINK_NEEDS_UNFILTERED, 0);
		printed(&captured, sink, NULL);
	}
}

static void flush_reaches_the_system(void **state)
{
	struct captured_output captured;
	struct sink sink = open_console(CONSOLE_JSON, false, false);
	char text[8] = "";
	int error;

	(void)state;
	captured_begin(&captured, stdout);
	printf("line\n");
	error = sink.class->flush(sink.state);
	/* it is there although the stream is open */
	if (pread(captured.file, text, sizeof(text) - 1, 0) < 0)
		error = -errno;
	captured_end(&captured);
	sink.class->close(sink.state);
	assert_int_equal(error, 0);
	assert_string_equal(text, "line\n");
}

/* A full disk: whether stdio notices when it is told to flush, or had noticed before. */
static void flush_tells_of_a_full_disk(void **state)
{
	struct captured_output out, messages;
	int full, unbuffered, errors[2], again;

	(void)state;
	for (unbuffered = 0; unbuffered < 2; unbuffered++) {
		struct sink sink = open_console(CONSOLE_TABLE, false, false);

		full = open("/dev/full", O_WRONLY);
		assert_true(full >= 0);
		captured_begin(&messages, stderr);
		captured_begin(&out, stdout);
		dup2(full, STDOUT_FILENO);
		setvbuf(stdout, NULL, unbuffered ? _IONBF : _IOFBF, unbuffered ? 0 : BUFSIZ);
		printf("line\n");
		errors[unbuffered] = sink.class->flush(sink.state);
		again = sink.class->flush(sink.state);
		dup2(out.saved, STDOUT_FILENO);
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
		clearerr(stdout);
		captured_end(&out);
		captured_end(&messages);
		close(full);
		sink.class->close(sink.state);
		assert_non_null(strstr(messages.text, "mtlsnoop: cannot write to standard output: "));
		/* once, however often it is tried */
		assert_true(again < 0);
		assert_ptr_equal(strchr(messages.text, '\n'), strrchr(messages.text, '\n'));
	}
	assert_int_equal(errors[0], -ENOSPC);
	assert_int_equal(errors[1], -EIO);
}

/* While the queue is full no part of a record is printed, and the sink counts the record. */
static void records_are_left_out_while_nobody_reads(void **state)
{
	struct standard_output_queue queue = {.max = 100, .waiting = 100};
	struct captured_output captured, errors;
	struct handshake handshake = sample_handshake();

	(void)state;
	for (uint8_t format = CONSOLE_TABLE; format <= CONSOLE_JSON; format++) {
		const struct console_options options = {.format = format, .stream = stdout, .queue = &queue};
		struct sink_counts counts = {};
		struct sink sink;
		int taken;

		assert_int_equal(console_open(&sink, &options), 0);
		captured_begin(&errors, stderr);
		captured_begin(&captured, stdout);
		taken = sink.class->take(sink.state, &handshake) | sink.class->take(sink.state, &handshake);
		fflush(stdout);
		captured_end(&captured);
		sink.class->count(sink.state, &counts);
		sink.class->close(sink.state);
		captured_end(&errors);
		assert_int_equal(taken, 0);
		assert_string_equal(captured.text, "");
		assert_int_equal(counts.dropped, 2);
		assert_non_null(strstr(errors.text, "standard output is not read"));
		assert_non_null(strstr(errors.text, "2 handshakes were not printed"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heading_comes_with_the_first_tick_of_a_table),
		cmocka_unit_test(record_is_printed_as_its_formatter_does),
		cmocka_unit_test(needs_follow_the_format),
		cmocka_unit_test(flush_reaches_the_system),
		cmocka_unit_test(flush_tells_of_a_full_disk),
		cmocka_unit_test(records_are_left_out_while_nobody_reads),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
