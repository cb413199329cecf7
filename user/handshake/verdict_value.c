// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/verdict_value.h"

#include <stddef.h>

struct verdict verdict_unknown(struct verdict verdict, enum unknown_reason reason)
{
	verdict.client_auth = CLIENT_AUTH_UNKNOWN;
	verdict.reason = reason;
	return verdict;
}

struct verdict verdict_known(struct verdict verdict, enum client_auth client_auth)
{
	verdict.client_auth = client_auth;
	verdict.reason = REASON_NONE;
	return verdict;
}

static const char *const client_auth_names[CLIENT_AUTHS] = {
	[CLIENT_AUTH_NOT_REQUESTED] = "not_requested",
	[CLIENT_AUTH_PRESENTED] = "presented",
	[CLIENT_AUTH_DECLINED] = "declined",
	[CLIENT_AUTH_REJECTED_CERTIFICATE] = "rejected_certificate",
	[CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE] = "rejected_without_certificate",
	[CLIENT_AUTH_UNANSWERED] = "unanswered",
	[CLIENT_AUTH_RESUMED] = "resumed",
	[CLIENT_AUTH_FAILED_BEFORE_REQUEST] = "failed_before_request",
	[CLIENT_AUTH_UNKNOWN] = "unknown",
	[CLIENT_AUTH_PSK] = "psk",
	[CLIENT_AUTH_NOT_TLS] = "not_tls",
};

static const char *const evidence_names[EVIDENCES] = {
	[EVIDENCE_CLEARTEXT] = "cleartext",
	[EVIDENCE_INFERRED] = "inferred",
	[EVIDENCE_LIBRARY] = "library",
	[EVIDENCE_DECRYPTED] = "decrypted",
};

static const char *const reason_names[REASONS] = {
	[REASON_NONE] = NULL,
	[REASON_ENCRYPTED] = "encrypted",
	[REASON_GAP] = "gap",
	[REASON_MIDSTREAM] = "midstream",
	[REASON_LOST_EVENTS] = "lost_events",
	[REASON_PADDING] = "padding",
	[REASON_EARLY_DATA] = "early_data",
	[REASON_MALFORMED] = "malformed",
	[REASON_SSL2] = "ssl2",
	[REASON_UNFINISHED] = "unfinished",
	[REASON_ABANDONED] = "abandoned",
};

const char *client_auth_name(enum client_auth client_auth)
{
	return client_auth < CLIENT_AUTHS ? client_auth_names[client_auth] : "unknown";
}

const char *evidence_name(enum evidence evidence)
{
	return evidence < EVIDENCES ? evidence_names[evidence] : "cleartext";
}

const char *unknown_reason_name(enum unknown_reason reason)
{
	return reason < REASONS ? reason_names[reason] : NULL;
}
