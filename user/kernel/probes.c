// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "system/descriptors.h"
#include "library.skel.h"
#include "system/log.h"

enum {
	BUFFER_BYTES = 4 * 1024 * 1024,
	WAKEUP_SHARE = 4, /* the reader is woken if 1/WAKEUP_SHARE of the buffer is waiting */
	PATH_BYTES = 32,
	LINK_RETURNS = 1, /* BPF_F_UPROBE_MULTI_RETURN */
};

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;

struct probes {
	struct library *programs;
	struct ring_buffer *events;
	probes_sink sink;
	void *context;
	uint64_t read_ns; /* all earlier events were read */
	bool has_cookie;
	bool takes_many;

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

static struct bpf_program *program_of(const struct probes *probes, uint8_t probe)
{
	static const size_t places[PROBES] = {
#define PROBE(NAME, name, KIND, place, function) [PROBE_##NAME] = offsetof(struct library, progs.mtlsnoop_##name),
		LIBRARY_PROBE_TABLE(PROBE)
#undef PROBE
	};

	return *(struct bpf_program *const *)((const char *)probes->programs + places[probe]);
}

/* A link of many probes, in the words of bpf(2): what Debian 12's headers and libbpf do not know yet. */
static const enum bpf_attach_type ATTACH_UPROBE_MULTI = (enum bpf_attach_type)48;

struct link_of_many {
	uint32_t program;
	uint32_t unused;
	uint32_t type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t reference_counters;
	uint64_t cookies;
	uint32_t count;
	uint32_t flags_of_many;
	uint32_t process; /* 0: all */
	uint32_t reserved;
};

/* Returns a descriptor, or -errno. */
static int link_many(int program, const char *path, const uint64_t *offsets, const uint64_t *cookies, uint32_t count,
                     bool returns)
{
	const struct link_of_many link = {.program = program,
	                                  .type = ATTACH_UPROBE_MULTI,
	                                  .path = (uintptr_t)path,
	                                  .offsets = (uintptr_t)offsets,
	                                  .cookies = (uintptr_t)cookies,
	                                  .count = count,
	                                  .flags_of_many = returns ? LINK_RETURNS : 0};
	int descriptor = syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));

	return descriptor < 0 ? -errno : descriptor;
}

/* Tried with an empty program, on a directory: a kernel with such links reports that a directory is no file. */
static bool kernel_takes_many(void)
{
	static const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	static const uint64_t nowhere = 0;
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	int program, error;

	options.expected_attach_type = ATTACH_UPROBE_MULTI;
	program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", instructions,
	                        sizeof(instructions) / sizeof(instructions[0]), &options);
	if (program < 0)
		return false;
	error = link_many(program, "/", &nowhere, NULL, 1, false);
	if (error >= 0)
		close(error);
	close(program);
	return error == -EBADF;
}

static int load_programs(struct probes *probes)
{
	int error;

	probes->programs = library__open();
	if (!probes->programs)
		return -errno;
	probes->has_cookie = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, NULL) > 0;
	probes->takes_many = kernel_takes_many();
	for (uint8_t probe = 0; probes->takes_many && probe < PROBES; probe++)
		bpf_program__set_expected_attach_type(program_of(probes, probe), ATTACH_UPROBE_MULTI);
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

	/* files that cannot be probed are reported elsewhere, in fewer words */
	libbpf_set_print(NULL);
	if (probes) {
		probes->sink = sink;
		probes->context = context;
		error = load_programs(probes);
	}
	if (!error)
		return probes;
	log_warning("no probes in TLS libraries: the kernel did not load their programs: %s", strerror(-error));
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

void probes_runs(const struct probes *probes, struct program_runs runs[PROBES_RUNS])
{
	for (uint8_t probe = 0; probe < PROBES; probe++)
		runs[probe] = program_runs(probe_rows[probe].name, program_of(probes, probe));
	runs[PROBES] = program_runs("exec", probes->programs->progs.mtlsnoop_exec);
}

void probes_keep(struct probes *probes, const int keep[], int count)
{
	int kept[PROBES + PROBES_KEEP_MAX + 3];
	int keeping = 0;

	for (uint8_t probe = 0; probe < PROBES; probe++)
		kept[keeping++] = bpf_program__fd(program_of(probes, probe));
	kept[keeping++] = bpf_program__fd(probes->programs->progs.mtlsnoop_exec);
	kept[keeping++] = bpf_map__fd(probes->programs->maps.library_execs);
	kept[keeping++] = bpf_map__fd(probes->programs->maps.library_layouts);
	for (int index = 0; index < count && index < PROBES_KEEP_MAX; index++)
		kept[keeping++] = keep[index];
	descriptors_close_all_but(kept, keeping);
}

int probes_try(const struct probes *probes)
{
	/* privileges are checked first: with sufficient privileges the error is the missing file */
	const struct probe_file nowhere = {.descriptor = -1};
	const struct probe_point point = {};
	struct probe_link link;
	int error = probes_attach(probes, &nowhere, &point, 1, &link);

	if (!error)
		probes_detach(&link);
	return error == -ENOENT ? 0 : error;
}

bool probes_take_many(const struct probes *probes)
{
	return probes->takes_many;
}

bool probes_know_files(const struct probes *probes)
{
	return probes->has_cookie;
}

void probes_set_layout(const struct probes *probes, uint32_t target, const struct library_layout *layout)
{
	/* without a layout the programs say nothing */
	bpf_map_update_elem(bpf_map__fd(probes->programs->maps.library_layouts), &target, layout, BPF_ANY);
}

void probes_forget_layout(const struct probes *probes, uint32_t target)
{
	bpf_map_delete_elem(bpf_map__fd(probes->programs->maps.library_layouts), &target);
}

static int attach_one(const struct probes *probes, const char *path, uint32_t target, const struct probe_point *point,
                      struct probe_link *link)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options);

	if (probes->has_cookie)
		options.bpf_cookie = target;
	options.retprobe = probe_rows[point->probe].place == PROBE_AT_RETURN;
	link->single =
		bpf_program__attach_uprobe_opts(program_of(probes, point->probe), -1, path, point->offset, &options);
	return link->single ? 0 : -errno;
}

static int attach_many(const struct probes *probes, const char *path, uint32_t target, const struct probe_point *points,
                       uint32_t count, struct probe_link *link)
{
	uint64_t offsets[PROBE_POINTS_MAX], cookies[PROBE_POINTS_MAX];
	int program = bpf_program__fd(program_of(probes, points->probe));

	if (count > PROBE_POINTS_MAX)
		return -E2BIG;
	for (uint32_t index = 0; index < count; index++) {
		offsets[index] = points[index].offset;
		cookies[index] = target;
	}
	link->single = NULL;
	link->many = link_many(program, path, offsets, probes->has_cookie ? cookies : NULL, count,
	                       probe_rows[points->probe].place == PROBE_AT_RETURN);
	return link->many < 0 ? link->many : 0;
}

int probes_attach(const struct probes *probes, const struct probe_file *file, const struct probe_point *points,
                  uint32_t count, struct probe_link *link)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->descriptor);
	if (probes->takes_many)
		return attach_many(probes, path, file->target, points, count, link);
	return attach_one(probes, path, file->target, points, link);
}

void probes_detach(struct probe_link *link)
{
	if (link->single)
		bpf_link__destroy(link->single);
	else
		close(link->many);
}

static int handle_exec(void *context, void *data, size_t size)
{
	const struct probes *probes = context;
	const struct library_exec *exec = data;

	if (size >= sizeof(*exec))
		probes->exec_sink(exec->process, exec->user, probes->exec_context);
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
