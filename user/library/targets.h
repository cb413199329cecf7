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
#include "library/detacher.h"
#include "library/elf_reader.h"
#include "library/user_quota.h"

struct library_targets;

/* The rest of the finder that targets need; all of it is the caller's and outlives them. */
struct library_targets_tools {
	const struct probes *probes;
	struct elf_reader *reader;
	struct detacher *detacher; /* NULL: links are detached at once */
	struct user_quota *quota;
	int proc;         /* a descriptor of /proc */
	int socket;       /* what happens is reported on it (notice.h) */
	bool with_static; /* also programs that OpenSSL is a part of */
};

/* NULL if there is no memory. */
struct library_targets *library_targets_new(const struct library_targets_tools *tools);

/* Detaches all. */
void library_targets_free(struct library_targets *targets);

/* Probe this file and no other. Returns 0, or -errno after a message on standard error. */
int library_targets_add_only(struct library_targets *targets, int descriptor);

/* Look at the files that a process of this user has mapped. */
void library_targets_look(struct library_targets *targets, uint32_t process, uint32_t user);

/*
 * Between these all processes are looked at. Files that none of them maps are let go, but for those of users of which a
 * process was left out (user_quota.h).
 */
void library_targets_begin(struct library_targets *targets);
void library_targets_end(struct library_targets *targets);

/* Cheap and urgent: have files changed that are probed, or the host's own directories of libraries? Also reports delays. */
void library_targets_check(struct library_targets *targets);

/* Tell that all was looked at for the first time. */
void library_targets_ready(struct library_targets *targets);

#endif /* LIBRARY_TARGETS_H */
