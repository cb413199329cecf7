// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "read_file.h"

#include <errno.h>

#include "capture/capture.h"
#include "decrypt/decryptor.h"
#include "decrypt/keylog.h"
#include "live_status.h"
#include "sink/losses.h"
#include "system/log.h"
#include "system/privileges.h"
#include "system/sandbox.h"
#include "system/signals.h"

enum {
	CAPTURE_PACKETS = 4096, /* read between looks at the clock and at signals */
};

/* A capture file on its way into the table of connections. */
struct reading {
	struct capture *capture;
	struct tracker *table;
	struct report *report;
	struct evidence_writer *evidence;
	struct keylog *keylog;
	struct decryptor *decryptor; /* NULL until there are secrets */
	bool begun;                  /* the input is a capture file */
	int error;                   /* of a sink */
};

/* A connection that was quiet for too long has ended before this event, however many packets are read in one go. */
static void come_to(const struct reading *reading)
{
	if (reading->evidence)
		evidence_time(reading->evidence, capture_time(reading->capture));
	tracker_time(reading->table, capture_time(reading->capture));
}

static bool take_event(const struct event *event, void *context)
{
	const struct reading *reading = context;

	if (reading->evidence)
		evidence_event(reading->evidence, event, capture_realtime_offset(reading->capture));
	come_to(reading);
	if (reading->decryptor)
		decryptor_event(reading->decryptor, event);
	tracker_set_realtime_offset(reading->table, capture_realtime_offset(reading->capture));
	return tracker_event(reading->table, event);
}

static bool is_followed(uint64_t connection, void *context)
{
	const struct reading *reading = context;

	come_to(reading);
	return tracker_follows(reading->table, connection);
}

/* Returns 0, or -ENOMEM after a message. */
static int begin_decryption(struct reading *reading)
{
	if (reading->decryptor)
		return 0;
	reading->decryptor = decryptor_new(reading->keylog, reading->table);
	if (reading->decryptor && !tracker_listen(reading->table))
		return 0;
	log_out_of_memory();
	return -ENOMEM;
}

static void take_secrets(const char *text, size_t length, void *context)
{
	struct reading *reading = context;

	if (!begin_decryption(reading))
		keylog_add(reading->keylog, text, length);
}

/* Returns 0, or -errno after a message. */
static int open_keylog(struct reading *reading, const char *path)
{
	reading->keylog = keylog_new();
	if (!reading->keylog) {
		log_out_of_memory();
		return -ENOMEM;
	}
	if (!path)
		return 0;
	return keylog_read(reading->keylog, path) ?: begin_decryption(reading);
}

static void end_connections(void *context)
{
	const struct reading *reading = context;

	come_to(reading);
	tracker_finish(reading->table);
}

static void look_around(const struct reading *reading)
{
	const struct live_sources sources = {.table = reading->table, .sinks = &reading->report->sinks};
	struct status status;

	live_status(&sources, &status);
	sinks_tick(&reading->report->sinks, &status);
}

static void finish(const struct reading *reading)
{
	const struct live_sources sources = {.table = reading->table, .sinks = &reading->report->sinks};
	struct status status;

	tracker_finish(reading->table);
	capture_log_left_out(reading->capture);
	live_status(&sources, &status);
	losses_summarize(&status, 0);
	sinks_tick(&reading->report->sinks, &status);
}

static bool goes_on(const struct reading *reading)
{
	return !reading->error && !signals_stop() && !report_is_complete(reading->report);
}

/*
 * A pause of the input. The clock of the capture stands still meanwhile: packets may wait in a buffer of the program that
 * captures, so silence of the pipe is no silence of the network.
 */
static bool take_pause(void *context)
{
	struct reading *reading = context;

	/* no heading before the input is known to be a capture */
	if (reading->begun) {
		look_around(reading);
		reading->error = sinks_flush(&reading->report->sinks);
	}
	return goes_on(reading);
}

static int read_all(struct reading *reading)
{
	int more;

	do {
		more = capture_read(reading->capture, CAPTURE_PACKETS);
		come_to(reading);
		if (!reading->error)
			reading->error = sinks_flush(&reading->report->sinks);
	} while (more > 0 && goes_on(reading));
	return reading->error ?: more < 0 ? more : 0;
}

int read_file(const struct options *options, struct tracker *table, struct report *report,
              struct evidence_writer *evidence)
{
	struct reading reading = {.table = table, .report = report, .evidence = evidence};
	int error = capture_open(&reading.capture, options->read_file, take_event, &reading);

	error = error ?: open_keylog(&reading, options->keylog_file);
	if (error)
		goto cleanup;
	capture_set_secrets(reading.capture, take_secrets);
	capture_set_wait(reading.capture, take_pause, &reading);
	capture_set_follows(reading.capture, is_followed);
	capture_set_ended(reading.capture, end_connections);
	error = privileges_drop();
	if (error)
		goto cleanup;
	sandbox_enter(SANDBOX_CAPTURE);
	/* the first byte that is parsed */
	error = capture_begin(reading.capture);
	if (error)
		goto cleanup;
	reading.begun = true;
	look_around(&reading);
	error = read_all(&reading);
	finish(&reading);
cleanup:
	capture_close(reading.capture);
	decryptor_free(reading.decryptor);
	keylog_free(reading.keylog);
	return error;
}
