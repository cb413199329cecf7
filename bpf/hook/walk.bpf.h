/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * walk - the walker (tls_walk.h) over the current packet, and the hand-over of a direction to userspace.
 *
 * Each step is a separate function, which the verifier checks once.
 */
#ifndef WALK_BPF_H
#define WALK_BPF_H

#include "hook/emit.bpf.h"

/* Hand the direction over to userspace: the walker's state now, its bytes from here on. */
static __always_inline void direction_hand_over(const struct sight *sight)
{
	sight->direction->state = DIRECTION_HANDED_OVER;
	if (!sight->connection->hello)
		sight->connection->search_elsewhere = 1;
	statistic_add(STATISTIC_HANDOVERS);
	emit_handover(sight);
}

/* Pass on the next bytes of the packet. Returns whether more of it is left. */
__noinline int connection_forward_chunk(struct __sk_buff *skb, __u32 where, __u32 flags)
{
	struct direction *direction;
	struct sight sight;
	struct bytes_at at;

	if (!sight_take(&sight, skb, connection_at_hand(skb, where), where))
		return 0;
	direction = sight.direction;
	at.kind = EVENT_SEGMENT;
	at.type = 0;
	at.flags = flags;
	at.position = direction->sequence;
	at.offset = direction->offset;
	at.length = direction->left < EVENT_BYTES_LARGE ? direction->left : EVENT_BYTES_LARGE;
	emit_bytes(&sight, &at);
	direction->sequence += at.length;
	direction->offset += at.length;
	direction->left -= at.length;
	return direction->left != 0;
}

/* Pass on the bytes of the packet at hand that direction->sequence, offset and left tell of. */
static __always_inline void direction_forward(const struct sight *sight)
{
	struct direction *direction = sight->direction;
	__u32 flags = EVENT_SEGMENT_START;
	int i;

	if (direction->handed_over + direction->left > HANDOVER_MAX) {
		statistic_add(STATISTIC_HANDOVER_BOUND);
		emit_cut(sight, direction->sequence, 0);
		direction->state = DIRECTION_ENDED;
		return;
	}
	direction->handed_over += direction->left;
	for (i = 0; i < CHUNKS_MAX; i++) {
		if (!connection_forward_chunk(sight->skb, sight->where, flags))
			break;
		flags = 0;
	}
}

/* Report the bytes of a message's body in this packet, if the message is read. */
static __always_inline void direction_tell_body(const struct sight *sight, const struct tls_walk *walk, __u32 offset,
                                                __u32 length)
{
	struct bytes_at at = {
		.kind = EVENT_BODY,
		.type = walk->message_type,
		.position = walk->message_length - walk->message_left,
		.offset = offset,
		.length = length,
	};

	if (!tls_walk_in_body(walk) || !tls_walk_body_matters(walk))
		return;
	if (at.position >= BODY_MAX) {
		/* no message of a wanted kind is that long (RFC 8446 section 4.3.2: 2^16 bytes of names); counted once */
		if (at.position < BODY_MAX + EVENT_BYTES_LARGE)
			statistic_add(STATISTIC_BODY_BOUND);
		return;
	}
	emit_bytes(sight, &at);
}

static __always_inline void direction_tell(const struct sight *sight)
{
	const struct tls_walk_event *found = &sight->direction->found;
	struct connection *connection = sight->connection;

	if (found->kind == TLS_WALK_EVENT_NONE)
		return;
	if (sight->direction->state == DIRECTION_FOLLOWED && !connection->renegotiates) {
		/* an alert alone is the ordinary end; and nothing is new before both sides have finished */
		if (found->type != TLS_HANDSHAKE || !connection_is_over(connection))
			return;
		connection_renegotiate(connection);
	}
	if (found->kind == TLS_WALK_EVENT_MESSAGE && !connection->hello) {
		connection->hello = 1 + (found->type == TLS_CLIENT_HELLO ? sight->index : !sight->index);
		statistic_add(STATISTIC_HANDSHAKES);
	}
	emit_open(sight);
	emit_found(sight, found);
}

/* Whether the only known fact about the direction's bytes is that no ClientHello was whole. */
static __always_inline int walk_searches(const struct tls_walk *walk)
{
	return walk->phase == TLS_WALK_SEARCH || walk->flags & TLS_WALK_CANDIDATE;
}

/* Once the other end has sent a ClientHello, this direction answers. */
static __always_inline void direction_begin_segment(const struct sight *sight)
{
	struct tls_walk *walk = &sight->direction->walk;
	__u8 hello = sight->connection->hello;

	if (hello && hello != 1 + sight->index && walk_searches(walk))
		tls_walk_expect_answer(walk);
	tls_walk_segment(walk);
}

static __always_inline void direction_advance(struct direction *direction, __u32 count)
{
	direction->next_sequence += count;
	direction->offset += count;
	direction->left -= count;
}

/* Read header bytes, at most wanted. Returns 0 where the packet could not be read. */
static __always_inline int direction_read(const struct sight *sight, __u32 wanted)
{
	struct direction *direction = sight->direction;
	__u8 bytes[TLS_WALK_READ_MAX] = {};
	__u32 offset = direction->offset;
	__u32 count = direction->left;

	if (count > wanted)
		count = wanted;
	/* keep the compiler from dropping the bound that the verifier needs for the buffer */
	count--;
	asm volatile("" : "+r"(count));
	if (count >= TLS_WALK_READ_MAX || bpf_skb_load_bytes(sight->skb, offset, bytes, count + 1))
		return 0;
	count++;
	direction_advance(direction, count);
	direction->found = tls_walk_read(&direction->walk, bytes, count);
	direction_tell(sight);
	return 1;
}

static __always_inline void direction_pass(const struct sight *sight)
{
	struct direction *direction = sight->direction;
	struct tls_walk *walk = &direction->walk;
	__u32 count = tls_walk_passable(walk);

	if (count > direction->left)
		count = direction->left;
	/* a body goes out in events of a bounded size */
	if (tls_walk_in_body(walk) && count > EVENT_BYTES_LARGE)
		count = EVENT_BYTES_LARGE;
	direction_tell_body(sight, walk, direction->offset, count);
	tls_walk_pass(walk, count);
	direction_advance(direction, count);
}

/* One step of the walk through the packet at hand. Returns whether to go on. */
__noinline int connection_walk_step(struct __sk_buff *skb, __u32 where)
{
	struct sight sight;
	__u32 wanted;

	if (!sight_take(&sight, skb, connection_at_hand(skb, where), where))
		return 0;
	wanted = tls_walk_wanted(&sight.direction->walk);
	if (!wanted)
		direction_pass(&sight);
	else if (!direction_read(&sight, wanted))
		return 0;
	return sight.direction->left && !tls_walk_ended(&sight.direction->walk);
}

#endif /* WALK_BPF_H */
