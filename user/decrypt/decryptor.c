// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "decrypt/decryptor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "bpf/shared/tcp_order.h"
#include "decrypt/record_key.h"
#include "tls/parse_cache.h"
#include "tracking/transcript_handshake.h"

enum {
	RECORD_MAX = TLS_WALK_RECORD_HEADER + TLS_WALK_RECORD_MAX,
	NEITHER = EVENT_DIRECTIONS, /* nobody has sent a ClientHello */
	VERSION_TLS_1_3 = 0x0304,
};

struct side {
	uint32_t next; /* sequence number of the byte that comes next */
	bool begun;
	bool over; /* nothing more is read */
	struct record_key key;
	uint32_t have; /* bytes of the record at hand */
	uint8_t record[RECORD_MAX];
};

struct connection {
	LIST_ENTRY(connection) in_bucket;
	TAILQ_ENTRY(connection) by_age;
	uint64_t id;
	uint8_t client; /* enum event_direction of the client's bytes, or NEITHER */
	uint16_t cipher_suite;
	const struct keylog_secret *secrets;
	struct transcript_handshake transcript;
	struct side side[EVENT_DIRECTIONS];
};

enum {
	BUCKETS = 1024, /* a power of two */
};

LIST_HEAD(bucket, connection);
TAILQ_HEAD(connections, connection);

struct decryptor {
	const struct keylog *keylog;
	struct tracker *tracker;
	struct parse_cache *cache;
	struct bucket bucket[BUCKETS];
	struct connections connections;
	uint32_t count;
	uint8_t plain[RECORD_MAX];
};

struct decryptor *decryptor_new(const struct keylog *keylog, struct tracker *tracker)
{
	struct decryptor *decryptor = calloc(1, sizeof(*decryptor));

	if (!decryptor)
		return NULL;
	TAILQ_INIT(&decryptor->connections);
	decryptor->keylog = keylog;
	decryptor->tracker = tracker;
	decryptor->cache = parse_cache_new();
	if (decryptor->cache)
		return decryptor;
	free(decryptor);
	return NULL;
}

static void connection_drop(struct decryptor *decryptor, struct connection *connection)
{
	LIST_REMOVE(connection, in_bucket);
	TAILQ_REMOVE(&decryptor->connections, connection, by_age);
	decryptor->count--;
	transcript_handshake_release(&connection->transcript);
	record_key_release(&connection->side[EVENT_RECEIVED].key);
	record_key_release(&connection->side[EVENT_SENT].key);
	free(connection);
}

void decryptor_free(struct decryptor *decryptor)
{
	if (!decryptor)
		return;
	while (!TAILQ_EMPTY(&decryptor->connections))
		connection_drop(decryptor, TAILQ_FIRST(&decryptor->connections));
	parse_cache_free(decryptor->cache);
	free(decryptor);
}

static struct bucket *bucket_of(struct decryptor *decryptor, uint64_t id)
{
	return &decryptor->bucket[id & (BUCKETS - 1)];
}

static struct connection *connection_find(struct decryptor *decryptor, uint64_t id)
{
	struct connection *connection;

	LIST_FOREACH (connection, bucket_of(decryptor, id), in_bucket)
		if (connection->id == id)
			return connection;
	return NULL;
}

static void connection_add(struct decryptor *decryptor, uint64_t id)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return;
	connection->id = id;
	connection->client = NEITHER;
	connection->transcript.cache = decryptor->cache;
	connection->transcript.seen.id = id;
	connection->transcript.seen.role = ROLE_OBSERVER;
	connection->transcript.seen.view.decrypted = true;
	LIST_INSERT_HEAD(bucket_of(decryptor, id), connection, in_bucket);
	TAILQ_INSERT_TAIL(&decryptor->connections, connection, by_age);
	if (++decryptor->count > DECRYPTOR_CONNECTIONS_MAX)
		connection_drop(decryptor, TAILQ_FIRST(&decryptor->connections));
}

static void give_up(struct connection *connection)
{
	connection->side[EVENT_RECEIVED].over = true;
	connection->side[EVENT_SENT].over = true;
}

/* The key of a side: of the handshake, or of what follows it. */
static void take_key(struct connection *connection, uint8_t direction, bool handshake)
{
	bool client = direction == connection->client;
	enum keylog_label label = client ? KEYLOG_CLIENT_TRAFFIC : KEYLOG_SERVER_TRAFFIC;
	struct side *side = &connection->side[direction];

	if (handshake)
		label = client ? KEYLOG_CLIENT_HANDSHAKE : KEYLOG_SERVER_HANDSHAKE;
	if (record_key_init(&side->key, connection->cipher_suite, &connection->secrets[label]))
		side->over = true;
}

/* A ServerHello in one record: RFC 8446 section 5.1 allows to cut it, and nobody does. */
static void take_server_hello(struct decryptor *decryptor, struct connection *connection, const uint8_t *content,
                              size_t length)
{
	struct server_hello hello;

	if (length < 4 || content[0] != TLS_SERVER_HELLO ||
	    message_parse_server_hello(content + 4, length - 4, &hello) || hello.hello_retry_request)
		return;
	connection->secrets = keylog_find(decryptor->keylog, connection->transcript.seen.random);
	if (hello.version != VERSION_TLS_1_3 || !connection->secrets) {
		give_up(connection);
		return;
	}
	connection->cipher_suite = hello.cipher_suite;
	take_key(connection, connection->client, true);
	take_key(connection, !connection->client, true);
}

static void feed(struct connection *connection, const uint8_t *bytes, size_t length, uint64_t time_ns)
{
	transcript_handshake_bytes(&connection->transcript, bytes, length, time_ns);
}

static void take_cleartext(struct decryptor *decryptor, struct connection *connection, const struct event *event,
                           const uint8_t *content, size_t length)
{
	if (connection->client == NEITHER && length && content[0] == TLS_CLIENT_HELLO)
		connection->client = event->direction;
	if (connection->client == NEITHER || connection->secrets)
		return;
	feed(connection, content, length, event->time_ns);
	if (event->direction != connection->client)
		take_server_hello(decryptor, connection, content, length);
}

static void tell_alert(struct decryptor *decryptor, const struct event *origin, const uint8_t *content, size_t length)
{
	struct event_alert alert = {.event = *origin};

	if (length < 2)
		return;
	alert.event.size = sizeof(alert);
	alert.event.kind = EVENT_ALERT;
	alert.event.flags = 0;
	alert.level = content[0];
	alert.description = content[1];
	tracker_event(decryptor->tracker, &alert.event);
}

/* Handshake messages up to Finished, after which the side goes on with another key; tickets and the like are ignored. */
static void take_message_bytes(struct connection *connection, const struct event *event, const uint8_t *content,
                               size_t length)
{
	const struct library_view *view = &connection->transcript.seen.view;
	const bool *finished = event->direction == connection->client ? &view->client_finished : &view->server_finished;

	if (*finished)
		return;
	feed(connection, content, length, event->time_ns);
	if (*finished)
		take_key(connection, event->direction, false);
}

static void take_encrypted(struct decryptor *decryptor, struct connection *connection, const struct event *event)
{
	struct side *side = &connection->side[event->direction];
	uint8_t type;
	int length = record_key_open(&side->key, side->record, side->have, decryptor->plain, &type);

	if (length < 0) {
		/* early data has a key of its own (RFC 8446 section 4.2.10): the flight follows it */
		side->over = event->direction != connection->client || side->key.sequence ||
		             !connection->transcript.client_hello.early_data;
		return;
	}
	if (type == TLS_HANDSHAKE)
		take_message_bytes(connection, event, decryptor->plain, length);
	else if (type == TLS_ALERT)
		tell_alert(decryptor, event, decryptor->plain, length);
	explicit_bzero(decryptor->plain, length);
}

static void take_record(struct decryptor *decryptor, struct connection *connection, const struct event *event)
{
	struct side *side = &connection->side[event->direction];
	size_t length = side->have - TLS_WALK_RECORD_HEADER;

	if (side->record[0] == TLS_HANDSHAKE && !side->key.cipher)
		take_cleartext(decryptor, connection, event, side->record + TLS_WALK_RECORD_HEADER, length);
	else if (side->record[0] == TLS_APPLICATION_DATA && side->key.cipher)
		take_encrypted(decryptor, connection, event);
	if (connection->transcript.changed) {
		connection->transcript.changed = false;
		tracker_library(decryptor->tracker, &connection->transcript.seen, NULL);
	}
	side->have = 0;
}

/* How many bytes the record at hand has, as far as is known. */
static uint32_t record_size(const struct side *side)
{
	if (side->have < TLS_WALK_RECORD_HEADER)
		return TLS_WALK_RECORD_HEADER;
	return TLS_WALK_RECORD_HEADER + (side->record[3] << 8 | side->record[4]);
}

static void take_bytes(struct decryptor *decryptor, struct connection *connection, const struct event *event,
                       const uint8_t *bytes, size_t length)
{
	struct side *side = &connection->side[event->direction];

	while (length && !side->over) {
		uint32_t wanted = record_size(side) - side->have;
		uint32_t count = length < wanted ? length : wanted;

		memcpy(side->record + side->have, bytes, count);
		side->have += count;
		bytes += count;
		length -= count;
		if (side->have < TLS_WALK_RECORD_HEADER)
			continue;
		if (side->record[1] != 3 || record_size(side) > RECORD_MAX)
			side->over = true;
		else if (side->have == record_size(side))
			take_record(decryptor, connection, event);
	}
}

/* What precedes TLS (STARTTLS and its kin) has no record's form: each segment may be the first of TLS. */
static void take_segment(struct decryptor *decryptor, struct connection *connection, const struct event_bytes *bytes)
{
	struct side *side = &connection->side[bytes->event.direction];
	struct tcp_order order = tcp_order_place(side->next, bytes->position, bytes->length);

	if (!side->begun || side->over || order.kind == TCP_ORDER_OLD)
		return;
	if (order.kind != TCP_ORDER_NEW) {
		give_up(connection);
		return;
	}
	side->next += order.count;
	if (connection->client == NEITHER &&
	    (order.skip || bytes->length < 6 || bytes->data[0] != TLS_HANDSHAKE || bytes->data[5] != TLS_CLIENT_HELLO))
		return;
	take_bytes(decryptor, connection, &bytes->event, bytes->data + order.skip, order.count);
}

void decryptor_event(struct decryptor *decryptor, const struct event *event)
{
	const struct event_handover *handover = (const struct event_handover *)event;
	struct connection *connection;

	if (event->kind == EVENT_OPEN) {
		connection_add(decryptor, event->connection);
		return;
	}
	connection = connection_find(decryptor, event->connection);
	if (!connection)
		return;
	if (event->kind == EVENT_HANDOVER) {
		connection->side[event->direction].begun = true;
		connection->side[event->direction].next = handover->next_sequence;
	} else if (event->kind == EVENT_SEGMENT) {
		take_segment(decryptor, connection, (const struct event_bytes *)event);
	} else if (event->kind == EVENT_CUT) {
		give_up(connection);
	}
}
