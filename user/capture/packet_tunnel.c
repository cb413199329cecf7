// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tunnels, and the frames that mirror ports and firewalls put around packets. */
#include "capture/packet_layer.h"

#include <netinet/in.h>
#include <string.h>

/* RFC 2784 and RFC 2890; version 1 is PPTP's (RFC 2637 section 4.1). */
enum layer parse_gre(struct parse *parse)
{
	enum {
		CHECKSUM = 0x8000,
		ROUTING = 0x4000,
		KEY = 0x2000,
		SEQUENCE = 0x1000,
		ACKNOWLEDGEMENT = 0x0080
	};
	const uint8_t *header = packet_take(parse, 4);
	uint32_t flags, optional;

	if (!header)
		return LAYER_END;
	flags = get_16(header);
	if (flags & ROUTING || (flags & 7) > 1)
		return packet_leave_out(parse, LEFT_OUT_TUNNEL);
	optional = (flags & CHECKSUM ? 4 : 0) + (flags & KEY ? 4 : 0) + (flags & SEQUENCE ? 4 : 0);
	if ((flags & 7) == 1 && flags & ACKNOWLEDGEMENT)
		optional += 4;
	if (optional && !packet_take(parse, optional))
		return LAYER_END;
	if ((flags & 7) == 1 && parse->length == 0)
		return packet_leave_out(parse, LEFT_OUT_NOT_TCP); /* an acknowledgement alone */
	parse->type = get_16(header + 2);
	/* ERSPAN type I has neither a sequence number nor a header of its own */
	if (parse->type == TYPE_ERSPAN)
		return flags & SEQUENCE ? LAYER_ERSPAN_2 : LAYER_ETHERNET;
	if (parse->type == TYPE_ERSPAN_3)
		return LAYER_ERSPAN_3;
	return parse->type < TYPE_LOWEST ? packet_leave_out(parse, LEFT_OUT_TUNNEL) : LAYER_TYPE;
}

/* draft-foschiano-erspan-03 section 4.2 */
enum layer parse_erspan_2(struct parse *parse)
{
	return packet_take(parse, 8) ? LAYER_ETHERNET : LAYER_END;
}

/* draft-foschiano-erspan-03 section 4.3: the frame's type, and whether a header of the platform follows, are in the last two bytes. */
enum layer parse_erspan_3(struct parse *parse)
{
	enum {
		FRAME_ETHERNET = 0,
		FRAME_IP = 2,
		PLATFORM_HEADER = 1
	};
	const uint8_t *header = packet_take(parse, 12);
	uint32_t frame;

	if (!header)
		return LAYER_END;
	frame = header[10] >> 2 & 0x1f;
	if (header[11] & PLATFORM_HEADER && !packet_take(parse, 8))
		return LAYER_END;
	if (frame == FRAME_IP)
		return LAYER_IP;
	return frame == FRAME_ETHERNET ? LAYER_ETHERNET : packet_leave_out(parse, LEFT_OUT_TUNNEL);
}

/* TaZmen Sniffer Protocol: version, type and encapsulation, then tagged fields up to the tag 1; the tag 0 is one byte of padding. */
enum layer parse_tzsp(struct parse *parse)
{
	enum {
		TAG_PADDING = 0,
		TAG_END = 1
	};
	const uint8_t *tag = packet_take(parse, 4);
	const uint8_t *length;

	while (tag) {
		tag = packet_take(parse, 1);
		if (!tag || *tag == TAG_END)
			break;
		if (*tag == TAG_PADDING)
			continue;
		length = packet_take(parse, 1);
		if (!length || (*length && !packet_take(parse, *length)))
			return LAYER_END;
	}
	return tag ? LAYER_ETHERNET : LAYER_END;
}

/* Cisco MetaData: version, length, one option with the security group tag, then the Ethernet type of the payload. */
enum layer parse_metadata(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 8);

	if (!header)
		return LAYER_END;
	if (header[0] != 1)
		return packet_leave_out(parse, LEFT_OUT_TUNNEL);
	parse->type = get_16(header + 6);
	return LAYER_TYPE;
}

/* A length or a type in the byte order of the host that captured. Lengths of less than 4 are impossible. */
static uint32_t get_nflog(const uint8_t *bytes, bool big_endian)
{
	return big_endian ? get_16(bytes) : (uint32_t)(bytes[1] << 8 | bytes[0]);
}

/*
 * DLT_NFLOG: address family, version and group, then attributes as linux/netfilter/nfnetlink_log.h numbers them. Each is
 * padded to 4 bytes. The packet is the last attribute of interest.
 */
enum layer parse_nflog(struct parse *parse)
{
	enum {
		ATTRIBUTE_PAYLOAD = 9,
		ATTRIBUTE_TYPE = 0x7fff, /* without the flags of netlink */
	};
	const uint8_t *header = packet_take(parse, 4);
	const uint8_t *attribute;
	bool big_endian;
	uint32_t size, value;

	if (!header)
		return LAYER_END;
	if (header[0] != 2 && header[0] != 10)
		return packet_leave_out(parse, LEFT_OUT_NOT_IP);
	while ((attribute = packet_take(parse, 4))) {
		big_endian = attribute[0] == 0 && attribute[1] >= 4;
		size = get_nflog(attribute, big_endian);
		if (size < 4)
			return packet_leave_out(parse, LEFT_OUT_MALFORMED);
		if ((get_nflog(attribute + 2, big_endian) & ATTRIBUTE_TYPE) == ATTRIBUTE_PAYLOAD)
			return LAYER_IP;
		value = (size + 3) / 4 * 4 - 4;
		if (value && !packet_take(parse, value))
			break;
	}
	return LAYER_END;
}

/* RFC 7348 section 5 */
enum layer parse_vxlan(struct parse *parse)
{
	return packet_take(parse, 8) ? LAYER_ETHERNET : LAYER_END;
}

/* RFC 8926 section 3.4: options in 4 bytes, then the Ethernet type of the payload */
enum layer parse_geneve(struct parse *parse)
{
	const uint8_t *header = packet_take(parse, 8);
	uint32_t options;

	if (!header)
		return LAYER_END;
	options = (header[0] & 0x3f) * 4;
	if (options && !packet_take(parse, options))
		return LAYER_END;
	parse->type = get_16(header + 2);
	return LAYER_TYPE;
}

/* 3GPP TS 29.281 section 5.1: with any of three flags, four bytes more, the last of them the type of an extension. */
enum layer parse_gtp(struct parse *parse)
{
	enum {
		ANY_OPTION = 7,
		EXTENSION = 4
	};
	const uint8_t *header = packet_take(parse, 8);
	const uint8_t *optional, *extension;
	uint8_t next = 0;

	if (!header)
		return LAYER_END;
	if (header[0] & ANY_OPTION) {
		optional = packet_take(parse, 4);
		if (!optional)
			return LAYER_END;
		if (header[0] & EXTENSION)
			next = optional[3];
	}
	/*
	 * each extension: its length in units of 4 bytes, and at its end the type of the next extension (section 5.2.1)
	 */
	while (next) {
		extension = parse->bytes;
		if (parse->captured < 1 || extension[0] == 0)
			return packet_leave_out(parse, parse->length < 1 || parse->captured ? LEFT_OUT_MALFORMED
			                                                                    : LEFT_OUT_CUT);
		if (!packet_take(parse, extension[0] * 4))
			return LAYER_END;
		next = extension[extension[0] * 4 - 1];
	}
	return LAYER_IP;
}

bool is_tunnel_port(uint16_t port)
{
	return port == PORT_VXLAN || port == PORT_VXLAN_LINUX || port == PORT_GENEVE || port == PORT_GTP ||
	       port == PORT_TZSP;
}

uint32_t capwap_header(const struct packet *packet, const uint8_t *bytes, uint32_t captured)
{
	static const uint8_t dtls[] = {0x01, 0, 0, 0}; /* version 0, type 1: DTLS follows */
	bool to = packet->destination_port == PORT_CAPWAP_CONTROL || packet->destination_port == PORT_CAPWAP_DATA;
	bool from = packet->source_port == PORT_CAPWAP_CONTROL || packet->source_port == PORT_CAPWAP_DATA;

	if ((!to && !from) || captured < sizeof(dtls) || memcmp(bytes, dtls, sizeof(dtls)) != 0)
		return 0;
	return sizeof(dtls);
}

/*
 * The tunnel that a datagram carries, by its port and a header that can be a tunnel's. Any other datagram is ordinary:
 * any client may happen to have such a port.
 */
enum layer tunnel_of(uint16_t port, const uint8_t *header)
{
	switch (port) {
	case PORT_VXLAN:
	case PORT_VXLAN_LINUX:
		return header[0] == 0x08 ? LAYER_VXLAN : LAYER_END;
	case PORT_GENEVE:
		/* version 0; bits that are reserved are zero; the payload is of an Ethernet type */
		if (header[0] >> 6 || header[1] & 0x3f || header[7] || get_16(header + 2) < TYPE_LOWEST)
			return LAYER_END;
		return LAYER_GENEVE;
	case PORT_TZSP:
		/* version 1, a received packet or one to be sent, Ethernet */
		return header[0] == 1 && header[1] <= 1 && get_16(header + 2) == 1 ? LAYER_TZSP : LAYER_END;
	default:
		return header[0] >> 4 == 3 && header[1] == 0xff ? LAYER_GTP : LAYER_END;
	}
}
