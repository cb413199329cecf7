// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/text.h"

#include "handshake/policy.h"
#include "handshake/verdict.h"
#include "sink/words.h"
#include "system/escape.h"
#include "tls/names.h"

#include <linux/types.h>
#include <string.h>

#include "bpf/shared/tls_walk.h"

enum {
	MESSAGE_HEADER = 4, /* type and length of a handshake message (RFC 8446 section 4) */
};

/* RFC 5246 appendix A.5: 0x0000 cannot be negotiated, so it is a ServerHello that could not be read that far. */
static void describe_cipher(char text[NAME_TEXT_MAX], const struct handshake *handshake)
{
	const uint16_t suite = handshake->server_hello.cipher_suite;
	const char *name = cipher_suite_name(suite);

	if (!handshake->facts.server_hello || !suite)
		strcpy(text, "-");
	else if (name)
		snprintf(text, NAME_TEXT_MAX, "%s", name);
	else
		snprintf(text, NAME_TEXT_MAX, "cipher suite 0x%04X", suite);
}

static void print_heading(FILE *out, const struct handshake *handshake)
{
	char clock[CLOCK_TEXT_MAX], server[ENDPOINT_TEXT_MAX], client[ENDPOINT_TEXT_MAX], cipher[NAME_TEXT_MAX];
	char server_name[SERVER_NAME_TEXT_MAX + 1];

	describe_clock(clock, handshake->start_realtime_ns);
	describe_endpoint(server, &handshake->server, handshake->family);
	describe_endpoint(client, &handshake->client, handshake->family);
	describe_server_name(server_name, SERVER_NAME_TEXT_MAX, handshake);
	describe_cipher(cipher, handshake);
	fprintf(out, "* %s.%06u as %s: %s -> %s, SNI %s, %s, %s\n", clock,
	        (unsigned)(handshake->start_realtime_ns % NANOSECONDS_PER_SECOND / NANOSECONDS_PER_MICROSECOND),
	        report_role_name(handshake->role), client, server, server_name, describe_version(handshake->version),
	        cipher);
}

/* As curl -v has it: seen from this host. An observer has no side. */
static const char *describe_direction(uint8_t role, uint8_t from)
{
	if (role == ROLE_OBSERVER)
		return from == FROM_CLIENT ? "client->server" : "server->client";
	return (role == ROLE_CLIENT) == (from == FROM_CLIENT) ? "(OUT)" : "(IN) ";
}

static const char *plural(uint32_t count)
{
	return count == 1 ? "" : "s";
}

/* "* Process: nginx (1234), OpenSSL 3.0.19": who makes the handshake, or else who opened the socket */
static void print_process(FILE *out, const struct handshake *handshake)
{
	bool by_library = handshake->process.id;
	const struct process *process = by_library ? &handshake->process : &handshake->owner;

	if (!process->id)
		return;
	fprintf(out, "* %s: ", by_library ? "Process" : "Socket of");
	escape_text(out, process->name);
	fprintf(out, " (%u)", process->id);
	if (*handshake->library) {
		fprintf(out, ", ");
		escape_text(out, handshake->library);
	}
	if (*handshake->container) {
		fprintf(out, ", container ");
		escape_text(out, handshake->container);
	}
	fputc('\n', out);
}

/* Where a message was read that the wire encrypts. */
static const char *place_of(const struct handshake *handshake, const struct handshake_step *step)
{
	if (step->kind != STEP_LIBRARY)
		return "";
	return handshake->facts.library.decrypted ? ", decrypted" : ", in the library";
}

static void print_message(FILE *out, const struct handshake *handshake, const struct handshake_step *step,
                          uint16_t record_length)
{
	const char *name = handshake_type_curl_name(step->type);

	if (!name)
		name = handshake_type_name(step->type);
	fprintf(out, "TLS handshake, %s (%u), %u byte%s", name ? name : "Unknown", step->type, step->length,
	        plural(step->length));
	if (record_length)
		fprintf(out, ", in a record of %u", record_length);
	else
		fputs(place_of(handshake, step), out);
	fputc('\n', out);
}

static void print_record(FILE *out, const struct handshake_step *step)
{
	switch (step->type) {
	case TLS_CHANGE_CIPHER_SPEC:
		fprintf(out, "TLS change cipher, Change cipher spec (1)\n");
		return;
	case TLS_ALERT:
		fprintf(out, "encrypted alert record");
		break;
	case TLS_HANDSHAKE:
		fprintf(out, "encrypted handshake record");
		break;
	case TLS_APPLICATION_DATA: /* in TLS 1.3 the outer type of all that is encrypted */
		fprintf(out, "encrypted record");
		break;
	default:
		fprintf(out, "record of content type %u", step->type);
	}
	fprintf(out, ", %u byte%s\n", step->length, plural(step->length));
}

static void print_alert(FILE *out, const struct handshake_step *step)
{
	const char *level = alert_level_name(step->level);
	const char *description = alert_description_name(step->description);

	if (level)
		fprintf(out, "TLS alert, %s ", level);
	else
		fprintf(out, "TLS alert, level %u ", step->level);
	fprintf(out, "%s (%u)\n", description ? description : "unknown", step->description);
}

/* Library messages with the records that carried them. */
struct pairing {
	uint16_t record_length[HANDSHAKE_STEPS_MAX]; /* of the record that carried this message; 0: not known */
	bool is_carrier[HANDSHAKE_STEPS_MAX];        /* this record is told with its messages */
};

/* Bytes of a TLS 1.3 record around its messages: the inner type, and a tag of 16 or 8 bytes (RFC 8446 section 5.2). */
static const uint32_t overheads[] = {1 + 16, 1 + 8};

static bool is_of_side(const struct handshake_step *step, uint8_t from, uint8_t kind)
{
	return step->from == from && step->kind == kind;
}

/*
 * Whether the messages of a library from index on, one after the other, fill a record of this length. Sets the index of
 * the last one.
 */
static bool fills(const struct handshake *handshake, size_t index, uint32_t record_length, size_t *last)
{
	const uint8_t from = handshake->step[index].from;
	uint32_t bytes = 0;

	for (size_t i = index; i < handshake->steps && i < HANDSHAKE_STEPS_MAX; i++) {
		if (!is_of_side(&handshake->step[i], from, STEP_LIBRARY))
			continue;
		bytes += MESSAGE_HEADER + handshake->step[i].length;
		if (bytes > record_length)
			return false;
		*last = i;
		for (size_t o = 0; o < sizeof(overheads) / sizeof(overheads[0]); o++)
			if (bytes + overheads[o] == record_length)
				return true;
	}
	return false;
}

/* Pair the record at this index; next is the first message of its side without a record. */
static void pair_record(const struct handshake *handshake, size_t record, size_t *next, struct pairing *pairing)
{
	const struct handshake_step *carrier = &handshake->step[record];
	size_t last;

	for (size_t first = *next; first < handshake->steps && first < HANDSHAKE_STEPS_MAX; first++) {
		if (!is_of_side(&handshake->step[first], carrier->from, STEP_LIBRARY) ||
		    !fills(handshake, first, carrier->length, &last))
			continue;
		for (size_t i = first; i <= last; i++)
			if (is_of_side(&handshake->step[i], carrier->from, STEP_LIBRARY))
				pairing->record_length[i] = carrier->length;
		pairing->is_carrier[record] = true;
		*next = last + 1;
		return;
	}
}

/* Only exact sums pair: a record with padding, or with a part of a message, stays a line of its own. */
static void pair_records(const struct handshake *handshake, struct pairing *pairing)
{
	size_t next[SIDES] = {0};

	memset(pairing, 0, sizeof(*pairing));
	if (!handshake->facts.version_1_3)
		return;
	for (size_t i = 0; i < handshake->steps && i < HANDSHAKE_STEPS_MAX; i++) {
		const struct handshake_step *step = &handshake->step[i];

		if (step->kind == STEP_RECORD && step->type == TLS_APPLICATION_DATA && step->from < SIDES)
			pair_record(handshake, i, &next[step->from], pairing);
	}
}

static void print_step(FILE *out, const struct handshake *handshake, const struct handshake_step *step,
                       uint16_t record_length)
{
	const int64_t since_start_ns = step->time_ns - handshake->start_ns;

	fprintf(out, "%10.3f ms %s ", since_start_ns / NANOSECONDS_PER_MILLISECOND,
	        describe_direction(handshake->role, step->from));
	switch (step->kind) {
	case STEP_MESSAGE:
	case STEP_LIBRARY:
		print_message(out, handshake, step, record_length);
		break;
	case STEP_RECORD:
		print_record(out, step);
		break;
	default:
		print_alert(out, step);
	}
}

static void print_steps(FILE *out, const struct handshake *handshake)
{
	struct pairing pairing;

	pair_records(handshake, &pairing);
	for (size_t i = 0; i < handshake->steps && i < HANDSHAKE_STEPS_MAX; i++)
		if (!pairing.is_carrier[i])
			print_step(out, handshake, &handshake->step[i], pairing.record_length[i]);
	if (handshake->steps_dropped)
		fprintf(out, "* %u more step%s not kept\n", handshake->steps_dropped, plural(handshake->steps_dropped));
}

/* ClientCertificateType, RFC 5246 section 7.4.4, RFC 8422 section 5.5, RFC 9189 section 4.5 */
static const char *certificate_type_name(uint8_t type)
{
	switch (type) {
	case 1:
		return "rsa_sign";
	case 2:
		return "dss_sign";
	case 3:
		return "rsa_fixed_dh";
	case 4:
		return "dss_fixed_dh";
	case 22:
		return "gost_sign256";
	case 23:
		return "gost_sign512";
	case 64:
		return "ecdsa_sign";
	case 65:
		return "rsa_fixed_ecdh";
	case 66:
		return "ecdsa_fixed_ecdh";
	default:
		return "unknown";
	}
}

static void print_certificate_types(FILE *out, const struct certificate_request *request)
{
	size_t i;

	fprintf(out, "*   certificate types:");
	for (i = 0; i < request->certificate_types && i < MESSAGE_CERTIFICATE_TYPES_MAX; i++)
		fprintf(out, "%s %s (%u)", i ? "," : "", certificate_type_name(request->certificate_type[i]),
		        request->certificate_type[i]);
	if (request->certificate_types > i)
		fprintf(out, ", %zu more", request->certificate_types - i);
	fprintf(out, request->certificate_types ? "\n" : " none\n");
}

static void print_authorities(FILE *out, const struct certificate_request *request)
{
	size_t i;

	fprintf(out, "*   CA names: %u\n", request->authorities);
	for (i = 0; i < request->authorities && i < MESSAGE_AUTHORITIES_MAX; i++) {
		fprintf(out, "*     ");
		escape_text(out, *request->authority[i] ? request->authority[i] : "(empty, or could not be read)");
		fputc('\n', out);
	}
	if (request->authorities > i)
		fprintf(out, "*     and %zu more\n", request->authorities - i);
}

static void print_request(FILE *out, const struct handshake *handshake)
{
	const struct certificate_request *request = handshake->request;

	if (!request)
		return;
	fprintf(out, "* Certificate request:\n");
	print_certificate_types(out, request);
	fprintf(out, "*   signature algorithms: %u\n", request->signature_algorithms);
	print_authorities(out, request);
}

static void print_name(FILE *out, const char *title, const char *name)
{
	fprintf(out, "*   %s: ", title);
	escape_text(out, name);
	fputc('\n', out);
}

static void print_certificate(FILE *out, const struct handshake *handshake, bool redact)
{
	const struct certificate *certificate = handshake->certificate;
	char not_after[REPORT_TIME_MAX], sha256[2 * MESSAGE_SHA256 + 1];

	if (!certificate || !certificate->certificates)
		return;
	fprintf(out, "* Client certificate:\n");
	if (certificate->leaf_parsed && !redact) {
		print_name(out, "subject", certificate->subject);
		print_name(out, "issuer", certificate->issuer);
		if (report_time(not_after, certificate->not_after))
			fprintf(out, "*   not after: %sZ\n", not_after);
	}
	if (certificate->sha256_known) {
		report_sha256(sha256, certificate->sha256);
		fprintf(out, "*   sha256: %s\n", sha256);
	}
	if (!certificate->leaf_parsed)
		fprintf(out, "*   it could not be read\n");
}

static void print_verdict(FILE *out, const struct handshake *handshake)
{
	const struct verdict *verdict = &handshake->verdict;
	const char *reason = unknown_reason_name(verdict->reason);
	char end[END_TEXT_MAX], milliseconds[MILLISECONDS_TEXT_MAX];

	describe_end(end, handshake);
	describe_duration(milliseconds, handshake);
	fprintf(out, "* %s", client_auth_name(verdict->client_auth));
	if (verdict->client_auth == CLIENT_AUTH_UNKNOWN)
		fprintf(out, " (%s)", reason ? reason : "?");
	fprintf(out, "%s; evidence: %s%s; asked: %s; answer: %s; %s after %s ms\n", describe_later(handshake),
	        evidence_name(verdict->evidence), verdict->conflict ? " (conflict)" : "",
	        describe_known(verdict->requested), describe_answer(verdict->answer), end, milliseconds);
}

static void print_policy(FILE *out, const struct policy_judgement *judgement)
{
	static const char *const results[POLICY_RESULTS] = {
		[POLICY_UNJUDGED] = "cannot be judged", [POLICY_KEPT] = "kept", [POLICY_BROKEN] = "broken"};
	const char *expectation = policy_expectation_name(judgement->expectation);

	if (expectation && judgement->result < POLICY_RESULTS)
		fprintf(out, "* expected: %s (line %u): %s%s\n", expectation, judgement->line,
		        results[judgement->result], describe_untrusted(judgement));
}

static void print_verification(FILE *out, const struct handshake *handshake, uint8_t side)
{
	const struct verification *verification = &handshake->verification[side];

	if (!verification->known)
		return;
	fprintf(out, "* The %s's certificate is %strusted: %s (%s", report_side_name(side),
	        verification->result == FAILURE_NONE ? "" : "not ",
	        verification_result_name(verification->result) ?: "other",
	        failure_source_name(verification->source) ?: "?");
	if (verification->source == FAILURE_FROM_LIBRARY)
		fprintf(out, ", code %d", verification->code);
	fprintf(out, ")\n");
}

/* "* Cause: certificate_expired by server (library): X509 10 certificate has expired" */
static void print_cause(FILE *out, const struct handshake *handshake, bool redact)
{
	const struct failure *failure = &handshake->failure;
	const uint8_t by = report_failure_by(handshake);

	if (failure->reason == FAILURE_NONE)
		return;
	fprintf(out, "* Cause: %s", failure_reason_name(failure->reason) ?: "other");
	if (by != FAILURE_BY_NOBODY)
		fprintf(out, " by %s", report_side_name(by));
	fprintf(out, " (%s)", failure_source_name(failure->source) ?: "?");
	if (*failure->detail && !redact) {
		fprintf(out, ": ");
		escape_text(out, failure->detail);
	}
	fputc('\n', out);
}

static void print_hints(FILE *out, const struct hints *hints)
{
	for (size_t i = 0; hints && i < hints->count && i < HINTS_MAX; i++) {
		fprintf(out, "* Hint: ");
		escape_text(out, hints->text[i]);
		fputc('\n', out);
	}
}

void text_ladder(FILE *out, const struct handshake *handshake, bool redact)
{
	print_heading(out, handshake);
	print_process(out, handshake);
	print_steps(out, handshake);
	print_request(out, handshake);
	print_certificate(out, handshake, redact);
	print_verdict(out, handshake);
	print_policy(out, &handshake->policy);
	print_verification(out, handshake, FROM_CLIENT);
	print_verification(out, handshake, FROM_SERVER);
	print_cause(out, handshake, redact);
	if (!redact)
		print_hints(out, handshake->hints);
	fputc('\n', out);
}
