// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/json.h"

#include "report_sample.h"

#include <json-c/json.h>

static const struct json_options whole = {.redact = false};
static const struct json_options redacted = {.redact = true};

/* What the report prints: one clean line, in memory that the caller frees. */
static char *line_of(const struct handshake *handshake, const struct json_options *options)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(json_line(out, handshake, options), 0);
	fclose(out);
	assert_int_equal(strlen(text), size);
	assert_int_equal(assert_clean_lines(text), 1);
	return text;
}

/* The same parsed: all of it is one JSON object. */
static struct json_object *object_of(const struct handshake *handshake, const struct json_options *options)
{
	struct json_tokener *tokener = json_tokener_new();
	char *line = line_of(handshake, options);
	struct json_object *object;

	assert_non_null(tokener);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	line[strlen(line) - 1] = '\0';
	object = json_tokener_parse_ex(tokener, line, strlen(line) + 1);
	assert_string_equal(json_tokener_error_desc(json_tokener_get_error(tokener)), "success");
	assert_int_equal(json_object_get_type(object), json_type_object);
	json_tokener_free(tokener);
	free(line);
	return object;
}

/* path is a JSON Pointer (RFC 6901). */
static struct json_object *field(struct json_object *object, const char *path, enum json_type type)
{
	struct json_object *value = NULL;

	if (json_pointer_get(object, path, &value))
		fail_msg("no %s in %s", path, json_object_to_json_string(object));
	if (json_object_get_type(value) != type)
		fail_msg("%s is %s, expected %s", path, json_type_to_name(json_object_get_type(value)),
		         json_type_to_name(type));
	return value;
}

static void assert_string(struct json_object *object, const char *path, const char *expected)
{
	assert_string_equal(json_object_get_string(field(object, path, json_type_string)), expected);
}

static void assert_number(struct json_object *object, const char *path, int64_t expected)
{
	assert_int_equal(json_object_get_int64(field(object, path, json_type_int)), expected);
}

static void assert_boolean(struct json_object *object, const char *path, bool expected)
{
	assert_int_equal(json_object_get_boolean(field(object, path, json_type_boolean)), expected);
}

static void assert_null_value(struct json_object *object, const char *path)
{
	field(object, path, json_type_null);
}

static void assert_elements(struct json_object *object, const char *path, size_t expected)
{
	assert_int_equal(json_object_array_length(field(object, path, json_type_array)), expected);
}

static void assert_absent(struct json_object *object, const char *path)
{
	struct json_object *value = NULL;

	if (!json_pointer_get(object, path, &value))
		fail_msg("%s should not be there: %s", path, json_object_to_json_string(object));
}

/* The example of the contract, as written there; what was added to it since is at the end of "mtls". */
static void whole_line(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();
	char *line;

	(void)state;
	handshake.certificate = &certificate;
	handshake.steps = 1;
	line = line_of(&handshake, &whole);
	assert_string_equal(
		line,
		"{\"@timestamp\":\"2026-11-23T11:00:00.123456Z\","
		"\"event\":{\"kind\":\"event\",\"category\":[\"network\"],\"action\":\"tls-handshake\","
		"\"outcome\":\"success\",\"duration\":1834000},"
		"\"source\":{\"ip\":\"10.0.0.5\",\"port\":51234},\"destination\":{\"ip\":\"10.0.0.1\",\"port\":443},"
		"\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\",\"direction\":\"ingress\",\"protocol\":\"tls\"},"
		"\"tls\":{\"version\":\"1.2\",\"version_protocol\":\"tls\","
		"\"cipher\":\"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\",\"established\":true,\"resumed\":false,"
		"\"next_protocol\":\"h2\",\"client\":{\"server_name\":\"example.org\","
		"\"subject\":\"CN=client,O=Example\",\"issuer\":\"CN=Example CA\","
		"\"not_after\":\"2027-11-23T10:59:59Z\",\"hash\":{\"sha256\":\"" SAMPLE_SHA256 "\"},"
		"\"x509\":{\"subject\":{\"distinguished_name\":\"CN=client,O=Example\"},"
		"\"issuer\":{\"distinguished_name\":\"CN=Example CA\"},\"not_after\":\"2027-11-23T10:59:59Z\"},"
		"\"certificate_chain_length\":1}},"
		"\"mtls\":{\"role\":\"server\",\"client_auth\":\"presented\",\"requested\":true,"
		"\"answer\":\"certificate\",\"evidence\":\"cleartext\",\"reason\":null,"
		"\"trusted\":null,\"verification\":{\"client\":null,\"server\":null},\"failure\":null,\"corrects\":"
		"null,"
		"\"alert\":null,"
		"\"end\":\"completed\",\"request_to_answer_us\":412,\"post_handshake_auth\":false,"
		"\"messages\":[{\"us\":0,\"from\":\"client\",\"type\":1,\"name\":\"client_hello\",\"length\":508}],"
		"\"records\":[]}}\n");
	free(line);
}

static void fields_of_a_presented_certificate(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();
	struct certificate_request request = sample_request();
	struct json_object *object;

	(void)state;
	handshake.certificate = &certificate;
	handshake.request = &request;
	handshake.client_hello.post_handshake_auth = true;
	object = object_of(&handshake, &whole);
	assert_string(object, "/@timestamp", "2026-11-23T11:00:00.123456Z");
	assert_string(object, "/event/kind", "event");
	assert_elements(object, "/event/category", 1);
	assert_string(object, "/event/category/0", "network");
	assert_string(object, "/event/action", "tls-handshake");
	assert_string(object, "/event/outcome", "success");
	assert_number(object, "/event/duration", 1834000);
	assert_string(object, "/source/ip", "10.0.0.5");
	assert_number(object, "/source/port", 51234);
	assert_string(object, "/destination/ip", "10.0.0.1");
	assert_number(object, "/destination/port", 443);
	assert_string(object, "/network/transport", "tcp");
	assert_string(object, "/network/type", "ipv4");
	assert_string(object, "/network/direction", "ingress");
	assert_absent(object, "/process");
	assert_absent(object, "/container");
	assert_string(object, "/tls/version", "1.2");
	assert_string(object, "/tls/version_protocol", "tls");
	assert_string(object, "/tls/cipher", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
	assert_boolean(object, "/tls/established", true);
	assert_boolean(object, "/tls/resumed", false);
	assert_string(object, "/tls/next_protocol", "h2");
	assert_string(object, "/tls/client/server_name", "example.org");
	assert_string(object, "/tls/client/subject", "CN=client,O=Example");
	assert_string(object, "/tls/client/issuer", "CN=Example CA");
	assert_string(object, "/tls/client/not_after", "2027-11-23T10:59:59Z");
	assert_string(object, "/tls/client/hash/sha256", SAMPLE_SHA256);
	assert_string(object, "/mtls/role", "server");
	assert_string(object, "/mtls/client_auth", "presented");
	assert_boolean(object, "/mtls/requested", true);
	assert_string(object, "/mtls/answer", "certificate");
	assert_string(object, "/mtls/evidence", "cleartext");
	assert_null_value(object, "/mtls/reason");
	assert_null_value(object, "/mtls/alert");
	assert_string(object, "/mtls/end", "completed");
	assert_absent(object, "/mtls/ended_by");
	assert_number(object, "/mtls/request_to_answer_us", 412);
	assert_boolean(object, "/mtls/post_handshake_auth", true);
	assert_absent(object, "/mtls/messages_dropped");
	json_object_put(object);
}

static void fields_of_the_request(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate_request request = sample_request();
	struct json_object *object, *authorities;

	(void)state;
	handshake.request = &request;
	object = object_of(&handshake, &whole);
	assert_elements(object, "/mtls/certificate_request/certificate_types", 3);
	assert_number(object, "/mtls/certificate_request/certificate_types/0", 1);
	assert_number(object, "/mtls/certificate_request/certificate_types/1", 64);
	assert_number(object, "/mtls/certificate_request/certificate_types/2", 99);
	assert_elements(object, "/mtls/certificate_request/signature_algorithms", 2);
	assert_number(object, "/mtls/certificate_request/signature_algorithms/0", 1027);
	assert_number(object, "/mtls/certificate_request/signature_algorithms/1", 2052);
	assert_elements(object, "/mtls/certificate_request/authorities", 2);
	assert_string(object, "/mtls/certificate_request/authorities/0", "CN=Example CA");
	assert_string(object, "/mtls/certificate_request/authorities/1", "CN=M\xc3\xbcller");
	assert_number(object, "/mtls/certificate_request/authorities_total", 2);
	json_object_put(object);

	request.authority[0][0] = '\0'; /* could not be read */
	object = object_of(&handshake, &whole);
	authorities = field(object, "/mtls/certificate_request/authorities", json_type_array);
	assert_int_equal(json_object_array_length(authorities), 2);
	assert_null(json_object_array_get_idx(authorities, 0));
	json_object_put(object);

	handshake.request = NULL;
	object = object_of(&handshake, &whole);
	assert_absent(object, "/mtls/certificate_request");
	json_object_put(object);
}

static void fields_of_the_steps(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	sample_alert(&handshake, 1900, FROM_SERVER, 48);
	sample_step(&handshake, 2000, STEP_MESSAGE, FROM_SERVER, 99, 1);
	sample_step(&handshake, 2001, STEP_RECORD, FROM_CLIENT, 99, 2);
	handshake.steps_dropped = 3;
	object = object_of(&handshake, &whole);
	assert_elements(object, "/mtls/messages", 5);
	assert_number(object, "/mtls/messages/2/us", 300);
	assert_string(object, "/mtls/messages/2/from", "server");
	assert_number(object, "/mtls/messages/2/type", 13);
	assert_string(object, "/mtls/messages/2/name", "certificate_request");
	assert_number(object, "/mtls/messages/2/length", 104);
	assert_number(object, "/mtls/messages/3/us", 712);
	assert_string(object, "/mtls/messages/3/from", "client");
	assert_string(object, "/mtls/messages/3/name", "certificate");
	assert_number(object, "/mtls/messages/4/type", 99);
	assert_absent(object, "/mtls/messages/4/name");
	assert_elements(object, "/mtls/records", 3);
	assert_number(object, "/mtls/records/0/us", 1700);
	assert_string(object, "/mtls/records/0/from", "client");
	assert_number(object, "/mtls/records/0/content_type", 20);
	assert_string(object, "/mtls/records/0/name", "change_cipher_spec");
	assert_number(object, "/mtls/records/0/length", 1);
	assert_absent(object, "/mtls/records/0/type");
	assert_number(object, "/mtls/records/1/content_type", 22);
	assert_string(object, "/mtls/records/1/name", "handshake");
	assert_number(object, "/mtls/records/1/length", 40);
	assert_absent(object, "/mtls/records/2/name");
	assert_number(object, "/mtls/messages_dropped", 3);
	json_object_put(object);
}

static void fields_of_an_alert(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.verdict.established = KNOWN_NO;
	sample_alert(&handshake, 1834, FROM_SERVER, 48);
	object = object_of(&handshake, &whole);
	assert_string(object, "/event/outcome", "failure");
	assert_boolean(object, "/tls/established", false);
	assert_string(object, "/mtls/alert/level", "fatal");
	assert_string(object, "/mtls/alert/description", "unknown_ca");
	assert_string(object, "/mtls/alert/from", "server");
	assert_string(object, "/mtls/end", "alert");
	assert_string(object, "/mtls/ended_by", "server");
	json_object_put(object);

	handshake.alert.level = 9;
	handshake.alert.description = 200;
	object = object_of(&handshake, &whole);
	assert_string(object, "/mtls/alert/level", "9");
	assert_string(object, "/mtls/alert/description", "200");
	json_object_put(object);
}

/* Nothing was seen: nothing is said. */
static void unknown_is_left_out_or_null(void **state)
{
	struct handshake handshake = {
		.role = ROLE_OBSERVER,
		.start_ns = 2,
		.end_ns = 1,
		.start_realtime_ns = SAMPLE_REALTIME_NS,
		.answer_ns = 5,
		.verdict = {.client_auth = CLIENT_AUTH_UNKNOWN,
	                    .reason = REASON_MIDSTREAM,
	                    .requested = NOT_KNOWN,
	                    .answer = ANSWER_NOT_KNOWN,
	                    .established = NOT_KNOWN,
	                    .resumed = NOT_KNOWN},
	};
	struct json_object *object = object_of(&handshake, &whole);

	(void)state;
	assert_string(object, "/event/outcome", "unknown");
	assert_absent(object, "/event/duration");
	assert_absent(object, "/source/ip");
	assert_absent(object, "/network/transport");
	assert_absent(object, "/network/type");
	assert_absent(object, "/network/direction");
	assert_absent(object, "/tls/version");
	assert_absent(object, "/tls/version_protocol");
	assert_absent(object, "/tls/cipher");
	assert_null_value(object, "/tls/established");
	assert_null_value(object, "/tls/resumed");
	assert_absent(object, "/tls/next_protocol");
	assert_absent(object, "/tls/client");
	assert_string(object, "/mtls/role", "observer");
	assert_string(object, "/mtls/client_auth", "unknown");
	assert_string(object, "/mtls/reason", "midstream");
	assert_null_value(object, "/mtls/requested");
	assert_absent(object, "/mtls/answer");
	assert_string(object, "/mtls/end", "none");
	assert_absent(object, "/mtls/ended_by");
	assert_absent(object, "/mtls/request_to_answer_us");
	assert_absent(object, "/mtls/post_handshake_auth");
	assert_elements(object, "/mtls/messages", 0);
	assert_elements(object, "/mtls/records", 0);
	json_object_put(object);
}

static void answers(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.verdict.answer = ANSWER_EMPTY;
	object = object_of(&handshake, &whole);
	assert_string(object, "/mtls/answer", "empty");
	json_object_put(object);

	handshake.verdict.answer = ANSWER_NONE;
	handshake.verdict.requested = KNOWN_NO;
	object = object_of(&handshake, &whole);
	assert_null_value(object, "/mtls/answer");
	assert_boolean(object, "/mtls/requested", false);
	json_object_put(object);
}

static void ends(void **state)
{
	static const struct {
		uint8_t end;
		uint8_t by;
		const char *expected;
		const char *ended_by;
	} cases[] = {
		{END_NONE, FROM_SERVER, "none", NULL},           {END_COMPLETED, FROM_SERVER, "completed", NULL},
		{END_ALERT, FROM_CLIENT, "alert", "client"},     {END_FIN, FROM_CLIENT, "closed", "client"},
		{END_RST, FROM_SERVER, "reset", "server"},       {END_TIMEOUT, FROM_SERVER, "timeout", NULL},
		{END_NOT_TLS, FROM_SERVER, "not_tls", "server"},
	};
	struct handshake handshake = sample_handshake();
	struct json_object *object;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		handshake.facts.end = cases[i].end;
		handshake.facts.ended_by = cases[i].by;
		object = object_of(&handshake, &whole);
		assert_string(object, "/mtls/end", cases[i].expected);
		if (cases[i].ended_by)
			assert_string(object, "/mtls/ended_by", cases[i].ended_by);
		else
			assert_absent(object, "/mtls/ended_by");
		json_object_put(object);
	}
}

static void directions_and_families(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.role = ROLE_CLIENT;
	handshake.family = 6;
	handshake.transport = IPPROTO_UDP;
	handshake.version = 0xfefd;
	memset(handshake.client.address, 0, sizeof(handshake.client.address));
	handshake.client.address[15] = 1;
	object = object_of(&handshake, &whole);
	assert_string(object, "/network/direction", "egress");
	assert_string(object, "/network/type", "ipv6");
	assert_string(object, "/network/transport", "udp");
	assert_string(object, "/source/ip", "::1");
	assert_string(object, "/tls/version", "1.2");
	assert_string(object, "/tls/version_protocol", "dtls");
	assert_string(object, "/mtls/role", "client");
	json_object_put(object);

	handshake.version = 0x0304;
	handshake.role = ROLE_OBSERVER;
	handshake.verdict.evidence = EVIDENCE_INFERRED;
	object = object_of(&handshake, &whole);
	assert_absent(object, "/network/direction");
	assert_string(object, "/tls/version", "1.3");
	assert_string(object, "/mtls/evidence", "inferred");
	json_object_put(object);
}

/* A suite of no name is told by its number; 0x0000 is none (RFC 5246 appendix A.5). */
static void cipher_suites_without_a_name(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.server_hello.cipher_suite = 0xeaea;
	object = object_of(&handshake, &whole);
	assert_string(object, "/tls/cipher", "0xEAEA");
	json_object_put(object);

	handshake.server_hello.cipher_suite = 0;
	object = object_of(&handshake, &whole);
	assert_absent(object, "/tls/cipher");
	json_object_put(object);
}

static void redacted_leaves_the_fingerprint(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();
	struct json_object *object;
	char *line;

	(void)state;
	handshake.certificate = &certificate;
	object = object_of(&handshake, &redacted);
	assert_string(object, "/tls/client/hash/sha256", SAMPLE_SHA256);
	assert_string(object, "/tls/client/server_name", "example.org");
	assert_absent(object, "/tls/client/subject");
	assert_absent(object, "/tls/client/issuer");
	assert_absent(object, "/tls/client/not_after");
	json_object_put(object);

	line = line_of(&handshake, &redacted);
	assert_null(strstr(line, "CN="));
	assert_null(strstr(line, "2027"));
	free(line);
}

static void certificates_that_could_not_be_read(void **state)
{
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();
	struct json_object *object;

	(void)state;
	handshake.certificate = &certificate;
	certificate.leaf_parsed = false;
	object = object_of(&handshake, &whole);
	assert_string(object, "/tls/client/hash/sha256", SAMPLE_SHA256);
	assert_absent(object, "/tls/client/subject");
	assert_absent(object, "/tls/client/not_after");
	json_object_put(object);

	certificate.sha256_known = false;
	handshake.client_hello.server_name[0] = '\0';
	object = object_of(&handshake, &whole);
	assert_absent(object, "/tls/client");
	json_object_put(object);

	/* a date that no four-digit year can say, and an early one */
	certificate = sample_certificate();
	certificate.not_after = INT64_MAX;
	object = object_of(&handshake, &whole);
	assert_string(object, "/tls/client/subject", "CN=client,O=Example");
	assert_absent(object, "/tls/client/not_after");
	json_object_put(object);
	certificate.not_after = -62135596800; /* by the Gregorian calendar: 719162 days before 1970 */
	object = object_of(&handshake, &whole);
	assert_string(object, "/tls/client/not_after", "0001-01-01T00:00:00Z");
	json_object_put(object);
}

/* Text that can be said in JSON comes back as it was sent; what is no UTF-8 comes back as U+FFFD. */
static void hostile_text_parses_back(void **state)
{
	static const char returned[] = "a\n\t\x1b[31m\x7f\xc2\x9b"
				       "2J\xef\xbf\xbd\xef\xbf\xbd(\xe2\x80\xae"
				       "b\xe2\x80\x8b\"\\";
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();
	struct certificate_request request = sample_request();
	struct json_object *object;

	(void)state;
	handshake.certificate = &certificate;
	handshake.request = &request;
	strcpy(handshake.client_hello.server_name, HOSTILE);
	strcpy(handshake.server_hello.protocol, HOSTILE);
	strcpy(certificate.subject, HOSTILE);
	strcpy(certificate.issuer, HOSTILE);
	strcpy(request.authority[0], HOSTILE);
	object = object_of(&handshake, &whole);
	assert_string(object, "/tls/client/server_name", returned);
	assert_string(object, "/tls/next_protocol", returned);
	assert_string(object, "/tls/client/subject", returned);
	assert_string(object, "/tls/client/issuer", returned);
	assert_string(object, "/mtls/certificate_request/authorities/0", returned);
	json_object_put(object);
}

/* Each byte there is, in the longest name: the line stays one line of valid UTF-8. */
static void every_byte(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object;
	size_t byte;

	(void)state;
	for (byte = 1; byte < 256; byte++)
		handshake.client_hello.server_name[byte - 1] = byte;
	handshake.client_hello.server_name[255] = '\0';
	object = object_of(&handshake, &whole);
	field(object, "/tls/client/server_name", json_type_string);
	json_object_put(object);

	memset(handshake.client_hello.server_name, 0xe2, MESSAGE_SERVER_NAME_MAX);
	object = object_of(&handshake, &whole);
	/* U+FFFD is three bytes */
	assert_int_equal(json_object_get_string_len(field(object, "/tls/client/server_name", json_type_string)),
	                 3 * MESSAGE_SERVER_NAME_MAX);
	json_object_put(object);
}

static void slashes_stay(void **state)
{
	struct handshake handshake = sample_handshake();
	char *line;

	(void)state;
	strcpy(handshake.server_hello.protocol, "http/1.1");
	line = line_of(&handshake, &whole);
	assert_non_null(strstr(line, "\"next_protocol\":\"http/1.1\""));
	free(line);
}

static void counts_are_bounded(void **state)
{
	static struct certificate_request request;
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	memset(&request, 'x', sizeof(request));
	request.authorities = 40000;
	for (size_t i = 0; i < MESSAGE_AUTHORITIES_MAX; i++)
		request.authority[i][MESSAGE_NAME_MAX - 1] = '\0';
	handshake.request = &request;
	handshake.steps = 60000;
	handshake.steps_dropped = 65535;
	object = object_of(&handshake, &whole);
	assert_elements(object, "/mtls/certificate_request/certificate_types", 16);
	assert_elements(object, "/mtls/certificate_request/signature_algorithms", 64);
	assert_elements(object, "/mtls/certificate_request/authorities", 32);
	assert_number(object, "/mtls/certificate_request/authorities_total", 40000);
	assert_number(object, "/mtls/messages_dropped", 65535);
	json_object_put(object);
}

/* violated is null where what was seen does not tell; without an expectation there is nothing. */
static void policy(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object = object_of(&handshake, &whole);

	(void)state;
	assert_absent(object, "/mtls/policy");
	json_object_put(object);
	handshake.policy = (struct policy_judgement){.expectation = POLICY_REQUIRED, .result = POLICY_KEPT, .line = 7};
	object = object_of(&handshake, &whole);
	assert_string(object, "/mtls/policy/expected", "required");
	assert_boolean(object, "/mtls/policy/violated", false);
	assert_number(object, "/mtls/policy/line", 7);
	json_object_put(object);
	handshake.policy = (struct policy_judgement){.expectation = POLICY_NEVER, .result = POLICY_BROKEN, .line = 8};
	object = object_of(&handshake, &whole);
	assert_string(object, "/mtls/policy/expected", "never");
	assert_boolean(object, "/mtls/policy/violated", true);
	assert_absent(object, "/mtls/policy/breach");
	json_object_put(object);
	handshake.policy.breach = POLICY_BREACH_REQUESTED;
	object = object_of(&handshake, &whole);
	assert_string(object, "/mtls/policy/breach", "requested");
	json_object_put(object);
	handshake.policy =
		(struct policy_judgement){.expectation = POLICY_OPTIONAL, .result = POLICY_UNJUDGED, .line = 9};
	object = object_of(&handshake, &whole);
	assert_string(object, "/mtls/policy/expected", "optional");
	assert_null_value(object, "/mtls/policy/violated");
	json_object_put(object);
}

/* As often as needle is in the line: a parser keeps one of several members of the same name. */
static size_t count_in_line(const struct handshake *handshake, const char *needle)
{
	char *line = line_of(handshake, &whole);
	size_t count = 0;

	for (const char *found = strstr(line, needle); found; found = strstr(found + 1, needle))
		count++;
	free(line);
	return count;
}

/* The wire, a library, or both may know of a renegotiation: it is said once, and of others not at all. */
static void later_handshakes(void **state)
{
	static const struct {
		bool wire, library, post_handshake;
	} cases[] = {
		{false, false, false}, {true, false, false}, {false, true, false},
		{true, true, false},   {false, false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct handshake handshake = sample_handshake();
		bool renegotiation = cases[i].wire || cases[i].library;

		handshake.facts.renegotiation = cases[i].wire;
		handshake.facts.library.renegotiation = cases[i].library;
		handshake.facts.library.post_handshake = cases[i].post_handshake;
		assert_int_equal(count_in_line(&handshake, "\"renegotiation\":true"), renegotiation);
		assert_int_equal(count_in_line(&handshake, "\"renegotiation\""), renegotiation);
		assert_int_equal(count_in_line(&handshake, "\"post_handshake\":true"), cases[i].post_handshake);
		assert_int_equal(count_in_line(&handshake, "\"post_handshake\""), cases[i].post_handshake);
		/* what the ClientHello offered is said where one was read */
		assert_int_equal(count_in_line(&handshake, "\"post_handshake_auth\""),
		                 !renegotiation && !cases[i].post_handshake);
	}
}

/* Said where it is so, and else left out. */
static void conflict(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object = object_of(&handshake, &whole);

	(void)state;
	assert_absent(object, "/mtls/conflict");
	json_object_put(object);
	handshake.verdict.conflict = 1;
	object = object_of(&handshake, &whole);
	assert_boolean(object, "/mtls/conflict", true);
	json_object_put(object);
}

/* Who makes the handshake, or else who opened the socket; the names are anybody's. */
static void processes(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object = object_of(&handshake, &whole);

	(void)state;
	assert_absent(object, "/process");
	assert_absent(object, "/container");
	assert_absent(object, "/mtls/library");
	json_object_put(object);
	handshake.owner = (struct process){1, "systemd"};
	object = object_of(&handshake, &whole);
	assert_number(object, "/process/pid", 1);
	assert_string(object, "/process/name", "systemd");
	json_object_put(object);
	handshake.process = (struct process){.id = 4194303};
	memcpy(handshake.process.name, HOSTILE, PROCESS_NAME_MAX - 1);
	strcpy(handshake.container, HOSTILE);
	strcpy(handshake.library, "OpenSSL 3.0.19");
	object = object_of(&handshake, &whole);
	assert_number(object, "/process/pid", 4194303);
	field(object, "/process/name", json_type_string);
	field(object, "/container/id", json_type_string);
	assert_string(object, "/mtls/library", "OpenSSL 3.0.19");
	json_object_put(object);
	/* a process without a name, a container without a process */
	handshake.process.name[0] = '\0';
	object = object_of(&handshake, &whole);
	assert_absent(object, "/process/name");
	json_object_put(object);
	handshake.process.id = handshake.owner.id = 0;
	strcpy(handshake.container, "0123abcd");
	object = object_of(&handshake, &whole);
	assert_absent(object, "/process");
	assert_string(object, "/container/id", "0123abcd");
	json_object_put(object);
}

/* Each text is hostile, and comes back as it was. */
static struct attribution sample_attribution(void)
{
	return (struct attribution){
		.process = 2960,
		.name = "nginx",
		.executable = "/usr/sbin/nginx",
		.command_line = "nginx: worker \"process\"",
		.user_known = true,
		.user = 33,
		.user_name = "www-data",
		.unit = "nginx.service",
		.container = "0123abcd",
		.runtime = "containerd",
		.pod_namespace = "shop",
		.pod = "cart-7c9",
		.pod_uid = "11111111-2222-3333-4444-555555555555",
		.pod_container = "cart",
		.network_namespace = 4026531840,
	};
}

static void fields_of_the_origin(void **state)
{
	static const struct host host = {"web-3", "0123456789abcdef0123456789abcdef"};
	const struct json_options named = {.host = &host};
	struct attribution attribution = sample_attribution();
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.attribution = &attribution;
	handshake.has_nat = true;
	handshake.nat = (struct endpoint){.address = {10, 0, 0, 9}, .port = 8443};
	strcpy(handshake.id, "00000000000000010000000000000002");
	object = object_of(&handshake, &named);
	assert_string(object, "/event/id", "00000000000000010000000000000002");
	assert_string(object, "/host/name", "web-3");
	assert_string(object, "/host/id", "0123456789abcdef0123456789abcdef");
	assert_number(object, "/process/pid", 2960);
	assert_string(object, "/process/name", "nginx");
	assert_string(object, "/process/executable", "/usr/sbin/nginx");
	assert_string(object, "/process/command_line", "nginx: worker \"process\"");
	assert_string(object, "/user/id", "33");
	assert_string(object, "/user/name", "www-data");
	assert_string(object, "/systemd/unit", "nginx.service");
	assert_string(object, "/container/id", "0123abcd");
	assert_string(object, "/container/runtime", "containerd");
	assert_string(object, "/orchestrator/type", "kubernetes");
	assert_string(object, "/orchestrator/namespace", "shop");
	assert_string(object, "/orchestrator/resource/type", "pod");
	assert_string(object, "/orchestrator/resource/name", "cart-7c9");
	assert_string(object, "/kubernetes/pod/uid", "11111111-2222-3333-4444-555555555555");
	assert_string(object, "/kubernetes/container/name", "cart");
	assert_number(object, "/network/netns", 4026531840);
	assert_string(object, "/network/protocol", "tls");
	assert_string(object, "/destination/ip", "10.0.0.1");
	assert_string(object, "/destination/nat/ip", "10.0.0.9");
	assert_number(object, "/destination/nat/port", 8443);
	json_object_put(object);
}

/* An attribution that knows nothing adds nothing: no empty object. */
static void origin_that_is_not_known_is_left_out(void **state)
{
	static const char *const absent[] = {"/host",          "/process",        "/user",         "/systemd",
	                                     "/container",     "/event/id",       "/orchestrator", "/kubernetes",
	                                     "/network/netns", "/destination/nat"};
	static const struct attribution nothing;
	static const struct host unnamed;
	const struct json_options options = {.host = &unnamed};
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.attribution = &nothing;
	object = object_of(&handshake, &options);
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
		assert_absent(object, absent[i]);
	json_object_put(object);
}

static struct certificate sample_detailed_certificate(void)
{
	struct certificate certificate = sample_certificate();

	certificate.certificates = 2;
	certificate.not_before = 1795431600;
	strcpy(certificate.serial, "0A1B");
	certificate.alternative_names = 2;
	strcpy(certificate.alternative_name[0], "spiffe://corp/ns/shop/sa/cart");
	strcpy(certificate.alternative_name[1], HOSTILE);
	strcpy(certificate.key_algorithm, "EC");
	certificate.key_size = 256;
	strcpy(certificate.signature_algorithm, "ECDSA-SHA256");
	certificate.has_key_purposes = true;
	certificate.key_purposes = 1;
	strcpy(certificate.key_purpose[0], "clientAuth");
	return certificate;
}

static void fields_of_both_certificates(void **state)
{
	static const char *const sides[] = {"client", "server"};
	struct certificate client = sample_detailed_certificate(), server = sample_detailed_certificate();
	struct handshake handshake = sample_handshake();
	struct json_object *object, *x509;
	char path[64];

	(void)state;
	handshake.certificate = &client;
	handshake.server_certificate = &server;
	object = object_of(&handshake, &whole);
	for (size_t side = 0; side < 2; side++) {
		snprintf(path, sizeof(path), "/tls/%s/x509", sides[side]);
		x509 = field(object, path, json_type_object);
		assert_string(x509, "/subject/distinguished_name", "CN=client,O=Example");
		assert_string(x509, "/issuer/distinguished_name", "CN=Example CA");
		assert_string(x509, "/serial_number", "0A1B");
		assert_string(x509, "/not_before", "2026-11-23T11:00:00Z");
		assert_string(x509, "/not_after", "2027-11-23T10:59:59Z");
		assert_elements(x509, "/alternative_names", 2);
		assert_string(x509, "/alternative_names/0", "spiffe://corp/ns/shop/sa/cart");
		assert_string(x509, "/public_key_algorithm", "EC");
		assert_number(x509, "/public_key_size", 256);
		assert_string(x509, "/signature_algorithm", "ECDSA-SHA256");
		assert_elements(x509, "/extended_key_usage", 1);
		assert_string(x509, "/extended_key_usage/0", "clientAuth");
		snprintf(path, sizeof(path), "/tls/%s/certificate_chain_length", sides[side]);
		assert_number(object, path, 2);
		snprintf(path, sizeof(path), "/tls/%s/hash/sha256", sides[side]);
		assert_string(object, path, SAMPLE_SHA256);
	}
	assert_absent(object, "/tls/server/subject");
	json_object_put(object);
}

/* Without the extension every purpose is allowed, with an empty one none: the two are told apart. */
static void key_purposes_that_are_missing_are_not_empty(void **state)
{
	struct certificate certificate = sample_detailed_certificate();
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.certificate = &certificate;
	certificate.has_key_purposes = false;
	object = object_of(&handshake, &whole);
	assert_absent(object, "/tls/client/x509/extended_key_usage");
	json_object_put(object);
	certificate.has_key_purposes = true;
	certificate.key_purposes = 0;
	certificate.alternative_names = 0;
	object = object_of(&handshake, &whole);
	assert_elements(object, "/tls/client/x509/extended_key_usage", 0);
	assert_absent(object, "/tls/client/x509/alternative_names");
	json_object_put(object);
	certificate.key_purposes = certificate.alternative_names = 60000;
	object = object_of(&handshake, &whole);
	assert_elements(object, "/tls/client/x509/alternative_names", MESSAGE_ALTERNATIVE_NAMES_MAX);
	json_object_put(object);
}

static void fields_of_trust(void **state)
{
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.verification[FROM_CLIENT] = (struct verification){
		.known = true, .result = FAILURE_CERTIFICATE_EXPIRED, .source = FAILURE_FROM_LIBRARY, .code = 10};
	handshake.verification[FROM_SERVER] =
		(struct verification){.known = true, .result = FAILURE_NONE, .source = FAILURE_FROM_ALERT, .code = 99};
	object = object_of(&handshake, &whole);
	assert_boolean(object, "/mtls/trusted", false);
	assert_string(object, "/mtls/verification/client/result", "certificate_expired");
	assert_number(object, "/mtls/verification/client/code", 10);
	assert_string(object, "/mtls/verification/client/source", "library");
	assert_string(object, "/mtls/verification/server/result", "ok");
	assert_string(object, "/mtls/verification/server/source", "alert");
	/* only a library has a code */
	assert_absent(object, "/mtls/verification/server/code");
	json_object_put(object);
	handshake.verification[FROM_CLIENT].result = FAILURE_NONE;
	handshake.verification[FROM_SERVER].known = false;
	object = object_of(&handshake, &whole);
	assert_boolean(object, "/mtls/trusted", true);
	assert_null_value(object, "/mtls/verification/server");
	json_object_put(object);
	/* the server's certificate says nothing about the client's */
	handshake.verification[FROM_SERVER].known = true;
	handshake.verification[FROM_CLIENT].known = false;
	object = object_of(&handshake, &whole);
	assert_null_value(object, "/mtls/trusted");
	json_object_put(object);
}

/* by equals ended_by or is null, whatever the record says. */
static void failure_blames_the_ender_or_nobody(void **state)
{
	static const struct {
		uint8_t by;
		uint8_t end;
		uint8_t ended_by;
		const char *expected; /* NULL: null */
	} cases[] = {
		{FROM_SERVER, END_ALERT, FROM_SERVER, "server"}, {FROM_CLIENT, END_RST, FROM_CLIENT, "client"},
		{FROM_SERVER, END_FIN, FROM_SERVER, "server"},   {FROM_SERVER, END_NOT_TLS, FROM_SERVER, "server"},
		{FROM_SERVER, END_ALERT, FROM_CLIENT, NULL},     {FAILURE_BY_NOBODY, END_FIN, FROM_CLIENT, NULL},
		{FROM_SERVER, END_TIMEOUT, FROM_SERVER, NULL},   {FROM_CLIENT, END_NONE, FROM_CLIENT, NULL},
	};
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.failure = (struct failure){.reason = FAILURE_CERTIFICATE_EXPIRED, .source = FAILURE_FROM_LIBRARY};
	strcpy(handshake.failure.detail, "X509 10 certificate has expired");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		handshake.failure.by = cases[i].by;
		handshake.facts.end = cases[i].end;
		handshake.facts.ended_by = cases[i].ended_by;
		object = object_of(&handshake, &whole);
		assert_string(object, "/mtls/failure/reason", "certificate_expired");
		assert_string(object, "/mtls/failure/source", "library");
		assert_string(object, "/mtls/failure/detail", "X509 10 certificate has expired");
		if (cases[i].expected) {
			assert_string(object, "/mtls/failure/by", cases[i].expected);
			assert_string(object, "/mtls/ended_by", cases[i].expected);
		} else {
			assert_null_value(object, "/mtls/failure/by");
		}
		json_object_put(object);
	}
}

static void fields_of_hints_and_corrections(void **state)
{
	struct hints hints = {.count = 2, .text = {"client certificate expired 12 days ago", HOSTILE}};
	struct handshake handshake = sample_handshake();
	struct json_object *object;

	(void)state;
	handshake.hints = &hints;
	strcpy(handshake.corrects, "00000000000000010000000000000001");
	object = object_of(&handshake, &whole);
	assert_elements(object, "/mtls/hints", 2);
	assert_string(object, "/mtls/hints/0", "client certificate expired 12 days ago");
	assert_string(object, "/mtls/corrects", "00000000000000010000000000000001");
	json_object_put(object);
	hints.count = 0;
	*handshake.corrects = '\0';
	object = object_of(&handshake, &whole);
	assert_elements(object, "/mtls/hints", 0);
	assert_null_value(object, "/mtls/corrects");
	json_object_put(object);
}

/* Of a secret in each text that is somebody's, --redact leaves nothing; fingerprints and reasons stay. */
static void redacted_leaves_fingerprints_and_reasons(void **state)
{
	struct certificate client = sample_detailed_certificate(), server = sample_detailed_certificate();
	struct attribution attribution = sample_attribution();
	struct hints hints = {.count = 1, .text = {"subject CN=secret"}};
	struct handshake handshake = sample_handshake();
	struct json_object *object;
	char *line;

	(void)state;
	for (int side = 0; side < 2; side++) {
		struct certificate *certificate = side ? &server : &client;

		strcpy(certificate->subject, "CN=secret");
		strcpy(certificate->issuer, "CN=secret");
		strcpy(certificate->serial, "5EC2E7");
		strcpy(certificate->alternative_name[0], "secret");
		strcpy(certificate->key_purpose[0], "secret");
	}
	strcpy(attribution.command_line, "secret");
	strcpy(attribution.user_name, "secret");
	handshake.certificate = &client;
	handshake.server_certificate = &server;
	handshake.attribution = &attribution;
	handshake.hints = &hints;
	handshake.failure = (struct failure){.reason = FAILURE_UNKNOWN_CA, .detail = "secret"};
	handshake.verification[FROM_CLIENT] = (struct verification){.known = true, .result = FAILURE_UNKNOWN_CA};
	line = line_of(&handshake, &redacted);
	if (strstr(line, "secret") || strstr(line, "5EC2E7") || strstr(line, "x509\"") || strstr(line, "2027"))
		fail_msg("not redacted: %s", line);
	free(line);
	object = object_of(&handshake, &redacted);
	assert_string(object, "/tls/client/hash/sha256", SAMPLE_SHA256);
	assert_string(object, "/tls/server/hash/sha256", SAMPLE_SHA256);
	assert_string(object, "/mtls/failure/reason", "unknown_ca");
	assert_string(object, "/mtls/verification/client/result", "unknown_ca");
	assert_string(object, "/process/name", "nginx");
	assert_absent(object, "/user");
	assert_absent(object, "/mtls/hints");
	json_object_put(object);
}

/* A line that is longer than the writer's buffer is whole. */
static void long_line_is_whole(void **state)
{
	static struct certificate_request request;
	struct handshake handshake = sample_handshake();
	struct json_object *object;
	char expected[MESSAGE_NAME_MAX];

	(void)state;
	request.authorities = MESSAGE_AUTHORITIES_MAX;
	memset(expected, 'y', sizeof(expected) - 1);
	expected[sizeof(expected) - 1] = '\0';
	for (size_t i = 0; i < MESSAGE_AUTHORITIES_MAX; i++)
		strcpy(request.authority[i], expected);
	handshake.request = &request;
	object = object_of(&handshake, &whole);
	assert_elements(object, "/mtls/certificate_request/authorities", MESSAGE_AUTHORITIES_MAX);
	assert_string(object, "/mtls/certificate_request/authorities/15", expected);
	assert_string(object, "/mtls/certificate_request/authorities/31", expected);
	assert_elements(object, "/mtls/messages", 4);
	json_object_put(object);
}

/* TLS 1.3: what the wire encrypts, as the library had it, beside the records that carried it. */
static void fields_of_the_library(void **state)
{
	struct certificate_request request = sample_request();
	struct certificate certificate = sample_certificate();
	struct handshake handshake = sample_library_handshake();
	struct json_object *object;

	(void)state;
	handshake.request = &request;
	handshake.certificate = &certificate;
	object = object_of(&handshake, &whole);
	assert_string(object, "/tls/version", "1.3");
	assert_string(object, "/mtls/evidence", "library");
	assert_string(object, "/mtls/client_auth", "presented");
	assert_elements(object, "/mtls/messages", 4);
	assert_absent(object, "/mtls/messages/0/evidence");
	assert_string(object, "/mtls/messages/2/name", "certificate_request");
	assert_string(object, "/mtls/messages/2/evidence", "library");
	assert_string(object, "/mtls/messages/3/name", "certificate");
	assert_string(object, "/mtls/messages/3/from", "client");
	assert_string(object, "/mtls/messages/3/evidence", "library");
	assert_elements(object, "/mtls/records", 1);
	assert_absent(object, "/mtls/records/0/evidence");
	assert_number(object, "/mtls/request_to_answer_us", 412);
	assert_elements(object, "/mtls/certificate_request/authorities", 2);
	assert_string(object, "/tls/client/subject", "CN=client,O=Example");
	assert_string(object, "/tls/client/hash/sha256", SAMPLE_SHA256);
	json_object_put(object);
	/* redacted the names go, wherever they were read */
	object = object_of(&handshake, &redacted);
	assert_absent(object, "/tls/client/subject");
	assert_absent(object, "/tls/client/issuer");
	assert_string(object, "/tls/client/hash/sha256", SAMPLE_SHA256);
	json_object_put(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_line),
		cmocka_unit_test(fields_of_a_presented_certificate),
		cmocka_unit_test(fields_of_the_request),
		cmocka_unit_test(fields_of_the_steps),
		cmocka_unit_test(fields_of_an_alert),
		cmocka_unit_test(unknown_is_left_out_or_null),
		cmocka_unit_test(answers),
		cmocka_unit_test(ends),
		cmocka_unit_test(directions_and_families),
		cmocka_unit_test(cipher_suites_without_a_name),
		cmocka_unit_test(redacted_leaves_the_fingerprint),
		cmocka_unit_test(certificates_that_could_not_be_read),
		cmocka_unit_test(hostile_text_parses_back),
		cmocka_unit_test(every_byte),
		cmocka_unit_test(slashes_stay),
		cmocka_unit_test(counts_are_bounded),
		cmocka_unit_test(policy),
		cmocka_unit_test(later_handshakes),
		cmocka_unit_test(conflict),
		cmocka_unit_test(processes),
		cmocka_unit_test(fields_of_the_library),
		cmocka_unit_test(fields_of_the_origin),
		cmocka_unit_test(origin_that_is_not_known_is_left_out),
		cmocka_unit_test(fields_of_both_certificates),
		cmocka_unit_test(key_purposes_that_are_missing_are_not_empty),
		cmocka_unit_test(fields_of_trust),
		cmocka_unit_test(failure_blames_the_ender_or_nobody),
		cmocka_unit_test(fields_of_hints_and_corrections),
		cmocka_unit_test(redacted_leaves_fingerprints_and_reasons),
		cmocka_unit_test(long_line_is_whole),
	};

	/* times are UTC, whatever the local time zone */
	setenv("TZ", "Asia/Kolkata", 1);
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
