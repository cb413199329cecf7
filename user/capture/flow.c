// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/flow.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	BUCKETS_MIN = 1024,          /* a power of two */
	PLACE_AGAIN_NS = 1000000000, /* how old a flow's place may be: the order need not be exact, and this is cheap */
};

/* Flows in the order of placed_ns. */
struct flow_list {
	struct flow *oldest, *newest;
};

struct flow_table {
	struct flow **bucket;
	uint32_t buckets; /* a power of two */
	uint32_t flows;
	uint32_t flows_max;
	uint64_t seed[2]; /* unknown to the author of the capture: nobody can fill a single bucket on purpose */
	struct flow_list open;
	struct flow_list closed;
	flow_dropped dropped;
	void *context;
	uint64_t evicted;
};

_Static_assert(sizeof(struct flow_key) == 5 * sizeof(uint64_t), "the hash reads whole words");

struct flow_table *flow_table_new(uint32_t flows_max, flow_dropped dropped, void *context)
{
	struct flow_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->bucket = calloc(BUCKETS_MIN, sizeof(*table->bucket));
	if (!table->bucket || getrandom(table->seed, sizeof(table->seed), 0) != sizeof(table->seed)) {
		flow_table_free(table);
		return NULL;
	}
	table->buckets = BUCKETS_MIN;
	table->flows_max = flows_max;
	table->dropped = dropped;
	table->context = context;
	return table;
}

static void list_free(struct flow_list *list)
{
	struct flow *flow = list->oldest;
	struct flow *newer;

	for (; flow; flow = newer) {
		newer = flow->newer;
		free(flow);
	}
}

void flow_table_free(struct flow_table *table)
{
	if (!table)
		return;
	list_free(&table->open);
	list_free(&table->closed);
	free(table->bucket);
	free(table);
}

void flow_table_set_max(struct flow_table *table, uint32_t flows_max)
{
	table->flows_max = flows_max ? flows_max : 1;
}

static void list_remove(struct flow_list *list, struct flow *flow)
{
	if (flow->older)
		flow->older->newer = flow->newer;
	else
		list->oldest = flow->newer;
	if (flow->newer)
		flow->newer->older = flow->older;
	else
		list->newest = flow->older;
}

static void list_append(struct flow_list *list, struct flow *flow)
{
	flow->older = list->newest;
	flow->newer = NULL;
	if (list->newest)
		list->newest->newer = flow;
	else
		list->oldest = flow;
	list->newest = flow;
}

static struct flow_list *list_of(struct flow_table *table, const struct flow *flow)
{
	return flow->closed ? &table->closed : &table->open;
}

/* Multiply and fold, word by word. */
static uint64_t mix(uint64_t left, uint64_t right)
{
	unsigned __int128 product = (unsigned __int128)left * right;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static struct flow **bucket_of(const struct flow_table *table, const struct flow_key *key)
{
	uint64_t word[5];
	uint64_t hash = table->seed[0];
	size_t i;

	memcpy(word, key, sizeof(word));
	for (i = 0; i < 5; i++)
		hash = mix(hash ^ word[i], table->seed[1] | 1);
	return &table->bucket[(hash ^ hash >> 32) & (table->buckets - 1)];
}

/* Returns whether the packet's destination is the low endpoint. */
static bool key_of(const struct packet *packet, struct flow_key *key)
{
	int order = memcmp(packet->destination, packet->source, sizeof(packet->source));
	bool low = order < 0 || (order == 0 && packet->destination_port <= packet->source_port);

	memcpy(key->low_address, low ? packet->destination : packet->source, sizeof(key->low_address));
	memcpy(key->high_address, low ? packet->source : packet->destination, sizeof(key->high_address));
	key->low_port = low ? packet->destination_port : packet->source_port;
	key->high_port = low ? packet->source_port : packet->destination_port;
	key->family = packet->family;
	key->transport = packet->kind == PACKET_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	memset(key->reserved, 0, sizeof(key->reserved));
	return low;
}

struct flow *flow_find(struct flow_table *table, const struct packet *packet, enum event_direction *direction)
{
	struct flow_key key;
	bool to_low = key_of(packet, &key);
	struct flow *flow = *bucket_of(table, &key);

	while (flow && memcmp(&flow->key, &key, sizeof(key)) != 0)
		flow = flow->next_in_bucket;
	if (flow)
		*direction = to_low == flow->local_is_low ? EVENT_RECEIVED : EVENT_SENT;
	return flow;
}

static void flow_drop(struct flow_table *table, struct flow *flow)
{
	struct flow **place = bucket_of(table, &flow->key);

	table->dropped(flow, table->context);
	while (*place != flow)
		place = &(*place)->next_in_bucket;
	*place = flow->next_in_bucket;
	list_remove(list_of(table, flow), flow);
	table->flows--;
	free(flow);
}

static void list_expire(struct flow_table *table, struct flow_list *list, uint64_t time_ns, uint64_t seconds)
{
	uint64_t idle_ns = seconds * 1000000000;

	while (list->oldest && time_ns > list->oldest->placed_ns && time_ns - list->oldest->placed_ns > idle_ns)
		flow_drop(table, list->oldest);
}

void flow_table_expire(struct flow_table *table, uint64_t time_ns)
{
	list_expire(table, &table->open, time_ns, FLOW_IDLE_SECONDS);
	list_expire(table, &table->closed, time_ns, FLOW_CLOSED_SECONDS);
}

static void evict(struct flow_table *table)
{
	table->evicted++;
	flow_drop(table, table->closed.oldest ? table->closed.oldest : table->open.oldest);
}

/* Double the buckets; without memory the chains get longer. */
static void grow(struct flow_table *table)
{
	struct flow **old = table->bucket;
	uint32_t old_buckets = table->buckets;
	struct flow **place;
	struct flow *flow, *next;
	uint32_t i;

	table->bucket = calloc(old_buckets * 2, sizeof(*table->bucket));
	if (!table->bucket) {
		table->bucket = old;
		return;
	}
	table->buckets *= 2;
	for (i = 0; i < old_buckets; i++) {
		for (flow = old[i]; flow; flow = next) {
			next = flow->next_in_bucket;
			place = bucket_of(table, &flow->key);
			flow->next_in_bucket = *place;
			*place = flow;
		}
	}
	free(old);
}

struct flow *flow_add(struct flow_table *table, const struct packet *packet, uint64_t time_ns)
{
	struct flow *flow = calloc(1, sizeof(*flow));
	struct flow **place;

	if (!flow)
		return NULL;
	if (table->flows >= table->flows_max)
		evict(table);
	if (table->flows >= table->buckets && table->buckets <= UINT32_MAX / 4)
		grow(table);
	flow->local_is_low = key_of(packet, &flow->key);
	flow->placed_ns = time_ns;
	flow->time_ns = time_ns;
	place = bucket_of(table, &flow->key);
	flow->next_in_bucket = *place;
	*place = flow;
	list_append(&table->open, flow);
	table->flows++;
	return flow;
}

void flow_seen(struct flow_table *table, struct flow *flow, uint64_t time_ns)
{
	/* a connection's time does not run backwards, whatever the order of its packets in the file */
	if (time_ns > flow->time_ns)
		flow->time_ns = time_ns;
	if (flow->closed || time_ns < flow->placed_ns || time_ns - flow->placed_ns < PLACE_AGAIN_NS)
		return;
	flow->placed_ns = time_ns;
	list_remove(&table->open, flow);
	list_append(&table->open, flow);
}

void flow_close(struct flow_table *table, struct flow *flow)
{
	if (flow->closed)
		return;
	list_remove(&table->open, flow);
	flow->closed = true;
	flow->placed_ns = flow->time_ns;
	list_append(&table->closed, flow);
}

void flow_renew(struct flow_table *table, struct flow *flow, enum event_direction direction)
{
	table->dropped(flow, table->context);
	list_remove(list_of(table, flow), flow);
	flow->closed = false;
	flow->connection = 0;
	flow->random = 0;
	flow->doubtful = false;
	flow->placed_ns = flow->time_ns;
	if (direction == EVENT_SENT)
		flow->local_is_low = !flow->local_is_low;
	memset(flow->direction, 0, sizeof(flow->direction));
	list_append(&table->open, flow);
}

/* Modulo 2^32, RFC 9293 section 3.4 */
static bool is_before(uint32_t left, uint32_t right)
{
	return (int32_t)(left - right) < 0;
}

static void range_remove(struct flow_direction *half, unsigned int index)
{
	half->ranges--;
	memmove(&half->range[index], &half->range[index + 1], (half->ranges - index) * sizeof(*half->range));
}

/* Merge ranges that a range now reaches. */
static void absorb(struct flow_direction *half, unsigned int index)
{
	struct flow_range *range = &half->range[index];

	while (index + 1u < half->ranges && !is_before(range->end, range[1].start)) {
		if (is_before(range->end, range[1].end))
			range->end = range[1].end;
		range_remove(half, index + 1);
	}
}

static void add_range(struct flow_direction *half, uint32_t start, uint32_t end)
{
	unsigned int index = 0;

	while (index < half->ranges && is_before(half->range[index].end, start))
		index++;
	if (index == FLOW_RANGES_MAX) {
		half->range[--index].end = end;
		return;
	}
	if (index == half->ranges || is_before(end, half->range[index].start)) {
		if (half->ranges == FLOW_RANGES_MAX) {
			half->range[index].start = start;
			return;
		}
		memmove(&half->range[index + 1], &half->range[index], (half->ranges - index) * sizeof(*half->range));
		half->ranges++;
		half->range[index] = (struct flow_range){.start = start, .end = end};
		return;
	}
	if (is_before(start, half->range[index].start))
		half->range[index].start = start;
	if (is_before(half->range[index].end, end))
		half->range[index].end = end;
	absorb(half, index);
}

void flow_direction_seen(struct flow_direction *half, uint32_t start, uint32_t end)
{
	if (!is_before(half->next, end))
		return;
	if (is_before(half->next, start)) {
		add_range(half, start, end);
		return;
	}
	half->next = end;
	while (half->ranges && !is_before(half->next, half->range[0].start)) {
		if (is_before(half->next, half->range[0].end))
			half->next = half->range[0].end;
		range_remove(half, 0);
	}
}

uint32_t flow_direction_hole_end(const struct flow_direction *half, uint32_t limit)
{
	if (half->ranges && is_before(half->range[0].start, limit))
		return half->range[0].start;
	return limit;
}

uint64_t flow_table_evicted(const struct flow_table *table)
{
	return table->evicted;
}
