/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * read_file - a capture file instead of the live host: --read.
 */
#ifndef READ_FILE_H
#define READ_FILE_H

#include "options.h"
#include "report.h"
#include "tracking/connection.h"

/* Returns 0, or -errno after a message on standard error. */
int read_file(const struct options *options, struct connection_table *table, struct report *report);

#endif /* READ_FILE_H */
