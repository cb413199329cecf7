// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "system/escape.h"
#include "system/journal.h"

static bool debugs;

void log_set_debug(bool debug)
{
	debugs = debug;
}

bool log_debugs(void)
{
	return debugs;
}

/* One write for the whole line: lines of two processes do not mix. */
static void write_line(enum journal_level level, const char *text)
{
	char *line = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&line, &length);

	if (!stream)
		return;
	fputs(JOURNAL_OWN_NAME, stream);
	escape_text(stream, text);
	fputc('\n', stream);
	if (!fclose(stream))
		journal_write(level, line, length);
	free(line);
}

static void write_message(enum journal_level level, const char *format, va_list arguments)
{
	char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0) {
		/* without memory the reader gets the message without its details */
		write_line(level, format);
		return;
	}
	write_line(level, text);
	free(text);
}

void log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_message(JOURNAL_ERROR, format, arguments);
	va_end(arguments);
}

void log_warning(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_message(JOURNAL_WARNING, format, arguments);
	va_end(arguments);
}

void log_notice(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_message(JOURNAL_NOTICE, format, arguments);
	va_end(arguments);
}

void log_debug(const char *format, ...)
{
	va_list arguments;

	if (!debugs)
		return;
	va_start(arguments, format);
	write_message(JOURNAL_DEBUG, format, arguments);
	va_end(arguments);
}

void log_out_of_memory(void)
{
	/* open_memstream() would fail as well */
	static const char line[] = JOURNAL_OWN_NAME "out of memory\n";

	journal_write(JOURNAL_ERROR, line, sizeof(line) - 1);
}
