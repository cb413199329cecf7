// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LINE_MAX_LENGTH = 256,
	IPV4_BITS = 32,
	IPV6_BITS = 128,
	IPV4_BYTES = 4,
	IPV6_BYTES = 16,
	PORT_MAX = 65535,
	MAPPED_PREFIX_BYTES = 12, /* of ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */
};

/* A line: whom it is about, and what it expects. */
struct rule {
	uint8_t address[IPV6_BYTES];
	uint8_t bits;   /* of the address that count */
	uint8_t family; /* 4 or 6; 0: any address of either */
	uint16_t port;  /* 0: any */
	uint8_t expectation;
	uint32_t line;
};

struct policy {
	uint32_t rules;
	uint32_t lines[POLICY_EXPECTATIONS];
	struct rule rule[POLICY_LINES_MAX];
};

static const char *const expectation_names[POLICY_EXPECTATIONS] = {
	[POLICY_REQUIRED] = "required", [POLICY_OPTIONAL] = "optional", [POLICY_NEVER] = "never"};

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
			return refuse(error, "the address has bits behind its prefix of %u: they would not count",
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
	/* such an address is a socket's view of an IPv4 connection: packets do not have it */
	if (family == 6 && !memcmp(rule->address, mapped, sizeof(mapped)))
		return refuse(error, "'%.50s' is an IPv4 address: write it as one", text);
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
		return refuse(error, "'%.60s' is not a service: behind the bracket comes :PORT or nothing", text);
	*end = '\0';
	wrong = read_address(rule, text + 1, 6, error);
	return wrong || !end[1] ? wrong : read_port(rule, end + 2, error);
}

/* ":443", "10.0.0.1:443", "10.0.0.0/8", "[2001:db8::1]:443" */
static int read_service(struct rule *rule, char *text, struct policy_error *error)
{
	char *colon = strchr(text, ':');

	if (*text == '[')
		return read_ipv6_service(rule, text, error);
	if (colon && strchr(colon + 1, ':'))
		return refuse(error, "'%.50s': an IPv6 address stands in brackets", text);
	if (!colon)
		return read_address(rule, text, 4, error);
	*colon = '\0';
	if (colon != text && read_address(rule, text, 4, error))
		return -EINVAL;
	return read_port(rule, colon + 1, error);
}

static int read_expectation(struct rule *rule, const char *word, struct policy_error *error)
{
	for (uint8_t expectation = POLICY_NOTHING + 1; expectation < POLICY_EXPECTATIONS; expectation++) {
		if (strcmp(word, expectation_names[expectation]))
			continue;
		rule->expectation = expectation;
		return 0;
	}
	return refuse(error, "'%.20s' is not an expectation: required, optional or never", word);
}

/* Whether every handshake that fits the later line has fitted the earlier one. */
static bool covers(const struct rule *earlier, const struct rule *later)
{
	if (earlier->port && earlier->port != later->port)
		return false;
	if (!earlier->family)
		return true;
	return earlier->family == later->family && earlier->bits <= later->bits &&
	       same_prefix(earlier->address, later->address, earlier->bits);
}

static int add_rule(struct policy *policy, const struct rule *rule, struct policy_error *error)
{
	for (uint32_t index = 0; index < policy->rules; index++)
		if (covers(&policy->rule[index], rule))
			return refuse(error, "it can never count: line %u takes all that it is about",
			              policy->rule[index].line);
	if (policy->rules == POLICY_LINES_MAX)
		return refuse(error, "it is one too many: at most %d services", POLICY_LINES_MAX);
	policy->rule[policy->rules++] = *rule;
	policy->lines[rule->expectation]++;
	return 0;
}

/* The words of a line; what follows a # is none. */
static int read_line(struct policy *policy, char *line, struct policy_error *error)
{
	static const char blanks[] = " \t\r";
	struct rule rule = {.line = error->line};
	char *place = NULL, *service, *word;
	int wrong;

	line[strcspn(line, "#")] = '\0';
	service = strtok_r(line, blanks, &place);
	if (!service)
		return 0;
	word = strtok_r(NULL, blanks, &place);
	if (!word)
		return refuse(error, "behind the service comes what is expected: required, optional or never");
	wrong = read_expectation(&rule, word, error);
	word = strtok_r(NULL, blanks, &place);
	if (!wrong && word)
		wrong = refuse(error, "'%.40s' is too much: a service, what is expected, and no more", word);
	if (!wrong)
		wrong = read_service(&rule, service, error);
	return wrong ?: add_rule(policy, &rule, error);
}

static int copy_line(char copy[LINE_MAX_LENGTH], const char *line, size_t length, struct policy_error *error)
{
	if (length >= LINE_MAX_LENGTH)
		return refuse(error, "it is too long: at most %d bytes", LINE_MAX_LENGTH - 1);
	for (size_t index = 0; index < length; index++)
		if ((unsigned char)line[index] < ' ' && line[index] != '\t' && line[index] != '\r')
			return refuse(error, "it has a control character (0x%02x)", (unsigned char)line[index]);
	memcpy(copy, line, length);
	copy[length] = '\0';
	return 0;
}

int policy_parse(struct policy **result, const char *text, size_t length, struct policy_error *error)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	char line[LINE_MAX_LENGTH];
	int wrong = 0;

	*error = (struct policy_error){};
	if (!policy)
		return -ENOMEM;
	for (const char *end = text + length; text < end && !wrong;) {
		const char *newline = memchr(text, '\n', end - text) ?: end;

		error->line++;
		wrong = copy_line(line, text, newline - text, error) ?: read_line(policy, line, error);
		text = newline == end ? end : newline + 1;
	}
	if (wrong) {
		policy_free(policy);
		return wrong;
	}
	*result = policy;
	return 0;
}

void policy_free(struct policy *policy)
{
	free(policy);
}

uint32_t policy_lines(const struct policy *policy, uint8_t expectation)
{
	return policy && expectation < POLICY_EXPECTATIONS ? policy->lines[expectation] : 0;
}

static bool fits(const struct rule *rule, const struct handshake *handshake)
{
	if (rule->port && rule->port != handshake->server.port)
		return false;
	if (!rule->family)
		return true;
	return rule->family == handshake->family && same_prefix(rule->address, handshake->server.address, rule->bits);
}

/*
 * The server must not let in who shows no certificate. That it asked shows in any answer, and in its refusal; that it let
 * the client in, only where the handshake is known to be established.
 */
static uint8_t judge_required(const struct verdict *verdict)
{
	switch (verdict->client_auth) {
	case CLIENT_AUTH_NOT_REQUESTED:
		return POLICY_BROKEN;
	case CLIENT_AUTH_DECLINED:
		return verdict->established == KNOWN_YES ? POLICY_BROKEN : POLICY_UNJUDGED;
	case CLIENT_AUTH_PRESENTED:
	case CLIENT_AUTH_REJECTED_CERTIFICATE:
	case CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE:
	case CLIENT_AUTH_UNANSWERED:
		return POLICY_KEPT;
	default: /* resumed: what was shown was shown in an earlier handshake */
		return POLICY_UNJUDGED;
	}
}

/* The server must ask, and let in who shows none. It may refuse the certificate that is shown. */
static uint8_t judge_optional(const struct verdict *verdict)
{
	switch (verdict->client_auth) {
	case CLIENT_AUTH_NOT_REQUESTED:
	case CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE:
		return POLICY_BROKEN;
	case CLIENT_AUTH_DECLINED:
		return verdict->established == KNOWN_YES ? POLICY_KEPT : POLICY_UNJUDGED;
	case CLIENT_AUTH_PRESENTED:
	case CLIENT_AUTH_REJECTED_CERTIFICATE:
	case CLIENT_AUTH_UNANSWERED:
		return POLICY_KEPT;
	default:
		return POLICY_UNJUDGED;
	}
}

/* The server must not ask: a request that was seen breaks it, however the rest is judged. */
static uint8_t judge_never(const struct verdict *verdict)
{
	if (verdict->requested == KNOWN_YES)
		return POLICY_BROKEN;
	return verdict->client_auth == CLIENT_AUTH_NOT_REQUESTED ? POLICY_KEPT : POLICY_UNJUDGED;
}

static uint8_t judge(uint8_t expectation, const struct verdict *verdict)
{
	switch (expectation) {
	case POLICY_REQUIRED:
		return judge_required(verdict);
	case POLICY_OPTIONAL:
		return judge_optional(verdict);
	default:
		return judge_never(verdict);
	}
}

struct policy_judgement policy_judge(const struct policy *policy, const struct handshake *handshake)
{
	for (uint32_t index = 0; policy && index < policy->rules; index++) {
		const struct rule *rule = &policy->rule[index];

		if (fits(rule, handshake))
			return (struct policy_judgement){.expectation = rule->expectation,
			                                 .result = judge(rule->expectation, &handshake->verdict),
			                                 .line = rule->line};
	}
	return (struct policy_judgement){.expectation = POLICY_NOTHING};
}
