/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * detacher - threads that detach probes. The kernel waits at each removal until no program runs (0.04 to 0.1 s).
 * Several threads wait in parallel, so the end of the process and the examination of other files are not delayed.
 */
#ifndef LIBRARY_DETACHER_H
#define LIBRARY_DETACHER_H

#include "kernel/probes.h"

enum detacher_bounds {
	DETACHER_THREADS = 24,
	DETACHER_QUEUE_MAX = 1024, /* links that wait; more are detached by the caller */
};

struct detacher;

/* Start the threads: after privileges were given up (they are each thread's own) and before the sandbox. NULL: no memory. */
struct detacher *detacher_start(void);

/* Detach soon. The link is the detacher's from then on. Without a detacher, detach now. */
void detacher_add(struct detacher *detacher, const struct probe_link *link);

/* Detach all that wait, then end the threads. */
void detacher_stop(struct detacher *detacher);

#endif /* LIBRARY_DETACHER_H */
