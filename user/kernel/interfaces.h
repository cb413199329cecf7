/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * interfaces - the programs of the device hook on network devices, those that come later too. A child process (child.h) does
 * it, since it goes on to need CAP_NET_ADMIN and CAP_BPF, which the process that reads the events gives up. It reads
 * nothing but rtnetlink, and detaches when this process ends, however that ends.
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
 * Attach to all devices that are named, and to those of the names that come later. Returns 0 when it is done; -errno, after
 * a message on standard error, where one is not there or cannot be attached to. Of "any" those that cannot are told of.
 */
int interfaces_attach(struct interfaces *interfaces, const struct interfaces_options *options);

/*
 * Take what the process that attaches has told since. Returns 0, or -EPIPE where it is not there any more: then nothing is
 * seen.
 */
int interfaces_look(struct interfaces *interfaces);

/* Detach from all, and wait until it is done. */
void interfaces_detach(struct interfaces *interfaces);

#endif /* KERNEL_INTERFACES_H */
