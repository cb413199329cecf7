// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From written values to values of a field's type. */
#include "filter/parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	IPV4_BITS = 32,
	IPV6_BITS = 128,
	BITS_PER_BYTE = 8,
	FRACTION_DIGITS = 9,
	ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN,
};

static const int64_t SECOND_NS = 1000 * 1000 * 1000;

/* Longer durations are errors: 64 bits of nanoseconds could not hold longer durations. */
static const int64_t DURATION_SECONDS_MAX = 9LL * 1000 * 1000 * 1000;

/* Read decimal digits. Returns the count of digits; value saturates at maximum + 1. */
static size_t read_digits(const char *text, int64_t maximum, int64_t *value)
{
	size_t count;

	*value = 0;
	for (count = 0; text[count] >= '0' && text[count] <= '9'; count++)
		if (*value <= maximum)
			*value = *value * 10 + (text[count] - '0');
	return count;
}

static bool read_number(const char *text, int64_t *value)
{
	const int64_t maximum = INT64_MAX / 100;
	size_t digits = read_digits(text, maximum, value);

	return digits && !text[digits] && *value <= maximum;
}

/* Nanoseconds in a unit; 0 for no unit. */
static int64_t unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{"ns", 1},
		{"us", 1000},
		{"ms", 1000000},
		{"s", 1000000000},
		{"m", 60 * 1000000000LL},
		{"min", 60 * 1000000000LL},
		{"h", 3600 * 1000000000LL},
		{"d", 86400 * 1000000000LL},
		{"w", 7 * 86400 * 1000000000LL},
	};

	for (size_t index = 0; index < sizeof(units) / sizeof(units[0]); index++)
		if (!strcmp(units[index].name, unit))
			return units[index].ns;
	return 0;
}

/* "50ms", "1.5s", "14d": nanoseconds. Returns false where text is no duration. */
static bool read_duration(const char *text, int64_t *ns)
{
	int64_t whole, fraction = 0, unit, scale = SECOND_NS;
	size_t digits = read_digits(text, DURATION_SECONDS_MAX * SECOND_NS / 10, &whole);

	if (!digits)
		return false;
	text += digits;
	if (*text == '.') {
		digits = read_digits(text + 1, SECOND_NS, &fraction);
		if (!digits || digits > FRACTION_DIGITS)
			return false;
		text += 1 + digits;
		while (digits--)
			scale /= 10;
		fraction *= scale;
	}
	unit = unit_ns(text);
	if (!unit || whole > DURATION_SECONDS_MAX * (SECOND_NS / 100) / unit * 100)
		return false;
	/* the fraction is a share of the unit, in 10^9 parts */
	*ns = whole * unit + (int64_t)((__int128)fraction * unit / SECOND_NS);
	return true;
}

static bool two_digits(const char *text, int *value)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return false;
	*value = (text[0] - '0') * 10 + text[1] - '0';
	return true;
}

/* "10:30", "10:30:05" with an optional Z */
static bool read_clock(const char *text, struct tm *time)
{
	if (!two_digits(text, &time->tm_hour) || text[2] != ':' || !two_digits(text + 3, &time->tm_min))
		return false;
	text += sizeof("10:30") - 1;
	if (*text == ':') {
		if (!two_digits(text + 1, &time->tm_sec))
			return false;
		text += sizeof(":05") - 1;
	}
	if (*text == 'Z')
		text++;
	return !*text && time->tm_hour < 24 && time->tm_min < 60 && time->tm_sec <= 60;
}

/* "2026-12-01", "2026-12-01T10:30", "2026-12-01T10:30:05Z": UTC. */
static bool read_date(const char *text, int64_t *seconds)
{
	struct tm time = {}, check;
	int century, year;

	if (!two_digits(text, &century) || !two_digits(text + 2, &year) || text[4] != '-' ||
	    !two_digits(text + 5, &time.tm_mon) || text[7] != '-' || !two_digits(text + 8, &time.tm_mday))
		return false;
	time.tm_year = century * 100 + year - 1900;
	time.tm_mon--;
	text += sizeof("2026-12-01") - 1;
	if (*text && (*text != 'T' || !read_clock(text + 1, &time)))
		return false;
	check = time;
	*seconds = timegm(&check);
	/* timegm() makes a day in March of the 30th of February */
	return check.tm_mon == time.tm_mon && check.tm_mday == time.tm_mday;
}

/* "now", "now-14d", `now + 14d`, a date. */
static bool read_time(const struct literal *literal, int64_t *seconds, bool *from_now)
{
	const char *offset = literal->offset;
	bool negative = literal->negative;
	int64_t ns;

	*from_now = !strncmp(literal->text, "now", 3) && (!literal->text[3] || literal->text[3] == '-');
	if (!*from_now)
		return !offset && read_date(literal->text, seconds);
	*seconds = 0;
	if (literal->text[3]) {
		if (offset)
			return false;
		offset = literal->text + 4;
		negative = true;
	}
	if (!offset)
		return true;
	if (!read_duration(offset, &ns))
		return false;
	*seconds = (negative ? -ns : ns) / SECOND_NS;
	return true;
}

/* "10.0.0.1", "10.0.0.0/8", "2001:db8::/32" */
static bool read_address(const char *text, struct filter_value *value, bool *host_bits)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	uint8_t address[sizeof(value->address)] = {};
	char copy[ADDRESS_TEXT_MAX];
	int64_t prefix;
	int bits;

	if (length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	value->family = strchr(copy, ':') ? 6 : 4;
	bits = value->family == 6 ? IPV6_BITS : IPV4_BITS;
	prefix = bits;
	if (inet_pton(value->family == 6 ? AF_INET6 : AF_INET, copy, address) != 1 ||
	    (slash && (!read_number(slash + 1, &prefix) || prefix > bits)))
		return false;
	value->prefix = prefix;
	memcpy(value->address, address, sizeof(address));
	*host_bits = false;
	for (int bit = prefix; bit < bits; bit++)
		if (address[bit / BITS_PER_BYTE] & 0x80 >> bit % BITS_PER_BYTE)
			*host_bits = true;
	return true;
}

/* How values of a type look. */
static const char *example_of(enum filter_type type)
{
	switch (type) {
	case FILTER_NUMBER:
		return "a number";
	case FILTER_BOOLEAN:
		return "true, false or null";
	case FILTER_VERSION:
		return "a version: 1.0, 1.1, 1.2, 1.3, or TLSv1.2, SSLv3";
	case FILTER_ADDRESS:
		return "an IP address, or with in a prefix such as 10.0.0.0/8";
	case FILTER_DURATION:
		return "a duration with its unit, such as 50ms or 1.5s";
	case FILTER_TIME:
		return "a time: now, now + 14d, 2026-12-01 or 2026-12-01T10:30:00Z (UTC)";
	default:
		return "a text";
	}
}

static bool fail_value(struct parse *parse, enum filter_field field, const struct literal *literal)
{
	const struct filter_field_information *information = filter_field_information(field);

	parse_fail(parse, literal->span, "'%s' is no value of %s: expected %s", literal->text, information->name,
	           example_of(information->type));
	return false;
}

/* The list of a field's words, for an error. */
static void list_words(const struct filter_field_information *information, char *list, size_t size)
{
	size_t length = 0;
	const char *word;

	list[0] = '\0';
	for (size_t index = 0; (word = information->word(index)) != NULL && length < size; index++)
		length += snprintf(list + length, size - length, "%s%s", index ? ", " : "", word);
	if (length >= size)
		strcpy(list + size - sizeof("..."), "...");
}

static bool convert_word(struct parse *parse, enum filter_field field, const struct literal *literal,
                         struct filter_value *value)
{
	const struct filter_field_information *information = filter_field_information(field);
	char list[FILTER_ERROR_MAX / 2];
	const char *word, *suggestion;

	for (size_t index = 0; (word = information->word(index)) != NULL; index++)
		if (!strcmp(word, literal->text))
			break;
	value->text = word;
	if (word)
		return true;
	suggestion = filter_word_suggest(field, literal->text);
	list_words(information, list, sizeof(list));
	if (suggestion)
		parse_fail(parse, literal->span, "'%s' is no value of %s (did you mean %s?)", literal->text,
		           information->name, suggestion);
	else
		parse_fail(parse, literal->span, "'%s' is no value of %s: expected %s", literal->text,
		           information->name, list);
	return false;
}

/* The number of a version: "1.2" of "1.2" and "TLSv1.2". */
static const char *version_of(const char *text)
{
	static const struct {
		const char *name;
		const char *number;
	} names[] = {
		{"SSLv2", "2.0"},   {"SSLv3", "3.0"},   {"TLSv1", "1.0"}, {"TLSv1.0", "1.0"}, {"TLSv1.1", "1.1"},
		{"TLSv1.2", "1.2"}, {"TLSv1.3", "1.3"}, {"0.9", "0.9"},   {"1.0", "1.0"},     {"1.1", "1.1"},
		{"1.2", "1.2"},     {"1.3", "1.3"},     {"2.0", "2.0"},   {"3.0", "3.0"},
	};

	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++)
		if (!strcmp(names[index].name, text))
			return names[index].number;
	return NULL;
}

static bool convert_version(const char *text, struct filter_value *value)
{
	value->text = version_of(text);
	value->number = filter_version_rank(value->text);
	return value->text != NULL;
}

static bool convert_boolean(const char *text, struct filter_value *value)
{
	value->number = !strcmp(text, "true") || !strcmp(text, "yes");
	return value->number || !strcmp(text, "false") || !strcmp(text, "no");
}

static bool convert_address(struct parse *parse, const struct literal *literal, struct filter_value *value)
{
	bool host_bits;

	if (!read_address(literal->text, value, &host_bits))
		return false;
	if (host_bits)
		parse_fail(parse, literal->span, "'%s' has bits set behind its prefix", literal->text);
	return true;
}

/* An end of a range, or a single value. */
static bool convert_plain(struct parse *parse, enum filter_field field, const struct literal *literal,
                          struct filter_value *value)
{
	const enum filter_type type = filter_field_information(field)->type;

	if (literal->offset && type != FILTER_TIME)
		return false;
	switch (type) {
	case FILTER_TEXT:
		value->text = literal->text;
		return true;
	case FILTER_NUMBER:
		return read_number(literal->text, &value->number);
	case FILTER_BOOLEAN:
		return convert_boolean(literal->text, value);
	case FILTER_VERSION:
		return convert_version(literal->text, value);
	case FILTER_ADDRESS:
		return convert_address(parse, literal, value);
	case FILTER_DURATION:
		return read_duration(literal->text, &value->number);
	case FILTER_TIME:
		return read_time(literal, &value->number, &value->from_now);
	default:
		return false;
	}
}

static bool type_has_ranges(enum filter_type type)
{
	return type == FILTER_NUMBER || type == FILTER_VERSION || type == FILTER_DURATION || type == FILTER_TIME;
}

static bool convert_range(struct parse *parse, enum filter_field field, const struct literal *literal,
                          struct filter_value *value)
{
	const struct filter_field_information *information = filter_field_information(field);
	struct filter_value high = {};

	if (!type_has_ranges(information->type)) {
		parse_fail(parse, literal->span, "%s has no ranges: expected %s", information->name,
		           example_of(information->type));
		return false;
	}
	if (!convert_plain(parse, field, literal->high, &high))
		return fail_value(parse, field, literal->high);
	value->high = high.number;
	value->high_from_now = high.from_now;
	if (value->from_now == value->high_from_now && value->number > value->high) {
		parse_fail(parse, literal->span, "the range is empty: its end lies before its begin");
		return false;
	}
	return true;
}

bool literal_convert(struct parse *parse, enum filter_field field, const struct literal *literal,
                     struct filter_value *value)
{
	if (literal->kind == LITERAL_NULL || (literal->high && literal->high->kind == LITERAL_NULL)) {
		parse_fail(parse, literal->span, "null can only be compared with == and !=");
		return false;
	}
	if (filter_field_information(field)->type == FILTER_WORD && !literal->offset && !literal->high)
		return convert_word(parse, field, literal, value);
	if (!convert_plain(parse, field, literal, value))
		return fail_value(parse, field, literal);
	if (parse->failed)
		return false;
	if (literal->high)
		return convert_range(parse, field, literal, value);
	value->high = value->number;
	value->high_from_now = value->from_now;
	return true;
}
