/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* verdict_library - a TLS library's view and the wire's view -> the verdict of both. Pure. */
#ifndef HANDSHAKE_VERDICT_LIBRARY_H
#define HANDSHAKE_VERDICT_LIBRARY_H

#include "handshake/handshake.h"

/* wire is the verdict of what the wire shows alone. facts->library.seen is set. */
struct verdict verdict_with_library(const struct handshake_facts *facts, struct verdict wire);

/* The verdict of a handshake that no packet shows: facts->library.renegotiation or .post_handshake is set. */
struct verdict verdict_of_later(const struct handshake_facts *facts);

#endif /* HANDSHAKE_VERDICT_LIBRARY_H */
