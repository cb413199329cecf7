// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs in Go carry their own TLS (crypto/tls). Two places see each handshake message before encryption and after
 * decryption:
 *
 * - sent: in (*Conn).writeHandshakeRecord the call of (*Conn).writeRecordLocked(type, data). The probe is at the call,
 *   because each Write of the program also calls the callee.
 * - received: (*Conn).unmarshalHandshakeMessage(data) from Go 1.21 on; before, unmarshal(data) of each message's type.
 *
 * Probes stand at instructions only: a uretprobe changes the return address on a stack that Go moves.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "library/go_code.h"
#include "library/kind.h"
#include "library/pclntab.h"

enum {
	ENTRY_BYTES = 32,    /* of a function that are looked at */
	WRITE_MAX = 16384,   /* bytes of writeHandshakeRecord() */
	BUILD_FLAGS = 15,    /* .go.buildinfo: debug/buildinfo in Go's source */
	BUILD_INLINE = 0x02, /* from Go 1.18 on the version stands in the section itself */
	BUILD_VERSION = 32,
};

static const char TLS_PACKAGE[] = "crypto/tls.(*Conn).";
static const char BUILD_MAGIC[] = "\xff Go buildinf:";

/* The messages whose unmarshal(data) is probed: all messages whose order user/tracking/transcript checks. */
static const char *const message_types[] = {
	"clientHelloMsg",
	"serverHelloMsg",
	"encryptedExtensionsMsg",
	"certificateRequestMsg",
	"certificateRequestMsgTLS13",
	"certificateMsg",
	"certificateMsgTLS13",
	"certificateStatusMsg",
	"serverKeyExchangeMsg",
	"serverHelloDoneMsg",
	"clientKeyExchangeMsg",
	"certificateVerifyMsg",
	"newSessionTicketMsg",
	"endOfEarlyDataMsg",
	"finishedMsg",
};

enum {
	MESSAGE_TYPES = sizeof(message_types) / sizeof(message_types[0]),
};

/* Addresses of functions; 0: absent. */
struct functions {
	uint64_t write_begin; /* writeHandshakeRecord */
	uint64_t write_end;
	uint64_t write_locked;  /* writeRecordLocked */
	uint64_t unmarshal_any; /* unmarshalHandshakeMessage */
	uint64_t unmarshal[MESSAGE_TYPES];
	uint64_t send_alert; /* sendAlert */
};

static void take_method(struct functions *functions, const char *method, uint64_t begin, uint64_t end)
{
	if (!strcmp(method, "writeHandshakeRecord")) {
		functions->write_begin = begin;
		functions->write_end = end;
	} else if (!strcmp(method, "writeRecordLocked")) {
		functions->write_locked = begin;
	} else if (!strcmp(method, "unmarshalHandshakeMessage")) {
		functions->unmarshal_any = begin;
	} else if (!strcmp(method, probe_rows[PROBE_GO_ALERT].function)) {
		functions->send_alert = begin;
	}
}

/* "crypto/tls.(*clientHelloMsg).unmarshal" */
static void take_unmarshal(struct functions *functions, const char *name, uint64_t begin)
{
	char expected[PCLNTAB_NAME_MAX];

	for (size_t index = 0; index < MESSAGE_TYPES; index++) {
		snprintf(expected, sizeof(expected), "crypto/tls.(*%s).unmarshal", message_types[index]);
		if (!strcmp(name, expected))
			functions->unmarshal[index] = begin;
	}
}

static bool take_function(const char *name, uint64_t begin, uint64_t end, void *context)
{
	struct functions *functions = context;

	if (!strncmp(name, TLS_PACKAGE, strlen(TLS_PACKAGE)))
		take_method(functions, name + strlen(TLS_PACKAGE), begin, end);
	else if (!strncmp(name, "crypto/tls.(*", strlen("crypto/tls.(*")))
		take_unmarshal(functions, name, begin);
	return true;
}

/* The section is named by how the program is linked. */
static bool find_table(struct elf_image *image, struct elf_section *section)
{
	return elf_image_find_section(image, ".gopclntab", section) ||
	       elf_image_find_section(image, ".data.rel.ro.gopclntab", section);
}

/* The wanted relocation: the value placed at an address. */
struct relocated {
	uint64_t address;
	uint64_t value;
};

static bool take_relocations(struct elf_image *image, const struct elf_section *section, const char *name,
                             void *context)
{
	struct relocated *relocated = context;
	GElf_Rela relocation;
	Elf_Data *data;
	size_t count;

	(void)image;
	(void)name;
	if (section->header.sh_type != SHT_RELA)
		return true;
	data = elf_image_records(image, section, &count);
	for (size_t index = 0; data && index < count && gelf_getrela(data, index, &relocation); index++)
		if (relocation.r_offset == relocated->address && GELF_R_TYPE(relocation.r_info) == R_X86_64_RELATIVE) {
			relocated->value = relocation.r_addend;
			return false;
		}
	return true;
}

/* In a position-independent program the address of the code may be left to the dynamic linker. */
static void relocate_text(struct elf_image *image, const struct elf_section *section, struct pclntab *table)
{
	struct relocated relocated = {.address = section->header.sh_addr + PCLNTAB_TEXT_FIELD};

	elf_image_each_section(image, take_relocations, &relocated);
	table->text = relocated.value;
}

static int open_table(struct elf_image *image, const struct elf_section *section, struct pclntab *table,
                      const char **why)
{
	const uint8_t *bytes;
	size_t length;

	bytes = elf_image_bytes(image, section, &length);
	/* of Go programs without TLS there is nothing to say */
	if (!bytes || !memmem(bytes, length, TLS_PACKAGE, strlen(TLS_PACKAGE)))
		return -ENOENT;
	*why = "its table of functions is of a form that is not known";
	if (pclntab_open(table, bytes, length))
		return -ENOTSUP;
	*why = "it passes arguments on the stack, as Go 1.16 and older do";
	if (table->form == PCLNTAB_1_2)
		return -ENOTSUP;
	if (!table->text)
		relocate_text(image, section, table);
	*why = "its table of functions does not tell where its code begins";
	return table->text ? 0 : -ENOTSUP;
}

/* The call of writeRecordLocked() in writeHandshakeRecord(), 0 where it is not found. */
static uint64_t find_write(struct elf_image *image, const struct functions *functions)
{
	uint64_t length = functions->write_end - functions->write_begin;
	const uint8_t *code = NULL;
	int64_t call = -ENOENT;

	if (functions->write_locked && length <= WRITE_MAX)
		code = elf_image_code(image, functions->write_begin, length);
	if (code)
		call = go_code_find_call(code, length, functions->write_begin, functions->write_locked);
	return call < 0 ? 0 : functions->write_begin + call;
}

/* Add a probe after the check of the function's stack; the arguments are still in the registers. */
static void add_entry(struct elf_image *image, struct library_elf *elf, enum probe probe, uint64_t address)
{
	const uint8_t *code = elf_image_code(image, address, ENTRY_BYTES);
	int64_t check = code ? go_code_stack_check(code, ENTRY_BYTES) : -EINVAL;

	if (check >= 0)
		library_elf_add(image, elf, probe, address + check);
}

/* From Go 1.21 on. Both functions have the connection as receiver, whose address is the handle. */
static void add_connection_points(struct elf_image *image, struct library_elf *elf, const struct functions *functions,
                                  uint64_t write)
{
	library_elf_add(image, elf, PROBE_GO_CONNECTION_SENT, write);
	add_entry(image, elf, PROBE_GO_CONNECTION_RECEIVED, functions->unmarshal_any);
}

/* Before: the receiver of unmarshal() is the message, so the goroutine is the handle. */
static void add_goroutine_points(struct elf_image *image, struct library_elf *elf, const struct functions *functions,
                                 uint64_t write)
{
	library_elf_add(image, elf, PROBE_GO_SENT, write);
	for (size_t index = 0; index < MESSAGE_TYPES; index++)
		if (functions->unmarshal[index])
			add_entry(image, elf, PROBE_GO_RECEIVED, functions->unmarshal[index]);
}

/* Part of the points would show part of a handshake: all or none. */
static int add_points(struct elf_image *image, struct library_elf *elf, const struct functions *functions,
                      const char **why)
{
	uint64_t write = find_write(image, functions);
	uint32_t expected;

	*why = "crypto/tls in it is of a form that is not known";
	if (!write)
		return -ENOTSUP;
	if (functions->unmarshal_any) {
		expected = 2;
		add_connection_points(image, elf, functions, write);
	} else {
		expected = 1 + MESSAGE_TYPES;
		add_goroutine_points(image, elf, functions, write);
	}
	if (elf->points != expected)
		return -ENOTSUP;
	if (functions->send_alert)
		add_entry(image, elf, functions->unmarshal_any ? PROBE_GO_CONNECTION_ALERT : PROBE_GO_ALERT,
		          functions->send_alert);
	return 0;
}

/* "Go 1.19.8": a varint of one byte with the length, and the version, which begins with "go1." */
static void read_version(struct elf_image *image, char name[LIBRARY_TARGET_NAME_MAX])
{
	struct elf_section section;
	const uint8_t *bytes;
	size_t length, at = 0, have;

	snprintf(name, LIBRARY_TARGET_NAME_MAX, "Go");
	if (!elf_image_find_section(image, ".go.buildinfo", &section))
		return;
	bytes = elf_image_bytes(image, &section, &length);
	if (!bytes || length <= BUILD_VERSION || memcmp(bytes, BUILD_MAGIC, strlen(BUILD_MAGIC)) ||
	    !(bytes[BUILD_FLAGS] & BUILD_INLINE))
		return;
	have = bytes[BUILD_VERSION];
	bytes += BUILD_VERSION + 1;
	length -= BUILD_VERSION + 1;
	if (have > length || have <= strlen("go") || memcmp(bytes, "go", strlen("go")))
		return;
	for (at = strlen("go"); at < have && (isalnum(bytes[at]) || strchr(".-", bytes[at])) && bytes[at]; at++)
		;
	snprintf(name, LIBRARY_TARGET_NAME_MAX, "Go %.*s", (int)(at - strlen("go")), bytes + strlen("go"));
}

int library_go_read(struct elf_image *image, struct library_elf *elf, const char **why)
{
	struct functions functions = {};
	struct elf_section section;
	struct pclntab table;
	int error;

	if (!find_table(image, &section))
		return -ENOENT;
	error = open_table(image, &section, &table, why);
	if (error)
		return error;
	*why = "probes in Go programs are for x86-64 alone";
	if (image->machine != EM_X86_64)
		return -ENOTSUP;
	pclntab_each(&table, take_function, &functions);
	error = add_points(image, elf, &functions, why);
	if (error)
		return error;
	read_version(image, elf->name);
	return 0;
}
