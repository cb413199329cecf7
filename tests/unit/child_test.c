/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "system/child.h"

#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

static void it_has_nothing(void **state)
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

static void it_keeps_what_it_needs(void **state)
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
		fail_msg("it is still root");
	child_stop(&child);
}

/* What a terminal or a service manager sends to the group is for the parent; the end of the socket is what ends it. */
static void signals_do_not_end_it(void **state)
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

/* A file that was open before is not the child's to hold: who waits for its end would wait for the child. */
static void it_holds_no_files(void **state)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_nothing),
		cmocka_unit_test(it_keeps_what_it_needs),
		cmocka_unit_test(signals_do_not_end_it),
		cmocka_unit_test(it_holds_no_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
