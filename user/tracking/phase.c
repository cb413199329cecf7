// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/phase.h"

#define MILLISECONDS (1000ull * 1000)
#define SECONDS      (1000 * MILLISECONDS)

/* A phase unchanged by an occurrence has no entry: 0. Entries are 1 + the next phase. */
#define TO(phase) (1 + PHASE_##phase)

static const uint8_t transitions[PHASES][HAPPENINGS] = {
	[PHASE_HANDSHAKE] =
		{
			[HAPPENING_WAITS] = TO(LAST_WORD),
			[HAPPENING_ONE_CLOSED] = TO(LAST_WORD),
			[HAPPENING_END_DOUBTED] = TO(DOUBTED),
			[HAPPENING_ENDS] = TO(OVER),
			[HAPPENING_TIMES_OUT] = TO(OVERDUE),
		},
	[PHASE_UNANSWERED] =
		{
			[HAPPENING_ANSWERED] = TO(HANDSHAKE),
			[HAPPENING_ENDS] = TO(OVER),
			[HAPPENING_TIMES_OUT] = TO(OVER),
		},
	[PHASE_LAST_WORD] =
		{
			[HAPPENING_BEGINS] = TO(HANDSHAKE),
			[HAPPENING_GOES_ON] = TO(HANDSHAKE),
			[HAPPENING_STAYS_SILENT] = TO(HANDSHAKE),
			[HAPPENING_END_DOUBTED] = TO(DOUBTED),
			[HAPPENING_ENDS] = TO(OVER),
			[HAPPENING_TIMES_OUT] = TO(OVER),
		},
	[PHASE_DOUBTED] =
		{
			[HAPPENING_ENDS] = TO(OVER),
			[HAPPENING_TIMES_OUT] = TO(OVER),
		},
	[PHASE_OVER] =
		{
			[HAPPENING_LIBRARY_OWES] = TO(LIBRARY),
			[HAPPENING_REPORTED] = TO(FOLLOWED),
		},
	[PHASE_LIBRARY] =
		{
			[HAPPENING_ENDS] = TO(OVER),
			[HAPPENING_TIMES_OUT] = TO(OVER),
			[HAPPENING_REPORTED] = TO(FOLLOWED),
		},
	[PHASE_FOLLOWED] =
		{
			[HAPPENING_BEGINS] = TO(HANDSHAKE),
			[HAPPENING_ONE_CLOSED] = TO(LAST_WORD),
			[HAPPENING_ENDS] = TO(OVER),
		},
	[PHASE_OVERDUE] =
		{
			[HAPPENING_BEGINS] = TO(HANDSHAKE),
			[HAPPENING_WAITS] = TO(LAST_WORD),
			[HAPPENING_ONE_CLOSED] = TO(LAST_WORD),
			[HAPPENING_END_DOUBTED] = TO(DOUBTED),
			[HAPPENING_ENDS] = TO(OVER),
		},
};

enum phase phase_after(enum phase phase, enum happening happening)
{
	uint8_t next = transitions[phase][happening];

	return next ? (enum phase)(next - 1) : phase;
}

uint64_t phase_time_to_live(enum phase phase, uint64_t handshake_timeout_ns)
{
	switch (phase) {
	case PHASE_HANDSHAKE:
		return handshake_timeout_ns;
	case PHASE_UNANSWERED:
		/* a client repeats its ClientHello after 1, 3 and 7 s (RFC 6347 section 4.2.4.1) */
		return 5 * SECONDS < handshake_timeout_ns ? 5 * SECONDS : handshake_timeout_ns;
	case PHASE_LAST_WORD:
	case PHASE_DOUBTED:
		return 2 * SECONDS;
	case PHASE_LIBRARY:
		/* A library that refuses a message does not hash the message: its last report may never come. */
		return 200 * MILLISECONDS;
	default:
		return UINT64_MAX;
	}
}
