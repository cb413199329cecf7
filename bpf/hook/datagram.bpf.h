/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datagram - DTLS: the kernel keeps no state, and hands over the datagrams of handshakes with their addresses. */
#ifndef DATAGRAM_BPF_H
#define DATAGRAM_BPF_H

enum datagram_numbers {
	DATAGRAM_CHUNKS_MAX = 8, /* events for one datagram: at most 16 KiB are handed over */
	DTLS_HEADER = 13,        /* RFC 6347 section 4.1 */
	DTLS_1_0_DRAFT = 0x0100, /* what OpenSSL spoke before RFC 4347, and some still do */
	DTLS_1_0 = 0xfeff,
	DTLS_1_2 = 0xfefd,
	DTLS_CONNECTION_ID = 25, /* tls12_cid: a record with a connection ID, RFC 9146 section 4 */
	DTLS_FINISHED_MAX = 8,   /* numbers of epoch 1 at which Finished, sent again, is looked for */
};

/*
 * RFC 6347 section 4.1: whether a datagram begins with a record of a handshake. What is encrypted data is left alone. With
 * connection IDs all encrypted records have the same type: the first ones of epoch 1 may be Finished.
 */
static __always_inline int datagram_is_handshake(const __u8 *header)
{
	__u16 version = packet_u16(header + 1);

	if (header[0] == DTLS_CONNECTION_ID)
		return version == DTLS_1_2 && packet_u16(header + 3) == 1 && packet_u32(header + 5) == 0 &&
		       packet_u16(header + 9) < DTLS_FINISHED_MAX;
	return header[0] >= TLS_CHANGE_CIPHER_SPEC && header[0] <= TLS_HANDSHAKE &&
	       (version == DTLS_1_0 || version == DTLS_1_2 || version == DTLS_1_0_DRAFT);
}

/* Each hook provides: the name of an association, the same in both directions. */
static int datagram_flow(struct __sk_buff *skb, const struct packet *packet, __u32 index, struct packet_flow *flow);

__noinline __u64 datagram_id(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	struct packet_flow flow;

	if (!packet_at_hand(skb, where, &packet) || !datagram_flow(skb, &packet, where_index(where), &flow))
		return 0;
	return packet_flow_hash(&flow, &flow_key) | CONNECTION_WITHOUT_SOCKET;
}

/* Tell the ends of a datagram's association. Returns whether there was room. */
__noinline int datagram_open(struct __sk_buff *skb, __u32 where, __u64 id)
{
	struct origin origin = {.connection = id, .index = where_index(where)};
	struct packet packet = {};

	if (!packet_at_hand(skb, where, &packet))
		return 0;
	origin.time_ns = bpf_ktime_get_ns();
	return emit_open_of(skb, &origin, &packet);
}

/* Report the sender of a sent datagram. Returns whether there was room. */
__noinline int datagram_tell_owner(struct __sk_buff *skb, __u64 id)
{
	struct origin origin = {.connection = id, .index = EVENT_SENT};
	__u32 writer = writer_of(skb);

	if (!writer)
		return 1;
	origin.time_ns = bpf_ktime_get_ns();
	return emit_owner_of(skb, &origin, writer);
}

/* Hand over the bytes of a datagram at position. Returns whether more may follow. */
__noinline int datagram_chunk(struct __sk_buff *skb, __u32 where, __u32 position, __u64 id)
{
	struct bytes_at at = {.kind = EVENT_DATAGRAM, .position = position};
	struct origin origin = {.connection = id, .index = where_index(where)};
	struct packet packet = {};

	if (!packet_at_hand(skb, where, &packet) || position >= packet.payload_length)
		return 0;
	origin.time_ns = bpf_ktime_get_ns();
	at.offset = packet.payload_offset + position;
	at.length = packet.payload_length - position;
	at.flags = position ? 0 : EVENT_SEGMENT_START;
	if (at.length > EVENT_BYTES_LARGE)
		at.length = EVENT_BYTES_LARGE;
	if (!emit_bytes_of(skb, &origin, &at)) {
		statistic_add(STATISTIC_LOST_RING);
		return 0;
	}
	return 1;
}

/* DTLS is put together in userspace: the kernel keeps nothing of it, and hands over the datagrams of handshakes. */
__noinline int datagram_packet(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	__u8 header[DTLS_HEADER];
	__u64 id;
	int i;

	if (!packet_at_hand(skb, where, &packet) || packet.protocol != PROTOCOL_UDP)
		return 0;
	if (packet.payload_length < DTLS_HEADER ||
	    bpf_skb_load_bytes(skb, packet.payload_offset, header, sizeof(header)) || !datagram_is_handshake(header))
		return 0;
	id = datagram_id(skb, where);
	if (!datagram_open(skb, where, id) || (where_index(where) == EVENT_SENT && !datagram_tell_owner(skb, id))) {
		statistic_add(STATISTIC_LOST_RING);
		return 0;
	}
	for (i = 0; i < DATAGRAM_CHUNKS_MAX; i++)
		if (!datagram_chunk(skb, where, i * EVENT_BYTES_LARGE, id))
			return 0;
	if (packet.payload_length > DATAGRAM_CHUNKS_MAX * EVENT_BYTES_LARGE)
		statistic_add(STATISTIC_HANDOVER_BOUND);
	return 0;
}

#endif /* DATAGRAM_BPF_H */
