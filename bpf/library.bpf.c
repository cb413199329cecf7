// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * library - probes in TLS libraries (uprobes): copies of the handshake messages in cleartext, before encryption or
 * after decryption. Each way of probing has a program; userspace finds the place in a file.
 *
 * A probe only reads. Bytes that cannot be read or find no room are counted, and the handshake's next event reports the
 * loss.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/shared/library_event.h"

enum {
	TRANSCRIPTS_MAX = 16384,
	EXECS_BYTES = 64 * 1024, /* of 16 each: found by a later look at all processes where there is no room */
	CHUNKS_MAX = LIBRARY_CALL_MAX / LIBRARY_DATA_MAX,
	MESSAGE_HEADER = 4,       /* HandshakeType and a length of 24 bits: RFC 8446 section 4 */
	MESSAGE_HEADER_DTLS = 12, /* with a sequence number and a fragment: RFC 6347 section 4.2.2 */
	FINISHED_MAX = 2,         /* one of each side */
	MESSAGE_HASH_MAX = 64,
};

/* HandshakeType, RFC 8446 section 4 */
enum {
	CLIENT_HELLO = 1,
	CERTIFICATE_REQUEST = 13,
	FINISHED = 20,
	NEXT_PROTOCOL = 67,
	CHANNEL_ID = 203,
	MESSAGE_HASH = 254,
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024); /* set before loading */
} library_events SEC(".maps");

/* enum library_statistic; mapped by the reader */
__u64 library_statistics[LIBRARY_STATISTICS];

/* The reader looks every 50 ms and is woken earlier only for this much data. */
const volatile __u64 library_wakeup_bytes = 1024 * 1024;

/* Whether a program can learn which probe called it (kernel 5.15). Otherwise programs that need this are not loaded. */
const volatile __u8 library_has_cookie = 0;

/* A hash context that a transcript goes into. Addresses are used again, and processes end without a word: hence LRU. */
struct transcript_key {
	__u64 handle;
	__u32 process;
	__u32 reserved;
};

struct transcript {
	__u64 instruction; /* address of the first probe, in the process */
	__u32 target;
	__u8 lost;     /* bytes of an earlier call were not reported */
	__u8 finished; /* Finished messages: the second one ends the transcript */
	__u16 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TRANSCRIPTS_MAX);
	__type(key, struct transcript_key);
	__type(value, struct transcript);
} transcripts SEC(".maps");

/* The bytes that a library was called with. */
struct call {
	const __u8 *bytes;
	__u64 handle;
	__u64 length;
	__u32 target;
	__u8 kind; /* enum library_event_kind */
	__u8 from; /* enum library_event_from */
	__u16 reserved;
};

static __always_inline void statistic_add(enum library_statistic statistic)
{
	__sync_fetch_and_add(&library_statistics[statistic], 1);
}

static __always_inline __u32 target_of(void *context)
{
	return library_has_cookie ? bpf_get_attach_cookie(context) : 0;
}

static __always_inline void event_fill(struct library_event *event, const struct call *call, __u32 position)
{
	event->kind = call->kind;
	event->from = call->from;
	event->time_ns = bpf_ktime_get_ns();
	event->handle = call->handle;
	event->cgroup = bpf_get_current_cgroup_id();
	event->process = bpf_get_current_pid_tgid() >> 32;
	event->target = call->target;
	event->position = position;
	event->total = call->length > 0xffffffff ? 0xffffffff : call->length;
	bpf_get_current_comm(event->name, sizeof(event->name));
}

static __always_inline void event_submit(struct library_event *event)
{
	__u64 waiting = bpf_ringbuf_query(&library_events, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(event, waiting > library_wakeup_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* Tell of `length` bytes, at most the capacity, from position on. Returns 0 where it failed. */
static __always_inline int emit_sized(const struct call *call, __u32 position, __u32 length, const __u32 capacity)
{
	struct library_event *event = bpf_ringbuf_reserve(&library_events, sizeof(*event) + capacity, 0);

	if (!event) {
		statistic_add(LIBRARY_STATISTIC_LOST_RING);
		return 0;
	}
	event->size = sizeof(*event) + capacity;
	event_fill(event, call, position);
	/* the compiler knows the bound from the choice of the capacity and would drop the check that the verifier needs */
	asm volatile("" : "+r"(length));
	if (length > capacity || (length && bpf_probe_read_user(event->data, length, call->bytes + position))) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		statistic_add(LIBRARY_STATISTIC_LOST_READ);
		return 0;
	}
	event->length = length;
	event_submit(event);
	return 1;
}

/* A call in numbers, as a function that is verified separately can receive it. */
static __always_inline __u64 call_tag(const struct call *call)
{
	return call->target | (__u64)call->kind << 32 | (__u64)call->from << 40;
}

/*
 * Report at most LIBRARY_DATA_MAX bytes from position on. Returns the number of bytes, 0 on failure. Verified
 * separately, and so once: in a loop of the caller it would be verified for each path to the loop.
 */
__noinline __u32 library_emit_chunk(__u64 handle, __u64 bytes, __u64 length, __u32 position, __u64 tag)
{
	struct call call = {
		.bytes = (const __u8 *)bytes,
		.handle = handle,
		.length = length,
		.target = tag,
		.kind = tag >> 32,
		.from = tag >> 40,
	};
	__u32 left = LIBRARY_DATA_MAX;
	int emitted;

	if (position >= length)
		return 0;
	if (length - position < left)
		left = length - position;
	if (left <= LIBRARY_DATA_SMALL)
		emitted = emit_sized(&call, position, left, LIBRARY_DATA_SMALL);
	else if (left <= LIBRARY_DATA_MEDIUM)
		emitted = emit_sized(&call, position, left, LIBRARY_DATA_MEDIUM);
	else
		emitted = emit_sized(&call, position, left, LIBRARY_DATA_LARGE);
	return emitted ? left : 0;
}

/* Tell of a call from position on. Returns 0 where bytes that were to be told could not be. */
static __always_inline int emit_from(const struct call *call, __u32 position)
{
	__u32 told;

	statistic_add(LIBRARY_STATISTIC_CALLS);
	for (int chunk = 0; chunk < CHUNKS_MAX && position < call->length; chunk++) {
		told = library_emit_chunk(call->handle, (__u64)call->bytes, call->length, position, call_tag(call));
		if (!told)
			return 0;
		position += told;
	}
	/* missing bytes at the end of a call show in the events of the call */
	if (position < call->length)
		statistic_add(LIBRARY_STATISTIC_CALL_BOUND);
	return 1;
}

/*
 * The type of the message that begins a transcript, 0 for other bytes: ClientHello; after a HelloRetryRequest the hash
 * of the first ClientHello (RFC 8446 section 4.4.1); or a request after the handshake (section 4.6.2) on a forgotten
 * context. OpenSSL hashes each of these whole. A ClientHello that ends early is the input of a PSK binder (section
 * 4.2.11.2), in a separate context.
 */
static __always_inline __u32 transcript_begins(const struct call *call)
{
	__u8 head[MESSAGE_HEADER];
	__u32 end;

	if (call->length < sizeof(head) || bpf_probe_read_user(head, sizeof(head), call->bytes))
		return 0;
	end = MESSAGE_HEADER + ((__u32)head[1] << 16 | (__u32)head[2] << 8 | head[3]);
	switch (head[0]) {
	case CLIENT_HELLO:
		return end <= call->length ? CLIENT_HELLO : 0;
	case MESSAGE_HASH:
		return end <= MESSAGE_HEADER + MESSAGE_HASH_MAX && end <= call->length ? MESSAGE_HASH : 0;
	case CERTIFICATE_REQUEST:
		return end == call->length ? CERTIFICATE_REQUEST : 0;
	default:
		return 0;
	}
}

/* The types below 32 that a transcript may go on with: RFC 8446 section 4, RFC 5246 section 7.4, RFC 4680, 6066, 8879. */
#define TYPES_OF_TRANSCRIPT                                                                                            \
	(1u << 1 | 1u << 2 | 1u << 4 | 1u << 5 | 1u << 8 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15 |      \
	 1u << 16 | 1u << 20 | 1u << 22 | 1u << 23 | 1u << 25)

/*
 * The type of the message that a call continues with, 0 for other bytes: libraries hash whole messages, one per call.
 * Other data hashed at the address of an earlier handshake is ignored.
 */
static __always_inline __u32 message_of_call(const struct call *call)
{
	__u8 head[MESSAGE_HEADER];
	__u32 body, type;

	if (call->length < sizeof(head) || bpf_probe_read_user(head, sizeof(head), call->bytes))
		return 0;
	body = (__u32)head[1] << 16 | (__u32)head[2] << 8 | head[3];
	type = head[0];
	if (call->length != MESSAGE_HEADER + body && call->length != MESSAGE_HEADER_DTLS + body)
		return 0;
	if (type < 32)
		return TYPES_OF_TRANSCRIPT >> type & 1 ? type : 0;
	return type == NEXT_PROTOCOL || type == CHANNEL_ID ? type : 0;
}

/* A call with bytes that go on in the transcript of the handshake call->handle. */
static __always_inline void transcript_call(struct call *call, __u64 instruction)
{
	struct transcript_key key = {.handle = call->handle, .process = bpf_get_current_pid_tgid() >> 32};
	struct transcript *transcript = bpf_map_lookup_elem(&transcripts, &key);
	__u32 begins = transcript_begins(call), type;

	if (!transcript && !begins) {
		statistic_add(LIBRARY_STATISTIC_STRANGERS);
		return;
	}
	/*
	 * A file with two names (overlayfs) has two probes at each instruction: only probes of the name under which the
	 * transcript began count.
	 */
	if (transcript && transcript->target != call->target && (!begins || transcript->instruction == instruction))
		return;
	type = message_of_call(call);
	if (!begins && !type) {
		/* the context is in other use, or the handshake is of no form known: an event without bytes says so */
		statistic_add(LIBRARY_STATISTIC_STRANGERS);
		emit_sized(call, 0, 0, LIBRARY_DATA_SMALL);
		bpf_map_delete_elem(&transcripts, &key);
		return;
	}
	if (begins) {
		struct transcript fresh = {
			.instruction = instruction, .target = call->target, .lost = transcript ? transcript->lost : 0};

		/* a request in the handshake changes nothing; a later request is answered with one Finished */
		if (begins == CERTIFICATE_REQUEST)
			fresh.finished = transcript ? transcript->finished : 1;

		if (bpf_map_update_elem(&transcripts, &key, &fresh, BPF_ANY))
			statistic_add(LIBRARY_STATISTIC_LOST_STATE);
		transcript = bpf_map_lookup_elem(&transcripts, &key);
	}
	if (!transcript) {
		emit_from(call, 0);
		return;
	}
	if (transcript->lost) {
		/* bytes before these were lost: an empty event says so */
		if (!emit_sized(call, 0, 0, LIBRARY_DATA_SMALL))
			return;
		transcript->lost = 0;
	}
	if (!emit_from(call, 0))
		transcript->lost = 1;
	/* later hashes at this address belong to another handshake, or to no handshake */
	if (type == FINISHED && ++transcript->finished >= FINISHED_MAX)
		bpf_map_delete_elem(&transcripts, &key);
}

#include "library/openssl.bpf.h"
#include "library/gnutls.bpf.h"
#include "library/go.bpf.h"

/* Processes that have begun to run a program and now map libraries. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EXECS_BYTES);
} library_execs SEC(".maps");

/* By name and not through tracefs, which need not be mounted. */
SEC("raw_tp/sched_process_exec")
int mtlsnoop_exec(void *arguments)
{
	struct library_exec exec = {.process = bpf_get_current_pid_tgid() >> 32,
	                            .user = (__u32)bpf_get_current_uid_gid()};

	(void)arguments;
	if (bpf_ringbuf_output(&library_execs, &exec, sizeof(exec), 0))
		statistic_add(LIBRARY_STATISTIC_LOST_EXEC);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
