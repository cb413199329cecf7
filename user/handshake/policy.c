// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/policy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	LINE_MAX_LENGTH = 512,
	IPV4_BITS = 32,
	IPV6_BITS = 128,
	IPV4_BYTES = 4,
	IPV6_BYTES = 16,
	PORT_MAX = 65535,
	MAPPED_PREFIX_BYTES = 12, /* of ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */
};

/* A service and its expectation. */
struct rule {
	uint8_t address[IPV6_BYTES];
	uint8_t bits;     /* of the address that count */
	uint8_t family;   /* 4 or 6; 0: any address of either */
	uint16_t port;    /* 0: any */
	const char *name; /* pattern of the server name; NULL: any name, or no name */
	bool is_host;     /* the address belongs to a host name */
	uint8_t expectation;
	uint32_t line;
};

/* A service as written in a line, before its host name is resolved. */
struct service {
	struct rule rule;
	const char *host; /* NULL: absent */
};

struct policy {
	uint32_t rules;
	uint32_t lines[POLICY_EXPECTATIONS];
	struct rule rule[POLICY_LINES_MAX];
	char *names[POLICY_LINES_MAX]; /* owned: the patterns of the rules */
};

/* State of the parser. */
struct reading {
	struct policy *policy;
	policy_resolve resolve;
	void *context;
	struct policy_error *error;
};

static const char name_prefix[] = "sni:";

static const char *const expectation_names[POLICY_EXPECTATIONS] = {
	[POLICY_TRUSTED] = "trusted",
	[POLICY_REQUIRED] = "required",
	[POLICY_OPTIONAL] = "optional",
	[POLICY_NEVER] = "never",
};

static const char *const breach_names[POLICY_BREACHES] = {
	[POLICY_BREACH_NOT_REQUESTED] = "not_requested",
	[POLICY_BREACH_MISSING] = "missing",
	[POLICY_BREACH_UNTRUSTED] = "untrusted",
	[POLICY_BREACH_REQUESTED] = "requested",
	[POLICY_BREACH_REFUSED] = "refused",
};

const char *policy_breach_name(uint8_t breach)
{
	return breach < POLICY_BREACHES ? breach_names[breach] : NULL;
}

const char *policy_expectation_name(uint8_t expectation)
{
	return expectation < POLICY_EXPECTATIONS ? expectation_names[expectation] : NULL;
}

__attribute__((format(printf, 2, 3))) static int refuse(struct policy_error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->reason, sizeof(error->reason), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* Decimal digits alone, no sign, no zero in front; false beyond maximum. */
static bool read_number(const char *text, uint32_t maximum, uint32_t *number)
{
	uint32_t value = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (*text - '0');
		if (value > maximum)
			return false;
	}
	*number = value;
	return true;
}

static bool bit_of(const uint8_t *address, uint32_t bit)
{
	return address[bit / 8] & (0x80 >> bit % 8);
}

/* Whether the first bits of two addresses are the same. */
static bool same_prefix(const uint8_t *one, const uint8_t *other, uint32_t bits)
{
	const uint8_t mask = 0xff00 >> bits % 8;

	if (memcmp(one, other, bits / 8))
		return false;
	return bits % 8 == 0 || !((one[bits / 8] ^ other[bits / 8]) & mask);
}

static int read_prefix(struct rule *rule, const char *text, struct policy_error *error)
{
	const uint32_t width = rule->family == 4 ? IPV4_BITS : IPV6_BITS;
	uint32_t bits;

	if (!read_number(text, width, &bits))
		return refuse(error, "'/%.20s' is not the length of a prefix: 0 to %u", text, width);
	for (uint32_t bit = bits; bit < width; bit++)
		if (bit_of(rule->address, bit))
			return refuse(error, "the address has bits after its prefix of %u, which would not count",
			              bits);
	rule->bits = bits;
	return 0;
}

/* "10.0.0.1", "10.0.0.0/8", "2001:db8::/32"; text is cut at the slash */
static int read_address(struct rule *rule, char *text, uint8_t family, struct policy_error *error)
{
	static const uint8_t mapped[MAPPED_PREFIX_BYTES] = {[10] = 0xff, [11] = 0xff};
	char *slash = strchr(text, '/');

	if (slash)
		*slash = '\0';
	rule->family = family;
	rule->bits = family == 4 ? IPV4_BITS : IPV6_BITS;
	if (inet_pton(family == 4 ? AF_INET : AF_INET6, text, rule->address) != 1)
		return refuse(error, "'%.50s' is not an IPv%u address", text, family);
	/* a socket has such an address for an IPv4 connection; the packets have the IPv4 address */
	if (family == 6 && !memcmp(rule->address, mapped, sizeof(mapped)))
		return refuse(error, "'%.50s' is an IPv4 address: write the IPv4 form", text);
	return slash ? read_prefix(rule, slash + 1, error) : 0;
}

static int read_port(struct rule *rule, const char *text, struct policy_error *error)
{
	uint32_t port;

	if (!read_number(text, PORT_MAX, &port) || !port)
		return refuse(error, "'%.20s' is not a port: 1 to %d", text, PORT_MAX);
	rule->port = port;
	return 0;
}

/* "[2001:db8::1]", "[2001:db8::/32]:443" */
static int read_ipv6_service(struct rule *rule, char *text, struct policy_error *error)
{
	char *end = strchr(text, ']');
	int wrong;

	if (!end || (end[1] && end[1] != ':'))
		return refuse(error, "'%.60s' is not a service: :PORT or nothing follows the bracket", text);
	*end = '\0';
	wrong = read_address(rule, text + 1, 6, error);
	return wrong || !end[1] ? wrong : read_port(rule, end + 2, error);
}

/* The letters of host names (RFC 1123 section 2.1), the underscore that some have, and more, where a pattern is wanted. */
static bool has_only_letters_of_names(const char *text, const char *more)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	for (; *text; text++)
		if (!strchr(letters, *text) && !strchr(more, *text))
			return false;
	return true;
}

/*
 * "db.corp", "localhost". The last label of a host name is never all digits: such a text is a mistyped IPv4 address
 * (RFC 1123 section 2.1).
 */
static bool is_host_name(const char *text)
{
	const char *last = strrchr(text, '.');

	last = last && last[1] ? last + 1 : text;
	return *text && *text != '-' && *text != '.' && strlen(text) <= POLICY_NAME_MAX &&
	       has_only_letters_of_names(text, "") && last[strspn(last, "0123456789")];
}

/* "", "*", "10.0.0.1", "10.0.0.0/8", "db.corp" */
static int read_host(struct service *service, char *text, struct policy_error *error)
{
	if (!*text || !strcmp(text, "*"))
		return 0;
	if (!is_host_name(text))
		return read_address(&service->rule, text, 4, error);
	service->host = text;
	return 0;
}

/* "sni:api.corp", "sni:*.corp:443"; the name stays in the text of the line */
static int read_name_service(struct rule *rule, char *text, struct policy_error *error)
{
	char *name = text + strlen(name_prefix), *colon = strchr(name, ':');

	if (colon)
		*colon = '\0';
	if (!*name || strlen(name) > POLICY_NAME_MAX || !has_only_letters_of_names(name, "*"))
		return refuse(error,
		              "'%.60s' is not the pattern of a server name: letters, digits, '-', '.', '_' and '*'",
		              name);
	rule->name = name;
	return colon ? read_port(rule, colon + 1, error) : 0;
}

/* "*:443", ":443", "10.0.0.1:443", "10.0.0.0/8", "db.corp:443", "[2001:db8::1]:443", "sni:*.corp" */
static int read_service(struct service *service, char *text, struct policy_error *error)
{
	char *colon = strchr(text, ':');

	if (!strncmp(text, name_prefix, strlen(name_prefix)))
		return read_name_service(&service->rule, text, error);
	if (*text == '[')
		return read_ipv6_service(&service->rule, text, error);
	if (colon && strchr(colon + 1, ':'))
		return refuse(error, "'%.50s': an IPv6 address stands in brackets", text);
	if (!colon)
		return read_host(service, text, error);
	*colon = '\0';
	if (read_host(service, text, error))
		return -EINVAL;
	return read_port(&service->rule, colon + 1, error);
}

static int read_expectation(struct rule *rule, const char *word, struct policy_error *error)
{
	for (uint8_t expectation = POLICY_NOTHING + 1; expectation < POLICY_EXPECTATIONS; expectation++) {
		if (strcmp(word, expectation_names[expectation]))
			continue;
		rule->expectation = expectation;
		return 0;
	}
	return refuse(error, "'%.20s' is not an expectation: trusted, required, optional or never", word);
}

/* Whether every handshake that matches the later rule has matched the earlier rule. */
static bool covers(const struct rule *earlier, const struct rule *later)
{
	if (earlier->port && earlier->port != later->port)
		return false;
	if (earlier->name)
		return later->name && !strcasecmp(earlier->name, later->name);
	if (!earlier->family)
		return true;
	return earlier->family == later->family && earlier->bits <= later->bits &&
	       same_prefix(earlier->address, later->address, earlier->bits);
}

static int add_rule(struct reading *reading, const struct rule *rule)
{
	struct policy *policy = reading->policy;
	char *name = NULL;

	/* the addresses of a host change: what is unreachable today need not be so tomorrow */
	for (uint32_t index = 0; index < policy->rules && !rule->is_host; index++)
		if (!policy->rule[index].is_host && covers(&policy->rule[index], rule))
			return refuse(reading->error, "the line can never count: line %u matches every handshake of it",
			              policy->rule[index].line);
	if (policy->rules == POLICY_LINES_MAX)
		return refuse(reading->error, "the line is one too many: at most %d services and addresses of hosts",
		              POLICY_LINES_MAX);
	if (rule->name) {
		name = strdup(rule->name);
		if (!name)
			return -ENOMEM;
	}
	policy->names[policy->rules] = name;
	policy->rule[policy->rules] = *rule;
	policy->rule[policy->rules++].name = name;
	return 0;
}

/* A rule for each address of the host. */
static int add_host(struct reading *reading, const struct service *service)
{
	struct policy_address addresses[POLICY_ADDRESSES_MAX];
	struct rule rule = service->rule;
	uint32_t count = reading->resolve ? reading->resolve(service->host, addresses, reading->context) : 0;
	int error = 0;

	if (!count)
		return refuse(reading->error, "the host '%.60s' has no address", service->host);
	for (uint32_t index = 0; index < count && index < POLICY_ADDRESSES_MAX && !error; index++) {
		rule.is_host = true;
		rule.family = addresses[index].family;
		rule.bits = rule.family == 4 ? IPV4_BITS : IPV6_BITS;
		memcpy(rule.address, addresses[index].bytes, sizeof(rule.address));
		error = add_rule(reading, &rule);
	}
	return error;
}

/* The words of a line; a # begins a comment. */
static int read_line(struct reading *reading, char *line)
{
	static const char blanks[] = " \t\r";
	struct policy_error *error = reading->error;
	struct service service = {.rule.line = error->line};
	char *place = NULL, *text, *word;
	int wrong;

	line[strcspn(line, "#")] = '\0';
	text = strtok_r(line, blanks, &place);
	if (!text)
		return 0;
	word = strtok_r(NULL, blanks, &place);
	if (!word)
		return refuse(error,
		              "after the service the line needs an expectation: trusted, required, optional or never");
	wrong = read_expectation(&service.rule, word, error);
	word = strtok_r(NULL, blanks, &place);
	if (!wrong && word)
		wrong = refuse(error, "'%.40s' is too much: the line has a service and an expectation", word);
	if (!wrong)
		wrong = read_service(&service, text, error);
	if (!wrong)
		wrong = service.host ? add_host(reading, &service) : add_rule(reading, &service.rule);
	if (!wrong)
		reading->policy->lines[service.rule.expectation]++;
	return wrong;
}

static int copy_line(char copy[LINE_MAX_LENGTH], const char *line, size_t length, struct policy_error *error)
{
	if (length >= LINE_MAX_LENGTH)
		return refuse(error, "the line is too long: at most %d bytes", LINE_MAX_LENGTH - 1);
	for (size_t index = 0; index < length; index++)
		if ((unsigned char)line[index] < ' ' && line[index] != '\t' && line[index] != '\r')
			return refuse(error, "the line has a control character (0x%02x)", (unsigned char)line[index]);
	memcpy(copy, line, length);
	copy[length] = '\0';
	return 0;
}

int policy_parse(struct policy **result, const char *text, size_t length, policy_resolve resolve, void *context,
                 struct policy_error *error)
{
	struct reading reading = {.resolve = resolve, .context = context, .error = error};
	char line[LINE_MAX_LENGTH];
	int wrong = 0;

	*error = (struct policy_error){};
	reading.policy = calloc(1, sizeof(*reading.policy));
	if (!reading.policy)
		return -ENOMEM;
	for (const char *end = text + length; text < end && !wrong;) {
		const char *newline = memchr(text, '\n', end - text) ?: end;

		error->line++;
		wrong = copy_line(line, text, newline - text, error) ?: read_line(&reading, line);
		text = newline == end ? end : newline + 1;
	}
	if (wrong) {
		policy_free(reading.policy);
		return wrong;
	}
	*result = reading.policy;
	return 0;
}

void policy_free(struct policy *policy)
{
	for (uint32_t index = 0; policy && index < policy->rules; index++)
		free(policy->names[index]);
	free(policy);
}

uint32_t policy_lines(const struct policy *policy, uint8_t expectation)
{
	return policy && expectation < POLICY_EXPECTATIONS ? policy->lines[expectation] : 0;
}

/* "*.corp" matches "api.corp" and "a.b.corp"; upper and lower case are the same (RFC 6066 section 3). */
static bool name_matches(const char *pattern, const char *name)
{
	const char *star = NULL, *again = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			again = name;
		} else if (tolower((unsigned char)*pattern) == tolower((unsigned char)*name)) {
			pattern++;
			name++;
		} else if (star) {
			/* the star takes one more character */
			pattern = star;
			name = ++again;
		} else {
			return false;
		}
	}
	return !pattern[strspn(pattern, "*")];
}

static bool matches_endpoint(const struct rule *rule, const struct endpoint *server, uint8_t family)
{
	if (rule->port && rule->port != server->port)
		return false;
	return !rule->family || (rule->family == family && same_prefix(rule->address, server->address, rule->bits));
}

/* The service dialled by the client, or the service that answers if the host redirects the connection. */
static bool matches(const struct rule *rule, const struct handshake *handshake)
{
	const char *name = handshake->facts.client_hello ? handshake->client_hello.server_name : "";

	if (rule->name && (!*name || !name_matches(rule->name, name)))
		return false;
	return matches_endpoint(rule, &handshake->server, handshake->family) ||
	       (handshake->has_nat && matches_endpoint(rule, &handshake->nat, handshake->family));
}

/* Result of a judgement. */
struct outcome {
	uint8_t result; /* enum policy_result */
	uint8_t breach; /* enum policy_breach */
};

static const struct outcome unjudged = {POLICY_UNJUDGED, POLICY_BREACH_NONE};
static const struct outcome kept = {POLICY_KEPT, POLICY_BREACH_NONE};

static struct outcome broken(uint8_t breach)
{
	return (struct outcome){POLICY_BROKEN, breach};
}

/*
 * The server must let no client in without a certificate. Every answer to a request, and a refusal, proves the request.
 * Only a handshake known to be established proves that the server let the client in.
 */
static struct outcome judge_required(const struct verdict *verdict)
{
	switch (verdict->client_auth) {
	case CLIENT_AUTH_NOT_REQUESTED:
		return broken(POLICY_BREACH_NOT_REQUESTED);
	case CLIENT_AUTH_DECLINED:
	case CLIENT_AUTH_PSK: /* a server that takes an external key must not ask: RFC 8446 section 4.3.2 */
		return verdict->established == KNOWN_YES ? broken(POLICY_BREACH_MISSING) : unjudged;
	case CLIENT_AUTH_PRESENTED:
	case CLIENT_AUTH_REJECTED_CERTIFICATE:
	case CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE:
	case CLIENT_AUTH_UNANSWERED:
		return kept;
	default: /* resumed: the client showed its certificate, or none, in an earlier handshake */
		return unjudged;
	}
}

/* As required, and the server must have verified the certificate. Without a library's word, the result is open. */
static struct outcome judge_trusted(const struct verdict *verdict, const struct verification *verification)
{
	if (verdict->client_auth != CLIENT_AUTH_PRESENTED)
		return judge_required(verdict);
	if (!verification->known)
		return unjudged;
	if (verification->result == FAILURE_NONE)
		return kept;
	return verdict->established == KNOWN_YES ? broken(POLICY_BREACH_UNTRUSTED) : unjudged;
}

/* The server must ask, and let in a client that shows no certificate. The server may refuse a certificate. */
static struct outcome judge_optional(const struct verdict *verdict)
{
	switch (verdict->client_auth) {
	case CLIENT_AUTH_NOT_REQUESTED:
		return broken(POLICY_BREACH_NOT_REQUESTED);
	case CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE:
		return broken(POLICY_BREACH_REFUSED);
	case CLIENT_AUTH_DECLINED:
		return verdict->established == KNOWN_YES ? kept : unjudged;
	case CLIENT_AUTH_PRESENTED:
	case CLIENT_AUTH_REJECTED_CERTIFICATE:
	case CLIENT_AUTH_UNANSWERED:
		return kept;
	default:
		return unjudged;
	}
}

/* The server must not ask: a request that was seen breaks the expectation, whatever the rest of the verdict is. */
static struct outcome judge_never(const struct verdict *verdict)
{
	if (verdict->requested == KNOWN_YES)
		return broken(POLICY_BREACH_REQUESTED);
	return verdict->client_auth == CLIENT_AUTH_NOT_REQUESTED || verdict->client_auth == CLIENT_AUTH_PSK ? kept
	                                                                                                    : unjudged;
}

/* An inferred verdict is the client's own word, by the lengths that it chose, unless the server's records agree. */
static bool is_the_clients_word(const struct verdict *verdict)
{
	return verdict->evidence == EVIDENCE_INFERRED && !verdict->server_agrees;
}

static struct outcome judge(uint8_t expectation, const struct handshake *handshake)
{
	if (is_the_clients_word(&handshake->verdict))
		return unjudged;
	switch (expectation) {
	case POLICY_TRUSTED:
		return judge_trusted(&handshake->verdict, &handshake->verification[FROM_CLIENT]);
	case POLICY_REQUIRED:
		return judge_required(&handshake->verdict);
	case POLICY_OPTIONAL:
		return judge_optional(&handshake->verdict);
	default:
		return judge_never(&handshake->verdict);
	}
}

void policy_services(const struct policy *policy,
                     void (*service)(const struct endpoint *service, uint8_t family, void *context), void *context)
{
	for (uint32_t index = 0; policy && index < policy->rules; index++) {
		const struct rule *rule = &policy->rule[index];
		bool is_prefix = rule->family && rule->bits != (rule->family == 4 ? 32 : 128);
		struct endpoint endpoint = {.port = rule->port};

		if (!rule->port || rule->name || is_prefix)
			continue;
		memcpy(endpoint.address, rule->address, sizeof(endpoint.address));
		service(&endpoint, rule->family, context);
	}
}

struct policy_judgement policy_judge(const struct policy *policy, const struct handshake *handshake)
{
	for (uint32_t index = 0; policy && index < policy->rules; index++) {
		const struct rule *rule = &policy->rule[index];
		struct outcome outcome;

		if (!matches(rule, handshake))
			continue;
		outcome = judge(rule->expectation, handshake);
		return (struct policy_judgement){.expectation = rule->expectation,
		                                 .result = outcome.result,
		                                 .breach = outcome.breach,
		                                 .line = rule->line};
	}
	return (struct policy_judgement){.expectation = POLICY_NOTHING};
}
