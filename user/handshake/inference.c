// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/inference.h"

#include <stddef.h>

#include "tls/protocol.h"

enum {
	EMPTY_CERTIFICATE = 4, /* an empty context and an empty list, RFC 8446 section 4.4.2 */
	ALERT = 2,
	INNER_CONTENT_TYPE = 1, /* TLSInnerPlaintext.type, RFC 8446 section 5.2 */
	/* algorithm and length of a signature, and the shortest in use: Ed25519 */
	CERTIFICATE_VERIFY_MIN = 4 + 64,
	/* context, list and entry lengths, and a certificate: a raw Ed25519 key is the smallest there is (RFC 7250) */
	CERTIFICATE_MIN = 4 + 5 + 44,
	/* EncryptedExtensions, CertificateRequest, Certificate, CertificateVerify, Finished */
	REQUESTING_SERVER_RECORDS = 5,
	SILENT_SERVER_RECORDS = 4, /* the same without CertificateRequest */
	/* EncryptedExtensions with a list of extensions, of which ALPN (h2, say: 9 bytes) comes with ALPS (4 bytes at least) */
	ENCRYPTED_EXTENSIONS_ALPS_MIN = MESSAGE_HEADER_LENGTH + 2 + 8 + 4,
	CLIENT_ENCRYPTED_EXTENSIONS = MESSAGE_HEADER_LENGTH + 2 + 4, /* of a client that has no settings to send */
	/* A refusal comes so soon. If the client sent a request at once, and waits, a refusal may take longer. */
	PROMPT_MS = 2000,
	AT_ONCE_MS = 2000,
	PATIENT_MS = 10000,
	/* Padded records are multiples of one of these lengths. */
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
 * A sender may pad records (RFC 8446 section 5.4), and nearly all senders add no padding. Java's JSSE pads every handshake record
 * and alert by 16 bytes. No message length equals another message length plus 16.
 */
static const uint8_t paddings[] = {0, 16};

/* The lengths that records of certain messages have, alone, with a known padding. */
struct record_lengths {
	uint16_t alert;
	uint16_t other_alert; /* of a client whose flight does not show its padding; else equal to alert */
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
	uint16_t finished = MESSAGE_HEADER_LENGTH + suite->hash;
	uint16_t empty = MESSAGE_HEADER_LENGTH + EMPTY_CERTIFICATE;

	return (struct record_lengths){
		.alert = ALERT + overhead,
		.other_alert = ALERT + overhead,
		.empty = empty + overhead,
		.finished = finished + overhead,
		.empty_finished = empty + finished + overhead,
		.certificate_min = MESSAGE_HEADER_LENGTH + CERTIFICATE_MIN + overhead,
		.certificate_verify_min = MESSAGE_HEADER_LENGTH + CERTIFICATE_VERIFY_MIN + overhead,
		.whole_answer_min = MESSAGE_HEADER_LENGTH + CERTIFICATE_MIN + MESSAGE_HEADER_LENGTH +
	                            CERTIFICATE_VERIFY_MIN + finished + overhead,
	};
}

/* The server's record lengths, by the Finished among the first count records. False: no Finished is visible. */
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
 * The request in the server's flight, if each message has a record of its own and the last record is Finished. With five records
 * the second is a CertificateRequest, or the first half of a Certificate in two records. Only the last part of a cut message is
 * shorter than the limit, so a second record shorter than the third is a whole message.
 */
static enum inferred_request find_request(const struct handshake_facts *facts, const struct suite_lengths *suite)
{
	const uint16_t *length = facts->server_records.length;
	uint8_t count = facts->client_records.count ? facts->client_records.after[0] : facts->server_records.count;
	struct record_lengths lengths;

	if (count < SILENT_SERVER_RECORDS || count > REQUESTING_SERVER_RECORDS ||
	    !find_server_lengths(facts, suite, count, &lengths) || length[count - 1] != lengths.finished)
		return REQUEST_UNCLEAR;
	if (length[count - 2] < lengths.certificate_verify_min || length[count - 3] < lengths.certificate_min)
		return count == REQUESTING_SERVER_RECORDS ? REQUEST_LIKELY : REQUEST_UNCLEAR;
	if (count == SILENT_SERVER_RECORDS)
		return REQUEST_ABSENT;
	return length[1] < length[2] ? REQUEST_CERTAIN : REQUEST_LIKELY;
}

/* Whether the server's EncryptedExtensions, in a record of its own, has no room for an answer to the client's ALPS. */
static bool alps_is_refused(const struct handshake_facts *facts, const struct suite_lengths *suite)
{
	uint16_t overhead = INNER_CONTENT_TYPE + suite->tag;

	return facts->client_records.count && facts->client_records.after[0] >= SILENT_SERVER_RECORDS &&
	       !facts->channel_id && facts->server_records.length[0] < overhead + ENCRYPTED_EXTENSIONS_ALPS_MIN;
}

/* All that the rules of the client's flight look at. */
struct flight {
	const struct handshake_facts *facts;
	const struct suite_lengths *suite;
	const struct handshake_records *client;
	struct record_lengths lengths; /* with the padding that is tried */
	uint8_t request;               /* enum inferred_request */
	bool alps;                     /* the client's flight may begin with its own EncryptedExtensions */
	uint8_t last;                  /* which record is the last of the flight */
};

static bool first_is(const struct flight *flight, uint16_t length)
{
	uint16_t first = flight->client->length[0];

	return first == length || (flight->alps && first == length + CLIENT_ENCRYPTED_EXTENSIONS);
}

static bool is_alert(struct flight *flight)
{
	return flight->client->length[0] == flight->lengths.alert;
}

/*
 * The first two records have the same length, without a server record between: perhaps two parts of one message, cut at a
 * negotiated or chosen limit (RFC 8449, RFC 6066 section 4).
 */
static bool is_cut(struct flight *flight)
{
	const struct handshake_records *client = flight->client;

	return client->count > 1 && client->length[0] == client->length[1] && client->after[0] == client->after[1] &&
	       (first_is(flight, flight->lengths.finished) || first_is(flight, flight->lengths.empty_finished) ||
	        first_is(flight, flight->lengths.empty));
}

static bool is_finished(struct flight *flight)
{
	return first_is(flight, flight->lengths.finished);
}

static bool is_finished_against_request(struct flight *flight)
{
	return flight->request == REQUEST_CERTAIN && is_finished(flight);
}

static bool is_empty_and_finished(struct flight *flight)
{
	if (first_is(flight, flight->lengths.empty_finished))
		return true;
	if (!first_is(flight, flight->lengths.empty) || flight->client->count == 1)
		return false;
	flight->last = 1;
	return flight->client->length[1] == flight->lengths.finished;
}

static bool is_empty(struct flight *flight)
{
	return first_is(flight, flight->lengths.empty) && flight->client->count == 1;
}

static bool is_answer_without_request(struct flight *flight)
{
	return flight->request == REQUEST_ABSENT && (is_empty_and_finished(flight) || is_empty(flight));
}

/*
 * Whether the client's records before number last can be a Certificate and a CertificateVerify, each in one record, or a cut
 * Certificate: all parts but the last have the length of the limit.
 */
static bool may_be_certificate(const struct flight *flight, uint8_t last)
{
	const struct handshake_records *client = flight->client;

	if (last < 2 || client->length[last - 1] < flight->lengths.certificate_verify_min ||
	    client->length[0] < flight->lengths.certificate_min)
		return false;
	for (uint8_t index = 1; index + 2 < last; index++)
		if (client->length[index] != client->length[0])
			return false;
	return last == 2 || client->length[last - 2] <= client->length[0];
}

/* The first record has no fixed length: does a Finished end the flight of a Certificate? */
static bool is_certificate(struct flight *flight)
{
	for (flight->last = 1; flight->last < flight->client->count; flight->last++)
		if (flight->client->length[flight->last] == flight->lengths.finished &&
		    may_be_certificate(flight, flight->last))
			return true;
	return false;
}

static bool is_certificate_without_request(struct flight *flight)
{
	return flight->request == REQUEST_ABSENT && is_certificate(flight);
}

/*
 * A long record and a Finished: a Certificate and a CertificateVerify in one record, or an empty Certificate with padding.
 * No stack is known that puts just these two into one record.
 */
static bool is_long_and_finished(struct flight *flight)
{
	flight->last = 1;
	return flight->client->count > 1 && flight->client->length[1] == flight->lengths.finished &&
	       flight->client->length[0] >= flight->lengths.certificate_min + flight->lengths.certificate_verify_min;
}

static bool is_long_and_finished_asked(struct flight *flight)
{
	return flight->request >= REQUEST_LIKELY && is_long_and_finished(flight);
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
 * Whether the client's records could all be padded to a multiple of one length, and that length could hide an empty Certificate and
 * Finished in the first record. Libraries offer padding to a block (OpenSSL's record_padding). A single record always fits.
 */
static bool padding_may_hide_emptiness(const struct flight *flight)
{
	const struct handshake_records *client = flight->client;
	uint32_t block = 0;

	for (uint8_t index = 0; index < client->count; index++)
		block = greatest_common_divisor(block, client->length[index] - flight->suite->tag);
	return block > (uint32_t)(flight->lengths.whole_answer_min - flight->lengths.empty_finished);
}

/* Whether the client's first record has a length that somebody would choose to pad to. */
static bool is_block(const struct flight *flight)
{
	uint16_t content = flight->client->length[0] - flight->suite->tag;

	return content % BLOCK_BINARY == 0 || content % BLOCK_DECIMAL == 0;
}

/* Whether the first record has room for a Certificate, a CertificateVerify and a Finished together (RFC 8448 section 6). */
static bool may_be_whole_answer(const struct flight *flight)
{
	return !flight->alps && flight->client->length[0] >= flight->lengths.whole_answer_min;
}

static bool is_lone_answer(struct flight *flight)
{
	return may_be_whole_answer(flight) && flight->request >= REQUEST_LIKELY && flight->client->count == 1 &&
	       !is_block(flight);
}

static bool is_long_unpadded_asked(struct flight *flight)
{
	return may_be_whole_answer(flight) && flight->request >= REQUEST_LIKELY && flight->client->count > 1 &&
	       !padding_may_hide_emptiness(flight);
}

static bool is_long_asked(struct flight *flight)
{
	return may_be_whole_answer(flight) && flight->request >= REQUEST_LIKELY;
}

static bool is_long_unpadded(struct flight *flight)
{
	return may_be_whole_answer(flight) && flight->request == REQUEST_UNCLEAR &&
	       !padding_may_hide_emptiness(flight) && !is_block(flight);
}

static bool is_asked(struct flight *flight)
{
	return flight->request == REQUEST_CERTAIN;
}

/* The first rule that holds decides. docs/design/inference.md repeats these tables row by row. */
struct flight_rule {
	bool (*holds)(struct flight *flight);
	uint8_t flight; /* enum inferred_flight */
};

/* Each of these is tried with each known padding. A first record of a fixed length says more than a later record. */
static const struct flight_rule fixed_rules[] = {
	{is_alert, FLIGHT_ALERT},
	{is_cut, FLIGHT_UNCLEAR},
	{is_finished_against_request, FLIGHT_ANSWER},
	{is_finished, FLIGHT_FINISHED},
	{is_answer_without_request, FLIGHT_UNCLEAR},
	{is_empty_and_finished, FLIGHT_EMPTY},
	{is_empty, FLIGHT_EMPTY_ONLY},
};

static const struct flight_rule certificate_rules[] = {
	{is_certificate_without_request, FLIGHT_UNCLEAR},
	{is_certificate, FLIGHT_CERTIFICATE},
	{is_long_and_finished_asked, FLIGHT_ANSWER},
	{is_long_and_finished, FLIGHT_UNCLEAR},
};

/* Without padding: one long record in place of three, and anything else. */
static const struct flight_rule long_rules[] = {
	{is_lone_answer, FLIGHT_CERTIFICATE_ONLY},
	{is_long_unpadded_asked, FLIGHT_CERTIFICATE},
	{is_long_asked, FLIGHT_ANSWER},
	{is_long_unpadded, FLIGHT_CERTIFICATE},
	{is_asked, FLIGHT_ANSWER},
};

#define RULES(rules) (rules), sizeof(rules) / sizeof(*(rules))

/* Returns the first rule that holds; NULL: no rule. */
static const struct flight_rule *rule_of(struct flight *flight, const struct flight_rule *rules, size_t count)
{
	for (size_t index = 0; index < count; index++) {
		flight->last = 0;
		if (rules[index].holds(flight))
			return &rules[index];
	}
	flight->last = 0;
	return NULL;
}

static const struct flight_rule *padded_rule_of(struct flight *flight, const struct flight_rule *rules, size_t count)
{
	const struct flight_rule *rule = NULL;

	for (size_t padding = 0; padding < sizeof(paddings) && !rule; padding++) {
		flight->lengths = record_lengths_of(flight->suite, paddings[padding]);
		rule = rule_of(flight, rules, count);
	}
	return rule;
}

/* Find the flight, its last record, and the lengths of the client's records. */
static uint8_t find_flight(struct flight *flight)
{
	const struct flight_rule *rule;

	if (flight->client->count == 0)
		return FLIGHT_NONE;
	rule = padded_rule_of(flight, RULES(fixed_rules)) ?: padded_rule_of(flight, RULES(certificate_rules));
	if (rule)
		return rule->flight;
	flight->lengths = record_lengths_of(flight->suite, 0);
	flight->lengths.other_alert = record_lengths_of(flight->suite, paddings[1]).alert;
	rule = rule_of(flight, RULES(long_rules));
	return rule ? rule->flight : FLIGHT_UNCLEAR;
}

/* Whether a second record of the client can decide an open flight. */
static bool is_open(const struct flight *flight, uint8_t found)
{
	struct flight plain = *flight;

	plain.lengths = record_lengths_of(flight->suite, 0);
	return (found == FLIGHT_UNCLEAR || found == FLIGHT_ANSWER || found == FLIGHT_CERTIFICATE_ONLY) &&
	       flight->client->count == 1 && may_be_whole_answer(&plain);
}

/*
 * Whether the client sent a record of an alert's length (close_notify, most likely) after its flight, and before the server's
 * record number first: later records cannot have caused the reply.
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

/* Whether the client sent data after its flight. */
static bool client_said_more(const struct handshake_facts *facts, const struct record_lengths *lengths, uint8_t last)
{
	const struct handshake_records *client = &facts->client_records;

	for (uint8_t index = last + 1; index < client->count; index++)
		if (client->length[index] != lengths->alert && client->length[index] != lengths->other_alert)
			return true;
	return false;
}

/*
 * Whether a server record of this length is an alert. Finished among the first count records shows the server's padding. Without
 * a visible Finished, the length of an alert with a known padding is an alert, and other lengths are NOT_KNOWN.
 */
static uint8_t server_alert(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t count,
                            uint16_t length)
{
	struct record_lengths lengths;

	if (find_server_lengths(facts, suite, count, &lengths))
		return length == lengths.alert ? KNOWN_YES : KNOWN_NO;
	for (size_t padding = 0; padding < sizeof(paddings); padding++)
		if (length == record_lengths_of(suite, paddings[padding]).alert)
			return KNOWN_YES;
	return NOT_KNOWN;
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
		/* more records after a possible alert: the first record ended nothing */
		if (alerts == NOT_KNOWN && index > first)
			return KNOWN_NO;
	}
	return alerts;
}

/*
 * The first record of the server's reply: the first after the client's record number last. Alerts count from the client's first
 * record on: a server may refuse a Certificate before the rest of the flight has come.
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

/*
 * Whether the server's reply, or its end of the connection, came so late that the client's flight may not be the reason: a restart,
 * for example, or close_notify at the end of an accepted session.
 */
static bool reply_is_late(const struct handshake_facts *facts, const struct suite_lengths *suite, uint8_t last)
{
	const struct handshake_records *client = &facts->client_records;
	uint8_t first = find_reply_begin(facts, suite, last);
	bool replied = first < facts->server_records.count;
	uint32_t reply_ms = replied ? facts->server_records.time_ms[first] : facts->end_ms;
	uint32_t flight_ms = client->time_ms[last], said_ms = flight_ms;

	for (uint8_t index = last + 1; index < client->count && client->after[index] <= first; index++)
		said_ms = client->time_ms[index];
	if (reply_ms <= flight_ms + PROMPT_MS)
		return false;
	return client->count == last + 1 || said_ms > flight_ms + AT_ONCE_MS || reply_ms > flight_ms + PATIENT_MS;
}

/* In a resumed handshake early data may come first: the flight ends with the first Finished (RFC 8446 section 4.5). */
static uint8_t find_resumed_flight(struct flight *flight)
{
	const struct handshake_records *client = flight->client;

	for (size_t padding = 0; padding < sizeof(paddings); padding++) {
		flight->lengths = record_lengths_of(flight->suite, paddings[padding]);
		for (flight->last = 0; flight->last < client->count; flight->last++)
			if (client->length[flight->last] == flight->lengths.finished)
				return FLIGHT_FINISHED;
		flight->last = 0;
		if (client->count && client->length[0] == flight->lengths.alert)
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
	bool ended = ended_by_anybody(facts) || facts->end == END_NOT_TLS;

	if (inference->late)
		return false;
	if (inference->reply == REPLY_ALERT)
		return ended;
	return inference->reply == REPLY_NONE && ended && facts->ended_by == FROM_SERVER;
}

bool inference_is_possible(const struct handshake_facts *facts)
{
	return find_suite(facts->cipher_suite) != NULL;
}

/* Whether the client's flight and the server's own flight agree about the request. */
static bool server_agrees(uint8_t found, uint8_t request)
{
	switch (found) {
	case FLIGHT_FINISHED:
		return request == REQUEST_ABSENT;
	case FLIGHT_EMPTY:
	case FLIGHT_EMPTY_ONLY:
	case FLIGHT_CERTIFICATE:
	case FLIGHT_CERTIFICATE_ONLY:
	case FLIGHT_ANSWER:
		return request == REQUEST_CERTAIN;
	default:
		return false;
	}
}

struct inference inference_of(const struct handshake_facts *facts)
{
	struct inference inference = {.flight = FLIGHT_NONE, .reply = REPLY_NONE};
	struct flight flight = {
		.facts = facts, .suite = find_suite(facts->cipher_suite), .client = &facts->client_records};

	if (!flight.suite)
		return inference;
	inference.request = find_request(facts, flight.suite);
	flight.request = inference.request;
	flight.alps = facts->more_messages && !alps_is_refused(facts, flight.suite);
	inference.flight = facts->pre_shared_key ? find_resumed_flight(&flight) : find_flight(&flight);
	inference.open = !facts->pre_shared_key && is_open(&flight, inference.flight);
	inference.server_agrees = server_agrees(inference.flight, inference.request);
	if (inference.flight == FLIGHT_NONE)
		return inference;
	inference.reply = find_reply(facts, flight.suite, flight.last, &flight.lengths);
	inference.owing = inference.reply == REPLY_NONE && client_said_more(facts, &flight.lengths, flight.last);
	inference.late = reply_is_late(facts, flight.suite, flight.last);
	return inference;
}
