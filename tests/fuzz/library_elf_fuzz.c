// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The reader of ELF files: any file, in a memory file, as the process that probes libraries would open it. What it says is to
 * be probed has to be in the file, and a name has to be one. tests/fuzz/seeds/library_elf makes small files to begin with.
 */
#include "library/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	require(length < size);
	for (size_t index = 0; index < length; index++)
		require(text[index] >= ' ' && text[index] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct library_companion companion;
	static const struct library_host host = {.many_points = true, .causes = true};
	struct library_elf elf;
	const char *why = NULL;
	int descriptor, error;

	descriptor = memfd_create("fuzz", MFD_CLOEXEC);
	require(descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size);
	error = library_elf_read(descriptor, &host, &elf, &why);
	require(error == 0 || error == -ENOENT || error == -ENOTSUP);
	if (error == -ENOTSUP)
		require(why);
	if (!error) {
		require_text(elf.name, sizeof(elf.name));
		require(memchr(elf.needed, '\0', sizeof(elf.needed)) && !strchr(elf.needed, '/'));
		require(elf.points && elf.points <= PROBE_POINTS_MAX && elf.kind < LIBRARY_KINDS);
		for (uint32_t index = 0; index < elf.points; index++)
			require(elf.point[index].offset < size);
	}
	if (!library_elf_companion(descriptor, &companion))
		require_text(companion.name, sizeof(companion.name));
	close(descriptor);
	return 0;
}
