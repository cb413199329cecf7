/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sink/json.h"

#include "system/escape.h"
#include "tls/names.h"
#include "handshake/policy.h"
#include "sink/report.h"
#include "handshake/verdict.h"

#include <errno.h>
#include <json-c/json.h>

enum {
	NANOSECONDS_PER_MICROSECOND = 1000,
	NANOSECONDS_PER_SECOND = 1000000000,
};

/* A line that is being made. */
struct line {
	const struct handshake *handshake;
	bool redact;
	bool failed; /* there was no memory for some part of it */
};

/* Every key is written once, as a constant, and in each object it is a new one. */
static int set(struct json_object *parent, const char *key, struct json_object *value)
{
	return json_object_object_add_ex(parent, key, value,
	                                 JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

/* Takes over value. NULL is what the makers of values return without memory, so it is no null: see add_null(). */
static bool add(struct line *line, struct json_object *parent, const char *key, struct json_object *value)
{
	if (parent && value && !set(parent, key, value))
		return true;
	json_object_put(value);
	line->failed = true;
	return false;
}

/* The new object belongs to parent; NULL where there is none. */
static struct json_object *add_object(struct line *line, struct json_object *parent, const char *key)
{
	struct json_object *object = json_object_new_object();

	return add(line, parent, key, object) ? object : NULL;
}

static struct json_object *add_array(struct line *line, struct json_object *parent, const char *key)
{
	struct json_object *array = json_object_new_array();

	return add(line, parent, key, array) ? array : NULL;
}

/* Takes over value. */
static bool append(struct line *line, struct json_object *array, struct json_object *value)
{
	if (array && value && !json_object_array_add(array, value))
		return true;
	json_object_put(value);
	line->failed = true;
	return false;
}

/* Text that is not known (NULL or empty) is left out. */
static void add_string(struct line *line, struct json_object *parent, const char *key, const char *text)
{
	if (text && *text)
		add(line, parent, key, json_object_new_string(text));
}

static void add_number(struct line *line, struct json_object *parent, const char *key, int64_t number)
{
	add(line, parent, key, json_object_new_int64(number));
}

static void add_null(struct line *line, struct json_object *parent, const char *key)
{
	if (!parent || set(parent, key, NULL))
		line->failed = true;
}

static void add_known(struct line *line, struct json_object *parent, const char *key, uint8_t known)
{
	if (known == NOT_KNOWN)
		add_null(line, parent, key);
	else
		add(line, parent, key, json_object_new_boolean(known == KNOWN_YES));
}

/* What a registry calls a number; of one that it has no name for, the number. */
static void add_name(struct line *line, struct json_object *parent, const char *key, const char *name, uint8_t number)
{
	char text[sizeof("255")];

	snprintf(text, sizeof(text), "%u", number);
	add_string(line, parent, key, name ? name : text);
}

static void add_timestamp(struct line *line, struct json_object *root)
{
	const uint64_t realtime_ns = line->handshake->start_realtime_ns;
	char seconds[REPORT_TIME_MAX], text[REPORT_TIME_MAX + sizeof(".999999Z")];

	if (!report_time(seconds, realtime_ns / NANOSECONDS_PER_SECOND))
		return;
	snprintf(text, sizeof(text), "%s.%06uZ", seconds,
	         (unsigned)(realtime_ns % NANOSECONDS_PER_SECOND / NANOSECONDS_PER_MICROSECOND));
	add_string(line, root, "@timestamp", text);
}

static const char *outcome_name(uint8_t established)
{
	switch (established) {
	case KNOWN_YES:
		return "success";
	case KNOWN_NO:
		return "failure";
	default:
		return "unknown";
	}
}

static void add_event(struct line *line, struct json_object *root)
{
	const struct handshake *handshake = line->handshake;
	struct json_object *event = add_object(line, root, "event");

	add_string(line, event, "kind", "event");
	append(line, add_array(line, event, "category"), json_object_new_string("network"));
	add_string(line, event, "action", "tls-handshake");
	add_string(line, event, "outcome", outcome_name(handshake->verdict.established));
	if (handshake->end_ns >= handshake->start_ns)
		add_number(line, event, "duration", handshake->end_ns - handshake->start_ns);
}

static void add_endpoint(struct line *line, struct json_object *root, const char *key, const struct endpoint *endpoint)
{
	struct json_object *object = add_object(line, root, key);
	char address[REPORT_ADDRESS_MAX];

	if (report_address(address, endpoint, line->handshake->family))
		add_string(line, object, "ip", address);
	add_number(line, object, "port", endpoint->port);
}

static void add_network(struct line *line, struct json_object *root)
{
	const struct handshake *handshake = line->handshake;
	struct json_object *network = add_object(line, root, "network");

	if (handshake->transport == IPPROTO_TCP || handshake->transport == IPPROTO_UDP)
		add_string(line, network, "transport", handshake->transport == IPPROTO_TCP ? "tcp" : "udp");
	if (handshake->family == 4 || handshake->family == 6)
		add_string(line, network, "type", handshake->family == 4 ? "ipv4" : "ipv6");
	if (handshake->role != ROLE_OBSERVER)
		add_string(line, network, "direction", handshake->role == ROLE_SERVER ? "ingress" : "egress");
}

/* Who makes the handshake, or else who opened the socket. The name is the process's own to choose. */
static void add_process(struct line *line, struct json_object *root)
{
	const struct handshake *handshake = line->handshake;
	const struct process *process = handshake->process.id ? &handshake->process : &handshake->owner;
	struct json_object *object;

	if (process->id) {
		object = add_object(line, root, "process");
		add_number(line, object, "pid", process->id);
		add_string(line, object, "name", process->name);
	}
	if (*handshake->container)
		add_string(line, add_object(line, root, "container"), "id", handshake->container);
}

static void add_certificate_names(struct line *line, struct json_object *client, const struct certificate *certificate)
{
	char time[REPORT_TIME_MAX], not_after[REPORT_TIME_MAX + 1];

	add_string(line, client, "subject", certificate->subject);
	add_string(line, client, "issuer", certificate->issuer);
	if (!report_time(time, certificate->not_after))
		return;
	snprintf(not_after, sizeof(not_after), "%sZ", time);
	add_string(line, client, "not_after", not_after);
}

static void add_tls_client(struct line *line, struct json_object *tls)
{
	const struct certificate *certificate = line->handshake->certificate;
	const char *server_name = line->handshake->client_hello.server_name;
	bool has_names = certificate && certificate->leaf_parsed && !line->redact;
	bool has_sha256 = certificate && certificate->sha256_known;
	char sha256[2 * MESSAGE_SHA256 + 1];
	struct json_object *client;

	if (!*server_name && !has_names && !has_sha256)
		return;
	client = add_object(line, tls, "client");
	add_string(line, client, "server_name", server_name);
	if (has_names)
		add_certificate_names(line, client, certificate);
	if (has_sha256) {
		report_sha256(sha256, certificate->sha256);
		add_string(line, add_object(line, client, "hash"), "sha256", sha256);
	}
}

/* RFC 5246 appendix A.5: 0x0000 cannot be negotiated, so it is a ServerHello that could not be read that far. */
static void add_cipher(struct line *line, struct json_object *tls)
{
	const uint16_t suite = line->handshake->server_hello.cipher_suite;
	const char *name = cipher_suite_name(suite);
	char number[sizeof("0xFFFF")];

	if (!line->handshake->facts.server_hello || !suite)
		return;
	snprintf(number, sizeof(number), "0x%04X", suite);
	add_string(line, tls, "cipher", name ? name : number);
}

static void add_tls(struct line *line, struct json_object *root)
{
	const struct handshake *handshake = line->handshake;
	struct json_object *tls = add_object(line, root, "tls");

	if (handshake->version) {
		add_string(line, tls, "version", version_number(handshake->version));
		add_string(line, tls, "version_protocol", version_protocol(handshake->version));
	}
	add_cipher(line, tls);
	add_known(line, tls, "established", handshake->verdict.established);
	add_known(line, tls, "resumed", handshake->verdict.resumed);
	add_string(line, tls, "next_protocol", handshake->server_hello.protocol);
	add_tls_client(line, tls);
}

static void add_answer(struct line *line, struct json_object *mtls)
{
	switch (line->handshake->verdict.answer) {
	case ANSWER_CERTIFICATE:
		add_string(line, mtls, "answer", "certificate");
		break;
	case ANSWER_EMPTY:
		add_string(line, mtls, "answer", "empty");
		break;
	case ANSWER_NONE:
		add_null(line, mtls, "answer");
		break;
	default: /* not known is not none: left out */
		break;
	}
}

static void add_verdict(struct line *line, struct json_object *mtls)
{
	const struct verdict *verdict = &line->handshake->verdict;

	add_string(line, mtls, "client_auth", client_auth_name(verdict->client_auth));
	add_known(line, mtls, "requested", verdict->requested);
	add_answer(line, mtls);
	add_string(line, mtls, "evidence", evidence_name(verdict->evidence));
	if (verdict->conflict)
		add(line, mtls, "conflict", json_object_new_boolean(true));
	if (verdict->client_auth == CLIENT_AUTH_UNKNOWN)
		add_string(line, mtls, "reason", unknown_reason_name(verdict->reason));
	else
		add_null(line, mtls, "reason");
}

/* A handshake that is not its connection's first: the wire may show it, or a library, or both. */
static void add_later(struct line *line, struct json_object *mtls)
{
	const struct handshake_facts *facts = &line->handshake->facts;

	if (facts->renegotiation || facts->library.renegotiation)
		add(line, mtls, "renegotiation", json_object_new_boolean(true));
	if (facts->library.post_handshake)
		add(line, mtls, "post_handshake", json_object_new_boolean(true));
}

static void add_alert(struct line *line, struct json_object *mtls)
{
	const struct handshake_step *alert = &line->handshake->alert;
	struct json_object *object;

	if (!line->handshake->has_alert) {
		add_null(line, mtls, "alert");
		return;
	}
	object = add_object(line, mtls, "alert");
	add_name(line, object, "level", alert_level_name(alert->level), alert->level);
	add_name(line, object, "description", alert_description_name(alert->description), alert->description);
	add_string(line, object, "from", report_side_name(alert->from));
}

static void add_end(struct line *line, struct json_object *mtls)
{
	static const char *const names[] = {
		[END_NONE] = "none", [END_COMPLETED] = "completed", [END_ALERT] = "alert",     [END_FIN] = "closed",
		[END_RST] = "reset", [END_TIMEOUT] = "timeout",     [END_NOT_TLS] = "not_tls",
	};
	const struct handshake_facts *facts = &line->handshake->facts;

	if (facts->end < sizeof(names) / sizeof(names[0]))
		add_string(line, mtls, "end", names[facts->end]);
	if (facts->end == END_ALERT || facts->end == END_FIN || facts->end == END_RST || facts->end == END_NOT_TLS)
		add_string(line, mtls, "ended_by", report_side_name(facts->ended_by));
}

static void add_request_to_answer(struct line *line, struct json_object *mtls)
{
	const struct handshake *handshake = line->handshake;

	if (handshake->request_ns && handshake->answer_ns >= handshake->request_ns)
		add_number(line, mtls, "request_to_answer_us",
		           (handshake->answer_ns - handshake->request_ns) / NANOSECONDS_PER_MICROSECOND);
}

static void append_step(struct line *line, struct json_object *array, const struct handshake_step *step)
{
	const int64_t since_start = step->time_ns - line->handshake->start_ns;
	const bool is_message = step->kind != STEP_RECORD;
	struct json_object *object = json_object_new_object();

	if (!append(line, array, object))
		return;
	add_number(line, object, "us", since_start / NANOSECONDS_PER_MICROSECOND);
	add_string(line, object, "from", report_side_name(step->from));
	add_number(line, object, is_message ? "type" : "content_type", step->type);
	add_string(line, object, "name", is_message ? handshake_type_name(step->type) : content_type_name(step->type));
	add_number(line, object, "length", step->length);
	/* of what the wire encrypts; time is when the library had it */
	if (step->kind == STEP_LIBRARY)
		add_string(line, object, "evidence", evidence_name(EVIDENCE_LIBRARY));
}

static bool is_of_kind(const struct handshake_step *step, enum handshake_step_kind kind)
{
	return step->kind == kind || (kind == STEP_MESSAGE && step->kind == STEP_LIBRARY);
}

static void add_steps(struct line *line, struct json_object *mtls, const char *key, enum handshake_step_kind kind)
{
	const struct handshake *handshake = line->handshake;
	struct json_object *array = add_array(line, mtls, key);
	size_t i;

	for (i = 0; i < handshake->steps && i < HANDSHAKE_STEPS_MAX; i++)
		if (is_of_kind(&handshake->step[i], kind))
			append_step(line, array, &handshake->step[i]);
}

/* An empty name could not be read: null. */
static void append_authority(struct line *line, struct json_object *array, const char *name)
{
	if (*name)
		append(line, array, json_object_new_string(name));
	else if (!array || json_object_array_add(array, NULL))
		line->failed = true;
}

static void add_certificate_request(struct line *line, struct json_object *mtls)
{
	const struct certificate_request *request = line->handshake->request;
	struct json_object *object, *array;
	size_t i;

	if (!request)
		return;
	object = add_object(line, mtls, "certificate_request");
	array = add_array(line, object, "certificate_types");
	for (i = 0; i < request->certificate_types && i < MESSAGE_CERTIFICATE_TYPES_MAX; i++)
		append(line, array, json_object_new_int(request->certificate_type[i]));
	array = add_array(line, object, "signature_algorithms");
	for (i = 0; i < request->signature_algorithms && i < MESSAGE_SIGNATURE_ALGORITHMS_MAX; i++)
		append(line, array, json_object_new_int(request->signature_algorithm[i]));
	array = add_array(line, object, "authorities");
	for (i = 0; i < request->authorities && i < MESSAGE_AUTHORITIES_MAX; i++)
		append_authority(line, array, request->authority[i]);
	add_number(line, object, "authorities_total", request->authorities);
}

/* violated is null where what was seen does not tell. */
static void add_policy(struct line *line, struct json_object *mtls)
{
	static const uint8_t violated[POLICY_RESULTS] = {
		[POLICY_UNJUDGED] = NOT_KNOWN, [POLICY_KEPT] = KNOWN_NO, [POLICY_BROKEN] = KNOWN_YES};
	const struct policy_judgement *judgement = &line->handshake->policy;
	const char *expectation = policy_expectation_name(judgement->expectation);
	struct json_object *object;

	if (!expectation || judgement->result >= POLICY_RESULTS)
		return;
	object = add_object(line, mtls, "policy");
	add_string(line, object, "expected", expectation);
	add_known(line, object, "violated", violated[judgement->result]);
	add_number(line, object, "line", judgement->line);
}

static void add_mtls(struct line *line, struct json_object *root)
{
	const struct handshake *handshake = line->handshake;
	struct json_object *mtls = add_object(line, root, "mtls");

	add_string(line, mtls, "role", report_role_name(handshake->role));
	add_verdict(line, mtls);
	add_string(line, mtls, "library", handshake->library);
	add_later(line, mtls);
	add_policy(line, mtls);
	add_alert(line, mtls);
	add_end(line, mtls);
	add_request_to_answer(line, mtls);
	if (handshake->facts.client_hello && !handshake->facts.renegotiation &&
	    !handshake->facts.library.renegotiation && !handshake->facts.library.post_handshake)
		add(line, mtls, "post_handshake_auth",
		    json_object_new_boolean(handshake->client_hello.post_handshake_auth));
	add_certificate_request(line, mtls);
	add_steps(line, mtls, "messages", STEP_MESSAGE);
	add_steps(line, mtls, "records", STEP_RECORD);
	if (handshake->steps_dropped)
		add_number(line, mtls, "messages_dropped", handshake->steps_dropped);
}

int json_line(FILE *out, const struct handshake *handshake, const struct json_options *options)
{
	struct line line = {.handshake = handshake, .redact = options->redact};
	struct json_object *root = json_object_new_object();
	const char *text = NULL;

	add_timestamp(&line, root);
	add_event(&line, root);
	add_endpoint(&line, root, "source", &handshake->client);
	add_endpoint(&line, root, "destination", &handshake->server);
	add_network(&line, root);
	add_process(&line, root);
	add_tls(&line, root);
	add_mtls(&line, root);
	if (!line.failed)
		text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text) {
		escape_json(out, text);
		fputc('\n', out);
	}
	json_object_put(root);
	return text ? 0 : -ENOMEM;
}
