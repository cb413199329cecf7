/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * status - how the trace stands, as plain data: what the kernel and the modules have counted so far. live fills it about 20
 * times a second, and sinks read it; so no sink has to include the tracer, the tables or the libraries. Counters only grow.
 * Names are static strings.
 */
#ifndef SINK_STATUS_H
#define SINK_STATUS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/event.h"
#include "bpf/shared/library_event.h"
#include "handshake/handshake.h"
#include "sink/sink.h"

enum status_bounds {
	STATUS_PROGRAMS_MAX = 32,
	STATUS_LIBRARIES_MAX = 8,
	STATUS_STATES_MAX = 8,
	STATUS_SINKS_MAX = 16,
};

/* A number with a name: a label value in the metrics. A name of NULL: there is no such number. */
struct status_number {
	const char *name;
	uint64_t value;
};

/* Connections, as the table of connections counts them. */
struct status_tracking {
	struct status_number followed[STATUS_STATES_MAX]; /* now, by what they wait for */
	uint64_t table_full;
	uint64_t events_lost;
	uint64_t gaps;
	uint64_t bounds;
	uint64_t malformed_events;
	uint64_t conflicts;
	uint64_t unfollowed;
};

/* TLS libraries: the probed files, and what their calls led to. All 0 without probes. */
struct status_libraries {
	struct status_number attached[STATUS_LIBRARIES_MAX]; /* files probed now, by kind of library */
	uint64_t refused;                                    /* files that look like a library and cannot be probed */
	uint64_t bound;                                      /* files beyond the bound */
	uint64_t unreadable;                                 /* files that could not be opened or parsed in time */
	uint64_t skipped;    /* processes left out of a look: their user took more than its share of the time */
	uint64_t delay_ms;   /* the longest wait of a user's processes for their next look; 0: nobody waits */
	uint64_t joined;     /* records with a library's view */
	uint64_t unjoined;   /* library handshakes that match no traced connection */
	uint64_t untold;     /* TLS 1.3 records without a library's view */
	uint64_t strangers;  /* calls that belong to no handshake */
	uint64_t damaged;    /* library handshakes with missing bytes */
	uint64_t table_full; /* library handshakes that made room for others */
	uint64_t malformed_events;
};

/* Who makes the handshakes. All 0 where nobody asks. */
struct status_attribution {
	uint64_t late;    /* records with what the kernel told alone: the lookup took too long */
	uint64_t unnamed; /* records of sockets of this host without a process */
};

/* A BPF program. */
struct status_program {
	const char *name; /* NULL: there is no such program */
	bool shown_packets;
	uint64_t packets; /* may be a little low (struct packet_counter) */
	uint64_t runs;    /* 0 where the kernel does not count runs (sysctl kernel.bpf_stats_enabled) */
	uint64_t run_ns;
};

/* The hook and its ring buffer. */
struct status_hook {
	const char *name;  /* "socket", "device"; NULL: none */
	uint32_t programs; /* attached; 0 where no device is there yet */
	uint64_t buffer_bytes;
	uint64_t buffer_waiting; /* when the ring buffer was last read */
	uint64_t buffer_peak;    /* the most that ever waited */
};

/* The files that are read again on SIGHUP. */
struct status_settings {
	bool named;     /* the command line names files; else the rest says nothing */
	bool refused;   /* the last reload failed */
	uint64_t since; /* seconds since the epoch: when the settings in force were read */
	bool has_policy;
	uint32_t lines[POLICY_EXPECTATIONS]; /* of the policy, by what they expect */
};

/* A sink and its records. */
struct status_sink {
	const char *name; /* NULL: there is no such sink */
	struct sink_counts counts;
};

struct status {
	uint64_t now_ns;                            /* CLOCK_MONOTONIC: when events were last looked for */
	uint64_t last_event_ns;                     /* 0: none yet */
	int64_t realtime_offset_ns;                 /* add it to get nanoseconds since the epoch */
	uint64_t statistics[STATISTICS];            /* enum statistic of the hook's programs */
	uint64_t library_calls[LIBRARY_STATISTICS]; /* enum library_statistic of the probes' programs */
	struct status_tracking tracking;
	struct status_libraries libraries;
	struct status_attribution attribution;
	struct status_hook hook;
	struct status_program program[STATUS_PROGRAMS_MAX];
	struct status_settings settings;
	struct status_sink sink[STATUS_SINKS_MAX];
};

#endif /* SINK_STATUS_H */
