/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tracking/transcript_handshake.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/shared/tls_walk.h"
#include "tls/read_body.h"

enum {
	EMPTY_CERTIFICATE_LIST = 3, /* a list of no certificates is its length alone: RFC 5246 section 7.4.6 */
	COMPRESSED_HEADER = 5,      /* algorithm and uncompressed_length: RFC 8879 section 4 */
	ENCRYPTED_EXTENSIONS_CHANNEL_ID = 203,
	VERSION_SSL_3_0 = 0x0300,
	VERSION_TLS_1_3 = 0x0304,
	VERSION_DTLS_1_3 = 0xfefc,
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

/*
 * The places of messages in a flight; 0: not part of it. They may be left out, as far as take_...() below allow, but never come
 * twice or out of order.
 */
static uint8_t rank_in_server_flight_1_3(uint8_t type)
{
	switch (type) {
	case TLS_ENCRYPTED_EXTENSIONS:
		return 1;
	case TLS_CERTIFICATE_REQUEST:
		return 2;
	case TLS_CERTIFICATE:
	case TLS_COMPRESSED_CERTIFICATE:
		return 3;
	case TLS_CERTIFICATE_VERIFY:
		return 4;
	case TLS_FINISHED:
		return 5;
	default:
		return 0;
	}
}

static uint8_t rank_in_client_flight_1_3(uint8_t type)
{
	switch (type) {
	case TLS_CERTIFICATE_REQUEST: /* behind the handshake it begins what the client answers */
	case TLS_END_OF_EARLY_DATA:
		return 1;
	case TLS_ENCRYPTED_EXTENSIONS: /* application_settings of browsers */
		return 2;
	case TLS_CERTIFICATE:
	case TLS_COMPRESSED_CERTIFICATE:
		return 3;
	case TLS_CERTIFICATE_VERIFY:
		return 4;
	case ENCRYPTED_EXTENSIONS_CHANNEL_ID:
		return 5;
	case TLS_FINISHED:
		return 6;
	default:
		return 0;
	}
}

/* RFC 5246 section 7.3, with RFC 4680 (supplemental data), RFC 6066 section 8 (status), RFC 5077 section 3.3 (ticket) */
static uint8_t rank_in_server_flight(uint8_t type)
{
	switch (type) {
	case TLS_SUPPLEMENTAL_DATA:
		return 1;
	case TLS_CERTIFICATE:
		return 2;
	case TLS_CERTIFICATE_STATUS:
		return 3;
	case TLS_SERVER_KEY_EXCHANGE:
		return 4;
	case TLS_CERTIFICATE_REQUEST:
		return 5;
	case TLS_SERVER_HELLO_DONE:
		return 6;
	case TLS_NEW_SESSION_TICKET:
		return 7;
	case TLS_FINISHED:
		return 8;
	default:
		return 0;
	}
}

static uint8_t rank_in_client_flight(uint8_t type)
{
	switch (type) {
	case TLS_SUPPLEMENTAL_DATA:
		return 1;
	case TLS_CERTIFICATE:
		return 2;
	case TLS_CLIENT_KEY_EXCHANGE:
		return 3;
	case TLS_CERTIFICATE_VERIFY:
		return 4;
	case TLS_NEXT_PROTOCOL:
		return 5;
	case ENCRYPTED_EXTENSIONS_CHANNEL_ID:
		return 6;
	case TLS_FINISHED:
		return 7;
	default:
		return 0;
	}
}

/* Whether the message at hand comes behind those of its flight that were seen. */
static bool take_rank(struct transcript_handshake *handshake, uint8_t rank)
{
	if (rank <= handshake->rank)
		return false;
	handshake->rank = rank;
	return true;
}

static void go_on_to(struct transcript_handshake *handshake, enum transcript_stage stage)
{
	handshake->stage = stage;
	handshake->rank = 0;
}

/* TLS 1.3: whether the message may stand here. */
static bool take_server_message_1_3(struct transcript_handshake *handshake)
{
	struct library_view *view = &handshake->seen.view;
	uint8_t before = handshake->rank;

	if (!take_rank(handshake, rank_in_server_flight_1_3(handshake->type)))
		return false;
	switch (handshake->type) {
	case TLS_ENCRYPTED_EXTENSIONS:
		return true;
	case TLS_CERTIFICATE_REQUEST: /* not beside a pre-shared key, RFC 8446 section 4.3.2 */
		if (before != rank_in_server_flight_1_3(TLS_ENCRYPTED_EXTENSIONS) || view->pre_shared_key)
			return false;
		view->certificate_request = true;
		return true;
	case TLS_CERTIFICATE:
	case TLS_COMPRESSED_CERTIFICATE:
		if (before < rank_in_server_flight_1_3(TLS_ENCRYPTED_EXTENSIONS) || view->pre_shared_key)
			return false;
		view->server_certificate = true;
		return true;
	case TLS_CERTIFICATE_VERIFY:
		return before == rank_in_server_flight_1_3(TLS_CERTIFICATE);
	default:
		if (before !=
		    rank_in_server_flight_1_3(view->pre_shared_key ? TLS_ENCRYPTED_EXTENSIONS : TLS_CERTIFICATE_VERIFY))
			return false;
		view->server_finished = true;
		go_on_to(handshake, STAGE_CLIENT);
		return true;
	}
}

/* A client that was asked answers, and proves what it shows; one that was not asked does neither. */
static bool answered_in_full(const struct transcript_handshake *handshake, bool proven)
{
	const struct library_view *view = &handshake->seen.view;

	if (!view->certificate_request)
		return true;
	return view->client_certificate && (view->client_certificate_empty || proven);
}

static bool take_client_message_1_3(struct transcript_handshake *handshake)
{
	struct library_view *view = &handshake->seen.view;
	uint8_t before = handshake->rank;

	if (!take_rank(handshake, rank_in_client_flight_1_3(handshake->type)))
		return false;
	switch (handshake->type) {
	case TLS_CERTIFICATE_REQUEST:
		view->certificate_request = view->post_handshake;
		return view->post_handshake;
	case TLS_CERTIFICATE:
	case TLS_COMPRESSED_CERTIFICATE:
		return view->certificate_request;
	case TLS_CERTIFICATE_VERIFY:
		return before == rank_in_client_flight_1_3(TLS_CERTIFICATE) && !view->client_certificate_empty;
	case TLS_FINISHED:
		if (!answered_in_full(handshake, before >= rank_in_client_flight_1_3(TLS_CERTIFICATE_VERIFY)))
			return false;
		view->client_finished = true;
		go_on_to(handshake, STAGE_OVER);
		return true;
	default:
		return true;
	}
}

static bool take_server_message(struct transcript_handshake *handshake)
{
	struct library_view *view = &handshake->seen.view;
	uint8_t before = handshake->rank;

	if (!take_rank(handshake, rank_in_server_flight(handshake->type)))
		return false;
	switch (handshake->type) {
	case TLS_CERTIFICATE:
		view->server_certificate = true;
		return true;
	case TLS_CERTIFICATE_REQUEST:
		view->certificate_request = true;
		return true;
	case TLS_SERVER_HELLO_DONE:
		view->server_hello_done = true;
		go_on_to(handshake, STAGE_CLIENT);
		return true;
	case TLS_NEW_SESSION_TICKET:
		return before == 0;
	case TLS_FINISHED: /* abbreviated: RFC 5246 section 7.3, figure 2 */
		if (before && before != rank_in_server_flight(TLS_NEW_SESSION_TICKET))
			return false;
		view->server_finished = true;
		go_on_to(handshake, STAGE_CLIENT_LAST);
		return true;
	default:
		return true;
	}
}

static bool take_client_message(struct transcript_handshake *handshake)
{
	struct library_view *view = &handshake->seen.view;

	if (!take_rank(handshake, rank_in_client_flight(handshake->type)))
		return false;
	switch (handshake->type) {
	case TLS_CERTIFICATE:
		return view->certificate_request;
	case TLS_CLIENT_KEY_EXCHANGE: /* always sent: RFC 5246 section 7.4.7 */
		return view->client_certificate || !view->certificate_request || view->version == VERSION_SSL_3_0;
	case TLS_FINISHED:
		view->client_finished = true;
		go_on_to(handshake, STAGE_SERVER_LAST);
		return true;
	default:
		return true;
	}
}

static bool take_server_last(struct transcript_handshake *handshake)
{
	if (!take_rank(handshake, rank_in_server_flight(handshake->type)))
		return false;
	if (handshake->type == TLS_FINISHED) {
		handshake->seen.view.server_finished = true;
		go_on_to(handshake, STAGE_OVER);
	}
	return handshake->type == TLS_FINISHED || handshake->type == TLS_NEW_SESSION_TICKET;
}

static bool take_client_last(struct transcript_handshake *handshake)
{
	if (!take_rank(handshake, rank_in_client_flight(handshake->type)))
		return false;
	if (handshake->type == TLS_FINISHED) {
		handshake->seen.view.client_finished = true;
		go_on_to(handshake, STAGE_OVER);
	}
	return handshake->type == TLS_FINISHED || handshake->type == TLS_NEXT_PROTOCOL ||
	       handshake->type == ENCRYPTED_EXTENSIONS_CHANNEL_ID;
}

/* No part of the handshake, though it may come before its end: RFC 8446 section 4.6.1. Not hashed, but sent (Go). */
static bool is_early_ticket(const struct transcript_handshake *handshake)
{
	return handshake->type == TLS_NEW_SESSION_TICKET && handshake->seen.view.version_1_3 &&
	       handshake->stage == STAGE_CLIENT;
}

/* A message begins: whether it may stand here. */
static bool take_type(struct transcript_handshake *handshake)
{
	bool version_1_3 = handshake->seen.view.version_1_3;

	if (is_early_ticket(handshake))
		return true;
	switch (handshake->stage) {
	case STAGE_CLIENT_HELLO:
		return handshake->type == TLS_CLIENT_HELLO ||
		       (handshake->type == TLS_MESSAGE_HASH && !handshake->seen.messages);
	case STAGE_RETRY:
	case STAGE_SERVER_HELLO:
		return handshake->type == TLS_SERVER_HELLO;
	case STAGE_SERVER:
		return version_1_3 ? take_server_message_1_3(handshake) : take_server_message(handshake);
	case STAGE_CLIENT:
		return version_1_3 ? take_client_message_1_3(handshake) : take_client_message(handshake);
	case STAGE_SERVER_LAST:
		return take_server_last(handshake);
	case STAGE_CLIENT_LAST:
		return take_client_last(handshake);
	default:
		return false;
	}
}

/* Who sends a message that begins at a stage. */
static enum handshake_side side_at(uint8_t stage, uint8_t type)
{
	switch (stage) {
	case STAGE_CLIENT_HELLO:
	case STAGE_CLIENT_LAST:
		return FROM_CLIENT;
	case STAGE_CLIENT:
		return type == TLS_CERTIFICATE_REQUEST || type == TLS_NEW_SESSION_TICKET ? FROM_SERVER : FROM_CLIENT;
	default:
		return FROM_SERVER;
	}
}

/* Whether it went the way that it must, as far as the probe knows: else it is of another handshake. */
static bool direction_fits(const struct transcript_handshake *handshake, enum handshake_side from)
{
	bool by_client = from == FROM_CLIENT;

	if (handshake->direction == LIBRARY_FROM_UNKNOWN || handshake->seen.role == ROLE_OBSERVER)
		return true;
	return (handshake->direction == LIBRARY_SENT) == (by_client == (handshake->seen.role == ROLE_CLIENT));
}

/* Messages whose content is read. */
static bool body_is_wanted(const struct transcript_handshake *handshake, enum handshake_side from)
{
	switch (handshake->type) {
	case TLS_CLIENT_HELLO:
	case TLS_SERVER_HELLO:
	case TLS_CERTIFICATE_REQUEST:
	case TLS_CERTIFICATE:
		return true;
	case TLS_COMPRESSED_CERTIFICATE:
	case TLS_FINISHED:
		return from == FROM_CLIENT;
	default:
		return false;
	}
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

/* What the list of a client's Certificate takes; without its content what a Certificate says is not known. */
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

/* The message at hand has ended. */
static void take_body(struct transcript_handshake *handshake)
{
	handshake->in_body = false;
	handshake->changed = true;
	if (handshake->seen.view.damaged)
		return;
	switch (handshake->type) {
	case TLS_MESSAGE_HASH:
		go_on_to(handshake, STAGE_RETRY);
		break;
	case TLS_CLIENT_HELLO:
		take_client_hello(handshake);
		break;
	case TLS_SERVER_HELLO:
		take_server_hello(handshake);
		break;
	case TLS_CERTIFICATE_REQUEST:
		take_certificate_request(handshake);
		break;
	case TLS_CERTIFICATE:
	case TLS_COMPRESSED_CERTIFICATE:
		if (handshake->stage == STAGE_CLIENT)
			take_client_certificate(handshake);
		else if (handshake->type == TLS_CERTIFICATE)
			take_server_certificate(handshake);
		break;
	case TLS_FINISHED:
		if (handshake->body.type == TLS_FINISHED)
			take_client_finished(handshake);
		break;
	}
	body_release(&handshake->body);
}

static void take_header(struct transcript_handshake *handshake, uint64_t time_ns)
{
	const uint8_t *header = handshake->header;
	enum handshake_side from;

	handshake->type = header[0];
	handshake->body_left = header[1] << 16 | header[2] << 8 | header[3];
	handshake->header_have = 0;
	handshake->in_body = true;
	from = side_at(handshake->stage, handshake->type);
	/* as if in one piece: offset 0, and the fragment is all of it */
	if (handshake->header_size == TRANSCRIPT_HEADER_DTLS &&
	    (header[6] || header[7] || header[8] || memcmp(header + 1, header + 9, 3))) {
		transcript_handshake_damage(handshake);
		return;
	}
	if (!direction_fits(handshake, from) || !take_type(handshake)) {
		transcript_handshake_damage(handshake);
		return;
	}
	handshake->changed = true;
	keep_message(handshake, from, time_ns);
	if (body_is_wanted(handshake, from))
		body_begin(&handshake->body, handshake->type, handshake->body_left);
	if (!handshake->body_left)
		take_body(handshake);
}

/*
 * The first header shows which it is: what follows 4 bytes in TLS is the ClientHello's version, 3.x, or the kind of the hash
 * of one; in DTLS message_seq, of a first message 0 or 1.
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
	/* the byte that told the size is the body's own */
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

	/* behind bytes that are missing nothing is added: the body stays incomplete */
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
