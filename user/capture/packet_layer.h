/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet_layer - the headers of a frame, one after another. Only packet.c and the files of its layers include this:
 * packet_tunnel.c has tunnels and mirror ports.
 */
#ifndef CAPTURE_PACKET_LAYER_H
#define CAPTURE_PACKET_LAYER_H

#include "capture/packet.h"

#include <stdbool.h>
#include <stdint.h>

/* Ethernet types */
enum {
	TYPE_IPV4 = 0x0800,
	TYPE_ETHERNET = 0x6558, /* Transparent Ethernet Bridging, RFC 1701 */
	TYPE_VLAN = 0x8100,     /* IEEE 802.1Q */
	TYPE_QINQ = 0x88a8,     /* IEEE 802.1ad */
	TYPE_QINQ_OLD = 0x9100, /* QinQ before the standard 802.1ad */
	TYPE_IPV6 = 0x86dd,
	TYPE_PPP = 0x880b,  /* RFC 2637 section 4.1 */
	TYPE_MPLS = 0x8847, /* RFC 5332 */
	TYPE_MPLS_UPSTREAM = 0x8848,
	TYPE_PPPOE = 0x8864, /* RFC 2516 */
	TYPE_MACSEC = 0x88e5,
	TYPE_ERSPAN = 0x88be,   /* ERSPAN types I and II, draft-foschiano-erspan-03 */
	TYPE_ERSPAN_3 = 0x22eb, /* ERSPAN type III */
	TYPE_METADATA = 0x8909, /* Cisco MetaData: a security group tag */
	TYPE_LOWEST = 0x0600,   /* below it the field is a length (IEEE 802.3) */
};

/* IP protocols that netinet/in.h does not name */
enum {
	PROTOCOL_MOBILITY = 135, /* RFC 6275 section 6.1 */
	PROTOCOL_MPLS = 137,     /* RFC 4023 */
	PROTOCOL_HIP = 139,      /* RFC 7401 section 5.1 */
	PROTOCOL_SHIM6 = 140,    /* RFC 5533 section 5.1 */
};

/* UDP ports of tunnels, whose headers all begin with eight bytes */
enum {
	TUNNEL_HEADER = 8,
	PORT_GTP = 2152,         /* 3GPP TS 29.281 section 4.4.2.3 */
	PORT_VXLAN = 4789,       /* RFC 7348 section 5 */
	PORT_VXLAN_LINUX = 8472, /* VXLAN's port in Linux before the assignment, and still the default */
	PORT_GENEVE = 6081,      /* RFC 8926 section 3.3 */
	PORT_TZSP = 37008,
	PORT_CAPWAP_CONTROL = 5246, /* RFC 5415 section 3.1 */
	PORT_CAPWAP_DATA = 5247,
};

/* What comes next in the frame. */
enum layer {
	LAYER_END = 0, /* nothing: packet says what was found */
	LAYER_ETHERNET,
	LAYER_COOKED,
	LAYER_COOKED_2,
	LAYER_LOOPBACK,
	LAYER_TYPE, /* what parse.type, an Ethernet type, says */
	LAYER_VLAN,
	LAYER_LLC,
	LAYER_MPLS,
	LAYER_PPPOE,
	LAYER_PPP,
	LAYER_PPP_HDLC,
	LAYER_IP, /* the version tells */
	LAYER_IPV4,
	LAYER_IPV6,
	LAYER_PROTOCOL, /* what parse.type, an IP protocol, says */
	LAYER_IPV6_EXTENSION,
	LAYER_IPV6_FRAGMENT,
	LAYER_AUTHENTICATION,
	LAYER_GRE,
	LAYER_TCP,
	LAYER_UDP,
	LAYER_VXLAN,
	LAYER_GENEVE,
	LAYER_GTP,
	LAYER_ERSPAN_2,
	LAYER_ERSPAN_3,
	LAYER_TZSP,
	LAYER_METADATA,
	LAYER_NFLOG,
	LAYERS,
};

/* The rest of the frame. */
struct parse {
	const uint8_t *bytes;
	uint32_t captured;
	uint32_t length;
	bool length_known; /* from a header, not only from the frame */
	uint32_t type;     /* Ethernet type, PPP protocol or IP protocol of the layer that comes next */
	struct packet *packet;
};

static inline uint32_t get_16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static inline uint32_t get_32(const uint8_t *bytes)
{
	return get_16(bytes) << 16 | get_16(bytes + 2);
}

/* The packet is left out. Returns LAYER_END. */
enum layer packet_leave_out(struct parse *parse, enum packet_left_out why);

/* The next count bytes as a header; NULL, and the packet left out, if bytes are missing. */
const uint8_t *packet_take(struct parse *parse, uint32_t count);

/* The layers of packet_tunnel.c. */
enum layer parse_gre(struct parse *parse);
enum layer parse_vxlan(struct parse *parse);
enum layer parse_geneve(struct parse *parse);
enum layer parse_gtp(struct parse *parse);
enum layer parse_erspan_2(struct parse *parse);
enum layer parse_erspan_3(struct parse *parse);
enum layer parse_tzsp(struct parse *parse);
enum layer parse_metadata(struct parse *parse);
enum layer parse_nflog(struct parse *parse);

/*
 * The tunnel that a datagram to this port carries, LAYER_END for other datagrams: any client may happen to have a
 * tunnel's port. header has TUNNEL_HEADER bytes.
 */
enum layer tunnel_of(uint16_t port, const uint8_t *header);
bool is_tunnel_port(uint16_t port);

/* CAPWAP's own header before DTLS, in bytes; 0: no header. RFC 5415 section 4.2 */
uint32_t capwap_header(const struct packet *packet, const uint8_t *bytes, uint32_t captured);

#endif /* CAPTURE_PACKET_LAYER_H */
