/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * journal - standard error as the journal of the service manager reads it (sd-daemon(3)): a level before each line, and
 * no program name, because the journal adds the name. Elsewhere standard error stays unchanged.
 *
 * Messages of the program carry their own level (log.h). Lines that others print on standard error, such as argp(3),
 * are errors.
 */
#ifndef SYSTEM_JOURNAL_H
#define SYSTEM_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_OWN_NAME "mtlsnoop: "

/* As syslog(3) numbers them. */
enum journal_level {
	JOURNAL_ERROR = 3,
	JOURNAL_WARNING = 4,
	JOURNAL_NOTICE = 5,
	JOURNAL_DEBUG = 7,
};

/* Whether the journal reads this descriptor. */
bool journal_takes(int descriptor);

/* From here on lines on standard error get their level, if the journal reads them. */
void journal_begin(void);

/* Write whole lines to standard error with this level. */
void journal_write(enum journal_level level, const char *lines, size_t length);

#endif /* SYSTEM_JOURNAL_H */
