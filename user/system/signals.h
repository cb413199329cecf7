/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * signals - requests by signals: SIGINT and SIGTERM to stop, SIGHUP to read the files again.
 *
 * A closing terminal also sends SIGHUP: with the terminal gone, SIGHUP asks to stop. With a terminal and nothing to
 * read again SIGHUP ends the program as usual; a program told to ignore SIGHUP (nohup) ignores it.
 */
#ifndef SYSTEM_SIGNALS_H
#define SYSTEM_SIGNALS_H

#include <stdbool.h>

/* Catch the signals that stop the program. */
void signals_catch(void);

/* And SIGHUP, on the live host; named: there are files to read again. */
void signals_catch_reload(bool named);

bool signals_stop(void);

/* Whether files are to be read again; true once for each request. */
bool signals_reload(void);

#endif /* SYSTEM_SIGNALS_H */
