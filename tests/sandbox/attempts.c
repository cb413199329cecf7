// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What somebody who had taken mtlsnoop over would try: gives up privileges and enters the sandbox as it does, and then makes
 * one attempt.
 *
 * usage: attempts WORK ATTEMPT	WORK is none (no sandbox) or a name in works[]
 *				prints "done" or the name of the error; what kills it is a signal
 *        attempts list		the attempts that there are
 */
#include "system/privileges.h"
#include "system/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	MEGABYTE = 1 << 20,
	IA32_GETPID = 20,
};

/* What is open before the sandbox. */
static int pair[2] = {-1, -1};

static int result_of(long returned)
{
	return returned < 0 ? -errno : 0;
}

static int read_shadow(void)
{
	return result_of(open("/etc/shadow", O_RDONLY));
}

static int read_file(void)
{
	return result_of(open("/proc/self/status", O_RDONLY));
}

static int write_file(void)
{
	return result_of(open("/tmp", O_TMPFILE | O_WRONLY, 0600));
}

static int make_socket(void)
{
	return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

/* A connected socket sends to whom it is connected, and to nobody else. */
static int send_elsewhere(void)
{
	const struct sockaddr_un nobody = {.sun_family = AF_UNIX, .sun_path = "/dev/null"};

	return result_of(sendto(pair[0], "x", 1, 0, (const struct sockaddr *)&nobody, sizeof(nobody)));
}

static int send_on(void)
{
	return result_of(send(pair[0], "x", 1, 0));
}

static int execute(void)
{
	char *const arguments[] = {"echo", "done", NULL};

	return result_of(execv("/bin/echo", arguments));
}

static int execute_descriptor(void)
{
	char *const arguments[] = {"echo", "done", NULL};

	return result_of(syscall(SYS_execveat, -1, "/bin/echo", arguments, NULL, 0));
}

static int fork_process(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	return child < 0 ? -errno : result_of(waitpid(child, NULL, 0));
}

static void *do_nothing(void *context)
{
	return context;
}

static int start_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, do_nothing, NULL);

	return error ? -error : -pthread_join(thread, NULL);
}

static int trace_process(void)
{
	return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_process(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return result_of(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int write_process(void)
{
	char byte = 0;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return result_of(process_vm_writev(getppid(), &here, 1, &there, 1, 0));
}

static int signal_process(void)
{
	return result_of(kill(getppid(), 0));
}

static int signal_thread(void)
{
	return result_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

/* The C library's own way out: it must not hang. */
static int abort_itself(void)
{
	abort();
}

static int call_bpf(int command)
{
	union bpf_attr attributes = {.info = {.bpf_fd = 1 << 20}};

	return result_of(syscall(SYS_bpf, command, &attributes, sizeof(attributes)));
}

static int load_bpf(void)
{
	return call_bpf(BPF_PROG_LOAD);
}

static int open_bpf_map(void)
{
	return call_bpf(BPF_MAP_GET_FD_BY_ID);
}

static int ask_bpf(void)
{
	return call_bpf(BPF_OBJ_GET_INFO_BY_FD);
}

static int map_code(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -errno : 0;
}

static int make_code(void)
{
	void *data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return data == MAP_FAILED ? -errno : result_of(mprotect(data, PAGE, PROT_READ | PROT_EXEC));
}

static int change_root(void)
{
	return result_of(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int make_namespace(void)
{
	return result_of(unshare(CLONE_NEWUSER));
}

static int change_user(void)
{
	return result_of(setresuid(geteuid(), geteuid(), geteuid()));
}

static int remove_file(void)
{
	return result_of(unlink("/tmp/mtlsnoop-there-is-no-such-file"));
}

static int type_into_terminal(void)
{
	return result_of(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int own_descriptor(void)
{
	return result_of(fcntl(pair[0], F_SETOWN, getpid()));
}

/* Another kernel's worth of calls behind one. */
static int set_up_ring(void)
{
	char parameters[256] = {};

	return result_of(syscall(SYS_io_uring_setup, 1, parameters));
}

/* The calls of 32-bit programs have other numbers. */
static int call_as_ia32(void)
{
#ifdef __x86_64__
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(IA32_GETPID) : "memory", "r8", "r9", "r10", "r11");
	return result < 0 ? result : 0;
#else
	return 0;
#endif
}

static int use_memory(void)
{
	char *memory = malloc(64 * MEGABYTE), *grown;

	if (!memory)
		return -errno;
	memset(memory, 1, 64 * MEGABYTE);
	grown = realloc(memory, 128 * MEGABYTE);
	free(grown ? grown : memory);
	return grown ? 0 : -errno;
}

static int tell_time(void)
{
	struct timespec time;
	struct tm local;

	if (clock_gettime(CLOCK_REALTIME, &time))
		return -errno;
	return localtime_r(&time.tv_sec, &local) ? 0 : -errno;
}

static int get_random(void)
{
	char bytes[32];

	return result_of(getrandom(bytes, sizeof(bytes), 0));
}

static int wait_for_events(void)
{
	return result_of(poll(NULL, 0, 1));
}

static const struct attempt {
	const char *name;
	int (*make)(void);
} attempts[] = {
	{"read-shadow", read_shadow},
	{"read-file", read_file},
	{"write-file", write_file},
	{"remove-file", remove_file},
	{"socket", make_socket},
	{"send-elsewhere", send_elsewhere},
	{"send", send_on},
	{"execute", execute},
	{"execute-descriptor", execute_descriptor},
	{"fork", fork_process},
	{"thread", start_thread},
	{"ptrace", trace_process},
	{"read-process", read_process},
	{"write-process", write_process},
	{"signal-process", signal_process},
	{"signal-thread", signal_thread},
	{"abort", abort_itself},
	{"bpf-load", load_bpf},
	{"bpf-map", open_bpf_map},
	{"bpf-info", ask_bpf},
	{"map-code", map_code},
	{"make-code", make_code},
	{"mount", change_root},
	{"namespace", make_namespace},
	{"user", change_user},
	{"terminal", type_into_terminal},
	{"own-descriptor", own_descriptor},
	{"io-uring", set_up_ring},
	{"ia32", call_as_ia32},
	{"memory", use_memory},
	{"time", tell_time},
	{"random", get_random},
	{"poll", wait_for_events},
};

enum {
	ATTEMPTS = sizeof(attempts) / sizeof(attempts[0]),
};

static const char *const works[SANDBOX_WORKS] = {
	[SANDBOX_CAPTURE] = "capture", [SANDBOX_LIVE] = "live",
	[SANDBOX_FILES] = "files",     [SANDBOX_INTERFACES] = "interfaces",
	[SANDBOX_LIBRARY] = "library", [SANDBOX_NAMES] = "names",
	[SANDBOX_STORE] = "store",     [SANDBOX_ATTRIBUTION] = "attribution",
	[SANDBOX_ELF] = "elf",
};

_Static_assert(SANDBOX_ELF + 1 == SANDBOX_WORKS, "each kind of work has a name here");

static int prepare(const char *work)
{
	int error;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		return -errno;
	error = privileges_drop();
	for (int i = 0; i < SANDBOX_WORKS && !error; i++)
		if (!strcmp(work, works[i]))
			sandbox_enter(i);
	return error;
}

static int run(const struct attempt *attempt, const char *work)
{
	int error = prepare(work);

	if (error) {
		fprintf(stderr, "attempts: cannot begin: %s\n", strerror(-error));
		return EXIT_FAILURE;
	}
	error = attempt->make();
	puts(error ? strerrorname_np(-error) : "done");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (int i = 0; i < ATTEMPTS; i++)
			puts(attempts[i].name);
		return EXIT_SUCCESS;
	}
	for (int i = 0; argc == 3 && i < ATTEMPTS; i++)
		if (!strcmp(argv[2], attempts[i].name))
			return run(&attempts[i], argv[1]);
	fprintf(stderr, "usage: attempts WORK ATTEMPT | list\n");
	return EXIT_FAILURE;
}
