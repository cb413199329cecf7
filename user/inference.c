// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "inference.h"

#include <stddef.h>

enum {
	MESSAGE_HEADER = 4,
	EMPTY_CERTIFICATE = 4, /* an empty context and an empty list, RFC 8446 section 4.4.2 */
	ALERT = 2,
	INNER_CONTENT_TYPE = 1, /* TLSInnerPlaintext.type, RFC 8446 section 5.2 */
	/* algorithm and length of a signature, and the shortest in use: Ed25519 */
	CERTIFICATE_VERIFY_MIN = 4 + 64,
	/* context, list and entry lengths, and a certificate: a raw Ed25519 key is the smallest there is (RFC 7250) */
	CERTIFICATE_MIN = 4 + 5 + 44,
	/* EncryptedExtensions, CertificateRequest, Certificate, CertificateVerify, Finished */
	REQUESTING_SERVER_RECORDS = 5,
};

/* CipherSuite -> lengths: RFC 8446 appendix B.4, RFC 8998 section 2 */
struct suite_lengths {
	uint16_t suite;
	uint8_t hash;
	uint8_t tag;
};

static const struct suite_lengths suites[] = {
	{ 0x1301, 32, 16 }, /* TLS_AES_128_GCM_SHA256 */
	{ 0x1302, 48, 16 }, /* TLS_AES_256_GCM_SHA384 */
	{ 0x1303, 32, 16 }, /* TLS_CHACHA20_POLY1305_SHA256 */
	{ 0x1304, 32, 16 }, /* TLS_AES_128_CCM_SHA256 */
	{ 0x1305, 32, 8 },  /* TLS_AES_128_CCM_8_SHA256 */
	{ 0x00c6, 32, 16 }, /* TLS_SM4_GCM_SM3 */
	{ 0x00c7, 32, 16 }, /* TLS_SM4_CCM_SM3 */
};

/* The lengths that records of certain messages have, alone and without padding. */
struct record_lengths {
	uint16_t alert;
	uint16_t empty;          /* Certificate without certificates */
	uint16_t finished;
	uint16_t empty_finished; /* both in one record */
	uint16_t certificate_verify_min;
	uint16_t whole_answer_min; /* Certificate, CertificateVerify and Finished in one record */
};

static const struct suite_lengths *find_suite(uint16_t suite)
{
	for (size_t index = 0; index < sizeof(suites) / sizeof(*suites); index++)
		if (suites[index].suite == suite)
			return &suites[index];
	return NULL;
}

static struct record_lengths record_lengths_of(const struct suite_lengths *suite)
{
	uint16_t overhead = INNER_CONTENT_TYPE + suite->tag;
	uint16_t finished = MESSAGE_HEADER + suite->hash;
	uint16_t empty = MESSAGE_HEADER + EMPTY_CERTIFICATE;

	return (struct record_lengths){
		.alert = ALERT + overhead,
		.empty = empty + overhead,
		.finished = finished + overhead,
		.empty_finished = empty + finished + overhead,
		.certificate_verify_min = MESSAGE_HEADER + CERTIFICATE_VERIFY_MIN + overhead,
		.whole_answer_min = MESSAGE_HEADER + CERTIFICATE_MIN + MESSAGE_HEADER + CERTIFICATE_VERIFY_MIN +
				    finished + overhead,
	};
}

/*
 * Whether the server's flight has a record for each message of one that requests, its Finished last. Alone that would not
 * do: a long Certificate takes two records. It decides where the client's flight leaves open only whether it is padded.
 */
static bool server_seems_to_request(const struct handshake_facts *facts, const struct record_lengths *lengths)
{
	uint8_t count = facts->client_records.after[0];

	return count == REQUESTING_SERVER_RECORDS &&
	       facts->server_records.length[REQUESTING_SERVER_RECORDS - 1] == lengths->finished;
}

/* The client's first record is none of a fixed length: where does the flight end, if it is a Certificate's? */
static uint8_t find_certificate_flight(const struct handshake_facts *facts, const struct record_lengths *lengths,
				       uint8_t *last)
{
	const struct handshake_records *client = &facts->client_records;

	for (uint8_t index = 1; index < client->count; index++) {
		/* what comes before Finished is CertificateVerify, or the Certificate and it in one */
		if (client->length[index] == lengths->finished &&
		    client->length[index - 1] >= lengths->certificate_verify_min) {
			*last = index;
			return FLIGHT_CERTIFICATE;
		}
	}
	*last = 0;
	if (client->length[0] >= lengths->whole_answer_min && server_seems_to_request(facts, lengths))
		return FLIGHT_CERTIFICATE;
	return FLIGHT_UNCLEAR;
}

/* What the flight is, and which record is its last. */
static uint8_t find_flight(const struct handshake_facts *facts, const struct record_lengths *lengths, uint8_t *last)
{
	const struct handshake_records *client = &facts->client_records;

	*last = 0;
	if (client->count == 0)
		return FLIGHT_NONE;
	if (client->length[0] == lengths->alert)
		return FLIGHT_ALERT;
	if (client->length[0] == lengths->finished)
		return FLIGHT_FINISHED;
	if (client->length[0] == lengths->empty_finished)
		return FLIGHT_EMPTY;
	if (client->length[0] != lengths->empty)
		return find_certificate_flight(facts, lengths, last);
	if (client->count == 1)
		return FLIGHT_EMPTY_ONLY;
	*last = 1;
	return client->length[1] == lengths->finished ? FLIGHT_EMPTY : FLIGHT_UNCLEAR;
}

/* Whether the client sent a record of an alert's length behind its flight: close_notify, most likely. */
static bool client_parted(const struct handshake_facts *facts, const struct record_lengths *lengths, uint8_t last)
{
	const struct handshake_records *client = &facts->client_records;

	for (uint8_t index = last + 1; index < client->count; index++)
		if (client->length[index] == lengths->alert)
			return true;
	return false;
}

static uint8_t find_reply(const struct handshake_facts *facts, const struct record_lengths *lengths, uint8_t last)
{
	const struct handshake_records *server = &facts->server_records;
	uint8_t first = facts->client_records.after[last];
	bool alert = first + 1 == server->count && server->length[first] == lengths->alert;

	if (first < server->count && !alert)
		return REPLY_WENT_ON;
	if (facts->client_closed_first || client_parted(facts, lengths, last))
		return REPLY_PARTING;
	return alert ? REPLY_ALERT : REPLY_NONE;
}

/* In a resumed handshake early data may come first: the flight ends with the first Finished (RFC 8446 section 4.5). */
static uint8_t find_resumed_flight(const struct handshake_facts *facts, const struct record_lengths *lengths,
				   uint8_t *last)
{
	const struct handshake_records *client = &facts->client_records;

	for (*last = 0; *last < client->count; ++*last)
		if (client->length[*last] == lengths->finished)
			return FLIGHT_FINISHED;
	*last = 0;
	return client->count && client->length[0] == lengths->alert ? FLIGHT_ALERT : FLIGHT_NONE;
}

bool inference_is_possible(const struct handshake_facts *facts)
{
	return find_suite(facts->cipher_suite) != NULL;
}

struct inference inference_of(const struct handshake_facts *facts)
{
	const struct suite_lengths *suite = find_suite(facts->cipher_suite);
	struct inference inference = { .flight = FLIGHT_NONE, .reply = REPLY_NONE };
	struct record_lengths lengths;
	uint8_t last;

	if (!suite)
		return inference;
	lengths = record_lengths_of(suite);
	if (facts->pre_shared_key)
		inference.flight = find_resumed_flight(facts, &lengths, &last);
	else
		inference.flight = find_flight(facts, &lengths, &last);
	if (inference.flight != FLIGHT_NONE)
		inference.reply = find_reply(facts, &lengths, last);
	return inference;
}
