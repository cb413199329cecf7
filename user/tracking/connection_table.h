/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * connection_table - the followed connections: found by id, and in queues by their phase. Only the wing tracking/
 * includes this header.
 */
#ifndef TRACKING_CONNECTION_TABLE_H
#define TRACKING_CONNECTION_TABLE_H

#include "tracking/connection.h"

LIST_HEAD(connection_bucket, connection);
TAILQ_HEAD(connection_queue, connection);

struct connection_table {
	uint32_t limit;
	uint32_t connections;
	uint64_t held;    /* bytes, of all connections */
	uint32_t buckets; /* a power of two */
	struct connection_bucket *bucket;
	/* A queue for each phase, in the order of the last events: the connection that is due first is the first. */
	struct connection_queue queue[PHASES];
	uint32_t queued[PHASES];
};

/* Returns 0, or -ENOMEM. */
int connection_table_init(struct connection_table *table, uint32_t limit);

/* Frees all connections, too. */
void connection_table_release(struct connection_table *table);

struct connection *connection_table_find(const struct connection_table *table, uint64_t id);

bool connection_table_is_full(const struct connection_table *table);

/* The connection is the table's from here on. */
void connection_table_add(struct connection_table *table, struct connection *connection);

/* Takes a connection out, and frees it. */
void connection_table_remove(struct connection_table *table, struct connection *connection);

/* The connection had an event: move to the end of its phase's queue, and weigh the held bytes. */
void connection_table_touch(struct connection_table *table, struct connection *connection);

/* The connection of this phase with the oldest last event; NULL: none. */
struct connection *connection_table_oldest(const struct connection_table *table, enum phase phase);

#endif /* TRACKING_CONNECTION_TABLE_H */
