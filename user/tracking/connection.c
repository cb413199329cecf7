// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "tls/body.h"
#include "stream/dtls.h"
#include "tracking/record.h"
#include "tracking/writer.h"
#include "tls/parse_cache.h"
#include "stream/reassembly.h"
#include "handshake/verdict.h"

enum {
	BUCKETS_MAX = 1 << 16,
	ASSOCIATIONS_OVER = 1024, /* remembered, each as long as no other falls on its place */
	SIGHTINGS_MAX = 8192, /* handshakes of libraries that wait for their connection's, and connections remembered */
	OPENS_MAX =
		256, /* as many CPUs may have told of a datagram's addresses before one of them tells of its bytes */
};

/*
 * So long a side is waited for that may still have something to say: after the other's FIN, in TLS 1.3 the server behind
 * the client's flight, and whoever seems to have refused in a segment that TCP has perhaps not taken.
 */
static const uint64_t LAST_WORD_NS = 2ull * 1000 * 1000 * 1000;

/*
 * So long a TLS 1.3 handshake that is over on the wire waits for the last word of a library that has spoken of it: what the
 * server's library does not hash, because it refuses, never comes.
 */
static const uint64_t LIBRARY_LAST_WORD_NS = 200ull * 1000 * 1000;

/* So long flights of a DTLS handshake that is over may come again (RFC 6347 section 4.2.4.1: timers of up to 60 s). */
static const uint64_t ASSOCIATION_OVER_NS = 60ull * 1000 * 1000 * 1000;

/* One direction. */
struct side {
	struct body body;
	struct reassembly *reassembly; /* its bytes are walked here */
	struct dtls *dtls;
	bool seen;        /* anything at all came of it */
	bool closed;      /* FIN */
	bool close_waits; /* a FIN or RST that came before bytes that belong in front of it */
	bool lost_track;  /* established: the kernel does not know any more where its records begin */
	__u8 close_how;
	__u32 close_sequence;
};

/* Each queue has one time to live and is kept in the order of the last events: what is over time stands in front. */
enum queue {
	QUEUE_ACTIVE = CONNECTION_HANDSHAKE,
	QUEUE_LAST_WORD = CONNECTION_LAST_WORD,
	QUEUE_LIBRARY = CONNECTION_LIBRARY,
	QUEUE_ESTABLISHED = CONNECTION_STATES, /* of a capture: followed for a renegotiation */
	QUEUES,
};

struct connection {
	LIST_ENTRY(connection) bucket;
	TAILQ_ENTRY(connection) queued;
	struct connection_table *table;
	struct event_open open;
	uint64_t random; /* DTLS: tells one association from the next on the same ports */
	uint64_t last_ns;
	uint32_t held; /* bytes behind gaps and of incomplete messages, as of the last event */
	__u8 queue;
	bool lost;        /* an event was lost */
	bool lost_nearby; /* events were lost while it was open: perhaps of it */
	bool over;        /* to be ended as soon as nobody is in the middle of it */
	bool told_end; /* the remote end has ended it, if TCP took the segment that says so: nothing else is listened to */
	bool established; /* its handshake, up to TLS 1.2, was completed: what comes is a renegotiation */
	bool ending;      /* what was held back is told: all of it came before the end */
	bool client_known;
	__u8 client_direction;       /* enum event_direction of the ClientHello */
	struct writer writer;        /* of the local end, the latest */
	struct handshake *handshake; /* NULL before the first message */
	struct side side[EVENT_DIRECTIONS];
};

LIST_HEAD(bucket, connection);
TAILQ_HEAD(queue_head, connection);

/* A DTLS association that was reported. */
struct association_over {
	uint64_t id;
	uint64_t random;
	uint64_t end_ns;
};

struct connection_table {
	struct connection_limits limits;
	connection_report report;
	void *context;
	int64_t realtime_offset_ns;
	struct library_join *join; /* NULL: libraries are not listened to */
	struct parse_cache *cache; /* NULL: what certificates say is not read */
	struct connection_counts counts;
	uint32_t connections;
	uint64_t held;    /* bytes, of all connections */
	uint32_t buckets; /* a power of two */
	struct bucket *bucket;
	struct queue_head queue[QUEUES];
	uint32_t followed[QUEUES];          /* how many there are in each queue */
	struct event_open opens[OPENS_MAX]; /* of datagrams that follow, the latest of them in turn */
	uint32_t next_open;
	const struct policy *policy;
	struct association_over associations_over[ASSOCIATIONS_OVER]; /* by id */
};

struct connection_table *connection_table_new(const struct connection_limits *limits, connection_report report,
                                              void *context)
{
	struct connection_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->limits = *limits;
	table->report = report;
	table->context = context;
	table->buckets = 1;
	while (table->buckets < limits->connections && table->buckets < BUCKETS_MAX)
		table->buckets *= 2;
	for (int queue = 0; queue < QUEUES; queue++)
		TAILQ_INIT(&table->queue[queue]);
	table->bucket = calloc(table->buckets, sizeof(*table->bucket));
	if (!limits->no_certificates)
		table->cache = parse_cache_new();
	if (!table->bucket || (!table->cache && !limits->no_certificates)) {
		connection_table_free(table);
		return NULL;
	}
	return table;
}

void connection_table_set_policy(struct connection_table *table, const struct policy *policy)
{
	table->policy = policy;
}

/* Connection ids may be counted up, or be addresses put together: spread them (Fibonacci hashing). */
static struct bucket *bucket_of(const struct connection_table *table, uint64_t id)
{
	return &table->bucket[(id * 0x9e3779b97f4a7c15ull >> 32) & (table->buckets - 1)];
}

static struct connection *connection_find(const struct connection_table *table, uint64_t id)
{
	struct connection *connection;

	LIST_FOREACH (connection, bucket_of(table, id), bucket)
		if (connection->open.event.connection == id)
			return connection;
	return NULL;
}

static void connection_queue(struct connection *connection, enum queue queue)
{
	struct connection_table *table = connection->table;

	TAILQ_REMOVE(&table->queue[connection->queue], connection, queued);
	table->followed[connection->queue]--;
	connection->queue = queue;
	TAILQ_INSERT_TAIL(&table->queue[queue], connection, queued);
	table->followed[queue]++;
}

static void connection_free(struct connection *connection)
{
	LIST_REMOVE(connection, bucket);
	TAILQ_REMOVE(&connection->table->queue[connection->queue], connection, queued);
	connection->table->followed[connection->queue]--;
	connection->table->connections--;
	connection->table->held -= connection->held;
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		body_release(&connection->side[direction].body);
		reassembly_free(connection->side[direction].reassembly);
		dtls_free(connection->side[direction].dtls);
	}
	if (connection->handshake)
		handshake_record_release(connection->handshake);
	free(connection->handshake);
	free(connection);
}

/* A connection that is merely followed gives way to one in its handshake. */
static void make_room(struct connection_table *table)
{
	struct connection *oldest = TAILQ_FIRST(&table->queue[QUEUE_ESTABLISHED]);

	if (!oldest)
		return;
	table->counts.unfollowed++;
	connection_free(oldest);
}

static struct connection *connection_add(struct connection_table *table, const struct event_open *open)
{
	struct connection *connection;

	if (table->connections >= table->limits.connections)
		make_room(table);
	if (table->connections >= table->limits.connections) {
		table->counts.table_full++;
		return NULL;
	}
	connection = calloc(1, sizeof(*connection));
	if (!connection) {
		table->counts.table_full++;
		return NULL;
	}
	connection->table = table;
	connection->open = *open;
	connection->last_ns = open->event.time_ns;
	LIST_INSERT_HEAD(bucket_of(table, open->event.connection), connection, bucket);
	TAILQ_INSERT_TAIL(&table->queue[QUEUE_ACTIVE], connection, queued);
	table->followed[QUEUE_ACTIVE]++;
	table->connections++;
	return connection;
}

static struct association_over *association_over_of(struct connection_table *table, uint64_t id)
{
	return &table->associations_over[id % ASSOCIATIONS_OVER];
}

/* Whether a datagram that would begin an association is one of an association that is over, come again. */
static bool association_is_over(struct connection_table *table, const struct event *event, uint64_t random)
{
	const struct association_over *over = association_over_of(table, event->connection);

	return over->id == event->connection && event->time_ns - over->end_ns < ASSOCIATION_OVER_NS &&
	       (!random || random == over->random);
}

static enum handshake_side side_of(const struct connection *connection, uint8_t direction)
{
	return direction == connection->client_direction ? FROM_CLIENT : FROM_SERVER;
}

static uint8_t role_of(const struct connection *connection)
{
	if (connection->open.source != EVENT_FROM_SOCKET)
		return ROLE_OBSERVER;
	return connection->client_direction == EVENT_RECEIVED ? ROLE_SERVER : ROLE_CLIENT;
}

static struct endpoint endpoint_of(const uint8_t *address, uint16_t port)
{
	struct endpoint endpoint = {.port = port};

	memcpy(endpoint.address, address, sizeof(endpoint.address));
	return endpoint;
}

/* The first message says who is who. */
static void connection_begin_handshake(struct connection *connection, const struct event *event)
{
	const struct event_open *open = &connection->open;
	struct endpoint local = endpoint_of(open->local_address, open->local_port);
	struct endpoint remote = endpoint_of(open->remote_address, open->remote_port);
	bool client_is_local = connection->client_direction == EVENT_SENT;
	struct handshake *handshake = calloc(1, sizeof(*handshake));

	if (!handshake) {
		connection->table->counts.table_full++;
		connection->over = true;
		return;
	}
	handshake->connection = open->event.connection;
	handshake->client = client_is_local ? local : remote;
	handshake->server = client_is_local ? remote : local;
	handshake->family = open->family;
	handshake->transport = open->transport;
	handshake->role = role_of(connection);
	handshake->cgroup = open->cgroup;
	handshake->owner.id = open->process;
	memcpy(handshake->owner.name, open->process_name, sizeof(handshake->owner.name));
	handshake->owner.name[PROCESS_NAME_MAX - 1] = '\0';
	handshake->writer = connection->writer;
	handshake->start_ns = event->time_ns;
	handshake->start_realtime_ns = event->time_ns + connection->table->realtime_offset_ns;
	connection->handshake = handshake;
}

/* Directions in which a search has ended without a hello, of which the other's end hangs on nothing more. */
static bool search_is_over(const struct connection *connection)
{
	if (connection->handshake)
		return false;
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		const struct reassembly *reassembly = connection->side[direction].reassembly;

		/* a ClientHello is looked for in the first bytes of a connection, whichever way they go */
		if (reassembly && reassembly_is_searching(reassembly) && !reassembly_wants_more(reassembly))
			return true;
	}
	return false;
}

/*
 * Whether what a stream told last ended the handshake: it had been walked in order until there, and what is missing behind
 * it means nothing.
 */
static bool direction_told_the_end(const struct connection *connection, uint8_t direction)
{
	const struct handshake_facts *facts = &connection->handshake->facts;

	if (facts->end == END_COMPLETED)
		return connection->over;
	return (facts->end == END_ALERT || facts->end == END_NOT_TLS) &&
	       facts->ended_by == side_of(connection, direction);
}

static bool direction_has_gap(const struct connection *connection, uint8_t direction)
{
	const struct side *side = &connection->side[direction];

	if (side->dtls)
		return dtls_has_gap(side->dtls);
	if (connection->established)
		return side->lost_track || (side->reassembly && reassembly_lost_track(side->reassembly));
	if (direction_told_the_end(connection, direction))
		return false;
	/* the bytes in front of a FIN are missing, even if none behind them came */
	return side->reassembly && (reassembly_has_gap(side->reassembly) || side->close_waits);
}

static void gather_gaps(struct connection *connection)
{
	struct handshake_facts *facts = &connection->handshake->facts;

	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		if (direction_has_gap(connection, direction)) {
			facts->gap = true;
			connection->table->counts.gaps++;
		}
		/* of a capture one direction may be missing altogether */
		if (!connection->side[direction].seen && connection->open.source != EVENT_FROM_SOCKET)
			facts->gap = true;
	}
}

/* Whether all has come that belongs in front of a FIN or RST that waits. */
static bool close_is_due(const struct side *side)
{
	return side->close_waits && reassembly_reached(side->reassembly, side->close_sequence);
}

static void close_direction(struct connection *connection, uint8_t direction, uint8_t how)
{
	struct handshake *handshake = connection->handshake;
	struct side *side = &connection->side[direction];

	side->close_waits = false;
	if (handshake && how == EVENT_RST)
		handshake_record_end(handshake, END_RST, side_of(connection, direction));
	else if (handshake)
		handshake_record_end(handshake, END_FIN, side_of(connection, direction));
	side->closed = true;
	if (how == EVENT_RST || connection->side[!direction].closed)
		connection->over = true;
	else
		connection_queue(connection, QUEUE_LAST_WORD);
}

/* What stands behind gaps counts too. */
static void tell_what_is_held(struct connection *connection)
{
	connection->ending = true;
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		struct side *side = &connection->side[direction];

		/* the handshake does not hang on what is held behind it */
		if (side->reassembly && (connection->established || !reassembly_followed(side->reassembly)))
			reassembly_finish(side->reassembly);
		if (side->dtls)
			dtls_finish(side->dtls);
		if (close_is_due(side))
			close_direction(connection, direction, side->close_how);
	}
}

/*
 * A body that never became complete, for a bound or a hole. Of a client's Certificate what is there may hold the client's
 * own, which comes first; all else cannot be read in part.
 */
static void tell_rest_of_body(struct connection *connection, uint8_t direction)
{
	struct side *side = &connection->side[direction];

	if (connection->handshake && side->body.type == TLS_CERTIFICATE && side->body.have)
		handshake_record_body(connection->handshake, side_of(connection, direction), &side->body,
		                      connection->table->cache);
	body_release(&side->body);
}

/*
 * The handshake was reported, and both directions of the capture go on from record to record: what is left is a connection
 * that may renegotiate.
 */
static bool connection_goes_on(struct connection *connection)
{
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		const struct side *side = &connection->side[direction];

		if (!side->reassembly || !reassembly_followed(side->reassembly) ||
		    !reassembly_wants_more(side->reassembly) || side->closed)
			return false;
	}
	return connection->handshake && connection->handshake->facts.end == END_COMPLETED;
}

static void count_unfollowed(struct connection *connection)
{
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		const struct reassembly *reassembly = connection->side[direction].reassembly;

		connection->table->counts.unfollowed += reassembly && reassembly_lost_track(reassembly);
	}
}

static void connection_go_on(struct connection *connection)
{
	/* RFC 5246 section 7.3: in a full handshake the server's Finished is the last, in an abbreviated one the client's */
	if (connection->handshake->verdict.resumed == KNOWN_NO)
		reassembly_finished(connection->side[connection->client_direction].reassembly);
	handshake_record_release(connection->handshake);
	free(connection->handshake);
	connection->handshake = NULL;
	connection->established = true;
	connection->over = false;
	connection->ending = false;
	connection->lost = false;
	connection->lost_nearby = false;
	connection_queue(connection, QUEUE_ESTABLISHED);
}

static void report(struct connection_table *table, struct handshake *handshake)
{
	handshake->policy = policy_judge(table->policy, handshake);
	table->counts.handshakes++;
	table->counts.conflicts += handshake->verdict.conflict;
	table->report(handshake, table->context);
}

/* What the library of its end saw is part of it, and it is part of what that library will see. */
static void report_record(struct connection_table *table, struct handshake *handshake)
{
	if (table->join && library_join_told(table->join, handshake))
		return;
	if (table->join)
		library_join_fill(table->join, handshake);
	handshake->verdict = verdict_of(&handshake->facts);
	report(table, handshake);
	if (table->join)
		library_join_remember(table->join, handshake);
}

static void gather_facts(struct connection *connection)
{
	struct connection_table *table = connection->table;
	struct handshake *handshake = connection->handshake;
	/* events that say that others of theirs were lost carry EVENT_LOST, but those of datagrams: what one ended lost none */
	bool ended_by_event = connection->over && connection->open.transport != IPPROTO_UDP;

	gather_gaps(connection);
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++)
		tell_rest_of_body(connection, direction);
	handshake->facts.lost_events = connection->lost || (connection->lost_nearby && !ended_by_event);
	table->counts.events_lost += handshake->facts.lost_events;
	handshake->end_ns = connection->last_ns;
}

/* Judge and report what was seen, and forget the connection. Returns whether it goes on instead. */
static bool connection_conclude(struct connection *connection)
{
	struct connection_table *table = connection->table;
	struct handshake *handshake;

	tell_what_is_held(connection);
	handshake = connection->handshake;
	if (handshake) {
		gather_facts(connection);
		report_record(table, handshake);
	}
	if (connection_goes_on(connection)) {
		connection_go_on(connection);
		return true;
	}
	count_unfollowed(connection);
	if (connection->open.transport == IPPROTO_UDP)
		*association_over_of(table, connection->open.event.connection) = (struct association_over){
			.id = connection->open.event.connection,
			.random = connection->random,
			.end_ns = connection->last_ns,
		};
	connection_free(connection);
	return false;
}

/* Nothing more is to be seen of this handshake on the wire. Returns whether the connection goes on. */
static bool connection_end(struct connection *connection)
{
	struct connection_table *table = connection->table;

	if (!table->join || connection->queue == QUEUE_LIBRARY)
		return connection_conclude(connection);
	tell_what_is_held(connection);
	if (!connection->handshake || !library_join_waits(table->join, connection->handshake))
		return connection_conclude(connection);
	connection_queue(connection, QUEUE_LIBRARY);
	return false;
}

/* The other direction had a hello: this one is the rest of the client's, or answers it. */
static void expect_rest(struct connection *connection, uint8_t direction)
{
	if (side_of(connection, direction) == FROM_SERVER)
		reassembly_expect_answer(connection->side[direction].reassembly);
	else
		reassembly_expect_client(connection->side[direction].reassembly);
}

static void take_message(struct connection *connection, const struct event_message *message)
{
	const struct event *event = &message->event;
	struct side *other = &connection->side[!event->direction];
	struct side *side = &connection->side[event->direction];

	if (!connection->client_known) {
		connection->client_known = true;
		connection->client_direction = message->type == TLS_CLIENT_HELLO ? event->direction : !event->direction;
		connection_begin_handshake(connection, event);
		if (other->reassembly)
			expect_rest(connection, !event->direction);
	}
	if (!connection->handshake)
		return;
	tell_rest_of_body(connection, event->direction);
	body_begin(&side->body, message->type, message->length);
	handshake_record_message(connection->handshake, side_of(connection, event->direction), message);
}

static void take_body(struct connection *connection, const struct event_bytes *bytes)
{
	struct side *side = &connection->side[bytes->event.direction];

	/* a body with a hole never becomes complete: what hangs on it stays unknown */
	if (!connection->handshake || body_add(&side->body, bytes->position, bytes->data, bytes->length))
		return;
	if (!body_complete(&side->body))
		return;
	handshake_record_body(connection->handshake, side_of(connection, bytes->event.direction), &side->body,
	                      connection->table->cache);
	body_release(&side->body);
}

/*
 * What was received last ends the handshake. The kernel shows a socket's segments before TCP has checked them: one that it
 * then refuses, damaged or forged, comes again, and an event says so (EVENT_LOST). Until then the other side goes on in a
 * connection that seems to have ended.
 */
static void connection_end_told(struct connection *connection, const struct event *event)
{
	if (connection->open.source != EVENT_FROM_SOCKET || connection->open.transport == IPPROTO_UDP ||
	    event->direction != EVENT_RECEIVED || connection->handshake->facts.end == END_COMPLETED ||
	    connection->side[EVENT_RECEIVED].closed || connection->lost) {
		connection->over = true;
		return;
	}
	connection->told_end = true;
	connection_queue(connection, QUEUE_LAST_WORD);
}

static void take_not_tls(struct connection *connection, const struct event *event)
{
	struct handshake *handshake = connection->handshake;

	if (!handshake)
		return;
	/* a server that never was one of TLS, or a stream that lost its framing */
	if (side_of(connection, event->direction) == FROM_SERVER && !handshake->facts.server_hello)
		handshake_record_end(handshake, END_NOT_TLS, FROM_SERVER);
	else
		handshake->facts.malformed = true;
	connection_end_told(connection, event);
}

static void take_record(struct connection *connection, const struct event_record *record)
{
	/* behind the handshake only a handshake record begins anything */
	if (!connection->handshake && connection->established && record->type == TLS_HANDSHAKE) {
		connection_begin_handshake(connection, &record->event);
		connection_queue(connection, QUEUE_ACTIVE);
		if (connection->handshake)
			handshake_record_renegotiates(connection->handshake);
	}
	if (connection->handshake)
		handshake_record_unread(connection->handshake, side_of(connection, record->event.direction), record);
}

/* The server asks all the same: it has not read yet what seems to end the handshake, or its TCP has not taken it. */
static void take_late_request(struct connection *connection, const struct event *event)
{
	const struct event_message *message = (const struct event_message *)event;

	if (connection->handshake && event->kind == EVENT_MESSAGE && message->type == TLS_CERTIFICATE_REQUEST &&
	    side_of(connection, event->direction) == FROM_SERVER)
		handshake_record_message(connection->handshake, FROM_SERVER, message);
}

/* What a message, a body, a record, an alert say, whether the kernel walked the bytes or reassembly did. */
static void take_found(struct connection *connection, const struct event *event)
{
	struct handshake *handshake = connection->handshake;

	if (connection->told_end && !connection->over && !connection->ending)
		take_late_request(connection, event);
	if (((connection->over || connection->told_end) && !connection->ending) ||
	    (connection->established && event->kind != EVENT_RECORD))
		return;
	switch (event->kind) {
	case EVENT_MESSAGE:
		take_message(connection, (const struct event_message *)event);
		break;
	case EVENT_BODY:
		take_body(connection, (const struct event_bytes *)event);
		break;
	case EVENT_RECORD:
		take_record(connection, (const struct event_record *)event);
		break;
	case EVENT_ALERT:
		if (handshake)
			handshake_record_alert(handshake, side_of(connection, event->direction),
			                       (const struct event_alert *)event);
		break;
	case EVENT_NOT_TLS:
		take_not_tls(connection, event);
		break;
	}
	handshake = connection->handshake;
	if (connection->told_end || connection->over)
		return;
	if (handshake && handshake_record_ended(handshake))
		connection_end_told(connection, event);
	else if (handshake && handshake_record_waits_for_server(handshake))
		connection_queue(connection, QUEUE_LAST_WORD);
	else if (connection->queue == QUEUE_LAST_WORD && !connection->side[0].closed && !connection->side[1].closed)
		connection_queue(connection, QUEUE_ACTIVE);
}

static void take_found_in_bytes(const struct event *event, void *context)
{
	struct connection *connection = context;
	const struct reassembly *reassembly = connection->side[event->direction].reassembly;

	/* behind the one side's Finished and before the other's there is nothing that matters */
	if (!connection->established && reassembly && reassembly_followed(reassembly))
		return;
	take_found(connection, event);
}

static void take_handover(struct connection *connection, const struct event_handover *handover)
{
	struct side *side = &connection->side[handover->event.direction];

	if (side->reassembly)
		return;
	side->reassembly = reassembly_new(&handover->walk, handover->next_sequence, take_found_in_bytes, connection);
	/* of a socket so many bytes are never handed over */
	if (side->reassembly && connection->open.source == EVENT_FROM_FILE)
		reassembly_follow(side->reassembly);
	if (!side->reassembly)
		connection->lost = true;
	else if (connection->client_known && reassembly_is_searching(side->reassembly))
		expect_rest(connection, handover->event.direction);
}

static void take_close(struct connection *connection, const struct event_close *close)
{
	struct side *side = &connection->side[close->event.direction];

	if (side->reassembly && !reassembly_reached(side->reassembly, close->sequence)) {
		side->close_waits = true;
		side->close_how = close->how;
		side->close_sequence = close->sequence;
		return;
	}
	close_direction(connection, close->event.direction, close->how);
}

static void take_segment(struct connection *connection, const struct event_bytes *segment)
{
	struct side *side = &connection->side[segment->event.direction];

	if (!side->reassembly) {
		connection->lost = true;
		return;
	}
	if (reassembly_segment(side->reassembly, segment))
		connection->table->counts.bounds++;
	if (close_is_due(side))
		close_direction(connection, segment->event.direction, side->close_how);
	if (search_is_over(connection))
		connection->over = true;
}

static void take_cut(struct connection *connection, const struct event_cut *cut)
{
	struct side *side = &connection->side[cut->event.direction];

	if (connection->established && !side->reassembly)
		side->lost_track = true;
	else if (side->reassembly)
		reassembly_cut(side->reassembly, cut);
	else if (side->dtls)
		dtls_cut(side->dtls);
	else
		connection->lost = true;
}

static void take_datagram(struct connection *connection, const struct event_bytes *datagram)
{
	struct side *side = &connection->side[datagram->event.direction];

	if (!side->dtls)
		side->dtls = dtls_new(take_found_in_bytes, connection);
	if (!side->dtls)
		connection->lost = true;
	else if (dtls_datagram(side->dtls, datagram))
		connection->table->counts.bounds++;
}

static uint32_t bytes_held(const struct connection *connection)
{
	uint32_t held = 0;

	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		const struct side *side = &connection->side[direction];

		held += side->body.capacity;
		if (side->reassembly)
			held += reassembly_held(side->reassembly);
		if (side->dtls)
			held += dtls_held(side->dtls);
	}
	return held;
}

/* Each connection may hold much, all of them at once may not: the one that goes beyond the bound is given up. */
static void connection_weigh(struct connection *connection)
{
	struct connection_table *table = connection->table;

	table->held -= connection->held;
	connection->held = bytes_held(connection);
	table->held += connection->held;
	if (table->held <= (uint64_t)table->limits.connections * CONNECTION_HELD_MEAN || !connection->held)
		return;
	table->counts.bounds++;
	connection->lost = true;
	connection->over = true;
}

/* The process that writes now: a connection may be passed on to another process in the middle of its handshake. */
static void take_owner(struct connection *connection, const struct event_owner *owner)
{
	connection->writer = writer_of_event(owner);
	if (connection->handshake)
		connection->handshake->writer = connection->writer;
}

static void connection_take(struct connection *connection, const struct event *event)
{
	connection->last_ns = event->time_ns;
	connection->side[event->direction].seen = true;
	connection_queue(connection, connection->queue);
	if (event->flags & EVENT_LOST)
		connection->lost = true;
	switch (event->kind) {
	case EVENT_HANDOVER:
		take_handover(connection, (const struct event_handover *)event);
		break;
	case EVENT_SEGMENT:
		take_segment(connection, (const struct event_bytes *)event);
		break;
	case EVENT_DATAGRAM:
		take_datagram(connection, (const struct event_bytes *)event);
		break;
	case EVENT_CLOSE:
		take_close(connection, (const struct event_close *)event);
		break;
	case EVENT_CUT:
		take_cut(connection, (const struct event_cut *)event);
		break;
	case EVENT_OWNER:
		take_owner(connection, (const struct event_owner *)event);
		break;
	case EVENT_TRANSLATED:
	case EVENT_PLAINTEXT:
		break;
	default:
		take_found(connection, event);
	}
	connection_weigh(connection);
}

/* The addresses that were told of with a datagram, NULL where none were. */
static const struct event_open *open_of(const struct connection_table *table, uint64_t id)
{
	for (uint32_t back = 1; back <= OPENS_MAX; back++) {
		const struct event_open *open = &table->opens[(table->next_open - back) % OPENS_MAX];

		if (open->event.connection == id && open->event.kind == EVENT_OPEN)
			return open;
	}
	return NULL;
}

/*
 * The association that a datagram belongs to. One begins with a ClientHello, or in a capture with what answers it; another
 * random on the same ports is another association (RFC 6347 section 4.2.8).
 */
static struct connection *association_of(struct connection_table *table, const struct event_bytes *datagram)
{
	struct connection *connection = connection_find(table, datagram->event.connection);
	const struct event_open *open;
	__u64 random = 0;

	if (datagram->position || !dtls_begins(datagram->data, datagram->length, &random))
		return connection;
	if (connection && random && connection->random && connection->random != random) {
		connection_end(connection);
		connection = NULL;
	}
	open = connection ? NULL : open_of(table, datagram->event.connection);
	if (open && !association_is_over(table, &datagram->event, random))
		connection = connection_add(table, open);
	if (connection && random)
		connection->random = random;
	return connection;
}

/* Bytes that an event of each kind has at least. */
static const size_t event_sizes[] = {
	[EVENT_OPEN] = sizeof(struct event_open),
	[EVENT_MESSAGE] = sizeof(struct event_message),
	[EVENT_BODY] = sizeof(struct event_bytes),
	[EVENT_RECORD] = sizeof(struct event_record),
	[EVENT_ALERT] = sizeof(struct event_alert),
	[EVENT_NOT_TLS] = sizeof(struct event),
	[EVENT_CLOSE] = sizeof(struct event_close),
	[EVENT_HANDOVER] = sizeof(struct event_handover),
	[EVENT_SEGMENT] = sizeof(struct event_bytes),
	[EVENT_DATAGRAM] = sizeof(struct event_bytes),
	[EVENT_CUT] = sizeof(struct event_cut),
	[EVENT_OWNER] = sizeof(struct event_owner),
	[EVENT_TRANSLATED] = sizeof(struct event_translated),
	[EVENT_PLAINTEXT] = sizeof(struct event_bytes),
};

static bool event_is_well_formed(const struct event *event)
{
	if (event->kind >= sizeof(event_sizes) / sizeof(*event_sizes) || !event_sizes[event->kind])
		return false;
	if (event->size < event_sizes[event->kind] || event->direction >= EVENT_DIRECTIONS)
		return false;
	switch (event->kind) {
	case EVENT_BODY:
	case EVENT_SEGMENT:
	case EVENT_DATAGRAM:
	case EVENT_PLAINTEXT:
		return event->size - sizeof(struct event_bytes) >= ((const struct event_bytes *)event)->length;
	case EVENT_CLOSE:
		return ((const struct event_close *)event)->how == EVENT_FIN ||
		       ((const struct event_close *)event)->how == EVENT_RST;
	default:
		return true;
	}
}

static bool take_open(struct connection_table *table, const struct event_open *open)
{
	struct connection *connection;

	/* of DTLS the kernel tells the addresses with each datagram: only the datagram shows whether it is one */
	if (open->transport == IPPROTO_UDP) {
		table->opens[table->next_open++ % OPENS_MAX] = *open;
		return true;
	}
	connection = connection_find(table, open->event.connection);
	if (connection && !(open->event.flags & EVENT_RENEGOTIATES))
		return true;
	/* the kernel has seen its handshake end, whatever was lost of that on the way here */
	if (connection)
		connection_end(connection);
	connection = connection_add(table, open);
	if (connection && open->event.flags & EVENT_RENEGOTIATES) {
		connection->established = true;
		connection->client_known = true;
		connection->client_direction = open->event.flags & EVENT_CLIENT_SENT ? EVENT_SENT : EVENT_RECEIVED;
	}
	if (connection && open->event.flags & EVENT_LOST)
		connection->lost = true;
	return connection;
}

/* Whether the source may leave out the rest of a direction. */
static bool direction_wants_more(const struct connection *connection, uint8_t direction)
{
	const struct side *side = &connection->side[direction];

	/* a direction whose search has ended must go on being told where its stream stands: answers may begin there */
	return !side->reassembly || reassembly_wants_more(side->reassembly) ||
	       reassembly_is_searching(side->reassembly);
}

bool connection_table_event(struct connection_table *table, const struct event *event)
{
	struct connection *connection;

	if (!event_is_well_formed(event)) {
		table->counts.malformed_events++;
		return false;
	}
	if (event->kind == EVENT_OPEN)
		return take_open(table, (const struct event_open *)event);
	if (event->kind == EVENT_DATAGRAM)
		connection = association_of(table, (const struct event_bytes *)event);
	else
		connection = connection_find(table, event->connection);
	if (!connection || connection->queue == QUEUE_LIBRARY)
		return false;
	connection_take(connection, event);
	if (connection->over && !connection_end(connection))
		return false;
	return direction_wants_more(connection, event->direction);
}

static void connection_time_out(struct connection *connection)
{
	struct handshake *handshake;

	if (connection->queue == QUEUE_LIBRARY) {
		connection_conclude(connection);
		return;
	}
	/* it may show that it had ended before */
	tell_what_is_held(connection);
	handshake = connection->handshake;
	/* silence is consent, unless somebody has ended it */
	if (connection->told_end)
		handshake = NULL; /* how it ended is known */
	if (handshake && handshake_record_waits_for_server(handshake))
		handshake_record_end(handshake, END_COMPLETED, FROM_CLIENT);
	else if (handshake)
		handshake_record_end(handshake, END_TIMEOUT, FROM_CLIENT);
	connection_end(connection);
}

/* A handshake of which no packet tells: only a library does. */
static void report_later(struct handshake *handshake, void *context)
{
	report(context, handshake);
}

void connection_table_time(struct connection_table *table, uint64_t now_ns)
{
	const uint64_t time_to_live[QUEUES] = {
		[QUEUE_ACTIVE] = table->limits.handshake_timeout_ns,
		[QUEUE_LAST_WORD] = LAST_WORD_NS,
		[QUEUE_LIBRARY] = LIBRARY_LAST_WORD_NS,
		[QUEUE_ESTABLISHED] = UINT64_MAX,
	};
	struct connection *connection;

	for (int queue = 0; queue < QUEUES; queue++) {
		while ((connection = TAILQ_FIRST(&table->queue[queue]))) {
			if (now_ns < connection->last_ns || now_ns - connection->last_ns < time_to_live[queue])
				break;
			connection_time_out(connection);
		}
	}
	if (table->join)
		library_join_time(table->join, now_ns, report_later, table);
}

int connection_table_listen(struct connection_table *table)
{
	const struct library_join_limits limits = {
		.handshakes = table->limits.connections < SIGHTINGS_MAX ? table->limits.connections : SIGHTINGS_MAX,
		.timeout_ns = table->limits.handshake_timeout_ns,
	};

	table->join = library_join_new(&limits);
	return table->join ? 0 : -ENOMEM;
}

/* Conclude what has waited for nothing but this. */
static void conclude_those_who_wait(struct connection_table *table, const struct library_handshake *seen)
{
	struct connection *connection = TAILQ_FIRST(&table->queue[QUEUE_LIBRARY]), *next;

	for (; connection; connection = next) {
		next = TAILQ_NEXT(connection, queued);
		/* the hello of a renegotiation is encrypted: it may be of any connection */
		if ((connection->handshake->facts.renegotiation ||
		     !memcmp(connection->handshake->client_hello.random, seen->random, sizeof(seen->random))) &&
		    !library_join_waits(table->join, connection->handshake))
			connection_conclude(connection);
	}
}

void connection_table_library(struct connection_table *table, const struct library_handshake *seen, const char *library)
{
	if (!table->join)
		return;
	library_join_take(table->join, seen, library);
	if (seen->view.client_finished || seen->view.damaged)
		conclude_those_who_wait(table, seen);
}

const struct library_join_counts *connection_table_library_counts(const struct connection_table *table)
{
	return table->join ? library_join_counts(table->join) : NULL;
}

void connection_table_lost_events(struct connection_table *table)
{
	struct connection *connection;

	for (int queue = 0; queue < QUEUES; queue++)
		TAILQ_FOREACH (connection, &table->queue[queue], queued)
			connection->lost_nearby = true;
}

void connection_table_set_realtime_offset(struct connection_table *table, int64_t offset_ns)
{
	table->realtime_offset_ns = offset_ns;
}

void connection_table_finish(struct connection_table *table)
{
	struct connection *connection;

	for (int queue = 0; queue < QUEUES; queue++)
		while ((connection = TAILQ_FIRST(&table->queue[queue])))
			connection_conclude(connection);
	if (table->join)
		library_join_time(table->join, UINT64_MAX, report_later, table);
}

void connection_table_free(struct connection_table *table)
{
	struct connection *connection;

	if (!table)
		return;
	for (int queue = 0; queue < QUEUES; queue++)
		while ((connection = TAILQ_FIRST(&table->queue[queue])))
			connection_free(connection);
	parse_cache_free(table->cache);
	library_join_free(table->join);
	free(table->bucket);
	free(table);
}

const struct connection_counts *connection_table_counts(const struct connection_table *table)
{
	return &table->counts;
}

void connection_table_followed(const struct connection_table *table, uint32_t followed[CONNECTION_STATES])
{
	memcpy(followed, table->followed, CONNECTION_STATES * sizeof(*followed));
}
