// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/netlink.h"

/* include/uapi/linux/bpf.h since 6.6; an older kernel returns EINVAL. The tests build with other values. */
#ifndef ATTACHMENT_TCX_INGRESS
#define ATTACHMENT_TCX_INGRESS 46
#endif
#ifndef ATTACHMENT_TCX_EGRESS
#define ATTACHMENT_TCX_EGRESS 47
#endif

enum {
	IN_FRONT = 1 << 3,   /* BPF_F_BEFORE without a reference: before all others */
	MADE_QDISC = 1 << 0, /* in a handle: the qdisc was made for these filters */
	LEASES_TRIED = 16,
	FILTERS_MAX = 256,  /* distinguished in one sweep of a device */
	SWEEP_DEVICES = 64, /* room for so many devices to begin with */
};

static const enum bpf_tc_attach_point points[ATTACHMENT_WAYS] = {
	[ATTACHMENT_INGRESS] = BPF_TC_INGRESS,
	[ATTACHMENT_EGRESS] = BPF_TC_EGRESS,
};

static const char *const way_names[ATTACHMENT_WAYS] = {
	[ATTACHMENT_INGRESS] = "ingress",
	[ATTACHMENT_EGRESS] = "egress",
};

/* Links ---------------------------------------------------------------------------------------------------------------- */

/* Before the others, because a program that ends the chain hides the packet from later programs. */
static int create_link(int program, int device, uint32_t type)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = IN_FRONT);

	return bpf_link_create(program, device, type, &options);
}

static int add_links(struct attachment *attachment, int program, int device)
{
	static const uint32_t types[ATTACHMENT_WAYS] = {
		[ATTACHMENT_INGRESS] = ATTACHMENT_TCX_INGRESS,
		[ATTACHMENT_EGRESS] = ATTACHMENT_TCX_EGRESS,
	};

	for (int way = 0; way < ATTACHMENT_WAYS; way++) {
		attachment->link[way] = create_link(program, device, types[way]);
		if (attachment->link[way] >= 0)
			continue;
		if (way > 0)
			close(attachment->link[0]);
		return attachment->link[way];
	}
	return 0;
}

/* The lease -------------------------------------------------------------------------------------------------------------- */

/*
 * An abstract socket address belongs to the network namespace, as filters do; the address is taken for the life of its
 * process, and needs no file. Returns a descriptor, or -EADDRINUSE if taken.
 */
static int lease_take(uint32_t number)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "mtlsnoop-device-%08x", number);
	int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (descriptor < 0)
		return -errno;
	if (!bind(descriptor, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + length))
		return descriptor;
	error = -errno;
	close(descriptor);
	return error;
}

/* The owner of filters with this handle is gone. */
static bool lease_is_over(uint32_t handle)
{
	int descriptor = lease_take(handle & ~MADE_QDISC);

	if (descriptor >= 0)
		close(descriptor);
	return descriptor >= 0;
}

static int lease_make(struct attachment_lease *lease)
{
	for (int tried = 0; lease->socket < 0 && tried < LEASES_TRIED; tried++) {
		if (getrandom(&lease->number, sizeof(lease->number), 0) != sizeof(lease->number))
			return -errno;
		lease->number &= ~(uint32_t)MADE_QDISC;
		if (lease->number)
			lease->socket = lease_take(lease->number);
	}
	return lease->socket < 0 ? lease->socket : 0;
}

/* Filters ---------------------------------------------------------------------------------------------------------------- */

/* A filter as the kernel tells of it. */
struct filter {
	uint32_t handle;
	uint32_t priority;
	bool ours;
};

struct filters {
	struct filter filter[FILTERS_MAX];
	int count; /* may be more than there is room for */
};

static struct nlmsghdr *traffic_request(char *buffer, uint16_t type, uint16_t flags, int device, uint32_t parent)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct tcmsg *traffic = mnl_nlmsg_put_extra_header(header, sizeof(*traffic));

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	traffic->tcm_family = AF_UNSPEC;
	traffic->tcm_ifindex = device;
	traffic->tcm_parent = parent;
	return header;
}

static uint32_t parent_of(int way)
{
	return TC_H_MAKE(TC_H_CLSACT, way == ATTACHMENT_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

/*
 * The name of a filter of the kind bpf is in attributes within TCA_OPTIONS: libbpf builds the name from the program's
 * name and id.
 */
static bool has_our_name(const struct nlattr *options)
{
	static const char name[] = ATTACHMENT_PROGRAM_NAME ":[";
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, options)
	{
		if (mnl_attr_get_type(attribute) == TCA_BPF_NAME &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return !strncmp(mnl_attr_get_str(attribute), name, strlen(name));
	}
	return false;
}

static int take_filter(const struct nlmsghdr *header, void *context)
{
	const struct tcmsg *traffic = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute, *options = NULL;
	struct filters *filters = context;
	struct filter filter = {};
	bool is_bpf = false;

	if (header->nlmsg_type != RTM_NEWTFILTER || header->nlmsg_len < mnl_nlmsg_size(sizeof(*traffic)))
		return MNL_CB_OK;
	/* of each priority a message comes for the whole, with no handle, and then one for each filter */
	if (!traffic->tcm_handle)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, header, sizeof(*traffic))
	{
		if (mnl_attr_get_type(attribute) == TCA_KIND && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			is_bpf = !strcmp(mnl_attr_get_str(attribute), "bpf");
		else if (mnl_attr_get_type(attribute) == TCA_OPTIONS)
			options = attribute;
	}
	filter.handle = traffic->tcm_handle;
	filter.priority = TC_H_MAJ(traffic->tcm_info) >> 16;
	filter.ours = is_bpf && options && has_our_name(options);
	if (filters->count < FILTERS_MAX)
		filters->filter[filters->count] = filter;
	filters->count++;
	return MNL_CB_OK;
}

static int list_filters(struct filters *filters, int device, int way)
{
	char buffer[NETLINK_REQUEST_MAX];

	filters->count = 0;
	return netlink_ask(traffic_request(buffer, RTM_GETTFILTER, NLM_F_DUMP, device, parent_of(way)), take_filter,
	                   filters);
}

static int remove_filter(int device, int way, uint32_t handle, uint32_t priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device, .attach_point = points[way]);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = handle, .priority = priority);

	return bpf_tc_detach(&hook, &filter);
}

static bool has_filters(int device)
{
	struct filters *filters = calloc(1, sizeof(*filters));
	bool some = false;

	/* an unreadable filter is left alone */
	for (int way = 0; !some && way < ATTACHMENT_WAYS; way++)
		some = !filters || list_filters(filters, device, way) || filters->count;
	free(filters);
	return some;
}

/* The kernel cannot remove a qdisc only if empty: a filter that somebody adds in between is lost. */
static void remove_empty_qdisc(int device)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (!has_filters(device))
		bpf_tc_hook_destroy(&hook);
}

struct qdisc_search {
	int device;
	char kind[16];
};

static int take_qdisc(const struct nlmsghdr *header, void *context)
{
	const struct tcmsg *traffic = mnl_nlmsg_get_payload(header);
	struct qdisc_search *search = context;
	const struct nlattr *attribute;

	if (header->nlmsg_len < mnl_nlmsg_size(sizeof(*traffic)) || traffic->tcm_ifindex != search->device ||
	    traffic->tcm_parent != TC_H_INGRESS)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, header, sizeof(*traffic))
	{
		if (mnl_attr_get_type(attribute) == TCA_KIND && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(search->kind, sizeof(search->kind), "%s", mnl_attr_get_str(attribute));
	}
	return MNL_CB_OK;
}

/* Whether another process of this program made the qdisc: that process may end first. */
static bool qdisc_is_of_our_kind(int device)
{
	struct filters *filters = calloc(1, sizeof(*filters));
	bool made = false;

	if (filters && !list_filters(filters, device, ATTACHMENT_INGRESS))
		for (int index = 0; index < filters->count && index < FILTERS_MAX; index++)
			made |= filters->filter[index].ours && filters->filter[index].handle & MADE_QDISC;
	free(filters);
	return made;
}

/* The qdisc clsact, made if absent. The older qdisc ingress takes filters for both ways, and runs them on one way. */
static int have_qdisc(int device, bool *made)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct qdisc_search search = {.device = device};
	char buffer[NETLINK_REQUEST_MAX];
	int error = bpf_tc_hook_create(&hook);

	*made = !error;
	if (error != -EEXIST)
		return error;
	error = netlink_ask(traffic_request(buffer, RTM_GETQDISC, NLM_F_DUMP, device, 0), take_qdisc, &search);
	if (!error && strcmp(search.kind, "clsact") != 0)
		error = -EBUSY;
	*made = !error && qdisc_is_of_our_kind(device);
	return error;
}

/*
 * The lowest priority is asked first. The priority before all existing filters; 0 lets the kernel choose: after them.
 */
static uint32_t priority_in_front(int device, int way)
{
	struct filters *filters = calloc(1, sizeof(*filters));
	uint32_t lowest = 0;

	if (filters && !list_filters(filters, device, way))
		for (int index = 0; index < filters->count && index < FILTERS_MAX; index++)
			if (!lowest || filters->filter[index].priority < lowest)
				lowest = filters->filter[index].priority;
	free(filters);
	return lowest > 1 ? lowest - 1 : 0;
}

static int add_filter(struct attachment *attachment, int program, int device, int way)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device, .attach_point = points[way]);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = attachment->handle, .prog_fd = program);
	int error;

	filter.priority = priority_in_front(device, way);
	error = bpf_tc_attach(&hook, &filter);
	attachment->priority[way] = filter.priority;
	return error;
}

static int add_filters(struct attachment *attachment, int program, int device, struct attachment_lease *lease,
                       const char **what)
{
	bool made;
	int error;

	*what = "taking a name for its filters";
	error = lease_make(lease);
	if (error)
		return error;
	*what = "making the qdisc clsact (one of the kind ingress has to go first)";
	error = have_qdisc(device, &made);
	if (error)
		return error;
	attachment->handle = lease->number | (made ? MADE_QDISC : 0);
	for (int way = 0; way < ATTACHMENT_WAYS; way++) {
		*what = way_names[way];
		error = add_filter(attachment, program, device, way);
		if (!error)
			continue;
		if (way > 0)
			remove_filter(device, 0, attachment->handle, attachment->priority[0]);
		if (made)
			remove_empty_qdisc(device);
		return error;
	}
	return 0;
}

int attachment_add(struct attachment *attachment, int program, int device, struct attachment_lease *lease,
                   const char **what)
{
	int error;

	*attachment = (struct attachment){};
	*what = "TCX";
	error = add_links(attachment, program, device);
	/* a kernel without TCX does not know the type */
	return error == -EINVAL ? add_filters(attachment, program, device, lease, what) : error;
}

void attachment_remove(const struct attachment *attachment, int device)
{
	for (int way = 0; way < ATTACHMENT_WAYS; way++) {
		if (attachment->handle)
			remove_filter(device, way, attachment->handle, attachment->priority[way]);
		else
			close(attachment->link[way]);
	}
	if (attachment->handle & MADE_QDISC)
		remove_empty_qdisc(device);
}

/* What was left behind ---------------------------------------------------------------------------------------------------- */

static int sweep_way(struct filters *filters, int device, int way, bool *made)
{
	int removed = 0;

	if (list_filters(filters, device, way))
		return 0;
	for (int index = 0; index < filters->count && index < FILTERS_MAX; index++) {
		const struct filter *filter = &filters->filter[index];

		if (!filter->ours || !lease_is_over(filter->handle))
			continue;
		if (remove_filter(device, way, filter->handle, filter->priority))
			continue;
		*made |= filter->handle & MADE_QDISC;
		removed++;
	}
	return removed;
}

struct sweep {
	struct filters filters;
	int *device; /* with the qdisc clsact or ingress */
	int devices;
	int room;
	bool full; /* no memory for more */
};

static int take_clsact(const struct nlmsghdr *header, void *context)
{
	const struct tcmsg *traffic = mnl_nlmsg_get_payload(header);
	struct sweep *sweep = context;

	if (header->nlmsg_len < mnl_nlmsg_size(sizeof(*traffic)) || traffic->tcm_parent != TC_H_INGRESS)
		return MNL_CB_OK;
	if (sweep->devices == sweep->room) {
		int room = sweep->room ? 2 * sweep->room : SWEEP_DEVICES;
		int *device = reallocarray(sweep->device, room, sizeof(*device));

		sweep->full = !device;
		if (!device)
			return MNL_CB_STOP;
		sweep->device = device;
		sweep->room = room;
	}
	sweep->device[sweep->devices++] = traffic->tcm_ifindex;
	return MNL_CB_OK;
}

int attachment_sweep(void)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));
	char buffer[NETLINK_REQUEST_MAX];
	int removed = 0, error;

	if (!sweep)
		return -ENOMEM;
	error = netlink_ask(traffic_request(buffer, RTM_GETQDISC, NLM_F_DUMP, 0, 0), take_clsact, sweep);
	if (sweep->full)
		error = -ENOMEM;
	for (int index = 0; !error && index < sweep->devices; index++) {
		bool made = false;

		for (int way = 0; way < ATTACHMENT_WAYS; way++)
			removed += sweep_way(&sweep->filters, sweep->device[index], way, &made);
		if (made)
			remove_empty_qdisc(sweep->device[index]);
	}
	free(sweep->device);
	free(sweep);
	return error ? error : removed;
}
