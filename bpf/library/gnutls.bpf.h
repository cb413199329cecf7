/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_gnutls - GnuTLS adds each handshake message, sent or received, to a buffer of the session as the message
 * goes into the transcript hash: gnutls_buffer_append_data(buffer, data, length). (Seen with 3.7.9 and 3.8.9.)
 *
 * - A sent message comes in a single call, a received message in two: header and content. So the direction shows.
 * - A handshake makes 300 calls, 30 of them for the transcript. Calls for other buffers do not begin with a
 *   ClientHello of exactly the length in the message header, at the beginning of the buffer.
 * - The buffer knows the length: each call must go on where the last call ended, or a call was not seen.
 * - Two messages are added twice. A client hashes HelloRetryRequest again after the hash that replaces the first
 *   ClientHello (RFC 8446 section 4.4.1). A server without a request hashes the client's Finished in advance, to know
 *   the secret of an early ticket, and takes the bytes back. Both repeat type and direction of the message before, as
 *   no handshake does: the repetition is left out.
 * - Before a request after the handshake the whole transcript is put back in one call.
 */
#ifndef LIBRARY_GNUTLS_BPF_H
#define LIBRARY_GNUTLS_BPF_H

#include "library/cause.bpf.h"

enum {
	BUFFER_LENGTH = 24, /* lib/str.h: { uint8_t *allocd; uint8_t *data; size_t max_length; size_t length; } */
};

/* The buffer of a session, from the ClientHello on. */
struct buffer {
	__u64 instruction; /* address of the probe in the process, and the probe's target: see transcript_call() */
	__u32 target;
	__u32 content; /* bytes of a received message after the header */
	__u64 at;      /* length of the buffer before the last call */
	__u64 next;    /* and after the last call */
	__u16 last;    /* type and direction of the last message */
	__u8 passed;   /* the content of the message is not reported */
	__u8 restored; /* the transcript was put back: messages added whole from then on may be sent or received */
	__u8 lost;     /* bytes of an earlier call were not reported */
	__u8 reserved[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TRANSCRIPTS_MAX);
	__type(key, struct transcript_key);
	__type(value, struct buffer);
} buffers SEC(".maps");

/* The first bytes of a call, as a message's header. */
struct message_head {
	__u8 type;
	__u32 content; /* bytes behind the header */
};

/* An event without bytes reports lost bytes before the next event. Returns 0 if even the empty event found no room. */
static __always_inline int buffer_tell_loss(struct buffer *buffer, const struct call *call)
{
	if (buffer->lost && !emit_sized(call, 0, 0, LIBRARY_DATA_SMALL))
		return 0;
	buffer->lost = 0;
	return 1;
}

/* A message begins with the call, whole or with the header alone. */
static __always_inline void buffer_message(struct buffer *buffer, struct call *call, const struct message_head *head)
{
	int in_parts = call->length < MESSAGE_HEADER + head->content;
	__u16 kind;

	call->from = in_parts ? LIBRARY_RECEIVED : LIBRARY_SENT;
	if (!in_parts && (!head->content || buffer->restored))
		call->from = LIBRARY_FROM_UNKNOWN;
	call->length = MESSAGE_HEADER + head->content;
	kind = head->type << 8 | call->from;
	buffer->content = in_parts ? head->content : 0;
	buffer->passed = head->content && kind == buffer->last;
	buffer->last = kind;
	if (buffer->passed || !buffer_tell_loss(buffer, call))
		return;
	if (in_parts)
		buffer->lost = !emit_sized(call, 0, MESSAGE_HEADER, LIBRARY_DATA_SMALL);
	else
		buffer->lost = !emit_from(call, 0);
}

/* The content of a message after the header. */
static __always_inline void buffer_content(struct buffer *buffer, struct call *call)
{
	/* the event counts its position from the header */
	call->bytes -= MESSAGE_HEADER;
	call->length += MESSAGE_HEADER;
	call->from = LIBRARY_RECEIVED;
	buffer->content = 0;
	if (!buffer->passed && buffer_tell_loss(buffer, call))
		buffer->lost = !emit_from(call, MESSAGE_HEADER);
}

static __always_inline int read_head(const struct call *call, struct message_head *head)
{
	__u8 bytes[MESSAGE_HEADER];

	if (call->length < sizeof(bytes) || bpf_probe_read_user(bytes, sizeof(bytes), call->bytes))
		return 0;
	head->type = bytes[0];
	head->content = (__u32)bytes[1] << 16 | (__u32)bytes[2] << 8 | bytes[3];
	return 1;
}

/* Whether a call has exactly a message, or a message header. */
static __always_inline int is_message(const struct call *call, const struct message_head *head)
{
	return call->length == MESSAGE_HEADER || call->length == MESSAGE_HEADER + head->content;
}

/* A call that continues a buffer: the content of a message, or a message. Returns 0 if the call is neither. */
static __always_inline int buffer_goes_on(struct buffer *buffer, struct call *call, __u64 at)
{
	struct message_head head;

	if (buffer->content) {
		if (at != buffer->next || call->length != buffer->content)
			return 0;
		buffer->at = at;
		buffer->next = at + call->length;
		buffer_content(buffer, call);
		return 1;
	}
	/* at the beginning of the last call again: the last call was taken back */
	if ((at != buffer->next && at != buffer->at) || !read_head(call, &head) || !is_message(call, &head))
		return 0;
	buffer->at = at;
	buffer->next = at + call->length;
	buffer_message(buffer, call, &head);
	return 1;
}

/*
 * The first bytes of a buffer with a transcript: the hash in place of the first ClientHello, or the whole earlier
 * content.
 */
static __always_inline int buffer_is_restored(struct buffer *buffer, const struct call *call,
                                              const struct message_head *head)
{
	if (head->type != MESSAGE_HASH && head->type != CLIENT_HELLO)
		return 0;
	buffer->at = 0;
	buffer->next = call->length;
	buffer->content = 0;
	buffer->restored = head->type == CLIENT_HELLO;
	return 1;
}

/* The first bytes in a buffer. Another session may have had the buffer before. */
static __always_inline void buffer_begins(const struct transcript_key *key, struct call *call, struct buffer *buffer,
                                          __u64 instruction)
{
	struct buffer fresh = {.instruction = instruction, .target = call->target};
	struct message_head head;
	int readable = read_head(call, &head);

	if (!readable || head.type != CLIENT_HELLO || !head.content || !is_message(call, &head)) {
		if (buffer && readable && buffer_is_restored(buffer, call, &head))
			return;
		if (buffer)
			bpf_map_delete_elem(&buffers, key);
		statistic_add(LIBRARY_STATISTIC_STRANGERS);
		return;
	}
	if (buffer)
		fresh.lost = buffer->lost;
	if (bpf_map_update_elem(&buffers, key, &fresh, BPF_ANY)) {
		statistic_add(LIBRARY_STATISTIC_LOST_STATE);
		return;
	}
	buffer = bpf_map_lookup_elem(&buffers, key);
	if (buffer)
		buffer_goes_on(buffer, call, 0);
}

static __always_inline void buffer_call(struct call *call, __u64 at, __u64 instruction)
{
	struct transcript_key key = {.handle = call->handle, .process = bpf_get_current_pid_tgid() >> 32};
	struct buffer *buffer = bpf_map_lookup_elem(&buffers, &key);

	if (buffer && buffer->instruction == instruction && buffer->target != call->target)
		return;
	if (!at) {
		buffer_begins(&key, call, buffer, instruction);
		return;
	}
	if (!buffer) {
		statistic_add(LIBRARY_STATISTIC_STRANGERS);
		return;
	}
	if (buffer_goes_on(buffer, call, at))
		return;
	/* a call was not seen: nothing is known of later calls */
	emit_sized(call, 0, 0, LIBRARY_DATA_SMALL);
	bpf_map_delete_elem(&buffers, &key);
}

/* int gnutls_buffer_append_data(gnutls_buffer_t buffer, const void *data, size_t length) */
SEC("uprobe")
int mtlsnoop_gnutls_append(struct pt_regs *registers)
{
	struct call call = {
		.kind = LIBRARY_MESSAGE,
		.handle = PT_REGS_PARM1(registers),
		.bytes = (const __u8 *)PT_REGS_PARM2(registers),
		.length = PT_REGS_PARM3(registers),
		.target = target_of(registers),
	};
	__u64 at;

	if (call.length && !bpf_probe_read_user(&at, sizeof(at), (const void *)(call.handle + BUFFER_LENGTH)))
		buffer_call(&call, at, PT_REGS_IP(registers));
	return 0;
}

enum {
	ALERT_LEVEL_FATAL = 2, /* RFC 8446 section 6 */
	ALERT_INTERNAL_ERROR = 80,
};

/* A received alert of the session is the reason of the program's next actions. */
static __always_inline void gnutls_emit(struct cause *cause, __u32 target)
{
	const struct library_layout *layout = bpf_map_lookup_elem(&library_layouts, &target);
	__u32 received;

	if (!layout || read_word(cause->ssl + layout->error, &received))
		return;
	if (received && cause->kind == LIBRARY_FAILURE) {
		cause->code = LIBRARY_REASON_ALERT + (__u8)received;
		cause->alert = -1;
	} else if (cause->kind == LIBRARY_FAILURE && cause->alert < 0) {
		return;
	}
	cause_emit(cause, layout, target);
}

/* int gnutls_alert_send(gnutls_session_t session, gnutls_alert_level_t level, gnutls_alert_description_t description) */
SEC("uprobe")
int mtlsnoop_gnutls_alert_send(struct pt_regs *registers)
{
	struct cause cause = {
		.kind = LIBRARY_FAILURE,
		.library = LIBRARY_CAUSE_GNUTLS,
		.ssl = PT_REGS_PARM1(registers),
		.alert = (__u8)PT_REGS_PARM3(registers),
	};

	/* internal_error stands for all errors without a specific alert, including a vanished peer */
	if ((__u32)PT_REGS_PARM2(registers) == ALERT_LEVEL_FATAL && cause.alert != ALERT_INTERNAL_ERROR)
		gnutls_emit(&cause, target_of(registers));
	return 0;
}

/* gnutls_alert_description_t gnutls_alert_get(gnutls_session_t session): a program asks for the received alert */
SEC("uprobe")
int mtlsnoop_gnutls_alert_get(struct pt_regs *registers)
{
	struct cause cause = {
		.kind = LIBRARY_FAILURE,
		.library = LIBRARY_CAUSE_GNUTLS,
		.ssl = PT_REGS_PARM1(registers),
		.alert = -1,
	};

	gnutls_emit(&cause, target_of(registers));
	return 0;
}

/* A thread's current verification: the session, and the future address of the status. */
struct verification {
	__u64 session;
	__u64 status;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* bpf_get_current_pid_tgid() */
	__type(value, struct verification);
} verifications SEC(".maps");

/* int gnutls_certificate_verify_peers(gnutls_session_t session, data, unsigned elements, unsigned *status): begins */
SEC("uprobe")
int mtlsnoop_gnutls_verify(struct pt_regs *registers)
{
	const struct verification verification = {.session = PT_REGS_PARM1(registers),
	                                          .status = PT_REGS_PARM4(registers)};
	__u64 thread = bpf_get_current_pid_tgid();

	if (bpf_map_update_elem(&verifications, &thread, &verification, BPF_ANY))
		statistic_add(LIBRARY_STATISTIC_LOST_STATE);
	return 0;
}

/* The same: returns. Less than 0: nothing was verified. */
SEC("uprobe")
int mtlsnoop_gnutls_verified(struct pt_regs *registers)
{
	__u64 thread = bpf_get_current_pid_tgid();
	const struct verification *verification = bpf_map_lookup_elem(&verifications, &thread);
	struct cause cause = {.kind = LIBRARY_VERIFICATION, .library = LIBRARY_CAUSE_GNUTLS, .alert = -1};
	__u32 status;

	if (!verification)
		return 0;
	if ((__s32)PT_REGS_RC(registers) >= 0 && !read_word(verification->status, &status)) {
		cause.ssl = verification->session;
		cause.code = status;
		gnutls_emit(&cause, target_of(registers));
	}
	bpf_map_delete_elem(&verifications, &thread);
	return 0;
}

#endif /* LIBRARY_GNUTLS_BPF_H */
