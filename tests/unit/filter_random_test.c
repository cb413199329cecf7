// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Random expressions over random records. The test keeps each record as a table of texts, makes the struct handshake from
 * the table, and evaluates its own tree of the expression over the table: it shares no code with the filter.
 */
#include "filter/filter.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "filter/early.h"
#include "report_sample.h"

enum {
	EXPRESSIONS = 100000,
	RECORDS = 64,     /* a new set for each ROUND of expressions */
	ROUND = 1000,     /* expressions on the same records */
	RECORDS_EACH = 4, /* records on which an expression is tried */
	PARTS_MAX = 24,   /* of an expression */
	VALUES = 6,
	EARLY_COLUMNS = 5,
	SET_MAX = 4,
	TEXT_MAX = 8192,
	VALUE_MAX = 64,
	DAY = 86400,
};

static const int64_t now = 1796000000;

enum kind {
	WORDS,
	TEXTS,
	FOLDED,
	LIST, /* texts, separated by spaces in the table */
	NUMBERS,
	FLAGS,
	VERSIONS,
	ADDRESSES,
	SPANS, /* durations in microseconds */
	TIMES, /* days from now */
};

/* A field, and the values that records and expressions take for it. The record may lack those that may be null. */
struct column {
	const char *name;
	enum kind kind;
	bool may_be_null;
	const char *value[VALUES];
};

enum {
	VERDICT,
	REQUESTED,
	ANSWER,
	TRUSTED,
	EVIDENCE,
	FAILURE_WHY,
	FAILURE_WHO,
	ROLE,
	VERSION,
	CIPHER,
	SNI,
	ALPN,
	SERVER_IP,
	SERVER_PORT,
	CLIENT_IP,
	CLIENT_PORT,
	PROCESS_NAME,
	PROCESS_PID,
	USER_NAME,
	UNIT,
	CONTAINER,
	POD,
	NAMESPACE,
	SUBJECT,
	ISSUER,
	SERIAL,
	NAMES,
	NOT_AFTER,
	DURATION,
	RESUMED,
	POLICY,
	COLUMNS,
};

static const struct column columns[COLUMNS] = {
	[VERDICT] = {"verdict", WORDS, false, {"presented", "declined", "resumed", "unknown", "psk", "not_tls"}},
	[REQUESTED] = {"requested", FLAGS, true, {"0", "1", "0", "1", "0", "1"}},
	[ANSWER] = {"answer", WORDS, true, {"certificate", "empty", "certificate", "empty", "certificate", "empty"}},
	[TRUSTED] = {"trusted", FLAGS, true, {"0", "1", "0", "1", "0", "1"}},
	[EVIDENCE] = {"evidence",
                      WORDS,
                      false,
                      {"cleartext", "inferred", "library", "decrypted", "library", "inferred"}},
	[FAILURE_WHY] = {"failure.reason",
                         WORDS,
                         true,
                         {"unknown_ca", "timeout", "closed", "reset", "other", "not_tls"}},
	[FAILURE_WHO] = {"failure.by", WORDS, true, {"client", "server", "client", "server", "client", "server"}},
	[ROLE] = {"role", WORDS, false, {"server", "client", "observer", "server", "client", "observer"}},
	[VERSION] = {"version", VERSIONS, true, {"3.0", "1.0", "1.1", "1.2", "1.3", "2.0"}},
	[CIPHER] = {"cipher", TEXTS, true, {"0x0A0B", "0x0A0C", "0x0B0B", "0x0A0B", "0x0A0C", "0x0B0B"}},
	[SNI] = {"sni", FOLDED, true, {"a.corp", "A.CORP", "b.corp", "b.example", "x", "a*b"}},
	[ALPN] = {"alpn", TEXTS, true, {"h2", "http/1.1", "H2", "a b", "\"", "\\"}},
	[SERVER_IP] = {"server.ip",
                       ADDRESSES,
                       false,
                       {"10.0.0.1", "10.0.0.2", "10.1.0.1", "192.0.2.1", "2001:db8::1", "::1"}},
	[SERVER_PORT] = {"server.port", NUMBERS, false, {"1", "443", "444", "8443", "40000", "65535"}},
	[CLIENT_IP] = {"client.ip",
                       ADDRESSES,
                       false,
                       {"10.0.0.1", "10.0.0.2", "10.1.0.1", "192.0.2.1", "2001:db8::1", "::1"}},
	[CLIENT_PORT] = {"client.port", NUMBERS, false, {"1", "443", "444", "8443", "40000", "65535"}},
	[PROCESS_NAME] = {"process.name", TEXTS, true, {"nginx", "curl", "a\nb", "\xff", "null", "Nginx"}},
	[PROCESS_PID] = {"process.pid", NUMBERS, true, {"1", "2", "300", "4194304", "299", "301"}},
	[USER_NAME] = {"user.name", TEXTS, true, {"root", "www-data", "nobody", "and", "not", "in"}},
	[UNIT] = {"unit", TEXTS, true, {"nginx.service", "a@b.service", "x.scope", "nginx.socket", "-.slice", "now"}},
	[CONTAINER] = {"container", TEXTS, true, {"c0ffee", "c0ffee00", "decaf", "c0", "0", "f00"}},
	[POD] = {"pod", TEXTS, true, {"cart-7c9", "cart-7c8", "web-0", "web-1", "a", "b"}},
	[NAMESPACE] = {"namespace", TEXTS, true, {"shop", "default", "kube-system", "a", "b", "c"}},
	[SUBJECT] = {"subject", TEXTS, true, {"CN=a", "CN=b,O=c", "CN=*", "CN=a,CN=b", "O=c", "CN=?"}},
	[ISSUER] = {"issuer", TEXTS, true, {"CN=a", "CN=b,O=c", "CN=*", "CN=a,CN=b", "O=c", "CN=?"}},
	[SERIAL] = {"serial", FOLDED, true, {"00", "0A", "0a", "FF", "1234", "12"}},
	[NAMES] = {"names",
                   LIST,
                   true,
                   {"a.corp", "a.corp b.corp", "spiffe://x/y", "a b c d", "10.0.0.1 a.corp", "b.corp"}},
	[NOT_AFTER] = {"not_after", TIMES, true, {"-400", "-1", "0", "1", "14", "3650"}},
	[DURATION] = {"duration", SPANS, true, {"0", "1", "1000", "50000", "1000000", "90000000"}},
	[RESUMED] = {"resumed", FLAGS, true, {"0", "1", "0", "1", "0", "1"}},
	[POLICY] = {"policy", WORDS, true, {"kept", "broken", "kept", "broken", "kept", "broken"}},
};

/* A record: for each column a text, or NULL. */
struct record {
	const char *value[COLUMNS];
	struct handshake handshake;
	struct certificate certificate;
	struct attribution attribution;
};

static uint64_t seed = 88172645463325252ull;

static uint32_t below(uint32_t bound)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % bound;
}

static void fill_table(struct record *record)
{
	for (int column = 0; column < COLUMNS; column++) {
		record->value[column] = columns[column].value[below(VALUES)];
		if (columns[column].may_be_null && !below(4))
			record->value[column] = NULL;
	}
	/* one family, one certificate, one process: what belongs together is known together */
	while (!strchr(record->value[SERVER_IP], ':') != !strchr(record->value[CLIENT_IP], ':'))
		record->value[CLIENT_IP] = columns[CLIENT_IP].value[below(VALUES)];
	if (!record->value[FAILURE_WHY])
		record->value[FAILURE_WHO] = NULL;
	if (!record->value[PROCESS_PID] || !record->value[PROCESS_NAME])
		record->value[PROCESS_PID] = record->value[PROCESS_NAME] = NULL;
	if (!record->value[NOT_AFTER])
		record->value[SUBJECT] = record->value[ISSUER] = record->value[SERIAL] = record->value[NAMES] = NULL;
}

/* The number of a word of a column whose words are an enumeration of the record. */
static int find_word(const char *word, const char *const *words, int count)
{
	for (int index = 0; index < count; index++)
		if (words[index] && !strcmp(words[index], word))
			return index;
	fail_msg("no word %s", word);
	return -1;
}

static uint8_t known(const char *value)
{
	return !value ? NOT_KNOWN : *value == '1' ? KNOWN_YES : KNOWN_NO;
}

static void make_verdict(const struct record *record, struct handshake *handshake)
{
	static const char *const verdicts[CLIENT_AUTHS] = {[CLIENT_AUTH_PRESENTED] = "presented",
	                                                   [CLIENT_AUTH_DECLINED] = "declined",
	                                                   [CLIENT_AUTH_RESUMED] = "resumed",
	                                                   [CLIENT_AUTH_UNKNOWN] = "unknown",
	                                                   [CLIENT_AUTH_PSK] = "psk",
	                                                   [CLIENT_AUTH_NOT_TLS] = "not_tls"};
	static const char *const evidences[EVIDENCES] = {[EVIDENCE_CLEARTEXT] = "cleartext",
	                                                 [EVIDENCE_INFERRED] = "inferred",
	                                                 [EVIDENCE_LIBRARY] = "library",
	                                                 [EVIDENCE_DECRYPTED] = "decrypted"};
	static const char *const reasons[FAILURE_REASONS] = {
		[FAILURE_UNKNOWN_CA] = "unknown_ca", [FAILURE_TIMEOUT] = "timeout", [FAILURE_CLOSED] = "closed",
		[FAILURE_RESET] = "reset",           [FAILURE_OTHER] = "other",     [FAILURE_NOT_TLS] = "not_tls"};
	struct verdict *verdict = &handshake->verdict;

	verdict->client_auth = find_word(record->value[VERDICT], verdicts, CLIENT_AUTHS);
	verdict->evidence = find_word(record->value[EVIDENCE], evidences, EVIDENCES);
	verdict->requested = known(record->value[REQUESTED]);
	verdict->resumed = known(record->value[RESUMED]);
	verdict->answer = !record->value[ANSWER]          ? (below(2) ? ANSWER_NONE : ANSWER_NOT_KNOWN)
	                  : *record->value[ANSWER] == 'c' ? ANSWER_CERTIFICATE
	                                                  : ANSWER_EMPTY;
	handshake->verification[FROM_CLIENT].known = record->value[TRUSTED] != NULL;
	handshake->verification[FROM_CLIENT].result =
		record->value[TRUSTED] && *record->value[TRUSTED] == '1' ? FAILURE_NONE : FAILURE_UNKNOWN_CA;
	handshake->failure.by = FAILURE_BY_NOBODY;
	if (record->value[FAILURE_WHY])
		handshake->failure.reason = find_word(record->value[FAILURE_WHY], reasons, FAILURE_REASONS);
	if (record->value[FAILURE_WHO])
		handshake->failure.by = *record->value[FAILURE_WHO] == 'c' ? FROM_CLIENT : FROM_SERVER;
	if (record->value[POLICY]) {
		handshake->policy.expectation = POLICY_REQUIRED;
		handshake->policy.result = *record->value[POLICY] == 'k' ? POLICY_KEPT : POLICY_BROKEN;
	}
}

static void copy(char *to, const char *text)
{
	strcpy(to, text ?: "");
}

static void make_connection(const struct record *record, struct handshake *handshake)
{
	static const char *const roles[] = {
		[ROLE_SERVER] = "server", [ROLE_CLIENT] = "client", [ROLE_OBSERVER] = "observer"};
	static const struct {
		const char *number;
		uint16_t version;
	} versions[] = {{"2.0", 0x0002}, {"3.0", 0x0300}, {"1.0", 0x0301}, {"1.1", 0x0302},
	                {"1.2", 0x0303}, {"1.2", 0xfefd}, {"1.3", 0x0304}};
	const int family = strchr(record->value[SERVER_IP], ':') ? AF_INET6 : AF_INET;

	handshake->role = find_word(record->value[ROLE], roles, 3);
	handshake->family = family == AF_INET ? 4 : 6;
	inet_pton(family, record->value[SERVER_IP], handshake->server.address);
	inet_pton(family, record->value[CLIENT_IP], handshake->client.address);
	handshake->server.port = atoi(record->value[SERVER_PORT]);
	handshake->client.port = atoi(record->value[CLIENT_PORT]);
	for (size_t index = 0; record->value[VERSION] && index < sizeof(versions) / sizeof(versions[0]); index++)
		if (!strcmp(versions[index].number, record->value[VERSION]))
			handshake->version = versions[index].version;
	handshake->facts.server_hello = record->value[CIPHER] != NULL;
	if (record->value[CIPHER])
		handshake->server_hello.cipher_suite = strtoul(record->value[CIPHER], NULL, 16);
	copy(handshake->client_hello.server_name, record->value[SNI]);
	copy(handshake->server_hello.protocol, record->value[ALPN]);
	handshake->start_ns = SAMPLE_START_NS;
	if (record->value[DURATION])
		handshake->end_ns = SAMPLE_START_NS + atoll(record->value[DURATION]) * 1000;
}

static void make_attribution(struct record *record)
{
	struct attribution *attribution = &record->attribution;

	if (record->value[PROCESS_PID])
		attribution->process = atoi(record->value[PROCESS_PID]);
	copy(attribution->name, record->value[PROCESS_NAME]);
	copy(attribution->user_name, record->value[USER_NAME]);
	copy(attribution->unit, record->value[UNIT]);
	copy(attribution->container, record->value[CONTAINER]);
	copy(attribution->pod, record->value[POD]);
	copy(attribution->pod_namespace, record->value[NAMESPACE]);
	record->handshake.attribution = attribution;
}

static void make_certificate(struct record *record)
{
	struct certificate *certificate = &record->certificate;
	char names[VALUE_MAX], *rest = names, *name;

	if (!record->value[NOT_AFTER])
		return;
	certificate->leaf_parsed = true;
	certificate->not_after = now + atoll(record->value[NOT_AFTER]) * DAY;
	copy(certificate->subject, record->value[SUBJECT]);
	copy(certificate->issuer, record->value[ISSUER]);
	copy(certificate->serial, record->value[SERIAL]);
	copy(names, record->value[NAMES]);
	while (record->value[NAMES] && (name = strsep(&rest, " ")) != NULL)
		copy(certificate->alternative_name[certificate->alternative_names++], name);
	record->handshake.certificate = certificate;
}

static void make_record(struct record *record)
{
	memset(record, 0, sizeof(*record));
	fill_table(record);
	make_verdict(record, &record->handshake);
	make_connection(record, &record->handshake);
	make_attribution(record);
	make_certificate(record);
}

/* The test's own tree. */
enum operation {
	AND,
	OR,
	NOT,
	BARE,
	EQ,
	NE,
	LT,
	LE,
	GT,
	GE,
	IN,
	NOT_IN,
	MATCH,
	NULL_EQ,
	NULL_NE
};

struct operand {
	const char *low;
	const char *high; /* NULL: no range */
	int prefix;       /* of an address; -1: none */
	char glob[VALUE_MAX];
};

struct part {
	enum operation operation;
	struct part *left, *right;
	int column;
	int operands;
	struct operand operand[SET_MAX];
};

/* Columns whose values the first packet of a connection shows. */
static const int early_columns[] = {ROLE, SERVER_IP, SERVER_PORT, CLIENT_IP, CLIENT_PORT};

/* Whether expressions have only columns that the kernel decides. */
static bool early_only;
static uint64_t early_decided; /* records that the kernel left out */

static struct part parts[PARTS_MAX * 2];
static int parts_used;

static bool has_order(enum kind kind)
{
	return kind == NUMBERS || kind == VERSIONS || kind == SPANS || kind == TIMES;
}

static enum operation random_operation(enum kind kind)
{
	for (;;) {
		enum operation operation = BARE + below(NULL_NE - BARE + 1);

		if (operation == BARE && kind != FLAGS)
			continue;
		if (operation >= LT && operation <= GE && !has_order(kind))
			continue;
		if ((operation == IN || operation == NOT_IN) && kind == FLAGS)
			continue;
		if (early_only && operation >= NULL_EQ)
			continue;
		if (operation == MATCH && kind != WORDS && kind != TEXTS && kind != FOLDED && kind != LIST)
			continue;
		return operation;
	}
}

static const char *random_value(const struct column *column)
{
	const char *value;

	do
		value = column->value[below(VALUES)];
	while (column->kind == LIST && strchr(value, ' '));
	return value;
}

/* Some letters of a value, the others replaced by `*` and `?`. */
static void random_glob(const struct column *column, char glob[VALUE_MAX])
{
	const char *value = random_value(column);
	size_t length = 0;

	for (; *value; value++) {
		switch (below(6)) {
		case 0:
			glob[length++] = '*';
			break;
		case 1:
			glob[length++] = '?';
			break;
		case 2:
			break;
		default:
			/* a backslash in fnmatch() and in the filter makes the next byte an ordinary one */
			if (strchr("*?[]\\", *value))
				glob[length++] = '\\';
			glob[length++] = *value;
		}
	}
	if (below(2))
		glob[length++] = '*';
	glob[length] = '\0';
}

static double order_of(enum kind kind, const char *value)
{
	static const char *const versions[] = {"2.0", "3.0", "1.0", "1.1", "1.2", "1.3"};

	return kind == VERSIONS ? find_word(value, versions, 6) : atof(value);
}

static void random_operand(const struct part *part, struct operand *operand)
{
	const struct column *column = &columns[part->column];
	const bool in = part->operation == IN || part->operation == NOT_IN;
	const char *swap;

	operand->low = random_value(column);
	operand->high = NULL;
	operand->prefix = -1;
	if (part->operation == MATCH)
		random_glob(column, operand->glob);
	if (in && column->kind == ADDRESSES && below(2))
		operand->prefix = below(strchr(operand->low, ':') ? 129 : 33);
	if (!in || !has_order(column->kind) || below(2))
		return;
	operand->high = random_value(column);
	if (order_of(column->kind, operand->low) > order_of(column->kind, operand->high)) {
		swap = operand->low;
		operand->low = operand->high;
		operand->high = swap;
	}
}

static struct part *random_part(int depth)
{
	struct part *part = &parts[parts_used++];

	memset(part, 0, sizeof(*part));
	if (depth && parts_used < PARTS_MAX && below(3)) {
		part->operation = below(3);
		part->left = random_part(depth - 1);
		part->right = part->operation == NOT ? NULL : random_part(depth - 1);
		return part;
	}
	part->column = early_only ? early_columns[below(EARLY_COLUMNS)] : (int)below(COLUMNS);
	part->operation = random_operation(columns[part->column].kind);
	part->operands = part->operation == IN || part->operation == NOT_IN ? 1 + below(SET_MAX) : 1;
	for (int index = 0; index < part->operands; index++)
		random_operand(part, &part->operand[index]);
	return part;
}

/* The expression as a text. */
struct text {
	char text[TEXT_MAX];
	size_t length;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text->length += vsnprintf(text->text + text->length, TEXT_MAX - text->length, format, arguments);
	va_end(arguments);
	assert_true(text->length < TEXT_MAX);
}

static void add_quoted(struct text *text, const char *value)
{
	add(text, "\"");
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			add(text, "\\%c", *value);
		else if ((unsigned char)*value < ' ' || (unsigned char)*value > '~')
			add(text, below(2) ? "\\x%02x" : "\\x%02X", (unsigned char)*value);
		else
			add(text, "%c", *value);
	}
	add(text, "\"");
}

static void add_prefix(struct text *text, const struct operand *operand)
{
	const bool ipv6 = strchr(operand->low, ':') != NULL;
	uint8_t address[16] = {};
	char shown[INET6_ADDRSTRLEN];

	inet_pton(ipv6 ? AF_INET6 : AF_INET, operand->low, address);
	for (int bit = operand->prefix; bit < (ipv6 ? 128 : 32); bit++)
		address[bit / 8] &= ~(0x80 >> bit % 8);
	inet_ntop(ipv6 ? AF_INET6 : AF_INET, address, shown, sizeof(shown));
	add(text, "%s/%d", shown, operand->prefix);
}

static void add_time(struct text *text, const char *days)
{
	static const char *const forms[] = {"now + %lldd", "now+%lldd", "now - %lldd", "now-%lldd"};
	const long long number = atoll(days);

	if (!number && below(2))
		add(text, "now");
	else
		add(text, forms[below(2) + (number < 0 ? 2 : 0)], number < 0 ? -number : number);
}

static void add_duration(struct text *text, const char *microseconds)
{
	const long long number = atoll(microseconds);

	if (number % 1000000 == 0 && below(2))
		add(text, "%llds", number / 1000000);
	else if (below(2))
		add(text, "%lld.%03lldms", number / 1000, number % 1000);
	else
		add(text, "%lldus", number);
}

static void add_value(struct text *text, enum kind kind, const char *value)
{
	if (kind == TEXTS || kind == FOLDED || kind == LIST)
		add_quoted(text, value);
	else if (kind == TIMES)
		add_time(text, value);
	else if (kind == SPANS)
		add_duration(text, value);
	else if (kind == FLAGS)
		add(text, "%s", *value == '1' ? "true" : "false");
	else if (kind == VERSIONS && strcmp(value, "2.0") && strcmp(value, "3.0") && below(2))
		add(text, "TLSv%s", value);
	else
		add(text, "%s", value);
}

static void add_operand(struct text *text, enum kind kind, const struct operand *operand)
{
	if (operand->prefix >= 0)
		add_prefix(text, operand);
	else
		add_value(text, kind, operand->low);
	if (!operand->high)
		return;
	add(text, below(2) ? ".." : " .. ");
	add_value(text, kind, operand->high);
}

static void add_test(struct text *text, const struct part *part)
{
	static const char *const operators[] = {
		[EQ] = "==",         [NE] = "!=",           [LT] = "<",           [LE] = "<=",
		[GT] = ">",          [GE] = ">=",           [IN] = "in",          [NOT_IN] = "not in",
		[MATCH] = "matches", [NULL_EQ] = "== null", [NULL_NE] = "!= null"};
	const struct column *column = &columns[part->column];

	add(text, "%s", column->name);
	if (part->operation == BARE)
		return;
	add(text, " %s", operators[part->operation]);
	if (part->operation == NULL_EQ || part->operation == NULL_NE)
		return;
	add(text, " ");
	if (part->operation == MATCH) {
		add_quoted(text, part->operand[0].glob);
		return;
	}
	add(text, part->operands > 1 ? "{" : "");
	for (int index = 0; index < part->operands; index++) {
		add(text, index ? ", " : "");
		add_operand(text, column->kind, &part->operand[index]);
	}
	add(text, part->operands > 1 ? "}" : "");
}

/* Parentheses stand only where precedence needs them. */
static void add_part(struct text *text, const struct part *part, int precedence)
{
	const int own = part->operation == OR ? 0 : part->operation == AND ? 1 : part->operation == NOT ? 2 : 3;

	add(text, own < precedence ? "(" : "");
	if (part->operation == NOT) {
		add(text, below(2) ? "not " : "!");
		add_part(text, part->left, own);
	} else if (part->operation == AND || part->operation == OR) {
		add_part(text, part->left, own);
		add(text, part->operation == AND ? (below(2) ? " and " : " && ") : (below(2) ? " or " : "||"));
		add_part(text, part->right, own + 1);
	} else {
		add_test(text, part);
	}
	add(text, own < precedence ? ")" : "");
}

static bool same_bits(const char *one, const char *other, int bits)
{
	uint8_t left[16] = {}, right[16] = {};
	const int family = strchr(one, ':') ? AF_INET6 : AF_INET;

	if (!strchr(one, ':') != !strchr(other, ':'))
		return false;
	inet_pton(family, one, left);
	inet_pton(family, other, right);
	for (int bit = 0; bit < bits; bit++)
		if ((left[bit / 8] ^ right[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

static bool text_is(const struct part *part, enum kind kind, const struct operand *operand, const char *text)
{
	if (part->operation == MATCH)
		return !fnmatch(operand->glob, text, kind == FOLDED ? FNM_CASEFOLD : 0);
	return !(kind == FOLDED ? strcasecmp(operand->low, text) : strcmp(operand->low, text));
}

static bool one_of_list_is(const struct part *part, const struct operand *operand, const char *list)
{
	char texts[VALUE_MAX], *rest = texts, *text;

	copy(texts, list);
	while ((text = strsep(&rest, " ")) != NULL)
		if (text_is(part, LIST, operand, text))
			return true;
	return false;
}

static bool operand_is(const struct part *part, enum kind kind, const struct operand *operand, const char *value)
{
	if (has_order(kind))
		return order_of(kind, value) >= order_of(kind, operand->low) &&
		       order_of(kind, value) <= order_of(kind, operand->high ?: operand->low);
	if (kind == ADDRESSES)
		return same_bits(operand->low, value,
		                 operand->prefix >= 0        ? operand->prefix
		                 : strchr(operand->low, ':') ? 128
		                                             : 32);
	if (kind == LIST)
		return one_of_list_is(part, operand, value);
	return text_is(part, kind, operand, value);
}

/* 1, 0, or -1: not known. */
static int evaluate_test(const struct part *part, const struct record *record)
{
	const enum kind kind = columns[part->column].kind;
	const char *value = record->value[part->column];
	bool any = false;

	if (part->operation == NULL_EQ || part->operation == NULL_NE)
		return !value == (part->operation == NULL_EQ);
	if (!value)
		return -1;
	if (part->operation == BARE)
		return *value == '1';
	if (part->operation >= LT && part->operation <= GE) {
		const double left = order_of(kind, value), right = order_of(kind, part->operand[0].low);

		return part->operation == LT   ? left < right
		       : part->operation == LE ? left <= right
		       : part->operation == GT ? left > right
		                               : left >= right;
	}
	for (int index = 0; index < part->operands; index++)
		any |= operand_is(part, kind, &part->operand[index], value);
	return any != (part->operation == NE || part->operation == NOT_IN);
}

static int evaluate(const struct part *part, const struct record *record)
{
	int left, right;

	if (part->operation > NOT)
		return evaluate_test(part, record);
	left = evaluate(part->left, record);
	if (part->operation == NOT)
		return left < 0 ? left : !left;
	right = evaluate(part->right, record);
	if (part->operation == AND)
		return !left || !right ? 0 : left < 0 || right < 0 ? -1 : 1;
	return left > 0 || right > 0 ? 1 : left < 0 || right < 0 ? -1 : 0;
}

static struct early_end early_end_of(const struct handshake *handshake, const struct endpoint *endpoint)
{
	struct early_end end = {.port = endpoint->port, .family = handshake->family};

	memcpy(end.address, endpoint->address, sizeof(end.address));
	return end;
}

/*
 * The kernel's part of an expression lets every record through that the expression selects; of an expression over those
 * columns alone it decides the same. (Only socket's ends, servers and clients, are decided in the kernel.)
 */
static void compare_early(const struct text *text, const struct filter *filter, const struct handshake *handshake,
                          bool matches)
{
	const struct early_end server = early_end_of(handshake, &handshake->server);
	const struct early_end client = early_end_of(handshake, &handshake->client);
	struct early_filter early;
	bool passes;

	if (handshake->role == ROLE_OBSERVER)
		return;
	filter_early(filter, &early);
	passes = early_passes(&early, &server, &client, handshake->role);
	early_decided += !passes;
	if (matches ? !passes : early_only && early.steps && passes)
		fail_msg("%s: %s, the kernel %s it", text->text, matches ? "matches" : "does not match",
		         passes ? "passes" : "drops");
}

static void compare(const struct text *text, const struct part *part, struct record *records)
{
	struct filter *filter;
	struct filter_error error;

	if (filter_parse(text->text, &filter, &error))
		fail_msg("%s\n%zu: %s", text->text, error.offset, error.message);
	for (int count = 0; count < RECORDS_EACH; count++) {
		const struct record *record = &records[below(RECORDS)];
		const bool actual = filter_match(filter, &record->handshake, now);
		const int expected = evaluate(part, record);

		compare_early(text, filter, &record->handshake, actual);
		if (actual == (expected == 1))
			continue;
		for (int column = 0; column < COLUMNS; column++)
			print_message("%s: %s\n", columns[column].name, record->value[column] ?: "(null)");
		fail_msg("%s: %d, expected %d", text->text, actual, expected);
	}
	filter_free(filter);
}

static void run_random(int expressions)
{
	static struct record records[RECORDS];
	static struct text text;

	for (int count = 0; count < expressions; count++) {
		struct part *part;

		for (int index = 0; count % ROUND == 0 && index < RECORDS; index++)
			make_record(&records[index]);
		parts_used = 0;
		part = random_part(6);
		text.length = 0;
		add_part(&text, part, 0);
		compare(&text, part, records);
	}
}

static void random_expressions_match_as_a_plain_evaluation_says(void **state)
{
	(void)state;
	early_decided = 0;
	run_random(EXPRESSIONS);
	/* the kernel decides something */
	assert_in_range(early_decided, EXPRESSIONS / 100, EXPRESSIONS * RECORDS_EACH);
}

static void the_kernel_decides_expressions_over_ends_alone(void **state)
{
	(void)state;
	early_only = true;
	early_decided = 0;
	run_random(EXPRESSIONS);
	assert_in_range(early_decided, EXPRESSIONS / 2, EXPRESSIONS * RECORDS_EACH);
}

static void what_the_kernel_cannot_decide_passes(void **state)
{
	static const char *const texts[] = {
		"sni == x",
		"requested or server.port == 443",
		"not (requested and server.port == 443)",
		"server.port == 443 or not role == server or requested",
		"role == null",
		"server.ip != null",
	};
	struct early_filter early;
	struct filter *filter;
	struct filter_error error;

	(void)state;
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		assert_int_equal(filter_parse(texts[index], &filter, &error), 0);
		filter_early(filter, &early);
		if (early.steps)
			fail_msg("%s: %u steps", texts[index], early.steps);
		filter_free(filter);
	}
	filter_early(NULL, &early);
	assert_int_equal(early.steps, 0);
}

/* An expression that is too long for the kernel passes everything. */
static void long_expressions_pass(void **state)
{
	char text[TEXT_MAX];
	size_t length = snprintf(text, sizeof(text), "server.port in {1");
	struct early_filter early;
	struct filter *filter;
	struct filter_error error;

	(void)state;
	for (int port = 2; port <= EARLY_FILTER_STEPS; port++)
		length += snprintf(text + length, sizeof(text) - length, ", %d", port);
	snprintf(text + length, sizeof(text) - length, "}");
	assert_int_equal(filter_parse(text, &filter, &error), 0);
	filter_early(filter, &early);
	assert_int_equal(early.steps, 0);
	filter_free(filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_expressions_match_as_a_plain_evaluation_says),
		cmocka_unit_test(the_kernel_decides_expressions_over_ends_alone),
		cmocka_unit_test(what_the_kernel_cannot_decide_passes),
		cmocka_unit_test(long_expressions_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
