/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * association - the DTLS association of a datagram. The kernel keeps no state for DTLS: each datagram comes with its
 * addresses, and only the datagram shows whether an association begins. Only the wing tracking/ includes this header.
 */
#ifndef TRACKING_ASSOCIATION_H
#define TRACKING_ASSOCIATION_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/event.h"

enum association_bounds {
	ASSOCIATIONS_ENDED = 1024, /* remembered, each until another takes its place */
	ASSOCIATION_OPENS = 256,   /* CPUs that may report addresses before the datagram is reported */
};

/* An association that has ended. Its last flight may come again. */
struct association_ended {
	uint64_t id;
	uint64_t random;
	uint64_t end_ns;
};

/* All zeroes is an empty one. */
struct associations {
	struct event_open opens[ASSOCIATION_OPENS]; /* the addresses of the latest datagrams */
	uint32_t next_open;
	struct association_ended ended[ASSOCIATIONS_ENDED]; /* by id */
};

/* The addresses of a datagram that follows. */
void associations_open(struct associations *associations, const struct event_open *open);

/* The reported addresses for this id; NULL: none. */
const struct event_open *associations_find_open(const struct associations *associations, uint64_t id);

/* An association has ended at end_ns. random is its ClientHello's; 0: unknown. */
void associations_end(struct associations *associations, uint64_t id, uint64_t random, uint64_t end_ns);

/* Whether a datagram that would begin an association repeats a datagram of an ended association. */
bool associations_repeats(const struct associations *associations, const struct event *event, uint64_t random);

#endif /* TRACKING_ASSOCIATION_H */
