/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "options.h"

#include <argp.h>
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum option_key {
	KEY_INTERFACE = 'i',
	KEY_CGROUP = 'g',
	KEY_READ = 'r',
	KEY_PORT = 'P',
	KEY_PROCESS = 'p',
	KEY_REQUESTED = 'R',
	KEY_TRACE = 't',
	KEY_JSON = 'j',
	KEY_METRICS = 'm',
	KEY_QUIET = 'q',
	KEY_LIBRARY = 'L',
	KEY_DURATION = 'd',
	KEY_COUNT = 'n',
	KEY_LONG_ONLY = 256, /* from here on without a short option */
	KEY_REDACT = KEY_LONG_ONLY,
	KEY_MAX_CONNECTIONS,
	KEY_HANDSHAKE_TIMEOUT,
	KEY_BUFFER,
	KEY_MAX_SERVICES,
	KEY_EXPECT,
	KEY_WEB_CONFIG,
	KEY_DEBUG,
	KEYS,
};

#define NANOSECONDS_PER_SECOND 1000000000ULL

enum {
	SECONDS_FRACTION_DIGITS = 9, /* down to a nanosecond */
	PROCESS_MAX = 1 << 22,       /* the kernel's PID_MAX_LIMIT */
	MAX_CONNECTIONS_DEFAULT = 65536,
	MAX_CONNECTIONS_MAX = 1 << 24,
	HANDSHAKE_TIMEOUT_DEFAULT = 60,
	SECONDS_MAX = 1000000000, /* some 30 years: in nanoseconds far from the end of 64 bits */
	KILO = 1 << 10,
	MEGA = 1 << 20,
	BUFFER_DEFAULT = 8 * MEGA,
	BUFFER_MIN = 64 * KILO,
	BUFFER_MAX = 1024 * MEGA,
	MAX_SERVICES_DEFAULT = 100,
	MAX_SERVICES_MAX = 1000, /* each has some 50 series, and is looked for among all */
};

enum group {
	GROUP_SOURCE = 1,
	GROUP_OUTPUT,
	GROUP_END,
	GROUP_BOUNDS,
};

#define METRICS_DEFAULT "127.0.0.1:9813"

static const struct argp_option option_table[] = {
	{.doc = "What is traced:", .group = GROUP_SOURCE},
	{"interface", KEY_INTERFACE, "IF", 0,
         "What passes the network interface IF, instead of sockets (may be repeated; any: all of them)", 0},
	{"cgroup", KEY_CGROUP, "PATH", 0, "Only sockets of the cgroup (v2) at PATH and below, instead of the root's",
         0},
	{"read", KEY_READ, "FILE", 0, "Read a pcap or pcapng file instead of the live host; needs no privileges", 0},
	{"port", KEY_PORT, "PORT", 0, "Only connections with this local or remote port (may be repeated)", 0},
	{"pid", KEY_PROCESS, "PID", 0,
         "Only connections of the process PID: by its TLS library, or by who opened the socket", 0},
	{"library", KEY_LIBRARY, "auto|auto+static|off|PATH", 0,
         "Read what TLS 1.3 encrypts at the TLS libraries of the host's processes (auto), at none, or at one", 0},

	{.doc = "What is printed:", .group = GROUP_OUTPUT},
	{"requested", KEY_REQUESTED, NULL, 0, "Only handshakes in which a certificate was requested", 0},
	{"trace", KEY_TRACE, NULL, 0, "Each handshake message by message, as curl -v shows it", 0},
	{"json", KEY_JSON, NULL, 0, "One line of JSON per handshake (Elastic Common Schema)", 0},
	{"metrics", KEY_METRICS, "ADDR:PORT", OPTION_ARG_OPTIONAL,
         "Serve metrics for Prometheus over HTTP (on " METRICS_DEFAULT ")", 0},
	{"web-config", KEY_WEB_CONFIG, "FILE", 0,
         "TLS and users of --metrics, as other Prometheus exporters have them; read again on SIGHUP", 0},
	{"expect", KEY_EXPECT, "FILE", 0,
         "Judge handshakes by lines of SERVICE required|optional|never; read again on SIGHUP", 0},
	{"quiet", KEY_QUIET, NULL, 0, "Print no handshakes", 0},
	{"redact", KEY_REDACT, NULL, 0, "Of a client's certificate only the fingerprint", 0},
	{"debug", KEY_DEBUG, NULL, 0, "Say on standard error what is attached where, and why not", 0},

	{.doc = "When it ends (else on SIGINT or SIGTERM):", .group = GROUP_END},
	{"duration", KEY_DURATION, "SECONDS", 0, "After so many seconds; may have a fraction", 0},
	{"count", KEY_COUNT, "N", 0, "After N handshakes", 0},

	{.doc = "Bounds:", .group = GROUP_BOUNDS},
	{"max-connections", KEY_MAX_CONNECTIONS, "N", 0, "Connections followed at once (65536)", 0},
	{"handshake-timeout", KEY_HANDSHAKE_TIMEOUT, "SECONDS", 0,
         "A handshake in which nothing happens for so long has ended (60)", 0},
	{"buffer", KEY_BUFFER, "SIZE", 0,
         "Size of the ring buffer between kernel and program: a power of two from 64K to 1024M (8M)", 0},
	{"max-services", KEY_MAX_SERVICES, "N", 0, "Servers that have metrics of their own, of each role (100)", 0},
	{0},
};

/* Options that make no sense together. */
static const struct {
	int one;
	int other;
	const char *message;
} conflicts[] = {
	{KEY_TRACE, KEY_JSON, "--trace and --json exclude each other: choose one format"},
	{KEY_QUIET, KEY_TRACE, "--quiet and --trace exclude each other: --quiet prints no handshakes"},
	{KEY_QUIET, KEY_JSON, "--quiet and --json exclude each other: --quiet prints no handshakes"},
	{KEY_INTERFACE, KEY_CGROUP, "--interface and --cgroup exclude each other: an interface knows no cgroups"},
	{KEY_READ, KEY_INTERFACE, "--read and --interface exclude each other: a file or the live host"},
	{KEY_READ, KEY_CGROUP, "--read and --cgroup exclude each other: a file knows no cgroups"},
	{KEY_READ, KEY_DURATION, "--read and --duration exclude each other: a file is read to its end"},
	{KEY_READ, KEY_METRICS, "--read and --metrics exclude each other: metrics are of the live host"},
	{KEY_INTERFACE, KEY_LIBRARY,
         "--interface and --library exclude each other: what an interface forwards is of no process here"},
	{KEY_INTERFACE, KEY_PROCESS, "--interface and --pid exclude each other: a packet on a device has no process"},
	{KEY_READ, KEY_PROCESS, "--read and --pid exclude each other: a file has no processes"},
	{KEY_READ, KEY_LIBRARY, "--read and --library exclude each other: a file has no processes"},
	{KEY_READ, KEY_BUFFER, "--read and --buffer exclude each other: a file needs no ring buffer"},
};

static const char documentation[] =
	"Tell, for every TLS connection of this host, whether the server asked the client for a certificate, what the "
	"client answered and how the handshake ended."
	"\v"
	"Examples:\n"
	"  mtlsnoop -P 443                one line per handshake on port 443\n"
	"  mtlsnoop -R -t -n 1            the next handshake with a request, in full\n"
	"  mtlsnoop -j --redact           JSON lines without the names in client certificates\n"
	"  mtlsnoop -r trace.pcapng       what a capture tells\n"
	"  mtlsnoop -q -m                 metrics alone, on http://" METRICS_DEFAULT "/metrics\n"
	"\n"
	"Exit status: 0 when done (also on SIGINT and SIGTERM), 1 if it could not start or go on, 2 if the command "
	"line "
	"is wrong.";

/* argp reads this name: it makes --version. */
const char *argp_program_version = "mtlsnoop " MTLSNOOP_VERSION;

/* A command line that is being read. */
struct command_line {
	struct options *options;
	bool given[KEYS];
};

static bool is_digit(char character)
{
	return character >= '0' && character <= '9';
}

/*
 * Read a decimal number without a sign, and set *end behind it. Returns 0, -EINVAL where there is no digit, or -ERANGE
 * beyond maximum.
 */
static int read_digits(const char *text, uint64_t maximum, uint64_t *value, const char **end)
{
	uint64_t digit, number = 0;

	if (!is_digit(*text))
		return -EINVAL;
	for (; is_digit(*text); text++) {
		digit = *text - '0';
		if (number > (maximum - digit) / 10)
			return -ERANGE;
		number = number * 10 + digit;
	}
	*value = number;
	*end = text;
	return 0;
}

/* Read text as nothing but a number from minimum to maximum. */
static int parse_number(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value)
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

/* Read the digits behind a decimal point as nanoseconds. */
static int read_fraction(const char *text, uint64_t *nanoseconds, const char **end)
{
	uint64_t value;
	ptrdiff_t digits;
	int error = read_digits(text, NANOSECONDS_PER_SECOND - 1, &value, end);

	if (error)
		return error;
	for (digits = *end - text; digits < SECONDS_FRACTION_DIGITS; digits++)
		value *= 10;
	*nanoseconds = value;
	return *end - text > SECONDS_FRACTION_DIGITS ? -ERANGE : 0;
}

/* "2", "0.25": more than nothing, at most SECONDS_MAX */
static int parse_seconds(const char *text, uint64_t *nanoseconds)
{
	uint64_t seconds, fraction = 0;
	const char *end;
	int error = read_digits(text, SECONDS_MAX, &seconds, &end);

	if (!error && *end == '.')
		error = read_fraction(end + 1, &fraction, &end);
	if (error)
		return error;
	if (*end)
		return -EINVAL;
	if (!seconds && !fraction)
		return -ERANGE;
	*nanoseconds = seconds * NANOSECONDS_PER_SECOND + fraction;
	return 0;
}

/* "65536", "64K", "8M": a power of two from BUFFER_MIN to BUFFER_MAX */
static int parse_buffer(const char *text, uint32_t *bytes)
{
	uint64_t number, unit = 1;
	const char *end;
	int error = read_digits(text, BUFFER_MAX, &number, &end);

	if (error)
		return error;
	if (*end == 'K' || *end == 'M')
		unit = *end++ == 'K' ? KILO : MEGA;
	if (*end)
		return -EINVAL;
	number *= unit;
	if (number < BUFFER_MIN || number > BUFFER_MAX || number & (number - 1))
		return -ERANGE;
	*bytes = number;
	return 0;
}

/* What the kernel takes for a name (dev_valid_name), and what would not be the whole of it in the kernel */
static void parse_interface(const struct argp_state *state, const char *text, struct options *options)
{
	if (!*text || strlen(text) >= IF_NAMESIZE || strpbrk(text, "/: \t\n"))
		argp_error(state, "--interface: '%s' is not the name of an interface", text);
	if (options->interfaces == OPTIONS_INTERFACES_MAX)
		argp_error(state, "--interface: '%s' is one too many: at most %d interfaces", text,
		           OPTIONS_INTERFACES_MAX);
	options->interface[options->interfaces++] = text;
}

static void parse_port(const struct argp_state *state, const char *text, struct options *options)
{
	uint64_t port;

	if (parse_number(text, 1, UINT16_MAX, &port))
		argp_error(state, "--port: '%s' is not a port: a number from 1 to 65535", text);
	if (options->ports == OPTIONS_PORTS_MAX)
		argp_error(state, "--port: '%s' is one too many: at most %d ports", text, OPTIONS_PORTS_MAX);
	options->port[options->ports++] = port;
}

static void parse_process(const struct argp_state *state, const char *text, struct options *options)
{
	uint64_t process;

	if (parse_number(text, 1, PROCESS_MAX, &process))
		argp_error(state, "--pid: '%s' is not the number of a process: from 1 to %d", text, PROCESS_MAX);
	options->process = process;
}

static void parse_count(const struct argp_state *state, const char *text, struct options *options)
{
	if (parse_number(text, 1, UINT64_MAX, &options->count))
		argp_error(state, "--count: '%s' is not a number of handshakes: 1 or more", text);
}

static void parse_max_connections(const struct argp_state *state, const char *text, struct options *options)
{
	uint64_t connections;

	if (parse_number(text, 1, MAX_CONNECTIONS_MAX, &connections))
		argp_error(state, "--max-connections: '%s' is not a number from 1 to %d", text, MAX_CONNECTIONS_MAX);
	options->max_connections = connections;
}

static void parse_time(const struct argp_state *state, const char *option, const char *text, uint64_t *nanoseconds)
{
	if (parse_seconds(text, nanoseconds))
		argp_error(state, "%s: '%s' is not a number of seconds: more than 0, at most %d, such as 10 or 0.5",
		           option, text, SECONDS_MAX);
}

static void parse_max_services(const struct argp_state *state, const char *text, struct options *options)
{
	uint64_t services;

	if (parse_number(text, 1, MAX_SERVICES_MAX, &services))
		argp_error(state, "--max-services: '%s' is not a number from 1 to %d", text, MAX_SERVICES_MAX);
	options->metrics.services_max = services;
}

/* "127.0.0.1:9813", "[::1]:9813": in numbers alone, since what a name means changes */
static int parse_address(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + sizeof("[]")];
	uint64_t port;
	size_t length;

	if (!colon || parse_number(colon + 1, 1, UINT16_MAX, &port))
		return -EINVAL;
	length = colon - text;
	if (!length || length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	memset(address, 0, sizeof(*address));
	if (host[0] != '[') {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		return inet_pton(AF_INET, host, &ipv4->sin_addr) == 1 ? 0 : -EINVAL;
	}
	if (host[length - 1] != ']')
		return -EINVAL;
	host[length - 1] = '\0';
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(port);
	return inet_pton(AF_INET6, host + 1, &ipv6->sin6_addr) == 1 ? 0 : -EINVAL;
}

static void parse_metrics(const struct argp_state *state, const char *text, struct options *options)
{
	if (parse_address(text ?: METRICS_DEFAULT, &options->metrics.address))
		argp_error(state,
		           "--metrics: '%s' is not an address and a port: such as " METRICS_DEFAULT " or [::1]:9813",
		           text);
}

static const char *parse_path(const struct argp_state *state, const char *option, const char *text)
{
	if (!*text)
		argp_error(state, "%s: '' is not a path", option);
	return text;
}

/* "auto", "auto+static", "off", or the path of a file: ./auto where it is called so */
static void parse_library(const struct argp_state *state, const char *text, struct options *options)
{
	options->library_path = NULL;
	if (!strcmp(text, "auto")) {
		options->library = LIBRARY_AUTO;
	} else if (!strcmp(text, "auto+static")) {
		options->library = LIBRARY_AUTO_STATIC;
	} else if (!strcmp(text, "off")) {
		options->library = LIBRARY_OFF;
	} else if (strchr(text, '/')) {
		options->library = LIBRARY_PATH;
		options->library_path = text;
	} else {
		argp_error(state, "--library: '%s' is neither auto, auto+static nor off, nor a path with a /", text);
	}
}

static void check_conflicts(const struct argp_state *state, const struct command_line *line)
{
	size_t i;

	for (i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++)
		if (line->given[conflicts[i].one] && line->given[conflicts[i].other])
			argp_error(state, "%s", conflicts[i].message);
	if (line->given[KEY_WEB_CONFIG] && !line->given[KEY_METRICS])
		argp_error(state, "--web-config is of --metrics: give both");
}

/* Take an option that has a value. */
static error_t take_value(int key, const char *text, const struct argp_state *state, struct options *options)
{
	switch (key) {
	case KEY_INTERFACE:
		parse_interface(state, text, options);
		break;
	case KEY_CGROUP:
		options->cgroup = parse_path(state, "--cgroup", text);
		break;
	case KEY_READ:
		options->read_file = parse_path(state, "--read", text);
		break;
	case KEY_LIBRARY:
		parse_library(state, text, options);
		break;
	case KEY_PROCESS:
		parse_process(state, text, options);
		break;
	case KEY_PORT:
		parse_port(state, text, options);
		break;
	case KEY_DURATION:
		parse_time(state, "--duration", text, &options->duration_ns);
		break;
	case KEY_COUNT:
		parse_count(state, text, options);
		break;
	case KEY_MAX_CONNECTIONS:
		parse_max_connections(state, text, options);
		break;
	case KEY_HANDSHAKE_TIMEOUT:
		parse_time(state, "--handshake-timeout", text, &options->handshake_timeout_ns);
		break;
	case KEY_MAX_SERVICES:
		parse_max_services(state, text, options);
		break;
	case KEY_EXPECT:
		options->expect_file = parse_path(state, "--expect", text);
		break;
	case KEY_WEB_CONFIG:
		options->web_config_file = parse_path(state, "--web-config", text);
		break;
	case KEY_METRICS:
		parse_metrics(state, text, options);
		break;
	case KEY_BUFFER:
		if (parse_buffer(text, &options->buffer_bytes))
			argp_error(state, "--buffer: '%s' is not a size: a power of two from 64K to 1024M", text);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t take_option(int key, char *text, struct argp_state *state)
{
	struct command_line *line = state->input;

	if (key >= 0 && key < KEYS)
		line->given[key] = true;
	switch (key) {
	case KEY_REQUESTED:
		line->options->requested_only = true;
		return 0;
	case KEY_TRACE:
		line->options->format = FORMAT_LADDER;
		return 0;
	case KEY_JSON:
		line->options->format = FORMAT_JSON;
		return 0;
	case KEY_QUIET:
		line->options->quiet = true;
		return 0;
	case KEY_REDACT:
		line->options->redact = true;
		return 0;
	case KEY_DEBUG:
		line->options->debug = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not an option, and there are no other arguments", text);
		return 0;
	case ARGP_KEY_END:
		check_conflicts(state, line);
		return 0;
	default:
		return take_value(key, text, state, line->options);
	}
}

void options_parse(int argc, char **argv, struct options *options)
{
	const struct argp argp = {.options = option_table, .parser = take_option, .doc = documentation};
	struct command_line line = {.options = options};

	*options = (struct options){
		.format = FORMAT_TABLE,
		.max_connections = MAX_CONNECTIONS_DEFAULT,
		.handshake_timeout_ns = HANDSHAKE_TIMEOUT_DEFAULT * NANOSECONDS_PER_SECOND,
		.buffer_bytes = BUFFER_DEFAULT,
		.metrics = {.services_max = MAX_SERVICES_DEFAULT},
	};
	argp_err_exit_status = 2;
	errno = argp_parse(&argp, argc, argv, 0, NULL, &line);
	if (errno)
		err(EXIT_FAILURE, "the command line could not be read");
}

bool options_want_ports(const struct options *options, uint16_t one, uint16_t other)
{
	for (uint32_t index = 0; index < options->ports; index++)
		if (options->port[index] == one || options->port[index] == other)
			return true;
	return options->ports == 0;
}

bool options_want_process(const struct options *options, const struct handshake *handshake)
{
	if (!options->process)
		return true;
	if (handshake->writer.process)
		return handshake->writer.followed || handshake->writer.process == options->process;
	return handshake->process.id == options->process || handshake->owner.id == options->process;
}
