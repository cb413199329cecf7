/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* verdict - facts of a handshake -> verdict. Pure: no state, no clock, no I/O. */
#ifndef HANDSHAKE_VERDICT_H
#define HANDSHAKE_VERDICT_H

#include "handshake/handshake.h"
#include "handshake/verdict_value.h"

/* Judge a handshake that has ended. Absence of evidence is unknown, never a "no". */
struct verdict verdict_of(const struct handshake_facts *facts);

#endif /* HANDSHAKE_VERDICT_H */
