/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* verdict - facts of a handshake -> verdict. Pure: no state, no clock, no I/O. */
#ifndef HANDSHAKE_VERDICT_H
#define HANDSHAKE_VERDICT_H

#include "handshake/handshake.h"

/* Judge a handshake that has ended. Absence of evidence is unknown, never a "no". */
struct verdict verdict_of(const struct handshake_facts *facts);

/* The same verdict, decided; or undecided, for this reason. */
struct verdict verdict_known(struct verdict verdict, enum client_auth client_auth);
struct verdict verdict_unknown(struct verdict verdict, enum unknown_reason reason);

/* The contract's words: "not_requested", "presented", ...; "cleartext", ...; "encrypted", ... (NULL for REASON_NONE) */
const char *client_auth_name(enum client_auth client_auth);
const char *evidence_name(enum evidence evidence);
const char *unknown_reason_name(enum unknown_reason reason);

#endif /* HANDSHAKE_VERDICT_H */
