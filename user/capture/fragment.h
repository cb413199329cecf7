/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fragment - IP packets sent in fragments (RFC 791 section 3.2, RFC 8200 section 4.5), joined again. Incomplete packets
 * are left out and counted. Overlapping fragments with different bytes allow two readings of the packet: such a packet
 * is left out, too (RFC 5722).
 */
#ifndef CAPTURE_FRAGMENT_H
#define CAPTURE_FRAGMENT_H

#include "capture/packet.h"

#include <stdbool.h>
#include <stdint.h>

enum fragment_bounds {
	FRAGMENT_PACKETS_MAX = 256,    /* incomplete at once; the oldest makes room */
	FRAGMENT_BYTES_MAX = 65535,    /* of a packet's payload */
	FRAGMENT_TIMEOUT_SECONDS = 60, /* RFC 8200 section 4.5 */
};

/* What was left out; only grows. */
struct fragment_counts {
	uint64_t incomplete;  /* packets of which a fragment did not come in time, or before the bound */
	uint64_t overlapping; /* packets with fragments that contradict each other */
	uint64_t malformed;   /* fragments that cannot be part of a packet */
};

struct fragment_table;

/* NULL: no memory. */
struct fragment_table *fragment_table_new(void);
void fragment_table_free(struct fragment_table *table);

/*
 * Take a PACKET_FRAGMENT. Returns whether the fragment completed its packet: then *packet is the contents, with a
 * payload that is valid until the next call. packet may be fragment itself.
 */
bool fragment_table_add(struct fragment_table *table, const struct packet *fragment, uint64_t time_ns,
                        struct packet *packet);

/* Incomplete packets are counted as such. */
struct fragment_counts fragment_table_counts(const struct fragment_table *table);

#endif /* CAPTURE_FRAGMENT_H */
