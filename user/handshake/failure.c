// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/failure.h"

#include <stddef.h>
#include <string.h>

static const char *const reason_names[FAILURE_REASONS] = {
	[FAILURE_NONE] = "none",
	[FAILURE_CERTIFICATE_REQUIRED] = "certificate_required",
	[FAILURE_CERTIFICATE_EXPIRED] = "certificate_expired",
	[FAILURE_CERTIFICATE_NOT_YET_VALID] = "certificate_not_yet_valid",
	[FAILURE_CERTIFICATE_REVOKED] = "certificate_revoked",
	[FAILURE_SELF_SIGNED] = "self_signed",
	[FAILURE_UNKNOWN_CA] = "unknown_ca",
	[FAILURE_CERTIFICATE_PURPOSE] = "certificate_purpose",
	[FAILURE_BAD_CERTIFICATE] = "bad_certificate",
	[FAILURE_BAD_SIGNATURE] = "bad_signature",
	[FAILURE_HOSTNAME_MISMATCH] = "hostname_mismatch",
	[FAILURE_UNSUPPORTED_VERSION] = "unsupported_version",
	[FAILURE_NO_SHARED_CIPHER] = "no_shared_cipher",
	[FAILURE_NO_SHARED_SIGNATURE_ALGORITHM] = "no_shared_signature_algorithm",
	[FAILURE_UNRECOGNIZED_NAME] = "unrecognized_name",
	[FAILURE_NO_APPLICATION_PROTOCOL] = "no_application_protocol",
	[FAILURE_NOT_TLS] = "not_tls",
	[FAILURE_TIMEOUT] = "timeout",
	[FAILURE_CLOSED] = "closed",
	[FAILURE_RESET] = "reset",
	[FAILURE_OTHER] = "other",
};

static const char *const source_names[FAILURE_SOURCES] = {
	[FAILURE_FROM_LIBRARY] = "library",
	[FAILURE_FROM_ALERT] = "alert",
	[FAILURE_FROM_INFERRED] = "inferred",
};

const char *failure_reason_name(uint8_t reason)
{
	return reason < FAILURE_REASONS ? reason_names[reason] : NULL;
}

const char *verification_result_name(uint8_t result)
{
	return result == FAILURE_NONE ? "ok" : failure_reason_name(result);
}

const char *failure_source_name(uint8_t source)
{
	return source < FAILURE_SOURCES ? source_names[source] : NULL;
}

enum failure_reason failure_reason_of_name(const char *name)
{
	for (int reason = 0; reason < FAILURE_REASONS; reason++)
		if (!strcmp(name, reason_names[reason]))
			return reason;
	return FAILURE_REASONS;
}
