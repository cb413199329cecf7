/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * journal - standard error as the journal of the service manager takes it (sd-daemon(3)): a level in front of each line, and
 * without the program's name, which the journal adds itself. Anywhere else standard error stays as it is.
 *
 * How grave a message is follows from when it comes: what is told before anything is attached ends the program, what is told
 * while it runs is a loss, and what is told at the end is a sum.
 */
#ifndef SYSTEM_JOURNAL_H
#define SYSTEM_JOURNAL_H

#include <stdbool.h>

/* As syslog(3) counts them. */
enum journal_level {
	JOURNAL_ERROR = 3,
	JOURNAL_WARNING = 4,
	JOURNAL_NOTICE = 5,
};

struct journal {
	enum journal_level level;
	bool within_line;
};

/* Whether what is written to this descriptor goes to the journal. */
bool journal_takes(int descriptor);

/* From here on standard error is told through journal, where the journal takes it. It has to stay until the end. */
void journal_begin(struct journal *journal);

#endif /* SYSTEM_JOURNAL_H */
