/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tracer - the BPF programs: load, attach, read. The only module that knows the skeletons. Only tracer_open() needs
 * privileges: events and counters come from memory shared with the kernel.
 */
#ifndef KERNEL_TRACER_H
#define KERNEL_TRACER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/early_filter.h"
#include "bpf/shared/event.h"
#include "bpf/shared/service_set.h"
#include "kernel/probes.h"

struct tracer_options {
	const char *cgroup;             /* path of the cgroup to trace; NULL: the root of the cgroup v2 hierarchy */
	const char *const *interfaces;  /* network devices to trace instead, "any" for all */
	uint32_t interface_count;       /* 0: a cgroup */
	uint32_t interface_connections; /* followed at once; beyond the bound the quietest connection is dropped */
	uint32_t buffer_bytes;          /* size of the ring buffer, a power of two and a multiple of the page size */
	const struct early_filter
		*early_filter; /* the part of an expression decided with the first packet; NULL: nothing */
	uint32_t
		follow_process; /* whose writes, and its descendants', are marked (event_owner.followed); 0: no process */
};

enum tracer_bounds {
	TRACER_PROGRAMS = 2, /* programs with packets as input */
	TRACER_RUNS = TRACER_PROGRAMS + 1 + PROBES_RUNS,
};

/* Whether the programs see anything, and how full the buffer is. */
struct tracer_sight {
	const char *hook;                  /* a static string: "socket", "device" */
	uint32_t programs;                 /* attached; 0 without a device so far */
	uint64_t packets[TRACER_PROGRAMS]; /* seen by the programs; may be a little low (packet_counter) */
	uint64_t buffer_bytes;             /* of the ring buffer */
	uint64_t buffer_waiting;           /* at the latest read */
	uint64_t buffer_peak;              /* maximum of buffer_waiting */
};

typedef void (*tracer_sink)(const struct event *event, void *context);

struct tracer;

/*
 * Load and attach all programs, or none. Returns 0 and a tracer, or -errno after a message on standard error with the
 * attempt, the kernel's answer and advice.
 */
int tracer_open(struct tracer **tracer, const struct tracer_options *options, tracer_sink sink, void *context);

/* Detach and free everything. Nothing stays in the kernel. */
void tracer_close(struct tracer *tracer);

/* Detach, so no more events come; waiting events can still be read. */
void tracer_detach(struct tracer *tracer);

/*
 * Wait for events for at most timeout_ms, and pass on all events. Returns 0, or -errno (-EINTR on a signal; another
 * error after a message on standard error: nothing can be seen any more). Before an event is passed on, all older
 * events of probes have been passed on.
 */
int tracer_poll(struct tracer *tracer, int timeout_ms);

/* Read the events of these probes, too. The probes stay the caller's, and open as long as the tracer. */
void tracer_add_probes(struct tracer *tracer, struct probes *probes);

/*
 * A service known to speak TLS: from now on each connection to the service without a ClientHello at its beginning is
 * reported once, by EVENT_PLAINTEXT. The same service may be added again. Needs no privilege. Returns false if the
 * bounded set has no place (service_set.h): such connections are then not reported.
 */
bool tracer_add_service(struct tracer *tracer, const struct service_key *service);

/* The kernel's counters (enum statistic) as they are now. */
void tracer_statistics(const struct tracer *tracer, uint64_t statistics[STATISTICS]);

void tracer_look(const struct tracer *tracer, struct tracer_sight *sight);

/* The runs of each program until now, programs with packets first; without a name if absent. */
void tracer_runs(const struct tracer *tracer, struct program_runs runs[TRACER_RUNS]);

#endif /* KERNEL_TRACER_H */
