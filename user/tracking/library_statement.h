/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_statement - reports of TLS libraries beside their messages (struct library_cause): the error that ends a
 * handshake, and the verdict on the peer's certificates. Kept by the random of the ClientHello until the record of the
 * same end of the same connection is judged. Pure. The bytes come from other processes: any of them may lie.
 *
 * A statement counts for a record only if its process writes to the record's socket (library_owns()).
 */
#ifndef TRACKING_LIBRARY_STATEMENT_H
#define TRACKING_LIBRARY_STATEMENT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/library_event.h"
#include "handshake/handshake.h"
#include "tracking/transcript.h"

struct library_statement {
	uint8_t kind;    /* LIBRARY_FAILURE or LIBRARY_VERIFICATION */
	uint8_t library; /* enum library_cause_of */
	bool is_server;  /* the process's role */
	uint8_t client_random[MESSAGE_RANDOM];
	uint8_t server_random[MESSAGE_RANDOM]; /* all zero: no ServerHello yet */
	int32_t code;
	int32_t alert; /* FAILURE: the sent alert, -1: none */
	uint32_t process;
	uint64_t cgroup;
	uint64_t time_ns;
};

/*
 * Read an event. An event without randoms (Go) is of the handshake that its handle names: seen, NULL if not known. Returns 0;
 * -EINVAL: of no valid form; -ENOENT: no connection is named.
 */
int library_statement_read(const struct library_event *event, const struct library_handshake *seen,
                           struct library_statement *statement);

/*
 * Whether a process may speak for the local end of a record: the kernel saw it write to the socket, or, as long as nobody was
 * seen to write, the process opened the socket or is in the socket's cgroup.
 */
bool library_owns(const struct handshake *handshake, uint32_t process, uint64_t cgroup);

struct library_statements;

/* At most `limit` connections at once; the oldest makes room. NULL if there is no memory. */
struct library_statements *library_statements_new(uint32_t limit);
void library_statements_free(struct library_statements *statements);

/* Keep a statement: of errors the first, of verdicts the last. */
void library_statements_take(struct library_statements *statements, const struct library_statement *statement);

/*
 * Before the verdict: set verification, and failure if the library reports a failure. The library's report on the
 * ending side goes into the facts. Counts statements by processes of others. Returns the time of the error; 0: none.
 */
uint64_t library_statements_fill(struct library_statements *statements, struct handshake *handshake);

/* Whether the library at the end of a record has said that the handshake failed. */
bool library_statements_failed(struct library_statements *statements, const struct handshake *handshake);

/*
 * After the verdict: an error after a completed handshake is no failure of the handshake, and a server that ends the
 * handshake after an empty answer, without a reason, requires a certificate.
 */
void library_statements_settle(struct handshake *handshake, uint64_t failed_ns);

/* Forget statements older than the time-out. */
void library_statements_time(struct library_statements *statements, uint64_t now_ns, uint64_t timeout_ns);

/* Statements on a connection by processes that do not write to its socket. */
uint64_t library_statements_foreign(const struct library_statements *statements);

#endif /* TRACKING_LIBRARY_STATEMENT_H */
