// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel/interfaces.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/attachment.h"
#include "system/descriptors.h"
#include "kernel/netlink.h"
#include "system/sandbox.h"
#include "system/log.h"

/* include/uapi/linux/if_arp.h: what the C library does not name */
enum {
	TYPE_RAWIP = 519,
	TYPE_IP6GRE = 823,
};

enum {
	NOTICES_BYTES = 1 << 20, /* of devices that come and go: after an overflow all are asked for again */
	RETRY_MS = 100,          /* to tell the parent, where it had no room */
};

/* A device to which the programs are attached. */
struct device {
	LIST_ENTRY(device) others;
	int index;
	bool gone; /* not yet seen in the dump */
	struct attachment attachment;
};

/* The child's state. */
struct watch {
	const struct interfaces_options *options;
	int program[INTERFACES_PROGRAMS];
	LIST_HEAD(, device) devices;
	uint32_t programs; /* on them */
	uint32_t told;     /* the parent, of these */
	struct attachment_lease lease;
	int error; /* the latest error of attaching */
};

/* The facts about a device in a message. */
struct link_notice {
	const char *name;
	int index;
	unsigned int flags;
	uint16_t type; /* ARPHRD_* */
};

static bool is_any(const char *name)
{
	return !strcmp(name, "any");
}

static bool is_wanted(const struct watch *watch, const struct link_notice *notice)
{
	for (uint32_t index = 0; index < watch->options->count; index++) {
		const char *name = watch->options->names[index];

		if (is_any(name) ? notice->flags & IFF_UP : !strcmp(name, notice->name))
			return true;
	}
	return false;
}

/* The program that reads the packets of a device. Returns -1 if no program does. */
static int program_of(const struct link_notice *notice)
{
	switch (notice->type) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return INTERFACES_ETHERNET;
	case ARPHRD_NONE:
	case TYPE_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case TYPE_IP6GRE:
		return INTERFACES_IP;
	default:
		return -1;
	}
}

static struct device *device_find(struct watch *watch, int index)
{
	struct device *device;

	LIST_FOREACH (device, &watch->devices, others)
		if (device->index == index)
			return device;
	return NULL;
}

static int device_add(struct watch *watch, const struct link_notice *notice)
{
	struct device *device = calloc(1, sizeof(*device));
	const char *what = "keeping it in mind";
	int error = -ENOMEM;

	if (device)
		error = attachment_add(&device->attachment, watch->program[program_of(notice)], notice->index,
		                       &watch->lease, &what);
	if (error) {
		free(device);
		/* From here on lines on standard error get their level, if the journal reads them. */
		if (error != -ENODEV)
			log_warning("cannot attach to the interface %s (%s): %s", notice->name, what, strerror(-error));
		return error;
	}
	log_debug("attached to the interface %s by %s", notice->name,
	          device->attachment.handle ? "clsact filters" : "TCX links");
	device->index = notice->index;
	LIST_INSERT_HEAD(&watch->devices, device, others);
	watch->programs += ATTACHMENT_WAYS;
	return 0;
}

static void device_remove(struct watch *watch, struct device *device)
{
	attachment_remove(&device->attachment, device->index);
	LIST_REMOVE(device, others);
	free(device);
	watch->programs -= ATTACHMENT_WAYS;
}

static void take_link(struct watch *watch, const struct link_notice *notice)
{
	struct device *device = device_find(watch, notice->index);
	int error;

	if (device)
		device->gone = false;
	if (device || !is_wanted(watch, notice))
		return;
	if (program_of(notice) < 0) {
		log_warning("the interface %s has a link layer that is not read (type %u)", notice->name, notice->type);
		error = -EPROTONOSUPPORT;
	} else {
		error = device_add(watch, notice);
	}
	if (error)
		watch->error = error;
}

static void read_link_name(const struct nlmsghdr *header, struct link_notice *notice)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			notice->name = mnl_attr_get_str(attribute);
	}
}

static int take_notice(const struct nlmsghdr *header, void *context)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	struct watch *watch = context;
	struct link_notice notice;
	struct device *device;

	/* a bridge tells of its ports in the same kind of message */
	if (header->nlmsg_len < mnl_nlmsg_size(sizeof(*link)) || link->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	notice = (struct link_notice){.index = link->ifi_index, .flags = link->ifi_flags, .type = link->ifi_type};
	read_link_name(header, &notice);
	device = device_find(watch, notice.index);
	if (header->nlmsg_type == RTM_DELLINK && device)
		device_remove(watch, device);
	else if (header->nlmsg_type == RTM_NEWLINK && notice.name)
		take_link(watch, &notice);
	return MNL_CB_OK;
}

static int look_at_all(struct watch *watch)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(header, sizeof(*link));

	header->nlmsg_type = RTM_GETLINK;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	link->ifi_family = AF_UNSPEC;
	return netlink_ask(header, take_notice, watch);
}

/* All devices as they are now: at the start, and where notices were lost. */
static int look_anew(struct watch *watch)
{
	struct device *device, *next;
	int error;

	LIST_FOREACH (device, &watch->devices, others)
		device->gone = true;
	error = look_at_all(watch);
	for (device = LIST_FIRST(&watch->devices); !error && device; device = next) {
		next = LIST_NEXT(device, others);
		if (device->gone)
			device_remove(watch, device);
	}
	return error;
}

/* Each named device must exist at the beginning. */
static int check_names(const struct interfaces_options *options)
{
	for (uint32_t index = 0; index < options->count; index++) {
		const char *name = options->names[index];

		if (is_any(name) || if_nametoindex(name))
			continue;
		log_error("there is no interface %s in this network namespace: ip link shows them", name);
		return -ENODEV;
	}
	return 0;
}

static bool all_are_named(const struct interfaces_options *options)
{
	for (uint32_t index = 0; index < options->count; index++)
		if (is_any(options->names[index]))
			return false;
	return true;
}

/* Descriptors go over the socket, since a child begins with none. */
union descriptors {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * INTERFACES_PROGRAMS)];
};

static int send_programs(int socket, const int program[INTERFACES_PROGRAMS])
{
	union descriptors descriptors = {};
	struct iovec something = {.iov_base = "p", .iov_len = 1};
	struct msghdr message = {.msg_iov = &something,
	                         .msg_iovlen = 1,
	                         .msg_control = descriptors.bytes,
	                         .msg_controllen = sizeof(descriptors.bytes)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * INTERFACES_PROGRAMS);
	memcpy(CMSG_DATA(header), program, sizeof(int) * INTERFACES_PROGRAMS);
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_programs(int socket, int program[INTERFACES_PROGRAMS])
{
	union descriptors descriptors;
	char something;
	struct iovec into = {.iov_base = &something, .iov_len = 1};
	struct msghdr message = {.msg_iov = &into,
	                         .msg_iovlen = 1,
	                         .msg_control = descriptors.bytes,
	                         .msg_controllen = sizeof(descriptors.bytes)};
	ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	if (!header || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int) * INTERFACES_PROGRAMS))
		return -EPROTO;
	memcpy(program, CMSG_DATA(header), sizeof(int) * INTERFACES_PROGRAMS);
	return 0;
}

static struct mnl_socket *open_notices(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int bytes = NOTICES_BYTES;

	if (!socket)
		return NULL;
	/* with CAP_NET_ADMIN beyond the host's limit; otherwise as much as allowed */
	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (mnl_socket_bind(socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

static int take_notices(struct watch *watch, struct mnl_socket *notices)
{
	char buffer[NETLINK_ANSWER_MAX];
	ssize_t size;

	while ((size = mnl_socket_recvfrom(notices, buffer, sizeof(buffer))) > 0)
		mnl_cb_run(buffer, size, 0, 0, take_notice, watch);
	if (size == 0 || errno == EAGAIN || errno == EINTR)
		return 0;
	return errno == ENOBUFS ? look_anew(watch) : -errno;
}

/* Returns how long to wait before it is tried again, -1: for ever. */
static int tell_programs(struct watch *watch, int socket)
{
	if (watch->told == watch->programs)
		return -1;
	if (send(socket, &watch->programs, sizeof(watch->programs), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return RETRY_MS;
	watch->told = watch->programs;
	return -1;
}

/* Until the other end of the socket is closed. */
static void watch_devices(struct watch *watch, int socket, struct mnl_socket *notices)
{
	struct pollfd polled[] = {{.fd = socket, .events = POLLIN},
	                          {.fd = mnl_socket_get_fd(notices), .events = POLLIN}};

	while (!polled[0].revents) {
		if (poll(polled, 2, tell_programs(watch, socket)) < 0 && errno != EINTR)
			break;
		if (polled[1].revents && take_notices(watch, notices))
			break;
	}
}

static int attach_to_all(struct watch *watch)
{
	int removed = attachment_sweep();
	int error;

	if (removed > 0)
		log_notice("removed %d filters that a process which was killed had left on interfaces", removed);
	error = check_names(watch->options);
	if (!error)
		error = look_anew(watch);
	/* of all devices some may be unusable; no named device may be missing */
	if (!error && all_are_named(watch->options))
		error = watch->error;
	return error;
}

static int work(int socket, void *context)
{
	struct watch watch = {.options = context, .lease = {.socket = -1}};
	struct mnl_socket *notices = open_notices();
	struct device *device;
	int32_t error = notices ? 0 : -errno;

	/* after SIGKILL of the parent filters have to be removed: the end of the socket reports the death in time */
	prctl(PR_SET_PDEATHSIG, 0);
	/* each device takes one for each way */
	descriptors_raise_limit();
	sandbox_enter(SANDBOX_INTERFACES);
	if (!error)
		error = receive_programs(socket, watch.program);
	if (!error)
		error = attach_to_all(&watch);
	if (send(socket, &error, sizeof(error), MSG_NOSIGNAL) == sizeof(error) && !error)
		watch_devices(&watch, socket, notices);
	while ((device = LIST_FIRST(&watch.devices)))
		device_remove(&watch, device);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

int interfaces_attach(struct interfaces *interfaces, const struct interfaces_options *options)
{
	static const int capabilities[] = {CAP_NET_ADMIN, CAP_BPF, -1};
	int32_t status = -EPIPE;
	int error;

	error = child_start(&interfaces->child, "attaches to interfaces", capabilities, work, (void *)options);
	if (error)
		return error;
	error = send_programs(interfaces->child.socket, options->program);
	if (!error && recv(interfaces->child.socket, &status, sizeof(status), MSG_WAITALL) < 0)
		status = -errno;
	if (!error)
		error = status;
	if (error)
		interfaces_detach(interfaces);
	return error;
}

int interfaces_look(struct interfaces *interfaces)
{
	uint32_t programs;
	ssize_t size;

	while ((size = recv(interfaces->child.socket, &programs, sizeof(programs), MSG_DONTWAIT)) == sizeof(programs))
		interfaces->programs = programs;
	return size < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}

void interfaces_detach(struct interfaces *interfaces)
{
	child_stop(&interfaces->child);
}
