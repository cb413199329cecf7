// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The phases of a connection (user/tracking/phase.c): each transition, and what must hold of all of them. */
#include "tracking/phase.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void transitions(void **state)
{
	static const struct {
		enum phase from;
		enum happening happening;
		enum phase to;
	} cases[] = {
		{PHASE_HANDSHAKE, HAPPENING_WAITS, PHASE_LAST_WORD},
		{PHASE_HANDSHAKE, HAPPENING_ONE_CLOSED, PHASE_LAST_WORD},
		{PHASE_HANDSHAKE, HAPPENING_END_DOUBTED, PHASE_DOUBTED},
		{PHASE_HANDSHAKE, HAPPENING_ENDS, PHASE_OVER},
		{PHASE_HANDSHAKE, HAPPENING_GOES_ON, PHASE_HANDSHAKE},
		{PHASE_LAST_WORD, HAPPENING_GOES_ON, PHASE_HANDSHAKE},
		{PHASE_LAST_WORD, HAPPENING_ONE_CLOSED, PHASE_LAST_WORD},
		{PHASE_LAST_WORD, HAPPENING_TIMES_OUT, PHASE_OVER},
		{PHASE_DOUBTED, HAPPENING_ONE_CLOSED, PHASE_DOUBTED},
		{PHASE_DOUBTED, HAPPENING_WAITS, PHASE_DOUBTED},
		{PHASE_DOUBTED, HAPPENING_TIMES_OUT, PHASE_OVER},
		{PHASE_OVER, HAPPENING_LIBRARY_OWES, PHASE_LIBRARY},
		{PHASE_OVER, HAPPENING_REPORTED, PHASE_FOLLOWED},
		{PHASE_LIBRARY, HAPPENING_REPORTED, PHASE_FOLLOWED},
		{PHASE_FOLLOWED, HAPPENING_BEGINS, PHASE_HANDSHAKE},
		{PHASE_FOLLOWED, HAPPENING_ONE_CLOSED, PHASE_LAST_WORD},
		{PHASE_OVERDUE, HAPPENING_WAITS, PHASE_LAST_WORD},
		{PHASE_OVERDUE, HAPPENING_ENDS, PHASE_OVER},
		{PHASE_UNANSWERED, HAPPENING_ANSWERED, PHASE_HANDSHAKE},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		enum phase actual = phase_after(cases[index].from, cases[index].happening);

		if (actual != cases[index].to)
			fail_msg("phase %d, happening %d: phase %d, expected %d", cases[index].from,
			         cases[index].happening, actual, cases[index].to);
	}
}

/* Every phase that has a time to live leaves it at the end of that time; every phase ends if the handshake ends. */
static void no_phase_is_a_trap(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		if (phase_time_to_live(phase, 60) != UINT64_MAX)
			assert_int_not_equal(phase_after(phase, HAPPENING_TIMES_OUT), phase);
		assert_int_equal(phase_after(phase, HAPPENING_ENDS), PHASE_OVER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transitions),
		cmocka_unit_test(no_phase_is_a_trap),
	};

	return cmocka_run_group_tests_name("phase", tests, NULL, NULL);
}
