// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/connection_table.h"

#include <errno.h>
#include <stdlib.h>

enum {
	BUCKETS_MAX = 1 << 16,
};

int connection_table_init(struct connection_table *table, uint32_t limit)
{
	table->limit = limit;
	table->buckets = 1;
	while (table->buckets < limit && table->buckets < BUCKETS_MAX)
		table->buckets *= 2;
	for (int phase = 0; phase < PHASES; phase++)
		TAILQ_INIT(&table->queue[phase]);
	table->bucket = calloc(table->buckets, sizeof(*table->bucket));
	return table->bucket ? 0 : -ENOMEM;
}

void connection_table_release(struct connection_table *table)
{
	struct connection *connection;

	for (int phase = 0; phase < PHASES; phase++)
		while ((connection = TAILQ_FIRST(&table->queue[phase])))
			connection_table_remove(table, connection);
	free(table->bucket);
	table->bucket = NULL;
}

/* Ids may be counted up, or be addresses put together: spread them (Fibonacci hashing). */
static struct connection_bucket *bucket_of(const struct connection_table *table, uint64_t id)
{
	return &table->bucket[(id * 0x9e3779b97f4a7c15ull >> 32) & (table->buckets - 1)];
}

struct connection *connection_table_find(const struct connection_table *table, uint64_t id)
{
	struct connection *connection;

	LIST_FOREACH (connection, bucket_of(table, id), bucket)
		if (connection->open.event.connection == id)
			return connection;
	return NULL;
}

bool connection_table_is_full(const struct connection_table *table)
{
	return table->connections >= table->limit;
}

static void enqueue(struct connection_table *table, struct connection *connection)
{
	connection->queue = connection->phase;
	TAILQ_INSERT_TAIL(&table->queue[connection->queue], connection, queued);
	table->queued[connection->queue]++;
}

static void dequeue(struct connection_table *table, struct connection *connection)
{
	TAILQ_REMOVE(&table->queue[connection->queue], connection, queued);
	table->queued[connection->queue]--;
}

void connection_table_add(struct connection_table *table, struct connection *connection)
{
	LIST_INSERT_HEAD(bucket_of(table, connection->open.event.connection), connection, bucket);
	enqueue(table, connection);
	table->connections++;
}

void connection_table_remove(struct connection_table *table, struct connection *connection)
{
	LIST_REMOVE(connection, bucket);
	dequeue(table, connection);
	table->connections--;
	table->held -= connection->held;
	connection_free(connection);
}

void connection_table_touch(struct connection_table *table, struct connection *connection)
{
	dequeue(table, connection);
	enqueue(table, connection);
	table->held -= connection->held;
	connection->held = connection_held(connection);
	table->held += connection->held;
}

struct connection *connection_table_oldest(const struct connection_table *table, enum phase phase)
{
	return TAILQ_FIRST(&table->queue[phase]);
}
