// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/child.h"

#include "system/privileges.h"
#include "system/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	OURS,
	THEIRS,
	ENDS,
	FIRST_OTHER = STDERR_FILENO + 1,
};

static void ignore_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

	for (size_t index = 0; index < sizeof(signals) / sizeof(signals[0]); index++)
		signal(signals[index], SIG_IGN);
}

/* Nothing stays open but standard error and the socket, which moves to where the standard streams end. */
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

static int run(int socket, const int *capabilities, child_work work, void *context)
{
	ignore_signals();
	socket = close_others(socket);
	if (socket < 0 || privileges_keep(capabilities))
		return EXIT_FAILURE;
	/* a second line: the end of the socket tells it, too; but work may be slow. Only now: a change of user resets it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return work(socket, context);
}

int child_start(struct child *child, const char *purpose, const int *capabilities, child_work work, void *context)
{
	int sockets[ENDS];
	int error;

	*child = (struct child){};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
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
	if (!child->process)
		_exit(run(sockets[THEIRS], capabilities, work, context));
	close(sockets[THEIRS]);
	child->socket = sockets[OURS];
	return 0;
failed:
	log_error("cannot start the process that %s: %s", purpose, strerror(-error));
	return error;
}

void child_stop(struct child *child)
{
	if (!child->process)
		return;
	close(child->socket);
	while (waitpid(child->process, NULL, 0) < 0 && errno == EINTR)
		;
	*child = (struct child){};
}
