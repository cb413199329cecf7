/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * read_body - the contents of CertificateRequest and Certificate, in memory that the caller frees: read, or known from
 * the cache. NULL if unreadable, or without memory.
 */
#ifndef TLS_READ_BODY_H
#define TLS_READ_BODY_H

#include "tls/body.h"
#include "tls/message.h"
#include "tls/parse_cache.h"

/* version is the negotiated ProtocolVersion. The request ends behind the authorities kept. */
struct certificate_request *read_body_request(struct parse_cache *cache, const struct body *body, uint16_t version);

/* A part of a body may hold the first certificate in whole: then that is known. */
struct certificate *read_body_certificate(struct parse_cache *cache, const struct body *body, uint16_t version);

#endif /* TLS_READ_BODY_H */
