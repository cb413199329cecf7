/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * command - the words that may come first on the command line: the questions (store/ask.h), top (top/top.h), and the
 * sums at the end of a run. Some need no trace: they read the store of a running service. The others are sinks of the
 * trace.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>

#include "options.h"
#include "sink/sinks.h"

struct command;

/* Whether the command reads a store and traces nothing. */
bool command_stands_alone(const struct options *options);

/* Run such a command. Returns 0, or -errno after a message. */
int command_alone(const struct options *options);

/*
 * Add the sink of the command, before privileges are given up. *command is NULL without work. Returns 0, or -errno
 * after a message.
 */
int command_open(struct command **command, const struct options *options, struct sinks *sinks);

/* The trace has ended: answer. Returns 0, or -errno after a message. */
int command_finish(struct command *command);
void command_close(struct command *command);

#endif /* COMMAND_H */
