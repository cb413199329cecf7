// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/loss_table.h"

#include <string.h>

#define STATISTIC(index)   offsetof(struct status, statistics[STATISTIC_##index])
#define LIBRARY(index)     offsetof(struct status, library_calls[LIBRARY_STATISTIC_##index])
#define TRACKING(field)    offsetof(struct status, tracking.field)
#define LIBRARIES(field)   offsetof(struct status, libraries.field)
#define ATTRIBUTION(field) offsetof(struct status, attribution.field)

static const struct loss rows[] = {
	{STATISTIC(LOST_RING), "ring_buffer", "event found no room in the ring buffer: its connection is unknown",
         "events found no room in the ring buffer: their connections are unknown", "a larger --buffer helps",
         LOSS_URGENT},
	{STATISTIC(LOST_STORAGE), "socket_storage", "packet came for a connection for which the kernel had no memory",
         "packets came for connections for which the kernel had no memory", "the host is short of memory", LOSS_URGENT},
	{STATISTIC(LOST_LISTENER), "listener", "connection was lost because its data came before its socket",
         "connections were lost because their data came before their socket", "too many such connections came at once",
         LOSS_URGENT},
	{STATISTIC(CONTENDED), "two_cpus", "packet came on two CPUs at once: its connection is unknown",
         "packets came on two CPUs at once: their connections are unknown",
         "check that one flow stays on one CPU (RPS, RSS)", LOSS_URGENT},
	{STATISTIC(EVICTED), "device_table", "connection fell out of the full table: unknown, or not reported",
         "connections fell out of the full table: unknown, or not reported", "a larger --max-connections helps",
         LOSS_URGENT},
	{LIBRARY(LOST_RING), "library_ring", "event of a TLS library found no room in its ring buffer",
         "events of TLS libraries found no room in their ring buffer", NULL, 0},
	{LIBRARY(LOST_READ), "library_memory", "call of a TLS library had bytes that could not be read",
         "calls of TLS libraries had bytes that could not be read", NULL, 0},
	{LIBRARY(LOST_STATE), "library_state", "handshake in a TLS library found no room in the kernel's table",
         "handshakes in TLS libraries found no room in the kernel's table", NULL, 0},
	{TRACKING(table_full), "connection_table", "connection found the table full and was not followed",
         "connections found the table full and were not followed", "a larger --max-connections helps", LOSS_URGENT},
	{TRACKING(malformed_events), "malformed_event", "event had no valid form and was ignored",
         "events had no valid form and were ignored", "this is a defect of mtlsnoop", LOSS_URGENT},
	{LIBRARIES(malformed_events), "malformed_event", "event of a TLS library had no valid form and was ignored",
         "events of TLS libraries had no valid form and were ignored", NULL, LOSS_URGENT | LOSS_WHOLE_HOST},
	{STATISTIC(HANDOVER_BOUND), "handover_bound", "direction with gaps was longer than the kernel hands over",
         "directions with gaps were longer than the kernel hands over", NULL, 0},
	{STATISTIC(BODY_BOUND), "body_bound", "message was longer than the part that is read",
         "messages were longer than the part that is read", NULL, 0},
	{TRACKING(bounds), "held_bound", "segment after a gap exceeded the memory for such segments",
         "segments after gaps exceeded the memory for such segments", NULL, 0},
	{LIBRARY(CALL_BOUND), "library_bound", "call of a TLS library had more bytes than are read",
         "calls of TLS libraries had more bytes than are read", NULL, 0},
	{LIBRARIES(bound), "library_targets", NULL, NULL, NULL, 0},
	{LIBRARIES(table_full), "library_table", "handshake of a TLS library made room for others",
         "handshakes of TLS libraries made room for others", NULL, LOSS_WHOLE_HOST},
	{LIBRARIES(damaged), "library_damaged", "handshake of a TLS library was seen in part only",
         "handshakes of TLS libraries were seen in part only", NULL, LOSS_WHOLE_HOST},
	{STATISTIC(OUTSIDE), "outside_stream", "segment did not belong to its stream and was ignored",
         "segments did not belong to their streams and were ignored", NULL, 0},
	{STATISTIC(FRAGMENTS), "fragment", "IP fragment was not read: its connection is unknown",
         "IP fragments were not read: their connections are unknown", NULL, 0},
	{STATISTIC(UNFOLLOWED), "established",
         "direction of an established connection lost track of its records: a later renegotiation is not seen",
         "directions of established connections lost track of their records: a later renegotiation is not seen", NULL,
         0},
	{TRACKING(unfollowed), "established",
         "direction of an established connection lost track of its records: a later renegotiation is not seen",
         "directions of established connections lost track of their records: a later renegotiation is not seen", NULL,
         0},
	{STATISTIC(REFUSED), "refused", "connection had bytes that TCP did not accept at first: unknown",
         "connections had bytes that TCP did not accept at first: unknown", NULL, 0},
	{STATISTIC(STEP_BOUND), "step_bound", "packet had more messages than are walked in one go",
         "packets had more messages than are walked in one go", NULL, 0},
	{STATISTIC(LAYERS), "layers", "packet had more tags and tunnels than are taken off",
         "packets had more tags and tunnels than are taken off", NULL, 0},
	{STATISTIC(MIDSTREAM), NULL, "connection was open before mtlsnoop started and is ignored (midstream)",
         "connections were open before mtlsnoop started and are ignored (midstream)", NULL, 0},
	{STATISTIC(HANDOVERS), NULL, "direction had gaps and was reassembled outside the kernel",
         "directions had gaps and were reassembled outside the kernel", NULL, 0},
	{TRACKING(events_lost), NULL, "handshake is unknown because of lost events",
         "handshakes are unknown because of lost events", NULL, 0},
	{TRACKING(gaps), NULL, "direction had gaps that never closed", "directions had gaps that never closed", NULL,
         0},
	{ATTRIBUTION(late), NULL, "handshake has no unit, container, pod and executable: looking them up took too long",
         "handshakes have no unit, container, pod and executable: looking them up took too long", NULL, 0},
	{ATTRIBUTION(unnamed), NULL,
         "handshake has no process to select by: this host wrote nothing to the connection, or the process was gone",
         "handshakes have no process to select by: this host wrote nothing to the connections, or the processes were "
         "gone",
         NULL, LOSS_SELECTION},
	{LIBRARIES(unjoined), NULL, "library handshake matched no traced connection and was skipped",
         "library handshakes matched no traced connection and were skipped", NULL, LOSS_WHOLE_HOST},
};

const struct loss *loss_table(size_t *count)
{
	*count = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

uint64_t loss_count(const struct loss *loss, const struct status *status)
{
	uint64_t count;

	memcpy(&count, (const char *)status + loss->counter, sizeof(count));
	return count;
}

uint64_t loss_urgent(const struct status *status)
{
	size_t count;
	const struct loss *table = loss_table(&count);
	uint64_t sum = 0;

	for (size_t index = 0; index < count; index++)
		if (table[index].flags & LOSS_URGENT)
			sum += loss_count(&table[index], status);
	return sum;
}
