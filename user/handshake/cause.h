/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cause - the reason of a failed handshake, from the wire: an alert, the end, and the verdict. A TLS library's own
 * report is stronger and comes from library_statement. docs/design/causes.md lists the rules. Pure.
 */
#ifndef HANDSHAKE_CAUSE_H
#define HANDSHAKE_CAUSE_H

#include "handshake/handshake.h"

/*
 * The cause of a judged handshake. reason is FAILURE_NONE if the handshake did not fail, or the failure is uncertain.
 * by equals facts.ended_by, or is FAILURE_BY_NOBODY.
 */
struct failure cause_of(const struct handshake *handshake);

#endif /* HANDSHAKE_CAUSE_H */
