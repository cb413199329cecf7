// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/shadow_stack.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef NT_GNU_PROPERTY_TYPE_0
#define NT_GNU_PROPERTY_TYPE_0 5
#endif

enum {
	PROPERTY_HEADER = 8, /* type and length of the value, which is padded to 8 bytes */
	PROPERTY_ALIGNMENT = 8,
};

static const uint32_t X86_FEATURE_1_AND = 0xc0000002;
static const uint32_t X86_FEATURE_1_SHSTK = 1 << 1;

/* Whether a property says so. A property that does not end at its length may say anything. */
static bool properties_have_it(const uint8_t *bytes, size_t left)
{
	while (left >= PROPERTY_HEADER) {
		uint32_t type = elf_image_u32(bytes), length = elf_image_u32(bytes + 4);
		size_t padded = ((size_t)length + PROPERTY_ALIGNMENT - 1) & ~(size_t)(PROPERTY_ALIGNMENT - 1);

		if (padded > left - PROPERTY_HEADER)
			return true;
		if (type == X86_FEATURE_1_AND)
			return length < sizeof(uint32_t) ||
			       elf_image_u32(bytes + PROPERTY_HEADER) & X86_FEATURE_1_SHSTK;
		bytes += PROPERTY_HEADER + padded;
		left -= PROPERTY_HEADER + padded;
	}
	return false;
}

bool shadow_stack_in_file(struct elf_image *image)
{
	size_t at = 0, next, name, description;
	struct elf_section section;
	GElf_Nhdr header;
	Elf_Data *data;

	if (!elf_image_find_section(image, ".note.gnu.property", &section))
		return false;
	data = elf_image_notes(image, &section);
	if (!data)
		return true;
	for (; at < data->d_size && (next = gelf_getnote(data, at, &header, &name, &description)); at = next)
		if (header.n_type == NT_GNU_PROPERTY_TYPE_0 &&
		    properties_have_it((const uint8_t *)data->d_buf + description, header.n_descsz))
			return true;
	return at < data->d_size;
}

/* A flag that is present if the kernel gives shadow stacks to processes; the first processor speaks for all. */
bool shadow_stack_on_host(const char *cpuinfo)
{
	static const char wanted[] = " user_shstk";
	FILE *file = fopen(cpuinfo, "re");
	size_t capacity = 0;
	char *line = NULL;
	bool has = true;

	if (!file)
		return true;
	while (getline(&line, &capacity, file) > 0) {
		const char *found;

		if (strncmp(line, "flags", strlen("flags")))
			continue;
		found = strstr(line, wanted);
		has = found && isspace((unsigned char)found[strlen(wanted)]);
		break;
	}
	free(line);
	fclose(file);
	return has;
}
