/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * attachment - a BPF program on one network device, both ways, in front of what others have there. By links where the kernel
 * has them for that (TCX), else by filters of the qdisc clsact, which are named, so that what a process that was killed
 * left behind is found and removed.
 */
#ifndef KERNEL_ATTACHMENT_H
#define KERNEL_ATTACHMENT_H

#include <stdbool.h>
#include <stdint.h>

/* What the names of the programs begin with: the kernel keeps 15 bytes of them. */
#define ATTACHMENT_PROGRAM_NAME "mtlsnoop_device"

enum attachment_way {
	ATTACHMENT_INGRESS,
	ATTACHMENT_EGRESS,
	ATTACHMENT_WAYS,
};

struct attachment {
	int link[ATTACHMENT_WAYS]; /* TCX: what holds it */
	/* clsact */
	uint32_t handle; /* of the filters, 0: it is by links */
	uint32_t priority[ATTACHMENT_WAYS];
};

/* What names the filters of this process in its network namespace as long as it lives, and no longer. */
struct attachment_lease {
	int socket; /* -1: none yet */
	uint32_t number;
};

/*
 * Attach program to the device with this index. lease is taken where it is needed first. Returns 0, or -errno; *what says
 * what was tried. Nothing is left where it fails.
 */
int attachment_add(struct attachment *attachment, int program, int device, struct attachment_lease *lease,
                   const char **what);

/* Detach. A qdisc that was made for this is removed, too, unless others use it by now. */
void attachment_remove(const struct attachment *attachment, int device);

/*
 * Remove from all devices the filters whose process is gone, with a qdisc that was made for them. Returns how many there
 * were, or -errno.
 */
int attachment_sweep(void);

#endif /* KERNEL_ATTACHMENT_H */
