/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * transcript - input of the transcript hash in TLS libraries (library_event.h) -> handshakes. Pure: no I/O, no kernel, no clock.
 * The bytes come from other processes, and any process may lie.
 */
#ifndef TRACKING_TRANSCRIPT_H
#define TRACKING_TRANSCRIPT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/library_event.h"
#include "handshake/handshake.h"
#include "tls/message.h"

/*
 * One handshake as a library saw it. A set field is a fact. An unset field proves nothing, unless a later message was seen: the
 * order of messages is enforced (RFC 8446 section 2, RFC 5246 section 7.3). The first message out of order, or a missing byte
 * outside of a body, sets view.damaged, and nothing is read after that.
 */
struct library_handshake {
	uint64_t id; /* never used twice */
	/*
	 * The randoms of the first hellos of the connection, which were in cleartext, join the view to a record. Both are needed,
	 * since anybody can send a copy of a ClientHello. server_random is set with view.server_hello. All zeroes: unknown.
	 */
	uint8_t random[MESSAGE_RANDOM];
	uint8_t server_random[MESSAGE_RANDOM];
	uint32_t process;
	uint32_t target;
	uint64_t cgroup;
	uint64_t start_ns; /* of the first bytes */
	uint64_t last_ns;  /* of the latest */
	char name[LIBRARY_NAME_MAX];
	uint8_t role; /* enum handshake_role of the process, where the probe tells; else ROLE_OBSERVER */
	/* library_message.time_ns is the message's own time if the message was the last of its call */
	struct library_view view;
	struct certificate_request *request; /* NULL where none was read; all three belong to the handshake */
	struct certificate *certificate;     /* the client's */
	struct certificate *server_certificate;
	uint16_t messages; /* kept */
	struct library_message message[LIBRARY_MESSAGES_MAX];
};

/* Something new is known of a handshake: called again as more becomes known. The record is read until it returns. */
typedef void (*transcript_report)(const struct library_handshake *handshake, void *context);

struct transcript_table;

struct transcript_limits {
	uint32_t handshakes;  /* followed at once; the quietest makes room */
	bool no_certificates; /* leave request and certificate NULL */
};

struct transcript_counts {
	uint64_t handshakes;       /* of which a ClientHello was seen */
	uint64_t strangers;        /* calls that began with no transcript: other uses of the probed function */
	uint64_t damaged;          /* handshakes with missing bytes or of no form known */
	uint64_t table_full;       /* handshakes that made room for others before their end */
	uint64_t malformed_events; /* events whose size contradicts their fields */
};

/* NULL where there is no memory. */
struct transcript_table *transcript_table_new(const struct transcript_limits *limits, transcript_report report,
                                              void *context);
void transcript_table_free(struct transcript_table *table);

/* event->size bytes are there. */
void transcript_table_event(struct transcript_table *table, const struct library_event *event);

/* The handshake that a process makes, or made last, at a handle. NULL: not known. */
const struct library_handshake *transcript_table_handshake(struct transcript_table *table, uint64_t handle,
                                                           uint32_t process);

const struct transcript_counts *transcript_table_counts(const struct transcript_table *table);

#endif /* TRACKING_TRANSCRIPT_H */
