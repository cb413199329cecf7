// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/plt.h"

#include <stdbool.h>
#include <string.h>

/* The slots of the function that is looked for, and the stubs found. */
struct search {
	const char *function;
	uint64_t slot[PLT_SLOTS_MAX];
	uint32_t slots;
	struct plt_stubs *stubs;
};

static bool is_slot(const struct search *search, uint64_t address)
{
	for (uint32_t index = 0; index < search->slots; index++)
		if (search->slot[index] == address)
			return true;
	return false;
}

/* The relocations that fill a slot with the address of a function. */
static bool is_slot_relocation(uint16_t machine, uint64_t type)
{
	switch (machine) {
	case EM_X86_64:
		return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
	case EM_AARCH64:
		return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT;
	default:
		return false;
	}
}

/* The symbols that a section of relocations refers to. */
struct symbols {
	Elf_Data *data;
	size_t count;
	size_t names; /* section of their names */
};

static bool symbols_of(struct elf_image *image, const struct elf_section *relocations, struct symbols *symbols)
{
	struct elf_section section = {.section = elf_getscn(image->elf, relocations->header.sh_link)};

	if (!section.section || !gelf_getshdr(section.section, &section.header) || section.header.sh_type != SHT_DYNSYM)
		return false;
	symbols->data = elf_image_records(image, &section, &symbols->count);
	symbols->names = section.header.sh_link;
	return symbols->data;
}

static const char *symbol_name(struct elf_image *image, const struct symbols *symbols, size_t index)
{
	GElf_Sym symbol;

	if (index >= symbols->count || !gelf_getsym(symbols->data, index, &symbol))
		return NULL;
	return elf_image_string(image, symbols->names, symbol.st_name);
}

static bool take_relocations(struct elf_image *image, const struct elf_section *section, const char *name,
                             void *context)
{
	struct search *search = context;
	struct symbols symbols;
	GElf_Rela relocation;
	Elf_Data *data;
	size_t count;

	(void)name;
	if (section->header.sh_type != SHT_RELA || !symbols_of(image, section, &symbols))
		return true;
	data = elf_image_records(image, section, &count);
	for (size_t index = 0; data && index < count && gelf_getrela(data, index, &relocation); index++) {
		const char *function;

		if (!is_slot_relocation(image->machine, GELF_R_TYPE(relocation.r_info)))
			continue;
		function = symbol_name(image, &symbols, GELF_R_SYM(relocation.r_info));
		if (function && !strcmp(function, search->function) && search->slots < PLT_SLOTS_MAX)
			search->slot[search->slots++] = relocation.r_offset;
	}
	return true;
}

static void add_stub(struct search *search, uint64_t entry, uint64_t jump)
{
	struct plt_stubs *stubs = search->stubs;

	if (stubs->count == PLT_STUBS_MAX)
		return;
	stubs->entry[stubs->count] = entry;
	stubs->jump[stubs->count++] = jump;
}

/* The kinds of instructions in a stub. */
enum effect {
	EFFECT_NONE,
	EFFECT_BEGIN, /* it is where calls go to */
	EFFECT_JUMP,  /* through memory */
};

/* An instruction of x86-64. */
struct instruction {
	size_t length; /* 0: not an instruction of a stub */
	enum effect effect;
	int32_t displacement; /* of the memory, from the next instruction */
};

/* The length of a ModRM byte, SIB and displacement; Intel SDM volume 2, section 2.1.5. */
static size_t modrm_length(const uint8_t *bytes, size_t left)
{
	static const size_t displacement[] = {0, 1, 4, 0};
	uint8_t mode, memory;
	size_t length = 1;

	if (!left)
		return 0;
	mode = bytes[0] >> 6;
	memory = bytes[0] & 7;
	if (mode == 3)
		return length;
	if (memory == 4)
		length++;
	if (mode == 0 && memory == 5)
		return length + 4;
	return length + displacement[mode];
}

/* A no-op of any length: 90, 66 90, or [66]... [2e] 0f 1f and an operand. */
static size_t nop_length(const uint8_t *bytes, size_t left)
{
	size_t prefixes = 0, operand;

	while (prefixes < left && (bytes[prefixes] == 0x66 || bytes[prefixes] == 0x2e))
		prefixes++;
	if (prefixes < left && bytes[prefixes] == 0x90)
		return prefixes + 1;
	if (left - prefixes < 3 || bytes[prefixes] != 0x0f || bytes[prefixes + 1] != 0x1f)
		return 0;
	operand = modrm_length(bytes + prefixes + 2, left - prefixes - 2);
	return prefixes + 2 + operand;
}

/*
 * The code of linkers (GNU ld, gold, lld, mold) in these sections. With branch tracking a stub begins with ENDBR64;
 * with MPX the jump has a prefix.
 */
static struct instruction decode_x86(const uint8_t *bytes, size_t left)
{
	static const struct {
		uint8_t bytes[4];
		uint8_t fixed;
		uint8_t length;
		enum effect effect;
	} forms[] = {
		{{0xff, 0x25}, 2, 6, EFFECT_JUMP},              /* jmp *slot(%rip) */
		{{0xf2, 0xff, 0x25}, 3, 7, EFFECT_JUMP},        /* bnd jmp *slot(%rip) */
		{{0x3e, 0xff, 0x25}, 3, 7, EFFECT_JUMP},        /* notrack jmp *slot(%rip) */
		{{0xff, 0x35}, 2, 6, EFFECT_NONE},              /* push word(%rip) */
		{{0x68}, 1, 5, EFFECT_NONE},                    /* push $index */
		{{0xe9}, 1, 5, EFFECT_NONE},                    /* jmp to the first stub */
		{{0xf2, 0xe9}, 2, 6, EFFECT_NONE},              /* bnd jmp */
		{{0xf3, 0x0f, 0x1e, 0xfa}, 4, 4, EFFECT_BEGIN}, /* endbr64 */
		{{0x41, 0xbb}, 2, 6, EFFECT_NONE},              /* mov $index, %r11d */
		{{0x41, 0x53}, 2, 2, EFFECT_NONE},              /* push %r11 */
		{{0x4c, 0x8d, 0x1d}, 3, 7, EFFECT_NONE},        /* lea slot(%rip), %r11 */
		{{0xcc}, 1, 1, EFFECT_NONE},                    /* int3: filler */
	};
	struct instruction instruction = {};

	for (size_t index = 0; index < sizeof(forms) / sizeof(forms[0]); index++) {
		if (left < forms[index].length || memcmp(bytes, forms[index].bytes, forms[index].fixed))
			continue;
		instruction.length = forms[index].length;
		instruction.effect = forms[index].effect;
		if (instruction.effect == EFFECT_JUMP)
			instruction.displacement = elf_image_u32(bytes + instruction.length - 4);
		return instruction;
	}
	instruction.length = nop_length(bytes, left);
	if (instruction.length > left)
		instruction.length = 0;
	return instruction;
}

/*
 * Decode from the first instruction on, one after the other: otherwise the beginning of an instruction is unknown, and
 * a probe anywhere else would destroy the program. After the first unknown instruction all further instructions are
 * unknown.
 */
static void walk_x86(struct search *search, const uint8_t *bytes, size_t length, uint64_t address)
{
	enum effect before = EFFECT_NONE;
	struct instruction instruction;
	size_t last = 0;

	for (size_t at = 0; at < length; last = at, before = instruction.effect, at += instruction.length) {
		instruction = decode_x86(bytes + at, length - at);
		if (!instruction.length)
			return;
		if (instruction.effect == EFFECT_JUMP &&
		    is_slot(search, address + at + instruction.length + (uint64_t)(int64_t)instruction.displacement))
			add_stub(search, address + (before == EFFECT_BEGIN ? last : at), address + at);
	}
}

/* ADRP x16, page: Arm ARM section C6.2.13 */
static bool decode_adrp(uint32_t word, uint64_t address, uint64_t *page)
{
	uint64_t offset;

	if ((word & 0x9f00001f) != 0x90000010)
		return false;
	offset = ((uint64_t)(word >> 5 & 0x7ffff) << 2 | (word >> 29 & 3)) << 12;
	/* 33 bits with a sign */
	if (offset & 1ull << 32)
		offset |= ~0ull << 33;
	*page = (address & ~0xfffull) + offset;
	return true;
}

/* LDR x17, [x16, #offset]: section C6.2.203 */
static bool decode_load(uint32_t word, uint64_t *offset)
{
	if ((word & 0xffc003ff) != 0xf9400211)
		return false;
	*offset = (word >> 10 & 0xfff) * 8;
	return true;
}

/* ADRP x16; LDR x17, [x16, #...]; ADD x16, x16, #...; BR x17: with BTI and PAC there is more before and between. */
static void walk_arm64(struct search *search, const uint8_t *bytes, size_t length, uint64_t address)
{
	uint64_t page, offset;

	if (address % 4)
		return;
	for (size_t at = 0; at + 8 <= length; at += 4)
		if (decode_adrp(elf_image_u32(bytes + at), address + at, &page) &&
		    decode_load(elf_image_u32(bytes + at + 4), &offset) && is_slot(search, page + offset))
			add_stub(search, address + at, address + at);
}

static bool take_stubs(struct elf_image *image, const struct elf_section *section, const char *name, void *context)
{
	struct search *search = context;
	const uint8_t *bytes;
	size_t length;

	if (strncmp(name, ".plt", strlen(".plt")) || !(section->header.sh_flags & SHF_EXECINSTR))
		return true;
	bytes = elf_image_bytes(image, section, &length);
	if (!bytes)
		return true;
	if (image->machine == EM_X86_64)
		walk_x86(search, bytes, length, section->header.sh_addr);
	else if (image->machine == EM_AARCH64)
		walk_arm64(search, bytes, length, section->header.sh_addr);
	return true;
}

void plt_find(struct elf_image *image, const char *function, struct plt_stubs *stubs)
{
	struct search search = {.function = function, .stubs = stubs};

	stubs->count = 0;
	elf_image_each_section(image, take_relocations, &search);
	if (search.slots)
		elf_image_each_section(image, take_stubs, &search);
}
