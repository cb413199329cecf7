// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Print what library_elf reads in files: for the tests of suite library, which hold it against objdump.
 * usage: points [--single] FILE...     as where each probe needs a link of its own
 *
 *   FILE: point PROBE OFFSET         once for each
 *   FILE: library KIND NAME          or: none, or: refused WHY
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "library/kinds.h"
#include "library/shadow_stack.h"

static int print_file(const char *path, const struct library_host *host)
{
	struct library_elf elf;
	const char *why = "";
	int descriptor, error;

	descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return -errno;
	error = library_elf_read(descriptor, host, &elf, &why);
	for (uint32_t index = 0; error != -ENOENT && index < elf.points; index++)
		printf("%s: point %u 0x%" PRIx64 "\n", path, elf.point[index].probe, elf.point[index].offset);
	if (error == -ENOENT)
		printf("%s: none\n", path);
	else if (error)
		printf("%s: refused %s\n", path, why);
	else
		printf("%s: library %u %s\n", path, elf.kind, elf.name);
	close(descriptor);
	return 0;
}

int main(int argc, char **argv)
{
	bool single = argc > 1 && !strcmp(argv[1], "--single");
	const struct library_host host = {
		.many_points = !single, .causes = true, .shadow_stacks = shadow_stack_on_host(SHADOW_STACK_CPUINFO)};

	for (int index = 1 + single; index < argc; index++)
		if (print_file(argv[index], &host))
			return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
