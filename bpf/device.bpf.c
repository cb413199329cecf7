// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * device - the device hook: a packet classifier on a network device. No socket can keep state here; a hash keyed by
 * addresses and ports holds the connections in their handshake. A SYN makes an entry, and the entry is removed as soon
 * as nothing more is wanted, so packets of established connections find no entry.
 *
 * Every path returns GO_ON: nothing is changed, delayed or dropped.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/shared/event.h"
#include "bpf/shared/tcp_order.h"
#include "hook/packet.bpf.h"
#define CONNECTION_SOURCE EVENT_FROM_DEVICE
#include "hook/segment.bpf.h"
#include "hook/datagram.bpf.h"
#include "hook/encapsulation.bpf.h"

enum {
	GO_ON = -1,          /* TC_ACT_UNSPEC, TCX_NEXT: as if there were no classifier */
	PLACES = 4,          /* in a row */
	DEVICE_ETHERNET = 0, /* programs, as they are counted */
	DEVICE_IP = 1,
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536); /* set before loading */
	__type(key, struct packet_flow);
	__type(value, struct connection);
} flows SEC(".maps");

/*
 * The kernel does not report evictions from an LRU hash, but a handshake with a missed part must not be judged by the
 * rest. So each connection in the table also has a place in the row that its hash selects, if a place is free. A packet
 * without state, but with a place of its connection, shows an eviction; if no packet follows, nothing was missed. In a
 * full row a reported connection takes the place of another, and the other is given up.
 */
struct places {
	__u64 place[PLACES]; /* id of the connection, with TOLD; 0: free */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536); /* a power of two, set before loading */
	__type(key, __u32);
	__type(value, struct places);
} rows SEC(".maps");

/* rows.max_entries less one. Set before loading. */
const volatile __u32 row_mask = 65535;

/* The lowest bit of an id is free for its place: userspace knows of the connection. */
static const __u64 TOLD = 1;

/* initial number of a SYN inside the connection, while renewing */
static __always_inline int datagram_flow(struct __sk_buff *skb, const struct packet *packet, __u32 index,
                                         struct packet_flow *flow)
{
	return packet_flow_of(skb, packet, index == EVENT_SENT, flow);
}

/* A packet on a device is nobody's yet. */
static __always_inline void open_owner(struct __sk_buff *skb, struct event_open *open)
{
	(void)skb;
	(void)open;
}

static __always_inline void ends_of(struct __sk_buff *skb, const struct packet *packet, __u32 index, struct ends *ends)
{
	packet_ends(skb, packet, index, ends);
}

static __always_inline __u32 writer_of(struct __sk_buff *skb)
{
	(void)skb;
	return 0;
}

static __always_inline void writer_fill(struct __sk_buff *skb, struct event_owner *owner)
{
	(void)skb;
	(void)owner;
}

static __always_inline int urgent_is_inline(struct __sk_buff *skb)
{
	(void)skb;
	return 0;
}

/* Of the two ends of a connection, the end with the higher address and port counts as local. */
static __always_inline __u32 direction_of(const struct packet_flow *flow)
{
	const __u64 *source = (const __u64 *)flow->source;
	const __u64 *destination = (const __u64 *)flow->destination;

	/* compared as numbers of this machine: any order is good that is the same for both directions */
	if (source[0] != destination[0])
		return source[0] > destination[0] ? EVENT_SENT : EVENT_RECEIVED;
	if (source[1] != destination[1])
		return source[1] > destination[1] ? EVENT_SENT : EVENT_RECEIVED;
	return flow->source_port > flow->destination_port ? EVENT_SENT : EVENT_RECEIVED;
}

static __always_inline struct connection *connection_of_packet(struct __sk_buff *skb, __u32 where,
                                                               const struct packet *packet)
{
	struct packet_flow flow;

	if (!packet_flow_of(skb, packet, where_index(where) == EVENT_SENT, &flow))
		return NULL;
	return bpf_map_lookup_elem(&flows, &flow);
}

/* Not inlined: the frames of its callers, which call each other, would together exceed the stack. */
static __noinline struct connection *flow_find(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};

	return packet_at_hand(skb, where, &packet) ? connection_of_packet(skb, where, &packet) : NULL;
}

static __always_inline struct connection *connection_at_hand(struct __sk_buff *skb, __u32 where)
{
	return flow_find(skb, where);
}

/* The upper half of an id is a hash of the flow, so a place of a row names its owner. */
static __always_inline __u64 id_of_hash(__u64 hash)
{
	return CONNECTION_WITHOUT_SOCKET | hash >> 33 << 32;
}

static __always_inline int id_is_of_hash(__u64 id, __u64 hash)
{
	return id >> 32 == id_of_hash(hash) >> 32;
}

static __always_inline struct places *row_of(__u64 hash)
{
	__u32 row = hash & row_mask;

	return bpf_map_lookup_elem(&rows, &row);
}

/* Nothing more is known of a connection that userspace knows of. */
static __always_inline void emit_lost(__u64 id, __u32 index)
{
	struct origin origin = {
		.connection = id & ~TOLD, .time_ns = bpf_ktime_get_ns(), .index = index, .flags = EVENT_LOST};
	struct event_cut *cut = bpf_ringbuf_reserve(&events, sizeof(*cut), 0);

	if (!cut) {
		statistic_add(STATISTIC_LOST_RING);
		return;
	}
	event_fill(&cut->event, &origin, EVENT_CUT, sizeof(*cut));
	cut->position = 0;
	cut->count = 0;
	event_submit(cut);
}

/*
 * Give a connection a place in its row: its present place, a free place, or the place of an unreported connection. A
 * reported connection may take any place.
 */
static __always_inline void place_take(const struct connection *connection, const struct packet_flow *flow, __u32 index)
{
	struct places *row = row_of(packet_flow_hash(flow, &flow_key));
	__u64 id = connection->id | (connection->opened ? TOLD : 0);
	__u64 left = ~0ull;
	int best = 0, i;

	if (!row)
		return;
	/* the place of least value: 0 is free; the connection's own place counts as free, too */
	for (i = 0; i < PLACES; i++) {
		__u64 worth = row->place[i];

		if ((worth | TOLD) == (id | TOLD))
			worth = 0;
		else if (worth)
			worth = 1 + (worth & TOLD);
		if (worth < left) {
			left = worth;
			best = i;
		}
	}
	if (left == 2 && !(id & TOLD))
		return;
	if (left == 2) {
		statistic_add(STATISTIC_EVICTED);
		emit_lost(row->place[best & (PLACES - 1)], index);
	}
	row->place[best & (PLACES - 1)] = id;
}

/* The place of a connection is free: it is over. */
static __always_inline void place_free(__u64 id, const struct packet_flow *flow)
{
	struct places *row = row_of(packet_flow_hash(flow, &flow_key));
	int i;

	for (i = 0; row && i < PLACES; i++)
		if ((row->place[i] | TOLD) == (id | TOLD))
			row->place[i] = 0;
}

/* A packet has found no state: was the state evicted? Not inlined: the caller's frame would grow. */
static __noinline int place_look(const struct packet_flow *flow, __u32 index)
{
	__u64 hash = packet_flow_hash(flow, &flow_key);
	struct places *row = row_of(hash);
	__u64 id;
	int i;

	for (i = 0; row && i < PLACES; i++) {
		id = row->place[i];
		if (!id || !id_is_of_hash(id, hash))
			continue;
		row->place[i] = 0;
		statistic_add(STATISTIC_EVICTED);
		if (id & TOLD)
			emit_lost(id, index);
	}
	return 0;
}

/*
 * Whether a packet begins a connection although the state of another connection exists. A SYN alone does not: anyone
 * can send a SYN, and an established connection answers the SYN and stays (RFC 5961 section 4.2). The SYN counts once
 * the other end acknowledges the SYN, or bytes follow. If the old connection is over, the SYN counts at once.
 */
static __always_inline int begins_anew(const struct connection *connection, const struct packet *packet, __u32 index)
{
	if (!(packet->tcp_flags & TCP_SYN))
		return connection->renewing == 1 + index && packet->payload_length &&
		       packet->sequence == connection->renewed;
	if (packet->tcp_flags & TCP_ACK)
		return connection->renewing == 1 + !index && packet->acknowledgment == connection->renewed;
	return connection_is_over(connection);
}

/* A SYN with another number than the first SYN of the connection. */
static __always_inline int note_other_syn(struct connection *connection, const struct packet *packet, __u32 index)
{
	if ((packet->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || packet->sequence + 1 == connection->first_sequence)
		return 0;
	connection->renewed = packet->sequence + 1;
	connection->renewing = 1 + index;
	return 1;
}

/* On a device the ServerHello may be seen before the ClientHello, or alone: the two may come different ways. */
static __always_inline void direction_begin(struct direction *direction, __u32 sequence)
{
	if (direction->state != DIRECTION_UNKNOWN)
		return;
	direction->next_sequence = sequence;
	direction->walk.flags = TLS_WALK_EITHER;
	direction->state = DIRECTION_WALKED;
}

/* The beginning of the direction of a SYN and, for a SYN/ACK, of the other direction. */
static __always_inline void flow_synchronize(const struct sight *sight, const struct packet *packet)
{
	struct sight other;

	direction_begin(sight->direction, packet->sequence + !!(packet->tcp_flags & TCP_SYN));
	if (!(packet->tcp_flags & TCP_SYN) || !(packet->tcp_flags & TCP_ACK))
		return;
	sight->connection->answer_sequence = packet->sequence + 1;
	if (sight_take(&other, sight->skb, sight->connection, !sight->index))
		direction_begin(other.direction, packet->acknowledgment);
}

/*
 * A server that has forgotten a half-open connection answers a repeated SYN with another number. The answer that the
 * client acknowledges counts.
 */
static __always_inline void flow_choose_answer(const struct sight *sight, const struct packet *packet)
{
	struct sight other;

	if (!(packet->tcp_flags & TCP_ACK) || packet->acknowledgment != sight->connection->answer_sequence)
		return;
	if (sight_take(&other, sight->skb, sight->connection, !sight->index) &&
	    other.direction->state == DIRECTION_WALKED && !(other.direction->walk.flags & TLS_WALK_STARTED))
		other.direction->next_sequence = packet->acknowledgment;
}

/*
 * Make or find the state of a connection. A new connection on the same addresses and ports replaces the old connection.
 */
__noinline int flow_begin(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	struct packet_flow flow;
	struct sight sight;

	if (!packet_at_hand(skb, where, &packet) ||
	    !packet_flow_of(skb, &packet, where_index(where) == EVENT_SENT, &flow))
		return 0;
	if (sight_take(&sight, skb, bpf_map_lookup_elem(&flows, &flow), where)) {
		if (!begins_anew(sight.connection, &packet, sight.index)) {
			if (!note_other_syn(sight.connection, &packet, sight.index))
				flow_synchronize(&sight, &packet);
			return 0;
		}
		if (sight.connection->opened)
			emit_cut(&sight, sight.direction->next_sequence, 0);
		place_free(sight.connection->id, &flow);
		bpf_map_delete_elem(&flows, &flow);
	}
	bpf_map_update_elem(&flows, &flow, connection_zero, BPF_NOEXIST);
	if (!sight_take(&sight, skb, bpf_map_lookup_elem(&flows, &flow), where)) {
		statistic_add(STATISTIC_LOST_STORAGE);
		return 0;
	}
	if (turn_claim_once(&sight.connection->begun)) {
		sight.connection->id = id_of_hash(packet_flow_hash(&flow, &flow_key)) | (bpf_get_prandom_u32() & ~TOLD);
		place_take(sight.connection, &flow, sight.index);
		sight.connection->first_sequence = packet.sequence + !!(packet.tcp_flags & TCP_SYN);
		if ((packet.tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
			sight.connection->first_sequence = packet.acknowledgment;
		statistic_add(STATISTIC_CONNECTIONS);
	}
	flow_synchronize(&sight, &packet);
	return 0;
}

/* Nothing more is wanted of the connection. */
__noinline int flow_end(struct __sk_buff *skb, __u32 where)
{
	struct connection *connection;
	struct packet packet = {};
	struct packet_flow flow;

	if (!packet_at_hand(skb, where, &packet) ||
	    !packet_flow_of(skb, &packet, where_index(where) == EVENT_SENT, &flow))
		return 0;
	connection = bpf_map_lookup_elem(&flows, &flow);
	if (!connection)
		return 0;
	place_free(connection->id, &flow);
	bpf_map_delete_elem(&flows, &flow);
	return 0;
}

/* Userspace knows of the connection from now on. */
__noinline int flow_told(struct __sk_buff *skb, __u32 where)
{
	struct connection *connection;
	struct packet packet = {};
	struct packet_flow flow;

	if (!packet_at_hand(skb, where, &packet) ||
	    !packet_flow_of(skb, &packet, where_index(where) == EVENT_SENT, &flow))
		return 0;
	connection = bpf_map_lookup_elem(&flows, &flow);
	if (connection)
		place_take(connection, &flow, where_index(where));
	return 0;
}

static __always_inline void device_segment(struct __sk_buff *skb, __u32 where, const struct packet *packet,
                                           const struct packet_flow *flow)
{
	struct sight sight;
	__u8 told;

	if (packet->tcp_flags & TCP_SYN)
		flow_begin(skb, where);
	if (!sight_take(&sight, skb, bpf_map_lookup_elem(&flows, flow), where)) {
		place_look(flow, where_index(where));
		return;
	}
	if (!(packet->tcp_flags & TCP_SYN) && begins_anew(sight.connection, packet, sight.index)) {
		flow_begin(skb, where);
		if (!sight_take(&sight, skb, bpf_map_lookup_elem(&flows, flow), where))
			return;
	}
	flow_choose_answer(&sight, packet);
	told = sight.connection->opened;
	connection_packet(&sight, packet);
	if (connection_idle(sight.connection))
		flow_end(skb, where);
	else if (sight.connection->opened != told)
		flow_told(skb, where);
}

/* A packet that begins with a header of this Ethernet type. */
static __always_inline void device_packet(struct __sk_buff *skb, __u32 type)
{
	__u64 found = encapsulation_innermost(skb, type);
	__u32 offset = encapsulated_offset(found), behind = skb->len - encapsulated_end(found);
	struct packet packet = {};
	struct packet_flow flow;
	__u32 where, index;

	if (!found || offset > WHERE_NETWORK_MAX || behind >= WHERE_BEHIND_MAX)
		return;
	if (!packet_parse(skb, offset, encapsulated_end(found), &packet)) {
		if (packet.protocol == PROTOCOL_FRAGMENT)
			statistic_add(STATISTIC_FRAGMENTS);
		return;
	}
	if (!packet_flow_of(skb, &packet, 0, &flow))
		return;
	index = direction_of(&flow);
	if (index == EVENT_SENT && !packet_flow_of(skb, &packet, 1, &flow))
		return;
	where = where_of(offset, behind, index);
	if (packet.protocol == PROTOCOL_UDP)
		datagram_packet(skb, where);
	else
		device_segment(skb, where, &packet, &flow);
}

/* A device whose packets begin with an Ethernet header. */
SEC("tc")
int mtlsnoop_device(struct __sk_buff *skb)
{
	packet_count(DEVICE_ETHERNET);
	device_packet(skb, ETHERTYPE_ETHERNET);
	return GO_ON;
}

/* A device without a link layer (a tunnel, PPP): packets begin with the IP header, which holds its version. */
SEC("tc")
int mtlsnoop_device_ip(struct __sk_buff *skb)
{
	packet_count(DEVICE_IP);
	device_packet(skb, ETHERTYPE_IPV4);
	return GO_ON;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
