// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/inference.h"

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
	/* Lengths that records are padded to, where they are, are multiples of one of these. */
	BLOCK_BINARY = 64,
	BLOCK_DECIMAL = 50,
};

/* CipherSuite -> lengths: RFC 8446 appendix B.4, RFC 8998 section 2 */
struct suite_lengths {
	uint16_t suite;
	uint8_t hash;
	uint8_t tag;
};

static const struct suite_lengths suites[] = {
	{0x1301, 32, 16}, /* TLS_AES_128_GCM_SHA256 */
	{0x1302, 48, 16}, /* TLS_AES_256_GCM_SHA384 */
	{0x1303, 32, 16}, /* TLS_CHACHA20_POLY1305_SHA256 */
	{0x1304, 32, 16}, /* TLS_AES_128_CCM_SHA256 */
	{0x1305, 32, 8},  /* TLS_AES_128_CCM_8_SHA256 */
	{0x00c6, 32, 16}, /* TLS_SM4_GCM_SM3 */
	{0x00c7, 32, 16}, /* TLS_SM4_CCM_SM3 */
};

/*
 * Padding is a sender's own affair (RFC 8446 section 5.4), and nearly all send none. One is known to pad every handshake
 * record and alert, by the same 16 bytes: Java's JSSE. No length of a message is another's with these on top.
 */
static const uint8_t paddings[] = {0, 16};

/* The lengths that records of certain messages have, alone, with a known padding. */
struct record_lengths {
	uint16_t alert;
	uint16_t other_alert; /* the client's, where its flight does not show its padding; else the same */
	uint16_t empty;       /* Certificate without certificates */
	uint16_t finished;
	uint16_t empty_finished; /* both in one record */
	uint16_t certificate_min;
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

static struct record_lengths record_lengths_of(const struct suite_lengths *suite, uint8_t padding)
{
	uint16_t overhead = INNER_CONTENT_TYPE + padding + suite->tag;
	uint16_t finished = MESSAGE_HEADER + suite->hash;
	uint16_t empty = MESSAGE_HEADER + EMPTY_CERTIFICATE;

	return (struct record_lengths){
		.alert = ALERT + overhead,
		.other_alert = ALERT + overhead,
		.empty = empty + overhead,
		.finished = finished + overhead,
		.empty_finished = empty + finished + overhead,
		.certificate_min = MESSAGE_HEADER + CERTIFICATE_MIN + overhead,
		.certificate_verify_min = MESSAGE_HEADER + CERTIFICATE_VERIFY_MIN + overhead,
		.whole_answer_min = MESSAGE_HEADER + CERTIFICATE_MIN + MESSAGE_HEADER + CERTIFICATE_VERIFY_MIN +
	                            finished + overhead,
	};
}

/* The lengths that the server's records have, by the Finished among its first count. False where none is to be seen. */
static bool find_server_lengths(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t count,
                                struct record_lengths *lengths)
{
	for (size_t padding = 0; padding < sizeof(paddings); padding++) {
		*lengths = record_lengths_of(suite, paddings[padding]);
		for (uint8_t index = 0; index < count; index++)
			if (facts->server_records.length[index] == lengths->finished)
				return true;
	}
	return false;
}

/*
 * Whether the server's flight has a record for each message of one that requests, its Finished last. Alone that would not
 * do: a long Certificate takes two records. It decides where the client's flight leaves open only whether it is padded.
 */
static bool server_seems_to_request(const struct handshake_facts *facts, const struct suite_lengths *suite)
{
	uint8_t count = facts->client_records.after[0];
	struct record_lengths lengths;

	return count == REQUESTING_SERVER_RECORDS && find_server_lengths(facts, suite, count, &lengths) &&
	       facts->server_records.length[REQUESTING_SERVER_RECORDS - 1] == lengths.finished;
}

/*
 * Whether the client's records before number last can be a Certificate and a CertificateVerify: both in one, each in one, or
 * a Certificate in several, of which all but its own last are as long as a record may be.
 */
static bool may_be_certificate(const struct handshake_records *client, const struct record_lengths *lengths,
                               uint8_t last)
{
	if (last == 1)
		return client->length[0] >= lengths->certificate_min + lengths->certificate_verify_min;
	if (client->length[last - 1] < lengths->certificate_verify_min || client->length[0] < lengths->certificate_min)
		return false;
	for (uint8_t index = 1; index + 2 < last; index++)
		if (client->length[index] != client->length[0])
			return false;
	return last == 2 || client->length[last - 2] <= client->length[0];
}

/* The client's first record is none of a fixed length: does a Finished end the flight of a Certificate? */
static bool find_certificate_flight(const struct handshake_facts *facts, const struct record_lengths *lengths,
                                    uint8_t *last)
{
	const struct handshake_records *client = &facts->client_records;

	for (*last = 1; *last < client->count; ++*last)
		if (client->length[*last] == lengths->finished && may_be_certificate(client, lengths, *last))
			return true;
	return false;
}

/* What the flight is if its first record has a fixed length, and which record is its last. */
static uint8_t find_fixed_flight(const struct handshake_facts *facts, const struct record_lengths *lengths,
                                 uint8_t *last)
{
	const struct handshake_records *client = &facts->client_records;

	*last = 0;
	if (client->length[0] == lengths->alert)
		return FLIGHT_ALERT;
	if (client->length[0] == lengths->finished)
		return FLIGHT_FINISHED;
	if (client->length[0] == lengths->empty_finished)
		return FLIGHT_EMPTY;
	if (client->length[0] != lengths->empty)
		return FLIGHT_UNCLEAR;
	if (client->count == 1)
		return FLIGHT_EMPTY_ONLY;
	*last = 1;
	return client->length[1] == lengths->finished ? FLIGHT_EMPTY : FLIGHT_UNCLEAR;
}

static uint32_t greatest_common_divisor(uint32_t left, uint32_t right)
{
	while (right) {
		uint32_t rest = left % right;

		left = right;
		right = rest;
	}
	return left;
}

/*
 * Whether the client's records could all be padded to a multiple of one length, and that length so large that an empty
 * Certificate and Finished would be a record like the first. Padding to a block is what libraries offer (OpenSSL's
 * record_padding); a single record could always be the result of it.
 */
static bool padding_may_hide_emptiness(const struct handshake_facts *facts, const struct suite_lengths *suite,
                                       const struct record_lengths *lengths)
{
	const struct handshake_records *client = &facts->client_records;
	uint32_t block = 0;

	for (uint8_t index = 0; index < client->count; index++)
		block = greatest_common_divisor(block, client->length[index] - suite->tag);
	return block > (uint32_t)(lengths->whole_answer_min - lengths->empty_finished);
}

/*
 * Whether the client's first record has a length that somebody would choose to pad to. For a record so long to be a padded
 * Finished, its block has to be all of it: half of it holds a Finished too.
 */
static bool is_block(const struct handshake_facts *facts, const struct suite_lengths *suite)
{
	uint16_t content = facts->client_records.length[0] - suite->tag;

	return content % BLOCK_BINARY == 0 || content % BLOCK_DECIMAL == 0;
}

/* Whether the client's first record is long enough for a Certificate, a CertificateVerify and a Finished together. */
static bool may_be_whole_answer(const struct handshake_facts *facts, const struct record_lengths *lengths)
{
	return !facts->more_messages && facts->client_records.count &&
	       facts->client_records.length[0] >= lengths->whole_answer_min;
}

/*
 * One long record where a flight of three is expected: stacks put all of a flight into one (RFC 8448 section 6). Unpadded,
 * nothing but a Certificate makes it so long. That the client does not pad is shown by its other records, which no block
 * divides; one that pads its handshake alone, by this one's length, which is none that anybody chooses. Where the length
 * is, the server's flight can still say that there was a request. Where there is no other record yet, the length alone says
 * that there is a Certificate in this one, and nothing that the rest of the flight is, too: JSSE writes it by itself.
 */
static uint8_t judge_single_record(const struct handshake_facts *facts, const struct suite_lengths *suite,
                                   const struct record_lengths *lengths)
{
	bool may_be_empty = padding_may_hide_emptiness(facts, suite, lengths);

	if (!may_be_whole_answer(facts, lengths))
		return FLIGHT_UNCLEAR;
	if (server_seems_to_request(facts, suite) && facts->client_records.count == 1)
		return is_block(facts, suite) ? FLIGHT_ANSWER : FLIGHT_CERTIFICATE_ONLY;
	if (server_seems_to_request(facts, suite))
		return may_be_empty ? FLIGHT_ANSWER : FLIGHT_CERTIFICATE;
	return may_be_empty || is_block(facts, suite) ? FLIGHT_UNCLEAR : FLIGHT_CERTIFICATE;
}

/* Whether a second record of the client's can make clear what the first one leaves open. */
static bool is_open(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t flight)
{
	struct record_lengths lengths = record_lengths_of(suite, 0);

	return (flight == FLIGHT_UNCLEAR || flight == FLIGHT_ANSWER || flight == FLIGHT_CERTIFICATE_ONLY) &&
	       facts->client_records.count == 1 && may_be_whole_answer(facts, &lengths);
}

/* What the flight is, which record is its last, and the lengths that the client's records have. */
static uint8_t find_flight(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t *last,
                           struct record_lengths *lengths)
{
	const struct handshake_records *client = &facts->client_records;
	uint8_t flight;

	if (client->count == 0)
		return FLIGHT_NONE;
	/* a first record of a fixed length says more than a later one that looks like Finished: data can */
	for (size_t padding = 0; padding < sizeof(paddings); padding++) {
		*lengths = record_lengths_of(suite, paddings[padding]);
		flight = find_fixed_flight(facts, lengths, last);
		if (flight != FLIGHT_UNCLEAR)
			return flight;
	}
	for (size_t padding = 0; padding < sizeof(paddings); padding++) {
		*lengths = record_lengths_of(suite, paddings[padding]);
		if (find_certificate_flight(facts, lengths, last))
			return FLIGHT_CERTIFICATE;
	}
	*lengths = record_lengths_of(suite, 0);
	lengths->other_alert = record_lengths_of(suite, paddings[1]).alert;
	*last = 0;
	return judge_single_record(facts, suite, lengths);
}

/*
 * Whether the client sent a record of an alert's length behind its flight, and before the server's record number first:
 * close_notify, most likely. What came later the server did not reply to.
 */
static bool client_parted(const struct handshake_facts *facts, const struct record_lengths *lengths, uint8_t last,
                          uint8_t first)
{
	const struct handshake_records *client = &facts->client_records;

	for (uint8_t index = last + 1; index < client->count && client->after[index] <= first; index++)
		if (client->length[index] == lengths->alert || client->length[index] == lengths->other_alert)
			return true;
	return false;
}

/* Whether the client sent anything else than such records behind its flight. */
static bool client_said_more(const struct handshake_facts *facts, const struct record_lengths *lengths, uint8_t last)
{
	const struct handshake_records *client = &facts->client_records;

	for (uint8_t index = last + 1; index < client->count; index++)
		if (client->length[index] != lengths->alert && client->length[index] != lengths->other_alert)
			return true;
	return false;
}

/*
 * Whether a record of this length from the server is an alert: NOT_KNOWN where it may pad, which the Finished among its first
 * count records would show.
 */
static uint8_t server_alert(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t count,
                            uint16_t length)
{
	struct record_lengths lengths;

	if (find_server_lengths(facts, suite, count, &lengths))
		return length == lengths.alert ? KNOWN_YES : KNOWN_NO;
	lengths = record_lengths_of(suite, 0);
	return length == lengths.alert ? KNOWN_YES : NOT_KNOWN;
}

/* Whether all records of the server from number first on are alerts: GnuTLS says with two why it refuses. */
static uint8_t only_alerts(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t first)
{
	uint8_t alerts = KNOWN_YES;

	for (uint8_t index = first; index < facts->server_records.count; index++) {
		uint8_t alert = server_alert(facts, suite, first, facts->server_records.length[index]);

		if (alert == KNOWN_NO)
			return KNOWN_NO;
		if (alert == NOT_KNOWN)
			alerts = NOT_KNOWN;
		/* what may be a padded alert, and others: what follows the first shows that it ended nothing */
		if (alerts == NOT_KNOWN && index > first)
			return KNOWN_NO;
	}
	return alerts;
}

/*
 * Which of the server's records is the first of its reply: the one behind the client's record number last. A server may
 * refuse a Certificate before the rest of the flight has come; what is no alert it may have sent before any of it came.
 */
static uint8_t find_reply_begin(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t last)
{
	uint8_t early = facts->client_records.after[0];
	uint8_t first = facts->client_records.after[last];

	return early < first && only_alerts(facts, suite, early) == KNOWN_YES ? early : first;
}

/* What the server did behind the client's record number last. */
static uint8_t find_reply(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t last,
                          const struct record_lengths *client_lengths)
{
	uint8_t first = find_reply_begin(facts, suite, last);
	bool replied = first < facts->server_records.count;
	uint8_t alerts = replied ? only_alerts(facts, suite, first) : KNOWN_NO;

	if (first >= HANDSHAKE_RECORDS_MAX)
		return REPLY_UNSEEN;
	if (replied && alerts == KNOWN_NO)
		return REPLY_WENT_ON;
	if (alerts == NOT_KNOWN || (facts->client_closed_first && facts->client_closed_after <= first) ||
	    client_parted(facts, client_lengths, last, first))
		return REPLY_PARTING;
	return replied ? REPLY_ALERT : REPLY_NONE;
}

/* In a resumed handshake early data may come first: the flight ends with the first Finished (RFC 8446 section 4.5). */
static uint8_t find_resumed_flight(const struct handshake_facts *facts, const struct suite_lengths *suite,
                                   uint8_t *last, struct record_lengths *lengths)
{
	const struct handshake_records *client = &facts->client_records;

	for (size_t padding = 0; padding < sizeof(paddings); padding++) {
		*lengths = record_lengths_of(suite, paddings[padding]);
		for (*last = 0; *last < client->count; ++*last)
			if (client->length[*last] == lengths->finished)
				return FLIGHT_FINISHED;
		*last = 0;
		if (client->count && client->length[0] == lengths->alert)
			return FLIGHT_ALERT;
	}
	return FLIGHT_NONE;
}

static bool ended_by_anybody(const struct handshake_facts *facts)
{
	return facts->end == END_ALERT || facts->end == END_FIN || facts->end == END_RST;
}

bool inference_refused(const struct handshake_facts *facts, const struct inference *inference)
{
	if (inference->reply == REPLY_ALERT)
		return ended_by_anybody(facts);
	return inference->reply == REPLY_NONE && (ended_by_anybody(facts) || facts->end == END_NOT_TLS) &&
	       facts->ended_by == FROM_SERVER;
}

bool inference_is_possible(const struct handshake_facts *facts)
{
	return find_suite(facts->cipher_suite) != NULL;
}

struct inference inference_of(const struct handshake_facts *facts)
{
	const struct suite_lengths *suite = find_suite(facts->cipher_suite);
	struct inference inference = {.flight = FLIGHT_NONE, .reply = REPLY_NONE};
	struct record_lengths lengths;
	uint8_t last;

	if (!suite)
		return inference;
	if (facts->pre_shared_key)
		inference.flight = find_resumed_flight(facts, suite, &last, &lengths);
	else
		inference.flight = find_flight(facts, suite, &last, &lengths);
	inference.open = !facts->pre_shared_key && is_open(facts, suite, inference.flight);
	if (inference.flight == FLIGHT_NONE)
		return inference;
	inference.reply = find_reply(facts, suite, last, &lengths);
	inference.owing = inference.reply == REPLY_NONE && client_said_more(facts, &lengths, last);
	return inference;
}
