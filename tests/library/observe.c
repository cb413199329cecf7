// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Print what the probes in TLS libraries tell, as it comes, until standard input ends: for the tests of suite library.
 * usage: observe auto|PATH
 *
 *   ready
 *   event PROCESS HANDLE KIND TARGET POSITION TOTAL LENGTH NAME BYTES(hex, the first 80)
 *   target ID KIND NAME              of an event's target, the first time
 *   counts OPENSSL GNUTLS GO REFUSED BOUND      when they change
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "library/finder.h"
#include "system/privileges.h"
#include "kernel/tracer.h"

enum {
	SHOWN = 80,
	POLL_MS = 50,
	BUFFER = 1024 * 1024,
};

struct observer {
	struct library *library;
	struct library_counts counts;
	uint32_t told; /* highest id of a target that was printed */
};

static void take_event(const struct event *event, void *context)
{
	(void)event;
	(void)context;
}

static void tell_target(struct observer *observer, uint32_t id)
{
	const struct library_target *target = library_target(observer->library, id);

	if (id <= observer->told)
		return;
	observer->told = id;
	printf("target %" PRIu32 " %d %s\n", id, target ? target->kind : -1, target ? target->name : "unknown");
}

static void take_library_event(const struct library_event *event, void *context)
{
	library_poll(((struct observer *)context)->library);
	tell_target(context, event->target);
	printf("event %" PRIu32 " %" PRIx64 " %u %" PRIu32 " %" PRIu32 " %" PRIu32 " %u %s ", event->process,
	       (uint64_t)event->handle, event->kind, event->target, event->position, event->total, event->length,
	       event->name);
	for (int index = 0; index < event->length && index < SHOWN; index++)
		printf("%02x", event->data[index]);
	printf("\n");
}

static void tell_counts(struct observer *observer)
{
	const struct library_counts *counts = library_counts(observer->library);

	if (!memcmp(counts, &observer->counts, sizeof(*counts)))
		return;
	observer->counts = *counts;
	printf("counts %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
	       counts->attached[LIBRARY_OPENSSL], counts->attached[LIBRARY_GNUTLS], counts->attached[LIBRARY_GO],
	       counts->refused, counts->bound);
}

static void observe(struct observer *observer, struct tracer *tracer)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	while (poll(&input, 1, 0) == 0) {
		tracer_poll(tracer, POLL_MS);
		library_poll(observer->library);
		tell_counts(observer);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct observer observer = {};
	const struct tracer_options options = {.buffer_bytes = BUFFER};
	const char *path = argc == 2 ? argv[1] : "auto";
	struct probes *probes;
	struct tracer *tracer;
	uint64_t statistics[LIBRARY_STATISTICS];
	bool automatic = !strcmp(path, "auto");

	if (tracer_open(&tracer, &options, take_event, &observer))
		return EXIT_FAILURE;
	probes = probes_open(take_library_event, &observer);
	if (!probes)
		return EXIT_FAILURE;
	tracer_add_probes(tracer, probes);
	if (library_open(&observer.library, automatic ? LIBRARY_AUTO : LIBRARY_PATH, path, probes) || privileges_drop())
		return EXIT_FAILURE;
	if (!observer.library)
		return EXIT_FAILURE;
	printf("ready\n");
	tell_counts(&observer);
	observe(&observer, tracer);
	library_close(observer.library);
	probes_statistics(probes, statistics);
	for (int index = 0; index < LIBRARY_STATISTICS; index++)
		printf("statistic %d %" PRIu64 "\n", index, statistics[index]);
	probes_close(probes);
	tracer_close(tracer);
	return EXIT_SUCCESS;
}
