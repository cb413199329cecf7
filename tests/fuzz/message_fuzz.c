// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * All parsers of message bodies. The first byte of the input picks the parser and, where it matters, the version; the
 * rest is the body, which libFuzzer lays out so that AddressSanitizer sees a read beyond it. tests/fuzz/corpus/message
 * has a real body of each kind.
 */
#include "tls/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum parser {
	CLIENT_HELLO,
	SERVER_HELLO,
	CERTIFICATE_REQUEST,
	CERTIFICATE,
	PARSERS,
};

static const uint16_t versions[] = {0x0300, 0x0301, 0x0303, 0x0304, 0x0100, 0xfeff, 0xfefd, 0xfefc, 0x0000};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_result(int result)
{
	require(result == 0 || result == -EBADMSG);
}

static void require_text(const char *text, size_t size)
{
	require(memchr(text, '\0', size));
}

static void fuzz_client_hello(const uint8_t *body, size_t length)
{
	struct client_hello hello;

	require_result(message_parse_client_hello(body, length, &hello));
	require(hello.session_id_length <= MESSAGE_SESSION_ID_MAX);
	require_text(hello.server_name, sizeof(hello.server_name));
	require_text(hello.protocol, sizeof(hello.protocol));
}

static void fuzz_server_hello(const uint8_t *body, size_t length)
{
	struct server_hello hello;

	require_result(message_parse_server_hello(body, length, &hello));
	require(hello.session_id_length <= MESSAGE_SESSION_ID_MAX);
	require_text(hello.protocol, sizeof(hello.protocol));
}

static void fuzz_certificate_request(const uint8_t *body, size_t length, uint16_t version)
{
	struct certificate_request request;

	require_result(message_parse_certificate_request(body, length, version, &request));
	for (size_t i = 0; i < MESSAGE_AUTHORITIES_MAX; i++)
		require_text(request.authority[i], sizeof(request.authority[i]));
}

static void fuzz_certificate(const uint8_t *body, size_t length, uint16_t version)
{
	struct certificate certificate;

	require_result(message_parse_certificate(body, length, version, &certificate));
	require_text(certificate.subject, sizeof(certificate.subject));
	require_text(certificate.issuer, sizeof(certificate.issuer));
	require(!certificate.sha256_known || certificate.certificates > 0);
	require(!certificate.leaf_parsed || certificate.sha256_known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t version;

	if (size == 0)
		return 0;
	version = versions[data[0] / PARSERS % (sizeof(versions) / sizeof(*versions))];
	switch (data[0] % PARSERS) {
	case CLIENT_HELLO:
		fuzz_client_hello(data + 1, size - 1);
		break;
	case SERVER_HELLO:
		fuzz_server_hello(data + 1, size - 1);
		break;
	case CERTIFICATE_REQUEST:
		fuzz_certificate_request(data + 1, size - 1, version);
		break;
	case CERTIFICATE:
		fuzz_certificate(data + 1, size - 1, version);
		break;
	}
	return 0;
}
