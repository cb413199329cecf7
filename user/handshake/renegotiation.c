// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/renegotiation.h"

#include <linux/types.h>
#include <stddef.h>

#include "bpf/shared/tls_walk.h"
#include "tls/protocol.h"

enum {
	EMPTY_CERTIFICATE = MESSAGE_HEADER_LENGTH +
	                    EMPTY_CERTIFICATE_LIST, /* RFC 5246 section 7.4.6: the length of an empty list */
	/*
	 * Certificate, ClientKeyExchange and CertificateVerify together have at least this length: 10 bytes around a raw Ed25519 key
	 * (RFC 7250), a message of 37 bytes, a message of 72 bytes.
	 */
	ANSWER_MIN = 10 + 44 + 37 + 72,
	CHANGE_CIPHER_SPEC = 1,
	BLOCK_MAX = 16,
	PADDING_MAX = 256, /* of a block cipher: its length is a byte, RFC 5246 section 6.2.3.2 */
};

/*
 * Lengths of ClientKeyExchange with its header, below ANSWER_MIN: points of X25519, X448 and curves of 224 to 521 bits (RFC 8422
 * section 5.7), Diffie-Hellman and RSA of 1024 bits (RFC 5246 section 7.4.7). No length equals another length plus an empty
 * Certificate.
 */
static const uint8_t key_exchanges[] = {37, 61, 62, 70, 102, 134, 138};

/*
 * The bytes that the cipher adds to each record, by the length of ChangeCipherSpec; 0 if the cipher pads, or is unknown. ChaCha20,
 * CCM_8 and RC4 with MD5 add 16 bytes, RC4 with SHA 20, GCM and CCM 24. No block cipher makes a ChangeCipherSpec of 17, 21 or 25
 * bytes.
 */
static uint16_t expansion_of(uint16_t change_cipher_spec)
{
	switch (change_cipher_spec) {
	case CHANGE_CIPHER_SPEC + 16:
	case CHANGE_CIPHER_SPEC + 20:
	case CHANGE_CIPHER_SPEC + 24:
		return change_cipher_spec - CHANGE_CIPHER_SPEC;
	default:
		return 0;
	}
}

/* The client's handshake records between its ClientHello and its ChangeCipherSpec. */
struct flight {
	uint8_t records;
	uint16_t first;              /* length of the first */
	uint16_t second;             /* of the second; 0: no second record */
	uint16_t shortest;           /* of all but the first */
	uint32_t total;              /* of all */
	uint16_t change_cipher_spec; /* length; 0: it has not come */
	uint8_t server_records;      /* seen before ChangeCipherSpec */
	bool in_order;               /* the server answered the ClientHello, and said nothing but HelloRequest before */
	bool alert;                  /* an alert in its midst: SSL 3.0 answers a request so (RFC 6101 section 5.4.2) */
};

/*
 * Whether the presumed ClientHello is at its place: only a HelloRequest of 4 bytes may precede ClientHello, and the server's flight
 * must follow before the client's flight. If the beginning was not seen, a Certificate would pass for the ClientHello.
 */
static bool is_in_order(const struct handshake_facts *facts, uint16_t change_cipher_spec)
{
	const struct handshake_records *client = &facts->client_records;
	const struct handshake_records *server = &facts->server_records;

	for (uint8_t index = 0; index < client->after[0] && index < server->count; index++)
		if (server->type[index] != TLS_HANDSHAKE || server->length[index] > change_cipher_spec + BLOCK_MAX)
			return false;
	return client->after[1] > client->after[0];
}

static void add_record(struct flight *flight, uint16_t length)
{
	if (flight->records == 0)
		flight->first = length;
	else if (flight->records == 1)
		flight->second = length;
	if (flight->records && (!flight->shortest || length < flight->shortest))
		flight->shortest = length;
	flight->total += length;
	flight->records++;
}

/* False where no ClientHello begins it. */
static bool find_flight(const struct handshake_facts *facts, struct flight *flight)
{
	const struct handshake_records *client = &facts->client_records;

	*flight = (struct flight){};
	if (!client->count || client->type[0] != TLS_HANDSHAKE)
		return false;
	for (uint8_t index = 1; index < client->count; index++) {
		if (client->type[index] == TLS_CHANGE_CIPHER_SPEC) {
			flight->change_cipher_spec = client->length[index];
			flight->server_records = client->after[index];
			flight->in_order = is_in_order(facts, flight->change_cipher_spec);
			break;
		}
		if (client->type[index] == TLS_ALERT)
			flight->alert = true;
		else if (client->type[index] == TLS_HANDSHAKE)
			add_record(flight, client->length[index]);
	}
	return true;
}

static enum renegotiated judge_content(uint16_t content)
{
	for (size_t index = 0; index < sizeof(key_exchanges); index++) {
		if (content == key_exchanges[index])
			return RENEGOTIATED_NOT_REQUESTED;
		if (content == key_exchanges[index] + EMPTY_CERTIFICATE)
			return RENEGOTIATED_EMPTY;
	}
	return RENEGOTIATED_UNCLEAR;
}

/* All in one record. From the length of a Certificate on, RSA or Diffie-Hellman of some size could be as long. */
static enum renegotiated judge_single_record(const struct flight *flight)
{
	uint16_t expansion = expansion_of(flight->change_cipher_spec);

	if (!expansion || flight->first <= expansion || flight->first - expansion >= ANSWER_MIN)
		return RENEGOTIATED_UNCLEAR;
	return judge_content(flight->first - expansion);
}

/*
 * Whether the records may be parts of one ClientKeyExchange (RFC 8449, RFC 6066 section 4): parts of equal length, a part shorter
 * than any message of the flight, or the total length of a key exchange.
 */
static bool may_be_cut(const struct flight *flight, uint16_t expansion)
{
	static const uint16_t long_key_exchanges[] = {198, 262, 390, 518, 1030}; /* RSA and Diffie-Hellman */
	uint32_t content = flight->total - flight->records * expansion;

	if (flight->first == flight->second)
		return true;
	if (!expansion)
		return false;
	if (flight->shortest < key_exchanges[0] + expansion)
		return true;
	for (size_t index = 0; index < sizeof(long_key_exchanges) / sizeof(*long_key_exchanges); index++)
		if (content == long_key_exchanges[index])
			return true;
	return false;
}

/* Two or more: the first one is, or begins with, a Certificate, unless a message was cut. */
static enum renegotiated judge_records(const struct flight *flight)
{
	uint16_t expansion = expansion_of(flight->change_cipher_spec);

	/* no limit on records is as low as the length of an empty Certificate (RFC 8449 section 4) */
	if (expansion && flight->first == EMPTY_CERTIFICATE + expansion)
		return RENEGOTIATED_EMPTY;
	if (may_be_cut(flight, expansion))
		return RENEGOTIATED_UNCLEAR;
	if (expansion)
		return RENEGOTIATED_CERTIFICATE;
	/* with a block cipher 7 bytes take the room of 1 byte, or a block more; a Certificate is longer than any padding explains */
	if (flight->first <= flight->change_cipher_spec + BLOCK_MAX)
		return RENEGOTIATED_EMPTY;
	if (flight->first > flight->change_cipher_spec + EMPTY_CERTIFICATE + BLOCK_MAX + PADDING_MAX)
		return RENEGOTIATED_CERTIFICATE;
	return RENEGOTIATED_ANSWER;
}

static bool server_changed_before(const struct handshake_records *server, uint8_t records)
{
	for (uint8_t index = 0; index < server->count && index < records; index++)
		if (server->type[index] == TLS_CHANGE_CIPHER_SPEC)
			return true;
	return false;
}

enum renegotiated renegotiation_of(const struct handshake_facts *facts)
{
	struct flight flight;

	if (!find_flight(facts, &flight))
		return RENEGOTIATED_NOTHING;
	if (flight.records == 0 && !flight.change_cipher_spec)
		return RENEGOTIATED_NOTHING;
	/* more of the flight may be to come */
	if (!flight.change_cipher_spec || flight.alert || !flight.in_order)
		return RENEGOTIATED_UNCLEAR;
	/* RFC 5246 section 7.3, figure 2: it has no key exchange */
	if (flight.records == 0)
		return server_changed_before(&facts->server_records, flight.server_records) ? RENEGOTIATED_SESSION
		                                                                            : RENEGOTIATED_UNCLEAR;
	return flight.records == 1 ? judge_single_record(&flight) : judge_records(&flight);
}
