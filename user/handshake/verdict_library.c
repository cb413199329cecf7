// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/verdict_library.h"

#include "handshake/inference.h"
#include "handshake/verdict_value.h"

/*
 * Whether the server's flight was seen to its end: only then does a missing request prove that the server did not ask. The order
 * of messages is enforced (transcript.h), and Finished and ServerHelloDone follow the place of the request.
 */
static bool server_flight_is_whole(const struct library_view *view)
{
	if (!view->server_hello)
		return false;
	return view->server_finished || (!view->version_1_3 && view->server_hello_done);
}

static bool is_resumed(const struct library_view *view)
{
	if (view->version_1_3)
		return view->pre_shared_key && !view->external_key;
	return view->server_finished && !view->server_hello_done;
}

/* The verdict of a server's flight that is whole and has no request. */
static enum client_auth not_requested_by(const struct library_view *view)
{
	if (view->version_1_3 && view->pre_shared_key && view->external_key)
		return CLIENT_AUTH_PSK;
	return is_resumed(view) ? CLIENT_AUTH_RESUMED : CLIENT_AUTH_NOT_REQUESTED;
}

static uint8_t requested_by(const struct library_view *view)
{
	if (view->certificate_request)
		return KNOWN_YES;
	/* post-handshake authentication without a request does not exist */
	return server_flight_is_whole(view) && !view->post_handshake ? KNOWN_NO : NOT_KNOWN;
}

static uint8_t answer_of(const struct library_view *view)
{
	if (view->client_certificate)
		return view->client_certificate_empty ? ANSWER_EMPTY : ANSWER_CERTIFICATE;
	return requested_by(view) == KNOWN_NO ? ANSWER_NONE : ANSWER_NOT_KNOWN;
}

/*
 * A server's library that went on to the client's Finished, or in a full handshake up to TLS 1.2 sent its own Finished, took the
 * answer. A missing Finished proves nothing: the event may be lost.
 */
static uint8_t established_by(const struct library_view *view)
{
	if (view->by_server && view->client_finished && (view->version_1_3 || view->server_finished))
		return KNOWN_YES;
	if (!view->version_1_3 && view->server_hello_done && view->client_finished && view->server_finished)
		return KNOWN_YES;
	return NOT_KNOWN;
}

static bool both_known(uint8_t one, uint8_t other)
{
	return one != NOT_KNOWN && other != NOT_KNOWN;
}

/* Whether both cannot be true. */
static bool contradict(const struct verdict *one, const struct verdict *other)
{
	if (both_known(one->requested, other->requested) && one->requested != other->requested)
		return true;
	if (both_known(one->resumed, other->resumed) && one->resumed != other->resumed)
		return true;
	if (both_known(one->established, other->established) && one->established != other->established)
		return true;
	return one->answer != ANSWER_NOT_KNOWN && other->answer != ANSWER_NOT_KNOWN && one->answer != other->answer;
}

static enum client_auth completed_with(uint8_t answer)
{
	return answer == ANSWER_CERTIFICATE ? CLIENT_AUTH_PRESENTED : CLIENT_AUTH_DECLINED;
}

static enum client_auth rejected_with(uint8_t answer)
{
	return answer == ANSWER_CERTIFICATE ? CLIENT_AUTH_REJECTED_CERTIFICATE
	                                    : CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE;
}

/*
 * Whether the server refused the answer that its library saw. The wire does not know the answer, for the client's padding, but
 * shows the refusal after the client's only record. So no hidden alert of the client can be the reason. A missing Finished at the
 * library proves nothing by itself.
 */
static bool answer_refused(const struct handshake_facts *facts, const struct verdict *wire)
{
	const struct library_view *view = &facts->library;
	struct inference inference;

	if (wire->reason != REASON_PADDING || !view->by_server || view->client_finished || view->damaged)
		return false;
	inference = inference_of(facts);
	return inference.open && inference_refused(facts, &inference);
}

/* Whether the wire took silence for consent, while the server's own library has not gone on. */
static bool silence_is_no_consent(const struct library_view *view, const struct verdict *wire)
{
	return view->by_server && !view->damaged && !view->client_finished && wire->established == NOT_KNOWN &&
	       (wire->client_auth == CLIENT_AUTH_PRESENTED || wire->client_auth == CLIENT_AUTH_DECLINED);
}

/* The library saw request and answer; whether the answer was taken the wire may have to say. */
static struct verdict judge_answer(const struct handshake_facts *facts, struct verdict verdict,
                                   const struct verdict *wire)
{
	/* the wire may know that the server went on even if the answer is unknown */
	if (wire->client_auth == CLIENT_AUTH_UNKNOWN && wire->established == KNOWN_YES)
		verdict.established = KNOWN_YES;
	if (verdict.established == KNOWN_YES)
		return verdict_known(verdict, completed_with(verdict.answer));
	if (silence_is_no_consent(&facts->library, wire))
		return verdict_unknown(verdict, REASON_ABANDONED);
	/* if the wire misread the flight, the wire misread the reply, too */
	if (wire->client_auth != CLIENT_AUTH_UNKNOWN && wire->answer == verdict.answer) {
		verdict.established = wire->established;
		return verdict_known(verdict, wire->client_auth);
	}
	if (wire->client_auth != CLIENT_AUTH_UNKNOWN)
		return verdict_unknown(verdict, REASON_PADDING);
	if (answer_refused(facts, wire)) {
		verdict.established = KNOWN_NO;
		return verdict_known(verdict, rejected_with(verdict.answer));
	}
	return verdict_unknown(verdict, wire->reason);
}

/* The library saw the request, and no answer. */
static struct verdict judge_no_answer(const struct library_view *view, struct verdict verdict,
                                      const struct verdict *wire)
{
	if (silence_is_no_consent(view, wire)) {
		verdict.answer = wire->answer;
		return verdict_unknown(verdict, REASON_ABANDONED);
	}
	if (wire->client_auth == CLIENT_AUTH_FAILED_BEFORE_REQUEST || wire->client_auth == CLIENT_AUTH_UNANSWERED) {
		verdict.established = wire->established;
		verdict.answer = ANSWER_NONE;
		return verdict_known(verdict, CLIENT_AUTH_UNANSWERED);
	}
	/* the wire saw an answer: a request precedes the answer */
	if (wire->requested == KNOWN_YES && wire->client_auth != CLIENT_AUTH_UNKNOWN)
		return *wire;
	verdict.answer =
		wire->answer == ANSWER_CERTIFICATE || wire->answer == ANSWER_EMPTY ? wire->answer : ANSWER_NOT_KNOWN;
	if (wire->client_auth == CLIENT_AUTH_UNKNOWN)
		return verdict_unknown(verdict, wire->reason);
	return verdict_unknown(verdict, REASON_PADDING);
}

static struct verdict judge(const struct handshake_facts *facts, const struct verdict *wire)
{
	const struct library_view *view = &facts->library;
	struct verdict verdict = {
		.evidence = view->decrypted ? EVIDENCE_DECRYPTED : EVIDENCE_LIBRARY,
		.requested = requested_by(view),
		.answer = answer_of(view),
		.established = established_by(view),
		.resumed = server_flight_is_whole(view) ? (is_resumed(view) ? KNOWN_YES : KNOWN_NO) : NOT_KNOWN,
	};

	if (verdict.requested == KNOWN_NO) {
		if (verdict.established == NOT_KNOWN &&
		    (wire->requested == KNOWN_NO || wire->client_auth == CLIENT_AUTH_FAILED_BEFORE_REQUEST))
			verdict.established = wire->established;
		return verdict_known(verdict, not_requested_by(view));
	}
	if (verdict.answer == ANSWER_NOT_KNOWN)
		return judge_no_answer(view, verdict, wire);
	return judge_answer(facts, verdict, wire);
}

/*
 * Whether a library may decide where the wire's verdict is unknown for this reason. Not if the stream left the protocol or was
 * not seen from its beginning: then the two did not see the same handshake.
 */
static bool may_overrule(uint8_t reason)
{
	switch (reason) {
	case REASON_ENCRYPTED:
	case REASON_PADDING:
	case REASON_EARLY_DATA:
	case REASON_GAP:
	case REASON_LOST_EVENTS:
	case REASON_UNFINISHED:
	case REASON_ABANDONED:
		return true;
	default:
		return false;
	}
}

/*
 * Whether a library denies a request or an answer that was read in cleartext. The cleartext stands, even if the rest of the wire's
 * verdict is unknown: such a denial is a mistake or a lie.
 */
static bool denies_what_was_read(const struct handshake_facts *facts, const struct verdict *library)
{
	uint8_t answer = facts->client_certificate_empty ? ANSWER_EMPTY : ANSWER_CERTIFICATE;

	if (facts->client_certificate && library->answer != ANSWER_NOT_KNOWN && library->answer != answer)
		return true;
	return (facts->certificate_request || facts->client_certificate || facts->no_certificate_alert) &&
	       library->requested != KNOWN_YES;
}

/* One of two views of this end is wrong, and nobody knows which: what was read on the wire stands, an inference does not. */
static struct verdict contradicted(struct verdict wire)
{
	wire.conflict = true;
	if (wire.evidence == EVIDENCE_CLEARTEXT)
		return wire;
	wire.requested = NOT_KNOWN;
	wire.answer = ANSWER_NOT_KNOWN;
	return verdict_unknown(wire, REASON_ENCRYPTED);
}

struct verdict verdict_with_library(const struct handshake_facts *facts, struct verdict wire)
{
	const struct library_view *view = &facts->library;
	struct verdict library;

	if (view->contradicted)
		return contradicted(wire);
	/* the library saw no whole flight and no request: absence proves nothing */
	if (requested_by(view) == NOT_KNOWN)
		return wire;
	if (wire.client_auth == CLIENT_AUTH_UNKNOWN && !may_overrule(wire.reason))
		return wire;
	library = judge(facts, &wire);
	library.conflict = contradict(&library, &wire);
	/* what was read on the wire is as strong, and nobody's account of himself */
	if (wire.evidence == EVIDENCE_CLEARTEXT && wire.client_auth != CLIENT_AUTH_UNKNOWN) {
		wire.conflict = library.conflict;
		return wire;
	}
	/* what was read says as much: the library adds nothing */
	if (wire.evidence == EVIDENCE_CLEARTEXT && library.client_auth == CLIENT_AUTH_UNKNOWN &&
	    library.requested == wire.requested) {
		wire.conflict = library.conflict;
		return wire;
	}
	if (denies_what_was_read(facts, &library)) {
		wire.conflict = true;
		return wire;
	}
	return library;
}

struct verdict verdict_of_later(const struct handshake_facts *facts)
{
	const struct verdict nothing = {
		.client_auth = CLIENT_AUTH_UNKNOWN,
		.evidence = EVIDENCE_LIBRARY,
		.reason = facts->library.damaged ? REASON_LOST_EVENTS : REASON_ABANDONED,
		.requested = NOT_KNOWN,
		.answer = ANSWER_NOT_KNOWN,
		.established = NOT_KNOWN,
		.resumed = NOT_KNOWN,
	};
	struct verdict verdict = judge(facts, &nothing);

	if (requested_by(&facts->library) == NOT_KNOWN)
		return nothing;
	/* nobody has answered yet */
	if (verdict.client_auth == CLIENT_AUTH_UNKNOWN && verdict.answer == ANSWER_NOT_KNOWN && !facts->library.damaged)
		return verdict_unknown(verdict, REASON_UNFINISHED);
	return verdict;
}
