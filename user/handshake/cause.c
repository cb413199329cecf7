// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/cause.h"

#include <stdio.h>

#include "handshake/inference.h"
#include "handshake/library_reason.h"
#include "tls/protocol.h"

static void set_detail(struct failure *failure, const char *words)
{
	snprintf(failure->detail, sizeof(failure->detail), "%s", words ?: "");
}

/* An alert that was read. */
static struct failure cause_of_alert(const struct handshake *handshake)
{
	uint8_t description = handshake->alert.description;
	struct library_reason found = library_reason_of_alert(description);
	struct failure failure = {.reason = found.reason, .source = FAILURE_FROM_ALERT};

	if (description == ALERT_CLOSE_NOTIFY)
		failure.reason = FAILURE_CLOSED;
	set_detail(&failure, found.words);
	return failure;
}

/* TLS 1.3: whether one side sent an alert that only its length shows. */
static bool has_encrypted_alert(const struct handshake_facts *facts)
{
	struct inference inference;

	if (!facts->version_1_3)
		return false;
	inference = inference_of(facts);
	return inference.flight == FLIGHT_ALERT ||
	       (inference.reply == REPLY_ALERT && inference_refused(facts, &inference));
}

/* How the connection ended. */
static struct failure cause_of_end(const struct handshake_facts *facts)
{
	struct failure failure = {.source = FAILURE_FROM_INFERRED};

	if (facts->end == END_NOT_TLS) {
		failure.reason = FAILURE_NOT_TLS;
	} else if (has_encrypted_alert(facts)) {
		failure.reason = FAILURE_OTHER;
		set_detail(&failure, "an encrypted alert");
	} else if (facts->end == END_RST) {
		failure.reason = FAILURE_RESET;
	} else if (facts->end == END_FIN) {
		failure.reason = FAILURE_CLOSED;
	} else {
		failure.reason = FAILURE_OTHER;
	}
	return failure;
}

/* Reasons that say how a handshake ended, and not why. */
static bool is_vague(uint8_t reason)
{
	return reason == FAILURE_OTHER || reason == FAILURE_CLOSED || reason == FAILURE_RESET ||
	       reason == FAILURE_NOT_TLS;
}

static bool somebody_ended(const struct handshake_facts *facts)
{
	return facts->end == END_ALERT || facts->end == END_FIN || facts->end == END_RST || facts->end == END_NOT_TLS;
}

struct failure cause_of(const struct handshake *handshake)
{
	const struct handshake_facts *facts = &handshake->facts;
	struct failure failure;

	if (handshake->verdict.established != KNOWN_NO || !somebody_ended(facts))
		return (struct failure){.by = FAILURE_BY_NOBODY};
	if (facts->end == END_ALERT && handshake->has_alert && handshake->alert.from == facts->ended_by)
		failure = cause_of_alert(handshake);
	else
		failure = cause_of_end(facts);
	/* RFC 5246 section 7.4.6 has handshake_failure for a client without a certificate; others close without a word */
	if (handshake->verdict.client_auth == CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE && is_vague(failure.reason)) {
		failure.reason = FAILURE_CERTIFICATE_REQUIRED;
		failure.source = FAILURE_FROM_INFERRED;
	}
	failure.by = facts->ended_by;
	return failure;
}
