// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/kind.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "library/call_sites.h"
#include "library/openssl_causes.h"
#include "library/plt.h"
#include "library/shadow_stack.h"

static const char VERSION_PREFIX[] = "OpenSSL ";

/*
 * "OpenSSL 3.0.19" of "OpenSSL 3.0.19 27 Jan 2026": a digit has to follow, because other text begins in the same way.
 */
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

/* If a program contains and exports OpenSSL, the function itself is probed, with all its other callers. */
static void add_own(struct elf_image *image, struct library_elf *elf)
{
	uint64_t address;

	if (elf_image_exported(image, probe_rows[PROBE_DIGEST].function, &address))
		return;
	library_elf_add_entry(image, elf, PROBE_DIGEST, address);
	elf->every_hash = true;
}

/* Returns whether all points fit: a missing point is a gap in a transcript. */
static bool add_all(struct elf_image *image, struct library_elf *elf, const uint64_t *addresses, uint32_t count)
{
	elf->points = 0;
	for (uint32_t index = 0; index < count; index++)
		library_elf_add(image, elf, PROBE_DIGEST, addresses[index]);
	return count && elf->points == count;
}

/*
 * libssl calls EVP_DigestUpdate() through the PLT, for its transcripts and for little else. Probes at each call of the
 * stub see the same as a probe at the stub, for less, if so many probes are possible.
 */
static void add_calls(struct elf_image *image, struct library_elf *elf)
{
	uint64_t sites[CALL_SITES_MAX];
	struct plt_stubs stubs;

	plt_find(image, probe_rows[PROBE_DIGEST].function, &stubs);
	if (elf->host.many_points && !(elf->host.shadow_stacks && shadow_stack_in_file(image)) &&
	    add_all(image, elf, sites, call_sites_find(image, stubs.entry, stubs.count, sites)))
		return;
	add_all(image, elf, stubs.jump, stubs.count);
}

int library_openssl_read(struct elf_image *image, struct library_elf *elf, const char **why)
{
	uint64_t unused;

	if (elf_image_exported(image, "SSL_do_handshake", &unused))
		return -ENOENT;
	add_calls(image, elf);
	if (!elf->points)
		add_own(image, elf);
	if (!elf->points) {
		*why = "it does not call EVP_DigestUpdate through a procedure linkage table";
		return -ENOTSUP;
	}
	if (elf->host.causes)
		openssl_causes_add(image, elf);
	if (library_openssl_version(image, elf->name))
		snprintf(elf->name, sizeof(elf->name), "OpenSSL");
	library_elf_find_needed(image, "libcrypto", elf->needed);
	return 0;
}
