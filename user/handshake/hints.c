// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/hints.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "handshake/handshake.h"
#include "tls/protocol.h"

enum {
	MINUTE = 60,
	HOUR = 60 * MINUTE,
	DAY = 24 * HOUR,
	AUTHORITIES_SHOWN = 2,
};

static const int64_t NANOSECONDS = 1000 * 1000 * 1000;

__attribute__((format(printf, 2, 3))) static void add(struct hints *hints, const char *format, ...)
{
	char *text = hints->text[hints->count];
	va_list arguments;
	int length;

	if (hints->count == HINTS_MAX)
		return;
	va_start(arguments, format);
	length = vsnprintf(text, HINT_TEXT_MAX, format, arguments);
	va_end(arguments);
	if (length >= HINT_TEXT_MAX)
		memcpy(text + HINT_TEXT_MAX - 4, "...", 4);
	hints->count++;
}

/* "12 days", "1 hour" */
static void write_duration(char *text, size_t size, int64_t seconds)
{
	const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{DAY, "day"}, {HOUR, "hour"}, {MINUTE, "minute"}, {1, "second"}};
	size_t unit = 0;
	int64_t count;

	while (unit < 3 && seconds < units[unit].seconds)
		unit++;
	count = seconds / units[unit].seconds;
	snprintf(text, size, "%lld %s%s", (long long)count, units[unit].name, count == 1 ? "" : "s");
}

static void hint_validity(struct hints *hints, const struct certificate *certificate, const char *whose, int64_t now)
{
	char duration[32];

	if (certificate->not_after < now) {
		write_duration(duration, sizeof(duration), now - certificate->not_after);
		add(hints, "%s certificate expired %s ago", whose, duration);
	} else if (certificate->not_before > now) {
		write_duration(duration, sizeof(duration), certificate->not_before - now);
		add(hints, "%s certificate is not valid before %s from now", whose, duration);
	}
}

/* RFC 5280 section 4.2.1.12: without the extension a key is for any purpose. */
static void hint_purpose(struct hints *hints, const struct certificate *certificate, const char *whose,
                         const char *wanted)
{
	if (!certificate->has_key_purposes || certificate->key_purposes > MESSAGE_KEY_PURPOSES_MAX)
		return;
	for (uint16_t index = 0; index < certificate->key_purposes; index++)
		if (!strcmp(certificate->key_purpose[index], wanted) ||
		    !strcmp(certificate->key_purpose[index], "anyExtendedKeyUsage"))
			return;
	add(hints, "%s certificate has no %s in its extended key usage", whose, wanted);
}

/* Whether all names of the request are known. */
static bool authorities_are_known(const struct certificate_request *request)
{
	if (!request->authorities || request->authorities > MESSAGE_AUTHORITIES_MAX)
		return false;
	for (uint16_t index = 0; index < request->authorities; index++)
		if (!*request->authority[index])
			return false;
	return true;
}

static bool is_asked_for(const struct certificate_request *request, const char *name)
{
	for (uint16_t index = 0; index < request->authorities; index++)
		if (!strcmp(request->authority[index], name))
			return true;
	return false;
}

/*
 * RFC 5246 section 7.4.4: a certificate of the chain, or its issuer, is a CA that was asked for. Of three certificates all
 * names are known: the leaf's issuer is the second, the last one's issuer is the end.
 */
static void hint_issuer(struct hints *hints, const struct certificate *certificate,
                        const struct certificate_request *request)
{
	if (!*certificate->issuer || certificate->certificates > 3 || !authorities_are_known(request))
		return;
	if (is_asked_for(request, certificate->issuer) || is_asked_for(request, certificate->subject) ||
	    is_asked_for(request, certificate->chain_end_subject) ||
	    is_asked_for(request, certificate->chain_end_issuer))
		return;
	if (certificate->certificates == 1)
		add(hints,
		    "client sent one certificate, and its issuer %s is no CA that the server asks for: an "
		    "intermediate may be missing",
		    certificate->issuer);
	else
		add(hints,
		    "client certificate's issuer %s is no CA that the server asks for, nor is another of its chain",
		    certificate->issuer);
}

/* The key type of a SignatureScheme (RFC 8446 section 4.2.3) or of a pair of hash and signature (RFC 5246 section 7.4.1.4.1). */
static const char *key_of_signature(uint16_t algorithm)
{
	switch (algorithm) {
	case 0x0804:
	case 0x0805:
	case 0x0806:
	case 0x0809:
	case 0x080a:
	case 0x080b:
		return "RSA";
	case 0x0807:
		return "Ed25519";
	case 0x0808:
		return "Ed448";
	}
	if (algorithm >> 8 < 1 || algorithm >> 8 > 6)
		return NULL;
	switch (algorithm & 0xff) {
	case 1:
		return "RSA";
	case 2:
		return "DSA";
	case 3:
		return "EC";
	default:
		return NULL;
	}
}

/* Whether the key is of a type that the signature algorithms cover. An algorithm of no known key may cover any. */
static void hint_key(struct hints *hints, const struct certificate *certificate,
                     const struct certificate_request *request)
{
	static const char *const known[] = {"RSA", "EC", "Ed25519", "Ed448", "DSA"};
	bool is_known = false;

	for (size_t index = 0; index < sizeof(known) / sizeof(*known); index++)
		is_known |= !strcmp(certificate->key_algorithm, known[index]);
	if (!is_known || !request->signature_algorithms ||
	    request->signature_algorithms > MESSAGE_SIGNATURE_ALGORITHMS_MAX)
		return;
	for (uint16_t index = 0; index < request->signature_algorithms; index++) {
		const char *key = key_of_signature(request->signature_algorithm[index]);

		if (!key || !strcmp(key, certificate->key_algorithm))
			return;
	}
	add(hints, "client certificate has a key of type %s, and the server accepts no signature by such a key",
	    certificate->key_algorithm);
}

/* The client had nothing to show for what it was asked. */
static void hint_empty_answer(struct hints *hints, const struct certificate_request *request)
{
	int more = request->authorities - AUTHORITIES_SHOWN;
	char rest[32] = "";

	if (!authorities_are_known(request))
		return;
	if (more > 0)
		snprintf(rest, sizeof(rest), " and %d more", more);
	add(hints, "client sent no certificate; the server asks for one by %s%s%s%s", request->authority[0],
	    request->authorities > 1 ? ", " : "", request->authorities > 1 ? request->authority[1] : "", rest);
}

/* RFC 6125 section 6.4: letters in any case; a wildcard stands for the leftmost label. */
static bool name_matches(const char *pattern, const char *name)
{
	if (pattern[0] == '*' && pattern[1] == '.') {
		name = strchr(name, '.');
		pattern++;
	}
	return name && !strcasecmp(pattern, name);
}

static void hint_server_name(struct hints *hints, const struct certificate *certificate, const char *server_name)
{
	if (!*server_name || !certificate->alternative_names ||
	    certificate->alternative_names > MESSAGE_ALTERNATIVE_NAMES_MAX)
		return;
	for (uint16_t index = 0; index < certificate->alternative_names; index++)
		if (name_matches(certificate->alternative_name[index], server_name))
			return;
	add(hints, "server certificate is not for %s: its first name is %s", server_name,
	    certificate->alternative_name[0]);
}

static void hint_version(struct hints *hints, const struct client_hello *hello)
{
	uint16_t version = hello->highest_version;

	if (version >= VERSION_SSL_3_0 && version <= VERSION_TLS_1_1)
		add(hints, "client offers %s at most",
		    version == VERSION_SSL_3_0   ? "SSL 3.0"
		    : version == VERSION_TLS_1_1 ? "TLS 1.1"
		                                 : "TLS 1.0");
	if (version == VERSION_DTLS_1_0)
		add(hints, "client offers DTLS 1.0 at most");
}

static void hint_client_certificate(struct hints *hints, const struct handshake *handshake, int64_t now)
{
	const struct certificate *certificate = handshake->certificate;

	if (!certificate || !certificate->leaf_parsed)
		return;
	hint_validity(hints, certificate, "client", now);
	hint_purpose(hints, certificate, "client", "clientAuth");
	if (!handshake->request)
		return;
	hint_issuer(hints, certificate, handshake->request);
	hint_key(hints, certificate, handshake->request);
}

static void hint_server_certificate(struct hints *hints, const struct handshake *handshake, int64_t now)
{
	const struct certificate *certificate = handshake->server_certificate;

	if (!certificate || !certificate->leaf_parsed)
		return;
	hint_validity(hints, certificate, "server", now);
	hint_purpose(hints, certificate, "server", "serverAuth");
	hint_server_name(hints, certificate, handshake->client_hello.server_name);
}

void hints_of(const struct handshake *handshake, struct hints *hints)
{
	int64_t now = handshake->start_realtime_ns / NANOSECONDS;

	hints->count = 0;
	hint_client_certificate(hints, handshake, now);
	if (handshake->verdict.answer == ANSWER_EMPTY && handshake->request)
		hint_empty_answer(hints, handshake->request);
	hint_server_certificate(hints, handshake, now);
	if (handshake->facts.client_hello)
		hint_version(hints, &handshake->client_hello);
}
