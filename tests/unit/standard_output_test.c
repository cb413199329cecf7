// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/standard_output.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	LINES = 20000, /* more than a pipe holds */
	LINE_MAX_BYTES = 64,
	TICK_US = 500,
};

static bool never(void)
{
	return false;
}

static bool always(void)
{
	return true;
}

static void tick(int number)
{
	(void)number;
}

/* A signal that interrupts what waits, again and again; 0: no more. */
static void interrupt_every(suseconds_t microseconds)
{
	const struct sigaction action = {.sa_handler = tick};
	const struct itimerval timer = {.it_interval.tv_usec = microseconds, .it_value.tv_usec = microseconds};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Standard output is a pipe for as long as a test needs it. */
struct redirection {
	int kept;
	int reader;
};

static void redirect(struct redirection *redirection)
{
	int ends[2];

	fflush(stdout);
	assert_int_equal(pipe(ends), 0);
	redirection->kept = dup(STDOUT_FILENO);
	redirection->reader = ends[0];
	dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
}

static void restore(const struct redirection *redirection)
{
	dup2(redirection->kept, STDOUT_FILENO);
	close(redirection->kept);
}

static int line_of(char line[LINE_MAX_BYTES], int number)
{
	return snprintf(line, LINE_MAX_BYTES, "line %d of those that nothing may tear\n", number);
}

/* Reads slowly, and ends with 0 where every line came whole and in order, and nothing behind them. */
static int read_lines(int descriptor)
{
	FILE *stream = fdopen(descriptor, "r");
	char expected[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	int count = 0;

	while (fgets(line, sizeof(line), stream)) {
		line_of(expected, count);
		if (strcmp(line, expected)) {
			fprintf(stderr, "line %d is \"%s\"\n", count, line);
			return 1;
		}
		if (++count % (LINES / 50) == 0)
			usleep(2000);
	}
	if (count != LINES)
		fprintf(stderr, "%d lines of %d came\n", count, LINES);
	return count != LINES;
}

static void no_line_is_torn_by_signals(void **state)
{
	struct redirection redirection;
	char line[LINE_MAX_BYTES];
	int status = -1, wrong = 0;
	FILE *stream;
	pid_t reader;

	(void)state;
	redirect(&redirection);
	reader = fork();
	if (!reader) {
		close(STDOUT_FILENO);
		_exit(read_lines(redirection.reader));
	}
	close(redirection.reader);
	stream = standard_output_open(never);
	interrupt_every(TICK_US);
	for (int number = 0; number < LINES; number++) {
		line_of(line, number);
		wrong += fputs(line, stream) == EOF;
	}
	wrong += fclose(stream) != 0;
	interrupt_every(0);
	restore(&redirection);
	while (waitpid(reader, &status, 0) < 0 && errno == EINTR)
		;
	assert_int_equal(wrong, 0);
	assert_int_equal(status, 0);
}

static void a_program_that_stops_does_not_wait_for_ever(void **state)
{
	struct redirection redirection;
	char *large = calloc(1, 1 << 20);
	size_t taken;
	int error;
	FILE *stream;

	(void)state;
	redirect(&redirection);
	stream = standard_output_open(always);
	/* more than the pipe holds, and nobody reads */
	errno = 0;
	taken = fwrite(large, 1, 1 << 20, stream);
	error = errno;
	restore(&redirection);
	close(redirection.reader);
	fclose(stream);
	free(large);
	assert_true(taken < 1 << 20);
	assert_int_equal(error, EAGAIN);
}

static void what_a_reader_takes_is_written_while_it_stops(void **state)
{
	struct redirection redirection;
	char text[8] = "";
	FILE *stream;
	int closed;

	(void)state;
	redirect(&redirection);
	stream = standard_output_open(always);
	fputs("last", stream);
	closed = fclose(stream);
	restore(&redirection);
	assert_int_equal(closed, 0);
	assert_int_equal(read(redirection.reader, text, sizeof(text) - 1), 4);
	assert_string_equal(text, "last");
	close(redirection.reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_line_is_torn_by_signals),
		cmocka_unit_test(a_program_that_stops_does_not_wait_for_ever),
		cmocka_unit_test(what_a_reader_takes_is_written_while_it_stops),
	};

	return cmocka_run_group_tests_name("standard_output", tests, NULL, NULL);
}
