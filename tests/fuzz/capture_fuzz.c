/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A capture file with anything in it: from the file's own header to the verdict. The corpus are the project's captures.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/capture.h"
#include "tracking/tracker.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What a damaged file makes the reader say is of no interest here; the fuzzer's own stream stays as it is. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	stderr = fopen("/dev/null", "w");
	return stderr ? 0 : 1;
}

static void report(const struct handshake *handshake, void *context)
{
	(void)context;
	if (handshake->verdict.client_auth >= CLIENT_AUTHS || handshake->steps > HANDSHAKE_STEPS_MAX)
		abort();
}

static bool take(const struct event *event, void *context)
{
	return tracker_event(context, event);
}

static void read_capture(const char *path, struct tracker *table)
{
	struct capture *capture;
	int more;

	if (capture_open(&capture, path, take, table))
		return;
	capture_set_flows_max(capture, 16);
	do {
		more = capture_read(capture, 16);
		tracker_time(table, capture_time(capture));
	} while (more > 0);
	tracker_finish(table);
	capture_log_left_out(capture);
	capture_close(capture);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct tracker_limits limits = {.connections = 8, .handshake_timeout_ns = 10000000000};
	struct tracker *table = tracker_new(&limits, report, NULL);
	int file = memfd_create("capture", 0);
	char path[64];

	if (!table || file < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (write(file, bytes, length) == (ssize_t)length)
		read_capture(path, table);
	close(file);
	tracker_free(table);
	return 0;
}
