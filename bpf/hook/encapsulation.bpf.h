/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * encapsulation - the headers before the relevant IP header, on a device: link layers, tags, labels and cleartext
 * tunnels. user/capture/packet.c does the same for captures. The number of headers is bounded; each kind is a step of a
 * loop in a separate function, which the verifier checks once.
 */
#ifndef ENCAPSULATION_BPF_H
#define ENCAPSULATION_BPF_H

enum encapsulation_bounds {
	LINK_HEADERS_MAX = 8, /* between an Ethernet type and its IP header */
	TUNNELS_MAX = 4,      /* IP headers before the relevant IP header */
	GTP_EXTENSIONS_MAX = 4,
};

enum encapsulation_numbers {
	ETHERNET_HEADER = 14,
	ETHERNET_TYPE_AT = 12,
	ETHERTYPE_LOWEST = 0x0600, /* below it the field is a length (IEEE 802.3) */
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ETHERNET = 0x6558, /* Transparent Ethernet Bridging, RFC 1701 */
	ETHERTYPE_VLAN = 0x8100,     /* IEEE 802.1Q */
	ETHERTYPE_IPV6 = 0x86dd,     /* RFC 2464 */
	ETHERTYPE_PPP = 0x880b,      /* RFC 2637 section 4.1 */
	ETHERTYPE_MPLS = 0x8847,     /* RFC 5332 */
	ETHERTYPE_MPLS_UPSTREAM = 0x8848,
	ETHERTYPE_PPPOE = 0x8864,            /* RFC 2516 */
	ETHERTYPE_SERVICE_VLAN = 0x88a8,     /* IEEE 802.1ad */
	ETHERTYPE_SERVICE_VLAN_OLD = 0x9100, /* QinQ before the standard 802.1ad */
	ETHERTYPE_NONE = 0,

	VLAN_HEADER = 4,
	LLC_HEADER = 8,
	MPLS_LABEL = 4,
	PPPOE_HEADER = 6,

	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	PPP_MPLS = 0x0281,

	PORT_GTP = 2152,         /* 3GPP TS 29.281 section 4.4.2.3 */
	PORT_VXLAN = 4789,       /* RFC 7348 section 5 */
	PORT_VXLAN_LINUX = 8472, /* VXLAN's port in Linux before the assignment, and still the default */
	PORT_GENEVE = 6081,      /* RFC 8926 section 3.3 */
	TUNNEL_HEADER = 8,       /* the beginning of all of these */

	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_ACKNOWLEDGMENT = 0x0080,
	GRE_VERSION = 0x0007,
};

/* The next header: its offset, and its kind as an Ethernet type; ETHERTYPE_NONE if unknown. */
struct encapsulated {
	__u32 offset;
	__u32 end; /* by the length fields of the outer headers: nothing is longer than its outer layer */
	__u32 type;
};

/* The same in one number, for functions that are verified separately; 0: no header. */
static __always_inline __u64 encapsulated_pack(__u32 offset, __u32 end)
{
	return (__u64)end << 32 | offset;
}

static __always_inline __u32 encapsulated_offset(__u64 packed)
{
	return packed;
}

static __always_inline __u32 encapsulated_end(__u64 packed)
{
	return packed >> 32;
}

static __always_inline void encapsulated_bound(struct encapsulated *next, __u32 end)
{
	if (end < next->end)
		next->end = end;
}

static __always_inline int encapsulation_load(struct __sk_buff *skb, __u32 offset, __u8 *header, __u32 length)
{
	return !bpf_skb_load_bytes(skb, offset, header, length);
}

static __always_inline void encapsulation_skip_ethernet(struct __sk_buff *skb, struct encapsulated *next)
{
	__u8 type[2];

	next->type = ETHERTYPE_NONE;
	if (encapsulation_load(skb, next->offset + ETHERNET_TYPE_AT, type, sizeof(type)))
		next->type = packet_u16(type);
	next->offset += ETHERNET_HEADER;
}

static __always_inline void encapsulation_skip_vlan(struct __sk_buff *skb, struct encapsulated *next)
{
	__u8 header[VLAN_HEADER];

	next->type = ETHERTYPE_NONE;
	if (encapsulation_load(skb, next->offset, header, sizeof(header)))
		next->type = packet_u16(header + 2);
	next->offset += VLAN_HEADER;
}

/* IEEE 802.2: of the many payloads, only SNAP with an Ethernet type (RFC 1042). */
static __always_inline void encapsulation_skip_llc(struct __sk_buff *skb, struct encapsulated *next)
{
	__u8 header[LLC_HEADER];

	next->type = ETHERTYPE_NONE;
	if (encapsulation_load(skb, next->offset, header, sizeof(header)) && packet_u32(header) == 0xaaaa0300 &&
	    packet_u16(header + 4) == 0)
		next->type = packet_u16(header + 6);
	if (next->type < ETHERTYPE_LOWEST)
		next->type = ETHERTYPE_NONE;
	next->offset += LLC_HEADER;
}

/*
 * RFC 3032 section 2.1. The last label does not name its payload; IP is recognised by its version (RFC 4928 section 3).
 */
static __always_inline void encapsulation_skip_mpls(struct __sk_buff *skb, struct encapsulated *next)
{
	__u8 header[MPLS_LABEL + 1];

	if (!encapsulation_load(skb, next->offset, header, sizeof(header)))
		next->type = ETHERTYPE_NONE;
	else if (!(header[2] & 1))
		next->type = ETHERTYPE_MPLS;
	else if (header[MPLS_LABEL] >> 4 == 4)
		next->type = ETHERTYPE_IPV4;
	else if (header[MPLS_LABEL] >> 4 == 6)
		next->type = ETHERTYPE_IPV6;
	else
		next->type = ETHERTYPE_NONE;
	next->offset += MPLS_LABEL;
}

/* RFC 1661 section 2: the protocol's first byte may be compressed away (section 6.5): then the one left is odd. */
static __always_inline void encapsulation_skip_ppp(struct __sk_buff *skb, struct encapsulated *next)
{
	__u32 protocol = 0;
	__u8 header[2];

	next->type = ETHERTYPE_NONE;
	if (!encapsulation_load(skb, next->offset, header, sizeof(header)))
		return;
	protocol = header[0] & 1 ? header[0] : packet_u16(header);
	next->offset += header[0] & 1 ? 1 : 2;
	if (protocol == PPP_IPV4)
		next->type = ETHERTYPE_IPV4;
	else if (protocol == PPP_IPV6)
		next->type = ETHERTYPE_IPV6;
	else if (protocol == PPP_MPLS)
		next->type = ETHERTYPE_MPLS;
}

/* RFC 2516 section 4: version 1, type 1, a packet of a session */
static __always_inline void encapsulation_skip_pppoe(struct __sk_buff *skb, struct encapsulated *next)
{
	__u8 header[PPPOE_HEADER];

	next->type = ETHERTYPE_NONE;
	if (!encapsulation_load(skb, next->offset, header, sizeof(header)))
		return;
	next->offset += PPPOE_HEADER;
	encapsulated_bound(next, next->offset + packet_u16(header + 4));
	if (header[0] == 0x11 && header[1] == 0)
		next->type = ETHERTYPE_PPP;
}

/* The offset of the IP header that a header of an Ethernet type at offset leads to; 0 without an IP header. */
__noinline __u64 encapsulation_network(struct __sk_buff *skb, __u32 offset, __u32 end, __u32 type)
{
	struct encapsulated next = {.offset = offset, .end = end, .type = type};
	int i;

	for (i = 0; i < LINK_HEADERS_MAX; i++) {
		switch (next.type) {
		case ETHERTYPE_IPV4:
		case ETHERTYPE_IPV6:
			return encapsulated_pack(next.offset, next.end);
		case ETHERTYPE_VLAN:
		case ETHERTYPE_SERVICE_VLAN:
		case ETHERTYPE_SERVICE_VLAN_OLD:
			encapsulation_skip_vlan(skb, &next);
			break;
		case ETHERTYPE_MPLS:
		case ETHERTYPE_MPLS_UPSTREAM:
			encapsulation_skip_mpls(skb, &next);
			break;
		case ETHERTYPE_PPPOE:
			encapsulation_skip_pppoe(skb, &next);
			break;
		case ETHERTYPE_PPP:
			encapsulation_skip_ppp(skb, &next);
			break;
		case ETHERTYPE_ETHERNET:
			encapsulation_skip_ethernet(skb, &next);
			break;
		case ETHERTYPE_NONE:
			return 0;
		default:
			if (next.type >= ETHERTYPE_LOWEST)
				return 0;
			encapsulation_skip_llc(skb, &next);
		}
	}
	statistic_add(STATISTIC_LAYERS);
	return 0;
}

/* RFC 2784 and RFC 2890; version 1 is PPTP's (RFC 2637 section 4.1). */
static __always_inline void encapsulation_skip_gre(struct __sk_buff *skb, struct encapsulated *next)
{
	__u8 header[4];
	__u32 flags;

	next->type = ETHERTYPE_NONE;
	if (!encapsulation_load(skb, next->offset, header, sizeof(header)))
		return;
	flags = packet_u16(header);
	if (flags & GRE_ROUTING || (flags & GRE_VERSION) > 1)
		return;
	next->offset +=
		sizeof(header) + !!(flags & GRE_CHECKSUM) * 4 + !!(flags & GRE_KEY) * 4 + !!(flags & GRE_SEQUENCE) * 4;
	if ((flags & GRE_VERSION) == 1 && flags & GRE_ACKNOWLEDGMENT)
		next->offset += 4;
	next->type = packet_u16(header + 2);
	if (next->type < ETHERTYPE_LOWEST)
		next->type = ETHERTYPE_NONE;
}

/* 3GPP TS 29.281 section 5.1: with any of three flags four bytes more, the last of them the type of an extension. */
static __always_inline void encapsulation_skip_gtp(struct __sk_buff *skb, struct encapsulated *next, __u8 flags)
{
	__u8 optional[4] = {}, length = 0;
	int i;

	next->type = ETHERTYPE_NONE;
	next->offset += TUNNEL_HEADER;
	if (flags & 7) {
		if (!encapsulation_load(skb, next->offset, optional, sizeof(optional)))
			return;
		next->offset += sizeof(optional);
	}
	if (!(flags & 4))
		optional[3] = 0;
	/*
	 * each extension: its length in units of 4 bytes, and at its end the type of the next extension (section 5.2.1)
	 */
	for (i = 0; i < GTP_EXTENSIONS_MAX && optional[3]; i++) {
		if (!encapsulation_load(skb, next->offset, &length, 1) || !length)
			return;
		next->offset += length * 4;
		if (!encapsulation_load(skb, next->offset - 1, optional + 3, 1))
			return;
	}
	if (optional[3] || !encapsulation_load(skb, next->offset, optional, 1))
		return;
	/* the payload is IP, and says itself which */
	next->type = optional[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
}

/* A datagram's payload, by the port and a header that can be a tunnel's; any client may happen to have such a port. */
static __always_inline void encapsulation_skip_udp(struct __sk_buff *skb, struct encapsulated *next)
{
	__u8 header[UDP_HEADER + TUNNEL_HEADER];
	__u8 *tunnel = header + UDP_HEADER;

	next->type = ETHERTYPE_NONE;
	if (!encapsulation_load(skb, next->offset, header, sizeof(header)))
		return;
	/* 0: a jumbogram (RFC 2675 section 4), or a length that the device fills in */
	if (packet_u16(header + 4))
		encapsulated_bound(next, next->offset + packet_u16(header + 4));
	next->offset += UDP_HEADER;
	switch (packet_u16(header + 2)) {
	case PORT_VXLAN:
	case PORT_VXLAN_LINUX:
		if (tunnel[0] == 0x08)
			next->type = ETHERTYPE_ETHERNET;
		next->offset += TUNNEL_HEADER;
		break;
	case PORT_GENEVE:
		/* version 0; bits that are reserved are zero; the payload is of an Ethernet type */
		if (!(tunnel[0] >> 6) && !(tunnel[1] & 0x3f) && !tunnel[7] &&
		    packet_u16(tunnel + 2) >= ETHERTYPE_LOWEST)
			next->type = packet_u16(tunnel + 2);
		next->offset += TUNNEL_HEADER + (tunnel[0] & 0x3f) * 4;
		break;
	case PORT_GTP:
		if (tunnel[0] >> 4 == 3 && tunnel[1] == 0xff)
			encapsulation_skip_gtp(skb, next, tunnel[0]);
	}
}

/* The offset of the IP header in the payload of the IP packet at network_offset; 0 if the payload is no tunnel. */
__noinline __u64 encapsulation_inner(struct __sk_buff *skb, __u32 network_offset, __u32 end)
{
	__u32 transport = packet_transport(skb, network_offset);
	struct encapsulated next = {.offset = network_offset + (transport >> 16), .end = end};

	switch ((__u8)transport) {
	case PROTOCOL_IPV4:
	case PROTOCOL_IPV6:
		next.type = ETHERTYPE_IPV4;
		break;
	case PROTOCOL_MPLS:
		next.type = ETHERTYPE_MPLS;
		break;
	case PROTOCOL_GRE:
		encapsulation_skip_gre(skb, &next);
		break;
	case PROTOCOL_UDP:
		encapsulation_skip_udp(skb, &next);
		break;
	}
	if (!next.type)
		return 0;
	encapsulated_bound(&next, packet_end(skb, network_offset, end));
	return encapsulation_network(skb, next.offset, next.end, next.type);
}

/* The IP header that counts, in an Ethernet frame or, where the type says so, an IP packet. */
static __always_inline __u64 encapsulation_innermost(struct __sk_buff *skb, __u32 type)
{
	__u64 found = encapsulation_network(skb, 0, skb->len, type);
	__u64 inner;
	int i;

	/* an IP packet has its header at 0, but never its end */
	for (i = 0; i < TUNNELS_MAX && found; i++) {
		inner = encapsulation_inner(skb, encapsulated_offset(found), encapsulated_end(found));
		if (!inner)
			return found;
		found = inner;
	}
	if (found && encapsulation_inner(skb, encapsulated_offset(found), encapsulated_end(found)))
		statistic_add(STATISTIC_LAYERS);
	return found;
}

#endif /* ENCAPSULATION_BPF_H */
