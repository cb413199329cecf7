// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	PROC_PATH_MAX = 64, /* of a file below /proc whose name is made of numbers */
	STATUS_MAX = 1024,  /* of /proc/PID/status, as far as the line with the users */
};

bool mapped_file_parse(const char *line, struct mapped_file *file)
{
	unsigned int major, minor;
	char executable;
	int path = 0;

	/* proc_pid_maps(5): start-end, permissions, offset, device, inode, path */
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*c%*c%c%*c %*x %x:%x %" SCNu64 " %n", &file->start, &file->end,
	           &executable, &major, &minor, &file->inode, &path) != 6 ||
	    !path || executable != 'x' || !file->inode || line[path] != '/')
		return false;
	file->device = makedev(major, minor);
	if (snprintf(file->path, sizeof(file->path), "%s", line + path) >= (int)sizeof(file->path))
		return false;
	file->path[strcspn(file->path, "\n")] = '\0';
	return true;
}

int mapped_file_user(int proc, uint32_t process, uint32_t *user)
{
	char path[PROC_PATH_MAX], status[STATUS_MAX];
	const char *line;
	int descriptor;
	ssize_t length;

	snprintf(path, sizeof(path), "%" PRIu32 "/status", process);
	descriptor = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return -errno;
	length = read(descriptor, status, sizeof(status) - 1);
	close(descriptor);
	if (length <= 0)
		return -ESRCH;
	status[length] = '\0';
	/* the name of the program comes before and has its newlines escaped: proc_pid_status(5) */
	line = strstr(status, "\nUid:\t");
	return line && sscanf(line, "\nUid:\t%" SCNu32, user) == 1 ? 0 : -ESRCH;
}

static FILE *open_maps(int proc, uint32_t process)
{
	char path[PROC_PATH_MAX];
	int descriptor;
	FILE *maps;

	snprintf(path, sizeof(path), "%" PRIu32 "/maps", process);
	descriptor = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return NULL;
	maps = fdopen(descriptor, "r");
	if (!maps)
		close(descriptor);
	return maps;
}

int mapped_file_each(int proc, uint32_t process, bool (*visit)(const struct mapped_file *file, void *context),
                     void *context)
{
	struct mapped_file file = {.process = process};
	uint64_t device = 0, inode = 0;
	size_t capacity = 0;
	char *line = NULL;
	uint32_t files = 0;
	FILE *maps;

	maps = open_maps(proc, process);
	if (!maps)
		return -errno;
	while (files < MAPPED_FILES_MAX && getline(&line, &capacity, maps) >= 0) {
		if (!mapped_file_parse(line, &file) || (file.device == device && file.inode == inode))
			continue;
		device = file.device;
		inode = file.inode;
		files++;
		if (!visit(&file, context))
			break;
	}
	free(line);
	fclose(maps);
	return 0;
}

/* Never by the path that the process shows: its user chooses the target of the path. */
int mapped_file_open(int proc, const struct mapped_file *file)
{
	char path[PROC_PATH_MAX];
	int descriptor;

	snprintf(path, sizeof(path), "%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, file->process, file->start,
	         file->end);
	descriptor = openat(proc, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return descriptor < 0 ? -errno : descriptor;
}
