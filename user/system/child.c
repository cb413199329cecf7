// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/child.h"

#include "system/privileges.h"
#include "system/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	OURS,
	THEIRS,
	ENDS,
	FIRST_OTHER = STDERR_FILENO + 1,
	LOOK_MS = 10,
};

static void ignore_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

	for (size_t index = 0; index < sizeof(signals) / sizeof(signals[0]); index++)
		signal(signals[index], SIG_IGN);
}

/* Only standard error and the socket stay open. The socket moves to the first number after the standard streams. */
static int close_others(int socket)
{
	if (socket != FIRST_OTHER && dup2(socket, FIRST_OTHER) < 0)
		return -errno;
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (close_range(FIRST_OTHER + 1, ~0U, 0))
		return -errno;
	return FIRST_OTHER;
}

static int run(int socket, const struct child_options *options)
{
	ignore_signals();
	if (!options->keeps_files)
		socket = close_others(socket);
	if (socket < 0 || (options->capabilities && privileges_keep(options->capabilities)))
		return EXIT_FAILURE;
	/*
	 * The end of the socket ends the child, too; but work may hang. Set after the change of user, which resets the
	 * signal. The kernel delivers this SIGKILL to any user.
	 */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return options->work(socket, options->context);
}

/* A file that becomes readable when the process ends; -1: unsupported by the kernel. */
static int open_process(pid_t process)
{
	return syscall(SYS_pidfd_open, process, 0);
}

int child_start_with(struct child *child, const struct child_options *options)
{
	const int type = options->datagrams ? SOCK_SEQPACKET : SOCK_STREAM;
	int sockets[ENDS];
	int error;

	*child = (struct child){.socket = -1, .process_file = -1, .purpose = options->purpose};
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sockets)) {
		error = -errno;
		goto failed;
	}
	child->process = fork();
	if (child->process < 0) {
		error = -errno;
		close(sockets[OURS]);
		close(sockets[THEIRS]);
		child->process = 0;
		goto failed;
	}
	if (!child->process) {
		/* the peer must see the end of its socket when this process closes its end */
		close(sockets[OURS]);
		_exit(run(sockets[THEIRS], options));
	}
	close(sockets[THEIRS]);
	child->socket = sockets[OURS];
	child->process_file = open_process(child->process);
	return 0;
failed:
	log_error("cannot start the process that %s: %s", options->purpose, strerror(-error));
	return error;
}

int child_start(struct child *child, const char *purpose, const int *capabilities, child_work work, void *context)
{
	const struct child_options options = {
		.purpose = purpose, .work = work, .context = context, .capabilities = capabilities};

	return child_start_with(child, &options);
}

static int64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Whether the child has ended; an ended child is reaped. */
static bool has_ended(const struct child *child)
{
	pid_t ended;

	do
		ended = waitpid(child->process, NULL, WNOHANG);
	while (ended < 0 && errno == EINTR);
	/* ECHILD: somebody else waited for the child */
	return ended != 0;
}

/* Wait for the end of the child, whatever signals come. */
static bool await_end(const struct child *child)
{
	struct pollfd end = {.fd = child->process_file, .events = POLLIN};
	const int64_t until_ms = clock_ms() + CHILD_PATIENCE_MS;
	int64_t left_ms;

	while (!has_ended(child)) {
		left_ms = until_ms - clock_ms();
		if (left_ms <= 0)
			return false;
		/* without a file of the process: look again after a moment */
		poll(&end, 1, child->process_file < 0 && left_ms > LOOK_MS ? LOOK_MS : left_ms);
	}
	return true;
}

int child_stop(struct child *child)
{
	bool ended;

	if (!child->process)
		return 0;
	if (child->socket >= 0)
		close(child->socket);
	ended = await_end(child);
	if (!ended)
		log_warning("the process that %s (%d) does not end: a file may be on a server that does not answer; "
		            "the process dies "
		            "with this one",
		            child->purpose, child->process);
	if (child->process_file >= 0)
		close(child->process_file);
	*child = (struct child){.socket = -1, .process_file = -1};
	return ended ? 0 : -ETIMEDOUT;
}
