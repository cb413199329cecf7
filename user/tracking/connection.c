// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tracking/record.h"
#include "tracking/writer.h"

struct connection *connection_new(const struct event_open *open, const struct connection_surroundings *surroundings)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->surroundings = surroundings;
	connection->open = *open;
	connection->last_ns = open->event.time_ns;
	connection->client_direction = EVENT_DIRECTIONS;
	if (open->event.flags & EVENT_LOST)
		connection->loss = LOSS_OWN;
	return connection;
}

static void drop_handshake(struct connection *connection)
{
	if (connection->handshake)
		handshake_record_release(connection->handshake);
	free(connection->handshake);
	connection->handshake = NULL;
}

void connection_free(struct connection *connection)
{
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		body_release(&connection->side[direction].body);
		stream_free(connection->side[direction].stream);
	}
	drop_handshake(connection);
	free(connection);
}

void connection_happens(struct connection *connection, enum happening happening)
{
	connection->phase = phase_after(connection->phase, happening);
}

void connection_establish(struct connection *connection, const struct event_open *open)
{
	connection->established = true;
	connection->client_direction = open->event.flags & EVENT_CLIENT_SENT ? EVENT_SENT : EVENT_RECEIVED;
}

static bool client_is_known(const struct connection *connection)
{
	return connection->client_direction < EVENT_DIRECTIONS;
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

/* handshake.server is the end dialled by the client, handshake.nat the answering end. */
static void name_both_servers(const struct connection *connection, struct handshake *handshake)
{
	if (!connection->translated)
		return;
	handshake->has_nat = true;
	if (handshake->role == ROLE_SERVER) {
		handshake->nat = endpoint_of(connection->open.local_address, connection->open.local_port);
		handshake->server = connection->nat_local;
	} else {
		handshake->nat = connection->nat_remote;
	}
}

/* The client is known: fill in both ends. */
static void begin_handshake(struct connection *connection, const struct event *event)
{
	const struct event_open *open = &connection->open;
	struct endpoint local = endpoint_of(open->local_address, open->local_port);
	struct endpoint remote = endpoint_of(open->remote_address, open->remote_port);
	bool client_is_local = connection->client_direction == EVENT_SENT;
	struct handshake *handshake = calloc(1, sizeof(*handshake));

	if (!handshake) {
		connection->surroundings->counts->table_full++;
		connection_happens(connection, HAPPENING_ENDS);
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
	handshake->start_realtime_ns = event->time_ns + connection->surroundings->realtime_offset_ns;
	name_both_servers(connection, handshake);
	connection->handshake = handshake;
}

/* A search without a hello. A ClientHello is searched in the first bytes of a connection, in both directions. */
static bool search_failed(const struct connection *connection)
{
	return !connection->handshake &&
	       (stream_search_failed(connection->side[0].stream) || stream_search_failed(connection->side[1].stream));
}

/* Whether an event ended the handshake, and not its absence. */
static bool ended_by_event(const struct connection *connection)
{
	return connection->phase == PHASE_OVER && !connection->timed_out;
}

/*
 * Whether the last record of a direction ended the handshake: the stream was decoded in order up to there, and missing
 * bytes after the end mean nothing.
 */
static bool direction_told_the_end(const struct connection *connection, uint8_t direction)
{
	const struct handshake_facts *facts = &connection->handshake->facts;

	if (facts->end == END_COMPLETED)
		return ended_by_event(connection);
	return (facts->end == END_ALERT || facts->end == END_NOT_TLS) &&
	       facts->ended_by == side_of(connection, direction);
}

static bool direction_has_gap(const struct connection *connection, uint8_t direction)
{
	const struct side *side = &connection->side[direction];

	if (connection->established)
		return side->lost_track || stream_lost_track(side->stream);
	if (connection->open.transport != IPPROTO_UDP && direction_told_the_end(connection, direction))
		return false;
	/* the bytes before a FIN are missing, even if no byte behind them came */
	return stream_has_gap(side->stream) || side->close_waits;
}

static void gather_gaps(struct connection *connection)
{
	struct handshake_facts *facts = &connection->handshake->facts;

	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		if (direction_has_gap(connection, direction)) {
			facts->gap = true;
			connection->surroundings->counts->gaps++;
		}
		/* a capture may miss one direction altogether */
		if (!connection->side[direction].seen && connection->open.source != EVENT_FROM_SOCKET)
			facts->gap = true;
	}
}

/* Whether all bytes before a waiting FIN or RST have come. */
static bool close_is_due(const struct side *side)
{
	return side->close_waits && stream_reached(side->stream, side->close_sequence);
}

static void close_direction(struct connection *connection, uint8_t direction, uint8_t how)
{
	struct handshake *handshake = connection->handshake;
	struct side *side = &connection->side[direction];

	side->close_waits = false;
	side->closed = true;
	if (handshake)
		handshake_record_end(handshake, how == EVENT_RST ? END_RST : END_FIN, side_of(connection, direction),
		                     connection->last_ns);
	if (how == EVENT_RST || connection->side[!direction].closed)
		connection_happens(connection, HAPPENING_ENDS);
	else
		connection_happens(connection, HAPPENING_ONE_CLOSED);
}

/* Release the bytes held after gaps: they count, too. */
static void drain(struct connection *connection)
{
	connection->draining = true;
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		struct side *side = &connection->side[direction];

		/* the handshake does not depend on the held bytes */
		if (connection->established || !stream_follows(side->stream))
			stream_finish(side->stream);
		if (close_is_due(side))
			close_direction(connection, direction, side->close_how);
	}
}

/*
 * A body that stays incomplete, for a bound or a hole. The beginning of a Certificate may hold the first certificate, the
 * owner's. Other bodies cannot be read in part.
 */
static void read_rest_of_body(struct connection *connection, uint8_t direction)
{
	struct side *side = &connection->side[direction];

	if (connection->handshake && side->body.type == TLS_CERTIFICATE && side->body.have)
		handshake_record_body(connection->handshake, side_of(connection, direction), &side->body,
		                      connection->surroundings->cache);
	body_release(&side->body);
}

/* A connection to a service of TLS has ended without a ClientHello: make a record. The service is the server. */
static void gather_plaintext(struct connection *connection)
{
	connection->client_direction = services_client_direction(connection->surroundings->services, &connection->open);
	/* which end is the service is not known, or both ends are */
	if (connection->client_direction == EVENT_DIRECTIONS)
		return;
	begin_handshake(connection, &connection->first);
	if (!connection->handshake)
		return;
	connection->handshake->facts.plaintext = true;
	handshake_record_end(connection->handshake, END_NOT_TLS, FROM_CLIENT, connection->first.time_ns);
	connection->handshake->end_ns = connection->last_ns;
}

void connection_gather(struct connection *connection)
{
	struct handshake *handshake;
	bool complete;

	if (connection->gathered)
		return;
	connection->gathered = true;
	drain(connection);
	handshake = connection->handshake;
	if (!handshake && connection->plaintext)
		gather_plaintext(connection);
	if (!handshake)
		return;
	if (connection->overdue)
		handshake_record_end(handshake, END_TIMEOUT, FROM_CLIENT, connection->last_ns);
	handshake_record_blame(handshake);
	/* EVENT_LOST marks lost events of TCP connections only: an event that ends a TCP connection has lost no other */
	complete = ended_by_event(connection) && connection->open.transport != IPPROTO_UDP;
	gather_gaps(connection);
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++)
		read_rest_of_body(connection, direction);
	handshake->facts.lost_events = connection->loss == LOSS_OWN || (connection->loss == LOSS_NEARBY && !complete);
	connection->surroundings->counts->events_lost += handshake->facts.lost_events;
	handshake->end_ns = connection->last_ns;
}

bool connection_goes_on(const struct connection *connection)
{
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++)
		if (!stream_can_follow(connection->side[direction].stream) || connection->side[direction].closed)
			return false;
	return connection->handshake && connection->handshake->facts.end == END_COMPLETED;
}

void connection_go_on(struct connection *connection)
{
	/* RFC 5246 section 7.3: in a full handshake the server's Finished is the last, in an abbreviated one the client's */
	if (connection->handshake->verdict.resumed == KNOWN_NO)
		stream_peer_finished(connection->side[connection->client_direction].stream);
	drop_handshake(connection);
	connection->early = (struct early_record){};
	connection->established = true;
	connection->draining = false;
	connection->timed_out = false;
	connection->overdue = false;
	connection->gathered = false;
	connection->loss = LOSS_NONE;
	connection_happens(connection, HAPPENING_REPORTED);
}

uint32_t connection_unfollowed(const struct connection *connection)
{
	return stream_lost_track(connection->side[0].stream) + stream_lost_track(connection->side[1].stream);
}

static void take_message(struct connection *connection, const struct event_message *message)
{
	const struct event *event = &message->event;
	struct side *side = &connection->side[event->direction];

	if (!client_is_known(connection)) {
		bool from_client = message->type == TLS_CLIENT_HELLO;

		connection->client_direction = from_client ? event->direction : !event->direction;
		begin_handshake(connection, event);
		stream_expect(connection->side[!event->direction].stream, !from_client);
	}
	if (!connection->handshake)
		return;
	read_rest_of_body(connection, event->direction);
	body_begin(&side->body, message->type, message->length);
	handshake_record_message(connection->handshake, side_of(connection, event->direction), message);
}

static void take_body(struct connection *connection, const struct event_bytes *bytes)
{
	struct side *side = &connection->side[bytes->event.direction];

	/* a body with a hole never becomes complete: every dependent fact stays unknown */
	if (!connection->handshake || body_add(&side->body, bytes->position, bytes->data, bytes->length))
		return;
	if (!body_complete(&side->body))
		return;
	handshake_record_body(connection->handshake, side_of(connection, bytes->event.direction), &side->body,
	                      connection->surroundings->cache);
	body_release(&side->body);
}

/*
 * An event has ended the handshake. The kernel shows a socket's segments before TCP has checked them. If TCP refuses a
 * segment, damaged or forged, the peer sends those bytes again, and an event carries EVENT_LOST. Until then a received
 * end is in doubt.
 */
static void end_by_event(struct connection *connection, const struct event *event)
{
	bool certain = connection->open.source != EVENT_FROM_SOCKET || connection->open.transport == IPPROTO_UDP ||
	               event->direction != EVENT_RECEIVED || connection->handshake->facts.end == END_COMPLETED ||
	               connection->side[EVENT_RECEIVED].closed || connection->loss == LOSS_OWN;

	connection_happens(connection, certain ? HAPPENING_ENDS : HAPPENING_END_DOUBTED);
}

static void take_not_tls(struct connection *connection, const struct event *event)
{
	struct handshake *handshake = connection->handshake;

	if (!handshake)
		return;
	handshake_record_not_tls(handshake, side_of(connection, event->direction), event->time_ns);
	end_by_event(connection, event);
}

static void take_record(struct connection *connection, const struct event_record *record)
{
	/* in an established connection only a handshake record begins anything */
	if (!connection->handshake && connection->established && record->type == TLS_HANDSHAKE) {
		begin_handshake(connection, &record->event);
		connection_happens(connection, HAPPENING_BEGINS);
		if (connection->handshake)
			handshake_record_renegotiates(connection->handshake);
	}
	if (connection->handshake)
		handshake_record_unread(connection->handshake, side_of(connection, record->event.direction), record);
}

static void take_alert(struct connection *connection, const struct event_alert *alert)
{
	if (connection->handshake)
		handshake_record_alert(connection->handshake, side_of(connection, alert->event.direction), alert);
}

/* The server asks after a doubted end: the server has not read the end, or its TCP has not accepted the end. */
static void take_late_request(struct connection *connection, const struct event *event)
{
	const struct event_message *message = (const struct event_message *)event;

	if (connection->handshake && event->kind == EVENT_MESSAGE && message->type == TLS_CERTIFICATE_REQUEST &&
	    side_of(connection, event->direction) == FROM_SERVER)
		handshake_record_message(connection->handshake, FROM_SERVER, message);
}

static bool has_ended(const struct connection *connection)
{
	return connection->phase == PHASE_OVER || connection->phase == PHASE_DOUBTED;
}

/*
 * Whether the server has taken up the handshake. A HelloVerifyRequest is no such answer: servers send one to any address that a
 * stranger made up (RFC 6347 section 4.2.1).
 */
static bool is_answered(const struct handshake_facts *facts)
{
	return facts->server_hello || facts->server_hello_unread || facts->server_certificate ||
	       facts->certificate_request || facts->server_hello_done || facts->change_cipher_spec[FROM_SERVER] ||
	       facts->finished[FROM_SERVER];
}

/* Whether the handshake has ended, or whose words are awaited. */
static void look_at_handshake(struct connection *connection, const struct event *event)
{
	const struct handshake *handshake = connection->handshake;

	if (has_ended(connection))
		return;
	if (handshake && is_answered(&handshake->facts))
		connection_happens(connection, HAPPENING_ANSWERED);
	if (handshake && handshake_record_ended(handshake))
		end_by_event(connection, event);
	else if (handshake && handshake_record_waits_for_server(handshake))
		connection_happens(connection, HAPPENING_WAITS);
	else if (!connection->side[0].closed && !connection->side[1].closed)
		connection_happens(connection, HAPPENING_GOES_ON);
}

/* Messages, bodies, records, alerts: the kernel decoded the bytes, or a stream did. */
static void take_found(struct connection *connection, const struct event *event)
{
	if (connection->phase == PHASE_DOUBTED && !connection->draining)
		take_late_request(connection, event);
	if ((has_ended(connection) && !connection->draining) ||
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
		take_alert(connection, (const struct event_alert *)event);
		break;
	case EVENT_NOT_TLS:
		take_not_tls(connection, event);
		break;
	}
	look_at_handshake(connection, event);
}

static void take_found_in_bytes(const struct event *event, void *context)
{
	struct connection *connection = context;

	/* between the Finished of this side and the Finished of the other side nothing matters */
	if (!connection->established && stream_follows(connection->side[event->direction].stream))
		return;
	take_found(connection, event);
}

static void take_handover(struct connection *connection, const struct event_handover *handover)
{
	uint8_t direction = handover->event.direction;
	struct side *side = &connection->side[direction];
	/* of a socket the kernel never hands over the bytes behind a handshake */
	enum stream_mode mode = connection->open.source == EVENT_FROM_FILE ? STREAM_FOLLOW : STREAM_HANDSHAKE;

	if (side->stream)
		return;
	side->stream = stream_of_segments(handover, mode, take_found_in_bytes, connection);
	if (!side->stream)
		connection->loss = LOSS_OWN;
	else if (client_is_known(connection) && stream_is_searching(side->stream))
		stream_expect(side->stream, side_of(connection, direction) == FROM_CLIENT);
}

static void take_close(struct connection *connection, const struct event_close *close)
{
	struct side *side = &connection->side[close->event.direction];

	if (!stream_reached(side->stream, close->sequence)) {
		side->close_waits = true;
		side->close_how = close->how;
		side->close_sequence = close->sequence;
		return;
	}
	close_direction(connection, close->event.direction, close->how);
}

static void take_bytes(struct connection *connection, const struct event *event)
{
	struct side *side = &connection->side[event->direction];
	int error;

	if (event->kind == EVENT_DATAGRAM && !side->stream)
		side->stream = stream_of_datagrams(take_found_in_bytes, connection);
	if (!side->stream) {
		connection->loss = LOSS_OWN;
		return;
	}
	error = stream_take(side->stream, event);
	if (error == -EBADMSG)
		connection->loss = LOSS_OWN;
	else if (error)
		connection->surroundings->counts->bounds++;
	if (close_is_due(side))
		close_direction(connection, event->direction, side->close_how);
	if (search_failed(connection))
		connection_happens(connection, HAPPENING_ENDS);
}

static void take_cut(struct connection *connection, const struct event *event)
{
	struct side *side = &connection->side[event->direction];

	if (side->stream)
		stream_take(side->stream, event);
	else if (connection->established)
		side->lost_track = true;
	else
		connection->loss = LOSS_OWN;
}

/* The writing process now: a connection may be passed to another process in the middle of its handshake. */
static void take_owner(struct connection *connection, const struct event_owner *owner)
{
	connection->writer = writer_of_event(owner);
	if (connection->handshake)
		connection->handshake->writer = connection->writer;
}

/*
 * Packets carry other addresses than the socket. At the client the answering address differs from the dialled address;
 * at the server the other way round.
 */
static void take_translated(struct connection *connection, const struct event_translated *translated)
{
	connection->translated = translated->event.direction == EVENT_SENT;
	connection->nat_local = endpoint_of(translated->local_address, translated->local_port);
	connection->nat_remote = endpoint_of(translated->remote_address, translated->remote_port);
	if (connection->handshake)
		name_both_servers(connection, connection->handshake);
}

/* The first bytes of a connection to a service of TLS are no ClientHello. A ClientHello may follow (STARTTLS, CONNECT). */
static void take_plaintext(struct connection *connection, const struct event *event)
{
	if (connection->handshake || connection->established)
		return;
	connection->plaintext = true;
	connection->first = *event;
}

void connection_take(struct connection *connection, const struct event *event)
{
	connection->last_ns = event->time_ns;
	connection->side[event->direction].seen = true;
	if (event->flags & EVENT_LOST)
		connection->loss = LOSS_OWN;
	switch (event->kind) {
	case EVENT_HANDOVER:
		take_handover(connection, (const struct event_handover *)event);
		break;
	case EVENT_SEGMENT:
	case EVENT_DATAGRAM:
		take_bytes(connection, event);
		break;
	case EVENT_CLOSE:
		take_close(connection, (const struct event_close *)event);
		break;
	case EVENT_CUT:
		take_cut(connection, event);
		break;
	case EVENT_OWNER:
		take_owner(connection, (const struct event_owner *)event);
		break;
	case EVENT_TRANSLATED:
		take_translated(connection, (const struct event_translated *)event);
		break;
	case EVENT_PLAINTEXT:
		take_plaintext(connection, event);
		break;
	default:
		take_found(connection, event);
	}
}

/* Whether the handshake may go on behind the time-out. UDP shows no end, and a renegotiation is reported once. */
static bool may_go_on(const struct connection *connection)
{
	return connection->phase == PHASE_HANDSHAKE && connection->open.transport != IPPROTO_UDP &&
	       !connection->established;
}

/* Bytes held after a gap for so long may show an earlier end of the handshake. */
static void drain_gaps(struct connection *connection)
{
	connection->draining = true;
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++)
		if (stream_has_gap(connection->side[direction].stream))
			stream_finish(connection->side[direction].stream);
	connection->draining = false;
}

void connection_time_out(struct connection *connection)
{
	struct handshake *handshake;
	bool doubted = connection->phase == PHASE_DOUBTED;

	if (may_go_on(connection)) {
		drain_gaps(connection);
		if (may_go_on(connection)) {
			connection->overdue = true;
			connection_happens(connection, HAPPENING_TIMES_OUT);
			return;
		}
	}
	connection->timed_out = true;
	drain(connection);
	handshake = connection->handshake;
	/* a client that was not asked has said all, and the server need not speak: the handshake is complete */
	if (handshake && !doubted)
		handshake_record_end(handshake,
		                     handshake_record_waits_for_server(handshake) ? END_COMPLETED : END_TIMEOUT,
		                     FROM_CLIENT, connection->last_ns);
	connection_happens(connection, HAPPENING_ENDS);
}

void connection_give_way(struct connection *connection)
{
	connection->overdue = true;
	connection_happens(connection, HAPPENING_ENDS);
}

void connection_preview(const struct connection *connection, struct handshake *record)
{
	*record = *connection->handshake;
	handshake_record_end(record, END_TIMEOUT, FROM_CLIENT, connection->last_ns);
	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++)
		record->facts.gap |= direction_has_gap(connection, direction);
	record->facts.lost_events = connection->loss != LOSS_NONE;
	record->end_ns = connection->last_ns;
}

bool connection_wants_more(const struct connection *connection, uint8_t direction)
{
	return stream_wants_more(connection->side[direction].stream);
}

uint32_t connection_held(const struct connection *connection)
{
	uint32_t held = 0;

	for (int direction = 0; direction < EVENT_DIRECTIONS; direction++)
		held += connection->side[direction].body.capacity + stream_held(connection->side[direction].stream);
	return held;
}

void connection_give_up(struct connection *connection)
{
	connection->surroundings->counts->bounds++;
	connection->loss = LOSS_OWN;
	connection_happens(connection, HAPPENING_ENDS);
}
