/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_reason - the numbers of TLS libraries and alerts for causes -> the reasons of failure.h, and the libraries'
 * own words. Pure. A number outside a table means FAILURE_OTHER.
 */
#ifndef HANDSHAKE_LIBRARY_REASON_H
#define HANDSHAKE_LIBRARY_REASON_H

#include <stdint.h>

#include "handshake/failure.h"

/* A number's reason and its library's words; words is NULL for a number outside the table. */
struct library_reason {
	uint8_t reason; /* enum failure_reason */
	const char *words;
};

/* AlertDescription: RFC 8446 section 6, RFC 5246 section 7.2. */
struct library_reason library_reason_of_alert(uint8_t description);

/* X509_V_ERR_* of OpenSSL's x509_vfy.h; X509_V_OK is FAILURE_NONE. */
struct library_reason library_reason_of_x509(int32_t error);

/* SSL_R_* of OpenSSL's sslerr.h. */
struct library_reason library_reason_of_openssl(int32_t reason);

/* Bits of gnutls_certificate_status_t; 0 is FAILURE_NONE. The strongest bit counts. */
struct library_reason library_reason_of_gnutls_status(uint32_t status);

#endif /* HANDSHAKE_LIBRARY_REASON_H */
