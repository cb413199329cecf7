/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_image - an ELF file of 64 bits in this host's byte order, read within bounds (libelf). The contents are
 * untrusted.
 */
#ifndef LIBRARY_ELF_IMAGE_H
#define LIBRARY_ELF_IMAGE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_image_bounds {
	ELF_IMAGE_SECTIONS_MAX = 1024,
	ELF_IMAGE_SEGMENTS_MAX = 128,
	ELF_IMAGE_BYTES_MAX = 160 * 1024 * 1024, /* of all sections that are read, and of names */
};

struct elf_image {
	Elf *elf;
	uint16_t machine;                     /* EM_X86_64, EM_AARCH64, ... */
	size_t names;                         /* section of the sections' names */
	uint64_t size;                        /* of the file */
	size_t budget;                        /* bytes of sections that may still be read */
	bool strings[ELF_IMAGE_SECTIONS_MAX]; /* sections of strings that were taken off the budget */
};

struct elf_section {
	Elf_Scn *section;
	GElf_Shdr header;
};

/* Four bytes in little-endian, the order of all known machines. */
uint32_t elf_image_u32(const uint8_t *bytes);

/* Returns 0, or -EINVAL for another file. The descriptor stays the caller's and stays open until the close. */
int elf_image_open(struct elf_image *image, int descriptor);
void elf_image_close(struct elf_image *image);

/* Calls visit() with each section until it returns false. */
void elf_image_each_section(struct elf_image *image,
                            bool (*visit)(struct elf_image *image, const struct elf_section *section, const char *name,
                                          void *context),
                            void *context);

bool elf_image_find_section(struct elf_image *image, const char *name, struct elf_section *section);

/*
 * A string of a section of strings, NULL if absent or if the section is too large. A section's size is taken off the
 * budget once. Valid until the image is closed.
 */
const char *elf_image_string(struct elf_image *image, size_t section, size_t offset);

/* The section's bytes, NULL without bytes or with too many. Valid until the image is closed. */
const uint8_t *elf_image_bytes(struct elf_image *image, const struct elf_section *section, size_t *length);

/* The section as records (symbols, relocations); NULL if absent. */
Elf_Data *elf_image_records(struct elf_image *image, const struct elf_section *section, size_t *count);

/* The section as notes, for gelf_getnote(3); NULL if absent. */
Elf_Data *elf_image_notes(struct elf_image *image, const struct elf_section *section);

/* Where the instruction at this address stands in the file, by the executable segments. Returns 0, -ENOENT. */
int elf_image_offset(struct elf_image *image, uint64_t address, uint64_t *offset);

/* `length` bytes of code at this address, NULL if outside the file. Valid until the image is closed. */
const uint8_t *elf_image_code(struct elf_image *image, uint64_t address, size_t length);

/* The address of the function that the file exports (.dynsym) under this name. Returns 0, -ENOENT. */
int elf_image_exported(struct elf_image *image, const char *name, uint64_t *address);

#endif /* LIBRARY_ELF_IMAGE_H */
