/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* threads - start a thread. Signals are left to the thread that checks for them, so they wake that thread. */
#ifndef SYSTEM_THREADS_H
#define SYSTEM_THREADS_H

#include <pthread.h>

/* Returns 0, or -errno after a message on standard error that names purpose ("answers scrapes"). */
int threads_start(pthread_t *thread, const char *purpose, void *(*work)(void *context), void *context);

#endif /* SYSTEM_THREADS_H */
