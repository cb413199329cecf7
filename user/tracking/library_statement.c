// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/library_statement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "handshake/library_reason.h"

enum {
	BUCKETS = 1 << 12,
	CERTIFICATE_VERIFY_FAILED = 134, /* SSL_R_CERTIFICATE_VERIFY_FAILED */
	UNEXPECTED_EOF = 294,            /* SSL_R_UNEXPECTED_EOF_WHILE_READING: the peer ended the connection */
};

static const uint8_t nobody[MESSAGE_RANDOM];

/* What one process said of one end of a connection. */
struct entry {
	LIST_ENTRY(entry) by_random;
	TAILQ_ENTRY(entry) aged;
	bool failed;
	bool verified;
	struct library_statement failure;
	struct library_statement verification;
	struct library_statement latest;
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(queue, entry);

struct library_statements {
	uint32_t limit;
	uint32_t entries;
	uint64_t foreign;
	struct queue aged; /* the latest statement longest ago first */
	struct bucket by_random[BUCKETS];
};

/* Whose handshake it is, by the messages at the same handle. */
static int take_connection(struct library_statement *statement, const struct library_handshake *seen)
{
	if (!seen || seen->process != statement->process || seen->role == ROLE_OBSERVER || seen->view.renegotiation)
		return -ENOENT;
	memcpy(statement->client_random, seen->random, MESSAGE_RANDOM);
	memcpy(statement->server_random, seen->server_random, MESSAGE_RANDOM);
	statement->is_server = seen->role == ROLE_SERVER;
	return memcmp(statement->client_random, nobody, MESSAGE_RANDOM) ? 0 : -ENOENT;
}

int library_statement_read(const struct library_event *event, const struct library_handshake *seen,
                           struct library_statement *statement)
{
	struct library_cause cause;
	bool client_first;

	if (event->size < sizeof(*event) + sizeof(cause) || event->length < sizeof(cause))
		return -EINVAL;
	memcpy(&cause, event->data, sizeof(cause));
	client_first = cause.library == LIBRARY_CAUSE_GNUTLS;
	*statement = (struct library_statement){
		.kind = event->kind,
		.library = cause.library,
		.is_server = cause.is_server,
		.code = cause.code,
		.alert = cause.alert,
		.process = event->process,
		.cgroup = event->cgroup,
		.time_ns = event->time_ns,
	};
	memcpy(statement->server_random, cause.random[client_first], MESSAGE_RANDOM);
	memcpy(statement->client_random, cause.random[!client_first], MESSAGE_RANDOM);
	if (cause.library == LIBRARY_CAUSE_GO)
		return take_connection(statement, seen);
	return memcmp(statement->client_random, nobody, MESSAGE_RANDOM) ? 0 : -ENOENT;
}

bool library_owns(const struct handshake *handshake, uint32_t process, uint64_t cgroup)
{
	if (handshake->writer.process)
		return handshake->writer.process == process;
	if (handshake->owner.id && handshake->owner.id == process)
		return true;
	return cgroup && cgroup == handshake->cgroup;
}

struct library_statements *library_statements_new(uint32_t limit)
{
	struct library_statements *statements = calloc(1, sizeof(*statements));

	if (!statements)
		return NULL;
	statements->limit = limit;
	TAILQ_INIT(&statements->aged);
	return statements;
}

static struct bucket *bucket_of(struct library_statements *statements, const uint8_t random[MESSAGE_RANDOM])
{
	uint64_t key;

	memcpy(&key, random + MESSAGE_RANDOM - sizeof(key), sizeof(key));
	return &statements->by_random[(key * 0x9e3779b97f4a7c15ull >> 32) % BUCKETS];
}

static void entry_free(struct library_statements *statements, struct entry *entry)
{
	LIST_REMOVE(entry, by_random);
	TAILQ_REMOVE(&statements->aged, entry, aged);
	statements->entries--;
	free(entry);
}

void library_statements_free(struct library_statements *statements)
{
	if (!statements)
		return;
	while (!TAILQ_EMPTY(&statements->aged))
		entry_free(statements, TAILQ_FIRST(&statements->aged));
	free(statements);
}

static struct entry *entry_of(struct library_statements *statements, const struct library_statement *statement)
{
	struct entry *entry;

	LIST_FOREACH (entry, bucket_of(statements, statement->client_random), by_random)
		if (entry->latest.process == statement->process && entry->latest.is_server == statement->is_server &&
		    !memcmp(entry->latest.client_random, statement->client_random, MESSAGE_RANDOM))
			return entry;
	if (statements->entries >= statements->limit)
		entry_free(statements, TAILQ_FIRST(&statements->aged));
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	LIST_INSERT_HEAD(bucket_of(statements, statement->client_random), entry, by_random);
	TAILQ_INSERT_TAIL(&statements->aged, entry, aged);
	statements->entries++;
	return entry;
}

void library_statements_take(struct library_statements *statements, const struct library_statement *statement)
{
	struct entry *entry = entry_of(statements, statement);

	if (!entry)
		return;
	entry->latest = *statement;
	TAILQ_REMOVE(&statements->aged, entry, aged);
	TAILQ_INSERT_TAIL(&statements->aged, entry, aged);
	if (statement->kind == LIBRARY_VERIFICATION) {
		entry->verified = true;
		entry->verification = *statement;
	} else if (!entry->failed) {
		/* errors that follow are consequences */
		entry->failed = true;
		entry->failure = *statement;
	}
}

static struct library_reason reason_of_verification(const struct library_statement *statement)
{
	return statement->library == LIBRARY_CAUSE_GNUTLS ? library_reason_of_gnutls_status(statement->code)
	                                                  : library_reason_of_x509(statement->code);
}

static void fill_verification(struct handshake *handshake, const struct library_statement *statement)
{
	enum handshake_side peer = statement->is_server ? FROM_CLIENT : FROM_SERVER;

	handshake->verification[peer] = (struct verification){
		.known = true,
		.result = reason_of_verification(statement).reason,
		.source = FAILURE_FROM_LIBRARY,
		.code = statement->code,
	};
}

static bool is_received_alert(const struct library_statement *statement)
{
	return statement->code >= LIBRARY_REASON_ALERT && statement->code <= LIBRARY_REASON_ALERT + UINT8_MAX;
}

/* bad_certificate to access_denied, RFC 8446 section 6.2 */
static bool is_of_certificates(int32_t alert)
{
	return alert >= 42 && alert <= 49 && alert != 47;
}

/* An error of the library's own: its verdict on the chain says most, then its reason, then the alert that it sends. */
static uint8_t reason_of_own_error(const struct entry *entry)
{
	const struct library_statement *failure = &entry->failure;
	uint8_t reason = FAILURE_OTHER;

	if (failure->library == LIBRARY_CAUSE_OPENSSL) {
		if (failure->code == CERTIFICATE_VERIFY_FAILED && entry->verified && entry->verification.code)
			return reason_of_verification(&entry->verification).reason;
		reason = library_reason_of_openssl(failure->code).reason;
	}
	/* GnuTLS and its programs send one alert for many reasons */
	if (failure->library == LIBRARY_CAUSE_GNUTLS && entry->verified && entry->verification.code &&
	    is_of_certificates(failure->alert))
		return reason_of_verification(&entry->verification).reason;
	if (reason == FAILURE_OTHER && failure->alert >= 0)
		reason = library_reason_of_alert(failure->alert).reason;
	return reason;
}

static const char *words_or(const struct library_reason *reason)
{
	return reason->words ? reason->words : "";
}

/* "X509 10 certificate has expired; SSL 134 certificate verify failed" */
static void fill_detail(struct failure *failure, const struct entry *entry)
{
	const struct library_statement *said = &entry->failure;
	const struct library_reason verdict = reason_of_verification(&entry->verification);
	struct library_reason reason;
	size_t length = 0;

	if (entry->verified && entry->verification.code && !is_received_alert(said))
		length = snprintf(failure->detail, sizeof(failure->detail), "%s %d%s%s; ",
		                  said->library == LIBRARY_CAUSE_GNUTLS ? "status" : "X509", entry->verification.code,
		                  verdict.words ? " " : "", words_or(&verdict));
	if (length >= sizeof(failure->detail))
		return;
	if (is_received_alert(said)) {
		reason = library_reason_of_alert(said->code - LIBRARY_REASON_ALERT);
		snprintf(failure->detail + length, sizeof(failure->detail) - length, "alert %d%s%s received",
		         said->code - LIBRARY_REASON_ALERT, reason.words ? " " : "", words_or(&reason));
	} else if (said->library == LIBRARY_CAUSE_OPENSSL) {
		reason = library_reason_of_openssl(said->code);
		snprintf(failure->detail + length, sizeof(failure->detail) - length, "SSL %d%s%s", said->code,
		         reason.words ? " " : "", words_or(&reason));
	} else {
		reason = library_reason_of_alert(said->alert);
		snprintf(failure->detail + length, sizeof(failure->detail) - length, "alert %d%s%s sent", said->alert,
		         reason.words ? " " : "", words_or(&reason));
	}
}

static void fill_failure(struct handshake *handshake, const struct entry *entry)
{
	const struct library_statement *said = &entry->failure;
	enum handshake_side own = said->is_server ? FROM_SERVER : FROM_CLIENT;
	enum handshake_side peer = said->is_server ? FROM_CLIENT : FROM_SERVER;
	struct failure failure = {.by = own, .source = FAILURE_FROM_LIBRARY};

	if (is_received_alert(said)) {
		failure.by = peer;
		failure.reason = library_reason_of_alert(said->code - LIBRARY_REASON_ALERT).reason;
	} else {
		if (said->library == LIBRARY_CAUSE_OPENSSL && said->code == UNEXPECTED_EOF)
			failure.by = peer;
		failure.reason = reason_of_own_error(entry);
	}
	fill_detail(&failure, entry);
	handshake->failure = failure;
}

/* Whether a process spoke of the connection of this record: the randoms of both hellos, and the role. */
static bool is_of(const struct handshake *handshake, const struct entry *entry)
{
	const struct library_statement *said = &entry->latest;

	if (memcmp(said->client_random, handshake->client_hello.random, MESSAGE_RANDOM) ||
	    said->is_server != (handshake->role == ROLE_SERVER))
		return false;
	/* the same ClientHello may have gone to another server */
	return !handshake->facts.server_hello || !memcmp(said->server_random, nobody, MESSAGE_RANDOM) ||
	       !memcmp(said->server_random, handshake->server_hello.random, MESSAGE_RANDOM);
}

/* The library knows who ended the handshake: the wire shows who closed first, and an encrypted alert is any record. */
static void fill_end(struct handshake *handshake)
{
	switch (handshake->facts.end) {
	case END_ALERT:
	case END_FIN:
	case END_RST:
		handshake->facts.ended_by = handshake->failure.by;
	}
}

void library_statements_settle(struct handshake *handshake, uint64_t failed_ns)
{
	struct failure *failure = &handshake->failure;

	if (!failed_ns)
		return;
	if (handshake->verdict.established == KNOWN_YES)
		*failure = (struct failure){.by = FAILURE_BY_NOBODY};
	/*
	 * Up to TLS 1.2 a server that requires a certificate has no alert of its own for that (RFC 5246 section 7.4.6), and
	 * Go sends bad_certificate where there is none.
	 */
	if (failure->by == FROM_SERVER && handshake->verdict.client_auth == CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE &&
	    (failure->reason == FAILURE_BAD_CERTIFICATE ||
	     (failure->reason == FAILURE_OTHER && !handshake->facts.version_1_3)))
		failure->reason = FAILURE_CERTIFICATE_REQUIRED;
}

uint64_t library_statements_fill(struct library_statements *statements, struct handshake *handshake)
{
	uint64_t failed_ns = 0;
	struct entry *entry;

	if (!handshake->facts.client_hello || handshake->role == ROLE_OBSERVER || handshake->facts.renegotiation)
		return 0;
	LIST_FOREACH (entry, bucket_of(statements, handshake->client_hello.random), by_random) {
		if (!is_of(handshake, entry))
			continue;
		if (!library_owns(handshake, entry->latest.process, entry->latest.cgroup)) {
			statements->foreign++;
			continue;
		}
		if (entry->verified)
			fill_verification(handshake, &entry->verification);
		if (!entry->failed)
			continue;
		fill_failure(handshake, entry);
		fill_end(handshake);
		failed_ns = entry->failure.time_ns;
	}
	return failed_ns;
}

bool library_statements_failed(struct library_statements *statements, const struct handshake *handshake)
{
	const struct entry *entry;

	LIST_FOREACH (entry, bucket_of(statements, handshake->client_hello.random), by_random)
		if (entry->failed && is_of(handshake, entry) &&
		    library_owns(handshake, entry->latest.process, entry->latest.cgroup))
			return true;
	return false;
}

void library_statements_time(struct library_statements *statements, uint64_t now_ns, uint64_t timeout_ns)
{
	struct entry *entry;

	while ((entry = TAILQ_FIRST(&statements->aged)) && now_ns > entry->latest.time_ns &&
	       now_ns - entry->latest.time_ns >= timeout_ns)
		entry_free(statements, entry);
}

uint64_t library_statements_foreign(const struct library_statements *statements)
{
	return statements->foreign;
}
