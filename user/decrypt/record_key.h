/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * record_key - take the protection off records of TLS 1.3, RFC 8446 sections 5.2, 7.3. GnuTLS has the ciphers.
 */
#ifndef DECRYPT_RECORD_KEY_H
#define DECRYPT_RECORD_KEY_H

#include <gnutls/crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decrypt/keylog.h"

struct record_key {
	gnutls_aead_cipher_hd_t cipher; /* NULL: there is no key */
	uint8_t iv[12];
	uint8_t tag; /* bytes */
	uint64_t sequence;
};

/* The key of a traffic secret. Returns 0, or -ENOKEY: the suite is not known, or the secret is not one of the suite. */
int record_key_init(struct record_key *key, uint16_t cipher_suite, const struct keylog_secret *secret);
void record_key_release(struct record_key *key);

/*
 * Decrypt the record of length bytes, its header of 5 bytes included, into plain, which has room for length bytes. Returns
 * the length of the content, its type and padding left away, and the type; or -EBADMSG: not encrypted with this key.
 */
int record_key_open(struct record_key *key, const uint8_t *record, size_t length, uint8_t *plain, uint8_t *type);

#endif /* DECRYPT_RECORD_KEY_H */
