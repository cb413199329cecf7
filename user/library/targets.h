/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_targets - the files that are probed, each once: attached when a process maps it or the host offers it to new ones,
 * detached when neither is so any more, or the file changes under its name.
 */
#ifndef LIBRARY_TARGETS_H
#define LIBRARY_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/probes.h"

struct library_targets;

/* proc: a descriptor of /proc. with_static: also programs that OpenSSL is a part of. What happens is told on the socket. NULL where there is no memory. */
struct library_targets *library_targets_new(const struct probes *probes, int proc, int socket, bool with_static);
void library_targets_free(struct library_targets *targets);

/* Probe this file and no other. Returns 0, or -errno after a message on standard error. */
int library_targets_add_only(struct library_targets *targets, int descriptor);

/* Look at what a process has mapped. */
void library_targets_look(struct library_targets *targets, uint32_t process);

/* Between these all processes are looked at: what none of them maps is let go. */
void library_targets_begin(struct library_targets *targets);
void library_targets_end(struct library_targets *targets);

/* What is cheap and cannot wait: have files changed that are probed, or the host's own directories of libraries? */
void library_targets_check(struct library_targets *targets);

/* Tell that all was looked at for the first time. */
void library_targets_ready(struct library_targets *targets);

#endif /* LIBRARY_TARGETS_H */
