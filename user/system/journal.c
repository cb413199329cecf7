// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char own_name[] = "mtlsnoop: ";

enum {
	LEVEL_TEXT_MAX = sizeof("<3>"),
	OWN_NAME_LENGTH = sizeof(own_name) - 1,
};

/* Services have device and inode of what the journal reads in their environment: systemd.exec(5), JOURNAL_STREAM. */
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

/* All of it, or as much as can be written: there is nowhere to tell of what cannot. */
static void write_all(const char *text, size_t length)
{
	while (length) {
		ssize_t written = write(STDERR_FILENO, text, length);

		if (written <= 0)
			return;
		text += written;
		length -= written;
	}
}

static void begin_line(const struct journal *journal, const char **text, size_t *length)
{
	char level[LEVEL_TEXT_MAX];

	write_all(level, snprintf(level, sizeof(level), "<%d>", journal->level));
	if (*length > OWN_NAME_LENGTH && !memcmp(*text, own_name, OWN_NAME_LENGTH)) {
		*text += OWN_NAME_LENGTH;
		*length -= OWN_NAME_LENGTH;
	}
}

static ssize_t write_lines(void *context, const char *text, size_t size)
{
	struct journal *journal = context;
	size_t length, left = size;
	const char *end;

	while (left) {
		end = memchr(text, '\n', left);
		length = end ? (size_t)(end - text) + 1 : left;
		left -= length;
		if (!journal->within_line)
			begin_line(journal, &text, &length);
		journal->within_line = !end;
		write_all(text, length);
		text += length;
	}
	return size;
}

void journal_begin(struct journal *journal)
{
	FILE *stream;

	*journal = (struct journal){.level = JOURNAL_ERROR};
	if (!journal_takes(STDERR_FILENO))
		return;
	stream = fopencookie(journal, "w", (cookie_io_functions_t){.write = write_lines});
	if (!stream)
		return;
	setvbuf(stream, NULL, _IOLBF, BUFSIZ);
	stderr = stream;
}
