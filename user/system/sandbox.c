// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/sandbox.h"
#include "system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
	             CLONE_NEWNET,
	OPTIMIZE_TREE = 2, /* libseccomp: look a call up in a binary tree, not in a list */
};

/* A call, and the conditions for allowing the call. */
struct rule {
	int call;
	struct scmp_arg_cmp condition; /* op 0: no condition */
};

#define NUMBER_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CALL(name)       SCMP_SYS(name)
/* Conditions on an argument, counted from 0: its value, or the value of some bits. */
#define VALUE(argument, value)                                                                                         \
	{                                                                                                              \
		argument, SCMP_CMP_EQ, value, 0                                                                        \
	}
#define BITS(argument, mask, value)                                                                                    \
	{                                                                                                              \
		argument, SCMP_CMP_MASKED_EQ, mask, value                                                              \
	}

/* Memory, time, open files, and the end. */
static const struct rule common[] = {
	{CALL(brk), {}},
	{CALL(clock_gettime), {}},
	{CALL(clock_nanosleep), {}},
	{CALL(close), {}},
	{CALL(exit), {}},
	{CALL(exit_group), {}},
	{CALL(fadvise64), {}},
	{CALL(fstat), {}},
	{CALL(futex), {}},
	{CALL(getpid), {}},
	{CALL(getrandom), {}},
	{CALL(gettid), {}},
	{CALL(gettimeofday), {}},
	/* standard output asks once whether it is a terminal */
	{CALL(ioctl), VALUE(1, TCGETS)},
	/* a terminal has a size, and gets its settings back at the end */
	{CALL(ioctl), VALUE(1, TCSETS)},
	{CALL(ioctl), VALUE(1, TCSETSW)},
	{CALL(ioctl), VALUE(1, TIOCGWINSZ)},
	{CALL(lseek), {}},
	{CALL(madvise), {}},
	{CALL(mmap), BITS(2, PROT_EXEC, 0)},
	{CALL(mprotect), BITS(2, PROT_EXEC, 0)},
	{CALL(mremap), {}},
	{CALL(munmap), {}},
	/* how the C library asks for fstat() */
	{CALL(newfstatat), BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)},
	{CALL(pread64), {}},
	{CALL(read), {}},
	{CALL(restart_syscall), {}},
	{CALL(rt_sigaction), {}},
	{CALL(rt_sigprocmask), {}},
	{CALL(rt_sigreturn), {}},
	{CALL(sched_yield), {}},
	{CALL(write), {}},
	{CALL(writev), {}},
};

/* Standard output waits for its reader. */
static const struct rule capture[] = {
	/* --rotate begins a file anew that was opened before */
	{CALL(ftruncate), {}},
	/* to the child that writes the store, and for the child's end */
	{CALL(recvfrom), {}},
	{CALL(sendto), VALUE(4, 0)},
	{CALL(wait4), {}},
	{CALL(poll), {}},
	{CALL(ppoll), {}},
};

/* The loop that reads events, and the thread that answers scrapes. */
static const struct rule live[] = {
	/* --rotate begins a file anew that was opened before */
	{CALL(ftruncate), {}},
	{CALL(accept4), {}},
	/* how often programs ran, and how long */
	{CALL(bpf), VALUE(0, BPF_OBJ_GET_INFO_BY_FD)},
	{CALL(epoll_ctl), {}},
	{CALL(epoll_pwait), {}},
	{CALL(epoll_wait), {}},
	{CALL(fcntl), VALUE(1, F_GETFL)},
	{CALL(fcntl), VALUE(1, F_SETFL)},
	{CALL(fcntl), VALUE(1, F_SETFD)},
	{CALL(getsockname), {}},
	{CALL(getsockopt), {}},
	{CALL(poll), {}},
	{CALL(ppoll), {}},
	{CALL(recvfrom), {}},
	{CALL(recvmsg), {}},
	/* a thread's first steps: a thread started earlier may take them after the filter is loaded */
	{CALL(rseq), {}},
	{CALL(sendmsg), {}},
	/* to the other end of a connection, to nobody else */
	{CALL(sendto), VALUE(4, 0)},
	{CALL(set_robust_list), {}},
	/* the thread that checks passwords makes itself less urgent */
	{CALL(setpriority), VALUE(0, PRIO_PROCESS)},
	{CALL(setsockopt), {}},
	{CALL(shutdown), {}},
	/* for the end of a child of its own */
	{CALL(wait4), {}},
};

static const struct rule files[] = {
	/* for reading only, and only existing files */
	{CALL(openat), BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)},
	/* for the answer of the process that looks up host names */
	{CALL(poll), {}},
	{CALL(ppoll), {}},
	{CALL(recvfrom), {}},
	{CALL(sendto), VALUE(4, 0)},
};

static const struct rule attribution[] = {
	{CALL(fcntl), VALUE(1, F_GETFD)},
	{CALL(fcntl), VALUE(1, F_GETFL)},
	{CALL(fcntl), VALUE(1, F_SETFD)},
	{CALL(getdents64), {}},
	/* new cgroups are watched for cgroups below them */
	{CALL(inotify_add_watch), {}},
	{CALL(newfstatat), {}},
	/* for reading only, and only existing files */
	{CALL(openat), BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)},
	{CALL(poll), {}},
	{CALL(ppoll), {}},
	{CALL(readlink), {}},
	{CALL(readlinkat), {}},
	{CALL(recvfrom), {}},
	{CALL(sendto), VALUE(4, 0)},
};

/* What the C library does to look a name up: in files, at name servers, at nscd, and at systemd-resolved. */
static const struct rule names[] = {
	{CALL(access), {}},
	{CALL(bind), {}},
	{CALL(connect), {}},
	{CALL(epoll_create1), {}},
	{CALL(epoll_ctl), {}},
	{CALL(epoll_pwait), {}},
	{CALL(epoll_wait), {}},
	{CALL(faccessat), {}},
	{CALL(faccessat2), {}},
	{CALL(fcntl), VALUE(1, F_GETFD)},
	{CALL(fcntl), VALUE(1, F_GETFL)},
	{CALL(fcntl), VALUE(1, F_SETFD)},
	{CALL(fcntl), VALUE(1, F_SETFL)},
	{CALL(getdents64), {}},
	{CALL(geteuid), {}},
	{CALL(getpeername), {}},
	{CALL(getsockname), {}},
	{CALL(getsockopt), {}},
	{CALL(getuid), {}},
	{CALL(ioctl), VALUE(1, FIONREAD)},
	{CALL(newfstatat), {}},
	/* for reading alone, and only files that exist */
	{CALL(openat), BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)},
	{CALL(poll), {}},
	{CALL(ppoll), {}},
	{CALL(readlink), {}},
	{CALL(readlinkat), {}},
	{CALL(recvfrom), {}},
	{CALL(recvmsg), {}},
	{CALL(sendmmsg), {}},
	{CALL(sendmsg), {}},
	{CALL(sendto), {}},
	{CALL(setsockopt), {}},
	{CALL(socket), VALUE(0, AF_INET)},
	{CALL(socket), VALUE(0, AF_INET6)},
	{CALL(socket), VALUE(0, AF_NETLINK)},
	{CALL(socket), VALUE(0, AF_UNIX)},
	{CALL(statx), {}},
	{CALL(timerfd_create), {}},
	{CALL(timerfd_settime), {}},
	{CALL(uname), {}},
};

static const struct rule interfaces[] = {
	{CALL(bind), {}},
	{CALL(bpf), VALUE(0, BPF_LINK_CREATE)},
	{CALL(bpf), VALUE(0, BPF_OBJ_GET_INFO_BY_FD)},
	{CALL(getsockname), {}},
	{CALL(ioctl), VALUE(1, SIOCGIFINDEX)},
	{CALL(poll), {}},
	{CALL(ppoll), {}},
	{CALL(recvfrom), {}},
	{CALL(recvmsg), {}},
	{CALL(sendmsg), {}},
	{CALL(sendto), {}},
	{CALL(setsockopt), {}},
	/* the C library's request for the number of an interface; the name of a lease; rtnetlink */
	{CALL(socket), VALUE(0, AF_INET)},
	{CALL(socket), VALUE(0, AF_UNIX)},
	{CALL(socket), VALUE(0, AF_NETLINK)},
};

/* Files come over a socket; the process that parses a file answers through a pipe. */
static const struct rule elf[] = {
	{CALL(alarm), {}},
	{CALL(fcntl), VALUE(1, F_GETFD)},
	/* a process, not a thread, in the namespaces of this process */
	{CALL(clone), BITS(0, NAMESPACES | CLONE_THREAD, 0)},
	{CALL(pipe2), {}},
	{CALL(recvmsg), {}},
	{CALL(rseq), {}},
	{CALL(sendto), VALUE(4, 0)},
	{CALL(set_robust_list), {}},
	{CALL(setitimer), {}},
	{CALL(wait4), {}},
};

static const struct rule library[] = {
	{CALL(bpf), VALUE(0, BPF_LINK_CREATE)},
	/* offsets in a library's structures */
	{CALL(bpf), VALUE(0, BPF_MAP_UPDATE_ELEM)},
	{CALL(bpf), VALUE(0, BPF_MAP_DELETE_ELEM)},
	/* libbpf tries by loading something whether a probe can have a link */
	{CALL(bpf), VALUE(0, BPF_PROG_LOAD)},
	{CALL(fcntl), VALUE(1, F_GETFD)},
	{CALL(fcntl), VALUE(1, F_GETFL)},
	{CALL(fcntl), VALUE(1, F_SETFD)},
	{CALL(getdents64), {}},
	{CALL(ioctl), VALUE(1, PERF_EVENT_IOC_DISABLE)},
	{CALL(ioctl), VALUE(1, PERF_EVENT_IOC_ENABLE)},
	{CALL(ioctl), VALUE(1, PERF_EVENT_IOC_SET_BPF)},
	{CALL(newfstatat), {}},
	/* for reading only, and only existing files */
	{CALL(openat), BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)},
	{CALL(perf_event_open), {}},
	{CALL(poll), {}},
	{CALL(ppoll), {}},
	{CALL(readlink), {}},
	{CALL(readlinkat), {}},
	/* a thread's first steps */
	{CALL(rseq), {}},
	/* files are passed to the process that parses them */
	{CALL(sendmsg), {}},
	{CALL(sendto), VALUE(4, 0)},
	{CALL(set_robust_list), {}},
	{CALL(uname), {}},
	{CALL(wait4), {}},
};

/* SQLite: files of the store's folder, which are made, locked and deleted. The process may write to no other folder of the host. */
static const struct rule store[] = {
	{CALL(access), {}},
	{CALL(faccessat), {}},
	{CALL(fchmod), {}},
	{CALL(fchown), {}},
	/* locks, but no signals to others (F_SETOWN) */
	{CALL(fcntl), VALUE(1, F_GETFD)},
	{CALL(fcntl), VALUE(1, F_GETFL)},
	{CALL(fcntl), VALUE(1, F_GETLK)},
	{CALL(fcntl), VALUE(1, F_OFD_GETLK)},
	{CALL(fcntl), VALUE(1, F_OFD_SETLK)},
	{CALL(fcntl), VALUE(1, F_SETFD)},
	{CALL(fcntl), VALUE(1, F_SETFL)},
	{CALL(fcntl), VALUE(1, F_SETLK)},
	{CALL(fcntl), VALUE(1, F_SETLKW)},
	{CALL(fdatasync), {}},
	{CALL(fsync), {}},
	{CALL(ftruncate), {}},
	{CALL(getcwd), {}},
	{CALL(getegid), {}},
	{CALL(geteuid), {}},
	{CALL(lstat), {}},
	{CALL(newfstatat), {}},
	{CALL(openat), {}},
	{CALL(poll), {}},
	{CALL(ppoll), {}},
	{CALL(pwrite64), {}},
	{CALL(readlink), {}},
	{CALL(readlinkat), {}},
	{CALL(recvfrom), {}},
	{CALL(sendto), VALUE(4, 0)},
	{CALL(stat), {}},
	{CALL(umask), {}},
	{CALL(unlink), {}},
	{CALL(unlinkat), {}},
	{CALL(utimensat), {}},
};

/* The needs of each work beyond the common needs. */
static const struct {
	const struct rule *rules;
	size_t count;
} works[SANDBOX_WORKS] = {
	[SANDBOX_CAPTURE] = {capture, NUMBER_OF(capture)},
	[SANDBOX_LIVE] = {live, NUMBER_OF(live)},
	[SANDBOX_FILES] = {files, NUMBER_OF(files)},
	[SANDBOX_INTERFACES] = {interfaces, NUMBER_OF(interfaces)},
	[SANDBOX_LIBRARY] = {library, NUMBER_OF(library)},
	[SANDBOX_NAMES] = {names, NUMBER_OF(names)},
	[SANDBOX_ATTRIBUTION] = {attribution, NUMBER_OF(attribution)},
	[SANDBOX_STORE] = {store, NUMBER_OF(store)},
	[SANDBOX_ELF] = {elf, NUMBER_OF(elf)},
};

/* Calls that only an attacker makes. */
static const int attacks[] = {
	CALL(execve), CALL(execveat), CALL(process_vm_readv), CALL(process_vm_writev), CALL(ptrace),
};

static int allow(scmp_filter_ctx filter, const struct rule *rules, size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].condition.op ? 1 : 0,
		                               &rules[i].condition);
	return error;
}

/* abort(): a signal to itself, and to no other process. */
static int allow_abort(scmp_filter_ctx filter)
{
	const struct rule to_itself = {CALL(tgkill), VALUE(0, (scmp_datum_t)getpid())};

	return allow(filter, &to_itself, 1);
}

static int fill(scmp_filter_ctx filter, enum sandbox_work work)
{
	int error = allow(filter, common, NUMBER_OF(common));

	if (!error)
		error = allow_abort(filter);
	if (!error)
		error = allow(filter, works[work].rules, works[work].count);
	for (size_t i = 0; i < NUMBER_OF(attacks) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, attacks[i], 0);
	return error;
}

static int load(scmp_filter_ctx filter)
{
	/* for speed only: an older library may not know the attribute */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE);
	/* every thread of the process, or none */
	if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1))
		return -EOPNOTSUPP;
	/* report the kernel's own error */
	seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	return seccomp_load(filter);
}

/*
 * The reason why a filter was not loaded. An outer filter of a service manager or a container engine that does not know
 * seccomp(2) answers with an error of its own; libseccomp then tries prctl(2), which cannot synchronise threads:
 * EINVAL.
 */
static const char *load_advice(int error)
{
	if (error == -ENOMEM)
		return "there is not enough memory";
	return "the system call seccomp(2) must be allowed by the service unit (SystemCallFilter=... seccomp) or the "
	       "container's profile, and the kernel needs CONFIG_SECCOMP_FILTER";
}

void sandbox_enter(enum sandbox_work work)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int error = filter ? fill(filter, work) : -ENOMEM;

	/* reads the zone's file while files can be opened */
	tzset();
	if (!error)
		error = load(filter);
	/* a child runs under the same kernel as its parent, which prints the warning */
	if (error && (work == SANDBOX_CAPTURE || work == SANDBOX_LIVE))
		log_warning("going on without a filter for system calls (seccomp): %s; %s", strerror(-error),
		            load_advice(error));
	seccomp_release(filter);
}
