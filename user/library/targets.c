// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/targets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/log.h"
#include "library/kinds.h"
#include "library/notice.h"
#include "library/mapped_file.h"

enum {
	FILES_MAX = 8192, /* mapped files that are known, most of them no library: read once */
	REFUSED_MAX = 64, /* told of on standard error; more are only counted */
	DIRECTORY_ENTRIES_MAX = 65536,
	PROC_PATH_MAX = 64,
};

/* Where a host keeps the libraries that new programs will map. */
static const char *const directories[] = {
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib",
	"/usr/local/lib64",
};

enum {
	DIRECTORIES = sizeof(directories) / sizeof(directories[0]),
};

/* What a file is, and what it was when it was read. */
struct identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct target {
	uint32_t id; /* 0: the place is free */
	uint8_t kind;
	bool own;       /* in one of the host's own directories */
	uint32_t round; /* in which it was last seen to be mapped */
	int descriptor;
	struct identity identity;
	uint32_t points;
	struct probe_point point[PROBE_POINTS_MAX];
	uint32_t links;
	struct probe_link link[PROBE_POINTS_MAX];
};

/*
 * A mapped file that was read. By the device and inode of /proc/PID/maps, which are not always those of stat(2): on
 * overlayfs and btrfs.
 */
struct file {
	uint64_t device;
	uint64_t inode; /* 0: the place is free */
	struct identity identity;
	uint32_t target; /* id; 0: none */
	uint32_t round;
};

struct library_targets {
	const struct probes *probes;
	int proc;
	int socket;
	uint32_t next_id;
	uint32_t round;
	bool only; /* one file, which was asked for by name */
	bool with_static;
	struct library_counts counts;
	struct timespec directory_changed[DIRECTORIES];
	struct target target[LIBRARY_TARGETS_MAX];
	struct file file[FILES_MAX];
};

struct library_targets *library_targets_new(const struct probes *probes, int proc, int socket, bool with_static)
{
	struct library_targets *targets = calloc(1, sizeof(*targets));

	if (!targets)
		return NULL;
	targets->probes = probes;
	targets->proc = proc;
	targets->socket = socket;
	targets->with_static = with_static;
	targets->next_id = 1;
	return targets;
}

static void tell(const struct library_targets *targets, enum library_notice_what what,
                 const struct library_target *target)
{
	struct library_notice notice;

	/* padding goes over the socket, too */
	memset(&notice, 0, sizeof(notice));
	notice.what = what;
	if (target)
		notice.target = *target;
	notice.counts = targets->counts;
	/* where nobody listens any more the end is near */
	send(targets->socket, &notice, sizeof(notice), MSG_NOSIGNAL);
}

void library_targets_ready(struct library_targets *targets)
{
	tell(targets, LIBRARY_NOTICE_READY, NULL);
}

static int identify(int descriptor, struct identity *identity)
{
	struct stat status;

	if (fstat(descriptor, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOENT;
	*identity = (struct identity){
		.device = status.st_dev, .inode = status.st_ino, .size = status.st_size, .changed = status.st_ctim};
	return 0;
}

static bool is_same_file(const struct identity *one, const struct identity *other)
{
	return one->device == other->device && one->inode == other->inode;
}

/* What was read of it holds as long as this is so. */
static bool is_unchanged(const struct identity *one, const struct identity *other)
{
	return is_same_file(one, other) && one->size == other->size && one->changed.tv_sec == other->changed.tv_sec &&
	       one->changed.tv_nsec == other->changed.tv_nsec;
}

static void detach_probes(struct target *target)
{
	while (target->links)
		probes_detach(&target->link[--target->links]);
}

static void detach(struct library_targets *targets, struct target *target)
{
	const struct library_target told = {.id = target->id, .kind = target->kind};

	detach_probes(target);
	close(target->descriptor);
	targets->counts.attached[target->kind]--;
	memset(target, 0, sizeof(*target));
	tell(targets, LIBRARY_NOTICE_DETACHED, &told);
}

void library_targets_free(struct library_targets *targets)
{
	if (!targets)
		return;
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++)
		if (targets->target[index].id)
			detach(targets, &targets->target[index]);
	free(targets);
}

/* A file that looks like a library, but cannot be probed. */
static void refuse(struct library_targets *targets, const char *path, const char *why)
{
	targets->counts.refused++;
	tell(targets, LIBRARY_NOTICE_COUNTS, NULL);
	if (targets->counts.refused > REFUSED_MAX)
		return;
	log_warning("not probed: %s: %s", path, why);
}

/* How many of the points from `first` on one link takes. */
static uint32_t points_of_link(const struct library_elf *elf, uint32_t first)
{
	uint32_t end = first + 1;

	while (elf->many && end < elf->points && elf->point[end].probe == elf->point[first].probe)
		end++;
	return end - first;
}

static int attach(struct library_targets *targets, struct target *target, const struct library_elf *elf)
{
	const struct probe_file file = {.descriptor = target->descriptor, .target = target->id};
	uint32_t count;
	int error = 0;

	for (uint32_t first = 0; !error && first < elf->points; first += count) {
		count = points_of_link(elf, first);
		error = probes_attach(targets->probes, &file, &elf->point[first], count, &target->link[target->links]);
		target->links += !error;
	}
	/* half of the probes would see half of the handshakes */
	if (error)
		detach_probes(target);
	memcpy(target->point, elf->point, sizeof(target->point));
	target->points = elf->points;
	return error;
}

static struct target *free_place(struct library_targets *targets)
{
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++)
		if (!targets->target[index].id)
			return &targets->target[index];
	return NULL;
}

/* Attach to a file that was read. Takes the descriptor over where it returns a target. */
static struct target *add_target(struct library_targets *targets, int descriptor, const struct identity *identity,
                                 const struct library_elf *elf, const char *path)
{
	struct library_target told = {.id = targets->next_id, .kind = elf->kind};
	struct target *target = free_place(targets);
	int error;

	if (!target) {
		targets->counts.bound++;
		log_debug("not probed: %s: more than %d files are probed already", path, LIBRARY_TARGETS_MAX);
		tell(targets, LIBRARY_NOTICE_COUNTS, NULL);
		return NULL;
	}
	*target = (struct target){
		.id = targets->next_id, .kind = elf->kind, .descriptor = descriptor, .identity = *identity};
	error = attach(targets, target, elf);
	if (error) {
		memset(target, 0, sizeof(*target));
		refuse(targets, path, strerror(-error));
		return NULL;
	}
	targets->next_id++;
	targets->counts.attached[elf->kind]++;
	memcpy(told.name, elf->name, sizeof(told.name));
	log_debug("probing %s: %s, %u places, %u links", path, elf->name, elf->points, target->links);
	tell(targets, LIBRARY_NOTICE_ATTACHED, &told);
	return target;
}

static struct target *find_target(struct library_targets *targets, const struct identity *identity)
{
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++)
		if (targets->target[index].id && is_unchanged(&targets->target[index].identity, identity))
			return &targets->target[index];
	return NULL;
}

/* The target that an open file is or becomes; NULL: none. Takes over the descriptor. companion() opens a library that it needs. */
static struct target *examine(struct library_targets *targets, int descriptor, const struct identity *identity,
                              const char *path, int (*companion)(const char *name, const void *context),
                              const void *context)
{
	struct target *target = find_target(targets, identity);
	struct library_elf elf;
	const char *why = "";
	int error, needed;

	if (target)
		goto cleanup;
	error = library_elf_read(descriptor, probes_take_many(targets->probes), &elf, &why);
	if (!error && elf.every_hash && !targets->only && !targets->with_static) {
		why = "OpenSSL is a part of it: a probe would see each hash that it makes; auto+static wants that";
		error = -ENOTSUP;
	}
	if (error == -ENOTSUP)
		refuse(targets, path, why);
	else if (error && error != -ENOENT)
		log_debug("not probed: %s: %s", path, strerror(-error));
	if (error)
		goto cleanup;
	needed = elf.needed[0] ? companion(elf.needed, context) : -1;
	if (needed >= 0) {
		library_elf_version(needed, elf.name);
		close(needed);
	}
	target = add_target(targets, descriptor, identity, &elf, path);
	if (target)
		return target;
cleanup:
	close(descriptor);
	return target;
}

static uint32_t file_hash(uint64_t device, uint64_t inode)
{
	return ((device * 31 + inode) * 0x9e3779b97f4a7c15ull) >> 40;
}

/* The place of a mapped file: its own, or a free one; NULL where there is neither. */
static struct file *find_file(struct library_targets *targets, uint64_t device, uint64_t inode)
{
	uint32_t place = file_hash(device, inode) % FILES_MAX;

	for (int step = 0; step < FILES_MAX; step++) {
		struct file *file = &targets->file[(place + step) % FILES_MAX];

		if (!file->inode || (file->device == device && file->inode == inode))
			return file;
	}
	return NULL;
}

/* A mapped file on its way: what the process maps beside it is looked through for what it needs. */
struct look {
	struct library_targets *targets;
	const struct mapped_file *file;
};

struct neighbour {
	const char *name;
	int proc;
	int descriptor;
};

static bool open_neighbour(const struct mapped_file *file, void *context)
{
	struct neighbour *neighbour = context;
	const char *slash = strrchr(file->path, '/');
	size_t length = strlen(neighbour->name);

	/* " (deleted)" may follow */
	if (!slash || strncmp(slash + 1, neighbour->name, length) || (slash[1 + length] && slash[1 + length] != ' '))
		return true;
	neighbour->descriptor = mapped_file_open(neighbour->proc, file);
	return false;
}

static int open_mapped_companion(const char *name, const void *context)
{
	const struct look *look = context;
	struct neighbour neighbour = {.name = name, .proc = look->targets->proc, .descriptor = -1};

	mapped_file_each(look->targets->proc, look->file->process, open_neighbour, &neighbour);
	return neighbour.descriptor;
}

static struct target *target_of_id(struct library_targets *targets, uint32_t id)
{
	for (int index = 0; id && index < LIBRARY_TARGETS_MAX; index++)
		if (targets->target[index].id == id)
			return &targets->target[index];
	return NULL;
}

static void see_file(struct library_targets *targets, struct file *file)
{
	struct target *target = target_of_id(targets, file->target);

	file->round = targets->round;
	if (target)
		target->round = targets->round;
}

/* Read a file that is mapped, or make sure that it is the one that was read. */
static void read_file(struct library_targets *targets, const struct mapped_file *mapped, struct file *file)
{
	const struct look look = {.targets = targets, .file = mapped};
	int descriptor = mapped_file_open(targets->proc, mapped);
	struct identity identity;
	struct target *target;

	if (descriptor < 0)
		return;
	if (identify(descriptor, &identity) || (file->inode && is_unchanged(&file->identity, &identity))) {
		close(descriptor);
		return;
	}
	target = examine(targets, descriptor, &identity, mapped->path, open_mapped_companion, &look);
	*file = (struct file){.device = mapped->device,
	                      .inode = mapped->inode,
	                      .identity = identity,
	                      .target = target ? target->id : 0};
}

static bool look_at_file(const struct mapped_file *mapped, void *context)
{
	struct library_targets *targets = context;
	struct file *file = find_file(targets, mapped->device, mapped->inode);

	if (!file) {
		targets->counts.bound++;
		return true;
	}
	/* once in a round it is looked at anew: an inode that was freed is used again */
	if (!file->inode || file->round != targets->round)
		read_file(targets, mapped, file);
	if (file->inode)
		see_file(targets, file);
	return true;
}

void library_targets_look(struct library_targets *targets, uint32_t process)
{
	mapped_file_each(targets->proc, process, look_at_file, targets);
}

void library_targets_begin(struct library_targets *targets)
{
	targets->round++;
}

/* Files that were not seen in this round are forgotten. What stays may have stood behind one of them: all move. */
static void forget_files(struct library_targets *targets)
{
	struct file *old = malloc(sizeof(targets->file));

	if (!old)
		return;
	memcpy(old, targets->file, sizeof(targets->file));
	memset(targets->file, 0, sizeof(targets->file));
	for (int index = 0; index < FILES_MAX; index++) {
		const struct file *file = &old[index];

		if (file->inode && file->round == targets->round &&
		    (!file->target || target_of_id(targets, file->target)))
			*find_file(targets, file->device, file->inode) = *file;
	}
	free(old);
}

void library_targets_end(struct library_targets *targets)
{
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++) {
		struct target *target = &targets->target[index];

		if (target->id && !target->own && target->round != targets->round && !targets->only)
			detach(targets, target);
	}
	forget_files(targets);
}

static int open_beside(const char *name, const void *context)
{
	const int *directory = context;

	return openat(*directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* The directory of an open file, as it is called now; -1 where that is not known. */
static int open_directory_of(int descriptor)
{
	char link[PROC_PATH_MAX], path[PATH_MAX];
	ssize_t length;
	char *slash;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return -1;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return -1;
	slash[1] = '\0';
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int library_targets_add_only(struct library_targets *targets, int descriptor)
{
	int directory = open_directory_of(descriptor);
	struct target *target = NULL;
	struct identity identity;

	targets->only = true;
	if (!identify(descriptor, &identity))
		target = examine(targets, descriptor, &identity, "the file of --library", open_beside, &directory);
	if (directory >= 0)
		close(directory);
	if (!target && !targets->counts.refused)
		log_error("the file of --library is no TLS library that is known");
	if (!target)
		return -ENOTSUP;
	target->own = true;
	return 0;
}

static bool is_library_name(const char *name)
{
	static const char *const beginnings[] = {"libssl", "libgnutls"};

	for (size_t index = 0; index < sizeof(beginnings) / sizeof(beginnings[0]); index++)
		if (!strncmp(name, beginnings[index], strlen(beginnings[index])) && strstr(name, ".so"))
			return true;
	return false;
}

/* A library that programs may map any time. */
static void add_own(struct library_targets *targets, int directory, const char *name)
{
	int descriptor = open_beside(name, &directory);
	struct identity identity;
	struct target *target;

	if (descriptor < 0)
		return;
	if (identify(descriptor, &identity)) {
		close(descriptor);
		return;
	}
	target = examine(targets, descriptor, &identity, name, open_beside, &directory);
	if (target)
		target->own = true;
}

static void find_own_below(struct library_targets *targets, const char *path)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *entries;

	if (directory < 0)
		return;
	entries = fdopendir(directory);
	if (!entries) {
		close(directory);
		return;
	}
	for (int count = 0; count < DIRECTORY_ENTRIES_MAX && (entry = readdir(entries)); count++)
		if (is_library_name(entry->d_name))
			add_own(targets, directory, entry->d_name);
	closedir(entries);
}

/* Whether names were made or removed in one of the directories since the last time. */
static bool directories_changed(struct library_targets *targets)
{
	bool changed = false;
	struct stat status;

	for (int index = 0; index < DIRECTORIES; index++) {
		struct timespec *last = &targets->directory_changed[index];

		if (stat(directories[index], &status))
			continue;
		changed |= last->tv_sec != status.st_mtim.tv_sec || last->tv_nsec != status.st_mtim.tv_nsec;
		*last = status.st_mtim;
	}
	return changed;
}

static void find_own(struct library_targets *targets)
{
	/* those that are no more stay for as long as they are mapped */
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++)
		targets->target[index].own = false;
	for (int index = 0; index < DIRECTORIES; index++)
		find_own_below(targets, directories[index]);
}

/* A probe stands at an instruction of the file as it was read: where the file was written to, it may stand anywhere. */
static bool holds(const struct library_targets *targets, const struct target *target)
{
	struct library_elf elf;
	const char *why;

	if (library_elf_read(target->descriptor, probes_take_many(targets->probes), &elf, &why) ||
	    elf.kind != target->kind || elf.points != target->points)
		return false;
	for (uint32_t index = 0; index < elf.points; index++)
		if (elf.point[index].offset != target->point[index].offset ||
		    elf.point[index].probe != target->point[index].probe)
			return false;
	return true;
}

static void check_target(struct library_targets *targets, struct target *target)
{
	struct identity identity;

	if (!identify(target->descriptor, &identity) && is_unchanged(&target->identity, &identity))
		return;
	/* a name more or less, other permissions: the time of change tells no more than that there was one */
	if (holds(targets, target))
		target->identity = identity;
	else
		detach(targets, target);
}

void library_targets_check(struct library_targets *targets)
{
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++)
		if (targets->target[index].id)
			check_target(targets, &targets->target[index]);
	if (!targets->only && directories_changed(targets))
		find_own(targets);
}
