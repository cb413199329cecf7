// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>

enum {
	SEQUENCE = 1, /* each request has a socket of its own */
};

static int read_answer(struct mnl_socket *socket, mnl_cb_t take, void *context)
{
	char answer[NETLINK_ANSWER_MAX];
	int more = MNL_CB_OK;

	while (more > MNL_CB_STOP) {
		ssize_t size = mnl_socket_recvfrom(socket, answer, sizeof(answer));

		if (size < 0)
			return -errno;
		more = mnl_cb_run(answer, size, SEQUENCE, mnl_socket_get_portid(socket), take, context);
	}
	return more < 0 ? -errno : 0;
}

int netlink_ask(struct nlmsghdr *request, mnl_cb_t take, void *context)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int error = 0;

	if (!socket)
		return -errno;
	request->nlmsg_seq = SEQUENCE;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		error = -errno;
	if (!error)
		error = read_answer(socket, take, context);
	mnl_socket_close(socket);
	return error;
}
