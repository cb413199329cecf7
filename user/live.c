// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "live.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attribution/attributor.h"
#include "attribution/proc.h"
#include "filter/early.h"
#include "library/finder.h"
#include "live_status.h"
#include "sink/loss_table.h"
#include "sink/losses.h"
#include "system/log.h"
#include "system/notify.h"
#include "system/privileges.h"
#include "system/sandbox.h"
#include "system/signals.h"
#include "kernel/tracer.h"
#include "tracking/transcript.h"
#include "tracking/writer.h"

enum {
	POLL_MS = 50,           /* the reader polls this often and is not woken for each event */
	TRANSCRIPTS_MAX = 8192, /* handshakes of libraries followed at once, over or not */
};

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;

/* A running trace. */
struct trace {
	const struct live *live;
	struct tracer *tracer;
	struct probes *probes;
	struct library *library;
	struct transcript_table *transcripts;
	struct early_filter early_filter;
	struct losses losses;
	uint64_t lost_events; /* as of the last look */
	struct notify notify;
	bool reloading;         /* files are being read again */
	uint64_t last_event_ns; /* 0: no event yet */
	uint64_t read_until_ns; /* all available events until then have been read */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * SECOND_NS + time.tv_nsec;
}

/* The question goes out while the handshake is under way. */
static void expect_owner(struct trace *trace, const struct event_owner *owner)
{
	const struct writer writer = writer_of_event(owner);

	if (owner->event.size >= sizeof(*owner))
		attributor_expect(trace->live->report->attributor, &writer);
}

static void take_event(const struct event *event, void *context)
{
	struct trace *trace = context;

	trace->last_event_ns = event->time_ns;
	if (trace->live->evidence)
		evidence_event(trace->live->evidence, event, clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
	tracker_event(trace->live->table, event);
	if (event->kind == EVENT_OWNER)
		expect_owner(trace, (const struct event_owner *)event);
}

static void take_library_event(const struct library_event *event, void *context)
{
	struct trace *trace = context;

	if (event->kind <= LIBRARY_MESSAGE)
		transcript_table_event(trace->transcripts, event);
	else
		tracker_statement(trace->live->table, event,
		                  transcript_table_handshake(trace->transcripts, event->handle, event->process));
}

/* The hooks report plain text to this service from here on. */
static void add_service(const struct endpoint *service, uint8_t family, void *context)
{
	struct trace *trace = context;
	struct service_key key = {.port = service->port, .family = family};

	memcpy(key.address, service->address, sizeof(key.address));
	tracer_add_service(trace->tracer, &key);
}

/* A line of the policy names this service. */
static void expect_service(const struct endpoint *service, uint8_t family, void *context)
{
	struct trace *trace = context;

	tracker_add_service(trace->live->table, service, family);
}

static void take_library_handshake(const struct library_handshake *seen, void *context)
{
	struct trace *trace = context;
	const struct library_target *target = trace->library ? library_target(trace->library, seen->target) : NULL;

	tracker_library(trace->live->table, seen, target ? target->name : NULL);
}

static struct live_sources sources_of(const struct trace *trace)
{
	const struct live *live = trace->live;

	return (struct live_sources){.table = live->table,
	                             .tracer = trace->tracer,
	                             .probes = trace->probes,
	                             .library = trace->library,
	                             .transcripts = trace->transcripts,
	                             .settings = live->settings,
	                             .attributor = live->report->attributor,
	                             .sinks = &live->report->sinks,
	                             .with_runs = live->exporter != NULL};
}

/* Events of known connections were lost; the affected connections are unknown. */
static void check_lost_events(struct trace *trace, const struct status *status)
{
	uint64_t lost = status->statistics[STATISTIC_LOST_RING] + status->statistics[STATISTIC_CONTENDED];

	if (lost > trace->lost_events)
		tracker_lost_events(trace->live->table);
	trace->lost_events = lost;
}

/* The service manager waits until the reload ends, successful or not: at once if no file can be read again. */
static void reload(struct trace *trace)
{
	notify_reloading(&trace->notify, clock_ns(CLOCK_MONOTONIC));
	trace->reloading = !settings_reload(trace->live->settings);
	if (!trace->reloading)
		notify_ready(&trace->notify);
}

/* Files to read again, and files read again. */
static void look_for_settings(struct trace *trace)
{
	const struct live *live = trace->live;
	enum settings_change change;

	if (signals_reload())
		reload(trace);
	change = settings_poll(live->settings);
	if (change == SETTINGS_SAME)
		return;
	if (change == SETTINGS_NEW) {
		tracker_set_policy(live->table, settings_policy(live->settings));
		policy_services(settings_policy(live->settings), expect_service, trace);
		exporter_set_guard(live->exporter, settings_guard(live->settings));
	}
	if (trace->reloading && change == SETTINGS_NEW)
		notify_ready(&trace->notify);
	else if (trace->reloading)
		notify_reload_failed(&trace->notify);
	trace->reloading = false;
}

/* The work between two readings of events: time-outs, the clock, losses, settings, sinks. */
static void look_around(struct trace *trace)
{
	struct tracker *table = trace->live->table;
	const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	const int64_t realtime_offset_ns = clock_ns(CLOCK_REALTIME) - now_ns;
	struct live_sources sources;
	struct status status;

	library_poll(trace->library);
	tracker_set_realtime_offset(table, realtime_offset_ns);
	sources = sources_of(trace);
	live_status(&sources, &status);
	losses_report(&trace->losses, &status);
	check_lost_events(trace, &status);
	/* later events may still be unread, perhaps for long: silence since then is not known yet */
	tracker_time(table, trace->read_until_ns);
	look_for_settings(trace);
	status.now_ns = now_ns;
	status.last_event_ns = trace->last_event_ns;
	status.realtime_offset_ns = realtime_offset_ns;
	sinks_tick(&trace->live->report->sinks, &status);
	notify_alive(&trace->notify, now_ns);
}

/* A user at a terminal must see the trace running before the first handshake. */
static void tell_start(const struct trace *trace)
{
	const struct live_sources sources = sources_of(trace);
	struct status status;
	uint64_t files = 0;

	/* top has the terminal, and shows that it runs */
	if (!isatty(STDERR_FILENO) || trace->live->options->command == COMMAND_TOP)
		return;
	live_status(&sources, &status);
	for (int kind = 0; kind < STATUS_LIBRARIES_MAX; kind++)
		files += status.libraries.attached[kind].value;
	if (trace->library)
		log_notice("tracing %u hooks, %" PRIu64 " libraries; Ctrl-C ends", status.hook.programs, files);
	else
		log_notice("tracing %u hooks; Ctrl-C ends", status.hook.programs);
}

static int read_events(struct trace *trace)
{
	const struct live *live = trace->live;
	uint64_t duration_ns = live->options->duration_ns;
	uint64_t end_ns = duration_ns ? clock_ns(CLOCK_MONOTONIC) + duration_ns : UINT64_MAX;
	int error;

	look_around(trace);
	error = sinks_flush(&live->report->sinks);
	if (!error)
		notify_ready(&trace->notify);
	tell_start(trace);
	while (!error && !signals_stop() && !report_is_complete(live->report) && clock_ns(CLOCK_MONOTONIC) < end_ns) {
		trace->read_until_ns = clock_ns(CLOCK_MONOTONIC);
		error = tracer_poll(trace->tracer, POLL_MS);
		if (error == -EINTR)
			error = 0;
		look_around(trace);
		if (!error)
			error = sinks_flush(&live->report->sinks);
	}
	return error;
}

/* The losses that do not affect the run's selected connections (enum loss_flags). */
static uint8_t losses_left_out(const struct trace *trace)
{
	const struct options *options = trace->live->options;
	uint8_t flags = 0;

	/* connections left out by the kernel are no loss, either */
	if (options->cgroup || trace->early_filter.steps)
		flags |= LOSS_WHOLE_HOST;
	if (!filter_needs_attribution(options->filter))
		flags |= LOSS_SELECTION;
	return flags;
}

static void finish(struct trace *trace)
{
	struct live_sources sources;
	struct status status;

	library_close(trace->library);
	trace->library = NULL;
	notify_stopping(&trace->notify);
	tracer_detach(trace->tracer);
	trace->read_until_ns = clock_ns(CLOCK_MONOTONIC);
	tracer_poll(trace->tracer, 0);
	look_around(trace);
	tracker_finish(trace->live->table);
	sources = sources_of(trace);
	live_status(&sources, &status);
	losses_summarize(&status, losses_left_out(trace));
}

/* Probes in TLS libraries: if unavailable, a message has been printed, and sockets are traced all the same. */
static int open_library(struct trace *trace)
{
	const struct options *options = trace->live->options;
	const struct transcript_limits limits = {
		.handshakes = TRANSCRIPTS_MAX,
		.no_certificates = !(sinks_needs(&trace->live->report->sinks) & SINK_NEEDS_CERTIFICATES) &&
	                           !filter_needs_certificates(options->filter)};

	if (options->library == LIBRARY_OFF || options->interfaces)
		return 0;
	trace->transcripts = transcript_table_new(&limits, take_library_handshake, trace);
	if (!trace->transcripts || tracker_listen(trace->live->table)) {
		log_out_of_memory();
		return -ENOMEM;
	}
	trace->probes = probes_open(take_library_event, trace);
	if (!trace->probes)
		return options->library == LIBRARY_PATH ? -ENOTSUP : 0;
	tracer_add_probes(trace->tracer, trace->probes);
	return library_open(&trace->library, options->library, options->library_path, trace->probes);
}

/* Whether -p can select anything: a process absent by now will never appear. */
static int check_process(uint32_t process)
{
	if (!process)
		return 0;
	if (!proc_is_initial_namespace()) {
		log_error("-p %u: this program runs in a pid namespace of its own, whose numbers differ from the "
		          "kernel's: give it the host's (hostPID, --pid=host), or use an expression with process.name",
		          process);
		return -EINVAL;
	}
	if (kill(process, 0) && errno == ESRCH) {
		log_error("-p %u: there is no such process", process);
		return -ESRCH;
	}
	return 0;
}

int live_trace(const struct live *live)
{
	struct trace trace = {.live = live};
	const struct tracer_options options = {.cgroup = live->options->cgroup,
	                                       .interfaces = live->options->interface,
	                                       .interface_count = live->options->interfaces,
	                                       .interface_connections = live->options->max_connections,
	                                       .buffer_bytes = live->options->buffer_bytes,
	                                       .early_filter = &trace.early_filter,
	                                       .follow_process = live->options->process};
	int error;

	filter_early(live->options->filter, &trace.early_filter);
	error = check_process(live->options->process);
	if (!error)
		error = notify_open(&trace.notify);
	if (!error)
		error = tracer_open(&trace.tracer, &options, take_event, &trace);
	if (!error)
		error = open_library(&trace);
	if (error)
		goto cleanup;
	/* from here on strangers' bytes are read */
	error = privileges_drop();
	if (!error)
		error = exporter_start(live->exporter);
	if (error)
		goto cleanup;
	/* after the last thread: no thread can start any more */
	sandbox_enter(SANDBOX_LIVE);
	tracker_set_service(live->table, add_service, &trace);
	policy_services(settings_policy(live->settings), expect_service, &trace);
	error = read_events(&trace);
	finish(&trace);
	tracker_set_service(live->table, NULL, NULL);
cleanup:
	library_close(trace.library);
	tracer_close(trace.tracer);
	notify_close(&trace.notify);
	probes_close(trace.probes);
	transcript_table_free(trace.transcripts);
	return error;
}
