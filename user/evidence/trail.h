/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trail - the packets of a connection's handshake, made from the connection's events: captured bytes, or framing
 * rebuilt from the reports of the kernel's walk. Application data is blank (blank.h). Bounded. No I/O.
 */
#ifndef EVIDENCE_TRAIL_H
#define EVIDENCE_TRAIL_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "bpf/shared/event.h"

enum trail_bounds {
	TRAIL_BYTES_MAX = 256 * 1024, /* of a connection */
	TRAIL_PIECES_MAX = 8192,
};

enum trail_kind {
	TRAIL_BYTES,
	TRAIL_FIN,
	TRAIL_RST,
	TRAIL_DATAGRAM,
};

/* Bytes of a direction in the order of arrival. */
struct trail_piece {
	STAILQ_ENTRY(trail_piece) next;
	uint64_t time_ns;
	uint32_t position; /* from the first byte of the direction */
	uint32_t length;
	uint32_t captured; /* fewer than length: the rest was not captured */
	uint8_t direction; /* enum event_direction */
	uint8_t kind;      /* enum trail_kind */
	uint8_t bytes[];
};

STAILQ_HEAD(trail_pieces, trail_piece);

struct trail_side {
	bool handed_over;
	uint32_t initial;            /* sequence number of position 0 */
	uint32_t next;               /* position after the bytes in order */
	struct tls_walk walk;        /* behind those bytes */
	struct trail_pieces early;   /* pieces behind a hole */
	struct trail_piece *message; /* of the kernel's walk: the body comes in further events */
};

struct trail {
	struct event_open open;
	struct trail_side side[EVENT_DIRECTIONS];
	struct trail_pieces pieces;
	uint32_t bytes;
	uint32_t count;
	bool full; /* a bound was hit: the end is missing */
};

void trail_begin(struct trail *trail, const struct event_open *open);
void trail_release(struct trail *trail);

/* An event of the connection behind its EVENT_OPEN. */
void trail_event(struct trail *trail, const struct event *event);

/* No more events come: join the pieces after holes, too. */
void trail_end(struct trail *trail);

#endif /* EVIDENCE_TRAIL_H */
