/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* names - the registered names of TLS numbers. Static strings; NULL for a number without a name. */
#ifndef TLS_NAMES_H
#define TLS_NAMES_H

#include <stdint.h>

/* HandshakeType: "certificate_request" (RFC 8446 section 4; RFC 5246 section 7.4 for those gone since) */
const char *handshake_type_name(uint8_t type);

/* The same as curl -v calls it: "Request CERT" for 13, "Client hello" for 1, "CERT verify" for 15, ... */
const char *handshake_type_curl_name(uint8_t type);

/* ContentType: "change_cipher_spec", "alert", "handshake", "application_data", "heartbeat" */
const char *content_type_name(uint8_t type);

/* AlertLevel: "warning", "fatal" */
const char *alert_level_name(uint8_t level);

/* AlertDescription: "unknown_ca" (RFC 8446 section 6, RFC 5246 section 7.2 and the registry; no_certificate, 41) */
const char *alert_description_name(uint8_t description);

/* CipherSuite in the registry's words: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" */
const char *cipher_suite_name(uint16_t suite);

/* ProtocolVersion as ECS has it: "1.2" for 0x0303 and for DTLS 0xfefd, "3.0" for SSL 3.0, "2.0" for SSL 2.0 */
const char *version_number(uint16_t version);

/* "tls", "ssl" or "dtls" */
const char *version_protocol(uint16_t version);

/* For people: "TLSv1.2", "SSLv3", "DTLSv1.2" */
const char *version_name(uint16_t version);

#endif /* TLS_NAMES_H */
