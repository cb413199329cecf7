// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The fields of a certificate (user/tls/x509.c) and its outline. The certificates were made with python3-cryptography; the
 * expected values are those of openssl x509.
 */
#include "tls/x509.h"
#include "tls/x509_outline.h"

#include "certificate_bodies.h"
#include "message_bytes.h"

#include <errno.h>

/* Empty subject, every kind of subjectAltName, a key purpose without a name, CA:TRUE, valid until the year 9999. */
static const char workload_certificate[] =
	"30820210308201b6a003020102020c00c0ffee0123456789abcdef300a06082a8648ce3d0403023016311430120603550403"
	"0c0b576f726b6c6f61642043413020170d3236303130323033303430355a180f39393939313233313233353935395a300030"
	"59301306072a8648ce3d020106082a8648ce3d03010703420004b6caa0022d83925af18711bdbf099de6c67dc7bd4e0ecda9"
	"fa5e1154ff7266aa91faab725f6533223c629f79fad133b1f862058a0c9c89cbf841a3d087732dbea381fd3081fa3081bc06"
	"03551d110101ff0481b13081ae862b7370696666653a2f2f636c75737465722e6578616d706c652f6e732f7765622f73612f"
	"66726f6e74656e64820d6e6f6465312e6578616d706c658704c0000207871020010db8000000000000000000000007810f6f"
	"7073406578616d706c652e6f7267a01f060a2b060104018237140203a0110c0f616c69636540636f72702e74657374a00c06"
	"062b0601050202a0023000a4133011310f300d06035504030c067261636b203488032a030430280603551d250421301f0608"
	"2b0601050507030206082b0601050507030106092b06010401868d1f01300f0603551d130101ff040530030101ff300a0608"
	"2a8648ce3d040302034800304502206fa7deeb263eadf3b1c38e1910ac00f65d351fea93226975f6df54e0711d5491022100"
	"c44aa98cfd1dbb558475b53c562a9fd14594b5031845cc3180578bdd9c5a54eb";

static struct certificate read_hex(const char *hex)
{
	struct certificate certificate = {0};
	struct message_bytes der = {0};
	struct guarded_bytes input;

	put_hex(&der, hex);
	input = guarded_copy(der.data, der.length);
	x509_read_certificate(input.data, input.length, &certificate);
	guarded_free(&input);
	return certificate;
}

static void test_alternative_names_of_every_kind(void **state)
{
	static const char *const names[] = {
		"spiffe://cluster.example/ns/web/sa/frontend",
		"node1.example",
		"192.0.2.7",
		"2001:db8::7",
		"ops@example.org",
		"alice@corp.test",
		"CN=rack 4",
		"1.2.3.4",
		"",
	};
	struct certificate certificate = read_hex(workload_certificate);

	(void)state;
	expect_number("workload", "leaf_parsed", certificate.leaf_parsed, true);
	expect_text("workload", "subject", certificate.subject, "");
	/* nine entries, of which the Kerberos name has no text */
	expect_number("workload", "alternative_names", certificate.alternative_names, 9);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		expect_text("workload", "alternative name", certificate.alternative_name[i], names[i]);
}

static void test_fields(void **state)
{
	struct certificate certificate = read_hex(workload_certificate);

	(void)state;
	expect_text("workload", "issuer", certificate.issuer, "CN=Workload CA");
	expect_text("workload", "serial", certificate.serial, "00C0FFEE0123456789ABCDEF");
	expect_number("workload", "not_before", certificate.not_before, 1767323045);
	expect_number("workload", "not_after", certificate.not_after, 253402300799);
	expect_text("workload", "key algorithm", certificate.key_algorithm, "EC");
	expect_number("workload", "key size", certificate.key_size, 256);
	expect_text("workload", "signature algorithm", certificate.signature_algorithm, "ECDSA-SHA256");
	expect_number("workload", "is_ca", certificate.is_ca, true);
	expect_hex("workload", "sha256", certificate.sha256, MESSAGE_SHA256,
	           "7ce6044a70b9f06fd04e4be5c700c0ee93e0bce05a43af07337bf67cd508dfe2");
}

static void test_key_purposes(void **state)
{
	struct certificate certificate = read_hex(workload_certificate);

	(void)state;
	expect_number("workload", "has_key_purposes", certificate.has_key_purposes, true);
	expect_number("workload", "key_purposes", certificate.key_purposes, 3);
	expect_text("workload", "first purpose", certificate.key_purpose[0], "clientAuth");
	expect_text("workload", "second purpose", certificate.key_purpose[1], "serverAuth");
	expect_text("workload", "third purpose", certificate.key_purpose[2], "1.3.6.1.4.1.99999.1");
}

static void test_certificate_without_extensions(void **state)
{
	struct certificate certificate = read_hex(der_forever);

	(void)state;
	expect_number("no extensions", "leaf_parsed", certificate.leaf_parsed, true);
	expect_number("no extensions", "alternative_names", certificate.alternative_names, 0);
	expect_number("no extensions", "has_key_purposes", certificate.has_key_purposes, false);
	expect_number("no extensions", "is_ca", certificate.is_ca, false);
}

/* Offsets in workload_certificate: openssl asn1parse. */
enum {
	WORKLOAD_TBS = 8,
	WORKLOAD_EXTENSIONS = 190,
	WORKLOAD_SIGNATURE = 446,
};

/* The fields of TBSCertificate that precede the extensions. */
static void put_head(struct message_bytes *der)
{
	struct message_bytes workload = {0};

	put_hex(&workload, workload_certificate);
	put_bytes(der, workload.data + WORKLOAD_TBS, WORKLOAD_EXTENSIONS - WORKLOAD_TBS);
}

static void put_signature(struct message_bytes *der)
{
	struct message_bytes workload = {0};

	put_hex(&workload, workload_certificate);
	put_bytes(der, workload.data + WORKLOAD_SIGNATURE, workload.length - WORKLOAD_SIGNATURE);
}

static size_t sequence_begin(struct message_bytes *der, uint8_t tag)
{
	put_number(der, 1, tag);
	put_number(der, 1, 0x82);
	return vector_begin(der, 2);
}

/* A certificate with this many empty extensions, then a subjectAltName of this many names of one byte. */
static void put_certificate(struct message_bytes *der, unsigned int extensions, unsigned int names)
{
	static const uint8_t empty[] = {0x30, 0x07, 0x06, 0x03, 0x55, 0x1d};
	static const uint8_t alternative_names[] = {0x06, 0x03, 0x55, 0x1d, 0x11};
	size_t certificate = sequence_begin(der, 0x30);
	size_t to_be_signed = sequence_begin(der, 0x30);
	size_t explicit, list, extension, value, sequence;

	put_head(der);
	explicit = sequence_begin(der, 0xa3);
	list = sequence_begin(der, 0x30);
	for (unsigned int i = 0; i < extensions; i++) {
		put_bytes(der, empty, sizeof(empty));
		put_number(der, 1, 0x40 + i % 0x40); /* GnuTLS refuses an extension that stands twice */
		put_bytes(der, "\x04", 2);
	}
	extension = sequence_begin(der, 0x30);
	put_bytes(der, alternative_names, sizeof(alternative_names));
	value = sequence_begin(der, 0x04);
	sequence = sequence_begin(der, 0x30);
	for (unsigned int i = 0; i < names; i++)
		put_bytes(der, "\x82\x01n", 3);
	vector_end(der, 2, sequence);
	vector_end(der, 2, value);
	vector_end(der, 2, extension);
	vector_end(der, 2, list);
	vector_end(der, 2, explicit);
	vector_end(der, 2, to_be_signed);
	put_signature(der);
	vector_end(der, 2, certificate);
}

static struct x509_outline outline_of(unsigned int extensions, unsigned int names)
{
	struct x509_outline outline;
	struct message_bytes der = {0};
	struct guarded_bytes input;

	put_certificate(&der, extensions, names);
	input = guarded_copy(der.data, der.length);
	expect_number("outline", "result", x509_outline_read(input.data, input.length, &outline), 0);
	guarded_free(&input);
	return outline;
}

static void test_outline_counts_extensions_and_names(void **state)
{
	static const unsigned int counts[][2] = {{0, 0}, {3, 7}, {1000, 1}, {1, 4000}};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct x509_outline outline = outline_of(counts[i][0], counts[i][1]);

		expect_number("outline", "extensions", outline.extensions, counts[i][0] + 1);
		expect_number("outline", "alternative names", outline.alternative_names, counts[i][1]);
	}
}

/* Each prefix of a certificate is refused or read, and never read beyond its end. */
static void test_outline_of_a_part(void **state)
{
	struct message_bytes der = {0};
	struct x509_outline outline;

	(void)state;
	put_hex(&der, workload_certificate);
	for (size_t length = 0; length < der.length; length++) {
		struct guarded_bytes input = guarded_copy(der.data, length);

		expect_number("a part", "result", x509_outline_read(input.data, input.length, &outline), -EBADMSG);
		guarded_free(&input);
	}
}

/* GnuTLS would need 50 ms for a thousand extensions: fingerprint only. */
static void test_costly_certificate_keeps_its_fingerprint(void **state)
{
	static const struct {
		unsigned int extensions, names;
		bool parsed;
	} cases[] = {
		{X509_EXTENSIONS_MAX - 1, X509_ALTERNATIVE_NAMES_MAX, true},
		{X509_EXTENSIONS_MAX, 1, false},
		{0, X509_ALTERNATIVE_NAMES_MAX + 1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct certificate certificate = {0};
		struct message_bytes der = {0};

		put_certificate(&der, cases[i].extensions, cases[i].names);
		x509_read_certificate(der.data, der.length, &certificate);
		expect_number("costly", "sha256_known", certificate.sha256_known, true);
		expect_number("costly", "leaf_parsed", certificate.leaf_parsed, cases[i].parsed);
		expect_text("costly", "issuer", certificate.issuer, cases[i].parsed ? "CN=Workload CA" : "");
		expect_number("costly", "alternative_names", certificate.alternative_names,
		              cases[i].parsed ? cases[i].names : 0);
	}
}

static void test_names_alone(void **state)
{
	char subject[MESSAGE_NAME_MAX], issuer[MESSAGE_NAME_MAX];
	struct message_bytes der = {0};

	(void)state;
	put_hex(&der, der_forever);
	expect_number("names", "result", x509_read_names(der.data, der.length, subject, issuer), 0);
	expect_text("names", "subject", subject, "CN=forever");
	expect_text("names", "issuer", issuer, "CN=Test Root,O=Beispiel\\, Süd,C=DE");
	expect_number("half", "result", x509_read_names(der.data, 30, subject, issuer), -EBADMSG);
	expect_text("half", "subject", subject, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alternative_names_of_every_kind),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_key_purposes),
		cmocka_unit_test(test_certificate_without_extensions),
		cmocka_unit_test(test_outline_counts_extensions_and_names),
		cmocka_unit_test(test_outline_of_a_part),
		cmocka_unit_test(test_costly_certificate_keeps_its_fingerprint),
		cmocka_unit_test(test_names_alone),
	};

	return cmocka_run_group_tests_name("x509", tests, NULL, NULL);
}
