// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/web_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HASH "$2b$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u"
#define PAIR "  cert_file: server.pem\n  key_file: server.key\n"
#define TLS  "tls_server_config:\n" PAIR

static struct web_config *parse(const char *path, const char *text)
{
	struct web_config *config = NULL;
	struct web_config_error error;

	if (web_config_parse(&config, path, text, strlen(text), &error))
		fail_msg("line %u: %s in:\n%s", error.line, error.reason, text);
	return config;
}

static void nothing(void **state)
{
	static const char *const texts[] = {"", "# a comment\n", "{}\n", "---\n{}\n",
	                                    "http_server_config:\n  http2: true\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct web_config *config = parse("web.yml", texts[i]);

		assert_false(config->tls);
		assert_int_equal(config->users, 0);
		web_config_free(config);
	}
}

static void all_of_it(void **state)
{
	struct web_config *config = parse(
		"/etc/mtlsnoop/web.yml", "tls_server_config:\n"
					 "  cert_file: server.pem\n"
					 "  key_file: /etc/ssl/private/server.key\n"
					 "  client_auth_type: \"RequireAndVerifyClientCert\"\n"
					 "  client_ca_file: ../ca.pem\n"
					 "  min_version: TLS13\n"
					 "  max_version: TLS13\n"
					 "  prefer_server_cipher_suites: false\n"
					 "  curve_preferences: [X25519, CurveP256]\n"
					 "http_server_config: {http2: no}\n"
					 "basic_auth_users:\n"
					 "  prometheus: " HASH "\n"
					 "  'Jörg M.': $2y$04$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u\n");

	(void)state;
	assert_true(config->tls);
	assert_string_equal(config->certificate_file, "/etc/mtlsnoop/server.pem");
	assert_string_equal(config->key_file, "/etc/ssl/private/server.key");
	assert_string_equal(config->client_authorities_file, "/etc/mtlsnoop/../ca.pem");
	assert_int_equal(config->client_auth, WEB_REQUIRE_AND_VERIFY_CLIENT_CERT);
	assert_int_equal(config->min_version, WEB_TLS_1_3);
	assert_int_equal(config->max_version, WEB_TLS_1_3);
	assert_true(config->client_precedence);
	assert_int_equal(config->groups, 2);
	assert_string_equal(config->group[0], "X25519");
	assert_string_equal(config->group[1], "SECP256R1");
	assert_int_equal(config->users, 2);
	assert_string_equal(config->user[0].name, "prometheus");
	assert_string_equal(config->user[0].hash, HASH);
	assert_string_equal(config->user[1].name, "Jörg M.");
	web_config_free(config);
}

static void what_is_left_out(void **state)
{
	struct web_config *config = parse("web.yml", TLS);

	(void)state;
	assert_string_equal(config->certificate_file, "server.pem");
	assert_null(config->client_authorities_file);
	assert_int_equal(config->client_auth, WEB_NO_CLIENT_CERT);
	assert_int_equal(config->min_version, WEB_TLS_1_2);
	assert_int_equal(config->max_version, WEB_TLS_1_3);
	assert_false(config->client_precedence);
	assert_int_equal(config->groups, 0);
	web_config_free(config);
}

/* All that is refused, with its line and what is said. */
static void refused(void **state)
{
	static const struct {
		const char *text;
		uint32_t line;
		const char *reason; /* is in it */
	} cases[] = {
		{"tls_server_configuration: {}\n", 1, "the file has no key 'tls_server_configuration'"},
		{"\n" TLS "  ciphers: x\n", 5, "tls_server_config has no key 'ciphers'"},
		{TLS "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", 4, "cipher_suites is not supported"},
		{TLS "  client_allowed_sans: [x]\n", 4, "client_allowed_sans is not supported"},
		{"http_server_config:\n  headers:\n    X-Frame-Options: deny\n", 3, "headers is not supported"},
		{"http_server_config:\n  http2: 2\n", 2, "http2: '2' is not known"},
		{"tls_server_config:\n", 1, "is not a mapping"},
		{"tls_server_config: {}\n", 1, "has no cert_file"},
		{"tls_server_config:\n  cert_file: x\n", 2, "has no key_file"},
		{"tls_server_config:\n  key_file: x\n", 2, "has no cert_file"},
		{"tls_server_config:\n  cert_file: [x]\n", 2, "cert_file wants one value"},
		{"tls_server_config:\n  cert_file: ''\n", 2, "cert_file wants one value"},
		{"tls_server_config:\n  cert_file: \"a\\0b\"\n", 2, "cert_file wants one value"},
		{TLS "  cert_file: other.pem\n", 4, "cert_file is there twice"},
		{TLS TLS, 4, "tls_server_config is there twice"},
		{TLS "  client_auth_type: requireandverifyclientcert\n", 4, "is not known"},
		{TLS "  client_auth_type: RequireAndVerifyClientCert\n", 2, "wants a client_ca_file"},
		{TLS "  client_auth_type: VerifyClientCertIfGiven\n", 2, "wants a client_ca_file"},
		{TLS "  client_ca_file: ca.pem\n", 2, "wants a client_auth_type"},
		{TLS "  client_auth_type: RequestClientCert\n  client_ca_file: ca.pem\n", 2,
	         "wants a client_auth_type"},
		{TLS "  min_version: TLS1.2\n", 4, "min_version: 'TLS1.2' is not known"},
		{TLS "  min_version: TLS13\n  max_version: TLS12\n", 2, "min_version is above max_version"},
		{TLS "  curve_preferences: X25519\n", 4, "is not a list"},
		{TLS "  curve_preferences: [X448]\n", 4, "'X448' is not known"},
		{TLS "  curve_preferences: [X25519, X25519, X25519, X25519, X25519]\n", 4, "twice"},
		{"basic_auth_users: {}\n", 1, "has no users"},
		{"basic_auth_users:\n", 1, "has no users"},
		{"basic_auth_users: [x]\n", 1, "has no users"},
		{"basic_auth_users:\n  x: secret\n", 2, "is not a bcrypt hash"},
		{"basic_auth_users:\n  x: {}\n", 2, "is not a bcrypt hash"},
		{"basic_auth_users:\n  x: $5$abcdefgh$" HASH "\n", 2, "is not a bcrypt hash"},
		{"basic_auth_users:\n  x: " HASH "x\n", 2, "is not a bcrypt hash"},
		{"basic_auth_users:\n  x: $2x$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u\n", 2,
	         "is not a bcrypt hash"},
		{"basic_auth_users:\n  x: $2b$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2-\n", 2,
	         "is not a bcrypt hash"},
		{"basic_auth_users:\n  x: $2b$15$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u\n", 2,
	         "a cost of 15: at least 4, at most 14"},
		{"basic_auth_users:\n  x: $2b$03$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u\n", 2,
	         "a cost of 3"},
		{"basic_auth_users:\n  'x:y': " HASH "\n", 2, "a colon"},
		{"basic_auth_users:\n  \"x\\ny\": " HASH "\n", 2, "a control character"},
		{"basic_auth_users:\n  '': " HASH "\n", 2, "has no name"},
		{"basic_auth_users:\n  [x]: " HASH "\n", 2, "has no name"},
		{"basic_auth_users:\n  x: " HASH "\n  x: " HASH "\n", 3, "a user is there twice"},
		{"basic_auth_users:\n  0123456789012345678901234567890123456789012345678901234567890123x: " HASH "\n",
	         2, "more than 64 bytes"},
		{"- x\n", 1, "the file is not a mapping"},
		{"x\n", 1, "the file is not a mapping"},
		{"\n{x\n", 3, "it is not YAML"},
		{"\tx: y\n", 1, "it is not YAML"},
		{"a: *b\n", 1, "it is not YAML"},
		{"{}\n---\n{}\n", 2, "a second document begins"},
		{"\"\\e[2J\": x\n", 1, "no key '?[2J'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct web_config *config = NULL;
		struct web_config_error error;
		int result = web_config_parse(&config, "web.yml", cases[i].text, strlen(cases[i].text), &error);

		if (result != -EINVAL || error.line != cases[i].line || !strstr(error.reason, cases[i].reason))
			fail_msg("%s: %d, line %u: %s; expected line %u: %s", cases[i].text, result, error.line,
			         error.reason, cases[i].line, cases[i].reason);
		assert_null(config);
	}
}

static void users_are_bounded(void **state)
{
	char *text = malloc(128 * (WEB_USERS_MAX + 2));
	struct web_config *config = NULL;
	struct web_config_error error;
	size_t length = sprintf(text, "basic_auth_users:\n");

	(void)state;
	for (int user = 0; user < WEB_USERS_MAX; user++)
		length += sprintf(text + length, "  user%d: " HASH "\n", user);
	config = parse("web.yml", text);
	assert_int_equal(config->users, WEB_USERS_MAX);
	web_config_free(config);
	config = NULL;
	length += sprintf(text + length, "  one_more: " HASH "\n");
	assert_int_equal(web_config_parse(&config, "web.yml", text, length, &error), -EINVAL);
	assert_int_equal(error.line, WEB_USERS_MAX + 2);
	assert_string_equal(error.reason, "more than 64 users");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing), cmocka_unit_test(all_of_it),         cmocka_unit_test(what_is_left_out),
		cmocka_unit_test(refused), cmocka_unit_test(users_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
