/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kinds - an ELF file -> its TLS library, and the places of probes. Pure except for reading the file: no byte of the
 * file is executed, and all bytes may be hostile.
 */
#ifndef LIBRARY_KINDS_H
#define LIBRARY_KINDS_H

#include "library/points.h"

/*
 * Read the file of the descriptor. Returns 0 if the file can be probed, -ENOENT without a known TLS library, and
 * -ENOTSUP if the library has a form that cannot be probed: then *why has the reason (a static string).
 */
int library_elf_read(int descriptor, const struct library_host *host, struct library_elf *elf, const char **why);

/* What a library's companion (libcrypto) knows. */
struct library_companion {
	char name[LIBRARY_TARGET_NAME_MAX]; /* the version in its own words: "OpenSSL 3.0.19"; empty: not known */
	uint32_t error;                     /* struct library_layout; 0: not known */
};

/* Read the companion behind the descriptor. Returns 0; -ENOENT: it is no ELF file. */
int library_elf_companion(int descriptor, struct library_companion *companion);

#endif /* LIBRARY_KINDS_H */
