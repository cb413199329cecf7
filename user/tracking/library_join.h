/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_join - what TLS libraries saw (transcript.h), kept until the wire's record of the same handshake is judged, and
 * joined to it by the randoms of both hellos. Pure: no I/O, no clock of its own.
 *
 * On a host that is both ends there are two records and two libraries: which is whose, causality says. A library hashes what
 * it sends before the wire shows it, and what it receives after. What it says counts for the record of its own end alone: the
 * other end may be anybody, and would be asked about himself.
 */
#ifndef TRACKING_LIBRARY_JOIN_H
#define TRACKING_LIBRARY_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "handshake/handshake.h"
#include "tracking/transcript.h"

struct library_join_limits {
	uint32_t handshakes; /* kept at once, and as many connections for what comes later; the oldest makes room */
	uint64_t timeout_ns; /* kept for so long behind the latest word */
};

struct library_join_counts {
	uint64_t joined;     /* records with a library's view */
	uint64_t unjoined;   /* handshakes of libraries of which the wire has no record */
	uint64_t untold;     /* records of TLS 1.3 at sockets of this host without a library's view */
	uint64_t table_full; /* handshakes that made room for others before they were joined */
};

/* A record, judged, of a handshake that no packet shows. It is the callee's until it returns. */
typedef void (*library_join_report)(struct handshake *handshake, void *context);

struct library_join;

/* NULL where there is no memory. */
struct library_join *library_join_new(const struct library_join_limits *limits);
void library_join_free(struct library_join *join);

/* More is known of a handshake. library is the name of the library, NULL where not known. */
void library_join_take(struct library_join *join, const struct library_handshake *seen, const char *library);

/*
 * Whether the library at the end of a record has begun its handshake, in TLS 1.3, and may still have a word to say of it; or
 * has seen the first handshake of a connection that renegotiates, and may have a word to say of that.
 */
bool library_join_waits(struct library_join *join, const struct handshake *handshake);

/* Whether the library of the server's end went on to the client's Finished: the server took the client's answer. */
bool library_join_accepted(struct library_join *join, const struct handshake *handshake);

/* Whether the library at the end of a record was seen in its handshake. */
bool library_join_knows(struct library_join *join, const struct handshake *handshake);

/* Whether a renegotiation was told already, as the library saw it. */
bool library_join_told(struct library_join *join, const struct handshake *handshake);

/* Set in a record what the library of its end saw: facts.library, process, library, and what the wire does not show. */
void library_join_fill(struct library_join *join, struct handshake *handshake);

/* A record is reported: later handshakes of its connection are told with its addresses. */
void library_join_remember(struct library_join *join, const struct handshake *handshake);

/* Report handshakes that no packet shows, once they are over; forget what nobody joined. */
void library_join_time(struct library_join *join, uint64_t now_ns, library_join_report report, void *context);

const struct library_join_counts *library_join_counts(const struct library_join *join);

#endif /* TRACKING_LIBRARY_JOIN_H */
