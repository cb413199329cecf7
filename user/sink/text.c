/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sink/text.h"

#include "system/escape.h"
#include "tls/names.h"
#include "handshake/policy.h"
#include "sink/report.h"
#include "handshake/verdict.h"

#include <linux/types.h>
#include <string.h>
#include <time.h>

#include "bpf/shared/tls_walk.h"

#define NANOSECONDS_PER_MILLISECOND 1e6

enum text_bounds {
	ENDPOINT_TEXT_MAX = sizeof("[]:65535") + REPORT_ADDRESS_MAX,
	CLOCK_TEXT_MAX = sizeof("23:59:60"),
	NAME_TEXT_MAX = 64, /* a name from a registry, or the number in its place */
	END_TEXT_MAX = 96,
	BREACH_TEXT_MAX = sizeof(", breaks required (untrusted)"),
	RESULT_TEXT_MAX = 192,
	SERVER_NAME_TEXT_MAX = 4 * MESSAGE_SERVER_NAME_MAX, /* each byte may be escaped */
	MILLISECONDS_TEXT_MAX = 24,
};

enum time_units {
	NANOSECONDS_PER_MICROSECOND = 1000,
	NANOSECONDS_PER_SECOND = 1000000000,
};

enum table_column {
	COLUMN_TIME,
	COLUMN_ROLE,
	COLUMN_SERVER,
	COLUMN_CLIENT,
	COLUMN_SNI,
	COLUMN_VERSION,
	COLUMN_ASKED,
	COLUMN_ANSWER,
	COLUMN_RESULT,
	COLUMN_MS,
	COLUMNS,
};

enum table_width {
	SNI_WIDTH = 24,
	MS_WIDTH = 8,
};

/*
 * Where each column starts. SERVER and CLIENT have room for any IPv4 address and port, RESULT for the longest verdict;
 * MS is flush right.
 */
static const size_t column_start[COLUMNS] = {
	[COLUMN_TIME] = 0,    [COLUMN_ROLE] = 9,     [COLUMN_SERVER] = 18,
	[COLUMN_CLIENT] = 40, [COLUMN_SNI] = 62,     [COLUMN_VERSION] = 62 + SNI_WIDTH + 1,
	[COLUMN_ASKED] = 96,  [COLUMN_ANSWER] = 102, [COLUMN_RESULT] = 114,
	[COLUMN_MS] = 143,
};

static void print_row(FILE *out, const char *const cells[COLUMNS])
{
	size_t column, start, padding, used = 0;

	for (column = 0; column < COLUMNS; column++) {
		start = column_start[column];
		if (column == COLUMN_MS && strlen(cells[column]) < MS_WIDTH)
			start += MS_WIDTH - strlen(cells[column]);
		padding = start > used ? start - used : used > 0;
		fprintf(out, "%*s%s", (int)padding, "", cells[column]);
		used += padding + strlen(cells[column]);
	}
	fputc('\n', out);
}

void text_header(FILE *out)
{
	static const char *const headings[COLUMNS] = {
		[COLUMN_TIME] = "TIME",     [COLUMN_ROLE] = "ROLE",     [COLUMN_SERVER] = "SERVER",
		[COLUMN_CLIENT] = "CLIENT", [COLUMN_SNI] = "SNI",       [COLUMN_VERSION] = "VERSION",
		[COLUMN_ASKED] = "ASKED",   [COLUMN_ANSWER] = "ANSWER", [COLUMN_RESULT] = "RESULT",
		[COLUMN_MS] = "MS",
	};

	print_row(out, headings);
}

/* Local time of day; "-" where the C library cannot tell. */
static void describe_clock(char text[CLOCK_TEXT_MAX], uint64_t realtime_ns)
{
	const time_t seconds = realtime_ns / NANOSECONDS_PER_SECOND;
	struct tm local;

	if (!localtime_r(&seconds, &local) || !strftime(text, CLOCK_TEXT_MAX, "%H:%M:%S", &local))
		strcpy(text, "-");
}

/* RFC 3986 section 3.2.2: brackets tell an IPv6 address from its port */
static void describe_endpoint(char text[ENDPOINT_TEXT_MAX], const struct endpoint *endpoint, uint8_t family)
{
	char address[REPORT_ADDRESS_MAX];

	if (!report_address(address, endpoint, family))
		strcpy(address, "?");
	snprintf(text, ENDPOINT_TEXT_MAX, family == 6 ? "[%s]:%u" : "%s:%u", address, endpoint->port);
}

static const char *describe_known(uint8_t known)
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

static const char *describe_answer(uint8_t answer)
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

static const char *describe_version(uint16_t version)
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

static void describe_end(char text[END_TEXT_MAX], const struct handshake *handshake)
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
static const char *describe_untrusted(const struct policy_judgement *judgement)
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
static const char *describe_later(const struct handshake *handshake)
{
	if (handshake->facts.library.post_handshake)
		return ", post-handshake";
	return handshake->facts.renegotiation || handshake->facts.library.renegotiation ? ", renegotiation" : "";
}

/* "presented, inferred", "unknown (encrypted)", "rejected_certificate (unknown_ca from server)" */
static void describe_result(char text[RESULT_TEXT_MAX], const struct handshake *handshake)
{
	const struct verdict *verdict = &handshake->verdict;
	const char *word = client_auth_name(verdict->client_auth);
	const char *reason = unknown_reason_name(verdict->reason);
	const char *evidence = describe_evidence(verdict), *later = describe_later(handshake);
	char end[END_TEXT_MAX], breach[BREACH_TEXT_MAX];

	describe_breach(breach, &handshake->policy);
	if (verdict->client_auth == CLIENT_AUTH_UNKNOWN) {
		snprintf(text, RESULT_TEXT_MAX, "%s%s (%s)%s", word, later, reason ? reason : "?", breach);
	} else if (end_matters(handshake)) {
		describe_end(end, handshake);
		snprintf(text, RESULT_TEXT_MAX, "%s%s%s (%s)%s", word, evidence, later, end, breach);
	} else {
		snprintf(text, RESULT_TEXT_MAX, "%s%s%s%s", word, evidence, later, breach);
	}
}

static void describe_duration(char text[MILLISECONDS_TEXT_MAX], const struct handshake *handshake)
{
	const uint64_t duration_ns = handshake->end_ns - handshake->start_ns;

	if (handshake->end_ns < handshake->start_ns)
		strcpy(text, "-");
	else
		snprintf(text, MILLISECONDS_TEXT_MAX, "%.2f", duration_ns / NANOSECONDS_PER_MILLISECOND);
}

static void describe_server_name(char *text, size_t columns, const struct handshake *handshake)
{
	const char *server_name = handshake->client_hello.server_name;

	escape_word(text, columns, *server_name ? server_name : "-");
}

void text_line(FILE *out, const struct handshake *handshake)
{
	char clock[CLOCK_TEXT_MAX], server[ENDPOINT_TEXT_MAX], client[ENDPOINT_TEXT_MAX], server_name[SNI_WIDTH + 1];
	char result[RESULT_TEXT_MAX], milliseconds[MILLISECONDS_TEXT_MAX];
	const char *const cells[COLUMNS] = {
		[COLUMN_TIME] = clock,
		[COLUMN_ROLE] = report_role_name(handshake->role),
		[COLUMN_SERVER] = server,
		[COLUMN_CLIENT] = client,
		[COLUMN_SNI] = server_name,
		[COLUMN_VERSION] = describe_version(handshake->version),
		[COLUMN_ASKED] = describe_known(handshake->verdict.requested),
		[COLUMN_ANSWER] = describe_answer(handshake->verdict.answer),
		[COLUMN_RESULT] = result,
		[COLUMN_MS] = milliseconds,
	};

	describe_clock(clock, handshake->start_realtime_ns);
	describe_endpoint(server, &handshake->server, handshake->family);
	describe_endpoint(client, &handshake->client, handshake->family);
	describe_server_name(server_name, SNI_WIDTH, handshake);
	describe_result(result, handshake);
	describe_duration(milliseconds, handshake);
	print_row(out, cells);
}

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

static void print_message(FILE *out, const struct handshake_step *step)
{
	const char *name = handshake_type_curl_name(step->type);

	if (!name)
		name = handshake_type_name(step->type);
	fprintf(out, "TLS handshake, %s (%u), %u byte%s%s\n", name ? name : "Unknown", step->type, step->length,
	        plural(step->length), step->kind == STEP_LIBRARY ? ", in the library" : "");
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

static void print_step(FILE *out, const struct handshake *handshake, const struct handshake_step *step)
{
	const int64_t since_start_ns = step->time_ns - handshake->start_ns;

	fprintf(out, "%10.3f ms %s ", since_start_ns / NANOSECONDS_PER_MILLISECOND,
	        describe_direction(handshake->role, step->from));
	switch (step->kind) {
	case STEP_MESSAGE:
	case STEP_LIBRARY:
		print_message(out, step);
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
	size_t i;

	for (i = 0; i < handshake->steps && i < HANDSHAKE_STEPS_MAX; i++)
		print_step(out, handshake, &handshake->step[i]);
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

void text_ladder(FILE *out, const struct handshake *handshake, bool redact)
{
	print_heading(out, handshake);
	print_process(out, handshake);
	print_steps(out, handshake);
	print_request(out, handshake);
	print_certificate(out, handshake, redact);
	print_verdict(out, handshake);
	print_policy(out, &handshake->policy);
	fputc('\n', out);
}
