// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/writer.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "store/database.h"
#include "store/record.h"
#include "store/tidy.h"
#include "system/log.h"
#include "system/sandbox.h"

enum {
	BUFFER = 4 * STORE_RECORD_PACKED_MAX,
	WRITE_MS = 1000,
	TIDY_SECONDS = 60,
	LESS_URGENT = 5, /* nice(2): services go first */
};

struct writer {
	int socket;
	sqlite3 *database;
	struct ledger *ledger;
	bool failing;
	uint8_t *buffer;
	size_t length;
	int64_t written_ms; /* CLOCK_MONOTONIC */
	int64_t tidied_ms;
};

static int64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* A report without room in the socket is left out: the next report says the same and more. */
static void report(const struct writer *writer, int error)
{
	struct writer_report report = {.error = error, .failing = writer->failing};

	if (writer->database)
		report.file_bytes = tidy_bytes(writer->database);
	for (int counter = 0; writer->ledger && counter < STORE_COUNTERS; counter++)
		report.counters[counter] = ledger_counter(writer->ledger, counter);
	send(writer->socket, &report, sizeof(report), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void write_when_due(struct writer *writer)
{
	int64_t now_ms = clock_ms();
	int error;

	if (now_ms - writer->written_ms < WRITE_MS)
		return;
	writer->written_ms = now_ms;
	error = ledger_write(writer->ledger);
	if (now_ms - writer->tidied_ms >= TIDY_SECONDS * 1000) {
		writer->tidied_ms = now_ms;
		error = error ? error : ledger_tidy(writer->ledger, time(NULL));
	}
	writer->failing = error != 0;
	report(writer, 0);
}

/* Fold the whole records of the buffer. Returns 0, or -EBADMSG: the two processes do not understand each other. */
static int take_records(struct writer *writer)
{
	size_t taken = 0;

	for (;;) {
		struct store_record record;
		ptrdiff_t size = store_record_unpack(&record, writer->buffer + taken, writer->length - taken);

		if (size < 0)
			return size;
		if (!size)
			break;
		if (ledger_take(writer->ledger, &record))
			writer->failing = true;
		taken += size;
	}
	writer->length -= taken;
	memmove(writer->buffer, writer->buffer + taken, writer->length);
	return 0;
}

/* Take what comes until the socket ends. */
static int run(struct writer *writer)
{
	int error = 0;

	while (!error) {
		struct pollfd poll_socket = {.fd = writer->socket, .events = POLLIN};
		ssize_t received;

		if (poll(&poll_socket, 1, WRITE_MS) < 0 && errno != EINTR)
			return -errno;
		if (poll_socket.revents) {
			received = recv(writer->socket, writer->buffer + writer->length, BUFFER - writer->length,
			                MSG_DONTWAIT);
			if (!received)
				break;
			if (received < 0 && errno != EAGAIN && errno != EINTR)
				return -errno;
			writer->length += received > 0 ? received : 0;
			error = take_records(writer);
		}
		write_when_due(writer);
	}
	if (error)
		log_error("the process that writes the store received what is no record");
	return error;
}

int writer_work(int socket, void *context)
{
	const struct writer_options *options = context;
	struct writer writer = {.socket = socket, .buffer = malloc(BUFFER)};
	int error;

	setpriority(PRIO_PROCESS, 0, LESS_URGENT);
	error = writer.buffer ? store_database_open(&writer.database, options->path, STORE_WRITE) : -ENOMEM;
	if (!error)
		error = ledger_open(&writer.ledger, writer.database, &options->limits);
	report(&writer, error);
	if (!error) {
		sandbox_enter(SANDBOX_STORE);
		writer.written_ms = writer.tidied_ms = clock_ms();
		error = run(&writer);
		ledger_write(writer.ledger);
	}
	ledger_close(writer.ledger);
	sqlite3_close(writer.database);
	free(writer.buffer);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
