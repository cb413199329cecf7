// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The process that attaches probes. It keeps capabilities that the network process lacks, and so reads nothing from the
 * network: only /proc and the mapped files, which are no less hostile, but arrive one by one.
 */
#include "system/descriptors.h"
#include "library/notice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "library/mapped_file.h"
#include "library/shadow_stack.h"
#include "library/targets.h"
#include "system/privileges.h"
#include "system/sandbox.h"

enum {
	YOUNG_MAX = 1024,                  /* new programs that are looked at soon, and again; the others with all */
	YOUNG_OF_USER_MAX = YOUNG_MAX / 8, /* of one user other than root */
	ROUND_MS = 5000,                   /* between looks at all processes, at least */
	CHECK_MS = 1000,                   /* between looks at the files that are probed */
	LOOKS = 4,
	PROCESS_DIGITS = 10,
	NICE = 10,
};

static const uint64_t MICROSECOND_NS = 1000;

/* A program maps its libraries shortly after its start; libraries loaded by dlopen() come later. */
static const uint32_t look_ms[LOOKS] = {3, 30, 300, 3000};

/* A program that began lately. */
struct young {
	uint32_t process;
	uint32_t user;
	uint32_t looks;
	uint64_t due_ms;
};

struct finder {
	struct probes *probes;
	struct library_targets *targets;
	struct elf_reader reader;
	struct detacher *detacher;
	struct user_quota quota;
	int proc;
	int socket;
	int execs; /* descriptor to wait for; -1: the kernel does not report program starts */
	struct young young[YOUNG_MAX];
	uint32_t youngs;
	uint64_t round_ms; /* when all processes are looked at again */
	uint64_t check_ms; /* when the probed files are looked at again */
};

static uint64_t clock_us(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / MICROSECOND_NS;
}

static uint64_t now_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

static bool is_number(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits && digits < PROCESS_DIGITS && !name[digits];
}

/* Look at a process. Its user pays for the time. */
static void look_at(struct finder *finder, uint32_t process, uint32_t user)
{
	uint64_t began_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);

	library_targets_look(finder->targets, process, user);
	user_quota_charge(&finder->quota, user, clock_us(CLOCK_PROCESS_CPUTIME_ID) - began_us);
}

/* Examine the files mapped by all processes, and release files that no process maps. */
static void look_at_all(struct finder *finder)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	uint64_t began_ms = now_ms();

	finder->round_ms = began_ms + ROUND_MS;
	if (!processes)
		return;
	library_targets_begin(finder->targets);
	user_quota_begin(&finder->quota, began_ms);
	while ((entry = readdir(processes))) {
		uint32_t process = is_number(entry->d_name) ? strtoul(entry->d_name, NULL, 10) : 0;
		uint32_t user;

		if (process && !mapped_file_user(finder->proc, process, &user) &&
		    user_quota_allows(&finder->quota, user, process, began_ms))
			look_at(finder, process, user);
	}
	closedir(processes);
	library_targets_end(finder->targets);
	user_quota_end(&finder->quota, now_ms());
	finder->round_ms = now_ms() + ROUND_MS;
}

static bool young_has_room(const struct finder *finder, uint32_t user)
{
	uint32_t of_user = 0;

	for (uint32_t index = 0; user && index < finder->youngs; index++)
		of_user += finder->young[index].user == user;
	return finder->youngs < YOUNG_MAX && of_user < YOUNG_OF_USER_MAX;
}

static void add_young(uint32_t process, uint32_t user, void *context)
{
	struct finder *finder = context;

	/* found by a later look at all processes */
	if (!young_has_room(finder, user))
		return;
	finder->young[finder->youngs++] =
		(struct young){.process = process, .user = user, .due_ms = now_ms() + look_ms[0]};
}

static void look_at_young(struct finder *finder)
{
	uint64_t now = now_ms();
	uint32_t kept = 0;

	for (uint32_t index = 0; index < finder->youngs; index++) {
		struct young young = finder->young[index];

		if (young.due_ms <= now) {
			if (user_quota_is_due(&finder->quota, young.user, now))
				look_at(finder, young.process, young.user);
			young.looks++;
			if (young.looks == LOOKS)
				continue;
			young.due_ms = now + look_ms[young.looks];
		}
		finder->young[kept++] = young;
	}
	finder->youngs = kept;
}

static int next_wait(const struct finder *finder)
{
	uint64_t now = now_ms(), due = finder->check_ms;

	if (finder->round_ms < due)
		due = finder->round_ms;
	for (uint32_t index = 0; index < finder->youngs; index++)
		if (finder->young[index].due_ms < due)
			due = finder->young[index].due_ms;
	return due > now ? due - now : 0;
}

/* Do the due work. */
static void look_around(struct finder *finder)
{
	look_at_young(finder);
	if (now_ms() >= finder->check_ms) {
		library_targets_check(finder->targets);
		finder->check_ms = now_ms() + CHECK_MS;
	}
	if (now_ms() >= finder->round_ms)
		look_at_all(finder);
}

static void find(struct finder *finder)
{
	struct pollfd ready[] = {
		{.fd = finder->socket, .events = POLLIN},
		{.fd = finder->execs, .events = POLLIN},
	};

	look_around(finder);
	library_targets_ready(finder->targets);
	for (;;) {
		if (poll(ready, 2, next_wait(finder)) < 0 && errno != EINTR)
			return;
		/* no message is ever sent on the socket: only its end matters */
		if (ready[0].revents)
			return;
		if (ready[1].revents)
			probes_read_execs(finder->probes);
		look_around(finder);
	}
}

/* Whether the kernel attaches probes without CAP_SYS_ADMIN: until some time in 2025 it did. Tried, since fixes travel. */
static bool probes_need_admin(const struct finder *finder)
{
	bool refused;

	privileges_use(CAP_SYS_ADMIN, false);
	refused = probes_try(finder->probes);
	privileges_use(CAP_SYS_ADMIN, true);
	return refused;
}

static int give_up_privileges(const struct finder *finder)
{
	static const int minimal[] = {
		CAP_DAC_READ_SEARCH,    /* programs readable by their owner only */
		CAP_SYS_PTRACE,         /* /proc/PID/maps of other users */
		CAP_PERFMON,            /* perf_event_open(2) of a uprobe */
		CAP_BPF,                /* attach a program, where unprivileged_bpf_disabled is set */
		CAP_CHECKPOINT_RESTORE, /* /proc/PID/map_files: the very file that is mapped */
		-1,
	};
	/* it includes the last three */
	static const int with_admin[] = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYS_ADMIN, -1};
	pid_t parent = getppid();
	int error = privileges_keep(probes_need_admin(finder) ? with_admin : minimal);

	/* after the change of user, which would undo the setting; the parent may already be gone */
	if (!error && (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent))
		error = -ESRCH;
	return error;
}

static void keep_quiet(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* a reader of standard output waits for its end; a terminal's signals are for the printing process */
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* other processes choose the number and frequency of mapped files: nobody else shall pay the time */
	setpriority(PRIO_PROCESS, 0, NICE);
	prctl(PR_SET_NAME, "mtlsnoop-lib");
}

/* While this process is still root, so the other process becomes nobody. */
static int start_reader(struct finder *finder)
{
	const struct library_host host = {.many_points = probes_take_many(finder->probes),
	                                  .causes = probes_know_files(finder->probes),
	                                  .shadow_stacks = shadow_stack_on_host(SHADOW_STACK_CPUINFO)};

	return elf_reader_start(&finder->reader, &host);
}

static struct library_targets *new_targets(struct finder *finder, bool with_static)
{
	const struct library_targets_tools tools = {.probes = finder->probes,
	                                            .reader = &finder->reader,
	                                            .detacher = finder->detacher,
	                                            .quota = &finder->quota,
	                                            .proc = finder->proc,
	                                            .socket = finder->socket,
	                                            .with_static = with_static};

	return library_targets_new(&tools);
}

int library_process(struct probes *probes, int socket, int descriptor, bool with_static)
{
	struct finder *finder = calloc(1, sizeof(*finder));
	int status = EXIT_FAILURE;

	if (!finder)
		return status;
	keep_quiet();
	/* each probe takes two */
	descriptors_raise_limit();
	finder->probes = probes;
	finder->socket = socket;
	finder->execs = -1;
	probes_keep(probes, (const int[]){socket, descriptor}, 2);
	finder->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (finder->proc < 0 || start_reader(finder) || give_up_privileges(finder))
		goto cleanup;
	finder->detacher = detacher_start();
	finder->targets = new_targets(finder, with_static);
	if (!finder->targets)
		goto cleanup;
	if (descriptor < 0)
		finder->execs = probes_watch_execs(probes, add_young, finder);
	sandbox_enter(SANDBOX_LIBRARY);
	if (descriptor >= 0) {
		if (library_targets_add_only(finder->targets, descriptor))
			goto cleanup;
		finder->round_ms = UINT64_MAX;
	}
	find(finder);
	status = EXIT_SUCCESS;
cleanup:
	library_targets_free(finder->targets);
	detacher_stop(finder->detacher);
	elf_reader_stop(&finder->reader);
	free(finder);
	return status;
}
