/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probes - the BPF programs for TLS libraries (bpf/library.bpf.c): load, attach, read. Loading and attaching need privileges.
 * Events and counters are in memory shared with the kernel.
 */
#ifndef KERNEL_PROBES_H
#define KERNEL_PROBES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/library_event.h"
#include "kernel/program_runs.h"
#include "library/points.h"

enum probes_bounds {
	PROBES_KEEP_MAX = 4,
	PROBES_RUNS = PROBES + 1,
};

/* A file to be probed. */
struct probe_file {
	int descriptor;  /* open: a path could name another file meanwhile */
	uint32_t target; /* as events shall name it */
};

/* Probes attached and detached together. */
struct bpf_link;
struct probe_link {
	struct bpf_link *single; /* NULL: the link has many probes */
	int many;                /* descriptor of a link of many */
};

typedef void (*probes_sink)(const struct library_event *event, void *context);

struct probes;

/* NULL if the kernel does not load the programs, after one line on standard error: the trace goes on without probes. */
struct probes *probes_open(probes_sink sink, void *context);
void probes_close(struct probes *probes);

/* A descriptor that is readable when many events wait. Most events come without a wake-up. */
int probes_descriptor(const struct probes *probes);

/* Pass on all waiting events. Returns 0, or -errno. */
int probes_read(struct probes *probes);

/* The same, if events of that age may exist. */
int probes_read_until(struct probes *probes, uint64_t time_ns);

/* The counters (enum library_statistic) as of now. */
void probes_statistics(const struct probes *probes, uint64_t statistics[LIBRARY_STATISTICS]);

/* The runs of each program until now. The time is the program's, without the trap before the program. */
void probes_runs(const struct probes *probes, struct program_runs runs[PROBES_RUNS]);

/*
 * In a process made by fork(2) to attach probes: close all files except those needed here, and keep[], so nothing stays
 * attached or open. Afterwards only the following functions may be used.
 */
void probes_keep(struct probes *probes, const int keep[], int count);

/* Whether this process may attach probes. Returns 0, or -errno. */
int probes_try(const struct probes *probes);

/*
 * Whether one link takes many probes of a file (kernel 6.6). With a link for each probe, the kernel waits at each
 * removal until no program runs, which takes 0.1 s.
 */
bool probes_take_many(const struct probes *probes);

/* Whether a probe knows its file (kernel 5.15). Probes that read structures need this. */
bool probes_know_files(const struct probes *probes);

/* The offsets in the structures of a target, before its probes are attached; and after they were detached. */
void probes_set_layout(const struct probes *probes, uint32_t target, const struct library_layout *layout);
void probes_forget_layout(const struct probes *probes, uint32_t target);

/* Attach probes of the same program: one, unless a link takes many. Returns 0, or -errno without a message. */
int probes_attach(const struct probes *probes, const struct probe_file *file, const struct probe_point *points,
                  uint32_t count, struct probe_link *link);
void probes_detach(struct probe_link *link);

/*
 * Be informed of processes that begin to run a program. Returns a descriptor that becomes readable, for
 * probes_read_execs(), or -errno if the kernel has no such tracepoint.
 */
typedef void (*probes_exec_sink)(uint32_t process, uint32_t user, void *context);
int probes_watch_execs(struct probes *probes, probes_exec_sink sink, void *context);
void probes_read_execs(struct probes *probes);

#endif /* KERNEL_PROBES_H */
