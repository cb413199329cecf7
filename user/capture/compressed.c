// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/compressed.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <zlib.h>
#include <zstd.h>

enum {
	GZIP_FIRST_BYTE = 0x1f,
	ZSTD_FIRST_BYTE = 0x28,
	INPUT_BYTES = 64 * 1024,
	WINDOW_AND_GZIP = 15 + 16, /* inflateInit2(): the largest window, and gzip's header */
};

struct compressed {
	FILE *input;
	z_stream zlib;
	ZSTD_DStream *zstd; /* NULL: gzip */
	ZSTD_inBuffer zstd_input;
	bool pending;      /* the decoder may hold more output than had room */
	bool member_ended; /* the next bytes, if any, begin another member or frame */
	uint8_t bytes[INPUT_BYTES];
};

bool is_compressed(int first_byte)
{
	return first_byte == GZIP_FIRST_BYTE || first_byte == ZSTD_FIRST_BYTE;
}

/* More of the input. Returns its length, 0 at the end, or -EIO. */
static ssize_t refill(struct compressed *compressed)
{
	size_t length = fread(compressed->bytes, 1, sizeof(compressed->bytes), compressed->input);

	return length || !ferror(compressed->input) ? (ssize_t)length : -EIO;
}

/* Returns bytes written, 0 where more input is needed, or -EBADMSG. */
static ssize_t inflate_some(struct compressed *compressed, char *bytes, size_t size)
{
	z_stream *zlib = &compressed->zlib;
	int result;

	if (compressed->member_ended && inflateReset(zlib) != Z_OK)
		return -EBADMSG;
	compressed->member_ended = false;
	zlib->next_out = (uint8_t *)bytes;
	zlib->avail_out = size;
	result = inflate(zlib, Z_NO_FLUSH);
	compressed->member_ended = result == Z_STREAM_END;
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return -EBADMSG;
	return size - zlib->avail_out;
}

static ssize_t zstd_some(struct compressed *compressed, char *bytes, size_t size)
{
	ZSTD_outBuffer output = {.dst = bytes, .size = size};
	size_t result = ZSTD_decompressStream(compressed->zstd, &output, &compressed->zstd_input);

	if (ZSTD_isError(result))
		return -EBADMSG;
	compressed->member_ended = result == 0;
	return output.pos;
}

/* The remaining input. Without remaining input, gives the decoder new input. Returns 0 at the end, or -EIO. */
static ssize_t feed(struct compressed *compressed)
{
	ssize_t length;

	if (compressed->zstd) {
		if (compressed->zstd_input.pos < compressed->zstd_input.size)
			return 1;
		length = refill(compressed);
		if (length > 0)
			compressed->zstd_input = (ZSTD_inBuffer){.src = compressed->bytes, .size = length};
		return length;
	}
	if (compressed->zlib.avail_in)
		return 1;
	length = refill(compressed);
	if (length > 0) {
		compressed->zlib.next_in = compressed->bytes;
		compressed->zlib.avail_in = length;
	}
	return length;
}

static ssize_t read_compressed(void *context, char *bytes, size_t size)
{
	struct compressed *compressed = context;
	ssize_t length = 0;
	ssize_t left;

	while (length == 0) {
		left = compressed->pending ? 1 : feed(compressed);
		if (left == 0 && compressed->member_ended)
			return 0;
		if (left <= 0) {
			errno = left < 0 ? -left : EBADMSG;
			return -1;
		}
		length = compressed->zstd ? zstd_some(compressed, bytes, size) : inflate_some(compressed, bytes, size);
		compressed->pending = length == (ssize_t)size && !compressed->member_ended;
	}
	if (length < 0) {
		errno = -length;
		return -1;
	}
	return length;
}

static void decoder_free(struct compressed *compressed)
{
	if (compressed->zstd)
		ZSTD_freeDStream(compressed->zstd);
	else
		inflateEnd(&compressed->zlib);
	free(compressed);
}

static int close_compressed(void *context)
{
	struct compressed *compressed = context;
	int result = fclose(compressed->input);

	decoder_free(compressed);
	return result;
}

static bool decoder_init(struct compressed *compressed, int first)
{
	if (first == GZIP_FIRST_BYTE)
		return inflateInit2(&compressed->zlib, WINDOW_AND_GZIP) == Z_OK;
	compressed->zstd = ZSTD_createDStream();
	return compressed->zstd && !ZSTD_isError(ZSTD_initDStream(compressed->zstd));
}

FILE *compressed_open(FILE *input)
{
	const cookie_io_functions_t functions = {.read = read_compressed, .close = close_compressed};
	struct compressed *compressed = calloc(1, sizeof(*compressed));
	FILE *stream = NULL;

	if (!compressed)
		return NULL;
	compressed->input = input;
	if (decoder_init(compressed, ungetc(getc(input), input)))
		stream = fopencookie(compressed, "r", functions);
	if (!stream)
		decoder_free(compressed);
	return stream;
}
