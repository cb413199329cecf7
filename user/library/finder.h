/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library - the files to probe: the TLS libraries mapped by the host's processes, and the places of probes in each. A
 * separate process keeps the needed privileges and reads nothing from the network; the process that reads the network
 * has no privileges, and receives the targets over a socket.
 */
#ifndef LIBRARY_FINDER_H
#define LIBRARY_FINDER_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/probes.h"
#include "library/points.h"

enum library_bounds {
	LIBRARY_TARGETS_MAX = 256, /* probed files at once; more are counted and left alone */
};

enum library_mode {
	LIBRARY_AUTO, /* what processes map, and the host's own libraries */
	LIBRARY_OFF,
	LIBRARY_PATH,        /* only this file */
	LIBRARY_AUTO_STATIC, /* as LIBRARY_AUTO, and programs with OpenSSL inside: each of their hashes costs a probe */
};

/* A probed file. */
struct library_target {
	uint32_t id;  /* in struct library_event; never used twice */
	uint8_t kind; /* enum library_kind */
	char name
		[LIBRARY_TARGET_NAME_MAX]; /* "OpenSSL 3.0.19": library and version, as the file itself tells; printable */
};

/* All but attached and delay_ms only grow. */
struct library_counts {
	uint32_t attached[LIBRARY_KINDS]; /* files probed now */
	uint64_t refused;                 /* files that look like a library and could not be probed: told once each */
	uint64_t bound;                   /* files beyond LIBRARY_TARGETS_MAX, or a user's part of that */
	uint64_t skipped;                 /* processes left out of a look: their user took more than its share */
	uint64_t unreadable;              /* files that could not be opened, or not be parsed in time */
	uint32_t
		delay_ms; /* so long the processes of a user that took too much still wait for a look; 0: nobody waits */
};

struct library;

/*
 * Start the process that finds and attaches, and wait until all present files are probed. The process ends with this
 * process, even after SIGKILL. mode is not LIBRARY_OFF. Returns 0 also if probes are unavailable: then one message was
 * printed on standard error, and *library is NULL. -errno if the given path is no target.
 */
int library_open(struct library **library, enum library_mode mode, const char *path, struct probes *probes);
void library_close(struct library *library);

/* Take what the process has told since. Never waits. */
void library_poll(struct library *library);

/* NULL where it is not known (any more). */
const struct library_target *library_target(const struct library *library, uint32_t id);

const struct library_counts *library_counts(const struct library *library);

#endif /* LIBRARY_FINDER_H */
