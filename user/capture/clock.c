// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/clock.h"

static const uint64_t jump_ns = CLOCK_JUMP_SECONDS * 1000000000ull;

void clock_restart(struct clock *clock)
{
	clock->restarts = clock->begun;
}

bool clock_jumps(const struct clock *clock, uint64_t packet_ns)
{
	return clock->begun && !clock->restarts && packet_ns + clock->offset > clock->now + jump_ns;
}

bool clock_refutes(const struct clock *clock, uint64_t ahead_ns, uint64_t next_ns)
{
	return next_ns + jump_ns < ahead_ns && next_ns + clock->offset + jump_ns >= clock->now;
}

uint64_t clock_take(struct clock *clock, uint64_t packet_ns)
{
	uint64_t time_ns;

	if (clock->restarts)
		clock->offset = clock->now - packet_ns;
	clock->restarts = false;
	time_ns = packet_ns + clock->offset;
	if (clock->begun && time_ns + jump_ns < clock->now) {
		clock->offset += clock->now - time_ns;
		time_ns = clock->now;
	}
	clock->begun = true;
	if (time_ns > clock->now)
		clock->now = time_ns;
	return time_ns;
}
