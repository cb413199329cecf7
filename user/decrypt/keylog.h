/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * keylog - the secrets of TLS 1.3 connections by their ClientHello random, out of text in the format of NSS's key log
 * (SSLKEYLOGFILE, draft-ietf-tls-keylogfile): a label, the random, the secret, in hexadecimal. Other labels are ignored.
 */
#ifndef DECRYPT_KEYLOG_H
#define DECRYPT_KEYLOG_H

#include <stddef.h>
#include <stdint.h>

#include "tls/message.h"

enum keylog_bounds {
	KEYLOG_CONNECTIONS_MAX = 262144,
	KEYLOG_SECRET_MAX = 48, /* SHA-384 */
};

enum keylog_label {
	KEYLOG_CLIENT_HANDSHAKE,
	KEYLOG_SERVER_HANDSHAKE,
	KEYLOG_CLIENT_TRAFFIC,
	KEYLOG_SERVER_TRAFFIC,
	KEYLOG_LABELS,
};

struct keylog_secret {
	uint8_t length; /* 0: not known */
	uint8_t bytes[KEYLOG_SECRET_MAX];
};

struct keylog;

/* NULL: no memory. */
struct keylog *keylog_new(void);
void keylog_free(struct keylog *keylog);

/* Take lines of text. Lines that are no secrets are ignored. Returns 0, or -ENOMEM or -ENOSPC: the rest was left out. */
int keylog_add(struct keylog *keylog, const char *text, size_t length);

/* Read a file. Returns 0, or -errno after a message. */
int keylog_read(struct keylog *keylog, const char *path);

/* The secrets of a connection, KEYLOG_LABELS of them; NULL: none. */
const struct keylog_secret *keylog_find(const struct keylog *keylog, const uint8_t random[MESSAGE_RANDOM]);

#endif /* DECRYPT_KEYLOG_H */
