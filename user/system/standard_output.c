// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/standard_output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BUFFER_BYTES = 64 * 1024,
	WAIT_MS = 100, /* between looks whether the program is to stop: a signal may come just before the wait */
};

struct standard_output {
	bool (*stopping)(void);
};

/* Wait until something can be written. Returns 0, or -errno. */
static int wait_for_room(const struct standard_output *output)
{
	struct pollfd polled = {.fd = STDOUT_FILENO, .events = POLLOUT};
	int patience_ms = STANDARD_OUTPUT_PATIENCE_MS;

	for (;;) {
		int ready = poll(&polled, 1, WAIT_MS);

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (output->stopping() && (patience_ms -= WAIT_MS) <= 0)
			return -EAGAIN;
	}
}

static ssize_t write_all(void *context, const char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		/* a pipe that has room has room for so much: the write does not wait, and so is not interrupted */
		size_t length = size - done < PIPE_BUF ? size - done : PIPE_BUF;
		int error = wait_for_room(context);
		ssize_t written = error ? -1 : write(STDOUT_FILENO, bytes + done, length);

		if (written >= 0) {
			done += written;
			continue;
		}
		if (!error)
			error = -errno;
		if (error == -EINTR)
			continue;
		errno = -error;
		break;
	}
	return done;
}

static int forget(void *context)
{
	free(context);
	return 0;
}

FILE *standard_output_open(bool (*stopping)(void))
{
	const cookie_io_functions_t functions = {.write = write_all, .close = forget};
	struct standard_output *output = malloc(sizeof(*output));
	FILE *stream;

	if (!output)
		return NULL;
	output->stopping = stopping;
	stream = fopencookie(output, "w", functions);
	if (stream)
		setvbuf(stream, NULL, _IOFBF, BUFFER_BYTES);
	else
		free(output);
	return stream;
}
