/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * interfaces - the programs of the device hook on network devices, including later devices. A child process (child.h)
 * attaches, because attaching needs CAP_NET_ADMIN and CAP_BPF, which the process that reads events gives up. The child
 * reads only rtnetlink, and detaches when this process ends, even by SIGKILL.
 */
#ifndef KERNEL_INTERFACES_H
#define KERNEL_INTERFACES_H

#include "system/child.h"

#include <stdint.h>

/* The devices of one link layer each. */
enum interfaces_program {
	INTERFACES_ETHERNET,
	INTERFACES_IP, /* packets begin with the IP header: tun, WireGuard, PPP, tunnels */
	INTERFACES_PROGRAMS,
};

struct interfaces_options {
	const char *const *names; /* of the devices; "any" stands for all that are up */
	uint32_t count;
	int program[INTERFACES_PROGRAMS]; /* descriptors */
};

struct interfaces {
	struct child child;
	uint32_t programs; /* in place, as far as the child has told: two on each device */
};

/*
 * Attach to all named devices, now and later. Returns 0 when done; -errno, after a message on standard error, if a
 * device is missing or cannot be attached to. With "any", failures are only reported.
 */
int interfaces_attach(struct interfaces *interfaces, const struct interfaces_options *options);

/* Take the news of the attaching process. Returns 0, or -EPIPE if the process is gone: then nothing is seen. */
int interfaces_look(struct interfaces *interfaces);

/* Detach from all, and wait until it is done. */
void interfaces_detach(struct interfaces *interfaces);

#endif /* KERNEL_INTERFACES_H */
