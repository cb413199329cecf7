// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/json_parts.h"

#include "sink/report.h"
#include "tls/names.h"

static void add_time(struct json_writer *writer, const char *key, int64_t seconds)
{
	char time[REPORT_TIME_MAX], text[REPORT_TIME_MAX + 1];

	if (!report_time(time, seconds))
		return;
	snprintf(text, sizeof(text), "%sZ", time);
	json_add_text(writer, key, text);
}

static void add_name(struct json_writer *writer, const char *key, const char *distinguished_name)
{
	json_open_lazy_object(writer, key);
	json_add_text(writer, "distinguished_name", distinguished_name);
	json_close_object(writer);
}

static void add_alternative_names(struct json_writer *writer, const struct certificate *certificate)
{
	json_open_lazy_array(writer, "alternative_names");
	for (size_t i = 0; i < certificate->alternative_names && i < MESSAGE_ALTERNATIVE_NAMES_MAX; i++)
		json_add_any_text(writer, NULL, certificate->alternative_name[i]);
	json_close_array(writer);
}

/* Without the extension every purpose is allowed (RFC 5280 section 4.2.1.12): no list is not an empty one. */
static void add_key_purposes(struct json_writer *writer, const struct certificate *certificate)
{
	if (!certificate->has_key_purposes)
		return;
	json_open_array(writer, "extended_key_usage");
	for (size_t i = 0; i < certificate->key_purposes && i < MESSAGE_KEY_PURPOSES_MAX; i++)
		json_add_text(writer, NULL, certificate->key_purpose[i]);
	json_close_array(writer);
}

static void add_x509(struct json_writer *writer, const struct certificate *certificate)
{
	json_open_lazy_object(writer, "x509");
	add_name(writer, "subject", certificate->subject);
	add_name(writer, "issuer", certificate->issuer);
	json_add_text(writer, "serial_number", certificate->serial);
	if (certificate->not_before)
		add_time(writer, "not_before", certificate->not_before);
	add_time(writer, "not_after", certificate->not_after);
	add_alternative_names(writer, certificate);
	json_add_text(writer, "public_key_algorithm", certificate->key_algorithm);
	if (certificate->key_size)
		json_add_number(writer, "public_key_size", certificate->key_size);
	json_add_text(writer, "signature_algorithm", certificate->signature_algorithm);
	add_key_purposes(writer, certificate);
	json_close_object(writer);
}

static void add_fingerprint(struct json_writer *writer, const struct certificate *certificate)
{
	char sha256[2 * MESSAGE_SHA256 + 1];

	if (!certificate->sha256_known)
		return;
	report_sha256(sha256, certificate->sha256);
	json_open_object(writer, "hash");
	json_add_text(writer, "sha256", sha256);
	json_close_object(writer);
}

/* The members that tls.client and tls.server have in common. */
static void add_certificate(struct json_parts *parts, const struct certificate *certificate)
{
	struct json_writer *writer = &parts->writer;

	add_fingerprint(writer, certificate);
	if (certificate->leaf_parsed && !parts->options->redact)
		add_x509(writer, certificate);
	/* a message that was cut may hold more certificates than were counted */
	if (certificate->sha256_known || certificate->leaf_parsed)
		json_add_number(writer, "certificate_chain_length", certificate->certificates);
}

static void add_client(struct json_parts *parts)
{
	const struct certificate *certificate = parts->handshake->certificate;
	struct json_writer *writer = &parts->writer;

	json_open_lazy_object(writer, "client");
	json_add_text(writer, "server_name", parts->handshake->client_hello.server_name);
	if (certificate && certificate->leaf_parsed && !parts->options->redact) {
		json_add_text(writer, "subject", certificate->subject);
		json_add_text(writer, "issuer", certificate->issuer);
		add_time(writer, "not_after", certificate->not_after);
	}
	if (certificate)
		add_certificate(parts, certificate);
	json_close_object(writer);
}

static void add_server(struct json_parts *parts)
{
	if (!parts->handshake->server_certificate)
		return;
	json_open_lazy_object(&parts->writer, "server");
	add_certificate(parts, parts->handshake->server_certificate);
	json_close_object(&parts->writer);
}

/* RFC 5246 appendix A.5: 0x0000 cannot be negotiated, so a ServerHello with it was cut before the suite. */
static void add_cipher(struct json_parts *parts)
{
	const uint16_t suite = parts->handshake->server_hello.cipher_suite;
	const char *name = cipher_suite_name(suite);
	char number[sizeof("0xFFFF")];

	if (!parts->handshake->facts.server_hello || !suite)
		return;
	snprintf(number, sizeof(number), "0x%04X", suite);
	json_add_text(&parts->writer, "cipher", name ? name : number);
}

void json_add_tls(struct json_parts *parts)
{
	const struct handshake *handshake = parts->handshake;
	struct json_writer *writer = &parts->writer;

	json_open_object(writer, "tls");
	if (handshake->version) {
		json_add_text(writer, "version", version_number(handshake->version));
		json_add_text(writer, "version_protocol", version_protocol(handshake->version));
	}
	add_cipher(parts);
	json_add_known(writer, "established", handshake->verdict.established);
	json_add_known(writer, "resumed", handshake->verdict.resumed);
	json_add_text(writer, "next_protocol", handshake->server_hello.protocol);
	add_client(parts);
	add_server(parts);
	json_close_object(writer);
}
