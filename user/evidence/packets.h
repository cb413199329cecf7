/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packets - write the trail of a connection as packets: IP, TCP and UDP headers are rebuilt, sequence numbers begin anew.
 */
#ifndef EVIDENCE_PACKETS_H
#define EVIDENCE_PACKETS_H

#include <stdio.h>

#include "evidence/trail.h"

struct packets_labels {
	int64_t realtime_offset_ns; /* add to an event's time to get the time since the epoch */
	uint32_t process;           /* of the local end; 0: not known */
	const char *comment;        /* of the first packet */
};

void packets_write(FILE *out, const struct trail *trail, const struct packets_labels *labels);

#endif /* EVIDENCE_PACKETS_H */
