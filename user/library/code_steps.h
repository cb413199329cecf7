/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * code_steps - the instructions of a piece of x86-64 code, straight through, whatever jumps there are (Zydis): to find where
 * functions look in the structures that they are given. Pure.
 */
#ifndef LIBRARY_CODE_STEPS_H
#define LIBRARY_CODE_STEPS_H

#include <Zydis/Zydis.h>
#include <stdbool.h>

#include "library/elf_image.h"

enum code_steps_bounds {
	CODE_STEPS_MAX = 64,
	CODE_STEPS_OPERANDS = 2,
	CODE_STEPS_FUNCTION_BYTES = 192, /* of a function, from its beginning */
	CODE_STEPS_FIELD_MIN = 0x20,     /* lowest offset of a sought field */
	CODE_STEPS_FIELD_MAX = 0x4000,
};

struct code_step {
	ZydisMnemonic mnemonic;
	ZydisDecodedOperand operand[CODE_STEPS_OPERANDS];
	uint16_t width; /* bits of the operands */
};

struct code_steps {
	uint32_t count;
	struct code_step step[CODE_STEPS_MAX];
};

/* Read at most `length` bytes; fewer where the file has no more. */
void code_steps_read(struct elf_image *image, uint64_t address, size_t length, struct code_steps *steps);

/* Read the beginning of an exported function. Returns whether there is one. */
bool code_steps_read_function(struct elf_image *image, const char *name, struct code_steps *steps);

/* Whether an operand is a field at an offset from a register's pointer. */
bool code_step_is_field(const ZydisDecodedOperand *operand);

/* Whether a field, as wide as `width` bits, is loaded into a register. */
bool code_step_is_load(const struct code_step *step, uint16_t width);

/* The offset of the field that a function loads last before it returns, as wide as `width` bits. 0: none. */
uint32_t code_steps_find_loaded(struct elf_image *image, const char *name, uint16_t width);

#endif /* LIBRARY_CODE_STEPS_H */
