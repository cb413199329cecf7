// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Go's table of functions, as any file that a process maps may have it: nothing is read outside, and what is told makes sense. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "library/pclntab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check(const char *name, uint64_t begin, uint64_t end, void *context)
{
	uint64_t *functions = context;

	if (strlen(name) >= PCLNTAB_NAME_MAX || begin >= end)
		abort();
	(*functions)++;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pclntab table;
	uint64_t functions = 0;

	if (pclntab_open(&table, data, size))
		return 0;
	pclntab_each(&table, check, &functions);
	if (functions > table.functions)
		abort();
	return 0;
}
