/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * follow - an established connection from record to record, up to TLS 1.2: to see a renegotiation begin.
 */
#ifndef FOLLOW_BPF_H
#define FOLLOW_BPF_H

#include "hook/walk.bpf.h"

/*
 * Whether established connections are followed to see a renegotiation. In a table their state would evict connections
 * in their handshake. Set before loading.
 */
const volatile __u8 follow_established = CONNECTION_SOURCE == EVENT_FROM_SOCKET;

/* Both sides have sent Finished again: later records are no part of this handshake. */
static __always_inline void direction_renew(const struct sight *sight, __u8 record_type)
{
	struct connection *connection = sight->connection;
	struct direction *direction = sight->direction;

	if (record_type == TLS_CHANGE_CIPHER_SPEC)
		direction->renewal = RENEWAL_CHANGED;
	else if (record_type == TLS_HANDSHAKE && direction->renewal == RENEWAL_CHANGED)
		direction->renewal = RENEWAL_FINISHED;
	if (connection->direction[EVENT_RECEIVED].renewal == RENEWAL_FINISHED &&
	    connection->direction[EVENT_SENT].renewal == RENEWAL_FINISHED)
		connection->renegotiates = 0;
}

/* Nothing more will be seen of the direction. A renegotiation that is under way cannot be judged. */
static __always_inline void direction_lose_track(const struct sight *sight)
{
	struct direction *direction = sight->direction;

	direction->state = DIRECTION_ENDED;
	statistic_add(STATISTIC_UNFOLLOWED);
	if (sight->connection->renegotiates && sight->connection->opened)
		emit_cut(sight, direction->next_sequence, 0);
}

/* Skip the rest of a record, over any number of packets. Returns whether bytes of this packet are left. */
static __always_inline int direction_pass_record(struct direction *direction)
{
	struct tls_walk *walk = &direction->walk;
	__u32 count = walk->phase == TLS_WALK_SKIP ? walk->record_left : 0;

	tls_walk_pass(walk, count);
	direction->next_sequence += count;
	if (count >= direction->left) {
		direction->left = 0;
		return 0;
	}
	direction->offset += count;
	direction->left -= count;
	return 1;
}

/* Read one record header, as far as the current packet has it, and classify the record. Returns whether to go on. */
__noinline int connection_follow_step(struct __sk_buff *skb, __u32 where)
{
	struct direction *direction;
	struct sight sight;
	__u32 wanted;

	if (!sight_take(&sight, skb, connection_at_hand(skb, where), where))
		return 0;
	direction = sight.direction;
	wanted = tls_walk_wanted(&direction->walk);
	if (!wanted || !direction_read(&sight, wanted))
		return 0;
	if (sight.direction->found.kind != TLS_WALK_EVENT_NONE)
		direction_renew(&sight, sight.direction->found.type);
	if (tls_walk_ended(&direction->walk))
		return 0;
	return direction_pass_record(direction);
}

/* Follow the records in the bytes given by direction->offset and left; the bytes begin at next_sequence. */
static __always_inline void direction_follow_records(const struct sight *sight)
{
	int step;

	for (step = 0; step < FOLLOW_STEPS_MAX; step++)
		if (!connection_follow_step(sight->skb, sight->where))
			break;
	if (sight->direction->left || tls_walk_ended(&sight->direction->walk))
		direction_lose_track(sight);
}

/*
 * Skip records of application data that begin in the packet: nearly all records. Returns whether nothing of the packet
 * is left. Nothing is written before, so the direction's counter is not needed: two CPUs with the same segment find the
 * same result.
 *
 * Not inlined: with its buffer the caller's frame and the frames of the steps would together exceed the stack.
 */
static __noinline int direction_pass_data(struct __sk_buff *skb, struct direction *direction,
                                          const struct packet *packet)
{
	__u32 next = direction->next_sequence;
	__u8 header[TLS_WALK_RECORD_HEADER];
	__u32 behind, length;
	int i;

	if (direction->walk.header_have)
		return 0;
	for (i = 0; i < FOLLOW_DATA_MAX; i++) {
		behind = next - packet->sequence;
		if (behind > packet->payload_length || packet->payload_length - behind < TLS_WALK_RECORD_HEADER ||
		    bpf_skb_load_bytes(skb, packet->payload_offset + behind, header, sizeof(header)))
			return 0;
		length = header[3] << 8 | header[4];
		if (header[0] != TLS_APPLICATION_DATA || header[1] != 3 || length > TLS_WALK_RECORD_MAX)
			return 0;
		next += TLS_WALK_RECORD_HEADER + length;
		if ((__s32)(packet->sequence + packet->payload_length - next) <= 0) {
			direction->walk.flags &= ~TLS_WALK_FINISHING;
			direction->next_sequence = next;
			return 1;
		}
	}
	return 0;
}

/*
 * Whether a packet of an established connection says nothing: the packet ends before the next record header of its
 * direction (one comparison), or has only headers of application data.
 */
static __always_inline int connection_unmoved(struct __sk_buff *skb, struct connection *connection, __u32 index,
                                              const struct packet *packet)
{
	struct direction *direction =
		index == EVENT_SENT ? &connection->direction[EVENT_SENT] : &connection->direction[EVENT_RECEIVED];

	if (packet->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_URG))
		return 0;
	/* during the handshake each segment is compared with what the receiver has taken */
	if (!connection_is_over(connection))
		return 0;
	return direction->state != DIRECTION_FOLLOWED ||
	       (__s32)(packet->sequence + packet->payload_length - direction->next_sequence) <= 0 ||
	       direction_pass_data(skb, direction, packet);
}

/* A segment of a direction that is followed. */
static __always_inline void direction_follow(const struct sight *sight, const struct packet *packet)
{
	struct direction *direction = sight->direction;
	__u32 behind = direction->next_sequence - packet->sequence;

	if (packet->payload_length == 0)
		return;
	if ((__s32)behind < 0) {
		direction_lose_track(sight);
	} else if (behind < packet->payload_length) {
		direction->offset = packet->payload_offset + behind;
		direction->left = packet->payload_length - behind;
		direction_follow_records(sight);
	}
}

/* The walk has ended with Finished, up to TLS 1.2: from here on the direction is followed from record to record. */
static __always_inline void direction_begin_to_follow(const struct sight *sight)
{
	struct direction *direction = sight->direction;

	/* how far the handshake was walked: TCP may not have taken it (segment_compare()) */
	direction->sequence = direction->next_sequence;
	tls_walk_follow(&direction->walk);
	direction->state = DIRECTION_FOLLOWED;
	/* the other side finishes later, and records of this side until then are not reported (direction_tell()) */
	if (!connection_is_over(sight->connection))
		tls_walk_finished(&direction->walk);
	if (direction_pass_record(direction))
		direction_follow_records(sight);
}

#endif /* FOLLOW_BPF_H */
