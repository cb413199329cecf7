// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * GnuTLS keeps the transcript of a handshake in a buffer of the session and adds each message to it through a function that it
 * also exports: gnutls_buffer_append_data(buffer, data, length). What else that function is called for, the program in the
 * kernel leaves alone (bpf/library/gnutls.bpf.h).
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "library/kind.h"

static const char VERSION_PREFIX[] = "Enabled GnuTLS ";

/* "GnuTLS 3.7.9", out of the text that it logs first of all */
static void read_version(struct elf_image *image, char name[LIBRARY_TARGET_NAME_MAX])
{
	struct elf_section section;
	const char *at, *end;
	size_t length, have;

	snprintf(name, LIBRARY_TARGET_NAME_MAX, "GnuTLS");
	if (!elf_image_find_section(image, ".rodata", &section))
		return;
	at = (const char *)elf_image_bytes(image, &section, &length);
	if (!at)
		return;
	end = at + length;
	at = memmem(at, length, VERSION_PREFIX, strlen(VERSION_PREFIX));
	if (!at)
		return;
	at += strlen(VERSION_PREFIX);
	for (have = 0; at + have < end && (isdigit((unsigned char)at[have]) || at[have] == '.'); have++)
		;
	snprintf(name, LIBRARY_TARGET_NAME_MAX, "GnuTLS %.*s", (int)have, at);
}

int library_gnutls_read(struct elf_image *image, struct library_elf *elf, const char **why)
{
	uint64_t address;

	if (elf_image_exported(image, "gnutls_handshake", &address))
		return -ENOENT;
	if (!elf_image_exported(image, probe_rows[PROBE_GNUTLS_APPEND].function, &address))
		library_elf_add_entry(image, elf, PROBE_GNUTLS_APPEND, address);
	if (!elf->points) {
		*why = "it does not export gnutls_buffer_append_data";
		return -ENOTSUP;
	}
	read_version(image, elf->name);
	return 0;
}
