// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/kinds.h"

#include <errno.h>
#include <string.h>

#include "library/kind.h"
#include "library/openssl_causes.h"

#if defined(__x86_64__)
static const uint16_t HOST_MACHINE = EM_X86_64;
#elif defined(__aarch64__)
static const uint16_t HOST_MACHINE = EM_AARCH64;
#else
static const uint16_t HOST_MACHINE = EM_NONE;
#endif

static const library_kind_read reads[LIBRARY_KINDS] = {
#define KIND(NAME, name, file) [LIBRARY_##NAME] = library_##name##_read,
	LIBRARY_KIND_TABLE(KIND)
#undef KIND
};

static int read_image(struct elf_image *image, const struct library_host *host, struct library_elf *elf,
                      const char **why)
{
	int error = -ENOENT;

	for (uint8_t kind = 0; error == -ENOENT && kind < LIBRARY_KINDS; kind++) {
		memset(elf, 0, sizeof(*elf));
		elf->kind = kind;
		elf->host = *host;
		error = reads[kind](image, elf, why);
	}
	if (!error && image->machine != HOST_MACHINE) {
		*why = "it is made for another machine";
		error = -ENOTSUP;
	}
	return error;
}

int library_elf_read(int descriptor, const struct library_host *host, struct library_elf *elf, const char **why)
{
	struct elf_image image;
	int error;

	if (elf_image_open(&image, descriptor))
		return -ENOENT;
	error = read_image(&image, host, elf, why);
	elf_image_close(&image);
	return error;
}

int library_elf_companion(int descriptor, struct library_companion *companion)
{
	struct elf_image image;

	memset(companion, 0, sizeof(*companion));
	if (elf_image_open(&image, descriptor))
		return -ENOENT;
	if (library_openssl_version(&image, companion->name))
		companion->name[0] = '\0';
	companion->error = openssl_causes_error_offset(&image);
	elf_image_close(&image);
	return 0;
}
