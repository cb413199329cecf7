// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A capture file with anything in it: from the file's own header to the verdict, and to the packets that --write writes. The
 * corpus are the project's captures.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/capture.h"
#include "decrypt/decryptor.h"
#include "evidence/evidence.h"
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

struct reading {
	struct tracker *table;
	struct evidence_writer *evidence;
	struct sink sink;
	struct keylog *keylog;
	struct decryptor *decryptor;
};

static void report(const struct handshake *handshake, void *context)
{
	struct reading *reading = context;

	reading->sink.class->take(reading->sink.state, handshake);
	if (handshake->verdict.client_auth >= CLIENT_AUTHS || handshake->steps > HANDSHAKE_STEPS_MAX)
		abort();
}

static bool take(const struct event *event, void *context)
{
	struct reading *reading = context;

	evidence_event(reading->evidence, event, 0);
	decryptor_event(reading->decryptor, event);
	return tracker_event(reading->table, event);
}

static void take_secrets(const char *text, size_t length, void *context)
{
	struct reading *reading = context;

	keylog_add(reading->keylog, text, length);
}

static void read_capture(const char *path, struct reading *reading)
{
	struct capture *capture;
	int more;

	if (capture_open(&capture, path, take, reading))
		return;
	capture_set_flows_max(capture, 16);
	capture_set_secrets(capture, take_secrets);
	do {
		more = capture_read(capture, 16);
		tracker_time(reading->table, capture_time(capture));
	} while (more > 0);
	tracker_finish(reading->table);
	capture_log_left_out(capture);
	capture_close(capture);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct tracker_limits limits = {.connections = 8, .handshake_timeout_ns = 10000000000};
	const struct evidence_options options = {.path = "/dev/null"};
	struct reading reading = {};
	int file = memfd_create("capture", 0);
	char path[64];

	reading.table = tracker_new(&limits, report, &reading);
	if (!reading.table || file < 0 || evidence_open(&reading.evidence, &options))
		abort();
	reading.sink = evidence_sink(reading.evidence);
	reading.keylog = keylog_new();
	reading.decryptor = decryptor_new(reading.keylog, reading.table);
	if (!reading.keylog || !reading.decryptor || tracker_listen(reading.table))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (write(file, bytes, length) == (ssize_t)length)
		read_capture(path, &reading);
	close(file);
	tracker_free(reading.table);
	decryptor_free(reading.decryptor);
	keylog_free(reading.keylog);
	reading.sink.class->close(reading.sink.state);
	return 0;
}
