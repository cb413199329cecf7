// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LEVEL_TEXT_MAX = sizeof("<3>"),
	OWN_NAME_LENGTH = sizeof(JOURNAL_OWN_NAME) - 1,
};

/* Standard error has one reader, so there is one journal. */
static struct journal {
	enum journal_level level; /* of the line that is being written */
	bool within_line;
} journal = {.level = JOURNAL_ERROR};

/* systemd.exec(5): JOURNAL_STREAM has the device and the inode of the file that the journal reads. */
bool journal_takes(int descriptor)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;
	char behind;

	if (!stream || sscanf(stream, "%llu:%llu%c", &device, &inode, &behind) != 2)
		return false;
	return !fstat(descriptor, &status) && status.st_dev == device && status.st_ino == inode;
}

/* Write as much as can be written: a failure has no place where it could be reported. */
static void write_all(const char *text, size_t length)
{
	while (length) {
		ssize_t written = write(STDERR_FILENO, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		length -= written;
	}
}

static void begin_line(const char **text, size_t *length)
{
	char level[LEVEL_TEXT_MAX];

	write_all(level, snprintf(level, sizeof(level), "<%d>", journal.level));
	if (*length > OWN_NAME_LENGTH && !memcmp(*text, JOURNAL_OWN_NAME, OWN_NAME_LENGTH)) {
		*text += OWN_NAME_LENGTH;
		*length -= OWN_NAME_LENGTH;
	}
}

static ssize_t write_lines(void *context, const char *text, size_t size)
{
	(void)context;
	size_t length, left = size;
	const char *end;

	while (left) {
		end = memchr(text, '\n', left);
		length = end ? (size_t)(end - text) + 1 : left;
		left -= length;
		if (!journal.within_line)
			begin_line(&text, &length);
		journal.within_line = !end;
		write_all(text, length);
		text += length;
	}
	return size;
}

void journal_begin(void)
{
	FILE *stream;

	if (!journal_takes(STDERR_FILENO))
		return;
	stream = fopencookie(&journal, "w", (cookie_io_functions_t){.write = write_lines});
	if (!stream)
		return;
	setvbuf(stream, NULL, _IOLBF, BUFSIZ);
	stderr = stream;
}

void journal_write(enum journal_level level, const char *lines, size_t length)
{
	flockfile(stderr);
	/* a line begun by another writer has its own level */
	fflush(stderr);
	journal.level = level;
	fwrite(lines, 1, length, stderr);
	fflush(stderr);
	journal.level = JOURNAL_ERROR;
	funlockfile(stderr);
}
