// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/standard_output.h"

#include <errno.h>
#include <fcntl.h>
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
	stream = standard_output_open(never, NULL);
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
	stream = standard_output_open(always, NULL);
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
	stream = standard_output_open(always, NULL);
	fputs("last", stream);
	closed = fclose(stream);
	restore(&redirection);
	assert_int_equal(closed, 0);
	assert_int_equal(read(redirection.reader, text, sizeof(text) - 1), 4);
	assert_string_equal(text, "last");
	close(redirection.reader);
}

/* Nobody reads: the writer goes on, and is told when it should leave records out. */
static void a_queue_does_not_wait_for_its_reader(void **state)
{
	struct standard_output_queue queue = {.max = 1 << 20};
	char record[1024], received[4096];
	struct redirection redirection;
	size_t taken = 0, left_out = 0, total = 0;
	FILE *stream;
	ssize_t length;
	int error, drained = 0;

	(void)state;
	memset(record, 'r', sizeof(record));
	redirect(&redirection);
	stream = standard_output_open(never, &queue);
	for (int number = 0; number < 4096; number++) {
		if (standard_output_is_full(&queue)) {
			left_out++;
			continue;
		}
		taken += fwrite(record, 1, sizeof(record), stream);
		drained |= fflush(stream);
	}
	/* the reader comes back: nothing that was taken is missing */
	fcntl(redirection.reader, F_SETFL, O_NONBLOCK);
	while (queue.waiting && !drained) {
		drained |= standard_output_drain(&queue);
		while ((length = read(redirection.reader, received, sizeof(received))) > 0)
			total += length;
	}
	while ((length = read(redirection.reader, received, sizeof(received))) > 0)
		total += length;
	error = standard_output_finish(&queue, never);
	fclose(stream);
	restore(&redirection);
	close(redirection.reader);
	assert_int_equal(drained, 0);
	assert_int_equal(error, 0);
	assert_true(left_out > 0);
	assert_int_equal(taken + left_out * sizeof(record), 4096 * sizeof(record));
	assert_int_equal(total, taken);
	assert_in_range(taken, queue.max, queue.max + (1 << 20));
	assert_false(standard_output_is_full(NULL));
}

/* The end of the program: the rest of the queue is written while somebody reads, and given up where nobody does. */
static void a_queue_is_finished(void **state)
{
	struct standard_output_queue queue = {.max = 1 << 20};
	struct redirection redirection;
	char *large = calloc(1, 1 << 20), text[8] = "";
	int given_up, error;
	FILE *stream;

	(void)state;
	redirect(&redirection);
	stream = standard_output_open(always, &queue);
	fwrite(large, 1, 1 << 20, stream);
	fflush(stream);
	given_up = standard_output_finish(&queue, always);
	fclose(stream);
	restore(&redirection);
	close(redirection.reader);
	redirect(&redirection);
	stream = standard_output_open(always, &queue);
	fputs("last", stream);
	fflush(stream);
	error = standard_output_finish(&queue, always);
	fclose(stream);
	restore(&redirection);
	assert_int_equal(given_up, -EAGAIN);
	assert_int_equal(error, 0);
	assert_int_equal(read(redirection.reader, text, sizeof(text) - 1), 4);
	assert_string_equal(text, "last");
	close(redirection.reader);
	free(large);
}

static void a_reader_that_is_gone_is_an_error(void **state)
{
	struct standard_output_queue queue = {.max = 1 << 20};
	struct redirection redirection;
	FILE *stream;
	int error;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	redirect(&redirection);
	close(redirection.reader);
	stream = standard_output_open(never, &queue);
	fputs("last", stream);
	error = fflush(stream) ? errno : 0;
	standard_output_finish(&queue, never);
	fclose(stream);
	restore(&redirection);
	assert_int_equal(error, EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_line_is_torn_by_signals),
		cmocka_unit_test(a_program_that_stops_does_not_wait_for_ever),
		cmocka_unit_test(what_a_reader_takes_is_written_while_it_stops),
		cmocka_unit_test(a_queue_does_not_wait_for_its_reader),
		cmocka_unit_test(a_queue_is_finished),
		cmocka_unit_test(a_reader_that_is_gone_is_an_error),
	};

	return cmocka_run_group_tests_name("standard_output", tests, NULL, NULL);
}
