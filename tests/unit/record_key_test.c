// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Secrets from a key log, and the keys of records (user/decrypt). The traffic secret, key and IV are those of RFC 8448 section 3. */
#include "decrypt/keylog.h"
#include "decrypt/record_key.h"

#include "message_bytes.h"

#include <errno.h>

static const char secret_hex[] = "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38";
static const char key_hex[] = "3fce516009c21727d0f2e4e86ee403bc";
static const char iv_hex[] = "5d313eb2671276ee13000b30";
static const char random_hex[] = "cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7";

/* Encrypt content of a type and padding as the first record of the RFC's server. Returns the record's length. */
static size_t seal(const char *content, uint8_t type, size_t padding, uint8_t *record)
{
	struct message_bytes key = {0}, iv = {0}, plain = {0};
	gnutls_aead_cipher_hd_t cipher;
	size_t length = 1024;

	put_hex(&key, key_hex);
	put_hex(&iv, iv_hex);
	put_bytes(&plain, content, strlen(content));
	put_number(&plain, 1, type);
	put_zeros(&plain, padding);
	memcpy(record, (const uint8_t[]){23, 3, 3, (plain.length + 16) >> 8, plain.length + 16}, 5);
	assert_int_equal(
		gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_128_GCM, &(gnutls_datum_t){key.data, key.length}),
		0);
	assert_int_equal(gnutls_aead_cipher_encrypt(cipher, iv.data, iv.length, record, 5, 16, plain.data, plain.length,
	                                            record + 5, &length),
	                 0);
	gnutls_aead_cipher_deinit(cipher);
	return 5 + length;
}

static struct keylog_secret secret_of_rfc(void)
{
	struct keylog_secret secret = {.length = 32};
	struct message_bytes bytes = {0};

	put_hex(&bytes, secret_hex);
	memcpy(secret.bytes, bytes.data, 32);
	return secret;
}

static void test_record(void **state)
{
	struct keylog_secret secret = secret_of_rfc();
	struct record_key key = {};
	uint8_t record[1100], plain[1100], type;
	size_t length = seal("finished", 22, 100, record);

	(void)state;
	expect_number("key", "result", record_key_init(&key, 0x1301, &secret), 0);
	expect_number("record", "length", record_key_open(&key, record, length, plain, &type), 8);
	expect_number("record", "type", type, 22);
	assert_memory_equal(plain, "finished", 8);
	/* the same record again has another number */
	expect_number("again", "result", -record_key_open(&key, record, length, plain, &type), EBADMSG);
	record_key_release(&key);
}

static void test_what_is_no_record(void **state)
{
	struct keylog_secret secret = secret_of_rfc();
	struct record_key key = {};
	uint8_t record[1100], plain[1100], type;
	size_t length = seal("", 0, 7, record);

	(void)state;
	expect_number("key", "result", record_key_init(&key, 0x1301, &secret), 0);
	expect_number("zeros alone", "result", -record_key_open(&key, record, length, plain, &type), EBADMSG);
	for (size_t part = 0; part < 22; part++)
		expect_number("short", "result", -record_key_open(&key, record, part, plain, &type), EBADMSG);
	expect_number("suite", "result", -record_key_init(&key, 0xc02f, &secret), ENOKEY);
	expect_number("hash", "result", -record_key_init(&key, 0x1302, &secret), ENOKEY);
	record_key_release(&key);
}

static void test_keylog(void **state)
{
	struct keylog *keylog = keylog_new();
	const struct keylog_secret *secrets;
	struct message_bytes random = {0};
	char text[2048];

	(void)state;
	assert_non_null(keylog);
	snprintf(text, sizeof(text),
	         "# a comment\n\nCLIENT_RANDOM %s 00\nSERVER_HANDSHAKE_TRAFFIC_SECRET %s %s\r\n"
	         "CLIENT_HANDSHAKE_TRAFFIC_SECRET %s 123\nCLIENT_TRAFFIC_SECRET_0 %s xy\nSERVER_TRAFFIC_SECRET_0 %.20s",
	         random_hex, random_hex, secret_hex, random_hex, random_hex, random_hex);
	expect_number("text", "result", keylog_add(keylog, text, strlen(text)), 0);
	put_hex(&random, random_hex);
	secrets = keylog_find(keylog, random.data);
	assert_non_null(secrets);
	expect_hex("server", "secret", secrets[KEYLOG_SERVER_HANDSHAKE].bytes, secrets[KEYLOG_SERVER_HANDSHAKE].length,
	           secret_hex);
	expect_number("odd digits", "length", secrets[KEYLOG_CLIENT_HANDSHAKE].length, 0);
	expect_number("no digits", "length", secrets[KEYLOG_CLIENT_TRAFFIC].length, 0);
	expect_number("cut off", "length", secrets[KEYLOG_SERVER_TRAFFIC].length, 0);
	random.data[0] ^= 1;
	assert_null(keylog_find(keylog, random.data));
	keylog_free(keylog);
}

/* Each prefix of a line is refused or read, never read beyond its end. */
static void test_keylog_cut(void **state)
{
	struct keylog *keylog = keylog_new();
	char text[512];

	(void)state;
	assert_non_null(keylog);
	snprintf(text, sizeof(text), "SERVER_HANDSHAKE_TRAFFIC_SECRET %s %s", random_hex, secret_hex);
	for (size_t length = 0; length <= strlen(text); length++) {
		struct guarded_bytes part = guarded_copy((const uint8_t *)text, length);

		expect_number("part", "result", keylog_add(keylog, (const char *)part.data, length), 0);
		guarded_free(&part);
	}
	keylog_free(keylog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_what_is_no_record),
		cmocka_unit_test(test_keylog),
		cmocka_unit_test(test_keylog_cut),
	};

	return cmocka_run_group_tests_name("record_key", tests, NULL, NULL);
}
