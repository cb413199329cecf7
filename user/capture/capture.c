// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/capture.h"
#include "capture/clock.h"
#include "capture/compressed.h"
#include "stream/dtls.h"
#include "capture/flow.h"
#include "capture/fragment.h"
#include "capture/held.h"
#include "capture/packet.h"
#include "capture/pcapng.h"

#include "bpf/shared/tcp_receiver.h"
#include "system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SEGMENT_BYTES_MAX = 65535, /* struct event_bytes.length */
	NS_PER_SECOND = 1000000000,
	PCAPNG_FIRST_BYTE = 0x0a,
	INPUT_BYTES = 64 * 1024, /* read at once */
	WAIT_MS = 100,           /* between calls of wait() */
};

struct capture {
	/* exactly one reader is set: libpcap reads no pcapng file with several kinds of interfaces */
	pcap_t *pcap;
	struct pcapng *pcapng;
	FILE *stream;      /* NULL: libpcap has the file */
	int input;         /* descriptor behind stream */
	capture_wait wait; /* NULL: reads block */
	void *wait_context;
	bool stopped; /* wait() has ended the input */
	const char *path;
	int datalink_left_out; /* the latest unknown link type */
	capture_sink sink;
	void *context;
	struct flow_table *flows;
	struct fragment_table *fragments;
	struct held *held;
	struct clock clock;
	struct pcapng_packet ahead; /* a packet whose time the next packet has to confirm */
	uint8_t *ahead_bytes;       /* the bytes of ahead; NULL: no such packet */
	uint64_t connections;       /* told of so far: the last one's number */
	uint64_t packets;
	uint64_t left_out[LEFT_OUT_KINDS];
	uint64_t no_memory;        /* packets dropped for lack of memory */
	uint64_t midstream;        /* TLS connections opened before the capture began */
	pcapng_secrets secrets;    /* NULL: the secrets in a file are not wanted */
	capture_ended ended;       /* NULL: the sink does not want to know */
	capture_follows follows;   /* NULL: the sink follows all connections */
	struct event_bytes *bytes; /* room for an event with SEGMENT_BYTES_MAX of data */
};

static void capture_flow_dropped(struct flow *flow, void *context);
static void pass_ahead(struct capture *capture, const struct pcapng_packet *next);
static void release_all(struct capture *capture, struct flow *flow);

/* Whether to go on waiting for input. */
static bool goes_on(struct capture *capture)
{
	if (!capture->stopped && capture->wait && !capture->wait(capture->wait_context))
		capture->stopped = true;
	return !capture->stopped;
}

/* While the file has no further packet, no packet may wait for the next packet. */
static bool pause_goes_on(struct capture *capture)
{
	pass_ahead(capture, NULL);
	return goes_on(capture);
}

/* Read the available bytes. While no bytes come, wait() is called before each pause; signals interrupt the pause. */
static ssize_t read_input(void *context, char *bytes, size_t size)
{
	struct capture *capture = context;
	struct pollfd input = {.fd = capture->input, .events = POLLIN};
	ssize_t length;

	do {
		if (capture->wait)
			while (poll(&input, 1, 0) <= 0 && pause_goes_on(capture))
				poll(&input, 1, WAIT_MS);
		length = capture->stopped ? 0 : read(capture->input, bytes, size);
	} while (length < 0 && errno == EINTR && goes_on(capture));
	return length;
}

static int close_input(void *context)
{
	const struct capture *capture = context;

	return capture->input == STDIN_FILENO ? 0 : close(capture->input);
}

static int open_input(struct capture *capture)
{
	const cookie_io_functions_t functions = {.read = read_input, .close = close_input};
	int error;

	capture->input = strcmp(capture->path, "-") ? open(capture->path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (capture->input < 0) {
		error = -errno;
		log_error("%s: %s", capture->path, strerror(-error));
		return error;
	}
	capture->stream = fopencookie(capture, "r", functions);
	if (capture->stream) {
		setvbuf(capture->stream, NULL, _IOFBF, INPUT_BYTES);
		return 0;
	}
	close_input(capture);
	log_out_of_memory();
	return -ENOMEM;
}

static int begin_pcap(struct capture *capture)
{
	char message[PCAP_ERRBUF_SIZE] = "";

	capture->pcap = pcap_fopen_offline_with_tstamp_precision(capture->stream, PCAP_TSTAMP_PRECISION_NANO, message);
	if (capture->pcap) {
		/* libpcap closes the stream */
		capture->stream = NULL;
		return 0;
	}
	if (!goes_on(capture))
		return 0;
	log_error("%s: not a capture file: %s", capture->path, message);
	return -EINVAL;
}

static int begin_pcapng(struct capture *capture)
{
	capture->pcapng = pcapng_new(capture->stream);
	if (capture->pcapng) {
		pcapng_set_secrets(capture->pcapng, capture->secrets, capture->context);
		return 0;
	}
	log_out_of_memory();
	return -ENOMEM;
}

int capture_open(struct capture **result, const char *path, capture_sink sink, void *context)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int error = -ENOMEM;

	if (!capture)
		goto cleanup;
	capture->path = path;
	capture->sink = sink;
	capture->context = context;
	capture->bytes = malloc(sizeof(*capture->bytes) + SEGMENT_BYTES_MAX);
	capture->fragments = fragment_table_new();
	capture->held = held_new();
	capture->flows = flow_table_new(CAPTURE_FLOWS_MAX, capture_flow_dropped, capture);
	if (!capture->bytes || !capture->fragments || !capture->held || !capture->flows)
		goto cleanup;
	error = open_input(capture);
	if (error) {
		capture_close(capture);
		return error;
	}
	*result = capture;
	return 0;

cleanup:
	capture_close(capture);
	log_error("%s: %s", path, strerror(-error));
	return error;
}

void capture_close(struct capture *capture)
{
	if (!capture)
		return;
	if (capture->pcap)
		pcap_close(capture->pcap);
	pcapng_free(capture->pcapng);
	if (capture->stream)
		fclose(capture->stream);
	flow_table_free(capture->flows);
	held_free(capture->held);
	free(capture->ahead_bytes);
	fragment_table_free(capture->fragments);
	free(capture->bytes);
	free(capture);
}

void capture_set_wait(struct capture *capture, capture_wait wait, void *context)
{
	capture->wait = wait;
	capture->wait_context = context;
}

void capture_set_follows(struct capture *capture, capture_follows follows)
{
	capture->follows = follows;
}

void capture_set_secrets(struct capture *capture, pcapng_secrets secrets)
{
	capture->secrets = secrets;
}

void capture_set_ended(struct capture *capture, capture_ended ended)
{
	capture->ended = ended;
}

void capture_set_flows_max(struct capture *capture, uint32_t flows_max)
{
	flow_table_set_max(capture->flows, flows_max);
}

uint64_t capture_time(const struct capture *capture)
{
	return capture->clock.now;
}

int64_t capture_realtime_offset(const struct capture *capture)
{
	return -capture->clock.offset;
}

static struct event event_of(const struct flow *flow, enum event_direction direction, enum event_kind kind,
                             uint32_t size)
{
	struct event event = {
		.size = size,
		.kind = kind,
		.direction = direction,
		.connection = flow->connection,
		.time_ns = flow->time_ns,
		.flags = flow->doubtful ? EVENT_LOST : 0,
	};

	return event;
}

/* Pass on an event of a direction. The sink's answer about more events applies to the same direction. */
static void tell(struct capture *capture, struct flow *flow, const struct event *event)
{
	if (!capture->sink(event, capture->context))
		flow->direction[event->direction].unwanted = true;
}

static bool unwanted(const struct flow *flow)
{
	return flow->direction[EVENT_RECEIVED].unwanted && flow->direction[EVENT_SENT].unwanted;
}

/* Report a connection for the first time: as late as possible, so a connection without content costs nothing. */
static void tell_open(struct capture *capture, struct flow *flow)
{
	const struct flow_key *key = &flow->key;
	bool low = flow->local_is_low;
	struct event_open open = {
		.local_port = low ? key->low_port : key->high_port,
		.remote_port = low ? key->high_port : key->low_port,
		.family = key->family,
		.transport = key->transport,
		.source = EVENT_FROM_FILE,
	};

	if (flow->connection)
		return;
	flow->connection = ++capture->connections;
	open.event = event_of(flow, EVENT_RECEIVED, EVENT_OPEN, sizeof(open));
	memcpy(open.local_address, low ? key->low_address : key->high_address, sizeof(open.local_address));
	memcpy(open.remote_address, low ? key->high_address : key->low_address, sizeof(open.remote_address));
	tell(capture, flow, &open.event);
	/* a connection is unwanted in both directions or in neither */
	flow->direction[EVENT_SENT].unwanted = flow->direction[EVENT_RECEIVED].unwanted;
}

static void tell_handover(struct capture *capture, struct flow *flow, enum event_direction direction)
{
	struct flow_direction *half = &flow->direction[direction];
	struct event_handover handover = {
		.event = event_of(flow, direction, EVENT_HANDOVER, sizeof(handover)),
		.walk.flags = TLS_WALK_EITHER,
		.next_sequence = half->initial,
	};

	if (half->handed_over)
		return;
	half->handed_over = true;
	tell(capture, flow, &handover.event);
}

static void tell_cut(struct capture *capture, struct flow *flow, enum event_direction direction, uint32_t position,
                     uint32_t count)
{
	struct event_cut cut = {
		.event = event_of(flow, direction, EVENT_CUT, sizeof(cut)),
		.position = position,
		.count = count,
	};

	tell(capture, flow, &cut.event);
}

/* After the receiver has acknowledged bytes, further copies of the bytes make no difference. */
static uint8_t segment_type(const struct flow_direction *half, uint32_t position, uint32_t count)
{
	const struct tcp_receiver receiver = {
		.known = half->acknowledges ? TCP_KNOWN_NEXT : 0,
		.next = half->acknowledged,
	};

	return tcp_receiver_old(&receiver, position, count) == count ? EVENT_SEGMENT_ACKNOWLEDGED : EVENT_SEGMENT_OPEN;
}

/* Pass on the packet's payload in as many events as needed, and the number of uncaptured bytes. */
static void tell_payload(struct capture *capture, struct flow *flow, enum event_direction direction,
                         const struct packet *packet, enum event_kind kind, uint32_t position)
{
	const struct flow_direction *half = &flow->direction[direction];
	struct event_bytes *event = capture->bytes;
	uint32_t told = 0;
	uint32_t count;

	while (told < packet->captured && !half->unwanted) {
		count = packet->captured - told;
		if (count > SEGMENT_BYTES_MAX)
			count = SEGMENT_BYTES_MAX;
		event->event = event_of(flow, direction, kind, sizeof(*event) + count);
		if (kind == EVENT_SEGMENT && told == 0)
			event->event.flags |= EVENT_SEGMENT_START;
		event->position = position + told;
		event->length = count;
		event->type = kind == EVENT_SEGMENT ? segment_type(half, event->position, count) : 0;
		event->reserved = 0;
		memcpy(event->data, packet->payload + told, count);
		tell(capture, flow, &event->event);
		told += count;
	}
	if (packet->captured < packet->length && !half->unwanted)
		tell_cut(capture, flow, direction, position + packet->captured, packet->length - packet->captured);
}

/* A flow is dropped, or a new connection takes its place: the rest of the flow will not be seen. */
static void capture_flow_dropped(struct flow *flow, void *context)
{
	struct capture *capture = context;
	enum event_direction direction;
	struct flow_direction *half;

	release_all(capture, flow);
	if (!flow->connection || flow->closed)
		return;
	/* a flow idle for so long has lost nothing: the time-out ends the connection */
	if (capture->clock.now - flow->time_ns > FLOW_IDLE_SECONDS * (uint64_t)NS_PER_SECOND)
		return;
	for (direction = EVENT_RECEIVED; direction < EVENT_DIRECTIONS; direction++) {
		half = &flow->direction[direction];
		if (half->handed_over && !half->unwanted)
			tell_cut(capture, flow, direction, half->reached, 0);
	}
}

static void reach(struct flow_direction *half, uint32_t sequence)
{
	if ((int32_t)(sequence - half->reached) > 0)
		half->reached = sequence;
}

static void begin_at(struct flow_direction *half, uint32_t initial)
{
	half->known = true;
	half->renewing = false;
	half->initial = initial;
	half->reached = initial;
	half->next = initial;
	half->ranges = 0;
}

/*
 * A new connection between the same ports begins with the state from its SYNs; the first SYN went to the local end.
 * Returns the packet's direction in the new connection.
 */
static enum event_direction renew(struct capture *capture, struct flow *flow, enum event_direction direction)
{
	struct flow_direction ours = flow->direction[direction];
	struct flow_direction theirs = flow->direction[!direction];
	bool answer = theirs.renewing && !theirs.renewed_by_answer;
	enum event_direction renewed = answer ? EVENT_SENT : EVENT_RECEIVED;

	flow_renew(capture->flows, flow, answer ? !direction : direction);
	if (ours.renewing)
		begin_at(&flow->direction[renewed], ours.renewed);
	if (theirs.renewing)
		begin_at(&flow->direction[!renewed], theirs.renewed);
	return renewed;
}

/*
 * A SYN that is no repetition. On an open connection anybody may have sent the SYN (RFC 5961 section 4). The SYN counts
 * once the other end answers the SYN, or bytes follow.
 */
static enum event_direction take_other_syn(struct capture *capture, struct flow *flow, const struct packet *packet,
                                           enum event_direction direction)
{
	struct flow_direction *half = &flow->direction[direction];
	const struct flow_direction *other = &flow->direction[!direction];
	bool answer = packet->tcp_flags & PACKET_ACK;

	half->renewing = true;
	half->renewed = packet->sequence + 1;
	half->renewed_by_answer = answer;
	if (flow->closed || (answer && other->renewing && packet->acknowledgement == other->renewed))
		return renew(capture, flow, direction);
	return direction;
}

/* Whether a SYN/ACK answers the later of two SYNs: then the later SYN began the connection. */
static bool answers_other_syn(const struct flow *flow, const struct packet *packet, enum event_direction direction)
{
	const struct flow_direction *other = &flow->direction[!direction];

	return packet->tcp_flags & PACKET_ACK && other->renewing && !other->renewed_by_answer &&
	       packet->acknowledgement == other->renewed && packet->acknowledgement != other->initial;
}

/* Returns the packet's direction, possibly in a new connection by now. */
static enum event_direction take_syn(struct capture *capture, struct flow *flow, const struct packet *packet,
                                     enum event_direction direction)
{
	struct flow_direction *half = &flow->direction[direction];

	flow->begun = true;
	if (answers_other_syn(flow, packet, direction))
		return take_other_syn(capture, flow, packet, direction);
	if (!half->known && !flow->closed)
		begin_at(half, packet->sequence + 1);
	else if (!half->known || half->initial != packet->sequence + 1)
		return take_other_syn(capture, flow, packet, direction);
	return direction;
}

/* Of several SYN/ACKs, the SYN/ACK counts that the other end acknowledges or that bytes follow. */
static void choose_answer(struct flow_direction *half, uint32_t next)
{
	if (half->renewing && half->renewed_by_answer && !half->handed_over && half->renewed == next)
		begin_at(half, next);
}

/*
 * The sink gave a quiet connection up: a mail server may wait for STARTTLS for minutes. From here on the connection
 * counts as begun in the middle.
 */
static void begin_again(struct flow *flow)
{
	enum event_direction direction;

	flow->connection = 0;
	for (direction = EVENT_RECEIVED; direction < EVENT_DIRECTIONS; direction++) {
		flow->direction[direction].handed_over = false;
		flow->direction[direction].initial = flow->direction[direction].reached;
	}
}

static bool is_given_up(const struct capture *capture, const struct flow *flow)
{
	return flow->connection && capture->follows && !flow->direction[EVENT_RECEIVED].unwanted &&
	       !flow->direction[EVENT_SENT].unwanted && !capture->follows(flow->connection, capture->context);
}

/* Whether a stream that begins without a SYN begins within TLS: a record, RFC 8446 section 5.1, but no ClientHello. */
static bool is_within_tls(const struct packet *packet)
{
	const uint8_t *record = packet->payload;

	if (packet->captured < TLS_WALK_RECORD_HEADER + 1 || record[1] != 3 || record[2] > 4)
		return false;
	if (record[0] < TLS_CHANGE_CIPHER_SPEC || record[0] > TLS_APPLICATION_DATA || record[3] > 0x48)
		return false;
	return record[0] != TLS_HANDSHAKE || record[TLS_WALK_RECORD_HEADER] != TLS_CLIENT_HELLO;
}

/* A capture that begins in the middle of connections lacks the handshakes of these connections. */
static void count_midstream(struct capture *capture, struct flow *flow, const struct packet *packet)
{
	if (flow->begun || flow->connection)
		return;
	flow->begun = true;
	capture->midstream += is_within_tls(packet);
}

static void take_segment(struct capture *capture, struct flow *flow, const struct packet *packet,
                         enum event_direction direction)
{
	struct flow_direction *half = &flow->direction[direction];
	/* a SYN takes the place of a byte (RFC 9293 section 3.4) */
	uint32_t sequence = packet->sequence + (packet->tcp_flags & PACKET_SYN ? 1 : 0);

	if (!half->known)
		begin_at(half, sequence);
	count_midstream(capture, flow, packet);
	if (is_given_up(capture, flow))
		begin_again(flow);
	reach(half, sequence + packet->length);
	flow_direction_seen(half, sequence, sequence + packet->length);
	tell_open(capture, flow);
	if (!half->unwanted)
		tell_handover(capture, flow, direction);
	if (!half->unwanted)
		tell_payload(capture, flow, direction, packet, EVENT_SEGMENT, sequence);
}

/*
 * Whether a reset can be the connection's: off the path anybody can send a reset (RFC 5961 section 3). TCP ignores a
 * reset before the expected byte. A reset after the captured bytes may still be at the receiver's next byte.
 */
static bool reset_is_plausible(const struct flow_direction *half, uint32_t sequence)
{
	int32_t ahead = sequence - half->reached;

	return !half->handed_over || (ahead >= 0 && ahead <= TCP_ORDER_WINDOW);
}

static void take_close(struct capture *capture, struct flow *flow, const struct packet *packet,
                       enum event_direction direction)
{
	struct flow_direction *half = &flow->direction[direction];
	bool reset = packet->tcp_flags & PACKET_RST;
	struct event_close close = {
		.event = event_of(flow, direction, EVENT_CLOSE, sizeof(close)),
		.sequence = packet->sequence + (reset ? 0 : packet->length),
		.how = reset ? EVENT_RST : EVENT_FIN,
	};

	if (reset && !reset_is_plausible(half, packet->sequence))
		return;
	if (flow->connection && !half->closed && !unwanted(flow))
		tell(capture, flow, &close.event);
	half->closed = true;
	if (reset || flow->direction[!direction].closed)
		flow_close(capture->flows, flow);
}

/* Returns the flow of a TCP packet, a new flow if the packet can begin a flow, or NULL. */
static struct flow *find_tcp(struct capture *capture, const struct packet *packet, enum event_direction *direction)
{
	struct flow *flow = flow_find(capture->flows, packet, direction);
	bool begins = packet->tcp_flags & PACKET_SYN || (packet->length && !(packet->tcp_flags & PACKET_RST));

	if (flow || !begins)
		return flow;
	*direction = EVENT_RECEIVED;
	flow = flow_add(capture->flows, packet, capture->clock.now);
	if (!flow)
		capture->no_memory++;
	return flow;
}

/* Learn about the two ends' TCP from a packet (tcp_receiver.h). */
static void take_reception(struct flow *flow, const struct packet *packet, enum event_direction direction)
{
	struct flow_direction *other = &flow->direction[!direction];
	const struct tcp_receiver receiver = {};
	const struct tcp_segment segment = {.flags = packet->tcp_flags};

	if (tcp_receiver_judge(&receiver, &segment) == TCP_UNSURE)
		flow->doubtful = true;
	if (!(packet->tcp_flags & PACKET_ACK) || packet->tcp_flags & PACKET_RST)
		return;
	if (!other->acknowledges || tcp_ahead(packet->acknowledgement, other->acknowledged) > 0) {
		other->acknowledges = true;
		other->acknowledged = packet->acknowledgement;
	}
}

/* The packet's place in its flow has come. */
static void pass_tcp(struct capture *capture, struct flow *flow, const struct packet *packet,
                     enum event_direction direction, uint64_t time_ns)
{
	bool content = packet->length && !(packet->tcp_flags & PACKET_RST);
	struct flow_direction *half;

	flow_seen(capture->flows, flow, time_ns);
	take_reception(flow, packet, direction);
	if (packet->tcp_flags & PACKET_SYN)
		direction = take_syn(capture, flow, packet, direction);
	if (packet->tcp_flags & PACKET_ACK)
		choose_answer(&flow->direction[!direction], packet->acknowledgement);
	half = &flow->direction[direction];
	half->seen = true;
	if (content) {
		choose_answer(half, packet->sequence);
		if (half->renewing && half->renewed == packet->sequence)
			direction = renew(capture, flow, direction);
		take_segment(capture, flow, packet, direction);
	}
	if (packet->tcp_flags & (PACKET_FIN | PACKET_RST))
		take_close(capture, flow, packet, direction);
}

/*
 * How many bytes of the other direction the packet acknowledges although the capture has not shown the bytes. A FIN
 * counts as 1 byte (RFC 9293 section 3.4). Anybody can send an acknowledgement, or a sequence number, far outside the
 * window.
 */
static uint32_t unseen_bytes(const struct flow *flow, const struct packet *packet, enum event_direction direction)
{
	const struct flow_direction *other = &flow->direction[!direction];
	int32_t ahead = packet->acknowledgement - other->next;
	int32_t place = packet->sequence - flow->direction[direction].reached;

	if (place > TCP_ORDER_WINDOW || place < -TCP_ORDER_WINDOW)
		return 0;
	if (!(packet->tcp_flags & PACKET_ACK) || packet->tcp_flags & PACKET_SYN || !other->known || other->renewing)
		return 0;
	return ahead > 1 && ahead <= TCP_ORDER_WINDOW ? ahead : 0;
}

/*
 * How many bytes before a reset, in the same direction, the capture has not shown. The reset bears the sender's next
 * sequence number (RFC 9293 section 3.10.7). A FIN counts as 1 byte.
 */
static uint32_t unseen_before_reset(const struct flow *flow, const struct packet *packet,
                                    enum event_direction direction)
{
	const struct flow_direction *half = &flow->direction[direction];
	int32_t ahead = packet->sequence - half->next - half->closed;

	if (!(packet->tcp_flags & PACKET_RST) || !half->handed_over)
		return 0;
	return ahead > 0 && ahead <= TCP_ORDER_WINDOW ? ahead : 0;
}

static bool waits_for_bytes(const struct flow *flow, const struct packet *packet, enum event_direction direction)
{
	return unseen_bytes(flow, packet, direction) || unseen_before_reset(flow, packet, direction);
}

static bool has_to_wait(const struct flow *flow, const struct packet *packet, enum event_direction direction)
{
	const struct held_packet *first = held_first(flow, direction);

	if (unwanted(flow) || packet->tcp_flags & PACKET_SYN)
		return false;
	/* packets stay in order, but a reset waits for later packets */
	if (first && !unseen_before_reset(flow, &first->packet, direction))
		return true;
	return unseen_before_reset(flow, packet, direction) ||
	       (flow->direction[!direction].seen && unseen_bytes(flow, packet, direction));
}

/* The missing bytes of a direction before limit were lost: these bytes will not come any more. */
static void tell_holes(struct capture *capture, struct flow *flow, enum event_direction direction, uint32_t limit)
{
	struct flow_direction *half = &flow->direction[direction];
	uint32_t end;

	if (!half->unwanted)
		tell_handover(capture, flow, direction);
	while ((int32_t)(limit - half->next) > 0) {
		end = flow_direction_hole_end(half, limit);
		if (!half->unwanted)
			tell_cut(capture, flow, direction, half->next, end - half->next);
		flow_direction_seen(half, half->next, end);
	}
	reach(half, limit);
}

/* A packet has waited in vain. The capture lacks bytes that the packet's sender received, or sent before a reset. */
static void tell_lost(struct capture *capture, struct flow *flow, const struct packet *packet,
                      enum event_direction direction)
{
	/* where nothing was told yet, the hole shows once bytes follow */
	if (!flow->connection)
		return;
	/* an uncaptured FIN is no loss */
	if (unseen_before_reset(flow, packet, direction) > 1)
		tell_holes(capture, flow, direction, packet->sequence);
	if (flow->direction[!direction].seen && unseen_bytes(flow, packet, direction))
		tell_holes(capture, flow, !direction, packet->acknowledgement);
}

static void release(struct capture *capture, struct held_packet *held)
{
	struct flow *flow = held->flow;

	held_take(capture->held, held);
	tell_lost(capture, flow, &held->packet, held->direction);
	pass_tcp(capture, flow, &held->packet, held->direction, held->time_ns);
	free(held);
}

/* Release the packets of a flow with nothing more to wait for. */
static void release_ready(struct capture *capture, struct flow *flow)
{
	enum event_direction direction = EVENT_RECEIVED;
	unsigned int idle = 0;
	struct held_packet *first;

	while (idle < EVENT_DIRECTIONS) {
		first = held_first(flow, direction);
		if (first && (unwanted(flow) || !waits_for_bytes(flow, &first->packet, direction))) {
			release(capture, first);
			idle = 0;
			continue;
		}
		direction = !direction;
		idle++;
	}
}

/* Release all packets of a flow, in order of arrival. */
static void release_all(struct capture *capture, struct flow *flow)
{
	struct held_packet *received, *sent;

	for (;;) {
		release_ready(capture, flow);
		received = held_first(flow, EVENT_RECEIVED);
		sent = held_first(flow, EVENT_SENT);
		if (!received && !sent)
			return;
		if (!sent || (received && received->number < sent->number))
			release(capture, received);
		else
			release(capture, sent);
	}
}

/* Whether the waiting packets of a direction carry all bytes from here to limit. */
static bool waiting_packets_carry(const struct flow *flow, enum event_direction direction, uint32_t from,
                                  uint32_t limit)
{
	uint32_t reached = from;
	bool progress = true;

	while (progress && (int32_t)(limit - reached) > 0) {
		progress = false;
		for (const struct held_packet *held = held_first(flow, direction); held;
		     held = STAILQ_NEXT(held, next)) {
			uint32_t end = held->packet.sequence + held->packet.length;

			if ((int32_t)(held->packet.sequence - reached) > 0 || (int32_t)(end - reached) <= 0)
				continue;
			reached = end;
			progress = true;
		}
	}
	return (int32_t)(limit - reached) <= 0;
}

/*
 * Packets of both directions wait for each other's bytes. Either neighbouring segments were swapped, or the capture
 * missed segments and shows the repetition with a later acknowledgement. The bytes are present, so nothing was lost.
 */
static bool is_circle(const struct flow *flow)
{
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		const struct held_packet *first = held_first(flow, direction);

		if (!first || unseen_before_reset(flow, &first->packet, direction) ||
		    !waiting_packets_carry(flow, !direction, flow->direction[!direction].next,
		                           first->packet.acknowledgement))
			return false;
	}
	return true;
}

/* The waiting packet that is next in its direction; preferably a packet that acknowledges only shown bytes. */
static struct held_packet *next_in_order(const struct flow *flow)
{
	struct held_packet *chosen = NULL;

	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++)
		for (struct held_packet *held = held_first(flow, direction); held; held = STAILQ_NEXT(held, next)) {
			if (held->packet.sequence != flow->direction[direction].next)
				continue;
			if (!unseen_bytes(flow, &held->packet, direction))
				return held;
			/* the last packet bears the older bytes */
			if (!chosen || held->number > chosen->number)
				chosen = held;
		}
	return chosen;
}

static void release_circle(struct capture *capture, struct flow *flow)
{
	struct held_packet *received, *sent, *chosen;

	while (is_circle(flow)) {
		received = held_first(flow, EVENT_RECEIVED);
		sent = held_first(flow, EVENT_SENT);
		chosen = next_in_order(flow);
		if (!chosen)
			chosen = received->number > sent->number ? received : sent;
		held_take(capture->held, chosen);
		pass_tcp(capture, flow, &chosen->packet, chosen->direction, chosen->time_ns);
		free(chosen);
		release_ready(capture, flow);
	}
}

/* Release the packets that have waited long enough when the clock comes to time_ns, each flow at its due time. */
static void release_due(struct capture *capture, uint64_t time_ns)
{
	const uint64_t patience_ns = HELD_SECONDS * (uint64_t)NS_PER_SECOND;
	struct held_packet *oldest;

	while ((oldest = held_oldest(capture->held)) && time_ns > oldest->since_ns + patience_ns) {
		if (oldest->since_ns + patience_ns > capture->clock.now)
			capture->clock.now = oldest->since_ns + patience_ns;
		release_all(capture, oldest->flow);
	}
}

/*
 * A connection begins without its SYN: the acknowledgement number of the first packet shows the position of the other
 * direction at the time.
 */
static void begin_other(struct flow *flow, const struct packet *packet, enum event_direction direction)
{
	struct flow_direction *other = &flow->direction[!direction];

	if (!other->known && packet->tcp_flags & PACKET_ACK && !(packet->tcp_flags & PACKET_SYN))
		begin_at(other, packet->acknowledgement);
}

static void take_tcp(struct capture *capture, const struct packet *packet, uint64_t time_ns)
{
	enum event_direction direction;
	struct flow *flow = find_tcp(capture, packet, &direction);

	if (!flow)
		return;
	if (packet->tcp_flags & PACKET_SYN)
		release_all(capture, flow);
	begin_other(flow, packet, direction);
	if (has_to_wait(flow, packet, direction)) {
		if (held_add(capture->held, flow, direction, packet, time_ns, capture->clock.now)) {
			release_circle(capture, flow);
			return;
		}
		release_all(capture, flow);
		tell_lost(capture, flow, packet, direction);
	}
	pass_tcp(capture, flow, packet, direction, time_ns);
	release_ready(capture, flow);
}

/* Returns the flow of a UDP packet, a new flow if the packet can begin a flow, or NULL. */
static struct flow *find_udp(struct capture *capture, const struct packet *packet, enum event_direction *direction)
{
	struct flow *flow = flow_find(capture->flows, packet, direction);
	uint64_t random = 0;
	bool begins = dtls_begins(packet->payload, packet->captured, (__u64 *)&random);

	if (!flow && begins) {
		*direction = EVENT_RECEIVED;
		flow = flow_add(capture->flows, packet, capture->clock.now);
		if (!flow)
			capture->no_memory++;
	} else if (flow && random && flow->random && flow->random != random) {
		flow_renew(capture->flows, flow, *direction);
		*direction = EVENT_RECEIVED;
	}
	if (flow && random)
		flow->random = random;
	return flow;
}

static void take_udp(struct capture *capture, const struct packet *packet, uint64_t time_ns)
{
	enum event_direction direction;
	struct flow *flow = find_udp(capture, packet, &direction);

	if (!flow)
		return;
	flow_seen(capture->flows, flow, time_ns);
	/* other protocols share the port (RFC 7983) and are ignored */
	if (packet->captured && (packet->payload[0] < 20 || packet->payload[0] > 63))
		return;
	tell_open(capture, flow);
	if (!flow->direction[direction].unwanted)
		tell_payload(capture, flow, direction, packet, EVENT_DATAGRAM, 0);
}

static void take_packet(struct capture *capture, struct packet *packet, uint64_t time_ns)
{
	while (packet->kind == PACKET_FRAGMENT)
		if (!fragment_table_add(capture->fragments, packet, capture->clock.now, packet))
			return;
	switch (packet->kind) {
	case PACKET_TCP:
		take_tcp(capture, packet, time_ns);
		break;
	case PACKET_UDP:
		take_udp(capture, packet, time_ns);
		break;
	default:
		capture->left_out[packet->left_out]++;
	}
}

static void pass_packet(struct capture *capture, const struct pcapng_packet *captured, uint64_t time_ns)
{
	struct packet packet;

	flow_table_expire(capture->flows, capture->clock.now);
	packet_parse(captured->datalink, captured->bytes, captured->captured, captured->length, &packet);
	if (packet.kind == PACKET_LEFT_OUT && packet.left_out == LEFT_OUT_LINK_TYPE)
		capture->datalink_left_out = captured->datalink;
	take_packet(capture, &packet, time_ns);
}

/* The clock comes to the time of a packet. Returns the packet's time on the clock. */
static uint64_t come_to(struct capture *capture, uint64_t packet_ns)
{
	release_due(capture, packet_ns + capture->clock.offset);
	return clock_take(&capture->clock, packet_ns);
}

/* The packet that waits for the next packet's time. */
static void pass_ahead(struct capture *capture, const struct pcapng_packet *next)
{
	uint8_t *bytes = capture->ahead_bytes;
	uint64_t time_ns;

	if (!bytes)
		return;
	capture->ahead_bytes = NULL;
	if (next && clock_refutes(&capture->clock, capture->ahead.time_ns, next->time_ns))
		time_ns = capture->clock.now;
	else
		time_ns = come_to(capture, capture->ahead.time_ns);
	pass_packet(capture, &capture->ahead, time_ns);
	free(bytes);
}

static bool keep_ahead(struct capture *capture, const struct pcapng_packet *captured)
{
	if (!clock_jumps(&capture->clock, captured->time_ns))
		return false;
	capture->ahead_bytes = malloc(captured->captured ? captured->captured : 1);
	if (!capture->ahead_bytes)
		return false;
	capture->ahead = *captured;
	if (captured->captured)
		memcpy(capture->ahead_bytes, captured->bytes, captured->captured);
	capture->ahead.bytes = capture->ahead_bytes;
	return true;
}

static void release_held(struct capture *capture)
{
	struct held_packet *oldest;

	while ((oldest = held_oldest(capture->held)))
		release_all(capture, oldest->flow);
}

static void capture_packet(struct capture *capture, const struct pcapng_packet *captured)
{
	capture->packets += !captured->time_only;
	pass_ahead(capture, captured);
	if (captured->time_only) {
		come_to(capture, captured->time_ns);
		release_held(capture);
		if (capture->ended)
			capture->ended(capture->context);
		clock_restart(&capture->clock);
		return;
	}
	if (!keep_ahead(capture, captured))
		pass_packet(capture, captured, come_to(capture, captured->time_ns));
}

/* The file has ended: packets have nothing more to wait for. */
static void capture_flush(struct capture *capture)
{
	pass_ahead(capture, NULL);
	release_held(capture);
}

static void take_pcap_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct capture *capture = (struct capture *)user;
	const struct pcapng_packet packet = {
		.datalink = pcap_datalink(capture->pcap),
		/* the file was opened for nanoseconds: tv_usec has nanoseconds */
		.time_ns = (uint64_t)header->ts.tv_sec * NS_PER_SECOND + header->ts.tv_usec,
		.bytes = bytes,
		.captured = header->caplen,
		.length = header->len,
	};

	capture_packet(capture, &packet);
}

static int read_failed(struct capture *capture, const char *what)
{
	/* the input was cut off where the user stopped it */
	if (!goes_on(capture))
		return 0;
	log_error("%s: behind packet %" PRIu64 ": %s", capture->path, capture->packets, what);
	return -EIO;
}

static int read_pcapng(struct capture *capture, unsigned int packets)
{
	struct pcapng_packet packet;
	int result;

	while (packets--) {
		result = pcapng_next(capture->pcapng, &packet);
		if (result < 0)
			return read_failed(capture, pcapng_error(capture->pcapng));
		if (result == 0)
			return 0;
		capture_packet(capture, &packet);
	}
	return 1;
}

/* The stream goes on with the contents of the compressed file. Returns 0, or -ENOMEM after a message. */
static int begin_compressed(struct capture *capture)
{
	FILE *contents = compressed_open(capture->stream);

	if (!contents) {
		log_out_of_memory();
		return -ENOMEM;
	}
	capture->stream = contents;
	return 0;
}

/* The first byte tells pcap, pcapng and compressed files apart, and goes back into the stream. */
int capture_begin(struct capture *capture)
{
	int first = ungetc(getc(capture->stream), capture->stream);

	if (is_compressed(first)) {
		if (begin_compressed(capture))
			return -ENOMEM;
		first = ungetc(getc(capture->stream), capture->stream);
	}
	return first == PCAPNG_FIRST_BYTE ? begin_pcapng(capture) : begin_pcap(capture);
}

static int read_packets(struct capture *capture, unsigned int packets)
{
	int count;

	if (!capture->pcapng && !capture->pcap) {
		int error = capture_begin(capture);

		if (error || capture->stopped)
			return error;
	}
	if (capture->pcapng)
		return read_pcapng(capture, packets);
	count = pcap_dispatch(capture->pcap, packets, take_pcap_packet, (u_char *)capture);
	if (count < 0)
		return read_failed(capture, pcap_geterr(capture->pcap));
	return count > 0;
}

int capture_read(struct capture *capture, unsigned int packets)
{
	int more = read_packets(capture, packets);

	if (more <= 0)
		capture_flush(capture);
	return more;
}

static void log_count(uint64_t count, const char *what)
{
	if (count)
		log_notice("%" PRIu64 " %s", count, what);
}

static void log_link_type(const struct capture *capture)
{
	const char *name = pcap_datalink_val_to_name(capture->datalink_left_out);

	log_notice("%" PRIu64 " packets of link type %s (%d), which is not understood",
	           capture->left_out[LEFT_OUT_LINK_TYPE], name ? name : "unknown", capture->datalink_left_out);
}

void capture_log_left_out(const struct capture *capture)
{
	struct fragment_counts fragments = fragment_table_counts(capture->fragments);
	size_t i;

	if (capture->left_out[LEFT_OUT_LINK_TYPE])
		log_link_type(capture);
	for (i = LEFT_OUT_LINK_TYPE + 1; i < LEFT_OUT_KINDS; i++)
		if (capture->left_out[i])
			log_notice("%" PRIu64 " packets left out: %s", capture->left_out[i], packet_left_out_name(i));
	log_count(fragments.incomplete, "fragmented packets left out: not all fragments were captured");
	log_count(fragments.overlapping, "fragmented packets left out: their fragments overlap");
	log_count(fragments.malformed, "fragments left out: malformed");
	log_count(flow_table_evicted(capture->flows), "connections forgotten early: too many at once");
	log_count(capture->no_memory, "packets left out: no memory");
	log_count(capture->midstream, "TLS connections began before the capture: their handshakes are unknown");
}
