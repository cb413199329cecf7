// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/x509.h"
#include "tls/der.h"
#include "tls/text.h"
#include "tls/x509_outline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

/* GnuTLS takes a pointer to writable data even for reading. */
static gnutls_datum_t datum_of(const uint8_t *bytes, size_t length)
{
	return (gnutls_datum_t){.data = (unsigned char *)bytes, .size = length};
}

bool x509_sha256(const uint8_t *der, size_t length, uint8_t sha256[MESSAGE_SHA256])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, der, length, sha256) == 0;
}

/*
 * An empty DistinguishedName is a name, too: a subject named only by subjectAltName (RFC 5280 section 4.1.2.6) has an
 * empty name, for example SPIFFE's workloads. GnuTLS reports such a name as missing.
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

static int read_names(const struct x509_outline *outline, char subject[MESSAGE_NAME_MAX], char issuer[MESSAGE_NAME_MAX])
{
	if (!x509_read_name(outline->subject.bytes, outline->subject.length, subject) &&
	    !x509_read_name(outline->issuer.bytes, outline->issuer.length, issuer))
		return 0;
	subject[0] = '\0';
	issuer[0] = '\0';
	return -EBADMSG;
}

int x509_read_names(const uint8_t *der, size_t length, char subject[MESSAGE_NAME_MAX], char issuer[MESSAGE_NAME_MAX])
{
	struct x509_outline outline;

	subject[0] = '\0';
	issuer[0] = '\0';
	if (x509_outline_read(der, length, &outline) < 0)
		return -EBADMSG;
	return read_names(&outline, subject, issuer);
}

static void read_serial(const struct x509_span *serial, struct certificate *certificate)
{
	size_t length = serial->length < MESSAGE_SERIAL_MAX ? serial->length : MESSAGE_SERIAL_MAX;

	for (size_t i = 0; i < length; i++)
		snprintf(certificate->serial + 2 * i, 3, "%02X", serial->bytes[i]);
}

static void read_address(const uint8_t *bytes, size_t length, char text[MESSAGE_ALTERNATIVE_NAME_MAX])
{
	if (length == sizeof(struct in_addr))
		inet_ntop(AF_INET, bytes, text, MESSAGE_ALTERNATIVE_NAME_MAX);
	else if (length == sizeof(struct in6_addr))
		inet_ntop(AF_INET6, bytes, text, MESSAGE_ALTERNATIVE_NAME_MAX);
}

/* OtherName's value if a string: for example Microsoft's user principal name, and RFC 4985's service name. */
static void read_other_name(const uint8_t *bytes, size_t length, char text[MESSAGE_ALTERNATIVE_NAME_MAX])
{
	int error = 0;
	struct reader reader = {.next = bytes, .left = length, .error = &error};
	struct der value;

	if (der_next(&reader, &value) && (value.tag == DER_UTF8_STRING || value.tag == DER_IA5_STRING))
		text_copy(text, MESSAGE_ALTERNATIVE_NAME_MAX, value.content.next, value.content.left);
}

/* One GeneralName, RFC 5280 section 4.2.1.6. A kind without a text leaves the text empty. */
static void read_alternative_name(unsigned int kind, const gnutls_datum_t *name,
                                  char text[MESSAGE_ALTERNATIVE_NAME_MAX])
{
	switch (kind) {
	case GNUTLS_SAN_DNSNAME:
	case GNUTLS_SAN_RFC822NAME:
	case GNUTLS_SAN_URI:
	case GNUTLS_SAN_REGISTERED_ID:
		text_copy(text, MESSAGE_ALTERNATIVE_NAME_MAX, name->data, name->size);
		break;
	case GNUTLS_SAN_DN:
		/* GnuTLS hands over the name as text already */
		text_copy(text, MESSAGE_ALTERNATIVE_NAME_MAX, name->data, name->size);
		break;
	case GNUTLS_SAN_IPADDRESS:
		read_address(name->data, name->size, text);
		break;
	case GNUTLS_SAN_OTHERNAME:
		read_other_name(name->data, name->size, text);
		break;
	}
}

static int read_extension(gnutls_x509_crt_t crt, const char *oid, gnutls_datum_t *der)
{
	unsigned int critical;

	return gnutls_x509_crt_get_extension_by_oid2(crt, oid, 0, der, &critical);
}

static void read_alternative_names(gnutls_x509_crt_t crt, struct certificate *certificate)
{
	gnutls_subject_alt_names_t names = NULL;
	gnutls_datum_t der = {0}, name;
	unsigned int kind;
	uint16_t kept = 0;

	if (read_extension(crt, GNUTLS_X509EXT_OID_SAN, &der) < 0 || gnutls_subject_alt_names_init(&names) < 0)
		goto cleanup;
	if (gnutls_x509_ext_import_subject_alt_names(&der, names, 0) < 0)
		goto cleanup;
	for (unsigned int i = 0; i < MESSAGE_ALTERNATIVE_NAMES_MAX; i++) {
		if (gnutls_subject_alt_names_get(names, i, &kind, &name, NULL) < 0)
			break;
		read_alternative_name(kind, &name, certificate->alternative_name[kept]);
		kept += certificate->alternative_name[kept][0] != '\0';
	}
cleanup:
	if (names)
		gnutls_subject_alt_names_deinit(names);
	gnutls_free(der.data);
}

/* RFC 5280 section 4.2.1.12; Windows requires the last one of a smart card. */
static const struct {
	const char *oid;
	const char *name;
} key_purposes[] = {
	{"1.3.6.1.5.5.7.3.1", "serverAuth"},          {"1.3.6.1.5.5.7.3.2", "clientAuth"},
	{"1.3.6.1.5.5.7.3.3", "codeSigning"},         {"1.3.6.1.5.5.7.3.4", "emailProtection"},
	{"1.3.6.1.5.5.7.3.8", "timeStamping"},        {"1.3.6.1.5.5.7.3.9", "OCSPSigning"},
	{"1.3.6.1.5.5.7.3.17", "ipsecIKE"},           {"2.5.29.37.0", "anyExtendedKeyUsage"},
	{"1.3.6.1.4.1.311.20.2.2", "smartcardLogon"},
};

static void read_key_purpose(const gnutls_datum_t *oid, char text[MESSAGE_KEY_PURPOSE_MAX])
{
	text_copy(text, MESSAGE_KEY_PURPOSE_MAX, oid->data, oid->size);
	for (size_t i = 0; i < sizeof(key_purposes) / sizeof(*key_purposes); i++)
		if (!strcmp(text, key_purposes[i].oid))
			snprintf(text, MESSAGE_KEY_PURPOSE_MAX, "%s", key_purposes[i].name);
}

static void read_key_purposes(gnutls_x509_crt_t crt, struct certificate *certificate)
{
	gnutls_x509_key_purposes_t purposes = NULL;
	gnutls_datum_t der = {0}, oid;

	if (read_extension(crt, GNUTLS_X509EXT_OID_EXTENDED_KEY_USAGE, &der) < 0)
		return;
	certificate->has_key_purposes = true;
	if (gnutls_x509_key_purpose_init(&purposes) < 0 || gnutls_x509_ext_import_key_purposes(&der, purposes, 0) < 0)
		goto cleanup;
	while (gnutls_x509_key_purpose_get(purposes, certificate->key_purposes, &oid) >= 0) {
		if (certificate->key_purposes < MESSAGE_KEY_PURPOSES_MAX)
			read_key_purpose(&oid, certificate->key_purpose[certificate->key_purposes]);
		certificate->key_purposes++;
	}
cleanup:
	if (purposes)
		gnutls_x509_key_purpose_deinit(purposes);
	gnutls_free(der.data);
}

/* "EC" is ECS's name for GnuTLS's "EC/ECDSA". */
static const char *key_algorithm_name(int algorithm)
{
	switch (algorithm) {
	case GNUTLS_PK_ECDSA:
		return "EC";
	case GNUTLS_PK_EDDSA_ED25519:
		return "Ed25519";
	case GNUTLS_PK_EDDSA_ED448:
		return "Ed448";
	case GNUTLS_PK_UNKNOWN:
		return "";
	default:
		return gnutls_pk_get_name(algorithm) ?: "";
	}
}

static void read_key(gnutls_x509_crt_t crt, struct certificate *certificate)
{
	unsigned int bits = 0;
	int algorithm = gnutls_x509_crt_get_pk_algorithm(crt, &bits);

	if (algorithm < 0)
		return;
	snprintf(certificate->key_algorithm, sizeof(certificate->key_algorithm), "%s", key_algorithm_name(algorithm));
	certificate->key_size = bits <= UINT16_MAX ? bits : UINT16_MAX;
}

static void read_signature_algorithm(gnutls_x509_crt_t crt, struct certificate *certificate)
{
	int algorithm = gnutls_x509_crt_get_signature_algorithm(crt);
	const char *name = algorithm > 0 ? gnutls_sign_get_name(algorithm) : NULL;

	snprintf(certificate->signature_algorithm, sizeof(certificate->signature_algorithm), "%s", name ?: "");
}

static bool read_fields(gnutls_x509_crt_t crt, const struct x509_outline *outline, struct certificate *certificate)
{
	if (read_names(outline, certificate->subject, certificate->issuer) < 0)
		return false;
	certificate->not_before = gnutls_x509_crt_get_activation_time(crt);
	certificate->not_after = gnutls_x509_crt_get_expiration_time(crt);
	if (certificate->not_before == -1 || certificate->not_after == -1)
		return false;
	certificate->alternative_names = outline->alternative_names;
	read_serial(&outline->serial, certificate);
	read_alternative_names(crt, certificate);
	read_key(crt, certificate);
	read_signature_algorithm(crt, certificate);
	read_key_purposes(crt, certificate);
	certificate->is_ca = gnutls_x509_crt_get_ca_status(crt, NULL) > 0;
	return true;
}

static bool is_affordable(const uint8_t *der, size_t length, struct x509_outline *outline)
{
	return length <= MESSAGE_CERTIFICATE_ENCODED_MAX && !x509_outline_read(der, length, outline) &&
	       outline->extensions <= X509_EXTENSIONS_MAX && outline->alternative_names <= X509_ALTERNATIVE_NAMES_MAX;
}

static void forget_fields(struct certificate *certificate)
{
	struct certificate blank = {.sha256_known = certificate->sha256_known};

	memcpy(blank.sha256, certificate->sha256, sizeof(blank.sha256));
	*certificate = blank;
}

void x509_read_certificate(const uint8_t *der, size_t length, struct certificate *certificate)
{
	gnutls_datum_t encoded = datum_of(der, length);
	struct x509_outline outline;
	gnutls_x509_crt_t crt = NULL;

	certificate->sha256_known = x509_sha256(der, length, certificate->sha256);
	if (!is_affordable(der, length, &outline) || gnutls_x509_crt_init(&crt) < 0)
		return;
	if (gnutls_x509_crt_import(crt, &encoded, GNUTLS_X509_FMT_DER) < 0)
		goto cleanup;
	certificate->leaf_parsed = read_fields(crt, &outline, certificate);
	if (!certificate->leaf_parsed)
		forget_fields(certificate);
cleanup:
	gnutls_x509_crt_deinit(crt);
}
