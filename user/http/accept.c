// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/accept.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum {
	WEIGHT_MAX = 1000, /* thousandths */
	WEIGHT_DIGITS = 3,
};

/* The more exact range decides (RFC 9110 section 12.5.1). */
enum exactness {
	MATCHES_NOT,
	MATCHES_ANY,     /* "*" "/" "*" */
	MATCHES_MAIN,    /* "text" "/" "*" */
	MATCHES_TYPE,    /* "text/plain" */
	MATCHES_VERSION, /* "text/plain;version=0.0.4" */
	EXACTNESSES,
};

/* A piece of the field, without the white space around it. */
struct piece {
	const char *text;
	size_t length;
};

static struct piece trim(const char *text, size_t length)
{
	while (length && (*text == ' ' || *text == '\t'))
		text++, length--;
	while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	return (struct piece){text, length};
}

/* Take what is before the next separator from *rest; false where nothing is left. */
static bool take(struct piece *rest, char separator, struct piece *taken)
{
	const char *end;

	if (!rest->text)
		return false;
	end = memchr(rest->text, separator, rest->length);
	if (!end) {
		*taken = trim(rest->text, rest->length);
		rest->text = NULL;
		return true;
	}
	*taken = trim(rest->text, end - rest->text);
	rest->length -= end + 1 - rest->text;
	rest->text = end + 1;
	return true;
}

static bool is(struct piece piece, const char *text, size_t length)
{
	return piece.length == length && !strncasecmp(piece.text, text, length);
}

static enum exactness match_type(struct piece range, const char *type)
{
	size_t main_length = strcspn(type, "/") + 1;

	if (is(range, "*/*", 3))
		return MATCHES_ANY;
	if (is(range, type, strlen(type)))
		return MATCHES_TYPE;
	/* A range without text has length 0: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	if (range.length == main_length + 1 && range.text[main_length] == '*' &&
	    !strncasecmp(range.text, type, main_length))
		return MATCHES_MAIN;
	return MATCHES_NOT;
}

/* "1", "0.75": in thousandths; an invalid weight counts as absent. */
static unsigned read_weight(struct piece text)
{
	unsigned weight, unit = WEIGHT_MAX;

	if (!text.length || text.length > 2 + WEIGHT_DIGITS || (text.text[0] != '0' && text.text[0] != '1'))
		return 0;
	weight = (text.text[0] - '0') * unit;
	if (text.length > 1 && text.text[1] != '.')
		return 0;
	for (size_t index = 2; index < text.length; index++) {
		if (text.text[index] < '0' || text.text[index] > '9')
			return 0;
		unit /= 10;
		weight += (text.text[index] - '0') * unit;
	}
	return weight > WEIGHT_MAX ? 0 : weight;
}

/* One range with its parameters: the exactness of its match, and its weight. */
static enum exactness match_range(struct piece range, const char *type, const char *version, unsigned *weight)
{
	struct piece parameter = {};
	enum exactness exactness;

	take(&range, ';', &parameter);
	exactness = match_type(parameter, type);
	*weight = WEIGHT_MAX;
	while (take(&range, ';', &parameter)) {
		struct piece name = {}, value = {};

		take(&parameter, '=', &name);
		take(&parameter, '=', &value);
		if (is(name, "q", 1))
			*weight = read_weight(value);
		else if (is(name, "version", strlen("version")) && exactness == MATCHES_TYPE)
			exactness = is(value, version, strlen(version)) ? MATCHES_VERSION : MATCHES_NOT;
	}
	return exactness;
}

unsigned accept_rank(const char *accept, const char *type, const char *version)
{
	struct piece rest = {accept, strlen(accept)}, range = {};
	enum exactness exactness = MATCHES_NOT;
	unsigned weight = 0;

	while (take(&rest, ',', &range)) {
		unsigned range_weight;
		enum exactness range_exactness = match_range(range, type, version, &range_weight);

		if (range_exactness > exactness) {
			exactness = range_exactness;
			weight = range_weight;
		}
	}
	return weight ? weight * EXACTNESSES + exactness : 0;
}
