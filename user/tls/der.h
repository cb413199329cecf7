/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * der - take apart the values of a DER encoding (X.690), without a copy and in linear time. GnuTLS reads the fields of
 * certificates; this reader first measures a hostile certificate, and finds the names of certificates that only end a
 * chain.
 */
#ifndef TLS_DER_H
#define TLS_DER_H

#include "tls/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum der_tag {
	DER_OBJECT_IDENTIFIER = 0x06,
	DER_OCTET_STRING = 0x04,
	DER_UTF8_STRING = 0x0c,
	DER_IA5_STRING = 0x16,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT_0 = 0xa0, /* constructed: [0] EXPLICIT */
	DER_CONTEXT_3 = 0xa3,
};

struct der {
	uint8_t tag;
	const uint8_t *encoding; /* of the whole value, tag and length included */
	size_t encoding_length;
	struct reader content;
};

/*
 * Take the next value. Returns false at the end, and where no value of definite length and of a tag of one byte stands:
 * then the reader's error is set.
 */
bool der_next(struct reader *reader, struct der *value);

/* Take the next value, which must have the tag. */
bool der_expect(struct reader *reader, uint8_t tag, struct der *value);

#endif /* TLS_DER_H */
