// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/reader.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "filter/filter.h"
#include "store/database.h"
#include "store/matches.h"
#include "system/child.h"
#include "system/sandbox.h"

enum {
	PROGRESS_STEPS = 10000, /* of SQLite's machine between two looks at the clock */
	LESS_URGENT = 5,
	OPEN_AGAIN_SECONDS = 5, /* interval of the search for an absent store */
};

struct reply {
	int32_t error;
	uint32_t length; /* bytes after the header */
};

struct store_reader {
	struct child child;
	const char *path;
	bool broken; /* an answer was late: later answers belong to no question */
};

/* The process */

struct reading {
	const char *path;
	sqlite3 *database; /* NULL: no store yet */
	time_t tried;
	uint64_t deadline_ms;
};

static uint64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000ULL + time.tv_nsec / 1000000;
}

/* Not 0 ends the query. */
static int time_is_over(void *context)
{
	const struct reading *reading = context;

	return clock_ms() > reading->deadline_ms;
}

static int open_store(struct reading *reading)
{
	time_t now = time(NULL);

	if (reading->database)
		return 0;
	if (access(reading->path, R_OK) || (reading->tried && now - reading->tried < OPEN_AGAIN_SECONDS))
		return -ENOENT;
	reading->tried = now;
	if (store_database_open(&reading->database, reading->path, STORE_READ))
		return -ENOENT;
	sqlite3_progress_handler(reading->database, PROGRESS_STEPS, time_is_over, reading);
	return 0;
}

static int parse(const char *expression, struct filter **filter, FILE *out)
{
	struct filter_error wrong;
	const char *missing;

	*filter = NULL;
	if (!*expression)
		return 0;
	if (filter_parse(expression, filter, &wrong)) {
		fprintf(out, "column %zu: %s", wrong.offset + 1, wrong.message);
		return -EINVAL;
	}
	missing = matches_field_missing(*filter);
	if (!missing)
		return 0;
	fprintf(out, "the store does not keep %s of each handshake", missing);
	return -EINVAL;
}

/* A page of rows, and how many there are. */
static void write_page(const struct store_answer *answer, const struct reader_request *request, FILE *out)
{
	if (request->csv) {
		answer_write(answer, out, ANSWER_CSV, 0);
		return;
	}
	fprintf(out, "{\"total\":%zu,\"cut\":%s,\"first\":%u,\"rows\":", answer_rows(answer),
	        answer_is_cut(answer) ? "true" : "false", request->first);
	answer_write_array(answer, out, request->first, request->limit);
	fputs("}\n", out);
}

static int ask(struct reading *reading, const struct reader_request *request, FILE *out)
{
	struct store_answer *answer;
	struct question_scope scope = {
		.since = request->since, .until = request->until, .expiring = request->expiring, .now = time(NULL)};
	struct filter *filter;
	int error = parse(request->expression, &filter, out);

	if (error)
		return error;
	scope.filter = filter;
	/* each handshake carries a whole record: only the shown handshakes are read */
	if (request->question == QUESTION_HANDSHAKES)
		scope.limit = request->first + request->limit;
	error = question_ask(reading->database, request->question, &scope, &answer);
	if (!error) {
		write_page(answer, request, out);
		answer_free(answer);
	} else if (clock_ms() > reading->deadline_ms) {
		error = -ETIMEDOUT;
	}
	filter_free(filter);
	return error;
}

static int ask_for_event(struct reading *reading, const struct reader_request *request, FILE *out)
{
	static const char query[] = "SELECT json, ladder FROM handshake WHERE event = ?1";
	sqlite3_stmt *statement;
	int error = -ENOENT;

	if (sqlite3_prepare_v2(reading->database, query, -1, &statement, NULL))
		return -EIO;
	sqlite3_bind_text(statement, 1, request->event, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) == SQLITE_ROW) {
		fprintf(out, "{\"record\":%s,\"ladder\":", sqlite3_column_text(statement, 0));
		answer_write_string(out, (const char *)sqlite3_column_text(statement, 1),
		                    sqlite3_column_bytes(statement, 1));
		fputs("}\n", out);
		error = 0;
	}
	sqlite3_finalize(statement);
	return error;
}

static bool send_all(int socket, const void *bytes, size_t length)
{
	for (size_t sent = 0; sent < length;) {
		ssize_t count = send(socket, (const char *)bytes + sent, length - sent, MSG_NOSIGNAL);

		if (count < 0 && errno != EINTR)
			return false;
		sent += count > 0 ? count : 0;
	}
	return true;
}

static bool answer_request(struct reading *reading, int socket, struct reader_request *request)
{
	struct reply reply = {.error = open_store(reading)};
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	bool sent;

	if (!out)
		return false;
	request->expression[sizeof(request->expression) - 1] = '\0';
	request->event[sizeof(request->event) - 1] = '\0';
	reading->deadline_ms = clock_ms() + READER_MS;
	if (!reply.error)
		reply.error = request->question < QUESTIONS ? ask(reading, request, out)
		                                            : ask_for_event(reading, request, out);
	fclose(out);
	reply.length = text && length < READER_BYTES_MAX ? length : 0;
	sent = send_all(socket, &reply, sizeof(reply)) && send_all(socket, text, reply.length);
	free(text);
	return sent;
}

static int work(int socket, void *context)
{
	struct reading reading = {.path = context};
	struct reader_request request;

	setpriority(PRIO_PROCESS, 0, LESS_URGENT);
	open_store(&reading);
	sandbox_enter(SANDBOX_STORE);
	while (recv(socket, &request, sizeof(request), MSG_WAITALL) == sizeof(request) &&
	       answer_request(&reading, socket, &request))
		;
	sqlite3_close(reading.database);
	return EXIT_SUCCESS;
}

/* The side of the server */

int store_reader_start(struct store_reader **result, const char *path)
{
	static const int no_capabilities[] = {-1};
	struct store_reader *reader = calloc(1, sizeof(*reader));
	int error;

	if (!reader)
		return -ENOMEM;
	reader->path = path;
	error = child_start(&reader->child, "reads the store", no_capabilities, work, (void *)path);
	if (error) {
		free(reader);
		return error;
	}
	*result = reader;
	return 0;
}

void store_reader_stop(struct store_reader *reader)
{
	if (!reader)
		return;
	child_stop(&reader->child);
	free(reader);
}

/* Receive so many bytes until the deadline. */
static int receive(struct store_reader *reader, void *bytes, size_t length, uint64_t deadline_ms)
{
	for (size_t received = 0; received < length;) {
		struct pollfd socket = {.fd = reader->child.socket, .events = POLLIN};
		uint64_t now_ms = clock_ms();
		ssize_t count;

		if (now_ms >= deadline_ms || poll(&socket, 1, deadline_ms - now_ms) == 0)
			return -ETIMEDOUT;
		count = recv(reader->child.socket, (char *)bytes + received, length - received, MSG_DONTWAIT);
		if (!count || (count < 0 && errno != EAGAIN && errno != EINTR))
			return -EIO;
		received += count > 0 ? count : 0;
	}
	return 0;
}

int store_reader_ask(struct store_reader *reader, const struct reader_request *request, char **text, size_t *length)
{
	uint64_t deadline_ms = clock_ms() + 2 * READER_MS;
	struct reply reply;
	int error;

	*text = NULL;
	*length = 0;
	if (reader->broken || !send_all(reader->child.socket, request, sizeof(*request)))
		return -EIO;
	error = receive(reader, &reply, sizeof(reply), deadline_ms);
	if (!error && reply.length > READER_BYTES_MAX)
		error = -EIO;
	if (!error) {
		*text = malloc(reply.length + 1);
		error = *text ? receive(reader, *text, reply.length, deadline_ms) : -ENOMEM;
	}
	if (error) {
		reader->broken = true;
		free(*text);
		*text = NULL;
		return error;
	}
	(*text)[reply.length] = '\0';
	*length = reply.length;
	return reply.error;
}
