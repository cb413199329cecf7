// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/held.h"
#include "capture/flow.h"

#include <stdlib.h>
#include <string.h>

TAILQ_HEAD(arrivals, held_packet);

struct held {
	struct arrivals arrivals;
	uint64_t numbered;
	size_t bytes;
};

struct held *held_new(void)
{
	struct held *held = calloc(1, sizeof(*held));

	if (held)
		TAILQ_INIT(&held->arrivals);
	return held;
}

void held_free(struct held *held)
{
	struct held_packet *packet;

	if (!held)
		return;
	while ((packet = TAILQ_FIRST(&held->arrivals))) {
		TAILQ_REMOVE(&held->arrivals, packet, by_arrival);
		free(packet);
	}
	free(held);
}

static size_t size_of(const struct held_packet *packet)
{
	return sizeof(*packet) + packet->packet.captured;
}

bool held_add(struct held *held, struct flow *flow, enum event_direction direction, const struct packet *packet,
              uint64_t time_ns, uint64_t now_ns)
{
	struct flow_direction *half = &flow->direction[direction];
	struct held_packet *copy;

	if (half->held_packets >= HELD_PACKETS_MAX || held->bytes + sizeof(*copy) + packet->captured > HELD_BYTES_MAX)
		return false;
	copy = malloc(sizeof(*copy) + packet->captured);
	if (!copy)
		return false;
	*copy = (struct held_packet){
		.flow = flow,
		.number = ++held->numbered,
		.since_ns = now_ns,
		.time_ns = time_ns,
		.direction = direction,
		.packet = *packet,
	};
	if (packet->captured)
		memcpy(copy->bytes, packet->payload, packet->captured);
	copy->packet.payload = copy->bytes;
	if (!half->held_packets)
		STAILQ_INIT(&half->held);
	STAILQ_INSERT_TAIL(&half->held, copy, next);
	TAILQ_INSERT_TAIL(&held->arrivals, copy, by_arrival);
	half->held_packets++;
	held->bytes += size_of(copy);
	return true;
}

struct held_packet *held_first(const struct flow *flow, enum event_direction direction)
{
	const struct flow_direction *half = &flow->direction[direction];

	return half->held_packets ? STAILQ_FIRST(&half->held) : NULL;
}

struct held_packet *held_oldest(const struct held *held)
{
	return TAILQ_FIRST(&held->arrivals);
}

void held_take(struct held *held, struct held_packet *packet)
{
	struct flow_direction *half = &packet->flow->direction[packet->direction];

	STAILQ_REMOVE(&half->held, packet, held_packet, next);
	TAILQ_REMOVE(&held->arrivals, packet, by_arrival);
	half->held_packets--;
	held->bytes -= size_of(packet);
}
