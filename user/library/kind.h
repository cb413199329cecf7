/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kind - the questions of kinds.c for each kind of library. Each kind is a source file with one function,
 * library_NAME_read(), named in probe_table.h.
 */
#ifndef LIBRARY_KIND_H
#define LIBRARY_KIND_H

#include "library/points.h"

/*
 * Check whether the image is of this kind, and set kind, name and points. Returns 0; -ENOENT: another kind or no TLS
 * library; -ENOTSUP: of this kind, but the file cannot be probed, and *why has the reason (a static string).
 */
typedef int (*library_kind_read)(struct elf_image *image, struct library_elf *elf, const char **why);

#define KIND(NAME, name, file)                                                                                         \
	int library_##name##_read(struct elf_image *image, struct library_elf *elf, const char **why);
LIBRARY_KIND_TABLE(KIND)
#undef KIND

/* "OpenSSL 3.0.19", out of the read-only data of libcrypto or of a program. Returns 0, -ENOENT. */
int library_openssl_version(struct elf_image *image, char name[LIBRARY_TARGET_NAME_MAX]);

#endif /* LIBRARY_KIND_H */
