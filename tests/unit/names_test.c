// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct name {
	uint16_t number;
	const char *name;
};

#define CASES(table) (sizeof(table) / sizeof(*(table)))

static void expect_name(const char *what, uint16_t number, const char *actual, const char *expected)
{
	if (actual == expected || (actual && expected && strcmp(actual, expected) == 0))
		return;
	fail_msg("%s %#x is \"%s\", expected \"%s\"", what, number, actual ? actual : "(none)",
	         expected ? expected : "(none)");
}

/* RFC 8446 section 4 and appendix B.3, RFC 5246 section 7.4, RFC 6347 section 4.3.2, and the registry */
static const struct name handshake_types[] = {
	{0, "hello_request"},
	{1, "client_hello"},
	{2, "server_hello"},
	{3, "hello_verify_request"},
	{4, "new_session_ticket"},
	{5, "end_of_early_data"},
	{6, "hello_retry_request"},
	{8, "encrypted_extensions"},
	{9, "request_connection_id"},
	{10, "new_connection_id"},
	{11, "certificate"},
	{12, "server_key_exchange"},
	{13, "certificate_request"},
	{14, "server_hello_done"},
	{15, "certificate_verify"},
	{16, "client_key_exchange"},
	{17, "client_certificate_request"},
	{20, "finished"},
	{21, "certificate_url"},
	{22, "certificate_status"},
	{23, "supplemental_data"},
	{24, "key_update"},
	{25, "compressed_certificate"},
	{26, "ekt_key"},
	{254, "message_hash"},
};

/* As curl 7.88.1 with OpenSSL 3.0 wrote them with -v: "* TLSv1.3 (IN), TLS handshake, Request CERT (13):" */
static const struct name curl_names[] = {
	{0, "Hello request"},     {1, "Client hello"},         {2, "Server hello"},       {4, "Newsession Ticket"},
	{5, "End of early data"}, {8, "Encrypted Extensions"}, {11, "Certificate"},       {12, "Server key exchange"},
	{13, "Request CERT"},     {14, "Server finished"},     {15, "CERT verify"},       {16, "Client key exchange"},
	{20, "Finished"},         {22, "Certificate Status"},  {23, "Supplemental data"}, {24, "Key update"},
	{67, "Next protocol"},
};

static const struct name content_types[] = {
	{20, "change_cipher_spec"}, {21, "alert"},     {22, "handshake"}, {23, "application_data"},
	{24, "heartbeat"},          {25, "tls12_cid"}, {26, "ACK"},
};

static const struct name alert_levels[] = {{1, "warning"}, {2, "fatal"}};

/* RFC 8446 section 6, RFC 5246 section 7.2, RFC 2246 section 7.2, RFC 6101 section 5.4, and the registry */
static const struct name alert_descriptions[] = {
	{0, "close_notify"},
	{10, "unexpected_message"},
	{20, "bad_record_mac"},
	{21, "decryption_failed"},
	{22, "record_overflow"},
	{30, "decompression_failure"},
	{40, "handshake_failure"},
	{41, "no_certificate"},
	{42, "bad_certificate"},
	{43, "unsupported_certificate"},
	{44, "certificate_revoked"},
	{45, "certificate_expired"},
	{46, "certificate_unknown"},
	{47, "illegal_parameter"},
	{48, "unknown_ca"},
	{49, "access_denied"},
	{50, "decode_error"},
	{51, "decrypt_error"},
	{52, "too_many_cids_requested"},
	{60, "export_restriction"},
	{70, "protocol_version"},
	{71, "insufficient_security"},
	{80, "internal_error"},
	{86, "inappropriate_fallback"},
	{90, "user_canceled"},
	{100, "no_renegotiation"},
	{109, "missing_extension"},
	{110, "unsupported_extension"},
	{111, "certificate_unobtainable"},
	{112, "unrecognized_name"},
	{113, "bad_certificate_status_response"},
	{114, "bad_certificate_hash_value"},
	{115, "unknown_psk_identity"},
	{116, "certificate_required"},
	{117, "general_error"},
	{120, "no_application_protocol"},
	{121, "ech_required"},
};

/* Each of the 256 numbers: the name in the table, or none. */
static void expect_names(const char *what, const char *(*name_of)(uint8_t), const struct name *names, size_t count)
{
	for (unsigned int number = 0; number <= UINT8_MAX; number++) {
		const char *expected = NULL;

		for (size_t i = 0; i < count; i++)
			if (names[i].number == number)
				expected = names[i].name;
		expect_name(what, number, name_of(number), expected);
	}
}

static void test_handshake_types(void **state)
{
	(void)state;
	expect_names("HandshakeType", handshake_type_name, handshake_types, CASES(handshake_types));
	expect_names("curl's name of", handshake_type_curl_name, curl_names, CASES(curl_names));
}

static void test_content_types(void **state)
{
	(void)state;
	expect_names("ContentType", content_type_name, content_types, CASES(content_types));
}

static void test_alerts(void **state)
{
	(void)state;
	expect_names("AlertLevel", alert_level_name, alert_levels, CASES(alert_levels));
	expect_names("AlertDescription", alert_description_name, alert_descriptions, CASES(alert_descriptions));
}

/* As `openssl ciphers -V -stdname` has them, and others of the registry: the first and last of each of its blocks. */
static const struct name cipher_suites[] = {
	{0x0000, "TLS_NULL_WITH_NULL_NULL"},
	{0x0001, "TLS_RSA_WITH_NULL_MD5"},
	{0x001b, "TLS_DH_anon_WITH_3DES_EDE_CBC_SHA"},
	{0x001c, NULL},
	{0x001d, NULL},
	{0x001e, "TLS_KRB5_WITH_DES_CBC_SHA"},
	{0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"},
	{0x0046, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA"},
	{0x0047, NULL},
	{0x0066, NULL},
	{0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"},
	{0x006d, "TLS_DH_anon_WITH_AES_256_CBC_SHA256"},
	{0x006e, NULL},
	{0x0083, NULL},
	{0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"},
	{0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"},
	{0x00c7, "TLS_SM4_CCM_SM3"},
	{0x00c8, NULL},
	{0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"},
	{0x0a0a, NULL}, /* GREASE, RFC 8701 */
	{0x1300, NULL},
	{0x1301, "TLS_AES_128_GCM_SHA256"},
	{0x1302, "TLS_AES_256_GCM_SHA384"},
	{0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
	{0x1307, "TLS_AEGIS_128L_SHA256"},
	{0x1308, NULL},
	{0x5600, "TLS_FALLBACK_SCSV"},
	{0xc000, NULL},
	{0xc001, "TLS_ECDH_ECDSA_WITH_NULL_SHA"},
	{0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"},
	{0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
	{0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
	{0xc0aa, "TLS_PSK_DHE_WITH_AES_128_CCM_8"}, /* the registry's spelling */
	{0xc0b5, "TLS_SHA384_SHA384"},
	{0xc0b6, NULL},
	{0xc100, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC"},
	{0xc106, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S"},
	{0xc107, NULL},
	{0xcc13, NULL},
	{0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
	{0xccae, "TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256"},
	{0xccaf, NULL},
	{0xd001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256"},
	{0xd004, NULL},
	{0xd005, "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256"},
	{0xd006, NULL},
	{0xfefe, NULL},
	{0xffff, NULL},
};

/*
 * How many the registry assigns: 00,00-1B 1E-46 67-6D 84-C7 FF; 13,01-07; 56,00; C0,01-B5; C1,00-06; CC,A8-AE; D0,01-03 05.
 * A table out of order would lose some to the search.
 */
enum {
	CIPHER_SUITES = 28 + 41 + 7 + 68 + 1 + 7 + 1 + 181 + 7 + 7 + 4,
};

static void test_cipher_suites(void **state)
{
	unsigned int count = 0;

	(void)state;
	for (size_t i = 0; i < CASES(cipher_suites); i++)
		expect_name("CipherSuite", cipher_suites[i].number, cipher_suite_name(cipher_suites[i].number),
		            cipher_suites[i].name);
	for (uint32_t number = 0; number <= UINT16_MAX; number++) {
		const char *name = cipher_suite_name(number);

		if (!name)
			continue;
		count++;
		assert_memory_equal(name, "TLS_", 4);
	}
	assert_int_equal(count, CIPHER_SUITES);
}

struct version {
	uint16_t version;
	const char *protocol;
	const char *number;
	const char *name;
};

static const struct version versions[] = {
	{0x0002, "ssl", "2.0", "SSLv2"},     {0x0300, "ssl", "3.0", "SSLv3"},     {0x0301, "tls", "1.0", "TLSv1.0"},
	{0x0302, "tls", "1.1", "TLSv1.1"},   {0x0303, "tls", "1.2", "TLSv1.2"},   {0x0304, "tls", "1.3", "TLSv1.3"},
	{0xfeff, "dtls", "1.0", "DTLSv1.0"}, {0xfefd, "dtls", "1.2", "DTLSv1.2"}, {0xfefc, "dtls", "1.3", "DTLSv1.3"},
	{0x0100, "dtls", "0.9", "DTLSv0.9"}, {0x0000, NULL, NULL, NULL},          {0x0305, NULL, NULL, NULL},
	{0xfefe, NULL, NULL, NULL},          {0x7f1c, NULL, NULL, NULL},          {0x0a0a, NULL, NULL, NULL},
};

static void test_versions(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(versions); i++) {
		const struct version *test = &versions[i];

		expect_name("protocol of", test->version, version_protocol(test->version), test->protocol);
		expect_name("number of", test->version, version_number(test->version), test->number);
		expect_name("version", test->version, version_name(test->version), test->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_types), cmocka_unit_test(test_content_types),
		cmocka_unit_test(test_alerts),          cmocka_unit_test(test_cipher_suites),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
