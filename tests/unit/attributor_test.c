// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Processes that the tests start, and directories in the place of cgroups. */
#include "attribution/attributor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attribution/cgroup_tree.h"
#include "attribution/proc.h"
#include "attribution/resolver.h"
#include "message_bytes.h"

#define SECOND_NS 1000000000ull

enum {
	TEXT_MAX = 1024,
	TICK_NS = 10000000, /* USER_HZ is 100 on all architectures that this is built for */
	ROUNDS_MAX = 200,
	ROUND_US = 50000,
};

static uint64_t boottime_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return time.tv_sec * SECOND_NS + time.tv_nsec;
}

static uint64_t start_ticks_of(pid_t process)
{
	char path[64], text[TEXT_MAX] = "", name[ATTRIBUTION_NAME_MAX];
	uint64_t ticks = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", process);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_true(proc_read_stat(text, &ticks, name));
	return ticks;
}

/* A process that sleeps until it is killed. */
static pid_t start(const char *name)
{
	pid_t process;
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	process = fork();
	if (!process) {
		prctl(PR_SET_NAME, name);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return process;
}

static void stop(pid_t process)
{
	kill(process, SIGKILL);
	waitpid(process, NULL, 0);
}

static void texts_of_stat(void **state)
{
	static const struct {
		const char *text;
		const char *name; /* NULL: of another form */
	} cases[] = {
		{"1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 0 0", "init"},
		{"9 (a) (b ) c) R 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 0 0", "a) (b ) c"},
		{"9 (\n\x1b) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 0 0", "\n\x1b"},
		{"9 () S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77", ""},
		{"9 (a) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0", NULL},
		{"9 (a", NULL},
		{"", NULL},
		{")(", NULL},
	};
	char name[ATTRIBUTION_NAME_MAX];
	uint64_t ticks;

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		bool read = proc_read_stat(cases[index].text, &ticks, name);

		expect_number(cases[index].text, "read", read, cases[index].name != NULL);
		if (read) {
			expect_text(cases[index].text, "name", name, cases[index].name);
			expect_number(cases[index].text, "start", ticks, 77);
		}
	}
}

static void a_process_is_read_only_by_its_own_start_time(void **state)
{
	const pid_t process = start("attributed");
	const uint64_t ticks = start_ticks_of(process);
	struct proc_identity identity = {.process = process, .start_ns = ticks * TICK_NS + TICK_NS / 2};
	struct attribution attribution = {};
	char own[TEXT_MAX] = "";

	(void)state;
	assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
	assert_true(proc_read(&identity, true, true, &attribution));
	expect_text("by start", "executable", attribution.executable, own);
	expect_text("by start", "name", attribution.name, "attributed");
	expect_number("by start", "user", attribution.user, geteuid());
	assert_true(attribution.user_known && *attribution.command_line);
	attribution = (struct attribution){};
	assert_true(proc_read(&identity, false, false, &attribution));
	expect_text("not asked for", "command line", attribution.command_line, "");
	/* the process before, with the same number and in the same tick, had another name */
	attribution = (struct attribution){.name = "earlier"};
	assert_false(proc_read(&identity, true, false, &attribution));
	expect_text("another name", "executable", attribution.executable, "");
	attribution = (struct attribution){.name = "attributed"};
	assert_true(proc_read(&identity, true, false, &attribution));
	expect_text("the same name", "executable", attribution.executable, own);
	/* the process before, with the same number */
	identity.start_ns -= TICK_NS;
	attribution = (struct attribution){};
	assert_false(proc_read(&identity, true, true, &attribution));
	expect_text("another start", "executable", attribution.executable, "");
	/* only the number is known, and a time at which the process was there, or was not */
	identity = (struct proc_identity){.process = process, .not_after_ns = boottime_ns()};
	assert_true(proc_read(&identity, false, true, &attribution));
	identity.not_after_ns = (ticks - 1) * TICK_NS;
	assert_false(proc_read(&identity, false, true, &attribution));
	stop(process);
	identity.not_after_ns = boottime_ns();
	assert_false(proc_read(&identity, false, true, &attribution));
}

static uint64_t id_of(const char *root, const char *path)
{
	char full[TEXT_MAX];
	struct stat status;

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(stat(full, &status), 0);
	return status.st_ino;
}

static uint64_t make(const char *root, const char *path)
{
	char full[TEXT_MAX];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(mkdir(full, 0700), 0);
	return id_of(root, path);
}

static void unmake(const char *root, const char *path)
{
	char full[TEXT_MAX];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(rmdir(full), 0);
}

static void expect_path(struct cgroup_tree *tree, uint64_t id, const char *path)
{
	expect_text("cgroup", "path", cgroup_tree_path(tree, id) ?: "(none)", path);
}

static void cgroups_are_known_also_when_they_are_gone(void **state)
{
	char root[] = "/tmp/mtlsnoop-cgroups-XXXXXX";
	struct cgroup_tree *tree;
	uint64_t old, service, container, below;

	(void)state;
	assert_non_null(mkdtemp(root));
	old = make(root, "/system.slice");
	service = make(root, "/system.slice/nginx.service");
	tree = cgroup_tree_open(root);
	assert_non_null(tree);
	expect_path(tree, id_of(root, ""), "/");
	expect_path(tree, old, "/system.slice");
	expect_path(tree, service, "/system.slice/nginx.service");
	/* one that is looked for before its event was read */
	expect_path(tree, make(root, "/system.slice/late.service"), "/system.slice/late.service");
	/* created and removed before anybody asks: the child reads what inotify tells at once */
	container = make(root, "/docker");
	below = make(root, "/docker/1");
	cgroup_tree_read(tree);
	unmake(root, "/docker/1");
	unmake(root, "/docker");
	cgroup_tree_read(tree);
	expect_path(tree, container, "/docker");
	expect_path(tree, below, "/docker/1");
	expect_path(tree, 1, "(none)");
	cgroup_tree_close(tree);
	unmake(root, "/system.slice/late.service");
	unmake(root, "/system.slice/nginx.service");
	unmake(root, "/system.slice");
	unmake(root, "");
}

static void users_are_named_on_the_host_alone(void **state)
{
	char path[] = "/tmp/mtlsnoop-users-XXXXXX";
	const int file = mkstemp(path);
	const struct resolver_options options = {.logs = "/nonexistent", .users = path};
	struct resolver *resolver = resolver_begin(&options);
	struct resolver_question question = {.user = 4711, .user_known = true, .name = "a\n\"\xff"};
	struct attribution attribution;

	(void)state;
	assert_true(file >= 0 && resolver);
	assert_true(dprintf(file, "root:x:0:0::/:/bin/sh\nbroken\nsomeone:x:4711:1::/:/bin/sh\n") > 0);
	close(file);
	resolver_resolve(resolver, &question, &attribution);
	expect_text("host", "user", attribution.user_name, "someone");
	expect_text("host", "name", attribution.name, "a\n\"\xff");
	question.user = 4712;
	resolver_resolve(resolver, &question, &attribution);
	expect_text("no such user", "user", attribution.user_name, "");
	resolver_end(resolver);
	unlink(path);
}

static struct writer writer_of(pid_t process, const char *name)
{
	struct writer writer = {
		.process = process,
		.user = geteuid(),
		.start_ns = start_ticks_of(process) * TICK_NS,
		.network_namespace = 7,
	};

	strcpy(writer.name, name);
	return writer;
}

/* The child may need longer than a record waits: on a busy machine, and at its start. */
static const struct attribution *resolve(struct attributor *attributor, const struct handshake *handshake)
{
	const struct attribution *attribution;
	uint64_t late;

	for (int round = 0; round < ROUNDS_MAX; round++) {
		late = attributor_counts(attributor)->late;
		attribution = attributor_resolve(attributor, handshake);
		if (attributor_counts(attributor)->late == late)
			return attribution;
		usleep(ROUND_US);
	}
	fail_msg("no answer");
	return NULL;
}

static void a_writer_is_resolved_by_the_child(void **state)
{
	const pid_t process = start("writer");
	struct handshake *handshake = calloc(1, sizeof(*handshake));
	const struct attribution *attribution;
	struct attributor *attributor;

	(void)state;
	assert_int_equal(attributor_open(&attributor, false), 0);
	handshake->role = ROLE_SERVER;
	handshake->writer = writer_of(process, "writer");
	attributor_expect(attributor, &handshake->writer);
	for (int round = 0; round < 2; round++) {
		attribution = resolve(attributor, handshake);
		assert_non_null(attribution);
		expect_number("writer", "process", attribution->process, process);
		expect_text("writer", "name", attribution->name, "writer");
		expect_number("writer", "namespace", attribution->network_namespace, 7);
		assert_true(*attribution->executable);
	}
	expect_number("writer", "questions", attributor_counts(attributor)->asked, 1);
	/* another process with the same number: only what the kernel has told */
	handshake->writer.start_ns += TICK_NS;
	strcpy(handshake->writer.name, "other");
	attribution = resolve(attributor, handshake);
	expect_text("other", "name", attribution->name, "other");
	expect_text("other", "executable", attribution->executable, "");
	stop(process);
	/* the answer is kept: the process is gone, and nobody has its number and start */
	handshake->writer.start_ns -= TICK_NS;
	strcpy(handshake->writer.name, "writer");
	attribution = resolve(attributor, handshake);
	assert_true(*attribution->executable);
	attributor_close(attributor);
	free(handshake);
}

static void a_number_alone_names_no_younger_process(void **state)
{
	const pid_t process = start("young");
	struct handshake *handshake = calloc(1, sizeof(*handshake));
	struct attributor *attributor;
	struct timespec now;

	(void)state;
	assert_int_equal(attributor_open(&attributor, false), 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	handshake->role = ROLE_CLIENT;
	handshake->start_ns = now.tv_sec * SECOND_NS + now.tv_nsec;
	handshake->owner.id = process;
	assert_non_null(resolve(attributor, handshake));
	expect_text("client", "name", resolve(attributor, handshake)->name, "young");
	/* who opened a listener is perhaps not who serves */
	handshake->role = ROLE_SERVER;
	assert_null(resolve(attributor, handshake));
	handshake->process.id = process;
	assert_non_null(resolve(attributor, handshake));
	/* a handshake from before the process had this number */
	handshake->start_ns -= 5 * SECOND_NS;
	assert_null(resolve(attributor, handshake));
	handshake->role = ROLE_OBSERVER;
	assert_null(resolve(attributor, handshake));
	assert_null(attributor_resolve(NULL, handshake));
	stop(process);
	attributor_close(attributor);
	free(handshake);
}

/* A child that does not answer delays no more than one record, and is no reason to stop. */
static void a_dead_child_leaves_what_the_kernel_told(void **state)
{
	const pid_t process = start("writer");
	struct handshake *handshake = calloc(1, sizeof(*handshake));
	const struct attribution *attribution;
	struct attributor *attributor;

	(void)state;
	assert_int_equal(attributor_open(&attributor, false), 0);
	signal(SIGPIPE, SIG_IGN);
	handshake->role = ROLE_SERVER;
	handshake->writer = writer_of(process, "writer");
	/* the first member of the attributor is its child */
	kill(*(pid_t *)attributor, SIGKILL);
	for (int round = 0; round < 100; round++) {
		handshake->writer.start_ns += TICK_NS;
		attribution = attributor_resolve(attributor, handshake);
		assert_non_null(attribution);
		expect_number("late", "process", attribution->process, process);
		expect_text("late", "name", attribution->name, "writer");
	}
	expect_number("late", "count", attributor_counts(attributor)->late, 100);
	stop(process);
	attributor_close(attributor);
	free(handshake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_stat),
		cmocka_unit_test(a_process_is_read_only_by_its_own_start_time),
		cmocka_unit_test(cgroups_are_known_also_when_they_are_gone),
		cmocka_unit_test(users_are_named_on_the_host_alone),
		cmocka_unit_test(a_writer_is_resolved_by_the_child),
		cmocka_unit_test(a_number_alone_names_no_younger_process),
		cmocka_unit_test(a_dead_child_leaves_what_the_kernel_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
