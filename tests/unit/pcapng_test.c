// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/pcapng.h"

#include "message_bytes.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <stdbool.h>
#include <stdlib.h>

/* A file in the making, in either byte order. */
struct file {
	struct message_bytes bytes;
	bool big;
};

static void put_field(struct file *file, size_t size, uint64_t number)
{
	size_t i;

	for (i = 0; i < size; i++)
		put_number(&file->bytes, 1, number >> 8 * (file->big ? size - 1 - i : i) & 0xff);
}

/* A block: where its length stands. */
static size_t block_begin(struct file *file, uint32_t type)
{
	put_field(file, 4, type);
	put_field(file, 4, 0);
	return file->bytes.length;
}

static void block_end(struct file *file, size_t at)
{
	struct file length = {.big = file->big};

	while (file->bytes.length % 4)
		put_number(&file->bytes, 1, 0);
	put_field(&length, 4, file->bytes.length - at + 12);
	memcpy(file->bytes.data + at - 4, length.bytes.data, 4);
	put_bytes(&file->bytes, length.bytes.data, 4);
}

static void put_section(struct file *file, bool big)
{
	size_t at;

	file->big = big;
	at = block_begin(file, 0x0a0d0d0a);
	put_field(file, 4, 0x1a2b3c4d);
	put_field(file, 2, 1);
	put_field(file, 2, 0);
	put_field(file, 8, UINT64_MAX);
	block_end(file, at);
}

/* resolution and offset_seconds only where not 0 */
static void put_interface(struct file *file, uint16_t link_type, uint32_t snaplen, uint8_t resolution,
                          uint64_t offset_seconds)
{
	size_t at = block_begin(file, 1);

	put_field(file, 2, link_type);
	put_field(file, 2, 0);
	put_field(file, 4, snaplen);
	put_field(file, 2, 2); /* if_name, of no interest */
	put_field(file, 2, 3);
	put_hex(&file->bytes, "6c6f3000");
	if (resolution) {
		put_field(file, 2, 9);
		put_field(file, 2, 1);
		put_field(file, 1, resolution);
		put_hex(&file->bytes, "000000");
	}
	if (offset_seconds) {
		put_field(file, 2, 14);
		put_field(file, 2, 8);
		put_field(file, 8, offset_seconds);
	}
	put_field(file, 4, 0);
	block_end(file, at);
}

static void put_packet(struct file *file, uint32_t interface, uint64_t stamp, uint32_t length, const char *hex)
{
	size_t at = block_begin(file, 6);

	put_field(file, 4, interface);
	put_field(file, 4, stamp >> 32);
	put_field(file, 4, stamp & 0xffffffff);
	put_field(file, 4, strlen(hex) / 2);
	put_field(file, 4, length);
	put_hex(&file->bytes, hex);
	block_end(file, at);
}

static struct pcapng *file_open(const struct file *file, size_t length, FILE **stream)
{
	struct pcapng *pcapng;

	*stream = fmemopen((void *)file->bytes.data, length, "rb");
	assert_non_null(*stream);
	pcapng = pcapng_new(*stream);
	assert_non_null(pcapng);
	return pcapng;
}

static void file_close(struct pcapng *pcapng, FILE *stream)
{
	pcapng_free(pcapng);
	fclose(stream);
}

static void expect_packet(const char *about, struct pcapng *pcapng, int datalink, uint64_t time_ns, uint32_t length,
                          const char *hex)
{
	struct pcapng_packet packet;

	expect_number(about, "result", pcapng_next(pcapng, &packet), 1);
	expect_number(about, "link type", packet.datalink, datalink);
	expect_number(about, "time", packet.time_ns, time_ns);
	expect_number(about, "length", packet.length, length);
	expect_number(about, "captured", packet.captured, strlen(hex) / 2);
	expect_hex(about, "bytes", packet.bytes, packet.captured, hex);
}

/* Two sections in different byte orders, interfaces with clocks of their own. */
static void make_sections(struct file *file)
{
	size_t at;

	put_section(file, false);
	put_interface(file, DLT_EN10MB, 65535, 0, 0);
	put_interface(file, 101, 0, 9, 0);
	put_packet(file, 0, 1700000000123456, 100, "0102030405");
	put_packet(file, 1, 1700000000123456789, 4, "45000001");
	at = block_begin(file, 0x80000bad);
	put_hex(&file->bytes, "00ff00ff");
	block_end(file, at);
	put_section(file, true);
	put_interface(file, DLT_LINUX_SLL, 2, 0x80 | 10, 1000);
	put_packet(file, 0, 1700000000ull << 10 | 512, 3, "aabbcc");
	at = block_begin(file, 3); /* a simple packet: of three bytes, two captured */
	put_field(file, 4, 3);
	put_hex(&file->bytes, "ddee");
	block_end(file, at);
	at = block_begin(file, 2); /* an obsolete packet block */
	put_field(file, 2, 0);
	put_field(file, 2, 7);
	put_field(file, 8, 1700000001ull << 10);
	put_field(file, 4, 2);
	put_field(file, 4, 9);
	put_hex(&file->bytes, "1122");
	block_end(file, at);
}

static void sections_and_interfaces(void **state)
{
	struct file *file = calloc(1, sizeof(*file));
	struct pcapng_packet packet;
	struct pcapng *pcapng;
	FILE *stream;

	(void)state;
	assert_non_null(file);
	make_sections(file);
	pcapng = file_open(file, file->bytes.length, &stream);
	expect_packet("microseconds", pcapng, DLT_EN10MB, 1700000000123456000, 100, "0102030405");
	expect_packet("nanoseconds", pcapng, DLT_RAW, 1700000000123456789, 4, "45000001");
	expect_packet("binary, with an offset", pcapng, DLT_LINUX_SLL, 1700001000500000000, 3, "aabbcc");
	expect_packet("simple", pcapng, DLT_LINUX_SLL, 1700001000500000000, 3, "ddee");
	expect_packet("obsolete", pcapng, DLT_LINUX_SLL, 1700001001000000000, 9, "1122");
	expect_number("end", "result", pcapng_next(pcapng, &packet), 0);
	file_close(pcapng, stream);
	free(file);
}

/* A file that ends anywhere: an error, or fewer packets; never one that is not there. */
static void ends_anywhere(void **state)
{
	struct file *file = calloc(1, sizeof(*file));
	struct pcapng_packet packet;
	struct pcapng *pcapng;
	size_t length, packets, block_ends = 0;
	FILE *stream;
	int result;

	(void)state;
	assert_non_null(file);
	make_sections(file);
	for (length = 1; length <= file->bytes.length; length++) {
		pcapng = file_open(file, length, &stream);
		for (packets = 0; (result = pcapng_next(pcapng, &packet)) == 1; packets++)
			assert_true(packet.captured <= 5);
		if (result == 0)
			block_ends++;
		else
			expect_number("cut short", "result", -result, EBADMSG);
		assert_true(packets <= 5);
		file_close(pcapng, stream);
	}
	expect_number("file", "places where a block ends", block_ends, 11);
	free(file);
}

/* A block with one field changed. */
struct damage {
	const char *name;
	size_t at;
	uint32_t value;
};

enum {
	SECTION = 28,                     /* bytes of the first section's block */
	FIRST_PACKET = SECTION + 20 + 12, /* its place: behind the interface, whose name takes 8 and whose end 4 */
};

static void damaged(void **state)
{
	static const struct damage damages[] = {
		{"byte order", 8, 0x12345678},
		{"section's length", 4, 27},
		{"section's length, too small", 4, 12},
		{"section's length, too large", 4, 0x7ffffff0},
		{"section's second length", 24, 32},
		{"packet's interface", FIRST_PACKET + 8, 1},
		{"packet's captured length", FIRST_PACKET + 20, 9},
		{"packet's captured length, huge", FIRST_PACKET + 20, 0xffffffff},
		{"packet's block length", FIRST_PACKET + 4, 0},
		{"packet's block length, short", FIRST_PACKET + 4, 16},
	};
	struct pcapng_packet packet;
	struct pcapng *pcapng;
	struct file *file;
	FILE *stream;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		file = calloc(1, sizeof(*file));
		assert_non_null(file);
		put_section(file, false);
		put_interface(file, DLT_EN10MB, 65535, 0, 0);
		assert_int_equal(file->bytes.length, FIRST_PACKET);
		put_packet(file, 0, 1, 8, "0102030405060708");
		memcpy(file->bytes.data + damages[i].at, &damages[i].value, 4);
		pcapng = file_open(file, file->bytes.length, &stream);
		expect_number(damages[i].name, "result", -pcapng_next(pcapng, &packet), EBADMSG);
		assert_string_not_equal(pcapng_error(pcapng), "no error");
		file_close(pcapng, stream);
		free(file);
	}
}

static void too_many_interfaces(void **state)
{
	struct file *file = calloc(1, sizeof(*file));
	struct pcapng_packet packet;
	struct pcapng *pcapng;
	FILE *stream;
	int i;

	(void)state;
	assert_non_null(file);
	put_section(file, true);
	for (i = 0; i <= PCAPNG_INTERFACES_MAX; i++)
		put_interface(file, DLT_EN10MB, 0, 0, 0);
	pcapng = file_open(file, file->bytes.length, &stream);
	expect_number("interfaces", "result", -pcapng_next(pcapng, &packet), EBADMSG);
	expect_text("interfaces", "error", pcapng_error(pcapng), "there are too many interfaces");
	file_close(pcapng, stream);
	free(file);
}

/* A clock finer than can be counted. */
static void clocks_that_cannot_be(void **state)
{
	static const uint8_t resolutions[] = {20, 0x7f, 0x80 | 64, 0xff};
	struct pcapng_packet packet;
	struct pcapng *pcapng;
	struct file *file;
	FILE *stream;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(resolutions); i++) {
		file = calloc(1, sizeof(*file));
		assert_non_null(file);
		put_section(file, false);
		put_interface(file, DLT_EN10MB, 0, resolutions[i], 0);
		pcapng = file_open(file, file->bytes.length, &stream);
		expect_number("clock", "result", -pcapng_next(pcapng, &packet), EBADMSG);
		file_close(pcapng, stream);
		free(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_and_interfaces),
		cmocka_unit_test(ends_anywhere),
		cmocka_unit_test(damaged),
		cmocka_unit_test(too_many_interfaces),
		cmocka_unit_test(clocks_that_cannot_be),
	};

	return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
