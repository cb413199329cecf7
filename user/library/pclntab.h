/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pclntab - the table of functions that every Go program carries for its stack traces, stripped or not (section
 * .gopclntab; runtime/symtab.go, debug/gosym/pclntab.go in Go's source). Pure; the bytes are untrusted.
 *
 * The reader knows the forms of Go 1.2 to 1.15 (for little-endian machines of 64 bits), 1.18 and 1.19, and 1.20 and
 * newer. Go 1.16 and 1.17 share a form, and 1.17 passes arguments in another way; their form is not read.
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
	PCLNTAB_NAME_MAX = 256,  /* with the NUL; a function with a longer name has no name here */
	PCLNTAB_TEXT_FIELD = 24, /* where the address of the code stands in the table, from 1.18 on */
};

struct pclntab {
	const uint8_t *bytes;
	size_t length;
	uint8_t form;       /* enum pclntab_form */
	uint64_t text;      /* the table's address of the code; 0 if the linker left the address to a relocation */
	uint64_t functions; /* in the table */
	uint64_t names;     /* where names and functions begin in it */
	uint64_t entries;
};

/* Returns 0; -EINVAL: no such table, or its end is missing; -ENOTSUP: a form that is not read. */
int pclntab_open(struct pclntab *table, const uint8_t *bytes, size_t length);

/*
 * Call visit() with each function in the order of addresses, until visit() returns false. A function ends at the
 * beginning of the next. Invalid entries (a name outside of the table, an end before the beginning) are left out.
 */
typedef bool (*pclntab_visit)(const char *name, uint64_t begin, uint64_t end, void *context);
void pclntab_each(const struct pclntab *table, pclntab_visit visit, void *context);

#endif /* LIBRARY_PCLNTAB_H */
