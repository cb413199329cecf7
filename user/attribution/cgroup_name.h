/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cgroup_name - from the path of a cgroup to the systemd unit, the container, the runtime and the pod of the processes there.
 * Pure. Runtimes write the path. A user may name cgroups below a delegated cgroup as he likes, so a container's id is only as
 * trustworthy as the unit around the container.
 */
#ifndef ATTRIBUTION_CGROUP_NAME_H
#define ATTRIBUTION_CGROUP_NAME_H

#include <stdbool.h>

#include "handshake/attribution.h"

/*
 * Fill in unit, container, runtime and pod_uid from a path within the cgroup hierarchy (cgroup v1 or v2): "/" and then
 * names. Fields without a source in the path stay unchanged. The innermost of nested containers counts, and the
 * outermost unit, which is the host's. A container's own scope ("docker-ID.scope") is not reported as a unit.
 */
void cgroup_name_read(const char *path, struct attribution *attribution);

/* The same from the text of a /proc/PID/cgroup (cgroups(7)): the line of cgroup v2 first, then those of v1. */
void cgroup_name_read_lines(const char *text, struct attribution *attribution);

#endif /* ATTRIBUTION_CGROUP_NAME_H */
