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

#include "library/code_steps.h"
#include "library/kind.h"
#include "library/shadow_stack.h"

enum {
	ROLE_STEPS = 8,  /* instructions of gnutls_session_is_resumed() that are looked at */
	ROLE_CLIENT = 2, /* GNUTLS_CLIENT */
};

static const char VERSION_PREFIX[] = "Enabled GnuTLS ";

/* "GnuTLS 3.7.9", out of the library's first log line */
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

/*
 * gnutls_session_get_random(session, client, server) hands out where both randoms stand in the session, the server's directly
 * after the client's: the first address as LEA, the second as LEA or ADD.
 */
static bool find_randoms(struct elf_image *image, struct library_layout *layout)
{
	struct code_steps steps;
	uint32_t client = 0;

	if (!code_steps_read_function(image, "gnutls_session_get_random", &steps))
		return false;
	for (uint32_t index = 0; index < steps.count; index++) {
		const struct code_step *step = &steps.step[index];
		uint32_t offset = 0;

		if (step->mnemonic == ZYDIS_MNEMONIC_LEA && code_step_is_field(&step->operand[1]))
			offset = step->operand[1].mem.disp.value;
		else if (step->mnemonic == ZYDIS_MNEMONIC_ADD && step->operand[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			offset = step->operand[1].imm.value.u;
		if (client && offset == client + LIBRARY_RANDOM_BYTES) {
			layout->randoms = client;
			return true;
		}
		if (!client)
			client = offset;
	}
	return false;
}

/* gnutls_session_is_resumed() begins with a look at the role: cmpl $GNUTLS_CLIENT, offset(%rdi). */
static bool find_role(struct elf_image *image, struct library_layout *layout)
{
	struct code_steps steps;

	if (!code_steps_read_function(image, "gnutls_session_is_resumed", &steps))
		return false;
	for (uint32_t index = 0; index < steps.count && index < ROLE_STEPS; index++) {
		const struct code_step *step = &steps.step[index];

		if (step->mnemonic != ZYDIS_MNEMONIC_CMP || step->width != 32 ||
		    step->operand[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    step->operand[0].mem.base != ZYDIS_REGISTER_RDI ||
		    step->operand[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
		    step->operand[1].imm.value.u != ROLE_CLIENT)
			continue;
		layout->server = step->operand[0].mem.disp.value;
		return layout->server < CODE_STEPS_FIELD_MAX;
	}
	return false;
}

/*
 * The status of a verification is there when the function returns. A probe at a return replaces the return address: not where
 * the processor checks that address.
 */
static void add_verification(struct elf_image *image, struct library_elf *elf)
{
	uint64_t address;

	if ((elf->host.shadow_stacks && shadow_stack_in_file(image)) ||
	    elf_image_exported(image, probe_rows[PROBE_GNUTLS_VERIFY].function, &address))
		return;
	library_elf_add(image, elf, PROBE_GNUTLS_VERIFY, address);
	library_elf_add(image, elf, PROBE_GNUTLS_VERIFIED, address);
}

/* Alerts sent, and received alerts that the program asks for. */
static void add_causes(struct elf_image *image, struct library_elf *elf)
{
	uint64_t address;

	if (!elf->host.causes || image->machine != EM_X86_64 || !find_randoms(image, &elf->layout) ||
	    !find_role(image, &elf->layout))
		return;
	if (!elf_image_exported(image, probe_rows[PROBE_GNUTLS_ALERT_SEND].function, &address))
		library_elf_add(image, elf, PROBE_GNUTLS_ALERT_SEND, address);
	add_verification(image, elf);
	elf->layout.error = code_steps_find_loaded(image, probe_rows[PROBE_GNUTLS_ALERT_GET].function, 32);
	if (elf->layout.error && !elf_image_exported(image, probe_rows[PROBE_GNUTLS_ALERT_GET].function, &address))
		library_elf_add(image, elf, PROBE_GNUTLS_ALERT_GET, address);
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
	add_causes(image, elf);
	read_version(image, elf->name);
	return 0;
}
