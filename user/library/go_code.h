/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* go_code - places in the machine code that Go compiles for x86-64. Pure. */
#ifndef LIBRARY_GO_CODE_H
#define LIBRARY_GO_CODE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where the one call of a function stands in another's code, whose first byte has the address `begin`. Returns its offset, or
 * -ENOENT where there is none or more than one. Instructions are not followed: other code has the five bytes of such a call by
 * a chance of one in 2^32 for each of its own.
 */
int64_t go_code_find_call(const uint8_t *code, size_t length, uint64_t begin, uint64_t callee);

/*
 * How many bytes at the beginning of a function look whether the stack is large enough (cmd/internal/obj/x86, stacksplit).
 * Where it is not, the function begins again on a larger one: at its first instruction a probe would be hit twice. 0 where it
 * has no such check; -EINVAL where that is not to be seen.
 */
int64_t go_code_stack_check(const uint8_t *code, size_t length);

#endif /* LIBRARY_GO_CODE_H */
