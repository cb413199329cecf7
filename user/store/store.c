// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "handshake/handshake.h"
#include "store/detail.h"
#include "store/record.h"
#include "store/rows.h"
#include "store/writer.h"
#include "system/child.h"
#include "system/log.h"
#include "system/signals.h"

enum {
	QUEUE_MAX = 16 << 20,    /* bytes that wait for the writer */
	SEND_AT = 64 << 10,      /* so many bytes go at once, and do not wait for the next tick */
	DETAILS_PER_SECOND = 50, /* handshakes kept in full, and as many failures */
	START_MS = 10000,        /* an old schema is migrated meanwhile */
	END_MS = 5000,
	WAIT_MS = 10,
	FOLDER_MODE = 0750,
	NOBODY = 65534,
};

/* Handshakes are kept in full as long as there is a token; each second brings some. */
struct budget {
	time_t second;
	uint32_t left;
};

struct store {
	struct writer_options writer;
	bool redact;
	bool waits;
	struct child child;
	uint8_t *queue;
	size_t length;
	struct budget all, failures;
	struct store_status status;
	struct writer_report report;
	size_t report_length; /* received bytes */
};

/* If mtlsnoop is root, the writer is nobody: a folder created for the store belongs to nobody. */
static int make_folder(const char *path)
{
	const struct passwd *nobody = getpwnam("nobody");
	uid_t user = nobody ? nobody->pw_uid : NOBODY;
	gid_t group = nobody ? nobody->pw_gid : NOBODY;
	char *copy = strdup(path);
	const char *folder;
	int error = 0;

	if (!copy)
		return -ENOMEM;
	folder = dirname(copy);
	if (mkdir(folder, FOLDER_MODE)) {
		error = errno == EEXIST ? 0 : -errno;
	} else if (geteuid() == 0 && chown(folder, user, group)) {
		error = -errno;
	}
	if (error)
		log_error("cannot make the folder %s of the store: %s", folder, strerror(-error));
	free(copy);
	return error;
}

/* Take in the writer's reports. */
static void read_reports(struct store *store)
{
	for (;;) {
		ssize_t received = recv(store->child.socket, (char *)&store->report + store->report_length,
		                        sizeof(store->report) - store->report_length, MSG_DONTWAIT);

		if (received <= 0)
			return;
		store->report_length += received;
		if (store->report_length < sizeof(store->report))
			continue;
		store->report_length = 0;
		memcpy(store->status.counters, store->report.counters, sizeof(store->status.counters));
		store->status.file_bytes = store->report.file_bytes;
		store->status.failing = store->report.failing;
	}
}

/* The writer's first report says whether it could open the store. */
static int wait_for_writer(struct store *store)
{
	struct pollfd poll_socket = {.fd = store->child.socket, .events = POLLIN};
	ssize_t received = 0;

	if (poll(&poll_socket, 1, START_MS) == 1)
		received = recv(store->child.socket, &store->report, sizeof(store->report), MSG_WAITALL);
	if (received != sizeof(store->report)) {
		log_error("the process that writes the store %s does not answer", store->writer.path);
		return -ETIMEDOUT;
	}
	return store->report.error;
}

int store_open(struct store **result, const struct store_options *options)
{
	static const int no_capabilities[] = {-1};
	struct store *store;
	int error;

	*result = NULL;
	if (!options->path)
		return 0;
	error = make_folder(options->path);
	if (error)
		return error;
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->writer = (struct writer_options){.path = options->path, .limits = options->limits};
	store->redact = options->redact;
	store->waits = options->waits;
	store->queue = malloc(QUEUE_MAX);
	error = store->queue
	                ? child_start(&store->child, "writes the store", no_capabilities, writer_work, &store->writer)
	                : -ENOMEM;
	if (!error)
		error = wait_for_writer(store);
	if (error) {
		child_stop(&store->child);
		free(store->queue);
		free(store);
		return error;
	}
	*result = store;
	return 0;
}

/* Hand over what waits, as far as the socket has room. */
static void hand_over(struct store *store)
{
	size_t sent = 0;

	while (sent < store->length && !store->status.gone) {
		ssize_t count = send(store->child.socket, store->queue + sent, store->length - sent,
		                     MSG_DONTWAIT | MSG_NOSIGNAL);

		if (count > 0) {
			sent += count;
			continue;
		}
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		store->status.gone = true;
		log_error("the process that writes the store has ended; handshakes are not stored any more");
	}
	store->length -= sent;
	if (!store->length)
		store->status.queued = 0;
	memmove(store->queue, store->queue + sent, store->length);
}

/* Wait until the writer takes more, and hand over. */
static void wait_and_hand_over(struct store *store)
{
	struct pollfd poll_socket = {.fd = store->child.socket, .events = POLLOUT};

	poll(&poll_socket, 1, WAIT_MS);
	hand_over(store);
}

static bool has_room(const struct store *store)
{
	return store->length + STORE_RECORD_PACKED_MAX <= QUEUE_MAX;
}

static bool spend(struct budget *budget, time_t second)
{
	if (budget->second != second)
		*budget = (struct budget){.second = second, .left = DETAILS_PER_SECOND};
	if (!budget->left)
		return false;
	budget->left--;
	return true;
}

static int take(void *state, const struct handshake *handshake)
{
	struct store *store = state;
	struct store_record_space space;
	struct store_record record;
	struct detail_texts texts = {};
	time_t second = time(NULL);

	while (store->waits && !has_room(store) && !store->status.gone && !signals_stop())
		wait_and_hand_over(store);
	if (store->status.gone || !has_room(store)) {
		store->status.dropped++;
		return 0;
	}
	store_record_of(&record, &space, handshake, store->redact, NULL, NULL);
	if (spend(&store->all, second) || (rows_failed(&record) && spend(&store->failures, second))) {
		texts = detail_texts_of(handshake, store->redact);
		record.text[STORE_TEXT_JSON] = texts.json ?: "";
		record.text[STORE_TEXT_LADDER] = texts.ladder ?: "";
	}
	store->length += store_record_pack(&record, store->queue + store->length);
	store->status.queued++;
	detail_texts_free(&texts);
	if (store->length >= SEND_AT)
		hand_over(store);
	return 0;
}

static void count(void *state, struct sink_counts *counts)
{
	const struct store *store = state;

	counts->dropped += store->status.dropped;
	counts->failed += store->status.counters[STORE_LOST];
	counts->waiting += store->status.queued;
}

static void tick(void *state, const struct status *status)
{
	struct store *store = state;

	(void)status;
	hand_over(store);
	read_reports(store);
}

/* Whether the writer has closed its end, which it does not do by itself. */
static bool writer_is_gone(const struct store *store)
{
	struct pollfd poll_socket = {.fd = store->child.socket, .events = POLLIN};

	return poll(&poll_socket, 1, 0) == 1 && poll_socket.revents & POLLHUP;
}

/* The writer gets the waiting records, and time to write them. */
static void close_store(void *state)
{
	struct store *store = state;

	for (int waits = 0; store->length && !store->status.gone && waits < END_MS / WAIT_MS; waits++)
		wait_and_hand_over(store);
	if (!store->status.gone && writer_is_gone(store))
		log_error("the process that writes the store has ended; the last handshakes are not stored");
	if (store->status.queued || store->status.dropped)
		log_warning("%llu handshakes were not stored",
		            (unsigned long long)store->status.queued + store->status.dropped);
	child_stop(&store->child);
	free(store->queue);
	free(store);
}

struct sink store_sink(struct store *store)
{
	static const struct sink_class class = {
		.name = "store", .take = take, .tick = tick, .count = count, .close = close_store};

	return (struct sink){.class = &class,
	                     .state = store,
	                     .needs = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_ATTRIBUTION | SINK_NEEDS_HINTS};
}

void store_status(const struct store *store, struct store_status *status)
{
	*status = store->status;
}
