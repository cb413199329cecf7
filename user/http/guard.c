// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/guard.h"

#include "http/web_config.h"
#include "system/log.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PRIORITY_MAX = 512,
	HANDSHAKE_MESSAGE_MAX = 32 * 1024, /* a client's chain of certificates */
};

struct http_guard {
	atomic_uint held;
	gnutls_certificate_credentials_t credentials; /* NULL: no TLS */
	gnutls_priority_t priority;
	uint8_t client_auth; /* enum web_client_auth */
	struct basic_auth_users *users;
};

static int refuse(const char *path, const char *what, int error)
{
	log_error("%s: %s: %s", path, what, gnutls_strerror(error));
	return -EINVAL;
}

static gnutls_datum_t datum_of(const struct file_text *text)
{
	return (gnutls_datum_t){.data = (unsigned char *)text->bytes, .size = text->length};
}

/* RFC 5246 section 7.2.2, RFC 8446 section 6.2 */
static gnutls_alert_description_t alert_of(unsigned status)
{
	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		return GNUTLS_A_UNKNOWN_CA;
	if (status & GNUTLS_CERT_EXPIRED)
		return GNUTLS_A_CERTIFICATE_EXPIRED;
	return GNUTLS_A_BAD_CERTIFICATE;
}

/*
 * Verify the client's certificate: issued by a configured authority, valid now, and meant for clients. This function sends
 * the alert, because libmicrohttpd only closes.
 */
static int verify(gnutls_session_t session)
{
	gnutls_typed_vdata_st demands[] = {
		{.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT}};
	unsigned status = 0;
	int error = gnutls_certificate_verify_peers(session, demands, 1, &status);

	if (error == GNUTLS_E_NO_CERTIFICATE_FOUND)
		return 0; /* whether one has to come is the library's to see to: GNUTLS_CERT_REQUIRE */
	if (!error && !status)
		return 0;
	gnutls_alert_send(session, GNUTLS_AL_FATAL, error ? GNUTLS_A_BAD_CERTIFICATE : alert_of(status));
	return GNUTLS_E_CERTIFICATE_ERROR;
}

/* RFC 5246 section 7.4.6: an empty list of three bytes of length; RFC 8446 section 4.4.2: behind a context, of no bytes here */
static bool has_no_certificate(gnutls_session_t session, const gnutls_datum_t *message)
{
	static const uint8_t nothing[] = {0, 0, 0, 0};
	const size_t length = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3 ? 4 : 3;

	return message->size == length && !memcmp(message->data, nothing, length);
}

/*
 * Called with the client's Certificate message, before the library reads the message. If a certificate is required and the
 * message is empty, the library ends the handshake without an alert. This function sends the alert, so that the operator
 * of the client learns the reason.
 */
static int look_at_certificate(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                               const gnutls_datum_t *message)
{
	bool is_1_3 = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3;

	(void)type;
	(void)when;
	if (incoming && message && has_no_certificate(session, message))
		gnutls_alert_send(session, GNUTLS_AL_FATAL,
		                  is_1_3 ? GNUTLS_A_CERTIFICATE_REQUIRED : GNUTLS_A_HANDSHAKE_FAILURE);
	return 0;
}

static bool verifies(uint8_t client_auth)
{
	return client_auth == WEB_VERIFY_CLIENT_CERT_IF_GIVEN || client_auth == WEB_REQUIRE_AND_VERIFY_CLIENT_CERT;
}

/* The configured versions and groups. The ciphers are the library's defaults, which the administrator can restrict. */
static int make_priority(struct http_guard *guard, const char *path, const struct web_config *config)
{
	static const char *const versions[WEB_VERSIONS] = {
		[WEB_TLS_1_0] = "1.0", [WEB_TLS_1_1] = "1.1", [WEB_TLS_1_2] = "1.2", [WEB_TLS_1_3] = "1.3"};
	char text[PRIORITY_MAX] = "NORMAL:-VERS-ALL";
	size_t length = strlen(text);
	int error;

	for (int version = config->max_version; version >= config->min_version; version--)
		length += snprintf(text + length, sizeof(text) - length, ":+VERS-TLS%s", versions[version]);
	if (config->groups)
		length += snprintf(text + length, sizeof(text) - length, ":-GROUP-ALL");
	for (uint32_t index = 0; index < config->groups; index++)
		length += snprintf(text + length, sizeof(text) - length, ":+GROUP-%s", config->group[index]);
	snprintf(text + length, sizeof(text) - length, "%s", config->client_precedence ? "" : ":%SERVER_PRECEDENCE");
	error = gnutls_priority_init(&guard->priority, text, NULL);
	return error ? refuse(path, "min_version, max_version, curve_preferences", error) : 0;
}

static int make_tls(struct http_guard *guard, const char *path, const struct web_config *config,
                    const struct file_texts *texts)
{
	gnutls_datum_t certificate = datum_of(&texts->text[FILE_CERTIFICATE]), key = datum_of(&texts->text[FILE_KEY]);
	gnutls_datum_t authorities = datum_of(&texts->text[FILE_CLIENT_AUTHORITIES]);
	int error;

	guard->client_auth = config->client_auth;
	error = gnutls_certificate_allocate_credentials(&guard->credentials);
	if (error)
		return -ENOMEM;
	error = gnutls_certificate_set_x509_key_mem(guard->credentials, &certificate, &key, GNUTLS_X509_FMT_PEM);
	if (error < 0)
		return refuse(path, "cert_file and key_file", error);
	if (verifies(config->client_auth)) {
		error = gnutls_certificate_set_x509_trust_mem(guard->credentials, &authorities, GNUTLS_X509_FMT_PEM);
		if (error <= 0)
			return refuse(path, "client_ca_file", error ?: GNUTLS_E_NO_CERTIFICATE_FOUND);
		gnutls_certificate_set_verify_function(guard->credentials, verify);
	}
	return make_priority(guard, path, config);
}

int http_guard_make(struct http_guard **result, const char *path, const struct file_texts *texts)
{
	const struct file_text *text = &texts->text[FILE_WEB_CONFIG];
	struct http_guard *guard = calloc(1, sizeof(*guard));
	struct web_config *config;
	int error;

	if (!guard)
		return -ENOMEM;
	guard->held = 1;
	error = web_config_read(&config, path, text->bytes, text->length);
	if (error) {
		free(guard);
		return error;
	}
	if (config->users) {
		guard->users = basic_auth_users_new(config->user, config->users);
		error = guard->users ? 0 : -ENOMEM;
	}
	if (!error && config->tls)
		error = make_tls(guard, path, config, texts);
	web_config_free(config);
	if (error)
		http_guard_release(guard);
	else
		*result = guard;
	return error;
}

void http_guard_keep_known(struct http_guard *guard, struct http_guard *before)
{
	if (guard && guard->users && before && before->users)
		basic_auth_users_keep_known(guard->users, before->users);
}

struct http_guard *http_guard_hold(struct http_guard *guard)
{
	if (guard)
		guard->held++;
	return guard;
}

void http_guard_release(struct http_guard *guard)
{
	if (!guard || --guard->held)
		return;
	if (guard->credentials)
		gnutls_certificate_free_credentials(guard->credentials);
	if (guard->priority)
		gnutls_priority_deinit(guard->priority);
	basic_auth_users_free(guard->users);
	free(guard);
}

bool http_guard_has_tls(const struct http_guard *guard)
{
	return guard && guard->credentials;
}

int http_guard_protect(struct http_guard *guard, gnutls_session_t session)
{
	gnutls_certificate_request_t request = GNUTLS_CERT_REQUEST;

	if (guard->client_auth == WEB_NO_CLIENT_CERT)
		request = GNUTLS_CERT_IGNORE;
	else if (guard->client_auth == WEB_REQUIRE_ANY_CLIENT_CERT ||
	         guard->client_auth == WEB_REQUIRE_AND_VERIFY_CLIENT_CERT)
		request = GNUTLS_CERT_REQUIRE;
	gnutls_handshake_set_max_packet_length(session, HANDSHAKE_MESSAGE_MAX);
	if (gnutls_priority_set(session, guard->priority) ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, guard->credentials))
		return -EINVAL;
	gnutls_certificate_server_set_request(session, request);
	if (request == GNUTLS_CERT_REQUIRE)
		gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CERTIFICATE_PKT, GNUTLS_HOOK_POST,
		                                   look_at_certificate);
	return 0;
}

struct basic_auth_users *http_guard_users(const struct http_guard *guard)
{
	return guard ? guard->users : NULL;
}

bool http_guard_identifies(const struct http_guard *guard)
{
	return guard && (guard->users || guard->client_auth == WEB_REQUIRE_AND_VERIFY_CLIENT_CERT);
}
