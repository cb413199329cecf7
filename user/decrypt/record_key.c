// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "decrypt/record_key.h"

#include <errno.h>
#include <string.h>

enum {
	RECORD_HEADER = 5,
	KEY_MAX = 32,
};

struct suite {
	uint16_t number;
	gnutls_cipher_algorithm_t cipher;
	gnutls_mac_algorithm_t hash;
	uint8_t hash_length;
	uint8_t key_length;
	uint8_t tag;
};

/* RFC 8446 appendix B.4 */
static const struct suite suites[] = {
	{0x1301, GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_SHA256, 32, 16, 16},
	{0x1302, GNUTLS_CIPHER_AES_256_GCM, GNUTLS_MAC_SHA384, 48, 32, 16},
	{0x1303, GNUTLS_CIPHER_CHACHA20_POLY1305, GNUTLS_MAC_SHA256, 32, 32, 16},
	{0x1304, GNUTLS_CIPHER_AES_128_CCM, GNUTLS_MAC_SHA256, 32, 16, 16},
	{0x1305, GNUTLS_CIPHER_AES_128_CCM_8, GNUTLS_MAC_SHA256, 32, 16, 8},
};

static const struct suite *suite_find(uint16_t number)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++)
		if (suites[i].number == number)
			return &suites[i];
	return NULL;
}

/* HKDF-Expand-Label of an empty context, RFC 8446 section 7.1 */
static int expand(const struct suite *suite, const struct keylog_secret *secret, const char *label, uint8_t *output,
                  uint8_t length)
{
	uint8_t info[32] = {0, length, 6 + strlen(label)};
	const gnutls_datum_t key = {(uint8_t *)secret->bytes, secret->length};
	const gnutls_datum_t info_datum = {info, 4 + info[2]};

	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the label of RFC 8446 section 7.1 has no NUL */
	memcpy(info + 3, "tls13 ", 6);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
	memcpy(info + 9, label, strlen(label));
	return gnutls_hkdf_expand(suite->hash, &key, &info_datum, output, length);
}

int record_key_init(struct record_key *key, uint16_t cipher_suite, const struct keylog_secret *secret)
{
	const struct suite *suite = suite_find(cipher_suite);
	uint8_t bytes[KEY_MAX];
	gnutls_datum_t datum = {bytes, suite ? suite->key_length : 0};
	int result = -1;

	record_key_release(key);
	if (!suite || secret->length != suite->hash_length)
		return -ENOKEY;
	if (!expand(suite, secret, "key", bytes, suite->key_length) &&
	    !expand(suite, secret, "iv", key->iv, sizeof(key->iv)))
		result = gnutls_aead_cipher_init(&key->cipher, suite->cipher, &datum);
	explicit_bzero(bytes, sizeof(bytes));
	if (result < 0) {
		key->cipher = NULL;
		return -ENOKEY;
	}
	key->tag = suite->tag;
	return 0;
}

void record_key_release(struct record_key *key)
{
	if (key->cipher)
		gnutls_aead_cipher_deinit(key->cipher);
	*key = (struct record_key){};
}

int record_key_open(struct record_key *key, const uint8_t *record, size_t length, uint8_t *plain, uint8_t *type)
{
	uint8_t nonce[sizeof(key->iv)];
	size_t plain_length = length;

	if (length < RECORD_HEADER + 1u + key->tag)
		return -EBADMSG;
	memcpy(nonce, key->iv, sizeof(nonce));
	for (size_t i = 0; i < 8; i++)
		nonce[4 + i] ^= key->sequence >> (8 * (7 - i));
	if (gnutls_aead_cipher_decrypt(key->cipher, nonce, sizeof(nonce), record, RECORD_HEADER, key->tag,
	                               record + RECORD_HEADER, length - RECORD_HEADER, plain, &plain_length) < 0)
		return -EBADMSG;
	key->sequence++;
	/* TLSInnerPlaintext: content, type, zeros */
	while (plain_length && !plain[plain_length - 1])
		plain_length--;
	if (!plain_length)
		return -EBADMSG;
	*type = plain[plain_length - 1];
	return plain_length - 1;
}
