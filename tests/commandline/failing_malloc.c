// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For LD_PRELOAD: of the allocations that the program itself makes, the one with the number $FAILING_ALLOCATION, and all after
 * it, fail. Allocations that libraries make for themselves succeed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static long failing, count;

__attribute__((constructor)) static void begin(void)
{
	const char *number = getenv("FAILING_ALLOCATION");

	failing = number ? atol(number) : 0;
}

/* Whether the caller is the program, and its turn has come. */
static int fails(void *caller)
{
	Dl_info info;

	if (!failing || !dladdr(caller, &info) || strstr(info.dli_fname, ".so"))
		return 0;
	if (++count < failing)
		return 0;
	errno = ENOMEM;
	return 1;
}

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t members, size_t size);

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t members, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(members, size);
}
