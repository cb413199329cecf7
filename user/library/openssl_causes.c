// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/openssl_causes.h"

#include "library/call_sites.h"
#include "library/code_steps.h"
#include "library/plt.h"

enum {
	BEFORE_CALL_BYTES = 192, /* of a function up to a call: ossl_statem_fatal() saves vector registers first */
	AFTER_CALL_BYTES = 48,
	AFTER_CALL_INSTRUCTIONS = 5,
	RANDOM_BYTES = 32,
};

static bool is_move(const struct code_step *step, uint16_t width, ZydisRegister to)
{
	return step->mnemonic == ZYDIS_MNEMONIC_MOV && step->width == width &&
	       step->operand[0].type == ZYDIS_OPERAND_TYPE_REGISTER && step->operand[0].reg.value == to &&
	       step->operand[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

/* A field's offset, and the offset of the pointer to the field's structure; 0: the field is in the SSL itself. */
struct field {
	uint32_t offset;
	uint32_t pointer;
};

/* The first address of a field that a function computes (LEA), and how it came to what the field is in. */
static bool find_address(const struct code_steps *steps, struct field *field)
{
	for (uint32_t index = 0; index < steps->count; index++) {
		const struct code_step *step = &steps->step[index];

		if (step->mnemonic != ZYDIS_MNEMONIC_LEA || !code_step_is_field(&step->operand[1]))
			continue;
		*field = (struct field){.offset = step->operand[1].mem.disp.value};
		for (uint32_t before = index; before-- > 0;) {
			const struct code_step *load = &steps->step[before];

			if (!code_step_is_load(load, 64) || load->operand[0].reg.value != step->operand[1].mem.base)
				continue;
			field->pointer = load->operand[1].mem.disp.value;
			break;
		}
		return true;
	}
	return false;
}

static bool find_randoms(struct elf_image *image, struct library_layout *layout)
{
	struct code_steps client_steps, server_steps;
	struct field client, server;

	if (!code_steps_read_function(image, "SSL_get_client_random", &client_steps) ||
	    !find_address(&client_steps, &client) ||
	    !code_steps_read_function(image, "SSL_get_server_random", &server_steps) ||
	    !find_address(&server_steps, &server))
		return false;
	/* struct ssl_st or ssl3_state_st: server_random, client_random */
	if (client.pointer != server.pointer || client.offset != server.offset + RANDOM_BYTES)
		return false;
	layout->randoms = server.offset;
	layout->pointer = server.pointer;
	return true;
}

uint32_t openssl_causes_error_offset(struct elf_image *image)
{
	return image->machine == EM_X86_64 ? code_steps_find_loaded(image, "X509_STORE_CTX_get_error", 32) : 0;
}

/* Registers that a function has to keep: an SSL used after a call is in such a register. */
static uint8_t kept_register(ZydisRegister value)
{
	switch (value) {
	case ZYDIS_REGISTER_RBX:
		return LIBRARY_REGISTER_BX;
	case ZYDIS_REGISTER_RBP:
		return LIBRARY_REGISTER_BP;
	case ZYDIS_REGISTER_R12:
		return LIBRARY_REGISTER_12;
	case ZYDIS_REGISTER_R13:
		return LIBRARY_REGISTER_13;
	case ZYDIS_REGISTER_R14:
		return LIBRARY_REGISTER_14;
	case ZYDIS_REGISTER_R15:
		return LIBRARY_REGISTER_15;
	default:
		return LIBRARY_REGISTER_NONE;
	}
}

/* The search among calls, and the result: an address, and whether the address is unique. */
struct search {
	struct elf_image *image;
	uint32_t verify_result;
	bool is_put_error; /* OpenSSL 1.1.1 */
	uint64_t found;
	uint8_t ssl_register;
	uint32_t count;
};

/* The call whose result is kept in the verify_result of an SSL: mov %rax, offset(%register) */
static bool take_verify(uint64_t site, uint64_t function, void *context)
{
	struct search *search = context;
	struct code_steps steps;

	(void)function;
	code_steps_read(search->image, site, AFTER_CALL_BYTES, &steps);
	for (uint32_t index = 1; index < steps.count && index <= AFTER_CALL_INSTRUCTIONS; index++) {
		const struct code_step *step = &steps.step[index];
		uint8_t ssl_register;

		if (step->mnemonic != ZYDIS_MNEMONIC_MOV || step->width != 64 ||
		    !code_step_is_field(&step->operand[0]) ||
		    step->operand[0].mem.disp.value != search->verify_result ||
		    step->operand[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    step->operand[1].reg.value != ZYDIS_REGISTER_RAX)
			continue;
		ssl_register = kept_register(step->operand[0].mem.base);
		if (ssl_register == LIBRARY_REGISTER_NONE)
			continue;
		search->found = site;
		search->ssl_register = ssl_register;
		search->count++;
	}
	return true;
}

/* 3.x: after the call, alert and SSL go on to ossl_statem_send_fatal(): mov ..., %esi; mov ..., %rdi; call */
static bool sends_alert(struct search *search, uint64_t site)
{
	struct code_steps steps;
	bool alert = false, ssl = false;

	code_steps_read(search->image, site, AFTER_CALL_BYTES, &steps);
	for (uint32_t index = 1; index < steps.count && index <= AFTER_CALL_INSTRUCTIONS; index++) {
		const struct code_step *step = &steps.step[index];

		if (is_move(step, 32, ZYDIS_REGISTER_ESI))
			alert = true;
		else if (is_move(step, 64, ZYDIS_REGISTER_RDI))
			ssl = kept_register(step->operand[1].reg.value) != LIBRARY_REGISTER_NONE;
		else
			return alert && ssl && step->mnemonic == ZYDIS_MNEMONIC_CALL;
	}
	return false;
}

/* 1.1.1: ERR_put_error(ERR_LIB_SSL, function, reason, ...) with both as they came: mov %edx, %esi; mov %ecx, %edx */
static bool passes_reason(struct search *search, uint64_t site, uint64_t function)
{
	bool method = false, reason = false;
	struct code_steps steps;

	if (site <= function || site - function > BEFORE_CALL_BYTES)
		return false;
	code_steps_read(search->image, function, site - function, &steps);
	for (uint32_t index = 0; index < steps.count; index++) {
		const struct code_step *step = &steps.step[index];

		method |= is_move(step, 32, ZYDIS_REGISTER_ESI) && step->operand[1].reg.value == ZYDIS_REGISTER_EDX;
		reason |= is_move(step, 32, ZYDIS_REGISTER_EDX) && step->operand[1].reg.value == ZYDIS_REGISTER_ECX;
	}
	return method && reason;
}

static bool take_fatal(uint64_t site, uint64_t function, void *context)
{
	struct search *search = context;
	bool is_fatal = search->is_put_error ? passes_reason(search, site, function) : sends_alert(search, site);

	if (is_fatal) {
		search->found = function;
		search->count++;
	}
	return true;
}

/* Calls of a function of another file, through stubs, or of this one. */
static bool find_call(struct elf_image *image, const char *function, call_sites_visit visit, struct search *search)
{
	struct plt_stubs stubs;

	search->image = image;
	plt_find(image, function, &stubs);
	if (!stubs.count && !elf_image_exported(image, function, &stubs.entry[0]))
		stubs.count = 1;
	return call_sites_each(image, stubs.entry, stubs.count, visit, search) && search->count == 1;
}

static void add_fatal(struct elf_image *image, struct library_elf *elf)
{
	struct search newer = {}, older = {.is_put_error = true};

	if (find_call(image, probe_rows[PROBE_OPENSSL_FATAL].function, take_fatal, &newer)) {
		elf->layout.reason_argument = 3;
		library_elf_add(image, elf, PROBE_OPENSSL_FATAL, newer.found);
	} else if (find_call(image, "ERR_put_error", take_fatal, &older)) {
		elf->layout.reason_argument = 4;
		library_elf_add(image, elf, PROBE_OPENSSL_FATAL, older.found);
	}
}

static void add_verify(struct elf_image *image, struct library_elf *elf)
{
	struct search search = {.verify_result = code_steps_find_loaded(image, "SSL_get_verify_result", 64)};

	if (!search.verify_result || !find_call(image, probe_rows[PROBE_OPENSSL_VERIFY].function, take_verify, &search))
		return;
	elf->layout.ssl_register = search.ssl_register;
	elf->layout.error = openssl_causes_error_offset(image);
	library_elf_add(image, elf, PROBE_OPENSSL_VERIFY, search.found);
}

void openssl_causes_add(struct elf_image *image, struct library_elf *elf)
{
	if (image->machine != EM_X86_64 || !find_randoms(image, &elf->layout))
		return;
	elf->layout.server = code_steps_find_loaded(image, "SSL_is_server", 32);
	if (!elf->layout.server)
		return;
	add_fatal(image, elf);
	add_verify(image, elf);
}
