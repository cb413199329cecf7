// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/transcript_handshake.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/shared/tls_walk.h"
#include "tls/protocol.h"
#include "tls/read_body.h"

enum {
	COMPRESSED_HEADER = 5, /* algorithm and uncompressed_length: RFC 8879 section 4 */
	ENCRYPTED_EXTENSIONS_CHANNEL_ID = 203,
};

static bool version_is_1_3(uint16_t version)
{
	return version == VERSION_TLS_1_3 || version == VERSION_DTLS_1_3;
}

void transcript_handshake_damage(struct transcript_handshake *handshake)
{
	handshake->seen.view.damaged = true;
	handshake->changed = true;
	body_release(&handshake->body);
}

static void go_on_to(struct transcript_handshake *handshake, enum transcript_stage stage)
{
	handshake->stage = stage;
	handshake->rank = 0;
}

/* Preconditions. before is the rank of the latest message of the flight, 0: none. */

static bool begins_with_hash(const struct transcript_handshake *handshake, uint8_t before)
{
	(void)before;
	return !handshake->seen.messages;
}

/* RFC 8446 section 4.3.2: with a pre-shared key a server neither requests nor sends a certificate. */
static bool without_key(const struct transcript_handshake *handshake, uint8_t before)
{
	return before >= 1 && !handshake->seen.view.pre_shared_key;
}

static bool behind_extensions_without_key(const struct transcript_handshake *handshake, uint8_t before)
{
	return before == 1 && without_key(handshake, before);
}

static bool behind_certificate(const struct transcript_handshake *handshake, uint8_t before)
{
	(void)handshake;
	return before == 3;
}

static bool ends_server_flight(const struct transcript_handshake *handshake, uint8_t before)
{
	return before == (handshake->seen.view.pre_shared_key ? 1 : 4);
}

static bool is_post_handshake(const struct transcript_handshake *handshake, uint8_t before)
{
	(void)before;
	return handshake->seen.view.post_handshake;
}

static bool was_requested(const struct transcript_handshake *handshake, uint8_t before)
{
	(void)before;
	return handshake->seen.view.certificate_request;
}

static bool proves_certificate(const struct transcript_handshake *handshake, uint8_t before)
{
	return before == 3 && !handshake->seen.view.client_certificate_empty;
}

/* If asked, a client answers, and proves a shown certificate; otherwise the client does neither. */
static bool answered_in_full(const struct transcript_handshake *handshake, uint8_t before)
{
	const struct library_view *view = &handshake->seen.view;

	if (!view->certificate_request)
		return true;
	return view->client_certificate && (view->client_certificate_empty || before >= 4);
}

static bool begins_flight(const struct transcript_handshake *handshake, uint8_t before)
{
	(void)handshake;
	return before == 0;
}

/* An abbreviated handshake has nothing but a ticket before Finished: RFC 5246 section 7.3, figure 2; RFC 5077 section 3.3. */
static bool is_abbreviated(const struct transcript_handshake *handshake, uint8_t before)
{
	(void)handshake;
	return before == 0 || before == 7;
}

/* RFC 5246 section 7.4.6: if asked, a client answers first; SSL 3.0 sends an alert instead. */
static bool answered_if_requested(const struct transcript_handshake *handshake, uint8_t before)
{
	const struct library_view *view = &handshake->seen.view;

	(void)before;
	return view->client_certificate || !view->certificate_request || view->version == VERSION_SSL_3_0;
}

static void take_client_hello(struct transcript_handshake *handshake)
{
	struct client_hello *hello = &handshake->client_hello;

	if (message_parse_client_hello(handshake->body.data, handshake->body.have, hello)) {
		transcript_handshake_damage(handshake);
		return;
	}
	memcpy(handshake->seen.random, hello->random, MESSAGE_RANDOM);
	handshake->seen.view.seen = true;
	go_on_to(handshake, STAGE_SERVER_HELLO);
}

static void take_server_hello(struct transcript_handshake *handshake)
{
	struct library_view *view = &handshake->seen.view;
	struct server_hello hello;

	if (message_parse_server_hello(handshake->body.data, handshake->body.have, &hello) || !hello.version ||
	    (handshake->stage == STAGE_RETRY && !hello.hello_retry_request)) {
		transcript_handshake_damage(handshake);
		return;
	}
	if (hello.hello_retry_request) {
		go_on_to(handshake, STAGE_CLIENT_HELLO);
		return;
	}
	if (!view->renegotiation)
		memcpy(handshake->seen.server_random, hello.random, MESSAGE_RANDOM);
	view->server_hello = true;
	view->version = hello.version;
	view->version_1_3 = version_is_1_3(hello.version);
	view->pre_shared_key = view->version_1_3 && hello.pre_shared_key;
	view->external_key = view->pre_shared_key && message_uses_external_key(&handshake->client_hello, &hello);
	go_on_to(handshake, STAGE_SERVER);
}

static void take_certificate_request(struct transcript_handshake *handshake)
{
	struct library_view *view = &handshake->seen.view;

	if (view->version_1_3 && handshake->body.have)
		handshake->context_length = handshake->body.data[0];
	if (!handshake->cache || !body_complete(&handshake->body))
		return;
	free(handshake->seen.request);
	handshake->seen.request = read_body_request(handshake->cache, &handshake->body, view->version);
}

/* certificate_request_context and CertificateEntry certificate_list, RFC 8446 section 4.4.2 */
static int list_length_1_3(const struct body *body, uint32_t *length)
{
	size_t context = body->have ? 1 + body->data[0] : 1;

	if (body->have < context + EMPTY_CERTIFICATE_LIST)
		return -1;
	*length = body->data[context] << 16 | body->data[context + 1] << 8 | body->data[context + 2];
	return 0;
}

/* The size of the list in a client's Certificate; without the content the meaning of a Certificate is unknown. */
static int certificate_list_length(const struct transcript_handshake *handshake, uint32_t *length)
{
	const struct body *body = &handshake->body;

	if (!handshake->seen.view.version_1_3) {
		*length = body->length > EMPTY_CERTIFICATE_LIST;
		return 0;
	}
	if (handshake->type == TLS_CERTIFICATE)
		return list_length_1_3(body, length);
	if (body->have < COMPRESSED_HEADER)
		return -1;
	*length = body->data[2] << 16 | body->data[3] << 8 | body->data[4];
	*length = *length > 1u + handshake->context_length + EMPTY_CERTIFICATE_LIST;
	return 0;
}

static void take_client_certificate(struct transcript_handshake *handshake)
{
	struct library_view *view = &handshake->seen.view;
	uint32_t length;

	if (certificate_list_length(handshake, &length)) {
		transcript_handshake_damage(handshake);
		return;
	}
	view->client_certificate = true;
	view->client_certificate_empty = length == 0;
	if (!length || !handshake->cache || handshake->type != TLS_CERTIFICATE)
		return;
	free(handshake->seen.certificate);
	handshake->seen.certificate = read_body_certificate(handshake->cache, &handshake->body, view->version);
}

static void take_server_certificate(struct transcript_handshake *handshake)
{
	if (!handshake->cache || !handshake->body.have)
		return;
	free(handshake->seen.server_certificate);
	handshake->seen.server_certificate =
		read_body_certificate(handshake->cache, &handshake->body, handshake->seen.view.version);
}

static void take_client_finished(struct transcript_handshake *handshake)
{
	const struct body *body = &handshake->body;

	if (!body_complete(body) || !body->have || body->have > MESSAGE_VERIFY_DATA_MAX)
		return;
	memcpy(handshake->verify_data, body->data, body->have);
	handshake->verify_data_length = body->have;
}

static void take_message_hash(struct transcript_handshake *handshake)
{
	go_on_to(handshake, STAGE_RETRY);
}

enum version_family {
	ANY_VERSION,
	UP_TO_1_2,
	FROM_1_3,
};

/*
 * The place of a message, and the consequences. Messages of a flight come in the order of the ranks. The preconditions say
 * which messages may be left out; a message never comes twice or out of order. Rank 0: anywhere in the stage. A message
 * without a row damages the handshake.
 */
struct message_rule {
	uint8_t stage;  /* enum transcript_stage */
	uint8_t family; /* enum version_family */
	uint8_t type;   /* HandshakeType */
	uint8_t from;   /* enum handshake_side */
	uint8_t rank;
	bool wants_body;
	uint8_t sets; /* a bool of struct library_view; 0: no bool */
	uint8_t next; /* the next enum transcript_stage; 0: the stage stays */
	bool (*may_stand)(const struct transcript_handshake *handshake, uint8_t before); /* NULL: always */
	void (*read)(struct transcript_handshake *handshake); /* at the end of the body; NULL: nothing */
};

#define SETS(field) offsetof(struct library_view, field)
#define CHANNEL_ID  ENCRYPTED_EXTENSIONS_CHANNEL_ID
#define COMPRESSED  TLS_COMPRESSED_CERTIFICATE

/* RFC 8446 section 2 and 4.4; RFC 5246 section 7.3 with RFC 4680 (supplemental data), 6066 (status), 5077 (ticket) */
static const struct message_rule rules[] = {
	{STAGE_CLIENT_HELLO, ANY_VERSION, TLS_CLIENT_HELLO, FROM_CLIENT, 0, true, 0, 0, NULL, take_client_hello},
	{STAGE_CLIENT_HELLO, ANY_VERSION, TLS_MESSAGE_HASH, FROM_CLIENT, 0, false, 0, 0, begins_with_hash,
         take_message_hash},
	{STAGE_RETRY, ANY_VERSION, TLS_SERVER_HELLO, FROM_SERVER, 0, true, 0, 0, NULL, take_server_hello},
	{STAGE_SERVER_HELLO, ANY_VERSION, TLS_SERVER_HELLO, FROM_SERVER, 0, true, 0, 0, NULL, take_server_hello},

	{STAGE_SERVER, FROM_1_3, TLS_ENCRYPTED_EXTENSIONS, FROM_SERVER, 1, false, 0, 0, NULL, NULL},
	{STAGE_SERVER, FROM_1_3, TLS_CERTIFICATE_REQUEST, FROM_SERVER, 2, true, SETS(certificate_request), 0,
         behind_extensions_without_key, take_certificate_request},
	{STAGE_SERVER, FROM_1_3, TLS_CERTIFICATE, FROM_SERVER, 3, true, SETS(server_certificate), 0, without_key,
         take_server_certificate},
	{STAGE_SERVER, FROM_1_3, COMPRESSED, FROM_SERVER, 3, false, SETS(server_certificate), 0, without_key, NULL},
	{STAGE_SERVER, FROM_1_3, TLS_CERTIFICATE_VERIFY, FROM_SERVER, 4, false, 0, 0, behind_certificate, NULL},
	{STAGE_SERVER, FROM_1_3, TLS_FINISHED, FROM_SERVER, 5, false, SETS(server_finished), STAGE_CLIENT,
         ends_server_flight, NULL},

	/* not part of the handshake, but possible before the end: RFC 8446 section 4.6.1. Not hashed, but sent (Go) */
	{STAGE_CLIENT, FROM_1_3, TLS_NEW_SESSION_TICKET, FROM_SERVER, 0, false, 0, 0, NULL, NULL},
	/* after the handshake the message begins the client's answer */
	{STAGE_CLIENT, FROM_1_3, TLS_CERTIFICATE_REQUEST, FROM_SERVER, 1, true, SETS(certificate_request), 0,
         is_post_handshake, take_certificate_request},
	{STAGE_CLIENT, FROM_1_3, TLS_END_OF_EARLY_DATA, FROM_CLIENT, 1, false, 0, 0, NULL, NULL},
	/* application_settings of browsers */
	{STAGE_CLIENT, FROM_1_3, TLS_ENCRYPTED_EXTENSIONS, FROM_CLIENT, 2, false, 0, 0, NULL, NULL},
	{STAGE_CLIENT, FROM_1_3, TLS_CERTIFICATE, FROM_CLIENT, 3, true, 0, 0, was_requested, take_client_certificate},
	{STAGE_CLIENT, FROM_1_3, COMPRESSED, FROM_CLIENT, 3, true, 0, 0, was_requested, take_client_certificate},
	{STAGE_CLIENT, FROM_1_3, TLS_CERTIFICATE_VERIFY, FROM_CLIENT, 4, false, 0, 0, proves_certificate, NULL},
	{STAGE_CLIENT, FROM_1_3, CHANNEL_ID, FROM_CLIENT, 5, false, 0, 0, NULL, NULL},
	{STAGE_CLIENT, FROM_1_3, TLS_FINISHED, FROM_CLIENT, 6, true, SETS(client_finished), STAGE_OVER,
         answered_in_full, take_client_finished},

	{STAGE_SERVER, UP_TO_1_2, TLS_SUPPLEMENTAL_DATA, FROM_SERVER, 1, false, 0, 0, NULL, NULL},
	{STAGE_SERVER, UP_TO_1_2, TLS_CERTIFICATE, FROM_SERVER, 2, true, SETS(server_certificate), 0, NULL,
         take_server_certificate},
	{STAGE_SERVER, UP_TO_1_2, TLS_CERTIFICATE_STATUS, FROM_SERVER, 3, false, 0, 0, NULL, NULL},
	{STAGE_SERVER, UP_TO_1_2, TLS_SERVER_KEY_EXCHANGE, FROM_SERVER, 4, false, 0, 0, NULL, NULL},
	{STAGE_SERVER, UP_TO_1_2, TLS_CERTIFICATE_REQUEST, FROM_SERVER, 5, true, SETS(certificate_request), 0, NULL,
         take_certificate_request},
	{STAGE_SERVER, UP_TO_1_2, TLS_SERVER_HELLO_DONE, FROM_SERVER, 6, false, SETS(server_hello_done), STAGE_CLIENT,
         NULL, NULL},
	{STAGE_SERVER, UP_TO_1_2, TLS_NEW_SESSION_TICKET, FROM_SERVER, 7, false, 0, 0, begins_flight, NULL},
	{STAGE_SERVER, UP_TO_1_2, TLS_FINISHED, FROM_SERVER, 8, false, SETS(server_finished), STAGE_CLIENT_LAST,
         is_abbreviated, NULL},

	{STAGE_CLIENT, UP_TO_1_2, TLS_SUPPLEMENTAL_DATA, FROM_CLIENT, 1, false, 0, 0, NULL, NULL},
	{STAGE_CLIENT, UP_TO_1_2, TLS_CERTIFICATE, FROM_CLIENT, 2, true, 0, 0, was_requested, take_client_certificate},
	{STAGE_CLIENT, UP_TO_1_2, TLS_CLIENT_KEY_EXCHANGE, FROM_CLIENT, 3, false, 0, 0, answered_if_requested, NULL},
	{STAGE_CLIENT, UP_TO_1_2, TLS_CERTIFICATE_VERIFY, FROM_CLIENT, 4, false, 0, 0, NULL, NULL},
	{STAGE_CLIENT, UP_TO_1_2, TLS_NEXT_PROTOCOL, FROM_CLIENT, 5, false, 0, 0, NULL, NULL},
	{STAGE_CLIENT, UP_TO_1_2, CHANNEL_ID, FROM_CLIENT, 6, false, 0, 0, NULL, NULL},
	{STAGE_CLIENT, UP_TO_1_2, TLS_FINISHED, FROM_CLIENT, 7, true, SETS(client_finished), STAGE_SERVER_LAST, NULL,
         take_client_finished},

	{STAGE_SERVER_LAST, ANY_VERSION, TLS_NEW_SESSION_TICKET, FROM_SERVER, 7, false, 0, 0, NULL, NULL},
	{STAGE_SERVER_LAST, ANY_VERSION, TLS_FINISHED, FROM_SERVER, 8, false, SETS(server_finished), STAGE_OVER, NULL,
         NULL},
	{STAGE_CLIENT_LAST, ANY_VERSION, TLS_NEXT_PROTOCOL, FROM_CLIENT, 5, false, 0, 0, NULL, NULL},
	{STAGE_CLIENT_LAST, ANY_VERSION, CHANNEL_ID, FROM_CLIENT, 6, false, 0, 0, NULL, NULL},
	{STAGE_CLIENT_LAST, ANY_VERSION, TLS_FINISHED, FROM_CLIENT, 7, true, SETS(client_finished), STAGE_OVER, NULL,
         take_client_finished},
};

static bool is_of_family(const struct library_view *view, uint8_t family)
{
	return family == ANY_VERSION || (family == FROM_1_3) == view->version_1_3;
}

/* The rule for a new message; NULL: the message does not belong in this stage. */
static const struct message_rule *rule_of(const struct transcript_handshake *handshake)
{
	for (size_t index = 0; index < sizeof(rules) / sizeof(*rules); index++)
		if (rules[index].stage == handshake->stage && rules[index].type == handshake->type &&
		    is_of_family(&handshake->seen.view, rules[index].family))
			return &rules[index];
	return NULL;
}

/* A message begins. Returns false if the message may not stand here. */
static bool follow_rule(struct transcript_handshake *handshake, const struct message_rule *rule)
{
	uint8_t before = handshake->rank;

	if ((rule->rank && rule->rank <= before) || (rule->may_stand && !rule->may_stand(handshake, before)))
		return false;
	if (rule->rank)
		handshake->rank = rule->rank;
	if (rule->sets)
		*((bool *)&handshake->seen.view + rule->sets) = true;
	if (rule->next)
		go_on_to(handshake, rule->next);
	handshake->rule = rule;
	return true;
}

/* Whether the direction is correct, as far as the probe knows: otherwise the message belongs to another handshake. */
static bool direction_fits(const struct transcript_handshake *handshake, enum handshake_side from)
{
	bool by_client = from == FROM_CLIENT;

	if (handshake->direction == LIBRARY_FROM_UNKNOWN || handshake->seen.role == ROLE_OBSERVER)
		return true;
	return (handshake->direction == LIBRARY_SENT) == (by_client == (handshake->seen.role == ROLE_CLIENT));
}

static void keep_message(struct transcript_handshake *handshake, enum handshake_side from, uint64_t time_ns)
{
	struct library_handshake *seen = &handshake->seen;

	if (seen->messages == LIBRARY_MESSAGES_MAX)
		return;
	seen->message[seen->messages++] = (struct library_message){
		.time_ns = time_ns,
		.length = handshake->body_left,
		.type = handshake->type,
		.from = from,
	};
}

/* The message at hand has ended. */
static void take_body(struct transcript_handshake *handshake)
{
	handshake->in_body = false;
	handshake->changed = true;
	if (handshake->seen.view.damaged)
		return;
	if (handshake->rule->read)
		handshake->rule->read(handshake);
	body_release(&handshake->body);
}

static void take_header(struct transcript_handshake *handshake, uint64_t time_ns)
{
	const uint8_t *header = handshake->header;
	const struct message_rule *rule;

	handshake->type = header[0];
	handshake->body_left = header[1] << 16 | header[2] << 8 | header[3];
	handshake->header_have = 0;
	handshake->in_body = true;
	rule = rule_of(handshake);
	/* as if unfragmented: offset 0, and the fragment is the whole message */
	if (handshake->header_size == TRANSCRIPT_HEADER_DTLS &&
	    (header[6] || header[7] || header[8] || memcmp(header + 1, header + 9, 3)))
		rule = NULL;
	if (!rule || !direction_fits(handshake, rule->from) || !follow_rule(handshake, rule)) {
		transcript_handshake_damage(handshake);
		return;
	}
	handshake->changed = true;
	keep_message(handshake, rule->from, time_ns);
	if (rule->wants_body)
		body_begin(&handshake->body, handshake->type, handshake->body_left);
	if (!handshake->body_left)
		take_body(handshake);
}

/*
 * The first header tells TLS from DTLS. In TLS the ClientHello's version, 3.x, follows after 4 bytes, or the kind of
 * the ClientHello's hash. In DTLS message_seq follows: 0 or 1 in a first message.
 */
static bool find_header_size(struct transcript_handshake *handshake)
{
	if (handshake->header_have <= TRANSCRIPT_HEADER_TLS && handshake->header[0] != TLS_MESSAGE_HASH)
		return false;
	handshake->header_size = TRANSCRIPT_HEADER_TLS;
	if (handshake->header[0] != TLS_MESSAGE_HASH && handshake->header[TRANSCRIPT_HEADER_TLS] == 0)
		handshake->header_size = TRANSCRIPT_HEADER_DTLS;
	return true;
}

/* Calls itself at most once, for the first byte of a body. NOLINTNEXTLINE(misc-no-recursion) */
static void read_header_byte(struct transcript_handshake *handshake, uint8_t byte, uint64_t time_ns)
{
	handshake->header[handshake->header_have++] = byte;
	if (!handshake->header_size && !find_header_size(handshake))
		return;
	if (handshake->header_have < handshake->header_size)
		return;
	/* the byte with the size is part of the body */
	if (handshake->header_have > handshake->header_size) {
		take_header(handshake, time_ns);
		transcript_handshake_bytes(handshake, &byte, 1, time_ns);
		return;
	}
	take_header(handshake, time_ns);
}

static void read_body_bytes(struct transcript_handshake *handshake, const uint8_t *data, size_t length)
{
	struct body *body = &handshake->body;

	/* after missing bytes nothing is added: the body stays incomplete */
	if (body->length)
		body_add(body, body->length - handshake->body_left, data, length);
	handshake->body_left -= length;
	if (!handshake->body_left)
		take_body(handshake);
}

/* NOLINTNEXTLINE(misc-no-recursion): see read_header_byte() */
void transcript_handshake_bytes(struct transcript_handshake *handshake, const uint8_t *data, size_t length,
                                uint64_t time_ns)
{
	size_t count;

	handshake->seen.last_ns = time_ns;
	while (length && !handshake->seen.view.damaged) {
		count = 1;
		if (handshake->in_body) {
			count = length < handshake->body_left ? length : handshake->body_left;
			read_body_bytes(handshake, data, count);
		} else {
			read_header_byte(handshake, *data, time_ns);
		}
		data += count;
		length -= count;
	}
}

void transcript_handshake_missing(struct transcript_handshake *handshake, uint32_t count)
{
	if (!count || handshake->seen.view.damaged)
		return;
	if (!handshake->in_body || count > handshake->body_left) {
		transcript_handshake_damage(handshake);
		return;
	}
	handshake->body_left -= count;
	if (!handshake->body_left)
		take_body(handshake);
}

bool transcript_handshake_at_boundary(const struct transcript_handshake *handshake)
{
	return !handshake->in_body && !handshake->header_have;
}

void transcript_handshake_call_ends(struct transcript_handshake *handshake)
{
	struct library_handshake *seen = &handshake->seen;

	if (seen->messages && !seen->view.damaged && transcript_handshake_at_boundary(handshake))
		seen->message[seen->messages - 1].prompt = true;
}

void transcript_handshake_begin_post(struct transcript_handshake *handshake)
{
	struct library_view *view = &handshake->seen.view;

	transcript_handshake_release(handshake);
	handshake->seen.messages = 0;
	view->post_handshake = true;
	view->certificate_request = false;
	view->client_certificate = false;
	view->client_certificate_empty = false;
	view->client_finished = false;
	handshake->context_length = 0;
	go_on_to(handshake, STAGE_CLIENT);
}

void transcript_handshake_release(struct transcript_handshake *handshake)
{
	body_release(&handshake->body);
	free(handshake->seen.request);
	free(handshake->seen.certificate);
	free(handshake->seen.server_certificate);
	handshake->seen.request = NULL;
	handshake->seen.certificate = NULL;
	handshake->seen.server_certificate = NULL;
}
