/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_cause - what libraries say of a connection beside its messages: struct library_cause, read out of the structure that
 * a probed function works on.
 */
#ifndef LIBRARY_CAUSE_BPF_H
#define LIBRARY_CAUSE_BPF_H

enum {
	LAYOUTS_MAX = 256, /* probed files: LIBRARY_TARGETS_MAX */
};

/* Where things stand in the structures of each probed file, by target. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LAYOUTS_MAX);
	__type(key, __u32);
	__type(value, struct library_layout);
} library_layouts SEC(".maps");

static __always_inline int read_word(__u64 address, __u32 *word)
{
	return bpf_probe_read_user(word, sizeof(*word), (const void *)address);
}

/* What is said of the connection of an SSL. */
struct cause {
	__u64 ssl;
	__s32 code;
	__s32 alert;
	__u8 kind;    /* enum library_event_kind */
	__u8 library; /* enum library_cause_of */
};

static __always_inline int cause_fill(struct library_cause *told, const struct cause *cause,
                                      const struct library_layout *layout)
{
	__u64 holder = cause->ssl;
	__u32 server;

	if (layout->pointer &&
	    bpf_probe_read_user(&holder, sizeof(holder), (const void *)(cause->ssl + layout->pointer)))
		return -1;
	if (bpf_probe_read_user(told->random, sizeof(told->random), (const void *)(holder + layout->randoms)) ||
	    read_word(cause->ssl + layout->server, &server))
		return -1;
	told->code = cause->code;
	told->alert = cause->alert;
	/* OpenSSL: 1 or 0; GnuTLS: GNUTLS_SERVER 1 or GNUTLS_CLIENT 2 */
	told->is_server = server == 1;
	told->library = cause->library;
	return 0;
}

/* A cause whose connection the handle names: its randoms are known from the messages of that handle. */
static __always_inline void cause_emit_by_handle(const struct cause *cause, __u32 target)
{
	const struct call call = {
		.kind = cause->kind, .handle = cause->ssl, .length = sizeof(struct library_cause), .target = target};
	struct library_event *event = bpf_ringbuf_reserve(&library_events, sizeof(*event) + LIBRARY_DATA_SMALL, 0);
	struct library_cause *told;

	if (!event) {
		statistic_add(LIBRARY_STATISTIC_LOST_RING);
		return;
	}
	event->size = sizeof(*event) + LIBRARY_DATA_SMALL;
	event->length = sizeof(struct library_cause);
	event_fill(event, &call, 0);
	told = (struct library_cause *)event->data;
	__builtin_memset(told, 0, sizeof(*told));
	told->code = cause->code;
	told->alert = cause->alert;
	told->library = cause->library;
	statistic_add(LIBRARY_STATISTIC_CALLS);
	event_submit(event);
}

static __always_inline void cause_emit(const struct cause *cause, const struct library_layout *layout, __u32 target)
{
	const struct call call = {
		.kind = cause->kind, .handle = cause->ssl, .length = sizeof(struct library_cause), .target = target};
	struct library_event *event = bpf_ringbuf_reserve(&library_events, sizeof(*event) + LIBRARY_DATA_SMALL, 0);

	if (!event) {
		statistic_add(LIBRARY_STATISTIC_LOST_RING);
		return;
	}
	event->size = sizeof(*event) + LIBRARY_DATA_SMALL;
	event->length = sizeof(struct library_cause);
	event_fill(event, &call, 0);
	if (cause_fill((struct library_cause *)event->data, cause, layout)) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		statistic_add(LIBRARY_STATISTIC_LOST_READ);
		return;
	}
	statistic_add(LIBRARY_STATISTIC_CALLS);
	event_submit(event);
}

#endif /* LIBRARY_CAUSE_BPF_H */
