/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * listening - what came of what TLS libraries told. Only grows; all zero where nobody listened.
 */
#ifndef LISTENING_H
#define LISTENING_H

#include "library_join.h"
#include "transcript.h"

struct listening {
	struct transcript_counts transcripts;
	struct library_join_counts join;
};

#endif /* LISTENING_H */
