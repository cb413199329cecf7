/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * attributor - who makes the handshakes of this host. The kernel names the process that writes to a socket (struct writer); a
 * child process looks up the unit, the container and the rest. Questions go out when the kernel's event arrives, so the
 * answer is usually there before the record is complete. Without a writer, the number that a TLS library's probe saw names the
 * process, or of a client the opener of the socket; the process must be older than the handshake.
 */
#ifndef ATTRIBUTION_ATTRIBUTOR_H
#define ATTRIBUTION_ATTRIBUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "handshake/handshake.h"

enum attributor_bounds {
	ATTRIBUTOR_KEPT = 2048,  /* answers kept */
	ATTRIBUTOR_WAIT_MS = 20, /* the longest wait for an answer */
};

struct attributor_counts {
	uint64_t asked;
	uint64_t late;    /* answers after the time: the record has the kernel's part alone */
	uint64_t unnamed; /* records of this host's sockets without a process */
};

struct attributor;

/* Start the child, before threads. Returns 0, or -errno after a message. */
int attributor_open(struct attributor **attributor, bool command_line);
void attributor_close(struct attributor *attributor);

/* The kernel has told of a writer: ask for the rest, without waiting. */
void attributor_expect(struct attributor *attributor, const struct writer *writer);

/*
 * The attribution of the local end of a handshake; NULL where nothing is known. Lives until the next call. Waits at most
 * ATTRIBUTOR_WAIT_MS, and not again within a second of an answer that was late.
 */
const struct attribution *attributor_resolve(struct attributor *attributor, const struct handshake *handshake);

const struct attributor_counts *attributor_counts(const struct attributor *attributor);

#endif /* ATTRIBUTION_ATTRIBUTOR_H */
