/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tracker - all connections: events (bpf/shared/event.h) -> one record per handshake (handshake/handshake.h), reported when
 * the handshake ends. No I/O, no kernel, no clock: time comes with the events.
 */
#ifndef TRACKING_TRACKER_H
#define TRACKING_TRACKER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/event.h"
#include "handshake/handshake.h"
#include "handshake/policy.h"
#include "tracking/library_join.h"
#include "tracking/library_statement.h"

enum tracker_bounds {
	/* Bytes that a connection may hold on average: behind gaps, and of incomplete messages. */
	TRACKER_HELD_MEAN = 16 * 1024,
};

struct tracker_limits {
	uint32_t connections;          /* at once; a new one beyond the limit is counted, and not followed */
	uint64_t handshake_timeout_ns; /* without an event */
	bool no_certificates; /* leave handshake.request and .certificate NULL: parsing costs most, no verdict needs it */
};

/* What a followed connection waits for. */
enum tracker_state {
	TRACKER_HANDSHAKE, /* the handshake begins, or goes on */
	TRACKER_LAST_WORD, /* one side has said all; the other side may still speak */
	TRACKER_LIBRARY,   /* the handshake is over; the TLS library may not have reported all of it */
	TRACKER_STATES,
};

/* Counters only grow. */
struct tracker_counts {
	uint64_t handshakes;       /* reported */
	uint64_t table_full;       /* connections that found no room, or were given up for others */
	uint64_t events_lost;      /* connections of which an event was lost */
	uint64_t gaps;             /* directions with bytes that never came */
	uint64_t bounds;           /* directions, or connections, that had more to hold than the bounds allow */
	uint64_t malformed_events; /* events whose size does not match their kind */
	uint64_t conflicts;        /* handshakes of which two kinds of evidence disagree */
	uint64_t unfollowed;       /* established connections whose renegotiation would not be seen any more */
};

/* A handshake has ended and is judged. The callee may read the record until it returns. */
typedef void (*tracker_report)(const struct handshake *handshake, void *context);

/* A service has completed a TLS handshake. Called each time. family is 4 or 6. */
typedef void (*tracker_service)(const struct endpoint *service, uint8_t family, void *context);

struct tracker;

/* NULL: no memory. */
struct tracker *tracker_new(const struct tracker_limits *limits, tracker_report report, void *context);
void tracker_free(struct tracker *tracker);

/* Judge handshakes by this policy from here on; NULL: by no policy, as at the beginning. The caller keeps the policy. */
void tracker_set_policy(struct tracker *tracker, const struct policy *policy);

/* Report services that speak TLS. NULL: no more. */
void tracker_set_service(struct tracker *tracker, tracker_service service, void *context);

/* A service that speaks TLS, as somebody knows. family 0: any address. */
void tracker_add_service(struct tracker *tracker, const struct endpoint *service, uint8_t family);

/*
 * Take an event. Returns whether the source has to go on with this direction of the connection. A reader of files may skip
 * the rest otherwise.
 */
bool tracker_event(struct tracker *tracker, const struct event *event);

/* Whether the tracker follows this connection, and has not given it up. */
bool tracker_follows(const struct tracker *tracker, uint64_t connection);

/* The clock of the events is at now_ns: end the handshakes whose time is over. Call this now and then. */
void tracker_time(struct tracker *tracker, uint64_t now_ns);

/* The source has lost events of unknown connections: those open now may be incomplete, unless an event ends them. */
void tracker_lost_events(struct tracker *tracker);

/*
 * TLS libraries are probed. Before each event the caller passes everything older that libraries reported, by
 * tracker_library(). Returns 0, or -ENOMEM.
 */
int tracker_listen(struct tracker *tracker);

/* A library reported more of a handshake (transcript_report). library is the library's name; NULL: not known. */
void tracker_library(struct tracker *tracker, const struct library_handshake *seen, const char *library);

/*
 * A library says why a handshake failed, or what it thinks of a chain: an event of these kinds (library_statement.h). seen is
 * the handshake at the event's handle, NULL if not known.
 */
void tracker_statement(struct tracker *tracker, const struct library_event *event,
                       const struct library_handshake *seen);

/* NULL: libraries are not probed. */
const struct library_join_counts *tracker_library_counts(const struct tracker *tracker);

/* Add offset_ns to an event's time_ns to get nanoseconds since the epoch. */
void tracker_set_realtime_offset(struct tracker *tracker, int64_t offset_ns);

/* The input has ended: report what is left. */
void tracker_finish(struct tracker *tracker);

const struct tracker_counts *tracker_counts(const struct tracker *tracker);

/* How many connections are followed now, by what they wait for. */
void tracker_followed(const struct tracker *tracker, uint32_t followed[TRACKER_STATES]);

#endif /* TRACKING_TRACKER_H */
