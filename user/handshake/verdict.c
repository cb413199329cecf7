// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/verdict.h"

#include <linux/types.h>
#include <stddef.h>

#include "bpf/shared/tls_walk.h"
#include "handshake/inference.h"
#include "handshake/renegotiation.h"
#include "handshake/verdict_library.h"

/* The client's answer to a request, from cleartext messages. */
static enum answer answer_of(const struct handshake_facts *facts)
{
	if (facts->client_certificate)
		return facts->client_certificate_empty ? ANSWER_EMPTY : ANSWER_CERTIFICATE;
	/* RFC 6101 section 5.6.6: a client of SSL 3.0 that has no certificate says so in an alert */
	if (facts->no_certificate_alert)
		return ANSWER_EMPTY;
	return ANSWER_NONE;
}

static bool both_finished(const struct handshake_facts *facts)
{
	return facts->finished[FROM_CLIENT] && facts->finished[FROM_SERVER];
}

/* Whether anything was seen that only a full handshake has (RFC 5246 section 7.3, figure 1). */
static bool full(const struct handshake_facts *facts)
{
	return facts->server_certificate || facts->server_key_exchange || facts->certificate_request ||
	       facts->server_hello_done || facts->client_certificate || facts->no_certificate_alert ||
	       facts->client_key_exchange;
}

/*
 * RFC 5246 section 7.3, figure 2: a resuming server sends ChangeCipherSpec after ServerHello, with at most a NewSessionTicket
 * between (RFC 5077 section 3.1). A DTLS flight with a lost middle looks the same, so the client must have offered the session.
 */
static bool abbreviated(const struct handshake_facts *facts)
{
	return facts->server_hello && facts->session_accepted && facts->change_cipher_spec[FROM_SERVER] && !full(facts);
}

/*
 * Whether one side answered a message of the other side that was not seen. Then the absence of other messages of that side proves
 * nothing.
 */
static bool one_side_missing(const struct handshake_facts *facts)
{
	bool client_changed = facts->change_cipher_spec[FROM_CLIENT] || facts->finished[FROM_CLIENT];
	/* behind a HelloRetryRequest ChangeCipherSpec means nothing (RFC 8446 appendix D.4) */
	bool server_changed =
		(facts->change_cipher_spec[FROM_SERVER] && facts->server_hello) || facts->finished[FROM_SERVER];

	if (facts->version_1_3 || abbreviated(facts))
		return false;
	/* behind its hello the client has nothing to say before ServerHelloDone, nor the server before the client's answer */
	if (!facts->server_hello_done)
		return client_changed || server_changed || facts->client_key_exchange || facts->client_certificate ||
		       facts->no_certificate_alert;
	/* the key exchange is always sent (RFC 5246 section 7.4.7): before ChangeCipherSpec, and the server's comes last */
	return (client_changed || server_changed) && !facts->client_key_exchange;
}

/* Nobody has ended the handshake: the tracer stopped, or time went by. A time-out is no end, and no fact. */
static bool may_go_on(const struct handshake_facts *facts)
{
	return facts->end == END_NONE || facts->end == END_TIMEOUT;
}

static bool ended_by_peer(const struct handshake_facts *facts, enum handshake_side side)
{
	return (facts->end == END_ALERT || facts->end == END_FIN || facts->end == END_RST ||
	        facts->end == END_NOT_TLS) &&
	       facts->ended_by == side;
}

/* Requested, and the handshake did not complete. */
static struct verdict judge_failed_request(const struct handshake_facts *facts, struct verdict verdict)
{
	if (may_go_on(facts)) {
		if (verdict.answer == ANSWER_NONE)
			verdict.answer = ANSWER_NOT_KNOWN;
		return verdict_unknown(verdict, REASON_UNFINISHED);
	}
	if (verdict.answer == ANSWER_NONE && !facts->client_key_exchange)
		return verdict_known(verdict, CLIENT_AUTH_UNANSWERED);
	/* after a request the client answers before its key exchange (RFC 5246 section 7.4.6) */
	if (verdict.answer == ANSWER_NONE)
		return verdict_unknown(verdict, REASON_MALFORMED);
	if (!ended_by_peer(facts, FROM_SERVER))
		return verdict_unknown(verdict, REASON_ABANDONED);
	return verdict_known(verdict, verdict.answer == ANSWER_CERTIFICATE ? CLIENT_AUTH_REJECTED_CERTIFICATE
	                                                                   : CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE);
}

static struct verdict judge_requested(const struct handshake_facts *facts, struct verdict verdict)
{
	verdict.requested = KNOWN_YES;
	verdict.answer = answer_of(facts);
	if (verdict.established != KNOWN_YES)
		return judge_failed_request(facts, verdict);
	if (verdict.answer == ANSWER_NONE)
		return verdict_unknown(verdict, REASON_MALFORMED);
	return verdict_known(verdict,
	                     verdict.answer == ANSWER_CERTIFICATE ? CLIENT_AUTH_PRESENTED : CLIENT_AUTH_DECLINED);
}

/* No CertificateRequest was seen: only a whole server flight proves its absence. */
static struct verdict judge_not_requested(const struct handshake_facts *facts, struct verdict verdict)
{
	/* only after a request may a client send a certificate (RFC 5246 section 7.4.6) */
	if (answer_of(facts) != ANSWER_NONE)
		return verdict_unknown(verdict, REASON_MALFORMED);
	if (abbreviated(facts)) {
		verdict.requested = KNOWN_NO;
		verdict.answer = ANSWER_NONE;
		verdict.resumed = KNOWN_YES;
		return verdict_known(verdict, CLIENT_AUTH_RESUMED);
	}
	if (facts->server_hello_done) {
		verdict.requested = KNOWN_NO;
		verdict.answer = ANSWER_NONE;
		return verdict_known(verdict, CLIENT_AUTH_NOT_REQUESTED);
	}
	if (may_go_on(facts))
		return verdict_unknown(verdict, REASON_UNFINISHED);
	return verdict_known(verdict, CLIENT_AUTH_FAILED_BEFORE_REQUEST);
}

static uint8_t established_by(const struct handshake_facts *facts, const struct inference *inference)
{
	if (!inference_is_possible(facts))
		return NOT_KNOWN;
	if (inference->flight == FLIGHT_NONE || inference->flight == FLIGHT_ALERT ||
	    inference->flight == FLIGHT_EMPTY_ONLY)
		return may_go_on(facts) ? NOT_KNOWN : KNOWN_NO;
	if (inference->reply == REPLY_WENT_ON)
		return KNOWN_YES;
	/* a padding client also hides its close_notify: the server's alert may answer that */
	if (inference->flight == FLIGHT_UNCLEAR || inference->flight == FLIGHT_ANSWER)
		return NOT_KNOWN;
	return inference_refused(facts, inference) ? KNOWN_NO : NOT_KNOWN;
}

/* The client answered a request. Whether the server took the answer, its records show; silence is neither yes nor no. */
static struct verdict judge_inferred_answer(const struct handshake_facts *facts, struct verdict verdict,
                                            const struct inference *inference)
{
	bool certificate = inference->flight == FLIGHT_CERTIFICATE;

	verdict.requested = KNOWN_YES;
	verdict.answer = certificate ? ANSWER_CERTIFICATE : ANSWER_EMPTY;
	if (inference->reply == REPLY_UNSEEN)
		return verdict_unknown(verdict, REASON_ENCRYPTED);
	if (inference_refused(facts, inference))
		return verdict_known(verdict, certificate ? CLIENT_AUTH_REJECTED_CERTIFICATE
		                                          : CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE);
	if (verdict.established != KNOWN_YES && may_go_on(facts))
		return verdict_unknown(verdict, REASON_UNFINISHED);
	if (verdict.established != KNOWN_YES)
		return verdict_unknown(verdict, REASON_ABANDONED);
	return verdict_known(verdict, certificate ? CLIENT_AUTH_PRESENTED : CLIENT_AUTH_DECLINED);
}

/* The client sent no answer. The server's own flight may show a request. */
static struct verdict judge_without_flight(const struct handshake_facts *facts, struct verdict verdict,
                                           const struct inference *inference)
{
	bool asked = inference->request == REQUEST_CERTAIN;

	if (asked) {
		verdict.requested = KNOWN_YES;
		verdict.server_agrees = true;
	}
	if (facts->end == END_NONE || (inference->flight == FLIGHT_NONE && may_go_on(facts)))
		return verdict_unknown(verdict, REASON_UNFINISHED);
	if (asked)
		verdict.answer = ANSWER_NONE;
	return verdict_known(verdict, asked ? CLIENT_AUTH_UNANSWERED : CLIENT_AUTH_FAILED_BEFORE_REQUEST);
}

static struct verdict judge_inferred(const struct handshake_facts *facts, struct verdict verdict,
                                     const struct inference *inference)
{
	switch (inference->flight) {
	case FLIGHT_NONE:
	case FLIGHT_ALERT:
		return judge_without_flight(facts, verdict, inference);
	case FLIGHT_FINISHED:
		verdict.requested = KNOWN_NO;
		verdict.answer = ANSWER_NONE;
		return verdict_known(verdict, CLIENT_AUTH_NOT_REQUESTED);
	case FLIGHT_EMPTY:
	case FLIGHT_EMPTY_ONLY:
	case FLIGHT_CERTIFICATE:
		return judge_inferred_answer(facts, verdict, inference);
	case FLIGHT_CERTIFICATE_ONLY:
		/* acceptance needs a whole flight: the client may hesitate after this record */
		verdict.requested = KNOWN_YES;
		if (!inference_refused(facts, inference))
			return verdict_unknown(verdict, REASON_PADDING);
		verdict.answer = ANSWER_CERTIFICATE;
		return verdict_known(verdict, CLIENT_AUTH_REJECTED_CERTIFICATE);
	case FLIGHT_ANSWER:
		verdict.requested = KNOWN_YES;
		return verdict_unknown(verdict, REASON_PADDING);
	default:
		if (inference->request == REQUEST_CERTAIN)
			verdict.requested = KNOWN_YES;
		return verdict_unknown(verdict, REASON_PADDING);
	}
}

/* TLS 1.3: everything behind ServerHello is encrypted, and known by its length at best. */
static struct verdict judge_encrypted(const struct handshake_facts *facts, struct verdict verdict)
{
	struct inference inference = inference_of(facts);

	/* a session's key or an external key: ClientHello alone tells */
	if (facts->pre_shared_key && facts->client_hello_unread)
		return verdict_unknown(verdict, REASON_GAP);
	/* RFC 8446 section 4.3.2: a server that authenticates with a PSK must not send a CertificateRequest */
	if (facts->pre_shared_key) {
		verdict.established = established_by(facts, &inference);
		verdict.requested = KNOWN_NO;
		verdict.answer = ANSWER_NONE;
		verdict.resumed = facts->external_key ? KNOWN_NO : KNOWN_YES;
		return verdict_known(verdict, facts->external_key ? CLIENT_AUTH_PSK : CLIENT_AUTH_RESUMED);
	}
	verdict.evidence = EVIDENCE_INFERRED;
	verdict.resumed = KNOWN_NO;
	if (!inference_is_possible(facts))
		return verdict_unknown(verdict, REASON_ENCRYPTED);
	if (facts->early_data)
		return verdict_unknown(verdict, REASON_EARLY_DATA);
	/* what came so early was not early data: the flight, seen out of step */
	if (facts->records_before_hello)
		return verdict_unknown(verdict, REASON_GAP);
	verdict.established = established_by(facts, &inference);
	verdict.server_agrees = inference.server_agrees;
	return judge_inferred(facts, verdict, &inference);
}

static struct verdict judge_cleartext(const struct handshake_facts *facts, struct verdict verdict)
{
	if (both_finished(facts))
		verdict.established = KNOWN_YES;
	else if (!may_go_on(facts))
		verdict.established = KNOWN_NO;
	if (full(facts))
		verdict.resumed = KNOWN_NO;
	if (facts->certificate_request)
		return judge_requested(facts, verdict);
	return judge_not_requested(facts, verdict);
}

/* Whether the server said no to the client's flight: an encrypted alert behind the client's Finished, or the end. */
static bool server_refused(const struct handshake_facts *facts)
{
	const struct handshake_records *server = &facts->server_records;

	if (facts->finished[FROM_SERVER] || !facts->finished[FROM_CLIENT])
		return false;
	for (uint8_t index = 0; index < server->count; index++)
		if (server->type[index] == TLS_ALERT && server->after[index] == facts->client_records.count)
			return true;
	return ended_by_peer(facts, FROM_SERVER);
}

static struct verdict judge_renegotiated_answer(const struct handshake_facts *facts, struct verdict verdict)
{
	bool certificate = verdict.answer == ANSWER_CERTIFICATE;

	verdict.requested = KNOWN_YES;
	if (verdict.answer == ANSWER_NOT_KNOWN)
		return verdict_unknown(verdict, REASON_ENCRYPTED);
	if (both_finished(facts))
		return verdict_known(verdict, certificate ? CLIENT_AUTH_PRESENTED : CLIENT_AUTH_DECLINED);
	if (may_go_on(facts) && !server_refused(facts))
		return verdict_unknown(verdict, REASON_UNFINISHED);
	if (!server_refused(facts))
		return verdict_unknown(verdict, REASON_ABANDONED);
	return verdict_known(verdict,
	                     certificate ? CLIENT_AUTH_REJECTED_CERTIFICATE : CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE);
}

/* A handshake in an established connection, which survives a refusal. */
static struct verdict judge_renegotiation(const struct handshake_facts *facts, struct verdict verdict)
{
	enum renegotiated renegotiated = renegotiation_of(facts);

	verdict.evidence = EVIDENCE_INFERRED;
	verdict.resumed = renegotiated == RENEGOTIATED_SESSION ? KNOWN_YES : NOT_KNOWN;
	switch (renegotiated) {
	case RENEGOTIATED_NOTHING:
		if (both_finished(facts))
			return verdict_unknown(verdict, REASON_MALFORMED);
		return may_go_on(facts) ? verdict_unknown(verdict, REASON_UNFINISHED)
		                        : verdict_known(verdict, CLIENT_AUTH_FAILED_BEFORE_REQUEST);
	case RENEGOTIATED_SESSION:
	case RENEGOTIATED_NOT_REQUESTED:
		verdict.requested = KNOWN_NO;
		verdict.answer = ANSWER_NONE;
		return verdict_known(verdict, renegotiated == RENEGOTIATED_SESSION ? CLIENT_AUTH_RESUMED
		                                                                   : CLIENT_AUTH_NOT_REQUESTED);
	case RENEGOTIATED_EMPTY:
		verdict.answer = ANSWER_EMPTY;
		return judge_renegotiated_answer(facts, verdict);
	case RENEGOTIATED_CERTIFICATE:
		verdict.answer = ANSWER_CERTIFICATE;
		return judge_renegotiated_answer(facts, verdict);
	case RENEGOTIATED_ANSWER:
		return judge_renegotiated_answer(facts, verdict);
	default:
		return verdict_unknown(verdict, may_go_on(facts) ? REASON_UNFINISHED : REASON_ENCRYPTED);
	}
}

/* What the wire shows alone. */
static struct verdict verdict_of_wire(const struct handshake_facts *facts)
{
	struct verdict verdict = {
		.client_auth = CLIENT_AUTH_UNKNOWN,
		.evidence = EVIDENCE_CLEARTEXT,
		.requested = facts->certificate_request ? KNOWN_YES : NOT_KNOWN,
		.answer = answer_of(facts) == ANSWER_NONE ? ANSWER_NOT_KNOWN : answer_of(facts),
		.established = both_finished(facts) ? KNOWN_YES : NOT_KNOWN,
		.resumed = NOT_KNOWN,
	};

	if (facts->plaintext) {
		verdict.requested = KNOWN_NO;
		verdict.answer = ANSWER_NONE;
		verdict.established = KNOWN_NO;
		verdict.resumed = KNOWN_NO;
		return verdict_known(verdict, CLIENT_AUTH_NOT_TLS);
	}
	if (facts->lost_events)
		return verdict_unknown(verdict, REASON_LOST_EVENTS);
	if (facts->ssl2)
		return verdict_unknown(verdict, REASON_SSL2);
	if (facts->malformed)
		return verdict_unknown(verdict, REASON_MALFORMED);
	/* DTLS reports Finished even if earlier messages are missing: both Finished do not prove a whole handshake */
	if (facts->gap)
		return verdict_unknown(verdict, REASON_GAP);
	if (facts->renegotiation)
		return judge_renegotiation(facts, verdict);
	/* without the version only a cleartext flight, impossible in TLS 1.3, can be judged */
	if (facts->server_hello_unread && !facts->server_hello_done)
		return verdict_unknown(verdict, REASON_GAP);
	if (facts->midstream || !facts->client_hello)
		return verdict_unknown(verdict, REASON_MIDSTREAM);
	if (one_side_missing(facts))
		return verdict_unknown(verdict, REASON_GAP);
	/* behind ServerHello TLS 1.3 has no message in cleartext */
	if (facts->version_1_3 && (full(facts) || facts->finished[FROM_CLIENT] || facts->finished[FROM_SERVER]))
		return verdict_unknown(verdict, REASON_MALFORMED);
	if (facts->version_1_3)
		return judge_encrypted(facts, verdict);
	return judge_cleartext(facts, verdict);
}

struct verdict verdict_of(const struct handshake_facts *facts)
{
	struct verdict wire;

	/* no packet shows this handshake, or no packet was seen */
	if (facts->library.post_handshake || (facts->library.renegotiation && !facts->renegotiation))
		return verdict_of_later(facts);
	wire = verdict_of_wire(facts);
	return facts->library.seen ? verdict_with_library(facts, wire) : wire;
}
