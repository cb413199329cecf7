/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * status - the state of the trace, as plain data: the counts of the kernel and the modules so far. live fills the status about
 * 20 times a second, and sinks read the status; so no sink includes the tracer, the tables or the libraries. Counters only grow.
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

/* A number with a name: a label value in the metrics. A name of NULL: no number. */
struct status_number {
	const char *name;
	uint64_t value;
};

/* Connections, as the table of connections counts them. */
struct status_tracking {
	struct status_number followed[STATUS_STATES_MAX]; /* now, by the awaited event */
	uint64_t table_full;
	uint64_t events_lost;
	uint64_t gaps;
	uint64_t bounds;
	uint64_t malformed_events;
	uint64_t conflicts;
	uint64_t unfollowed;
};

/* TLS libraries: the probed files, and the results of calls. All 0 without probes. */
struct status_libraries {
	struct status_number attached[STATUS_LIBRARIES_MAX]; /* files probed now, by kind of library */
	uint64_t refused;                                    /* files like a library, but impossible to probe */
	uint64_t bound;                                      /* files beyond the bound */
	uint64_t unreadable;                                 /* files not opened or parsed in time */
	uint64_t skipped;    /* processes skipped in a scan: the user's processes exceeded the user's share of time */
	uint64_t delay_ms;   /* the longest wait of a user's processes for the next scan; 0: no wait */
	uint64_t joined;     /* records with a library's view */
	uint64_t unjoined;   /* library handshakes without a traced connection */
	uint64_t untold;     /* TLS 1.3 records without a library's view */
	uint64_t strangers;  /* calls without a handshake */
	uint64_t damaged;    /* library handshakes with missing bytes */
	uint64_t table_full; /* library handshakes dropped to make room */
	uint64_t malformed_events;
};

/* The processes behind the handshakes. All 0 without attribution. */
struct status_attribution {
	uint64_t late;    /* records with the kernel's facts only: the lookup took too long */
	uint64_t unnamed; /* records of sockets of this host without a process */
};

/* A BPF program. */
struct status_program {
	const char *name; /* NULL: no program */
	bool shown_packets;
	uint64_t packets; /* may be a little low (struct packet_counter) */
	uint64_t runs;    /* 0 where the kernel does not count runs (sysctl kernel.bpf_stats_enabled) */
	uint64_t run_ns;
};

/* The hook and the ring buffer. */
struct status_hook {
	const char *name;  /* "socket", "device"; NULL: no hook */
	uint32_t programs; /* attached; 0 before the first device */
	uint64_t buffer_bytes;
	uint64_t buffer_waiting; /* when the ring buffer was last read */
	uint64_t buffer_peak;    /* the maximum of waiting bytes */
};

/* The files read again on SIGHUP. */
struct status_settings {
	bool named;     /* the command line names files; otherwise the rest is unused */
	bool refused;   /* the last reload failed */
	uint64_t since; /* seconds since the epoch: when the settings in force were read */
	bool has_policy;
	uint32_t lines[POLICY_EXPECTATIONS]; /* of the policy, by expectation */
};

/* A sink and the sink's records. */
struct status_sink {
	const char *name; /* NULL: no sink */
	struct sink_counts counts;
};

struct status {
	uint64_t now_ns;                            /* CLOCK_MONOTONIC: when events were last looked for */
	uint64_t last_event_ns;                     /* 0: not yet */
	int64_t realtime_offset_ns;                 /* add to get nanoseconds since the epoch */
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
