/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * standard_output - a stream to standard output of which a signal tears no line. stdio takes an interrupted write for one that
 * failed, and drops what it was writing; restarted writes, on the other hand, would keep the program from stopping for as
 * long as nobody reads.
 */
#ifndef SYSTEM_STANDARD_OUTPUT_H
#define SYSTEM_STANDARD_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

enum standard_output_bounds {
	STANDARD_OUTPUT_PATIENCE_MS = 1000, /* of a program that is to stop, with a reader that does not read */
};

/*
 * stopping tells whether the program is to end; what is written before that waits for the reader as long as it takes. A write
 * that was given up has errno EAGAIN. Returns NULL where there is no memory. fclose() leaves standard output open.
 */
FILE *standard_output_open(bool (*stopping)(void));

#endif /* SYSTEM_STANDARD_OUTPUT_H */
