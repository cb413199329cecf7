/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * decryptor - the handshakes of TLS 1.3 in a capture file, decrypted with secrets from a key log. Events pass here before the
 * tracker takes them. The messages join the handshake as those of a TLS library do, with the evidence "decrypted"; an alert
 * becomes an event. Only bytes in order are read: behind a hole a connection is not decrypted any further. Bounded.
 */
#ifndef DECRYPT_DECRYPTOR_H
#define DECRYPT_DECRYPTOR_H

#include <linux/types.h>

#include "bpf/shared/event.h"
#include "decrypt/keylog.h"
#include "tracking/tracker.h"

enum decryptor_bounds {
	DECRYPTOR_CONNECTIONS_MAX = 4096, /* the one that began first makes room */
};

struct decryptor;

/* keylog stays the caller's, and may grow. The tracker listens to libraries. NULL: no memory. */
struct decryptor *decryptor_new(const struct keylog *keylog, struct tracker *tracker);
void decryptor_free(struct decryptor *decryptor);

/* An event of a file, before the tracker takes the event. */
void decryptor_event(struct decryptor *decryptor, const struct event *event);

#endif /* DECRYPT_DECRYPTOR_H */
