/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kinds - an ELF file -> the TLS library in it, and where probes belong. Pure but for reading the file: no byte of the file
 * is executed, and all of them may be hostile.
 */
#ifndef LIBRARY_KINDS_H
#define LIBRARY_KINDS_H

#include "library/points.h"

/*
 * Read the file behind the descriptor. Returns 0 if the file can be probed, -ENOENT if no known TLS library is in it, and
 * -ENOTSUP if the library has a form that cannot be probed: then *why has the reason (a static string).
 */
int library_elf_read(int descriptor, const struct library_host *host, struct library_elf *elf, const char **why);

/* The version in the words of the file behind the descriptor (libcrypto): "OpenSSL 3.0.19". Returns 0, -ENOENT. */
int library_elf_version(int descriptor, char name[LIBRARY_TARGET_NAME_MAX]);

#endif /* LIBRARY_KINDS_H */
