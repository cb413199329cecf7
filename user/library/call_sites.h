/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * call_sites - a function's address in an ELF file of x86-64 -> the instructions that call it, all of them or none.
 *
 * The kernel emulates a call on which a probe stands, which costs one trap; most other instructions it runs out of their
 * place, which costs a second one (docs/measurements.md has figures).
 *
 * Where an instruction of x86-64 begins is only known from where its function begins. That is what .eh_frame_hdr says (Linux
 * Standard Base Core 5.0, section 10.6.2), which stripped files have, too; from there on a disassembler (Zydis) reads.
 */
#ifndef LIBRARY_CALL_SITES_H
#define LIBRARY_CALL_SITES_H

#include <stdbool.h>
#include <stdint.h>

#include "library/elf_image.h"

enum call_sites_bounds {
	CALL_SITES_MAX = 64,
	CALL_SITES_READ_MAX = 4 * 1024 * 1024, /* bytes of code that are disassembled for one file */
};

/*
 * Call visit() with each call of any of `count` functions, and the function in which the call stands, until it returns false.
 * Returns whether all calls are known: false also if visit() returned false.
 */
typedef bool (*call_sites_visit)(uint64_t site, uint64_t function, void *context);
bool call_sites_each(struct elf_image *image, const uint64_t *functions, uint32_t count, call_sites_visit visit,
                     void *context);

/*
 * The addresses of the calls, and of the jumps that end a function with one, to any of `count` functions. Returns how many;
 * 0 where there are none, more than CALL_SITES_MAX, or any that may be one and cannot be told for sure.
 */
uint32_t call_sites_find(struct elf_image *image, const uint64_t *functions, uint32_t count,
                         uint64_t sites[CALL_SITES_MAX]);

#endif /* LIBRARY_CALL_SITES_H */
