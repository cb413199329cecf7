// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What an operator should look at (user/handshake/hints.c): a row for each hint, and for each reason to stay silent. */
#include "handshake/hints.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "handshake/handshake.h"

enum {
	NOW = 1764000000,
	DAY = 86400,
};

#define VALID .leaf_parsed = true, .certificates = 2, .not_before = NOW - DAY, .not_after = NOW + DAY
#define NAMES .subject = "CN=alice", .issuer = "CN=ca", .chain_end_subject = "CN=ca", .chain_end_issuer = "CN=root"
#define ASKS(...)                                                                                                      \
	{                                                                                                              \
		.authorities = 1, .authority = { __VA_ARGS__ }                                                         \
	}

struct hint_case {
	const char *name;
	const char *expected; /* hints, a line each */
	struct certificate certificate;
	struct certificate_request request;
	struct certificate server;
	const char *server_name;
	uint16_t version;
	bool empty;
};

static const struct hint_case cases[] = {
	{"nothing to say", "", {VALID, NAMES}, ASKS("CN=ca"), {VALID, NAMES}, "", 0x0304, false},
	{"no certificates", "", {}, {}, {}, "", 0x0304, false},
	{"expired client", "client certificate expired 12 days ago",
         .certificate = {.leaf_parsed = true, .not_after = NOW - 12 * DAY - 5}},
	{"expired an hour ago", "client certificate expired 1 hour ago",
         .certificate = {.leaf_parsed = true, .not_after = NOW - 3700}},
	{"not yet valid", "client certificate is not valid before 2 days from now",
         .certificate = {.leaf_parsed = true, .not_before = NOW + 2 * DAY, .not_after = NOW + 9 * DAY}},
	{"valid to this second", "", .certificate = {.leaf_parsed = true, .not_before = NOW, .not_after = NOW}},
	{"a certificate that was not read", "", .certificate = {.not_after = 5}},
	{"wrong purpose", "client certificate has no clientAuth in its extended key usage",
         .certificate = {VALID, NAMES, .has_key_purposes = true, .key_purposes = 1, .key_purpose = {"serverAuth"}}},
	{"any purpose", "",
         .certificate = {VALID, NAMES, .has_key_purposes = true, .key_purposes = 1,
                         .key_purpose = {"anyExtendedKeyUsage"}}},
	{"more purposes than are kept", "",
         .certificate = {VALID, NAMES, .has_key_purposes = true, .key_purposes = MESSAGE_KEY_PURPOSES_MAX + 1}},
	{"another CA",
         "client certificate's issuer CN=ca is no CA that the server asks for, nor is another of its chain",
         .certificate = {VALID, NAMES}, .request = ASKS("CN=other")},
	{"a CA further up", "", .certificate = {VALID, NAMES}, .request = ASKS("CN=root")},
	{"a chain of one",
         "client sent one certificate, and its issuer CN=ca is no CA that the server asks for: an intermediate may be "
         "missing",
         .certificate = {.leaf_parsed = true,
                         .certificates = 1,
                         .not_before = 1,
                         .not_after = NOW + DAY,
                         .subject = "CN=alice",
                         .issuer = "CN=ca",
                         .chain_end_subject = "CN=alice",
                         .chain_end_issuer = "CN=ca"},
         .request = ASKS("CN=other")},
	{"a chain whose middle is not known", "",
         .certificate = {.leaf_parsed = true, .certificates = 4, .not_before = 1, .not_after = NOW + DAY, NAMES},
         .request = ASKS("CN=other")},
	{"a CA name that was not read", "", .certificate = {VALID, NAMES}, .request = ASKS("")},
	{"more CA names than are kept", "", .certificate = {VALID, NAMES},
         .request = {.authorities = MESSAGE_AUTHORITIES_MAX + 1}},
	{"a key that was not asked for",
         "client certificate has a key of type Ed25519, and the server accepts no signature by such a key",
         .certificate = {VALID, NAMES, .key_algorithm = "Ed25519"},
         .request = {.signature_algorithms = 2, .signature_algorithm = {0x0403, 0x0804}}},
	{"a key that was", "", .certificate = {VALID, NAMES, .key_algorithm = "EC"},
         .request = {.signature_algorithms = 2, .signature_algorithm = {0x0403, 0x0804}}},
	{"an algorithm that nobody knows", "", .certificate = {VALID, NAMES, .key_algorithm = "EC"},
         .request = {.signature_algorithms = 2, .signature_algorithm = {0x0804, 0x0b0c}}},
	{"nothing to show", "client sent no certificate; the server asks for one by CN=a, CN=b and 2 more",
         .request = {.authorities = 4, .authority = {"CN=a", "CN=b", "CN=c", "CN=d"}}, .empty = true},
	{"nothing to show to one CA", "client sent no certificate; the server asks for one by CN=a",
         .request = ASKS("CN=a"), .empty = true},
	{"expired server", "server certificate expired 1 day ago",
         .server = {.leaf_parsed = true, .not_after = NOW - DAY - 5}},
	{"another server", "server certificate is not for db.example: its first name is www.example",
         .server = {VALID, NAMES, .alternative_names = 2, .alternative_name = {"www.example", "*.db.example"}},
         .server_name = "db.example"},
	{"a wildcard", "", .server = {VALID, NAMES, .alternative_names = 1, .alternative_name = {"*.Example"}},
         .server_name = "db.example"},
	{"a wildcard is one label", "server certificate is not for a.db.example: its first name is *.example",
         .server = {VALID, NAMES, .alternative_names = 1, .alternative_name = {"*.example"}},
         .server_name = "a.db.example"},
	{"an old client", "client offers TLS 1.1 at most", .version = 0x0302},
	{"an old client of DTLS", "client offers DTLS 1.0 at most", .version = 0xfeff},
	{"TLS 1.2", "", .version = 0x0303},
	{"DTLS 1.2", "", .version = 0xfefd},
};

static void every_row(void **state)
{
	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		struct certificate certificate = cases[index].certificate, server = cases[index].server;
		struct certificate_request request = cases[index].request;
		struct handshake handshake = {
			.start_realtime_ns = (uint64_t)NOW * 1000 * 1000 * 1000,
			.facts = {.client_hello = true},
			.certificate = certificate.certificates || certificate.leaf_parsed ? &certificate : NULL,
			.server_certificate = server.leaf_parsed ? &server : NULL,
			.request = &request,
			.verdict = {.answer = cases[index].empty ? ANSWER_EMPTY : ANSWER_NONE},
		};
		struct hints hints;
		char text[HINTS_MAX * HINT_TEXT_MAX] = "";

		handshake.client_hello.highest_version = cases[index].version;
		if (cases[index].server_name)
			strcpy(handshake.client_hello.server_name, cases[index].server_name);
		hints_of(&handshake, &hints);
		for (int hint = 0; hint < hints.count; hint++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", hint ? "\n" : "",
			         hints.text[hint]);
		if (strcmp(text, cases[index].expected))
			fail_msg("%s: \"%s\", expected \"%s\"", cases[index].name, text, cases[index].expected);
	}
}

/* Names of any length: a hint stays within its bound and ends in dots. */
static void long_names(void **state)
{
	struct certificate certificate = {VALID, NAMES};
	struct certificate_request request = ASKS("CN=other");
	struct handshake handshake = {.start_realtime_ns = (uint64_t)NOW * 1000 * 1000 * 1000,
	                              .certificate = &certificate,
	                              .request = &request};
	struct hints hints;

	(void)state;
	memset(certificate.issuer, 'x', MESSAGE_NAME_MAX - 1);
	hints_of(&handshake, &hints);
	assert_int_equal(hints.count, 1);
	assert_int_equal(strlen(hints.text[0]), HINT_TEXT_MAX - 1);
	assert_string_equal(hints.text[0] + HINT_TEXT_MAX - 4, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests_name("hints", tests, NULL, NULL);
}
