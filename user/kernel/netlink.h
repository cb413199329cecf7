/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* netlink - ask the kernel about devices, qdiscs and filters (rtnetlink, by libmnl). */
#ifndef KERNEL_NETLINK_H
#define KERNEL_NETLINK_H

#include <libmnl/libmnl.h>

enum netlink_bounds {
	NETLINK_REQUEST_MAX = 256,
	NETLINK_ANSWER_MAX = 32768, /* the kernel's maximum of one datagram of a dump */
};

/*
 * Send a request, and give each message of the answer to take(), which returns MNL_CB_OK to go on. Returns 0, or -errno.
 */
int netlink_ask(struct nlmsghdr *request, mnl_cb_t take, void *context);

#endif /* KERNEL_NETLINK_H */
