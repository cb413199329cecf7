// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table of connections against a stream of events that is anybody's: well-formed ones in an order that no source has,
 * and such as have no form at all. The input is a list of operations, each
 *
 *	1 byte    what: enum operation, 16 * connection (0 to 3), 64: it was sent, 128: EVENT_LOST
 *	the rest  what read_...() below take
 *
 * The operation that loses events tells, with 128, what a TLS library saw instead. An input that ends in the middle of an
 * operation goes on in zeroes. Whatever comes, nothing is read beyond an event, nothing leaks, the reports can be printed, and
 * what they say keeps to the invariants of the verdict, with a library's view and without; a CertificateRequest that the source
 * told of is never denied.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracking/tracker.h"
#include "sink/json.h"
#include "sink/table.h"
#include "sink/text.h"
#include "../unit/verdict_invariants.h"

enum operation {
	OPERATION_OPEN,
	OPERATION_MESSAGE,
	OPERATION_BODY,
	OPERATION_WHOLE, /* a message with a body that can be read */
	OPERATION_RECORD,
	OPERATION_ALERT,
	OPERATION_NOT_TLS,
	OPERATION_CLOSE,
	OPERATION_HANDOVER,
	OPERATION_SEGMENT,
	OPERATION_DATAGRAM,
	OPERATION_CUT,
	OPERATION_TIME,
	OPERATION_LOST,
	OPERATION_FINISH,
	OPERATION_ANYTHING, /* an event of any size and content */
};

enum {
	CONNECTIONS = 4,
	TABLE_CONNECTIONS = 3,
	LOCAL_PORT = 443,
	REMOTE_PORT = 50000,
	OPERATIONS_MAX = 2000,
	HELLO_RANDOM = 7, /* each byte of those of hellos that can be read */
	SIGHTINGS = 16,   /* handshakes of libraries, by id */
};

struct fuzz {
	const uint8_t *data;
	size_t left;
	struct tracker *table;
	uint64_t time_ns;
	uint64_t reports;
	struct event event; /* of the operation at hand */
	/* a CertificateRequest was told of, in this direction, to a connection that was not reported since */
	bool requested[CONNECTIONS][EVENT_DIRECTIONS];
	FILE *out;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t read_byte(struct fuzz *fuzz)
{
	if (!fuzz->left)
		return 0;
	fuzz->left--;
	return *fuzz->data++;
}

static uint32_t read_number(struct fuzz *fuzz, unsigned int bytes)
{
	uint32_t number = 0;

	while (bytes--)
		number = number << 8 | read_byte(fuzz);
	return number;
}

static void read_bytes(struct fuzz *fuzz, uint8_t *bytes, size_t length)
{
	while (length--)
		*bytes++ = read_byte(fuzz);
}

static void fail(const char *what, const struct handshake *handshake)
{
	fprintf(stderr,
	        "%s: %s, %s, reason %s, requested %u, answer %u, established %u, library %u, renegotiation %u\n", what,
	        client_auth_name(handshake->verdict.client_auth), evidence_name(handshake->verdict.evidence),
	        unknown_reason_name(handshake->verdict.reason) ?: "none", handshake->verdict.requested,
	        handshake->verdict.answer, handshake->verdict.established, handshake->facts.library.seen,
	        handshake->facts.renegotiation);
	abort();
}

static void check_requests(struct fuzz *fuzz, const struct handshake *handshake)
{
	bool client_is_local = handshake->client.port == LOCAL_PORT;
	uint8_t server_direction = client_is_local ? EVENT_RECEIVED : EVENT_SENT;
	bool *requested = fuzz->requested[handshake->connection];

	if (requested[server_direction] && handshake->verdict.requested != KNOWN_YES)
		fail("a CertificateRequest was told of, and requested is not yes", handshake);
	requested[EVENT_RECEIVED] = false;
	requested[EVENT_SENT] = false;
}

/* Nothing on the wire shows it: it is a record beside that of its connection. */
static bool is_later(const struct handshake *handshake)
{
	return handshake->facts.library.renegotiation || handshake->facts.library.post_handshake;
}

static const char *broken_by_library(const struct handshake *handshake)
{
	struct handshake_facts facts = handshake->facts;
	struct verdict wire;

	if (!facts.library.seen || facts.renegotiation || is_later(handshake))
		return NULL;
	facts.library = (struct library_view){};
	wire = verdict_of(&facts);
	return verdict_broken_by_library(&handshake->facts, &wire, &handshake->verdict);
}

static void take_report(const struct handshake *handshake, void *context)
{
	const struct json_options options = {.redact = handshake->steps & 1};
	const char *broken = verdict_broken(&handshake->facts, &handshake->verdict);
	struct fuzz *fuzz = context;

	/* a record that corrects another one is no other handshake */
	fuzz->reports += !*handshake->corrects;
	if (!broken)
		broken = broken_by_library(handshake);
	if (broken)
		fail(broken, handshake);
	if (handshake->steps > HANDSHAKE_STEPS_MAX)
		fail("more steps than there is room for", handshake);
	if (!is_later(handshake))
		check_requests(fuzz, handshake);
	text_line(fuzz->out, handshake);
	text_ladder(fuzz->out, handshake, options.redact);
	if (json_line(fuzz->out, handshake, &options))
		fail("no line of JSON", handshake);
}

/* Give the table what is size bytes long, in memory of just that size. */
static void give(struct fuzz *fuzz, void *bytes, size_t size)
{
	struct event *event = malloc(size);

	if (!event)
		abort();
	memcpy(event, bytes, size);
	tracker_event(fuzz->table, event);
	free(event);
}

static struct event event_of(const struct fuzz *fuzz, uint8_t kind, uint32_t size)
{
	struct event event = fuzz->event;

	event.kind = kind;
	event.size = size;
	return event;
}

static void give_open(struct fuzz *fuzz)
{
	uint8_t what = read_byte(fuzz);
	struct event_open open = {
		.event = event_of(fuzz, EVENT_OPEN, sizeof(open)),
		.local_port = LOCAL_PORT,
		.remote_port = REMOTE_PORT,
		.family = what & 1 ? 6 : 4,
		.transport = what & 2 ? IPPROTO_UDP : IPPROTO_TCP,
		.source = EVENT_FROM_SOCKET + (what >> 2) % 3,
	};

	/* a connection that ends without news behind the record of its time-out is not reported again */
	memset(fuzz->requested[fuzz->event.connection], 0, sizeof(fuzz->requested[0]));
	give(fuzz, &open, sizeof(open));
}

static void tell_message(struct fuzz *fuzz, uint8_t type, uint32_t length, bool ssl2)
{
	struct event_message message = {
		.event = event_of(fuzz, EVENT_MESSAGE, sizeof(message)),
		.length = length,
		.version = 0x0303,
		.type = type,
		.ssl2 = ssl2,
	};
	bool *requested = &fuzz->requested[fuzz->event.connection][fuzz->event.direction];

	/* more is wanted only of a connection that is followed */
	if (tracker_event(fuzz->table, &message.event) && type == TLS_CERTIFICATE_REQUEST)
		*requested = true;
}

static void give_message(struct fuzz *fuzz)
{
	uint8_t type = read_byte(fuzz);
	uint32_t length = read_number(fuzz, 2);

	tell_message(fuzz, type, length, type == TLS_CLIENT_HELLO && length % 8 == 7);
}

static void tell_bytes(struct fuzz *fuzz, uint8_t kind, uint32_t position, const uint8_t *data, uint16_t length)
{
	struct event_bytes *event = malloc(sizeof(*event) + length);

	if (!event)
		abort();
	*event = (struct event_bytes){
		.event = event_of(fuzz, kind, sizeof(*event) + length), .position = position, .length = length};
	memcpy(event->data, data, length);
	give(fuzz, event, sizeof(*event) + length);
	free(event);
}

static void give_bytes(struct fuzz *fuzz, uint8_t kind, uint32_t position, uint16_t length)
{
	uint8_t bytes[1024];

	if (length > sizeof(bytes))
		length = sizeof(bytes);
	if (length > fuzz->left)
		length = fuzz->left;
	read_bytes(fuzz, bytes, length);
	tell_bytes(fuzz, kind, position, bytes, length);
}

/* ServerHello, RFC 5246 section 7.4.1.3, behind version and random: session id, suite, compression, extensions */
static const uint8_t whole_server_hello[] = {0, 0xc0, 0x30, 0};
static const uint8_t whole_server_hello_1_3[] = {0, 0x13, 0x01, 0, 0, 6, 0, 43, 0, 2, 3, 4};
static const uint8_t whole_server_hello_psk[] = {0, 0x13, 0x01, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 41, 0, 2, 0, 0};
static const uint8_t whole_client_hello[] = {0, 0, 2, 0xc0, 0x30, 1, 0, 0, 4, 0, 35, 0, 0};
static const uint8_t whole_client_hello_ticket[] = {0, 0, 2, 0xc0, 0x30, 1, 0, 0, 5, 0, 35, 0, 1, 9};
static const uint8_t whole_request[] = {1, 64, 0, 2, 4, 3, 0, 4, 0, 2, 0x30, 0};
static const uint8_t whole_certificate[] = {0, 0, 5, 0, 0, 2, 0x30, 0};
static const uint8_t whole_empty_certificate[] = {0, 0, 0};

static const struct whole {
	uint8_t type;
	uint8_t length;
	bool hello; /* begins with version and random */
	const uint8_t *body;
} wholes[] = {
	{TLS_CLIENT_HELLO, sizeof(whole_client_hello), true, whole_client_hello},
	{TLS_CLIENT_HELLO, sizeof(whole_client_hello_ticket), true, whole_client_hello_ticket},
	{TLS_SERVER_HELLO, sizeof(whole_server_hello), true, whole_server_hello},
	{TLS_SERVER_HELLO, sizeof(whole_server_hello_1_3), true, whole_server_hello_1_3},
	{TLS_SERVER_HELLO, sizeof(whole_server_hello_psk), true, whole_server_hello_psk},
	{TLS_CERTIFICATE_REQUEST, sizeof(whole_request), false, whole_request},
	{TLS_CERTIFICATE, sizeof(whole_certificate), false, whole_certificate},
	{TLS_CERTIFICATE, sizeof(whole_empty_certificate), false, whole_empty_certificate},
	{TLS_SERVER_HELLO_DONE, 0, false, whole_request},
};

static void give_whole(struct fuzz *fuzz)
{
	uint8_t which = read_byte(fuzz);
	const struct whole *whole = &wholes[(which & 0x7f) % (sizeof(wholes) / sizeof(*wholes))];
	uint8_t body[64] = {3, 3};
	size_t begin = whole->hello ? 2 + 32 : 0;

	/* SSL 3.0 has an answer of its own */
	if (whole->hello) {
		body[1] = which & 0x80 ? 0 : 3;
		memset(body + 2, HELLO_RANDOM, 32);
	}
	memcpy(body + begin, whole->body, whole->length);
	tell_message(fuzz, whole->type, begin + whole->length, false);
	if (begin + whole->length)
		tell_bytes(fuzz, EVENT_BODY, 0, body, begin + whole->length);
}

static void give_record(struct fuzz *fuzz)
{
	uint8_t type = TLS_CHANGE_CIPHER_SPEC + read_byte(fuzz) % 5;
	uint16_t length = read_byte(fuzz) * 4 + 1;
	struct event_record record = {
		.event = event_of(fuzz, EVENT_RECORD, sizeof(record)),
		.type = type,
		.length = length,
		.version = 0x0303,
	};

	give(fuzz, &record, sizeof(record));
}

static void give_alert(struct fuzz *fuzz)
{
	struct event_alert alert = {.event = event_of(fuzz, EVENT_ALERT, sizeof(alert))};

	alert.level = read_byte(fuzz) % 4;
	alert.description = read_byte(fuzz);
	give(fuzz, &alert, sizeof(alert));
}

static void give_close(struct fuzz *fuzz)
{
	struct event_close close = {.event = event_of(fuzz, EVENT_CLOSE, sizeof(close))};

	close.how = read_byte(fuzz) % 4;
	close.sequence = read_number(fuzz, 2);
	give(fuzz, &close, sizeof(close));
}

/* The walker's state as it is at the start, or anything. */
static void give_handover(struct fuzz *fuzz)
{
	struct event_handover handover = {.event = event_of(fuzz, EVENT_HANDOVER, sizeof(handover))};
	uint8_t what = read_byte(fuzz);

	handover.next_sequence = read_number(fuzz, 2);
	if (what & 1)
		handover.walk.flags = TLS_WALK_EITHER;
	if (what & 2)
		tls_walk_expect_answer(&handover.walk);
	if (what & 4)
		read_bytes(fuzz, (uint8_t *)&handover.walk, sizeof(handover.walk));
	give(fuzz, &handover, sizeof(handover));
}

static void give_segment(struct fuzz *fuzz)
{
	uint32_t position = read_number(fuzz, 2);

	/* behind a handed-over direction's last byte, most of the time: small numbers */
	fuzz->event.flags |= EVENT_SEGMENT_START;
	give_bytes(fuzz, EVENT_SEGMENT, position, read_byte(fuzz));
}

static void give_datagram(struct fuzz *fuzz)
{
	uint8_t position = read_byte(fuzz);
	uint16_t length = read_number(fuzz, 2) % 1024;

	give_bytes(fuzz, EVENT_DATAGRAM, position & 0x80 ? position & 0x7f : 0, length);
}

static void give_body(struct fuzz *fuzz)
{
	uint8_t position = read_byte(fuzz);

	give_bytes(fuzz, EVENT_BODY, position, read_byte(fuzz));
}

static void give_not_tls(struct fuzz *fuzz)
{
	struct event event = event_of(fuzz, EVENT_NOT_TLS, sizeof(event));

	give(fuzz, &event, sizeof(event));
}

static void give_cut(struct fuzz *fuzz)
{
	struct event_cut cut = {.event = event_of(fuzz, EVENT_CUT, sizeof(cut))};

	cut.position = read_number(fuzz, 2);
	cut.count = read_byte(fuzz);
	give(fuzz, &cut, sizeof(cut));
}

/* struct event at least is there: the reader of the ring buffer sees to it, and that the rest has the size it claims. */
static void give_anything(struct fuzz *fuzz)
{
	uint8_t bytes[256 + sizeof(struct event)] = {0};
	struct event event = fuzz->event;
	size_t size;

	event.kind = read_byte(fuzz);
	event.size = read_byte(fuzz);
	event.direction = read_byte(fuzz);
	size = event.size > sizeof(event) ? event.size : sizeof(event);
	memcpy(bytes, &event, sizeof(event));
	read_bytes(fuzz, bytes + sizeof(event), size - sizeof(event));
	/* it may be a CertificateRequest, but nobody keeps a record of what came before it */
	if (event.kind != EVENT_MESSAGE)
		give(fuzz, bytes, size);
}

static void pass_time(struct fuzz *fuzz)
{
	fuzz->time_ns += read_byte(fuzz) * 100ull * 1000 * 1000;
	tracker_time(fuzz->table, fuzz->time_ns);
}

static struct library_view read_view(struct fuzz *fuzz)
{
	uint32_t bits = read_number(fuzz, 2);

	return (struct library_view){
		.seen = true,
		.version = bits & 1 << 0 ? 0x0304 : 0x0303,
		.version_1_3 = bits & 1 << 0,
		.server_hello = bits & 1 << 1,
		.pre_shared_key = bits & 1 << 2,
		.certificate_request = bits & 1 << 3,
		.server_certificate = bits & 1 << 4,
		.server_hello_done = bits & 1 << 5,
		.client_certificate = bits & 1 << 6,
		.client_certificate_empty = bits & 1 << 7,
		.server_finished = bits & 1 << 8,
		.client_finished = bits & 1 << 9,
		.renegotiation = bits & 1 << 10,
		.post_handshake = bits & 1 << 11,
		.damaged = bits & 1 << 12,
	};
}

/* More, or less, is known of one of SIGHTINGS handshakes; some of them have randoms that no hello has, or none. */
static void give_library(struct fuzz *fuzz)
{
	static struct certificate_request request = {.certificate_types = 3, .authorities = 40};
	static struct certificate certificate = {.certificates = 1};
	uint8_t id = read_byte(fuzz), what = read_byte(fuzz);
	struct library_handshake seen = {
		.id = 1 + id % SIGHTINGS,
		.process = 1 + (id >> 4) % 2,
		.cgroup = id >> 5 & 1,
		.role = what % 3,
		.start_ns = fuzz->time_ns,
		.last_ns = fuzz->time_ns,
		.name = "fuzz",
		.view = read_view(fuzz),
		.request = what & 4 ? &request : NULL,
		.certificate = what & 8 ? &certificate : NULL,
		.messages = (what >> 4) % (LIBRARY_MESSAGES_MAX + 1),
	};

	memset(seen.random, id % SIGHTINGS > 13 ? id % SIGHTINGS - 14 : HELLO_RANDOM, sizeof(seen.random));
	memset(seen.server_random, HELLO_RANDOM, sizeof(seen.server_random));
	for (uint16_t index = 0; index < seen.messages; index++) {
		uint8_t message = read_byte(fuzz);

		seen.message[index] = (struct library_message){
			.time_ns = fuzz->time_ns + index - (message >> 7),
			.type = message & 31,
			.from = message >> 5 & 1,
			.prompt = message >> 6 & 1,
		};
	}
	tracker_library(fuzz->table, &seen, id & 0x80 ? "OpenSSL 3.0.19" : NULL);
}

static void lose_events(struct fuzz *fuzz)
{
	if (fuzz->event.flags & EVENT_LOST) {
		give_library(fuzz);
		return;
	}
	tracker_lost_events(fuzz->table);
}

static void finish(struct fuzz *fuzz)
{
	tracker_finish(fuzz->table);
}

static void operate(struct fuzz *fuzz)
{
	static void (*const operations[])(struct fuzz *) = {
		[OPERATION_OPEN] = give_open,         [OPERATION_MESSAGE] = give_message,
		[OPERATION_BODY] = give_body,         [OPERATION_WHOLE] = give_whole,
		[OPERATION_RECORD] = give_record,     [OPERATION_ALERT] = give_alert,
		[OPERATION_NOT_TLS] = give_not_tls,   [OPERATION_CLOSE] = give_close,
		[OPERATION_HANDOVER] = give_handover, [OPERATION_SEGMENT] = give_segment,
		[OPERATION_DATAGRAM] = give_datagram, [OPERATION_CUT] = give_cut,
		[OPERATION_TIME] = pass_time,         [OPERATION_LOST] = lose_events,
		[OPERATION_FINISH] = finish,          [OPERATION_ANYTHING] = give_anything,
	};
	uint8_t what = read_byte(fuzz);

	fuzz->event = (struct event){
		.direction = what >> 6 & 1,
		.flags = what >> 7 ? EVENT_LOST : 0,
		.connection = what >> 4 & 3,
		.time_ns = fuzz->time_ns,
	};
	operations[what & 15](fuzz);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tracker_limits limits = {
		.connections = TABLE_CONNECTIONS,
		.handshake_timeout_ns = 10ull * 1000 * 1000 * 1000,
	};
	struct fuzz fuzz = {.data = data, .left = size, .out = fopen("/dev/null", "w")};
	int count;

	fuzz.table = tracker_new(&limits, take_report, &fuzz);
	if (!fuzz.table || !fuzz.out || tracker_listen(fuzz.table))
		abort();
	for (count = 0; fuzz.left && count < OPERATIONS_MAX; count++)
		operate(&fuzz);
	tracker_finish(fuzz.table);
	if (tracker_counts(fuzz.table)->handshakes != fuzz.reports)
		abort();
	tracker_free(fuzz.table);
	fclose(fuzz.out);
	return 0;
}
