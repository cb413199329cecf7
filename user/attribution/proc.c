// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attribution/proc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribution/cgroup_name.h"

enum {
	TEXT_MAX = 8192,                /* bytes of a file */
	FIELD_STATE = 3,                /* proc(5): the first field of stat behind the name */
	FIELD_START = 22,               /* starttime */
	INITIAL_NAMESPACE = 0xeffffffc, /* the inode of the first pid namespace: PROC_PID_INIT_INO */
};

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;

/* Read a file of a process as text. Returns the length, or -1. */
static ssize_t read_text(uint32_t process, const char *file, char *text, size_t size)
{
	char path[sizeof("/proc/4294967295/") + NAME_MAX];
	ssize_t length;
	int descriptor;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%s", process, file);
	descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return -1;
	length = read(descriptor, text, size - 1);
	close(descriptor);
	text[length > 0 ? length : 0] = '\0';
	return length;
}

/* The name stands in parentheses, and may contain parentheses and spaces: the last parenthesis ends the name. */
bool proc_read_stat(const char *text, uint64_t *start_ticks, char name[ATTRIBUTION_NAME_MAX])
{
	const char *begin = strchr(text, '('), *end = strrchr(text, ')');
	size_t length;
	char *rest;

	if (!begin || !end || end < begin)
		return false;
	length = end - begin - 1;
	if (length >= ATTRIBUTION_NAME_MAX)
		length = ATTRIBUTION_NAME_MAX - 1;
	memcpy(name, begin + 1, length);
	name[length] = '\0';
	for (int field = FIELD_STATE; field <= FIELD_START; field++) {
		end = strchr(end, ' ');
		if (!end)
			return false;
		end++;
	}
	*start_ticks = strtoull(end, &rest, 10);
	return rest != end;
}

/* The kernel shows ticks of the nanoseconds, rounded down (nsec_to_clock_t). */
static uint64_t ticks_of(uint64_t ns)
{
	return ns / (SECOND_NS / sysconf(_SC_CLK_TCK));
}

static bool is_that_process(const struct proc_identity *identity, char name[ATTRIBUTION_NAME_MAX])
{
	char text[TEXT_MAX];
	uint64_t ticks;

	if (read_text(identity->process, "stat", text, sizeof(text)) <= 0 || !proc_read_stat(text, &ticks, name))
		return false;
	if (identity->start_ns)
		return ticks == ticks_of(identity->start_ns);
	return ticks <= ticks_of(identity->not_after_ns);
}

/* The kernel marks a replaced file, as after an update, with " (deleted)". */
static void read_executable(uint32_t process, char executable[ATTRIBUTION_EXECUTABLE_MAX])
{
	static const char deleted[] = " (deleted)", cut[] = "...";
	char path[sizeof("/proc/4294967295/exe")], target[PATH_MAX];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/exe", process);
	length = readlink(path, target, sizeof(target) - 1);
	if (length <= 0)
		return;
	target[length] = '\0';
	if (length > (ssize_t)strlen(deleted) && !strcmp(target + length - strlen(deleted), deleted))
		target[length - strlen(deleted)] = '\0';
	if (strlen(target) >= ATTRIBUTION_EXECUTABLE_MAX)
		strcpy(target + ATTRIBUTION_EXECUTABLE_MAX - sizeof(cut), cut);
	strcpy(executable, target);
}

/* Arguments end in NULs. A NUL becomes a space. */
static void read_command_line(uint32_t process, char line[ATTRIBUTION_COMMAND_LINE_MAX])
{
	char text[ATTRIBUTION_COMMAND_LINE_MAX];
	ssize_t length = read_text(process, "cmdline", text, sizeof(text));

	while (length > 0 && !text[length - 1])
		length--;
	for (ssize_t index = 0; index < length; index++)
		line[index] = text[index] ?: ' ';
	line[length > 0 ? length : 0] = '\0';
	if (length == ATTRIBUTION_COMMAND_LINE_MAX - 1)
		strcpy(line + length - 3, "...");
}

/* "Uid: real effective saved filesystem" */
static void read_user(uint32_t process, struct attribution *attribution)
{
	char text[TEXT_MAX];
	const char *line;

	if (read_text(process, "status", text, sizeof(text)) <= 0)
		return;
	line = strstr(text, "\nUid:");
	if (line && sscanf(line, "\nUid: %*u %" SCNu32, &attribution->user) == 1)
		attribution->user_known = true;
}

static void read_cgroup(uint32_t process, struct attribution *attribution)
{
	char text[TEXT_MAX];

	if (read_text(process, "cgroup", text, sizeof(text)) > 0)
		cgroup_name_read_lines(text, attribution);
}

/* A process that starts in the tick of an earlier process of its number has the same start time, but as a rule another name. */
static bool is_name_kept(const struct attribution *attribution, const char *own_name)
{
	return !*attribution->name || !strcmp(attribution->name, own_name);
}

bool proc_read(const struct proc_identity *identity, bool command_line, bool name, struct attribution *attribution)
{
	struct attribution read = *attribution;
	char own_name[ATTRIBUTION_NAME_MAX];

	if (!is_that_process(identity, own_name) || !is_name_kept(attribution, own_name))
		return false;
	read_executable(identity->process, read.executable);
	if (command_line)
		read_command_line(identity->process, read.command_line);
	if (!read.user_known)
		read_user(identity->process, &read);
	if (!*read.container || !*read.unit)
		read_cgroup(identity->process, &read);
	if (name)
		strcpy(read.name, own_name);
	if (!is_that_process(identity, own_name) || !is_name_kept(attribution, own_name))
		return false;
	*attribution = read;
	return true;
}

bool proc_is_initial_namespace(void)
{
	struct stat status;

	return !stat("/proc/self/ns/pid", &status) && status.st_ino == INITIAL_NAMESPACE;
}
