// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/association.h"

#include <stddef.h>

/* Flights of an ended handshake may come again for so long (RFC 6347 section 4.2.4.1: timers of up to 60 s). */
static const uint64_t REPEATS_NS = 60ull * 1000 * 1000 * 1000;

void associations_open(struct associations *associations, const struct event_open *open)
{
	associations->opens[associations->next_open++ % ASSOCIATION_OPENS] = *open;
}

const struct event_open *associations_find_open(const struct associations *associations, uint64_t id)
{
	for (uint32_t back = 1; back <= ASSOCIATION_OPENS; back++) {
		const struct event_open *open =
			&associations->opens[(associations->next_open - back) % ASSOCIATION_OPENS];

		if (open->event.connection == id && open->event.kind == EVENT_OPEN)
			return open;
	}
	return NULL;
}

void associations_end(struct associations *associations, uint64_t id, uint64_t random, uint64_t end_ns)
{
	associations->ended[id % ASSOCIATIONS_ENDED] =
		(struct association_ended){.id = id, .random = random, .end_ns = end_ns};
}

bool associations_repeats(const struct associations *associations, const struct event *event, uint64_t random)
{
	const struct association_ended *ended = &associations->ended[event->connection % ASSOCIATIONS_ENDED];

	return ended->id == event->connection && event->time_ns - ended->end_ns < REPEATS_NS &&
	       (!random || random == ended->random);
}
