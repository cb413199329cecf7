/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_elf - an ELF file -> which TLS library it is or holds, and where probes belong in it. Pure but for reading the
 * file: nothing of it is executed, and all of it is hostile.
 */
#ifndef LIBRARY_KINDS_H
#define LIBRARY_KINDS_H

#include <stdbool.h>
#include <stdint.h>

#include "library/finder.h"
#include "kernel/probes.h"

enum library_elf_bounds {
	LIBRARY_NEEDED_MAX = 64,
};

struct library_elf {
	uint8_t kind; /* enum library_kind */
	char name[LIBRARY_TARGET_NAME_MAX];
	char needed[LIBRARY_NEEDED_MAX]; /* name of the library that knows the version; empty: none */
	bool every_hash; /* OpenSSL is a part of the program: the probe is hit by each hash that it makes */
	bool many;       /* of probes in one file cost no more than one: more places that cost less each are better */
	uint32_t points;
	struct probe_point point[PROBE_POINTS_MAX];
};

/*
 * Read the file behind the descriptor. Returns 0 where it can be probed, -ENOENT where it holds no TLS library that is
 * known, and -ENOTSUP where it does, but in a form that cannot be probed: then *why says in what way (a static string).
 * many: whether many probes in one file are taken together.
 */
int library_elf_read(int descriptor, bool many, struct library_elf *elf, const char **why);

/* The version, in the words of the file behind the descriptor (libcrypto): "OpenSSL 3.0.19". Returns 0, -ENOENT. */
int library_elf_version(int descriptor, char name[LIBRARY_TARGET_NAME_MAX]);

#endif /* LIBRARY_KINDS_H */
