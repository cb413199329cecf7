/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet - IP and transport headers of an skb: the place of the payload and the facts of the header.
 *
 * All reads use bpf_skb_load_bytes(), which also reads data outside the linear part (GSO, GRO). Packets that cannot be
 * parsed pass unread.
 */
#ifndef PACKET_BPF_H
#define PACKET_BPF_H

#include "bpf/shared/flow_hash.h"
#include "bpf/shared/tcp_receiver.h"

enum packet_numbers {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_IPV4 = 4,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_IPV6 = 41,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_GRE = 47,
	PROTOCOL_AUTHENTICATION = 51,
	PROTOCOL_DESTINATION_OPTIONS = 60,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_MPLS = 137, /* RFC 4023 */
	PROTOCOL_HIP = 139,
	PROTOCOL_SHIM6 = 140,

	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	IPV6_EXTENSIONS_MAX = 8,
	IPV4_LENGTH_AT = 2, /* total length, with the header */
	IPV6_LENGTH_AT = 4, /* payload length, without it */
};

struct packet {
	__u32 network_offset; /* of the IP header in the skb */
	__u32 payload_offset; /* in the skb */
	__u32 payload_length;
	__u32 sequence; /* TCP, host byte order */
	__u32 acknowledgment;
	__u32 taken;       /* bytes at the payload's start that the receiver is known to have taken before */
	__u16 source_port; /* host byte order */
	__u16 destination_port;
	__u8 family;   /* 4 or 6 */
	__u8 protocol; /* PROTOCOL_TCP or PROTOCOL_UDP; PROTOCOL_FRAGMENT for a later fragment */
	__u8 tcp_flags;
};

/* Addresses and ports of the packet: the key of a connection without a socket. */
struct packet_flow {
	__u8 source[16]; /* network byte order; an IPv4 address in the first four */
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
	__u32 acknowledgment; /* tells one connection of the same addresses and ports from the next */
} __attribute__((aligned(8)));

static __always_inline __u16 packet_u16(const __u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static __always_inline __u32 packet_u32(const __u8 *bytes)
{
	return (__u32)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/*
 * The transport header's offset from the start of the IP header, in one number for functions that are verified
 * separately.
 */
static __always_inline __u32 packet_transport_pack(__u32 offset, __u8 family, __u8 protocol)
{
	return offset << 16 | family << 8 | protocol;
}

/*
 * Whether a header of this kind begins with the protocol of the next header: IPv6's extension headers, and AH in IPv4,
 * too.
 */
static __always_inline int packet_is_extension(__u8 family, __u8 protocol)
{
	switch (protocol) {
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_FRAGMENT:
	case PROTOCOL_DESTINATION_OPTIONS:
	case PROTOCOL_MOBILITY:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return family == 6;
	default:
		return protocol == PROTOCOL_AUTHENTICATION;
	}
}

/* RFC 8200 section 4, RFC 4302 section 2.2: walk the extension headers, from offset behind the IP header's start on. */
static __always_inline __u32 packet_skip_extensions(struct __sk_buff *skb, __u32 network_offset, __u32 offset,
                                                    __u8 family, __u8 protocol)
{
	__u8 header[4];
	int i;

	for (i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (!packet_is_extension(family, protocol))
			return packet_transport_pack(offset, family, protocol);
		if (bpf_skb_load_bytes(skb, network_offset + offset, header, sizeof(header)))
			return 0;
		if (protocol == PROTOCOL_FRAGMENT) {
			/*
			 * only the first fragment has the transport header; an atomic fragment has everything, RFC 6946
			 */
			if (packet_u16(header + 2) & 0xfff8)
				return packet_transport_pack(offset, family, PROTOCOL_FRAGMENT);
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
 * Returns packet_transport_pack() of the transport header, 0 without a transport header. Not static: the verifier
 * checks a global function once, and not again for each path to each call.
 */
__noinline __u32 packet_transport(struct __sk_buff *skb, __u32 network_offset)
{
	__u8 header[10];

	if (bpf_skb_load_bytes(skb, network_offset, header, sizeof(header)))
		return 0;
	switch (header[0] >> 4) {
	case 4:
		if (packet_u16(header + 6) & 0x1fff)
			return packet_transport_pack(IPV4_HEADER, 4, PROTOCOL_FRAGMENT);
		/* RFC 791 section 3.1: at least 5 words; a receiver drops what has fewer */
		if ((header[0] & 0xf) * 4 < IPV4_HEADER)
			return 0;
		return packet_skip_extensions(skb, network_offset, (header[0] & 0xf) * 4, 4, header[9]);
	case 6:
		return packet_skip_extensions(skb, network_offset, IPV6_HEADER, 6, header[6]);
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
	/* RFC 9293 section 3.1: at least 5 words */
	return (header[12] >> 4) * 4 >= TCP_HEADER;
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
 * The end of an IP packet in the skb, at most `end`. On a device, padding of the link layer may follow; length 0 means
 * a GSO packet longer than the field allows.
 */
static __always_inline __u32 packet_end(struct __sk_buff *skb, __u32 network_offset, __u32 end)
{
	__u8 header[IPV6_LENGTH_AT + 2];
	__u32 length;

	if (bpf_skb_load_bytes(skb, network_offset, header, sizeof(header)))
		return 0;
	if (header[0] >> 4 == 4)
		length = packet_u16(header + IPV4_LENGTH_AT);
	else
		length = packet_u16(header + IPV6_LENGTH_AT) ? packet_u16(header + IPV6_LENGTH_AT) + IPV6_HEADER : 0;
	return length && network_offset + length < end ? network_offset + length : end;
}

/*
 * Parse the headers of an IP packet that begins at network_offset and ends at `end` in the skb, at the latest. Returns
 * 0 without a TCP or UDP header.
 */
static __always_inline int packet_parse(struct __sk_buff *skb, __u32 network_offset, __u32 end, struct packet *packet)
{
	__u32 transport = packet_transport(skb, network_offset);
	__u32 offset = network_offset + (transport >> 16);
	int parsed = 0;

	if (!transport)
		return 0;
	packet->network_offset = network_offset;
	packet->family = transport >> 8;
	packet->protocol = transport;
	if (packet->protocol == PROTOCOL_TCP)
		parsed = packet_parse_tcp(skb, offset, packet);
	else if (packet->protocol == PROTOCOL_UDP)
		parsed = packet_parse_udp(skb, offset, packet);
	end = packet_end(skb, network_offset, end);
	if (!parsed || packet->payload_offset > end)
		return 0;
	/* the payload of a reset is no part of the stream (RFC 9293 section 3.5.3) */
	packet->payload_length = packet->tcp_flags & TCP_RST ? 0 : end - packet->payload_offset;
	return 1;
}

/* Load the packet's addresses into two buffers of 16 bytes that are all zero. */
static __always_inline int packet_addresses(struct __sk_buff *skb, const struct packet *packet, void *source,
                                            void *destination)
{
	__u32 offset = packet->network_offset;

	if (packet->family == 4)
		return bpf_skb_load_bytes(skb, offset + 12, source, 4) == 0 &&
		       bpf_skb_load_bytes(skb, offset + 16, destination, 4) == 0;
	return bpf_skb_load_bytes(skb, offset + 8, source, 16) == 0 &&
	       bpf_skb_load_bytes(skb, offset + 24, destination, 16) == 0;
}

/*
 * The packet's addresses and ports, seen from the receiving end or, with reverse, from the sending end: the same for
 * both directions of a connection.
 */
static __always_inline int packet_flow_of(struct __sk_buff *skb, const struct packet *packet, int reverse,
                                          struct packet_flow *flow)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	if (reverse) {
		flow->source_port = packet->destination_port;
		flow->destination_port = packet->source_port;
		return packet_addresses(skb, packet, flow->destination, flow->source);
	}
	flow->source_port = packet->source_port;
	flow->destination_port = packet->destination_port;
	return packet_addresses(skb, packet, flow->source, flow->destination);
}

static __always_inline __u64 packet_flow_hash(const struct packet_flow *flow, const volatile struct flow_hash_key *key)
{
	return flow_hash(key, flow, sizeof(*flow) / sizeof(__u32));
}

_Static_assert(sizeof(struct packet_flow) % sizeof(__u32) == 0, "hashed by words");
_Static_assert(sizeof(struct packet_flow) / sizeof(__u32) <= FLOW_HASH_WORDS, "as many keys as words");

#endif /* PACKET_BPF_H */
