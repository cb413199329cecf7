// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/der.h"

enum {
	TAG_OF_SEVERAL_BYTES = 0x1f, /* X.690 section 8.1.2.4 */
	LENGTH_IS_LONG = 0x80,       /* X.690 section 8.1.3.5 */
	LENGTH_BYTES_MAX = 4,
};

static size_t read_length(struct reader *reader)
{
	uint8_t first = reader_u8(reader);
	uint8_t bytes = first & ~LENGTH_IS_LONG;

	if (!(first & LENGTH_IS_LONG))
		return first;
	reader_expect(reader, bytes > 0 && bytes <= LENGTH_BYTES_MAX);
	return bytes <= LENGTH_BYTES_MAX ? reader_number(reader, bytes) : reader->left + 1;
}

bool der_next(struct reader *reader, struct der *value)
{
	if (!reader->left)
		return false;
	value->encoding = reader->next;
	value->tag = reader_u8(reader);
	reader_expect(reader, (value->tag & TAG_OF_SEVERAL_BYTES) != TAG_OF_SEVERAL_BYTES);
	value->content = reader_opaque(reader, read_length(reader));
	if (*reader->error || !value->content.next)
		return false;
	value->encoding_length = value->content.next + value->content.left - value->encoding;
	return true;
}

bool der_expect(struct reader *reader, uint8_t tag, struct der *value)
{
	bool found = der_next(reader, value) && value->tag == tag;

	reader_expect(reader, found);
	return found;
}
