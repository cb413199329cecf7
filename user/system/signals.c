// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>

/* A signal's handler has no context: its results have to be global. */
static volatile sig_atomic_t stopped, hung_up;
static int terminal = -1; /* the stream to interrupt when stopping; set once, at the start */

static void take_stop(int number)
{
	(void)number;
	stopped = 1;
}

static void take_hang_up(int number)
{
	(void)number;
	hung_up = 1;
}

void signals_catch(void)
{
	const struct sigaction action = {.sa_handler = take_stop};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void signals_catch_reload(bool named)
{
	const struct sigaction action = {.sa_handler = take_hang_up};
	struct sigaction before;

	terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (terminal >= 0 && !named)
		return;
	if (!sigaction(SIGHUP, NULL, &before) && before.sa_handler == SIG_IGN)
		return;
	sigaction(SIGHUP, &action, NULL);
}

bool signals_stop(void)
{
	return stopped;
}

bool signals_reload(void)
{
	struct pollfd closed = {.fd = terminal};

	if (!hung_up)
		return false;
	hung_up = 0;
	/* without a terminal poll() has nothing to look at */
	if (poll(&closed, 1, 0) > 0 && closed.revents & POLLHUP) {
		stopped = 1;
		return false;
	}
	return true;
}
