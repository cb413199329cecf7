/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * store - the sink that remembers: services, clients, certificates and the results of their handshakes, in an SQLite
 * file. A separate process writes the file, without privileges and network, and takes records in batches over a socket.
 * The event loop never waits for the process: a record for a full queue is counted and dropped.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "sink/sink.h"
#include "store/ledger.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_PATH_DEFAULT "/var/lib/mtlsnoop/store.db"

struct store_options {
	const char *path; /* NULL: no store is wanted */
	struct store_limits limits;
	bool redact;
	bool waits; /* the records come from a file: where the queue is full the reader waits, and nothing is dropped */
};

/* How the store fares. */
struct store_status {
	uint64_t dropped;                  /* records that found the queue full, or no writer */
	uint64_t queued;                   /* records that wait to be handed over, at most */
	uint64_t counters[STORE_COUNTERS]; /* of the writer, about a second old */
	uint64_t file_bytes;               /* of pages in use */
	bool failing;                      /* the file cannot be written now */
	bool gone;                         /* the writer's process has ended */
};

struct store;

/*
 * Start the writer, before threads and before privileges are given up: a folder that only root may write is created for
 * the writer's user. Returns 0 and a store, or NULL if no store is wanted; or -errno after a message.
 */
int store_open(struct store **store, const struct store_options *options);

/* The store as a sink. The sink's close() ends the writer, which first writes its records. */
struct sink store_sink(struct store *store);

void store_status(const struct store *store, struct store_status *status);

#endif /* STORE_STORE_H */
