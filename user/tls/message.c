// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/message.h"
#include "tls/protocol.h"
#include "tls/reader.h"
#include "tls/text.h"
#include "tls/x509.h"

#include <string.h>

/* ExtensionType registry */
enum extension_type {
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_SIGNATURE_ALGORITHMS = 13,
	EXTENSION_PROTOCOLS = 16, /* application_layer_protocol_negotiation */
	EXTENSION_SESSION_TICKET = 35,
	EXTENSION_PRE_SHARED_KEY = 41,
	EXTENSION_EARLY_DATA = 42,
	EXTENSION_SUPPORTED_VERSIONS = 43,
	EXTENSION_CERTIFICATE_AUTHORITIES = 47,
	EXTENSION_POST_HANDSHAKE_AUTH = 49,
	EXTENSION_RENEGOTIATION_INFO = 65281,
	EXTENSION_APPLICATION_SETTINGS_OLD = 17513, /* draft-vvv-tls-alps, in browsers under two numbers */
	EXTENSION_APPLICATION_SETTINGS = 17613,
	EXTENSION_CHANNEL_ID = 30032, /* draft-balfanz-tls-channelid */
};

enum {
	NAME_TYPE_HOST_NAME = 0, /* RFC 6066 section 3 */
};

/* The random of a HelloRetryRequest: SHA-256 of the word "HelloRetryRequest", RFC 8446 section 4.1.3. */
static const uint8_t hello_retry_request_random[MESSAGE_RANDOM] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static bool is_datagram_version(uint16_t version)
{
	return version >> 8 == 0xfe || version == VERSION_DTLS_BEFORE_1_0;
}

/*
 * Drafts of TLS 1.3 before the 22nd have their version in ServerHello where legacy_version is now: 0x7f00 + number, the
 * oldest 0x0304, which RFC 8446 section 4.1.3 never puts there.
 */
static bool is_early_draft(uint16_t version)
{
	return version >> 8 == 0x7f || version == VERSION_TLS_1_3;
}

/*
 * The meaning of a version in supported_versions. Implementers numbered the drafts of TLS 1.3 0x7f00 + draft (the
 * IETF's rule), 0xfb00 + draft (Facebook) and 0x7e00 + experiment (Google). All drafts have the framing of TLS 1.3.
 * Only the framing matters here, so drafts are reported as TLS 1.3.
 */
static uint16_t version_meant(uint16_t sent)
{
	uint8_t series = sent >> 8;

	return series == 0x7f || series == 0xfb || series == 0x7e ? VERSION_TLS_1_3 : sent;
}

/*
 * The version of a hello without supported_versions. TLS 1.3 calls itself 1.2 in legacy_version (RFC 8446 section
 * 4.1.2), so "1.2" proves nothing if part of the hello could not be read.
 */
static uint16_t version_without_extension(uint16_t legacy_version, int error)
{
	bool may_be_newer = legacy_version == VERSION_TLS_1_2 || legacy_version == VERSION_DTLS_1_2;

	return error && may_be_newer ? 0 : version_meant(legacy_version);
}

/* RFC 8701 section 2: meaningless values, sent so that peers learn to ignore unknown values. */
static bool is_grease_protocol(const struct reader *name)
{
	return name->left == 2 && name->next[0] == name->next[1] && (name->next[0] & 0x0f) == 0x0a;
}

static void read_random(struct reader *body, uint8_t random[MESSAGE_RANDOM])
{
	const uint8_t *bytes = reader_bytes(body, MESSAGE_RANDOM);

	if (bytes)
		memcpy(random, bytes, MESSAGE_RANDOM);
}

/* opaque SessionID<0..32>, RFC 5246 section 7.4.1.2 */
static void read_session_id(struct reader *body, uint8_t *length, uint8_t session_id[MESSAGE_SESSION_ID_MAX])
{
	struct reader id = reader_opaque(body, reader_u8(body));

	reader_expect(&id, id.left <= MESSAGE_SESSION_ID_MAX);
	if (id.left == 0 || id.left > MESSAGE_SESSION_ID_MAX)
		return;
	memcpy(session_id, id.next, id.left);
	*length = id.left;
}

/* ServerNameList, RFC 6066 section 3: at most one name of each type; host_name is the only type ever defined */
static void read_server_name(struct reader *extension, char server_name[MESSAGE_SERVER_NAME_MAX + 1])
{
	struct reader list = reader_list(extension, reader_u16(extension));

	reader_end(extension);
	while (list.left) {
		uint8_t name_type = reader_u8(&list);
		struct reader name = reader_opaque(&list, reader_u16(&list));

		reader_expect(&name, name.left > 0); /* HostName<1..2^16-1> */
		if (name_type == NAME_TYPE_HOST_NAME && name.left && !server_name[0])
			text_copy(server_name, MESSAGE_SERVER_NAME_MAX + 1, name.next, name.left);
	}
}

/* ProtocolNameList, RFC 7301 section 3.1; the first name is the client's preference, or the server's choice */
static void read_protocol(struct reader *extension, char protocol[MESSAGE_PROTOCOL_MAX + 1])
{
	struct reader list = reader_list(extension, reader_u16(extension));

	reader_end(extension);
	while (list.left) {
		struct reader name = reader_opaque(&list, reader_u8(&list));

		reader_expect(&name, name.left > 0); /* ProtocolName<1..2^8-1> */
		if (name.left && !is_grease_protocol(&name) && !protocol[0])
			text_copy(protocol, MESSAGE_PROTOCOL_MAX + 1, name.next, name.left);
	}
}

/* How new a version is within its family. DTLS counts down (RFC 6347 section 4.1). 0: not of the family. */
static uint16_t version_rank(uint16_t version, bool datagram)
{
	uint8_t series = version >> 8, minor = version & 0xff;

	if (datagram)
		return series == 0xfe ? 0x100 - minor : 0;
	return series == 3 ? 1 + minor : 0;
}

/* RFC 8446 section 4.2.1; the values of GREASE (RFC 8701 section 2) are of no family. */
static void read_versions_offered(struct reader *extension, struct client_hello *hello)
{
	struct reader list = reader_list(extension, reader_u8(extension));
	bool datagram = is_datagram_version(hello->legacy_version);

	reader_end(extension);
	while (list.left) {
		uint16_t version = version_meant(reader_u16(&list));

		if (version_rank(version, datagram) > version_rank(hello->highest_version, datagram))
			hello->highest_version = version;
	}
}

/*
 * Take the next of Extension extensions<0..2^16-1>, RFC 8446 section 4.2. A cut extension ends the list: for example,
 * half of supported_versions would show a lower version than the sender's.
 */
static bool next_extension(struct reader *extensions, uint16_t *type, struct reader *extension)
{
	if (!extensions->left)
		return false;
	*type = reader_u16(extensions);
	*extension = reader_opaque(extensions, reader_u16(extensions));
	return extension->next != NULL;
}

/* RenegotiationInfo, RFC 5746 section 3.2: from a client, the client's verify_data of the previous handshake */
static void read_renegotiation_info(struct reader *extension, struct client_hello *hello)
{
	struct reader data = reader_opaque(extension, reader_u8(extension));

	reader_end(extension);
	if (data.left == 0 || data.left > MESSAGE_VERIFY_DATA_MAX)
		return;
	memcpy(hello->renegotiated, data.next, data.left);
	hello->renegotiated_length = data.left;
}

/*
 * OfferedPsks, RFC 8446 section 4.2.11. A ticket has an age, plus a random number; an external key has the age 0. Which
 * keys are external is known for the first 32 identities.
 */
static void read_offered_keys(struct reader *extension, struct client_hello *hello)
{
	struct reader identities = reader_list(extension, reader_u16(extension));

	hello->pre_shared_key = true;
	hello->external_keys = 0;
	for (uint32_t index = 0; identities.left && index < 32; index++) {
		struct reader identity = reader_opaque(&identities, reader_u16(&identities));
		bool whole = identity.left && identities.left >= 4;
		uint16_t age_high = reader_u16(&identities);
		uint16_t age_low = reader_u16(&identities);

		if (whole && !age_high && !age_low)
			hello->external_keys |= 1u << index;
	}
}

static void read_client_extension(uint16_t type, struct reader *extension, struct client_hello *hello)
{
	switch (type) {
	case EXTENSION_SERVER_NAME:
		read_server_name(extension, hello->server_name);
		break;
	case EXTENSION_PROTOCOLS:
		read_protocol(extension, hello->protocol);
		break;
	case EXTENSION_SESSION_TICKET:
		hello->session_ticket = extension->left > 0;
		break;
	case EXTENSION_PRE_SHARED_KEY:
		read_offered_keys(extension, hello);
		break;
	case EXTENSION_EARLY_DATA:
		hello->early_data = true;
		break;
	case EXTENSION_SUPPORTED_VERSIONS:
		read_versions_offered(extension, hello);
		break;
	case EXTENSION_POST_HANDSHAKE_AUTH:
		hello->post_handshake_auth = true;
		break;
	case EXTENSION_RENEGOTIATION_INFO:
		read_renegotiation_info(extension, hello);
		break;
	case EXTENSION_APPLICATION_SETTINGS_OLD:
	case EXTENSION_APPLICATION_SETTINGS:
	case EXTENSION_CHANNEL_ID:
		hello->channel_id |= type == EXTENSION_CHANNEL_ID;
		hello->more_messages = true;
		break;
	}
}

static void read_client_extensions(struct reader *body, struct client_hello *hello)
{
	struct reader extensions = reader_list(body, reader_u16(body));
	struct reader extension;
	uint16_t type;

	while (next_extension(&extensions, &type, &extension))
		read_client_extension(type, &extension, hello);
}

/* ClientHello, RFC 5246 section 7.4.1.2; RFC 8446 section 4.1.2 renamed the fields and kept the places. */
static void read_client_hello(struct reader *body, struct client_hello *hello)
{
	struct reader cipher_suites;

	hello->legacy_version = reader_u16(body);
	read_random(body, hello->random);
	read_session_id(body, &hello->session_id_length, hello->session_id);
	if (is_datagram_version(hello->legacy_version))
		reader_opaque(body, reader_u8(body)); /* cookie, RFC 6347 section 4.2.1 */

	cipher_suites = reader_list(body, reader_u16(body));
	hello->cipher_suites = cipher_suites.left / 2;
	reader_expect(body, cipher_suites.left >= 2 && cipher_suites.left % 2 == 0); /* CipherSuite<2..2^16-2> */

	reader_expect(body, reader_opaque(body, reader_u8(body)).left > 0); /* CompressionMethod<1..2^8-1> */
	if (body->left) /* further bytes are extensions, RFC 5246 section 7.4.1.2 */
		read_client_extensions(body, hello);
	reader_end(body);
}

int message_parse_client_hello(const uint8_t *body, size_t length, struct client_hello *hello)
{
	int error = 0;
	struct reader reader = {.next = body, .left = length, .error = &error};

	*hello = (struct client_hello){0};
	read_client_hello(&reader, hello);
	if (!hello->highest_version)
		hello->highest_version = version_without_extension(hello->legacy_version, error);
	return error;
}

void message_set_ssl2_client_hello(uint16_t version, struct client_hello *hello)
{
	*hello = (struct client_hello){.legacy_version = version, .highest_version = version};
}

bool message_uses_external_key(const struct client_hello *offer, const struct server_hello *hello)
{
	return hello->pre_shared_key && hello->selected_identity < 32 &&
	       offer->external_keys & 1u << hello->selected_identity;
}

static void read_server_extension(uint16_t type, struct reader *extension, struct server_hello *hello)
{
	switch (type) {
	case EXTENSION_PROTOCOLS:
		read_protocol(extension, hello->protocol);
		break;
	case EXTENSION_PRE_SHARED_KEY:
		hello->pre_shared_key = true;
		hello->selected_identity = reader_u16(extension);
		break;
	case EXTENSION_SUPPORTED_VERSIONS:
		hello->version = version_meant(reader_u16(extension));
		reader_end(extension);
		break;
	}
}

static void read_server_extensions(struct reader *body, struct server_hello *hello)
{
	struct reader extensions = reader_list(body, reader_u16(body));
	struct reader extension;
	uint16_t type;

	while (next_extension(&extensions, &type, &extension))
		read_server_extension(type, &extension, hello);
}

/*
 * ServerHello, RFC 5246 section 7.4.1.3, RFC 8446 section 4.1.3. The drafts of TLS 1.3 before the 22nd left out session
 * id and compression method. Returns legacy_version.
 */
static uint16_t read_server_hello(struct reader *body, struct server_hello *hello)
{
	uint16_t legacy_version = reader_u16(body);
	bool early_draft = is_early_draft(legacy_version);

	read_random(body, hello->random);
	hello->hello_retry_request = memcmp(hello->random, hello_retry_request_random, MESSAGE_RANDOM) == 0;
	if (!early_draft)
		read_session_id(body, &hello->session_id_length, hello->session_id);
	hello->cipher_suite = reader_u16(body);
	if (!early_draft)
		reader_u8(body); /* compression_method */
	if (body->left)
		read_server_extensions(body, hello);
	reader_end(body);
	return legacy_version;
}

int message_parse_server_hello(const uint8_t *body, size_t length, struct server_hello *hello)
{
	int error = 0;
	struct reader reader = {.next = body, .left = length, .error = &error};
	uint16_t legacy_version;

	*hello = (struct server_hello){0};
	legacy_version = read_server_hello(&reader, hello);
	if (!hello->version)
		hello->version = version_without_extension(legacy_version, error);
	return error;
}

/* ClientCertificateType certificate_types<1..2^8-1>, RFC 5246 section 7.4.4 */
static void read_certificate_types(struct reader *body, struct certificate_request *request)
{
	struct reader list = reader_list(body, reader_u8(body));

	reader_expect(&list, list.left > 0);
	while (list.left) {
		uint8_t type = reader_u8(&list);

		if (request->certificate_types < MESSAGE_CERTIFICATE_TYPES_MAX)
			request->certificate_type[request->certificate_types] = type;
		request->certificate_types++;
	}
}

/* SignatureAndHashAlgorithm<2..2^16-2>, RFC 5246 section 7.4.1.4.1; SignatureScheme, RFC 8446 section 4.2.3 */
static void read_signature_algorithms(struct reader *body, struct certificate_request *request)
{
	struct reader list = reader_list(body, reader_u16(body));

	while (list.left >= 2) {
		uint16_t algorithm = reader_u16(&list);

		if (request->signature_algorithms < MESSAGE_SIGNATURE_ALGORITHMS_MAX)
			request->signature_algorithm[request->signature_algorithms] = algorithm;
		request->signature_algorithms++;
	}
	reader_end(&list);
	reader_expect(&list, request->signature_algorithms > 0);
}

/* DistinguishedName certificate_authorities<0..2^16-1>, each an opaque<1..2^16-1>, RFC 5246 section 7.4.4 */
static void read_authorities(struct reader *body, struct certificate_request *request)
{
	struct reader list = reader_list(body, reader_u16(body));

	while (list.left) {
		struct reader name = reader_opaque(&list, reader_u16(&list));

		if (!name.next)
			break;
		reader_expect(&name, name.left > 0);
		/* an unreadable name counts as requested, and stays empty */
		if (request->authorities < MESSAGE_AUTHORITIES_MAX)
			x509_read_name(name.next, name.left, request->authority[request->authorities]);
		request->authorities++;
	}
}

/* RFC 8446 section 4.3.2 */
static void read_request_extensions(struct reader *body, struct certificate_request *request)
{
	struct reader extensions = reader_list(body, reader_u16(body));
	struct reader extension;
	uint16_t type;

	while (next_extension(&extensions, &type, &extension)) {
		if (type == EXTENSION_SIGNATURE_ALGORITHMS)
			read_signature_algorithms(&extension, request);
		else if (type == EXTENSION_CERTIFICATE_AUTHORITIES)
			read_authorities(&extension, request);
		else
			continue;
		reader_end(&extension);
	}
}

static void read_certificate_request(struct reader *body, uint16_t version, struct certificate_request *request)
{
	switch (version) {
	case VERSION_TLS_1_3:
	case VERSION_DTLS_1_3:
		reader_opaque(body, reader_u8(body)); /* certificate_request_context */
		read_request_extensions(body, request);
		break;
	case VERSION_TLS_1_2:
	case VERSION_DTLS_1_2:
		read_certificate_types(body, request);
		read_signature_algorithms(body, request);
		read_authorities(body, request);
		break;
	case VERSION_SSL_3_0:
	case VERSION_TLS_1_0:
	case VERSION_TLS_1_1:
	case VERSION_DTLS_BEFORE_1_0:
	case VERSION_DTLS_1_0:
		read_certificate_types(body, request);
		read_authorities(body, request);
		break;
	default: /* no known layout */
		reader_expect(body, false);
		return;
	}
	reader_end(body);
}

int message_parse_certificate_request(const uint8_t *body, size_t length, uint16_t version,
                                      struct certificate_request *request)
{
	int error = 0;
	struct reader reader = {.next = body, .left = length, .error = &error};

	memset(request, 0, sizeof(*request));
	read_certificate_request(&reader, version, request);
	return error;
}

/* Take the certificate at index in a chain: the leaf in full, of the others the fingerprints. */
static void read_chain_entry(const struct reader *entry, size_t index, struct certificate *certificate)
{
	if (index == 0)
		x509_read_certificate(entry->next, entry->left, certificate);
	if (index < MESSAGE_CHAIN_MAX && certificate->chain_sha256s == index &&
	    x509_sha256(entry->next, entry->left, certificate->chain_sha256[index]))
		certificate->chain_sha256s = index + 1;
}

/* Certificate, RFC 5246 section 7.4.2 (and 7.4.6 for the client's), RFC 8446 section 4.4.2 */
static void read_certificate(struct reader *body, bool version_1_3, struct certificate *certificate)
{
	struct reader list, last = {0};
	uint32_t list_length;

	if (version_1_3)
		reader_opaque(body, reader_u8(body)); /* certificate_request_context */
	list_length = reader_u24(body);
	list = reader_list(body, list_length);
	for (size_t index = 0; list.left; index++) {
		struct reader entry = reader_opaque(&list, reader_u24(&list));

		reader_expect(&entry, entry.left > 0); /* ASN.1Cert<1..2^24-1> */
		if (entry.left)
			read_chain_entry(&entry, index, certificate);
		if (version_1_3)
			reader_opaque(&list, reader_u16(&list)); /* Extension extensions<0..2^16-1> */
		certificate->certificates = index < UINT16_MAX ? index + 1 : UINT16_MAX;
		last = entry;
	}
	/* a non-empty list has a certificate, even if the message is cut before the certificate */
	if (list_length && !certificate->certificates)
		certificate->certificates = 1;
	reader_end(body);
	if (last.left && !*body->error)
		x509_read_names(last.next, last.left, certificate->chain_end_subject, certificate->chain_end_issuer);
}

int message_parse_certificate(const uint8_t *body, size_t length, uint16_t version, struct certificate *certificate)
{
	int error = 0;
	struct reader reader = {.next = body, .left = length, .error = &error};
	bool version_1_3 = version == VERSION_TLS_1_3 || version == VERSION_DTLS_1_3;

	*certificate = (struct certificate){0};
	read_certificate(&reader, version_1_3, certificate);
	return error;
}
