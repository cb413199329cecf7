/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet - IP and transport headers of an skb: where its payload is and what its header says.
 *
 * All reads go through bpf_skb_load_bytes(), which copes with data outside the linear part (GSO, GRO). What cannot be
 * parsed is left alone: the caller lets it pass.
 */
#ifndef PACKET_BPF_H
#define PACKET_BPF_H

enum packet_numbers {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_AUTHENTICATION = 51,
	PROTOCOL_DESTINATION_OPTIONS = 60,
	PROTOCOL_MOBILITY = 135,

	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	IPV6_EXTENSIONS_MAX = 8,

	TCP_FLAG_BIT_FIN = 1 << 0,
	TCP_FLAG_BIT_SYN = 1 << 1,
	TCP_FLAG_BIT_RST = 1 << 2,
	TCP_FLAG_BIT_ACK = 1 << 4,
};

struct packet {
	__u32 payload_offset; /* in the skb */
	__u32 payload_length;
	__u32 sequence;       /* TCP, host byte order */
	__u32 acknowledgment;
	__u16 source_port;    /* host byte order */
	__u16 destination_port;
	__u8 family;          /* 4 or 6 */
	__u8 protocol;        /* PROTOCOL_TCP or PROTOCOL_UDP */
	__u8 tcp_flags;
};

/* Addresses and ports as the packet has them: the key of what has no socket yet. */
struct packet_flow {
	__u8 source[16]; /* network byte order; an IPv4 address in the first four */
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
	__u32 acknowledgment; /* tells one connection of the same addresses and ports from the next */
};

static __always_inline __u16 packet_u16(const __u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static __always_inline __u32 packet_u32(const __u8 *bytes)
{
	return (__u32)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* Where the transport header is, in one number: what a function that is verified on its own can return. */
static __always_inline __u32 packet_transport_pack(__u32 offset, __u8 family, __u8 protocol)
{
	return offset << 16 | family << 8 | protocol;
}

/* RFC 8200 section 4: walk the extension headers. */
static __always_inline __u32 packet_skip_extensions(struct __sk_buff *skb, __u8 protocol)
{
	__u32 offset = IPV6_HEADER;
	__u8 header[4];
	int i;

	for (i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		switch (protocol) {
		case PROTOCOL_TCP:
		case PROTOCOL_UDP:
			return packet_transport_pack(offset, 6, protocol);
		case PROTOCOL_HOP_BY_HOP:
		case PROTOCOL_ROUTING:
		case PROTOCOL_FRAGMENT:
		case PROTOCOL_AUTHENTICATION:
		case PROTOCOL_DESTINATION_OPTIONS:
		case PROTOCOL_MOBILITY:
			break;
		default:
			return 0;
		}
		if (bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
			return 0;
		if (protocol == PROTOCOL_FRAGMENT) {
			/* a socket sees reassembled packets; what is left is an atomic fragment, RFC 6946 */
			if (packet_u16(header + 2) & 0xfff8)
				return 0;
			offset += 8;
		} else if (protocol == PROTOCOL_AUTHENTICATION) {
			offset += (header[1] + 2) * 4;
		} else {
			offset += (header[1] + 1) * 8;
		}
		protocol = header[0];
	}
	return 0;
}

/*
 * Returns packet_transport_pack() of the transport header, 0 where there is none. Not static, so that the verifier looks
 * at it once, on its own, and not anew for each way to each of its calls.
 */
__noinline __u32 packet_transport(struct __sk_buff *skb)
{
	__u8 header[10];

	if (bpf_skb_load_bytes(skb, 0, header, sizeof(header)))
		return 0;
	switch (header[0] >> 4) {
	case 4:
		if (packet_u16(header + 6) & 0x1fff)
			return 0;
		return packet_transport_pack((header[0] & 0xf) * 4, 4, header[9]);
	case 6:
		return packet_skip_extensions(skb, header[6]);
	default:
		return 0;
	}
}

static __always_inline int packet_parse_tcp(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	__u8 header[TCP_HEADER];

	if (bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
		return 0;
	packet->source_port = packet_u16(header);
	packet->destination_port = packet_u16(header + 2);
	packet->sequence = packet_u32(header + 4);
	packet->acknowledgment = packet_u32(header + 8);
	packet->tcp_flags = header[13];
	packet->payload_offset = offset + (header[12] >> 4) * 4;
	return 1;
}

static __always_inline int packet_parse_udp(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	__u8 header[UDP_HEADER];

	if (bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
		return 0;
	packet->source_port = packet_u16(header);
	packet->destination_port = packet_u16(header + 2);
	packet->payload_offset = offset + UDP_HEADER;
	return 1;
}

/*
 * Parse the headers of an skb that begins at its IP header. The payload's length comes from the skb's, since the IP header
 * of a GSO packet need not know it; IP has trimmed link padding before a socket sees the packet. Returns 0 where this is
 * neither TCP nor UDP.
 */
static __always_inline int packet_parse(struct __sk_buff *skb, struct packet *packet)
{
	__u32 transport = packet_transport(skb);
	__u32 offset = transport >> 16;
	int parsed = 0;

	packet->family = transport >> 8;
	packet->protocol = transport;
	if (packet->protocol == PROTOCOL_TCP)
		parsed = packet_parse_tcp(skb, offset, packet);
	else if (packet->protocol == PROTOCOL_UDP)
		parsed = packet_parse_udp(skb, offset, packet);
	if (!parsed || packet->payload_offset > skb->len)
		return 0;
	packet->payload_length = skb->len - packet->payload_offset;
	return 1;
}

/* Load the packet's addresses into two buffers of 16 bytes that are all zero. */
static __always_inline int packet_addresses(struct __sk_buff *skb, __u8 family, void *source, void *destination)
{
	if (family == 4)
		return bpf_skb_load_bytes(skb, 12, source, 4) == 0 && bpf_skb_load_bytes(skb, 16, destination, 4) == 0;
	return bpf_skb_load_bytes(skb, 8, source, 16) == 0 && bpf_skb_load_bytes(skb, 24, destination, 16) == 0;
}

#endif /* PACKET_BPF_H */
