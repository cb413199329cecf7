/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * listening - what came of what TLS libraries told. Only grows; all zero where nobody listened.
 */
#ifndef TRACKING_LISTENING_H
#define TRACKING_LISTENING_H

#include "tracking/library_join.h"
#include "tracking/transcript.h"

struct listening {
	struct transcript_counts transcripts;
	struct library_join_counts join;
};

#endif /* TRACKING_LISTENING_H */
