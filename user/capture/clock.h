/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * clock - the times of a capture's packets -> a clock that does not run backwards. Files are concatenated in the wrong
 * order, a host's clock is set during the capture, a packet bears a time far ahead: no connection may time out for
 * such a reason. Pure.
 */
#ifndef CAPTURE_CLOCK_H
#define CAPTURE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum clock_bounds {
	CLOCK_JUMP_SECONDS =
		1, /* a shorter step backwards is packets out of order, a longer one forward needs a second packet */
};

/* All zeroes: the clock has not begun. Times in ns. */
struct clock {
	uint64_t now;   /* the latest time */
	int64_t offset; /* added to a packet's time for the clock's time: 0 if the file's clock never jumped back */
	bool begun;
	bool restarts; /* the next packet's time is now */
};

/* The next packets have nothing to do with earlier packets: the first of the next packets comes now. */
void clock_restart(struct clock *clock);

/* Whether a packet's time is so far ahead that the next packet has to confirm the time. */
bool clock_jumps(const struct clock *clock, uint64_t packet_ns);

/* Whether next_ns, of the following packet, shows that the time ahead_ns is a single packet's mistake. */
bool clock_refutes(const struct clock *clock, uint64_t ahead_ns, uint64_t next_ns);

/* Take a packet's time. Returns the same time on this clock. */
uint64_t clock_take(struct clock *clock, uint64_t packet_ns);

#endif /* CAPTURE_CLOCK_H */
