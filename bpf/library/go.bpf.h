/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_go - Go's crypto/tls. Arguments are in registers, in Go's own order (ABIInternal, from Go 1.17 on): rax, rbx,
 * rcx, rdi, ...; r14 is the goroutine.
 *
 * Until Go 1.20 the function that reads a message does not know its connection: the goroutine stands for the connection
 * and makes one handshake after the other. (A handshake nested in another, in a callback, begins anew and leaves the
 * outer handshake unfinished.)
 */
#ifndef LIBRARY_GO_BPF_H
#define LIBRARY_GO_BPF_H

enum {
	RECORD_HANDSHAKE = 22, /* ContentType, RFC 8446 section 5.1 */
};

#if defined(__TARGET_ARCH_x86)
#define GO_ARGUMENT_1(registers) ((registers)->ax)
#define GO_ARGUMENT_2(registers) ((registers)->bx)
#define GO_ARGUMENT_3(registers) ((registers)->cx)
#define GO_ARGUMENT_4(registers) ((registers)->di)
#define GO_GOROUTINE(registers)  ((registers)->r14)
#else /* nothing is attached there */
#define GO_ARGUMENT_1(registers) 0
#define GO_ARGUMENT_2(registers) 0
#define GO_ARGUMENT_3(registers) 0
#define GO_ARGUMENT_4(registers) 0
#define GO_GOROUTINE(registers)  0
#endif

/* (receiver).unmarshal...(data []byte, ...): a whole message with its header */
static __always_inline void go_received(struct pt_regs *registers, __u64 handle)
{
	struct call call = {
		.kind = LIBRARY_MESSAGE,
		.from = LIBRARY_RECEIVED,
		.handle = handle,
		.bytes = (const __u8 *)GO_ARGUMENT_2(registers),
		.length = GO_ARGUMENT_3(registers),
		.target = target_of(registers),
	};

	if (call.length)
		transcript_call(&call, PT_REGS_IP(registers));
}

/* (*Conn).writeRecordLocked(type recordType, data []byte) */
static __always_inline void go_sent(struct pt_regs *registers, __u64 handle)
{
	struct call call = {
		.kind = LIBRARY_MESSAGE,
		.from = LIBRARY_SENT,
		.handle = handle,
		.bytes = (const __u8 *)GO_ARGUMENT_3(registers),
		.length = GO_ARGUMENT_4(registers),
		.target = target_of(registers),
	};

	if (call.length && (__u8)GO_ARGUMENT_2(registers) == RECORD_HANDSHAKE)
		transcript_call(&call, PT_REGS_IP(registers));
}

SEC("uprobe")
int mtlsnoop_go_received(struct pt_regs *registers)
{
	go_received(registers, GO_GOROUTINE(registers));
	return 0;
}

SEC("uprobe")
int mtlsnoop_go_sent(struct pt_regs *registers)
{
	go_sent(registers, GO_GOROUTINE(registers));
	return 0;
}

SEC("uprobe")
int mtlsnoop_go_connection_received(struct pt_regs *registers)
{
	go_received(registers, GO_ARGUMENT_1(registers));
	return 0;
}

SEC("uprobe")
int mtlsnoop_go_connection_sent(struct pt_regs *registers)
{
	go_sent(registers, GO_ARGUMENT_1(registers));
	return 0;
}

#endif /* LIBRARY_GO_BPF_H */
