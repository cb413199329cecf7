/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * x509 - certificates and names in DER, read by GnuTLS.
 */
#ifndef TLS_X509_H
#define TLS_X509_H

#include "tls/message.h"

/* Set what a struct certificate, zero before, says of its first one: the fields of X.509 all, or none of them. */
void x509_read_certificate(const uint8_t *der, size_t length, struct certificate *certificate);

/* A DistinguishedName as text. Returns 0, or -EBADMSG and an empty text. */
int x509_read_name(const uint8_t *der, size_t length, char text[MESSAGE_NAME_MAX]);

#endif /* TLS_X509_H */
