// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "evidence/packets.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "capture/pcapng_write.h"

enum {
	SEGMENT_MAX = 16 * 1024,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	HEADERS_MAX = IPV6_HEADER + TCP_HEADER,
	DATAGRAM_MAX = 65535 - IPV4_HEADER - UDP_HEADER,
	TIME_TO_LIVE = 64,
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

struct writing {
	FILE *out;
	const struct trail *trail;
	const struct packets_labels *labels;
	const char *comment; /* of the packet that comes next */
	uint32_t initial;    /* sequence number of the SYNs: another one for each connection, as ports come again */
	uint32_t end[EVENT_DIRECTIONS]; /* sequence number behind the bytes written */
	bool begun[EVENT_DIRECTIONS];   /* the SYN was written */
	uint8_t packet[HEADERS_MAX + 65535];
};

static uint32_t sum_words(const uint8_t *bytes, uint32_t length, uint32_t sum)
{
	for (uint32_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	return sum;
}

/* RFC 1071 */
static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void put_16(uint8_t *bytes, uint16_t number)
{
	bytes[0] = number >> 8;
	bytes[1] = number;
}

static void put_32(uint8_t *bytes, uint32_t number)
{
	put_16(bytes, number >> 16);
	put_16(bytes + 2, number);
}

static const uint8_t *source_of(const struct event_open *open, uint8_t direction)
{
	return direction == EVENT_RECEIVED ? open->remote_address : open->local_address;
}

/* An IP header for length bytes behind it. Returns its length. */
static uint32_t put_ip(struct writing *writing, uint8_t direction, uint32_t length)
{
	const struct event_open *open = &writing->trail->open;
	const uint8_t *source = source_of(open, direction), *destination = source_of(open, !direction);
	uint8_t *header = writing->packet;

	if (open->family == 4) {
		memset(header, 0, IPV4_HEADER);
		header[0] = 0x45;
		put_16(header + 2, IPV4_HEADER + length);
		header[8] = TIME_TO_LIVE;
		header[9] = open->transport;
		memcpy(header + 12, source, 4);
		memcpy(header + 16, destination, 4);
		put_16(header + 10, checksum(sum_words(header, IPV4_HEADER, 0)));
		return IPV4_HEADER;
	}
	memset(header, 0, IPV6_HEADER);
	header[0] = 0x60;
	put_16(header + 4, length);
	header[6] = open->transport;
	header[7] = TIME_TO_LIVE;
	memcpy(header + 8, source, 16);
	memcpy(header + 24, destination, 16);
	return IPV6_HEADER;
}

/* Of the pseudo header, the transport's header and the payload: RFC 9293 section 3.1, RFC 8200 section 8.1 */
static uint16_t transport_checksum(const struct writing *writing, uint32_t ip, uint32_t captured, uint32_t length)
{
	const struct event_open *open = &writing->trail->open;
	uint32_t addresses = open->family == 4 ? 8 : 32;
	uint32_t sum = sum_words(writing->packet + ip - addresses, addresses, open->transport + (length & 0xffff));

	return checksum(sum_words(writing->packet + ip, captured, sum));
}

static void put_packet(struct writing *writing, const struct trail_piece *piece, uint32_t captured, uint32_t length)
{
	const struct pcapng_block_packet packet = {
		.time_ns = piece->time_ns + writing->labels->realtime_offset_ns,
		.bytes = writing->packet,
		.captured = captured,
		.length = length,
		.direction = piece->direction == EVENT_RECEIVED ? PCAPNG_INBOUND : PCAPNG_OUTBOUND,
		.process = writing->labels->process,
		.comment = writing->comment,
	};

	pcapng_write_packet(writing->out, &packet);
	writing->comment = NULL;
}

static void put_ports(const struct writing *writing, uint8_t direction, uint8_t *header)
{
	const struct event_open *open = &writing->trail->open;
	bool received = direction == EVENT_RECEIVED;

	put_16(header, received ? open->remote_port : open->local_port);
	put_16(header + 2, received ? open->local_port : open->remote_port);
}

/* A segment of length bytes, of which the piece has captured bytes from at on. */
static void put_segment(struct writing *writing, const struct trail_piece *piece, uint32_t sequence, uint8_t flags,
                        uint32_t at, uint32_t captured, uint32_t length)
{
	uint8_t direction = piece->direction;
	uint32_t ip = put_ip(writing, direction, TCP_HEADER + length);
	uint8_t *header = writing->packet + ip;

	memset(header, 0, TCP_HEADER);
	put_ports(writing, direction, header);
	put_32(header + 4, sequence);
	if (writing->begun[!direction]) {
		put_32(header + 8, writing->end[!direction]);
		flags |= TCP_ACK;
	}
	header[12] = TCP_HEADER / 4 << 4;
	header[13] = flags;
	put_16(header + 14, 0xffff); /* the window */
	if (captured)
		memcpy(header + TCP_HEADER, piece->bytes + at, captured);
	if (captured == length)
		put_16(header + 16, transport_checksum(writing, ip, TCP_HEADER + captured, TCP_HEADER + length));
	put_packet(writing, piece, ip + TCP_HEADER + captured, ip + TCP_HEADER + length);
	if ((int32_t)(sequence + length - writing->end[direction]) > 0)
		writing->end[direction] = sequence + length;
}

/* A direction begins with a SYN of the sequence number 0. */
static void begin(struct writing *writing, const struct trail_piece *piece, uint8_t direction)
{
	struct trail_piece syn = {.time_ns = piece->time_ns, .direction = direction};

	if (writing->begun[direction])
		return;
	put_segment(writing, &syn, writing->initial, TCP_SYN, 0, 0, 0);
	writing->begun[direction] = true;
	writing->end[direction] = writing->initial + 1;
}

static void put_bytes(struct writing *writing, const struct trail_piece *piece)
{
	uint32_t at = 0, length, captured;

	do {
		length = piece->length - at < SEGMENT_MAX ? piece->length - at : SEGMENT_MAX;
		captured = at < piece->captured ? piece->captured - at : 0;
		captured = captured < length ? captured : length;
		put_segment(writing, piece, writing->initial + 1 + piece->position + at, 0, captured ? at : 0, captured,
		            length);
		at += length;
	} while (at < piece->length);
}

static void put_close(struct writing *writing, const struct trail_piece *piece, uint8_t flag)
{
	put_segment(writing, piece, writing->initial + 1 + piece->position, flag, 0, 0, 0);
	if (flag == TCP_FIN)
		writing->end[piece->direction]++;
}

static void put_datagram(struct writing *writing, const struct trail_piece *piece)
{
	uint32_t length = piece->length < DATAGRAM_MAX ? piece->length : DATAGRAM_MAX;
	uint32_t ip = put_ip(writing, piece->direction, UDP_HEADER + length);
	uint8_t *header = writing->packet + ip;
	uint16_t sum;

	memset(header, 0, UDP_HEADER);
	put_ports(writing, piece->direction, header);
	put_16(header + 4, UDP_HEADER + length);
	memcpy(header + UDP_HEADER, piece->bytes, length);
	sum = transport_checksum(writing, ip, UDP_HEADER + length, UDP_HEADER + length);
	put_16(header + 6, sum ?: 0xffff);
	put_packet(writing, piece, ip + UDP_HEADER + length, ip + UDP_HEADER + length);
}

static void put_piece(struct writing *writing, const struct trail_piece *piece)
{
	if (piece->kind == TRAIL_DATAGRAM) {
		put_datagram(writing, piece);
		return;
	}
	/* the end that dialled, as far as is known, sends the first SYN */
	begin(writing, piece, EVENT_RECEIVED);
	begin(writing, piece, piece->direction);
	if (piece->kind == TRAIL_BYTES)
		put_bytes(writing, piece);
	else
		put_close(writing, piece, piece->kind == TRAIL_FIN ? TCP_FIN : TCP_RST);
}

void packets_write(FILE *out, const struct trail *trail, const struct packets_labels *labels)
{
	static struct writing writing;
	const struct trail_piece *piece;

	memset(&writing, 0, offsetof(struct writing, packet));
	writing.out = out;
	writing.trail = trail;
	writing.labels = labels;
	writing.comment = labels->comment;
	writing.initial = trail->open.event.connection * 2654435761u; /* far apart: the golden ratio of 2^32 */
	STAILQ_FOREACH(piece, &trail->pieces, next)
	put_piece(&writing, piece);
}
