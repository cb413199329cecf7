/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * parse - what the scanner, the grammar and the conversion of values share while an expression is compiled.
 */
#ifndef FILTER_PARSE_H
#define FILTER_PARSE_H

#include "filter/filter.h"
#include "filter/node.h"

/* Bytes of the expression: offsets from the begin. */
struct filter_span {
	size_t begin;
	size_t end;
};

enum literal_kind {
	LITERAL_WORD,
	LITERAL_STRING, /* in quotes */
	LITERAL_NULL,
};

/* A written value. */
struct literal {
	enum literal_kind kind;
	struct filter_span span;
	const char *text;
	const char *offset;         /* `now + 14d`: the duration; otherwise NULL */
	bool negative;              /* the offset is subtracted */
	const struct literal *high; /* the end of a range; otherwise NULL */
	struct literal *next;       /* of a set, in any order */
};

/* An expression during compilation. */
struct parse {
	const char *text;
	size_t length;
	struct filter *filter;
	struct filter_error *error;
	bool failed; /* error is filled in: the first error counts */
	bool out_of_memory;
	size_t nodes;
	size_t values;
	const struct filter_node *root; /* of the whole expression */
};

/* Zeroed memory, freed with the filter. NULL: no memory, and the parse has failed. */
void *parse_allocate(struct parse *parse, size_t size);
char *parse_copy(struct parse *parse, const char *text, size_t length);

void parse_fail(struct parse *parse, struct filter_span span, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A new node, or NULL after an error. */
struct filter_node *parse_node(struct parse *parse, enum filter_node_kind kind, const struct filter_node *left,
                               const struct filter_node *right);

/* `field` alone, or `field operator literals`; NULL after an error. literal: a list; NULL for a field alone. */
struct filter_node *parse_test(struct parse *parse, const char *name, struct filter_span name_span,
                               enum filter_operator operator, struct filter_span operator_span,
                               const struct literal *literal);

struct literal *parse_literal(struct parse *parse, enum literal_kind kind, const char *text, struct filter_span span);

/* Read a literal as a value of the field. Returns false after an error. */
bool literal_convert(struct parse *parse, enum filter_field field, const struct literal *literal,
                     struct filter_value *value);

/* Run the scanner and the grammar. Returns the tree, or NULL: parse->failed or parse->out_of_memory. */
const struct filter_node *grammar_parse(struct parse *parse);

#endif /* FILTER_PARSE_H */
