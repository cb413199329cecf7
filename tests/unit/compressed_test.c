// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Compressed captures (user/capture/compressed.c), made by the libraries that are to read them. */
#include "capture/compressed.h"

#include "message_bytes.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
	CONTENT = 300 * 1000, /* more than one buffer of any kind */
};

struct fixture {
	uint8_t content[CONTENT];
	uint8_t gzip[3 * CONTENT];
	size_t gzip_length;
	uint8_t zstd[3 * CONTENT];
	size_t zstd_length;
};

static void make_gzip(struct fixture *fixture)
{
	z_stream stream = {.next_in = fixture->content,
	                   .avail_in = CONTENT,
	                   .next_out = fixture->gzip,
	                   .avail_out = sizeof(fixture->gzip)};

	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	fixture->gzip_length = stream.total_out;
	deflateEnd(&stream);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	for (size_t i = 0; i < CONTENT; i++)
		fixture->content[i] = i / 7 * 2654435761u >> (i % 3 * 8);
	make_gzip(fixture);
	fixture->zstd_length = ZSTD_compress(fixture->zstd, sizeof(fixture->zstd), fixture->content, CONTENT, 3);
	assert_false(ZSTD_isError(fixture->zstd_length));
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Reads it whole. Returns the length, or -1 at an error. */
static long read_back(const uint8_t *bytes, size_t length, const uint8_t *expected)
{
	uint8_t chunk[4093];
	size_t got, total = 0;
	FILE *input = fmemopen((void *)bytes, length, "rb");
	FILE *stream;
	bool failed;

	assert_non_null(input);
	assert_true(is_compressed(bytes[0]));
	stream = compressed_open(input);
	assert_non_null(stream);
	while ((got = fread(chunk, 1, sizeof(chunk), stream))) {
		for (size_t i = 0; i < got; i++)
			assert_int_equal(chunk[i], expected[(total + i) % CONTENT]);
		total += got;
	}
	failed = ferror(stream);
	fclose(stream);
	return failed ? -1 : (long)total;
}

static void test_whole_files(void **state)
{
	struct fixture *fixture = *state;

	expect_number("gzip", "length", read_back(fixture->gzip, fixture->gzip_length, fixture->content), CONTENT);
	expect_number("zstd", "length", read_back(fixture->zstd, fixture->zstd_length, fixture->content), CONTENT);
}

/* cat one.gz two.gz: RFC 1952 section 2.2, RFC 8878 section 3 */
static void test_several_members(void **state)
{
	struct fixture *fixture = *state;

	memcpy(fixture->gzip + fixture->gzip_length, fixture->gzip, fixture->gzip_length);
	memcpy(fixture->zstd + fixture->zstd_length, fixture->zstd, fixture->zstd_length);
	expect_number("gzip", "length", read_back(fixture->gzip, 2 * fixture->gzip_length, fixture->content),
	              2 * CONTENT);
	expect_number("zstd", "length", read_back(fixture->zstd, 2 * fixture->zstd_length, fixture->content),
	              2 * CONTENT);
}

static void test_cut_files_are_an_error(void **state)
{
	struct fixture *fixture = *state;

	expect_number("gzip", "result", read_back(fixture->gzip, fixture->gzip_length - 1, fixture->content), -1);
	expect_number("zstd", "result", read_back(fixture->zstd, fixture->zstd_length - 1, fixture->content), -1);
	expect_number("gzip, one byte", "result", read_back(fixture->gzip, 1, fixture->content), -1);
}

static void test_damaged_files_are_an_error(void **state)
{
	struct fixture *fixture = *state;

	fixture->gzip[fixture->gzip_length - 6] ^= 1; /* CRC32 */
	expect_number("gzip", "result", read_back(fixture->gzip, fixture->gzip_length, fixture->content), -1);
	fixture->zstd[1] ^= 1; /* Magic_Number */
	expect_number("zstd", "result", read_back(fixture->zstd, fixture->zstd_length, fixture->content), -1);
}

static void test_capture_files_are_not_compressed(void **state)
{
	static const uint8_t first[] = {0x0a, 0xd4, 0xa1, 0x4d, 0xa1, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(first); i++)
		assert_false(is_compressed(first[i]));
	assert_false(is_compressed(EOF));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_members, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_files_are_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_files_are_an_error, setup, teardown),
		cmocka_unit_test(test_capture_files_are_not_compressed),
	};

	return cmocka_run_group_tests_name("compressed", tests, NULL, NULL);
}
