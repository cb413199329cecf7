/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * verdict_value - verdicts as values: decided, or undecided for a reason, and the contract's words for them. Pure.
 */
#ifndef HANDSHAKE_VERDICT_VALUE_H
#define HANDSHAKE_VERDICT_VALUE_H

#include "handshake/handshake.h"

/* The same verdict, decided; or undecided, for this reason. */
struct verdict verdict_known(struct verdict verdict, enum client_auth client_auth);
struct verdict verdict_unknown(struct verdict verdict, enum unknown_reason reason);

/* The contract's words: "not_requested", "presented", ...; "cleartext", ...; "encrypted", ... (NULL for REASON_NONE) */
const char *client_auth_name(enum client_auth client_auth);
const char *evidence_name(enum evidence evidence);
const char *unknown_reason_name(enum unknown_reason reason);

#endif /* HANDSHAKE_VERDICT_VALUE_H */
