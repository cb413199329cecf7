/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * handshake_feed - plays handshakes to a table of connections, in all the forms in which they may reach it.
 *
 * A handshake is a text of words, one a message, record or segment flag: "> client_hello < server_hello:same < ccs". A
 * side ('>' the client, '<' the server) holds until the next one; "word:argument" is a kind of the word:
 *
 *	client_hello[:plain|ticket|early|ssl2|ssl2_only|broken]  with a session id; without; with a ticket; with early data
 *	server_hello[:same|ssl3|1.3|1.3_psk|retry|dtls1.3|broken]  :same repeats the session id of client_hello
 *	certificate[:empty]  certificate_request  hello_request  any other message by its name in RFC 5246
 *	ccs  finished[:early]  data:LENGTH  heartbeat:LENGTH  warning:DESCRIPTION  fatal:DESCRIPTION  http  fin  rst
 *	!word is said and does not arrive; ~word arrives with a hole in it, of which the source tells (EVENT_CUT);
 *	_word with one of which nobody tells
 *	lost: the next event was lost (EVENT_LOST)    losses: the source lost events    pause:SECONDS    stop
 */
#ifndef HANDSHAKE_FEED_H
#define HANDSHAKE_FEED_H

#include "tracking/tracker.h"
#include "handshake/verdict.h"
#include "stream/walk.h"

#include "message_bytes.h"
#include "verdict_invariants.h"
#include "bpf/shared/tcp_order.h"

#include <netinet/in.h>
#include <stdlib.h>

enum feed_form {
	FEED_EVENTS,   /* messages, records, alerts: the kernel walked */
	FEED_SEGMENTS, /* segments through a copy of the kernel's logic, in order, one a word */
	FEED_BYTES,    /* segments of one byte */
	FEED_SHUFFLED, /* what one side says in one go comes last first, and each segment twice */
	FEED_RANDOM,   /* segments of random lengths in random order, some of them twice */
	FEED_CAPTURE,  /* a capture: both directions are handed over from the first byte */
	FEED_CAPTURE_SHUFFLED,
	FEED_DATAGRAMS, /* DTLS, one datagram a word */
	FEED_DATAGRAMS_SHUFFLED,
	FEED_FORMS,
};

enum {
	FEED_HELD_MAX = 64,
	FEED_BODY_CHUNK = 20,
	FEED_HOLE_AT = 30, /* in a word's bytes: behind the headers, within the random of a hello */
	FEED_HOLE = 10,
};

static const uint64_t FEED_STEP_NS = 1000 * 1000;
static const uint64_t FEED_SECOND_NS = 1000 * 1000 * 1000;

/* A direction as the kernel keeps it, and what its end has said. */
struct feed_direction {
	struct tls_walk walk;
	uint32_t next_sequence; /* the kernel's */
	uint32_t said;          /* the end's: sequence number of its next byte */
	uint16_t message;       /* DTLS: of the next message */
	bool handed_over;
	bool ended;
	bool changed; /* ChangeCipherSpec was said */
};

struct feed_held {
	uint8_t direction;
	uint8_t close; /* enum event_close_how; 0: bytes */
	bool cut;
	bool first;  /* of its word: begins a segment */
	bool record; /* DTLS: no message */
	uint32_t sequence;
	uint32_t length;
	uint8_t bytes[4096];
};

struct feed {
	struct tracker *table;
	enum feed_form form;
	uint64_t connection;
	uint64_t time_ns;
	uint8_t source;
	uint8_t client_direction;
	uint16_t port;    /* the client's */
	uint16_t version; /* of its records */
	uint64_t random;  /* in the hellos */
	uint32_t seed;    /* FEED_RANDOM: not zero */
	bool lost;
	bool opened;
	uint8_t hello; /* the kernel's: 1 + the direction in which a ClientHello was found */
	bool search_elsewhere;
	bool idle;   /* the kernel wants nothing more of the connection */
	bool wanted; /* what tracker_event() said last */
	struct feed_direction direction[EVENT_DIRECTIONS];
	size_t held;
	struct feed_held *holds;
};

static inline void feed_init(struct feed *feed, struct tracker *table, enum feed_form form, uint64_t connection)
{
	*feed = (struct feed){
		.table = table,
		.form = form,
		.connection = connection,
		.time_ns = 100 * FEED_SECOND_NS,
		.source = form == FEED_CAPTURE || form == FEED_CAPTURE_SHUFFLED || form >= FEED_DATAGRAMS
	                          ? EVENT_FROM_FILE
	                          : EVENT_FROM_SOCKET,
		.client_direction = EVENT_RECEIVED,
		.port = 40000 + connection,
		.version = form >= FEED_DATAGRAMS ? 0xfefd : 0x0303,
		.random = 0x1122334455667788 + connection,
		.seed = 1,
	};
	/* where sequence numbers wrap around in the middle of it */
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		feed->direction[direction].said = 0xffffff80u + 1000 * direction;
		feed->direction[direction].next_sequence = feed->direction[direction].said;
	}
	feed->holds = calloc(FEED_HELD_MAX, sizeof(*feed->holds));
	assert_non_null(feed->holds);
}

static inline void feed_release(struct feed *feed)
{
	free(feed->holds);
	feed->holds = NULL;
}

/* Give the table an event of just the size that it says: what reads farther is reported. */
static inline void feed_event(struct feed *feed, void *event, size_t size)
{
	struct event *copy = malloc(size);

	assert_non_null(copy);
	memcpy(copy, event, size);
	copy->size = size;
	copy->connection = feed->connection;
	copy->time_ns = feed->time_ns;
	if (feed->lost)
		copy->flags |= EVENT_LOST;
	feed->wanted = tracker_event(feed->table, copy);
	free(copy);
}

static inline void feed_event_bytes(struct feed *feed, const struct event_bytes *header, const uint8_t *data)
{
	size_t size = sizeof(*header) + header->length;
	struct event_bytes *event = malloc(size);

	assert_non_null(event);
	*event = *header;
	memcpy(event->data, data, header->length);
	feed_event(feed, event, size);
	free(event);
}

static inline void feed_open(struct feed *feed)
{
	struct event_open open = {
		.event = {.kind = EVENT_OPEN},
		.local_address = {192, 0, 2, 1},
		.remote_address = {192, 0, 2, 2},
		.local_port = feed->client_direction == EVENT_SENT ? feed->port : 443,
		.remote_port = feed->client_direction == EVENT_SENT ? 443 : feed->port,
		.family = 4,
		.transport = feed->form >= FEED_DATAGRAMS ? IPPROTO_UDP : IPPROTO_TCP,
		.source = feed->source,
		.cgroup = 77,
	};

	if (feed->opened)
		return;
	feed->opened = true;
	feed_event(feed, &open, sizeof(open));
}

/* Bodies. */

static inline void put_fill(struct message_bytes *bytes, uint8_t byte, size_t count)
{
	while (count--)
		put_number(bytes, 1, byte);
}

static inline void put_random(struct message_bytes *body, uint64_t random)
{
	put_number(body, 4, random >> 32);
	put_number(body, 4, random);
	put_fill(body, 0x77, 24);
}

static inline void put_session_id(struct message_bytes *body, uint8_t byte)
{
	put_number(body, 1, 32);
	put_fill(body, byte, 32);
}

/* RFC 5246 section 7.4.1.2 */
static inline void put_client_hello(struct message_bytes *body, const struct feed *feed, const char *kind)
{
	size_t extensions;

	if (strcmp(kind, "broken") == 0) {
		put_number(body, 2, feed->version);
		put_fill(body, 0xff, 40);
		return;
	}
	put_number(body, 2, feed->version);
	put_random(body, feed->random);
	if (*kind && strcmp(kind, "early"))
		put_number(body, 1, 0);
	else
		put_session_id(body, 0x5e);
	if (feed->form >= FEED_DATAGRAMS)
		put_number(body, 1, 0); /* cookie, RFC 6347 section 4.2.1 */
	put_number(body, 2, 2);
	put_number(body, 2, 0xc030);
	put_number(body, 2, 0x0100); /* a compression method: none */
	extensions = vector_begin(body, 2);
	if (strcmp(kind, "ticket") == 0)
		put_hex(body, "00230004aabbccdd");
	if (strcmp(kind, "early") == 0)
		put_hex(body, "002a0000"
		              "002b0003020304");
	vector_end(body, 2, extensions);
}

/* RFC 5246 section 7.4.1.3, RFC 8446 section 4.1.3 */
static inline void put_server_hello(struct message_bytes *body, const struct feed *feed, const char *kind)
{
	bool retry = strcmp(kind, "retry") == 0, version_1_3 = retry || strncmp(kind, "1.3", 3) == 0;
	size_t extensions;

	if (strcmp(kind, "broken") == 0) {
		put_fill(body, 3, 20);
		return;
	}
	put_number(body, 2, strcmp(kind, "ssl3") == 0 ? 0x0300 : feed->version);
	if (retry)
		put_hex(body, "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
	else
		put_random(body, ~feed->random);
	put_session_id(body, version_1_3 || strcmp(kind, "same") == 0 ? 0x5e : 0xa5);
	put_number(body, 2, version_1_3 || strcmp(kind, "dtls1.3") == 0 ? 0x1301 : 0xc030);
	put_number(body, 1, 0);
	extensions = vector_begin(body, 2);
	if (version_1_3)
		put_hex(body, "002b00020304");
	if (strcmp(kind, "1.3_psk") == 0)
		put_hex(body, "002900020000");
	if (strcmp(kind, "dtls1.3") == 0)
		put_hex(body, "002b0002fefc");
	vector_end(body, 2, extensions);
}

/* RFC 5246 section 7.4.2: a list of none, or of two that are no X.509, the second one longer than the first */
static inline void put_certificate(struct message_bytes *body, const char *kind)
{
	size_t list = vector_begin(body, 3), second;

	if (strcmp(kind, "empty")) {
		put_hex(body, "0000023000");
		second = vector_begin(body, 3);
		put_fill(body, 0xce, 40);
		vector_end(body, 3, second);
	}
	vector_end(body, 3, list);
}

/* HandshakeType, RFC 5246 section 7.4 and later ones */
static inline int feed_message_type(const char *name)
{
	static const struct {
		const char *name;
		int type;
	} types[] = {
		{"hello_request", 0},        {"client_hello", 1},         {"server_hello", 2},
		{"hello_verify_request", 3}, {"new_session_ticket", 4},   {"certificate", 11},
		{"server_key_exchange", 12}, {"certificate_request", 13}, {"server_hello_done", 14},
		{"certificate_verify", 15},  {"client_key_exchange", 16}, {"certificate_url", 21},
		{"certificate_status", 22},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].type;
	return -1;
}

static inline void feed_body(const struct feed *feed, int type, const char *kind, struct message_bytes *body)
{
	body->length = 0;
	switch (type) {
	case 1:
		put_client_hello(body, feed, kind);
		break;
	case 2:
		put_server_hello(body, feed, kind);
		break;
	case 11:
		put_certificate(body, kind);
		break;
	case 13: /* RFC 5246 section 7.4.4: rsa_sign, ecdsa_sign; one algorithm; no authorities */
		put_hex(body, "020140"
		              "00020403"
		              "0000");
		break;
	case 0:
	case 14:
		break;
	default:
		put_fill(body, 0xb0 + type, 40);
	}
}

/* The kernel's part: a copy of its logic (bpf/hook/connection.bpf.h), which makes events of segments. */

static inline void feed_walked(const struct event *event, void *context)
{
	struct feed *feed = context;

	if (event->kind == EVENT_MESSAGE && !feed->hello)
		feed->hello = 1 + event->direction;
	feed_open(feed);
	feed_event(feed, (void *)event, event->size);
}

static inline void feed_hand_over(struct feed *feed, uint8_t direction)
{
	struct feed_direction *half = &feed->direction[direction];
	struct event_handover handover = {
		.event = {.kind = EVENT_HANDOVER, .direction = direction},
		.walk = half->walk,
		.next_sequence = half->next_sequence,
	};

	if (!feed->hello)
		feed->search_elsewhere = true;
	half->handed_over = true;
	feed_open(feed);
	feed_event(feed, &handover, sizeof(handover));
}

static inline void feed_walk(struct feed *feed, uint8_t direction, const uint8_t *bytes, uint32_t length)
{
	struct feed_direction *half = &feed->direction[direction];
	struct event origin = {.direction = direction, .connection = feed->connection, .time_ns = feed->time_ns};
	struct tls_walk *walk = &half->walk;

	if (feed->hello && feed->hello != 1 + direction &&
	    (walk->phase == TLS_WALK_SEARCH || walk->flags & TLS_WALK_CANDIDATE))
		tls_walk_expect_answer(walk);
	tls_walk_segment(walk);
	half->next_sequence += length;
	walk_bytes(walk, bytes, length, &origin, feed_walked, feed);
	if (!tls_walk_ended(walk))
		return;
	half->ended = true;
	if (!feed->hello || (walk->flags & TLS_WALK_CLIENT && walk->encrypted_records >= TLS_WALK_ENCRYPTED_MAX))
		feed->idle = true;
}

static inline void feed_forward(struct feed *feed, const struct feed_held *segment)
{
	struct event_bytes header = {
		.event = {.kind = EVENT_SEGMENT,
	                  .direction = segment->direction,
	                  .flags = segment->first ? EVENT_SEGMENT_START : 0},
		.position = segment->sequence,
		.length = segment->length,
	};
	struct event_cut cut = {
		.event = {.kind = EVENT_CUT, .direction = segment->direction},
		.position = segment->sequence,
		.count = segment->length,
	};

	if (segment->cut)
		feed_event(feed, &cut, sizeof(cut));
	else
		feed_event_bytes(feed, &header, segment->bytes);
}

static inline void feed_segment(struct feed *feed, const struct feed_held *segment)
{
	struct feed_direction *half = &feed->direction[segment->direction];
	struct tcp_order order = tcp_order_place(half->next_sequence, segment->sequence, segment->length);

	if (feed->idle || half->ended)
		return;
	if (!half->handed_over && (order.kind == TCP_ORDER_GAP || (feed->search_elsewhere && !feed->hello)))
		feed_hand_over(feed, segment->direction);
	if (half->handed_over)
		feed_forward(feed, segment);
	else if (order.kind == TCP_ORDER_NEW && !segment->cut)
		feed_walk(feed, segment->direction, segment->bytes + order.skip, order.count);
}

static inline void feed_close(struct feed *feed, const struct feed_held *held)
{
	struct event_close close = {
		.event = {.kind = EVENT_CLOSE, .direction = held->direction},
		.sequence = held->sequence,
		.how = held->close,
	};
	struct tcp_order order = tcp_order_place(feed->direction[held->direction].next_sequence, held->sequence, 1);

	if (feed->idle)
		return;
	if (feed->form != FEED_EVENTS && order.kind == TCP_ORDER_GAP && !feed->direction[held->direction].ended &&
	    !feed->direction[held->direction].handed_over)
		feed_hand_over(feed, held->direction);
	if (feed->opened)
		feed_event(feed, &close, sizeof(close));
	if (held->close == EVENT_RST)
		feed->idle = true;
	else if (!feed->direction[held->direction].handed_over)
		feed->direction[held->direction].ended = true;
}

static inline void feed_deliver_held(struct feed *feed, const struct feed_held *held)
{
	feed->time_ns += FEED_STEP_NS;
	if (held->close)
		feed_close(feed, held);
	else
		feed_segment(feed, held);
}

static inline bool feed_shuffles(const struct feed *feed)
{
	return feed->form == FEED_SHUFFLED || feed->form == FEED_RANDOM || feed->form == FEED_CAPTURE_SHUFFLED ||
	       feed->form == FEED_DATAGRAMS_SHUFFLED;
}

/* xorshift32 */
static inline uint32_t feed_random(struct feed *feed, uint32_t below)
{
	feed->seed ^= feed->seed << 13;
	feed->seed ^= feed->seed >> 17;
	feed->seed ^= feed->seed << 5;
	return feed->seed % below;
}

static inline void feed_mix(struct feed *feed, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = feed_random(feed, i);
		struct feed_held held = feed->holds[other];

		feed->holds[other] = feed->holds[i - 1];
		feed->holds[i - 1] = held;
	}
}

/* Deliver what was held back. */
static inline void feed_flush(struct feed *feed)
{
	bool shuffles = feed_shuffles(feed), random = feed->form == FEED_RANDOM;
	size_t count = feed->held;

	feed->held = 0;
	if (random)
		feed_mix(feed, count);
	for (size_t i = count; i-- > 0;) {
		feed_deliver_held(feed, &feed->holds[i]);
		if (shuffles && !feed->holds[i].close && (!random || feed_random(feed, 3) == 0))
			feed_deliver_held(feed, &feed->holds[i]);
	}
}

static inline void feed_hold(struct feed *feed, const struct feed_held *held)
{
	if (feed->held && feed->holds[0].direction != held->direction)
		feed_flush(feed);
	assert_true(feed->held < FEED_HELD_MAX);
	feed->holds[feed->held++] = *held;
	if (!feed_shuffles(feed))
		feed_flush(feed);
}

/* How a word reaches the table. */
struct feed_word {
	uint8_t direction;
	bool missing; /* it does not arrive */
	bool hole;
	bool cut; /* the source tells of the hole */
};

static inline void feed_part(struct feed *feed, const struct feed_word *word, const uint8_t *bytes, uint32_t length,
                             bool cut, bool first)
{
	struct feed_direction *half = &feed->direction[word->direction];
	struct feed_held held = {
		.direction = word->direction, .cut = cut, .first = first, .sequence = half->said, .length = length};

	assert_true(length <= sizeof(held.bytes));
	memcpy(held.bytes, bytes, length);
	half->said += length;
	if (!word->missing)
		feed_hold(feed, &held);
}

/* The bytes of a word of TCP. */
static inline void feed_stream(struct feed *feed, const struct feed_word *word, const struct message_bytes *bytes)
{
	struct feed_direction *half = &feed->direction[word->direction];
	uint32_t at, step = feed->form == FEED_BYTES ? 1 : bytes->length;

	/* a capture hands over from the start */
	if (feed->source == EVENT_FROM_FILE && !half->handed_over && !word->missing) {
		half->walk.flags = TLS_WALK_EITHER;
		feed_hand_over(feed, word->direction);
	}
	if (word->hole) {
		feed_part(feed, word, bytes->data, FEED_HOLE_AT, false, true);
		if (word->cut)
			feed_part(feed, word, bytes->data + FEED_HOLE_AT, FEED_HOLE, true, false);
		else
			feed->direction[word->direction].said += FEED_HOLE;
		at = FEED_HOLE_AT + FEED_HOLE;
		feed_part(feed, word, bytes->data + at, bytes->length - at, false, false);
		return;
	}
	for (at = 0; at < bytes->length; at += step) {
		if (feed->form == FEED_RANDOM)
			step = 1 + feed_random(feed, 100);
		if (step > bytes->length - at)
			step = bytes->length - at;
		feed_part(feed, word, bytes->data + at, step, false, true);
	}
}

static inline void feed_datagram(struct feed *feed, const struct feed_held *held)
{
	struct event_bytes header = {
		.event = {.kind = EVENT_DATAGRAM, .direction = held->direction},
		.length = held->length,
	};
	struct event_cut cut = {
		.event = {.kind = EVENT_CUT, .direction = held->direction},
		.position = FEED_HOLE_AT,
		.count = held->length - FEED_HOLE_AT,
	};

	feed->time_ns += FEED_STEP_NS;
	feed_open(feed);
	if (held->cut)
		header.length = FEED_HOLE_AT;
	feed_event_bytes(feed, &header, held->bytes);
	if (held->cut)
		feed_event(feed, &cut, sizeof(cut));
}

/* Messages are numbered and may come in any order; of records only their place tells. */
static inline void feed_datagrams_flush(struct feed *feed)
{
	size_t count = feed->held;

	feed->held = 0;
	for (size_t i = count; i-- > 0;)
		if (!feed->holds[i].record)
			feed_datagram(feed, &feed->holds[i]);
	for (size_t i = 0; i < count; i++)
		if (feed->holds[i].record)
			feed_datagram(feed, &feed->holds[i]);
}

static inline void feed_hold_datagram(struct feed *feed, const struct feed_word *word,
                                      const struct message_bytes *bytes)
{
	struct feed_held held = {
		.direction = word->direction,
		.cut = word->hole,
		.record = bytes->data[0] != 22 || bytes->data[4],
		.length = bytes->length,
	};

	if (feed->held && feed->holds[0].direction != word->direction)
		feed_datagrams_flush(feed);
	memcpy(held.bytes, bytes->data, bytes->length);
	assert_true(feed->held < FEED_HELD_MAX);
	if (!word->missing)
		feed->holds[feed->held++] = held;
	if (!feed_shuffles(feed))
		feed_datagrams_flush(feed);
}

static inline void feed_pour(struct feed *feed, const struct feed_word *word, const struct message_bytes *bytes)
{
	if (feed->form >= FEED_DATAGRAMS)
		feed_hold_datagram(feed, word, bytes);
	else
		feed_stream(feed, word, bytes);
}

static inline size_t put_record_header(struct feed *feed, struct message_bytes *bytes, uint8_t type, uint16_t epoch)
{
	put_number(bytes, 1, type);
	put_number(bytes, 2, feed->version);
	if (feed->form >= FEED_DATAGRAMS) { /* RFC 6347 section 4.1 */
		put_number(bytes, 2, epoch);
		put_zeros(bytes, 6);
	}
	return vector_begin(bytes, 2);
}

static inline void feed_message_bytes(struct feed *feed, const struct feed_word *word, uint8_t type,
                                      const struct message_bytes *body)
{
	struct message_bytes bytes = {.length = 0};
	size_t record = put_record_header(feed, &bytes, 22, 0);

	put_number(&bytes, 1, type);
	put_number(&bytes, 3, body->length);
	if (feed->form >= FEED_DATAGRAMS) { /* RFC 6347 section 4.2.2: message_seq, fragment_offset, fragment_length */
		put_number(&bytes, 2, feed->direction[word->direction].message++);
		put_number(&bytes, 3, 0);
		put_number(&bytes, 3, body->length);
	}
	put_bytes(&bytes, body->data, body->length);
	vector_end(&bytes, 2, record);
	feed_pour(feed, word, &bytes);
}

static inline bool feed_body_is_told(uint8_t type)
{
	return type == 1 || type == 2 || type == 13 || type == 11;
}

static inline void feed_message_events(struct feed *feed, const struct feed_word *word, uint8_t type,
                                       const struct message_bytes *body)
{
	struct event_message message = {
		.event = {.kind = EVENT_MESSAGE, .direction = word->direction},
		.length = body->length,
		.version = feed->version,
		.type = type,
	};
	struct event_bytes header = {.event = {.kind = EVENT_BODY, .direction = word->direction}, .type = type};
	size_t chunk = 0;

	feed_event(feed, &message, sizeof(message));
	if (!feed_body_is_told(type))
		return;
	for (header.position = 0; header.position < body->length; header.position += FEED_BODY_CHUNK, chunk++) {
		header.length = body->length - header.position < FEED_BODY_CHUNK ? body->length - header.position
		                                                                 : FEED_BODY_CHUNK;
		if (!word->hole || chunk != 1)
			feed_event_bytes(feed, &header, body->data + header.position);
	}
}

static inline void feed_message(struct feed *feed, const struct feed_word *word, uint8_t type, const char *kind)
{
	struct message_bytes body = {.length = 0};

	feed_body(feed, type, kind, &body);
	if (feed->form != FEED_EVENTS)
		feed_message_bytes(feed, word, type, &body);
	else if (!word->missing)
		feed_message_events(feed, word, type, &body);
}

/* An SSL 2.0 framed ClientHello (RFC 5246 appendix E.2): one cipher spec, a challenge of 16 bytes */
static inline void feed_ssl2_hello(struct feed *feed, const struct feed_word *word, uint16_t version)
{
	struct message_bytes bytes = {.length = 0};
	struct event_message message = {
		.event = {.kind = EVENT_MESSAGE, .direction = word->direction},
		.length = 28,
		.version = version,
		.type = 1,
		.ssl2 = 1,
	};

	if (feed->form == FEED_EVENTS) {
		feed_event(feed, &message, sizeof(message));
		return;
	}
	put_number(&bytes, 2, 0x8000 | 28);
	put_number(&bytes, 1, 1);
	put_number(&bytes, 2, version);
	put_hex(&bytes, "000300000010"
	                "00c030");
	put_fill(&bytes, 0x5c, 16);
	feed_pour(feed, word, &bytes);
}

static inline void feed_record(struct feed *feed, const struct feed_word *word, uint8_t type, uint16_t length,
                               const char *kind)
{
	struct feed_direction *half = &feed->direction[word->direction];
	struct event_record event = {
		.event = {.kind = EVENT_RECORD, .direction = word->direction},
		.length = length,
		.version = feed->version,
		.type = type,
	};
	struct message_bytes bytes = {.length = 0};
	size_t record;

	if (feed->form == FEED_EVENTS && word->missing)
		return;
	if (feed->form == FEED_EVENTS) {
		feed_event(feed, &event, sizeof(event));
		return;
	}
	record = put_record_header(feed, &bytes, type, half->changed || strcmp(kind, "early") == 0);
	put_fill(&bytes, type == 20 ? 1 : 0xe5, length);
	vector_end(&bytes, 2, record);
	half->changed |= type == 20;
	feed_pour(feed, word, &bytes);
}

static inline void feed_alert(struct feed *feed, const struct feed_word *word, uint8_t level, uint8_t description)
{
	struct event_alert event = {
		.event = {.kind = EVENT_ALERT, .direction = word->direction},
		.level = level,
		.description = description,
	};
	struct message_bytes bytes = {.length = 0};
	size_t record;

	if (feed->form == FEED_EVENTS) {
		feed_event(feed, &event, sizeof(event));
		return;
	}
	record = put_record_header(feed, &bytes, 21, 0);
	put_number(&bytes, 1, level);
	put_number(&bytes, 1, description);
	vector_end(&bytes, 2, record);
	feed_pour(feed, word, &bytes);
}

static inline void feed_http(struct feed *feed, const struct feed_word *word)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	struct event event = {.kind = EVENT_NOT_TLS, .direction = word->direction};
	struct message_bytes bytes = {.length = 0};

	if (feed->form == FEED_EVENTS) {
		feed_event(feed, &event, sizeof(event));
		return;
	}
	put_bytes(&bytes, text, sizeof(text) - 1);
	feed_pour(feed, word, &bytes);
}

static inline void feed_word_of_side(struct feed *feed, const struct feed_word *word, const char *name,
                                     const char *kind)
{
	struct feed_held close = {.direction = word->direction, .sequence = feed->direction[word->direction].said};
	int type = feed_message_type(name);

	if (type == 1 && strncmp(kind, "ssl2", 4) == 0) {
		feed_ssl2_hello(feed, word, strcmp(kind, "ssl2") == 0 ? 0x0301 : 0x0002);
	} else if (type >= 0) {
		feed_message(feed, word, type, kind);
	} else if (strcmp(name, "ccs") == 0) {
		feed_record(feed, word, 20, 1, kind);
	} else if (strcmp(name, "finished") == 0) {
		feed_record(feed, word, 22, 40, kind);
	} else if (strcmp(name, "data") == 0) {
		feed_record(feed, word, 23, strtoul(kind, NULL, 0), kind);
	} else if (strcmp(name, "heartbeat") == 0) {
		feed_record(feed, word, 24, strtoul(kind, NULL, 0), kind);
	} else if (strcmp(name, "warning") == 0) {
		feed_alert(feed, word, 1, strtoul(kind, NULL, 0));
	} else if (strcmp(name, "fatal") == 0) {
		feed_alert(feed, word, 2, strtoul(kind, NULL, 0));
	} else if (strcmp(name, "http") == 0) {
		feed_http(feed, word);
	} else if (strcmp(name, "fin") == 0 || strcmp(name, "rst") == 0) {
		close.close = strcmp(name, "fin") == 0 ? EVENT_FIN : EVENT_RST;
		feed_hold(feed, &close);
	} else {
		fail_msg("no such word: %s", name);
	}
}

static inline void feed_flush_all(struct feed *feed)
{
	if (feed->form >= FEED_DATAGRAMS)
		feed_datagrams_flush(feed);
	else
		feed_flush(feed);
}

static inline bool feed_word_of_none(struct feed *feed, const char *name, const char *kind)
{
	if (strcmp(name, "lost") == 0) {
		feed_flush_all(feed);
		feed->lost = true;
	} else if (strcmp(name, "losses") == 0) {
		feed_flush_all(feed);
		tracker_lost_events(feed->table);
	} else if (strcmp(name, "pause") == 0) {
		feed_flush_all(feed);
		feed->time_ns += strtoul(kind, NULL, 0) * FEED_SECOND_NS;
		tracker_time(feed->table, feed->time_ns);
	} else if (strcmp(name, "stop") == 0) {
		feed_flush_all(feed);
		tracker_finish(feed->table);
	} else {
		return false;
	}
	return true;
}

/* Play words, and let what was held back arrive. */
static inline void feed_play(struct feed *feed, const char *words)
{
	char *text = strdup(words), *rest = text, *token, *kind;
	uint8_t server_direction = !feed->client_direction;
	struct feed_word word = {.direction = feed->client_direction};

	assert_non_null(text);
	if (feed->form == FEED_EVENTS)
		feed_open(feed);
	while ((token = strsep(&rest, " \n\t"))) {
		if (*token == '>' || *token == '<') {
			word.direction = *token == '>' ? feed->client_direction : server_direction;
			continue;
		}
		word.missing = *token == '!';
		word.cut = *token == '~';
		word.hole = word.cut || *token == '_';
		token += word.missing || word.hole;
		kind = strchr(token, ':');
		if (kind)
			*kind++ = '\0';
		feed->time_ns += FEED_STEP_NS;
		if (*token && !feed_word_of_none(feed, token, kind ?: ""))
			feed_word_of_side(feed, &word, token, kind ?: "");
	}
	feed_flush_all(feed);
	free(text);
}

/* What was reported, as text. */

struct feed_reports {
	unsigned int count;
	char text[4096];
	struct handshake last; /* without what it points to */
	bool has_request;
	bool has_certificate;
};

static inline const char *feed_known(uint8_t known)
{
	return known == KNOWN_YES ? "yes" : known == KNOWN_NO ? "no" : "?";
}

static inline const char *feed_end(const struct handshake_facts *facts)
{
	static const char *const ends[] = {"none", "completed", "alert", "fin", "rst", "timeout", "not_tls"};

	return facts->end < sizeof(ends) / sizeof(*ends) ? ends[facts->end] : "no such end";
}

static inline const char *feed_ended_by(const struct handshake_facts *facts)
{
	if (facts->end == END_NONE || facts->end == END_COMPLETED || facts->end == END_TIMEOUT)
		return "";
	return facts->ended_by == FROM_SERVER ? "<" : ">";
}

/* "presented asked:yes answer:certificate established:yes resumed:no end:completed"; of several one a line */
static inline void feed_report(const struct handshake *handshake, void *context)
{
	static const char *const answers[] = {"?", "none", "certificate", "empty"};
	const struct verdict *verdict = &handshake->verdict;
	const char *broken = verdict_broken(&handshake->facts, verdict);
	const char *reason = unknown_reason_name(verdict->reason);
	struct feed_reports *reports = context;
	size_t length = strlen(reports->text);

	if (broken)
		fail_msg("%s: %s", broken, client_auth_name(verdict->client_auth));
	reports->last = *handshake;
	reports->last.request = NULL;
	reports->last.certificate = NULL;
	reports->has_request = handshake->request;
	reports->has_certificate = handshake->certificate;
	snprintf(reports->text + length, sizeof(reports->text) - length,
	         "%s%s%s%s asked:%s answer:%s established:%s resumed:%s end:%s%s", reports->count ? "\n" : "",
	         client_auth_name(verdict->client_auth), reason ? ":" : "", reason ?: "",
	         feed_known(verdict->requested), answers[verdict->answer & 3], feed_known(verdict->established),
	         feed_known(verdict->resumed), feed_ended_by(&handshake->facts), feed_end(&handshake->facts));
	reports->count++;
}

#endif /* HANDSHAKE_FEED_H */
