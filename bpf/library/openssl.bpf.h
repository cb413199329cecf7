/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_openssl - OpenSSL: the handshake messages, the errors that end handshakes, and the verdicts on the peer's chain.
 *
 * An error and a verdict name their connection by the randoms of both hellos, which stand in the SSL that the function at hand
 * works on. So neither the thread nor the order of calls matters: a server may have thousands of connections in one thread.
 */
#ifndef LIBRARY_OPENSSL_BPF_H
#define LIBRARY_OPENSSL_BPF_H

#include "library/cause.bpf.h"

/* int EVP_DigestUpdate(EVP_MD_CTX *context, const void *bytes, size_t length), called by libssl */
SEC("uprobe")
int mtlsnoop_digest(struct pt_regs *registers)
{
	struct call call = {
		.kind = LIBRARY_TRANSCRIPT,
		.handle = PT_REGS_PARM1(registers),
		.bytes = (const __u8 *)PT_REGS_PARM2(registers),
		.length = PT_REGS_PARM3(registers),
		.target = target_of(registers),
	};

	if (call.length)
		transcript_call(&call, PT_REGS_IP(registers));
	return 0;
}

/* ossl_statem_fatal(SSL *, int alert, int reason, ...), in 1.1.1 ossl_statem_fatal(SSL *, int alert, int function, int reason, ...) */
SEC("uprobe")
int mtlsnoop_openssl_fatal(struct pt_regs *registers)
{
	__u32 target = target_of(registers);
	const struct library_layout *layout = bpf_map_lookup_elem(&library_layouts, &target);
	struct cause cause = {
		.kind = LIBRARY_FAILURE,
		.ssl = PT_REGS_PARM1(registers),
		.alert = PT_REGS_PARM2(registers),
	};

	__u64 third = PT_REGS_PARM3(registers), fourth = PT_REGS_PARM4(registers);

	if (!layout)
		return 0;
	/* both are read: the verifier takes no offset into the context that is not a constant */
	asm volatile("" : "+r"(third), "+r"(fourth));
	cause.code = layout->reason_argument == 4 ? fourth : third;
	cause_emit(&cause, layout, target);
	return 0;
}

#if defined(__TARGET_ARCH_x86)
/* All are read: the verifier takes no offset into the context that is not a constant. */
static __always_inline __u64 register_value(const struct pt_regs *registers, __u8 which)
{
	__u64 values[] = {
		[LIBRARY_REGISTER_BX] = registers->bx,  [LIBRARY_REGISTER_BP] = registers->bp,
		[LIBRARY_REGISTER_12] = registers->r12, [LIBRARY_REGISTER_13] = registers->r13,
		[LIBRARY_REGISTER_14] = registers->r14, [LIBRARY_REGISTER_15] = registers->r15,
	};
	__u64 value = 0;

	for (int index = 0; index < (int)(sizeof(values) / sizeof(values[0])); index++) {
		asm volatile("" : "+r"(values[index]));
		if (which == index)
			value = values[index];
	}
	return value;
}
#else /* nothing is attached there */
static __always_inline __u64 register_value(const struct pt_regs *registers, __u8 which)
{
	(void)registers;
	(void)which;
	return 0;
}
#endif

/* int X509_STORE_CTX_get_error(const X509_STORE_CTX *), called by ssl_verify_cert_chain() after the check of the peer's chain */
SEC("uprobe")
int mtlsnoop_openssl_verify(struct pt_regs *registers)
{
	__u32 target = target_of(registers), error;
	const struct library_layout *layout = bpf_map_lookup_elem(&library_layouts, &target);
	struct cause cause = {.kind = LIBRARY_VERIFICATION, .alert = -1};

	if (!layout)
		return 0;
	if (read_word(PT_REGS_PARM1(registers) + layout->error, &error)) {
		statistic_add(LIBRARY_STATISTIC_LOST_READ);
		return 0;
	}
	cause.ssl = register_value(registers, layout->ssl_register);
	cause.code = error;
	cause_emit(&cause, layout, target);
	return 0;
}

#endif /* LIBRARY_OPENSSL_BPF_H */
