/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * signals - what signals ask for: SIGINT and SIGTERM to stop, SIGHUP to read the files again.
 *
 * SIGHUP is also what a terminal sends when it is closed: then, the terminal being gone, it asks to stop. Where there is a
 * terminal and nothing to read again it ends the program as ever; and who is told to ignore it (nohup) does.
 */
#ifndef SYSTEM_SIGNALS_H
#define SYSTEM_SIGNALS_H

#include <stdbool.h>

/* From here on signals that stop are taken note of. */
void signals_catch(void);

/* And SIGHUP, on the live host; named: there are files to read again. */
void signals_catch_reload(bool named);

bool signals_stop(void);

/* Whether files are to be read again; true once for each time that it was asked for. */
bool signals_reload(void);

#endif /* SYSTEM_SIGNALS_H */
