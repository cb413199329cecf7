/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * event_id - the name of a record, event.id: 16 random hexadecimal digits for each run, and 16 digits that count the
 * records. Two records never have the same id, on one host or on several. Pure: the caller provides the randomness.
 */
#ifndef HANDSHAKE_EVENT_ID_H
#define HANDSHAKE_EVENT_ID_H

#include "handshake/handshake.h"

#include <stdint.h>

struct event_ids {
	uint64_t run;  /* random */
	uint64_t last; /* count of the last id; 0: none yet */
};

/* Write the next id. */
void event_id_next(struct event_ids *ids, char id[EVENT_ID_MAX]);

#endif /* HANDSHAKE_EVENT_ID_H */
