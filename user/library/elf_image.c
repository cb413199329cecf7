// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/elf_image.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const unsigned char HOST_ORDER = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;

uint32_t elf_image_u32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

int elf_image_open(struct elf_image *image, int descriptor)
{
	size_t sections, segments;
	struct stat status;
	GElf_Ehdr header;

	if (elf_version(EV_CURRENT) == EV_NONE || fstat(descriptor, &status))
		return -EINVAL;
	/* not mapped: a file that is truncated during the read would end this process */
	image->elf = elf_begin(descriptor, ELF_C_READ, NULL);
	if (!image->elf)
		return -EINVAL;
	if (elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &header) ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != HOST_ORDER ||
	    elf_getshdrnum(image->elf, &sections) || sections > ELF_IMAGE_SECTIONS_MAX ||
	    elf_getphdrnum(image->elf, &segments) || segments > ELF_IMAGE_SEGMENTS_MAX ||
	    elf_getshdrstrndx(image->elf, &image->names)) {
		elf_image_close(image);
		return -EINVAL;
	}
	image->machine = header.e_machine;
	image->size = status.st_size;
	image->budget = ELF_IMAGE_BYTES_MAX;
	memset(image->strings, 0, sizeof(image->strings));
	return 0;
}

void elf_image_close(struct elf_image *image)
{
	elf_end(image->elf);
	image->elf = NULL;
}

void elf_image_each_section(struct elf_image *image,
                            bool (*visit)(struct elf_image *image, const struct elf_section *section, const char *name,
                                          void *context),
                            void *context)
{
	struct elf_section section = {};

	for (int index = 0; index < ELF_IMAGE_SECTIONS_MAX; index++) {
		const char *name;

		section.section = elf_nextscn(image->elf, section.section);
		if (!section.section)
			return;
		if (!gelf_getshdr(section.section, &section.header))
			continue;
		name = elf_image_string(image, image->names, section.header.sh_name);
		if (!visit(image, &section, name ?: "", context))
			return;
	}
}

/* libelf reads a section of strings in whole, whatever size the section claims. */
static bool take_strings(struct elf_image *image, size_t index)
{
	Elf_Scn *section = elf_getscn(image->elf, index);
	GElf_Shdr header;

	if (index >= ELF_IMAGE_SECTIONS_MAX || !section || !gelf_getshdr(section, &header) ||
	    header.sh_type != SHT_STRTAB)
		return false;
	if (image->strings[index])
		return true;
	if (header.sh_size > image->budget)
		return false;
	image->budget -= header.sh_size;
	image->strings[index] = true;
	return true;
}

const char *elf_image_string(struct elf_image *image, size_t section, size_t offset)
{
	return take_strings(image, section) ? elf_strptr(image->elf, section, offset) : NULL;
}

/* A wanted section, by name. */
struct search {
	const char *name;
	struct elf_section *section;
	bool found;
};

static bool compare_name(struct elf_image *image, const struct elf_section *section, const char *name, void *context)
{
	struct search *search = context;

	(void)image;
	if (strcmp(name, search->name))
		return true;
	*search->section = *section;
	search->found = true;
	return false;
}

bool elf_image_find_section(struct elf_image *image, const char *name, struct elf_section *section)
{
	struct search search = {.name = name, .section = section};

	elf_image_each_section(image, compare_name, &search);
	return search.found;
}

/* Whether the section may be read. Many sections may claim the same bytes of the file, each of which takes memory. */
static bool take_budget(struct elf_image *image, const struct elf_section *section)
{
	if (section->header.sh_type == SHT_NOBITS || section->header.sh_size > image->budget)
		return false;
	image->budget -= section->header.sh_size;
	return true;
}

const uint8_t *elf_image_bytes(struct elf_image *image, const struct elf_section *section, size_t *length)
{
	const Elf_Data *data = take_budget(image, section) ? elf_rawdata(section->section, NULL) : NULL;

	if (!data || !data->d_buf)
		return NULL;
	*length = data->d_size;
	return data->d_buf;
}

Elf_Data *elf_image_records(struct elf_image *image, const struct elf_section *section, size_t *count)
{
	Elf_Data *data = NULL;

	if (section->header.sh_entsize && take_budget(image, section))
		data = elf_getdata(section->section, NULL);
	if (!data || !data->d_buf)
		return NULL;
	*count = data->d_size / section->header.sh_entsize;
	return data;
}

Elf_Data *elf_image_notes(struct elf_image *image, const struct elf_section *section)
{
	Elf_Data *data = NULL;

	if (section->header.sh_type == SHT_NOTE && take_budget(image, section))
		data = elf_getdata(section->section, NULL);
	return data && data->d_buf ? data : NULL;
}

int elf_image_offset(struct elf_image *image, uint64_t address, uint64_t *offset)
{
	GElf_Phdr segment;

	for (int index = 0; index < ELF_IMAGE_SEGMENTS_MAX && gelf_getphdr(image->elf, index, &segment); index++) {
		if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X) || address < segment.p_vaddr ||
		    address - segment.p_vaddr >= segment.p_filesz)
			continue;
		*offset = segment.p_offset + (address - segment.p_vaddr);
		return *offset >= segment.p_offset && *offset < image->size ? 0 : -ENOENT;
	}
	return -ENOENT;
}

const uint8_t *elf_image_code(struct elf_image *image, uint64_t address, size_t length)
{
	uint64_t begin, last;
	const Elf_Data *data;

	if (!length || length > image->budget || elf_image_offset(image, address, &begin) ||
	    elf_image_offset(image, address + length - 1, &last) || last - begin != length - 1)
		return NULL;
	image->budget -= length;
	data = elf_getdata_rawchunk(image->elf, begin, length, ELF_T_BYTE);
	return data && data->d_size == length ? data->d_buf : NULL;
}

int elf_image_exported(struct elf_image *image, const char *name, uint64_t *address)
{
	struct elf_section symbols;
	size_t count, index;
	Elf_Data *data;
	GElf_Sym symbol;

	if (!elf_image_find_section(image, ".dynsym", &symbols))
		return -ENOENT;
	data = elf_image_records(image, &symbols, &count);
	for (index = 0; data && index < count && gelf_getsym(data, index, &symbol); index++) {
		const char *found;

		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
			continue;
		found = elf_image_string(image, symbols.header.sh_link, symbol.st_name);
		if (!found || strcmp(found, name))
			continue;
		*address = symbol.st_value;
		return 0;
	}
	return -ENOENT;
}
