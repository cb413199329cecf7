/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* go_code - places in the machine code that Go compiles for x86-64. Pure. */
#ifndef LIBRARY_GO_CODE_H
#define LIBRARY_GO_CODE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The place of the single call of a function in another function's code, whose first byte has the address `begin`.
 * Returns its offset, or -ENOENT without a call or with several. Instructions are not decoded: other code has the five
 * bytes of such a call with a chance of one in 2^32 per byte.
 */
int64_t go_code_find_call(const uint8_t *code, size_t length, uint64_t begin, uint64_t callee);

/*
 * The number of bytes at the beginning of a function that check the stack's size (cmd/internal/obj/x86, stacksplit). On
 * a small stack the function begins again on a larger stack, and a probe at its first instruction would be hit twice. 0
 * without a check; -EINVAL if unclear.
 */
int64_t go_code_stack_check(const uint8_t *code, size_t length);

#endif /* LIBRARY_GO_CODE_H */
