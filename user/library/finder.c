// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/finder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "library/notice.h"
#include "system/child.h"
#include "system/log.h"

enum {
	NAMES_MAX = 2 * LIBRARY_TARGETS_MAX, /* probed files, and as many recent ones */
	NOTICES_MAX = 1024,                  /* taken at a time */
	START_MS = 5000,                     /* between messages until ready */
};

/* A target that is or was probed: its events may still be on their way. */
struct name {
	struct library_target target; /* id 0: the place is free */
	uint64_t detached;            /* its number in the order of detaching; 0: probed */
};

struct library {
	struct child child; /* no process: it has ended */
	struct library_counts counts;
	struct name name[NAMES_MAX];
	uint64_t detached; /* so many were until now */
};

static struct name *name_find(struct library *library, uint32_t id)
{
	for (uint32_t index = 0; id && index < NAMES_MAX; index++)
		if (library->name[index].target.id == id)
			return &library->name[index];
	return NULL;
}

/* A free place, or the place of the name detached longest ago; NULL if all files are probed. */
static struct name *name_place(struct library *library)
{
	struct name *oldest = NULL;

	for (uint32_t index = 0; index < NAMES_MAX; index++) {
		struct name *name = &library->name[index];

		if (!name->target.id)
			return name;
		if (name->detached && (!oldest || name->detached < oldest->detached))
			oldest = name;
	}
	return oldest;
}

static void name_attach(struct library *library, const struct library_target *target)
{
	struct name *place;

	if (!target->id || target->kind >= LIBRARY_KINDS || !library_name_is_valid(target->name, sizeof(target->name)))
		return;
	place = name_place(library);
	if (place)
		*place = (struct name){.target = *target};
}

static void take_notice(struct library *library, const struct library_notice *notice)
{
	struct name *name;

	if (notice->what == LIBRARY_NOTICE_ATTACHED)
		name_attach(library, &notice->target);
	if (notice->what == LIBRARY_NOTICE_DETACHED) {
		name = name_find(library, notice->target.id);
		if (name)
			name->detached = ++library->detached;
	}
	library->counts = notice->counts;
}

/* The process has ended: wait, so no zombie stays. */
static void reap(struct library *library)
{
	child_stop(&library->child);
	library->counts.delay_ms = 0;
	memset(library->counts.attached, 0, sizeof(library->counts.attached));
}

void library_poll(struct library *library)
{
	struct library_notice notice;
	ssize_t length;

	if (!library || !library->child.process)
		return;
	for (int taken = 0; taken < NOTICES_MAX; taken++) {
		length = recv(library->child.socket, &notice, sizeof(notice), MSG_DONTWAIT);
		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (length <= 0) {
			log_warning("the process that probes TLS libraries has ended: "
			            "what TLS 1.3 encrypts is inferred");
			reap(library);
			return;
		}
		if (length == sizeof(notice))
			take_notice(library, &notice);
	}
}

const struct library_target *library_target(const struct library *library, uint32_t id)
{
	const struct name *name = library ? name_find((struct library *)library, id) : NULL;

	return name ? &name->target : NULL;
}

const struct library_counts *library_counts(const struct library *library)
{
	static const struct library_counts none;

	return library ? &library->counts : &none;
}

static int open_path(const char *path)
{
	int error, descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (descriptor >= 0)
		return descriptor;
	error = -errno;
	log_error("cannot open the library %s: %s", path, strerror(-error));
	return error;
}

static int try_probe(const struct probes *probes)
{
	int error = probes_try(probes);

	if (error)
		log_warning("no probes in TLS libraries: the kernel refuses them: %s; they need CAP_SYS_ADMIN, "
		            "on "
		            "kernels before 6.16 CAP_PERFMON; what TLS 1.3 encrypts is inferred",
		            strerror(-error));
	return error;
}

/* What the process needs to begin. */
struct beginning {
	struct probes *probes;
	int descriptor;
	bool with_static;
};

static int work(int socket, void *context)
{
	const struct beginning *beginning = context;

	return library_process(beginning->probes, socket, beginning->descriptor, beginning->with_static);
}

static int start_process(struct library *library, struct probes *probes, int descriptor, bool with_static)
{
	struct beginning beginning = {.probes = probes, .descriptor = descriptor, .with_static = with_static};
	/* the files of the probes stay open; privileges are given up once the needed ones are known */
	const struct child_options options = {.purpose = "probes TLS libraries",
	                                      .work = work,
	                                      .context = &beginning,
	                                      .datagrams = true,
	                                      .keeps_files = true};

	/* what is still held back would be written twice */
	fflush(NULL);
	return child_start_with(&library->child, &options);
}

/*
 * Wait until all present libraries are probed: an immediate handshake shall not be missed. Returns 0 also after a
 * time-out, -ENOTSUP if the process has ended after a message.
 */
static int await_ready(struct library *library)
{
	struct pollfd socket = {.fd = library->child.socket, .events = POLLIN};
	struct library_notice notice;
	ssize_t length;

	while (poll(&socket, 1, START_MS) > 0) {
		length = recv(library->child.socket, &notice, sizeof(notice), MSG_DONTWAIT);
		if (length != sizeof(notice))
			return -ENOTSUP;
		take_notice(library, &notice);
		if (notice.what == LIBRARY_NOTICE_READY)
			break;
	}
	return 0;
}

int library_open(struct library **result, enum library_mode mode, const char *path, struct probes *probes)
{
	struct library *library = NULL;
	int error, descriptor = -1;

	*result = NULL;
	if (mode == LIBRARY_PATH) {
		descriptor = open_path(path);
		if (descriptor < 0)
			return descriptor;
	}
	error = 0;
	if (try_probe(probes))
		goto cleanup;
	library = calloc(1, sizeof(*library));
	if (!library) {
		error = -ENOMEM;
		goto cleanup;
	}
	error = start_process(library, probes, descriptor, mode == LIBRARY_AUTO_STATIC);
	if (!error && await_ready(library) && mode == LIBRARY_PATH)
		error = -ENOTSUP;
	if (!error) {
		*result = library;
		library = NULL;
	}
cleanup:
	if (descriptor >= 0)
		close(descriptor);
	library_close(library);
	return error;
}

void library_close(struct library *library)
{
	if (!library)
		return;
	child_stop(&library->child);
	free(library);
}
