// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/names.h"

#include <stddef.h>

enum {
	OCTET_VALUES = 256,
};

/* The TLS HandshakeType registry; later reserved values keep the name of their RFC. */
static const char *const handshake_types[OCTET_VALUES] = {
	[0] = "hello_request",
	[1] = "client_hello",
	[2] = "server_hello",
	[3] = "hello_verify_request", /* RFC 6347 section 4.3.2 */
	[4] = "new_session_ticket",
	[5] = "end_of_early_data",
	[6] = "hello_retry_request", /* drafts of TLS 1.3 up to 21 */
	[8] = "encrypted_extensions",
	[9] = "request_connection_id", /* RFC 9147 section 9 */
	[10] = "new_connection_id",
	[11] = "certificate",
	[12] = "server_key_exchange",
	[13] = "certificate_request",
	[14] = "server_hello_done",
	[15] = "certificate_verify",
	[16] = "client_key_exchange",
	[17] = "client_certificate_request", /* RFC 9261 section 5.2.1 */
	[20] = "finished",
	[21] = "certificate_url",
	[22] = "certificate_status",
	[23] = "supplemental_data",
	[24] = "key_update",
	[25] = "compressed_certificate", /* RFC 8879 section 4 */
	[26] = "ekt_key",                /* RFC 8870 section 5.2.2 */
	[254] = "message_hash",
};

/*
 * The strings of libcurl 7.88 with OpenSSL under -v. libcurl calls ServerHelloDone "Server finished". 67 is
 * NextProtocol of draft-agl-tls-nextprotoneg-04.
 */
static const char *const curl_names[OCTET_VALUES] = {
	[0] = "Hello request",     [1] = "Client hello",         [2] = "Server hello",
	[4] = "Newsession Ticket", [5] = "End of early data",    [8] = "Encrypted Extensions",
	[11] = "Certificate",      [12] = "Server key exchange", [13] = "Request CERT",
	[14] = "Server finished",  [15] = "CERT verify",         [16] = "Client key exchange",
	[20] = "Finished",         [22] = "Certificate Status",  [23] = "Supplemental data",
	[24] = "Key update",       [67] = "Next protocol",
};

static const char *const content_types[OCTET_VALUES] = {
	[20] = "change_cipher_spec", [21] = "alert",     [22] = "handshake", [23] = "application_data",
	[24] = "heartbeat",          [25] = "tls12_cid", [26] = "ACK",
};

static const char *const alert_levels[OCTET_VALUES] = {
	[1] = "warning",
	[2] = "fatal",
};

/* The TLS Alerts registry; later reserved values keep the name of RFC 2246, RFC 4346 or SSL 3.0. */
static const char *const alert_descriptions[OCTET_VALUES] = {
	[0] = "close_notify",
	[10] = "unexpected_message",
	[20] = "bad_record_mac",
	[21] = "decryption_failed",
	[22] = "record_overflow",
	[30] = "decompression_failure",
	[40] = "handshake_failure",
	[41] = "no_certificate", /* SSL 3.0: what a client without a certificate answers, RFC 6101 section 5.4.2 */
	[42] = "bad_certificate",
	[43] = "unsupported_certificate",
	[44] = "certificate_revoked",
	[45] = "certificate_expired",
	[46] = "certificate_unknown",
	[47] = "illegal_parameter",
	[48] = "unknown_ca",
	[49] = "access_denied",
	[50] = "decode_error",
	[51] = "decrypt_error",
	[52] = "too_many_cids_requested",
	[60] = "export_restriction",
	[70] = "protocol_version",
	[71] = "insufficient_security",
	[80] = "internal_error",
	[86] = "inappropriate_fallback",
	[90] = "user_canceled",
	[100] = "no_renegotiation",
	[109] = "missing_extension",
	[110] = "unsupported_extension",
	[111] = "certificate_unobtainable",
	[112] = "unrecognized_name",
	[113] = "bad_certificate_status_response",
	[114] = "bad_certificate_hash_value",
	[115] = "unknown_psk_identity",
	[116] = "certificate_required",
	[117] = "general_error",
	[120] = "no_application_protocol",
	[121] = "ech_required",
};

struct version {
	uint16_t version;
	const char *protocol;
	const char *number;
	const char *name;
};

/* DTLS counts down, to differ from TLS (RFC 6347 section 4.1); there is no DTLS 1.1. 0x0100 is OpenSSL's before RFC 4347. */
static const struct version versions[] = {
	{0x0002, "ssl", "2.0", "SSLv2"},     {0x0300, "ssl", "3.0", "SSLv3"},     {0x0301, "tls", "1.0", "TLSv1.0"},
	{0x0302, "tls", "1.1", "TLSv1.1"},   {0x0303, "tls", "1.2", "TLSv1.2"},   {0x0304, "tls", "1.3", "TLSv1.3"},
	{0x0100, "dtls", "0.9", "DTLSv0.9"}, {0xfeff, "dtls", "1.0", "DTLSv1.0"}, {0xfefd, "dtls", "1.2", "DTLSv1.2"},
	{0xfefc, "dtls", "1.3", "DTLSv1.3"}, {0x0101, "tlcp", "1.1", "TLCPv1.1"},
};

static const struct version *version_find(uint16_t version)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		if (versions[i].version == version)
			return &versions[i];
	return NULL;
}

const char *handshake_type_name(uint8_t type)
{
	return handshake_types[type];
}

const char *handshake_type_curl_name(uint8_t type)
{
	return curl_names[type];
}

const char *content_type_name(uint8_t type)
{
	return content_types[type];
}

const char *alert_level_name(uint8_t level)
{
	return alert_levels[level];
}

const char *alert_description_name(uint8_t description)
{
	return alert_descriptions[description];
}

const char *version_number(uint16_t version)
{
	const struct version *found = version_find(version);

	return found ? found->number : NULL;
}

const char *version_protocol(uint16_t version)
{
	const struct version *found = version_find(version);

	return found ? found->protocol : NULL;
}

const char *version_name(uint16_t version)
{
	const struct version *found = version_find(version);

	return found ? found->name : NULL;
}
