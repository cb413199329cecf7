/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * log - the program's messages on standard error, one line each: "mtlsnoop: cannot read x: ...". If the journal reads
 * standard error, the level stands before the line instead of the program's name (journal.h). Bytes that could move a
 * cursor or hide text are escaped (escape.h), so a message may quote a path or a name chosen by others. Safe to call
 * from every thread and every child process; not from a signal's handler.
 */
#ifndef SYSTEM_LOG_H
#define SYSTEM_LOG_H

#include <stdbool.h>

/* Print log_debug() messages, too: --debug. Child processes inherit the setting. */
void log_set_debug(bool debug);
bool log_debugs(void);

/* The program, or what the user asked for, cannot go on. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The program goes on with less than it could do, or loses something. */
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A normal thing that is worth a line: sums at the end. */
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What is attached where, and why not. Nothing is printed without --debug. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The message of every allocation at start that fails. */
void log_out_of_memory(void);

#endif /* SYSTEM_LOG_H */
