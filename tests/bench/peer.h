/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * peer - what the programs here have in common. Each gets ready, says so on standard output, waits for a line on
 * standard input, measures, and prints its figures on one line: so that nothing of the setting up is measured.
 */
#ifndef PEER_H
#define PEER_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000ull

enum {
	PATIENCE_SECONDS = 60, /* a peer that hangs must not hang the whole run */
};

static inline _Noreturn void peer_die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(EXIT_FAILURE);
}

static inline uint64_t peer_clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * SECOND_NS + time.tv_nsec;
}

static inline uint64_t peer_seconds_ns(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds > 0 && seconds < PATIENCE_SECONDS)) {
		fprintf(stderr, "%s: not a number of seconds\n", text);
		exit(EXIT_FAILURE);
	}
	return seconds * SECOND_NS;
}

static inline unsigned long peer_number(const char *text, unsigned long most)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (end == text || *end || errno || number > most) {
		fprintf(stderr, "%s: not a number up to %lu\n", text, most);
		exit(EXIT_FAILURE);
	}
	return number;
}

/* Wait for a line, or the end of standard input. */
static inline void peer_wait(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
		;
}

static inline void peer_ready(void)
{
	puts("ready");
	fflush(stdout);
	peer_wait();
	signal(SIGPIPE, SIG_IGN);
	alarm(PATIENCE_SECONDS);
}

#endif /* PEER_H */
