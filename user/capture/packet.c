// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/packet_layer.h"

#include <netinet/in.h>
#include <pcap/dlt.h>
#include <stddef.h>
#include <string.h>

enum layer packet_leave_out(struct parse *parse, enum packet_left_out why)
{
	parse->packet->kind = PACKET_LEFT_OUT;
	parse->packet->left_out = why;
	return LAYER_END;
}

/*
 * The next layer is `length` bytes long: further bytes are padding, missing bytes were not captured. Nothing is longer
 * than the length in its outer layer; a capture may have kept less of the frame than its length.
 */
static void set_length(struct parse *parse, uint32_t length)
{
	if (!parse->length_known || length < parse->length)
		parse->length = length;
	if (parse->captured > parse->length)
		parse->captured = parse->length;
	parse->length_known = true;
}

static void advance(struct parse *parse, uint32_t count)
{
	uint32_t captured = count < parse->captured ? count : parse->captured;

	parse->bytes += captured;
	parse->captured -= captured;
	parse->length -= count;
}

/* The next count bytes as a header; NULL, and the packet left out, if bytes are missing. */
const uint8_t *packet_take(struct parse *parse, uint32_t count)
{
	const uint8_t *header = parse->bytes;

	if (parse->captured < count) {
		packet_leave_out(parse, parse->length < count ? LEFT_OUT_MALFORMED : LEFT_OUT_CUT);
		return NULL;
	}
	advance(parse, count);
	return header;
}

static enum layer parse_ethernet(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 14);

	if (!header)
		return LAYER_END;
	parse->type = get_16(header + 12);
	return LAYER_TYPE;
}

/* Linux cooked capture: the type of the packets depends on the kind of device for a few that carry no IP. */
static enum layer parse_cooked_type(struct parse *parse, uint32_t device, uint32_t type)
{
	enum {
		ARPHRD_NETLINK = 824,
		ARPHRD_80211 = 801,
		ARPHRD_80211_RADIOTAP = 803,
		COOKED_802_2 = 4
	};

	if (device == ARPHRD_NETLINK || (device >= ARPHRD_80211 && device <= ARPHRD_80211_RADIOTAP))
		return packet_leave_out(parse, LEFT_OUT_NOT_IP);
	if (type == COOKED_802_2)
		return LAYER_LLC;
	if (type < TYPE_LOWEST)
		return packet_leave_out(parse, LEFT_OUT_NOT_IP);
	parse->type = type;
	return LAYER_TYPE;
}

static enum layer parse_cooked(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 16);

	return header ? parse_cooked_type(parse, get_16(header + 2), get_16(header + 14)) : LAYER_END;
}

static enum layer parse_cooked_2(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 20);

	return header ? parse_cooked_type(parse, get_16(header + 8), get_16(header)) : LAYER_END;
}

/* NULL and LOOP: the address family in the BSDs' numbers, in the byte order of the capturing host. */
static enum layer parse_loopback(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 4);
	uint32_t family;

	if (!header)
		return LAYER_END;
	family = get_16(header + 2);
	if (get_16(header))
		family = header[1] << 8 | header[0];
	switch (family) {
	case 2:
		return LAYER_IPV4;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		return LAYER_IPV6;
	default:
		return packet_leave_out(parse, LEFT_OUT_NOT_IP);
	}
}

static enum layer parse_type(struct parse *parse)
{
	if (parse->type < TYPE_LOWEST)
		return LAYER_LLC;
	switch (parse->type) {
	case TYPE_IPV4:
		return LAYER_IPV4;
	case TYPE_IPV6:
		return LAYER_IPV6;
	case TYPE_VLAN:
	case TYPE_QINQ:
	case TYPE_QINQ_OLD:
		return LAYER_VLAN;
	case TYPE_MPLS:
	case TYPE_MPLS_UPSTREAM:
		return LAYER_MPLS;
	case TYPE_PPPOE:
		return LAYER_PPPOE;
	case TYPE_PPP:
		return LAYER_PPP;
	case TYPE_ETHERNET:
		return LAYER_ETHERNET;
	case TYPE_METADATA:
		return LAYER_METADATA;
	case TYPE_MACSEC:
		return packet_leave_out(parse, LEFT_OUT_ENCRYPTED);
	default:
		return packet_leave_out(parse, LEFT_OUT_NOT_IP);
	}
}

static enum layer parse_vlan(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 4);

	if (!header)
		return LAYER_END;
	parse->type = get_16(header + 2);
	return LAYER_TYPE;
}

/* IEEE 802.2: of the many payloads, only SNAP with an Ethernet type (RFC 1042). */
static enum layer parse_llc(struct parse *parse)
{
	static const uint8_t snap[6] = {0xaa, 0xaa, 0x03, 0, 0, 0};
	const uint8_t *header = packet_take(parse, 8);

	if (!header)
		return LAYER_END;
	parse->type = get_16(header + 6);
	if (memcmp(header, snap, sizeof(snap)) != 0 || parse->type < TYPE_LOWEST)
		return packet_leave_out(parse, LEFT_OUT_NOT_IP);
	return LAYER_TYPE;
}

/*
 * A label stack entry, RFC 3032 section 2.1. The last label does not name its payload; IP is recognised by its version
 * (RFC 4928 section 3), anything else is not guessed.
 */
static enum layer parse_mpls(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 4);

	if (!header)
		return LAYER_END;
	if (!(header[2] & 1))
		return LAYER_MPLS;
	if (parse->captured && parse->bytes[0] >> 4 != 4 && parse->bytes[0] >> 4 != 6)
		return packet_leave_out(parse, LEFT_OUT_TUNNEL);
	return LAYER_IP;
}

/* RFC 2516 section 4 */
static enum layer parse_pppoe(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 6);

	if (!header)
		return LAYER_END;
	if (header[0] != 0x11 || header[1] != 0 || get_16(header + 4) > parse->length)
		return packet_leave_out(parse, LEFT_OUT_MALFORMED);
	set_length(parse, get_16(header + 4));
	return LAYER_PPP;
}

/* RFC 1661 section 2: the protocol's first byte may be compressed away (section 6.5): then the one left is odd. */
static enum layer parse_ppp(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 1);
	uint32_t protocol;

	if (!header)
		return LAYER_END;
	protocol = header[0];
	if (!(protocol & 1)) {
		header = packet_take(parse, 1);
		if (!header)
			return LAYER_END;
		protocol = protocol << 8 | header[0];
	}
	switch (protocol) {
	case 0x0021:
		return LAYER_IPV4;
	case 0x0057:
		return LAYER_IPV6;
	case 0x0281:
		return LAYER_MPLS;
	default:
		return packet_leave_out(parse, LEFT_OUT_NOT_IP);
	}
}

/* RFC 1662 section 3.1: address and control may be compressed away. */
static enum layer parse_ppp_hdlc(struct parse *parse)
{
	const uint8_t *header;

	if (parse->captured && parse->bytes[0] == 0xff) {
		header = packet_take(parse, 2);
		if (!header)
			return LAYER_END;
		if (header[1] != 0x03)
			return packet_leave_out(parse, LEFT_OUT_NOT_IP);
	}
	return LAYER_PPP;
}

static enum layer parse_ip(struct parse *parse)
{
	if (parse->captured < 1)
		return packet_leave_out(parse, parse->length < 1 ? LEFT_OUT_MALFORMED : LEFT_OUT_CUT);
	return parse->bytes[0] >> 4 == 6 ? LAYER_IPV6 : LAYER_IPV4;
}

static enum layer found_fragment(struct parse *parse, uint32_t identification, uint32_t offset, bool more)
{
	struct packet *packet = parse->packet;

	packet->kind = PACKET_FRAGMENT;
	packet->protocol = parse->type;
	packet->identification = identification;
	packet->fragment_offset = offset;
	packet->more_fragments = more;
	return LAYER_END;
}

/* RFC 791 section 3.1 */
static enum layer parse_ipv4(struct parse *parse)
{
	enum {
		MORE_FRAGMENTS = 0x2000,
		FRAGMENT_OFFSET = 0x1fff
	};
	uint32_t whole = parse->length;
	const uint8_t *header = packet_take(parse, 20);
	uint32_t header_length, total, fragment;

	if (!header)
		return LAYER_END;
	header_length = (header[0] & 15) * 4;
	total = get_16(header + 2);
	/* a host that leaves segmentation to its device may capture packets before their length is known */
	if (total == 0)
		total = whole;
	if (header[0] >> 4 != 4 || header_length < 20 || total < header_length)
		return packet_leave_out(parse, LEFT_OUT_MALFORMED);
	set_length(parse, total - 20);
	if (header_length > 20 && !packet_take(parse, header_length - 20))
		return LAYER_END;

	parse->packet->family = 4;
	memset(parse->packet->source, 0, sizeof(parse->packet->source));
	memset(parse->packet->destination, 0, sizeof(parse->packet->destination));
	memcpy(parse->packet->source, header + 12, 4);
	memcpy(parse->packet->destination, header + 16, 4);
	parse->type = header[9];
	fragment = get_16(header + 6);
	if (fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET))
		return found_fragment(parse, get_16(header + 4), (fragment & FRAGMENT_OFFSET) * 8,
		                      fragment & MORE_FRAGMENTS);
	return LAYER_PROTOCOL;
}

/* RFC 8200 section 3 */
static enum layer parse_ipv6(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 40);

	if (!header)
		return LAYER_END;
	if (header[0] >> 4 != 6)
		return packet_leave_out(parse, LEFT_OUT_MALFORMED);
	/* 0: a jumbogram (RFC 2675), or a length that the device fills in: the frame's own length has to do */
	if (get_16(header + 4))
		set_length(parse, get_16(header + 4));
	parse->packet->family = 6;
	memcpy(parse->packet->source, header + 8, 16);
	memcpy(parse->packet->destination, header + 24, 16);
	parse->type = header[6];
	return LAYER_PROTOCOL;
}

static enum layer parse_protocol(struct parse *parse)
{
	switch (parse->type) {
	case IPPROTO_TCP:
		return LAYER_TCP;
	case IPPROTO_UDP:
		return LAYER_UDP;
	case IPPROTO_IPIP:
		return LAYER_IPV4;
	case IPPROTO_IPV6:
		return LAYER_IPV6;
	case IPPROTO_GRE:
		return LAYER_GRE;
	case PROTOCOL_MPLS:
		return LAYER_MPLS;
	case IPPROTO_AH:
		return LAYER_AUTHENTICATION;
	case IPPROTO_ESP:
		return packet_leave_out(parse, LEFT_OUT_ENCRYPTED);
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case PROTOCOL_MOBILITY:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return parse->packet->family == 6 ? LAYER_IPV6_EXTENSION : packet_leave_out(parse, LEFT_OUT_NOT_TCP);
	case IPPROTO_FRAGMENT:
		return parse->packet->family == 6 ? LAYER_IPV6_FRAGMENT : packet_leave_out(parse, LEFT_OUT_NOT_TCP);
	default:
		return packet_leave_out(parse, LEFT_OUT_NOT_TCP);
	}
}

/*
 * RFC 6564 section 4: all extension headers begin with the next protocol and their length in units of 8 bytes, minus
 * one.
 */
static enum layer parse_ipv6_extension(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 8);

	if (!header)
		return LAYER_END;
	if (header[1] && !packet_take(parse, header[1] * 8))
		return LAYER_END;
	parse->type = header[0];
	return LAYER_PROTOCOL;
}

/* RFC 8200 section 4.5 */
static enum layer parse_ipv6_fragment(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 8);
	uint32_t fragment;

	if (!header)
		return LAYER_END;
	parse->type = header[0];
	fragment = get_16(header + 2);
	/* a packet in one fragment (RFC 6946) is whole */
	if (!(fragment & ~6u))
		return LAYER_PROTOCOL;
	return found_fragment(parse, get_32(header + 4), fragment & ~7u, fragment & 1);
}

/* RFC 4302 section 2.2: the length is in 4 bytes, less two. The payload is in the clear. */
static enum layer parse_authentication(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 12);
	uint32_t length;

	if (!header)
		return LAYER_END;
	length = (header[1] + 2) * 4;
	if (length < 12)
		return packet_leave_out(parse, LEFT_OUT_MALFORMED);
	if (length > 12 && !packet_take(parse, length - 12))
		return LAYER_END;
	parse->type = header[0];
	return LAYER_PROTOCOL;
}

static void found(struct parse *parse, enum packet_kind kind)
{
	parse->packet->kind = kind;
	parse->packet->payload = parse->bytes;
	parse->packet->captured = parse->captured;
	parse->packet->length = parse->length;
}

/* RFC 9293 section 3.1. Uncaptured options do not matter: their length is known. */
static enum layer parse_tcp(struct parse *parse)
{
	struct packet *packet = parse->packet;
	const uint8_t *header = parse->bytes;
	uint32_t header_length;

	if (parse->captured < 14)
		return packet_leave_out(parse, parse->length < 20 ? LEFT_OUT_MALFORMED : LEFT_OUT_CUT);
	header_length = (header[12] >> 4) * 4;
	if (header_length < 20 || header_length > parse->length)
		return packet_leave_out(parse, LEFT_OUT_MALFORMED);
	packet->source_port = get_16(header);
	packet->destination_port = get_16(header + 2);
	packet->sequence = get_32(header + 4);
	packet->acknowledgement = get_32(header + 8);
	packet->tcp_flags = header[13] & (PACKET_FIN | PACKET_SYN | PACKET_RST | PACKET_ACK | PACKET_URG);
	advance(parse, header_length);
	found(parse, PACKET_TCP);
	return LAYER_END;
}

static enum layer found_datagram(struct parse *parse)
{
	uint16_t port = parse->packet->destination_port;
	enum layer tunnel;
	uint32_t capwap;

	if (is_tunnel_port(port) && parse->length >= TUNNEL_HEADER) {
		if (parse->captured < TUNNEL_HEADER)
			return packet_leave_out(parse, LEFT_OUT_CUT);
		tunnel = tunnel_of(port, parse->bytes);
		if (tunnel != LAYER_END)
			return tunnel;
	}
	capwap = capwap_header(parse->packet, parse->bytes, parse->captured);
	if (capwap)
		advance(parse, capwap);
	found(parse, PACKET_UDP);
	return LAYER_END;
}

static enum layer parse_udp(struct parse *parse)
{
	struct packet *packet = parse->packet;
	const uint8_t *header = packet_take(parse, 8);
	uint32_t length;

	if (!header)
		return LAYER_END;
	packet->source_port = get_16(header);
	packet->destination_port = get_16(header + 2);
	length = get_16(header + 4);
	/* 0: a jumbogram (RFC 2675 section 4), or a length that the device fills in */
	if (length && length < 8)
		return packet_leave_out(parse, LEFT_OUT_MALFORMED);
	if (length)
		set_length(parse, length - 8);
	return found_datagram(parse);
}

static enum layer (*const layer_parse[LAYERS])(struct parse *) = {
	[LAYER_ETHERNET] = parse_ethernet,
	[LAYER_COOKED] = parse_cooked,
	[LAYER_COOKED_2] = parse_cooked_2,
	[LAYER_LOOPBACK] = parse_loopback,
	[LAYER_TYPE] = parse_type,
	[LAYER_VLAN] = parse_vlan,
	[LAYER_LLC] = parse_llc,
	[LAYER_MPLS] = parse_mpls,
	[LAYER_PPPOE] = parse_pppoe,
	[LAYER_PPP] = parse_ppp,
	[LAYER_PPP_HDLC] = parse_ppp_hdlc,
	[LAYER_IP] = parse_ip,
	[LAYER_IPV4] = parse_ipv4,
	[LAYER_IPV6] = parse_ipv6,
	[LAYER_PROTOCOL] = parse_protocol,
	[LAYER_IPV6_EXTENSION] = parse_ipv6_extension,
	[LAYER_IPV6_FRAGMENT] = parse_ipv6_fragment,
	[LAYER_AUTHENTICATION] = parse_authentication,
	[LAYER_GRE] = parse_gre,
	[LAYER_TCP] = parse_tcp,
	[LAYER_UDP] = parse_udp,
	[LAYER_VXLAN] = parse_vxlan,
	[LAYER_GENEVE] = parse_geneve,
	[LAYER_GTP] = parse_gtp,
	[LAYER_ERSPAN_2] = parse_erspan_2,
	[LAYER_ERSPAN_3] = parse_erspan_3,
	[LAYER_TZSP] = parse_tzsp,
	[LAYER_METADATA] = parse_metadata,
	[LAYER_NFLOG] = parse_nflog,
};

static void parse_layers(struct parse *parse, enum layer layer)
{
	struct packet *packet = parse->packet;

	while (layer != LAYER_END) {
		if (packet->layers >= PACKET_LAYERS_MAX) {
			packet_leave_out(parse, LEFT_OUT_LAYERS);
			return;
		}
		/* the target of a type or a protocol is no header */
		packet->layers += layer != LAYER_TYPE && layer != LAYER_PROTOCOL && layer != LAYER_IP;
		layer = layer_parse[layer](parse);
	}
	if (packet->kind == PACKET_FRAGMENT)
		found(parse, PACKET_FRAGMENT);
}

static enum layer link_layer(int datalink)
{
	switch (datalink) {
	case DLT_EN10MB:
		return LAYER_ETHERNET;
	case DLT_LINUX_SLL:
		return LAYER_COOKED;
	case DLT_LINUX_SLL2:
		return LAYER_COOKED_2;
	case DLT_NULL:
	case DLT_LOOP:
		return LAYER_LOOPBACK;
	case DLT_RAW:
		return LAYER_IP;
	case DLT_IPV4:
		return LAYER_IPV4;
	case DLT_IPV6:
		return LAYER_IPV6;
	case DLT_PPP:
	case DLT_PPP_SERIAL:
		return LAYER_PPP_HDLC;
	case DLT_PPP_ETHER:
		return LAYER_PPPOE;
	case DLT_MPLS:
		return LAYER_MPLS;
	case DLT_NFLOG:
		return LAYER_NFLOG;
	default:
		return LAYER_END;
	}
}

void packet_parse(int datalink, const uint8_t *bytes, uint32_t captured, uint32_t length, struct packet *packet)
{
	struct parse parse = {.bytes = bytes, .captured = captured, .length = length, .packet = packet};

	memset(packet, 0, sizeof(*packet));
	if (parse.captured > parse.length)
		parse.captured = parse.length;
	parse_layers(&parse, link_layer(datalink));
}

void packet_parse_reassembled(const struct packet *fragment, const uint8_t *bytes, uint32_t captured, uint32_t length,
                              struct packet *packet)
{
	struct packet whole = {
		.family = fragment->family,
		.layers = fragment->layers,
	};
	struct parse parse = {
		.bytes = bytes,
		.captured = captured,
		.length = length,
		.length_known = true,
		.type = fragment->protocol,
		.packet = packet,
	};

	memcpy(whole.source, fragment->source, sizeof(whole.source));
	memcpy(whole.destination, fragment->destination, sizeof(whole.destination));
	*packet = whole;
	parse_layers(&parse, LAYER_PROTOCOL);
}

const char *packet_left_out_name(enum packet_left_out left_out)
{
	static const char *const names[LEFT_OUT_KINDS] = {
		[LEFT_OUT_LINK_TYPE] = "of a link type that is not understood",
		[LEFT_OUT_NOT_IP] = "not IP",
		[LEFT_OUT_NOT_TCP] = "neither TCP nor UDP",
		[LEFT_OUT_ENCRYPTED] = "encrypted below TCP (ESP, MACsec)",
		[LEFT_OUT_TUNNEL] = "in a tunnel that is not understood",
		[LEFT_OUT_LAYERS] = "with too many headers",
		[LEFT_OUT_CUT] = "cut short in their headers",
		[LEFT_OUT_MALFORMED] = "malformed",
	};

	return left_out < LEFT_OUT_KINDS ? names[left_out] : "?";
}
