// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library_kind.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plt.h"

static const char VERSION_PREFIX[] = "OpenSSL ";

/* "OpenSSL 3.0.19" of "OpenSSL 3.0.19 27 Jan 2026": a digit has to follow, for there is other text that begins so. */
int library_openssl_version(struct elf_image *image, char name[LIBRARY_TARGET_NAME_MAX])
{
	const size_t prefix = strlen(VERSION_PREFIX);
	struct elf_section section;
	const char *at, *end;
	size_t length;

	if (!elf_image_find_section(image, ".rodata", &section))
		return -ENOENT;
	at = (const char *)elf_image_bytes(image, &section, &length);
	if (!at)
		return -ENOENT;
	for (end = at + length; (at = memmem(at, end - at, VERSION_PREFIX, prefix)); at += prefix) {
		size_t version = prefix;

		while (at + version < end && version < LIBRARY_TARGET_NAME_MAX - 1 &&
		       (isalnum((unsigned char)at[version]) || strchr(".-", at[version])) && at[version])
			version++;
		if (version == prefix || !isdigit((unsigned char)at[prefix]))
			continue;
		memcpy(name, at, version);
		name[version] = '\0';
		return 0;
	}
	return -ENOENT;
}

/* Where the whole of OpenSSL is part of a program that exports it, the function itself: with all its other callers. */
static void add_own(struct elf_image *image, struct library_elf *elf)
{
	uint64_t address;

	if (elf_image_exported(image, "EVP_DigestUpdate", &address))
		return;
	library_elf_add_entry(image, elf, PROBE_DIGEST, address);
	elf->every_hash = true;
}

/* Calls of EVP_DigestUpdate(), which libssl makes for its transcripts and for little else, leave it through the PLT. */
int library_openssl_read(struct elf_image *image, struct library_elf *elf, const char **why)
{
	uint64_t address[PLT_STUBS_MAX], unused;
	uint32_t stubs;

	if (elf_image_exported(image, "SSL_do_handshake", &unused))
		return -ENOENT;
	stubs = plt_find(image, "EVP_DigestUpdate", address);
	for (uint32_t index = 0; index < stubs; index++)
		library_elf_add(image, elf, PROBE_DIGEST, address[index]);
	if (!elf->points)
		add_own(image, elf);
	if (!elf->points) {
		*why = "it does not call EVP_DigestUpdate through a procedure linkage table";
		return -ENOTSUP;
	}
	elf->kind = LIBRARY_OPENSSL;
	if (library_openssl_version(image, elf->name)) {
		snprintf(elf->name, sizeof(elf->name), "OpenSSL");
		library_elf_find_needed(image, "libcrypto", elf->needed);
	}
	return 0;
}
