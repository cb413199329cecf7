/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapped_file - the files that processes have mapped to run code from, as /proc/PID/maps tells.
 */
#ifndef LIBRARY_MAPPED_FILE_H
#define LIBRARY_MAPPED_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum mapped_file_bounds {
	MAPPED_FILES_MAX = 4096, /* mappings of one process to examine */
};

struct mapped_file {
	uint32_t process;
	uint64_t start; /* addresses in the process */
	uint64_t end;
	uint64_t device; /* as the kernel knows the file, whatever path or mount led to it */
	uint64_t inode;
	char path[PATH_MAX]; /* as the process sees it: any bytes but NUL and a newline */
};

/* Read a line of /proc/PID/maps. Returns whether the line is an executable mapping of a file. */
bool mapped_file_parse(const char *line, struct mapped_file *file);

/*
 * Call visit() with each such file of a process, not twice in a row with the same file, until visit() returns false.
 * Returns 0, or -errno: the process may be gone.
 */
int mapped_file_each(int proc, uint32_t process, bool (*visit)(const struct mapped_file *file, void *context),
                     void *context);

/* The real user id of a process. Returns 0, or -errno: the process may be gone. */
int mapped_file_user(int proc, uint32_t process, uint32_t *user);

/*
 * Open the very file that is mapped for reading, by /proc/PID/map_files: even if deleted or in another mount namespace.
 * Returns a descriptor, or -errno: EAGAIN if a process holds a lease on the file.
 */
int mapped_file_open(int proc, const struct mapped_file *file);

#endif /* LIBRARY_MAPPED_FILE_H */
