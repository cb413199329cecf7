// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "evidence/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/pcapng_write.h"
#include "evidence/packets.h"
#include "evidence/trail.h"
#include "handshake/failure.h"
#include "handshake/handshake.h"
#include "handshake/verdict.h"
#include "system/log.h"

enum {
	BUCKETS = 16384,               /* a power of two */
	BYTES_MAX = 256 * 1024 * 1024, /* of all connections */
	COMMENT_MAX = 512,
	PATH_TEXT_MAX = 4096,
};

struct connection {
	LIST_ENTRY(connection) in_bucket;
	TAILQ_ENTRY(connection) by_age;
	uint64_t id;
	uint32_t bytes; /* counted so far */
	struct trail trail;
};

LIST_HEAD(bucket, connection);
TAILQ_HEAD(connections, connection);

struct evidence_writer {
	struct evidence_options options;
	FILE *file[EVIDENCE_FILES];
	uint32_t files;
	uint32_t current;
	uint64_t begun_ns; /* start of the current file; 0: nothing written so far */
	struct bucket bucket[BUCKETS];
	struct connections connections;
	uint32_t count;
	uint64_t bytes;
	uint64_t now_ns; /* of the latest event */
	int64_t realtime_offset_ns;
	struct sink_counts counts;
	int error; /* of the file: nothing more is written */
};

static FILE *open_file(const char *path)
{
	int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");

	if (!file && descriptor >= 0)
		close(descriptor);
	return file;
}

static int open_numbered(struct evidence_writer *evidence, uint32_t number)
{
	const char *path = evidence->options.path;
	char numbered[PATH_TEXT_MAX];
	int error;

	if (number) {
		if (snprintf(numbered, sizeof(numbered), "%s.%u", path, number) >= (int)sizeof(numbered))
			return -ENAMETOOLONG;
		path = numbered;
	}
	evidence->file[number] = number == 0 && !strcmp(path, "-") ? stdout : open_file(path);
	if (!evidence->file[number]) {
		error = -errno;
		log_error("%s: %s", path, strerror(-error));
		return error;
	}
	evidence->files = number + 1;
	return 0;
}

static void write_heading(struct evidence_writer *evidence)
{
	FILE *out = evidence->file[evidence->current];

	pcapng_write_section(out, "mtlsnoop " MTLSNOOP_VERSION);
	pcapng_write_interface(out, "mtlsnoop", "handshake packets; headers are rebuilt, application data is zeros");
	evidence->begun_ns = 0;
}

static void evidence_free(struct evidence_writer *evidence)
{
	for (uint32_t i = 0; i < evidence->files; i++)
		if (evidence->file[i] != stdout)
			fclose(evidence->file[i]);
	free(evidence);
}

int evidence_open(struct evidence_writer **result, const struct evidence_options *options)
{
	bool rotates = options->rotate_bytes || options->rotate_ns;
	struct evidence_writer *evidence = calloc(1, sizeof(*evidence));
	int error = 0;

	if (!evidence) {
		log_out_of_memory();
		return -ENOMEM;
	}
	if (rotates && !strcmp(options->path, "-")) {
		log_error("standard output cannot be rotated: name a file with --write, or leave out --rotate");
		free(evidence);
		return -EINVAL;
	}
	evidence->options = *options;
	TAILQ_INIT(&evidence->connections);
	for (uint32_t i = 0; i < (rotates ? EVIDENCE_FILES : 1) && !error; i++)
		error = open_numbered(evidence, i);
	if (error) {
		evidence_free(evidence);
		return error;
	}
	write_heading(evidence);
	*result = evidence;
	return 0;
}

static struct bucket *bucket_of(struct evidence_writer *evidence, uint64_t id)
{
	return &evidence->bucket[id & (BUCKETS - 1)];
}

static struct connection *connection_find(struct evidence_writer *evidence, uint64_t id)
{
	struct connection *connection;

	LIST_FOREACH (connection, bucket_of(evidence, id), in_bucket)
		if (connection->id == id)
			return connection;
	return NULL;
}

static void connection_drop(struct evidence_writer *evidence, struct connection *connection)
{
	LIST_REMOVE(connection, in_bucket);
	TAILQ_REMOVE(&evidence->connections, connection, by_age);
	evidence->count--;
	evidence->bytes -= connection->bytes;
	trail_release(&connection->trail);
	free(connection);
}

static void connection_add(struct evidence_writer *evidence, const struct event_open *open)
{
	struct connection *connection = connection_find(evidence, open->event.connection);

	if (connection)
		connection_drop(evidence, connection);
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		return;
	connection->id = open->event.connection;
	trail_begin(&connection->trail, open);
	LIST_INSERT_HEAD(bucket_of(evidence, connection->id), connection, in_bucket);
	TAILQ_INSERT_TAIL(&evidence->connections, connection, by_age);
	evidence->count++;
	while (evidence->count > EVIDENCE_CONNECTIONS_MAX || evidence->bytes > BYTES_MAX)
		connection_drop(evidence, TAILQ_FIRST(&evidence->connections));
}

void evidence_time(struct evidence_writer *evidence, uint64_t now_ns)
{
	if (now_ns > evidence->now_ns)
		evidence->now_ns = now_ns;
}

void evidence_event(struct evidence_writer *evidence, const struct event *event, int64_t realtime_offset_ns)
{
	struct connection *connection;

	evidence_time(evidence, event->time_ns);
	evidence->realtime_offset_ns = realtime_offset_ns;
	if (event->kind == EVENT_OPEN) {
		connection_add(evidence, (const struct event_open *)event);
		return;
	}
	connection = connection_find(evidence, event->connection);
	if (!connection)
		return;
	trail_event(&connection->trail, event);
	evidence->bytes += connection->trail.bytes - connection->bytes;
	connection->bytes = connection->trail.bytes;
}

/* The comment has the contents of the record. Names come from this program; a process may have any name, as text. */
static void describe(const struct handshake *handshake, const struct trail *trail, char comment[COMMENT_MAX])
{
	const struct verdict *verdict = &handshake->verdict;
	const char *reason = verdict->reason ? unknown_reason_name(verdict->reason) : NULL;
	const char *failure = failure_reason_name(handshake->failure.reason);
	int length = snprintf(comment, COMMENT_MAX, "mtlsnoop: %s%s%s%s, evidence %s",
	                      client_auth_name(verdict->client_auth), reason ? " (" : "", reason ?: "",
	                      reason ? ")" : "", evidence_name(verdict->evidence));

	if (handshake->failure.reason && failure)
		length += snprintf(comment + length, COMMENT_MAX - length, ", failure %s", failure);
	if (handshake->process.id)
		length += snprintf(comment + length, COMMENT_MAX - length, ", process %" PRIu32 " %.15s",
		                   handshake->process.id, handshake->process.name);
	if (trail->full)
		length += snprintf(comment + length, COMMENT_MAX - length, "; cut off: too many bytes");
	snprintf(
		comment + length, COMMENT_MAX - length, "; %s",
		trail->open.source == EVENT_FROM_FILE
			? "headers are rebuilt, application data is zeros"
			: "headers and record framing are rebuilt from what the hook saw; content that was not read is "
			  "zeros");
}

static bool rotation_is_due(const struct evidence_writer *evidence, uint64_t now_ns)
{
	const struct evidence_options *options = &evidence->options;

	if (options->rotate_bytes && (uint64_t)ftello(evidence->file[evidence->current]) >= options->rotate_bytes)
		return true;
	return options->rotate_ns && evidence->begun_ns && now_ns - evidence->begun_ns >= options->rotate_ns;
}

/* The next file of the ring is written from the beginning. */
static int rotate(struct evidence_writer *evidence)
{
	FILE *next;

	fflush(evidence->file[evidence->current]);
	evidence->current = (evidence->current + 1) % evidence->files;
	next = evidence->file[evidence->current];
	if (fseeko(next, 0, SEEK_SET) || ftruncate(fileno(next), 0))
		return -errno;
	write_heading(evidence);
	return 0;
}

static void write_connection(struct evidence_writer *evidence, const struct handshake *handshake,
                             struct connection *connection)
{
	char comment[COMMENT_MAX];
	const struct packets_labels labels = {.realtime_offset_ns = evidence->realtime_offset_ns,
	                                      .process = handshake->process.id,
	                                      .comment = comment};
	FILE *out = evidence->file[evidence->current];

	trail_end(&connection->trail);
	describe(handshake, &connection->trail, comment);
	packets_write(out, &connection->trail, &labels);
	/* a silence may lead to a verdict */
	pcapng_write_time(out, evidence->now_ns + evidence->realtime_offset_ns);
	if (!evidence->begun_ns)
		evidence->begun_ns = evidence->now_ns;
}

static int take(void *state, const struct handshake *handshake)
{
	struct evidence_writer *evidence = state;
	struct connection *connection = connection_find(evidence, handshake->connection);

	/* a handshake reported only by a library, or a later handshake of the connection */
	if (!connection || evidence->error) {
		evidence->counts.dropped += !evidence->error;
		return evidence->error;
	}
	if (rotation_is_due(evidence, evidence->now_ns))
		evidence->error = rotate(evidence);
	write_connection(evidence, handshake, connection);
	connection_drop(evidence, connection);
	return 0;
}

static int flush(void *state)
{
	struct evidence_writer *evidence = state;
	FILE *out = evidence->file[evidence->current];

	if (evidence->error)
		return evidence->error;
	if (fflush(out) || ferror(out)) {
		evidence->error = errno ? -errno : -EIO;
		log_error("%s: %s", evidence->options.path, strerror(-evidence->error));
	}
	return evidence->error;
}

static void count(void *state, struct sink_counts *counts)
{
	const struct evidence_writer *evidence = state;

	counts->dropped += evidence->counts.dropped;
	counts->waiting += evidence->count;
}

static void close_evidence(void *state)
{
	struct evidence_writer *evidence = state;

	flush(evidence);
	while (!TAILQ_EMPTY(&evidence->connections))
		connection_drop(evidence, TAILQ_FIRST(&evidence->connections));
	evidence_free(evidence);
}

struct sink evidence_sink(struct evidence_writer *evidence)
{
	static const struct sink_class class = {
		.name = "evidence", .take = take, .flush = flush, .count = count, .close = close_evidence};

	return (struct sink){.class = &class, .state = evidence};
}
