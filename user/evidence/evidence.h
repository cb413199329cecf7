/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * evidence - -w FILE: the packets of each reported handshake, as pcapng. Events pass here before the tracker. The sink
 * writes the connection's packets when the record comes, with verdict, reason and process as a comment.
 *
 * Application data is never written: its bytes are zeros. Bounded: connections and bytes waiting for a record. Beyond
 * the bound the oldest connection is dropped and counted.
 */
#ifndef EVIDENCE_EVIDENCE_H
#define EVIDENCE_EVIDENCE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/event.h"
#include "sink/sink.h"

enum evidence_bounds {
	EVIDENCE_CONNECTIONS_MAX = 65536,
	EVIDENCE_FILES = 8, /* with --rotate: FILE, FILE.1 to FILE.7, and then FILE again */
};

struct evidence_options {
	const char *path;      /* "-": standard output */
	uint64_t rotate_bytes; /* the next file begins behind so many bytes; 0: never */
	uint64_t rotate_ns;    /* the next file begins after so long; 0: never */
};

struct evidence_writer;

/*
 * Open the files, while the user's rights are still there. Returns 0, or -errno after a message. The closing sink
 * frees the rest.
 */
int evidence_open(struct evidence_writer **evidence, const struct evidence_options *options);

struct sink evidence_sink(struct evidence_writer *evidence);

/* An event, before the tracker takes the event. Its time plus realtime_offset_ns is a time since the epoch. */
void evidence_event(struct evidence_writer *evidence, const struct event *event, int64_t realtime_offset_ns);

/* The clock of the events is at now_ns. */
void evidence_time(struct evidence_writer *evidence, uint64_t now_ns);

#endif /* EVIDENCE_EVIDENCE_H */
