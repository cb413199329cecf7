// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "filter/early.h"

#include <string.h>

#include "filter/node.h"

enum {
	BITS_PER_BYTE = 8,
	PORT_MAX = 0xffff,
};

_Static_assert((int)EARLY_SERVER == (int)ROLE_SERVER && (int)EARLY_CLIENT == (int)ROLE_CLIENT, "one order of roles");

/* The early result of a part of the expression. */
enum early_result {
	ALWAYS,  /* perhaps true for all ends: no step was added */
	DEPENDS, /* the added steps decide */
	TOO_LONG,
};

static bool add_step(struct early_filter *early, const struct early_step *step)
{
	if (early->steps == EARLY_FILTER_STEPS)
		return false;
	early->step[early->steps++] = *step;
	return true;
}

static void set_prefix(struct early_step *step, const struct filter_value *value)
{
	uint8_t mask[sizeof(step->mask)] = {};

	for (int bit = 0; bit < value->prefix; bit++)
		mask[bit / BITS_PER_BYTE] |= 0x80 >> bit % BITS_PER_BYTE;
	memcpy(step->mask, mask, sizeof(mask));
	memcpy(step->address, value->address, sizeof(step->address));
	for (size_t word = 0; word < sizeof(step->mask) / sizeof(step->mask[0]); word++)
		step->address[word] &= step->mask[word];
	step->family = value->family;
}

static int64_t at_most(int64_t number, int64_t bound)
{
	return number < bound ? number : bound;
}

/* The ports of a comparison. A range without ports is 1 to 0. */
static void set_ports(struct early_step *step, const struct filter_node *node, const struct filter_value *value)
{
	int64_t low = 0, high = PORT_MAX;

	switch (node->operator) {
	case FILTER_LESS:
		high = value->number - 1;
		break;
	case FILTER_LESS_EQUAL:
		high = value->number;
		break;
	case FILTER_GREATER:
		low = value->number + 1;
		break;
	case FILTER_GREATER_EQUAL:
		low = value->number;
		break;
	default:
		low = value->number;
		high = value->high;
	}
	if (low > PORT_MAX || high < 0 || low > high) {
		step->low = 1;
		step->high = 0;
		return;
	}
	step->low = low;
	step->high = at_most(high, PORT_MAX);
}

/* The roles for which a comparison of words is true. */
static uint16_t roles_of(const struct filter_node *node)
{
	static const char *const words[] = {[EARLY_SERVER] = "server", [EARLY_CLIENT] = "client"};
	uint16_t mask = 0;

	for (int role = EARLY_SERVER; role <= EARLY_CLIENT; role++)
		for (size_t index = 0; index < node->values; index++)
			if (node->operator== FILTER_MATCHES ? filter_glob(node->value[index].text, words[role], false)
			                                    : !strcmp(node->value[index].text, words[role]))
				mask |= 1 << role;
	return mask;
}

static enum early_kind kind_of(enum filter_field field)
{
	switch (field) {
	case FIELD_ROLE:
		return EARLY_ROLE;
	case FIELD_SERVER_PORT:
		return EARLY_SERVER_PORT;
	case FIELD_CLIENT_PORT:
		return EARLY_CLIENT_PORT;
	case FIELD_SERVER_IP:
		return EARLY_SERVER_ADDRESS;
	case FIELD_CLIENT_IP:
		return EARLY_CLIENT_ADDRESS;
	default:
		return EARLY_TRUE;
	}
}

/* A value of a set. Inverted: the set does not have the value. */
static bool add_value(struct early_filter *early, const struct filter_node *node, size_t index, bool inverted)
{
	struct early_step step = {.kind = kind_of(node->field), .inverted = inverted};

	if (step.kind == EARLY_ROLE)
		step.low = roles_of(node);
	else if (step.kind == EARLY_SERVER_PORT || step.kind == EARLY_CLIENT_PORT)
		set_ports(&step, node, &node->value[index]);
	else
		set_prefix(&step, &node->value[index]);
	return add_step(early, &step);
}

static enum early_result compile_test(struct early_filter *early, const struct filter_node *node, bool inverted)
{
	const struct early_step joined = {.kind = inverted != (node->operator== FILTER_NOT_EQUAL) ? EARLY_AND
	                                                                                          : EARLY_OR};
	const size_t values = node->field == FIELD_ROLE ? 1 : node->values;

	if (kind_of(node->field) == EARLY_TRUE ||
	    node->operator== FILTER_IS_NULL || node->operator== FILTER_IS_NOT_NULL)
		return ALWAYS;
	inverted ^= node->operator== FILTER_NOT_EQUAL;
	for (size_t index = 0; index < values; index++)
		if (!add_value(early, node, index, inverted) || (index && !add_step(early, &joined)))
			return TOO_LONG;
	return DEPENDS;
}

/* If a part may be true for all ends, `or` may be true as well, and `and` depends on the other part. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as FILTER_NODES_MAX allows */
static enum early_result compile(struct early_filter *early, const struct filter_node *node, bool inverted)
{
	const uint32_t begin = early->steps;
	const bool both = (node->kind == FILTER_AND) != inverted;
	const struct early_step step = {.kind = both ? EARLY_AND : EARLY_OR};
	enum early_result left, right;

	if (node->kind == FILTER_TEST)
		return compile_test(early, node, inverted);
	if (node->kind == FILTER_NOT)
		return compile(early, node->left, !inverted);
	left = compile(early, node->left, inverted);
	right = left == TOO_LONG ? left : compile(early, node->right, inverted);
	if (right == TOO_LONG)
		return right;
	if (!both && (left == ALWAYS || right == ALWAYS)) {
		early->steps = begin;
		return ALWAYS;
	}
	if (left == ALWAYS || right == ALWAYS)
		return left == ALWAYS ? right : left;
	return add_step(early, &step) ? DEPENDS : TOO_LONG;
}

void filter_early(const struct filter *filter, struct early_filter *early)
{
	memset(early, 0, sizeof(*early));
	if (filter && compile(early, filter_root(filter), false) != DEPENDS)
		early->steps = 0;
}
