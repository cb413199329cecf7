// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/words.h"

#include "handshake/policy.h"
#include "handshake/verdict.h"
#include "system/escape.h"
#include "tls/names.h"

#include <string.h>
#include <time.h>

enum words_bounds_inside {
	TRUST_TEXT_MAX = 64,
	BREACH_TEXT_MAX = sizeof(", breaks required (untrusted)"),
};

/* Local time of day; "-" where the C library cannot tell. */
void describe_clock(char text[CLOCK_TEXT_MAX], uint64_t realtime_ns)
{
	const time_t seconds = realtime_ns / NANOSECONDS_PER_SECOND;
	struct tm local;

	if (!localtime_r(&seconds, &local) || !strftime(text, CLOCK_TEXT_MAX, "%H:%M:%S", &local))
		strcpy(text, "-");
}

/* RFC 3986 section 3.2.2: brackets tell an IPv6 address from its port */
void describe_endpoint(char text[ENDPOINT_TEXT_MAX], const struct endpoint *endpoint, uint8_t family)
{
	char address[REPORT_ADDRESS_MAX];

	if (!report_address(address, endpoint, family))
		strcpy(address, "?");
	snprintf(text, ENDPOINT_TEXT_MAX, family == 6 ? "[%s]:%u" : "%s:%u", address, endpoint->port);
}

const char *describe_known(uint8_t known)
{
	switch (known) {
	case KNOWN_YES:
		return "yes";
	case KNOWN_NO:
		return "no";
	default:
		return "?";
	}
}

const char *describe_answer(uint8_t answer)
{
	switch (answer) {
	case ANSWER_CERTIFICATE:
		return "certificate";
	case ANSWER_EMPTY:
		return "empty";
	case ANSWER_NONE:
		return "-";
	default:
		return "?";
	}
}

const char *describe_version(uint16_t version)
{
	const char *name = version ? version_name(version) : NULL;

	return name ? name : "-";
}

static void describe_alert(char text[NAME_TEXT_MAX], uint8_t description)
{
	const char *name = alert_description_name(description);

	if (name)
		snprintf(text, NAME_TEXT_MAX, "%s", name);
	else
		snprintf(text, NAME_TEXT_MAX, "alert %u", description);
}

void describe_end(char text[END_TEXT_MAX], const struct handshake *handshake)
{
	const char *by = report_side_name(handshake->facts.ended_by);
	char alert[NAME_TEXT_MAX] = "alert";

	switch (handshake->facts.end) {
	case END_COMPLETED:
		strcpy(text, "completed");
		break;
	case END_ALERT:
		if (handshake->has_alert)
			describe_alert(alert, handshake->alert.description);
		snprintf(text, END_TEXT_MAX, "%s from %s", alert, by);
		break;
	case END_FIN:
		snprintf(text, END_TEXT_MAX, "closed by %s", by);
		break;
	case END_RST:
		snprintf(text, END_TEXT_MAX, "reset by %s", by);
		break;
	case END_TIMEOUT:
		strcpy(text, "timeout");
		break;
	case END_NOT_TLS:
		snprintf(text, END_TEXT_MAX, "not TLS from %s", by);
		break;
	default:
		strcpy(text, "no end seen");
	}
}

/* Whether how it ended says more than the verdict. */
static bool end_matters(const struct handshake *handshake)
{
	if (handshake->facts.end == END_ALERT)
		return true;
	return handshake->verdict.established != KNOWN_YES && handshake->facts.end != END_COMPLETED;
}

/* " (untrusted)", where the expectation alone does not say how it was broken */
const char *describe_untrusted(const struct policy_judgement *judgement)
{
	return judgement->breach == POLICY_BREACH_UNTRUSTED ? " (untrusted)" : "";
}

/* ", breaks required": only what is broken is said in a line */
static void describe_breach(char text[BREACH_TEXT_MAX], const struct policy_judgement *judgement)
{
	const char *expectation = policy_expectation_name(judgement->expectation);

	*text = '\0';
	if (expectation && judgement->result == POLICY_BROKEN)
		snprintf(text, BREACH_TEXT_MAX, ", breaks %s%s", expectation, describe_untrusted(judgement));
}

/* What was read, on the wire or at the library, needs no word; what follows from lengths does. */
static const char *describe_evidence(const struct verdict *verdict)
{
	if (verdict->evidence == EVIDENCE_INFERRED)
		return verdict->conflict ? ", inferred, conflict" : ", inferred";
	return verdict->conflict ? ", conflict" : "";
}

/* A handshake that is not its connection's first. */
const char *describe_later(const struct handshake *handshake)
{
	if (handshake->facts.library.post_handshake)
		return ", post-handshake";
	return handshake->facts.renegotiation || handshake->facts.library.renegotiation ? ", renegotiation" : "";
}

/* Whether the reason is about a certificate: then the side that ended the handshake refused the other side's. */
static bool is_about_certificate(uint8_t reason)
{
	switch (reason) {
	case FAILURE_CERTIFICATE_EXPIRED:
	case FAILURE_CERTIFICATE_NOT_YET_VALID:
	case FAILURE_CERTIFICATE_REVOKED:
	case FAILURE_SELF_SIGNED:
	case FAILURE_UNKNOWN_CA:
	case FAILURE_CERTIFICATE_PURPOSE:
	case FAILURE_BAD_CERTIFICATE:
	case FAILURE_HOSTNAME_MISMATCH:
		return true;
	default:
		return false;
	}
}

/* " (server)", " (client refused the server's certificate)"; "" where nobody knows who ended the handshake */
static const char *describe_blame(const struct handshake *handshake)
{
	switch (report_failure_by(handshake)) {
	case FROM_SERVER:
		return " (server)";
	case FROM_CLIENT:
		return is_about_certificate(handshake->failure.reason) ? " (client refused the server's certificate)"
		                                                       : " (client)";
	default:
		return "";
	}
}

/* ", not trusted: self_signed": the server let a client in whose certificate its library refuses */
static void describe_trust(char text[TRUST_TEXT_MAX], const struct handshake *handshake)
{
	const struct verification *verification = &handshake->verification[FROM_CLIENT];

	*text = '\0';
	if (handshake->verdict.client_auth == CLIENT_AUTH_PRESENTED && report_trusted(verification) == KNOWN_NO)
		snprintf(text, TRUST_TEXT_MAX, ", not trusted: %s",
		         failure_reason_name(verification->result) ?: "other");
}

/*
 * "presented, inferred", "unknown (encrypted)", "rejected_certificate: certificate_expired (server)"; without a cause the end
 * that was seen: "rejected_certificate (unknown_ca from server)"
 */
void describe_result(char text[RESULT_TEXT_MAX], const struct handshake *handshake)
{
	const struct verdict *verdict = &handshake->verdict;
	const char *word = client_auth_name(verdict->client_auth);
	const char *unknown = unknown_reason_name(verdict->reason);
	const char *evidence = describe_evidence(verdict), *later = describe_later(handshake);
	const char *cause =
		handshake->failure.reason == FAILURE_NONE ? NULL : failure_reason_name(handshake->failure.reason);
	char end[END_TEXT_MAX], breach[BREACH_TEXT_MAX], trust[TRUST_TEXT_MAX];

	describe_breach(breach, &handshake->policy);
	describe_trust(trust, handshake);
	if (verdict->client_auth == CLIENT_AUTH_UNKNOWN) {
		snprintf(text, RESULT_TEXT_MAX, "%s%s (%s)%s%s%s", word, later, unknown ? unknown : "?",
		         cause ? ": " : "", cause ?: "", breach);
	} else if (cause) {
		snprintf(text, RESULT_TEXT_MAX, "%s%s%s%s: %s%s%s", word, evidence, later, trust, cause,
		         describe_blame(handshake), breach);
	} else if (end_matters(handshake)) {
		describe_end(end, handshake);
		snprintf(text, RESULT_TEXT_MAX, "%s%s%s%s (%s)%s", word, evidence, later, trust, end, breach);
	} else {
		snprintf(text, RESULT_TEXT_MAX, "%s%s%s%s%s", word, evidence, later, trust, breach);
	}
}

void describe_duration(char text[MILLISECONDS_TEXT_MAX], const struct handshake *handshake)
{
	const uint64_t duration_ns = handshake->end_ns - handshake->start_ns;

	if (handshake->end_ns < handshake->start_ns)
		strcpy(text, "-");
	else
		snprintf(text, MILLISECONDS_TEXT_MAX, "%.2f", duration_ns / NANOSECONDS_PER_MILLISECOND);
}

void describe_server_name(char *text, size_t columns, const struct handshake *handshake)
{
	const char *server_name = handshake->client_hello.server_name;

	escape_word(text, columns, *server_name ? server_name : "-");
}
