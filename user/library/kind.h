/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_kind - what library_elf asks for each kind of library. A kind is a source file of its own with one function.
 */
#ifndef LIBRARY_KIND_H
#define LIBRARY_KIND_H

#include "library/elf_image.h"
#include "library/kinds.h"
#include "kernel/probes.h"

/*
 * Looks whether the image is of its kind, and sets kind, name and points. Returns 0; -ENOENT: it is not; -ENOTSUP: it is, but
 * cannot be probed, and *why says in what way.
 */
typedef int (*library_kind_read)(struct elf_image *image, struct library_elf *elf, const char **why);

int library_openssl_read(struct elf_image *image, struct library_elf *elf, const char **why);
int library_gnutls_read(struct elf_image *image, struct library_elf *elf, const char **why);
int library_go_read(struct elf_image *image, struct library_elf *elf, const char **why);
int library_openssl_version(struct elf_image *image, char name[LIBRARY_TARGET_NAME_MAX]);

/* Add a probe at an address, where the address is in the file and there is room. */
void library_elf_add(struct elf_image *image, struct library_elf *elf, enum probe probe, uint64_t address);

/* The same at the beginning of a function, behind what leaves its arguments alone and would make the probe dear. */
void library_elf_add_entry(struct elf_image *image, struct library_elf *elf, enum probe probe, uint64_t address);

/* The first library that the image needs whose name begins so; stays empty where there is none. */
void library_elf_find_needed(struct elf_image *image, const char *prefix, char needed[LIBRARY_NEEDED_MAX]);

#endif /* LIBRARY_KIND_H */
