// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Record lengths are those of OpenSSL 3.0 (tests/captures/own/renegotiation-*), or put together from RFC 5246: GCM adds 24 bytes
 * to a message, ChaCha20 16; CBC with SHA-256 an IV of 16, a MAC of 32 and 1 to 16 of padding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "handshake/renegotiation.h"
#include "handshake/verdict.h"

struct vector {
	const char *name;
	/* "c22:430" is a handshake record of the client, 20 ChangeCipherSpec, 21 an alert */
	const char *records;
	uint8_t expected;
	uint8_t client_auth;
	uint8_t end;
	uint8_t ended_by;
};

#define SERVER_FLIGHT " s22:133 s22:918 s22:139 s22:28 "
#define CBC_FLIGHT    " s22:144 s22:944 s22:176 s22:64 "

static const struct vector vectors[] = {
	{"HelloRequest alone", "s22:28", RENEGOTIATED_NOTHING, CLIENT_AUTH_UNKNOWN, END_TIMEOUT, FROM_CLIENT},
	{"the client refuses", "s22:28 c21:26", RENEGOTIATED_NOTHING, CLIENT_AUTH_FAILED_BEFORE_REQUEST, END_FIN,
         FROM_CLIENT},
	{"the server refuses", "c22:430 s21:26", RENEGOTIATED_NOTHING, CLIENT_AUTH_FAILED_BEFORE_REQUEST, END_FIN,
         FROM_CLIENT},
	{"not over", "c22:430 s22:133", RENEGOTIATED_NOTHING, CLIENT_AUTH_UNKNOWN, END_NONE, FROM_CLIENT},
	{"a session resumed: the server's ChangeCipherSpec comes first",
         "s22:28 c22:430 s22:133 s20:25 s22:40 c20:25 c22:40", RENEGOTIATED_SESSION, CLIENT_AUTH_RESUMED, END_COMPLETED,
         FROM_CLIENT},
	{"GCM, X25519: not requested", "s22:28 c22:248" SERVER_FLIGHT "c22:61 c20:25 c22:40 s20:25 s22:40",
         RENEGOTIATED_NOT_REQUESTED, CLIENT_AUTH_NOT_REQUESTED, END_COMPLETED, FROM_CLIENT},
	{"ChaCha20, P-256, begun by the client: not requested", "c22:240 s22:800 c22:86 c20:17 c22:32 s20:17 s22:32",
         RENEGOTIATED_NOT_REQUESTED, CLIENT_AUTH_NOT_REQUESTED, END_COMPLETED, FROM_CLIENT},
	{"GCM: an empty Certificate", "s22:28 c22:248" SERVER_FLIGHT "c22:31 c22:61 c20:25 c22:40 s20:25 s22:40",
         RENEGOTIATED_EMPTY, CLIENT_AUTH_DECLINED, END_COMPLETED, FROM_CLIENT},
	{"GCM: an empty Certificate and the key exchange in one record",
         "c22:248 s22:990 c22:68 c20:25 c22:40 s20:25 s22:40", RENEGOTIATED_EMPTY, CLIENT_AUTH_DECLINED, END_COMPLETED,
         FROM_CLIENT},
	{"GCM: a Certificate", "s22:28 c22:248" SERVER_FLIGHT "c22:400 c22:61 c22:104 c20:25 c22:40 s20:25 s22:40",
         RENEGOTIATED_CERTIFICATE, CLIENT_AUTH_PRESENTED, END_COMPLETED, FROM_CLIENT},
	{"GCM: a Certificate with the key exchange, and CertificateVerify",
         "c22:248 s22:990 c22:461 c22:104 c20:25 c22:40", RENEGOTIATED_CERTIFICATE, CLIENT_AUTH_UNKNOWN, END_NONE,
         FROM_CLIENT},
	{"GCM: all in one record may be a long key exchange", "c22:248 s22:990 c22:700 c20:25 c22:40 s20:25 s22:40",
         RENEGOTIATED_UNCLEAR, CLIENT_AUTH_UNKNOWN, END_COMPLETED, FROM_CLIENT},
	{"GCM: RSA of 2048 bits is as long as a Certificate may be",
         "c22:248 s22:990 c22:286 c20:25 c22:40 s20:25 s22:40", RENEGOTIATED_UNCLEAR, CLIENT_AUTH_UNKNOWN,
         END_COMPLETED, FROM_CLIENT},
	{"CBC: not requested cannot be told", "s22:64 c22:256" CBC_FLIGHT "c22:96 c20:64 c22:80 s20:64 s22:80",
         RENEGOTIATED_UNCLEAR, CLIENT_AUTH_UNKNOWN, END_COMPLETED, FROM_CLIENT},
	{"CBC: an empty Certificate", "s22:64 c22:256" CBC_FLIGHT "c22:64 c22:96 c20:64 c22:80 s20:64 s22:80",
         RENEGOTIATED_EMPTY, CLIENT_AUTH_DECLINED, END_COMPLETED, FROM_CLIENT},
	{"CBC: a Certificate", "s22:64 c22:256" CBC_FLIGHT "c22:416 c22:96 c22:128 c20:64 c22:80 s20:64 s22:80",
         RENEGOTIATED_CERTIFICATE, CLIENT_AUTH_PRESENTED, END_COMPLETED, FROM_CLIENT},
	{"CBC: as long as an empty one with all the padding there may be",
         "s22:64 c22:256" CBC_FLIGHT "c22:320 c22:96 c20:64 c22:80 s20:64 s22:80", RENEGOTIATED_ANSWER,
         CLIENT_AUTH_UNKNOWN, END_COMPLETED, FROM_CLIENT},
	{"GCM: a key exchange of RSA 2048 cut into records of 200 bytes is no Certificate",
         "c22:248 s22:990 c22:224 c22:86 c20:25 c22:40 s20:25 s22:40", RENEGOTIATED_UNCLEAR, CLIENT_AUTH_UNKNOWN,
         END_COMPLETED, FROM_CLIENT},
	{"GCM: the same cut into records of 128 bytes",
         "c22:248 s22:990 c22:152 c22:152 c22:30 c20:25 c22:40 s20:25 s22:40", RENEGOTIATED_UNCLEAR,
         CLIENT_AUTH_UNKNOWN, END_COMPLETED, FROM_CLIENT},
	{"GCM: a key exchange of P-256 cut into records of 64 bytes",
         "c22:248 s22:990 c22:88 c22:30 c20:25 c22:40 s20:25 s22:40", RENEGOTIATED_UNCLEAR, CLIENT_AUTH_UNKNOWN,
         END_COMPLETED, FROM_CLIENT},
	{"GCM: a Certificate cut into two records",
         "c22:248 s22:990 c22:536 c22:312 c22:94 c22:288 c20:25 c22:40 s20:25 s22:40", RENEGOTIATED_CERTIFICATE,
         CLIENT_AUTH_PRESENTED, END_COMPLETED, FROM_CLIENT},
	{"the server refuses the certificate", "c22:248" SERVER_FLIGHT "c22:400 c22:61 c22:104 c20:25 c22:40 s21:26",
         RENEGOTIATED_CERTIFICATE, CLIENT_AUTH_REJECTED_CERTIFICATE, END_FIN, FROM_SERVER},
	{"the server insists", "c22:248" SERVER_FLIGHT "c22:31 c22:61 c20:25 c22:40 s21:26", RENEGOTIATED_EMPTY,
         CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE, END_RST, FROM_SERVER},
	{"the client leaves", "c22:248" SERVER_FLIGHT "c22:31 c22:61 c20:25 c22:40", RENEGOTIATED_EMPTY,
         CLIENT_AUTH_UNKNOWN, END_FIN, FROM_CLIENT},
	{"its ClientHello was not seen: an empty Certificate counts as one, and is missing in the flight",
         "s22:990 c22:31 c22:61 c20:25 c22:40 s20:25 s22:40", RENEGOTIATED_UNCLEAR, CLIENT_AUTH_UNKNOWN, END_COMPLETED,
         FROM_CLIENT},
	{"nor was anything of the server", "c22:31 c22:61 c20:25 c22:40 s20:25 s22:40", RENEGOTIATED_UNCLEAR,
         CLIENT_AUTH_UNKNOWN, END_COMPLETED, FROM_CLIENT},
	{"SSL 3.0 answers with an alert", "c22:85 s22:800 c21:22 c22:90 c20:21 c22:60 s20:21 s22:60",
         RENEGOTIATED_UNCLEAR, CLIENT_AUTH_UNKNOWN, END_COMPLETED, FROM_CLIENT},
	{"a length below what the cipher adds", "c22:85 s22:800 c22:24 c20:25 c22:40 s20:25 s22:40",
         RENEGOTIATED_UNCLEAR, CLIENT_AUTH_UNKNOWN, END_COMPLETED, FROM_CLIENT},
};

static void add_record(struct handshake_facts *facts, char from, uint8_t type, uint16_t length)
{
	enum handshake_side side = from == 'c' ? FROM_CLIENT : FROM_SERVER;
	struct handshake_records *own = side == FROM_CLIENT ? &facts->client_records : &facts->server_records;
	const struct handshake_records *other = side == FROM_CLIENT ? &facts->server_records : &facts->client_records;

	if (type == 20)
		facts->change_cipher_spec[side] = true;
	else if (type == 22 && facts->change_cipher_spec[side])
		facts->finished[side] = true;
	own->type[own->count] = type;
	own->length[own->count] = length;
	own->after[own->count++] = other->count;
}

static struct handshake_facts facts_of(const struct vector *vector)
{
	struct handshake_facts facts = {.renegotiation = true, .end = vector->end, .ended_by = vector->ended_by};
	const char *next = vector->records;
	unsigned int type, length;
	char from;
	int read;

	while (sscanf(next, " %c%u:%u%n", &from, &type, &length, &read) == 3) {
		add_record(&facts, from, type, length);
		next += read;
	}
	assert_int_equal(strspn(next, " "), strlen(next));
	return facts;
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t index = 0; index < sizeof(vectors) / sizeof(*vectors); index++) {
		struct handshake_facts facts = facts_of(&vectors[index]);
		enum renegotiated renegotiated = renegotiation_of(&facts);
		struct verdict verdict = verdict_of(&facts);

		if (renegotiated != vectors[index].expected || verdict.client_auth != vectors[index].client_auth)
			fail_msg("%s: %u, %s; expected %u, %s", vectors[index].name, renegotiated,
			         client_auth_name(verdict.client_auth), vectors[index].expected,
			         client_auth_name(vectors[index].client_auth));
		assert_int_equal(verdict.evidence, EVIDENCE_INFERRED);
	}
}

/*
 * One record of any length before ChangeCipherSpec: no answer to a request of any shape may count as none. Certificates have at
 * least 300 bytes here, and the shortest signature.
 */
static void test_no_wrong_no(void **state)
{
	(void)state;
	for (uint32_t content = 10 + 300 + 37 + 72; content < 16384; content++) {
		struct handshake_facts facts = facts_of(&(struct vector){.records = "c22:248 s22:990"});
		enum renegotiated renegotiated;

		add_record(&facts, 'c', 22, content + 24);
		add_record(&facts, 'c', 20, 25);
		add_record(&facts, 'c', 22, 40);
		renegotiated = renegotiation_of(&facts);
		if (renegotiated != RENEGOTIATED_UNCLEAR)
			fail_msg("content of %u bytes: %u, expected %u", content, renegotiated, RENEGOTIATED_UNCLEAR);
	}
}

/* What a loss hides is not judged. */
static void test_losses(void **state)
{
	struct handshake_facts facts = facts_of(&vectors[5]);

	(void)state;
	facts.gap = true;
	assert_int_equal(verdict_of(&facts).client_auth, CLIENT_AUTH_UNKNOWN);
	assert_int_equal(verdict_of(&facts).reason, REASON_GAP);
	facts.lost_events = true;
	assert_int_equal(verdict_of(&facts).reason, REASON_LOST_EVENTS);
}

/* Hostile counts: as many records as the facts hold, of all types. */
static void test_full_records(void **state)
{
	struct handshake_facts facts = {.renegotiation = true};

	(void)state;
	facts.client_records.count = HANDSHAKE_RECORDS_MAX;
	facts.server_records.count = HANDSHAKE_RECORDS_MAX;
	for (int type = 20; type <= 24; type++) {
		for (int index = 0; index < HANDSHAKE_RECORDS_MAX; index++) {
			facts.client_records.type[index] = index ? type : 22;
			facts.client_records.after[index] = 255;
			facts.server_records.type[index] = type;
		}
		assert_in_range(renegotiation_of(&facts), RENEGOTIATED_NOTHING, RENEGOTIATED_UNCLEAR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_no_wrong_no),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_full_records),
	};

	return cmocka_run_group_tests_name("renegotiation", tests, NULL, NULL);
}
