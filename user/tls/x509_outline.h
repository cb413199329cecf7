/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * x509_outline - the parts of a certificate in DER that can be found in linear time: its names, and the amount that a
 * full parser would have to read. RFC 5280 section 4.1.
 */
#ifndef TLS_X509_OUTLINE_H
#define TLS_X509_OUTLINE_H

#include <stddef.h>
#include <stdint.h>

struct x509_span {
	const uint8_t *bytes; /* within the certificate */
	size_t length;
};

struct x509_outline {
	struct x509_span serial; /* content of the INTEGER */
	struct x509_span issuer; /* encoded Name */
	struct x509_span subject;
	uint32_t extensions;
	uint32_t alternative_names; /* GeneralName entries of subjectAltName */
};

/* Returns 0, or -EBADMSG: the bytes are no certificate. */
int x509_outline_read(const uint8_t *der, size_t length, struct x509_outline *outline);

#endif /* TLS_X509_OUTLINE_H */
