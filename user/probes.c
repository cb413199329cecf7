// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "descriptors.h"
#include "library.skel.h"

enum {
	BUFFER_BYTES = 4 * 1024 * 1024,
	WAKEUP_SHARE = 4, /* the reader is woken where one in so many bytes of the buffer is waiting */
	PATH_BYTES = 32,
};

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;

struct probes {
	struct library *programs;
	struct ring_buffer *events;
	probes_sink sink;
	void *context;
	uint64_t read_ns; /* all that was told before was read */
	bool has_cookie;

	/* in the process that attaches */
	struct ring_buffer *execs;
	probes_exec_sink exec_sink;
	void *exec_context;
};

static int handle_event(void *context, void *data, size_t size)
{
	const struct probes *probes = context;
	const struct library_event *event = data;

	if (size >= sizeof(*event) && event->size <= size && event->size >= sizeof(*event) &&
	    event->length <= event->size - sizeof(*event))
		probes->sink(event, probes->context);
	return 0;
}

static int load_programs(struct probes *probes)
{
	int error;

	probes->programs = library__open();
	if (!probes->programs)
		return -errno;
	probes->has_cookie = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, NULL) > 0;
	probes->programs->rodata->library_has_cookie = probes->has_cookie;
	probes->programs->rodata->library_wakeup_bytes = BUFFER_BYTES / WAKEUP_SHARE;
	error = bpf_map__set_max_entries(probes->programs->maps.library_events, BUFFER_BYTES);
	if (!error)
		error = library__load(probes->programs);
	if (error)
		return error;
	probes->events =
		ring_buffer__new(bpf_map__fd(probes->programs->maps.library_events), handle_event, probes, NULL);
	return probes->events ? 0 : -errno;
}

struct probes *probes_open(probes_sink sink, void *context)
{
	struct probes *probes = calloc(1, sizeof(*probes));
	int error = -ENOMEM;

	/* what it has to say of files that cannot be probed is said elsewhere, in fewer words */
	libbpf_set_print(NULL);
	if (probes) {
		probes->sink = sink;
		probes->context = context;
		error = load_programs(probes);
	}
	if (!error)
		return probes;
	fprintf(stderr, "mtlsnoop: no probes in TLS libraries: the kernel did not load their programs: %s\n",
	        strerror(-error));
	probes_close(probes);
	return NULL;
}

void probes_close(struct probes *probes)
{
	if (!probes)
		return;
	ring_buffer__free(probes->events);
	library__destroy(probes->programs);
	free(probes);
}

int probes_descriptor(const struct probes *probes)
{
	return ring_buffer__epoll_fd(probes->events);
}

int probes_read(struct probes *probes)
{
	struct timespec now;
	int consumed;

	clock_gettime(CLOCK_MONOTONIC, &now);
	consumed = ring_buffer__consume(probes->events);
	probes->read_ns = now.tv_sec * SECOND_NS + now.tv_nsec;
	return consumed < 0 ? consumed : 0;
}

int probes_read_until(struct probes *probes, uint64_t time_ns)
{
	return time_ns > probes->read_ns ? probes_read(probes) : 0;
}

void probes_statistics(const struct probes *probes, uint64_t statistics[LIBRARY_STATISTICS])
{
	const uint64_t *counters = (const uint64_t *)probes->programs->bss->library_statistics;

	for (int index = 0; index < LIBRARY_STATISTICS; index++)
		statistics[index] = __atomic_load_n(&counters[index], __ATOMIC_RELAXED);
}

void probes_summarize(const struct probes *probes)
{
	static const char *const what[LIBRARY_STATISTICS] = {
		[LIBRARY_STATISTIC_LOST_RING] = "events of TLS libraries found no room in their ring buffer",
		[LIBRARY_STATISTIC_LOST_READ] = "calls of TLS libraries had bytes that could not be read",
		[LIBRARY_STATISTIC_LOST_STATE] = "handshakes in TLS libraries found no room in the kernel's table",
		[LIBRARY_STATISTIC_CALL_BOUND] = "calls of TLS libraries had more bytes than are read",
	};
	uint64_t statistics[LIBRARY_STATISTICS];

	probes_statistics(probes, statistics);
	for (int index = 0; index < LIBRARY_STATISTICS; index++)
		if (what[index] && statistics[index])
			fprintf(stderr, "mtlsnoop: %" PRIu64 " %s\n", statistics[index], what[index]);
}

static const struct bpf_program *program_of(const struct probes *probes, uint8_t probe)
{
	switch ((enum probe)probe) {
	case PROBE_DIGEST:
		return probes->programs->progs.mtlsnoop_digest;
	case PROBE_GNUTLS_APPEND:
		return probes->programs->progs.mtlsnoop_gnutls_append;
	case PROBE_GO_RECEIVED:
		return probes->programs->progs.mtlsnoop_go_received;
	case PROBE_GO_SENT:
		return probes->programs->progs.mtlsnoop_go_sent;
	case PROBE_GO_CONNECTION_RECEIVED:
		return probes->programs->progs.mtlsnoop_go_connection_received;
	case PROBE_GO_CONNECTION_SENT:
		return probes->programs->progs.mtlsnoop_go_connection_sent;
	default:
		return NULL;
	}
}

void probes_runs(const struct probes *probes, struct program_runs runs[PROBES_RUNS])
{
	static const char *const names[PROBES] = {
		[PROBE_DIGEST] = "digest",
		[PROBE_GNUTLS_APPEND] = "gnutls_append",
		[PROBE_GO_RECEIVED] = "go_received",
		[PROBE_GO_SENT] = "go_sent",
		[PROBE_GO_CONNECTION_RECEIVED] = "go_connection_received",
		[PROBE_GO_CONNECTION_SENT] = "go_connection_sent",
	};

	for (uint8_t probe = 0; probe < PROBES; probe++)
		runs[probe] = program_runs(names[probe], program_of(probes, probe));
	runs[PROBES] = program_runs("exec", probes->programs->progs.mtlsnoop_exec);
}

void probes_keep(struct probes *probes, const int keep[], int count)
{
	int kept[PROBES + PROBES_KEEP_MAX + 2];
	int keeping = 0;

	for (uint8_t probe = 0; probe < PROBES; probe++)
		kept[keeping++] = bpf_program__fd(program_of(probes, probe));
	kept[keeping++] = bpf_program__fd(probes->programs->progs.mtlsnoop_exec);
	kept[keeping++] = bpf_map__fd(probes->programs->maps.library_execs);
	for (int index = 0; index < count && index < PROBES_KEEP_MAX; index++)
		kept[keeping++] = keep[index];
	descriptors_close_all_but(kept, keeping);
}

int probes_try(const struct probes *probes)
{
	/* privileges are looked at first: where they suffice, what is wrong is that there is no such file */
	const struct probe_point nowhere = {.descriptor = -1};
	struct bpf_link *link = probes_attach(probes, &nowhere);
	int error = link ? 0 : errno;

	probes_detach(link);
	return error == ENOENT ? 0 : -error;
}

struct bpf_link *probes_attach(const struct probes *probes, const struct probe_point *point)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options);
	char path[PATH_BYTES];

	if (probes->has_cookie)
		options.bpf_cookie = point->target;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", point->descriptor);
	return bpf_program__attach_uprobe_opts(program_of(probes, point->probe), -1, path, point->offset, &options);
}

void probes_detach(struct bpf_link *link)
{
	bpf_link__destroy(link);
}

static int handle_exec(void *context, void *data, size_t size)
{
	const struct probes *probes = context;
	const struct library_exec *exec = data;

	if (size >= sizeof(*exec))
		probes->exec_sink(exec->process, probes->exec_context);
	return 0;
}

int probes_watch_execs(struct probes *probes, probes_exec_sink sink, void *context)
{
	probes->exec_sink = sink;
	probes->exec_context = context;
	probes->execs = ring_buffer__new(bpf_map__fd(probes->programs->maps.library_execs), handle_exec, probes, NULL);
	/* attached for as long as this process lasts */
	if (!probes->execs || !bpf_program__attach(probes->programs->progs.mtlsnoop_exec))
		return -errno;
	return ring_buffer__epoll_fd(probes->execs);
}

void probes_read_execs(struct probes *probes)
{
	ring_buffer__consume(probes->execs);
}
