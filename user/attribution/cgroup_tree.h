/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cgroup_tree - the path of each cgroup of the v2 hierarchy by the cgroup's id, also for a while after the cgroup is
 * gone.
 *
 * A short-lived container's cgroup may be removed before anybody asks for its id. inotify reports each new cgroup at
 * once, and a runtime needs milliseconds from there to its first process. The id is the inode number of the directory
 * (64-bit kernels since 5.5), and the kernel does not reuse a number.
 */
#ifndef ATTRIBUTION_CGROUP_TREE_H
#define ATTRIBUTION_CGROUP_TREE_H

#include <stdbool.h>
#include <stdint.h>

enum cgroup_tree_bounds {
	CGROUP_TREE_MAX = 65536,     /* cgroups that exist; a search finds more */
	CGROUP_TREE_GONE_MAX = 8192, /* removed cgroups; the oldest are forgotten first */
};

struct cgroup_tree;

/* Read all cgroups below root, the mount point of the hierarchy. NULL where there is no memory or no inotify. */
struct cgroup_tree *cgroup_tree_open(const char *root);
void cgroup_tree_close(struct cgroup_tree *tree);

/* Readable as soon as a cgroup was created or removed. */
int cgroup_tree_descriptor(const struct cgroup_tree *tree);

/* Read the events of the descriptor. */
void cgroup_tree_read(struct cgroup_tree *tree);

/* The path within the hierarchy ("/" for its root); NULL where the id is not known. Lives until the next call. */
const char *cgroup_tree_path(struct cgroup_tree *tree, uint64_t id);

/* Write the mount point of the cgroup v2 hierarchy into path. Returns false if no such hierarchy is mounted. */
bool cgroup_tree_mount_point(char *path, unsigned int size);

#endif /* ATTRIBUTION_CGROUP_TREE_H */
