// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/table.h"
#include "sink/text.h"

#include "report_sample.h"

#include <time.h>

/* What a report prints, in memory that the caller frees. */
static char *line_of(const struct handshake *handshake)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	text_line(out, handshake);
	fclose(out);
	assert_int_equal(assert_clean_lines(text), 1);
	return text;
}

static char *ladder_of(const struct handshake *handshake, bool redact)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	text_ladder(out, handshake, redact);
	fclose(out);
	assert_clean_lines(text);
	return text;
}

static void assert_line(const struct handshake *handshake, const char *expected)
{
	char *line = line_of(handshake);

	assert_string_equal(line, expected);
	free(line);
}

static void assert_ladder(const struct handshake *handshake, bool redact, const char *expected)
{
	char *ladder = ladder_of(handshake, redact);

	assert_string_equal(ladder, expected);
	free(ladder);
}

/* The RESULT cell, which starts in column 114, is this; behind it there are spaces and the sample's MS alone. */
static void assert_result(const struct handshake *handshake, const char *expected)
{
	char *line = line_of(handshake), *rest;
	size_t length = strlen(expected);

	assert_true(strlen(line) > 114);
	rest = line + 114 + length;
	if (strncmp(line + 114, expected, length) || strcmp(rest + strspn(rest, " "), "1.83\n"))
		fail_msg("expected RESULT '%s' in: %s", expected, line);
	free(line);
}

static void assert_in_ladder(const struct handshake *handshake, const char *expected)
{
	char *ladder = ladder_of(handshake, false);

	if (!strstr(ladder, expected))
		fail_msg("expected to read '%s' in:\n%s", expected, ladder);
	free(ladder);
}

/* One literal per column: TIME ROLE SERVER CLIENT SNI VERSION ASKED ANSWER RESULT MS */
static void header_names_the_columns(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	text_header(out);
	fclose(out);
	assert_string_equal(text, "TIME     "
	                          "ROLE     "
	                          "SERVER                "
	                          "CLIENT                "
	                          "SNI                      "
	                          "VERSION  "
	                          "ASKED "
	                          "ANSWER      "
	                          "RESULT                       "
	                          "      MS "
	                          "PROCESS         "
	                          "WHERE\n");
	free(text);
}

static void line_of_a_presented_certificate(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	assert_line(&handshake, "11:00:00 "
	                        "server   "
	                        "10.0.0.1:443          "
	                        "10.0.0.5:51234        "
	                        "example.org              "
	                        "TLSv1.2  "
	                        "yes   "
	                        "certificate "
	                        "presented                    "
	                        "    1.83\n");
}

static void line_of_what_is_not_known(void **state)
{
	struct handshake handshake = {
		.role = ROLE_OBSERVER,
		.family = 4,
		.start_realtime_ns = SAMPLE_REALTIME_NS,
		.start_ns = 2,
		.end_ns = 1,
		.verdict = {.client_auth = CLIENT_AUTH_UNKNOWN,
	                    .reason = REASON_GAP,
	                    .requested = NOT_KNOWN,
	                    .answer = ANSWER_NOT_KNOWN,
	                    .established = NOT_KNOWN,
	                    .resumed = NOT_KNOWN},
	};

	(void)state;
	assert_line(&handshake, "11:00:00 "
	                        "observer "
	                        "0.0.0.0:0             "
	                        "0.0.0.0:0             "
	                        "-                        "
	                        "-        "
	                        "?     "
	                        "?           "
	                        "unknown (gap)                "
	                        "       -\n");
}

static void line_of_ipv6(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.family = 6;
	handshake.role = ROLE_CLIENT;
	handshake.verdict.requested = KNOWN_NO;
	handshake.verdict.answer = ANSWER_NONE;
	handshake.verdict.client_auth = CLIENT_AUTH_NOT_REQUESTED;
	memset(&handshake.server.address, 0, 16);
	memset(&handshake.client.address, 0, 16);
	handshake.server.address[15] = 1;
	handshake.client.address[15] = 2;
	assert_line(&handshake, "11:00:00 "
	                        "client   "
	                        "[::1]:443             "
	                        "[::2]:51234           "
	                        "example.org              "
	                        "TLSv1.2  "
	                        "no    "
	                        "-           "
	                        "not_requested                "
	                        "    1.83\n");
}

/* A long address moves what is behind it until there is room again, here at VERSION. */
static void long_address_moves_little(void **state)
{
	static const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22,
	                                    0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66};
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.family = 6;
	memcpy(handshake.server.address, address, sizeof(address));
	memset(handshake.client.address, 0, 16);
	handshake.client.address[15] = 2;
	handshake.client_hello.server_name[0] = '\0';
	assert_line(&handshake, "11:00:00 "
	                        "server   "
	                        "[2001:db8:1111:2222:3333:4444:5555:6666]:443 "
	                        "[::2]:51234 "
	                        "-           " /* 18 + 45 + 12 = 75: 12 up to VERSION */
	                        "TLSv1.2  "
	                        "yes   "
	                        "certificate "
	                        "presented                    "
	                        "    1.83\n");
}

/* MS stays flush right as long as there is room for it, and a space off RESULT where there is not. */
static void long_result_moves_little(void **state)
{
	static const char start[] = "11:00:00 "
				    "server   "
				    "10.0.0.1:443          "
				    "10.0.0.5:51234        "
				    "example.org              "
				    "TLSv1.2  "
				    "yes   "
				    "certificate ";
	struct handshake handshake = sample_handshake();
	char expected[256];

	(void)state;
	handshake.verdict.client_auth = CLIENT_AUTH_UNANSWERED;
	handshake.verdict.established = KNOWN_NO;
	handshake.facts.ended_by = FROM_CLIENT;
	/* RESULT starts at 114, the row ends at 151: 114 + 29 + 4 + 4 */
	handshake.facts.end = END_FIN;
	snprintf(expected, sizeof(expected), "%s%s", start, "unanswered (closed by client)    1.83\n");
	assert_line(&handshake, expected);

	/* 114 + 32 + 1 + 4 */
	handshake.facts.end = END_NOT_TLS;
	snprintf(expected, sizeof(expected), "%s%s", start, "unanswered (not TLS from client) 1.83\n");
	assert_line(&handshake, expected);

	handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_CERTIFICATE;
	sample_alert(&handshake, 1834, FROM_SERVER, 48);
	snprintf(expected, sizeof(expected), "%s%s", start, "rejected_certificate (unknown_ca from server) 1.83\n");
	assert_line(&handshake, expected);
}

static void server_name_fits_its_column(void **state)
{
	struct handshake handshake = sample_handshake();
	char *line;

	(void)state;
	strcpy(handshake.client_hello.server_name, "service-17.internal.prod.eu-central.example.org");
	line = line_of(&handshake);
	assert_int_equal(strncmp(line + 62, "...u-central.example.org TLSv1.2 ", 33), 0);
	free(line);

	strcpy(handshake.client_hello.server_name, "a b\n\x1b");
	line = line_of(&handshake);
	assert_int_equal(strncmp(line + 62, "a\\x20b\\x0a\\x1b           TLSv1.2 ", 33), 0);
	free(line);
}

static void result_says_the_reason_or_the_end(void **state)
{
	static const struct {
		uint8_t client_auth, evidence, reason, established, end, by;
		const char *expected;
	} cases[] = {
		{CLIENT_AUTH_PRESENTED, EVIDENCE_INFERRED, 0, KNOWN_YES, END_COMPLETED, 0, "presented, inferred"},
		{CLIENT_AUTH_PRESENTED, EVIDENCE_LIBRARY, 0, KNOWN_YES, END_COMPLETED, 0, "presented"},
		{CLIENT_AUTH_DECLINED, EVIDENCE_CLEARTEXT, 0, KNOWN_YES, END_FIN, FROM_CLIENT, "declined"},
		{CLIENT_AUTH_RESUMED, EVIDENCE_CLEARTEXT, 0, KNOWN_YES, END_COMPLETED, 0, "resumed"},
		{CLIENT_AUTH_RESUMED, EVIDENCE_INFERRED, 0, NOT_KNOWN, END_COMPLETED, 0, "resumed, inferred"},
		{CLIENT_AUTH_DECLINED, 0, 0, KNOWN_YES, END_ALERT, FROM_SERVER, "declined (alert from server)"},
		{CLIENT_AUTH_UNKNOWN, 0, REASON_ENCRYPTED, KNOWN_YES, END_COMPLETED, 0, "unknown (encrypted)"},
		{CLIENT_AUTH_UNKNOWN, EVIDENCE_INFERRED, REASON_PADDING, NOT_KNOWN, END_FIN, 0, "unknown (padding)"},
		{CLIENT_AUTH_UNKNOWN, 0, REASON_LOST_EVENTS, KNOWN_NO, END_RST, 0, "unknown (lost_events)"},
		{CLIENT_AUTH_UNANSWERED, 0, 0, KNOWN_NO, END_FIN, FROM_CLIENT, "unanswered (closed by client)"},
		{CLIENT_AUTH_UNANSWERED, 0, 0, KNOWN_NO, END_RST, FROM_SERVER, "unanswered (reset by server)"},
		{CLIENT_AUTH_UNANSWERED, 0, 0, KNOWN_NO, END_TIMEOUT, 0, "unanswered (timeout)"},
		{CLIENT_AUTH_REJECTED_CERTIFICATE, EVIDENCE_INFERRED, 0, KNOWN_NO, END_RST, FROM_SERVER,
	         "rejected_certificate, inferred (reset by server)"},
		{CLIENT_AUTH_FAILED_BEFORE_REQUEST, 0, 0, KNOWN_NO, END_NONE, 0, "failed_before_request (no end seen)"},
		{CLIENT_AUTH_FAILED_BEFORE_REQUEST, 0, 0, NOT_KNOWN, END_NOT_TLS, FROM_SERVER,
	         "failed_before_request (not TLS from server)"},
	};
	struct handshake handshake;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		handshake = sample_handshake();
		handshake.verdict.client_auth = cases[i].client_auth;
		handshake.verdict.evidence = cases[i].evidence;
		handshake.verdict.reason = cases[i].reason;
		handshake.verdict.established = cases[i].established;
		handshake.facts.end = cases[i].end;
		handshake.facts.ended_by = cases[i].by;
		assert_result(&handshake, cases[i].expected);
	}
}

static void result_says_the_alert(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE;
	handshake.verdict.established = KNOWN_NO;
	sample_alert(&handshake, 1834, FROM_SERVER, 40);
	assert_result(&handshake, "rejected_without_certificate (handshake_failure from server)");

	handshake.alert.description = 200; /* of no name */
	assert_result(&handshake, "rejected_without_certificate (alert 200 from server)");

	handshake.has_alert = false; /* encrypted */
	assert_result(&handshake, "rejected_without_certificate (alert from server)");
}

/* A warning that ended nothing is not the end. */
static void result_leaves_out_other_alerts(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	sample_alert(&handshake, 1000, FROM_CLIENT, 41);
	handshake.facts.end = END_COMPLETED;
	assert_result(&handshake, "presented");
}

static void milliseconds_are_flush_right(void **state)
{
	static const struct {
		uint64_t nanoseconds;
		const char *expected;
	} cases[] = {
		{0, "    0.00\n"},        {4999, "    0.00\n"},        {5001, "    0.01\n"},
		{12345678, "   12.35\n"}, {60000000000, "60000.00\n"}, {3600000000000, " 3600000.00\n"},
	};
	struct handshake handshake = sample_handshake();
	char *line;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		handshake.end_ns = handshake.start_ns + cases[i].nanoseconds;
		line = line_of(&handshake);
		assert_string_equal(line + strlen(line) - strlen(cases[i].expected), cases[i].expected);
		free(line);
	}
}

static void ladder_of_a_presented_certificate(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();
	struct certificate_request request = sample_request();

	(void)state;
	handshake.certificate = &certificate;
	handshake.request = &request;
	assert_ladder(&handshake, false,
	              "* 11:00:00.123456 as server: 10.0.0.5:51234 -> 10.0.0.1:443, SNI example.org, TLSv1.2, "
	              "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n"
	              "     0.000 ms (IN)  TLS handshake, Client hello (1), 508 bytes\n"
	              "     0.250 ms (OUT) TLS handshake, Server hello (2), 89 bytes\n"
	              "     0.300 ms (OUT) TLS handshake, Request CERT (13), 104 bytes\n"
	              "     0.712 ms (IN)  TLS handshake, Certificate (11), 847 bytes\n"
	              "     1.700 ms (IN)  TLS change cipher, Change cipher spec (1)\n"
	              "     1.834 ms (OUT) encrypted handshake record, 40 bytes\n"
	              "* Certificate request:\n"
	              "*   certificate types: rsa_sign (1), ecdsa_sign (64), unknown (99)\n"
	              "*   signature algorithms: 2\n"
	              "*   CA names: 2\n"
	              "*     CN=Example CA\n"
	              "*     CN=M\xc3\xbcller\n"
	              "* Client certificate:\n"
	              "*   subject: CN=client,O=Example\n"
	              "*   issuer: CN=Example CA\n"
	              "*   not after: 2027-11-23T10:59:59Z\n"
	              "*   sha256: " SAMPLE_SHA256 "\n"
	              "* presented; evidence: cleartext; asked: yes; answer: certificate; completed after 1.83 ms\n"
	              "\n");
}

static void ladder_redacted(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();

	(void)state;
	handshake.steps = 0;
	handshake.certificate = &certificate;
	assert_ladder(&handshake, true,
	              "* 11:00:00.123456 as server: 10.0.0.5:51234 -> 10.0.0.1:443, SNI example.org, TLSv1.2, "
	              "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n"
	              "* Client certificate:\n"
	              "*   sha256: " SAMPLE_SHA256 "\n"
	              "* presented; evidence: cleartext; asked: yes; answer: certificate; completed after 1.83 ms\n"
	              "\n");
}

/* An observer names the sides; what is not known is not made up. */
static void ladder_of_an_observer(void **state)
{
	struct handshake handshake = {
		.role = ROLE_OBSERVER,
		.family = 6,
		.client = {.address = {[15] = 5}, .port = 1},
		.server = {.address = {[15] = 6}, .port = 2},
		.start_ns = SAMPLE_START_NS,
		.end_ns = SAMPLE_MICROSECONDS(15000),
		.start_realtime_ns = SAMPLE_REALTIME_NS,
		.steps_dropped = 1,
		.verdict = {.client_auth = CLIENT_AUTH_UNKNOWN,
	                    .reason = REASON_ENCRYPTED,
	                    .requested = NOT_KNOWN,
	                    .established = NOT_KNOWN},
		.facts = {.end = END_FIN, .ended_by = FROM_SERVER},
	};

	(void)state;
	sample_step(&handshake, 0, STEP_MESSAGE, FROM_CLIENT, 1, 1);
	sample_step(&handshake, 12345, STEP_MESSAGE, FROM_SERVER, 99, 0);
	sample_step(&handshake, 12346, STEP_RECORD, FROM_SERVER, 23, 69);
	sample_step(&handshake, 13000, STEP_RECORD, FROM_SERVER, 21, 26);
	sample_step(&handshake, 14000, STEP_RECORD, FROM_CLIENT, 24, 3);
	assert_ladder(
		&handshake, false,
		"* 11:00:00.123456 as observer: [::5]:1 -> [::6]:2, SNI -, -, -\n"
		"     0.000 ms client->server TLS handshake, Client hello (1), 1 byte\n"
		"    12.345 ms server->client TLS handshake, Unknown (99), 0 bytes\n"
		"    12.346 ms server->client encrypted record, 69 bytes\n"
		"    13.000 ms server->client encrypted alert record, 26 bytes\n"
		"    14.000 ms client->server record of content type 24, 3 bytes\n"
		"* 1 more step not kept\n"
		"* unknown (encrypted); evidence: cleartext; asked: ?; answer: ?; closed by server after 15.00 ms\n"
		"\n");
}

static void ladder_of_a_client_with_an_alert(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.role = ROLE_CLIENT;
	handshake.steps = 0;
	handshake.server_hello.cipher_suite = 0xeaea; /* of no name */
	handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_CERTIFICATE;
	handshake.verdict.established = KNOWN_NO;
	sample_step(&handshake, 0, STEP_MESSAGE, FROM_CLIENT, 1, 508);
	sample_alert(&handshake, 900, FROM_SERVER, 48);
	sample_alert(&handshake, 901, FROM_CLIENT, 222);
	handshake.step[2].level = 7;
	assert_ladder(&handshake, false,
	              "* 11:00:00.123456 as client: 10.0.0.5:51234 -> 10.0.0.1:443, SNI example.org, TLSv1.2, "
	              "cipher suite 0xEAEA\n"
	              "     0.000 ms (OUT) TLS handshake, Client hello (1), 508 bytes\n"
	              "     0.900 ms (IN)  TLS alert, fatal unknown_ca (48)\n"
	              "     0.901 ms (OUT) TLS alert, level 7 unknown (222)\n"
	              "* rejected_certificate; evidence: cleartext; asked: yes; answer: certificate; "
	              "alert 222 from client after 1.83 ms\n"
	              "\n");
}

static void ladder_bounds_what_was_sent(void **state)
{
	static struct certificate_request request = {.certificate_types = 200, .authorities = 1000};
	struct handshake handshake = sample_handshake();
	char *ladder;

	(void)state;
	handshake.request = &request;
	assert_in_ladder(&handshake, "*   CA names: 1000\n");
	assert_in_ladder(&handshake, "*     and 968 more\n"); /* MESSAGE_AUTHORITIES_MAX is 32 */
	assert_in_ladder(&handshake, ", 184 more\n");         /* MESSAGE_CERTIFICATE_TYPES_MAX is 16 */

	handshake.steps = 1000;
	handshake.steps_dropped = 936;
	assert_in_ladder(&handshake, "* 936 more steps not kept\n");

	memset(&request, 0, sizeof(request));
	assert_in_ladder(&handshake, "*   certificate types: none\n");
	assert_in_ladder(&handshake, "*   CA names: 0\n* ");
	ladder = ladder_of(&handshake, false);
	assert_null(strstr(ladder, "* Client certificate"));
	free(ladder);
}

static void certificate_that_could_not_be_read(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();

	(void)state;
	handshake.certificate = &certificate;
	certificate.leaf_parsed = false;
	assert_in_ladder(&handshake,
	                 "* Client certificate:\n*   sha256: " SAMPLE_SHA256 "\n*   it could not be read\n* presented");
	certificate.sha256_known = false;
	assert_in_ladder(&handshake, "* Client certificate:\n*   it could not be read\n* presented");

	/* a date that no four-digit year can say is not made up */
	certificate = sample_certificate();
	certificate.not_after = INT64_MAX;
	assert_in_ladder(&handshake, "*   issuer: CN=Example CA\n*   sha256: ");
	certificate.not_after = 253402300799; /* RFC 5280 section 4.1.2.5 */
	assert_in_ladder(&handshake, "*   not after: 9999-12-31T23:59:59Z\n");
}

static void hostile_text_is_escaped(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();
	struct certificate_request request = sample_request();

	(void)state;
	handshake.certificate = &certificate;
	handshake.request = &request;
	strcpy(handshake.client_hello.server_name, HOSTILE);
	strcpy(handshake.server_hello.protocol, HOSTILE);
	strcpy(certificate.subject, HOSTILE);
	strcpy(certificate.issuer, HOSTILE);
	strcpy(request.authority[1], HOSTILE);
	assert_in_ladder(&handshake, "SNI a\\x0a\\x09\\x1b[31m\\x7f\\xc2\\x9b2J\\xff\\xc3(\\xe2\\x80\\xaeb"
	                             "\\xe2\\x80\\x8b\"\\x5c, TLSv1.2, ");
	assert_in_ladder(&handshake, "*   subject: a\\x0a\\x09\\x1b[31m\\x7f\\xc2\\x9b2J\\xff\\xc3(\\xe2\\x80\\xaeb"
	                             "\\xe2\\x80\\x8b\"\\\n");
	assert_in_ladder(&handshake, "*   issuer: a\\x0a");
	assert_in_ladder(&handshake, "*     a\\x0a");
	free(line_of(&handshake));

	/* every byte of the longest name is escaped */
	memset(handshake.client_hello.server_name, 0xff, MESSAGE_SERVER_NAME_MAX);
	handshake.client_hello.server_name[MESSAGE_SERVER_NAME_MAX] = '\0';
	assert_in_ladder(&handshake, "SNI \\xff\\xff");
	assert_in_ladder(&handshake, "\\xff\\xff, TLSv1.2, ");
	free(line_of(&handshake));
}

/* Numbers outside of their enums do no harm. */
static void numbers_out_of_range(void **state)
{
	struct handshake handshake;

	(void)state;
	memset(&handshake, 0xff, sizeof(handshake));
	handshake.request = NULL;
	handshake.certificate = NULL;
	memset(&handshake.facts, 0, sizeof(handshake.facts));
	handshake.facts.end = 0xff;
	handshake.facts.ended_by = 0xff;
	memset(&handshake.client_hello, 0, sizeof(handshake.client_hello));
	memset(&handshake.server_hello, 0, sizeof(handshake.server_hello));
	handshake.has_alert = false;
	/* pointers and truth values are not numbers */
	handshake.attribution = NULL;
	handshake.hints = NULL;
	handshake.server_certificate = NULL;
	handshake.has_nat = false;
	memset(handshake.verification, 0, sizeof(handshake.verification));
	memset(&handshake.failure.detail, 0, sizeof(handshake.failure.detail));
	free(line_of(&handshake));
	free(ladder_of(&handshake, false));
	assert_in_ladder(&handshake, "as observer: ?:65535 -> ?:65535, SNI -, ");
}

/* A line says what is broken alone, the ladder all that was expected. */
static void policy(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	assert_result(&handshake, "presented");
	handshake.policy = (struct policy_judgement){.expectation = POLICY_REQUIRED, .result = POLICY_KEPT, .line = 7};
	assert_result(&handshake, "presented");
	assert_in_ladder(&handshake, "\n* expected: required (line 7): kept\n\n");
	handshake.policy = (struct policy_judgement){.expectation = POLICY_NEVER, .result = POLICY_BROKEN, .line = 8};
	assert_result(&handshake, "presented, breaks never");
	assert_in_ladder(&handshake, "\n* expected: never (line 8): broken\n\n");
	handshake.policy = (struct policy_judgement){
		.expectation = POLICY_TRUSTED, .result = POLICY_BROKEN, .breach = POLICY_BREACH_UNTRUSTED, .line = 8};
	assert_result(&handshake, "presented, breaks trusted (untrusted)");
	assert_in_ladder(&handshake, "\n* expected: trusted (line 8): broken (untrusted)\n\n");
	handshake.policy =
		(struct policy_judgement){.expectation = POLICY_OPTIONAL, .result = POLICY_UNJUDGED, .line = 9};
	handshake.verdict = (struct verdict){.client_auth = CLIENT_AUTH_UNKNOWN, .reason = REASON_GAP};
	assert_result(&handshake, "unknown (gap)");
	assert_in_ladder(&handshake, "\n* expected: optional (line 9): cannot be judged\n\n");
	handshake.policy = (struct policy_judgement){.expectation = POLICY_NEVER, .result = POLICY_BROKEN, .line = 8};
	assert_result(&handshake, "unknown (gap), breaks never");
	sample_alert(&handshake, 10, FROM_SERVER, 40);
	handshake.verdict = (struct verdict){.client_auth = CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE};
	handshake.policy =
		(struct policy_judgement){.expectation = POLICY_OPTIONAL, .result = POLICY_BROKEN, .line = 8};
	assert_result(&handshake, "rejected_without_certificate (handshake_failure from server), breaks optional");
}

/* What was inferred, disputed or is not the first of its connection says so. */
static void result_says_where_it_is_from(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.verdict.evidence = EVIDENCE_LIBRARY;
	assert_result(&handshake, "presented");
	handshake.verdict.conflict = 1;
	assert_result(&handshake, "presented, conflict");
	handshake.verdict.evidence = EVIDENCE_INFERRED;
	assert_result(&handshake, "presented, inferred, conflict");
	handshake.verdict.conflict = 0;
	handshake.facts.renegotiation = true;
	assert_result(&handshake, "presented, inferred, renegotiation");
	handshake.verdict.evidence = EVIDENCE_LIBRARY;
	handshake.facts.library.renegotiation = true;
	assert_result(&handshake, "presented, renegotiation");
	handshake.facts.renegotiation = false;
	assert_result(&handshake, "presented, renegotiation");
	handshake.facts.library.renegotiation = false;
	handshake.facts.library.post_handshake = true;
	assert_result(&handshake, "presented, post-handshake");
	handshake.policy = (struct policy_judgement){.expectation = POLICY_NEVER, .result = POLICY_BROKEN, .line = 1};
	assert_result(&handshake, "presented, post-handshake, breaks never");
	handshake.verdict = (struct verdict){.client_auth = CLIENT_AUTH_UNKNOWN, .reason = REASON_ABANDONED};
	handshake.policy = (struct policy_judgement){};
	assert_result(&handshake, "unknown, post-handshake (abandoned)");
}

/* TLS 1.3: what the wire encrypts is in the ladder, as the library had it, with what it says. */
static void ladder_of_a_library(void **state)
{
	struct handshake handshake = sample_library_handshake();
	struct certificate certificate = sample_certificate();
	struct certificate_request request = sample_request();

	(void)state;
	handshake.request = &request;
	handshake.certificate = &certificate;
	assert_ladder(&handshake, false,
	              "* 11:00:00.123456 as server: 10.0.0.5:51234 -> 10.0.0.1:443, SNI example.org, TLSv1.3, "
	              "TLS_AES_128_GCM_SHA256\n"
	              "* Process: nginx (1234), OpenSSL 3.0.19\n"
	              "     0.000 ms (IN)  TLS handshake, Client hello (1), 508 bytes\n"
	              "     0.250 ms (OUT) TLS handshake, Server hello (2), 89 bytes\n"
	              "     0.300 ms (OUT) TLS handshake, Request CERT (13), 104 bytes, in the library\n"
	              "     0.310 ms (OUT) encrypted record, 1200 bytes\n"
	              "     0.712 ms (IN)  TLS handshake, Certificate (11), 847 bytes, in the library\n"
	              "* Certificate request:\n"
	              "*   certificate types: rsa_sign (1), ecdsa_sign (64), unknown (99)\n"
	              "*   signature algorithms: 2\n"
	              "*   CA names: 2\n"
	              "*     CN=Example CA\n"
	              "*     CN=M\xc3\xbcller\n"
	              "* Client certificate:\n"
	              "*   subject: CN=client,O=Example\n"
	              "*   issuer: CN=Example CA\n"
	              "*   not after: 2027-11-23T10:59:59Z\n"
	              "*   sha256: " SAMPLE_SHA256 "\n"
	              "* presented; evidence: library; asked: yes; answer: certificate; completed after 1.83 ms\n"
	              "\n");
}

/* Who makes the handshake, or else who opened the socket; the names are anybody's. */
static void ladder_of_a_process(void **state)
{
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.owner = (struct process){1, "systemd"};
	assert_in_ladder(&handshake, "\n* Socket of: systemd (1)\n");
	strcpy(handshake.container, "0123abcd");
	assert_in_ladder(&handshake, "\n* Socket of: systemd (1), container 0123abcd\n");
	handshake.process = (struct process){4194303, "nginx: worker"};
	strcpy(handshake.library, "OpenSSL 3.0.19");
	assert_in_ladder(&handshake, "\n* Process: nginx: worker (4194303), OpenSSL 3.0.19, container 0123abcd\n");
	memcpy(handshake.process.name, HOSTILE, PROCESS_NAME_MAX - 1);
	strcpy(handshake.container, HOSTILE);
	assert_in_ladder(&handshake, " (4194303), OpenSSL 3.0.19, container ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_names_the_columns),
		cmocka_unit_test(line_of_a_presented_certificate),
		cmocka_unit_test(line_of_what_is_not_known),
		cmocka_unit_test(line_of_ipv6),
		cmocka_unit_test(long_address_moves_little),
		cmocka_unit_test(long_result_moves_little),
		cmocka_unit_test(server_name_fits_its_column),
		cmocka_unit_test(result_says_the_reason_or_the_end),
		cmocka_unit_test(result_says_the_alert),
		cmocka_unit_test(result_leaves_out_other_alerts),
		cmocka_unit_test(milliseconds_are_flush_right),
		cmocka_unit_test(ladder_of_a_presented_certificate),
		cmocka_unit_test(ladder_redacted),
		cmocka_unit_test(ladder_of_an_observer),
		cmocka_unit_test(ladder_of_a_client_with_an_alert),
		cmocka_unit_test(ladder_bounds_what_was_sent),
		cmocka_unit_test(certificate_that_could_not_be_read),
		cmocka_unit_test(hostile_text_is_escaped),
		cmocka_unit_test(policy),
		cmocka_unit_test(numbers_out_of_range),
		cmocka_unit_test(result_says_where_it_is_from),
		cmocka_unit_test(ladder_of_a_library),
		cmocka_unit_test(ladder_of_a_process),
	};

	/* TIME is local time */
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests_name("report_text", tests, NULL, NULL);
}
