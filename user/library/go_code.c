// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/go_code.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum {
	CALL = 0xe8, /* CALL rel32: the offset counts from the next instruction */
	CALL_LENGTH = 5,
	JBE_SHORT = 0x76,
	JBE_SHORT_LENGTH = 2,
	JBE_LENGTH = 6,
	COMPARE_LENGTH = 4,
};

/* The stack pointer, present or future, is compared with the goroutine's limit: stackguard0, at 16 in r14's target. */
static const uint8_t compare_rsp[COMPARE_LENGTH] = {0x49, 0x3b, 0x66, 0x10}; /* cmp 0x10(%r14),%rsp */
static const uint8_t compare_r12[COMPARE_LENGTH] = {0x4d, 0x3b, 0x66, 0x10}; /* cmp 0x10(%r14),%r12 */

/* lea -frame(%rsp),%r12, with a distance of one byte or four */
static const uint8_t lea_near[] = {0x4c, 0x8d, 0x64, 0x24};
static const uint8_t lea_far[] = {0x4c, 0x8d, 0xa4, 0x24};

int64_t go_code_find_call(const uint8_t *code, size_t length, uint64_t begin, uint64_t callee)
{
	int64_t call = -ENOENT;

	for (size_t at = 0; at + CALL_LENGTH <= length; at++) {
		uint32_t offset;

		memcpy(&offset, code + at + 1, sizeof(offset));
		if (code[at] != CALL || begin + at + CALL_LENGTH + (uint64_t)(int32_t)le32toh(offset) != callee)
			continue;
		if (call >= 0)
			return -ENOENT;
		call = at;
	}
	return call;
}

static int begins_with(const uint8_t *code, size_t length, const uint8_t *bytes, size_t count)
{
	return length >= count && !memcmp(code, bytes, count);
}

/* The jump to where the stack is made larger: jbe */
static size_t jump_length(const uint8_t *code, size_t length)
{
	if (length >= JBE_SHORT_LENGTH && code[0] == JBE_SHORT)
		return JBE_SHORT_LENGTH;
	if (length >= JBE_LENGTH && code[0] == 0x0f && code[1] == 0x86)
		return JBE_LENGTH;
	return 0;
}

int64_t go_code_stack_check(const uint8_t *code, size_t length)
{
	const uint8_t *compare = compare_rsp;
	size_t at = 0, jump;

	if (begins_with(code, length, lea_near, sizeof(lea_near)))
		at = sizeof(lea_near) + 1;
	else if (begins_with(code, length, lea_far, sizeof(lea_far)))
		at = sizeof(lea_far) + 4;
	if (at)
		compare = compare_r12;
	if (at > length || !begins_with(code + at, length - at, compare, COMPARE_LENGTH))
		return at ? -EINVAL : 0;
	at += COMPARE_LENGTH;
	jump = jump_length(code + at, length - at);
	return jump ? (int64_t)(at + jump) : -EINVAL;
}
