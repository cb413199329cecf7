/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * parse_cache - what was read lately of message bodies that come again and again: a server asks every client with the
 * same CertificateRequest, and the same clients come back with the same Certificate. Reading X.509 costs more than all
 * the rest of a handshake does.
 *
 * Exact: a body is known by all its bytes, not by a digest of them. Bounded: what was not asked for the longest makes
 * room. To look for a body costs at most a comparison with all bytes that are kept, whatever a hostile peer sends: less
 * than reading a body may cost.
 */
#ifndef TLS_PARSE_CACHE_H
#define TLS_PARSE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum parse_cache_bounds {
	PARSE_CACHE_BODIES_MAX = 64,
	PARSE_CACHE_BODY_MAX = 16 * 1024,    /* in bytes: a longer body is not kept, nor looked for */
	PARSE_CACHE_BYTES_MAX = 1024 * 1024, /* of all bodies and what was read of them */
};

/* What the result of a parser depends on. */
struct parse_key {
	const uint8_t *body;
	size_t length;
	uint16_t version; /* negotiated ProtocolVersion */
	uint8_t type;     /* HandshakeType */
};

struct parse_cache;

/* NULL where there is no memory. */
struct parse_cache *parse_cache_new(void);
void parse_cache_free(struct parse_cache *cache);

/*
 * Returns what was read of a body, size bytes, or NULL where that is not known. It is the cache's, and there until the
 * next parse_cache_keep().
 */
const void *parse_cache_find(struct parse_cache *cache, const struct parse_key *key, size_t *size);

/* Keep a copy of what was read of a body that was not found. Where there is no room for it, it is not kept. */
void parse_cache_keep(struct parse_cache *cache, const struct parse_key *key, const void *parsed, size_t size);

#endif /* TLS_PARSE_CACHE_H */
