// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attribution/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BUCKETS = 4096,         /* a power of two */
	DEPTH_MAX = 64,         /* of the hierarchy */
	EVENTS_MAX = 64 * 1024, /* bytes of inotify's events read at once */
	RESCAN_SECONDS = 1,     /* least time between two searches of the whole tree for an unknown id */
	NO_WATCH = -1,
};

struct cgroup {
	LIST_ENTRY(cgroup) by_id;
	LIST_ENTRY(cgroup) by_watch;
	TAILQ_ENTRY(cgroup) gone;
	uint64_t id;
	int watch; /* NO_WATCH: removed, or inotify has no room */
	bool is_gone;
	char path[];
};

LIST_HEAD(bucket, cgroup);

struct cgroup_tree {
	char root[PATH_MAX];
	int events;
	uint32_t count;
	uint32_t gone_count;
	time_t rescanned;
	TAILQ_HEAD(gone_list, cgroup) gone; /* in the order of their removal */
	struct bucket by_id[BUCKETS];
	struct bucket by_watch[BUCKETS];
};

/* The kernel counts ids up: the lowest bits differ. */
static struct bucket *bucket_of(struct bucket *buckets, uint64_t key)
{
	return &buckets[key & (BUCKETS - 1)];
}

static struct cgroup *find_id(struct cgroup_tree *tree, uint64_t id)
{
	struct cgroup *cgroup;

	LIST_FOREACH (cgroup, bucket_of(tree->by_id, id), by_id)
		if (cgroup->id == id)
			return cgroup;
	return NULL;
}

static struct cgroup *find_watch(struct cgroup_tree *tree, int watch)
{
	struct cgroup *cgroup;

	LIST_FOREACH (cgroup, bucket_of(tree->by_watch, watch), by_watch)
		if (cgroup->watch == watch)
			return cgroup;
	return NULL;
}

static void forget(struct cgroup_tree *tree, struct cgroup *cgroup)
{
	if (cgroup->watch != NO_WATCH)
		LIST_REMOVE(cgroup, by_watch);
	if (cgroup->is_gone) {
		TAILQ_REMOVE(&tree->gone, cgroup, gone);
		tree->gone_count--;
	} else {
		tree->count--;
	}
	LIST_REMOVE(cgroup, by_id);
	free(cgroup);
}

/* The cgroup was removed: the name stays known for a while. */
static void retire(struct cgroup_tree *tree, struct cgroup *cgroup)
{
	if (cgroup->watch != NO_WATCH)
		LIST_REMOVE(cgroup, by_watch);
	cgroup->watch = NO_WATCH;
	if (cgroup->is_gone)
		return;
	cgroup->is_gone = true;
	tree->count--;
	tree->gone_count++;
	TAILQ_INSERT_TAIL(&tree->gone, cgroup, gone);
	if (tree->gone_count > CGROUP_TREE_GONE_MAX)
		forget(tree, TAILQ_FIRST(&tree->gone));
}

static void watch(struct cgroup_tree *tree, struct cgroup *cgroup)
{
	char path[PATH_MAX];
	struct cgroup *other;
	int number;

	if (snprintf(path, sizeof(path), "%s%s", tree->root, cgroup->path) >= (int)sizeof(path))
		return;
	number = inotify_add_watch(tree->events, path, IN_CREATE | IN_ONLYDIR | IN_DONT_FOLLOW);
	if (number < 0)
		return;
	/* the same directory has the same number */
	other = find_watch(tree, number);
	if (other)
		return;
	cgroup->watch = number;
	LIST_INSERT_HEAD(bucket_of(tree->by_watch, number), cgroup, by_watch);
}

static struct cgroup *add(struct cgroup_tree *tree, uint64_t id, const char *path)
{
	struct cgroup *cgroup;

	if (tree->count >= CGROUP_TREE_MAX)
		return NULL;
	cgroup = calloc(1, sizeof(*cgroup) + strlen(path) + 1);
	if (!cgroup)
		return NULL;
	cgroup->id = id;
	cgroup->watch = NO_WATCH;
	strcpy(cgroup->path, path);
	LIST_INSERT_HEAD(bucket_of(tree->by_id, id), cgroup, by_id);
	tree->count++;
	return cgroup;
}

/*
 * Take the directory at path, and all below. The watch precedes the look at the entries: a cgroup that is created meanwhile is
 * found twice, and not missed.
 */
/* NOLINTNEXTLINE(misc-no-recursion): no deeper than DEPTH_MAX */
static void scan(struct cgroup_tree *tree, const char *path, int depth)
{
	char full[PATH_MAX], below[PATH_MAX];
	struct cgroup *cgroup;
	struct dirent *entry;
	struct stat status;
	DIR *entries;

	if (depth > DEPTH_MAX || snprintf(full, sizeof(full), "%s%s", tree->root, path) >= (int)sizeof(full) ||
	    lstat(full, &status) || !S_ISDIR(status.st_mode))
		return;
	cgroup = find_id(tree, status.st_ino);
	if (cgroup && cgroup->is_gone) {
		forget(tree, cgroup);
		cgroup = NULL;
	}
	if (!cgroup)
		cgroup = add(tree, status.st_ino, path);
	if (cgroup && cgroup->watch == NO_WATCH)
		watch(tree, cgroup);
	entries = opendir(full);
	if (!entries)
		return;
	while ((entry = readdir(entries)) != NULL)
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < (int)sizeof(below))
			scan(tree, below, depth + 1);
	closedir(entries);
}

bool cgroup_tree_mount_point(char *path, unsigned int size)
{
	char *line = NULL, *point = NULL, *root = NULL;
	size_t capacity = 0;
	bool found = false;
	FILE *mounts = fopen("/proc/self/mountinfo", "re");

	if (!mounts)
		return false;
	while (!found && getline(&line, &capacity, mounts) >= 0) {
		/* id, parent, device, root in the hierarchy, mount point: proc(5) */
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %ms %ms", &root, &point) == 2)
			found = !strcmp(root, "/") && snprintf(path, size, "%s", point) < (int)size;
		free(root);
		free(point);
		root = point = NULL;
	}
	free(line);
	fclose(mounts);
	return found;
}

struct cgroup_tree *cgroup_tree_open(const char *root)
{
	struct cgroup_tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	TAILQ_INIT(&tree->gone);
	snprintf(tree->root, sizeof(tree->root), "%s", root);
	tree->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (tree->events < 0) {
		free(tree);
		return NULL;
	}
	scan(tree, "", 0);
	return tree;
}

void cgroup_tree_close(struct cgroup_tree *tree)
{
	if (!tree)
		return;
	for (int index = 0; index < BUCKETS; index++)
		while (!LIST_EMPTY(&tree->by_id[index]))
			forget(tree, LIST_FIRST(&tree->by_id[index]));
	close(tree->events);
	free(tree);
}

int cgroup_tree_descriptor(const struct cgroup_tree *tree)
{
	return tree->events;
}

static void take_event(struct cgroup_tree *tree, const struct inotify_event *event)
{
	struct cgroup *cgroup = find_watch(tree, event->wd);
	char path[PATH_MAX];

	if (event->mask & IN_Q_OVERFLOW) {
		scan(tree, "", 0);
	} else if (cgroup && event->mask & IN_IGNORED) {
		retire(tree, cgroup);
	} else if (cgroup && event->mask & IN_CREATE && event->mask & IN_ISDIR) {
		if (snprintf(path, sizeof(path), "%s/%s", cgroup->path, event->name) < (int)sizeof(path))
			scan(tree, path, 0);
	}
}

void cgroup_tree_read(struct cgroup_tree *tree)
{
	static char events[EVENTS_MAX] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t length;

	while ((length = read(tree->events, events, sizeof(events))) > 0) {
		const char *place = events;

		while (place < events + length) {
			const struct inotify_event *event = (const struct inotify_event *)place;

			take_event(tree, event);
			place += sizeof(*event) + event->len;
		}
	}
}

static bool may_rescan(struct cgroup_tree *tree)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (tree->rescanned && now.tv_sec - tree->rescanned < RESCAN_SECONDS)
		return false;
	tree->rescanned = now.tv_sec;
	return true;
}

const char *cgroup_tree_path(struct cgroup_tree *tree, uint64_t id)
{
	struct cgroup *cgroup = find_id(tree, id);

	if (!cgroup) {
		cgroup_tree_read(tree);
		cgroup = find_id(tree, id);
	}
	/* inotify reported nothing: no watch was left, or the bound was hit */
	if (!cgroup && id && may_rescan(tree)) {
		scan(tree, "", 0);
		cgroup = find_id(tree, id);
	}
	if (!cgroup)
		return NULL;
	return *cgroup->path ? cgroup->path : "/";
}
