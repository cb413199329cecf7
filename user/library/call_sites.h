/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * call_sites - a function's address in an ELF file of x86-64 -> the instructions that call the function, all or none.
 *
 * The kernel emulates a probed call, which costs one trap; most other instructions are run out of place, which costs a
 * second trap (docs/measurements.md has figures).
 *
 * Instructions of x86-64 can be decoded only from the beginning of their function. .eh_frame_hdr has the beginnings
 * (Linux Standard Base Core 5.0, section 10.6.2), in stripped files, too; a disassembler (Zydis) reads from there.
 */
#ifndef LIBRARY_CALL_SITES_H
#define LIBRARY_CALL_SITES_H

#include <stdbool.h>
#include <stdint.h>

#include "library/elf_image.h"

enum call_sites_bounds {
	CALL_SITES_MAX = 64,
	CALL_SITES_READ_MAX = 4 * 1024 * 1024, /* bytes of code to disassemble for one file */
};

/*
 * Call visit() with each call of any of `count` functions, and the function around the call, until visit() returns
 * false. Returns whether all calls are known: false also if visit() returned false.
 */
typedef bool (*call_sites_visit)(uint64_t site, uint64_t function, void *context);
bool call_sites_each(struct elf_image *image, const uint64_t *functions, uint32_t count, call_sites_visit visit,
                     void *context);

/*
 * The addresses of the calls, and of tail calls, of any of `count` functions. Returns the number; 0 without calls, with
 * more than CALL_SITES_MAX, or with a possible call that is uncertain.
 */
uint32_t call_sites_find(struct elf_image *image, const uint64_t *functions, uint32_t count,
                         uint64_t sites[CALL_SITES_MAX]);

#endif /* LIBRARY_CALL_SITES_H */
