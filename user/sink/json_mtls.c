// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/json_parts.h"

#include "handshake/policy.h"
#include "handshake/verdict.h"
#include "sink/report.h"
#include "tls/names.h"

/* The name of a number in its registry; the number where the registry has no name. */
static void add_name(struct json_writer *writer, const char *key, const char *name, uint8_t number)
{
	char text[sizeof("255")];

	snprintf(text, sizeof(text), "%u", number);
	json_add_text(writer, key, name ? name : text);
}

static void add_answer(struct json_writer *writer, uint8_t answer)
{
	switch (answer) {
	case ANSWER_CERTIFICATE:
		json_add_text(writer, "answer", "certificate");
		break;
	case ANSWER_EMPTY:
		json_add_text(writer, "answer", "empty");
		break;
	case ANSWER_NONE:
		json_add_null(writer, "answer");
		break;
	default: /* an unknown answer differs from no answer: the field is left out */
		break;
	}
}

static void add_verdict(struct json_writer *writer, const struct verdict *verdict)
{
	json_add_text(writer, "client_auth", client_auth_name(verdict->client_auth));
	json_add_known(writer, "requested", verdict->requested);
	add_answer(writer, verdict->answer);
	json_add_text(writer, "evidence", evidence_name(verdict->evidence));
	if (verdict->conflict)
		json_add_boolean(writer, "conflict", true);
	if (verdict->client_auth == CLIENT_AUTH_UNKNOWN)
		json_add_text(writer, "reason", unknown_reason_name(verdict->reason));
	else
		json_add_null(writer, "reason");
}

static void add_verification(struct json_writer *writer, const char *key, const struct verification *verification)
{
	if (!verification->known) {
		json_add_null(writer, key);
		return;
	}
	json_open_object(writer, key);
	json_add_text(writer, "result", verification_result_name(verification->result));
	if (verification->source == FAILURE_FROM_LIBRARY)
		json_add_number(writer, "code", verification->code);
	json_add_text(writer, "source", failure_source_name(verification->source));
	json_close_object(writer);
}

/* Whether each side's certificate was trusted by the other side. */
static void add_trust(struct json_writer *writer, const struct handshake *handshake)
{
	json_add_known(writer, "trusted", report_trusted(&handshake->verification[FROM_CLIENT]));
	json_open_object(writer, "verification");
	add_verification(writer, "client", &handshake->verification[FROM_CLIENT]);
	add_verification(writer, "server", &handshake->verification[FROM_SERVER]);
	json_close_object(writer);
}

static void add_failure(struct json_parts *parts)
{
	const struct failure *failure = &parts->handshake->failure;
	const uint8_t by = report_failure_by(parts->handshake);
	struct json_writer *writer = &parts->writer;

	if (failure->reason == FAILURE_NONE) {
		json_add_null(writer, "failure");
		return;
	}
	json_open_object(writer, "failure");
	json_add_text(writer, "reason", failure_reason_name(failure->reason));
	if (by != FAILURE_BY_NOBODY)
		json_add_text(writer, "by", report_side_name(by));
	else
		json_add_null(writer, "by");
	json_add_text(writer, "source", failure_source_name(failure->source));
	if (!parts->options->redact)
		json_add_text(writer, "detail", failure->detail);
	json_close_object(writer);
}

static void add_hints(struct json_parts *parts)
{
	const struct hints *hints = parts->handshake->hints;

	if (!hints || parts->options->redact)
		return;
	json_open_array(&parts->writer, "hints");
	for (size_t i = 0; i < hints->count && i < HINTS_MAX; i++)
		json_add_text(&parts->writer, NULL, hints->text[i]);
	json_close_array(&parts->writer);
}

/* A later handshake of a connection: shown by the wire, by a library, or by both. */
static void add_later(struct json_writer *writer, const struct handshake_facts *facts)
{
	if (facts->renegotiation || facts->library.renegotiation)
		json_add_boolean(writer, "renegotiation", true);
	if (facts->library.post_handshake)
		json_add_boolean(writer, "post_handshake", true);
}

static void add_alert(struct json_writer *writer, const struct handshake *handshake)
{
	const struct handshake_step *alert = &handshake->alert;

	if (!handshake->has_alert) {
		json_add_null(writer, "alert");
		return;
	}
	json_open_object(writer, "alert");
	add_name(writer, "level", alert_level_name(alert->level), alert->level);
	add_name(writer, "description", alert_description_name(alert->description), alert->description);
	json_add_text(writer, "from", report_side_name(alert->from));
	json_close_object(writer);
}

static void add_end(struct json_writer *writer, const struct handshake_facts *facts)
{
	static const char *const names[] = {
		[END_NONE] = "none", [END_COMPLETED] = "completed", [END_ALERT] = "alert",     [END_FIN] = "closed",
		[END_RST] = "reset", [END_TIMEOUT] = "timeout",     [END_NOT_TLS] = "not_tls",
	};

	if (facts->end < sizeof(names) / sizeof(names[0]))
		json_add_text(writer, "end", names[facts->end]);
	if (report_has_ender(facts))
		json_add_text(writer, "ended_by", report_side_name(facts->ended_by));
}

static void add_request_to_answer(struct json_writer *writer, const struct handshake *handshake)
{
	if (handshake->request_ns && handshake->answer_ns >= handshake->request_ns)
		json_add_number(writer, "request_to_answer_us",
		                (handshake->answer_ns - handshake->request_ns) / NANOSECONDS_PER_MICROSECOND);
}

static void add_post_handshake_auth(struct json_writer *writer, const struct handshake *handshake)
{
	const struct handshake_facts *facts = &handshake->facts;

	if (facts->client_hello && !facts->renegotiation && !facts->library.renegotiation &&
	    !facts->library.post_handshake)
		json_add_boolean(writer, "post_handshake_auth", handshake->client_hello.post_handshake_auth);
}

static void add_step(struct json_parts *parts, const struct handshake_step *step)
{
	const int64_t since_start_ns = step->time_ns - parts->handshake->start_ns;
	const bool is_message = step->kind != STEP_RECORD;
	struct json_writer *writer = &parts->writer;

	json_open_object(writer, NULL);
	json_add_number(writer, "us", since_start_ns / NANOSECONDS_PER_MICROSECOND);
	json_add_text(writer, "from", report_side_name(step->from));
	json_add_number(writer, is_message ? "type" : "content_type", step->type);
	json_add_text(writer, "name", is_message ? handshake_type_name(step->type) : content_type_name(step->type));
	json_add_number(writer, "length", step->length);
	/* the wire encrypts this message; us is the time in the library, or of the decrypted record */
	if (step->kind == STEP_LIBRARY)
		json_add_text(writer, "evidence",
		              evidence_name(parts->handshake->facts.library.decrypted ? EVIDENCE_DECRYPTED
		                                                                      : EVIDENCE_LIBRARY));
	json_close_object(writer);
}

static bool is_of_kind(const struct handshake_step *step, enum handshake_step_kind kind)
{
	return step->kind == kind || (kind == STEP_MESSAGE && step->kind == STEP_LIBRARY);
}

static void add_steps(struct json_parts *parts, const char *key, enum handshake_step_kind kind)
{
	const struct handshake *handshake = parts->handshake;

	json_open_array(&parts->writer, key);
	for (size_t i = 0; i < handshake->steps && i < HANDSHAKE_STEPS_MAX; i++)
		if (is_of_kind(&handshake->step[i], kind))
			add_step(parts, &handshake->step[i]);
	json_close_array(&parts->writer);
}

/* An empty name could not be read: null. */
static void add_authorities(struct json_writer *writer, const struct certificate_request *request)
{
	json_open_array(writer, "authorities");
	for (size_t i = 0; i < request->authorities && i < MESSAGE_AUTHORITIES_MAX; i++) {
		if (*request->authority[i])
			json_add_text(writer, NULL, request->authority[i]);
		else
			json_add_null(writer, NULL);
	}
	json_close_array(writer);
	json_add_number(writer, "authorities_total", request->authorities);
}

static void add_certificate_request(struct json_writer *writer, const struct certificate_request *request)
{
	if (!request)
		return;
	json_open_object(writer, "certificate_request");
	json_open_array(writer, "certificate_types");
	for (size_t i = 0; i < request->certificate_types && i < MESSAGE_CERTIFICATE_TYPES_MAX; i++)
		json_add_number(writer, NULL, request->certificate_type[i]);
	json_close_array(writer);
	json_open_array(writer, "signature_algorithms");
	for (size_t i = 0; i < request->signature_algorithms && i < MESSAGE_SIGNATURE_ALGORITHMS_MAX; i++)
		json_add_number(writer, NULL, request->signature_algorithm[i]);
	json_close_array(writer);
	add_authorities(writer, request);
	json_close_object(writer);
}

/* violated is null where the policy could not be judged. */
static void add_policy(struct json_writer *writer, const struct policy_judgement *judgement)
{
	static const uint8_t violated[POLICY_RESULTS] = {
		[POLICY_UNJUDGED] = NOT_KNOWN, [POLICY_KEPT] = KNOWN_NO, [POLICY_BROKEN] = KNOWN_YES};
	const char *expectation = policy_expectation_name(judgement->expectation);

	if (!expectation || judgement->result >= POLICY_RESULTS)
		return;
	json_open_object(writer, "policy");
	json_add_text(writer, "expected", expectation);
	json_add_known(writer, "violated", violated[judgement->result]);
	json_add_number(writer, "line", judgement->line);
	if (policy_breach_name(judgement->breach))
		json_add_text(writer, "breach", policy_breach_name(judgement->breach));
	json_close_object(writer);
}

void json_add_mtls(struct json_parts *parts)
{
	const struct handshake *handshake = parts->handshake;
	struct json_writer *writer = &parts->writer;

	json_open_object(writer, "mtls");
	json_add_text(writer, "role", report_role_name(handshake->role));
	add_verdict(writer, &handshake->verdict);
	add_trust(writer, handshake);
	add_failure(parts);
	add_hints(parts);
	if (*handshake->corrects)
		json_add_text(writer, "corrects", handshake->corrects);
	else
		json_add_null(writer, "corrects");
	json_add_text(writer, "library", handshake->library);
	add_later(writer, &handshake->facts);
	add_policy(writer, &handshake->policy);
	add_alert(writer, handshake);
	add_end(writer, &handshake->facts);
	add_request_to_answer(writer, handshake);
	add_post_handshake_auth(writer, handshake);
	add_certificate_request(writer, handshake->request);
	add_steps(parts, "messages", STEP_MESSAGE);
	add_steps(parts, "records", STEP_RECORD);
	if (handshake->steps_dropped)
		json_add_number(writer, "messages_dropped", handshake->steps_dropped);
	json_close_object(writer);
}
