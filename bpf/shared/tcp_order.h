/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tcp_order - the place of a TCP segment in its stream.
 *
 * Hooks see segments before TCP puts them in order: retransmissions, overlaps, gaps and reordering are ordinary. All
 * comparisons are modulo 2^32 (RFC 9293 section 3.4). Pure; includes nothing: the includer provides __u8 to __u64.
 */
#ifndef TCP_ORDER_H
#define TCP_ORDER_H

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/*
 * A segment that starts so far ahead of the stream does not belong to the handshake: before TCP checks the window,
 * anyone may send any number. The hook ignores the segment: the loss can make a verdict unknown but never wrong.
 */
enum {
	TCP_ORDER_WINDOW = 1 << 20
};

static __always_inline __attribute__((unused)) __u32 tcp_order_later(__u32 one, __u32 other)
{
	return (__s32)(one - other) > 0 ? one : other;
}

enum tcp_order_kind {
	TCP_ORDER_NEW = 0, /* has the next bytes: skip `skip` bytes, then take `count` */
	TCP_ORDER_OLD,     /* nothing new: a retransmission, or empty */
	TCP_ORDER_GAP,     /* starts after unseen bytes */
	TCP_ORDER_OUTSIDE, /* starts farther ahead than TCP_ORDER_WINDOW */
};

struct tcp_order {
	__u32 kind;  /* enum tcp_order_kind */
	__u32 skip;  /* NEW: bytes at the segment's start, seen before */
	__u32 count; /* NEW: bytes after the seen bytes */
};

/* Place a segment of length bytes that starts at sequence number sequence, where next_sequence is expected. */
static __always_inline __attribute__((unused)) struct tcp_order tcp_order_place(__u32 next_sequence, __u32 sequence,
                                                                                __u32 length)
{
	__s32 ahead = sequence - next_sequence;
	struct tcp_order order = {};

	if (ahead > TCP_ORDER_WINDOW) {
		order.kind = TCP_ORDER_OUTSIDE;
	} else if (ahead > 0) {
		order.kind = TCP_ORDER_GAP;
	} else if ((__s32)(ahead + length) <= 0) {
		order.kind = TCP_ORDER_OLD;
	} else {
		order.kind = TCP_ORDER_NEW;
		order.skip = -ahead;
		order.count = length + ahead;
	}
	return order;
}

#endif /* TCP_ORDER_H */
