/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * read_file - a capture file, or a capture from a pipe, instead of the live host: --read.
 */
#ifndef READ_FILE_H
#define READ_FILE_H

#include "evidence/evidence.h"
#include "options.h"
#include "report.h"
#include "tracking/tracker.h"

/*
 * Read to the end of the file. Gives up all privileges once the file is open, before the first byte is parsed. Records go out
 * while the input pauses. evidence is NULL where no packets are written. Returns 0, also where a signal stopped the reading; or -errno after a message on standard error.
 */
int read_file(const struct options *options, struct tracker *table, struct report *report,
              struct evidence_writer *evidence);

#endif /* READ_FILE_H */
