// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * CertificateRequest and the client's Certificate. What the real ones hold was read off tshark 4.0.17, of the
 * certificates off openssl x509.
 */
#include "certificate_bodies.h"
#include "tls/message.h"
#include "message_bytes.h"

#include <errno.h>

#define CASES(table) (sizeof(table) / sizeof(*(table)))

static const char root_name[] = "CN=Test Root,O=Beispiel\\, Süd,C=DE";
static const char intermediate_name[] = "CN=Test Intermediate,O=Beispiel,C=DE";
static const char client_name[] = "CN=client \\<one\\>,OU=Einkauf,O=Beispiel \\\"Süd\\\" \\+ Co,C=DE";
static const char client_sha256[] = "6e7e85c55c52dfdd96d159bae6d356990cd4c5f4b9656b89e1a6f75c18fc367f";

enum {
	CLIENT_NOT_BEFORE = 1795440129, /* 2026-11-23 13:22:09 UTC */
	CLIENT_NOT_AFTER = 1881840129,  /* 2029-08-19 13:22:09 UTC */
	CLIENT_LENGTH = 382,            /* of the certificate in DER */
	CHAIN = 3,
};

struct request_case {
	const char *name;
	uint16_t version;
	const char *hex;
	uint8_t certificate_types;
	uint16_t signature_algorithms;
};

/* rsa_sign, dss_sign, ecdsa_sign; ecdsa_secp256r1_sha256 first; two CAs */
static const struct request_case requests[] = {
	{"SSL 3.0", 0x0300, certificate_request_tls1_0, 3, 0},
	{"TLS 1.0", 0x0301, certificate_request_tls1_0, 3, 0},
	{"TLS 1.1", 0x0302, certificate_request_tls1_0, 3, 0},
	{"TLS 1.2", 0x0303, certificate_request_tls1_2, 3, 20},
	{"TLS 1.3", 0x0304, certificate_request_tls1_3, 0, 16},
	{"DTLS 0.9", 0x0100, certificate_request_tls1_0, 3, 0},
	{"DTLS 1.0", 0xfeff, certificate_request_tls1_0, 3, 0},
	{"DTLS 1.2", 0xfefd, certificate_request_tls1_2, 3, 20},
	{"DTLS 1.3", 0xfefc, certificate_request_tls1_3, 0, 16},
};

static int parse_request(const struct message_bytes *body, size_t length, uint16_t version,
                         struct certificate_request *request)
{
	struct guarded_bytes input = guarded_copy(body->data, length);
	int result;

	memset(request, 0xa5, sizeof(*request));
	result = message_parse_certificate_request(input.data, input.length, version, request);
	guarded_free(&input);
	return result;
}

static int parse_certificate(const struct message_bytes *body, size_t length, uint16_t version,
                             struct certificate *certificate)
{
	struct guarded_bytes input = guarded_copy(body->data, length);
	int result;

	memset(certificate, 0xa5, sizeof(*certificate));
	result = message_parse_certificate(input.data, input.length, version, certificate);
	guarded_free(&input);
	return result;
}

static void test_request(void **state)
{
	static const uint8_t types[] = {1, 2, 64};

	(void)state;
	for (size_t i = 0; i < CASES(requests); i++) {
		const struct request_case *test = &requests[i];
		struct message_bytes body = {0};
		struct certificate_request request;

		put_hex(&body, test->hex);
		expect_number(test->name, "result", parse_request(&body, body.length, test->version, &request), 0);
		expect_number(test->name, "certificate_types", request.certificate_types, test->certificate_types);
		for (size_t j = 0; j < test->certificate_types; j++)
			expect_number(test->name, "certificate_type", request.certificate_type[j], types[j]);
		expect_number(test->name, "signature_algorithms", request.signature_algorithms,
		              test->signature_algorithms);
		expect_number(test->name, "first algorithm", request.signature_algorithm[0],
		              test->signature_algorithms ? 0x0403 : 0);
		expect_number(test->name, "second algorithm", request.signature_algorithm[1],
		              test->signature_algorithms ? 0x0503 : 0);
		expect_number(test->name, "authorities", request.authorities, 2);
		expect_text(test->name, "first authority", request.authority[0], root_name);
		expect_text(test->name, "second authority", request.authority[1], intermediate_name);
		expect_text(test->name, "third authority", request.authority[2], "");
	}
}

static void test_request_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(requests); i++) {
		const struct request_case *test = &requests[i];
		struct message_bytes body = {0};
		struct certificate_request request;

		put_hex(&body, test->hex);
		for (size_t length = 0; length < body.length; length++) {
			expect_number(test->name, "result of a part",
			              parse_request(&body, length, test->version, &request), -EBADMSG);
			assert_true(request.certificate_types <= test->certificate_types);
			assert_true(request.signature_algorithms <= test->signature_algorithms);
			assert_true(request.authorities <= 2);
			expect_text(test->name, "first authority", request.authority[0],
			            request.authorities >= 1 ? root_name : "");
			expect_text(test->name, "second authority", request.authority[1],
			            request.authorities >= 2 ? intermediate_name : "");
		}
		/* all but the last byte: the first CA came in whole, but in TLS 1.3 not the extension around it */
		expect_number(test->name, "authorities of a part", request.authorities, test->certificate_types > 0);
		expect_number(test->name, "certificate_types of a part", request.certificate_types,
		              test->certificate_types);
	}
}

static void test_request_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(requests); i++) {
		struct message_bytes body = {0};
		struct certificate_request request;

		put_hex(&body, requests[i].hex);
		for (size_t offset = 0; offset < body.length; offset++) {
			const uint8_t original = body.data[offset];
			const uint8_t changed[] = {0, 0xff, original + 1, original - 1};

			for (size_t j = 0; j < CASES(changed); j++) {
				int result;

				body.data[offset] = changed[j];
				result = parse_request(&body, body.length, requests[i].version, &request);
				assert_true(result == 0 || result == -EBADMSG);
				for (size_t k = 0; k < MESSAGE_AUTHORITIES_MAX; k++)
					assert_non_null(memchr(request.authority[k], '\0', MESSAGE_NAME_MAX));
			}
			body.data[offset] = original;
		}
	}
}

/* A length field of a message: where it is, how many bytes it takes, what it holds. */
struct length_field {
	size_t offset;
	size_t size;
	uint32_t length;
	const char *name;
};

static void set_field(struct message_bytes *body, const struct length_field *field, uint32_t value)
{
	for (size_t i = 0; i < field->size; i++) {
		uint8_t *byte = &body->data[field->offset + i];
		unsigned int shift = 8 * (field->size - 1 - i);

		*byte = value >> shift;
	}
}

static void expect_field(const struct message_bytes *body, const struct length_field *field)
{
	struct message_bytes same = *body;

	set_field(&same, field, field->length);
	if (memcmp(same.data, body->data, body->length) != 0)
		fail_msg("%s: no length of %u at offset %zu", field->name, field->length, field->offset);
}

/* By tshark */
static const struct length_field request_tls1_2_lengths[] = {
	{0, 1, 3, "certificate_types"},          {4, 2, 40, "signature_algorithms"},
	{46, 2, 126, "certificate_authorities"}, {48, 2, 60, "DistinguishedName 1"},
	{110, 2, 62, "DistinguishedName 2"},
};
static const struct length_field request_tls1_3_lengths[] = {
	{0, 1, 0, "certificate_request_context"}, {1, 2, 170, "extensions"},
	{5, 2, 34, "signature_algorithms"},       {7, 2, 32, "supported_signature_algorithms"},
	{43, 2, 128, "certificate_authorities"},  {45, 2, 126, "authorities"},
	{47, 2, 60, "DistinguishedName 1"},       {109, 2, 62, "DistinguishedName 2"},
};
static const struct length_field certificate_tls1_2_lengths[] = {
	{0, 3, 1297, "certificate_list"},
	{3, 3, CLIENT_LENGTH, "ASN.1Cert 1"},
};
static const struct length_field certificate_tls1_3_lengths[] = {
	{0, 1, 0, "certificate_request_context"},
	{1, 3, 1303, "certificate_list"},
	{4, 3, CLIENT_LENGTH, "cert_data 1"},
	{7 + CLIENT_LENGTH, 2, 0, "extensions 1"},
};

static void expect_bad_request(const char *hex, uint16_t version, const struct length_field *field)
{
	const uint32_t wrong[] = {field->length + 1, field->length - 1, UINT32_MAX};
	struct message_bytes body = {0};
	struct certificate_request request;

	put_hex(&body, hex);
	expect_field(&body, field);
	for (size_t i = 0; i < CASES(wrong); i++) {
		set_field(&body, field, wrong[i]);
		expect_number(field->name, "result", parse_request(&body, body.length, version, &request), -EBADMSG);
	}
}

static void expect_bad_certificate(const char *hex, uint16_t version, const struct length_field *field)
{
	const uint32_t wrong[] = {field->length + 1, field->length - 1, UINT32_MAX};
	struct message_bytes body = {0};
	struct certificate certificate;

	put_hex(&body, hex);
	expect_field(&body, field);
	for (size_t i = 0; i < CASES(wrong); i++) {
		set_field(&body, field, wrong[i]);
		expect_number(field->name, "result", parse_certificate(&body, body.length, version, &certificate),
		              -EBADMSG);
	}
}

static void test_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(request_tls1_2_lengths); i++)
		expect_bad_request(certificate_request_tls1_2, 0x0303, &request_tls1_2_lengths[i]);
	for (size_t i = 0; i < CASES(request_tls1_3_lengths); i++)
		expect_bad_request(certificate_request_tls1_3, 0x0304, &request_tls1_3_lengths[i]);
	for (size_t i = 0; i < CASES(certificate_tls1_2_lengths); i++)
		expect_bad_certificate(certificate_tls1_2, 0x0303, &certificate_tls1_2_lengths[i]);
	for (size_t i = 0; i < CASES(certificate_tls1_3_lengths); i++)
		expect_bad_certificate(certificate_tls1_3, 0x0304, &certificate_tls1_3_lengths[i]);
}

/* The layout of another version is not taken for the one that was negotiated. */
static void test_request_of_another_version(void **state)
{
	struct message_bytes body = {0};
	struct certificate_request request;

	(void)state;
	put_hex(&body, certificate_request_tls1_2);
	expect_number("1.2 as 1.1", "result", parse_request(&body, body.length, 0x0302, &request), -EBADMSG);
	expect_number("1.2 as 1.3", "result", parse_request(&body, body.length, 0x0304, &request), -EBADMSG);
	expect_number("version 0", "result", parse_request(&body, body.length, 0, &request), -EBADMSG);
	expect_number("version 0", "certificate_types", request.certificate_types, 0);
	body.length = 0;
	put_hex(&body, certificate_request_tls1_0);
	expect_number("1.0 as 1.2", "result", parse_request(&body, body.length, 0x0303, &request), -EBADMSG);
}

/* A Name of one CommonName (UTF8String) of length bytes, RFC 5280 section 4.1.2.4. */
static void put_name(struct message_bytes *body, const char *common_name, size_t length)
{
	static const uint8_t type[] = {0x06, 0x03, 0x55, 0x04, 0x03};
	const uint8_t in_two_bytes =
		0x82; /* DER: the length is in the two bytes that follow; the shortest form is not asked */

	put_number(body, 1, 0x30);
	put_number(body, 1, in_two_bytes);
	put_number(body, 2, length + 17);
	put_number(body, 1, 0x31);
	put_number(body, 1, in_two_bytes);
	put_number(body, 2, length + 13);
	put_number(body, 1, 0x30);
	put_number(body, 1, in_two_bytes);
	put_number(body, 2, length + 9);
	put_bytes(body, type, sizeof(type));
	put_number(body, 1, 0x0c);
	put_number(body, 1, in_two_bytes);
	put_number(body, 2, length);
	put_bytes(body, common_name, length);
}

static size_t request_begin(struct message_bytes *body)
{
	put_vector(body, 1, "\x01\x40", 2);
	put_vector(body, 2, "\x04\x03", 2);
	return vector_begin(body, 2);
}

static void put_authority(struct message_bytes *body, const char *common_name, size_t length)
{
	size_t begin = vector_begin(body, 2);

	put_name(body, common_name, length);
	vector_end(body, 2, begin);
}

static void test_authorities_counted(void **state)
{
	static const unsigned int counts[] = {0, 1, 20, MESSAGE_AUTHORITIES_MAX, MESSAGE_AUTHORITIES_MAX + 1, 100};

	(void)state;
	for (size_t i = 0; i < CASES(counts); i++) {
		struct message_bytes body = {0};
		struct certificate_request request;
		size_t begin = request_begin(&body);
		char name[32];

		for (unsigned int j = 0; j < counts[i]; j++) {
			snprintf(name, sizeof(name), "Test CA %u", j);
			put_authority(&body, name, strlen(name));
		}
		vector_end(&body, 2, begin);
		expect_number("CA names", "result", parse_request(&body, body.length, 0x0303, &request), 0);
		expect_number("CA names", "authorities", request.authorities, counts[i]);
		for (unsigned int j = 0; j < MESSAGE_AUTHORITIES_MAX; j++) {
			snprintf(name, sizeof(name), "CN=Test CA %u", j);
			expect_text("CA names", "authority", request.authority[j], j < counts[i] ? name : "");
		}
	}
}

static void test_authority_not_a_name(void **state)
{
	struct message_bytes body = {0};
	struct certificate_request request;
	size_t begin = request_begin(&body);

	(void)state;
	put_vector(&body, 2, "garbage", 7);
	put_vector(&body, 2, "\x30\0", 2); /* a name of no attributes */
	put_authority(&body, "real", 4);
	vector_end(&body, 2, begin);
	expect_number("garbage", "result", parse_request(&body, body.length, 0x0303, &request), 0);
	expect_number("garbage", "authorities", request.authorities, 3);
	expect_text("garbage", "first authority", request.authority[0], "");
	expect_text("garbage", "second authority", request.authority[1], "");
	expect_text("garbage", "third authority", request.authority[2], "CN=real");
}

/* certificate_authorities are DistinguishedName<1..2^16-1>: none of 0 bytes; but all of them count, and the next is read. */
static void test_authority_of_no_bytes(void **state)
{
	struct message_bytes body = {0};
	struct certificate_request request;
	size_t begin = request_begin(&body);

	(void)state;
	put_vector(&body, 2, "", 0);
	put_authority(&body, "real", 4);
	vector_end(&body, 2, begin);
	expect_number("empty", "result", parse_request(&body, body.length, 0x0303, &request), -EBADMSG);
	expect_number("empty", "authorities", request.authorities, 2);
	expect_text("empty", "second authority", request.authority[1], "CN=real");
}

/* Too long for its place a name ends in "..."; longer still there is nothing else of it. */
static void test_authority_long(void **state)
{
	static char name[MESSAGE_NAME_ENCODED_MAX];
	struct message_bytes body = {0};
	struct certificate_request request;
	size_t begin = request_begin(&body);

	(void)state;
	memset(name, 'a', sizeof(name));
	put_authority(&body, name, MESSAGE_NAME_MAX - 1 - strlen("CN="));
	put_authority(&body, name, MESSAGE_NAME_MAX - strlen("CN="));
	put_authority(&body, name, sizeof(name));
	vector_end(&body, 2, begin);
	expect_number("long", "result", parse_request(&body, body.length, 0x0303, &request), 0);
	expect_number("long", "authorities", request.authorities, 3);
	expect_number("just fits", "length", strlen(request.authority[0]), MESSAGE_NAME_MAX - 1);
	expect_text("just fits", "end", request.authority[0] + MESSAGE_NAME_MAX - 5, "aaaa");
	expect_number("too long", "length", strlen(request.authority[1]), MESSAGE_NAME_MAX - 1);
	expect_text("too long", "end", request.authority[1] + MESSAGE_NAME_MAX - 5, "a...");
	expect_text("over the bound", "authority", request.authority[2], "...");
}

static void test_request_beyond_bounds(void **state)
{
	struct message_bytes body = {0};
	struct certificate_request request;
	size_t begin;

	(void)state;
	begin = vector_begin(&body, 1);
	for (unsigned int i = 0; i < 200; i++)
		put_number(&body, 1, i);
	vector_end(&body, 1, begin);
	begin = vector_begin(&body, 2);
	for (unsigned int i = 0; i < 1000; i++)
		put_number(&body, 2, i);
	vector_end(&body, 2, begin);
	put_zeros(&body, 2);
	expect_number("bounds", "result", parse_request(&body, body.length, 0x0303, &request), 0);
	expect_number("bounds", "certificate_types", request.certificate_types, 200);
	expect_number("bounds", "last certificate_type", request.certificate_type[MESSAGE_CERTIFICATE_TYPES_MAX - 1],
	              MESSAGE_CERTIFICATE_TYPES_MAX - 1);
	expect_number("bounds", "signature_algorithms", request.signature_algorithms, 1000);
	expect_number("bounds", "last signature_algorithm",
	              request.signature_algorithm[MESSAGE_SIGNATURE_ALGORITHMS_MAX - 1],
	              MESSAGE_SIGNATURE_ALGORITHMS_MAX - 1);
	expect_number("bounds", "authorities", request.authorities, 0);
}

/* A CertificateRequest of TLS 1.2 by its parts; the CA is "real". */
static int parse_request_of(const char *types, size_t types_length, const char *algorithms, size_t algorithms_length,
                            size_t behind, struct certificate_request *request)
{
	struct message_bytes body = {0};
	size_t begin;

	put_vector(&body, 1, types, types_length);
	put_vector(&body, 2, algorithms, algorithms_length);
	begin = vector_begin(&body, 2);
	put_authority(&body, "real", 4);
	vector_end(&body, 2, begin);
	put_zeros(&body, behind);
	return parse_request(&body, body.length, 0x0303, request);
}

/* What the schema forbids is not that message; what follows is read all the same. */
static void test_request_flawed(void **state)
{
	static const struct {
		const char *what;
		const char *types;
		size_t types_length;
		const char *algorithms;
		size_t algorithms_length;
		size_t behind;
		int result;
	} flaws[] = {
		{"none", "\x01", 1, "\x04\x03", 2, 0, 0},
		{"no certificate type", "", 0, "\x04\x03", 2, 0, -EBADMSG},
		{"no signature algorithm", "\x01", 1, "", 0, 0, -EBADMSG},
		{"half a signature algorithm", "\x01", 1, "\x04\x03\x05", 3, 0, -EBADMSG},
		{"bytes behind the end", "\x01", 1, "\x04\x03", 2, 1, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < CASES(flaws); i++) {
		struct certificate_request request;

		expect_number(flaws[i].what, "result",
		              parse_request_of(flaws[i].types, flaws[i].types_length, flaws[i].algorithms,
		                               flaws[i].algorithms_length, flaws[i].behind, &request),
		              flaws[i].result);
		expect_number(flaws[i].what, "certificate_types", request.certificate_types, flaws[i].types_length);
		expect_number(flaws[i].what, "signature_algorithms", request.signature_algorithms,
		              flaws[i].algorithms_length / 2);
		expect_number(flaws[i].what, "authorities", request.authorities, 1);
		expect_text(flaws[i].what, "authority", request.authority[0], "CN=real");
	}
}

static void test_request_extension_too_long(void **state)
{
	struct message_bytes body = {0};
	struct certificate_request request;
	size_t begin;

	(void)state;
	put_zeros(&body, 1); /* certificate_request_context */
	begin = vector_begin(&body, 2);
	put_number(&body, 2, 13);
	put_vector(&body, 2, "\0\x02\x04\x03\0", 5); /* one byte more than the list */
	vector_end(&body, 2, begin);
	expect_number("too long", "result", parse_request(&body, body.length, 0x0304, &request), -EBADMSG);
	expect_number("too long", "signature_algorithms", request.signature_algorithms, 1);
}

static void expect_client_leaf(const char *about, const struct certificate *certificate)
{
	expect_number(about, "leaf_parsed", certificate->leaf_parsed, true);
	expect_number(about, "sha256_known", certificate->sha256_known, true);
	expect_text(about, "subject", certificate->subject, client_name);
	expect_text(about, "issuer", certificate->issuer, intermediate_name);
	expect_number(about, "not_after", certificate->not_after, CLIENT_NOT_AFTER);
	expect_hex(about, "sha256", certificate->sha256, MESSAGE_SHA256, client_sha256);
}

static void expect_chain(const char *about, const struct certificate *certificate)
{
	static const char *const chain_sha256[CHAIN] = {
		client_sha256,
		"00c5952f9614a6a242691c31efd583596606309d15e560cf4a4e33217000e3e4",
		"7a0da195a952e7629aa6a479b047fa4ec53b41adb286ee781135164e623cfe9f",
	};

	expect_text(about, "serial", certificate->serial, "03");
	expect_number(about, "not_before", certificate->not_before, CLIENT_NOT_BEFORE);
	expect_number(about, "chain_sha256s", certificate->chain_sha256s, CHAIN);
	for (size_t i = 0; i < CHAIN; i++)
		expect_hex(about, "chain sha256", certificate->chain_sha256[i], MESSAGE_SHA256, chain_sha256[i]);
	expect_text(about, "subject of the chain's end", certificate->chain_end_subject, root_name);
	expect_text(about, "issuer of the chain's end", certificate->chain_end_issuer, root_name);
}

static void expect_no_leaf(const char *about, const struct certificate *certificate)
{
	expect_number(about, "leaf_parsed", certificate->leaf_parsed, false);
	expect_text(about, "subject", certificate->subject, "");
	expect_text(about, "issuer", certificate->issuer, "");
	expect_number(about, "not_after", certificate->not_after, 0);
}

struct certificate_case {
	const char *name;
	uint16_t version;
	const char *hex;
	const char *empty_hex;
	size_t leaf_end; /* where the first certificate ends */
};

static const struct certificate_case certificates[] = {
	{"SSL 3.0", 0x0300, certificate_tls1_2, certificate_tls1_2_empty, 3 + 3 + CLIENT_LENGTH},
	{"TLS 1.2", 0x0303, certificate_tls1_2, certificate_tls1_2_empty, 3 + 3 + CLIENT_LENGTH},
	{"DTLS 1.2", 0xfefd, certificate_tls1_2, certificate_tls1_2_empty, 3 + 3 + CLIENT_LENGTH},
	{"TLS 1.3", 0x0304, certificate_tls1_3, certificate_tls1_3_empty, 1 + 3 + 3 + CLIENT_LENGTH},
	{"DTLS 1.3", 0xfefc, certificate_tls1_3, certificate_tls1_3_empty, 1 + 3 + 3 + CLIENT_LENGTH},
};

static void test_certificate_chain(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(certificates); i++) {
		const struct certificate_case *test = &certificates[i];
		struct message_bytes body = {0};
		struct certificate certificate;

		put_hex(&body, test->hex);
		expect_number(test->name, "result", parse_certificate(&body, body.length, test->version, &certificate),
		              0);
		expect_number(test->name, "certificates", certificate.certificates, CHAIN);
		expect_client_leaf(test->name, &certificate);
		expect_chain(test->name, &certificate);
	}
}

static void test_certificate_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(certificates); i++) {
		const struct certificate_case *test = &certificates[i];
		struct message_bytes body = {0};
		struct certificate certificate;

		put_hex(&body, test->empty_hex);
		expect_number(test->name, "result", parse_certificate(&body, body.length, test->version, &certificate),
		              0);
		expect_number(test->name, "certificates", certificate.certificates, 0);
		expect_number(test->name, "sha256_known", certificate.sha256_known, false);
		expect_no_leaf(test->name, &certificate);
		for (size_t length = 0; length < body.length; length++)
			expect_number(test->name, "result of a part",
			              parse_certificate(&body, length, test->version, &certificate), -EBADMSG);
	}
}

static void test_certificate_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(certificates); i++) {
		const struct certificate_case *test = &certificates[i];
		struct message_bytes body = {0};
		struct certificate certificate;

		put_hex(&body, test->hex);
		for (size_t length = 0; length < body.length; length++) {
			size_t length_known = test->version == 0x0304 || test->version == 0xfefc ? 4 : 3;

			expect_number(test->name, "result of a part",
			              parse_certificate(&body, length, test->version, &certificate), -EBADMSG);
			assert_in_range(certificate.certificates, length >= length_known, CHAIN);
			if (length >= test->leaf_end) {
				expect_client_leaf(test->name, &certificate);
			} else {
				expect_no_leaf(test->name, &certificate);
				expect_number(test->name, "sha256_known", certificate.sha256_known, false);
			}
		}
		expect_number(test->name, "certificates of a part", certificate.certificates, CHAIN);
	}
}

/* Mostly inside the certificate: what GnuTLS makes of it is its own, but the frame is ours. */
static void test_certificate_changed(void **state)
{
	struct message_bytes body = {0};
	struct certificate certificate;

	(void)state;
	put_hex(&body, certificate_tls1_3);
	for (size_t offset = 0; offset < body.length; offset++) {
		const uint8_t original = body.data[offset];
		const uint8_t changed[] = {0, 0xff, original + 1, original ^ 0x80};

		for (size_t i = 0; i < CASES(changed); i++) {
			int result;

			body.data[offset] = changed[i];
			result = parse_certificate(&body, body.length, 0x0304, &certificate);
			assert_true(result == 0 || result == -EBADMSG);
			assert_non_null(memchr(certificate.subject, '\0', MESSAGE_NAME_MAX));
			assert_non_null(memchr(certificate.issuer, '\0', MESSAGE_NAME_MAX));
			assert_true(certificate.sha256_known || !certificate.leaf_parsed);
			if (!certificate.leaf_parsed)
				expect_no_leaf("changed", &certificate);
		}
		body.data[offset] = original;
	}
}

/* A TLS 1.2 body with this one certificate. */
static int parse_der(const void *der, size_t length, struct certificate *certificate)
{
	struct message_bytes body = {0};
	size_t begin = vector_begin(&body, 3);

	put_vector(&body, 3, der, length);
	vector_end(&body, 3, begin);
	return parse_certificate(&body, body.length, 0x0303, certificate);
}

static void test_certificate_garbage(void **state)
{
	struct certificate certificate;

	(void)state;
	/* printf 'not a certificate' | sha256sum */
	expect_number("garbage", "result", parse_der("not a certificate", 17, &certificate), 0);
	expect_number("garbage", "certificates", certificate.certificates, 1);
	expect_no_leaf("garbage", &certificate);
	expect_number("garbage", "sha256_known", certificate.sha256_known, true);
	expect_hex("garbage", "sha256", certificate.sha256, MESSAGE_SHA256,
	           "47209c9b7af839de69e9a9cd625e9182c1ad63dae79ed88a2dd680fe34218620");
}

static void test_certificate_without_subject(void **state)
{
	struct message_bytes der = {0};
	struct certificate certificate;

	(void)state;
	put_hex(&der, der_spiffe);
	expect_number("SPIFFE", "result", parse_der(der.data, der.length, &certificate), 0);
	expect_number("SPIFFE", "leaf_parsed", certificate.leaf_parsed, true);
	expect_text("SPIFFE", "subject", certificate.subject, "");
	expect_text("SPIFFE", "issuer", certificate.issuer, intermediate_name);
	expect_hex("SPIFFE", "sha256", certificate.sha256, MESSAGE_SHA256,
	           "5f7e836ff587ff170ac6a5d937e70d2c5a9b6f36c5a1714781bc00702543cb3c");
}

static void test_certificate_without_end(void **state)
{
	struct message_bytes der = {0};
	struct certificate certificate;

	(void)state;
	put_hex(&der, der_forever);
	expect_number("year 9999", "result", parse_der(der.data, der.length, &certificate), 0);
	expect_number("year 9999", "leaf_parsed", certificate.leaf_parsed, true);
	expect_number("year 9999", "not_after", certificate.not_after, 253402300799); /* 9999-12-31 23:59:59 UTC */
	expect_text("year 9999", "issuer", certificate.issuer, root_name);
}

/* Bytes behind a certificate's end, within its length: it is not that certificate. */
static void test_certificate_with_more_behind(void **state)
{
	struct message_bytes der = {0};
	struct certificate certificate;

	(void)state;
	put_hex(&der, der_forever);
	put_zeros(&der, 1);
	expect_number("more behind", "result", parse_der(der.data, der.length, &certificate), 0);
	expect_no_leaf("more behind", &certificate);
	expect_number("more behind", "sha256_known", certificate.sha256_known, true);
}

/* der_forever with a signature so long that the whole is length bytes. */
static void put_long_certificate(struct message_bytes *der, size_t length)
{
	enum {
		HEADER = 4,                               /* of a SEQUENCE or BIT STRING whose length takes two bytes */
		TBS_AND_ALGORITHM = (3 + 220) + (2 + 10), /* tbsCertificate, signatureAlgorithm: openssl asn1parse */
	};
	struct message_bytes forever = {0};

	put_hex(&forever, der_forever);
	put_number(der, 2, 0x3082);
	put_number(der, 2, length - HEADER);
	put_bytes(der, forever.data + HEADER, TBS_AND_ALGORITHM);
	put_number(der, 2, 0x0382);
	put_number(der, 2, length - der->length - 2);
	put_zeros(der, length - der->length);
}

static void test_certificate_long(void **state)
{
	struct message_bytes longest = {0}, longer = {0};
	struct certificate certificate;

	(void)state;
	put_long_certificate(&longest, MESSAGE_CERTIFICATE_ENCODED_MAX);
	expect_number("longest", "result", parse_der(longest.data, longest.length, &certificate), 0);
	expect_number("longest", "leaf_parsed", certificate.leaf_parsed, true);
	expect_text("longest", "subject", certificate.subject, "CN=forever");

	put_long_certificate(&longer, MESSAGE_CERTIFICATE_ENCODED_MAX + 1);
	expect_number("too long", "result", parse_der(longer.data, longer.length, &certificate), 0);
	expect_number("too long", "certificates", certificate.certificates, 1);
	expect_number("too long", "sha256_known", certificate.sha256_known, true);
	expect_no_leaf("too long", &certificate);
}

static void test_certificate_bytes_behind_the_end(void **state)
{
	struct message_bytes body = {0};
	struct certificate certificate;

	(void)state;
	put_hex(&body, certificate_tls1_2);
	put_zeros(&body, 1);
	expect_number("behind", "result", parse_certificate(&body, body.length, 0x0303, &certificate), -EBADMSG);
	expect_number("behind", "certificates", certificate.certificates, CHAIN);
	expect_client_leaf("behind", &certificate);
}

static void test_certificate_of_no_bytes(void **state)
{
	struct certificate certificate;

	(void)state;
	expect_number("no bytes", "result", parse_der("", 0, &certificate), -EBADMSG);
	expect_number("no bytes", "certificates", certificate.certificates, 1); /* not an empty list */
	expect_number("no bytes", "sha256_known", certificate.sha256_known, false);
}

/* RFC 7250 section 3: a raw public key stands where the list would. It is no answer of "none". */
static void test_raw_public_key(void **state)
{
	static const uint8_t key[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	struct message_bytes body = {0};
	struct certificate certificate;
	size_t begin = vector_begin(&body, 3);

	(void)state;
	put_bytes(&body, key, sizeof(key));
	put_zeros(&body, 32);
	vector_end(&body, 3, begin);
	expect_number("raw key", "result", parse_certificate(&body, body.length, 0x0303, &certificate), -EBADMSG);
	expect_number("raw key", "certificates", certificate.certificates, 1);
	expect_no_leaf("raw key", &certificate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_request_cut),
		cmocka_unit_test(test_request_changed),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_request_of_another_version),
		cmocka_unit_test(test_authorities_counted),
		cmocka_unit_test(test_authority_not_a_name),
		cmocka_unit_test(test_authority_of_no_bytes),
		cmocka_unit_test(test_authority_long),
		cmocka_unit_test(test_request_beyond_bounds),
		cmocka_unit_test(test_request_flawed),
		cmocka_unit_test(test_request_extension_too_long),
		cmocka_unit_test(test_certificate_chain),
		cmocka_unit_test(test_certificate_empty),
		cmocka_unit_test(test_certificate_cut),
		cmocka_unit_test(test_certificate_changed),
		cmocka_unit_test(test_certificate_garbage),
		cmocka_unit_test(test_certificate_without_subject),
		cmocka_unit_test(test_certificate_without_end),
		cmocka_unit_test(test_certificate_with_more_behind),
		cmocka_unit_test(test_certificate_long),
		cmocka_unit_test(test_certificate_bytes_behind_the_end),
		cmocka_unit_test(test_certificate_of_no_bytes),
		cmocka_unit_test(test_raw_public_key),
	};

	return cmocka_run_group_tests_name("message_certificate", tests, NULL, NULL);
}
