// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The place of a TCP segment in its stream (bpf/shared/tcp_order.h). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/types.h>

#include "bpf/shared/tcp_order.h"

struct placing {
	const char *name;
	__u32 next_sequence;
	__u32 sequence;
	__u32 length;
	struct tcp_order expected;
};

static const struct placing placings[] = {
	{"next", 1000, 1000, 100, {TCP_ORDER_NEW, 0, 100}},
	{"next, one byte", 1000, 1000, 1, {TCP_ORDER_NEW, 0, 1}},
	{"next, empty", 1000, 1000, 0, {TCP_ORDER_OLD, 0, 0}},
	{"seen before", 1000, 900, 100, {TCP_ORDER_OLD, 0, 0}},
	{"seen before, not its end", 1000, 900, 101, {TCP_ORDER_NEW, 100, 1}},
	{"seen before, all but its first byte new", 1000, 999, 100, {TCP_ORDER_NEW, 1, 99}},
	{"keep-alive", 1000, 999, 1, {TCP_ORDER_OLD, 0, 0}},
	{"keep-alive, empty", 1000, 999, 0, {TCP_ORDER_OLD, 0, 0}},
	{"long ago", 0x80000000, 1, 65535, {TCP_ORDER_OLD, 0, 0}},
	{"one byte missing", 1000, 1001, 100, {TCP_ORDER_GAP, 0, 0}},
	{"behind a gap, empty", 1000, 1001, 0, {TCP_ORDER_GAP, 0, 0}},
	{"last in the window", 1000, 1000 + TCP_ORDER_WINDOW, 1, {TCP_ORDER_GAP, 0, 0}},
	{"outside the window", 1000, 1001 + TCP_ORDER_WINDOW, 1, {TCP_ORDER_OUTSIDE, 0, 0}},
	{"half the numbers ahead", 0, 0x7fffffff, 1, {TCP_ORDER_OUTSIDE, 0, 0}},
	{"half the numbers behind", 0, 0x80000000, 65535, {TCP_ORDER_OLD, 0, 0}},
	{"next at the end of numbers", 0xffffffff, 0xffffffff, 100, {TCP_ORDER_NEW, 0, 100}},
	{"over the end, in part seen", 0, 0xfffffff6, 15, {TCP_ORDER_NEW, 10, 5}},
	{"over the end, all seen", 5, 0xfffffff6, 15, {TCP_ORDER_OLD, 0, 0}},
	{"gap over the end", 0xfffffff6, 4, 10, {TCP_ORDER_GAP, 0, 0}},
	{"outside over the end", 0xfffffff6, TCP_ORDER_WINDOW, 10, {TCP_ORDER_OUTSIDE, 0, 0}},
	{"longest segment", 1000, 1000, 0xffff, {TCP_ORDER_NEW, 0, 0xffff}},
};

static void test_placings(void **state)
{
	const struct placing *placing;
	struct tcp_order actual;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(placings) / sizeof(placings[0]); i++) {
		placing = &placings[i];
		actual = tcp_order_place(placing->next_sequence, placing->sequence, placing->length);
		if (actual.kind != placing->expected.kind || actual.skip != placing->expected.skip ||
		    actual.count != placing->expected.count)
			fail_msg("%s: kind %u skip %u count %u, expected kind %u skip %u count %u", placing->name,
			         actual.kind, actual.skip, actual.count, placing->expected.kind, placing->expected.skip,
			         placing->expected.count);
	}
}

/* Where the numbers begin makes no difference. */
static void test_any_origin(void **state)
{
	static const __u32 origins[] = {1, 0x7fffffff, 0x80000000, 0xfffffc18, 0xffffffff};
	struct tcp_order expected, actual;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(placings) / sizeof(placings[0]); i++) {
		expected = placings[i].expected;
		for (j = 0; j < sizeof(origins) / sizeof(origins[0]); j++) {
			actual = tcp_order_place(placings[i].next_sequence + origins[j],
			                         placings[i].sequence + origins[j], placings[i].length);
			assert_memory_equal(&actual, &expected, sizeof(actual));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_placings),
		cmocka_unit_test(test_any_origin),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
