/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * attributor - the process behind each handshake of this host. The kernel reports the process that writes to a socket
 * (struct writer); a child process looks up further facts. Questions are sent as soon as the kernel has reported, so
 * the answer is usually there when the record is complete. If the kernel did not report a process, the number from the
 * TLS library's probe is used, or the opener of the socket, and only if the process is older than the handshake.
 */
#ifndef ATTRIBUTION_ATTRIBUTOR_H
#define ATTRIBUTION_ATTRIBUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "handshake/handshake.h"

enum attributor_bounds {
	ATTRIBUTOR_KEPT = 2048,  /* processes whose answers are kept */
	ATTRIBUTOR_WAIT_MS = 20, /* the longest wait for an answer */
};

struct attributor_counts {
	uint64_t asked;
	uint64_t late;    /* late answers: the record has only the kernel's report */
	uint64_t unnamed; /* records of this host's sockets without any process */
};

struct attributor;

/* Start the child; before there are threads. Returns 0, or -errno after a message. */
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
