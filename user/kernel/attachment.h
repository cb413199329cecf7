/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * attachment - a BPF program on one network device, both ways, before the programs of others. By links if the kernel
 * has TCX, otherwise by named filters of the qdisc clsact, so leftovers of a killed process are found and removed.
 */
#ifndef KERNEL_ATTACHMENT_H
#define KERNEL_ATTACHMENT_H

#include <stdbool.h>
#include <stdint.h>

/* The prefix of the programs' names: the kernel keeps 15 bytes of a name. */
#define ATTACHMENT_PROGRAM_NAME "mtlsnoop_device"

enum attachment_way {
	ATTACHMENT_INGRESS,
	ATTACHMENT_EGRESS,
	ATTACHMENT_WAYS,
};

struct attachment {
	int link[ATTACHMENT_WAYS]; /* TCX: the holder */
	/* clsact */
	uint32_t handle; /* of the filters, 0: it is by links */
	uint32_t priority[ATTACHMENT_WAYS];
};

/* The name of this process's filters in its network namespace, for the life of the process. */
struct attachment_lease {
	int socket; /* -1: none yet */
	uint32_t number;
};

/*
 * Attach program to the device with this index. lease is taken on first need. Returns 0, or -errno; *what names the
 * failed attempt. On failure nothing is left.
 */
int attachment_add(struct attachment *attachment, int program, int device, struct attachment_lease *lease,
                   const char **what);

/* Detach. A qdisc made for this attachment is removed, too, unless others use the qdisc. */
void attachment_remove(const struct attachment *attachment, int device);

/*
 * Remove from all devices the filters of ended processes, with a qdisc made for them. Returns the number of filters, or
 * -errno.
 */
int attachment_sweep(void);

#endif /* KERNEL_ATTACHMENT_H */
