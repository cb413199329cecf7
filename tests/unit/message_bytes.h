/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * message_bytes - input for the parsers of messages: from hexadecimal, made field by field, and laid so that reading one
 * byte too many faults.
 */
#ifndef MESSAGE_BYTES_H
#define MESSAGE_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* A message in the making. */
struct message_bytes {
	uint8_t data[80 * 1024];
	size_t length;
};

static inline void put_bytes(struct message_bytes *bytes, const void *data, size_t length)
{
	assert_true(length <= sizeof(bytes->data) - bytes->length);
	memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
}

static inline void put_number(struct message_bytes *bytes, size_t size, uint32_t number)
{
	for (size_t i = size; i-- > 0;)
		put_bytes(bytes, &(uint8_t){number >> (8 * i)}, 1);
}

static inline void put_zeros(struct message_bytes *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		put_number(bytes, 1, 0);
}

static inline void put_hex(struct message_bytes *bytes, const char *hex)
{
	for (; *hex; hex += 2) {
		unsigned int byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		put_number(bytes, 1, byte);
	}
}

/* Begin a vector whose length takes size bytes; vector_end() with what this returns fills the length in. */
static inline size_t vector_begin(struct message_bytes *bytes, size_t size)
{
	put_zeros(bytes, size);
	return bytes->length;
}

static inline void vector_end(struct message_bytes *bytes, size_t size, size_t begin)
{
	size_t length = bytes->length - begin;

	for (size_t i = 0; i < size; i++)
		bytes->data[begin - 1 - i] = length >> (8 * i);
}

static inline void put_vector(struct message_bytes *bytes, size_t size, const void *data, size_t length)
{
	put_number(bytes, size, length);
	put_bytes(bytes, data, length);
}

/* A copy of bytes that ends where an unmapped page begins. */
struct guarded_bytes {
	const uint8_t *data;
	size_t length;
	uint8_t *mapping;
	size_t mapped;
};

static inline struct guarded_bytes guarded_copy(const uint8_t *data, size_t length)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t readable = (length / page + 1) * page;
	struct guarded_bytes guarded = {.length = length, .mapped = readable + page};

	guarded.mapping = mmap(NULL, guarded.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(guarded.mapping, MAP_FAILED);
	assert_int_equal(mprotect(guarded.mapping + readable, page, PROT_NONE), 0);
	memcpy(guarded.mapping + readable - length, data, length);
	guarded.data = guarded.mapping + readable - length;
	return guarded;
}

static inline void guarded_free(struct guarded_bytes *guarded)
{
	assert_int_equal(munmap(guarded->mapping, guarded->mapped), 0);
}

/* Fail with what it is about where the two differ. */
static inline void expect_number(const char *about, const char *what, uint64_t actual, uint64_t expected)
{
	if (actual == expected)
		return;
	print_error("%s: %s is %#llx (%lld), expected %#llx (%lld)\n", about, what, (unsigned long long)actual,
	            (long long)actual, (unsigned long long)expected, (long long)expected);
	fail();
}

static inline void expect_text(const char *about, const char *what, const char *actual, const char *expected)
{
	if (strcmp(actual, expected) == 0)
		return;
	print_error("%s: %s is \"%s\", expected \"%s\"\n", about, what, actual, expected);
	fail();
}

static inline void expect_hex(const char *about, const char *what, const uint8_t *actual, size_t length,
                              const char *expected)
{
	char hex[2 * 64 + 1] = "";

	assert_true(length <= 64);
	for (size_t i = 0; i < length; i++)
		snprintf(hex + 2 * i, 3, "%02x", actual[i]);
	expect_text(about, what, hex, expected);
}

#endif /* MESSAGE_BYTES_H */
