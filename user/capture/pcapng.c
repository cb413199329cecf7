// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/pcapng.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum block_type {
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, /* obsolete, and still found */
	BLOCK_SIMPLE_PACKET = 3,
	BLOCK_STATISTICS = 5,
	BLOCK_ENHANCED_PACKET = 6,
	BLOCK_SECRETS = 10,
	BLOCK_SECTION = 0x0a0d0d0a, /* the same in both byte orders */
};

enum {
	BLOCK_HEADER = 8, /* type and length; the length again behind the body */
	BLOCK_OVERHEAD = 12,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	OPTION_END = 0,
	OPTION_APPLICATION = 4, /* shb_userappl */
	OPTION_RESOLUTION = 9,  /* if_tsresol */
	OPTION_OFFSET = 14,     /* if_tsoffset */
	SECRETS_TLS_KEY_LOG = 0x544c534b,
	LINKTYPE_RAW = 101, /* the one link type of those read here that is no DLT_ number */
	MICROSECONDS = 6,
};

static const uint64_t NS_PER_SECOND = 1000000000;

struct interface {
	int datalink;
	uint32_t snaplen; /* 0: unlimited */
	bool binary;      /* the clock's unit is 2^-exponent seconds, else 10^-exponent */
	uint8_t exponent;
	uint64_t offset_seconds;
};

struct pcapng {
	FILE *stream;
	bool swapped; /* the section is in the other byte order */
	bool own;     /* the section was written by this program: its statistics are a clock */
	uint32_t interfaces;
	struct interface interface[PCAPNG_INTERFACES_MAX];
	uint64_t time_ns;       /* of the last packet: a simple packet has none */
	pcapng_secrets secrets; /* NULL: nobody wants to know */
	void *secrets_context;
	const char *error;
	uint32_t capacity;
	uint8_t *body; /* of the block at hand */
};

struct pcapng *pcapng_new(FILE *stream)
{
	struct pcapng *pcapng = calloc(1, sizeof(*pcapng));

	if (pcapng)
		pcapng->stream = stream;
	return pcapng;
}

void pcapng_free(struct pcapng *pcapng)
{
	if (!pcapng)
		return;
	free(pcapng->body);
	free(pcapng);
}

const char *pcapng_error(const struct pcapng *pcapng)
{
	return pcapng->error ? pcapng->error : "no error";
}

static int fail(struct pcapng *pcapng, int error, const char *what)
{
	pcapng->error = what;
	return error;
}

static uint32_t get_32(const struct pcapng *pcapng, const uint8_t *bytes)
{
	uint32_t number;

	memcpy(&number, bytes, sizeof(number));
	return pcapng->swapped ? __builtin_bswap32(number) : number;
}

static uint16_t get_16(const struct pcapng *pcapng, const uint8_t *bytes)
{
	uint16_t number;

	memcpy(&number, bytes, sizeof(number));
	return pcapng->swapped ? __builtin_bswap16(number) : number;
}

static uint64_t get_64(const struct pcapng *pcapng, const uint8_t *bytes)
{
	uint64_t number;

	memcpy(&number, bytes, sizeof(number));
	return pcapng->swapped ? __builtin_bswap64(number) : number;
}

/* Read count bytes. Returns 1, 0 where the file ends before the first of them, or -errno. */
static int read_bytes(struct pcapng *pcapng, uint8_t *bytes, size_t count)
{
	size_t got = fread(bytes, 1, count, pcapng->stream);

	if (got == count)
		return 1;
	if (ferror(pcapng->stream))
		return fail(pcapng, -EIO, "the file cannot be read");
	return got ? fail(pcapng, -EBADMSG, "the file ends in the middle of a block") : 0;
}

static int reserve(struct pcapng *pcapng, uint32_t length)
{
	uint8_t *body;

	if (length <= pcapng->capacity)
		return 0;
	body = realloc(pcapng->body, length);
	if (!body)
		return fail(pcapng, -ENOMEM, "out of memory");
	pcapng->body = body;
	pcapng->capacity = length;
	return 0;
}

/* The rest of a block of length bytes, of which have are there. Returns 0 and the body's length, or -errno. */
static int read_body(struct pcapng *pcapng, uint32_t length, uint32_t have, uint32_t *body_length)
{
	int error;

	if (length < BLOCK_OVERHEAD + have || length % 4 || length > PCAPNG_BLOCK_MAX)
		return fail(pcapng, -EBADMSG, "a block's length cannot be");
	error = reserve(pcapng, length);
	if (error)
		return error;
	error = read_bytes(pcapng, pcapng->body + have, length - BLOCK_HEADER - have);
	if (error == 0)
		return fail(pcapng, -EBADMSG, "the file ends in the middle of a block");
	if (error < 0)
		return error;
	*body_length = length - BLOCK_OVERHEAD;
	if (get_32(pcapng, pcapng->body + *body_length) != length)
		return fail(pcapng, -EBADMSG, "a block's two lengths differ");
	return 0;
}

/* A section begins: its byte order shows in its first field, before its own length can be read. */
static int read_section(struct pcapng *pcapng, const uint8_t *header, uint32_t *body_length)
{
	uint32_t magic;
	int error = reserve(pcapng, sizeof(magic));

	if (error)
		return error;
	if (read_bytes(pcapng, pcapng->body, sizeof(magic)) != 1)
		return fail(pcapng, -EBADMSG, "the file ends in the middle of a block");
	memcpy(&magic, pcapng->body, sizeof(magic));
	if (magic != BYTE_ORDER_MAGIC && magic != __builtin_bswap32(BYTE_ORDER_MAGIC))
		return fail(pcapng, -EBADMSG, "a section does not begin as one");
	pcapng->swapped = magic != BYTE_ORDER_MAGIC;
	pcapng->interfaces = 0;
	return read_body(pcapng, get_32(pcapng, header + 4), sizeof(magic), body_length);
}

static void take_option(const struct pcapng *pcapng, struct interface *interface, uint16_t code, const uint8_t *value,
                        uint16_t length)
{
	if (code == OPTION_RESOLUTION && length >= 1) {
		interface->binary = value[0] & 0x80;
		interface->exponent = value[0] & 0x7f;
	} else if (code == OPTION_OFFSET && length >= 8) {
		interface->offset_seconds = get_64(pcapng, value);
	}
}

/* pcapng_write_section() names this program. */
static bool is_own_section(const struct pcapng *pcapng, uint32_t length)
{
	static const char name[] = "mtlsnoop ";
	const uint8_t *option = pcapng->body + 16;

	return length >= 20 + sizeof(name) && get_16(pcapng, option) == OPTION_APPLICATION &&
	       get_16(pcapng, option + 2) >= sizeof(name) - 1 && !memcmp(option + 4, name, sizeof(name) - 1);
}

static void take_options(const struct pcapng *pcapng, struct interface *interface, const uint8_t *options,
                         uint32_t length)
{
	uint32_t at = 0;
	uint32_t size;
	uint16_t code;

	while (length - at >= 4) {
		code = get_16(pcapng, options + at);
		size = get_16(pcapng, options + at + 2);
		at += 4;
		if (code == OPTION_END || size > length - at)
			return;
		take_option(pcapng, interface, code, options + at, size);
		size = (size + 3) & ~3u;
		if (size > length - at)
			return;
		at += size;
	}
}

static int take_interface(struct pcapng *pcapng, uint32_t length)
{
	struct interface *interface = &pcapng->interface[pcapng->interfaces];
	uint16_t link_type;

	if (length < 8)
		return fail(pcapng, -EBADMSG, "an interface's block is too short");
	if (pcapng->interfaces >= PCAPNG_INTERFACES_MAX)
		return fail(pcapng, -EBADMSG, "there are too many interfaces");
	link_type = get_16(pcapng, pcapng->body);
	*interface = (struct interface){
		.datalink = link_type == LINKTYPE_RAW ? DLT_RAW : link_type,
		.snaplen = get_32(pcapng, pcapng->body + 4),
		.exponent = MICROSECONDS,
	};
	take_options(pcapng, interface, pcapng->body + 8, length - 8);
	if (interface->exponent > (interface->binary ? 63 : 19))
		return fail(pcapng, -EBADMSG, "an interface's clock is finer than 64 bits can tell");
	pcapng->interfaces++;
	return 0;
}

static uint64_t power_of_ten(unsigned int exponent)
{
	uint64_t power = 1;

	while (exponent--)
		power *= 10;
	return power;
}

static uint64_t time_of(const struct interface *interface, uint64_t stamp)
{
	unsigned __int128 ns = (unsigned __int128)stamp * NS_PER_SECOND;

	ns = interface->binary ? ns >> interface->exponent : ns / power_of_ten(interface->exponent);
	return (uint64_t)ns + interface->offset_seconds * NS_PER_SECOND;
}

/* The packet's bytes are at offset at of the body. Returns 1 or -errno. */
static int found_packet(struct pcapng *pcapng, struct pcapng_packet *packet, uint32_t number, uint32_t at,
                        uint32_t body_length)
{
	if (number >= pcapng->interfaces)
		return fail(pcapng, -EBADMSG, "a packet is of an interface that was not told of");
	if (packet->captured > body_length - at)
		return fail(pcapng, -EBADMSG, "a packet is longer than its block");
	packet->time_only = false;
	packet->datalink = pcapng->interface[number].datalink;
	packet->bytes = pcapng->body + at;
	packet->time_ns = pcapng->time_ns;
	return 1;
}

/* The interface's number, the time, two lengths, the packet; the obsolete block has a count beside a shorter number. */
static int take_packet(struct pcapng *pcapng, struct pcapng_packet *packet, uint32_t type, uint32_t length)
{
	const uint8_t *body = pcapng->body;
	uint64_t stamp;
	uint32_t number;

	if (length < 20)
		return fail(pcapng, -EBADMSG, "a packet's block is too short");
	number = type == BLOCK_PACKET ? get_16(pcapng, body) : get_32(pcapng, body);
	stamp = (uint64_t)get_32(pcapng, body + 4) << 32 | get_32(pcapng, body + 8);
	packet->captured = get_32(pcapng, body + 12);
	packet->length = get_32(pcapng, body + 16);
	if (number < pcapng->interfaces)
		pcapng->time_ns = time_of(&pcapng->interface[number], stamp);
	return found_packet(pcapng, packet, number, 20, length);
}

/* The packet's length on the wire, then as much of it as the snapshot length allows. */
static int take_simple_packet(struct pcapng *pcapng, struct pcapng_packet *packet, uint32_t length)
{
	uint32_t snaplen = pcapng->interfaces ? pcapng->interface[0].snaplen : 0;

	if (length < 4)
		return fail(pcapng, -EBADMSG, "a packet's block is too short");
	packet->length = get_32(pcapng, pcapng->body);
	packet->captured = snaplen && snaplen < packet->length ? snaplen : packet->length;
	return found_packet(pcapng, packet, 0, 4, length);
}

void pcapng_set_secrets(struct pcapng *pcapng, pcapng_secrets secrets, void *context)
{
	pcapng->secrets = secrets;
	pcapng->secrets_context = context;
}

/* A Decryption Secrets Block: the type of the secrets, their length, the secrets. */
static int take_secrets(struct pcapng *pcapng, uint32_t length)
{
	const uint8_t *body = pcapng->body;

	if (length < 8 || get_32(pcapng, body + 4) > length - 8)
		return fail(pcapng, -EBADMSG, "secrets are longer than their block");
	if (pcapng->secrets && get_32(pcapng, body) == SECRETS_TLS_KEY_LOG)
		pcapng->secrets((const char *)body + 8, get_32(pcapng, body + 4), pcapng->secrets_context);
	return 0;
}

/* An Interface Statistics Block: an interface's number, and a time. In a file of this program nothing else came up to then. */
static int take_statistics(struct pcapng *pcapng, struct pcapng_packet *packet, uint32_t length)
{
	const uint8_t *body = pcapng->body;

	if (!pcapng->own)
		return 0;
	if (length < 12)
		return fail(pcapng, -EBADMSG, "a block of statistics is too short");
	if (get_32(pcapng, body) >= pcapng->interfaces)
		return fail(pcapng, -EBADMSG, "statistics are of an interface that was not told of");
	*packet = (struct pcapng_packet){
		.time_ns = time_of(&pcapng->interface[get_32(pcapng, body)],
	                           (uint64_t)get_32(pcapng, body + 4) << 32 | get_32(pcapng, body + 8)),
		.time_only = true,
	};
	return 1;
}

/* Returns 1 and a packet, 0 where the block holds none, or -errno. */
static int take_block(struct pcapng *pcapng, struct pcapng_packet *packet, uint32_t type, uint32_t length)
{
	switch (type) {
	case BLOCK_INTERFACE:
		return take_interface(pcapng, length);
	case BLOCK_PACKET:
	case BLOCK_ENHANCED_PACKET:
		return take_packet(pcapng, packet, type, length);
	case BLOCK_SECTION:
		pcapng->own = is_own_section(pcapng, length);
		return 0;
	case BLOCK_SECRETS:
		return take_secrets(pcapng, length);
	case BLOCK_STATISTICS:
		return take_statistics(pcapng, packet, length);
	case BLOCK_SIMPLE_PACKET:
		return take_simple_packet(pcapng, packet, length);
	default:
		return 0;
	}
}

int pcapng_next(struct pcapng *pcapng, struct pcapng_packet *packet)
{
	uint8_t header[BLOCK_HEADER];
	uint32_t type, length;
	int result;

	do {
		result = read_bytes(pcapng, header, sizeof(header));
		if (result <= 0)
			return result;
		type = get_32(pcapng, header);
		if (type == BLOCK_SECTION)
			result = read_section(pcapng, header, &length);
		else
			result = read_body(pcapng, get_32(pcapng, header + 4), 0, &length);
		if (result)
			return result;
		result = take_block(pcapng, packet, type, length);
	} while (result == 0);
	return result;
}
