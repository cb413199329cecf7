// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/child.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	STATUS_MAX = 4096,
};

static const int no_capabilities[] = {-1};
static const int to_read[] = {CAP_DAC_READ_SEARCH, -1};

/* Answers each byte with what the kernel says of this process. */
static int tell_status(int socket, void *context)
{
	char byte, status[STATUS_MAX];

	(void)context;
	while (read(socket, &byte, 1) == 1) {
		FILE *file = fopen("/proc/self/status", "re");
		size_t length = file ? fread(status, 1, sizeof(status), file) : 0;

		if (file)
			fclose(file);
		if (send(socket, status, length, MSG_NOSIGNAL) != (ssize_t)length)
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static void ask(const struct child *child, char status[STATUS_MAX])
{
	ssize_t length;

	assert_int_equal(send(child->socket, "?", 1, MSG_NOSIGNAL), 1);
	length = recv(child->socket, status, STATUS_MAX - 1, 0);
	assert_true(length > 0);
	status[length] = '\0';
}

static void assert_field(const char *status, const char *field)
{
	if (!strstr(status, field))
		fail_msg("expected %s in:\n%s", field, status);
}

static void child_without_capabilities_has_nothing(void **state)
{
	char status[STATUS_MAX];
	struct child child;

	(void)state;
	assert_int_equal(child_start(&child, "is tested", no_capabilities, tell_status, NULL), 0);
	ask(&child, status);
	assert_field(status, "\nCapPrm:\t0000000000000000\n");
	assert_field(status, "\nCapEff:\t0000000000000000\n");
	assert_field(status, "\nNoNewPrivs:\t1\n");
	child_stop(&child);
	assert_int_equal(child.process, 0);
	child_stop(&child);
}

static void child_keeps_named_capabilities(void **state)
{
	char status[STATUS_MAX], bounding[] = "\nCapBnd:\t0000000000000000\n";
	struct child child;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(child_start(&child, "is tested", to_read, tell_status, NULL), 0);
	ask(&child, status);
	assert_field(status, "\nCapPrm:\t0000000000000004\n");
	assert_field(status, "\nCapEff:\t0000000000000004\n");
	assert_field(status, "\nCapInh:\t0000000000000000\n");
	assert_field(status, "\nCapAmb:\t0000000000000000\n");
	assert_field(status, bounding);
	if (strstr(status, "\nUid:\t0"))
		fail_msg("the child is still root");
	child_stop(&child);
}

/* A terminal or a service manager signals the group, for the parent. The end of the socket ends the child. */
static void signals_do_not_end_the_child(void **state)
{
	char status[STATUS_MAX];
	struct child child;
	int ended;

	(void)state;
	assert_int_equal(child_start(&child, "is tested", no_capabilities, tell_status, NULL), 0);
	ask(&child, status);
	assert_int_equal(kill(child.process, SIGINT) | kill(child.process, SIGTERM) | kill(child.process, SIGHUP), 0);
	ask(&child, status);
	shutdown(child.socket, SHUT_RDWR);
	assert_int_equal(waitpid(child.process, &ended, 0), child.process);
	assert_true(WIFEXITED(ended));
	assert_int_equal(WEXITSTATUS(ended), EXIT_SUCCESS);
	close(child.socket);
}

/* Whoever waits for the end of a file that was open before must not wait for the child. */
static void child_holds_no_files(void **state)
{
	char status[STATUS_MAX], byte;
	struct child child;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(child_start(&child, "is tested", no_capabilities, tell_status, NULL), 0);
	ask(&child, status);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	child_stop(&child);
}

/* Reads no socket, as a process that hangs in a file of a dead server. */
static int hang(int socket, void *context)
{
	(void)context;
	while (write(socket, "!", 1) == 1)
		for (;;)
			pause();
	return EXIT_FAILURE;
}

static void tick(int number)
{
	(void)number;
}

/* However often a signal interrupts the wait. */
static void child_that_hangs_does_not_hold_up_the_end(void **state)
{
	const struct sigaction action = {.sa_handler = tick};
	const struct itimerval often = {.it_interval.tv_usec = 20000, .it_value.tv_usec = 20000}, never = {};
	struct timespec before, after;
	struct child child;
	char byte;
	pid_t process;
	int result;

	(void)state;
	assert_int_equal(child_start(&child, "hangs", no_capabilities, hang, NULL), 0);
	process = child.process;
	assert_int_equal(read(child.socket, &byte, 1), 1);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	clock_gettime(CLOCK_MONOTONIC, &before);
	result = child_stop(&child);
	clock_gettime(CLOCK_MONOTONIC, &after);
	setitimer(ITIMER_REAL, &never, NULL);
	assert_int_equal(result, -ETIMEDOUT);
	assert_in_range(after.tv_sec - before.tv_sec, 1, 2 * CHILD_PATIENCE_MS / 1000);
	assert_int_equal(child.process, 0);
	/* the child dies with its parent; here the test ends the child */
	assert_int_equal(kill(process, 0), 0);
	kill(process, SIGKILL);
	assert_int_equal(waitpid(process, NULL, 0), process);
}

static void child_that_hangs_dies_with_its_parent(void **state)
{
	char byte;
	int ends[2];
	pid_t parent;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	parent = fork();
	if (!parent) {
		struct child child;
		const struct child_options options = {
			.purpose = "hangs", .work = hang, .capabilities = no_capabilities, .keeps_files = true};

		if (child_start_with(&child, &options) || read(child.socket, &byte, 1) != 1)
			_exit(EXIT_FAILURE);
		_exit(EXIT_SUCCESS);
	}
	close(ends[1]);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	/* the child holds the other end of the pipe until it dies */
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

/* Ends at once. */
static int end(int socket, void *context)
{
	(void)socket;
	(void)context;
	return EXIT_SUCCESS;
}

static void child_that_ended_before_leaves_no_zombie(void **state)
{
	struct child child;
	pid_t process;
	char byte;

	(void)state;
	assert_int_equal(child_start(&child, "ends", no_capabilities, end, NULL), 0);
	process = child.process;
	assert_int_equal(read(child.socket, &byte, 1), 0);
	assert_int_equal(child_stop(&child), 0);
	assert_int_equal(waitpid(process, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* A datagram arrives in one piece, and a file that was open stays open. */
static int tell_file(int socket, void *context)
{
	char byte;

	while (recv(socket, &byte, 1, 0) == 1)
		if (write(*(int *)context, "ab", 2) != 2 || send(socket, "one", 3, 0) != 3 ||
		    send(socket, "two", 3, 0) != 3)
			return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

static void child_with_datagrams_and_files(void **state)
{
	struct child_options options = {
		.purpose = "is tested", .work = tell_file, .datagrams = true, .keeps_files = true};
	char text[16] = "";
	struct child child;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	options.context = &ends[1];
	assert_int_equal(child_start_with(&child, &options), 0);
	assert_int_equal(send(child.socket, "?", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(read(ends[0], text, sizeof(text)), 2);
	assert_int_equal(recv(child.socket, text, sizeof(text), 0), 3);
	assert_int_equal(recv(child.socket, text, sizeof(text), 0), 3);
	assert_memory_equal(text, "two", 3);
	assert_int_equal(child_stop(&child), 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_without_capabilities_has_nothing),
		cmocka_unit_test(child_keeps_named_capabilities),
		cmocka_unit_test(signals_do_not_end_the_child),
		cmocka_unit_test(child_holds_no_files),
		cmocka_unit_test(child_that_hangs_does_not_hold_up_the_end),
		cmocka_unit_test(child_that_hangs_dies_with_its_parent),
		cmocka_unit_test(child_that_ended_before_leaves_no_zombie),
		cmocka_unit_test(child_with_datagrams_and_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
