/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reader - take the fields of a message off bytes that may end anywhere, so a parser reads like the message's schema
 * and checks for an error once, at the end.
 *
 * A read beyond the end gives zeros, takes all remaining bytes and sets the error, which the readers of a message
 * share: every later read off that reader fails, too, but readers taken from it earlier continue with their bytes.
 */
#ifndef TLS_READER_H
#define TLS_READER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *next; /* NULL: a read went beyond the end */
	size_t left;
	int *error; /* 0, or -EBADMSG */
};

/* What the schema demands of a value. The framing is sound all the same: reading goes on. */
static inline void reader_expect(struct reader *reader, bool condition)
{
	if (!condition)
		*reader->error = -EBADMSG;
}

/* The structure ends here. */
static inline void reader_end(struct reader *reader)
{
	reader_expect(reader, reader->left == 0);
}

/* The next length bytes, or NULL where there are fewer. */
static inline const uint8_t *reader_bytes(struct reader *reader, size_t length)
{
	const uint8_t *bytes = reader->next;

	if (!bytes || length > reader->left) {
		*reader->error = -EBADMSG;
		reader->next = NULL;
		reader->left = 0;
		return NULL;
	}
	reader->next += length;
	reader->left -= length;
	return bytes;
}

static inline uint32_t reader_number(struct reader *reader, size_t length)
{
	const uint8_t *bytes = reader_bytes(reader, length);
	uint32_t number = 0;

	for (size_t i = 0; bytes && i < length; i++)
		number = number << 8 | bytes[i];
	return number;
}

static inline uint8_t reader_u8(struct reader *reader)
{
	return reader_number(reader, 1);
}

static inline uint16_t reader_u16(struct reader *reader)
{
	return reader_number(reader, 2);
}

static inline uint32_t reader_u24(struct reader *reader)
{
	return reader_number(reader, 3);
}

/* A vector that is one value: whole or empty. */
static inline struct reader reader_opaque(struct reader *reader, size_t length)
{
	const uint8_t *bytes = reader_bytes(reader, length);

	return (struct reader){.next = bytes, .left = bytes ? length : 0, .error = reader->error};
}

/* A vector of values: present values count, even if the rest was cut off. */
static inline struct reader reader_list(struct reader *reader, size_t length)
{
	reader_expect(reader, length <= reader->left);
	return reader_opaque(reader, length < reader->left ? length : reader->left);
}

#endif /* TLS_READER_H */
