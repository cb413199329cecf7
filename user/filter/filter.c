// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "filter/filter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "filter/parse.h"

enum {
	EXCERPT_COLUMNS = 98, /* of the expression in an error */
	EXCERPT_BEFORE = 60,  /* columns before the place */
	INDENT = 2,
};

/* Memory of a filter. */
struct block {
	SLIST_ENTRY(block) next;
	max_align_t memory[];
};

SLIST_HEAD(blocks, block);

struct filter {
	struct blocks blocks;
	const struct filter_node *root;
	bool needs_certificates;
	bool needs_attribution;
};

void *parse_allocate(struct parse *parse, size_t size)
{
	struct block *block = calloc(1, sizeof(*block) + size);

	if (!block) {
		parse->out_of_memory = true;
		return NULL;
	}
	SLIST_INSERT_HEAD(&parse->filter->blocks, block, next);
	return block->memory;
}

char *parse_copy(struct parse *parse, const char *text, size_t length)
{
	char *copy = parse_allocate(parse, length + 1);

	if (copy)
		memcpy(copy, text, length);
	return copy;
}

void parse_fail(struct parse *parse, struct filter_span span, const char *format, ...)
{
	va_list arguments;

	if (parse->failed)
		return;
	parse->failed = true;
	parse->error->offset = span.begin;
	parse->error->length = span.end - span.begin;
	va_start(arguments, format);
	vsnprintf(parse->error->message, sizeof(parse->error->message), format, arguments);
	va_end(arguments);
}

struct literal *parse_literal(struct parse *parse, enum literal_kind kind, const char *text, struct filter_span span)
{
	struct literal *literal = parse_allocate(parse, sizeof(*literal));

	if (!literal)
		return NULL;
	literal->kind = kind;
	literal->text = text;
	literal->span = span;
	return literal;
}

struct filter_node *parse_node(struct parse *parse, enum filter_node_kind kind, const struct filter_node *left,
                               const struct filter_node *right)
{
	struct filter_node *node;

	if (++parse->nodes > FILTER_NODES_MAX) {
		parse_fail(parse, (struct filter_span){}, "the expression has more than %d parts", FILTER_NODES_MAX);
		return NULL;
	}
	node = parse_allocate(parse, sizeof(*node));
	if (!node)
		return NULL;
	node->kind = kind;
	node->left = left;
	node->right = right;
	return node;
}

static void note_needs(struct filter *filter, enum filter_field field)
{
	switch (field) {
	case FIELD_PROCESS_NAME ... FIELD_NAMESPACE:
		filter->needs_attribution = true;
		break;
	case FIELD_SUBJECT ... FIELD_NOT_AFTER:
		filter->needs_certificates = true;
		break;
	default:
		break;
	}
}

/* Whether fields of the type have the operator. */
static bool type_has_operator(enum filter_type type, enum filter_operator operator)
{
	switch (operator) {
	case FILTER_EQUAL:
	case FILTER_NOT_EQUAL:
		return true;
	case FILTER_MATCHES:
		return type == FILTER_WORD || type == FILTER_TEXT;
	case FILTER_IN:
		return type != FILTER_BOOLEAN;
	default:
		return type == FILTER_NUMBER || type == FILTER_VERSION || type == FILTER_DURATION ||
		       type == FILTER_TIME;
	}
}

static const char *operators_of(enum filter_type type)
{
	switch (type) {
	case FILTER_WORD:
	case FILTER_TEXT:
		return "==, !=, in, matches";
	case FILTER_BOOLEAN:
		return "==, !=";
	case FILTER_ADDRESS:
		return "==, !=, in";
	default:
		return "==, !=, <, <=, >, >=, in";
	}
}

const char *filter_operator_name(enum filter_operator operator)
{
	static const char *const names[FILTER_OPERATORS] = {
		[FILTER_EQUAL] = "==",        [FILTER_NOT_EQUAL] = "!=",
		[FILTER_LESS] = "<",          [FILTER_LESS_EQUAL] = "<=",
		[FILTER_GREATER] = ">",       [FILTER_GREATER_EQUAL] = ">=",
		[FILTER_IN] = "in",           [FILTER_MATCHES] = "matches",
		[FILTER_IS_NULL] = "== null", [FILTER_IS_NOT_NULL] = "!= null",
	};

	return names[operator];
}

static enum filter_field find_field(struct parse *parse, const char *name, struct filter_span span)
{
	enum filter_field field = filter_field_find(name);
	const char *suggestion;

	if (field != FIELDS)
		return field;
	suggestion = filter_field_suggest(name);
	if (suggestion)
		parse_fail(parse, span, "unknown field '%s' (did you mean %s?)", name, suggestion);
	else
		parse_fail(parse, span, "unknown field '%s'", name);
	return FIELDS;
}

static bool take_values(struct parse *parse, struct filter_node *node, const struct literal *literals)
{
	const struct literal *literal;
	struct filter_value *values;
	size_t count = 0;

	for (literal = literals; literal; literal = literal->next)
		count++;
	parse->values += count;
	if (parse->values > FILTER_VALUES_MAX) {
		parse_fail(parse, literals->span, "the sets have more than %d values", FILTER_VALUES_MAX);
		return false;
	}
	values = parse_allocate(parse, count * sizeof(*values));
	if (!values)
		return false;
	node->value = values;
	node->values = count;
	for (literal = literals; literal; literal = literal->next)
		if (!literal_convert(parse, node->field, literal, &values[--count]))
			return false;
	return true;
}

/* A glob is no word of the field's list, but may match some. */
static bool take_pattern(struct parse *parse, struct filter_node *node, const struct literal *literal)
{
	struct filter_value *value = parse_allocate(parse, sizeof(*value));

	if (!value)
		return false;
	if (literal->kind == LITERAL_NULL || literal->offset) {
		parse_fail(parse, literal->span, "matches takes a pattern with * and ?");
		return false;
	}
	value->text = literal->text;
	node->value = value;
	node->values = 1;
	return true;
}

static bool compare_with_null(const struct filter_node *node, const struct literal *literal)
{
	return literal && literal->kind == LITERAL_NULL && !literal->high && !literal->next &&
	       (node->operator== FILTER_EQUAL || node->operator== FILTER_NOT_EQUAL);
}

static bool take_operand(struct parse *parse, struct filter_node *node, const struct literal *literal)
{
	if (node->operator== FILTER_MATCHES)
		return take_pattern(parse, node, literal);
	if (!take_values(parse, node, literal))
		return false;
	if (node->operator== FILTER_IN || filter_field_information(node->field)->type != FILTER_ADDRESS ||
	    !strchr(literal->text, '/'))
		return true;
	parse_fail(parse, literal->span, "'%s' is a prefix: use in", literal->text);
	return false;
}

/* A field alone: only a boolean field needs no comparison. */
static bool take_bare_field(struct parse *parse, struct filter_node *node, struct filter_span span)
{
	static const struct filter_value yes = {.number = 1, .high = 1};
	const struct filter_field_information *information = filter_field_information(node->field);

	if (information->type != FILTER_BOOLEAN) {
		parse_fail(parse, (struct filter_span){span.end, span.end},
		           "%s needs a comparison: one of %s (%s != null: it is known)", information->name,
		           operators_of(information->type), information->name);
		return false;
	}
	node->value = &yes;
	node->values = 1;
	return true;
}

struct filter_node *parse_test(struct parse *parse, const char *name, struct filter_span name_span,
                               enum filter_operator operator, struct filter_span operator_span,
                               const struct literal *literal)
{
	enum filter_field field = find_field(parse, name, name_span);
	struct filter_node *node = parse_node(parse, FILTER_TEST, NULL, NULL);
	const struct filter_field_information *information;

	if (field == FIELDS || !node)
		return NULL;
	information = filter_field_information(field);
	node->field = field;
	node->operator= operator;
	note_needs(parse->filter, field);
	if (!literal)
		return take_bare_field(parse, node, name_span) ? node : NULL;
	if (compare_with_null(node, literal)) {
		node->operator= operator== FILTER_EQUAL ? FILTER_IS_NULL : FILTER_IS_NOT_NULL;
		return node;
	}
	if (!type_has_operator(information->type, operator)) {
		parse_fail(parse, operator_span, "%s is not compared with %s: expected one of %s", information->name,
		           filter_operator_name(operator), operators_of(information->type));
		return NULL;
	}
	return take_operand(parse, node, literal) ? node : NULL;
}

static int parse_text(struct parse *parse)
{
	const struct filter_span nowhere = {};

	if (parse->length > FILTER_TEXT_MAX)
		parse_fail(parse, nowhere, "the expression is longer than %d bytes", FILTER_TEXT_MAX);
	else
		parse->filter->root = grammar_parse(parse);
	if (parse->out_of_memory) {
		parse->failed = false;
		parse_fail(parse, nowhere, "out of memory");
		return -ENOMEM;
	}
	return parse->filter->root ? 0 : -EINVAL;
}

int filter_parse(const char *text, struct filter **result, struct filter_error *error)
{
	struct parse parse = {.text = text, .length = strlen(text), .error = error};
	int status;

	*result = NULL;
	*error = (struct filter_error){};
	parse.filter = calloc(1, sizeof(*parse.filter));
	if (!parse.filter) {
		parse_fail(&parse, (struct filter_span){}, "out of memory");
		return -ENOMEM;
	}
	status = parse_text(&parse);
	if (status) {
		filter_free(parse.filter);
		return status;
	}
	*result = parse.filter;
	return 0;
}

void filter_free(struct filter *filter)
{
	struct block *block;

	if (!filter)
		return;
	while ((block = SLIST_FIRST(&filter->blocks)) != NULL) {
		SLIST_REMOVE_HEAD(&filter->blocks, next);
		free(block);
	}
	free(filter);
}

bool filter_needs_certificates(const struct filter *filter)
{
	return filter && filter->needs_certificates;
}

bool filter_needs_attribution(const struct filter *filter)
{
	return filter && filter->needs_attribution;
}

const struct filter_node *filter_root(const struct filter *filter)
{
	return filter->root;
}

/* The later bytes of a UTF-8 character take no column. */
static bool takes_column(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t append_excerpt(char *line, const char *expression, size_t begin, size_t end)
{
	size_t length = 0;

	for (size_t index = begin; index < end; index++) {
		unsigned char byte = expression[index];

		line[length++] = byte < ' ' || byte == 0x7f ? '?' : byte;
	}
	line[length++] = '\n';
	return length;
}

void filter_error_text(char text[FILTER_ERROR_TEXT_MAX], const char *expression, const struct filter_error *error)
{
	size_t whole = strlen(expression), begin = 0, end, length, carets = 0;

	if (error->offset > EXCERPT_BEFORE)
		begin = error->offset - EXCERPT_BEFORE;
	while (begin && !takes_column(expression[begin]))
		begin--;
	end = whole - begin > EXCERPT_COLUMNS ? begin + EXCERPT_COLUMNS : whole;
	length = snprintf(text, FILTER_ERROR_MAX, "%s", error->message);
	for (size_t index = 0; index < length; index++)
		if ((unsigned char)text[index] < ' ' || text[index] == 0x7f)
			text[index] = '?';
	length += sprintf(text + length, "\n%*s", INDENT, "");
	length += append_excerpt(text + length, expression, begin, end);
	memset(text + length, ' ', INDENT);
	length += INDENT;
	for (size_t index = begin; index < end && index < error->offset + (error->length ?: 1); index++)
		if (takes_column(expression[index])) {
			text[length++] = index < error->offset ? ' ' : '^';
			carets += index >= error->offset;
		}
	if (!carets)
		text[length++] = '^';
	strcpy(text + length, "\n");
}
