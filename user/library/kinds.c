// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/kinds.h"

#include <errno.h>
#include <string.h>

#include "library/kind.h"

enum {
	DYNAMIC_MAX = 4096, /* entries of a dynamic section */
	ENTRY_BYTES = 16,   /* of a function that are looked at */
};

#if defined(__x86_64__)
static const uint16_t HOST_MACHINE = EM_X86_64;
#elif defined(__aarch64__)
static const uint16_t HOST_MACHINE = EM_AARCH64;
#else
static const uint16_t HOST_MACHINE = EM_NONE;
#endif

static const library_kind_read kinds[] = {
	library_openssl_read,
	library_gnutls_read,
	library_go_read,
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
 * The kernel emulates a few instructions on x86-64 (push, call, jumps) at the price of one trap. Any other it runs out of its
 * place, step by step, at about ten times that.
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
		name = elf_strptr(image->elf, dynamic.header.sh_link, entry.d_un.d_val);
		/* it becomes a part of a path */
		if (!name || strncmp(name, prefix, strlen(prefix)) || strlen(name) >= LIBRARY_NEEDED_MAX ||
		    strchr(name, '/'))
			continue;
		strcpy(needed, name);
		return;
	}
}

static int read_image(struct elf_image *image, bool many, struct library_elf *elf, const char **why)
{
	int error = -ENOENT;

	for (size_t index = 0; error == -ENOENT && index < sizeof(kinds) / sizeof(kinds[0]); index++) {
		memset(elf, 0, sizeof(*elf));
		elf->many = many;
		error = kinds[index](image, elf, why);
	}
	if (!error && image->machine != HOST_MACHINE) {
		*why = "it is made for another machine";
		error = -ENOTSUP;
	}
	return error;
}

int library_elf_read(int descriptor, bool many, struct library_elf *elf, const char **why)
{
	struct elf_image image;
	int error;

	if (elf_image_open(&image, descriptor))
		return -ENOENT;
	error = read_image(&image, many, elf, why);
	elf_image_close(&image);
	return error;
}

int library_elf_version(int descriptor, char name[LIBRARY_TARGET_NAME_MAX])
{
	struct elf_image image;
	int error;

	if (elf_image_open(&image, descriptor))
		return -ENOENT;
	error = library_openssl_version(&image, name);
	elf_image_close(&image);
	return error;
}
