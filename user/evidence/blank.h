/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * blank - overwrite with zeros everything but the handshake: cleartext before TLS, the content of encrypted records,
 * bytes after TLS. Record headers, handshake messages and alerts in cleartext stay: framing and lengths match the wire.
 * Pure.
 */
#ifndef EVIDENCE_BLANK_H
#define EVIDENCE_BLANK_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared/tls_walk.h"

/* Blank the next bytes of the direction followed by walk. */
void blank_stream(struct tls_walk *walk, uint8_t *bytes, size_t length);

/* count bytes of the direction are missing. Later bytes are handshake only if a message or record has the hole. */
void blank_hole(struct tls_walk *walk, uint32_t count);

/* A whole DTLS datagram. */
void blank_datagram(uint8_t *bytes, size_t length);

#endif /* EVIDENCE_BLANK_H */
