// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/library_reason.h"

#include <stddef.h>

struct row {
	uint32_t number;
	struct library_reason reason;
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct library_reason find(const struct row *rows, size_t count, uint32_t number)
{
	for (size_t index = 0; index < count; index++)
		if (rows[index].number == number)
			return rows[index].reason;
	return (struct library_reason){FAILURE_OTHER, NULL};
}

struct library_reason library_reason_of_alert(uint8_t description)
{
	static const struct row rows[] = {
		{10, {FAILURE_OTHER, "unexpected_message"}},
		{20, {FAILURE_OTHER, "bad_record_mac"}},
		{40, {FAILURE_OTHER, "handshake_failure"}},
		{41, {FAILURE_CERTIFICATE_REQUIRED, "no_certificate"}},
		{42, {FAILURE_BAD_CERTIFICATE, "bad_certificate"}},
		/* OpenSSL's alert for a wrong extended key usage; its other meaning is an unknown type of key */
		{43, {FAILURE_CERTIFICATE_PURPOSE, "unsupported_certificate"}},
		{44, {FAILURE_CERTIFICATE_REVOKED, "certificate_revoked"}},
		{45, {FAILURE_CERTIFICATE_EXPIRED, "certificate_expired"}},
		{46, {FAILURE_OTHER, "certificate_unknown"}},
		{48, {FAILURE_UNKNOWN_CA, "unknown_ca"}},
		{47, {FAILURE_OTHER, "illegal_parameter"}},
		{49, {FAILURE_OTHER, "access_denied"}},
		{50, {FAILURE_OTHER, "decode_error"}},
		{51, {FAILURE_BAD_SIGNATURE, "decrypt_error"}},
		{70, {FAILURE_UNSUPPORTED_VERSION, "protocol_version"}},
		{71, {FAILURE_NO_SHARED_CIPHER, "insufficient_security"}},
		{80, {FAILURE_OTHER, "internal_error"}},
		{86, {FAILURE_UNSUPPORTED_VERSION, "inappropriate_fallback"}},
		{112, {FAILURE_UNRECOGNIZED_NAME, "unrecognized_name"}},
		{113, {FAILURE_BAD_CERTIFICATE, "bad_certificate_status_response"}},
		{116, {FAILURE_CERTIFICATE_REQUIRED, "certificate_required"}},
		{120, {FAILURE_NO_APPLICATION_PROTOCOL, "no_application_protocol"}},
	};

	return find(rows, COUNT(rows), description);
}

struct library_reason library_reason_of_x509(int32_t error)
{
	static const struct row rows[] = {
		{0, {FAILURE_NONE, "ok"}},
		{2, {FAILURE_UNKNOWN_CA, "unable to get issuer certificate"}},
		{3, {FAILURE_OTHER, "unable to get certificate CRL"}},
		{4, {FAILURE_BAD_SIGNATURE, "unable to decrypt certificate's signature"}},
		{7, {FAILURE_BAD_SIGNATURE, "certificate signature failure"}},
		{9, {FAILURE_CERTIFICATE_NOT_YET_VALID, "certificate is not yet valid"}},
		{10, {FAILURE_CERTIFICATE_EXPIRED, "certificate has expired"}},
		{11, {FAILURE_OTHER, "CRL is not yet valid"}},
		{12, {FAILURE_OTHER, "CRL has expired"}},
		{18, {FAILURE_SELF_SIGNED, "self-signed certificate"}},
		{19, {FAILURE_UNKNOWN_CA, "self-signed certificate in certificate chain"}},
		{20, {FAILURE_UNKNOWN_CA, "unable to get local issuer certificate"}},
		{21, {FAILURE_UNKNOWN_CA, "unable to verify the first certificate"}},
		{22, {FAILURE_BAD_CERTIFICATE, "certificate chain too long"}},
		{23, {FAILURE_CERTIFICATE_REVOKED, "certificate revoked"}},
		{25, {FAILURE_BAD_CERTIFICATE, "path length constraint exceeded"}},
		{26, {FAILURE_CERTIFICATE_PURPOSE, "unsuitable certificate purpose"}},
		{27, {FAILURE_UNKNOWN_CA, "certificate not trusted"}},
		{28, {FAILURE_OTHER, "certificate rejected"}},
		{34, {FAILURE_BAD_CERTIFICATE, "unhandled critical extension"}},
		{37, {FAILURE_BAD_CERTIFICATE, "invalid non-CA certificate"}},
		{47, {FAILURE_BAD_CERTIFICATE, "permitted subtree violation"}},
		{48, {FAILURE_BAD_CERTIFICATE, "excluded subtree violation"}},
		{50, {FAILURE_OTHER, "application verification failure"}},
		{62, {FAILURE_HOSTNAME_MISMATCH, "hostname mismatch"}},
		{63, {FAILURE_HOSTNAME_MISMATCH, "email address mismatch"}},
		{64, {FAILURE_HOSTNAME_MISMATCH, "IP address mismatch"}},
		{66, {FAILURE_BAD_CERTIFICATE, "EE certificate key too weak"}},
		{67, {FAILURE_BAD_CERTIFICATE, "CA certificate key too weak"}},
		{68, {FAILURE_BAD_CERTIFICATE, "CA signature digest algorithm too weak"}},
		{79, {FAILURE_BAD_CERTIFICATE, "invalid CA certificate"}},
	};

	return find(rows, COUNT(rows), error);
}

struct library_reason library_reason_of_openssl(int32_t reason)
{
	static const struct row rows[] = {
		{112, {FAILURE_NO_SHARED_SIGNATURE_ALGORITHM, "missing sigalgs extension"}},
		{118, {FAILURE_NO_SHARED_SIGNATURE_ALGORITHM, "no suitable signature algorithm"}},
		{123, {FAILURE_BAD_SIGNATURE, "bad signature"}},
		/* the verify result has the reason, where the chain was verified */
		{134, {FAILURE_OTHER, "certificate verify failed"}},
		{149, {FAILURE_OTHER, "digest check failed"}},
		{155, {FAILURE_NOT_TLS, "https proxy request"}},
		{156, {FAILURE_NOT_TLS, "http request"}},
		{166, {FAILURE_UNSUPPORTED_VERSION, "version too high"}},
		{181, {FAILURE_NO_SHARED_CIPHER, "no ciphers available"}},
		{191, {FAILURE_UNSUPPORTED_VERSION, "no protocols available"}},
		{193, {FAILURE_NO_SHARED_CIPHER, "no shared cipher"}},
		{199, {FAILURE_CERTIFICATE_REQUIRED, "peer did not return a certificate"}},
		{235, {FAILURE_NO_APPLICATION_PROTOCOL, "no application protocol"}},
		{252, {FAILURE_UNSUPPORTED_VERSION, "unknown protocol"}},
		{258, {FAILURE_UNSUPPORTED_VERSION, "unsupported protocol"}},
		{264, {FAILURE_BAD_SIGNATURE, "wrong signature length"}},
		{267, {FAILURE_NOT_TLS, "wrong version number"}},
		{294, {FAILURE_CLOSED, "unexpected eof while reading"}},
		{333, {FAILURE_NO_SHARED_SIGNATURE_ALGORITHM, "legacy sigalg disallowed or unsupported"}},
		{370, {FAILURE_NO_SHARED_SIGNATURE_ALGORITHM, "wrong signature type"}},
		{373, {FAILURE_UNSUPPORTED_VERSION, "inappropriate fallback"}},
		{376, {FAILURE_NO_SHARED_SIGNATURE_ALGORITHM, "no shared signature algorithms"}},
		{394, {FAILURE_OTHER, "dh key too small"}},
		{396, {FAILURE_UNSUPPORTED_VERSION, "version too low"}},
		{397, {FAILURE_BAD_CERTIFICATE, "ca key too small"}},
		{398, {FAILURE_BAD_CERTIFICATE, "ca md too weak"}},
		{399, {FAILURE_BAD_CERTIFICATE, "ee key too small"}},
	};

	return find(rows, COUNT(rows), reason);
}

struct library_reason library_reason_of_gnutls_status(uint32_t status)
{
	/* several bits are set at once: the most specific bit comes first */
	static const struct row rows[] = {
		{1 << 5, {FAILURE_CERTIFICATE_REVOKED, "revoked"}},
		{1 << 10, {FAILURE_CERTIFICATE_EXPIRED, "expired"}},
		{1 << 9, {FAILURE_CERTIFICATE_NOT_YET_VALID, "not yet activated"}},
		{1 << 18, {FAILURE_CERTIFICATE_PURPOSE, "purpose mismatch"}},
		{1 << 14, {FAILURE_HOSTNAME_MISMATCH, "unexpected owner"}},
		{1 << 6, {FAILURE_UNKNOWN_CA, "signer not found"}},
		{1 << 7, {FAILURE_BAD_CERTIFICATE, "signer not a CA"}},
		{1 << 11, {FAILURE_BAD_SIGNATURE, "signature failure"}},
		{1 << 8, {FAILURE_BAD_CERTIFICATE, "insecure algorithm"}},
		{1 << 16, {FAILURE_BAD_CERTIFICATE, "signer constraints failure"}},
	};

	if (!status)
		return (struct library_reason){FAILURE_NONE, "ok"};
	for (size_t index = 0; index < COUNT(rows); index++)
		if (status & rows[index].number)
			return rows[index].reason;
	return (struct library_reason){FAILURE_OTHER, NULL};
}
