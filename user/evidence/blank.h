/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * blank - overwrite with zeros what is not handshake: cleartext before TLS, the content of encrypted records, what follows
 * TLS. Record headers, handshake messages and alerts in cleartext stay: framing and lengths are those of the wire. Pure.
 */
#ifndef EVIDENCE_BLANK_H
#define EVIDENCE_BLANK_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared/tls_walk.h"

/* The next bytes of a direction that walk has followed so far. */
void blank_stream(struct tls_walk *walk, uint8_t *bytes, size_t length);

/* count bytes of the direction are missing. What follows is handshake only if they lie within one message or record. */
void blank_hole(struct tls_walk *walk, uint32_t count);

/* A whole DTLS datagram. */
void blank_datagram(uint8_t *bytes, size_t length);

#endif /* EVIDENCE_BLANK_H */
