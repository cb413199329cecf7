/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * proc - facts of /proc about a process. The number of an ended process may be reused, so each answer compares the
 * process's start time before and after the read.
 */
#ifndef ATTRIBUTION_PROC_H
#define ATTRIBUTION_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "handshake/attribution.h"

/* Which process is meant. */
struct proc_identity {
	uint32_t process;      /* tgid in the initial pid namespace */
	uint64_t start_ns;     /* CLOCK_BOOTTIME at its start; 0: not known */
	uint64_t not_after_ns; /* start_ns is 0: the process started before this, CLOCK_BOOTTIME */
};

/* The start in clock ticks, and the name, of the text of /proc/PID/stat. Returns false where it has another form. */
bool proc_read_stat(const char *text, uint64_t *start_ticks, char name[ATTRIBUTION_NAME_MAX]);

/*
 * Fill in executable, user, the cgroup's names, and on request the command line and the name, from /proc. Returns
 * false, and changes nothing, if the process is gone, is another process, or is hidden from this process.
 */
bool proc_read(const struct proc_identity *identity, bool command_line, bool name, struct attribution *attribution);

/* Whether the numbers in /proc are those of the initial pid namespace, as in the kernel's reports. */
bool proc_is_initial_namespace(void);

#endif /* ATTRIBUTION_PROC_H */
