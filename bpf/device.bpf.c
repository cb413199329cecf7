// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * device - the device hook: a packet classifier on a network device. There is no socket to keep state with; a hash keyed by
 * addresses and ports holds the connections whose handshake is under way. An entry is made by a SYN and removed as soon as
 * nothing more is wanted, so that the packets of established connections find none.
 *
 * Every path returns GO_ON: nothing is changed, delayed or dropped.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "event.h"
#include "tcp_order.h"
#include "packet.bpf.h"
#define CONNECTION_SOURCE EVENT_FROM_DEVICE
#include "connection.bpf.h"
#include "datagram.bpf.h"

enum {
	GO_ON = -1, /* TC_ACT_UNSPEC: as if there were no classifier */
	ETHERNET_HEADER = 14,
	VLAN_HEADER = 4,
	VLAN_TAGS_MAX = 2,
	DEVICE_ETHERNET = 0, /* programs, as they are counted */
	DEVICE_IP = 1,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_SERVICE_VLAN = 0x88a8,
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536); /* set before loading */
	__type(key, struct packet_flow);
	__type(value, struct connection);
} flows SEC(".maps");

/* Where the IP header is, behind the Ethernet header and the tags of VLANs; 0 where there is none. */
static __always_inline __u32 network_offset_of(struct __sk_buff *skb)
{
	__u32 offset = ETHERNET_HEADER;
	__u8 type[2];
	int tag;

	for (tag = 0; tag <= VLAN_TAGS_MAX; tag++) {
		if (bpf_skb_load_bytes(skb, offset - sizeof(type), type, sizeof(type)))
			return 0;
		switch (packet_u16(type)) {
		case ETHERTYPE_IPV4:
		case ETHERTYPE_IPV6:
			return offset;
		case ETHERTYPE_VLAN:
		case ETHERTYPE_SERVICE_VLAN:
			offset += VLAN_HEADER;
			break;
		default:
			return 0;
		}
	}
	return 0;
}

/* Addresses and ports name an association wherever it is seen. */
static __always_inline __u64 datagram_scope(struct __sk_buff *skb)
{
	(void)skb;
	return 0;
}

/* Of the two ends of a connection the one with the higher address and port counts as the local one. */
static __always_inline __u32 direction_of(const struct packet_flow *flow)
{
	const __u64 *source = (const __u64 *)flow->source;
	const __u64 *destination = (const __u64 *)flow->destination;

	/* as numbers of this machine: any order does that is the same for both directions */
	if (source[0] != destination[0])
		return source[0] > destination[0] ? EVENT_SENT : EVENT_RECEIVED;
	if (source[1] != destination[1])
		return source[1] > destination[1] ? EVENT_SENT : EVENT_RECEIVED;
	return flow->source_port > flow->destination_port ? EVENT_SENT : EVENT_RECEIVED;
}

/* Not inlined: the frames of its callers, which call each other, would not fit on the stack together. */
static __noinline struct connection *flow_find(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	struct packet_flow flow;

	if (!packet_at_hand(skb, where, &packet) ||
	    !packet_flow_of(skb, &packet, where_index(where) == EVENT_SENT, &flow))
		return NULL;
	return bpf_map_lookup_elem(&flows, &flow);
}

static __always_inline struct connection *connection_at_hand(struct __sk_buff *skb, __u32 where)
{
	return flow_find(skb, where);
}

/* A SYN begins a connection, unless it is the one that began it come again. What answers a SYN begins none. */
static __always_inline int begins_anew(const struct connection *connection, const struct packet *packet)
{
	return !(packet->tcp_flags & TCP_FLAG_BIT_ACK) && connection->first_sequence != packet->sequence + 1;
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

/* Where the direction of a SYN begins, and, where it is an answer, the other one. */
static __always_inline void flow_synchronize(const struct sight *sight, const struct packet *packet)
{
	struct sight other;

	direction_begin(sight->direction, packet->sequence + 1);
	if (!(packet->tcp_flags & TCP_FLAG_BIT_ACK))
		return;
	sight->connection->answer_sequence = packet->sequence + 1;
	if (sight_take(&other, sight->skb, sight->connection, !sight->index))
		direction_begin(other.direction, packet->acknowledgment);
}

/*
 * A server that has forgotten its half-open connection answers a SYN that comes again with another number. The answer that
 * counts is the one that the client acknowledges.
 */
static __always_inline void flow_choose_answer(const struct sight *sight, const struct packet *packet)
{
	struct sight other;

	if (!(packet->tcp_flags & TCP_FLAG_BIT_ACK) || packet->acknowledgment != sight->connection->answer_sequence)
		return;
	if (sight_take(&other, sight->skb, sight->connection, !sight->index) &&
	    other.direction->state == DIRECTION_WALKED && !(other.direction->walk.flags & TLS_WALK_STARTED))
		other.direction->next_sequence = packet->acknowledgment;
}

/* Make the state of a connection, or find it. A new one on the same addresses and ports takes the old one's place. */
__noinline int flow_begin(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	struct packet_flow flow;
	struct sight sight;

	if (!packet_at_hand(skb, where, &packet) ||
	    !packet_flow_of(skb, &packet, where_index(where) == EVENT_SENT, &flow))
		return 0;
	if (sight_take(&sight, skb, bpf_map_lookup_elem(&flows, &flow), where) &&
	    begins_anew(sight.connection, &packet)) {
		if (sight.connection->opened)
			emit_cut(&sight, sight.direction->next_sequence, 0);
		bpf_map_delete_elem(&flows, &flow);
	}
	bpf_map_update_elem(&flows, &flow, connection_zero, BPF_NOEXIST);
	if (!sight_take(&sight, skb, bpf_map_lookup_elem(&flows, &flow), where)) {
		statistic_add(STATISTIC_LOST_STORAGE);
		return 0;
	}
	if (claim(&sight.connection->begun)) {
		sight.connection->id = connection_random_id();
		sight.connection->first_sequence =
			packet.tcp_flags & TCP_FLAG_BIT_ACK ? packet.acknowledgment : packet.sequence + 1;
		statistic_add(STATISTIC_CONNECTIONS);
	}
	flow_synchronize(&sight, &packet);
	return 0;
}

/* Nothing more is wanted of the connection. */
__noinline int flow_end(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	struct packet_flow flow;

	if (packet_at_hand(skb, where, &packet) &&
	    packet_flow_of(skb, &packet, where_index(where) == EVENT_SENT, &flow))
		bpf_map_delete_elem(&flows, &flow);
	return 0;
}

/* A packet whose IP header is at network_offset. */
static __always_inline void device_packet(struct __sk_buff *skb, __u32 network_offset)
{
	struct packet packet = {};
	struct packet_flow flow;
	struct sight sight;
	__u32 where;

	if (!packet_parse(skb, network_offset, &packet) || !packet_flow_of(skb, &packet, 0, &flow))
		return;
	where = where_of(network_offset, direction_of(&flow));
	if (packet.protocol == PROTOCOL_UDP) {
		datagram_packet(skb, where);
		return;
	}
	if (packet.tcp_flags & TCP_FLAG_BIT_SYN)
		flow_begin(skb, where);
	if (!sight_take(&sight, skb, connection_at_hand(skb, where), where))
		return;
	flow_choose_answer(&sight, &packet);
	connection_packet(&sight, &packet);
	if (connection_idle(sight.connection))
		flow_end(skb, where);
}

/* A device whose packets begin with an Ethernet header. */
SEC("tc")
int mtlsnoop_device(struct __sk_buff *skb)
{
	__u32 offset = network_offset_of(skb);

	packet_count(DEVICE_ETHERNET);
	if (offset)
		device_packet(skb, offset);
	return GO_ON;
}

/* A device without a link layer (a tunnel, PPP): they begin with the IP header. */
SEC("tc")
int mtlsnoop_device_ip(struct __sk_buff *skb)
{
	packet_count(DEVICE_IP);
	device_packet(skb, 0);
	return GO_ON;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
