/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pclntab - the table of functions that every Go program carries for its own stack traces, stripped or not (section
 * .gopclntab; runtime/symtab.go, debug/gosym/pclntab.go in Go's source). Pure; what the bytes say is a stranger's word.
 *
 * Read are the forms of Go 1.2 to 1.15 (as far as Go compiled for little-endian machines of 64 bits wrote them), 1.18 and
 * 1.19, and 1.20 and newer. The form of 1.16 is shared by 1.17, which passes arguments in another way; it is not read.
 */
#ifndef LIBRARY_PCLNTAB_H
#define LIBRARY_PCLNTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pclntab_form {
	PCLNTAB_1_2 = 1,
	PCLNTAB_1_18,
	PCLNTAB_1_20,
};

enum pclntab_bounds {
	PCLNTAB_FUNCTIONS_MAX = 4 * 1024 * 1024,
	PCLNTAB_NAME_MAX = 256,  /* with the NUL; a function whose name is longer has none here */
	PCLNTAB_TEXT_FIELD = 24, /* where the address of the code stands in the table, from 1.18 on */
};

struct pclntab {
	const uint8_t *bytes;
	size_t length;
	uint8_t form; /* enum pclntab_form */
	uint64_t
		text; /* what the table has for the address of the code; a linker may leave that to a relocation: then 0 */
	uint64_t functions; /* in the table */
	uint64_t names;     /* where names and functions begin in it */
	uint64_t entries;
};

/* Returns 0; -EINVAL: no such table, or one of which the end is missing; -ENOTSUP: of a form that is not read. */
int pclntab_open(struct pclntab *table, const uint8_t *bytes, size_t length);

/*
 * Calls visit() with each function in the order of its address, until it returns false. A function ends where the next one
 * begins. What makes no sense (a name outside of the table, an end before the beginning) is left out.
 */
typedef bool (*pclntab_visit)(const char *name, uint64_t begin, uint64_t end, void *context);
void pclntab_each(const struct pclntab *table, pclntab_visit visit, void *context);

#endif /* LIBRARY_PCLNTAB_H */
