// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "live_status.h"

#include <string.h>

static void ask_table(const struct tracker *table, struct status *status)
{
	static const char *const names[TRACKER_STATES] = {
		[TRACKER_HANDSHAKE] = "handshake", [TRACKER_LAST_WORD] = "last_word", [TRACKER_LIBRARY] = "library"};
	const struct tracker_counts *counts = tracker_counts(table);
	const struct library_join_counts *join = tracker_library_counts(table);
	struct status_tracking *tracking = &status->tracking;
	uint32_t followed[TRACKER_STATES];

	tracker_followed(table, followed);
	for (int index = 0; index < TRACKER_STATES; index++)
		tracking->followed[index] = (struct status_number){names[index], followed[index]};
	tracking->table_full = counts->table_full;
	tracking->events_lost = counts->events_lost;
	tracking->gaps = counts->gaps;
	tracking->bounds = counts->bounds;
	tracking->malformed_events = counts->malformed_events;
	tracking->conflicts = counts->conflicts;
	tracking->unfollowed = counts->unfollowed;
	if (!join)
		return;
	status->libraries.joined = join->joined;
	status->libraries.unjoined = join->unjoined;
	status->libraries.untold = join->untold;
	status->libraries.table_full += join->table_full;
}

static void ask_transcripts(const struct transcript_table *transcripts, struct status_libraries *libraries)
{
	const struct transcript_counts *counts = transcript_table_counts(transcripts);

	libraries->strangers = counts->strangers;
	libraries->damaged = counts->damaged;
	libraries->table_full += counts->table_full;
	libraries->malformed_events = counts->malformed_events;
}

static void ask_library(const struct library *library, struct status_libraries *libraries)
{
	/* also without a library: then all numbers are 0 */
	const struct library_counts *counts = library_counts(library);

	for (int kind = 0; kind < LIBRARY_KINDS; kind++)
		libraries->attached[kind] =
			(struct status_number){library_kind_rows[kind].name, counts->attached[kind]};
	libraries->refused = counts->refused;
	libraries->bound = counts->bound;
	libraries->unreadable = counts->unreadable;
	libraries->skipped = counts->skipped;
	libraries->delay_ms = counts->delay_ms;
}

static void ask_programs(const struct tracer *tracer, const struct tracer_sight *sight, struct status_program *programs)
{
	struct program_runs runs[TRACER_RUNS];

	tracer_runs(tracer, runs);
	for (int index = 0; index < TRACER_RUNS; index++)
		programs[index] = (struct status_program){
			.name = runs[index].program,
			.shown_packets = index < TRACER_PROGRAMS,
			.packets = index < TRACER_PROGRAMS ? sight->packets[index] : 0,
			.runs = runs[index].runs,
			.run_ns = runs[index].run_ns,
		};
}

static void ask_tracer(const struct tracer *tracer, bool with_runs, struct status *status)
{
	struct tracer_sight sight;

	tracer_statistics(tracer, status->statistics);
	tracer_look(tracer, &sight);
	status->hook = (struct status_hook){.name = sight.hook,
	                                    .programs = sight.programs,
	                                    .buffer_bytes = sight.buffer_bytes,
	                                    .buffer_waiting = sight.buffer_waiting,
	                                    .buffer_peak = sight.buffer_peak};
	if (with_runs)
		ask_programs(tracer, &sight, status->program);
}

static void ask_settings(const struct settings *settings, struct status_settings *told)
{
	const struct settings_state state = settings_state(settings);

	told->named = state.named;
	told->refused = state.refused;
	told->since = state.since;
	told->has_policy = state.has_policy;
	memcpy(told->lines, state.lines, sizeof(told->lines));
}

static void ask_attributor(const struct attributor *attributor, struct status_attribution *status)
{
	if (!attributor)
		return;
	status->late = attributor_counts(attributor)->late;
	status->unnamed = attributor_counts(attributor)->unnamed;
}

void live_status(const struct live_sources *sources, struct status *status)
{
	memset(status, 0, sizeof(*status));
	ask_table(sources->table, status);
	if (sources->tracer) {
		ask_tracer(sources->tracer, sources->with_runs, status);
		ask_library(sources->library, &status->libraries);
	}
	if (sources->transcripts)
		ask_transcripts(sources->transcripts, &status->libraries);
	if (sources->probes)
		probes_statistics(sources->probes, status->library_calls);
	ask_attributor(sources->attributor, &status->attribution);
	ask_settings(sources->settings, &status->settings);
	sinks_count(sources->sinks, status->sink);
}

_Static_assert((int)TRACER_RUNS <= (int)STATUS_PROGRAMS_MAX, "each program has a place");
_Static_assert((int)LIBRARY_KINDS <= (int)STATUS_LIBRARIES_MAX, "each kind of library has a place");
_Static_assert((int)TRACKER_STATES <= (int)STATUS_STATES_MAX, "each state has a place");
