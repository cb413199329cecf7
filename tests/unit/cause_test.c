// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Why a handshake failed, from what the wire shows (user/handshake/cause.c). */
#include "handshake/cause.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "handshake/verdict.h"

#define HELLOS            .client_hello = true, .server_hello = true
#define FULL_FLIGHT       HELLOS, .server_certificate = true, .server_key_exchange = true, .server_hello_done = true
#define ASKED             FULL_FLIGHT, .certificate_request = true
#define CERTIFICATE       .client_certificate = true, .client_key_exchange = true
#define EMPTY             .client_certificate = true, .client_certificate_empty = true, .client_key_exchange = true
#define TLS_1_3           HELLOS, .version_1_3 = true, .cipher_suite = 0x1301
#define ASKED_1_3         TLS_1_3, .server_records = {.count = 5, .length = {27, 62, 811, 281, 53}}
#define REFUSED_1_3       TLS_1_3, .server_records = {.count = 6, .after = {[5] = 3}, .length = {27, 62, 811, 281, 53, 19}}
#define SENT(number, ...) .client_records = {.count = (number), .after = {5, 5, 5}, .length = {__VA_ARGS__}}
#define ENDED(how, side)  .end = (how), .ended_by = (side)

enum {
	NO_ALERT = -1
};

static const struct {
	const char *name;
	struct handshake_facts facts;
	int alert; /* by the side that ended it */
	uint8_t reason, source, by;
} cases[] = {
	{"unknown_ca from the server",
         {ASKED, CERTIFICATE, ENDED(END_ALERT, FROM_SERVER)},
         48,
         FAILURE_UNKNOWN_CA,
         FAILURE_FROM_ALERT,
         FROM_SERVER},
	{"certificate_expired from the server",
         {ASKED, CERTIFICATE, ENDED(END_ALERT, FROM_SERVER)},
         45,
         FAILURE_CERTIFICATE_EXPIRED,
         FAILURE_FROM_ALERT,
         FROM_SERVER},
	{"the client refuses the server's certificate: unknown_ca",
         {ASKED, ENDED(END_ALERT, FROM_CLIENT)},
         48,
         FAILURE_UNKNOWN_CA,
         FAILURE_FROM_ALERT,
         FROM_CLIENT},
	{"protocol_version",
         {.client_hello = true, ENDED(END_ALERT, FROM_SERVER)},
         70,
         FAILURE_UNSUPPORTED_VERSION,
         FAILURE_FROM_ALERT,
         FROM_SERVER},
	{"handshake_failure behind an empty Certificate: the server requires one",
         {ASKED, EMPTY, ENDED(END_ALERT, FROM_SERVER)},
         40,
         FAILURE_CERTIFICATE_REQUIRED,
         FAILURE_FROM_INFERRED,
         FROM_SERVER},
	{"the server closes behind an empty Certificate",
         {ASKED, EMPTY, ENDED(END_FIN, FROM_SERVER)},
         NO_ALERT,
         FAILURE_CERTIFICATE_REQUIRED,
         FAILURE_FROM_INFERRED,
         FROM_SERVER},
	{"the server closes behind a certificate",
         {ASKED, CERTIFICATE, ENDED(END_FIN, FROM_SERVER)},
         NO_ALERT,
         FAILURE_CLOSED,
         FAILURE_FROM_INFERRED,
         FROM_SERVER},
	{"close_notify", {ASKED, ENDED(END_ALERT, FROM_CLIENT)}, 0, FAILURE_CLOSED, FAILURE_FROM_ALERT, FROM_CLIENT},
	{"a reset",
         {.client_hello = true, ENDED(END_RST, FROM_SERVER)},
         NO_ALERT,
         FAILURE_RESET,
         FAILURE_FROM_INFERRED,
         FROM_SERVER},
	{"the server speaks something else",
         {.client_hello = true, ENDED(END_NOT_TLS, FROM_SERVER)},
         NO_ALERT,
         FAILURE_NOT_TLS,
         FAILURE_FROM_INFERRED,
         FROM_SERVER},
	{"the client speaks something else to a service of TLS",
         {.plaintext = true, ENDED(END_NOT_TLS, FROM_CLIENT)},
         NO_ALERT,
         FAILURE_NOT_TLS,
         FAILURE_FROM_INFERRED,
         FROM_CLIENT},
	{"TLS 1.3: an encrypted alert behind a certificate",
         {REFUSED_1_3, SENT(3, 811, 281, 53), ENDED(END_FIN, FROM_SERVER)},
         NO_ALERT,
         FAILURE_OTHER,
         FAILURE_FROM_INFERRED,
         FROM_SERVER},
	{"TLS 1.3: an encrypted alert in place of the client's flight",
         {ASKED_1_3, SENT(1, 19), ENDED(END_FIN, FROM_CLIENT)},
         NO_ALERT,
         FAILURE_OTHER,
         FAILURE_FROM_INFERRED,
         FROM_CLIENT},
	{"it completed",
         {ASKED, CERTIFICATE, .change_cipher_spec = {true, true}, .finished = {true, true}, .end = END_COMPLETED},
         NO_ALERT,
         FAILURE_NONE,
         FAILURE_FROM_LIBRARY,
         FAILURE_BY_NOBODY},
	{"a time-out is no failure that is known",
         {ASKED, .end = END_TIMEOUT},
         NO_ALERT,
         FAILURE_NONE,
         FAILURE_FROM_LIBRARY,
         FAILURE_BY_NOBODY},
	{"the tracer stopped", {ASKED}, NO_ALERT, FAILURE_NONE, FAILURE_FROM_LIBRARY, FAILURE_BY_NOBODY},
};

static void causes(void **state)
{
	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		struct handshake handshake = {.facts = cases[index].facts};
		struct failure failure;

		handshake.verdict = verdict_of(&handshake.facts);
		handshake.has_alert = cases[index].alert != NO_ALERT;
		handshake.alert.description = cases[index].alert;
		handshake.alert.from = handshake.facts.ended_by;
		failure = cause_of(&handshake);
		if (failure.reason != cases[index].reason || failure.by != cases[index].by ||
		    (failure.reason && failure.source != cases[index].source))
			fail_msg("%s: %s by %u (%s), expected %s by %u (%s)", cases[index].name,
			         failure_reason_name(failure.reason), failure.by, failure_source_name(failure.source),
			         failure_reason_name(cases[index].reason), cases[index].by,
			         failure_source_name(cases[index].source));
	}
}

/* Every alert has a reason, and none is read as success. */
static void every_alert_has_a_reason(void **state)
{
	(void)state;
	for (int description = 0; description < 256; description++) {
		struct handshake handshake = {.facts = {ASKED, CERTIFICATE, ENDED(END_ALERT, FROM_SERVER)},
		                              .has_alert = true};

		handshake.alert.from = FROM_SERVER;
		handshake.alert.description = description;
		handshake.verdict = verdict_of(&handshake.facts);
		assert_int_not_equal(cause_of(&handshake).reason, FAILURE_NONE);
		assert_int_equal(cause_of(&handshake).by, FROM_SERVER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(causes),
		cmocka_unit_test(every_alert_has_a_reason),
	};

	return cmocka_run_group_tests_name("cause", tests, NULL, NULL);
}
