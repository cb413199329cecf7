// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * replay - drive the kernel's walk with a capture: each frame of the file that the device program can read is given to
 * it by BPF_PROG_TEST_RUN; of the others (no Ethernet, fragments, too long) each TCP segment and each
 * datagram, in a plain Ethernet frame of its own. What comes out of the program's ring buffer goes into the same table
 * of connections and the same report as in mtlsnoop. Prints JSON lines as `mtlsnoop -r FILE -j` does, and behind those
 * of each file one line of what was counted. A file has status 1 where it cannot be read to its end, and where a run
 * fails, does not let the packet pass or loses an event.
 *
 * usage: replay FILE...
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#define PCAP_DONT_INCLUDE_PCAP_BPF_H /* its struct bpf_insn is another one than the kernel's */
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bpf/shared/service_set.h"
#include "tracking/tracker.h"
#include "capture/clock.h"
#include "capture/fragment.h"
#include "sink/json.h"
#include "capture/packet.h"
#include "capture/pcapng.h"

#include "device.skel.h"

enum {
	ETHERNET_HEADER = 14,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	HEADERS_MAX = ETHERNET_HEADER + IPV6_HEADER + TCP_HEADER,
	PAYLOAD_MAX = 3500, /* a test run takes a page less what an skb needs: longer segments go in parts */
	PLAIN_LAYERS = 3,   /* Ethernet, IP, TCP or UDP */
	ROWS = 256,         /* of places: they are cleared for each file */
	EVENT_MAX = sizeof(struct event_bytes) + EVENT_BYTES_LARGE,
	FRAME_MAX = HEADERS_MAX + PAYLOAD_MAX,
	PCAPNG_FIRST_BYTE = 0x0a,
	PACKET_CLOSES = PACKET_FIN | PACKET_RST,
};

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;
static const uint64_t HANDSHAKE_TIMEOUT_NS = 60 * SECOND_NS;

struct replay {
	/* one of the two, as in user/capture/capture.c */
	pcap_t *pcap;
	struct pcapng *pcapng;
	FILE *stream; /* of pcapng */
	struct fragment_table *fragments;
	struct device *programs;
	struct ring_buffer *events;
	struct tracker *table;
	struct clock clock;
	struct pcapng_packet ahead; /* the packet that waits for the next one's time; bytes is ahead_bytes */
	uint8_t *ahead_bytes;       /* NULL: none waits */
	uint64_t time_ns;           /* the latest of the packets' times: the kernel's clock does not run backwards */
	uint64_t as_captured;       /* frames given as they are */
	uint64_t in_tunnels;        /* of them those with tags, labels or tunnels */
	uint64_t too_long;          /* datagrams left out */
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
	tracker_event(replay->table, event);
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

/* A part of a segment: count bytes from offset on. */
static int run_part(struct replay *replay, const struct packet *packet, uint32_t offset, uint32_t count, uint8_t flags)
{
	/* a SYN takes the place of a byte, and stands in front */
	uint32_t sequence = packet->sequence + offset + (packet->tcp_flags & ~flags & PACKET_SYN ? 1 : 0);
	uint8_t frame[FRAME_MAX];
	size_t header;

	header = put_network_header(frame, packet, IPPROTO_TCP, TCP_HEADER + count);
	put_tcp_header(frame + header, packet, sequence, flags);
	if (count)
		memcpy(frame + header + TCP_HEADER, packet->payload + offset, count);
	return run_frame(replay, frame, header + TCP_HEADER + count);
}

/* What was captured of it, in parts where it is long. What was not is lost to the kernel; a FIN behind it is not. */
static int run_segment(struct replay *replay, const struct packet *packet)
{
	uint32_t offset = 0, count;
	bool last = false;
	uint8_t flags;
	int error;

	do {
		count = packet->captured - offset < PAYLOAD_MAX ? packet->captured - offset : PAYLOAD_MAX;
		last = offset + count == packet->length;
		flags = packet->tcp_flags & ~(offset ? PACKET_SYN : 0) & ~(last ? 0 : PACKET_CLOSES);
		error = run_part(replay, packet, offset, count, flags);
		offset += count;
	} while (!error && offset < packet->captured);
	if (!error && !last && packet->tcp_flags & PACKET_CLOSES)
		error = run_part(replay, packet, packet->length, 0, packet->tcp_flags & ~PACKET_SYN);
	return error;
}

static int run_datagram(struct replay *replay, const struct packet *packet)
{
	uint8_t frame[FRAME_MAX];
	uint8_t *udp;
	size_t header;

	if (packet->captured > PAYLOAD_MAX) {
		replay->too_long++;
		return 0;
	}
	header = put_network_header(frame, packet, IPPROTO_UDP, UDP_HEADER + packet->captured);
	udp = frame + header;
	memset(udp, 0, UDP_HEADER);
	put_u16(udp, packet->source_port);
	put_u16(udp + 2, packet->destination_port);
	put_u16(udp + 4, UDP_HEADER + packet->captured);
	memcpy(udp + UDP_HEADER, packet->payload, packet->captured);
	return run_frame(replay, frame, header + UDP_HEADER + packet->captured);
}

/* Whether the frame can be given to the program as it is. What nobody reads is, too: it has to pass. */
static bool frame_is_plain(const struct pcapng_packet *captured, const struct packet *packet)
{
	if (captured->datalink != DLT_EN10MB || captured->captured <= ETHERNET_HEADER || captured->captured > FRAME_MAX)
		return false;
	if (packet->kind == PACKET_LEFT_OUT)
		return true;
	return packet->kind != PACKET_FRAGMENT && packet->captured == packet->length;
}

static int run_packet(struct replay *replay, const struct pcapng_packet *captured, struct packet *packet)
{
	if (frame_is_plain(captured, packet)) {
		replay->as_captured++;
		replay->in_tunnels += packet->kind != PACKET_LEFT_OUT && packet->layers > PLAIN_LAYERS;
		return run_frame(replay, captured->bytes, captured->captured);
	}
	while (packet->kind == PACKET_FRAGMENT)
		if (!fragment_table_add(replay->fragments, packet, replay->time_ns, packet))
			return 0;
	switch (packet->kind) {
	case PACKET_TCP:
		return run_segment(replay, packet);
	case PACKET_UDP:
		return run_datagram(replay, packet);
	default:
		return 0;
	}
}

/* Returns 1 and the next packet, 0 at the end of the file, or what is negative. */
static int next_packet(struct replay *replay, struct pcapng_packet *captured)
{
	struct pcap_pkthdr *header;
	int result;

	if (replay->pcapng)
		return pcapng_next(replay->pcapng, captured);
	result = pcap_next_ex(replay->pcap, &header, &captured->bytes);
	if (result != 1)
		return result == PCAP_ERROR_BREAK ? 0 : result;
	captured->datalink = pcap_datalink(replay->pcap);
	/* libpcap was asked for nanoseconds */
	captured->time_ns = header->ts.tv_sec * SECOND_NS + header->ts.tv_usec;
	captured->captured = header->caplen;
	captured->length = header->len;
	return 1;
}

static int pass_packet(struct replay *replay, const struct pcapng_packet *captured, uint64_t time_ns)
{
	struct packet packet;

	if (captured->time_only)
		return 0;
	/* packets out of order: the kernel's clock does not run backwards */
	if (time_ns > replay->time_ns)
		replay->time_ns = time_ns;
	tracker_time(replay->table, replay->time_ns);
	packet_parse(captured->datalink, captured->bytes, captured->captured, captured->length, &packet);
	return run_packet(replay, captured, &packet);
}

/* A packet whose time is far ahead waits: the next packet confirms or refutes its time, as in the reader of captures. */
static int pass_ahead(struct replay *replay, const struct pcapng_packet *next)
{
	uint8_t *bytes = replay->ahead_bytes;
	uint64_t time_ns;
	int error;

	if (!bytes)
		return 0;
	replay->ahead_bytes = NULL;
	if (next && clock_refutes(&replay->clock, replay->ahead.time_ns, next->time_ns))
		time_ns = replay->clock.now;
	else
		time_ns = clock_take(&replay->clock, replay->ahead.time_ns);
	error = pass_packet(replay, &replay->ahead, time_ns);
	free(bytes);
	return error;
}

static bool keep_ahead(struct replay *replay, const struct pcapng_packet *captured)
{
	if (captured->time_only || !clock_jumps(&replay->clock, captured->time_ns))
		return false;
	replay->ahead_bytes = malloc(captured->captured + 1);
	if (!replay->ahead_bytes)
		return false;
	memcpy(replay->ahead_bytes, captured->bytes, captured->captured);
	replay->ahead = *captured;
	replay->ahead.bytes = replay->ahead_bytes;
	return true;
}

static int run_file(struct replay *replay)
{
	struct pcapng_packet captured;
	int error = 0;
	int more;

	while (!error && (more = next_packet(replay, &captured)) > 0) {
		error = pass_ahead(replay, &captured);
		if (!error && !keep_ahead(replay, &captured))
			error = pass_packet(replay, &captured, clock_take(&replay->clock, captured.time_ns));
	}
	if (!error)
		error = pass_ahead(replay, NULL);
	if (!error && more < 0)
		fprintf(stderr, "replay: %s\n",
		        replay->pcapng ? pcapng_error(replay->pcapng) : pcap_geterr(replay->pcap));
	return error ? error : more;
}

static int open_file(struct replay *replay, const char *path)
{
	FILE *stream = fopen(path, "rb");
	char message[PCAP_ERRBUF_SIZE];

	if (!stream) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return -EINVAL;
	}
	if (ungetc(getc(stream), stream) == PCAPNG_FIRST_BYTE) {
		replay->stream = stream;
		replay->pcapng = pcapng_new(stream);
		return replay->pcapng ? 0 : -ENOMEM;
	}
	replay->pcap = pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, message);
	if (replay->pcap)
		return 0;
	fprintf(stderr, "replay: %s: %s\n", path, message);
	fclose(stream);
	return -EINVAL;
}

static void take_handshake(const struct handshake *handshake, void *context)
{
	const struct json_options options = {};

	json_line(context, handshake, &options);
}

static int open_reader(struct replay *replay, const char *path)
{
	const struct tracker_limits limits = {
		.connections = 65536,
		.handshake_timeout_ns = HANDSHAKE_TIMEOUT_NS,
	};

	replay->fragments = fragment_table_new();
	replay->table = tracker_new(&limits, take_handshake, stdout);
	return replay->fragments && replay->table ? open_file(replay, path) : -ENOMEM;
}

static void close_reader(struct replay *replay)
{
	tracker_free(replay->table);
	fragment_table_free(replay->fragments);
	pcapng_free(replay->pcapng);
	if (replay->stream)
		fclose(replay->stream);
	if (replay->pcap)
		pcap_close(replay->pcap);
}

/* The program as it was when it was loaded. */
static void forget(struct device *programs)
{
	int flows = bpf_map__fd(programs->maps.flows);
	int rows = bpf_map__fd(programs->maps.rows);
	static const uint8_t places[64]; /* of struct places' size at least */
	uint8_t key[64];                 /* of struct packet_flow's size at least */
	uint32_t row;

	while (bpf_map_get_next_key(flows, NULL, key) == 0)
		if (bpf_map_delete_elem(flows, key))
			break;
	/* a flow that was just removed so is no flow that was evicted */
	for (row = 0; row < ROWS; row++)
		bpf_map_update_elem(rows, &row, places, BPF_ANY);
	memset(programs->bss->statistics, 0, sizeof(programs->bss->statistics));
}

static int replay_file(struct device *programs, const char *path)
{
	struct replay replay = {.programs = programs};
	const uint64_t *counted = (const uint64_t *)programs->bss->statistics;
	uint64_t lost;
	int error;

	forget(programs);
	error = open_reader(&replay, path);
	replay.events = ring_buffer__new(bpf_map__fd(programs->maps.events), take_event, &replay, NULL);
	if (!replay.events)
		error = -ENOMEM;
	if (!error)
		error = run_file(&replay);
	if (replay.table)
		tracker_finish(replay.table);
	lost = counted[STATISTIC_LOST_RING] + counted[STATISTIC_LOST_STORAGE] + counted[STATISTIC_CONTENDED];
	printf("{\"replay\":{\"status\":%d,\"handshakes\":%" PRIu64 ",\"handovers\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"as_captured\":%" PRIu64 ",\"in_tunnels\":%" PRIu64 ",\"too_long\":%" PRIu64 "}}\n",
	       error || lost, counted[STATISTIC_HANDSHAKES], counted[STATISTIC_HANDOVERS], lost, replay.as_captured,
	       replay.in_tunnels, replay.too_long);
	ring_buffer__free(replay.events);
	close_reader(&replay);
	return error || lost;
}

static struct device *load(void)
{
	struct device *programs = device__open();

	if (!programs)
		return NULL;
	programs->rodata->row_mask = ROWS - 1;
	if (getrandom(&programs->rodata->flow_key, sizeof(programs->rodata->flow_key), 0) < 0)
		fprintf(stderr, "replay: no random numbers: %s\n", strerror(errno));
	programs->rodata->follow_established = 1;
	if (!bpf_map__set_max_entries(programs->maps.rows, ROWS) && !device__load(programs))
		return programs;
	device__destroy(programs);
	return NULL;
}

int main(int argc, char **argv)
{
	struct device *programs;
	int status = 0;
	int index;

	if (argc < 2) {
		fprintf(stderr, "usage: replay FILE...\n");
		return 2;
	}
	programs = load();
	if (!programs)
		return 1;
	for (index = 1; index < argc; index++) {
		status |= replay_file(programs, argv[index]);
		/* what was read is not lost where the next file ends this */
		status |= fflush(stdout) != 0;
	}
	device__destroy(programs);
	return status;
}
