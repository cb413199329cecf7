/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * node - a compiled expression as a tree. Every node has been checked: the operator suits the field, and each value has the
 * field's type. Texts are NUL-terminated and live as long as the filter.
 */
#ifndef FILTER_NODE_H
#define FILTER_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter/field.h"

enum filter_node_kind {
	FILTER_AND,  /* left, right */
	FILTER_OR,   /* left, right */
	FILTER_NOT,  /* left */
	FILTER_TEST, /* field, operator, values */
};

enum filter_operator {
	FILTER_EQUAL,
	FILTER_NOT_EQUAL,
	FILTER_LESS,
	FILTER_LESS_EQUAL,
	FILTER_GREATER,
	FILTER_GREATER_EQUAL,
	FILTER_IN,      /* any of the values: equal, within the range or within the prefix */
	FILTER_MATCHES, /* a glob: `*` is any text, `?` is any byte */
	FILTER_IS_NULL, /* no value */
	FILTER_IS_NOT_NULL,
	FILTER_OPERATORS,
};

/* A value of a comparison. All but FILTER_IN, FILTER_IS_NULL and FILTER_IS_NOT_NULL have exactly one. */
struct filter_value {
	/*
	 * FILTER_WORD, FILTER_TEXT: the text. FILTER_VERSION: the version as tls.version has it, "1.2"; number is the rank
	 * (field.h).
	 */
	const char *text;
	int64_t number; /* FILTER_NUMBER; FILTER_BOOLEAN: 0, 1; FILTER_DURATION: nanoseconds; FILTER_TIME: seconds */
	int64_t high;   /* the end of a range, included; otherwise equal to number */
	bool from_now;  /* FILTER_TIME: number is relative to now */
	bool high_from_now;  /* the same of high */
	uint8_t family;      /* FILTER_ADDRESS: 4 or 6 */
	uint8_t prefix;      /* FILTER_ADDRESS: bits that count; 32 or 128 for a single address */
	uint8_t address[16]; /* FILTER_ADDRESS: network byte order, an IPv4 address in the first four; the rest is 0 */
};

struct filter_node {
	enum filter_node_kind kind;
	const struct filter_node *left;
	const struct filter_node *right;
	enum filter_field field;
	enum filter_operator operator;
	const struct filter_value *value;
	size_t values;
};

/* The operator in expressions: "==", "in", "== null". */
const char *filter_operator_name(enum filter_operator operator);

/* Whether text matches a glob: `*` is any text, `?` is any byte, `\` makes the next byte ordinary. */
bool filter_glob(const char *pattern, const char *text, bool fold_case);

#endif /* FILTER_NODE_H */
