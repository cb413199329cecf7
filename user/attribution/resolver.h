/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * resolver - the child process that looks processes up: /proc, the cgroup tree, the kubelet's log directories, /etc/passwd. The
 * child reads nothing from the network and answers questions on a socket. Of all privileges the child keeps CAP_SYS_PTRACE at
 * most, for the executables of other users' processes.
 */
#ifndef ATTRIBUTION_RESOLVER_H
#define ATTRIBUTION_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "attribution/proc.h"
#include "handshake/attribution.h"

/* The known facts of a process. */
struct resolver_question {
	uint64_t number; /* comes back with the answer */
	struct proc_identity identity;
	uint64_t cgroup; /* id in the v2 hierarchy; 0: not known */
	uint64_t network_namespace;
	uint32_t user;
	uint8_t user_known;
	uint8_t reserved[3];
	char name[ATTRIBUTION_NAME_MAX]; /* "": not known */
};

struct resolver_answer {
	uint64_t number;
	struct attribution attribution;
};

struct resolver_options {
	bool command_line; /* read command lines, too */
	const char *logs;  /* "/var/log" */
	const char *users; /* "/etc/passwd" */
};

/* The child's work (child_work): context is a struct resolver_options. */
int resolver_work(int socket, void *context);

/* Answer a question, as resolver_work() does. */
struct resolver;
struct resolver *resolver_begin(const struct resolver_options *options);
void resolver_end(struct resolver *resolver);
void resolver_resolve(struct resolver *resolver, const struct resolver_question *question,
                      struct attribution *attribution);

#endif /* ATTRIBUTION_RESOLVER_H */
