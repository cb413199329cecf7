/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_notice - what the process that attaches probes tells the one that reads the network: a datagram of fixed size.
 */
#ifndef LIBRARY_NOTICE_H
#define LIBRARY_NOTICE_H

#include "library/finder.h"

enum library_notice_what {
	LIBRARY_NOTICE_COUNTS = 1, /* nothing but the counts */
	LIBRARY_NOTICE_ATTACHED,
	LIBRARY_NOTICE_DETACHED, /* what it told may still be on its way */
	LIBRARY_NOTICE_READY,    /* what there was at the start is attached */
};

struct library_notice {
	uint8_t what;
	struct library_target target;
	struct library_counts counts;
};

/*
 * The process: finds files and attaches probes until the other end of the socket is closed. descriptor is the only file to
 * probe, or -1: all that are found, with_static: also programs that OpenSSL is a part of. Returns the status to exit with.
 */
int library_process(struct probes *probes, int socket, int descriptor, bool with_static);

#endif /* LIBRARY_NOTICE_H */
