/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process - which container a process is in, by its cgroups (/proc/PID/cgroup). The process that reads the network may open
 * no file: a child of it, which has no privilege but that, looks.
 */
#ifndef ATTRIBUTION_PROCESS_H
#define ATTRIBUTION_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "handshake/handshake.h"

/*
 * The container that the text of a /proc/PID/cgroup tells of: 64 hexadecimal digits (Docker, Podman, containerd, CRI-O), or
 * the name of a systemd-nspawn machine; of containers in containers the innermost. False, and "", where it is none.
 */
bool process_container_of(const char *text, char container[CONTAINER_ID_MAX]);

struct processes;

/*
 * Start the child; before threads. Returns 0, also where this process is not in the initial pid namespace, whose numbers
 * the kernel tells: then nothing is known, and *processes is NULL. -errno after a message on standard error.
 */
int processes_open(struct processes **processes);
void processes_close(struct processes *processes);

/* "" where the process is in none, is gone, or nobody can tell in time. */
void processes_container(struct processes *processes, uint32_t process, char container[CONTAINER_ID_MAX]);

#endif /* ATTRIBUTION_PROCESS_H */
