// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/pclntab.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum {
	HEADER = 8, /* magic, two zeros, smallest size of an instruction, size of a pointer */
	WORD = 8,
	MAGIC_1_2 = 0xfffffffb,
	MAGIC_1_16 = 0xfffffffa,
	MAGIC_1_18 = 0xfffffff0,
	MAGIC_1_20 = 0xfffffff1,
};

/* The words behind the header, from 1.18 on: pcHeader in runtime/symtab.go. */
enum header_word {
	WORD_FUNCTIONS,
	WORD_FILES,
	WORD_TEXT,
	WORD_NAMES,
	WORD_UNITS,
	WORD_FILE_NAMES,
	WORD_PC_TABLES,
	WORD_ENTRIES,
	HEADER_WORDS,
};

_Static_assert(PCLNTAB_TEXT_FIELD == HEADER + WORD_TEXT * WORD, "where a relocation would set it");

static bool has(const struct pclntab *table, uint64_t offset, uint64_t count)
{
	return offset <= table->length && count <= table->length - offset;
}

static uint32_t read_u32(const struct pclntab *table, uint64_t offset)
{
	uint32_t value;

	memcpy(&value, table->bytes + offset, sizeof(value));
	return le32toh(value);
}

static uint64_t read_u64(const struct pclntab *table, uint64_t offset)
{
	uint64_t value;

	memcpy(&value, table->bytes + offset, sizeof(value));
	return le64toh(value);
}

static uint64_t read_word(const struct pclntab *table, enum header_word word)
{
	return read_u64(table, HEADER + word * WORD);
}

/* Bytes of an address, and of an offset, in the list of functions. */
static uint64_t field_size(const struct pclntab *table)
{
	return table->form == PCLNTAB_1_2 ? sizeof(uint64_t) : sizeof(uint32_t);
}

static int read_header(struct pclntab *table)
{
	const uint8_t *header = table->bytes;

	if (!has(table, 0, HEADER + WORD) || header[4] || header[5] || header[7] != WORD)
		return -EINVAL;
	switch (read_u32(table, 0)) {
	case MAGIC_1_2:
		table->form = PCLNTAB_1_2;
		table->entries = HEADER + WORD;
		break;
	case MAGIC_1_16:
		return -ENOTSUP;
	case MAGIC_1_18:
		table->form = PCLNTAB_1_18;
		break;
	case MAGIC_1_20:
		table->form = PCLNTAB_1_20;
		break;
	default:
		return -EINVAL;
	}
	table->functions = read_word(table, WORD_FUNCTIONS);
	if (table->form == PCLNTAB_1_2)
		return 0;
	if (!has(table, HEADER, HEADER_WORDS * WORD))
		return -EINVAL;
	table->text = read_word(table, WORD_TEXT);
	table->names = read_word(table, WORD_NAMES);
	table->entries = read_word(table, WORD_ENTRIES);
	return 0;
}

int pclntab_open(struct pclntab *table, const uint8_t *bytes, size_t length)
{
	int error;

	*table = (struct pclntab){.bytes = bytes, .length = length};
	error = read_header(table);
	if (error)
		return error;
	/* behind the last function stands the address where it ends */
	if (!table->functions || table->functions > PCLNTAB_FUNCTIONS_MAX ||
	    !has(table, table->entries, (table->functions * 2 + 1) * field_size(table)) || table->names > table->length)
		return -EINVAL;
	return 0;
}

/* From 1.18 on addresses count from the beginning of the code, and records from the beginning of the list. */
static uint64_t address_at(const struct pclntab *table, uint64_t index)
{
	uint64_t offset = table->entries + index * 2 * field_size(table);

	return table->form == PCLNTAB_1_2 ? read_u64(table, offset) : table->text + read_u32(table, offset);
}

static uint64_t record_at(const struct pclntab *table, uint64_t index)
{
	uint64_t offset = table->entries + (index * 2 + 1) * field_size(table);

	return table->form == PCLNTAB_1_2 ? read_u64(table, offset) : table->entries + read_u32(table, offset);
}

static const char *name_at(const struct pclntab *table, uint64_t record)
{
	uint64_t name, left;

	if (!has(table, record, field_size(table) + sizeof(uint32_t)))
		return NULL;
	name = table->names + read_u32(table, record + field_size(table));
	if (name >= table->length)
		return NULL;
	left = table->length - name;
	return memchr(table->bytes + name, '\0', left < PCLNTAB_NAME_MAX ? left : PCLNTAB_NAME_MAX)
	               ? (const char *)table->bytes + name
	               : NULL;
}

void pclntab_each(const struct pclntab *table, pclntab_visit visit, void *context)
{
	for (uint64_t index = 0; index < table->functions; index++) {
		uint64_t begin = address_at(table, index), end = address_at(table, index + 1);
		const char *name = name_at(table, record_at(table, index));

		if (name && begin < end && !visit(name, begin, end, context))
			return;
	}
}
