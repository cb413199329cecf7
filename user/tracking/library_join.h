/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_join - the views of TLS libraries (transcript.h). A view is kept until the wire's record of the same handshake is
 * judged, and joined to the record by the randoms of both hellos. Pure: no I/O, no clock.
 *
 * A host with both ends of a connection has two records and two libraries. Causality assigns the views: a library hashes a sent
 * message before the wire shows the message, and a received message after. A view counts for the record of its own end only: a
 * peer must not testify about its peer.
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
	uint64_t table_full; /* handshakes that made room for others before a join */
};

/* The judged record of a handshake without packets. The callee may change the record until the callee returns. */
typedef void (*library_join_report)(struct handshake *handshake, void *context);

struct library_join;

/* NULL where there is no memory. */
struct library_join *library_join_new(const struct library_join_limits *limits);
void library_join_free(struct library_join *join);

/* More is known of a handshake. library is the name of the library, NULL where not known. */
void library_join_take(struct library_join *join, const struct library_handshake *seen, const char *library);

/*
 * Whether a library may still report more: in TLS 1.3 the library of the record's end has begun the handshake; or the library
 * saw the first handshake of a connection that renegotiates now.
 */
bool library_join_waits(struct library_join *join, const struct handshake *handshake);

/* Whether the library of the server's end went on to the client's Finished: the server took the client's answer. */
bool library_join_accepted(struct library_join *join, const struct handshake *handshake);

/* Whether the library at the end of a record was seen in its handshake. */
bool library_join_knows(struct library_join *join, const struct handshake *handshake);

/* Whether a renegotiation was told already, as the library saw it. */
bool library_join_told(struct library_join *join, const struct handshake *handshake);

/* Fill a record with the view of its end's library: facts.library, process, library, and everything encrypted. */
void library_join_fill(struct library_join *join, struct handshake *handshake);

/* A record is reported: later handshakes of the connection get the same addresses. */
void library_join_remember(struct library_join *join, const struct handshake *handshake);

/* Report handshakes without packets after their end; forget views without a record. */
void library_join_time(struct library_join *join, uint64_t now_ns, library_join_report report, void *context);

const struct library_join_counts *library_join_counts(const struct library_join *join);

#endif /* TRACKING_LIBRARY_JOIN_H */
