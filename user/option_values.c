// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "option_values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NANOSECONDS_PER_SECOND 1000000000ULL
#define NANOSECONDS_MAX        (OPTION_SECONDS_MAX * NANOSECONDS_PER_SECOND)
#define NUMBER_OF(array)       (sizeof(array) / sizeof((array)[0]))

enum {
	KILO = 1 << 10,
	MEGA = 1 << 20,
	GIGA = 1 << 30,
	DECIMAL = 10,
	PORT_NAME_MAX = 64,
};

static bool is_digit(char character)
{
	return character >= '0' && character <= '9';
}

/*
 * Read decimal digits without a sign, and set *end to the first character after the digits. Returns 0, -EINVAL where there
 * is no digit, or -ERANGE above maximum.
 */
static int read_digits(const char *text, uint64_t maximum, uint64_t *value, const char **end)
{
	uint64_t digit, number = 0;

	if (!is_digit(*text))
		return -EINVAL;
	for (; is_digit(*text); text++) {
		digit = *text - '0';
		if (digit > maximum || number > (maximum - digit) / DECIMAL)
			return -ERANGE;
		number = number * DECIMAL + digit;
	}
	*value = number;
	*end = text;
	return 0;
}

int option_number(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
	const char *end;
	uint64_t number;
	int error = read_digits(text, maximum, &number, &end);

	if (error)
		return error;
	if (*end)
		return -EINVAL;
	if (number < minimum)
		return -ERANGE;
	*value = number;
	return 0;
}

static const struct {
	const char *name;
	uint64_t nanoseconds;
} time_units[] = {
	{"", NANOSECONDS_PER_SECOND},
	{"s", NANOSECONDS_PER_SECOND},
	{"ms", 1000000},
	{"us", 1000},
	{"ns", 1},
	{"m", 60 * NANOSECONDS_PER_SECOND},
	{"h", 3600 * NANOSECONDS_PER_SECOND},
	{"d", 86400 * NANOSECONDS_PER_SECOND},
};

/* Nanoseconds of a unit; 0: no such unit. */
static uint64_t time_unit(const char *name)
{
	for (size_t index = 0; index < NUMBER_OF(time_units); index++)
		if (!strcmp(name, time_units[index].name))
			return time_units[index].nanoseconds;
	return 0;
}

/*
 * The digits from text to end, after a decimal point, as nanoseconds of a unit. A fraction of a nanosecond is -ERANGE:
 * the time would differ from the request.
 */
static int read_fraction(const char *text, const char *end, uint64_t unit, uint64_t *nanoseconds)
{
	*nanoseconds = 0;
	for (; text < end; text++) {
		if (unit % DECIMAL && *text != '0')
			return -ERANGE;
		unit /= DECIMAL;
		*nanoseconds += (uint64_t)(*text - '0') * unit;
	}
	return 0;
}

int option_time(const char *text, uint64_t *nanoseconds)
{
	uint64_t whole = 0, fraction = 0, unit;
	const char *end = text, *point = NULL;
	int error = is_digit(*text) ? read_digits(text, NANOSECONDS_MAX, &whole, &end) : 0;

	if (error)
		return error;
	if (*end == '.') {
		point = ++end;
		if (!is_digit(*point))
			return -EINVAL;
		while (is_digit(*end))
			end++;
	}
	if (end == text)
		return -EINVAL;
	unit = time_unit(end);
	if (!unit)
		return -EINVAL;
	error = point ? read_fraction(point, end, unit, &fraction) : 0;
	if (error)
		return error;
	if (whole > NANOSECONDS_MAX / unit || (whole == NANOSECONDS_MAX / unit && fraction) || (!whole && !fraction))
		return -ERANGE;
	*nanoseconds = whole * unit + fraction;
	return 0;
}

int option_size(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *bytes)
{
	uint64_t number, unit = 1;
	const char *end;
	int error = read_digits(text, maximum, &number, &end);

	if (error)
		return error;
	if (*end == 'K' || *end == 'M' || *end == 'G')
		unit = *end == 'K' ? KILO : *end == 'M' ? MEGA : GIGA, end++;
	if (*end)
		return -EINVAL;
	if (number > maximum / unit || number * unit < minimum)
		return -ERANGE;
	*bytes = number * unit;
	return 0;
}

/* Names that work where /etc/services is missing, as in an empty container. */
static const struct {
	const char *name;
	uint16_t port;
} known_ports[] = {
	{"https", 443}, {"smtps", 465},      {"submissions", 465}, {"ldaps", 636},  {"imaps", 993}, {"pop3s", 995},
	{"smtp", 25},   {"submission", 587}, {"ldap", 389},        {"imap2", 143},  {"pop3", 110},  {"domain-s", 853},
	{"ftp", 21},    {"http-alt", 8080},  {"postgresql", 5432}, {"mysql", 3306},
};

static int port_by_name(const char *name, struct port_range *range)
{
	const struct servent *service;

	for (size_t index = 0; index < NUMBER_OF(known_ports); index++) {
		if (strcmp(name, known_ports[index].name))
			continue;
		range->first = range->last = known_ports[index].port;
		return 0;
	}
	service = getservbyname(name, "tcp") ?: getservbyname(name, "udp");
	if (!service)
		return -EINVAL;
	range->first = range->last = ntohs(service->s_port);
	return 0;
}

int option_ports(const char *text, struct port_range *range)
{
	uint64_t first, last;
	const char *end;
	int error;

	if (!is_digit(*text))
		return *text ? port_by_name(text, range) : -EINVAL;
	error = read_digits(text, UINT16_MAX, &first, &end);
	if (error)
		return error;
	last = first;
	if (*end == '-') {
		error = read_digits(end + 1, UINT16_MAX, &last, &end);
		if (error)
			return error;
	}
	if (*end)
		return -EINVAL;
	if (!first || last < first)
		return -ERANGE;
	*range = (struct port_range){.first = first, .last = last};
	return 0;
}

/* Set the address; host is empty, an IPv4 address, or an IPv6 address in brackets. */
static int set_host(struct sockaddr_storage *address, char *host, uint16_t port)
{
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
	size_t length = strlen(host);

	memset(address, 0, sizeof(*address));
	if (host[0] != '[') {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return !length || inet_pton(AF_INET, host, &ipv4->sin_addr) == 1 ? 0 : -EINVAL;
	}
	if (host[length - 1] != ']')
		return -EINVAL;
	host[length - 1] = '\0';
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(port);
	return inet_pton(AF_INET6, host + 1, &ipv6->sin6_addr) == 1 ? 0 : -EINVAL;
}

int option_address(const char *text, struct sockaddr_storage *address)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + sizeof("[]")] = "";
	struct sockaddr_storage result;
	uint64_t port;
	int error;

	if (option_number(colon ? colon + 1 : text, 1, UINT16_MAX, &port))
		return -EINVAL;
	if (colon) {
		if ((size_t)(colon - text) >= sizeof(host))
			return -EINVAL;
		memcpy(host, text, colon - text);
	}
	error = set_host(&result, host, port);
	if (!error)
		*address = result;
	return error;
}
