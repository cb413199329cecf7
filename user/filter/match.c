// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A compiled expression over a record. */
#include "filter/filter.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "filter/node.h"

enum {
	BITS_PER_BYTE = 8,
};

/* A record that is compared. */
struct comparison {
	const struct handshake *handshake;
	int64_t now;
};

static bool same_letter(char one, char other, bool fold_case)
{
	if (!fold_case)
		return one == other;
	return tolower((unsigned char)one) == tolower((unsigned char)other);
}

/* After a mismatch only the last `*` takes more letters: no earlier `*` needs to. */
bool filter_glob(const char *pattern, const char *text, bool fold_case)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
			continue;
		}
		if (*pattern == '?') {
			pattern++;
			text++;
			continue;
		}
		if (*pattern) {
			const char *letter = *pattern == '\\' && pattern[1] ? pattern + 1 : pattern;

			if (same_letter(*letter, *text, fold_case)) {
				pattern = letter + 1;
				text++;
				continue;
			}
		}
		if (!star)
			return false;
		pattern = star;
		text = ++resume;
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool text_equal(const char *one, const char *other, bool fold_case)
{
	return !(fold_case ? strcasecmp(one, other) : strcmp(one, other));
}

static bool address_within(const struct filter_value *prefix, const struct endpoint *endpoint, uint8_t family)
{
	const size_t bytes = prefix->prefix / BITS_PER_BYTE, bits = prefix->prefix % BITS_PER_BYTE;

	if (family != prefix->family || memcmp(prefix->address, endpoint->address, bytes))
		return false;
	return !bits || (prefix->address[bytes] ^ endpoint->address[bytes]) >> (BITS_PER_BYTE - bits) == 0;
}

static int64_t absolute(int64_t number, bool from_now, int64_t now)
{
	int64_t sum;

	if (!from_now)
		return number;
	if (__builtin_add_overflow(number, now, &sum))
		return number < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

/* A number, duration, time or version. */
static bool number_compares(const struct filter_node *node, const struct filter_value *value, int64_t number,
                            int64_t now)
{
	const int64_t low = absolute(value->number, value->from_now, now);
	const int64_t high = absolute(value->high, value->high_from_now, now);

	switch (node->operator) {
	case FILTER_NOT_EQUAL:
		return number != low;
	case FILTER_LESS:
		return number < low;
	case FILTER_LESS_EQUAL:
		return number <= low;
	case FILTER_GREATER:
		return number > low;
	case FILTER_GREATER_EQUAL:
		return number >= low;
	default:
		return number >= low && number <= high;
	}
}

/* Whether a text equals a value, or matches the pattern. */
static bool text_found(const struct filter_node *node, const char *text)
{
	const bool fold_case = filter_field_information(node->field)->fold_case;

	if (node->operator== FILTER_MATCHES)
		return filter_glob(node->value->text, text, fold_case);
	for (size_t index = 0; index < node->values; index++)
		if (text_equal(node->value[index].text, text, fold_case))
			return true;
	return false;
}

static bool any_name_found(const struct filter_node *node, const struct certificate *certificate)
{
	for (size_t index = 0; index < certificate->alternative_names && index < MESSAGE_ALTERNATIVE_NAMES_MAX; index++)
		if (text_found(node, certificate->alternative_name[index]))
			return true;
	return false;
}

static bool address_found(const struct filter_node *node, const struct field_value *field)
{
	for (size_t index = 0; index < node->values; index++)
		if (address_within(&node->value[index], field->endpoint, field->family))
			return true;
	return false;
}

static bool number_found(const struct filter_node *node, int64_t number, int64_t now)
{
	for (size_t index = 0; index < node->values; index++)
		if (number_compares(node, &node->value[index], number, now))
			return true;
	return false;
}

static enum known known_of(bool yes)
{
	return yes ? KNOWN_YES : KNOWN_NO;
}

static enum known negated(enum known known)
{
	return known == NOT_KNOWN ? NOT_KNOWN : known_of(known == KNOWN_NO);
}

/* A field of texts or addresses: != is the opposite of ==. */
static enum known compare_found(const struct filter_node *node, const struct field_value *field)
{
	bool found;

	if (field->endpoint)
		found = address_found(node, field);
	else
		found = field->names ? any_name_found(node, field->names) : text_found(node, field->text);
	/* the record lacks some names: a match may be among the missing names */
	if (!found && field->incomplete)
		return NOT_KNOWN;
	return known_of(found != (node->operator== FILTER_NOT_EQUAL));
}

static enum known test(const struct filter_node *node, const struct comparison *comparison)
{
	struct field_value field;

	filter_field_read(node->field, comparison->handshake, &field);
	if (node->operator== FILTER_IS_NULL || node->operator== FILTER_IS_NOT_NULL)
		return known_of(field.known == (node->operator== FILTER_IS_NOT_NULL));
	if (!field.known)
		return NOT_KNOWN;
	switch (filter_field_information(node->field)->type) {
	case FILTER_WORD:
	case FILTER_TEXT:
	case FILTER_ADDRESS:
		return compare_found(node, &field);
	default:
		return known_of(number_found(node, field.number, comparison->now));
	}
}

/* S. C. Kleene's three-valued logic, as SQL has it. The parser bounds the depth. NOLINTNEXTLINE(misc-no-recursion) */
static enum known evaluate(const struct filter_node *node, const struct comparison *comparison)
{
	enum known left, right, decides;

	if (node->kind == FILTER_TEST)
		return test(node, comparison);
	left = evaluate(node->left, comparison);
	if (node->kind == FILTER_NOT)
		return negated(left);
	decides = node->kind == FILTER_AND ? KNOWN_NO : KNOWN_YES;
	if (left == decides)
		return left;
	right = evaluate(node->right, comparison);
	if (right == decides)
		return right;
	return left == NOT_KNOWN ? left : right;
}

bool filter_match(const struct filter *filter, const struct handshake *handshake, int64_t now)
{
	const struct comparison comparison = {handshake, now};

	return !filter || evaluate(filter_root(filter), &comparison) == KNOWN_YES;
}
