/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_targets - the probed files, each once: attached when a process maps the file or the host offers the file to
 * new processes, detached when neither holds, or the file changes under its name.
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

/* The parts of the finder that targets need; the caller owns them, and they outlive the targets. */
struct library_targets_tools {
	const struct probes *probes;
	struct elf_reader *reader;
	struct detacher *detacher; /* NULL: links are detached at once */
	struct user_quota *quota;
	int proc;         /* a descriptor of /proc */
	int socket;       /* receives reports (notice.h) */
	bool with_static; /* also programs that OpenSSL is a part of */
};

/* NULL if there is no memory. */
struct library_targets *library_targets_new(const struct library_targets_tools *tools);

/* Detaches all. */
void library_targets_free(struct library_targets *targets);

/* Probe this file and no other. Returns 0, or -errno after a message on standard error. */
int library_targets_add_only(struct library_targets *targets, int descriptor);

/* Examine the files mapped by a process of this user. */
void library_targets_look(struct library_targets *targets, uint32_t process, uint32_t user);

/*
 * Between these two all processes are examined. Files without a mapping are released, except files of users with a
 * left-out process (user_quota.h).
 */
void library_targets_begin(struct library_targets *targets);
void library_targets_end(struct library_targets *targets);

/* Cheap and urgent: have files changed that are probed, or the host's own directories of libraries? Also reports delays. */
void library_targets_check(struct library_targets *targets);

/* Tell that all was looked at for the first time. */
void library_targets_ready(struct library_targets *targets);

#endif /* LIBRARY_TARGETS_H */
