/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_notice - messages of the process that attaches probes to the process that reads the network: datagrams of
 * fixed size.
 */
#ifndef LIBRARY_NOTICE_H
#define LIBRARY_NOTICE_H

#include "library/finder.h"

enum library_notice_what {
	LIBRARY_NOTICE_COUNTS = 1, /* nothing but the counts */
	LIBRARY_NOTICE_ATTACHED,
	LIBRARY_NOTICE_DETACHED, /* its events may still be on their way */
	LIBRARY_NOTICE_READY,    /* all files of the start are attached */
};

struct library_notice {
	uint8_t what;
	struct library_target target;
	struct library_counts counts;
};

/*
 * The process: finds files and attaches probes until the other end of the socket is closed. descriptor is the only file
 * to probe, or -1: all found files; with_static: also programs with OpenSSL inside. Returns the exit status.
 */
int library_process(struct probes *probes, int socket, int descriptor, bool with_static);

#endif /* LIBRARY_NOTICE_H */
