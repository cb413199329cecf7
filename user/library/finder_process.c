// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The process that attaches probes. It keeps capabilities that the one which reads the network has not, and so reads nothing
 * of the network: only /proc and the files that are mapped, which are no less hostile, but come one by one.
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

#include "library/targets.h"
#include "system/privileges.h"
#include "system/sandbox.h"

enum {
	YOUNG_MAX = 1024,  /* new programs that are looked at soon, and again; the others with all */
	ROUND_MS = 5000,   /* between looks at all processes, at least */
	CHECK_MS = 1000,   /* between looks at the files that are probed */
	ROUND_SHARE = 100, /* of its time a look at all of them may take one part in so many */
	LOOKS = 4,
	PROCESS_DIGITS = 10,
	NICE = 10,
};

static const uint64_t MILLISECOND_NS = 1000 * 1000;

/* A program maps its libraries a little after it has begun; what it loads by itself later than that. */
static const uint32_t look_ms[LOOKS] = {3, 30, 300, 3000};

/* A program that began lately. */
struct young {
	uint32_t process;
	uint32_t looks;
	uint64_t due_ms;
};

struct finder {
	struct probes *probes;
	struct library_targets *targets;
	int proc;
	int socket;
	int execs; /* descriptor to wait for; -1: the kernel does not tell of them */
	struct young young[YOUNG_MAX];
	uint32_t youngs;
	uint64_t round_ms; /* when all processes are looked at again */
	uint64_t check_ms; /* when the probed files are looked at again */
};

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000 + time.tv_nsec / MILLISECOND_NS;
}

static bool is_number(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits && digits < PROCESS_DIGITS && !name[digits];
}

/* Look at what all processes have mapped, and let go of what nobody has any more. */
static void look_at_all(struct finder *finder)
{
	uint64_t took = clock_ms(CLOCK_PROCESS_CPUTIME_ID), pause;
	DIR *processes = opendir("/proc");
	const struct dirent *entry;

	finder->round_ms = clock_ms(CLOCK_MONOTONIC) + ROUND_MS;
	if (!processes)
		return;
	library_targets_begin(finder->targets);
	while ((entry = readdir(processes)))
		if (is_number(entry->d_name))
			library_targets_look(finder->targets, strtoul(entry->d_name, NULL, 10));
	closedir(processes);
	library_targets_end(finder->targets);
	took = clock_ms(CLOCK_PROCESS_CPUTIME_ID) - took;
	pause = took * ROUND_SHARE;
	if (pause > ROUND_MS)
		finder->round_ms = clock_ms(CLOCK_MONOTONIC) + pause;
}

static void add_young(uint32_t process, void *context)
{
	struct finder *finder = context;
	struct young *young = &finder->young[finder->youngs];

	if (finder->youngs == YOUNG_MAX)
		return;
	*young = (struct young){.process = process, .due_ms = clock_ms(CLOCK_MONOTONIC) + look_ms[0]};
	finder->youngs++;
}

static void look_at_young(struct finder *finder)
{
	uint64_t now = clock_ms(CLOCK_MONOTONIC);
	uint32_t kept = 0;

	for (uint32_t index = 0; index < finder->youngs; index++) {
		struct young young = finder->young[index];

		if (young.due_ms <= now) {
			library_targets_look(finder->targets, young.process);
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
	uint64_t now = clock_ms(CLOCK_MONOTONIC), due = finder->check_ms;

	if (finder->round_ms < due)
		due = finder->round_ms;
	for (uint32_t index = 0; index < finder->youngs; index++)
		if (finder->young[index].due_ms < due)
			due = finder->young[index].due_ms;
	return due > now ? due - now : 0;
}

/* What is due by now. */
static void look_around(struct finder *finder)
{
	look_at_young(finder);
	if (clock_ms(CLOCK_MONOTONIC) >= finder->check_ms) {
		library_targets_check(finder->targets);
		finder->check_ms = clock_ms(CLOCK_MONOTONIC) + CHECK_MS;
	}
	if (clock_ms(CLOCK_MONOTONIC) >= finder->round_ms)
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
		/* nothing is ever said on the socket: what happens there is that it is closed */
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
		CAP_DAC_READ_SEARCH,    /* programs that only their owner may read */
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

	/* behind the change of user, which would undo it; the parent may be gone by now */
	if (!error && (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent))
		error = -ESRCH;
	return error;
}

static void keep_quiet(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* a reader of standard output waits for its end; a terminal's signals are for the process that prints */
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* what others map, and how often that changes, is for them to say: it shall cost nobody else's time */
	setpriority(PRIO_PROCESS, 0, NICE);
	prctl(PR_SET_NAME, "mtlsnoop-lib");
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
	finder->targets = library_targets_new(probes, finder->proc, socket, with_static);
	if (finder->proc < 0 || !finder->targets || give_up_privileges(finder))
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
	free(finder);
	return status;
}
