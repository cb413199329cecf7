// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/code_steps.h"

#include <string.h>

static void read_exactly(struct elf_image *image, uint64_t address, size_t length, struct code_steps *steps)
{
	const uint8_t *code = elf_image_code(image, address, length);
	ZydisDecoder decoder;
	size_t at = 0;

	steps->count = 0;
	if (!code || !ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return;
	while (at < length && steps->count < CODE_STEPS_MAX) {
		ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction instruction;
		struct code_step *step = &steps->step[steps->count];

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + at, length - at, &instruction, operands)))
			return;
		memset(step, 0, sizeof(*step));
		step->mnemonic = instruction.mnemonic;
		step->width = instruction.operand_width;
		for (int index = 0; index < CODE_STEPS_OPERANDS && index < instruction.operand_count_visible; index++)
			step->operand[index] = operands[index];
		steps->count++;
		at += instruction.length;
	}
}

void code_steps_read(struct elf_image *image, uint64_t address, size_t length, struct code_steps *steps)
{
	steps->count = 0;
	for (; length && !steps->count; length /= 2)
		read_exactly(image, address, length, steps);
}

bool code_steps_read_function(struct elf_image *image, const char *name, struct code_steps *steps)
{
	uint64_t address;

	steps->count = 0;
	if (!elf_image_exported(image, name, &address))
		code_steps_read(image, address, CODE_STEPS_FUNCTION_BYTES, steps);
	return steps->count;
}

bool code_step_is_field(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->mem.base != ZYDIS_REGISTER_NONE &&
	       operand->mem.base != ZYDIS_REGISTER_RSP && operand->mem.base != ZYDIS_REGISTER_RIP &&
	       operand->mem.index == ZYDIS_REGISTER_NONE && operand->mem.disp.value >= CODE_STEPS_FIELD_MIN &&
	       operand->mem.disp.value < CODE_STEPS_FIELD_MAX;
}

bool code_step_is_load(const struct code_step *step, uint16_t width)
{
	return step->mnemonic == ZYDIS_MNEMONIC_MOV && step->width == width &&
	       step->operand[0].type == ZYDIS_OPERAND_TYPE_REGISTER && code_step_is_field(&step->operand[1]);
}

uint32_t code_steps_find_loaded(struct elf_image *image, const char *name, uint16_t width)
{
	struct code_steps steps;
	uint32_t offset = 0;

	if (!code_steps_read_function(image, name, &steps))
		return 0;
	for (uint32_t index = 0; index < steps.count && steps.step[index].mnemonic != ZYDIS_MNEMONIC_RET; index++)
		if (code_step_is_load(&steps.step[index], width))
			offset = steps.step[index].operand[1].mem.disp.value;
	return offset;
}
