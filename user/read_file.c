// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "read_file.h"

#include <errno.h>

#include "capture/capture.h"
#include "live_status.h"
#include "sink/losses.h"
#include "system/privileges.h"
#include "system/sandbox.h"
#include "system/signals.h"

enum {
	CAPTURE_PACKETS = 4096, /* read between looks at the clock and at signals */
};

/* A capture file on its way into the table of connections. */
struct reading {
	struct capture *capture;
	struct connection_table *table;
	struct report *report;
};

/* A connection that was quiet for too long has ended before this event, however many packets are read in one go. */
static bool take_event(const struct event *event, void *context)
{
	const struct reading *reading = context;

	connection_table_time(reading->table, capture_time(reading->capture));
	return connection_table_event(reading->table, event);
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

	connection_table_finish(reading->table);
	capture_log_left_out(reading->capture);
	live_status(&sources, &status);
	losses_summarize(&status, false);
	sinks_tick(&reading->report->sinks, &status);
}

int read_file(const struct options *options, struct connection_table *table, struct report *report)
{
	struct reading reading = {.table = table, .report = report};
	int more;

	more = capture_open(&reading.capture, options->read_file, take_event, &reading);
	if (more < 0)
		return more;
	if (privileges_drop()) {
		capture_close(reading.capture);
		return -EPERM;
	}
	sandbox_enter(SANDBOX_CAPTURE);
	look_around(&reading);
	do {
		more = capture_read(reading.capture, CAPTURE_PACKETS);
		connection_table_time(table, capture_time(reading.capture));
	} while (more > 0 && !signals_stop() && !report_is_complete(report));
	finish(&reading);
	capture_close(reading.capture);
	return more < 0 ? more : 0;
}
