// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "filter/field.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "handshake/verdict.h"
#include "tls/names.h"

enum {
	SUGGESTION_MAX = 64,     /* longer names have no suggestion */
	SUGGESTION_DISTANCE = 2, /* edits in a name of ordinary length */
	SUGGESTION_SHORT = 5,    /* shorter names may differ by a single edit */
};

static const char *verdict_word(size_t index)
{
	return index < CLIENT_AUTHS ? client_auth_name(index) : NULL;
}

static const char *evidence_word(size_t index)
{
	return index < EVIDENCES ? evidence_name(index) : NULL;
}

/* REASON_NONE and FAILURE_NONE are no words: a missing reason is null. */
static const char *reason_word(size_t index)
{
	return unknown_reason_name(index + 1 < REASONS ? index + 1 : REASONS);
}

static const char *failure_word(size_t index)
{
	return failure_reason_name(index + 1 < FAILURE_REASONS ? index + 1 : FAILURE_REASONS);
}

static const char *answer_word(size_t index)
{
	static const char *const words[] = {"certificate", "empty", NULL};

	return words[index];
}

static const char *side_word(size_t index)
{
	static const char *const words[] = {[FROM_CLIENT] = "client", [FROM_SERVER] = "server", NULL};

	return words[index];
}

static const char *role_word(size_t index)
{
	static const char *const words[] = {
		[ROLE_SERVER] = "server", [ROLE_CLIENT] = "client", [ROLE_OBSERVER] = "observer", NULL};

	return words[index];
}

static const char *policy_word(size_t index)
{
	static const char *const words[] = {"kept", "broken", NULL};

	return words[index];
}

static const struct filter_field_information fields[FIELDS] = {
	[FIELD_VERDICT] = {.name = "verdict", .description = "the verdict", .type = FILTER_WORD, .word = verdict_word},
	[FIELD_REQUESTED] = {.name = "requested",
                             .description = "whether the server requested a certificate",
                             .type = FILTER_BOOLEAN},
	[FIELD_ANSWER] = {.name = "answer",
                          .description = "what the client answered",
                          .type = FILTER_WORD,
                          .word = answer_word},
	[FIELD_TRUSTED] = {.name = "trusted",
                           .description = "whether the server's library trusted the client's certificate",
                           .type = FILTER_BOOLEAN},
	[FIELD_EVIDENCE] = {.name = "evidence",
                            .description = "how the verdict is known",
                            .type = FILTER_WORD,
                            .word = evidence_word},
	[FIELD_REASON] = {.name = "reason",
                          .description = "why the verdict is unknown",
                          .type = FILTER_WORD,
                          .word = reason_word},
	[FIELD_FAILURE_REASON] = {.name = "failure.reason",
                                  .description = "why the handshake failed",
                                  .type = FILTER_WORD,
                                  .word = failure_word},
	[FIELD_FAILURE_BY] = {.name = "failure.by",
                              .description = "which side ended the failed handshake",
                              .type = FILTER_WORD,
                              .word = side_word},
	[FIELD_ROLE] = {.name = "role",
                        .description = "which end this host is",
                        .type = FILTER_WORD,
                        .word = role_word},
	[FIELD_VERSION] = {.name = "version", .description = "the negotiated version", .type = FILTER_VERSION},
	[FIELD_CIPHER] = {.name = "cipher", .description = "the negotiated cipher suite", .type = FILTER_TEXT},
	[FIELD_SNI] = {.name = "sni",
                       .description = "the server name in the ClientHello",
                       .type = FILTER_TEXT,
                       .fold_case = true},
	[FIELD_ALPN] = {.name = "alpn",
                        .description = "the application protocol that the server chose",
                        .type = FILTER_TEXT},
	[FIELD_SERVER_IP] = {.name = "server.ip", .description = "the server's address", .type = FILTER_ADDRESS},
	[FIELD_SERVER_PORT] = {.name = "server.port", .description = "the server's port", .type = FILTER_NUMBER},
	[FIELD_CLIENT_IP] = {.name = "client.ip", .description = "the client's address", .type = FILTER_ADDRESS},
	[FIELD_CLIENT_PORT] = {.name = "client.port", .description = "the client's port", .type = FILTER_NUMBER},
	[FIELD_SERVICE] = {.name = "service", .description = "the server's address and port", .type = FILTER_TEXT},
	[FIELD_PROCESS_NAME] = {.name = "process.name",
                                .description = "the name of the process of this host",
                                .type = FILTER_TEXT},
	[FIELD_PROCESS_PID] = {.name = "process.pid",
                               .description = "the number of that process",
                               .type = FILTER_NUMBER},
	[FIELD_USER_NAME] = {.name = "user.name", .description = "the user of that process", .type = FILTER_TEXT},
	[FIELD_UNIT] = {.name = "unit", .description = "the systemd unit of that process", .type = FILTER_TEXT},
	[FIELD_CONTAINER] = {.name = "container",
                             .description = "the id of that process's container",
                             .type = FILTER_TEXT},
	[FIELD_POD] = {.name = "pod", .description = "the name of that process's pod", .type = FILTER_TEXT},
	[FIELD_NAMESPACE] = {.name = "namespace",
                             .description = "the Kubernetes namespace of that pod",
                             .type = FILTER_TEXT},
	[FIELD_SUBJECT] = {.name = "subject",
                           .description = "the subject of the client's certificate",
                           .type = FILTER_TEXT},
	[FIELD_ISSUER] = {.name = "issuer",
                          .description = "the issuer of the client's certificate",
                          .type = FILTER_TEXT},
	[FIELD_SERIAL] = {.name = "serial",
                          .description = "the serial number of the client's certificate",
                          .type = FILTER_TEXT,
                          .fold_case = true},
	[FIELD_NAMES] = {.name = "names",
                         .description = "any alternative name of the client's certificate",
                         .type = FILTER_TEXT,
                         .multiple = true},
	[FIELD_NOT_AFTER] = {.name = "not_after",
                             .description = "when the client's certificate expires",
                             .type = FILTER_TIME},
	[FIELD_DURATION] = {.name = "duration",
                            .description = "from the ClientHello to the end of the handshake",
                            .type = FILTER_DURATION},
	[FIELD_RESUMED] = {.name = "resumed", .description = "whether a session was resumed", .type = FILTER_BOOLEAN},
	[FIELD_POLICY] = {.name = "policy",
                          .description = "whether the handshake kept to --expect",
                          .type = FILTER_WORD,
                          .word = policy_word},
};

/* Other names of fields: from the JSON record (ECS), from Wireshark, and short names. */
static const struct {
	const char *name;
	enum filter_field field;
} aliases[] = {
	{"mtls.client_auth", FIELD_VERDICT},
	{"mtls.requested", FIELD_REQUESTED},
	{"mtls.answer", FIELD_ANSWER},
	{"mtls.trusted", FIELD_TRUSTED},
	{"mtls.evidence", FIELD_EVIDENCE},
	{"mtls.reason", FIELD_REASON},
	{"mtls.failure.reason", FIELD_FAILURE_REASON},
	{"mtls.failure.by", FIELD_FAILURE_BY},
	{"mtls.role", FIELD_ROLE},
	{"tls.version", FIELD_VERSION},
	{"tls.cipher", FIELD_CIPHER},
	{"tls.client.server_name", FIELD_SNI},
	{"tls.handshake.extensions_server_name", FIELD_SNI},
	{"tls.next_protocol", FIELD_ALPN},
	{"destination.ip", FIELD_SERVER_IP},
	{"destination.port", FIELD_SERVER_PORT},
	{"source.ip", FIELD_CLIENT_IP},
	{"source.port", FIELD_CLIENT_PORT},
	{"process", FIELD_PROCESS_NAME},
	{"pid", FIELD_PROCESS_PID},
	{"user", FIELD_USER_NAME},
	{"systemd.unit", FIELD_UNIT},
	{"container.id", FIELD_CONTAINER},
	{"orchestrator.resource.name", FIELD_POD},
	{"kubernetes.pod.name", FIELD_POD},
	{"orchestrator.namespace", FIELD_NAMESPACE},
	{"kubernetes.namespace", FIELD_NAMESPACE},
	{"tls.client.x509.subject.distinguished_name", FIELD_SUBJECT},
	{"tls.client.x509.issuer.distinguished_name", FIELD_ISSUER},
	{"tls.client.x509.serial_number", FIELD_SERIAL},
	{"tls.client.x509.alternative_names", FIELD_NAMES},
	{"tls.client.x509.not_after", FIELD_NOT_AFTER},
	{"event.duration", FIELD_DURATION},
	{"tls.resumed", FIELD_RESUMED},
	{"mtls.policy", FIELD_POLICY},
};

enum {
	ALIASES = sizeof(aliases) / sizeof(aliases[0]),
};

const struct filter_field_information *filter_field_information(enum filter_field field)
{
	return &fields[field];
}

const char *filter_field_alias(size_t index, enum filter_field *field)
{
	if (index >= ALIASES)
		return NULL;
	*field = aliases[index].field;
	return aliases[index].name;
}

enum filter_field filter_field_find(const char *name)
{
	for (int field = 0; field < FIELDS; field++)
		if (!strcmp(fields[field].name, name))
			return field;
	for (size_t index = 0; index < ALIASES; index++)
		if (!strcmp(aliases[index].name, name))
			return aliases[index].field;
	return FIELDS;
}

static size_t minimum(size_t one, size_t other)
{
	return one < other ? one : other;
}

/* How many letters have to be added, dropped, changed or swapped with their neighbour to make both texts equal. */
static size_t edit_distance(const char *one, const char *other)
{
	size_t row[3][SUGGESTION_MAX + 1];
	size_t rows = strlen(one), columns = strlen(other);

	if (rows > SUGGESTION_MAX || columns > SUGGESTION_MAX)
		return SUGGESTION_MAX;
	for (size_t column = 0; column <= columns; column++)
		row[0][column] = column;
	for (size_t line = 1; line <= rows; line++) {
		size_t *now = row[line % 3], *above = row[(line + 2) % 3], *before = row[(line + 1) % 3];

		now[0] = line;
		for (size_t column = 1; column <= columns; column++) {
			size_t change = above[column - 1] + (one[line - 1] != other[column - 1]);

			now[column] = minimum(change, minimum(above[column], now[column - 1]) + 1);
			if (line > 1 && column > 1 && one[line - 1] == other[column - 2] &&
			    one[line - 2] == other[column - 1])
				now[column] = minimum(now[column], before[column - 2] + 1);
		}
	}
	return row[rows % 3][columns];
}

/* The nearest name so far. */
struct suggestion {
	const char *text;
	const char *name;
	size_t distance;
};

static struct suggestion suggestion_begin(const char *text)
{
	return (struct suggestion){
		.text = text,
		.distance = (strlen(text) < SUGGESTION_SHORT ? 1 : SUGGESTION_DISTANCE) + 1,
	};
}

static void suggestion_consider(struct suggestion *suggestion, const char *name)
{
	size_t distance = edit_distance(suggestion->text, name);

	if (distance >= suggestion->distance)
		return;
	suggestion->distance = distance;
	suggestion->name = name;
}

const char *filter_field_suggest(const char *name)
{
	struct suggestion suggestion = suggestion_begin(name);

	for (int field = 0; field < FIELDS; field++)
		suggestion_consider(&suggestion, fields[field].name);
	for (size_t index = 0; index < ALIASES; index++)
		suggestion_consider(&suggestion, aliases[index].name);
	return suggestion.name;
}

const char *filter_word_suggest(enum filter_field field, const char *text)
{
	struct suggestion suggestion = suggestion_begin(text);
	const char *word;

	for (size_t index = 0; (word = fields[field].word(index)) != NULL; index++)
		suggestion_consider(&suggestion, word);
	return suggestion.name;
}

int filter_version_rank(const char *number)
{
	static const char *const numbers[] = {"2.0", "3.0", "0.9", "1.0", "1.1", "1.2", "1.3"};

	for (size_t rank = 0; number && rank < sizeof(numbers) / sizeof(numbers[0]); rank++)
		if (!strcmp(number, numbers[rank]))
			return rank;
	return -1;
}

static void set_text(struct field_value *value, const char *text)
{
	value->known = text && *text;
	value->text = text;
}

static void set_number(struct field_value *value, int64_t number)
{
	value->known = true;
	value->number = number;
}

static void set_known(struct field_value *value, uint8_t known)
{
	if (known == KNOWN_YES || known == KNOWN_NO)
		set_number(value, known == KNOWN_YES);
}

static void set_version(struct field_value *value, uint16_t version)
{
	const int rank = filter_version_rank(version_number(version));

	if (rank >= 0)
		set_number(value, rank);
}

/* RFC 5246 appendix A.5: 0x0000 cannot be negotiated; the ServerHello was cut before the suite. */
static void set_cipher(struct field_value *value, const struct handshake *handshake)
{
	const uint16_t suite = handshake->server_hello.cipher_suite;

	if (!handshake->facts.server_hello || !suite)
		return;
	snprintf(value->buffer, sizeof(value->buffer), "0x%04X", suite);
	set_text(value, cipher_suite_name(suite) ?: value->buffer);
}

static void set_endpoint(struct field_value *value, const struct endpoint *endpoint, uint8_t family)
{
	value->known = family == 4 || family == 6;
	value->endpoint = endpoint;
	value->family = family;
}

static void set_service(struct field_value *value, const struct handshake *handshake)
{
	const bool ipv4 = handshake->family == 4;
	char address[INET6_ADDRSTRLEN];

	if ((!ipv4 && handshake->family != 6) ||
	    !inet_ntop(ipv4 ? AF_INET : AF_INET6, handshake->server.address, address, sizeof(address)))
		return;
	snprintf(value->buffer, sizeof(value->buffer), ipv4 ? "%s:%u" : "[%s]:%u", address, handshake->server.port);
	set_text(value, value->buffer);
}

/* The attributed process; or the process whose TLS library made the handshake; or the socket's opener. */
static void set_process(struct field_value *value, const struct handshake *handshake, bool name)
{
	const struct attribution *attribution = handshake->attribution;
	const struct process *process = handshake->process.id ? &handshake->process : &handshake->owner;

	if (attribution && attribution->process)
		value->number = attribution->process;
	else
		value->number = process->id;
	value->known = value->number != 0;
	if (name && value->known)
		set_text(value, attribution && attribution->process ? attribution->name : process->name);
}

/* The container's id stands in the record itself, too, if only the container was looked for. */
static void set_container(struct field_value *value, const struct handshake *handshake)
{
	const struct attribution *attribution = handshake->attribution;

	set_text(value, attribution && *attribution->container ? attribution->container : handshake->container);
}

static void read_attribution(enum filter_field field, const struct attribution *attribution, struct field_value *value)
{
	if (!attribution)
		return;
	switch (field) {
	case FIELD_USER_NAME:
		set_text(value, attribution->user_name);
		break;
	case FIELD_UNIT:
		set_text(value, attribution->unit);
		break;
	case FIELD_POD:
		set_text(value, attribution->pod);
		break;
	default:
		set_text(value, attribution->pod_namespace);
		break;
	}
}

static void set_names(struct field_value *value, const struct certificate *certificate)
{
	value->known = certificate->alternative_names != 0;
	value->incomplete = certificate->alternative_names > MESSAGE_ALTERNATIVE_NAMES_MAX;
	value->names = certificate;
}

static void read_certificate(enum filter_field field, const struct certificate *certificate, struct field_value *value)
{
	if (!certificate || !certificate->leaf_parsed)
		return;
	switch (field) {
	case FIELD_SUBJECT:
		set_text(value, certificate->subject);
		break;
	case FIELD_ISSUER:
		set_text(value, certificate->issuer);
		break;
	case FIELD_SERIAL:
		set_text(value, certificate->serial);
		break;
	case FIELD_NAMES:
		set_names(value, certificate);
		break;
	default:
		set_number(value, certificate->not_after);
		break;
	}
}

static void read_answer(const struct handshake *handshake, struct field_value *value)
{
	if (handshake->verdict.answer == ANSWER_CERTIFICATE || handshake->verdict.answer == ANSWER_EMPTY)
		set_text(value, answer_word(handshake->verdict.answer == ANSWER_EMPTY));
}

static void read_trusted(const struct handshake *handshake, struct field_value *value)
{
	const struct verification *verification = &handshake->verification[FROM_CLIENT];

	if (verification->known)
		set_number(value, verification->result == FAILURE_NONE);
}

static void read_failure(enum filter_field field, const struct failure *failure, struct field_value *value)
{
	if (failure->reason == FAILURE_NONE)
		return;
	if (field == FIELD_FAILURE_REASON)
		set_text(value, failure_reason_name(failure->reason));
	else if (failure->by < SIDES)
		set_text(value, side_word(failure->by));
}

static void read_policy(const struct policy_judgement *judgement, struct field_value *value)
{
	if (judgement->expectation == POLICY_NOTHING)
		return;
	if (judgement->result == POLICY_KEPT || judgement->result == POLICY_BROKEN)
		set_text(value, policy_word(judgement->result == POLICY_BROKEN));
}

/* The fields of the verdict. */
static void read_verdict(enum filter_field field, const struct handshake *handshake, struct field_value *value)
{
	const struct verdict *verdict = &handshake->verdict;

	switch (field) {
	case FIELD_VERDICT:
		set_text(value, client_auth_name(verdict->client_auth));
		break;
	case FIELD_REQUESTED:
		set_known(value, verdict->requested);
		break;
	case FIELD_ANSWER:
		read_answer(handshake, value);
		break;
	case FIELD_EVIDENCE:
		set_text(value, evidence_name(verdict->evidence));
		break;
	case FIELD_REASON:
		if (verdict->client_auth == CLIENT_AUTH_UNKNOWN)
			set_text(value, unknown_reason_name(verdict->reason));
		break;
	case FIELD_ROLE:
		set_text(value, handshake->role <= ROLE_OBSERVER ? role_word(handshake->role) : NULL);
		break;
	default:
		set_known(value, verdict->resumed);
		break;
	}
}

/* The fields of the connection and of both hellos. */
static void read_connection(enum filter_field field, const struct handshake *handshake, struct field_value *value)
{
	switch (field) {
	case FIELD_VERSION:
		set_version(value, handshake->version);
		break;
	case FIELD_CIPHER:
		set_cipher(value, handshake);
		break;
	case FIELD_SNI:
		set_text(value, handshake->client_hello.server_name);
		break;
	case FIELD_ALPN:
		set_text(value, handshake->server_hello.protocol);
		break;
	case FIELD_SERVER_IP:
		set_endpoint(value, &handshake->server, handshake->family);
		break;
	case FIELD_SERVER_PORT:
		set_number(value, handshake->server.port);
		break;
	case FIELD_CLIENT_IP:
		set_endpoint(value, &handshake->client, handshake->family);
		break;
	case FIELD_CLIENT_PORT:
		set_number(value, handshake->client.port);
		break;
	case FIELD_SERVICE:
		set_service(value, handshake);
		break;
	default:
		if (handshake->end_ns >= handshake->start_ns)
			set_number(value, handshake->end_ns - handshake->start_ns);
		break;
	}
}

void filter_field_read(enum filter_field field, const struct handshake *handshake, struct field_value *value)
{
	value->known = false;
	value->incomplete = false;
	value->number = 0;
	value->text = NULL;
	value->names = NULL;
	value->endpoint = NULL;
	switch (field) {
	case FIELD_VERDICT ... FIELD_ANSWER:
	case FIELD_EVIDENCE ... FIELD_REASON:
	case FIELD_ROLE:
	case FIELD_RESUMED:
		read_verdict(field, handshake, value);
		break;
	case FIELD_TRUSTED:
		read_trusted(handshake, value);
		break;
	case FIELD_FAILURE_REASON:
	case FIELD_FAILURE_BY:
		read_failure(field, &handshake->failure, value);
		break;
	case FIELD_PROCESS_NAME:
	case FIELD_PROCESS_PID:
		set_process(value, handshake, field == FIELD_PROCESS_NAME);
		break;
	case FIELD_CONTAINER:
		set_container(value, handshake);
		break;
	case FIELD_USER_NAME:
	case FIELD_UNIT:
	case FIELD_POD:
	case FIELD_NAMESPACE:
		read_attribution(field, handshake->attribution, value);
		break;
	case FIELD_SUBJECT ... FIELD_NOT_AFTER:
		read_certificate(field, handshake->certificate, value);
		break;
	case FIELD_POLICY:
		read_policy(&handshake->policy, value);
		break;
	default:
		read_connection(field, handshake, value);
		break;
	}
}
