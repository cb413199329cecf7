// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/read_body.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The contents of a body, in memory of their own; NULL if unreadable. */
typedef void *(*body_parser)(const struct body *body, uint16_t version, size_t *size);

static void *parse_certificate_request(const struct body *body, uint16_t version, size_t *size)
{
	struct certificate_request *request = calloc(1, sizeof(*request));
	struct certificate_request *shrunk;
	size_t kept;

	if (!request)
		return NULL;
	if (message_parse_certificate_request(body->data, body->have, version, request)) {
		free(request);
		return NULL;
	}
	/* most servers name few authorities: no room is kept for absent names */
	kept = request->authorities < MESSAGE_AUTHORITIES_MAX ? request->authorities : MESSAGE_AUTHORITIES_MAX;
	*size = offsetof(struct certificate_request, authority[kept]);
	shrunk = realloc(request, *size);
	return shrunk ?: request;
}

static void *parse_certificate(const struct body *body, uint16_t version, size_t *size)
{
	struct certificate *certificate = calloc(1, sizeof(*certificate));

	if (!certificate)
		return NULL;
	*size = sizeof(*certificate);
	if (message_parse_certificate(body->data, body->have, version, certificate) && !certificate->sha256_known) {
		free(certificate);
		return NULL;
	}
	return certificate;
}

static void *copy_of(const void *bytes, size_t size)
{
	void *copy = malloc(size);

	return copy ? memcpy(copy, bytes, size) : NULL;
}

static void *read_body(struct parse_cache *cache, const struct body *body, uint16_t version, body_parser parse)
{
	const struct parse_key key = {
		.body = body->data,
		.length = body->have,
		.version = version,
		.type = body->type,
	};
	size_t size = 0;
	const void *known = parse_cache_find(cache, &key, &size);
	void *parsed;

	if (known)
		return copy_of(known, size);
	parsed = parse(body, version, &size);
	if (parsed)
		parse_cache_keep(cache, &key, parsed, size);
	return parsed;
}

struct certificate_request *read_body_request(struct parse_cache *cache, const struct body *body, uint16_t version)
{
	return read_body(cache, body, version, parse_certificate_request);
}

struct certificate *read_body_certificate(struct parse_cache *cache, const struct body *body, uint16_t version)
{
	return read_body(cache, body, version, parse_certificate);
}
