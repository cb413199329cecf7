// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/web_config.h"
#include "system/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* State of the parser. */
struct reading {
	yaml_document_t document;
	const char *path;
	struct web_config *config;
	struct web_config_error *error;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct web_config_error *error, size_t line, const char *format,
                                                        ...)
{
	va_list arguments;

	error->line = line + 1;
	va_start(arguments, format);
	vsnprintf(error->reason, sizeof(error->reason), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static size_t line_of(const yaml_node_t *node)
{
	return node->start_mark.line;
}

/* Text for a message: only printable ASCII. */
static const char *shown(char text[WEB_USER_MAX + 1], const char *value)
{
	snprintf(text, WEB_USER_MAX + 1, "%s", value);
	for (char *byte = text; *byte; byte++)
		if (*byte < ' ' || *byte > '~')
			*byte = '?';
	return text;
}

/* The text of a scalar; NULL for another node, or a text with a NUL. */
static const char *scalar_of(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->type != YAML_SCALAR_NODE || strlen(text) != node->data.scalar.length)
		return NULL;
	return text;
}

static int read_scalar(struct reading *reading, const yaml_node_t *node, const char *key, const char **text)
{
	*text = scalar_of(node);
	if (!*text || !**text)
		return refuse(reading->error, line_of(node), "%s wants one value", key);
	return 0;
}

/* How a key's value is read. */
struct key {
	const char *name;
	int (*read)(struct reading *reading, const yaml_node_t *value, const char *key);
};

static const struct key *find_key(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (!strcmp(keys->name, name))
			return keys;
	return NULL;
}

static bool came_before(struct reading *reading, const yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
	const char *name = scalar_of(yaml_document_get_node(&reading->document, pair->key));

	for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair; other++) {
		const char *other_name = scalar_of(yaml_document_get_node(&reading->document, other->key));

		if (other_name && !strcmp(name, other_name))
			return true;
	}
	return false;
}

/* Read each key of a mapping as the table says; what is not in the table is an error. */
static int read_mapping(struct reading *reading, const yaml_node_t *mapping, const char *name, const struct key *keys)
{
	char text[WEB_USER_MAX + 1];
	int error = 0;

	if (mapping->type != YAML_MAPPING_NODE)
		return refuse(reading->error, line_of(mapping), "%s is not a mapping of keys to values", name);
	for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top && !error; pair++) {
		const yaml_node_t *node = yaml_document_get_node(&reading->document, pair->key);
		const yaml_node_t *value = yaml_document_get_node(&reading->document, pair->value);
		const char *key_name = scalar_of(node);
		const struct key *key = key_name ? find_key(keys, key_name) : NULL;

		if (!key)
			return refuse(reading->error, line_of(node), "%s has no key '%s'", name,
			              shown(text, key_name ?: "?"));
		if (came_before(reading, mapping, pair))
			return refuse(reading->error, line_of(node), "%s is there twice", key->name);
		error = key->read(reading, value, key->name);
	}
	return error;
}

/* Relative to the directory of the naming file. */
static char *resolve(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');
	int directory = slash && name[0] != '/' ? slash + 1 - file : 0;
	char *path;

	return asprintf(&path, "%.*s%s", directory, file, name) < 0 ? NULL : path;
}

static int read_path(struct reading *reading, const yaml_node_t *value, const char *key, char **path)
{
	const char *text;
	int error = read_scalar(reading, value, key, &text);

	if (error)
		return error;
	*path = resolve(reading->path, text);
	return *path ? 0 : -ENOMEM;
}

static int read_cert_file(struct reading *reading, const yaml_node_t *value, const char *key)
{
	return read_path(reading, value, key, &reading->config->certificate_file);
}

static int read_key_file(struct reading *reading, const yaml_node_t *value, const char *key)
{
	return read_path(reading, value, key, &reading->config->key_file);
}

static int read_client_ca_file(struct reading *reading, const yaml_node_t *value, const char *key)
{
	return read_path(reading, value, key, &reading->config->client_authorities_file);
}

/* The place of a word among others; -EINVAL if absent. */
static int read_word(struct reading *reading, const yaml_node_t *value, const char *key, const char *const *words,
                     uint8_t *place)
{
	char shortened[WEB_USER_MAX + 1];
	const char *text;
	int error = read_scalar(reading, value, key, &text);

	if (error)
		return error;
	for (*place = 0; words[*place]; (*place)++)
		if (!strcmp(words[*place], text))
			return 0;
	return refuse(reading->error, line_of(value), "%s: '%s' is not known", key, shown(shortened, text));
}

static int read_client_auth_type(struct reading *reading, const yaml_node_t *value, const char *key)
{
	static const char *const words[] = {[WEB_NO_CLIENT_CERT] = "NoClientCert",
	                                    [WEB_REQUEST_CLIENT_CERT] = "RequestClientCert",
	                                    [WEB_REQUIRE_ANY_CLIENT_CERT] = "RequireAnyClientCert",
	                                    [WEB_VERIFY_CLIENT_CERT_IF_GIVEN] = "VerifyClientCertIfGiven",
	                                    [WEB_REQUIRE_AND_VERIFY_CLIENT_CERT] = "RequireAndVerifyClientCert",
	                                    NULL};

	return read_word(reading, value, key, words, &reading->config->client_auth);
}

static const char *const version_words[] = {[WEB_TLS_1_0] = "TLS10",
                                            [WEB_TLS_1_1] = "TLS11",
                                            [WEB_TLS_1_2] = "TLS12",
                                            [WEB_TLS_1_3] = "TLS13",
                                            [WEB_VERSIONS] = NULL};

static int read_min_version(struct reading *reading, const yaml_node_t *value, const char *key)
{
	return read_word(reading, value, key, version_words, &reading->config->min_version);
}

static int read_max_version(struct reading *reading, const yaml_node_t *value, const char *key)
{
	return read_word(reading, value, key, version_words, &reading->config->max_version);
}

static int read_truth(struct reading *reading, const yaml_node_t *value, const char *key, bool *truth)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", NULL};
	uint8_t place = 0;
	int error = read_word(reading, value, key, words, &place);

	*truth = place % 2;
	return error;
}

static int read_prefer_server(struct reading *reading, const yaml_node_t *value, const char *key)
{
	bool prefers = true;
	int error = read_truth(reading, value, key, &prefers);

	reading->config->client_precedence = !prefers;
	return error;
}

/* The server offers only HTTP/1.1, whatever the value: every client with HTTP/2 also speaks HTTP/1.1. */
static int read_http2(struct reading *reading, const yaml_node_t *value, const char *key)
{
	bool ignored;

	return read_truth(reading, value, key, &ignored);
}

static int read_curves(struct reading *reading, const yaml_node_t *value, const char *key)
{
	static const char *const words[] = {"CurveP256", "CurveP384", "CurveP521", "X25519", NULL};
	static const char *const groups[WEB_GROUPS_MAX] = {"SECP256R1", "SECP384R1", "SECP521R1", "X25519"};
	struct web_config *config = reading->config;

	if (value->type != YAML_SEQUENCE_NODE)
		return refuse(reading->error, line_of(value), "%s is not a list", key);
	for (const yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top;
	     item++) {
		const yaml_node_t *node = yaml_document_get_node(&reading->document, *item);
		uint8_t place;
		int error = read_word(reading, node, key, words, &place);

		if (error)
			return error;
		if (config->groups == WEB_GROUPS_MAX)
			return refuse(reading->error, line_of(node), "%s has a curve twice", key);
		config->group[config->groups++] = groups[place];
	}
	return 0;
}

/* An error, because the protection would be weaker than the author believes. */
static int read_unsupported(struct reading *reading, const yaml_node_t *value, const char *key)
{
	return refuse(reading->error, line_of(value), "%s is not supported by mtlsnoop", key);
}

static int read_tls(struct reading *reading, const yaml_node_t *value, const char *key)
{
	static const struct key keys[] = {
		{"cert_file", read_cert_file},
		{"key_file", read_key_file},
		{"client_auth_type", read_client_auth_type},
		{"client_ca_file", read_client_ca_file},
		{"min_version", read_min_version},
		{"max_version", read_max_version},
		{"prefer_server_cipher_suites", read_prefer_server},
		{"curve_preferences", read_curves},
		{"cipher_suites", read_unsupported},
		{"client_allowed_sans", read_unsupported},
		{"cert", read_unsupported},
		{"key", read_unsupported},
		{"client_ca", read_unsupported},
		{},
	};
	struct web_config *config = reading->config;
	bool verifies;
	int error = read_mapping(reading, value, key, keys);

	if (error)
		return error;
	verifies = config->client_auth == WEB_VERIFY_CLIENT_CERT_IF_GIVEN ||
	           config->client_auth == WEB_REQUIRE_AND_VERIFY_CLIENT_CERT;
	config->tls = true;
	if (!config->certificate_file || !config->key_file)
		return refuse(reading->error, line_of(value), "%s has no %s", key,
		              config->certificate_file ? "key_file" : "cert_file");
	if (config->min_version > config->max_version)
		return refuse(reading->error, line_of(value), "%s: min_version is above max_version", key);
	if (verifies && !config->client_authorities_file)
		return refuse(reading->error, line_of(value), "%s: client_auth_type wants a client_ca_file", key);
	if (!verifies && config->client_authorities_file)
		return refuse(reading->error, line_of(value),
		              "%s: a client_ca_file wants a client_auth_type that verifies", key);
	return 0;
}

static int read_http(struct reading *reading, const yaml_node_t *value, const char *key)
{
	static const struct key keys[] = {{"http2", read_http2}, {"headers", read_unsupported}, {}};

	return read_mapping(reading, value, key, keys);
}

/* RFC 7617 section 2: no colon, no control character */
static int read_user_name(struct reading *reading, const yaml_node_t *node, struct web_user *user)
{
	const char *name = scalar_of(node);

	if (!name || !*name)
		return refuse(reading->error, line_of(node), "a user has no name");
	if (strlen(name) > WEB_USER_MAX)
		return refuse(reading->error, line_of(node), "a user's name has more than %d bytes", WEB_USER_MAX);
	for (const char *byte = name; *byte; byte++)
		if (*byte == ':' || (unsigned char)*byte < ' ' || *byte == 0x7f)
			return refuse(reading->error, line_of(node),
			              "a user's name has a colon or a control character");
	strcpy(user->name, name);
	return 0;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* $2a$, $2b$ or $2y$, two digits of cost, $, and 53 characters of bcrypt's own base 64 */
static bool is_bcrypt(const char *hash)
{
	if (strlen(hash) != WEB_HASH_LENGTH || strncmp(hash, "$2", 2) || !strchr("aby", hash[2]) || hash[3] != '$' ||
	    !is_digit(hash[4]) || !is_digit(hash[5]) || hash[6] != '$')
		return false;
	for (hash += strlen("$2b$10$"); *hash; hash++)
		if (!is_digit(*hash) && !(*hash >= 'A' && *hash <= 'Z') && !(*hash >= 'a' && *hash <= 'z') &&
		    *hash != '.' && *hash != '/')
			return false;
	return true;
}

static int read_hash(struct reading *reading, const yaml_node_t *node, struct web_user *user)
{
	const char *hash = scalar_of(node);
	int cost;

	if (!hash || !is_bcrypt(hash))
		return refuse(reading->error, line_of(node),
		              "the password of a user is not a bcrypt hash ($2b$10$...)");
	cost = (hash[4] - '0') * 10 + hash[5] - '0';
	if (cost < 4 || cost > WEB_HASH_COST_MAX)
		return refuse(reading->error, line_of(node), "a bcrypt hash has a cost of %d: at least 4, at most %d",
		              cost, WEB_HASH_COST_MAX);
	strcpy(user->hash, hash);
	return 0;
}

static bool has_user(const struct web_config *config, const char *name)
{
	for (uint32_t index = 0; index < config->users; index++)
		if (!strcmp(config->user[index].name, name))
			return true;
	return false;
}

static int read_users(struct reading *reading, const yaml_node_t *value, const char *key)
{
	struct web_config *config = reading->config;

	if (value->type != YAML_MAPPING_NODE || value->data.mapping.pairs.start == value->data.mapping.pairs.top)
		return refuse(reading->error, line_of(value), "%s has no users: leave it out where nobody is asked",
		              key);
	for (const yaml_node_pair_t *pair = value->data.mapping.pairs.start; pair < value->data.mapping.pairs.top;
	     pair++) {
		const yaml_node_t *name = yaml_document_get_node(&reading->document, pair->key);
		struct web_user user = {};
		int error = read_user_name(reading, name, &user);

		if (!error)
			error = read_hash(reading, yaml_document_get_node(&reading->document, pair->value), &user);
		if (error)
			return error;
		if (has_user(config, user.name))
			return refuse(reading->error, line_of(name), "a user is there twice");
		if (config->users == WEB_USERS_MAX)
			return refuse(reading->error, line_of(name), "more than %d users", WEB_USERS_MAX);
		config->user[config->users++] = user;
	}
	return 0;
}

static int read_root(struct reading *reading)
{
	static const struct key keys[] = {{"tls_server_config", read_tls},
	                                  {"http_server_config", read_http},
	                                  {"basic_auth_users", read_users},
	                                  {}};
	const yaml_node_t *root = yaml_document_get_root_node(&reading->document);

	return root ? read_mapping(reading, root, "the file", keys) : 0;
}

static int refuse_syntax(const yaml_parser_t *parser, struct web_config_error *error)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return refuse(error, parser->problem_mark.line, "it is not YAML: %s", parser->problem ?: "?");
}

/* A second document would be ignored. */
static int check_end(yaml_parser_t *parser, struct web_config_error *error)
{
	yaml_document_t document;
	int result = 0;

	if (!yaml_parser_load(parser, &document))
		return refuse_syntax(parser, error);
	if (yaml_document_get_root_node(&document))
		result = refuse(error, document.start_mark.line, "a second document begins");
	yaml_document_delete(&document);
	return result;
}

static int parse(yaml_parser_t *parser, struct reading *reading)
{
	int error;

	if (!yaml_parser_load(parser, &reading->document))
		return refuse_syntax(parser, reading->error);
	error = read_root(reading);
	if (!error && yaml_document_get_root_node(&reading->document))
		error = check_end(parser, reading->error);
	yaml_document_delete(&reading->document);
	return error;
}

int web_config_parse(struct web_config **result, const char *path, const char *text, size_t length,
                     struct web_config_error *error)
{
	struct reading reading = {.path = path, .config = calloc(1, sizeof(struct web_config)), .error = error};
	yaml_parser_t parser;
	int wrong;

	*error = (struct web_config_error){};
	if (!reading.config)
		return -ENOMEM;
	reading.config->min_version = WEB_TLS_1_2;
	reading.config->max_version = WEB_TLS_1_3;
	if (!yaml_parser_initialize(&parser)) {
		web_config_free(reading.config);
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	wrong = parse(&parser, &reading);
	yaml_parser_delete(&parser);
	if (wrong)
		web_config_free(reading.config);
	else
		*result = reading.config;
	return wrong;
}

int web_config_read(struct web_config **config, const char *path, const char *text, size_t length)
{
	struct web_config_error wrong;
	int error = web_config_parse(config, path, text, length, &wrong);

	if (error == -EINVAL)
		log_error("%s, line %u: %s", path, wrong.line, wrong.reason);
	else if (error)
		log_out_of_memory();
	return error;
}

void web_config_free(struct web_config *config)
{
	if (!config)
		return;
	free(config->certificate_file);
	free(config->key_file);
	free(config->client_authorities_file);
	explicit_bzero(config, sizeof(*config));
	free(config);
}
