// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/pcapng_write.h"

#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_ENHANCED_PACKET = 6,
	BLOCK_OVERHEAD = 12, /* type, length, and the length again */
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINKTYPE_RAW = 101,
	OPTION_COMMENT = 1,
	OPTION_SECTION_APPLICATION = 4,
	OPTION_INTERFACE_NAME = 2,
	OPTION_INTERFACE_DESCRIPTION = 3,
	OPTION_INTERFACE_RESOLUTION = 9,
	OPTION_PACKET_FLAGS = 2,
	OPTION_PACKET_PROCESS = 8, /* epb_processid_threadid */
	OPTION_HEADER = 4,
	NANOSECONDS = 9, /* if_tsresol: 10^-9 */
};

static uint32_t padded(uint32_t length)
{
	return (length + 3) & ~3u;
}

static void put_16(FILE *out, uint16_t number)
{
	fwrite(&number, sizeof(number), 1, out);
}

static void put_32(FILE *out, uint32_t number)
{
	fwrite(&number, sizeof(number), 1, out);
}

static void put_bytes(FILE *out, const void *bytes, uint32_t length)
{
	static const uint8_t zeros[4];

	if (length)
		fwrite(bytes, 1, length, out);
	fwrite(zeros, 1, padded(length) - length, out);
}

static uint32_t text_length(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	return length < UINT16_MAX ? length : UINT16_MAX;
}

static uint32_t option_size(uint32_t length)
{
	return length ? OPTION_HEADER + padded(length) : 0;
}

/* An option of no bytes is left out. */
static void put_option(FILE *out, uint16_t code, const void *value, uint32_t length)
{
	if (!length)
		return;
	put_16(out, code);
	put_16(out, length);
	put_bytes(out, value, length);
}

static void put_end_of_options(FILE *out)
{
	put_32(out, 0);
}

void pcapng_write_section(FILE *out, const char *application)
{
	uint32_t application_length = text_length(application);
	uint32_t length = BLOCK_OVERHEAD + 16 + option_size(application_length) + OPTION_HEADER;

	put_32(out, BLOCK_SECTION);
	put_32(out, length);
	put_32(out, BYTE_ORDER_MAGIC);
	put_16(out, 1); /* version 1.0 */
	put_16(out, 0);
	put_32(out, UINT32_MAX); /* the section's length is not known */
	put_32(out, UINT32_MAX);
	put_option(out, OPTION_SECTION_APPLICATION, application, application_length);
	put_end_of_options(out);
	put_32(out, length);
}

void pcapng_write_interface(FILE *out, const char *name, const char *description)
{
	const uint8_t resolution = NANOSECONDS;
	uint32_t length = BLOCK_OVERHEAD + 8 + option_size(text_length(name)) + option_size(text_length(description)) +
	                  option_size(sizeof(resolution)) + OPTION_HEADER;

	put_32(out, BLOCK_INTERFACE);
	put_32(out, length);
	put_16(out, LINKTYPE_RAW);
	put_16(out, 0);
	put_32(out, 0); /* no snapshot length */
	put_option(out, OPTION_INTERFACE_NAME, name, text_length(name));
	put_option(out, OPTION_INTERFACE_DESCRIPTION, description, text_length(description));
	put_option(out, OPTION_INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	put_end_of_options(out);
	put_32(out, length);
}

void pcapng_write_packet(FILE *out, const struct pcapng_block_packet *packet)
{
	const uint32_t flags = packet->direction;
	const uint32_t process[] = {packet->process, packet->process};
	uint32_t flags_length = packet->direction ? sizeof(flags) : 0;
	uint32_t process_length = packet->process ? sizeof(process) : 0;
	uint32_t length = BLOCK_OVERHEAD + 20 + padded(packet->captured) + option_size(text_length(packet->comment)) +
	                  option_size(flags_length) + option_size(process_length) + OPTION_HEADER;

	put_32(out, BLOCK_ENHANCED_PACKET);
	put_32(out, length);
	put_32(out, 0); /* the interface */
	put_32(out, packet->time_ns >> 32);
	put_32(out, packet->time_ns);
	put_32(out, packet->captured);
	put_32(out, packet->length);
	put_bytes(out, packet->bytes, packet->captured);
	put_option(out, OPTION_COMMENT, packet->comment, text_length(packet->comment));
	put_option(out, OPTION_PACKET_FLAGS, &flags, flags_length);
	put_option(out, OPTION_PACKET_PROCESS, process, process_length);
	put_end_of_options(out);
	put_32(out, length);
}

void pcapng_write_time(FILE *out, uint64_t time_ns)
{
	put_32(out, BLOCK_STATISTICS);
	put_32(out, BLOCK_OVERHEAD + 12);
	put_32(out, 0); /* the interface */
	put_32(out, time_ns >> 32);
	put_32(out, time_ns);
	put_32(out, BLOCK_OVERHEAD + 12);
}
