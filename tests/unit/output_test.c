/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sink/console.h"

#include <errno.h>

#include "captured_output.h"
#include "sink/json.h"
#include "report_sample.h"
#include "sink/text.h"

/* What the reports themselves print: output chooses among them and adds nothing. */
static const char *reported(struct captured_output *captured, const struct handshake *handshake, uint8_t format,
                            bool redact)
{
	const struct report_json_options json = {.redact = redact};

	captured_begin(captured, stdout);
	if (format == FORMAT_TABLE)
		report_text_line(stdout, handshake);
	else if (format == FORMAT_LADDER)
		report_text_ladder(stdout, handshake, redact);
	else
		report_json_line(stdout, handshake, &json);
	return captured_end(captured);
}

/* What is printed of count handshakes. */
static const char *printed(struct captured_output *captured, const struct options *options,
                           const struct handshake *handshake, unsigned int count, struct output *output)
{
	captured_begin(captured, stdout);
	output_begin(output, options);
	while (count--)
		output_handshake(handshake, output);
	return captured_end(captured);
}

static void headings(void **state)
{
	static const struct {
		struct options options;
		bool expected;
	} cases[] = {
		{{.format = FORMAT_TABLE}, true},
		{{.format = FORMAT_TABLE, .quiet = true}, false},
		{{.format = FORMAT_LADDER}, false},
		{{.format = FORMAT_JSON}, false},
		{{.format = FORMAT_LADDER, .quiet = true}, false},
	};
	struct captured_output captured, header;
	struct output output = {};
	size_t i;

	(void)state;
	captured_begin(&header, stdout);
	report_text_header(stdout);
	captured_end(&header);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(printed(&captured, &cases[i].options, NULL, 0, &output),
		                    cases[i].expected ? header.text : "");
}

static void formats(void **state)
{
	static const uint8_t all[] = {FORMAT_TABLE, FORMAT_LADDER, FORMAT_JSON};
	struct certificate certificate = sample_certificate();
	struct handshake handshake = sample_handshake();
	struct captured_output captured, expected;
	struct output output = {};
	size_t i;
	int redact;

	(void)state;
	handshake.certificate = &certificate;
	for (i = 0; i < sizeof(all); i++) {
		for (redact = 0; redact < 2; redact++) {
			const struct options options = {.format = all[i], .redact = redact};
			const char *text;

			reported(&expected, &handshake, all[i], redact);
			assert_true(strlen(expected.text) > 20);
			text = printed(&captured, &options, &handshake, 1, &output);
			/* behind the headings of a table */
			assert_true(strlen(text) >= strlen(expected.text));
			assert_string_equal(text + strlen(text) - strlen(expected.text), expected.text);
			assert_int_equal(output.printed, 1);
			if (redact)
				assert_null(strstr(text, certificate.subject));
		}
	}
}

/* Whether a handshake with these options is printed. */
static bool is_printed(const struct options *options, const struct handshake *handshake)
{
	struct captured_output captured;
	struct output output = {};
	bool something = *printed(&captured, options, handshake, 1, &output);

	assert_int_equal(output.printed, something);
	return something;
}

static void ports(void **state)
{
	struct handshake handshake = sample_handshake();
	static const struct {
		struct options options;
		bool expected;
	} cases[] = {
		{{.format = FORMAT_JSON}, true},
		{{.format = FORMAT_JSON, .ports = 1, .port = {443}}, true},
		{{.format = FORMAT_JSON, .ports = 1, .port = {51234}}, true},
		{{.format = FORMAT_JSON, .ports = 1, .port = {444}}, false},
		{{.format = FORMAT_JSON, .ports = 3, .port = {1, 2, 443}}, true},
		{{.format = FORMAT_JSON, .ports = 2, .port = {1, 2, 443}}, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (is_printed(&cases[i].options, &handshake) != cases[i].expected)
			fail_msg("case %zu is %s", i, cases[i].expected ? "not printed" : "printed");
}

/* The filter `tls.handshake.type == 13`: what is not known to have been requested was not seen to be. */
static void requested_only(void **state)
{
	const struct options options = {.format = FORMAT_JSON, .requested_only = true};
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.verdict.requested = KNOWN_YES;
	assert_true(is_printed(&options, &handshake));
	handshake.verdict.requested = KNOWN_NO;
	assert_false(is_printed(&options, &handshake));
	handshake.verdict.requested = NOT_KNOWN;
	assert_false(is_printed(&options, &handshake));
	/* unknown how it went, but asked */
	handshake.verdict.client_auth = CLIENT_AUTH_UNKNOWN;
	handshake.verdict.reason = REASON_GAP;
	handshake.verdict.requested = KNOWN_YES;
	assert_true(is_printed(&options, &handshake));
}

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* As many as were asked for, of those that pass the filters. */
static void count(void **state)
{
	const struct options three = {.format = FORMAT_JSON, .count = 3}, no_end = {.format = FORMAT_JSON};
	const struct options other_port = {.format = FORMAT_JSON, .count = 1, .ports = 1, .port = {1}};
	struct handshake handshake = sample_handshake();
	struct captured_output captured;
	struct output output = {};

	(void)state;
	assert_int_equal(lines_of(printed(&captured, &three, &handshake, 2, &output)), 2);
	assert_false(output_is_complete(&output));
	assert_int_equal(lines_of(printed(&captured, &three, &handshake, 3, &output)), 3);
	assert_true(output_is_complete(&output));
	assert_int_equal(lines_of(printed(&captured, &three, &handshake, 9, &output)), 3);
	assert_int_equal(output.printed, 3);
	assert_int_equal(lines_of(printed(&captured, &no_end, &handshake, 50, &output)), 50);
	assert_false(output_is_complete(&output));
	assert_int_equal(lines_of(printed(&captured, &other_port, &handshake, 5, &output)), 0);
	assert_false(output_is_complete(&output));
}

/* Nothing is printed, but handshakes are counted: --quiet --count 5 ends. */
static void quiet(void **state)
{
	const struct options options = {.format = FORMAT_TABLE, .quiet = true, .count = 2};
	struct handshake handshake = sample_handshake();
	struct captured_output captured;
	struct output output = {};

	(void)state;
	assert_string_equal(printed(&captured, &options, &handshake, 1, &output), "");
	assert_false(output_is_complete(&output));
	assert_string_equal(printed(&captured, &options, &handshake, 2, &output), "");
	assert_true(output_is_complete(&output));
}

/* What is in certificates is read only where it is told. */
static void certificates_told(void **state)
{
	static const struct {
		struct options options;
		bool expected;
	} cases[] = {
		{{.format = FORMAT_TABLE}, false},
		{{.format = FORMAT_LADDER}, true},
		{{.format = FORMAT_JSON}, true},
		{{.format = FORMAT_TABLE, .quiet = true}, false},
		{{.format = FORMAT_JSON, .quiet = true}, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (output_tells_certificates(&cases[i].options) != cases[i].expected)
			fail_msg("case %zu: expected %d", i, cases[i].expected);
}

static void flush_reaches_the_system(void **state)
{
	struct captured_output captured;
	struct output output = {};
	char text[8] = "";
	int error;

	(void)state;
	captured_begin(&captured, stdout);
	printf("line\n");
	error = output_flush(&output);
	/* it is there although the stream is open */
	if (pread(captured.file, text, sizeof(text) - 1, 0) < 0)
		error = -errno;
	captured_end(&captured);
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
		struct output output = {};

		full = open("/dev/full", O_WRONLY);
		assert_true(full >= 0);
		captured_begin(&messages, stderr);
		captured_begin(&out, stdout);
		dup2(full, STDOUT_FILENO);
		setvbuf(stdout, NULL, unbuffered ? _IONBF : _IOFBF, unbuffered ? 0 : BUFSIZ);
		printf("line\n");
		errors[unbuffered] = output_flush(&output);
		again = output_flush(&output);
		dup2(out.saved, STDOUT_FILENO);
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
		clearerr(stdout);
		captured_end(&out);
		captured_end(&messages);
		close(full);
		assert_non_null(strstr(messages.text, "mtlsnoop: cannot write to standard output: "));
		/* once, however often it is tried */
		assert_true(again < 0);
		assert_ptr_equal(strchr(messages.text, '\n'), strrchr(messages.text, '\n'));
	}
	assert_int_equal(errors[0], -ENOSPC);
	assert_int_equal(errors[1], -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headings),
		cmocka_unit_test(formats),
		cmocka_unit_test(ports),
		cmocka_unit_test(requested_only),
		cmocka_unit_test(count),
		cmocka_unit_test(quiet),
		cmocka_unit_test(certificates_told),
		cmocka_unit_test(flush_reaches_the_system),
		cmocka_unit_test(flush_tells_of_a_full_disk),
	};

	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
