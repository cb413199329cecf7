// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel/tracer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "device.skel.h"
#include "bpf/shared/service_set.h"
#include "kernel/interfaces.h"
#include "socket.skel.h"
#include "system/log.h"

enum {
	KERNEL_LOG_MAX = 256 * 1024, /* libbpf's messages while loading, with the verifier's log */
	KERNEL_LOG_LINE_MAX = 1024,
	KERNEL_LOG_LINES = 12, /* the last lines are shown if loading fails */
	LOOK_EVENTS = 16,      /* events between two looks at the buffer's fill level */
	WAKEUP_SHARE = 4,      /* the reader is woken if 1/WAKEUP_SHARE of the buffer is waiting */
};

/* Only one hook is loaded. */
struct tracer {
	struct socket *socket;
	struct device *device;
	const uint64_t *statistics;
	struct bpf_link *receive;
	struct bpf_link *send;
	struct bpf_link *create;
	struct interfaces interfaces;
	struct ring_buffer *events;
	uint64_t buffer_bytes;
	uint64_t buffer_waiting;
	uint64_t buffer_peak;
	uint64_t events_read;
	const void *consumer; /* a page: the first 8 bytes count the bytes read (producer: written) */
	const void *producer;
	const struct packet_counter *packets;
	struct service_set *services; /* shared with the programs */
	struct flow_hash_key flow_key;
	int cgroup_file; /* a file in the cgroup, readable until the cgroup is removed */
	struct probes *probes;
	tracer_sink sink;
	void *context;
};

/* The lines printed by libbpf. libbpf passes no context to its print function, so the log is global. */
static struct {
	char text[KERNEL_LOG_MAX];
	size_t length;
} kernel_log;

/* libbpf's lines end in a newline. */
static void kernel_log_debug(const char *format, va_list arguments)
{
	char line[KERNEL_LOG_LINE_MAX];
	va_list copy;

	if (!log_debugs())
		return;
	va_copy(copy, arguments);
	vsnprintf(line, sizeof(line), format, copy);
	va_end(copy);
	line[strcspn(line, "\n")] = '\0';
	log_debug("%s", line);
}

static int kernel_log_add(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t room = sizeof(kernel_log.text) - kernel_log.length;
	int length;

	if (level == LIBBPF_DEBUG)
		return 0;
	kernel_log_debug(format, arguments);
	length = vsnprintf(kernel_log.text + kernel_log.length, room, format, arguments);
	if (length > 0)
		kernel_log.length += (size_t)length < room ? (size_t)length : room - 1;
	return length;
}

/* The last lines from libbpf and the verifier. */
static void kernel_log_print(void)
{
	char *line = kernel_log.text + kernel_log.length, *rest;
	int lines = 0;

	while (line > kernel_log.text && lines <= KERNEL_LOG_LINES)
		if (*--line == '\n')
			lines++;
	if (*line == '\n')
		line++;
	while ((line = strtok_r(line, "\n", &rest))) {
		log_error("%s", line);
		line = NULL;
	}
}

static const char *load_advice(int error)
{
	/* without CAP_PERFMON the verifier refuses, for other reasons */
	if (error == EPERM || geteuid() != 0)
		return "run it as root, or with the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";
	switch (error) {
	case ENOMEM:
		return "there is not enough memory: try a smaller --buffer";
	case ESRCH:
		return "it needs CONFIG_DEBUG_INFO_BTF: /sys/kernel/btf/vmlinux";
	default:
		return "the kernel must be 5.10 or newer, with CONFIG_CGROUP_BPF and CONFIG_DEBUG_INFO_BTF";
	}
}

static const char *load_reason(int error)
{
	/* libbpf's word for it */
	return error == ESRCH ? "it has no BTF" : strerror(error);
}

static void print_load_error(int error)
{
	struct utsname kernel;

	if (error != EPERM && geteuid() == 0)
		kernel_log_print();
	if (uname(&kernel))
		strcpy(kernel.release, "?");
	log_error("kernel %s did not load the BPF programs: %s; %s", kernel.release, load_reason(error),
	          load_advice(error));
}

/*
 * Whether a directory is the root of the whole hierarchy. The root of a cgroup namespace, or of a part mounted alone,
 * does not count: every cgroup but the root has the file cgroup.type (cgroups(7)).
 */
static bool is_cgroup_root(const char *path)
{
	char *file;
	bool is_root;

	if (asprintf(&file, "%s/cgroup.type", path) < 0)
		return false;
	is_root = access(file, F_OK) && errno == ENOENT;
	free(file);
	return is_root;
}

/*
 * The mount point of the cgroup v2 hierarchy: on a hybrid host not /sys/fs/cgroup. A mount of the root is preferred to
 * a mount of a part. Returns a string to be freed, or NULL.
 */
static char *find_cgroup_root(void)
{
	char *line = NULL, *found = NULL;
	size_t capacity = 0;
	FILE *mounts;

	mounts = fopen("/proc/self/mountinfo", "re");
	if (!mounts)
		return NULL;
	while (getline(&line, &capacity, mounts) >= 0) {
		char *point = NULL;

		/* id, parent, device, root in the hierarchy, mount point: proc(5) */
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %ms", &point) == 1 &&
		    (!found || is_cgroup_root(point))) {
			free(found);
			found = point;
			point = NULL;
		}
		free(point);
	}
	free(line);
	fclose(mounts);
	return found;
}

/* Returns 0, or -EPERM after a message: without the root, only a container's own sockets would be traced. */
static int check_cgroup_root(const char *root)
{
	if (is_cgroup_root(root))
		return 0;
	log_error("only the cgroup of this container is visible at %s, not those of the host: start the container with "
	          "the host's "
	          "cgroup namespace (--cgroupns=host, hostPID: true) and mount the host's /sys/fs/cgroup, or name a "
	          "cgroup with "
	          "-g (-g %s traces this container alone)",
	          root, root);
	return -EPERM;
}

static int open_cgroup(const char *path)
{
	char *root = path ? NULL : find_cgroup_root();
	int descriptor;

	if (!path && !root) {
		log_error("no cgroup v2 hierarchy is mounted; mount one, anywhere: "
		          "mkdir /run/cgroup2 && mount -t cgroup2 none /run/cgroup2");
		return -ENOENT;
	}
	if (!path && check_cgroup_root(root)) {
		free(root);
		return -EPERM;
	}
	descriptor = open(path ?: root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (descriptor < 0) {
		descriptor = -errno;
		log_error("cannot open the cgroup %s: %s", path ?: root, strerror(-descriptor));
	}
	free(root);
	return descriptor;
}

/* Bytes that wait to be read, as the kernel counts them. */
static uint64_t look_at_buffer(struct tracer *tracer)
{
	unsigned long read = __atomic_load_n((const unsigned long *)tracer->consumer, __ATOMIC_RELAXED);
	unsigned long written = __atomic_load_n((const unsigned long *)tracer->producer, __ATOMIC_RELAXED);

	if (written - read > tracer->buffer_peak)
		tracer->buffer_peak = written - read;
	return written - read;
}

static int handle_event(void *context, void *data, size_t size)
{
	struct tracer *tracer = context;
	const struct event *event = data;

	/* an event may have delayed the consumer, so the buffer may be fuller than before */
	if (++tracer->events_read % LOOK_EVENTS == 0)
		look_at_buffer(tracer);
	if (size < sizeof(*event) || event->size > size)
		return 0;
	/* library events from before this packet come first, although in another buffer */
	if (tracer->probes)
		probes_read_until(tracer->probes, event->time_ns);
	tracer->sink(event, tracer->context);
	return 0;
}

static void set_early_filter(struct socket *socket, const struct early_filter *early)
{
	void *target = (void *)&socket->rodata->early_filter;

	if (early)
		memcpy(target, early, sizeof(*early));
	else
		memset(target, 0, sizeof(*early));
}

static int load_socket_programs(struct tracer *tracer, const struct tracer_options *options)
{
	int error;

	tracer->socket = socket__open();
	if (!tracer->socket)
		return -errno;
	tracer->socket->rodata->flow_key = tracer->flow_key;
	tracer->socket->rodata->follow_process = options->follow_process;
	set_early_filter(tracer->socket, options->early_filter);
	tracer->socket->rodata->wakeup_bytes = options->buffer_bytes / WAKEUP_SHARE;
	error = bpf_map__set_max_entries(tracer->socket->maps.events, options->buffer_bytes);
	if (!error)
		error = socket__load(tracer->socket);
	if (!error)
		tracer->statistics = (const uint64_t *)tracer->socket->bss->statistics;
	if (!error)
		tracer->packets = (const void *)tracer->socket->bss->packet_counters;
	if (!error)
		tracer->services = (void *)&tracer->socket->bss->services;
	return error;
}

static int load_device_programs(struct tracer *tracer, const struct tracer_options *options)
{
	uint32_t rows = 1;
	int error;

	tracer->device = device__open();
	if (!tracer->device)
		return -errno;
	while (rows < options->interface_connections)
		rows *= 2;
	tracer->device->rodata->wakeup_bytes = options->buffer_bytes / WAKEUP_SHARE;
	tracer->device->rodata->row_mask = rows - 1;
	tracer->device->rodata->flow_key = tracer->flow_key;
	error = bpf_map__set_max_entries(tracer->device->maps.events, options->buffer_bytes);
	if (!error)
		error = bpf_map__set_max_entries(tracer->device->maps.flows, options->interface_connections);
	if (!error)
		error = bpf_map__set_max_entries(tracer->device->maps.rows, rows);
	if (!error)
		error = device__load(tracer->device);
	if (!error)
		tracer->statistics = (const uint64_t *)tracer->device->bss->statistics;
	if (!error)
		tracer->packets = (const void *)tracer->device->bss->packet_counters;
	if (!error)
		tracer->services = (void *)&tracer->device->bss->services;
	return error;
}

static int load_programs(struct tracer *tracer, const struct tracer_options *options)
{
	int error;

	if (getrandom(&tracer->flow_key, sizeof(tracer->flow_key), 0) != sizeof(tracer->flow_key))
		error = -errno;
	else if (options->interface_count)
		error = load_device_programs(tracer, options);
	else
		error = load_socket_programs(tracer, options);
	if (error)
		print_load_error(-error);
	return error;
}

/* Map a page of the ring buffer. libbpf maps the same pages, but this version of libbpf hides its mappings. */
static const void *map_page(const struct bpf_map *events, int number)
{
	const long size = sysconf(_SC_PAGESIZE);
	const void *page = mmap(NULL, size, PROT_READ, MAP_SHARED, bpf_map__fd(events), number * size);

	return page == MAP_FAILED ? NULL : page;
}

static int map_events(struct tracer *tracer)
{
	/* Exactly one of the two hooks is loaded: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	const struct bpf_map *events = tracer->device ? tracer->device->maps.events : tracer->socket->maps.events;
	int error;

	tracer->events = ring_buffer__new(bpf_map__fd(events), handle_event, tracer, NULL);
	tracer->consumer = map_page(events, 0);
	tracer->producer = map_page(events, 1);
	tracer->buffer_bytes = bpf_map__max_entries(events);
	if (tracer->events && tracer->consumer && tracer->producer)
		return 0;
	error = -errno;
	log_error("cannot map the ring buffer: %s", strerror(-error));
	return error;
}

static void unmap_page(const void *page)
{
	if (page)
		munmap((void *)page, sysconf(_SC_PAGESIZE));
}

static struct bpf_link *attach_program(struct bpf_program *program, int cgroup)
{
	struct bpf_link *link = bpf_program__attach_cgroup(program, cgroup);
	int error = errno;

	if (!link)
		log_error("the kernel did not attach %s to the cgroup: %s; is it a cgroup v2 directory, and "
		          "may this user (CAP_NET_ADMIN) attach there?",
		          bpf_program__name(program), strerror(error));
	else
		log_debug("attached %s to the cgroup", bpf_program__name(program));
	errno = error;
	return link;
}

static int attach_to_interfaces(struct tracer *tracer, const struct tracer_options *options)
{
	const struct interfaces_options interfaces = {
		.names = options->interfaces,
		.count = options->interface_count,
		.program =
			{
				[INTERFACES_ETHERNET] = bpf_program__fd(tracer->device->progs.mtlsnoop_device),
				[INTERFACES_IP] = bpf_program__fd(tracer->device->progs.mtlsnoop_device_ip),
			},
	};

	return interfaces_attach(&tracer->interfaces, &interfaces);
}

static int attach_to_cgroup(struct tracer *tracer, const struct tracer_options *options)
{
	int cgroup = open_cgroup(options->cgroup);
	int error = 0;

	if (cgroup < 0)
		return cgroup;
	log_debug("attaching to the cgroup %s", options->cgroup ?: "at the root of the cgroup v2 hierarchy");
	tracer->receive = attach_program(tracer->socket->progs.mtlsnoop_receive, cgroup);
	if (tracer->receive)
		tracer->send = attach_program(tracer->socket->progs.mtlsnoop_send, cgroup);
	if (tracer->send)
		tracer->create = attach_program(tracer->socket->progs.mtlsnoop_create, cgroup);
	if (!tracer->create)
		error = -errno;
	tracer->cgroup_file = openat(cgroup, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	close(cgroup);
	return error;
}

int tracer_open(struct tracer **result, const struct tracer_options *options, tracer_sink sink, void *context)
{
	struct tracer *tracer = calloc(1, sizeof(*tracer));
	int error;

	if (!tracer) {
		log_out_of_memory();
		return -ENOMEM;
	}
	tracer->cgroup_file = -1;
	tracer->sink = sink;
	tracer->context = context;
	libbpf_set_print(kernel_log_add);

	error = load_programs(tracer, options);
	if (error)
		goto cleanup;
	error = map_events(tracer);
	if (error)
		goto cleanup;
	error = tracer->device ? attach_to_interfaces(tracer, options) : attach_to_cgroup(tracer, options);
	if (error)
		goto cleanup;
	*result = tracer;
	return 0;
cleanup:
	tracer_close(tracer);
	return error;
}

void tracer_detach(struct tracer *tracer)
{
	bpf_link__destroy(tracer->receive);
	bpf_link__destroy(tracer->send);
	bpf_link__destroy(tracer->create);
	tracer->receive = NULL;
	tracer->send = NULL;
	tracer->create = NULL;
	interfaces_detach(&tracer->interfaces);
}

void tracer_close(struct tracer *tracer)
{
	if (!tracer)
		return;
	tracer_detach(tracer);
	ring_buffer__free(tracer->events);
	unmap_page(tracer->consumer);
	unmap_page(tracer->producer);
	if (tracer->cgroup_file >= 0)
		close(tracer->cgroup_file);
	socket__destroy(tracer->socket);
	device__destroy(tracer->device);
	free(tracer);
}

/* Removal of a cgroup detaches its programs. A later cgroup of the same name is another cgroup. */
static int check_cgroup(struct tracer *tracer)
{
	char byte;

	if (tracer->cgroup_file < 0 || pread(tracer->cgroup_file, &byte, 1, 0) >= 0 || errno != ENODEV)
		return 0;
	log_error("the cgroup was removed: nothing is seen any more");
	close(tracer->cgroup_file);
	tracer->cgroup_file = -1;
	return -ENODEV;
}

void tracer_add_probes(struct tracer *tracer, struct probes *probes)
{
	struct epoll_event readable = {.events = EPOLLIN};

	tracer->probes = probes;
	/* many waiting library events wake the reader, too */
	epoll_ctl(ring_buffer__epoll_fd(tracer->events), EPOLL_CTL_ADD, probes_descriptor(probes), &readable);
}

int tracer_poll(struct tracer *tracer, int timeout_ms)
{
	struct epoll_event event;
	int error = epoll_wait(ring_buffer__epoll_fd(tracer->events), &event, 1, timeout_ms) < 0 ? -errno : 0;

	tracer->buffer_waiting = look_at_buffer(tracer);
	/* most events come without a wake-up: look for events even without a wake-up */
	if (!error || error == -EINTR) {
		int consumed = tracer->probes ? probes_read(tracer->probes) : 0;

		if (!consumed)
			consumed = ring_buffer__consume(tracer->events);
		if (consumed < 0)
			error = consumed;
	}
	if (check_cgroup(tracer))
		return -ENODEV;
	if (tracer->interfaces.child.process && interfaces_look(&tracer->interfaces)) {
		log_error("the process that attaches to interfaces is gone: nothing is seen any more");
		return -EPIPE;
	}
	return error < 0 ? error : 0;
}

bool tracer_add_service(struct tracer *tracer, const struct service_key *service)
{
	return service_set_add(&tracer->flow_key, tracer->services, service);
}

void tracer_statistics(const struct tracer *tracer, uint64_t statistics[STATISTICS])
{
	for (int index = 0; index < STATISTICS; index++)
		statistics[index] = __atomic_load_n(&tracer->statistics[index], __ATOMIC_RELAXED);
}

void tracer_look(const struct tracer *tracer, struct tracer_sight *sight)
{
	*sight = (struct tracer_sight){
		.hook = tracer->device ? "device" : "socket",
		.programs =
			tracer->device ? tracer->interfaces.programs : (uint32_t) !!tracer->receive + !!tracer->send,
		.buffer_bytes = tracer->buffer_bytes,
		.buffer_waiting = tracer->buffer_waiting,
		.buffer_peak = tracer->buffer_peak,
	};
	for (int cpu = 0; cpu < PACKET_COUNTERS_CPUS; cpu++)
		for (int program = 0; program < TRACER_PROGRAMS; program++)
			sight->packets[program] +=
				__atomic_load_n(&tracer->packets[cpu].packets[program], __ATOMIC_RELAXED);
}

void tracer_runs(const struct tracer *tracer, struct program_runs runs[TRACER_RUNS])
{
	memset(runs, 0, TRACER_RUNS * sizeof(*runs));
	if (tracer->device) {
		runs[0] = program_runs("device", tracer->device->progs.mtlsnoop_device);
		runs[1] = program_runs("device_ip", tracer->device->progs.mtlsnoop_device_ip);
	} else {
		runs[0] = program_runs("receive", tracer->socket->progs.mtlsnoop_receive);
		runs[1] = program_runs("send", tracer->socket->progs.mtlsnoop_send);
		runs[TRACER_PROGRAMS] = program_runs("create", tracer->socket->progs.mtlsnoop_create);
	}
	if (tracer->probes)
		probes_runs(tracer->probes, runs + TRACER_PROGRAMS + 1);
}
