/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * text - the ladder of a handshake, as curl -v shows it. Text from the network is escaped (escape.h). Nothing here knows a
 * terminal. The table is in table.h.
 */
#ifndef SINK_TEXT_H
#define SINK_TEXT_H

#include "handshake/handshake.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * A heading, a line for each step, the request and the answer, the verdict, the cause and hints, an empty line. A message that
 * a TLS library saw is told with the encrypted record that carried it, where the lengths say which one that is. redact: of
 * certificates only the fingerprint, no hints, and of a failure no details.
 */
void text_ladder(FILE *out, const struct handshake *handshake, bool redact);

#endif /* SINK_TEXT_H */
