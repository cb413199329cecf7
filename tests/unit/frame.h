/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * frame - makes captured frames by hand, layer by layer from the outside in. A layer that says its length is begun and
 * ended.
 */
#ifndef FRAME_H
#define FRAME_H

#include "message_bytes.h"

#include <netinet/in.h>

/* The segment that every frame carries in the end. */
enum frame_segment {
	FRAME_SOURCE_PORT = 51234,
	FRAME_DESTINATION_PORT = 443,
	FRAME_SEQUENCE = 0xfffffff0,
	FRAME_ACKNOWLEDGEMENT = 0x11223344,
};

#define FRAME_PAYLOAD          "the segment's payload"
#define FRAME_IPV4_SOURCE      "0a010203"
#define FRAME_IPV4_DESTINATION "0a040506"
#define FRAME_IPV6_SOURCE      "20010db8000000000000000000000001"
#define FRAME_IPV6_DESTINATION "20010db8000000000000000000000002"

static inline void put_ethernet(struct message_bytes *frame, uint16_t type)
{
	put_hex(frame, "020000000001020000000002");
	put_number(frame, 2, type);
}

static inline void put_vlan(struct message_bytes *frame, uint16_t identifier, uint16_t type)
{
	put_number(frame, 2, identifier);
	put_number(frame, 2, type);
}

/* What begins a layer and what ends it: where the layer is. */
static inline size_t ipv4_begin(struct message_bytes *frame, uint8_t protocol, const char *source,
                                const char *destination, uint16_t identification, uint16_t fragment)
{
	size_t at = frame->length;

	put_hex(frame, "4500");
	put_number(frame, 2, 0);
	put_number(frame, 2, identification);
	put_number(frame, 2, fragment);
	put_number(frame, 1, 64);
	put_number(frame, 1, protocol);
	put_number(frame, 2, 0);
	put_hex(frame, source);
	put_hex(frame, destination);
	return at;
}

static inline void set_number_16(struct message_bytes *frame, size_t at, size_t number)
{
	frame->data[at] = number >> 8;
	frame->data[at + 1] = number;
}

static inline void ipv4_end(struct message_bytes *frame, size_t at)
{
	set_number_16(frame, at + 2, frame->length - at);
}

static inline size_t ipv6_begin(struct message_bytes *frame, uint8_t next)
{
	size_t at = frame->length;

	put_hex(frame, "600000000000");
	put_number(frame, 1, next);
	put_number(frame, 1, 64);
	put_hex(frame, FRAME_IPV6_SOURCE FRAME_IPV6_DESTINATION);
	return at;
}

static inline void ipv6_end(struct message_bytes *frame, size_t at)
{
	set_number_16(frame, at + 4, frame->length - at - 40);
}

static inline size_t udp_begin(struct message_bytes *frame, uint16_t port)
{
	size_t at = frame->length;

	put_number(frame, 2, 40000);
	put_number(frame, 2, port);
	put_number(frame, 4, 0);
	return at;
}

static inline void udp_end(struct message_bytes *frame, size_t at)
{
	set_number_16(frame, at + 4, frame->length - at);
}

/* The segment with 12 bytes of options. */
static inline void put_tcp(struct message_bytes *frame)
{
	put_number(frame, 2, FRAME_SOURCE_PORT);
	put_number(frame, 2, FRAME_DESTINATION_PORT);
	put_number(frame, 4, FRAME_SEQUENCE);
	put_number(frame, 4, FRAME_ACKNOWLEDGEMENT);
	put_hex(frame, "8018ffff00000000"); /* PSH and ACK */
	put_hex(frame, "0101080a0000000100000002");
	put_bytes(frame, FRAME_PAYLOAD, strlen(FRAME_PAYLOAD));
}

static inline void put_ipv4_tcp(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_TCP, FRAME_IPV4_SOURCE, FRAME_IPV4_DESTINATION, 1, 0);

	put_tcp(frame);
	ipv4_end(frame, at);
}

static inline void put_ipv6_tcp(struct message_bytes *frame)
{
	size_t at = ipv6_begin(frame, IPPROTO_TCP);

	put_tcp(frame);
	ipv6_end(frame, at);
}

#endif /* FRAME_H */
