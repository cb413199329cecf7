// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/record.h"

#include <stdlib.h>
#include <string.h>

#include "handshake/inference.h"
#include "tls/protocol.h"
#include "tls/read_body.h"

static void add_step(struct handshake *handshake, const struct handshake_step *step)
{
	if (handshake->steps < HANDSHAKE_STEPS_MAX)
		handshake->step[handshake->steps++] = *step;
	else
		handshake->steps_dropped += handshake->steps_dropped < UINT16_MAX;
}

/*
 * Whether the server closed before its Finished: the server did not wait for the client's next words, and has not rejected them.
 * (In an abbreviated handshake the server finishes first.)
 */
static bool server_has_left(const struct handshake_facts *facts)
{
	return facts->end == END_FIN && facts->ended_by == FROM_SERVER && !facts->finished[FROM_SERVER] &&
	       !facts->version_1_3;
}

static void take_client_hello(struct handshake *handshake, const struct event_message *message)
{
	struct handshake_facts *facts = &handshake->facts;

	facts->client_hello = true;
	facts->client_hello_unread = !message->ssl2;
	/* what came before, behind a HelloRetryRequest, says nothing (RFC 8446 appendix D.4) */
	facts->change_cipher_spec[FROM_CLIENT] = false;
	/* encrypted records so far were early data (RFC 8446 section 4.2.10): the flight follows the second ClientHello */
	facts->records_before_hello = false;
	/* until its body says otherwise */
	facts->early_data = !message->ssl2;
	facts->ssl2_hello = message->ssl2;
	if (message->ssl2) {
		message_set_ssl2_client_hello(message->version, &handshake->client_hello);
		facts->ssl2 = message->version == VERSION_SSL_2_0;
	}
}

static void take_answer(struct handshake *handshake, const struct event_message *message)
{
	struct handshake_facts *facts = &handshake->facts;

	if (server_has_left(facts))
		return;
	facts->malformed |= facts->client_certificate;
	facts->client_certificate = true;
	facts->client_certificate_empty = message->type == TLS_CERTIFICATE && message->length <= EMPTY_CERTIFICATE_LIST;
	handshake->answer_ns = message->event.time_ns;
}

static void take_client_message(struct handshake *handshake, const struct event_message *message)
{
	struct handshake_facts *facts = &handshake->facts;

	switch (message->type) {
	case TLS_CLIENT_HELLO:
		take_client_hello(handshake, message);
		break;
	case TLS_CERTIFICATE_URL: /* in the place of a Certificate, RFC 6066 section 5 */
	case TLS_CERTIFICATE:
		take_answer(handshake, message);
		break;
	case TLS_CLIENT_KEY_EXCHANGE:
		facts->client_key_exchange |= !server_has_left(facts);
		break;
	}
}

static void take_server_message(struct handshake *handshake, const struct event_message *message)
{
	struct handshake_facts *facts = &handshake->facts;

	switch (message->type) {
	case TLS_SERVER_HELLO:
		facts->malformed |= facts->server_hello;
		facts->server_hello_unread = true;
		facts->change_cipher_spec[FROM_SERVER] = false;
		break;
	case TLS_CERTIFICATE:
		facts->server_certificate = true;
		break;
	case TLS_SERVER_KEY_EXCHANGE:
		facts->server_key_exchange = true;
		break;
	case TLS_CERTIFICATE_REQUEST:
		facts->malformed |= facts->certificate_request;
		facts->certificate_request = true;
		handshake->request_ns = message->event.time_ns;
		break;
	case TLS_SERVER_HELLO_DONE:
		facts->server_hello_done = true;
		break;
	}
}

void handshake_record_renegotiates(struct handshake *handshake)
{
	handshake->facts.renegotiation = true;
}

void handshake_record_message(struct handshake *handshake, enum handshake_side from,
                              const struct event_message *message)
{
	struct handshake_step step = {
		.time_ns = message->event.time_ns,
		.length = message->length,
		.version = message->version,
		.kind = STEP_MESSAGE,
		.from = from,
		.type = message->type,
	};

	add_step(handshake, &step);
	if (from == FROM_CLIENT)
		take_client_message(handshake, message);
	else
		take_server_message(handshake, message);
}

/*
 * RFC 5246 section 7.4.1.3: a server resumes a session by repeating the offered session id. A server may also resume a ticket
 * that came without a session id (RFC 5077 section 3.4).
 */
static bool session_is_accepted(const struct client_hello *offer, const struct server_hello *hello)
{
	if (offer->session_id_length == 0)
		return offer->session_ticket;
	return hello->session_id_length == offer->session_id_length &&
	       !memcmp(hello->session_id, offer->session_id, offer->session_id_length);
}

/* Both hellos are wanted, and either may be read first: the directions of a capture are not in step. */
static void compare_hellos(struct handshake *handshake)
{
	handshake->facts.session_accepted = handshake->facts.server_hello &&
	                                    session_is_accepted(&handshake->client_hello, &handshake->server_hello);
	handshake->facts.external_key = handshake->facts.pre_shared_key &&
	                                message_uses_external_key(&handshake->client_hello, &handshake->server_hello);
}

static void take_client_hello_body(struct handshake *handshake, const struct body *body)
{
	/* the verdict depends on the server's answer, and not on this parser */
	if (message_parse_client_hello(body->data, body->have, &handshake->client_hello))
		return;
	handshake->facts.client_hello_unread = false;
	/* after a HelloRetryRequest the second ClientHello counts, which offers no early data (RFC 8446 section 4.1.2) */
	handshake->facts.early_data = handshake->client_hello.early_data;
	handshake->facts.more_messages = handshake->client_hello.more_messages;
	handshake->facts.channel_id = handshake->client_hello.channel_id;
	compare_hellos(handshake);
}

/* TLS 1.3 and later versions encrypt everything after ServerHello. DTLS counts down (RFC 6347 section 4.1). */
static bool version_is_encrypted(uint16_t version)
{
	return (version >> 8 == 0x03 && version >= VERSION_TLS_1_3) ||
	       (version >> 8 == 0xfe && version <= VERSION_DTLS_1_3);
}

static void take_server_hello(struct handshake *handshake, const struct body *body)
{
	struct handshake_facts *facts = &handshake->facts;
	struct server_hello hello;

	if (message_parse_server_hello(body->data, body->have, &hello)) {
		facts->malformed = true;
		return;
	}
	facts->server_hello_unread = false;
	/* the client answers a HelloRetryRequest with another ClientHello: the ServerHello is still to come */
	if (hello.hello_retry_request)
		return;
	handshake->server_hello = hello;
	handshake->version = hello.version;
	facts->server_hello = true;
	facts->version_1_3 = version_is_encrypted(hello.version);
	facts->pre_shared_key = hello.pre_shared_key;
	/* the encrypted records of DTLS 1.3 have another form (RFC 9147 section 4) and are not told of: nothing to infer from */
	if (!facts->version_1_3 || hello.version == VERSION_TLS_1_3)
		facts->cipher_suite = hello.cipher_suite;
	compare_hellos(handshake);
}

/* The verdict depends on the message's type; the content is reported if it can be parsed. */
static void take_certificate_request(struct handshake *handshake, const struct body *body, struct parse_cache *cache)
{
	struct certificate_request *request = read_body_request(cache, body, handshake->version);

	if (!request)
		return;
	free(handshake->request);
	handshake->request = request;
}

static void take_certificate(struct handshake *handshake, enum handshake_side from, const struct body *body,
                             struct parse_cache *cache)
{
	struct certificate **place = from == FROM_CLIENT ? &handshake->certificate : &handshake->server_certificate;
	struct certificate *certificate = read_body_certificate(cache, body, handshake->version);

	if (!certificate)
		return;
	free(*place);
	*place = certificate;
}

static void take_certificates(struct handshake *handshake, enum handshake_side from, const struct body *body,
                              struct parse_cache *cache)
{
	if (from == FROM_SERVER && body->type == TLS_CERTIFICATE_REQUEST)
		take_certificate_request(handshake, body, cache);
	else if (body->type == TLS_CERTIFICATE &&
	         (from == FROM_SERVER ? handshake->facts.server_certificate : handshake->facts.client_certificate))
		take_certificate(handshake, from, body, cache);
}

void handshake_record_body(struct handshake *handshake, enum handshake_side from, const struct body *body,
                           struct parse_cache *cache)
{
	/* a handshake has one message of each type: thousands of messages are not all parsed */
	if (handshake->facts.malformed)
		return;
	if (from == FROM_CLIENT && body->type == TLS_CLIENT_HELLO)
		take_client_hello_body(handshake, body);
	else if (from == FROM_SERVER && body->type == TLS_SERVER_HELLO)
		take_server_hello(handshake, body);
	else if (cache)
		take_certificates(handshake, from, body, cache);
}

static bool both_finished(const struct handshake_facts *facts)
{
	return facts->finished[FROM_CLIENT] && facts->finished[FROM_SERVER];
}

/* Milliseconds since the handshake began. */
static uint32_t milliseconds(const struct handshake *handshake, uint64_t time_ns)
{
	uint64_t since_ms = time_ns > handshake->start_ns ? (time_ns - handshake->start_ns) / 1000000 : 0;

	return since_ms < UINT32_MAX ? since_ms : UINT32_MAX;
}

static void add_encrypted(struct handshake *handshake, enum handshake_side from, const struct event_record *record)
{
	struct handshake_facts *facts = &handshake->facts;
	struct handshake_records *own = from == FROM_CLIENT ? &facts->client_records : &facts->server_records;
	struct handshake_records *other = from == FROM_CLIENT ? &facts->server_records : &facts->client_records;

	/* before ServerHello it is early data, or the two directions of a capture are not in step */
	if (!facts->server_hello) {
		facts->records_before_hello |= from == FROM_CLIENT;
		return;
	}
	if (own->count == HANDSHAKE_RECORDS_MAX)
		return;
	/* parting words of the side that did not close first */
	if (from == FROM_CLIENT && facts->end == END_FIN && facts->ended_by == FROM_SERVER)
		return;
	own->length[own->count] = record->length;
	own->after[own->count] = other->count;
	own->time_ms[own->count] = milliseconds(handshake, record->event.time_ns);
	own->count++;
}

static void add_renegotiation_record(struct handshake *handshake, enum handshake_side from,
                                     const struct event_record *record)
{
	struct handshake_facts *facts = &handshake->facts;
	struct handshake_records *own = from == FROM_CLIENT ? &facts->client_records : &facts->server_records;
	struct handshake_records *other = from == FROM_CLIENT ? &facts->server_records : &facts->client_records;

	/* the version of the connection stays in force (RFC 5746 section 3.7) */
	handshake->version = record->version;
	if (record->type == TLS_CHANGE_CIPHER_SPEC)
		facts->change_cipher_spec[from] = true;
	else if (record->type == TLS_HANDSHAKE && facts->change_cipher_spec[from])
		facts->finished[from] = true;
	if (own->count == HANDSHAKE_RECORDS_MAX)
		return;
	own->length[own->count] = record->length;
	own->type[own->count] = record->type;
	own->after[own->count] = other->count;
	own->count++;
}

/* Whoever closed early: the other side has completed the handshake all the same. */
static void complete(struct handshake *handshake)
{
	if (handshake->facts.end == END_NONE || handshake->facts.end == END_FIN)
		handshake->facts.end = END_COMPLETED;
}

/* The server goes on behind the client's flight, and the client's next record would not make that flight clearer. */
static bool server_went_on(const struct handshake_facts *facts)
{
	struct inference inference = inference_of(facts);

	return inference.reply == REPLY_WENT_ON && !inference.open;
}

void handshake_record_unread(struct handshake *handshake, enum handshake_side from, const struct event_record *record)
{
	struct handshake_facts *facts = &handshake->facts;
	struct handshake_step step = {
		.time_ns = record->event.time_ns,
		.length = record->length,
		.version = record->version,
		.kind = STEP_RECORD,
		.from = from,
		.type = record->type,
	};

	add_step(handshake, &step);
	if (from == FROM_CLIENT && server_has_left(facts))
		return;
	if (facts->renegotiation)
		add_renegotiation_record(handshake, from, record);
	else if (record->type == TLS_CHANGE_CIPHER_SPEC)
		facts->change_cipher_spec[from] = true;
	else if (record->type == TLS_HANDSHAKE) /* encrypted: in DTLS it may come before ChangeCipherSpec does */
		facts->finished[from] = true;
	else
		add_encrypted(handshake, from, record);
	if (both_finished(facts) || (facts->version_1_3 && server_went_on(facts)))
		complete(handshake);
}

void handshake_record_alert(struct handshake *handshake, enum handshake_side from, const struct event_alert *alert)
{
	struct handshake_step step = {
		.time_ns = alert->event.time_ns,
		.length = TLS_WALK_ALERT_LENGTH,
		.kind = STEP_ALERT,
		.from = from,
		.level = alert->level,
		.description = alert->description,
	};

	add_step(handshake, &step);
	if (handshake->facts.end != END_ALERT) {
		handshake->has_alert = true;
		handshake->alert = step;
	}
	/* an answer to a request in SSL 3.0 alone; the version is that of ServerHello */
	if (from == FROM_CLIENT && alert->description == ALERT_NO_CERTIFICATE &&
	    handshake->version == VERSION_SSL_3_0) {
		if (server_has_left(&handshake->facts))
			return;
		handshake->facts.no_certificate_alert = true;
		handshake->answer_ns = alert->event.time_ns;
		return;
	}
	/* close_notify is the last word of a side (RFC 5246 section 7.2.1): in a handshake, the end */
	if (alert->level == TLS_ALERT_FATAL || alert->description == ALERT_CLOSE_NOTIFY)
		handshake_record_end(handshake, END_ALERT, from, alert->event.time_ns);
	else
		return;
	/* a refusal counts even if it crosses the client's FIN */
	if (alert->description != ALERT_CLOSE_NOTIFY && from == FROM_SERVER && handshake->facts.end == END_FIN &&
	    handshake->facts.ended_by == FROM_CLIENT && handshake->facts.client_key_exchange) {
		handshake->facts.end = END_ALERT;
		handshake->facts.ended_by = FROM_SERVER;
	}
}

/* Whether the last encrypted record of this side is as long as an alert: TLS 1.3. */
static bool ends_with_alert(const struct handshake_facts *facts, enum handshake_side from)
{
	struct inference inference = inference_of(facts);

	if (from == FROM_CLIENT)
		return inference.flight == FLIGHT_ALERT;
	return inference.reply == REPLY_ALERT;
}

void handshake_record_not_tls(struct handshake *handshake, enum handshake_side from, uint64_t time_ns)
{
	struct handshake_facts *facts = &handshake->facts;

	/* either the server does not speak TLS, or this side ended TLS with an alert, or the stream lost its framing */
	if ((from == FROM_SERVER && !facts->server_hello) || (facts->version_1_3 && ends_with_alert(facts, from)))
		handshake_record_end(handshake, END_NOT_TLS, from, time_ns);
	else
		facts->malformed = true;
}

void handshake_record_blame(struct handshake *handshake)
{
	struct handshake_facts *facts = &handshake->facts;
	struct inference inference;

	if (!facts->version_1_3 || (facts->end != END_FIN && facts->end != END_RST))
		return;
	inference = inference_of(facts);
	if (inference.flight == FLIGHT_ALERT)
		facts->ended_by = FROM_CLIENT;
	else if (!facts->pre_shared_key && inference_refused(facts, &inference))
		facts->ended_by = FROM_SERVER;
}

void handshake_record_end(struct handshake *handshake, enum handshake_end end, enum handshake_side by, uint64_t time_ns)
{
	if (handshake->facts.end != END_NONE)
		return;
	handshake->facts.end = end;
	handshake->facts.ended_by = by;
	handshake->facts.end_ms = milliseconds(handshake, time_ns);
	if (end == END_FIN && by == FROM_CLIENT) {
		handshake->facts.client_closed_first = true;
		handshake->facts.client_closed_after = handshake->facts.server_records.count;
	}
	/* an SSL 2.0 server answers with the framing of SSL 2.0 */
	if (end == END_NOT_TLS && handshake->facts.ssl2_hello)
		handshake->facts.ssl2 = true;
}

bool handshake_record_ended(const struct handshake *handshake)
{
	switch (handshake->facts.end) {
	case END_COMPLETED:
	case END_ALERT:
	case END_RST:
	case END_NOT_TLS:
	case END_TIMEOUT:
		return true;
	default:
		return false;
	}
}

bool handshake_record_waits_for_server(const struct handshake *handshake)
{
	struct inference inference;

	if (!handshake->facts.version_1_3)
		return false;
	inference = inference_of(&handshake->facts);
	switch (inference.flight) {
	case FLIGHT_EMPTY:
	case FLIGHT_CERTIFICATE:
		return !inference.owing;
	case FLIGHT_FINISHED:
	case FLIGHT_ANSWER:
	case FLIGHT_CERTIFICATE_ONLY:
		return true;
	default:
		return inference.open;
	}
}

bool handshake_record_may_be_refused(const struct handshake *handshake)
{
	struct inference inference;

	if (!handshake->facts.version_1_3 || handshake->facts.pre_shared_key)
		return false;
	inference = inference_of(&handshake->facts);
	return (inference.reply == REPLY_NONE || inference.reply == REPLY_PARTING) && inference.flight != FLIGHT_NONE &&
	       inference.flight != FLIGHT_FINISHED;
}

void handshake_record_release(struct handshake *handshake)
{
	free(handshake->request);
	free(handshake->certificate);
	free(handshake->server_certificate);
	handshake->request = NULL;
	handshake->certificate = NULL;
	handshake->server_certificate = NULL;
}

void handshake_record_release_copy(struct handshake *copy, const struct handshake *original)
{
	if (copy->request == original->request)
		copy->request = NULL;
	if (copy->certificate == original->certificate)
		copy->certificate = NULL;
	if (copy->server_certificate == original->server_certificate)
		copy->server_certificate = NULL;
	handshake_record_release(copy);
}
