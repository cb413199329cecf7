// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/losses.h"
#include "system/log.h"

#include <stdio.h>

/* One kind of loss: what one of it is called, and what several are, and what may be done. */
struct loss {
	const char *one;
	const char *several;
	const char *advice; /* NULL: nothing is wrong, it is told at the end alone */
};

static const struct loss kernel_losses[STATISTICS] = {
	[STATISTIC_MIDSTREAM] = {"connection was open before the tracer: left alone (midstream)",
                                 "connections were open before the tracer: left alone (midstream)", NULL},
	[STATISTIC_HANDOVERS] = {"direction had gaps and was put together outside the kernel",
                                 "directions had gaps and were put together outside the kernel", NULL},
	[STATISTIC_LOST_RING] = {"event found no room in the ring buffer: its connection is unknown",
                                 "events found no room in the ring buffer: their connections are unknown",
                                 "a larger --buffer helps"},
	[STATISTIC_LOST_STORAGE] = {"packet came for whose connection the kernel had no memory",
                                    "packets came for whose connection the kernel had no memory",
                                    "the host is short of memory"},
	[STATISTIC_LOST_LISTENER] = {"connection was lost whose data came before its socket",
                                     "connections were lost whose data came before their socket",
                                     "more such connections at once than are kept"},
	[STATISTIC_HANDOVER_BOUND] = {"direction with gaps was longer than what is handed over",
                                      "directions with gaps were longer than what is handed over", NULL},
	[STATISTIC_BODY_BOUND] = {"message was longer than what is read of it",
                                  "messages were longer than what is read of them", NULL},
	[STATISTIC_STEP_BOUND] = {"packet had more messages than are walked in one go",
                                  "packets had more messages than are walked in one go", NULL},
	[STATISTIC_CONTENDED] = {"packet came on two CPUs at once: its connection is unknown",
                                 "packets came on two CPUs at once: their connections are unknown",
                                 "check that one flow stays on one CPU (RPS, RSS)"},
	[STATISTIC_OUTSIDE] = {"segment did not belong to its stream: left out",
                               "segments did not belong to their streams: left out", NULL},
	[STATISTIC_EVICTED] = {"connection fell out of the full table: unknown, or not reported",
                               "connections fell out of the full table: unknown, or not reported",
                               "a larger --max-connections helps"},
	[STATISTIC_FRAGMENTS] = {"IP fragment was not read: its connection is unknown",
                                 "IP fragments were not read: their connections are unknown", NULL},
	[STATISTIC_LAYERS] = {"packet had more tags and tunnels than are taken off",
                              "packets had more tags and tunnels than are taken off", NULL},
	[STATISTIC_UNFOLLOWED] = {"direction of an established connection lost track of its records: a renegotiation "
                                  "behind that is not seen",
                                  "directions of established connections lost track of their records: a renegotiation "
                                  "behind that is not seen",
                                  NULL},
	[STATISTIC_REFUSED] = {"connection had bytes that TCP did not take at first: unknown",
                               "connections had bytes that TCP did not take at first: unknown", NULL},
};

struct count_loss {
	struct loss loss;
	uint64_t count;
};

enum {
	TABLE_LOSSES = 6,
};

static void gather_table_losses(struct count_loss losses[TABLE_LOSSES], const struct connection_counts *counts)
{
	losses[0] = (struct count_loss){{"connection found the table full: not followed",
	                                 "connections found the table full: not followed",
	                                 "a larger --max-connections helps"},
	                                counts->table_full};
	losses[1] = (struct count_loss){
		{"handshake is unknown for lost events", "handshakes are unknown for lost events", NULL},
		counts->events_lost};
	losses[2] = (struct count_loss){
		{"direction had gaps that never closed", "directions had gaps that never closed", NULL}, counts->gaps};
	losses[3] = (struct count_loss){
		{"segment behind a gap was more than is held", "segments behind gaps were more than are held", NULL},
		counts->bounds};
	losses[4] = (struct count_loss){{"event had no valid form: left out", "events had no valid form: left out",
	                                 "this is a defect of mtlsnoop"},
	                                counts->malformed_events};
	losses[5] = (struct count_loss){
		{"direction of an established connection lost track of its records: a renegotiation "
	         "behind that is not seen",
	         "directions of established connections lost track of their records: a renegotiation "
	         "behind that is not seen",
	         NULL},
		counts->unfollowed};
}

static const char *words(const struct loss *loss, uint64_t count)
{
	return count == 1 ? loss->one : loss->several;
}

static void tell_first(bool *told, const struct loss *loss, uint64_t count)
{
	if (!count || *told || !loss->advice)
		return;
	*told = true;
	log_warning("%llu %s; %s", (unsigned long long)count, words(loss, count), loss->advice);
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
	if (count && loss->several)
		log_notice("%llu %s", (unsigned long long)count, words(loss, count));
}

static void summarize_listening(const struct listening *listening)
{
	static const struct loss unjoined = {"handshake of a TLS library is of no connection that was seen: not told",
	                                     "handshakes of TLS libraries are of no connection that was seen: not told",
	                                     NULL};
	static const struct loss damaged = {"handshake of a TLS library was not seen in whole",
	                                    "handshakes of TLS libraries were not seen in whole", NULL};
	static const struct loss table_full = {"handshake of a TLS library made room for others",
	                                       "handshakes of TLS libraries made room for others", NULL};
	static const struct loss malformed = {"event of a TLS library had no valid form: left out",
	                                      "events of TLS libraries had no valid form: left out", NULL};

	summarize(&unjoined, listening->join.unjoined);
	summarize(&damaged, listening->transcripts.damaged);
	summarize(&table_full, listening->transcripts.table_full + listening->join.table_full);
	summarize(&malformed, listening->transcripts.malformed_events);
}

void losses_summarize(const uint64_t *statistics, const struct connection_counts *counts,
                      const struct listening *listening)
{
	struct count_loss table[TABLE_LOSSES];

	for (int index = 0; statistics && index < STATISTICS; index++)
		summarize(&kernel_losses[index], statistics[index]);
	gather_table_losses(table, counts);
	for (int index = 0; index < TABLE_LOSSES; index++)
		summarize(&table[index].loss, table[index].count);
	if (listening)
		summarize_listening(listening);
}

_Static_assert((int)STATISTICS + (int)TABLE_LOSSES <= (int)LOSSES_MAX, "each kind of loss has a place");
