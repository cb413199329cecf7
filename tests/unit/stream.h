/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stream - makes the bytes of one direction by hand: records, messages, and where segments begin.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recorder.h"

enum stream_bounds {
	STREAM_MAX = 192 * 1024,
	STREAM_STARTS_MAX = 64,
};

struct stream {
	size_t length;
	size_t record; /* offset of the record that is open */
	size_t starts; /* how many segments */
	size_t start[STREAM_STARTS_MAX];
	uint8_t bytes[STREAM_MAX];
};

/* The next byte begins a segment. */
static inline void stream_segment(struct stream *stream)
{
	if (stream->starts == STREAM_STARTS_MAX)
		abort();
	stream->start[stream->starts++] = stream->length;
}

/* An empty stream whose first byte begins a segment. */
static inline void stream_reset(struct stream *stream)
{
	stream->length = 0;
	stream->starts = 0;
	stream_segment(stream);
}

static inline struct stream *stream_new(void)
{
	struct stream *stream = malloc(sizeof(*stream));

	if (!stream)
		abort();
	stream_reset(stream);
	return stream;
}

static inline void stream_byte(struct stream *stream, uint8_t byte)
{
	if (stream->length == STREAM_MAX)
		abort();
	stream->bytes[stream->length++] = byte;
}

/* A number of count bytes, in network byte order. */
static inline void stream_number(struct stream *stream, uint32_t number, unsigned int count)
{
	while (count--)
		stream_byte(stream, number >> 8 * count);
}

static inline void stream_fill(struct stream *stream, uint8_t byte, size_t count)
{
	while (count--)
		stream_byte(stream, byte);
}

static inline void stream_text(struct stream *stream, const char *text)
{
	while (*text)
		stream_byte(stream, *text++);
}

static inline void stream_record_header(struct stream *stream, uint8_t type, uint16_t version, uint16_t length)
{
	stream_number(stream, type, 1);
	stream_number(stream, version, 2);
	stream_number(stream, length, 2);
}

/* Begin a record whose length is that of what is added until stream_record_end(). */
static inline void stream_record(struct stream *stream, uint8_t type, uint16_t version)
{
	stream->record = stream->length;
	stream_record_header(stream, type, version, 0);
}

static inline void stream_record_end(struct stream *stream)
{
	size_t length = stream->length - stream->record - 5;

	stream->bytes[stream->record + 3] = length >> 8;
	stream->bytes[stream->record + 4] = length;
}

static inline void stream_message_header(struct stream *stream, uint8_t type, uint32_t length)
{
	stream_number(stream, type, 1);
	stream_number(stream, length, 3);
}

/* Bytes first to last of a message of this type and length: its four of header and then the pattern. */
static inline void stream_message_part(struct stream *stream, uint8_t type, uint32_t length, uint32_t first,
                                       uint32_t count)
{
	uint32_t i;

	for (i = first; i < first + count; i++) {
		if (i == 0)
			stream_byte(stream, type);
		else if (i < 4)
			stream_byte(stream, length >> 8 * (3 - i));
		else
			stream_byte(stream, recorder_pattern(type, i - 4));
	}
}

static inline void stream_message(struct stream *stream, uint8_t type, uint32_t length)
{
	stream_message_part(stream, type, length, 0, length + 4);
}

/* A message alone in its record. */
static inline void stream_message_record(struct stream *stream, uint16_t version, uint8_t type, uint32_t length)
{
	stream_record(stream, 22, version);
	stream_message(stream, type, length);
	stream_record_end(stream);
}

static inline void stream_change_cipher_spec(struct stream *stream, uint16_t version)
{
	stream_record_header(stream, 20, version, 1);
	stream_byte(stream, 1);
}

static inline void stream_alert(struct stream *stream, uint16_t version, uint8_t level, uint8_t description)
{
	stream_record_header(stream, 21, version, 2);
	stream_byte(stream, level);
	stream_byte(stream, description);
}

/* A record of ciphertext: bytes that look like no message. */
static inline void stream_encrypted(struct stream *stream, uint8_t type, uint16_t version, uint16_t length)
{
	stream_record_header(stream, type, version, length);
	stream_fill(stream, 0xe5, length);
}

/* RFC 5246 appendix E.2: lengths of the cipher specs (three bytes each), the session id and the challenge */
static inline void stream_ssl2_session_hello(struct stream *stream, uint16_t version, uint16_t specs,
                                             uint16_t session_id, uint16_t challenge)
{
	stream_number(stream, 0x8000 | (9 + specs + session_id + challenge), 2);
	stream_byte(stream, 1);
	stream_number(stream, version, 2);
	stream_number(stream, specs, 2);
	stream_number(stream, session_id, 2);
	stream_number(stream, challenge, 2);
	stream_fill(stream, 0x5c, specs + session_id + challenge);
}

static inline void stream_ssl2_hello(struct stream *stream, uint16_t version, uint16_t specs, uint16_t challenge)
{
	stream_ssl2_session_hello(stream, version, specs, 0, challenge);
}

/* A header of the PROXY protocol, version 2, with length bytes of addresses and more */
static inline void stream_proxy_header(struct stream *stream, uint16_t length)
{
	stream_number(stream, 0x0d0a0d0a, 4);
	stream_number(stream, 0x000d0a51, 4);
	stream_number(stream, 0x5549540a, 4);
	stream_number(stream, 0x2111, 2);
	stream_number(stream, length, 2);
	stream_fill(stream, 22, length);
}

#endif /* STREAM_H */
