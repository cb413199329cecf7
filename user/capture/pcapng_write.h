/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pcapng_write - blocks of a pcapng file (draft-ietf-opsawg-pcapng) in the byte order of this host. Errors stay in the stream:
 * ferror() tells.
 */
#ifndef CAPTURE_PCAPNG_WRITE_H
#define CAPTURE_PCAPNG_WRITE_H

#include <stdint.h>
#include <stdio.h>

enum pcapng_direction {
	PCAPNG_DIRECTION_UNKNOWN = 0,
	PCAPNG_INBOUND = 1,
	PCAPNG_OUTBOUND = 2,
};

struct pcapng_block_packet {
	uint64_t time_ns; /* since the epoch */
	const uint8_t *bytes;
	uint32_t captured;   /* bytes at hand */
	uint32_t length;     /* on the wire */
	uint8_t direction;   /* enum pcapng_direction */
	uint32_t process;    /* 0: not known */
	const char *comment; /* UTF-8; NULL: none */
};

/* A section begins, made by this program. */
void pcapng_write_section(FILE *out, const char *application);

/* The section's only interface: packets begin with an IP header. */
void pcapng_write_interface(FILE *out, const char *name, const char *description);

void pcapng_write_packet(FILE *out, const struct pcapng_block_packet *packet);

/* Nothing came up to time_ns: an Interface Statistics Block. */
void pcapng_write_time(FILE *out, uint64_t time_ns);

#endif /* CAPTURE_PCAPNG_WRITE_H */
