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
#include <time.h>
#include <unistd.h>

#include "system/log.h"
#include "library/notice.h"
#include "library/mapped_file.h"

enum {
	FILES_MAX = 8192, /* known mapped files, most without a library: read once */
	/* parts of the places that one user other than root may take */
	FILES_OF_USER_MAX = FILES_MAX / 8,
	TARGETS_OF_USER_MAX = LIBRARY_TARGETS_MAX / 4,
	TARGETS_OF_USERS_MAX = LIBRARY_TARGETS_MAX / 4 * 3, /* of all users but root together */
	REFUSED_MAX = 64,                                   /* reported on standard error; more are only counted */
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

/* The identity of a file, and its state at the time of the read. */
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
	uint32_t round; /* the latest round with a mapping */
	uint32_t user;  /* of that process */
	uint32_t payer; /* the file's owner; if root, the user of the first process with a mapping */
	int descriptor;
	struct identity identity;
	uint32_t points;
	struct probe_point point[PROBE_POINTS_MAX];
	uint32_t links;
	struct probe_link link[PROBE_POINTS_MAX];
};

/*
 * A mapped file that was read. By the device and inode of /proc/PID/maps, which may differ from stat(2): on overlayfs
 * and btrfs.
 */
struct file {
	uint64_t device;
	uint64_t inode; /* 0: the place is free */
	struct identity identity;
	uint32_t target; /* id; 0: none */
	uint32_t round;  /* the latest round with a mapping */
	uint32_t user;   /* of that process */
	uint32_t payer;  /* of the first process with a mapping: the place counts as this user's */
};

struct library_targets {
	struct library_targets_tools tools;
	uint32_t next_id;
	uint32_t round;
	bool only;                     /* a single file, requested by name */
	bool reader_gone;              /* and a message said so */
	uint64_t refusal[REFUSED_MAX]; /* hashes of the messages that were printed */
	struct library_counts counts;
	struct library_counts reported;
	struct timespec directory_changed[DIRECTORIES];
	struct target target[LIBRARY_TARGETS_MAX];
	struct file file[FILES_MAX];
};

struct library_targets *library_targets_new(const struct library_targets_tools *tools)
{
	struct library_targets *targets = calloc(1, sizeof(*targets));

	if (!targets)
		return NULL;
	targets->tools = *tools;
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
	/* if nobody listens any more the end is near */
	send(targets->tools.socket, &notice, sizeof(notice), MSG_NOSIGNAL);
}

void library_targets_ready(struct library_targets *targets)
{
	tell(targets, LIBRARY_NOTICE_READY, NULL);
}

/* owner: the file's, in the initial user namespace. Returns 0, or -errno. */
static int identify(int descriptor, struct identity *identity, uint32_t *owner)
{
	struct stat status;

	if (fstat(descriptor, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOENT;
	*owner = status.st_uid;
	*identity = (struct identity){
		.device = status.st_dev, .inode = status.st_ino, .size = status.st_size, .changed = status.st_ctim};
	return 0;
}

static bool is_same_file(const struct identity *one, const struct identity *other)
{
	return one->device == other->device && one->inode == other->inode;
}

/* The results of a read hold as long as this is true. */
static bool is_unchanged(const struct identity *one, const struct identity *other)
{
	return is_same_file(one, other) && one->size == other->size && one->changed.tv_sec == other->changed.tv_sec &&
	       one->changed.tv_nsec == other->changed.tv_nsec;
}

static void detach_probes(struct library_targets *targets, struct target *target)
{
	while (target->links)
		detacher_add(targets->tools.detacher, &target->link[--target->links]);
}

static void detach(struct library_targets *targets, struct target *target)
{
	const struct library_target told = {.id = target->id, .kind = target->kind};

	detach_probes(targets, target);
	probes_forget_layout(targets->tools.probes, target->id);
	close(target->descriptor);
	targets->counts.attached[target->kind]--;
	memset(target, 0, sizeof(*target));
	tell(targets, LIBRARY_NOTICE_DETACHED, &told);
}

static void report_delay(struct library_targets *targets)
{
	struct timespec now;
	uint64_t delay_ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	delay_ms = user_quota_delay(targets->tools.quota, (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	targets->counts.delay_ms = delay_ms < UINT32_MAX ? delay_ms : UINT32_MAX;
	targets->counts.skipped = targets->tools.quota->skipped;
	/* padding that differs costs one message */
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
	if (!memcmp(&targets->counts, &targets->reported, sizeof(targets->counts)))
		return;
	targets->reported = targets->counts;
	tell(targets, LIBRARY_NOTICE_COUNTS, NULL);
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

static uint64_t hash_text(uint64_t hash, const char *text)
{
	/* FNV-1a */
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
	return hash;
}

/* Whether this message is new, and can be remembered. Copies of one file have many inodes. */
static bool is_new_refusal(struct library_targets *targets, const char *path, const char *why)
{
	uint64_t hash = hash_text(hash_text(0xcbf29ce484222325ull, path) * 31, why) | 1;

	for (int index = 0; index < REFUSED_MAX; index++) {
		if (targets->refusal[index] == hash)
			return false;
		if (!targets->refusal[index]) {
			targets->refusal[index] = hash;
			return true;
		}
	}
	return false;
}

/* A file that has a TLS library, but cannot be probed. */
static void refuse(struct library_targets *targets, const char *path, const char *why)
{
	targets->counts.refused++;
	tell(targets, LIBRARY_NOTICE_COUNTS, NULL);
	if (!is_new_refusal(targets, path, why))
		return;
	log_warning("not probed: %s: %s", path, why);
}

/* How many of the points from `first` on one link takes. */
static uint32_t points_of_link(const struct library_elf *elf, uint32_t first)
{
	uint32_t end = first + 1;

	while (elf->host.many_points && end < elf->points && elf->point[end].probe == elf->point[first].probe)
		end++;
	return end - first;
}

static int attach(struct library_targets *targets, struct target *target, const struct library_elf *elf)
{
	const struct probe_file file = {.descriptor = target->descriptor, .target = target->id};
	uint32_t count;
	int error = 0;

	probes_set_layout(targets->tools.probes, target->id, &elf->layout);
	for (uint32_t first = 0; !error && first < elf->points; first += count) {
		count = points_of_link(elf, first);
		if (elf->point[first].probe == PROBE_OPENSSL_VERIFY && !elf->layout.error)
			continue;
		error = probes_attach(targets->tools.probes, &file, &elf->point[first], count,
		                      &target->link[target->links]);
		target->links += !error;
	}
	/* half of the probes would see half of the handshakes */
	if (error)
		detach_probes(targets, target);
	memcpy(target->point, elf->point, sizeof(target->point));
	target->points = elf->points;
	return error;
}

/*
 * Users other than root: one user takes only a part of the places, and all together leave some to the host's own
 * services.
 */
static bool payer_has_room(const struct library_targets *targets, uint32_t payer)
{
	uint32_t of_user = 0, of_users = 0;

	if (!payer || targets->only)
		return true;
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++) {
		const struct target *target = &targets->target[index];

		of_users += target->id && target->payer;
		of_user += target->id && target->payer == payer;
	}
	return of_user < TARGETS_OF_USER_MAX && of_users < TARGETS_OF_USERS_MAX;
}

static struct target *free_place(struct library_targets *targets, uint32_t payer)
{
	if (!payer_has_room(targets, payer))
		return NULL;
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++)
		if (!targets->target[index].id)
			return &targets->target[index];
	return NULL;
}

/* An open file on its way to become a target. */
struct candidate {
	int descriptor;
	struct identity identity;
	uint32_t owner;
	uint32_t user;    /* of the process that maps the file; root for the host's own libraries */
	const char *path; /* for messages */
	int (*companion)(const char *name, const void *context); /* opens a library needed by the file; -1: absent */
	const void *context;
};

/* Attach to a file that was read. Takes the descriptor over if a target is returned. */
static struct target *add_target(struct library_targets *targets, const struct candidate *candidate,
                                 const struct library_elf *elf)
{
	struct library_target told = {.id = targets->next_id, .kind = elf->kind};
	const uint32_t payer = candidate->owner ?: candidate->user;
	struct target *target = free_place(targets, payer);
	int error;

	if (!target) {
		targets->counts.bound++;
		log_debug("not probed: %s: all places for its user are taken", candidate->path);
		tell(targets, LIBRARY_NOTICE_COUNTS, NULL);
		return NULL;
	}
	*target = (struct target){.id = targets->next_id,
	                          .kind = elf->kind,
	                          .descriptor = candidate->descriptor,
	                          .identity = candidate->identity,
	                          .payer = payer};
	error = attach(targets, target, elf);
	if (error) {
		memset(target, 0, sizeof(*target));
		refuse(targets, candidate->path, strerror(-error));
		return NULL;
	}
	targets->next_id++;
	targets->counts.attached[elf->kind]++;
	memcpy(told.name, elf->name, sizeof(told.name));
	log_debug("probing %s: %s, %u places, %u links", candidate->path, elf->name, elf->points, target->links);
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

/* The parser's answer does not come: not now, or never again. */
static void miss_reader(struct library_targets *targets, const char *path, int error)
{
	targets->counts.unreadable++;
	log_debug("not probed: %s: %s", path, strerror(-error));
	if (error != -EPIPE || targets->reader_gone)
		return;
	targets->reader_gone = true;
	log_warning("the process that parses TLS libraries has ended: no further libraries are probed");
}

/* Parse a file. Returns 0, -ENOENT, -ENOTSUP after a message, or -EAGAIN: try again later. */
static int parse(struct library_targets *targets, const struct candidate *candidate, struct library_elf *elf)
{
	const char *why = "";
	int error = elf_reader_read(targets->tools.reader, candidate->descriptor, elf, &why);

	if (!error && elf->every_hash && !targets->only && !targets->tools.with_static) {
		why = "OpenSSL is a part of it: a probe would see each hash that it makes; auto+static wants that";
		error = -ENOTSUP;
	}
	if (error == -ENOTSUP)
		refuse(targets, candidate->path, why);
	if (error == -EAGAIN || error == -EPIPE)
		miss_reader(targets, candidate->path, error);
	return error;
}

/* A library needed by the file knows more about the version. */
static void read_companion(struct library_targets *targets, const struct candidate *candidate, struct library_elf *elf)
{
	int needed = elf->needed[0] ? candidate->companion(elf->needed, candidate->context) : -1;
	struct library_companion companion;

	if (needed < 0)
		return;
	if (!elf_reader_companion(targets->tools.reader, needed, &companion)) {
		if (companion.name[0])
			memcpy(elf->name, companion.name, sizeof(elf->name));
		elf->layout.error = companion.error;
	}
	close(needed);
}

/* Set *found to the target that an open file is or becomes, or NULL. Takes over the descriptor. Returns 0, or -EAGAIN. */
static int examine(struct library_targets *targets, const struct candidate *candidate, struct target **found)
{
	struct library_elf elf;
	int error = 0;

	*found = find_target(targets, &candidate->identity);
	if (*found)
		goto cleanup;
	error = parse(targets, candidate, &elf);
	if (error)
		goto cleanup;
	read_companion(targets, candidate, &elf);
	*found = add_target(targets, candidate, &elf);
	if (*found)
		return 0;
cleanup:
	close(candidate->descriptor);
	return error == -EAGAIN ? error : 0;
}

static uint32_t file_hash(uint64_t device, uint64_t inode)
{
	return ((device * 31 + inode) * 0x9e3779b97f4a7c15ull) >> 40;
}

/* The place of a mapped file: its own, or a free place; NULL without either. */
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

/* A look at a process of a user, and the mapped file at hand. */
struct look {
	struct library_targets *targets;
	const struct mapped_file *file;
	uint32_t user;
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
	struct neighbour neighbour = {.name = name, .proc = look->targets->tools.proc, .descriptor = -1};

	mapped_file_each(look->targets->tools.proc, look->file->process, open_neighbour, &neighbour);
	return neighbour.descriptor;
}

static struct target *target_of_id(struct library_targets *targets, uint32_t id)
{
	for (int index = 0; id && index < LIBRARY_TARGETS_MAX; index++)
		if (targets->target[index].id == id)
			return &targets->target[index];
	return NULL;
}

static void see_file(struct library_targets *targets, struct file *file, uint32_t user)
{
	struct target *target = target_of_id(targets, file->target);

	file->round = targets->round;
	file->user = user;
	if (!target)
		return;
	target->round = targets->round;
	target->user = user;
}

/* Read a mapped file, or make sure that the file is unchanged since the read. */
static void read_file(struct library_targets *targets, const struct look *look, struct file *file)
{
	const struct mapped_file *mapped = look->file;
	struct candidate candidate = {.descriptor = mapped_file_open(targets->tools.proc, mapped),
	                              .user = look->user,
	                              .path = mapped->path,
	                              .companion = open_mapped_companion,
	                              .context = look};
	struct target *target;

	if (candidate.descriptor < 0) {
		targets->counts.unreadable += candidate.descriptor != -ENOENT && candidate.descriptor != -ESRCH;
		return;
	}
	if (identify(candidate.descriptor, &candidate.identity, &candidate.owner) ||
	    (file->inode && is_unchanged(&file->identity, &candidate.identity))) {
		close(candidate.descriptor);
		return;
	}
	/* read again with the next look */
	if (examine(targets, &candidate, &target))
		return;
	*file = (struct file){.device = mapped->device,
	                      .inode = mapped->inode,
	                      .identity = candidate.identity,
	                      .target = target ? target->id : 0,
	                      .payer = file->inode ? file->payer : look->user};
}

/* Whether another file may have a place on account of this user. */
static bool user_has_room(const struct library_targets *targets, uint32_t user)
{
	uint32_t files = 0;

	for (int index = 0; user && index < FILES_MAX; index++)
		files += targets->file[index].inode && targets->file[index].payer == user;
	return files < FILES_OF_USER_MAX;
}

static bool look_at_file(const struct mapped_file *mapped, void *context)
{
	struct look *look = context;
	struct library_targets *targets = look->targets;
	struct file *file = find_file(targets, mapped->device, mapped->inode);

	look->file = mapped;
	if (!file || (!file->inode && !user_has_room(targets, look->user))) {
		targets->counts.bound++;
		return true;
	}
	/* once in a round each file is looked at anew: an inode that was freed is used again */
	if (!file->inode || file->round != targets->round)
		read_file(targets, look, file);
	if (file->inode)
		see_file(targets, file, look->user);
	return true;
}

void library_targets_look(struct library_targets *targets, uint32_t process, uint32_t user)
{
	struct look look = {.targets = targets, .user = user};

	mapped_file_each(targets->tools.proc, process, look_at_file, &look);
}

void library_targets_begin(struct library_targets *targets)
{
	targets->round++;
}

/* Whether a file is mapped, as far as known: seen in this round, or by a user whose processes were not all seen. */
static bool is_mapped(const struct library_targets *targets, uint32_t round, uint32_t user)
{
	return round == targets->round || user_quota_skipped(targets->tools.quota, user);
}

/* Forget files that no process maps. A remaining file may have its place because of a forgotten file: all move. */
static void forget_files(struct library_targets *targets)
{
	struct file *old = malloc(sizeof(targets->file));

	if (!old)
		return;
	memcpy(old, targets->file, sizeof(targets->file));
	memset(targets->file, 0, sizeof(targets->file));
	for (int index = 0; index < FILES_MAX; index++) {
		const struct file *file = &old[index];

		if (file->inode && is_mapped(targets, file->round, file->user) &&
		    (!file->target || target_of_id(targets, file->target)))
			*find_file(targets, file->device, file->inode) = *file;
	}
	free(old);
}

void library_targets_end(struct library_targets *targets)
{
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++) {
		struct target *target = &targets->target[index];

		if (target->id && !target->own && !is_mapped(targets, target->round, target->user) && !targets->only)
			detach(targets, target);
	}
	forget_files(targets);
}

static int open_beside(const char *name, const void *context)
{
	const int *directory = context;

	return openat(*directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* The present directory of an open file; -1 if unknown. */
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
	struct candidate candidate = {.descriptor = descriptor,
	                              .path = "the file of --library",
	                              .companion = open_beside,
	                              .context = &directory};
	struct target *target = NULL;

	targets->only = true;
	if (!identify(descriptor, &candidate.identity, &candidate.owner))
		examine(targets, &candidate, &target);
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
	for (int kind = 0; kind < LIBRARY_KINDS; kind++) {
		const char *beginning = library_kind_rows[kind].file;

		if (beginning[0] && !strncmp(name, beginning, strlen(beginning)) && strstr(name, ".so"))
			return true;
	}
	return false;
}

/* A library that programs may map any time. */
static void add_own(struct library_targets *targets, int directory, const char *name)
{
	struct candidate candidate = {.descriptor = open_beside(name, &directory),
	                              .path = name,
	                              .companion = open_beside,
	                              .context = &directory};
	struct target *target;

	if (candidate.descriptor < 0)
		return;
	if (identify(candidate.descriptor, &candidate.identity, &candidate.owner)) {
		close(candidate.descriptor);
		return;
	}
	if (!examine(targets, &candidate, &target) && target)
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
	/* files removed from the directory stay as long as they are mapped */
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++)
		targets->target[index].own = false;
	for (int index = 0; index < DIRECTORIES; index++)
		find_own_below(targets, directories[index]);
}

/* Whether the probes are still in place. Probes stand at offsets: a rewritten file may have other offsets. */
static int holds(struct library_targets *targets, const struct target *target)
{
	struct library_elf elf;
	const char *why;
	int error = elf_reader_read(targets->tools.reader, target->descriptor, &elf, &why);

	if (error == -EAGAIN)
		return error;
	if (error || elf.kind != target->kind || elf.points != target->points)
		return -ENOENT;
	for (uint32_t index = 0; index < elf.points; index++)
		if (elf.point[index].offset != target->point[index].offset ||
		    elf.point[index].probe != target->point[index].probe)
			return -ENOENT;
	return 0;
}

static void check_target(struct library_targets *targets, struct target *target)
{
	struct identity identity;
	uint32_t owner;
	int error;

	if (!identify(target->descriptor, &identity, &owner) && is_unchanged(&target->identity, &identity))
		return;
	/* the time of change also changes with a new name or new permissions */
	error = holds(targets, target);
	if (!error)
		target->identity = identity;
	else if (error != -EAGAIN)
		detach(targets, target);
}

void library_targets_check(struct library_targets *targets)
{
	for (int index = 0; index < LIBRARY_TARGETS_MAX; index++)
		if (targets->target[index].id)
			check_target(targets, &targets->target[index]);
	if (!targets->only && directories_changed(targets))
		find_own(targets);
	report_delay(targets);
}
