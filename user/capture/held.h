/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * held - TCP packets that acknowledge bytes not yet shown by the capture. Such a packet was sent after those bytes, so
 * its place is after the bytes, whatever the order in the file (swapped neighbours, two taps with different clocks).
 * The packet waits for the bytes. If the bytes do not come in time, the capture lost them.
 *
 * Packets of a direction stay in their order. Bounded: packets of a direction, bytes of all.
 */
#ifndef CAPTURE_HELD_H
#define CAPTURE_HELD_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "bpf/shared/event.h"
#include "capture/packet.h"

enum held_bounds {
	HELD_PACKETS_MAX = 64, /* of a direction */
	HELD_BYTES_MAX = 16 * 1024 * 1024,
	HELD_SECONDS = 1, /* by the capture's clock; taps differ by milliseconds */
};

struct flow;

struct held_packet {
	STAILQ_ENTRY(held_packet) next;      /* of its direction */
	TAILQ_ENTRY(held_packet) by_arrival; /* of all */
	struct flow *flow;
	uint64_t number;   /* of arrival */
	uint64_t since_ns; /* the capture's clock when the packet came */
	uint64_t time_ns;  /* of the packet */
	enum event_direction direction;
	struct packet packet; /* the payload points at bytes */
	uint8_t bytes[];
};

struct held;

/* NULL: no memory. */
struct held *held_new(void);

/* Frees all packets, too. The flows must not be used any more. */
void held_free(struct held *held);

/* Copy a packet of the flow to the end of its direction. Returns false where a bound is hit or memory is short. */
bool held_add(struct held *held, struct flow *flow, enum event_direction direction, const struct packet *packet,
              uint64_t time_ns, uint64_t now_ns);

/* The first packet, of a direction and of all; NULL: no packet. */
struct held_packet *held_first(const struct flow *flow, enum event_direction direction);
struct held_packet *held_oldest(const struct held *held);

/* Take a packet out. The caller frees the packet. */
void held_take(struct held *held, struct held_packet *packet);

#endif /* CAPTURE_HELD_H */
