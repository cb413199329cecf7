// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * replay - drive the kernel's walk with a capture: each TCP segment and each DTLS datagram of the file is put into a plain
 * Ethernet frame and given to the device program by BPF_PROG_TEST_RUN; what comes out of its ring buffer goes into the same
 * table of connections and the same report as in mtlsnoop. Prints JSON lines as `mtlsnoop -r FILE -j` does.
 *
 * usage: replay FILE
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#define PCAP_DONT_INCLUDE_PCAP_BPF_H /* its struct bpf_insn is another one than the kernel's */
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "options.h"
#include "output.h"
#include "packet.h"

#include "device.skel.h"

enum {
	ETHERNET_HEADER = 14,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	HEADERS_MAX = ETHERNET_HEADER + IPV6_HEADER + TCP_HEADER,
	PAYLOAD_MAX = 2048, /* a test run takes little more than a page's worth: longer segments go in parts */
	EVENT_MAX = sizeof(struct event_bytes) + EVENT_BYTES_LARGE,
};

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;
static const uint64_t HANDSHAKE_TIMEOUT_NS = 60 * SECOND_NS;

struct replay {
	struct device *programs;
	struct ring_buffer *events;
	struct connection_table *table;
	uint64_t time_ns; /* of the packet at hand */
	uint64_t left_out;
};

static void put_u16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = value >> 8;
	bytes[1] = value;
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
	put_u16(bytes, value >> 16);
	put_u16(bytes + 2, value);
}

/* The Ethernet and IP headers of a packet with length bytes behind them. Returns their size. */
static size_t put_network_header(uint8_t *frame, const struct packet *packet, uint8_t protocol, uint32_t length)
{
	uint8_t *network = frame + ETHERNET_HEADER;

	memset(frame, 0, ETHERNET_HEADER + IPV6_HEADER);
	put_u16(frame + 12, packet->family == 4 ? 0x0800 : 0x86dd);
	if (packet->family == 4) {
		network[0] = 4 << 4 | IPV4_HEADER / 4;
		put_u16(network + 2, IPV4_HEADER + length);
		network[8] = 64;
		network[9] = protocol;
		memcpy(network + 12, packet->source, 4);
		memcpy(network + 16, packet->destination, 4);
		return ETHERNET_HEADER + IPV4_HEADER;
	}
	network[0] = 6 << 4;
	put_u16(network + 4, length);
	network[6] = protocol;
	network[7] = 64;
	memcpy(network + 8, packet->source, 16);
	memcpy(network + 24, packet->destination, 16);
	return ETHERNET_HEADER + IPV6_HEADER;
}

static void put_tcp_header(uint8_t *tcp, const struct packet *packet, uint32_t sequence, uint8_t flags)
{
	memset(tcp, 0, TCP_HEADER);
	put_u16(tcp, packet->source_port);
	put_u16(tcp + 2, packet->destination_port);
	put_u32(tcp + 4, sequence);
	put_u32(tcp + 8, packet->acknowledgement);
	tcp[12] = TCP_HEADER / 4 << 4;
	tcp[13] = flags;
}

/* The kernel has its own clock: what it says happened when the packet was captured. */
static int take_event(void *context, void *data, size_t size)
{
	_Alignas(struct event) uint8_t bytes[EVENT_MAX];
	struct event *event = (struct event *)bytes;
	struct replay *replay = context;

	if (size > sizeof(bytes)) {
		fprintf(stderr, "replay: an event of %zu bytes\n", size);
		return -EMSGSIZE;
	}
	memcpy(bytes, data, size);
	event->time_ns = replay->time_ns;
	connection_table_event(replay->table, event);
	return 0;
}

static int run_frame(struct replay *replay, const uint8_t *frame, size_t length)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length, .repeat = 1);
	int error = bpf_prog_test_run_opts(bpf_program__fd(replay->programs->progs.mtlsnoop_device), &run);

	if (error) {
		fprintf(stderr, "replay: test run of %zu bytes: %s\n", length, strerror(-error));
		return error;
	}
	/* TC_ACT_UNSPEC: whatever the packet, it goes on */
	if ((int)run.retval != -1) {
		fprintf(stderr, "replay: the program returned %d\n", (int)run.retval);
		return -EPROTO;
	}
	error = ring_buffer__consume(replay->events);
	return error < 0 ? error : 0;
}

/* One part of a segment: count bytes on the wire from offset on, of which those captured are there. */
static int run_part(struct replay *replay, const struct packet *packet, uint32_t offset, uint32_t count)
{
	uint32_t captured = packet->captured > offset ? packet->captured - offset : 0;
	bool first = offset == 0, last = offset + count == packet->length;
	uint32_t sequence = packet->sequence + offset + (!first && packet->tcp_flags & PACKET_SYN);
	uint8_t frame[HEADERS_MAX + PAYLOAD_MAX];
	uint8_t flags = packet->tcp_flags;
	size_t header;

	if (!first)
		flags &= ~PACKET_SYN;
	if (!last)
		flags &= ~(PACKET_FIN | PACKET_RST);
	if (captured > count)
		captured = count;
	header = put_network_header(frame, packet, IPPROTO_TCP, TCP_HEADER + count);
	put_tcp_header(frame + header, packet, sequence, flags);
	if (captured)
		memcpy(frame + header + TCP_HEADER, packet->payload + offset, captured);
	return run_frame(replay, frame, header + TCP_HEADER + captured);
}

static int run_segment(struct replay *replay, const struct packet *packet)
{
	uint32_t offset = 0, count;
	int error;

	do {
		count = packet->length - offset < PAYLOAD_MAX ? packet->length - offset : PAYLOAD_MAX;
		error = run_part(replay, packet, offset, count);
		offset += count;
	} while (!error && offset < packet->length);
	return error;
}

static int run_datagram(struct replay *replay, const struct packet *packet)
{
	uint8_t frame[HEADERS_MAX + PAYLOAD_MAX];
	uint8_t *udp;
	size_t header;

	if (packet->length > PAYLOAD_MAX || packet->captured < packet->length) {
		replay->left_out++;
		return 0;
	}
	header = put_network_header(frame, packet, IPPROTO_UDP, UDP_HEADER + packet->length);
	udp = frame + header;
	memset(udp, 0, UDP_HEADER);
	put_u16(udp, packet->source_port);
	put_u16(udp + 2, packet->destination_port);
	put_u16(udp + 4, UDP_HEADER + packet->length);
	memcpy(udp + UDP_HEADER, packet->payload, packet->length);
	return run_frame(replay, frame, header + UDP_HEADER + packet->length);
}

static int run_packet(struct replay *replay, const struct packet *packet)
{
	switch (packet->kind) {
	case PACKET_TCP:
		return run_segment(replay, packet);
	case PACKET_UDP:
		return run_datagram(replay, packet);
	default:
		replay->left_out++;
		return 0;
	}
}

static int run_file(struct replay *replay, pcap_t *file)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	struct packet packet;
	int error = 0;

	while (!error && pcap_next_ex(file, &header, &bytes) == 1) {
		/* libpcap was asked for nanoseconds */
		replay->time_ns = header->ts.tv_sec * SECOND_NS + header->ts.tv_usec;
		connection_table_time(replay->table, replay->time_ns);
		packet_parse(pcap_datalink(file), bytes, header->caplen, header->len, &packet);
		error = run_packet(replay, &packet);
	}
	return error;
}

static int replay_open(struct replay *replay)
{
	replay->programs = device__open_and_load();
	if (!replay->programs)
		return -errno;
	replay->events = ring_buffer__new(bpf_map__fd(replay->programs->maps.events), take_event, replay, NULL);
	return replay->events ? 0 : -errno;
}

int main(int argc, char **argv)
{
	const struct connection_limits limits = {
		.connections = 65536,
		.handshake_timeout_ns = HANDSHAKE_TIMEOUT_NS,
	};
	const struct options options = { .format = FORMAT_JSON };
	char message[PCAP_ERRBUF_SIZE];
	struct output output = {};
	struct replay replay = {};
	pcap_t *file = NULL;
	int error = -EINVAL;

	if (argc != 2) {
		fprintf(stderr, "usage: replay FILE\n");
		return 2;
	}
	output_begin(&output, &options);
	replay.table = connection_table_new(&limits, output_handshake, &output);
	file = pcap_open_offline_with_tstamp_precision(argv[1], PCAP_TSTAMP_PRECISION_NANO, message);
	if (!file)
		fprintf(stderr, "replay: %s\n", message);
	if (file && replay.table)
		error = replay_open(&replay);
	if (!error)
		error = run_file(&replay, file);
	if (!error)
		connection_table_finish(replay.table);
	if (replay.left_out)
		fprintf(stderr, "replay: %llu packets left out\n", (unsigned long long)replay.left_out);
	ring_buffer__free(replay.events);
	device__destroy(replay.programs);
	connection_table_free(replay.table);
	if (file)
		pcap_close(file);
	return error ? 1 : 0;
}
