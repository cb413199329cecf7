/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * child - a second process of this program. The child keeps a privilege given up by the main process, and uses the
 * privilege for a single task, when asked over a socket. The child reads nothing from the network, and ends with this
 * process, even after SIGKILL.
 */
#ifndef SYSTEM_CHILD_H
#define SYSTEM_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum child_bounds {
	CHILD_PATIENCE_MS = 2000, /* how long child_stop() waits for the end of the child */
};

/*
 * The child's work: answer on socket until the peer is gone. The return value is the exit status. Signals to stop or
 * reload the program do not end the child: a terminal or a service manager sends them to the whole group, for the
 * parent.
 */
typedef int (*child_work)(int socket, void *context);

struct child_options {
	const char *purpose; /* for messages: "the process that <purpose>" */
	child_work work;
	void *context;
	const int *capabilities; /* kept, ended by -1; NULL: work() gives up privileges itself */
	bool datagrams;          /* the socket is SOCK_SEQPACKET, else SOCK_STREAM */
	bool keeps_files;        /* open files stay open: work() closes unneeded files */
};

struct child {
	pid_t process;       /* 0: no child */
	int socket;          /* to the child */
	int process_file;    /* pidfd: readable when the child has ended; -1: the kernel made none */
	const char *purpose; /* of child_options */
};

/*
 * Fork, before there are threads. Call fflush() first if output is buffered. A child of root becomes the user nobody.
 * The child keeps the listed capabilities, if the process has them. Returns 0, or -errno after a message on standard
 * error.
 */
int child_start_with(struct child *child, const struct child_options *options);

/* The same for a child without further options. */
int child_start(struct child *child, const char *purpose, const int *capabilities, child_work work, void *context);

/*
 * Close the socket, so the child ends, and wait for at most CHILD_PATIENCE_MS: a child that hangs in a file of a dead
 * server (NFS, FUSE) does not delay the end of this program, and dies with it. Returns 0; -ETIMEDOUT after a message if
 * the child still runs. Does nothing without a child.
 */
int child_stop(struct child *child);

#endif /* SYSTEM_CHILD_H */
