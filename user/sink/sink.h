/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sink - a receiver of the record of each handshake: the table, the ladder, JSON, metrics, a store, a sender. main
 * builds a list of sinks (sinks.h); nothing else knows the format of a sink. A sink never delays the event loop: work
 * that may wait belongs into a process or a thread of the sink's own, after a bounded queue with counted overflow.
 */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include <stdbool.h>
#include <stdint.h>

struct handshake;
struct status;

/* A sink's requirements for records. Facts that no sink needs are not read, looked up or probed. */
enum sink_needs {
	SINK_NEEDS_CERTIFICATES = 1 << 0, /* The client is known: fill in both ends. */
	SINK_NEEDS_ATTRIBUTION = 1 << 1,  /* handshake.attribution: unit, container, pod and user */
	SINK_NEEDS_HINTS = 1 << 2,        /* handshake.hints */
	/*
	 * Also records left out by --requested, and records after the last record of --count. Records left out by the
	 * expression, its other short forms (--port, --unit, --container, --pod) and --pid reach no sink.
	 */
	SINK_NEEDS_UNFILTERED = 1 << 3,
};

/* The fate of a sink's records. Counters only grow; waiting is a gauge. */
struct sink_counts {
	uint64_t taken;   /* records that the sink was given */
	uint64_t dropped; /* of them: a bound was hit */
	uint64_t failed;  /* of them: an error, after a message */
	uint64_t waiting; /* of them: in the sink's queue now */
};

/* Each function but take may be NULL. state is the sink's own. */
struct sink_class {
	const char *name; /* of the sink in messages and in the label sink of the metrics */

	/* A handshake has ended. The record and its targets live as long as the call. Returns 0, or -errno. */
	int (*take)(void *state, const struct handshake *handshake);

	/* Called about 20 times a second, and once before close: how things stand. */
	void (*tick)(void *state, const struct status *status);

	/* The input has ended: no record comes any more. Called before the last flush. */
	void (*finish)(void *state);

	/* Hand over what was taken. Returns 0, or -errno after a message: the program ends. */
	int (*flush)(void *state);

	/* Add to counts what the sink itself counts: dropped, failed later, waiting. taken is counted by the list. */
	void (*count)(void *state, struct sink_counts *counts);

	/* The last call. Frees state. */
	void (*close)(void *state);
};

struct sink {
	const struct sink_class *class;
	void *state;
	unsigned int needs; /* enum sink_needs */
};

#endif /* SINK_SINK_H */
