/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tls/x509.h"
#include "tls/text.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>

/* GnuTLS takes what it only reads as a pointer to what it might write. */
static gnutls_datum_t datum_of(const uint8_t *bytes, size_t length)
{
	return (gnutls_datum_t){.data = (unsigned char *)bytes, .size = length};
}

/*
 * An empty DistinguishedName is a name too: who is named by subjectAltName alone (RFC 5280 section 4.1.2.6) has one,
 * SPIFFE's workloads among them. GnuTLS says of it that there is nothing.
 */
int x509_read_name(const uint8_t *der, size_t length, char text[MESSAGE_NAME_MAX])
{
	gnutls_datum_t encoded = datum_of(der, length);
	gnutls_datum_t name = {0};
	int result;

	text[0] = '\0';
	if (length > MESSAGE_NAME_ENCODED_MAX) {
		snprintf(text, MESSAGE_NAME_MAX, "...");
		return 0;
	}
	result = gnutls_x509_rdn_get2(&encoded, &name, 0);
	if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return 0;
	if (result < 0)
		return -EBADMSG;
	text_copy(text, MESSAGE_NAME_MAX, name.data, name.size);
	gnutls_free(name.data);
	return 0;
}

static int read_raw_name(gnutls_x509_crt_t crt, int (*get)(gnutls_x509_crt_t, gnutls_datum_t *),
                         char text[MESSAGE_NAME_MAX])
{
	gnutls_datum_t encoded = {0};
	int result;

	if (get(crt, &encoded) < 0)
		return -EBADMSG;
	result = x509_read_name(encoded.data, encoded.size, text);
	gnutls_free(encoded.data);
	return result;
}

static bool read_fields(gnutls_x509_crt_t crt, struct certificate *certificate)
{
	if (read_raw_name(crt, gnutls_x509_crt_get_raw_dn, certificate->subject) < 0)
		return false;
	if (read_raw_name(crt, gnutls_x509_crt_get_raw_issuer_dn, certificate->issuer) < 0)
		return false;
	certificate->not_after = gnutls_x509_crt_get_expiration_time(crt);
	return certificate->not_after != -1;
}

void x509_read_certificate(const uint8_t *der, size_t length, struct certificate *certificate)
{
	gnutls_datum_t encoded = datum_of(der, length);
	gnutls_x509_crt_t crt = NULL;

	certificate->sha256_known = gnutls_hash_fast(GNUTLS_DIG_SHA256, der, length, certificate->sha256) == 0;
	if (length > MESSAGE_CERTIFICATE_ENCODED_MAX || gnutls_x509_crt_init(&crt) < 0)
		goto cleanup;
	if (gnutls_x509_crt_import(crt, &encoded, GNUTLS_X509_FMT_DER) < 0)
		goto cleanup;
	certificate->leaf_parsed = read_fields(crt, certificate);
	if (!certificate->leaf_parsed) {
		certificate->subject[0] = '\0';
		certificate->issuer[0] = '\0';
		certificate->not_after = 0;
	}
cleanup:
	gnutls_x509_crt_deinit(crt);
}
