/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * verdict_invariants - what must hold between what was seen of a handshake and what it is said to mean, whatever was seen.
 * The tests of the verdict ask it of every combination of facts, those of the connections and their fuzzer of every report.
 */
#ifndef VERDICT_INVARIANTS_H
#define VERDICT_INVARIANTS_H

#include "handshake/handshake.h"
#include "handshake/verdict.h"

#include <stddef.h>
#include <string.h>

static inline bool facts_both_finished(const struct handshake_facts *facts)
{
	return facts->finished[FROM_CLIENT] && facts->finished[FROM_SERVER];
}

static inline bool facts_answered(const struct handshake_facts *facts)
{
	return facts->client_certificate || facts->no_certificate_alert;
}

/* The client said something that answers the server's flight. */
static inline bool facts_client_went_on(const struct handshake_facts *facts)
{
	return facts_answered(facts) || facts->client_key_exchange || facts->change_cipher_spec[FROM_CLIENT] ||
	       facts->finished[FROM_CLIENT];
}

/* The server encrypts; what comes behind a HelloRetryRequest is no sign of it (RFC 8446 appendix D.4). */
static inline bool facts_server_changed(const struct handshake_facts *facts)
{
	return (facts->server_hello && facts->change_cipher_spec[FROM_SERVER]) || facts->finished[FROM_SERVER];
}

/* The server ended it: an alert, a FIN, a reset, or something else than TLS. */
static inline bool facts_ended_by_server(const struct handshake_facts *facts)
{
	return facts->ended_by == FROM_SERVER &&
	       (facts->end == END_ALERT || facts->end == END_FIN || facts->end == END_RST || facts->end == END_NOT_TLS);
}

static inline const char *broken_form(const struct verdict *verdict)
{
	if (verdict->client_auth >= CLIENT_AUTHS || verdict->evidence >= EVIDENCES || verdict->reason >= REASONS ||
	    verdict->requested > NOT_KNOWN || verdict->answer > ANSWER_EMPTY || verdict->established > NOT_KNOWN ||
	    verdict->resumed > NOT_KNOWN)
		return "a value that is none";
	if ((verdict->client_auth == CLIENT_AUTH_UNKNOWN) != (verdict->reason != REASON_NONE))
		return "a reason without unknown, or unknown without a reason";
	return NULL;
}

/* What is missing makes the verdict unknown. */
static inline const char *broken_certainty(const struct handshake_facts *facts, const struct verdict *verdict)
{
	if (verdict->client_auth == CLIENT_AUTH_UNKNOWN || verdict->client_auth == CLIENT_AUTH_NOT_TLS)
		return NULL;
	if (facts->lost_events)
		return "known although events were lost";
	if (facts->gap)
		return "known although bytes are missing";
	if (facts->midstream || !facts->client_hello)
		return "known although the beginning was not seen";
	if (facts->malformed)
		return "known although it left the protocol";
	if (facts->ssl2)
		return "known although it is SSL 2.0";
	if (facts->server_hello_unread && !facts->server_hello_done)
		return "known although ServerHello was not read";
	return NULL;
}

static inline bool verdict_says_no(const struct verdict *verdict)
{
	return verdict->client_auth == CLIENT_AUTH_NOT_REQUESTED || verdict->client_auth == CLIENT_AUTH_RESUMED ||
	       verdict->client_auth == CLIENT_AUTH_PSK || verdict->client_auth == CLIENT_AUTH_NOT_TLS;
}

/* "Not requested" has to be proved. */
static inline const char *broken_no(const struct handshake_facts *facts, const struct verdict *verdict)
{
	if (facts->certificate_request && verdict->requested != KNOWN_YES)
		return "CertificateRequest was seen, and requested is not yes";
	if (facts->certificate_request &&
	    (verdict_says_no(verdict) || verdict->client_auth == CLIENT_AUTH_FAILED_BEFORE_REQUEST))
		return "CertificateRequest was seen, and the verdict denies it";
	if (facts_answered(facts) && verdict_says_no(verdict))
		return "the client answered a request, and the verdict denies that there was one";
	if ((verdict->requested == KNOWN_NO) != verdict_says_no(verdict))
		return "requested no, and a verdict that does not say so, or the other way round";
	if (verdict->client_auth == CLIENT_AUTH_NOT_REQUESTED && !facts->version_1_3 && !facts->server_hello_done)
		return "not_requested without ServerHelloDone";
	if (verdict->client_auth == CLIENT_AUTH_NOT_REQUESTED && facts->version_1_3 && !facts->client_records.count)
		return "not_requested in TLS 1.3 without a record of the client's";
	return NULL;
}

/* RFC 5246 section 7.3, figure 2; RFC 8446 section 4.3.2 */
static inline const char *broken_resumption(const struct handshake_facts *facts, const struct verdict *verdict)
{
	if (verdict->client_auth == CLIENT_AUTH_RESUMED && verdict->resumed != KNOWN_YES)
		return "the verdict resumed, and resumed is not yes";
	if (verdict->client_auth == CLIENT_AUTH_PSK && verdict->resumed != KNOWN_NO)
		return "the verdict psk, and resumed is not no";
	if (verdict->resumed != KNOWN_YES)
		return NULL;
	if (facts->version_1_3)
		return facts->pre_shared_key ? NULL : "resumed in TLS 1.3 without pre_shared_key";
	if (!facts->server_hello || !facts->change_cipher_spec[FROM_SERVER])
		return "resumed without ServerHello and the server's ChangeCipherSpec";
	if (facts->server_certificate || facts->server_key_exchange || facts->server_hello_done ||
	    facts->client_key_exchange || facts->client_certificate)
		return "resumed with a message of a full handshake";
	return NULL;
}

static inline bool verdict_completed(const struct verdict *verdict)
{
	return verdict->client_auth == CLIENT_AUTH_PRESENTED || verdict->client_auth == CLIENT_AUTH_DECLINED;
}

static inline bool verdict_rejected(const struct verdict *verdict)
{
	return verdict->client_auth == CLIENT_AUTH_REJECTED_CERTIFICATE ||
	       verdict->client_auth == CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE;
}

/* Versions up to TLS 1.2, whose answers are in cleartext */
static inline const char *broken_answer(const struct handshake_facts *facts, const struct verdict *verdict)
{
	bool certificate = facts->client_certificate && !facts->client_certificate_empty;

	if (verdict->answer == ANSWER_CERTIFICATE && !certificate)
		return "an answer with a certificate that was not seen";
	if (verdict->answer == ANSWER_EMPTY && (certificate || !facts_answered(facts)))
		return "an answer without a certificate that was not seen";
	if (facts_answered(facts) && verdict->answer == ANSWER_NONE)
		return "no answer although one was seen";
	if (verdict->established == KNOWN_YES && !facts_both_finished(facts))
		return "established without both Finished";
	if (verdict->established == KNOWN_NO && (facts_both_finished(facts) || facts->end == END_NONE))
		return "not established although both finished, or the handshake goes on";
	if (verdict->evidence != EVIDENCE_CLEARTEXT)
		return "evidence other than cleartext";
	return NULL;
}

static inline const char *broken_outcome(const struct handshake_facts *facts, const struct verdict *verdict)
{
	bool certificate = verdict->answer == ANSWER_CERTIFICATE;

	if (verdict_completed(verdict) && (!facts->certificate_request || !facts_both_finished(facts) ||
	                                   certificate != (verdict->client_auth == CLIENT_AUTH_PRESENTED)))
		return "presented or declined without request, answer and both Finished";
	if (verdict_rejected(verdict) &&
	    (!facts->certificate_request || !facts_answered(facts) || !facts_ended_by_server(facts) ||
	     facts_both_finished(facts) || certificate != (verdict->client_auth == CLIENT_AUTH_REJECTED_CERTIFICATE)))
		return "rejected without request, answer and an end by the server";
	if (verdict->client_auth == CLIENT_AUTH_UNANSWERED &&
	    (!facts->certificate_request || facts_client_went_on(facts) || facts_server_changed(facts) ||
	     facts->end == END_NONE))
		return "unanswered without request, with an answer or what follows one, or without an end";
	if (verdict->client_auth == CLIENT_AUTH_FAILED_BEFORE_REQUEST &&
	    (facts->end == END_NONE || facts->server_hello_done || facts_client_went_on(facts) ||
	     facts_server_changed(facts)))
		return "failed_before_request without an end, or behind the place of the request";
	if (verdict->client_auth == CLIENT_AUTH_NOT_REQUESTED && !facts->client_key_exchange &&
	    (facts_client_went_on(facts) || facts_server_changed(facts)))
		return "not_requested although the client's side is not all there";
	return NULL;
}

/* All of a renegotiation is inferred, from nothing but types and lengths of records. */
static inline const char *broken_renegotiation(const struct handshake_facts *facts, const struct verdict *verdict)
{
	if (verdict->client_auth != CLIENT_AUTH_UNKNOWN && (facts->lost_events || facts->gap))
		return "a renegotiation is known although something of it was lost";
	if (verdict->client_auth != CLIENT_AUTH_UNKNOWN && verdict->evidence != EVIDENCE_INFERRED)
		return "a renegotiation is known, and not inferred";
	if ((verdict->requested == KNOWN_NO) != verdict_says_no(verdict))
		return "requested no, and a verdict that does not say so, or the other way round";
	if (verdict_says_no(verdict) && !facts->change_cipher_spec[FROM_CLIENT])
		return "a renegotiation without request, and without the client's ChangeCipherSpec";
	if (verdict_completed(verdict) && !facts_both_finished(facts))
		return "presented or declined without both Finished";
	if (verdict_rejected(verdict) && (facts->finished[FROM_SERVER] || facts->end == END_NONE))
		return "rejected, and the server has finished, or nobody has ended";
	return NULL;
}

/* What does not hold, NULL where all does. */
static inline const char *verdict_broken(const struct handshake_facts *facts, const struct verdict *verdict)
{
	const char *broken = broken_form(verdict);

	/* what was read is never denied; what follows is of the wire alone, and a library's view has invariants of its own, below */
	if (!broken && facts->certificate_request && verdict->requested != KNOWN_YES)
		broken = "CertificateRequest was seen, and requested is not yes";
	if (!broken && facts_answered(facts) && verdict->requested == KNOWN_NO)
		broken = "the client answered a request, and the verdict denies that there was one";
	if (verdict->evidence == EVIDENCE_LIBRARY)
		return broken;
	if (facts->renegotiation)
		return broken ? broken : broken_renegotiation(facts, verdict);
	if (!broken)
		broken = broken_certainty(facts, verdict);
	if (!broken)
		broken = broken_no(facts, verdict);
	if (!broken)
		broken = broken_resumption(facts, verdict);
	if (!broken && !facts->version_1_3)
		broken = broken_answer(facts, verdict);
	if (!broken && !facts->version_1_3)
		broken = broken_outcome(facts, verdict);
	return broken;
}

/* A refusal that the wire does not put in words: the server's library stood still, and nothing of the client's came in between. */
static inline const char *broken_refusal(const struct handshake_facts *facts, const struct verdict *wire)
{
	const struct library_view *view = &facts->library;

	if (wire->client_auth != CLIENT_AUTH_UNKNOWN || wire->reason != REASON_PADDING)
		return "rejected, and the wire says something else";
	if (!view->by_server || view->damaged || view->client_finished || !view->client_certificate)
		return "rejected, and the server's library does not end with the client's answer";
	if (facts->client_records.count != 1 || facts->client_closed_first)
		return "rejected, and the client may have left";
	if (facts->end != END_ALERT && facts->end != END_FIN && facts->end != END_RST && facts->end != END_NOT_TLS)
		return "rejected, and nobody has ended it";
	return NULL;
}

/* What does not hold between what a library saw, the verdict of the wire alone, and that of both; NULL where all does. */
static inline const char *verdict_broken_by_library(const struct handshake_facts *facts, const struct verdict *wire,
                                                    const struct verdict *both)
{
	const struct library_view *view = &facts->library;
	bool whole = view->server_hello && (view->server_finished || (!view->version_1_3 && view->server_hello_done));

	if (broken_form(both))
		return broken_form(both);
	if (both->evidence != EVIDENCE_LIBRARY)
		return memcmp(both, wire, offsetof(struct verdict, conflict)) ? "the wire's verdict is altered" : NULL;
	if (both->requested == KNOWN_NO && (view->certificate_request || !whole))
		return "no, without the whole of the server's flight or in spite of a request";
	if (view->certificate_request && both->requested != KNOWN_YES)
		return "a request was seen, and is not told";
	if (verdict_completed(both) && !(view->client_certificate && view->certificate_request))
		return "completed with an answer that was not seen";
	if (verdict_completed(both) && both->established != KNOWN_YES && both->client_auth != wire->client_auth)
		return "completed, and nobody says so";
	if (verdict_rejected(both) && (both->client_auth != wire->client_auth || both->answer != wire->answer) &&
	    broken_refusal(facts, wire))
		return broken_refusal(facts, wire);
	if (both->client_auth == CLIENT_AUTH_UNANSWERED &&
	    (view->client_certificate || wire->client_auth != CLIENT_AUTH_FAILED_BEFORE_REQUEST))
		return "unanswered in spite of an answer";
	if (both->answer == ANSWER_CERTIFICATE && view->client_certificate && view->client_certificate_empty)
		return "an empty answer is told as a certificate";
	if (both->answer == ANSWER_EMPTY && view->client_certificate && !view->client_certificate_empty)
		return "a certificate is told as an empty answer";
	if (wire->reason == REASON_MALFORMED)
		return "the wire left the protocol, and the library is believed";
	return NULL;
}

#endif /* VERDICT_INVARIANTS_H */
