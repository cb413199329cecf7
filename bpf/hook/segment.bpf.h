/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* segment - put a TCP segment into its stream, and act on its flags. */
#ifndef SEGMENT_BPF_H
#define SEGMENT_BPF_H

#include "hook/follow.bpf.h"
#include "hook/plaintext.bpf.h"

/* Walk the bytes of the current packet given by direction->offset and left; the bytes begin at next_sequence. */
static __always_inline void direction_walk(const struct sight *sight)
{
	struct connection *connection = sight->connection;
	struct direction *direction = sight->direction;
	struct tls_walk *walk = &direction->walk;
	int step;

	direction_begin_segment(sight);
	for (step = 0; step < STEPS_MAX; step++)
		if (!connection_walk_step(sight->skb, sight->where))
			break;
	if (follow_established && tls_walk_may_follow(walk)) {
		direction_begin_to_follow(sight);
	} else if (tls_walk_ended(walk)) {
		direction->state = DIRECTION_ENDED;
		/* not TLS, and never was, or TLS 1.3 well behind the client's flight: the whole connection is left alone */
		if (!connection->hello ||
		    (walk->flags & TLS_WALK_CLIENT && walk->encrypted_records >= TLS_WALK_ENCRYPTED_MAX))
			connection_end(connection);
	} else if (direction->left) {
		statistic_add(STATISTIC_STEP_BOUND);
		direction_hand_over(sight);
		direction->sequence = direction->next_sequence;
		direction_forward(sight);
	}
}

/*
 * Put a segment with payload or FIN in its place. Returns 0 if the sequence number is outside the stream: anyone can
 * send such a segment, and TCP has not checked it yet.
 */
static __always_inline int direction_segment(const struct sight *sight, const struct packet *packet)
{
	const struct connection *connection = sight->connection;
	struct direction *direction = sight->direction;
	__u32 sequence = packet->sequence + !!(packet->tcp_flags & TCP_SYN);
	/* an empty segment matters only by its FIN, which takes one sequence number */
	struct tcp_order order = tcp_order_place(direction->next_sequence, sequence, packet->payload_length ?: 1);

	if (order.kind == TCP_ORDER_OUTSIDE) {
		statistic_add(STATISTIC_OUTSIDE);
		return 0;
	}
	if (direction->state == DIRECTION_WALKED &&
	    (order.kind == TCP_ORDER_GAP || (connection->search_elsewhere && !connection->hello)))
		direction_hand_over(sight);
	if (packet->payload_length == 0)
		return 1;
	if (direction->state == DIRECTION_HANDED_OVER) {
		if (packet->taken >= packet->payload_length)
			return 1;
		direction->sequence = sequence + packet->taken;
		direction->offset = packet->payload_offset + packet->taken;
		direction->left = packet->payload_length - packet->taken;
		direction_forward(sight);
	} else if (direction->state == DIRECTION_WALKED && order.kind == TCP_ORDER_NEW) {
		direction->offset = packet->payload_offset + order.skip;
		direction->left = order.count;
		direction_walk(sight);
	}
	return 1;
}

/* FIN or RST. A foreign FIN or RST counts only if TCP would accept it: at the next byte (RFC 5961 section 3.2). */
static __always_inline void direction_close(const struct sight *sight, const struct packet *packet)
{
	struct direction *direction = sight->direction;
	__u32 sequence = packet->sequence + packet->payload_length;
	int reset = packet->tcp_flags & TCP_RST;
	int from_us = CONNECTION_SOURCE == EVENT_FROM_SOCKET && sight->index == EVENT_SENT;

	if (!from_us && direction->state == DIRECTION_WALKED && sequence != direction->next_sequence)
		return;
	/* of a connection that is established nobody waits for the end */
	if (sight->connection->opened && (!connection_is_over(sight->connection) || sight->connection->renegotiates))
		emit_close(sight, reset ? EVENT_RST : EVENT_FIN, sequence);
	if (reset)
		connection_end(sight->connection);
	else if (direction->state == DIRECTION_WALKED || direction->state == DIRECTION_FOLLOWED)
		direction->state = DIRECTION_ENDED;
}

/*
 * The server goes on after all reported records, and the client has begun its encrypted flight: the record is
 * application data of TLS 1.3, and from now on the connection costs no more than any other.
 */
static __always_inline int connection_established(const struct sight *sight)
{
	const struct connection *connection = sight->connection;
	const struct direction *client = connection->hello == 1 + EVENT_SENT ? &connection->direction[EVENT_SENT]
	                                                                     : &connection->direction[EVENT_RECEIVED];

	return connection->hello && connection->hello != 1 + sight->index && client->walk.encrypted_records &&
	       client->state != DIRECTION_FOLLOWED;
}

static __always_inline void direction_packet(const struct sight *sight, const struct packet *packet)
{
	int closes = packet->tcp_flags & (TCP_FIN | TCP_RST);

	if (sight->direction->state == DIRECTION_UNKNOWN)
		return;
	if (sight->direction->state == DIRECTION_ENDED && !closes) {
		if (connection_established(sight))
			connection_end(sight->connection);
		return;
	}
	if (sight->direction->state == DIRECTION_FOLLOWED) {
		direction_follow(sight, packet);
		if (closes)
			direction_close(sight, packet);
	} else if (packet->tcp_flags & TCP_RST || (direction_segment(sight, packet) && closes)) {
		direction_close(sight, packet);
	}
}

/*
 * Whether the whole segment was walked before: a retransmission, or a second device. Then another CPU may walk the
 * following bytes in this direction, without a loss. (The next expected number only grows.)
 */
static __always_inline int direction_knows(const struct direction *direction, const struct packet *packet)
{
	__u32 end = packet->sequence + !!(packet->tcp_flags & TCP_SYN) + packet->payload_length;

	return direction->state == DIRECTION_WALKED && packet->payload_length &&
	       !(packet->tcp_flags & (TCP_FIN | TCP_RST | TCP_URG)) && (__s32)(end - direction->next_sequence) <= 0;
}

/*
 * Another CPU is in the direction, and the walk loses this packet. A connection unknown to userspace needs no report
 * now: most are not TLS. If the connection becomes known, its first event reports the earlier loss.
 */
static __always_inline void direction_contended(const struct sight *sight, const struct packet *packet)
{
	if (sight->direction->state == DIRECTION_FOLLOWED) {
		direction_lose_track(sight);
		return;
	}
	sight->connection->lost = EVENT_LOST;
	if (sight->connection->opened) {
		statistic_add(STATISTIC_CONTENDED);
		emit_cut(sight, packet->sequence, packet->payload_length);
	} else {
		sight->connection->contended = 1;
	}
	if (turn_is_broken(&sight->direction->busy))
		sight->direction->state = DIRECTION_ENDED;
}

/*
 * The segment has the URG flag: only the receiver knows the delivered bytes (tcp_receiver_judge()), now and later. The
 * handshake is unknown, and a followed connection is no longer followed.
 */
static __always_inline void direction_doubt(const struct sight *sight, const struct packet *packet)
{
	struct connection *connection = sight->connection;

	if (sight->index == EVENT_RECEIVED && urgent_is_inline(sight->skb))
		return;
	if (sight->direction->state == DIRECTION_FOLLOWED) {
		direction_lose_track(sight);
		return;
	}
	if (connection->lost || connection_is_over(connection))
		return;
	connection->lost = EVENT_LOST;
	if (!connection->opened)
		return;
	statistic_add(STATISTIC_REFUSED);
	emit_cut(sight, packet->sequence, 1);
}

/* Take a packet whose connection's state is at hand. */
static __always_inline void connection_packet(const struct sight *sight, const struct packet *packet)
{
	if (packet->payload_length == 0 && !(packet->tcp_flags & (TCP_FIN | TCP_RST | TCP_URG)))
		return;
	if (direction_knows(sight->direction, packet))
		return;
	if (direction_claim(sight)) {
		sight->direction->time_ns = bpf_ktime_get_ns();
		if (packet->tcp_flags & TCP_URG)
			direction_doubt(sight, packet);
		direction_packet(sight, packet);
		connection_look_for_plaintext(sight);
		if (packet->payload_length)
			connection_tell_ends(sight);
	} else {
		direction_contended(sight, packet);
	}
	direction_release(sight);
}

#endif /* SEGMENT_BPF_H */
