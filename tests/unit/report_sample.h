/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report_sample - handshakes for the tests of the reports, and what must hold of every line that a report prints.
 */
#ifndef REPORT_SAMPLE_H
#define REPORT_SAMPLE_H

#include "handshake/handshake.h"

#include <iconv.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Control characters, an escape sequence, C1, bytes that are no UTF-8, a right-to-left override, a zero-width space. */
#define HOSTILE                                                                                                        \
	"a\n\t\x1b[31m\x7f\xc2\x9b"                                                                                    \
	"2J\xff\xc3(\xe2\x80\xae"                                                                                      \
	"b\xe2\x80\x8b\"\\"

enum {
	SAMPLE_START_NS = 5000000000, /* of CLOCK_MONOTONIC */
};

#define SAMPLE_REALTIME_NS         (1795431600ULL * 1000000000 + 123456789) /* 2026-11-23T11:00:00.123456789Z */
#define SAMPLE_MICROSECONDS(count) (SAMPLE_START_NS + (count)*1000ULL)

static inline void sample_step(struct handshake *handshake, uint64_t microseconds, uint8_t kind, uint8_t from,
                               uint8_t type, uint32_t length)
{
	handshake->step[handshake->steps++] = (struct handshake_step){
		.time_ns = SAMPLE_MICROSECONDS(microseconds),
		.kind = kind,
		.from = from,
		.type = type,
		.length = length,
		.version = 0x0303,
	};
}

static inline void sample_alert(struct handshake *handshake, uint64_t microseconds, uint8_t from, uint8_t description)
{
	struct handshake_step *step;

	sample_step(handshake, microseconds, STEP_ALERT, from, 0, 0);
	step = &handshake->step[handshake->steps - 1];
	step->level = 2;
	step->description = description;
	handshake->has_alert = true;
	handshake->alert = *step;
	handshake->facts.end = END_ALERT;
	handshake->facts.ended_by = from;
}

/* The server's side of TLS 1.2 in which the client presents a certificate: 1.834 ms. Bodies are not read. */
static inline struct handshake sample_handshake(void)
{
	struct handshake handshake = {
		.client = {.address = {10, 0, 0, 5}, .port = 51234},
		.server = {.address = {10, 0, 0, 1}, .port = 443},
		.family = 4,
		.transport = IPPROTO_TCP,
		.role = ROLE_SERVER,
		.start_ns = SAMPLE_MICROSECONDS(0),
		.end_ns = SAMPLE_MICROSECONDS(1834),
		.start_realtime_ns = SAMPLE_REALTIME_NS,
		.request_ns = SAMPLE_MICROSECONDS(300),
		.answer_ns = SAMPLE_MICROSECONDS(712),
		.facts = {.client_hello = true, .server_hello = true, .end = END_COMPLETED},
		.verdict = {.client_auth = CLIENT_AUTH_PRESENTED,
	                    .evidence = EVIDENCE_CLEARTEXT,
	                    .requested = KNOWN_YES,
	                    .answer = ANSWER_CERTIFICATE,
	                    .established = KNOWN_YES,
	                    .resumed = KNOWN_NO},
		.version = 0x0303,
		.client_hello = {.server_name = "example.org"},
		.server_hello = {.version = 0x0303, .cipher_suite = 0xc030, .protocol = "h2"},
	};

	sample_step(&handshake, 0, STEP_MESSAGE, FROM_CLIENT, 1, 508);
	sample_step(&handshake, 250, STEP_MESSAGE, FROM_SERVER, 2, 89);
	sample_step(&handshake, 300, STEP_MESSAGE, FROM_SERVER, 13, 104);
	sample_step(&handshake, 712, STEP_MESSAGE, FROM_CLIENT, 11, 847);
	sample_step(&handshake, 1700, STEP_RECORD, FROM_CLIENT, 20, 1);
	sample_step(&handshake, 1834, STEP_RECORD, FROM_SERVER, 22, 40);
	return handshake;
}

/* The same in TLS 1.3: the wire shows the hellos, and a library told the rest. */
static inline struct handshake sample_library_handshake(void)
{
	struct handshake handshake = sample_handshake();

	handshake.version = 0x0304;
	handshake.server_hello = (struct server_hello){.version = 0x0304, .cipher_suite = 0x1301};
	handshake.facts.version_1_3 = true;
	handshake.facts.library.seen = true;
	handshake.verdict.evidence = EVIDENCE_LIBRARY;
	handshake.process = (struct process){1234, "nginx"};
	strcpy(handshake.library, "OpenSSL 3.0.19");
	handshake.steps = 2;
	sample_step(&handshake, 300, STEP_LIBRARY, FROM_SERVER, 13, 104);
	sample_step(&handshake, 310, STEP_RECORD, FROM_SERVER, 23, 1200);
	sample_step(&handshake, 712, STEP_LIBRARY, FROM_CLIENT, 11, 847);
	return handshake;
}

static inline struct certificate sample_certificate(void)
{
	struct certificate certificate = {
		.certificates = 1,
		.leaf_parsed = true,
		.sha256_known = true,
		.subject = "CN=client,O=Example",
		.issuer = "CN=Example CA",
		.not_after = 1826967599, /* 2027-11-23T10:59:59Z */
	};
	size_t i;

	for (i = 0; i < sizeof(certificate.sha256); i++)
		certificate.sha256[i] = 0xa0 + i;
	return certificate;
}

#define SAMPLE_SHA256 "A0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF"

static inline struct certificate_request sample_request(void)
{
	return (struct certificate_request){
		.certificate_types = 3,
		.certificate_type = {1, 64, 99},
		.signature_algorithms = 2,
		.signature_algorithm = {0x0403, 0x0804},
		.authorities = 2,
		.authority = {"CN=Example CA", "CN=M\xc3\xbcller"},
	};
}

/* Unicode code points that a terminal must not see: controls, and those that hide or reorder (UAX #9). */
static inline bool is_harmful(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f) || code_point == 0x61c ||
	       (code_point >= 0x200b && code_point <= 0x200f) || (code_point >= 0x2028 && code_point <= 0x202e) ||
	       (code_point >= 0x2066 && code_point <= 0x2069) || code_point == 0xfeff;
}

/* text, without newlines, is valid UTF-8 (glibc's iconv judges) and has nothing harmful in it. */
static inline void assert_clean(const char *text, size_t length)
{
	uint32_t *code_points = calloc(length + 1, sizeof(*code_points));
	char *in = (char *)text, *out = (char *)code_points;
	size_t in_left = length, out_left = length * sizeof(*code_points), i;
	iconv_t converter = iconv_open("UTF-32LE", "UTF-8");

	assert_non_null(code_points);
	assert_true(converter != (iconv_t)-1);
	if (iconv(converter, &in, &in_left, &out, &out_left) == (size_t)-1)
		fail_msg("not UTF-8 at byte %zu of: %s", length - in_left, text);
	for (i = 0; i < length && code_points[i]; i++)
		if (is_harmful(code_points[i]))
			fail_msg("U+%04X at %zu in: %s", code_points[i], i, text);
	iconv_close(converter);
	free(code_points);
}

/* So is each line of text, which ends in a newline. Returns how many lines. */
static inline size_t assert_clean_lines(const char *text)
{
	const char *end;
	size_t lines = 0;

	for (; *text; text = end + 1, lines++) {
		end = strchr(text, '\n');
		if (!end)
			fail_msg("no newline at the end of: %s", text);
		assert_clean(text, end - text);
	}
	return lines;
}

#endif /* REPORT_SAMPLE_H */
