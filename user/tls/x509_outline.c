// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/x509_outline.h"
#include "tls/der.h"

#include <string.h>

static const uint8_t subject_alt_name[] = {0x55, 0x1d, 0x11}; /* 2.5.29.17, RFC 5280 section 4.2.1.6 */

static struct x509_span span_of(const uint8_t *bytes, size_t length)
{
	return (struct x509_span){.bytes = bytes, .length = length};
}

static uint32_t count_values(struct reader *reader)
{
	struct der value;
	uint32_t count = 0;

	while (der_next(reader, &value))
		count++;
	return count;
}

/* Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }, RFC 5280 section 4.1 */
static void read_extension(struct reader *extension, struct x509_outline *outline)
{
	struct der id, value, names;

	if (!der_expect(extension, DER_OBJECT_IDENTIFIER, &id))
		return;
	while (der_next(extension, &value))
		;
	if (id.content.left != sizeof(subject_alt_name) ||
	    memcmp(id.content.next, subject_alt_name, sizeof(subject_alt_name)) != 0)
		return;
	if (value.tag == DER_OCTET_STRING && der_expect(&value.content, DER_SEQUENCE, &names))
		outline->alternative_names += count_values(&names.content);
}

static void read_extensions(struct reader *explicit, struct x509_outline *outline)
{
	struct der list, extension;

	if (!der_expect(explicit, DER_SEQUENCE, &list))
		return;
	while (der_expect(&list.content, DER_SEQUENCE, &extension)) {
		outline->extensions++;
		read_extension(&extension.content, outline);
		if (!list.content.left)
			return;
	}
}

/* TBSCertificate, RFC 5280 section 4.1: a certificate of version 1 has no [0], and neither has extensions. */
static void read_to_be_signed(struct reader *reader, struct x509_outline *outline)
{
	struct der value, issuer, subject;

	if (!der_next(reader, &value))
		return;
	if (value.tag == DER_CONTEXT_0 && !der_next(reader, &value))
		return;
	outline->serial = span_of(value.content.next, value.content.left);
	if (!der_next(reader, &value) || !der_expect(reader, DER_SEQUENCE, &issuer))
		return;
	if (!der_next(reader, &value) || !der_expect(reader, DER_SEQUENCE, &subject))
		return;
	outline->issuer = span_of(issuer.encoding, issuer.encoding_length);
	outline->subject = span_of(subject.encoding, subject.encoding_length);
	while (der_next(reader, &value))
		if (value.tag == DER_CONTEXT_3)
			read_extensions(&value.content, outline);
}

int x509_outline_read(const uint8_t *der, size_t length, struct x509_outline *outline)
{
	int error = 0;
	struct reader reader = {.next = der, .left = length, .error = &error};
	struct der certificate, to_be_signed;

	*outline = (struct x509_outline){0};
	if (der_expect(&reader, DER_SEQUENCE, &certificate) &&
	    der_expect(&certificate.content, DER_SEQUENCE, &to_be_signed))
		read_to_be_signed(&to_be_signed.content, outline);
	reader_expect(&reader, outline->subject.bytes);
	return error;
}
