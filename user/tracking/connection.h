/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * connection - one connection: events in, the record of its handshake out. Knows no other connection, no table and no
 * clock. Only the wing tracking/ includes this header.
 */
#ifndef TRACKING_CONNECTION_H
#define TRACKING_CONNECTION_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "bpf/shared/event.h"
#include "handshake/handshake.h"
#include "stream/stream.h"
#include "tls/body.h"
#include "tls/parse_cache.h"
#include "tracking/phase.h"
#include "tracking/services.h"
#include "tracking/tracker.h"

/* What all connections share. */
struct connection_surroundings {
	struct parse_cache *cache;     /* NULL: nobody wants to know what certificates say */
	struct tracker_counts *counts; /* the tracker's */
	const struct services *services;
	int64_t realtime_offset_ns;
};

/* One direction. */
struct side {
	struct body body;
	struct stream *stream; /* NULL: the kernel decodes the bytes */
	bool seen;             /* an event of this direction came */
	bool closed;           /* FIN */
	bool close_waits;      /* a FIN or RST came, and bytes before it did not */
	bool lost_track;       /* established: the kernel does not know where the next record begins */
	__u8 close_how;
	__u32 close_sequence;
};

enum loss {
	LOSS_NONE,
	LOSS_NEARBY, /* the source lost events while the connection was open: perhaps of this connection */
	LOSS_OWN,    /* an event of this connection was lost */
};

/* A record that was reported before the handshake had ended. */
struct early_record {
	bool reported;
	struct verdict verdict;
	char id[EVENT_ID_MAX];
};

struct connection {
	LIST_ENTRY(connection) bucket;
	TAILQ_ENTRY(connection) queued;
	const struct connection_surroundings *surroundings;
	struct event_open open;
	uint64_t random; /* DTLS: tells one association from the next on the same ports; 0: not known */
	uint64_t last_ns;
	uint32_t held;             /* bytes behind gaps and of incomplete messages, as of the last event */
	__u8 phase;                /* enum phase */
	__u8 queue;                /* enum phase: the table's queue that the connection stands in */
	__u8 loss;                 /* enum loss */
	bool established;          /* a handshake up to TLS 1.2 has completed: what comes is a renegotiation */
	bool draining;             /* held events come out: all of them precede the end */
	bool timed_out;            /* the absence of events ended the handshake */
	bool overdue;              /* the handshake took longer than the time-out, or gave way to another one */
	bool plaintext;            /* a service of TLS: the first bytes are no ClientHello */
	bool translated;           /* nat_local and nat_remote are known */
	bool gathered;             /* the record is complete */
	__u8 client_direction;     /* enum event_direction of the ClientHello; EVENT_DIRECTIONS: not known yet */
	struct event first;        /* where plaintext: of the first bytes */
	struct endpoint nat_local; /* the addresses in the packets that the local end sends */
	struct endpoint nat_remote;
	struct writer writer;        /* of the local end, the latest */
	struct handshake *handshake; /* NULL before the first message */
	struct early_record early;
	struct side side[EVENT_DIRECTIONS];
};

/* NULL: no memory. */
struct connection *connection_new(const struct event_open *open, const struct connection_surroundings *surroundings);
void connection_free(struct connection *connection);

void connection_happens(struct connection *connection, enum happening happening);

/* Take an event of this connection other than EVENT_OPEN. */
void connection_take(struct connection *connection, const struct event *event);

/* The kernel saw the connection's handshake end. open says which end is the client of a renegotiation. */
void connection_establish(struct connection *connection, const struct event_open *open);

/*
 * The time of the phase is over. The phase says what follows: PHASE_OVER, or PHASE_OVERDUE if the handshake may go on. A
 * time-out is no end.
 */
void connection_time_out(struct connection *connection);

/* The connection leaves the table before its handshake has ended. */
void connection_give_way(struct connection *connection);

/* The record as far as complete. The connection owns the record's targets. */
void connection_preview(const struct connection *connection, struct handshake *record);

/* Nothing more comes: let out what is held back, and complete the record. */
void connection_gather(struct connection *connection);

/* Whether the connection lives on behind its reported handshake, and may renegotiate. */
bool connection_goes_on(const struct connection *connection);
void connection_go_on(struct connection *connection);

/* Directions that are no longer followed, of an ending connection. */
uint32_t connection_unfollowed(const struct connection *connection);

/* Whether the source has to go on with the events of this direction. */
bool connection_wants_more(const struct connection *connection, uint8_t direction);

/* Bytes of memory that held data takes. */
uint32_t connection_held(const struct connection *connection);

/* Give the connection up: it holds more than the bound on all connections allows. */
void connection_give_up(struct connection *connection);

#endif /* TRACKING_CONNECTION_H */
