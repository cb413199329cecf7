// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "options.h"
#include "options_filter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	ARGUMENTS_MAX = 80,
	ARGUMENT_MAX = 64,
	OUTPUT_MAX = 8192,
	STATUS_RETURNED = 99, /* options_parse() came back instead of exiting */
};

/* A command line, made from one string: arguments are separated by a space; '' is an empty one. */
struct arguments {
	int count;
	char text[ARGUMENTS_MAX][ARGUMENT_MAX];
	char *vector[ARGUMENTS_MAX + 1];
};

static void add_argument(struct arguments *arguments, const char *text, size_t length)
{
	assert_in_range(arguments->count, 0, ARGUMENTS_MAX - 1);
	assert_in_range(length, 0, ARGUMENT_MAX - 1);
	if (length == 2 && !strncmp(text, "''", length))
		length = 0;
	memcpy(arguments->text[arguments->count], text, length);
	arguments->text[arguments->count][length] = '\0';
	arguments->vector[arguments->count] = arguments->text[arguments->count];
	arguments->vector[++arguments->count] = NULL;
}

static struct arguments *split(struct arguments *arguments, const char *line)
{
	size_t length;

	arguments->count = 0;
	add_argument(arguments, "mtlsnoop", strlen("mtlsnoop"));
	for (; *line; line += length + (line[length] == ' ')) {
		length = strcspn(line, " ");
		add_argument(arguments, line, length);
	}
	return arguments;
}

/* Paths in the result live as long as arguments. */
static struct options parse(struct arguments *arguments, const char *line)
{
	static struct options options;

	options_release(&options);

	memset(&options, 0xa5, sizeof(options));
	split(arguments, line);
	options_parse(arguments->count, arguments->vector, &options);
	return options;
}

/* What a command line does that ends the process. */
struct outcome {
	int status;
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
};

static void read_back(FILE *file, char text[OUTPUT_MAX])
{
	size_t length;

	rewind(file);
	length = fread(text, 1, OUTPUT_MAX - 1, file);
	text[length] = '\0';
	fclose(file);
}

static void parse_in_child(struct arguments *arguments, FILE *out, FILE *err)
{
	struct options options;

	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(err), STDERR_FILENO);
	options_parse(arguments->count, arguments->vector, &options);
	_exit(STATUS_RETURNED);
}

static struct outcome run(const char *line)
{
	FILE *out = tmpfile(), *err = tmpfile();
	struct arguments arguments;
	struct outcome outcome;
	int status;
	pid_t pid;

	assert_non_null(out);
	assert_non_null(err);
	split(&arguments, line);
	fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		parse_in_child(&arguments, out, err);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	outcome.status = WEXITSTATUS(status);
	read_back(out, outcome.out);
	read_back(err, outcome.err);
	return outcome;
}

static void assert_contains(const char *text, const char *wanted, const char *line)
{
	if (!strstr(text, wanted))
		fail_msg("'%s': expected to read '%s' in:\n%s", line, wanted, text);
}

/* Refused: status 2, nothing on standard output, and a first line on standard error with these words. */
static void assert_refused(const char *line, const char *wanted, const char *also)
{
	struct outcome outcome = run(line);

	if (outcome.status != 2)
		fail_msg("'%s': exit status %d, expected 2:\n%s", line, outcome.status, outcome.err);
	assert_string_equal(outcome.out, "");
	assert_int_equal(strncmp(outcome.err, "mtlsnoop: ", strlen("mtlsnoop: ")), 0);
	outcome.err[strcspn(outcome.err, "\n")] = '\0';
	assert_contains(outcome.err, wanted, line);
	assert_contains(outcome.err, also, line);
}

static void defaults(void **state)
{
	struct arguments arguments;
	struct options options = parse(&arguments, "");

	(void)state;
	assert_null(options.cgroup);
	assert_int_equal(options.library, LIBRARY_AUTO);
	assert_int_equal(options.interfaces, 0);
	assert_null(options.read_file);
	assert_int_equal(options.ports, 0);
	assert_false(options.requested_only);
	assert_false(options.quiet);
	assert_false(options.redact);
	assert_int_equal(options.format, FORMAT_TABLE);
	assert_int_equal(options.duration_ns, 0);
	assert_int_equal(options.count, 0);
	assert_int_equal(options.max_connections, 65536);
	assert_int_equal(options.handshake_timeout_ns, 60000000000);
	assert_int_equal(options.buffer_bytes, 8388608);
}

static void assert_range(const struct options *options, uint32_t index, uint16_t first, uint16_t last)
{
	assert_true(index < options->ports);
	assert_int_equal(options->port[index].first, first);
	assert_int_equal(options->port[index].last, last);
}

static void short_options(void **state)
{
	struct arguments arguments;
	struct options options = parse(&arguments, "-g /sys/fs/cgroup/a -P 443 -P8443 -Rt -d 2.5 -n 7");

	(void)state;
	assert_string_equal(options.cgroup, "/sys/fs/cgroup/a");
	assert_int_equal(options.ports, 2);
	assert_range(&options, 0, 443, 443);
	assert_range(&options, 1, 8443, 8443);
	assert_true(options.requested_only);
	assert_int_equal(options.format, FORMAT_LADDER);
	assert_int_equal(options.duration_ns, 2500000000);
	assert_int_equal(options.count, 7);
	assert_false(options.quiet);
}

static void long_options(void **state)
{
	struct arguments arguments;
	struct options options =
		parse(&arguments, "--read=a.pcap --port=1 --port 65535 --requested --json --redact --count=1 "
	                          "--max-connections=10 --handshake-timeout=0.5");

	(void)state;
	assert_string_equal(options.read_file, "a.pcap");
	assert_int_equal(options.ports, 2);
	assert_range(&options, 0, 1, 1);
	assert_range(&options, 1, 65535, 65535);
	assert_true(options.requested_only);
	assert_true(options.redact);
	assert_int_equal(options.format, FORMAT_JSON);
	assert_int_equal(options.count, 1);
	assert_int_equal(options.max_connections, 10);
	assert_int_equal(options.handshake_timeout_ns, 500000000);

	options = parse(&arguments, "--interface=eth0 -i any -i fifteen-bytes-x");
	assert_int_equal(options.interfaces, 3);
	assert_string_equal(options.interface[0], "eth0");
	assert_string_equal(options.interface[1], "any");
	assert_string_equal(options.interface[2], "fifteen-bytes-x");
	options = parse(&arguments, "--cgroup=/x --trace --duration=3 --buffer=1M");
	assert_string_equal(options.cgroup, "/x");
	assert_int_equal(options.format, FORMAT_LADDER);
	assert_int_equal(options.duration_ns, 3000000000);
	assert_int_equal(options.buffer_bytes, 1048576);

	options = parse(&arguments, "--quiet -r -");
	assert_true(options.quiet);
	assert_string_equal(options.read_file, "-");
}

static void seconds(void **state)
{
	static const struct {
		const char *line;
		uint64_t nanoseconds;
	} accepted[] = {
		{"-d 1", 1000000000},
		{"-d 0.25", 250000000},
		{"-d 0.000000001", 1},
		{"-d 010.10", 10100000000},
		{"-d 1000000000", 1000000000000000000},
		{"-d 0.999999999", 999999999},
		{"-d .3", 300000000},
		{"-d 1s", 1000000000},
		{"-d 10m", 600000000000},
		{"-d 1.5h", 5400000000000},
		{"-d 2d", 172800000000000},
		{"-d 300ms", 300000000},
		{"-d 1.5us", 1500},
		{"-d 7ns", 7},
		{"-d 1000000000000000000ns", 1000000000000000000},
		{"--handshake-timeout=1m -d .5m", 30000000000},
	};
	struct arguments arguments;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		assert_int_equal(parse(&arguments, accepted[i].line).duration_ns, accepted[i].nanoseconds);
}

static void buffer_sizes(void **state)
{
	static const struct {
		const char *line;
		uint32_t bytes;
	} accepted[] = {
		{"--buffer=65536", 65536},   {"--buffer=64K", 65536},        {"--buffer=1024K", 1048576},
		{"--buffer=16M", 16777216},  {"--buffer=1024M", 1073741824}, {"--buffer=1073741824", 1073741824},
		{"--buffer=1G", 1073741824},
	};
	struct arguments arguments;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		assert_int_equal(parse(&arguments, accepted[i].line).buffer_bytes, accepted[i].bytes);
}

static void assert_metrics(const char *line, int family, const char *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN] = "?";
	struct arguments arguments;
	struct options options = parse(&arguments, line);
	const struct sockaddr_in6 *ipv6 = (const void *)&options.metrics.address;
	const struct sockaddr_in *ipv4 = (const void *)&options.metrics.address;

	assert_int_equal(options.metrics.address.ss_family, family);
	inet_ntop(family, family == AF_INET ? (const void *)&ipv4->sin_addr : &ipv6->sin6_addr, text, sizeof(text));
	assert_string_equal(text, address);
	assert_int_equal(ntohs(family == AF_INET ? ipv4->sin_port : ipv6->sin6_port), port);
}

static void files(void **state)
{
	struct arguments arguments;
	struct options options = parse(&arguments, "-m");

	(void)state;
	assert_null(options.expect_file);
	assert_null(options.web_config_file);
	options = parse(&arguments, "--expect=policy -m --web-config web.yml");
	assert_string_equal(options.expect_file, "policy");
	assert_string_equal(options.web_config_file, "web.yml");
	options = parse(&arguments, "-r a.pcap --expect=policy");
	assert_string_equal(options.expect_file, "policy");
}

static void metrics(void **state)
{
	struct arguments arguments;
	struct options options = parse(&arguments, "");

	(void)state;
	assert_int_equal(options.metrics.address.ss_family, AF_UNSPEC);
	assert_int_equal(options.metrics.services_max, 100);
	assert_metrics("-m", AF_INET, "127.0.0.1", 9813);
	assert_metrics("--metrics", AF_INET, "127.0.0.1", 9813);
	assert_metrics("-m0.0.0.0:80", AF_INET, "0.0.0.0", 80);
	assert_metrics("--metrics=192.0.2.7:65535", AF_INET, "192.0.2.7", 65535);
	assert_metrics("--metrics=[::1]:9813", AF_INET6, "::1", 9813);
	assert_metrics("-m[::]:1", AF_INET6, "::", 1);
	assert_metrics("-m9814", AF_INET, "127.0.0.1", 9814);
	assert_metrics("-m:9814", AF_INET, "127.0.0.1", 9814);
	assert_metrics("--metrics=9814", AF_INET, "127.0.0.1", 9814);
	assert_metrics("--metrics=:65535", AF_INET, "127.0.0.1", 65535);
	assert_metrics("-m[2001:db8:ffff:ffff:ffff:ffff:255.255.255.255]:65535", AF_INET6,
	               "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
	options = parse(&arguments, "-q -m --max-services=1000");
	assert_true(options.quiet);
	assert_int_equal(options.metrics.services_max, 1000);
}

static bool want_ports(const struct options *options, uint16_t server, uint16_t client)
{
	const struct handshake handshake = {.server.port = server, .client.port = client};

	return filter_match(options->filter, &handshake, 0);
}

static void wanted_ports(void **state)
{
	struct arguments arguments;
	struct options options = parse(&arguments, "-P 443 -P 8443");

	(void)state;
	assert_true(want_ports(&options, 443, 50000));
	assert_true(want_ports(&options, 50000, 8443));
	assert_false(want_ports(&options, 50000, 50001));
	options = parse(&arguments, "");
	assert_true(want_ports(&options, 50000, 50001));
}

static void lists_of_ports(void **state)
{
	struct arguments arguments;
	struct options options = parse(&arguments, "-P 443,8443,8000-8100,https -P 9000 -P ldaps,1-65535");

	(void)state;
	assert_int_equal(options.ports, 7);
	assert_range(&options, 0, 443, 443);
	assert_range(&options, 1, 8443, 8443);
	assert_range(&options, 2, 8000, 8100);
	assert_range(&options, 3, 443, 443);
	assert_range(&options, 4, 9000, 9000);
	assert_range(&options, 5, 636, 636);
	assert_range(&options, 6, 1, 65535);
	options = parse(&arguments, "-P 8000-8100");
	assert_true(want_ports(&options, 8000, 1));
	assert_true(want_ports(&options, 1, 8100));
	assert_true(want_ports(&options, 8050, 1));
	assert_false(want_ports(&options, 7999, 8101));
	options = parse(&arguments, "-P 443-443");
	assert_range(&options, 0, 443, 443);
}

static void largest_numbers(void **state)
{
	struct arguments arguments;
	struct options options = parse(&arguments, "-n 18446744073709551615 --max-connections=16777216");

	(void)state;
	assert_true(options.count == UINT64_MAX);
	assert_int_equal(options.max_connections, 16777216);
}

/* What is refused, whatever the option: the offending text is shown. */
static void values_refused(void **state)
{
	static const struct {
		const char *line;
		const char *option;
		const char *text;
	} refused[] = {
		{"-p ''", "--pid", "''"},
		{"-p 0", "--pid", "'0'"},
		{"-p -1", "--pid", "'-1'"},
		{"-p 12x", "--pid", "'12x'"},
		{"-p 4194305", "--pid", "'4194305'"},
		{"-p 18446744073709551617", "--pid", "'18446744073709551617'"}, /* 2^64 + 1 */
		{"-P ''", "--port", "''"},
		{"-P 0", "--port", "'0'"},
		{"-P 65536", "--port", "'65536'"},
		{"-P -1", "--port", "'-1'"},
		{"-P +443", "--port", "'+443'"},
		{"-P 443x", "--port", "'443x'"},
		{"-P 0x1bb", "--port", "'0x1bb'"},
		{"-P no-such-service", "--port", "'no-such-service'"},
		{"-P 443,", "--port", "''"},
		{"-P ,443", "--port", "''"},
		{"-P 443,0", "--port", "'0'"},
		{"-P 443,8443x", "--port", "'8443x'"},
		{"-P 8100-8000", "--port", "'8100-8000'"},
		{"-P 8000-", "--port", "'8000-'"},
		{"-P 8000-65536", "--port", "'8000-65536'"},
		{"-P 8000-8100-8200", "--port", "'8000-8100-8200'"},
		{"-P 0-443", "--port", "'0-443'"},
		{"-P https-8443", "--port", "'https-8443'"},
		{"-P 4.43", "--port", "'4.43'"},
		{"-P 18446744073709552059", "--port", "'18446744073709552059'"}, /* 2^64 + 443 */
		{"-n 0", "--count", "'0'"},
		{"-n -5", "--count", "'-5'"},
		{"-n 5,6", "--count", "'5,6'"},
		{"-n 18446744073709551616", "--count", "'18446744073709551616'"},
		{"--count=", "--count", "''"},
		{"-d 0", "--duration", "'0'"},
		{"-d 0.0", "--duration", "'0.0'"},
		{"-d ''", "--duration", "''"},
		{"-d -1", "--duration", "'-1'"},
		{"-d s", "--duration", "'s'"},
		{"-d 1S", "--duration", "'1S'"},
		{"-d 1sec", "--duration", "'1sec'"},
		{"-d 1m30s", "--duration", "'1m30s'"},
		{"-d 0.1ns", "--duration", "'0.1ns'"},
		{"-d 11574.1d", "--duration", "'11574.1d'"},
		{"-d 1000000000000000001ns", "--duration", "'1000000000000000001ns'"},
		{"-d 1.", "--duration", "'1.'"},
		{"-d .", "--duration", "'.'"},
		{"-d .m", "--duration", "'.m'"},
		{"-d 1.5.5", "--duration", "'1.5.5'"},
		{"-d 1.-5", "--duration", "'1.-5'"},
		{"-d 1e3", "--duration", "'1e3'"},
		{"-d nan", "--duration", "'nan'"},
		{"-d inf", "--duration", "'inf'"},
		{"-d 0.0000000001", "--duration", "'0.0000000001'"},
		{"-d 1000000001", "--duration", "'1000000001'"},
		{"-d 18446744074", "--duration", "'18446744074'"}, /* 2^64 ns */
		{"--handshake-timeout=0", "--handshake-timeout", "'0'"},
		{"--handshake-timeout=x", "--handshake-timeout", "'x'"},
		{"--max-connections=0", "--max-connections", "'0'"},
		{"--max-connections=16777217", "--max-connections", "'16777217'"},
		{"--max-connections=4294967297", "--max-connections", "'4294967297'"},
		{"--max-connections=-1", "--max-connections", "'-1'"},
		{"--buffer=", "--buffer", "''"},
		{"--buffer=M", "--buffer", "'M'"},
		{"--buffer=0", "--buffer", "'0'"},
		{"--buffer=32K", "--buffer", "'32K'"},
		{"--buffer=3M", "--buffer", "'3M'"},
		{"--buffer=65537", "--buffer", "'65537'"},
		{"--buffer=2048M", "--buffer", "'2048M'"},
		{"--buffer=4294967296M", "--buffer", "'4294967296M'"},
		{"--buffer=17592186044416M", "--buffer", "'17592186044416M'"}, /* 2^64 bytes */
		{"--buffer=8MB", "--buffer", "'8MB'"},
		{"--buffer=8G", "--buffer", "'8G'"},
		{"--buffer=2G", "--buffer", "'2G'"},
		{"--buffer=1T", "--buffer", "'1T'"},
		{"--buffer=-8M", "--buffer", "'-8M'"},
		{"--metrics=", "--metrics", "''"},
		{"--expect=", "--expect", "''"},
		{"--web-config= -m", "--web-config", "''"},
		{"--metrics=0", "--metrics", "'0'"},
		{"--metrics=65536", "--metrics", "'65536'"},
		{"--metrics=:", "--metrics", "':'"},
		{"--metrics=::9813", "--metrics", "'::9813'"},
		{"--metrics=:0", "--metrics", "':0'"},
		{"--metrics=127.0.0.1", "--metrics", "'127.0.0.1'"},
		{"--metrics=127.0.0.1:", "--metrics", "'127.0.0.1:'"},
		{"--metrics=127.0.0.1:0", "--metrics", "'127.0.0.1:0'"},
		{"--metrics=127.0.0.1:65536", "--metrics", "'127.0.0.1:65536'"},
		{"--metrics=127.0.0.1:-1", "--metrics", "'127.0.0.1:-1'"},
		{"--metrics=127.0.0.1:9813x", "--metrics", "'127.0.0.1:9813x'"},
		{"--metrics=127.1:9813", "--metrics", "'127.1:9813'"},
		{"--metrics=256.0.0.1:9813", "--metrics", "'256.0.0.1:9813'"},
		{"--metrics=localhost:9813", "--metrics", "'localhost:9813'"},
		{"--metrics=::1:9813", "--metrics", "'::1:9813'"},
		{"--metrics=[::1]", "--metrics", "'[::1]'"},
		{"--metrics=[::1:9813", "--metrics", "'[::1:9813'"},
		{"--metrics=[::1]x:9813", "--metrics", "'[::1]x:9813'"},
		{"--metrics=[127.0.0.1]:9813", "--metrics", "'[127.0.0.1]:9813'"},
		{"--metrics=[]:9813", "--metrics", "'[]:9813'"},
		{"--metrics=[:9813", "--metrics", "'[:9813'"},
		{"--metrics=[0000:0000:0000:0000:0000:0000:0000:0000:0000]:1", "--metrics", "0000]:1'"},
		{"--max-services=0", "--max-services", "'0'"},
		{"--max-services=1001", "--max-services", "'1001'"},
		{"--max-services=x", "--max-services", "'x'"},
		{"-g ''", "--cgroup", "''"},
		{"-i ''", "--interface", "''"},
		{"-i a/b", "--interface", "'a/b'"},
		{"-i a:b", "--interface", "'a:b'"},
		{"-i sixteen-bytes-xx", "--interface", "'sixteen-bytes-xx'"},
		{"--read=", "--read", "''"},
		{"-L ''", "--library", "''"},
		{"--library=on", "--library", "'on'"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_refused(refused[i].line, refused[i].option, refused[i].text);
}

static void libraries(void **state)
{
	struct arguments arguments;
	struct options options = parse(&arguments, "-L off");

	(void)state;
	assert_int_equal(options.library, LIBRARY_OFF);
	options = parse(&arguments, "-L off --library=./auto");
	assert_int_equal(options.library, LIBRARY_PATH);
	assert_string_equal(options.library_path, "./auto");
	options = parse(&arguments, "-L /a.so -L auto");
	assert_int_equal(options.library, LIBRARY_AUTO);
	assert_null(options.library_path);
	options = parse(&arguments, "-L off --library=auto+static");
	assert_int_equal(options.library, LIBRARY_AUTO_STATIC);
}

static void usage_refused(void **state)
{
	static const struct {
		const char *line;
		const char *one;
		const char *other;
	} refused[] = {
		{"-t -j", "--trace", "--json"},
		{"-j -t", "--trace", "--json"},
		{"-q -t", "--quiet", "--trace"},
		{"-jq", "--quiet", "--json"},
		{"-r a.pcap -g /sys/fs/cgroup", "--read", "--cgroup"},
		{"-i eth0 -g /sys/fs/cgroup", "--interface", "--cgroup"},
		{"-r a.pcap --interface=any", "--read", "--interface"},
		{"-r a.pcap -L off", "--read", "--library"},
		{"-i any -L /a.so", "--interface", "--library"},
		{"-d 5 -r a.pcap", "--read", "--duration"},
		{"-r a.pcap --buffer=1M", "--read", "--buffer"},
		{"-r a.pcap -m", "--read", "--metrics"},
		{"--web-config=web.yml", "--web-config", "--metrics"},
		{"--metrics=[::1]:9813 -r a.pcap", "--read", "--metrics"},
		{"443", "'443'", "unexpected argument"},
		{"443", "(did you mean -P 443?)", "'443'"},
		{"8000-8100", "(did you mean -P 8000-8100?)", "'8000-8100'"},
		{"-t eth0", "'eth0'", "mtlsnoop"},
		{"-t frobnicate", "unknown field", "'frobnicate'"},
		{"-r a.pcap -u x", "--read", "--unit"},
		{"-i lo --pod=x", "--interface", "--pod"},
		{"-t role server", "unexpected 'server'", "expected a comparison"},
		{"role == peer", "'peer' is no value of role", "expected server, client, observer"},
		{"-u ''", "--unit", "''"},
		{"-c ''", "--container", "''"},
		{"--pod=", "--pod", "''"},
		{"lo", "'lo'", "(did you mean -i lo?)"},
		{"/dev/null", "'/dev/null'", "(did you mean -r /dev/null?)"},
		{"-- -t", "unexpected '-'", "expected a field"},
		{"-P", "option requires an argument", "P"},
		{"--json=x", "doesn't allow an argument", "--json"},
		{"--nonsense", "unrecognized option", "--nonsense"},
		{"-p", "option requires an argument", "p"},
		{"-p 1 -r a.pcap", "--read", "--pid"},
		{"-i eth0 -p 1", "--interface", "--pid"},
		{"-m 127.0.0.1:9813", "'127.0.0.1:9813'", "argument"},
		{"-m 127.0.0.1:9813", "(did you mean -m127.0.0.1:9813", "argument"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_refused(refused[i].line, refused[i].one, refused[i].other);
}

static void ports_are_bounded(void **state)
{
	char line[OPTIONS_PORTS_MAX * sizeof("-P65535 ") + sizeof("-P9999")] = "";
	struct arguments arguments;
	struct options options;
	size_t i, length = 0;

	(void)state;
	for (i = 0; i < OPTIONS_PORTS_MAX; i++)
		length += sprintf(line + length, "%s-P%zu", i ? " " : "", i + 1);
	options = parse(&arguments, line);
	assert_int_equal(options.ports, OPTIONS_PORTS_MAX);
	assert_range(&options, OPTIONS_PORTS_MAX - 1, OPTIONS_PORTS_MAX, OPTIONS_PORTS_MAX);

	strcpy(line + length, " -P9999");
	assert_refused(line, "--port", "'9999'");
}

static void expect_short_form(const char *line, const char *expected)
{
	struct arguments arguments;
	struct options options = parse(&arguments, line);
	char *text = options_filter_text(&options);

	assert_string_equal(text, expected);
	free(text);
}

static void short_forms_are_expressions(void **state)
{
	(void)state;
	expect_short_form("", "");
	expect_short_form("-R", "requested");
	expect_short_form("-P 443", "(server.port in {443} or client.port in {443})");
	expect_short_form("-R -P 443,8000-8100",
	                  "(server.port in {443, 8000..8100} or client.port in {443, 8000..8100}) and requested");
	expect_short_form("-u nginx -u a.socket --unit=a\\x2db.service",
	                  "unit in {\"nginx.service\", \"a.socket\", \"a\\\\x2db.service\"}");
	expect_short_form("-c 0123abcd", "container matches \"0123abcd*\"");
	expect_short_form("-c a* -c b\"", "(container matches \"a\\\\**\" or container matches \"b\\\"*\")");
	expect_short_form("--pod shop/cart", "(namespace == \"shop\" and pod == \"cart\")");
	expect_short_form("--pod cart --pod a/b", "(pod == \"cart\" or (namespace == \"a\" and pod == \"b\"))");
	expect_short_form("-u \x1b\xff", "unit in {\"\\x1b\\xff.service\"}");
}

static void expect_match(const char *line, const struct handshake *handshake, bool expected)
{
	struct arguments arguments;
	struct options options = parse(&arguments, line);

	if (filter_match(options.filter, handshake, 0) != expected)
		fail_msg("%s: expected %d", line, expected);
}

static void short_forms_and_the_expression_hold_together(void **state)
{
	const struct attribution attribution = {
		.unit = "nginx.service", .container = "0123*abcd", .pod = "cart", .pod_namespace = "shop"};
	const struct handshake handshake = {
		.role = ROLE_SERVER, .server.port = 443, .verdict.requested = KNOWN_YES, .attribution = &attribution};

	(void)state;
	expect_match("-u nginx -c 0123* --pod shop/cart -P 443 -R role == server", &handshake, true);
	expect_match("-u nginx role == client or role == server", &handshake, true);
	expect_match("-u apache2 role == client or role == server", &handshake, false);
	expect_match("-P 444 role == server or requested", &handshake, false);
	expect_match("-c 0123a", &handshake, false);
	expect_match("-c 0123? -u nginx", &handshake, false);
	expect_match("--pod cart -u apache2 -u nginx.service", &handshake, true);
	expect_match("--pod other/cart", &handshake, false);
}

static void errors_of_an_expression_have_a_caret(void **state)
{
	const struct outcome outcome = run("-R role == server and verdct == x");

	(void)state;
	assert_contains(outcome.err,
	                "mtlsnoop: unknown field 'verdct' (did you mean verdict?)\n"
	                "  role == server and verdct == x\n"
	                "                     ^^^^^^\n",
	                "the whole expression");
}

static void version_is_told(void **state)
{
	struct outcome outcome = run("--version");

	(void)state;
	assert_int_equal(outcome.status, 0);
	assert_string_equal(outcome.out, "mtlsnoop " MTLSNOOP_VERSION "\n");
	assert_string_equal(outcome.err, "");
}

static void help_names_every_option(void **state)
{
	static const char *const names[] = {
		"Usage: mtlsnoop [OPTION...] [EXPRESSION]",
		"-i, --interface=IF",
		"-L, --library=auto|auto+static|off|PATH",
		"-g, --cgroup=PATH",
		"-r, --read=FILE",
		"-P, --port=PORT",
		"-R, --requested",
		"-t, --trace",
		"-j, --json",
		"-m, --metrics[=ADDR:PORT]",
		"--max-services=N",
		"-q, --quiet",
		"-d, --duration=TIME",
		"-n, --count=N",
		"-p, --pid=PID",
		"-u, --unit=UNIT",
		"-c, --container=ID",
		"--pod=NAMESPACE/NAME",
		"--command-line",
		"--redact",
		"--max-connections=N",
		"--handshake-timeout=TIME",
		"--check",
		"--buffer=SIZE",
		"-V, --version",
		"-h, --help",
		"--usage",
		"Examples:",
	};
	struct outcome outcome = run("--help");
	size_t i;

	(void)state;
	assert_int_equal(outcome.status, 0);
	assert_string_equal(outcome.err, "");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_contains(outcome.out, names[i], "--help");
}

static void help_has_short_forms(void **state)
{
	static const char *const lines[] = {"-h", "-?", "-t -h", "--help"};
	struct outcome help = run("--help"), outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		outcome = run(lines[i]);
		assert_int_equal(outcome.status, 0);
		assert_string_equal(outcome.out, help.out);
		assert_string_equal(outcome.err, "");
	}
	outcome = run("--usage");
	assert_int_equal(outcome.status, 0);
	assert_contains(outcome.out, "Usage: mtlsnoop", "--usage");
	assert_string_equal(run("-V").out, "mtlsnoop " MTLSNOOP_VERSION "\n");
}

static void help_fits_a_terminal(void **state)
{
	struct outcome outcome = run("--help");
	char *line, *place = NULL;

	(void)state;
	for (line = strtok_r(outcome.out, "\n", &place); line; line = strtok_r(NULL, "\n", &place))
		if (strlen(line) > 80)
			fail_msg("wider than a terminal: %s", line);
}

static void words_of_commands(void **state)
{
	static const char *const words[] = {"services", "top", NULL};
	static const struct {
		const char *line;
		int word;
		const char *rest; /* the arguments that stay */
	} cases[] = {
		{"services", 0, ""},
		{"top -P 443", 1, "-P 443"},
		{"-r a.pcap services -j", 0, "-r a.pcap -j"},
		{"services -r a.pcap", 0, "-r a.pcap"},
		{"-ra.pcap services", 0, "-ra.pcap"},
		{"--read=a.pcap top", 1, "--read=a.pcap"},
		{"--read a.pcap top", 1, "--read a.pcap"},
		{"", -1, ""},
		{"-r services", -1, "-r services"},
		{"-r", -1, "-r"},
		{"-j services", -1, "-j services"},
		{"service", -1, "service"},
		{"'' services", -1, "'' services"},
	};
	struct arguments arguments, rest;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		split(&rest, cases[i].rest);
		split(&arguments, cases[i].line);
		if (options_take_word(&arguments.count, arguments.vector, words) != cases[i].word)
			fail_msg("'%s': another word than %d", cases[i].line, cases[i].word);
		assert_int_equal(arguments.count, rest.count);
		assert_null(arguments.vector[arguments.count]);
		for (int index = 0; index < rest.count; index++)
			assert_string_equal(arguments.vector[index], rest.vector[index]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(short_options),
		cmocka_unit_test(long_options),
		cmocka_unit_test(seconds),
		cmocka_unit_test(buffer_sizes),
		cmocka_unit_test(metrics),
		cmocka_unit_test(files),
		cmocka_unit_test(wanted_ports),
		cmocka_unit_test(lists_of_ports),
		cmocka_unit_test(largest_numbers),
		cmocka_unit_test(values_refused),
		cmocka_unit_test(libraries),
		cmocka_unit_test(usage_refused),
		cmocka_unit_test(ports_are_bounded),
		cmocka_unit_test(short_forms_are_expressions),
		cmocka_unit_test(short_forms_and_the_expression_hold_together),
		cmocka_unit_test(errors_of_an_expression_have_a_caret),
		cmocka_unit_test(version_is_told),
		cmocka_unit_test(help_names_every_option),
		cmocka_unit_test(help_has_short_forms),
		cmocka_unit_test(help_fits_a_terminal),
		cmocka_unit_test(words_of_commands),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
