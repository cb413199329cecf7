/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * flow - the connections of a capture: the connection of a packet, and the facts needed to pass on its bytes. Bounded:
 * beyond the limit the quietest connection is dropped.
 */
#ifndef CAPTURE_FLOW_H
#define CAPTURE_FLOW_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "bpf/shared/event.h"
#include "capture/packet.h"

enum flow_bounds {
	FLOW_IDLE_SECONDS = 600,  /* after which a flow is forgotten */
	FLOW_RANGES_MAX = 4,      /* of a direction with known holes before them */
	FLOW_CLOSED_SECONDS = 60, /* the same for a closed connection: late segments may still arrive */
};

struct flow_key {
	uint8_t low_address[16]; /* the endpoint that sorts first, so both directions have the same key */
	uint8_t high_address[16];
	uint16_t low_port;
	uint16_t high_port;
	uint8_t family;
	uint8_t transport;
	uint8_t reserved[2];
};

/* Sequence numbers of bytes that were seen. */
struct flow_range {
	uint32_t start;
	uint32_t end; /* behind the last byte */
};

struct flow_direction {
	uint32_t initial;      /* sequence number of the first byte, where known */
	uint32_t reached;      /* behind the farthest byte seen */
	uint32_t acknowledged; /* the highest number that the receiver has acknowledged, where known */
	uint32_t renewed;      /* initial number of a SYN inside the connection, while renewing */
	bool known;
	bool renewing;
	bool renewed_by_answer;                   /* that SYN was a SYN/ACK */
	bool handed_over;                         /* bytes were passed on */
	bool unwanted;                            /* the sink wants no more */
	bool closed;                              /* FIN or RST */
	bool seen;                                /* the file has a packet of this direction */
	uint32_t next;                            /* after the bytes without a hole; initial before the first byte */
	struct flow_range range[FLOW_RANGES_MAX]; /* behind next, in order, apart from each other */
	uint8_t ranges;
	uint8_t held_packets;
	STAILQ_HEAD(, held_packet) held; /* valid where held_packets is not 0 */
	bool acknowledges;               /* acknowledged is known */
};

struct flow {
	struct flow *next_in_bucket;
	struct flow *older, *newer;
	struct flow_key key;
	uint64_t placed_ns;  /* time of becoming the newest of its list */
	uint64_t time_ns;    /* of its latest packet */
	uint64_t connection; /* 0: not told of yet */
	uint64_t random;     /* of the DTLS ClientHello, 0 where not seen */
	bool local_is_low;   /* the local end received the first packet */
	bool closed;         /* in both directions */
	bool begun;          /* the SYN or the first bytes were seen */
	bool doubtful;       /* urgent data: the delivered bytes are unknown */
	struct flow_direction direction[EVENT_DIRECTIONS];
};

/* A flow is about to be forgotten. */
typedef void (*flow_dropped)(struct flow *flow, void *context);

struct flow_table;

/* NULL without memory or random numbers. */
struct flow_table *flow_table_new(uint32_t flows_max, flow_dropped dropped, void *context);
void flow_table_free(struct flow_table *table);
void flow_table_set_max(struct flow_table *table, uint32_t flows_max);

/* The flow of a TCP or UDP packet, or NULL, and the packet's direction in the flow. */
struct flow *flow_find(struct flow_table *table, const struct packet *packet, enum event_direction *direction);

/* Add the packet's flow, if absent; the packet is EVENT_RECEIVED. NULL without memory. */
struct flow *flow_add(struct flow_table *table, const struct packet *packet, uint64_t time_ns);

/* A packet of the flow was seen at time_ns. */
void flow_seen(struct flow_table *table, struct flow *flow, uint64_t time_ns);

/* Both ends are done with the flow. */
void flow_close(struct flow_table *table, struct flow *flow);

/*
 * Begin a new connection between the same endpoints: `direction` of the old connection is EVENT_RECEIVED in the new
 * connection.
 */
void flow_renew(struct flow_table *table, struct flow *flow, enum event_direction direction);

/* Forget what was quiet for too long. */
void flow_table_expire(struct flow_table *table, uint64_t time_ns);

/* Bytes from start to before end were seen. With more holes than FLOW_RANGES_MAX the last ones count as seen. */
void flow_direction_seen(struct flow_direction *half, uint32_t start, uint32_t end);

/* The end of the first hole, or limit without a hole before limit; both are sequence numbers after half->next. */
uint32_t flow_direction_hole_end(const struct flow_direction *half, uint32_t limit);

/* How many flows had to go before their time. */
uint64_t flow_table_evicted(const struct flow_table *table);

#endif /* CAPTURE_FLOW_H */
