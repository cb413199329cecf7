// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/call_sites.h"

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <string.h>

/* .eh_frame_hdr: a version, three encodings, an address, a count, and a table sorted by its first column. */
enum {
	TABLE_VERSION = 1,
	TABLE_HEADER = 12,
	TABLE_ENTRY = 8, /* where a function begins, where its description stands: both from the section on */
	/* DWARF exception header encodings: Linux Standard Base Core 5.0, section 10.5.1 */
	ENCODING_U32 = 0x03,
	ENCODING_S32_SECTION = 0x3b,
};

/* A call with 32 bits of distance at its end: CALL and JMP of the Intel SDM, volume 2. */
enum {
	CALL_LENGTH = 5,
	DISTANCE_LENGTH = 4,
};

/* The kinds of instructions that end with the distance to a function. */
enum reference {
	REFERENCE_NONE, /* no instruction means these bytes so */
	REFERENCE_CALL,
	REFERENCE_UNKNOWN,
};

struct search {
	const uint64_t *functions;
	uint32_t count;
	const uint8_t *table; /* of .eh_frame_hdr, and the base of its addresses */
	uint32_t entries;
	uint64_t table_address;
	ZydisDecoder decoder;
	size_t left; /* bytes that may still be disassembled */
	call_sites_visit visit;
	void *context;
	bool failed;
};

/* A section with code. */
struct code {
	const uint8_t *bytes;
	size_t length;
	uint64_t address;
};

/* A number with a sign, to be added to an address. */
static uint64_t read_distance(const uint8_t *bytes)
{
	return (uint64_t)(int32_t)elf_image_u32(bytes);
}

static bool find_table(struct elf_image *image, struct search *search)
{
	struct elf_section section;
	const uint8_t *bytes;
	size_t length;

	if (!elf_image_find_section(image, ".eh_frame_hdr", &section))
		return false;
	bytes = elf_image_bytes(image, &section, &length);
	if (!bytes || length < TABLE_HEADER || bytes[0] != TABLE_VERSION || bytes[2] != ENCODING_U32 ||
	    bytes[3] != ENCODING_S32_SECTION)
		return false;
	search->entries = elf_image_u32(bytes + TABLE_HEADER - 4);
	search->table = bytes + TABLE_HEADER;
	search->table_address = section.header.sh_addr;
	return search->entries <= (length - TABLE_HEADER) / TABLE_ENTRY;
}

static uint64_t table_function(const struct search *search, uint32_t index)
{
	return search->table_address + read_distance(search->table + (size_t)index * TABLE_ENTRY);
}

/* The last function that begins before this address, even if the table is not sorted. */
static bool find_function(const struct search *search, uint64_t address, uint64_t *begin)
{
	uint32_t low = 0, high = search->entries;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table_function(search, middle) < address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	*begin = table_function(search, low - 1);
	return *begin < address;
}

/* The kind of the instruction whose last bytes are those at `distance`. */
static enum reference classify(const ZydisDecodedInstruction *instruction, size_t at, size_t distance)
{
	if (at == distance || at + instruction->length != distance + DISTANCE_LENGTH)
		return REFERENCE_NONE;
	if (instruction->length == CALL_LENGTH &&
	    (instruction->mnemonic == ZYDIS_MNEMONIC_CALL || instruction->mnemonic == ZYDIS_MNEMONIC_JMP))
		return REFERENCE_CALL;
	return REFERENCE_UNKNOWN;
}

/* Read from the beginning of the function on, up to the instruction that holds the byte at `distance`. */
static enum reference find_reference(struct search *search, const struct code *code, size_t distance, uint64_t *begin)
{
	ZydisDecodedInstruction instruction;
	size_t at;

	if (!find_function(search, code->address + distance, begin) || *begin < code->address)
		return REFERENCE_UNKNOWN;
	for (at = *begin - code->address;; at += instruction.length) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&search->decoder, NULL, code->bytes + at,
		                                                code->length - at, &instruction)) ||
		    instruction.length > search->left)
			return REFERENCE_UNKNOWN;
		search->left -= instruction.length;
		if (at + instruction.length > distance)
			return classify(&instruction, at, distance);
	}
}

static bool is_function(const struct search *search, uint64_t address)
{
	for (uint32_t index = 0; index < search->count; index++)
		if (search->functions[index] == address)
			return true;
	return false;
}

/* Four bytes that are the distance to one of the functions, if an instruction calls with them. */
static void take_distance(struct search *search, const struct code *code, size_t distance)
{
	uint64_t begin;

	switch (find_reference(search, code, distance, &begin)) {
	case REFERENCE_NONE:
		return;
	case REFERENCE_CALL:
		if (!search->visit(code->address + distance - (CALL_LENGTH - DISTANCE_LENGTH), begin, search->context))
			search->failed = true;
		return;
	case REFERENCE_UNKNOWN:
		search->failed = true;
	}
}

/* Other than stubs, which jump among each other. */
static bool take_section(struct elf_image *image, const struct elf_section *section, const char *name, void *context)
{
	struct code code = {.address = section->header.sh_addr};
	struct search *search = context;

	if (!(section->header.sh_flags & SHF_EXECINSTR) || !strncmp(name, ".plt", strlen(".plt")))
		return true;
	code.bytes = elf_image_bytes(image, section, &code.length);
	search->failed = !code.bytes;
	for (size_t at = 0; !search->failed && at + DISTANCE_LENGTH <= code.length; at++)
		if (is_function(search, code.address + at + DISTANCE_LENGTH + read_distance(code.bytes + at)))
			take_distance(search, &code, at);
	return !search->failed;
}

bool call_sites_each(struct elf_image *image, const uint64_t *functions, uint32_t count, call_sites_visit visit,
                     void *context)
{
	struct search search = {.functions = functions,
	                        .count = count,
	                        .left = CALL_SITES_READ_MAX,
	                        .visit = visit,
	                        .context = context};

	if (image->machine != EM_X86_64 || !count || !find_table(image, &search) ||
	    !ZYAN_SUCCESS(ZydisDecoderInit(&search.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return false;
	elf_image_each_section(image, take_section, &search);
	return !search.failed;
}

struct sites {
	uint64_t *site;
	uint32_t count;
};

static bool take_site(uint64_t site, uint64_t function, void *context)
{
	struct sites *sites = context;

	(void)function;
	if (sites->count == CALL_SITES_MAX)
		return false;
	sites->site[sites->count++] = site;
	return true;
}

uint32_t call_sites_find(struct elf_image *image, const uint64_t *functions, uint32_t count,
                         uint64_t sites[CALL_SITES_MAX])
{
	struct sites found = {.site = sites};

	return call_sites_each(image, functions, count, take_site, &found) ? found.count : 0;
}
