/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * child - a second process of this program that keeps a privilege which this one gives up, and does one thing with it when
 * it is asked over a socket. It reads nothing from the network, and ends when this process ends, however that ends.
 */
#ifndef SYSTEM_CHILD_H
#define SYSTEM_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What the child does: answer on socket until its peer is gone. What it returns is its exit status. No signal that stops or
 * reloads this program ends it: those that a terminal or a service manager sends to the whole group are for the parent.
 */
typedef int (*child_work)(int socket, void *context);

struct child {
	pid_t process; /* 0: there is none */
	int socket;    /* to it: SOCK_STREAM */
};

/*
 * Fork, before there are threads. The child becomes nobody where it was root, but for those of the capabilities (ended by
 * -1) that this process has; then it works. Returns 0, or -errno after a message on standard error that names purpose.
 */
int child_start(struct child *child, const char *purpose, const int *capabilities, child_work work, void *context);

/* Close the socket, so that it ends, and wait for that. Does nothing where there is none. */
void child_stop(struct child *child);

#endif /* SYSTEM_CHILD_H */
