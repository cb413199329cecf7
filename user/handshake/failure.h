/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * failure - the reason of a failed handshake, and the trust in the shown certificates. The kinds of evidence are a TLS
 * library's own report, an alert, or the wire; docs/design/causes.md lists the alert, OpenSSL, GnuTLS and Go values for
 * each reason. Pure.
 */
#ifndef HANDSHAKE_FAILURE_H
#define HANDSHAKE_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

enum failure_reason {
	FAILURE_NONE, /* of a handshake: it did not fail, or nobody knows why; of a verification: the chain is good */
	FAILURE_CERTIFICATE_REQUIRED,
	FAILURE_CERTIFICATE_EXPIRED,
	FAILURE_CERTIFICATE_NOT_YET_VALID,
	FAILURE_CERTIFICATE_REVOKED,
	FAILURE_SELF_SIGNED,
	FAILURE_UNKNOWN_CA,
	FAILURE_CERTIFICATE_PURPOSE, /* extended key usage */
	FAILURE_BAD_CERTIFICATE,
	FAILURE_BAD_SIGNATURE,
	FAILURE_HOSTNAME_MISMATCH,
	FAILURE_UNSUPPORTED_VERSION,
	FAILURE_NO_SHARED_CIPHER,
	FAILURE_NO_SHARED_SIGNATURE_ALGORITHM,
	FAILURE_UNRECOGNIZED_NAME,
	FAILURE_NO_APPLICATION_PROTOCOL,
	FAILURE_NOT_TLS,
	FAILURE_TIMEOUT,
	FAILURE_CLOSED,
	FAILURE_RESET,
	FAILURE_OTHER,
	FAILURE_REASONS,
};

/* How a reason is known. The order is the order of strength: the lower value wins. */
enum failure_source {
	FAILURE_FROM_LIBRARY,  /* the TLS library of a process of this host said so */
	FAILURE_FROM_ALERT,    /* an alert was read */
	FAILURE_FROM_INFERRED, /* records, FIN, RST, time */
	FAILURE_SOURCES,
};

enum failure_bounds {
	FAILURE_DETAIL_MAX = 160,
	FAILURE_BY_NOBODY = 0xff, /* struct failure: nobody knows who ended the handshake */
};

/* Why a handshake failed. */
struct failure {
	uint8_t reason; /* enum failure_reason; FAILURE_NONE: nothing is said */
	uint8_t by;     /* enum handshake_side, or FAILURE_BY_NOBODY */
	uint8_t source; /* enum failure_source */
	char detail
		[FAILURE_DETAIL_MAX]; /* the library's numbers and words, ASCII: "X509 10 certificate has expired; SSL 134 ..." */
};

/* A TLS library's judgement of its peer's certificate chain. */
struct verification {
	bool known;     /* false: nobody said anything, and the rest means nothing */
	uint8_t result; /* enum failure_reason; FAILURE_NONE: the chain is good */
	uint8_t source; /* enum failure_source */
	int32_t code;   /* the library's own: X509_V_ERR_* of OpenSSL, the status bits of GnuTLS */
};

/* "certificate_expired"; "none" for FAILURE_NONE, NULL for an invalid number. */
const char *failure_reason_name(uint8_t reason);

/* "ok" for FAILURE_NONE, otherwise the reason's name; NULL for an invalid number. */
const char *verification_result_name(uint8_t result);

/* "library", "alert", "inferred"; NULL for a number that is no source. */
const char *failure_source_name(uint8_t source);

/* FAILURE_REASONS where the text is no reason's name. */
enum failure_reason failure_reason_of_name(const char *name);

#endif /* HANDSHAKE_FAILURE_H */
