/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stream_random - streams by the dozen: a seed makes a handshake direction in random fragments, with records between
 * them, and mutations of it.
 */
#ifndef STREAM_RANDOM_H
#define STREAM_RANDOM_H

#include "stream.h"

/* xorshift32: the same numbers everywhere; a seed is not zero */
static inline uint32_t stream_random_next(uint32_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	return *random;
}

static inline uint32_t stream_random_below(uint32_t *random, uint32_t bound)
{
	return stream_random_next(random) % bound;
}

static inline void stream_random_segment(struct stream *stream, uint32_t *random)
{
	if (stream->starts < STREAM_STARTS_MAX && stream->length > stream->start[stream->starts - 1] &&
	    stream_random_below(random, 2))
		stream_segment(stream);
}

/* What a protocol says before it turns to TLS, now and then with bytes that look like the beginning of a hello */
static inline void stream_random_dialog(struct stream *stream, uint32_t *random)
{
	static const char *const lines[] = {"STARTTLS\r\n",     "\x16\x03",         "\x16",
	                                    "\x16\x03\x01\x02", "\x80\x2e\x01\x03", "PROXY UNKNOWN\r\n"};
	uint32_t count = stream_random_below(random, 4);

	while (count--) {
		stream_text(stream, lines[stream_random_below(random, 6)]);
		if (stream_random_below(random, 3))
			stream_segment(stream);
	}
}

/* Put what is in flight into records of random sizes, with alerts and empty records between them. */
static inline void stream_random_records(struct stream *stream, const uint8_t *flight, size_t length, uint32_t *random)
{
	static const uint16_t sizes[] = {1, 2, 3, 5, 60, 700, 16384, 16384};
	uint16_t size = sizes[stream_random_below(random, 8)];
	size_t done = 0;
	uint32_t count, i;

	while (done < length) {
		count = 1 + stream_random_below(random, size);
		if (size == 16384 || count > length - done)
			count = length - done < size ? length - done : size;
		stream_random_segment(stream, random);
		stream_record(stream, 22, 0x0303);
		for (i = 0; i < count; i++)
			stream_byte(stream, flight[done++]);
		stream_record_end(stream);
		if (stream_random_below(random, 30) == 0)
			stream_alert(stream, 0x0303, 1 + stream_random_below(random, 2),
			             stream_random_below(random, 120));
		if (stream_random_below(random, 100) == 0)
			stream_record_header(stream, 22, 0x0303, 0);
	}
}

static inline uint32_t stream_random_length(uint32_t *random)
{
	static const uint16_t bounds[] = {1, 5, 50, 300, 4000};

	return stream_random_below(random, bounds[stream_random_below(random, 5)]);
}

static inline void stream_random_handshake(struct stream *stream, uint8_t hello, uint32_t *random)
{
	static const uint8_t types[] = {0, 1, 2, 4, 11, 11, 12, 13, 13, 14, 15, 16, 20, 22};
	struct stream *flight = stream_new();
	uint32_t count = stream_random_below(random, 7);

	stream_message(flight, hello, 40 + stream_random_length(random));
	while (count--)
		stream_message(flight, types[stream_random_below(random, sizeof(types))], stream_random_length(random));
	stream_random_records(stream, flight->bytes, flight->length, random);
	free(flight);
}

/* What comes behind ChangeCipherSpec, or in TLS 1.3 behind the hello. */
static inline void stream_random_ciphered(struct stream *stream, uint8_t hello, uint32_t *random)
{
	uint32_t count = stream_random_below(random, 16);

	if (stream_random_below(random, 4))
		stream_change_cipher_spec(stream, 0x0303);
	if (stream_random_below(random, 4) == 0)
		stream_message_record(stream, 0x0303, hello, 40 + stream_random_length(random));
	while (count--) {
		stream_random_segment(stream, random);
		if (stream_random_below(random, 20) == 0)
			stream_alert(stream, 0x0303, 2, 40);
		else
			stream_encrypted(stream,
			                 stream_random_below(random, 8) ? 23 : 21 + stream_random_below(random, 4),
			                 0x0303, stream_random_length(random));
	}
}

/* Make the bytes of one direction; answer: of one that answers a ClientHello. */
static inline void stream_random(struct stream *stream, uint32_t *random, bool answer)
{
	uint8_t hello = answer || stream_random_below(random, 3) == 0 ? 2 : 1;

	stream_reset(stream);
	if (!answer)
		stream_random_dialog(stream, random);
	if (!answer && stream_random_below(random, 10) == 0)
		stream_proxy_header(stream, stream_random_length(random));
	if (!answer && stream_random_below(random, 10) == 0)
		stream_ssl2_hello(stream, 0x0301, 3 * (1 + stream_random_below(random, 20)), 16);
	stream_random_handshake(stream, hello, random);
	stream_random_ciphered(stream, hello, random);
}

static inline void stream_mutate_delete(struct stream *stream, size_t position, size_t count)
{
	if (count > stream->length - position)
		count = stream->length - position;
	memmove(stream->bytes + position, stream->bytes + position + count, stream->length - position - count);
	stream->length -= count;
}

/* Change some of it: bytes replaced by telling ones, bytes gone, an end that is missing. */
static inline void stream_mutate(struct stream *stream, uint32_t *random)
{
	static const uint8_t telling[] = {0, 1, 2, 3, 4, 5, 11, 13, 14, 20, 21, 22, 23, 24, 25, 0x47, 0x48, 0x80, 0xff};
	uint32_t count = 1 + stream_random_below(random, 4);
	size_t position;

	while (count-- && stream->length) {
		position = stream_random_below(random, stream->length);
		/* most framing is near the beginning of small streams */
		if (stream_random_below(random, 2))
			position = stream_random_below(random, stream->length < 40 ? stream->length : 40);
		if (stream_random_below(random, 8) == 0)
			stream_mutate_delete(stream, position, 1 + stream_random_below(random, 6));
		else if (stream_random_below(random, 12) == 0)
			stream->length = position;
		else
			stream->bytes[position] = telling[stream_random_below(random, sizeof(telling))];
	}
}

#endif /* STREAM_RANDOM_H */
