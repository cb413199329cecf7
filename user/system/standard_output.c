// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/standard_output.h"

#include "system/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BUFFER_BYTES = 64 * 1024,
	WAIT_MS = 100, /* between looks whether the program is to stop: a signal may come just before the wait */
};

struct standard_output {
	bool (*stopping)(void);
	struct standard_output_queue *queue; /* NULL: writes wait for the reader */
};

/* Wait until something can be written. Returns 0, or -errno. */
static int wait_for_room(bool (*stopping)(void))
{
	struct pollfd polled = {.fd = STDOUT_FILENO, .events = POLLOUT};
	int patience_ms = STANDARD_OUTPUT_PATIENCE_MS;

	for (;;) {
		int ready = poll(&polled, 1, WAIT_MS);

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (stopping() && (patience_ms -= WAIT_MS) <= 0)
			return -EAGAIN;
	}
}

/* Write a piece. Returns how much was written, or -errno. */
static ssize_t write_piece(const char *bytes, size_t size)
{
	/* a pipe that has room has room for so much: the write does not wait, and so is not interrupted */
	ssize_t written = write(STDOUT_FILENO, bytes, size < PIPE_BUF ? size : PIPE_BUF);

	if (written >= 0)
		return written;
	return errno == EINTR ? 0 : -errno;
}

/* Write all, waiting for the reader. Returns how much was written, and sets *error. */
static size_t write_waiting(bool (*stopping)(void), const char *bytes, size_t size, int *error)
{
	size_t done = 0;

	for (*error = 0; done < size && !*error;) {
		ssize_t written;

		*error = wait_for_room(stopping);
		if (*error)
			break;
		written = write_piece(bytes + done, size - done);
		if (written < 0)
			*error = written;
		else
			done += written;
	}
	return done;
}

/* Append bytes to the queue. */
static int enqueue(struct standard_output_queue *queue, const char *bytes, size_t size)
{
	size_t needed = queue->waiting + size;
	char *grown;

	if (queue->begin) {
		memmove(queue->bytes, queue->bytes + queue->begin, queue->waiting);
		queue->begin = 0;
	}
	if (needed > queue->capacity) {
		grown = realloc(queue->bytes, 2 * needed);
		if (!grown)
			return -ENOMEM;
		queue->bytes = grown;
		queue->capacity = 2 * needed;
	}
	memcpy(queue->bytes + queue->waiting, bytes, size);
	queue->waiting = needed;
	return 0;
}

int standard_output_drain(struct standard_output_queue *queue)
{
	struct pollfd polled = {.fd = STDOUT_FILENO, .events = POLLOUT};
	ssize_t written;

	while (queue->waiting && poll(&polled, 1, 0) > 0) {
		written = write_piece(queue->bytes + queue->begin, queue->waiting);
		if (written == -EAGAIN)
			break;
		if (written < 0)
			return written;
		queue->begin += written;
		queue->waiting -= written;
	}
	return 0;
}

bool standard_output_is_full(const struct standard_output_queue *queue)
{
	return queue && queue->waiting >= queue->max;
}

int standard_output_finish(struct standard_output_queue *queue, bool (*stopping)(void))
{
	int error = 0;

	if (queue->waiting)
		write_waiting(stopping, queue->bytes + queue->begin, queue->waiting, &error);
	if (error)
		log_error("cannot write the rest to standard output: %s", strerror(-error));
	free(queue->bytes);
	*queue = (struct standard_output_queue){.max = queue->max};
	return error;
}

static ssize_t write_all(void *context, const char *bytes, size_t size)
{
	struct standard_output *output = context;
	size_t done;
	int error;

	if (!output->queue) {
		done = write_waiting(output->stopping, bytes, size, &error);
	} else {
		error = enqueue(output->queue, bytes, size) ?: standard_output_drain(output->queue);
		done = error ? 0 : size;
	}
	if (error)
		errno = -error;
	return done;
}

static int forget(void *context)
{
	free(context);
	return 0;
}

FILE *standard_output_open(bool (*stopping)(void), struct standard_output_queue *queue)
{
	const cookie_io_functions_t functions = {.write = write_all, .close = forget};
	struct standard_output *output = malloc(sizeof(*output));
	FILE *stream;

	if (!output)
		return NULL;
	*output = (struct standard_output){.stopping = stopping, .queue = queue};
	stream = fopencookie(output, "w", functions);
	if (stream)
		setvbuf(stream, NULL, _IOFBF, BUFFER_BYTES);
	else
		free(output);
	return stream;
}
