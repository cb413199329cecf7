/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * transcript - what TLS libraries feed to their transcript hash (library_event.h) -> the handshakes that they made. Pure: no
 * I/O, no kernel, no clock of its own. The bytes come from other processes: any of them may lie.
 */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "../bpf/library_event.h"
#include "message.h"

enum transcript_bounds {
	TRANSCRIPT_RANDOM = 32, /* ClientHello.random, RFC 8446 section 4.1.2 */
};

/* One handshake as a library saw it. What a field says was seen; what was not seen is not known. */
struct library_handshake {
	uint8_t random[TRANSCRIPT_RANDOM]; /* of ClientHello: what joins it to the connection */
	uint32_t process;
	uint32_t target;
	uint64_t cgroup;
	uint64_t start_ns; /* of the first bytes */
	char name[LIBRARY_NAME_MAX];

	bool version_1_3;
	bool server_hello;
	bool certificate_request;
	bool server_certificate;
	bool client_certificate; /* 11 from the client, empty or not */
	bool client_certificate_empty;
	bool server_finished;
	bool client_finished;
	bool damaged;        /* bytes are missing, or are no transcript: what was not seen is not known */
	bool renegotiation;  /* a later handshake in the same connection: its ClientHello was never in cleartext */
	bool post_handshake; /* TLS 1.3: the request came behind the handshake (RFC 8446 section 4.6.2) */
	const struct certificate
		*certificate; /* the client's, NULL where none was read; for as long as the call lasts */
};

/* Something new is known of a handshake: called again as more becomes known. The record is read until it returns. */
typedef void (*transcript_report)(const struct library_handshake *handshake, void *context);

struct transcript_table;

struct transcript_counts {
	uint64_t handshakes; /* of which a ClientHello was seen */
	uint64_t strangers;  /* calls that began with no transcript: other uses of the probed function */
	uint64_t damaged;    /* handshakes with missing bytes or of no form known */
	uint64_t table_full; /* handshakes that made room for others before they were over */
};

/* NULL where there is no memory. At most `handshakes` are followed at once; the one that was quiet for longest makes room. */
struct transcript_table *transcript_table_new(uint32_t handshakes, transcript_report report, void *context);
void transcript_table_free(struct transcript_table *table);
void transcript_table_event(struct transcript_table *table, const struct library_event *event);
const struct transcript_counts *transcript_table_counts(const struct transcript_table *table);

#endif /* TRANSCRIPT_H */
