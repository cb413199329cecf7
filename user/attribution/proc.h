/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * proc - read /proc of a process. The number of an ended process may be used again, so the start time is compared before and
 * after reading.
 */
#ifndef ATTRIBUTION_PROC_H
#define ATTRIBUTION_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "handshake/attribution.h"

/* A process, beyond its number. */
struct proc_identity {
	uint32_t process;      /* tgid in the initial pid namespace */
	uint64_t start_ns;     /* CLOCK_BOOTTIME at the start of the process; 0: not known */
	uint64_t not_after_ns; /* if start_ns is 0: CLOCK_BOOTTIME of a moment after the start */
};

/* The start in clock ticks, and the name, of the text of /proc/PID/stat. Returns false where it has another form. */
bool proc_read_stat(const char *text, uint64_t *start_ticks, char name[ATTRIBUTION_NAME_MAX]);

/*
 * Fill in executable, user, the cgroup's names, and on request the command line and the name, from /proc. Returns
 * false, and changes nothing, if the process is gone, is another process, or is hidden from this process. A process
 * whose name is not attribution->name (empty: not known) counts as another: it has started in the same clock tick, or runs
 * another program by now.
 */
bool proc_read(const struct proc_identity *identity, bool command_line, bool name, struct attribution *attribution);

/* Whether /proc has the numbers of the initial pid namespace. BPF programs report such numbers. */
bool proc_is_initial_namespace(void);

#endif /* ATTRIBUTION_PROC_H */
