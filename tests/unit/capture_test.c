// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What of a capture is passed on, and as which connection's: a file is made packet by packet, and the events are text. */
#include <linux/types.h>

#include "capture/capture.h"

#include "frame.h"

#include <pcap/dlt.h>
#include <stdlib.h>

enum {
	FIN = 1,
	SYN = 2,
	RST = 4,
	ACK = 16,
	TEXT_MAX = 16 * 1024,
	CLIENT_PORT = 40000,
	SERVER_PORT = 443,
};

/* A pcap file in the making, a second between packets. */
struct file {
	FILE *stream;
	uint32_t time;
};

static void file_begin(struct file *file)
{
	const uint32_t header[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, DLT_RAW};

	file->stream = fdopen(memfd_create("capture", 0), "w+b");
	assert_non_null(file->stream);
	file->time = 1700000000;
	fwrite(header, sizeof(header), 1, file->stream);
}

static void put_frame(struct file *file, const struct message_bytes *frame, uint32_t captured)
{
	const uint32_t header[] = {file->time++, 0, captured, frame->length};

	fwrite(header, sizeof(header), 1, file->stream);
	fwrite(frame->data, captured, 1, file->stream);
}

static void put_tcp_header(struct message_bytes *frame, bool client, uint16_t client_port, uint32_t sequence,
                           uint32_t acknowledgement, uint8_t flags)
{
	put_number(frame, 2, client ? client_port : SERVER_PORT);
	put_number(frame, 2, client ? SERVER_PORT : client_port);
	put_number(frame, 4, sequence);
	put_number(frame, 4, acknowledgement);
	put_number(frame, 1, 5 << 4);
	put_number(frame, 1, flags);
	put_zeros(frame, 6);
}

/* A segment of the client's or the server's, of which the capture lacks the last bytes. */
static void put_segment_cut(struct file *file, bool client, uint16_t port, uint32_t sequence, uint32_t acknowledgement,
                            uint8_t flags, const char *payload, uint32_t lacking)
{
	struct message_bytes frame = {.length = 0};
	size_t at = ipv4_begin(&frame, IPPROTO_TCP, client ? FRAME_IPV4_SOURCE : FRAME_IPV4_DESTINATION,
	                       client ? FRAME_IPV4_DESTINATION : FRAME_IPV4_SOURCE, 1, 0);

	put_tcp_header(&frame, client, port, sequence, acknowledgement, flags);
	put_bytes(&frame, payload, strlen(payload));
	ipv4_end(&frame, at);
	put_frame(file, &frame, frame.length - lacking);
}

static void put_client(struct file *file, uint32_t sequence, uint32_t acknowledgement, uint8_t flags,
                       const char *payload)
{
	put_segment_cut(file, true, CLIENT_PORT, sequence, acknowledgement, flags, payload, 0);
}

static void put_server(struct file *file, uint32_t sequence, uint32_t acknowledgement, uint8_t flags,
                       const char *payload)
{
	put_segment_cut(file, false, CLIENT_PORT, sequence, acknowledgement, flags, payload, 0);
}

/* Events as text: "1.0 open", "1.0 at 101", "1.0 101:hello", "1.0 fin 106", "1.0 cut 106+3"; the direction is 0 or 1. */
struct told {
	char text[TEXT_MAX];
	size_t length;
	bool (*wanted)(const struct event *event);
};

static void tell(struct told *told, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct told *told, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	told->length += vsnprintf(told->text + told->length, TEXT_MAX - told->length, format, arguments);
	va_end(arguments);
	assert_true(told->length < TEXT_MAX);
}

static void tell_bytes(struct told *told, const struct event_bytes *bytes)
{
	expect_number("bytes", "size", bytes->event.size, sizeof(*bytes) + bytes->length);
	tell(told, "%u:%.*s", bytes->position, bytes->length, (const char *)bytes->data);
}

static bool take(const struct event *event, void *context)
{
	const struct event_handover *handover = (const struct event_handover *)event;
	const struct event_close *close = (const struct event_close *)event;
	const struct event_open *open = (const struct event_open *)event;
	const struct event_cut *cut = (const struct event_cut *)event;
	struct told *told = context;

	tell(told, "%llu.%u ", (unsigned long long)event->connection, event->direction);
	switch (event->kind) {
	case EVENT_OPEN:
		tell(told, "open %u %u", open->remote_port, open->local_port);
		break;
	case EVENT_HANDOVER:
		expect_number("handover", "flags", handover->walk.flags, TLS_WALK_EITHER);
		tell(told, "at %u", handover->next_sequence);
		break;
	case EVENT_SEGMENT:
		expect_number("segment", "flags", event->flags, EVENT_SEGMENT_START);
		tell_bytes(told, (const struct event_bytes *)event);
		break;
	case EVENT_CLOSE:
		tell(told, "%s %u", close->how == EVENT_RST ? "rst" : "fin", close->sequence);
		break;
	case EVENT_CUT:
		tell(told, "cut %u+%u", cut->position, cut->count);
		break;
	default:
		fail_msg("event of kind %u", event->kind);
	}
	tell(told, "\n");
	return !told->wanted || told->wanted(event);
}

static void expect_events_within(const char *about, struct file *file, uint32_t flows_max, struct told *told,
                                 const char *expected)
{
	struct capture *capture;
	char path[64];
	int more;

	assert_int_equal(fflush(file->stream), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(file->stream));
	assert_int_equal(capture_open(&capture, path, take, told), 0);
	if (flows_max)
		capture_set_flows_max(capture, flows_max);
	do {
		more = capture_read(capture, 3);
	} while (more > 0);
	expect_number(about, "end", more, 0);
	expect_number(about, "time", capture_time(capture), (file->time - 1) * 1000000000ull);
	expect_text(about, "events", told->text, expected);
	capture_close(capture);
	fclose(file->stream);
}

static void expect_events(const char *about, struct file *file, const char *expected)
{
	struct told told = {.length = 0};

	expect_events_within(about, file, 0, &told, expected);
}

static void put_handshake(struct file *file, uint32_t client, uint32_t server)
{
	put_client(file, client, 0, SYN, "");
	put_server(file, server, client + 1, SYN | ACK, "");
	put_client(file, client + 1, server + 1, ACK, "");
}

/* A connection from its first to its last packet. */
static void whole_connection(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_handshake(&file, 100, 500);
	put_client(&file, 101, 501, ACK, "hello");
	put_server(&file, 501, 106, ACK, "answer");
	put_client(&file, 106, 507, ACK | FIN, "bye");
	put_server(&file, 507, 110, ACK | FIN, "");
	put_client(&file, 110, 508, ACK, "");
	expect_events("whole", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:hello\n1.1 at 501\n1.1 501:answer\n1.0 106:bye\n"
	              "1.0 fin 109\n1.1 fin 507\n");
}

/* Nothing is told of what carries nothing. */
static void connections_without_content(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_server(&file, 0, 101, RST | ACK, "");
	put_client(&file, 200, 0, SYN, "");
	put_server(&file, 500, 201, SYN | ACK, "");
	put_client(&file, 201, 501, FIN | ACK, "");
	put_server(&file, 501, 202, FIN | ACK, "");
	put_client(&file, 7000, 9000, ACK, "");
	put_client(&file, 7000, 9000, RST | ACK, "a reason in words is not of the stream");
	expect_events("without content", &file, "");
}

/* The capture begins in the middle: where the first segment does. */
static void begun_in_the_middle(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_server(&file, 501, 106, ACK, "answer");
	put_client(&file, 106, 507, ACK, "more");
	expect_events("in the middle", &file,
	              "1.0 open 443 40000\n1.0 at 501\n1.0 501:answer\n1.1 at 106\n1.1 106:more\n");
}

/* TCP Fast Open (RFC 7413): the SYN itself takes one number. */
static void content_in_a_syn(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 0xffffffff, 0, SYN, "hello");
	put_server(&file, 500, 5, SYN | ACK, "");
	expect_events("SYN", &file, "1.0 open 40000 443\n1.0 at 0\n1.0 0:hello\n");
}

static void ports_are_used_again(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_handshake(&file, 100, 500);
	put_client(&file, 101, 501, ACK, "one");
	put_server(&file, 501, 104, RST, "");
	put_handshake(&file, 7000, 9000);
	put_client(&file, 7001, 9001, ACK, "two");
	expect_events("after a reset", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:one\n1.1 rst 501\n"
	              "2.0 open 40000 443\n2.0 at 7001\n2.0 7001:two\n");

	/* nobody saw the end of the first one: the answer to the second SYN tells */
	file_begin(&file);
	put_handshake(&file, 100, 500);
	put_client(&file, 101, 501, ACK, "one");
	put_handshake(&file, 7000, 9000);
	put_client(&file, 7001, 9001, ACK, "two");
	expect_events("without an end", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:one\n1.0 cut 104+0\n"
	              "2.0 open 40000 443\n2.0 at 7001\n2.0 7001:two\n");
}

/* Anybody can send a SYN or a reset with our addresses (RFC 5961). */
static void forged_segments(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_handshake(&file, 100, 500);
	put_client(&file, 101, 501, ACK, "one");
	put_client(&file, 77000, 0, SYN, "");
	put_server(&file, 501, 104, ACK, "two");
	put_server(&file, 900000000, 0, RST, "");
	put_client(&file, 900000000, 0, RST, "");
	put_client(&file, 104, 504, ACK, "three");
	expect_events("forged", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:one\n1.1 at 501\n1.1 501:two\n1.0 104:three\n");
}

/* Of two answers to a SYN the one that the client acknowledges counts, whichever comes first. */
static void two_answers(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_server(&file, 500, 101, SYN | ACK, "");
	put_client(&file, 101, 501, ACK, "hello");
	put_server(&file, 7000, 101, SYN | ACK, "");
	put_server(&file, 501, 106, ACK, "answer");
	expect_events("first answer", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:hello\n1.1 at 501\n1.1 501:answer\n");

	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_server(&file, 500, 101, SYN | ACK, "");
	put_server(&file, 7000, 101, SYN | ACK, "");
	put_client(&file, 101, 7001, ACK, "hello");
	put_server(&file, 7001, 106, ACK, "answer");
	expect_events("second answer", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:hello\n1.1 at 7001\n1.1 7001:answer\n");
}

static void what_was_not_captured(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_handshake(&file, 100, 500);
	put_segment_cut(&file, true, CLIENT_PORT, 101, 501, ACK, "hello", 2);
	put_segment_cut(&file, true, CLIENT_PORT, 106, 501, ACK | FIN, "gone", 4);
	expect_events("cut", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:hel\n1.0 cut 104+2\n1.0 cut 106+4\n1.0 fin 110\n");
}

/* One connection more than may be followed: the one quiet for longest goes, and says that it does. */
static void too_many_connections(void **state)
{
	struct told told = {.length = 0};
	struct file file;
	int port;

	(void)state;
	file_begin(&file);
	for (port = 1; port <= 3; port++)
		put_segment_cut(&file, true, port, 100, 0, ACK, "hello", 0);
	put_segment_cut(&file, true, 2, 105, 0, ACK, "again", 0);
	expect_events_within("too many", &file, 2, &told,
	                     "1.0 open 1 443\n1.0 at 100\n1.0 100:hello\n2.0 open 2 443\n2.0 at 100\n2.0 100:hello\n"
	                     "1.0 cut 105+0\n3.0 open 3 443\n3.0 at 100\n3.0 100:hello\n2.0 105:again\n");
}

/* A direction of which no more is wanted costs nothing; the end is told while the other one is wanted. */
static bool nothing_of_the_client(const struct event *event)
{
	return event->direction == EVENT_SENT || event->kind != EVENT_SEGMENT;
}

static bool nothing_at_all(const struct event *event)
{
	(void)event;
	return false;
}

static void what_is_not_wanted(void **state)
{
	struct told told = {.length = 0, .wanted = nothing_of_the_client};
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 101, 501, ACK, "one");
	put_server(&file, 501, 104, ACK, "two");
	put_client(&file, 104, 504, ACK | FIN, "three");
	expect_events_within("one direction", &file, 0, &told,
	                     "1.0 open 40000 443\n1.0 at 101\n1.0 101:one\n1.1 at 501\n1.1 501:two\n1.0 fin 109\n");

	told = (struct told){.length = 0, .wanted = nothing_at_all};
	file_begin(&file);
	put_client(&file, 101, 501, ACK, "one");
	put_server(&file, 501, 104, ACK, "two");
	put_client(&file, 104, 504, ACK | FIN, "three");
	expect_events_within("a connection", &file, 0, &told, "1.0 open 40000 443\n");
}

/* Quiet for ten minutes: forgotten. What comes then is a connection that nobody saw begin. */
/* The client's hello acknowledges what the server says before STARTTLS, and stands before it in the file. */
static void swapped_neighbours(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_server(&file, 500, 101, SYN | ACK, "");
	put_client(&file, 101, 507, ACK, "hello");
	put_server(&file, 501, 101, ACK, "go on.");
	expect_events("swapped", &file, "1.0 open 40000 443\n1.1 at 501\n1.1 501:go on.\n1.0 at 101\n1.0 101:hello\n");
}

/* A direction's packets stay in their order, and its FIN waits with them. */
static void one_direction_late(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_server(&file, 500, 101, SYN | ACK, "");
	file.time--; /* all within a second */
	put_server(&file, 501, 106, ACK, "alert");
	file.time--;
	put_server(&file, 506, 106, FIN | ACK, "");
	file.time--;
	put_client(&file, 101, 501, ACK, "bytes");
	expect_events("late", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:bytes\n1.1 at 501\n1.1 501:alert\n1.1 fin 506\n");
}

/* The server acknowledges bytes that never come: they were lost to the capture. */
static void lost_but_acknowledged(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_server(&file, 500, 101, SYN | ACK, "");
	put_client(&file, 101, 501, ACK, "hello");
	put_server(&file, 501, 126, ACK, "alert");
	expect_events("lost", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:hello\n1.0 cut 106+20\n1.1 at 501\n1.1 501:alert\n");
}

/* A segment that the capture lacks is repeated, with a later acknowledgement: nothing is lost. */
static void packets_that_wait_for_each_other(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_server(&file, 500, 101, SYN | ACK, "");
	put_client(&file, 101, 507, ACK, "hello");
	put_server(&file, 501, 106, ACK, "go on.");
	expect_events("circle", &file, "1.0 open 40000 443\n1.1 at 501\n1.1 501:go on.\n1.0 at 101\n1.0 101:hello\n");
}

/* Swapped segments of both directions: the bytes that each first packet waits for stand behind the other's first packet. */
static void packets_behind_packets_that_wait(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_server(&file, 500, 101, SYN | ACK, "");
	put_client(&file, 101, 501, ACK, "a");
	put_server(&file, 501, 102, ACK, "b");
	put_server(&file, 505, 105, ACK, "two");
	file.time--; /* all within a second */
	put_server(&file, 502, 102, ACK, "one");
	file.time--;
	put_client(&file, 105, 508, ACK, "due");
	file.time--;
	put_client(&file, 102, 505, ACK, "uno");
	expect_events("circle of four", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:a\n1.1 at 501\n1.1 501:b\n1.1 502:one\n1.0 102:uno\n"
	              "1.1 505:two\n1.0 105:due\n");
}

/* A reset follows bytes that stand behind it in the file. Where they never come, they were lost. */
static void reset_before_its_bytes(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_server(&file, 501, 101, ACK, "one");
	put_server(&file, 507, 0, RST, "");
	put_server(&file, 504, 101, ACK, "two");
	expect_events("late", &file, "1.0 open 443 40000\n1.0 at 501\n1.0 501:one\n1.0 504:two\n1.0 rst 507\n");
	file_begin(&file);
	put_server(&file, 501, 101, ACK, "one");
	put_server(&file, 507, 0, RST, "");
	expect_events("lost", &file, "1.0 open 443 40000\n1.0 at 501\n1.0 501:one\n1.0 cut 504+3\n1.0 rst 507\n");
}

/* Without a SYN the first acknowledgement number shows where the other direction stands. */
static void begun_behind_a_hole(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 101, 501, ACK, "hello");
	put_server(&file, 511, 106, ACK, "the rest");
	expect_events("hole", &file, "1.0 open 40000 443\n1.0 at 101\n1.0 101:hello\n1.1 at 501\n1.1 511:the rest\n");
}

/* Capturing one direction alone is no loss. */
static void one_direction_alone(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 100, 0, SYN, "");
	put_client(&file, 101, 501, ACK, "one");
	put_client(&file, 104, 701, ACK, "two");
	expect_events("alone", &file, "1.0 open 40000 443\n1.0 at 101\n1.0 101:one\n1.0 104:two\n");
}

static void quiet_connections(void **state)
{
	struct file file;

	(void)state;
	file_begin(&file);
	put_client(&file, 101, 501, ACK, "one");
	file.time += 700;
	put_client(&file, 104, 501, ACK, "two");
	expect_events("quiet", &file,
	              "1.0 open 40000 443\n1.0 at 101\n1.0 101:one\n"
	              "2.0 open 40000 443\n2.0 at 104\n2.0 104:two\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_connection),
		cmocka_unit_test(connections_without_content),
		cmocka_unit_test(begun_in_the_middle),
		cmocka_unit_test(content_in_a_syn),
		cmocka_unit_test(ports_are_used_again),
		cmocka_unit_test(forged_segments),
		cmocka_unit_test(two_answers),
		cmocka_unit_test(what_was_not_captured),
		cmocka_unit_test(too_many_connections),
		cmocka_unit_test(what_is_not_wanted),
		cmocka_unit_test(quiet_connections),
		cmocka_unit_test(swapped_neighbours),
		cmocka_unit_test(one_direction_late),
		cmocka_unit_test(lost_but_acknowledged),
		cmocka_unit_test(reset_before_its_bytes),
		cmocka_unit_test(packets_that_wait_for_each_other),
		cmocka_unit_test(packets_behind_packets_that_wait),
		cmocka_unit_test(begun_behind_a_hole),
		cmocka_unit_test(one_direction_alone),
	};

	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
