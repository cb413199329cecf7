/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * writer - the process that writes the store: records in over a socket, reports out. The process ends with the socket.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "store/ledger.h"

#include <stdint.h>

struct writer_options {
	const char *path;
	struct store_limits limits;
};

/* The writer's report, about once a second, and once when ready. Both ends are the same program. */
struct writer_report {
	int32_t error; /* 0, or -errno: the store could not be opened, and the writer ends */
	uint32_t failing;
	uint64_t file_bytes;
	uint64_t counters[STORE_COUNTERS];
};

/* A child_work (system/child.h); context is a struct writer_options. */
int writer_work(int socket, void *context);

#endif /* STORE_WRITER_H */
