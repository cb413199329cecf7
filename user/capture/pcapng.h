/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pcapng - reads pcapng files (draft-ietf-opsawg-pcapng) packet by packet. libpcap reads those of which all interfaces
 * have the same link type and snapshot length; a capture of several interfaces, or one that was merged, often has not.
 */
#ifndef CAPTURE_PCAPNG_H
#define CAPTURE_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum pcapng_bounds {
	PCAPNG_BLOCK_MAX = 16 * 1024 * 1024, /* bytes of a block */
	PCAPNG_INTERFACES_MAX = 1024,        /* of a section */
};

/* bytes are good until the next call */
struct pcapng_packet {
	int datalink;     /* libpcap's DLT_ number */
	bool time_only;   /* no packet: nothing came up to time_ns, says the file */
	uint64_t time_ns; /* since the epoch */
	const uint8_t *bytes;
	uint32_t captured;
	uint32_t length;
};

struct pcapng;

/* Read from stream; the caller keeps stream. NULL: no memory. */
struct pcapng *pcapng_new(FILE *stream);
void pcapng_free(struct pcapng *pcapng);

/* Text in the format of NSS's key log, from a Decryption Secrets Block. */
typedef void (*pcapng_secrets)(const char *text, size_t length, void *context);

void pcapng_set_secrets(struct pcapng *pcapng, pcapng_secrets secrets, void *context);

/* Returns 1 and the next packet, 0 at the end of the file, or -EBADMSG, -EIO or -ENOMEM. */
int pcapng_next(struct pcapng *pcapng, struct pcapng_packet *packet);

/* The last error, for people. */
const char *pcapng_error(const struct pcapng *pcapng);

#endif /* CAPTURE_PCAPNG_H */
