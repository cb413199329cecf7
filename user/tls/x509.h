/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * x509 - certificates and names in DER, read by GnuTLS.
 *
 * GnuTLS needs time in the square of the number of extensions and alternative names of a certificate: 75 ms for 16 KB
 * of them. A certificate beyond the bounds below keeps its fingerprint and has no fields.
 */
#ifndef TLS_X509_H
#define TLS_X509_H

#include "tls/message.h"

enum x509_bounds {
	X509_EXTENSIONS_MAX = 64,
	X509_ALTERNATIVE_NAMES_MAX = 512,
};

/* Fill the fingerprint and the X.509 fields of a certificate that is zero before: either all fields or none. */
void x509_read_certificate(const uint8_t *der, size_t length, struct certificate *certificate);

/* Read subject and issuer of a certificate. Returns 0, or -EBADMSG and two empty texts. */
int x509_read_names(const uint8_t *der, size_t length, char subject[MESSAGE_NAME_MAX], char issuer[MESSAGE_NAME_MAX]);

/* Returns whether the fingerprint of length bytes is set. */
bool x509_sha256(const uint8_t *der, size_t length, uint8_t sha256[MESSAGE_SHA256]);

/* A DistinguishedName as text. Returns 0, or -EBADMSG and an empty text. */
int x509_read_name(const uint8_t *der, size_t length, char text[MESSAGE_NAME_MAX]);

#endif /* TLS_X509_H */
