// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/points.h"

#include <string.h>

enum {
	DYNAMIC_MAX = 4096, /* entries of a dynamic section */
	ENTRY_BYTES = 16,   /* of a function that are looked at */
};

void library_elf_add(struct elf_image *image, struct library_elf *elf, enum probe probe, uint64_t address)
{
	struct probe_point *point = &elf->point[elf->points];

	if (elf->points == PROBE_POINTS_MAX || elf_image_offset(image, address, &point->offset))
		return;
	point->probe = probe;
	elf->points++;
}

/*
 * On x86-64 the kernel emulates a few instructions (push, call, jumps) at the price of one trap. All others are
 * single-stepped out of place, at about ten times the price.
 */
static size_t dear_length(const uint8_t *code, size_t length)
{
	static const struct {
		uint8_t length;
		uint8_t bytes[4];
	} dear[] = {
		{4, {0xf3, 0x0f, 0x1e, 0xfa}}, /* endbr64 */
		{3, {0x48, 0x85, 0xd2}},       /* test %rdx,%rdx: are there any bytes? */
	};

	for (size_t index = 0; index < sizeof(dear) / sizeof(dear[0]); index++)
		if (length >= dear[index].length && !memcmp(code, dear[index].bytes, dear[index].length))
			return dear[index].length;
	return 0;
}

void library_elf_add_entry(struct elf_image *image, struct library_elf *elf, enum probe probe, uint64_t address)
{
	const uint8_t *code = image->machine == EM_X86_64 ? elf_image_code(image, address, ENTRY_BYTES) : NULL;
	size_t at = 0, length;

	while (code && (length = dear_length(code + at, ENTRY_BYTES - at)))
		at += length;
	library_elf_add(image, elf, probe, address + at);
}

void library_elf_find_needed(struct elf_image *image, const char *prefix, char needed[LIBRARY_NEEDED_MAX])
{
	struct elf_section dynamic;
	size_t count, index;
	GElf_Dyn entry;
	Elf_Data *data;

	if (!elf_image_find_section(image, ".dynamic", &dynamic))
		return;
	data = elf_image_records(image, &dynamic, &count);
	for (index = 0; data && index < count && index < DYNAMIC_MAX && gelf_getdyn(data, index, &entry); index++) {
		const char *name;

		if (entry.d_tag != DT_NEEDED)
			continue;
		name = elf_image_string(image, dynamic.header.sh_link, entry.d_un.d_val);
		/* the name becomes a part of a path */
		if (!name || strncmp(name, prefix, strlen(prefix)) || strlen(name) >= LIBRARY_NEEDED_MAX ||
		    strchr(name, '/'))
			continue;
		strcpy(needed, name);
		return;
	}
}

bool library_name_is_valid(const char *name, uint32_t size)
{
	uint32_t length = strnlen(name, size);

	if (length == size)
		return false;
	for (uint32_t index = 0; index < length; index++)
		if (name[index] < ' ' || name[index] > '~')
			return false;
	return true;
}

bool library_elf_is_valid(const struct library_elf *elf)
{
	if (elf->kind >= LIBRARY_KINDS || !elf->points || elf->points > PROBE_POINTS_MAX ||
	    !library_name_is_valid(elf->name, sizeof(elf->name)) || !memchr(elf->needed, '\0', sizeof(elf->needed)) ||
	    strchr(elf->needed, '/'))
		return false;
	for (uint32_t index = 0; index < elf->points; index++)
		if (elf->point[index].probe >= PROBES || probe_rows[elf->point[index].probe].kind != elf->kind)
			return false;
	return true;
}
