/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* points - the facts about an ELF file with a TLS library: its kind, its name, and the places of probes. Pure. */
#ifndef LIBRARY_POINTS_H
#define LIBRARY_POINTS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/library_event.h"
#include "library/elf_image.h"
#include "library/probe_table.h"

enum library_points_bounds {
	LIBRARY_TARGET_NAME_MAX = 64,
	LIBRARY_NEEDED_MAX = 64,
	PROBE_POINTS_MAX = 64, /* in one file */
};

/* Where a probe belongs in a file. */
struct probe_point {
	uint64_t offset; /* of an instruction in the file */
	uint8_t probe;   /* enum probe */
};

/* What the host offers. The answer to where probes belong depends on both. */
struct library_host {
	bool many_points;   /* many probes in one file cost one link: more places with a lower price each are better */
	bool shadow_stacks; /* processes can have a shadow stack (shadow_stack.h) */
	bool causes;        /* probes know their file (kernel 5.15): needed where structures are read */
};

struct library_elf {
	uint8_t kind;                       /* enum library_kind */
	char name[LIBRARY_TARGET_NAME_MAX]; /* "OpenSSL 3.0.19", as the file itself says; printable ASCII */
	char needed[LIBRARY_NEEDED_MAX];    /* the library whose file has the version; empty: none */
	bool every_hash; /* OpenSSL is a part of the program: a probe is hit by each hash that the program makes */
	struct library_host host;
	struct library_layout layout; /* if probes need them */
	uint32_t points;
	struct probe_point point[PROBE_POINTS_MAX];
};

/* Add a probe at an address, if the address is in the file and there is room. */
void library_elf_add(struct elf_image *image, struct library_elf *elf, enum probe probe, uint64_t address);

/*
 * Add a probe at the beginning of a function, after the instructions that leave the arguments alone and would make the
 * probe dear.
 */
void library_elf_add_entry(struct elf_image *image, struct library_elf *elf, enum probe probe, uint64_t address);

/* Set needed to the image's first needed library whose name begins so; needed stays empty without such a library. */
void library_elf_find_needed(struct elf_image *image, const char *prefix, char needed[LIBRARY_NEEDED_MAX]);

/* Whether every field has a valid value: for data from another process. */
bool library_elf_is_valid(const struct library_elf *elf);

/* Whether text of `size` bytes ends and is printable ASCII. */
bool library_name_is_valid(const char *name, uint32_t size);

#endif /* LIBRARY_POINTS_H */
