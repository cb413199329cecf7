/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * parse_cache - recent results for message bodies that come again and again: a server asks every client with the same
 * CertificateRequest, and the same clients return with the same Certificate. Reading X.509 costs more than the rest of
 * a handshake.
 *
 * Exact: a body is compared by all its bytes, not by a digest. Bounded: the least recently used entry is dropped. A
 * lookup costs at most a comparison with all kept bytes, whatever a hostile peer sends: less than reading a body may
 * cost.
 */
#ifndef TLS_PARSE_CACHE_H
#define TLS_PARSE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum parse_cache_bounds {
	PARSE_CACHE_BODIES_MAX = 64,
	PARSE_CACHE_BODY_MAX = 16 * 1024,    /* in bytes: a longer body is not kept, nor looked for */
	PARSE_CACHE_BYTES_MAX = 1024 * 1024, /* of all bodies and their results */
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
 * Returns the result for a body, size bytes, or NULL if unknown. The cache owns the result, which is valid until the
 * next parse_cache_keep().
 */
const void *parse_cache_find(struct parse_cache *cache, const struct parse_key *key, size_t *size);

/* Keep a copy of the result for a new body. Without room nothing is kept. */
void parse_cache_keep(struct parse_cache *cache, const struct parse_key *key, const void *parsed, size_t size);

#endif /* TLS_PARSE_CACHE_H */
