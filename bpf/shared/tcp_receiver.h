/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tcp_receiver - which segments the receiving TCP accepts, as far as an observer can know.
 *
 * A hook or a capture sees segments before the receiver checks them. Anyone can send a segment that the receiver drops:
 * a wrong checksum, an old timestamp, a number outside the window, a TTL that ends before the receiver. A checksum
 * proves nothing here: devices compute checksums later, or merge segments earlier. So copies of the same sequence
 * numbers are compared. If two copies differ, and the receiver had accepted neither, nobody can say which copy counts
 * (reassembly.h; socket.bpf.c: segment_compare()).
 *
 * Sources: RFC 9293 sections 3.10.7 and 3.8.5, RFC 5961 sections 3 to 5, RFC 7323 section 5. Numbers are in host byte
 * order and compared modulo 2^32. Pure; includes only tcp_order.h: the includer provides __u8 to __u64.
 */
#ifndef TCP_RECEIVER_H
#define TCP_RECEIVER_H

#include "bpf/shared/tcp_order.h"

/* RFC 9293 section 3.1 */
enum tcp_flag {
	TCP_FIN = 1 << 0,
	TCP_SYN = 1 << 1,
	TCP_RST = 1 << 2,
	TCP_ACK = 1 << 4,
	TCP_URG = 1 << 5,
};

enum tcp_known {
	TCP_KNOWN_NEXT = 1 << 0,         /* next is the receiver's expected number, or an earlier number */
	TCP_KNOWN_SEND_NEXT = 1 << 1,    /* send_next is the receiver's next number to send, or an earlier number */
	TCP_KNOWN_SYNCHRONIZED = 1 << 2, /* both ends have seen the other's SYN */
	TCP_KNOWN_EXACT = 1 << 3,        /* next was read from the receiver's socket */
	TCP_KNOWN_WINDOW = 1 << 4,       /* window_end is the end of the window that the receiver has offered */
	TCP_KNOWN_INLINE = 1 << 5,       /* the application reads urgent bytes in their place (SO_OOBINLINE) */
};

/* The receiver, when the segment comes. */
struct tcp_receiver {
	__u32 known; /* enum tcp_known */
	__u32 next;  /* of an observed receiver: the highest acknowledged number */
	__u32 send_next;
	__u32 window_end;
};

struct tcp_segment {
	__u32 sequence;
	__u32 acknowledgment;
	__u32 length; /* bytes of payload */
	__u8 flags;   /* enum tcp_flag */
};

enum tcp_reception {
	TCP_TAKES,
	TCP_REFUSES, /* the receiver drops the segment: nothing in it is part of the stream */
	TCP_FOREIGN, /* the same, and the peer itself does not send such a segment */
	TCP_UNSURE,  /* the receiver accepts the segment, and no observer knows the delivered bytes */
};

/* How far sequence number one is ahead of other. */
static __always_inline __attribute__((unused)) __s32 tcp_ahead(__u32 one, __u32 other)
{
	return (__s32)(one - other);
}

/* Far from what the receiver expects, ahead or behind. */
static __always_inline __attribute__((unused)) int tcp_is_far(__u32 sequence, __u32 next)
{
	return sequence - next + TCP_ORDER_WINDOW > 2 * TCP_ORDER_WINDOW;
}

/*
 * The receiver of a segment that may have bytes or a FIN. A reset is judged where the receiver's state is known: only
 * the next number resets (RFC 5961 section 3.2).
 *
 * - RFC 5961 section 4.2: a synchronized connection answers and drops a SYN.
 * - RFC 9293 section 3.10.7.4: after the handshake a segment without ACK is dropped; an acknowledgment of unsent bytes
 *   is dropped. send_next may lag: on loopback the acknowledgment can arrive before the sender's counter moves.
 * - RFC 9293 section 3.8.5, RFC 6093: recv() leaves out the urgent byte, and a new urgent pointer puts the earlier byte
 *   back. The missing byte depends on the time of the read. The pointer may be ahead of the segment, and the segment
 *   empty. With SO_OOBINLINE no byte is left out.
 */
static __always_inline __attribute__((unused)) int tcp_receiver_judge(const struct tcp_receiver *receiver,
                                                                      const struct tcp_segment *segment)
{
	__u32 known = receiver->known;

	if (!(known & TCP_KNOWN_SYNCHRONIZED))
		return segment->flags & TCP_URG && !(known & TCP_KNOWN_INLINE) ? TCP_UNSURE : TCP_TAKES;
	if (segment->flags & TCP_SYN)
		return TCP_FOREIGN;
	if (!(segment->flags & TCP_ACK))
		return TCP_FOREIGN;
	if (known & TCP_KNOWN_SEND_NEXT && tcp_ahead(segment->acknowledgment, receiver->send_next) > TCP_ORDER_WINDOW)
		return TCP_FOREIGN;
	/* the offer includes the receiver's backlog: an obedient sender is never ahead of the offer */
	if (known & TCP_KNOWN_WINDOW && tcp_ahead(segment->sequence, receiver->window_end) > 0)
		return TCP_REFUSES;
	if (segment->flags & TCP_URG && !(known & TCP_KNOWN_INLINE))
		return TCP_UNSURE;
	/* a FIN that the receiver has taken comes again */
	if (known & TCP_KNOWN_EXACT && segment->flags & TCP_FIN &&
	    tcp_ahead(segment->sequence + segment->length, receiver->next) < 0)
		return TCP_REFUSES;
	return TCP_TAKES;
}

/*
 * The number of bytes at the segment's start that the receiver had already accepted: their contents no longer matter.
 */
static __always_inline __attribute__((unused)) __u32 tcp_receiver_old(const struct tcp_receiver *receiver,
                                                                      __u32 sequence, __u32 length)
{
	__s32 old = tcp_ahead(receiver->next, sequence);

	if (!(receiver->known & TCP_KNOWN_NEXT) || old <= 0)
		return 0;
	return (__u32)old < length ? (__u32)old : length;
}

#endif /* TCP_RECEIVER_H */
