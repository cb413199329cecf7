/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * plt - the stubs in a file's procedure linkage table through which it calls a function of another file. Which stub
 * belongs to which function is read from the instructions: it is the one that jumps through the slot that the relocation
 * names. Nothing is counted off, since linkers lay the table out in many ways.
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
	uint64_t entry[PLT_STUBS_MAX]; /* what calls go to: before the jump there may be an ENDBR64 */
	uint64_t jump[PLT_STUBS_MAX];  /* the instruction that begins the jump */
};

/* The stubs that jump to `function`. */
void plt_find(struct elf_image *image, const char *function, struct plt_stubs *stubs);

#endif /* LIBRARY_PLT_H */
