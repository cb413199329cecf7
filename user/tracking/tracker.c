// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/tracker.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "handshake/cause.h"
#include "handshake/event_id.h"
#include "handshake/verdict.h"
#include "stream/dtls.h"
#include "tracking/association.h"
#include "tracking/connection_table.h"
#include "tracking/record.h"

enum {
	/* Library handshakes without a connection's record yet, and remembered connections. */
	SIGHTINGS_MAX = 8192,
	/* Parts of the bound on followed connections: */
	UNANSWERED_PART = 16, /* DTLS associations without an answer */
	OVERDUE_PART = 4,     /* handshakes beyond the time-out */
};

/* After this time without an event a handshake may give way to another connection. */
static const uint64_t GIVES_WAY_NS = 5ull * 1000 * 1000 * 1000;

struct tracker {
	struct tracker_limits limits;
	tracker_report report;
	void *context;
	tracker_service service; /* NULL: nobody wants to know */
	void *service_context;
	struct library_join *join;             /* NULL: libraries are not probed */
	struct library_statements *statements; /* the same */
	const struct policy *policy;
	struct tracker_counts counts;
	struct connection_surroundings surroundings;
	struct connection_table table;
	struct associations associations;
	struct services services;
	struct event_ids ids; /* of records with a possible correction */
};

struct tracker *tracker_new(const struct tracker_limits *limits, tracker_report report, void *context)
{
	struct tracker *tracker = calloc(1, sizeof(*tracker));
	int error;

	if (!tracker)
		return NULL;
	tracker->limits = *limits;
	tracker->report = report;
	tracker->context = context;
	tracker->surroundings.counts = &tracker->counts;
	tracker->surroundings.services = &tracker->services;
	error = connection_table_init(&tracker->table, limits->connections);
	if (!limits->no_certificates)
		tracker->surroundings.cache = parse_cache_new();
	if (error || (!tracker->surroundings.cache && !limits->no_certificates)) {
		tracker_free(tracker);
		return NULL;
	}
	return tracker;
}

void tracker_free(struct tracker *tracker)
{
	if (!tracker)
		return;
	connection_table_release(&tracker->table);
	parse_cache_free(tracker->surroundings.cache);
	library_join_free(tracker->join);
	library_statements_free(tracker->statements);
	free(tracker);
}

void tracker_set_policy(struct tracker *tracker, const struct policy *policy)
{
	tracker->policy = policy;
}

void tracker_set_realtime_offset(struct tracker *tracker, int64_t offset_ns)
{
	tracker->surroundings.realtime_offset_ns = offset_ns;
}

void tracker_set_service(struct tracker *tracker, tracker_service service, void *context)
{
	tracker->service = service;
	tracker->service_context = context;
}

void tracker_add_service(struct tracker *tracker, const struct endpoint *service, uint8_t family)
{
	services_add(&tracker->services, service, family);
	if (tracker->service)
		tracker->service(service, family, tracker->service_context);
}

static void report_service(struct tracker *tracker, const struct handshake *handshake)
{
	if (handshake->transport != IPPROTO_TCP || handshake->verdict.established != KNOWN_YES)
		return;
	tracker_add_service(tracker, &handshake->server, handshake->family);
	if (handshake->has_nat)
		tracker_add_service(tracker, &handshake->nat, handshake->family);
}

static void report(struct tracker *tracker, struct handshake *handshake)
{
	struct hints hints;

	/* a library's word is stronger than the wire's */
	if (!handshake->failure.reason)
		handshake->failure = cause_of(handshake);
	if (!tracker->limits.no_certificates) {
		hints_of(handshake, &hints);
		handshake->hints = &hints;
	}
	handshake->policy = policy_judge(tracker->policy, handshake);
	tracker->counts.handshakes += !*handshake->corrects;
	tracker->counts.conflicts += handshake->verdict.conflict;
	report_service(tracker, handshake);
	tracker->report(handshake, tracker->context);
	handshake->hints = NULL;
}

/* Whether a verdict adds to the record reported before the handshake's end. */
static bool is_news(const struct verdict *early, const struct verdict *verdict)
{
	if (verdict->client_auth == CLIENT_AUTH_UNKNOWN)
		return verdict->requested == KNOWN_YES && early->requested != KNOWN_YES;
	return verdict->client_auth != early->client_auth || verdict->established != early->established ||
	       verdict->requested != early->requested || verdict->answer != early->answer;
}

/* Join the record with the library's view of the same end, judge and remember the record for later handshakes. */
static void judge_and_report(struct tracker *tracker, struct handshake *handshake, const struct early_record *early)
{
	uint64_t failed_ns = 0;

	if (tracker->join && library_join_told(tracker->join, handshake))
		return;
	if (tracker->join)
		library_join_fill(tracker->join, handshake);
	if (tracker->statements)
		failed_ns = library_statements_fill(tracker->statements, handshake);
	handshake->verdict = verdict_of(&handshake->facts);
	library_statements_settle(handshake, failed_ns);
	if (early->reported)
		memcpy(handshake->corrects, early->id, sizeof(handshake->corrects));
	if (!early->reported || is_news(&early->verdict, &handshake->verdict))
		report(tracker, handshake);
	if (tracker->join)
		library_join_remember(tracker->join, handshake);
}

/* The connection's id holds random bits: the ids of records differ between runs and hosts. */
static void name_early_record(struct tracker *tracker, const struct handshake *handshake, char id[EVENT_ID_MAX])
{
	if (!tracker->ids.run)
		tracker->ids.run = (handshake->connection ^ handshake->start_realtime_ns) * 0x9e3779b97f4a7c15ull;
	event_id_next(&tracker->ids, id);
}

/*
 * The handshake exceeds the time-out. The time-out is no end: the record has the facts so far. If the connection
 * shows more later, a second record corrects the first. A reader of files need not report before the end.
 */
static void report_early(struct tracker *tracker, struct connection *connection)
{
	struct handshake record;

	if (!connection->handshake || connection->early.reported || connection->open.source == EVENT_FROM_FILE)
		return;
	connection_preview(connection, &record);
	if (tracker->join)
		library_join_fill(tracker->join, &record);
	record.verdict = verdict_of(&record.facts);
	name_early_record(tracker, &record, record.id);
	connection->early.reported = true;
	connection->early.verdict = record.verdict;
	memcpy(connection->early.id, record.id, sizeof(record.id));
	report(tracker, &record);
	handshake_record_release_copy(&record, connection->handshake);
}

/* Report the complete record, and forget the connection unless it lives on. */
static void conclude(struct tracker *tracker, struct connection *connection)
{
	if (connection->handshake)
		judge_and_report(tracker, connection->handshake, &connection->early);
	if (connection_goes_on(connection)) {
		connection_go_on(connection);
		connection_table_touch(&tracker->table, connection);
		return;
	}
	tracker->counts.unfollowed += connection_unfollowed(connection);
	if (connection->open.transport == IPPROTO_UDP)
		associations_end(&tracker->associations, connection->open.event.connection, connection->random,
		                 connection->last_ns);
	connection_table_remove(&tracker->table, connection);
}

/*
 * TLS 1.3 encrypts the final alert of a handshake: the library at this end reads the alert a moment later. A probed
 * library in the handshake still reports.
 */
static bool awaits_cause(const struct tracker *tracker, const struct handshake *handshake)
{
	const struct handshake_facts *facts = &handshake->facts;

	return tracker->statements && facts->version_1_3 && (facts->end == END_FIN || facts->end == END_RST) &&
	       library_join_knows(tracker->join, handshake) &&
	       !library_statements_failed(tracker->statements, handshake);
}

/* The wire shows no more of this handshake: report the handshake, unless a library's last word is due. */
static void end(struct tracker *tracker, struct connection *connection)
{
	connection_gather(connection);
	if (connection->phase != PHASE_LIBRARY && tracker->join && connection->handshake &&
	    (library_join_waits(tracker->join, connection->handshake) ||
	     awaits_cause(tracker, connection->handshake))) {
		connection_happens(connection, HAPPENING_ENDS);
		connection_happens(connection, HAPPENING_LIBRARY_OWES);
		connection_table_touch(&tracker->table, connection);
		return;
	}
	conclude(tracker, connection);
}

/* Report a handshake before the end, and forget the connection. */
static void give_way(struct tracker *tracker, struct connection *connection)
{
	connection_give_way(connection);
	connection_gather(connection);
	conclude(tracker, connection);
}

/* The connection of this phase with the longest silence; NULL if no connection was quiet for quiet_ns. */
static struct connection *quiet_since(const struct tracker *tracker, enum phase phase, uint64_t now_ns,
                                      uint64_t quiet_ns)
{
	struct connection *oldest = connection_table_oldest(&tracker->table, phase);

	return oldest && now_ns >= oldest->last_ns && now_ns - oldest->last_ns >= quiet_ns ? oldest : NULL;
}

/*
 * A full table: the least useful connections give way. Endless handshakes cannot keep the table full: each handshake
 * gives way after GIVES_WAY_NS of silence.
 */
static void make_room(struct tracker *tracker, uint64_t now_ns)
{
	struct connection *connection = quiet_since(tracker, PHASE_FOLLOWED, now_ns, 0);

	if (connection) {
		tracker->counts.unfollowed++;
		connection_table_remove(&tracker->table, connection);
		return;
	}
	connection = quiet_since(tracker, PHASE_OVERDUE, now_ns, 0)
	                     ?: quiet_since(tracker, PHASE_HANDSHAKE, now_ns, GIVES_WAY_NS);
	if (!connection)
		return;
	tracker->counts.table_full++;
	give_way(tracker, connection);
}

static struct connection *add(struct tracker *tracker, const struct event_open *open)
{
	struct connection *connection = NULL;

	if (connection_table_is_full(&tracker->table))
		make_room(tracker, open->event.time_ns);
	if (!connection_table_is_full(&tracker->table))
		connection = connection_new(open, &tracker->surroundings);
	if (!connection) {
		tracker->counts.table_full++;
		return NULL;
	}
	connection_table_add(&tracker->table, connection);
	return connection;
}

/* The bound on connections in a phase with a separate part of the table. */
static uint32_t part_of(const struct tracker *tracker, uint32_t part)
{
	return tracker->limits.connections / part + 1;
}

/* Associations without an answer have a small part of the table: the oldest gives way to the next. */
static struct connection *add_association(struct tracker *tracker, const struct event_open *open)
{
	struct connection *connection;

	if (tracker->table.queued[PHASE_UNANSWERED] >= part_of(tracker, UNANSWERED_PART)) {
		tracker->counts.table_full++;
		connection_table_remove(&tracker->table, connection_table_oldest(&tracker->table, PHASE_UNANSWERED));
	}
	connection = add(tracker, open);
	if (!connection)
		return NULL;
	connection->phase = PHASE_UNANSWERED;
	connection_table_touch(&tracker->table, connection);
	return connection;
}

/* Handshakes beyond the time-out: forget the handshake with the longest silence. The record is out, or goes out now. */
static void bound_overdue(struct tracker *tracker)
{
	if (tracker->table.queued[PHASE_OVERDUE] > part_of(tracker, OVERDUE_PART))
		give_way(tracker, connection_table_oldest(&tracker->table, PHASE_OVERDUE));
}

/*
 * The association of a datagram. A ClientHello begins an association; in a capture the answer to a ClientHello, too.
 * Another random on the same ports is another association (RFC 6347 section 4.2.8).
 */
static struct connection *association_of(struct tracker *tracker, const struct event_bytes *datagram)
{
	uint64_t id = datagram->event.connection;
	struct connection *connection = connection_table_find(&tracker->table, id);
	const struct event_open *open;
	__u64 random = 0;

	if (datagram->position || !dtls_begins(datagram->data, datagram->length, &random))
		return connection;
	if (connection && random && connection->random && connection->random != random) {
		end(tracker, connection);
		connection = NULL;
	}
	open = connection ? NULL : associations_find_open(&tracker->associations, id);
	if (open && !associations_repeats(&tracker->associations, &datagram->event, random))
		connection = add_association(tracker, open);
	if (connection && random)
		connection->random = random;
	return connection;
}

/* Minimum size of an event of each kind. */
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

static bool take_open(struct tracker *tracker, const struct event_open *open)
{
	struct connection *connection;

	/* the kernel reports the addresses of each datagram: the following datagram shows whether the protocol is DTLS */
	if (open->transport == IPPROTO_UDP) {
		associations_open(&tracker->associations, open);
		return true;
	}
	connection = connection_table_find(&tracker->table, open->event.connection);
	/* a repeated event, or the kernel saw the handshake end, even if events of the handshake were lost on the way */
	if (connection && !(open->event.flags & EVENT_RENEGOTIATES) && connection->phase == PHASE_HANDSHAKE)
		return true;
	/* another handshake of the connection: the record of the first handshake goes out before */
	if (connection && !(open->event.flags & EVENT_RENEGOTIATES)) {
		connection_gather(connection);
		conclude(tracker, connection);
		connection = NULL;
	}
	if (connection)
		end(tracker, connection);
	connection = add(tracker, open);
	if (connection && open->event.flags & EVENT_RENEGOTIATES)
		connection_establish(connection, open);
	return connection;
}

/* A connection may hold much data; all connections together may not. A connection beyond the bound is given up. */
static void weigh(struct tracker *tracker, struct connection *connection)
{
	if (tracker->table.held > (uint64_t)tracker->limits.connections * TRACKER_HELD_MEAN && connection->held)
		connection_give_up(connection);
}

bool tracker_event(struct tracker *tracker, const struct event *event)
{
	struct connection *connection;

	if (!event_is_well_formed(event)) {
		tracker->counts.malformed_events++;
		return false;
	}
	if (event->kind == EVENT_OPEN)
		return take_open(tracker, (const struct event_open *)event);
	if (event->kind == EVENT_DATAGRAM)
		connection = association_of(tracker, (const struct event_bytes *)event);
	else
		connection = connection_table_find(&tracker->table, event->connection);
	if (!connection || connection->phase == PHASE_LIBRARY)
		return false;
	connection_take(connection, event);
	connection_table_touch(&tracker->table, connection);
	weigh(tracker, connection);
	if (connection->phase == PHASE_OVER) {
		end(tracker, connection);
		connection = connection_table_find(&tracker->table, event->connection);
		if (!connection || connection->phase == PHASE_LIBRARY)
			return false;
	}
	return connection_wants_more(connection, event->direction);
}

bool tracker_follows(const struct tracker *tracker, uint64_t connection)
{
	return connection_table_find(&tracker->table, connection);
}

/* Whether a silent server may still refuse the client's answer. The library may know that the server took the answer. */
static bool silence_says_nothing(struct tracker *tracker, const struct connection *connection)
{
	return connection->phase == PHASE_LAST_WORD && connection->handshake && !connection->side[0].closed &&
	       !connection->side[1].closed && handshake_record_may_be_refused(connection->handshake) &&
	       !(tracker->join && library_join_accepted(tracker->join, connection->handshake));
}

static void time_out(struct tracker *tracker, struct connection *connection, uint64_t now_ns)
{
	if (silence_says_nothing(tracker, connection)) {
		connection_happens(connection, HAPPENING_STAYS_SILENT);
		connection_table_touch(&tracker->table, connection);
		if (now_ns - connection->last_ns < tracker->limits.handshake_timeout_ns)
			return;
	}
	if (connection->phase == PHASE_LIBRARY) {
		conclude(tracker, connection);
		return;
	}
	connection_time_out(connection);
	if (connection->phase != PHASE_OVERDUE) {
		end(tracker, connection);
		return;
	}
	report_early(tracker, connection);
	connection_table_touch(&tracker->table, connection);
	bound_overdue(tracker);
}

/* A handshake without packets: reported by a library alone. */
static void report_later(struct handshake *handshake, void *context)
{
	report(context, handshake);
}

void tracker_time(struct tracker *tracker, uint64_t now_ns)
{
	struct connection *connection;

	for (int phase = 0; phase < PHASES; phase++) {
		uint64_t time_to_live = phase_time_to_live(phase, tracker->limits.handshake_timeout_ns);

		while ((connection = connection_table_oldest(&tracker->table, phase))) {
			if (now_ns < connection->last_ns || now_ns - connection->last_ns < time_to_live)
				break;
			time_out(tracker, connection, now_ns);
		}
	}
	if (tracker->join)
		library_join_time(tracker->join, now_ns, report_later, tracker);
	if (tracker->statements)
		library_statements_time(tracker->statements, now_ns, tracker->limits.handshake_timeout_ns);
}

int tracker_listen(struct tracker *tracker)
{
	const struct library_join_limits limits = {
		.handshakes = tracker->limits.connections < SIGHTINGS_MAX ? tracker->limits.connections : SIGHTINGS_MAX,
		.timeout_ns = tracker->limits.handshake_timeout_ns,
	};

	tracker->join = library_join_new(&limits);
	tracker->statements = library_statements_new(limits.handshakes);
	return tracker->join && tracker->statements ? 0 : -ENOMEM;
}

/* Whether a library's word may match this handshake. The hello of a renegotiation is encrypted: any may match. */
static bool may_be_of(const struct library_handshake *seen, const struct handshake *handshake)
{
	return handshake->facts.renegotiation ||
	       !memcmp(handshake->client_hello.random, seen->random, sizeof(seen->random));
}

/* Conclude the handshakes waiting only for this word. */
static void conclude_waiting(struct tracker *tracker, const struct library_handshake *seen)
{
	struct connection *connection = connection_table_oldest(&tracker->table, PHASE_LIBRARY), *next;

	for (; connection; connection = next) {
		next = TAILQ_NEXT(connection, queued);
		if (may_be_of(seen, connection->handshake) && !library_join_waits(tracker->join, connection->handshake))
			conclude(tracker, connection);
	}
}

void tracker_library(struct tracker *tracker, const struct library_handshake *seen, const char *library)
{
	if (!tracker->join)
		return;
	library_join_take(tracker->join, seen, library);
	if (seen->view.client_finished || seen->view.damaged)
		conclude_waiting(tracker, seen);
}

/* Conclude the handshakes waiting only for this word on the local end. */
static void conclude_failed(struct tracker *tracker, const struct library_statement *statement)
{
	struct connection *connection = connection_table_oldest(&tracker->table, PHASE_LIBRARY), *next;

	for (; connection; connection = next) {
		const struct handshake *handshake = connection->handshake;

		next = TAILQ_NEXT(connection, queued);
		if (!memcmp(handshake->client_hello.random, statement->client_random, MESSAGE_RANDOM) &&
		    !library_join_waits(tracker->join, handshake) && !awaits_cause(tracker, handshake))
			conclude(tracker, connection);
	}
}

void tracker_statement(struct tracker *tracker, const struct library_event *event, const struct library_handshake *seen)
{
	struct library_statement statement;

	if (!tracker->statements || library_statement_read(event, seen, &statement))
		return;
	library_statements_take(tracker->statements, &statement);
	if (statement.kind == LIBRARY_FAILURE)
		conclude_failed(tracker, &statement);
}

const struct library_join_counts *tracker_library_counts(const struct tracker *tracker)
{
	return tracker->join ? library_join_counts(tracker->join) : NULL;
}

void tracker_lost_events(struct tracker *tracker)
{
	struct connection *connection;

	for (int phase = 0; phase < PHASES; phase++)
		TAILQ_FOREACH (connection, &tracker->table.queue[phase], queued)
			if (connection->loss == LOSS_NONE)
				connection->loss = LOSS_NEARBY;
}

void tracker_finish(struct tracker *tracker)
{
	struct connection *connection;

	for (int phase = 0; phase < PHASES; phase++) {
		while ((connection = connection_table_oldest(&tracker->table, phase))) {
			connection_gather(connection);
			conclude(tracker, connection);
		}
	}
	if (tracker->join)
		library_join_time(tracker->join, UINT64_MAX, report_later, tracker);
}

const struct tracker_counts *tracker_counts(const struct tracker *tracker)
{
	return &tracker->counts;
}

void tracker_followed(const struct tracker *tracker, uint32_t followed[TRACKER_STATES])
{
	const uint32_t *queued = tracker->table.queued;

	followed[TRACKER_HANDSHAKE] = queued[PHASE_HANDSHAKE] + queued[PHASE_UNANSWERED];
	followed[TRACKER_LAST_WORD] = queued[PHASE_LAST_WORD] + queued[PHASE_DOUBTED];
	followed[TRACKER_LIBRARY] = queued[PHASE_LIBRARY];
}
