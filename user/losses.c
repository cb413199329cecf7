// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "losses.h"

#include <stdio.h>

/* One kind of loss: where it is counted, what it is called, what may be done. */
struct loss {
	const char *what;
	const char *advice; /* NULL: nothing is wrong, it is told at the end alone */
};

static const struct loss kernel_losses[STATISTICS] = {
	[STATISTIC_MIDSTREAM] = {"connections were open before the tracer: left alone (midstream)", NULL},
	[STATISTIC_HANDOVERS] = {"directions had gaps and were put together outside the kernel", NULL},
	[STATISTIC_LOST_RING] = {"events found no room in the ring buffer: their connections are unknown",
                                 "a larger --buffer helps"},
	[STATISTIC_LOST_STORAGE] = {"packets came for whose connection the kernel had no memory",
                                    "the host is short of memory"},
	[STATISTIC_LOST_LISTENER] = {"connections were lost whose data came before their socket",
                                     "more such connections at once than are kept"},
	[STATISTIC_HANDOVER_BOUND] = {"directions with gaps were longer than what is handed over", NULL},
	[STATISTIC_BODY_BOUND] = {"messages were longer than what is read of them", NULL},
	[STATISTIC_STEP_BOUND] = {"packets had more messages than are walked in one go", NULL},
	[STATISTIC_CONTENDED] = {"packets came on two CPUs at once: their connections are unknown",
                                 "check that one flow stays on one CPU (RPS, RSS)"},
	[STATISTIC_OUTSIDE] = {"segments were far outside their streams: left out", NULL},
};

struct count_loss {
	struct loss loss;
	uint64_t count;
};

enum {
	TABLE_LOSSES = 5,
};

static void gather_table_losses(struct count_loss losses[TABLE_LOSSES], const struct connection_counts *counts)
{
	losses[0] = (struct count_loss){
		{"connections found the table full: not followed", "a larger --max-connections helps"},
		counts->table_full};
	losses[1] = (struct count_loss){{"handshakes are unknown for lost events", NULL}, counts->events_lost};
	losses[2] = (struct count_loss){{"directions had gaps that never closed", NULL}, counts->gaps};
	losses[3] = (struct count_loss){{"segments behind gaps were more than are held", NULL}, counts->bounds};
	losses[4] = (struct count_loss){{"events had no valid form: left out", "this is a defect of mtlsnoop"},
	                                counts->malformed_events};
}

static void tell_first(bool *told, const struct loss *loss, uint64_t count)
{
	if (!count || *told || !loss->advice)
		return;
	*told = true;
	fprintf(stderr, "mtlsnoop: %llu %s; %s\n", (unsigned long long)count, loss->what, loss->advice);
}

bool losses_tell(struct losses *losses, const uint64_t *statistics, const struct connection_counts *counts)
{
	struct count_loss table[TABLE_LOSSES];
	uint64_t events = 0;
	bool grown;

	for (int index = 0; statistics && index < STATISTICS; index++)
		tell_first(&losses->told[index], &kernel_losses[index], statistics[index]);
	gather_table_losses(table, counts);
	for (int index = 0; index < TABLE_LOSSES; index++)
		tell_first(&losses->told[STATISTICS + index], &table[index].loss, table[index].count);
	if (statistics)
		events = statistics[STATISTIC_LOST_RING] + statistics[STATISTIC_CONTENDED];
	grown = events > losses->events;
	losses->events = events;
	return grown;
}

static void summarize(const struct loss *loss, uint64_t count)
{
	if (count && loss->what)
		fprintf(stderr, "mtlsnoop: %llu %s\n", (unsigned long long)count, loss->what);
}

void losses_summarize(const uint64_t *statistics, const struct connection_counts *counts)
{
	struct count_loss table[TABLE_LOSSES];

	for (int index = 0; statistics && index < STATISTICS; index++)
		summarize(&kernel_losses[index], statistics[index]);
	gather_table_losses(table, counts);
	for (int index = 0; index < TABLE_LOSSES; index++)
		summarize(&table[index].loss, table[index].count);
}

_Static_assert((int)STATISTICS + (int)TABLE_LOSSES <= (int)LOSSES_MAX, "each kind of loss has a place");
