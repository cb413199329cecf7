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

#include "library/cause.bpf.h"

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

enum {
	GO_ALERT_USER_CANCELED = 90, /* from here to no_renegotiation alerts are warnings: RFC 5246 section 7.2.2 */
	GO_ALERT_NO_RENEGOTIATION = 100,
	GO_ALERT_BAD_RECORD_MAC =
		20, /* Go cannot read an alert that comes before the client's keys: that blames nobody */
};

/* (*Conn).sendAlert(alert uint8): what is no warning ends the connection */
static __always_inline void go_alert(struct pt_regs *registers, __u64 handle)
{
	const struct cause cause = {
		.kind = LIBRARY_FAILURE,
		.library = LIBRARY_CAUSE_GO,
		.ssl = handle,
		.alert = (__u8)GO_ARGUMENT_2(registers),
	};

	if (cause.alert && cause.alert != GO_ALERT_BAD_RECORD_MAC && cause.alert != GO_ALERT_USER_CANCELED &&
	    cause.alert != GO_ALERT_NO_RENEGOTIATION)
		cause_emit_by_handle(&cause, target_of(registers));
}

SEC("uprobe")
int mtlsnoop_go_alert(struct pt_regs *registers)
{
	go_alert(registers, GO_GOROUTINE(registers));
	return 0;
}

SEC("uprobe")
int mtlsnoop_go_connection_alert(struct pt_regs *registers)
{
	go_alert(registers, GO_ARGUMENT_1(registers));
	return 0;
}

#endif /* LIBRARY_GO_BPF_H */
