/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "attribution/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "system/child.h"
#include "system/sandbox.h"

enum {
	ID_DIGITS = 64,
	CGROUP_TEXT_MAX = 8192,
	ANSWER_MS = 20,                 /* so long is waited for the child: it reads a file of the kernel's */
	KEPT = 256,                     /* answers */
	KEPT_SECONDS = 1,               /* a process may move, and its number be used again */
	INITIAL_NAMESPACE = 0xeffffffc, /* the inode of the first pid namespace: PROC_PID_INIT_INO */
};

struct kept {
	uint32_t process;
	time_t since;
	char container[CONTAINER_ID_MAX];
};

struct processes {
	struct child child;
	struct kept kept[KEPT];
};

struct container_answer {
	uint32_t process;
	char container[CONTAINER_ID_MAX];
};

static bool has_prefix(const char *text, size_t length, const char *prefix)
{
	return length >= strlen(prefix) && !memcmp(text, prefix, strlen(prefix));
}

static bool has_suffix(const char *text, size_t length, const char *suffix)
{
	size_t size = strlen(suffix);

	return length >= size && !memcmp(text + length - size, suffix, size);
}

static size_t hex_digits_at_end(const char *text, size_t length)
{
	size_t digits = 0;

	while (digits < length && isxdigit((unsigned char)text[length - digits - 1]))
		digits++;
	return digits;
}

/* "docker-ID.scope", "libpod-ID.scope", "cri-containerd-ID.scope", "crio-ID.scope", "pod:cri-containerd:ID", or "ID" alone */
static bool take_id(const char *name, size_t length, char container[CONTAINER_ID_MAX])
{
	size_t front;

	if (has_suffix(name, length, ".scope"))
		length -= strlen(".scope");
	if (hex_digits_at_end(name, length) != ID_DIGITS)
		return false;
	front = length - ID_DIGITS;
	/* what watches a container is not in it */
	if (front && (strchr("-:", name[front - 1]) == NULL || has_suffix(name, front, "conmon-")))
		return false;
	memcpy(container, name + front, ID_DIGITS);
	container[ID_DIGITS] = '\0';
	return true;
}

/* systemd writes what a unit's name may not have as \xNN. */
static void take_unit_name(const char *name, size_t length, char container[CONTAINER_ID_MAX])
{
	size_t size = 0;

	for (size_t index = 0; index < length && size < CONTAINER_ID_MAX - 1; index++) {
		unsigned int byte = (unsigned char)name[index];

		if (byte == '\\' && index + 3 < length && sscanf(name + index, "\\x%2x", &byte) == 1)
			index += 3;
		container[size++] = byte;
	}
	container[size] = '\0';
}

/* "systemd-nspawn@NAME.service", "machine-NAME.scope" */
static bool take_machine(const char *name, size_t length, char container[CONTAINER_ID_MAX])
{
	static const struct {
		const char *prefix;
		const char *suffix;
	} forms[] = {{"systemd-nspawn@", ".service"}, {"machine-", ".scope"}};

	for (size_t form = 0; form < sizeof(forms) / sizeof(*forms); form++) {
		size_t around = strlen(forms[form].prefix) + strlen(forms[form].suffix);

		if (length <= around || !has_prefix(name, length, forms[form].prefix) ||
		    !has_suffix(name, length, forms[form].suffix))
			continue;
		take_unit_name(name + strlen(forms[form].prefix), length - around, container);
		return true;
	}
	return false;
}

/* The parts of a path from the last one on: containers in containers have longer paths. */
static bool take_path(const char *path, size_t length, char container[CONTAINER_ID_MAX])
{
	while (length) {
		size_t begin = length;

		while (begin && path[begin - 1] != '/')
			begin--;
		if (take_id(path + begin, length - begin, container) ||
		    take_machine(path + begin, length - begin, container))
			return true;
		length = begin ? begin - 1 : 0;
	}
	return false;
}

bool process_container_of(const char *text, char container[CONTAINER_ID_MAX])
{
	container[0] = '\0';
	while (*text) {
		size_t length = strcspn(text, "\n");
		/* hierarchy-ID:controllers:path, cgroups(7) */
		const char *first = memchr(text, ':', length);
		const char *second = first ? memchr(first + 1, ':', length - (first + 1 - text)) : NULL;

		if (second && take_path(second + 1, length - (second + 1 - text), container))
			return true;
		text += length + (text[length] == '\n');
	}
	return false;
}

static void read_container(uint32_t process, char container[CONTAINER_ID_MAX])
{
	char path[sizeof("/proc/4294967295/cgroup")], text[CGROUP_TEXT_MAX];
	ssize_t length;
	int file;

	container[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%u/cgroup", process);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	length = read(file, text, sizeof(text) - 1);
	close(file);
	if (length <= 0)
		return;
	text[length] = '\0';
	process_container_of(text, container);
}

static int work(int socket, void *context)
{
	struct container_answer answer;

	(void)context;
	sandbox_enter(SANDBOX_FILES);
	for (;;) {
		memset(&answer, 0, sizeof(answer));
		if (recv(socket, &answer.process, sizeof(answer.process), MSG_WAITALL) != sizeof(answer.process))
			return EXIT_SUCCESS;
		read_container(answer.process, answer.container);
		if (send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			return EXIT_SUCCESS;
	}
}

/* Numbers of processes are those of the initial pid namespace: in another one they are other processes. */
static bool in_initial_namespace(void)
{
	struct stat status;

	return !stat("/proc/self/ns/pid", &status) && status.st_ino == INITIAL_NAMESPACE;
}

int processes_open(struct processes **result)
{
	static const int none[] = {-1};
	struct processes *processes;
	int error;

	*result = NULL;
	if (!in_initial_namespace())
		return 0;
	processes = calloc(1, sizeof(*processes));
	if (!processes)
		return -ENOMEM;
	error = child_start(&processes->child, "looks for containers", none, work, NULL);
	if (error) {
		free(processes);
		return error;
	}
	*result = processes;
	return 0;
}

void processes_close(struct processes *processes)
{
	if (!processes)
		return;
	child_stop(&processes->child);
	free(processes);
}

/* Answers that came too late are those of questions before. */
static bool ask(const struct processes *processes, uint32_t process, struct container_answer *answer)
{
	struct pollfd ready = {.fd = processes->child.socket, .events = POLLIN};

	if (send(processes->child.socket, &process, sizeof(process), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(process))
		return false;
	while (poll(&ready, 1, ANSWER_MS) == 1) {
		if (recv(processes->child.socket, answer, sizeof(*answer), MSG_WAITALL) != sizeof(*answer))
			return false;
		if (answer->process == process)
			return true;
	}
	return false;
}

void processes_container(struct processes *processes, uint32_t process, char container[CONTAINER_ID_MAX])
{
	struct kept *kept;
	struct timespec now;
	struct container_answer answer;

	container[0] = '\0';
	if (!processes || !process)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	kept = &processes->kept[process % KEPT];
	if (kept->process != process || now.tv_sec - kept->since > KEPT_SECONDS) {
		if (!ask(processes, process, &answer))
			return;
		kept->process = process;
		kept->since = now.tv_sec;
		memcpy(kept->container, answer.container, sizeof(kept->container));
		kept->container[CONTAINER_ID_MAX - 1] = '\0';
	}
	memcpy(container, kept->container, sizeof(kept->container));
}
