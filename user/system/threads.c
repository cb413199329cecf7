// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/threads.h"
#include "system/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

int threads_start(pthread_t *thread, const char *purpose, void *(*work)(void *context), void *context)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, work, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		log_error("cannot start the thread that %s: %s", purpose, strerror(error));
	return -error;
}
