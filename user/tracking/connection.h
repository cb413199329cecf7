/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * connection - events (event.h) -> one record per handshake (handshake.h), reported as it ends. No I/O, no kernel, no
 * clock of its own: time comes with the events.
 */
#ifndef TRACKING_CONNECTION_H
#define TRACKING_CONNECTION_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/event.h"
#include "handshake/handshake.h"
#include "tracking/library_join.h"
#include "handshake/policy.h"

enum connection_bounds {
	CONNECTION_HELD_MEAN =
		16 * 1024, /* bytes held behind gaps and of incomplete messages, times limits.connections */
};

struct connection_limits {
	uint32_t connections;          /* at once; a new one beyond it is not followed, and counted */
	uint64_t handshake_timeout_ns; /* without any event: the handshake has ended */
	bool no_certificates; /* leave handshake.request and .certificate NULL: the most work, and no verdict needs it */
};

/* What a connection that is followed is waiting for. */
enum connection_state {
	CONNECTION_HANDSHAKE, /* for the handshake to begin, or go on */
	CONNECTION_LAST_WORD, /* one side has had its say, and the other may still have something to say */
	CONNECTION_LIBRARY,   /* over, but the TLS library that makes it may have seen more than it has told */
	CONNECTION_STATES,
};

/* What was counted; only grows. */
struct connection_counts {
	uint64_t handshakes;  /* reported */
	uint64_t table_full;  /* connections not followed */
	uint64_t events_lost; /* connections of which an event was lost */
	uint64_t gaps;        /* directions with bytes that never came */
	uint64_t bounds; /* directions of which more had to be held than the bound, or connections beyond that of all */
	uint64_t malformed_events; /* events whose size does not fit their kind */
	uint64_t conflicts;        /* handshakes of which two kinds of evidence disagree */
	uint64_t unfollowed;       /* established connections of which a renegotiation would not be seen any more */
};

/* A handshake has ended and is judged. The record is the callee's to read until it returns. */
typedef void (*connection_report)(const struct handshake *handshake, void *context);

struct connection_table;

/* NULL where there is no memory. */
struct connection_table *connection_table_new(const struct connection_limits *limits, connection_report report,
                                              void *context);
void connection_table_free(struct connection_table *table);

/* From here on handshakes are judged by this policy too, which stays the caller's; NULL: by none, as at the beginning. */
void connection_table_set_policy(struct connection_table *table, const struct policy *policy);

/*
 * Take an event. Returns whether more events of this direction of the connection are wanted: a source that can stop (a
 * capture) may leave out the rest.
 */
bool connection_table_event(struct connection_table *table, const struct event *event);

/* The events' clock stands at now_ns: end the handshakes whose time is over. Call it now and then. */
void connection_table_time(struct connection_table *table, uint64_t now_ns);

/*
 * The source has lost events, and cannot say of which connections: those open now that nothing ends any more count among
 * them.
 */
void connection_table_lost_events(struct connection_table *table);

/*
 * Libraries are listened to: what they tell goes to connection_table_library(), and before each event what they had told
 * until then. Returns 0, or -ENOMEM.
 */
int connection_table_listen(struct connection_table *table);

/* More is known of a handshake (transcript_report). library is the name of the library, NULL where not known. */
void connection_table_library(struct connection_table *table, const struct library_handshake *seen,
                              const char *library);

/* NULL where libraries are not listened to. */
const struct library_join_counts *connection_table_library_counts(const struct connection_table *table);

/* What has to be added to an event's time_ns to get nanoseconds since the epoch. */
void connection_table_set_realtime_offset(struct connection_table *table, int64_t offset_ns);

/* The input has ended: report what is left. */
void connection_table_finish(struct connection_table *table);

const struct connection_counts *connection_table_counts(const struct connection_table *table);

/* How many connections are followed now. */
void connection_table_followed(const struct connection_table *table, uint32_t followed[CONNECTION_STATES]);

#endif /* TRACKING_CONNECTION_H */
