/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet - the bytes of a captured frame -> its TCP segment or UDP datagram, through tags and tunnels. Pure: no state,
 * no allocation, no I/O; the payload points into the given bytes.
 *
 * A frame has a length on the wire and a captured length, which is at most the former. The length fields of the headers
 * count: padding after an IP packet is dropped, missing bytes were not captured.
 */
#ifndef CAPTURE_PACKET_H
#define CAPTURE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

enum packet_bounds {
	PACKET_LAYERS_MAX = 32, /* headers of one frame, tags and tunnels included */
};

enum packet_kind {
	PACKET_LEFT_OUT, /* for the reason in left_out */
	PACKET_TCP,
	PACKET_UDP,
	PACKET_FRAGMENT, /* a part of an IP packet: put it together, then packet_parse_reassembled() */
};

/* Why a frame gave neither TCP nor UDP. */
enum packet_left_out {
	LEFT_OUT_LINK_TYPE, /* a link layer that is not understood */
	LEFT_OUT_NOT_IP,    /* ARP, LLDP, ... */
	LEFT_OUT_NOT_TCP,   /* IP, but neither TCP nor UDP: ICMP, SCTP, ... */
	LEFT_OUT_ENCRYPTED, /* ESP, MACsec */
	LEFT_OUT_TUNNEL,    /* a tunnel whose header or payload is of no known kind */
	LEFT_OUT_LAYERS,    /* more layers than PACKET_LAYERS_MAX */
	LEFT_OUT_CUT,       /* the capture ends in the headers */
	LEFT_OUT_MALFORMED, /* lengths or versions that cannot be */
	LEFT_OUT_KINDS,
};

enum packet_tcp_flags {
	PACKET_FIN = 1 << 0,
	PACKET_SYN = 1 << 1,
	PACKET_RST = 1 << 2,
	PACKET_ACK = 1 << 4,
	PACKET_URG = 1 << 5,
};

struct packet {
	uint8_t kind;       /* enum packet_kind */
	uint8_t left_out;   /* enum packet_left_out */
	uint8_t family;     /* 4 or 6 */
	uint8_t layers;     /* headers passed so far */
	uint8_t source[16]; /* network byte order; an IPv4 address in the first four */
	uint8_t destination[16];

	/* TCP and UDP */
	uint16_t source_port;
	uint16_t destination_port;
	uint32_t sequence;
	uint32_t acknowledgement; /* where tcp_flags have PACKET_ACK */
	uint8_t tcp_flags;

	/* FRAGMENT */
	uint8_t protocol; /* of the packet's payload */
	bool more_fragments;
	uint32_t identification;
	uint32_t fragment_offset; /* in bytes */

	const uint8_t *payload; /* of TCP, UDP or the fragment */
	uint32_t captured;      /* bytes of it at hand */
	uint32_t length;        /* bytes of it on the wire */
};

/* datalink is libpcap's DLT_ number. */
void packet_parse(int datalink, const uint8_t *bytes, uint32_t captured, uint32_t length, struct packet *packet);

/* Go on behind the IP header of fragment with the whole payload. packet may be fragment itself. */
void packet_parse_reassembled(const struct packet *fragment, const uint8_t *bytes, uint32_t captured, uint32_t length,
                              struct packet *packet);

/* What a kind of packet left out is, in a few words for people. */
const char *packet_left_out_name(enum packet_left_out left_out);

#endif /* CAPTURE_PACKET_H */
