/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * plt - the stubs in a file's procedure linkage table, through which the file calls functions of other files. The
 * instructions tell the stub of a function: the stub that jumps through the slot named by the relocation. Stubs are not
 * counted, because linkers lay out the table in many ways.
 */
#ifndef LIBRARY_PLT_H
#define LIBRARY_PLT_H

#include <stdint.h>

#include "library/elf_image.h"

enum plt_bounds {
	PLT_SLOTS_MAX = 4, /* relocations of one function: a call and its address */
	PLT_STUBS_MAX = 4,
};

struct plt_stubs {
	uint32_t count;
	uint64_t entry[PLT_STUBS_MAX]; /* the target of calls: an ENDBR64 may precede the jump */
	uint64_t jump[PLT_STUBS_MAX];  /* the instruction that begins the jump */
};

/* The stubs that jump to `function`. */
void plt_find(struct elf_image *image, const char *function, struct plt_stubs *stubs);

#endif /* LIBRARY_PLT_H */
