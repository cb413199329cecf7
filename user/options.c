// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "options.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "options_filter.h"
#include "store/ask.h"
#include "store/store.h"
#include "system/log.h"

#define NANOSECONDS_PER_SECOND 1000000000ULL
#define NUMBER_OF(array)       (sizeof(array) / sizeof((array)[0]))
#define METRICS_DEFAULT        "127.0.0.1:9813"

enum {
	PROCESS_MAX = 1 << 22, /* the kernel's PID_MAX_LIMIT */
	MAX_CONNECTIONS_DEFAULT = 65536,
	MAX_CONNECTIONS_MAX = 1 << 24,
	HANDSHAKE_TIMEOUT_DEFAULT = 60,
	MEGA = 1 << 20,
	BUFFER_DEFAULT = 8 * MEGA,
	BUFFER_MIN = 64 << 10,
	BUFFER_MAX = 1024 * MEGA,
	MAX_SERVICES_DEFAULT = 100,
	MAX_SERVICES_MAX = 1000, /* each has some 50 series, and all are searched for each handshake */
	KEY_LONG_ONLY = 256,     /* keys of options without a letter begin here */
	EXIT_USAGE = 2,
};

/* The value of an option. */
struct option_input {
	const struct option_row *row;
	const struct argp_state *state; /* for argp_error() */
	const char *text;               /* the argument; NULL: no argument */
	struct options *options;
};

/*
 * An option, or the heading of a group where name is NULL. The function take reads the value and reports its error with
 * refuse(); the functions take_... below serve most types. field is where take stores the value.
 */
struct option_row {
	const char *name;     /* without the dashes */
	char letter;          /* 0: no short form */
	bool hidden;          /* another letter of the row before, not in --help */
	bool optional;        /* the argument may be missing */
	const char *argument; /* name in --help; NULL: no argument */
	const char *help;
	void (*take)(const struct option_input *input);
	size_t field;              /* offset in struct options */
	uint64_t minimum, maximum; /* of take_number32, take_number64 */
	const char *wants;         /* the expected value, for the error: "a number of handshakes: 1 or more" */
};

#define FIELD(name) offsetof(struct options, name)

static void *field_of(const struct option_input *input)
{
	return (char *)input->options + input->row->field;
}

static void refuse(const struct option_input *input)
{
	argp_error(input->state, "--%s: '%s' is not %s", input->row->name, input->text, input->row->wants);
}

static void take_flag(const struct option_input *input)
{
	*(bool *)field_of(input) = true;
}

static void take_path(const struct option_input *input)
{
	if (!*input->text)
		argp_error(input->state, "--%s: '' is not a path", input->row->name);
	*(const char **)field_of(input) = input->text;
}

static void take_number32(const struct option_input *input)
{
	uint64_t number;

	if (option_number(input->text, input->row->minimum, input->row->maximum, &number))
		refuse(input);
	else
		*(uint32_t *)field_of(input) = number;
}

static void take_number64(const struct option_input *input)
{
	if (option_number(input->text, input->row->minimum, input->row->maximum, field_of(input)))
		refuse(input);
}

static void take_time(const struct option_input *input)
{
	if (option_time(input->text, field_of(input)))
		refuse(input);
}

static void take_buffer(const struct option_input *input)
{
	uint64_t bytes;

	if (option_size(input->text, BUFFER_MIN, BUFFER_MAX, &bytes) || bytes & (bytes - 1))
		refuse(input);
	else
		input->options->buffer_bytes = bytes;
}

/* The kernel's rule for names is dev_valid_name(). A longer name would be cut in the kernel. */
static void take_interface(const struct option_input *input)
{
	struct options *options = input->options;

	if (!*input->text || strlen(input->text) >= IF_NAMESIZE || strpbrk(input->text, "/: \t\n"))
		refuse(input);
	if (options->interfaces == OPTIONS_INTERFACES_MAX)
		argp_error(input->state, "--interface: '%s' is one too many: at most %d interfaces", input->text,
		           OPTIONS_INTERFACES_MAX);
	options->interface[options->interfaces++] = input->text;
}

/* One item of a list; the error shows the item alone. */
static void take_port_item(const struct option_input *input)
{
	struct options *options = input->options;
	struct port_range range;

	if (option_ports(input->text, &range))
		refuse(input);
	if (options->ports == OPTIONS_PORTS_MAX)
		argp_error(input->state, "--port: '%s' is one too many: at most %d ports and ranges", input->text,
		           OPTIONS_PORTS_MAX);
	options->port[options->ports++] = range;
}

/* "443,8443,8000-8100,https" */
static void take_ports(const struct option_input *input)
{
	char *list = strdup(input->text), *rest = list, *item;
	struct option_input each = *input;

	if (!list)
		argp_failure(input->state, EXIT_FAILURE, ENOMEM, "--port");
	while ((item = strsep(&rest, ","))) {
		each.text = item;
		take_port_item(&each);
	}
	free(list);
}

static void take_store(const struct option_input *input)
{
	input->options->store = input->text && *input->text ? input->text : STORE_PATH_DEFAULT;
}

static void take_store_limit(const struct option_input *input)
{
	if (option_size(input->text, MEGA, UINT64_MAX >> 1, &input->options->store_bytes))
		refuse(input);
}

/* A size has a unit, K to T, or a time has: both read "10M" and "10m" apart. */
static void take_rotate(const struct option_input *input)
{
	struct options *options = input->options;

	options->rotate_bytes = 0;
	options->rotate_ns = 0;
	if (!option_time(input->text, &options->rotate_ns))
		return;
	options->rotate_ns = 0;
	if (option_size(input->text, MEGA, UINT64_MAX >> 1, &options->rotate_bytes))
		refuse(input);
}

/* A point in time is read again when now is known. */
static void take_moment(const struct option_input *input)
{
	int64_t seconds;

	if (ask_time(input->text, 0, false, &seconds))
		refuse(input);
	*(const char **)field_of(input) = input->text;
}

/* One more unit, container or pod. */
static void take_selected(const struct option_input *input, const char *selected[OPTIONS_SELECTED_MAX], uint32_t *count)
{
	if (!*input->text)
		argp_error(input->state, "--%s: '' is no name", input->row->name);
	if (*count == OPTIONS_SELECTED_MAX)
		argp_error(input->state, "--%s: '%s' is one too many: at most %d", input->row->name, input->text,
		           OPTIONS_SELECTED_MAX);
	selected[(*count)++] = input->text;
}

static void take_unit(const struct option_input *input)
{
	take_selected(input, input->options->unit, &input->options->units);
}

static void take_container(const struct option_input *input)
{
	take_selected(input, input->options->container, &input->options->containers);
}

static void take_pod(const struct option_input *input)
{
	take_selected(input, input->options->pod, &input->options->pods);
}

static void take_metrics(const struct option_input *input)
{
	if (option_address(input->text ?: METRICS_DEFAULT, &input->options->metrics.address))
		refuse(input);
}

/* A file with the name auto is written ./auto. */
static void take_color(const struct option_input *input)
{
	static const char *const words[] = {
		[SCREEN_COLOR_AUTO] = "auto", [SCREEN_COLOR_ALWAYS] = "always", [SCREEN_COLOR_NEVER] = "never"};

	for (uint8_t color = 0; color < NUMBER_OF(words); color++)
		if (!strcmp(input->text, words[color])) {
			input->options->color = color;
			return;
		}
	argp_error(input->state, "--color: '%s' is neither auto, always nor never", input->text);
}

static void take_library(const struct option_input *input)
{
	static const struct {
		const char *word;
		enum library_mode mode;
	} modes[] = {{"auto", LIBRARY_AUTO}, {"auto+static", LIBRARY_AUTO_STATIC}, {"off", LIBRARY_OFF}};
	struct options *options = input->options;

	options->library_path = NULL;
	for (size_t index = 0; index < NUMBER_OF(modes); index++) {
		if (strcmp(input->text, modes[index].word))
			continue;
		options->library = modes[index].mode;
		return;
	}
	if (!strchr(input->text, '/'))
		argp_error(input->state, "--library: '%s' is neither auto, auto+static nor off, nor a path with a /",
		           input->text);
	options->library = LIBRARY_PATH;
	options->library_path = input->text;
}

static void take_help(const struct option_input *input)
{
	argp_state_help(input->state, stdout, ARGP_HELP_STD_HELP);
}

static void take_usage(const struct option_input *input)
{
	argp_state_help(input->state, stdout, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
}

static void take_version(const struct option_input *input)
{
	(void)input;
	printf("mtlsnoop %s\n", MTLSNOOP_VERSION);
	exit(EXIT_SUCCESS);
}

#define TIME_WANTED "a time: more than 0, at most 1000000000 s, such as 10, .5, 300ms or 10m"

#define MOMENT_WANTED "a time: a span such as 1d, 12h or 2w, or a date such as 2026-11-30 or 2026-11-30T12:00"

static const struct option_row option_rows[] = {
	{.help = "What is traced:"},
	{"interface", 'i', .argument = "IF", .take = take_interface, .wants = "the name of an interface",
         .help = "Trace the packets that pass the interface IF, not the sockets of this host (may be repeated; any: "
                 "all "
                 "interfaces)"},
	{"cgroup", 'g', .argument = "PATH", .take = take_path, .field = FIELD(cgroup),
         .help = "Only sockets of the cgroup (v2) at PATH and below, not those of the whole host"},
	{"read", 'r', .argument = "FILE", .take = take_path, .field = FIELD(read_file),
         .help = "Read a pcap or pcapng file, gzip and zstd too (-: standard input), instead of the live host; needs "
                 "no privileges"},
	{"port", 'P', .argument = "PORT", .take = take_ports,
         .wants = "a port: a number from 1 to 65535, a range such as 8000-8100, or a name such as https",
         .help = "Only connections with this local or remote port: 443,8000-8100,https (may be repeated)"},
	{"pid", 'p', .argument = "PID", .take = take_number32, .field = FIELD(process), .minimum = 1,
         .maximum = PROCESS_MAX, .wants = "the number of a process: from 1 to 4194304",
         .help = "Only connections of the process PID: its TLS library made the handshake, or it opened the socket"},
	{"unit", 'u', .argument = "UNIT", .take = take_unit,
         .help = "Only connections of processes in the systemd unit UNIT (may be repeated)"},
	{"container", 'c', .argument = "ID", .take = take_container,
         .help = "Only connections of processes in the container whose id begins with ID (may be repeated)"},
	{"pod", .argument = "NAMESPACE/NAME", .take = take_pod,
         .help = "Only connections of processes in the Kubernetes pod (may be repeated)"},
	{"library", 'L', .argument = "auto|auto+static|off|PATH", .take = take_library,
         .help = "Read the encrypted messages of TLS 1.3 in the TLS libraries of all processes (auto), in none (off), "
                 "or "
                 "in the file PATH"},

	{.help = "What is printed:"},
	{"requested", 'R', .take = take_flag, .field = FIELD(requested_only),
         .help = "Only handshakes in which a certificate was requested"},
	{"trace", 't', .take = take_flag, .field = FIELD(trace),
         .help = "Each handshake message by message, as curl -v shows it"},
	{"wide", .take = take_flag, .field = FIELD(wide),
         .help = "All columns of the table, however wide the terminal is"},
	{"both-ends", .take = take_flag, .field = FIELD(both_ends),
         .help = "A line of the table for each end of a connection, also if both ends are on this host"},
	{"color", .argument = "auto|always|never", .take = take_color,
         .help = "Color results in the table: auto is on a terminal only, unless NO_COLOR is set"},
	{"json", 'j', .take = take_flag, .field = FIELD(json),
         .help = "One line of JSON per handshake (Elastic Common Schema)"},
	{"metrics", 'm', .argument = "ADDR:PORT", .optional = true, .take = take_metrics,
         .wants = "an address and a port: such as " METRICS_DEFAULT ", [::1]:9813, or 9813 for 127.0.0.1",
         .help = "Serve metrics for Prometheus over HTTP (on " METRICS_DEFAULT ")"},
	{"web-config", .argument = "FILE", .take = take_path, .field = FIELD(web_config_file),
         .help = "TLS and users of --metrics, in the format of other Prometheus exporters; read again on SIGHUP"},
	{"no-web", .take = take_flag, .field = FIELD(no_web), .help = "Serve metrics without the page and its API"},
	{"expect", .argument = "FILE", .take = take_path, .field = FIELD(expect_file),
         .help = "Judge handshakes by lines of SERVICE trusted|required|optional|never; read again on SIGHUP"},
	{"check", .take = take_flag, .field = FIELD(check),
         .help = "Test the files of --expect and --web-config, trace nothing, and end"},
	{"csv", .take = take_flag, .field = FIELD(csv), .help = "Answer a question as comma-separated values"},
	{"summary", .take = take_flag, .field = FIELD(summary),
         .help = "Print no handshakes, but at the end what became of them, by service"},
	{"since", .argument = "TIME", .take = take_moment, .field = FIELD(since), .wants = MOMENT_WANTED,
         .help = "Questions: only what happened since TIME: 1d, 12h, 2026-11-30, 2026-11-30T12:00"},
	{"until", .argument = "TIME", .take = take_moment, .field = FIELD(until), .wants = MOMENT_WANTED,
         .help = "Questions: only what happened until TIME"},
	{"expiring", .argument = "TIME", .take = take_moment, .field = FIELD(expiring), .wants = MOMENT_WANTED,
         .help = "Certificates: only those that expire within TIME: 30d"},
	{"quiet", 'q', .take = take_flag, .field = FIELD(quiet), .help = "Print no handshakes"},
	{"command-line", .take = take_flag, .field = FIELD(command_line),
         .help = "Print the command line of each process in JSON; command lines may hold secrets"},
	{"redact", .take = take_flag, .field = FIELD(redact),
         .help = "Print the fingerprint of a client's certificate and nothing else of it"},
	{"debug", .take = take_flag, .field = FIELD(debug),
         .help = "Say on standard error where each program and probe is attached, and which files are not probed"},

	{.help = "What is remembered:"},
	{"keylog", .argument = "FILE", .take = take_path, .field = FIELD(keylog_file),
         .help = "With --read: decrypt TLS 1.3 handshakes with the secrets in FILE (SSLKEYLOGFILE); those in a pcapng "
                 "file "
                 "are used, too"},
	{"write", 'w', .argument = "FILE", .take = take_path, .field = FIELD(write_file),
         .help = "Write the packets of each handshake to the pcapng FILE (-: standard output, and no table)"},
	{"rotate", .argument = "SIZE|TIME", .take = take_rotate,
         .wants = "a size of 1M or more, such as 64M, or a time, such as 10m or 24h",
         .help = "With --write: begin the next of 8 files, FILE, FILE.1 to FILE.7, then FILE again"},
	{"store", .argument = "PATH", .optional = true, .take = take_store,
         .help = "Keep an inventory of services, clients and certificates in the file PATH (" STORE_PATH_DEFAULT
                 "), for the questions below"},
	{"store-limit", .argument = "SIZE", .take = take_store_limit, .wants = "a size of 1M or more, such as 512M",
         .help = "At most SIZE bytes: the oldest detail is folded first (512M)"},
	{"store-keep", .argument = "TIME", .take = take_time, .field = FIELD(store_keep_ns), .wants = TIME_WANTED,
         .help = "Delete what is older than TIME (90d)"},

	{.help = "When mtlsnoop ends (also on SIGINT and SIGTERM):"},
	{"duration", 'd', .argument = "TIME", .take = take_time, .field = FIELD(duration_ns), .wants = TIME_WANTED,
         .help = "After this time: 10, .5 (seconds), 300ms, 10m, 2h"},
	{"count", 'n', .argument = "N", .take = take_number64, .field = FIELD(count), .minimum = 1,
         .maximum = UINT64_MAX, .wants = "a number of handshakes: 1 or more", .help = "After N handshakes"},

	{.help = "Bounds:"},
	{"max-connections", .argument = "N", .take = take_number32, .field = FIELD(max_connections), .minimum = 1,
         .maximum = MAX_CONNECTIONS_MAX, .wants = "a number from 1 to 16777216",
         .help = "Follow at most N connections at once (65536)"},
	{"handshake-timeout", .argument = "TIME", .take = take_time, .field = FIELD(handshake_timeout_ns),
         .wants = TIME_WANTED, .help = "A handshake without any message for this time has ended (60)"},
	{"buffer", .argument = "SIZE", .take = take_buffer, .wants = "a size: a power of two from 64K to 1G",
         .help = "Size of the ring buffer between kernel and program: a power of two from 64K to 1G (8M)"},
	{"max-services", .argument = "N", .take = take_number32, .field = FIELD(metrics.services_max), .minimum = 1,
         .maximum = MAX_SERVICES_MAX, .wants = "a number from 1 to 1000",
         .help = "At most N servers of each role have metrics of their own (100)"},

	{.help = "Information:"},
	{"help", 'h', .take = take_help, .help = "Print this text"},
	{NULL, '?', .hidden = true, .take = take_help},
	{"usage", .take = take_usage, .help = "Print a short usage message"},
	{"version", 'V', .take = take_version, .help = "Print the version"},
};

/* Options excluding each other, by long name. */
static const struct {
	const char *one;
	const char *other;
	const char *message;
} option_conflicts[] = {
	{"trace", "json", "--trace and --json exclude each other: choose one format"},
	{"quiet", "trace", "--quiet and --trace exclude each other: --quiet prints no handshakes"},
	{"quiet", "json", "--quiet and --json exclude each other: --quiet prints no handshakes"},
	{"interface", "cgroup", "--interface and --cgroup exclude each other: packets on an interface have no cgroup"},
	{"json", "csv", "--json and --csv exclude each other: choose one format"},
	{"read", "interface", "--read and --interface exclude each other: choose a file or the live host"},
	{"read", "cgroup", "--read and --cgroup exclude each other: packets in a file have no cgroup"},
	{"read", "duration", "--read and --duration exclude each other: a file is read to its end"},
	{"read", "metrics", "--read and --metrics exclude each other: metrics are for the live host"},
	{"interface", "library", "--interface and --library exclude each other: forwarded traffic has no process here"},
	{"interface", "pid", "--interface and --pid exclude each other: a packet on a device has no process"},
	{"interface", "unit", "--interface and --unit exclude each other: a packet on a device has no process"},
	{"interface", "container",
         "--interface and --container exclude each other: a packet on a device has no process"},
	{"interface", "pod", "--interface and --pod exclude each other: a packet on a device has no process"},
	{"read", "unit", "--read and --unit exclude each other: packets in a file have no process"},
	{"read", "container", "--read and --container exclude each other: packets in a file have no process"},
	{"read", "pod", "--read and --pod exclude each other: packets in a file have no process"},
	{"read", "pid", "--read and --pid exclude each other: packets in a file have no process"},
	{"read", "library", "--read and --library exclude each other: packets in a file have no process"},
	{"read", "buffer", "--read and --buffer exclude each other: reading a file needs no ring buffer"},
};

static const char documentation[] =
	"For every TLS connection of this host: did the server ask the client for a certificate, what did the client "
	"answer, "
	"and how did the handshake end?"
	"\v"
	"Examples:\n"
	"  mtlsnoop -P 443           one line per handshake on port 443\n"
	"  mtlsnoop -R -t -n 1       the next handshake with a request, in full\n"
	"  mtlsnoop 'role == server and requested and not trusted'\n"
	"  mtlsnoop -j --redact      JSON without the names in client certificates\n"
	"  mtlsnoop -r trace.pcapng  the handshakes in a capture file\n"
	"  mtlsnoop -q -m            metrics alone: http://" METRICS_DEFAULT "/metrics\n"
	"\n"
	"Exit status: 0 when done (also on SIGINT and SIGTERM), 1 if mtlsnoop could not start or go on, 2 if the "
	"command line is wrong, 3 if an expectation of --expect was broken in a run with -r, -d or -n.";

/* State of the parser. */
struct command_line {
	struct options *options;
	int arguments; /* how many make the expression */
	bool given[NUMBER_OF(option_rows)];
};

static int key_of(const struct option_row *row)
{
	return row->letter ?: KEY_LONG_ONLY + (int)(row - option_rows);
}

static const struct option_row *row_by_key(int key)
{
	for (size_t index = 0; index < NUMBER_OF(option_rows); index++)
		if (option_rows[index].take && key_of(&option_rows[index]) == key)
			return &option_rows[index];
	return NULL;
}

static bool is_given(const struct command_line *line, const char *name)
{
	for (size_t index = 0; index < NUMBER_OF(option_rows); index++)
		if (option_rows[index].name && !strcmp(option_rows[index].name, name))
			return line->given[index];
	return false;
}

static void check_conflicts(const struct argp_state *state, const struct command_line *line)
{
	for (size_t index = 0; index < NUMBER_OF(option_conflicts); index++)
		if (is_given(line, option_conflicts[index].one) && is_given(line, option_conflicts[index].other))
			argp_error(state, "%s", option_conflicts[index].message);
	if (is_given(line, "web-config") && !is_given(line, "metrics") && !is_given(line, "check"))
		argp_error(state, "--web-config needs --metrics: give both");
	if (is_given(line, "keylog") && !is_given(line, "read"))
		argp_error(state, "--keylog needs --read: the secrets are for a capture file");
	if (is_given(line, "rotate") && !is_given(line, "write"))
		argp_error(state, "--rotate needs --write: it begins the files of that option");
}

/* The probable option of a surplus argument, if any; a text that fits no option is an expression. */
static void refuse_argument(const struct argp_state *state, const char *text)
{
	struct port_range ports;
	struct sockaddr_storage address;

	if (!option_ports(text, &ports))
		argp_error(state, "unexpected argument '%s' (did you mean -P %s?)", text, text);
	else if (!option_address(text, &address))
		argp_error(state, "unexpected argument '%s' (did you mean -m%s, without a space?)", text, text);
	else if (!access(text, F_OK))
		argp_error(state, "unexpected argument '%s' (did you mean -r %s?)", text, text);
	else if (if_nametoindex(text))
		argp_error(state, "unexpected argument '%s' (did you mean -i %s?)", text, text);
}

/* Words of an expression that no quotes keep together. */
static void take_argument(const struct argp_state *state, struct command_line *line, const char *text)
{
	char *whole;

	if (asprintf(&whole, line->arguments ? "%s %s" : "%s%s", line->options->expression ?: "", text) < 0)
		argp_failure(state, EXIT_FAILURE, ENOMEM, "the expression");
	free(line->options->expression);
	line->options->expression = whole;
	line->arguments++;
}

static void compile_filter(const struct argp_state *state, const struct command_line *line)
{
	struct options *options = line->options;
	char text[FILTER_ERROR_TEXT_MAX];
	struct filter_error error;
	int status = options_filter_compile(options, &error);

	if (status == -ENOMEM)
		argp_failure(state, EXIT_FAILURE, ENOMEM, "the expression");
	if (!status && (options->read_file || options->interfaces) && filter_needs_attribution(options->filter))
		log_warning("%s have no process: process, user, unit, container, pod and namespace are null in the "
		            "expression",
		            options->read_file ? "packets in a file" : "packets on an interface");
	if (!status)
		return;
	/* a single word may be the value of a forgotten option */
	if (line->arguments == 1)
		refuse_argument(state, options->expression);
	filter_error_text(text, options->expression ?: "", &error);
	text[strlen(text) - 1] = '\0';
	argp_error(state, "%s", text);
}

static error_t take_option(int key, char *text, struct argp_state *state)
{
	const struct option_row *row = row_by_key(key);
	struct command_line *line = state->input;
	const struct option_input input = {.row = row, .state = state, .text = text, .options = line->options};

	if (row) {
		line->given[row - option_rows] = true;
		row->take(&input);
		return 0;
	}
	switch (key) {
	case ARGP_KEY_ARG:
		take_argument(state, line, text);
		return 0;
	case ARGP_KEY_END:
		check_conflicts(state, line);
		compile_filter(state, line);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The rows in argp's own form; the last of them is zero. */
static void fill_argp_options(struct argp_option options[static NUMBER_OF(option_rows) + 1])
{
	int group = 0;

	for (size_t index = 0; index < NUMBER_OF(option_rows); index++) {
		const struct option_row *row = &option_rows[index];

		if (!row->take)
			group++;
		options[index] = (struct argp_option){
			.name = row->name,
			.key = row->take ? key_of(row) : 0,
			.arg = row->argument,
			.flags = (row->optional ? OPTION_ARG_OPTIONAL : 0) |
		                 (row->hidden ? OPTION_HIDDEN | OPTION_ALIAS : 0),
			.doc = row->help,
			.group = group,
		};
	}
}

/* The word of a command, if present. */
static void take_command(int *argc, char **argv, struct options *options)
{
	static const char *const words[] = {"services", "clients",    "certificates", "failures",
	                                    "changes",  "handshakes", "top",          NULL};
	int word = options_take_word(argc, argv, words);

	if (word < 0)
		return;
	options->question = question_of_name(words[word]);
	options->command = options->question < QUESTIONS ? COMMAND_ASK : COMMAND_TOP;
}

void options_parse(int argc, char **argv, struct options *options)
{
	struct argp_option argp_options[NUMBER_OF(option_rows) + 1] = {};
	const struct argp argp = {
		.options = argp_options, .parser = take_option, .args_doc = "[EXPRESSION]", .doc = documentation};
	struct command_line line = {.options = options};

	*options = (struct options){
		.max_connections = MAX_CONNECTIONS_DEFAULT,
		.handshake_timeout_ns = HANDSHAKE_TIMEOUT_DEFAULT * NANOSECONDS_PER_SECOND,
		.buffer_bytes = BUFFER_DEFAULT,
		.metrics = {.services_max = MAX_SERVICES_DEFAULT},
	};
	take_command(&argc, argv, options);
	fill_argp_options(argp_options);
	argp_err_exit_status = EXIT_USAGE;
	errno = argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, &line);
	if (errno)
		err(EXIT_FAILURE, "cannot read the command line");
	if (options->command == COMMAND_ASK && !options->read_file && !options->store)
		options->store = STORE_PATH_DEFAULT;
	/* the answer has so many rows; the capture is read to its end */
	if (options->command == COMMAND_ASK) {
		options->rows = options->count < UINT32_MAX ? options->count : UINT32_MAX;
		options->count = 0;
	}
	options->format = options->trace ? FORMAT_LADDER : options->json ? FORMAT_JSON : FORMAT_TABLE;
}

/* How many arguments -r FILE takes at the beginning: -r FILE, -rFILE, --read FILE, --read=FILE. */
static int read_arguments(int argc, char **argv)
{
	static const char with_value[] = "--read=";

	if (argc < 2)
		return 0;
	if (!strcmp(argv[1], "-r") || !strcmp(argv[1], "--read"))
		return argc > 2 ? 2 : 0;
	return !strncmp(argv[1], "-r", 2) || !strncmp(argv[1], with_value, sizeof(with_value) - 1);
}

int options_take_word(int *argc, char **argv, const char *const words[])
{
	int place = 1 + read_arguments(*argc, argv);

	if (place >= *argc)
		return -1;
	for (int word = 0; words[word]; word++) {
		if (strcmp(argv[place], words[word]))
			continue;
		memmove(&argv[place], &argv[place + 1], (*argc - place) * sizeof(*argv));
		--*argc;
		return word;
	}
	return -1;
}

void options_release(struct options *options)
{
	filter_free(options->filter);
	filter_free(options->counted);
	free(options->expression);
	options->filter = NULL;
	options->counted = NULL;
	options->expression = NULL;
}

bool options_want_process(const struct options *options, const struct handshake *handshake)
{
	if (!options->process)
		return true;
	if (handshake->writer.process)
		return handshake->writer.followed || handshake->writer.process == options->process;
	return handshake->process.id == options->process || handshake->owner.id == options->process;
}
