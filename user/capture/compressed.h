/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * compressed - gzip (RFC 1952) and Zstandard (RFC 8878) files as a stream of their contents.
 */
#ifndef CAPTURE_COMPRESSED_H
#define CAPTURE_COMPRESSED_H

#include <stdbool.h>
#include <stdio.h>

/* Whether a file with this first byte is compressed; no capture file has such a first byte. */
bool is_compressed(int first_byte);

/*
 * The contents of input. The new stream owns input from here on. A damaged input gives a read error. NULL: no memory,
 * and input stays the caller's.
 */
FILE *compressed_open(FILE *input);

#endif /* CAPTURE_COMPRESSED_H */
