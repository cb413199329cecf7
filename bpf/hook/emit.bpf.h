/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * emit - events (event.h) from the state of a connection and the current packet.
 *
 * An event without room in the ring buffer is counted, and the connection's next event carries EVENT_LOST.
 */
#ifndef EMIT_BPF_H
#define EMIT_BPF_H

#include "hook/connection.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024); /* set before loading */
} events SEC(".maps");

/* The reader looks every 50 ms and is woken earlier only for this much data: a wake-up costs 20 us. */
const volatile __u64 wakeup_bytes = 2 * 1024 * 1024;

static __always_inline __u64 event_wakeup(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > wakeup_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void event_submit(void *event)
{
	bpf_ringbuf_submit(event, event_wakeup());
}

/* What all events of a packet have in common. */
struct origin {
	__u64 connection;
	__u64 time_ns;
	__u32 index; /* enum event_direction */
	__u32 flags; /* enum event_flags */
};

static __always_inline struct origin sight_origin(const struct sight *sight)
{
	return (struct origin){
		.connection = sight->connection->id,
		.time_ns = sight->direction->time_ns,
		.index = sight->index,
		.flags = sight->connection->lost | sight->connection->renegotiates,
	};
}

static __always_inline void event_fill(struct event *event, const struct origin *origin, __u8 kind, __u32 size)
{
	event->size = size;
	event->kind = kind;
	event->direction = origin->index;
	event->flags = origin->flags;
	event->reserved = 0;
	event->connection = origin->connection;
	event->time_ns = origin->time_ns;
}

static __always_inline void event_fill_of(struct event *event, const struct sight *sight, __u8 kind, __u32 size)
{
	struct origin origin = sight_origin(sight);

	event_fill(event, &origin, kind, size);
}

/* The ends as the packet at hand has them. */
static __always_inline void packet_ends(struct __sk_buff *skb, const struct packet *packet, __u32 index,
                                        struct ends *ends)
{
	int sent = index == EVENT_SENT;

	__builtin_memset(ends, 0, sizeof(*ends));
	if (sent)
		packet_addresses(skb, packet, ends->local_address, ends->remote_address);
	else
		packet_addresses(skb, packet, ends->remote_address, ends->local_address);
	ends->local_port = sent ? packet->source_port : packet->destination_port;
	ends->remote_port = sent ? packet->destination_port : packet->source_port;
}

_Static_assert(sizeof(struct ends) == 36, "as in struct event_open");
_Static_assert(__builtin_offsetof(struct event_open, remote_port) -
                               __builtin_offsetof(struct event_open, local_address) ==
                       34,
               "as struct ends");
_Static_assert(__builtin_offsetof(struct event_translated, remote_port) -
                               __builtin_offsetof(struct event_translated, local_address) ==
                       34,
               "as struct ends");

static __always_inline int ends_differ(const struct ends *one, const struct ends *other)
{
	const __u32 *a = (const __u32 *)one, *b = (const __u32 *)other;
	__u32 differ = 0;
	int i;

	for (i = 0; i < (int)(sizeof(*one) / sizeof(*a)); i++)
		differ |= a[i] ^ b[i];
	return differ != 0;
}

/* Report a connection with its addresses. Returns 0 without room. */
static __always_inline int emit_open_of(struct __sk_buff *skb, const struct origin *origin, const struct packet *packet)
{
	struct event_open *open = bpf_ringbuf_reserve(&events, sizeof(*open), 0);

	if (!open)
		return 0;
	__builtin_memset(open, 0, sizeof(*open));
	event_fill(&open->event, origin, EVENT_OPEN, sizeof(*open));
	ends_of(skb, packet, origin->index, (struct ends *)open->local_address);
	open->family = packet->family;
	open->transport = packet->protocol;
	open->source = CONNECTION_SOURCE;
	open->cgroup = bpf_skb_cgroup_id(skb);
	open_owner(skb, open);
	event_submit(open);
	return 1;
}

/* Report the connection, once. Without room the next event tries again, and reports the loss. */
__noinline int connection_tell_open(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	struct origin origin;
	struct sight sight;

	/* in the deepest chain of calls: a function less below it */
	if (!packet_at_hand(skb, where, &packet) ||
	    !sight_take(&sight, skb, connection_of_packet(skb, where, &packet), where))
		return 0;
	origin = sight_origin(&sight);
	sight.connection->opened = emit_open_of(skb, &origin, &packet);
	if (sight.connection->opened && sight.connection->contended) {
		sight.connection->contended = 0;
		statistic_add(STATISTIC_CONTENDED);
	}
	return 0;
}

static __always_inline void emit_open(const struct sight *sight)
{
	if (!sight->connection->opened)
		connection_tell_open(sight->skb, sight->where);
}

/* Report the writing process. Returns 0 without room. */
static __always_inline int emit_owner_of(struct __sk_buff *skb, const struct origin *origin, __u32 process)
{
	struct event_owner *owner = bpf_ringbuf_reserve(&events, sizeof(*owner), 0);

	if (!owner)
		return 0;
	__builtin_memset(owner, 0, sizeof(*owner));
	event_fill(&owner->event, origin, EVENT_OWNER, sizeof(*owner));
	owner->process = process;
	writer_fill(skb, owner);
	event_submit(owner);
	return 1;
}

/* Room for an event of a fixed size of a reported connection, or NULL, which is counted. */
#define event_reserve(sight, type)                                                                                     \
	({                                                                                                             \
		type *reserved_ = NULL;                                                                                \
                                                                                                                       \
		if ((sight)->connection->opened)                                                                       \
			reserved_ = bpf_ringbuf_reserve(&events, sizeof(type), 0);                                     \
		if (!reserved_)                                                                                        \
			sight_lost(sight, STATISTIC_LOST_RING);                                                        \
		reserved_;                                                                                             \
	})

/* Events made by a header have the same size: one reservation serves all. */
union event_found {
	struct event event;
	struct event_message message;
	struct event_record record;
	struct event_alert alert;
};

_Static_assert(sizeof(union event_found) == sizeof(struct event_message), "one size");
_Static_assert(sizeof(union event_found) == sizeof(struct event_record), "one size");
_Static_assert(sizeof(union event_found) == sizeof(struct event_alert), "one size");

static __always_inline void event_fill_found(union event_found *event, const struct sight *sight,
                                             const struct tls_walk_event *found)
{
	__builtin_memset(event, 0, sizeof(*event));
	switch (found->kind) {
	case TLS_WALK_EVENT_MESSAGE:
		event_fill_of(&event->event, sight, EVENT_MESSAGE, sizeof(event->message));
		event->message.length = found->length;
		event->message.version = found->version;
		event->message.type = found->type;
		event->message.ssl2 = found->ssl2;
		break;
	case TLS_WALK_EVENT_RECORD:
		event_fill_of(&event->event, sight, EVENT_RECORD, sizeof(event->record));
		event->record.length = found->length;
		event->record.version = found->version;
		event->record.type = found->type;
		break;
	case TLS_WALK_EVENT_ALERT:
		event_fill_of(&event->event, sight, EVENT_ALERT, sizeof(event->alert));
		event->alert.level = found->level;
		event->alert.description = found->description;
		break;
	default:
		/* longer than struct event: a reader takes what the kind has */
		event_fill_of(&event->event, sight, EVENT_NOT_TLS, sizeof(*event));
	}
}

static __always_inline void emit_found(const struct sight *sight, const struct tls_walk_event *found)
{
	union event_found *event;

	event = event_reserve(sight, union event_found);
	if (!event)
		return;
	event_fill_found(event, sight, found);
	event_submit(event);
}

static __always_inline void emit_close(const struct sight *sight, __u8 how, __u32 sequence)
{
	struct event_close *close = event_reserve(sight, struct event_close);

	if (!close)
		return;
	event_fill_of(&close->event, sight, EVENT_CLOSE, sizeof(*close));
	close->sequence = sequence;
	close->how = how;
	__builtin_memset(close->reserved, 0, sizeof(close->reserved));
	event_submit(close);
}

static __always_inline void emit_cut(const struct sight *sight, __u32 position, __u32 count)
{
	struct event_cut *cut = event_reserve(sight, struct event_cut);

	if (!cut)
		return;
	event_fill_of(&cut->event, sight, EVENT_CUT, sizeof(*cut));
	cut->position = position;
	cut->count = count;
	event_submit(cut);
}

static __always_inline void emit_handover(const struct sight *sight)
{
	struct event_handover *handover;

	emit_open(sight);
	handover = event_reserve(sight, struct event_handover);
	if (!handover)
		return;
	event_fill_of(&handover->event, sight, EVENT_HANDOVER, sizeof(*handover));
	handover->walk = sight->direction->walk;
	handover->next_sequence = sight->direction->next_sequence;
	handover->reserved = 0;
	event_submit(handover);
}

/* Report the addresses in packets of this direction, if they differ from the socket's. */
__noinline int connection_compare_addresses(struct __sk_buff *skb, __u32 where)
{
	struct event_translated *translated;
	struct packet packet = {};
	struct sight sight;
	struct ends own;

	if (!packet_at_hand(skb, where, &packet) ||
	    !sight_take(&sight, skb, connection_of_packet(skb, where, &packet), where))
		return 0;
	sight.connection->addresses_compared |= 1 << sight.index;
	ends_of(skb, &packet, sight.index, &own);
	translated = event_reserve(&sight, struct event_translated);
	if (!translated)
		return 0;
	__builtin_memset(translated, 0, sizeof(*translated));
	packet_ends(skb, &packet, sight.index, (struct ends *)translated->local_address);
	if (!ends_differ(&own, (struct ends *)translated->local_address)) {
		bpf_ringbuf_discard(translated, BPF_RB_NO_WAKEUP);
		return 0;
	}
	event_fill_of(&translated->event, &sight, EVENT_TRANSLATED, sizeof(*translated));
	translated->family = packet.family;
	event_submit(translated);
	return 0;
}

/* Report the writing process, if the process has changed. */
__noinline int connection_tell_owner(struct __sk_buff *skb, __u32 where)
{
	struct origin origin;
	struct sight sight;
	__u32 process = writer_of(skb);

	if (!process || !sight_take(&sight, skb, connection_at_hand(skb, where), where))
		return 0;
	if (process == sight.connection->owner)
		return 0;
	origin = sight_origin(&sight);
	if (emit_owner_of(skb, &origin, process))
		sight.connection->owner = process;
	else
		sight_lost(&sight, STATISTIC_LOST_RING);
	return 0;
}

/* The ends of a reported connection, as a packet shows them. */
static __always_inline void connection_tell_ends(const struct sight *sight)
{
	if (CONNECTION_SOURCE != EVENT_FROM_SOCKET || !sight->connection->opened)
		return;
	if (!(sight->connection->addresses_compared & 1 << sight->index))
		connection_compare_addresses(sight->skb, sight->where);
	if (sight->index == EVENT_SENT)
		connection_tell_owner(sight->skb, sight->where);
}

/* What emit_bytes() is told. */
struct bytes_at {
	__u32 position; /* as struct event_bytes has it */
	__u32 offset;   /* in the skb */
	__u32 length;   /* at most the capacity of the event */
	__u8 kind;
	__u8 type;
	__u8 flags;
};

static __always_inline int emit_bytes_sized(struct __sk_buff *skb, const struct origin *origin,
                                            const struct bytes_at *at, const __u32 capacity)
{
	struct event_bytes *bytes = bpf_ringbuf_reserve(&events, sizeof(*bytes) + capacity, 0);
	__u32 length = at->length;

	if (!bytes)
		return 0;
	event_fill(&bytes->event, origin, at->kind, sizeof(*bytes) + capacity);
	bytes->event.flags |= at->flags;
	bytes->position = at->position;
	bytes->type = at->type;
	bytes->reserved = 0;
	/* the compiler knows the bound from the choice of the capacity and would drop the check that the verifier needs */
	length--;
	asm volatile("" : "+r"(length));
	if (length >= capacity || bpf_skb_load_bytes(skb, at->offset, bytes->data, length + 1)) {
		bpf_ringbuf_discard(bytes, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bytes->length = length + 1;
	event_submit(bytes);
	return 1;
}

/* Copy bytes of the packet into an event of the smallest sufficient size. Returns 0 without room. */
static __always_inline int emit_bytes_of(struct __sk_buff *skb, const struct origin *origin, const struct bytes_at *at)
{
	if (at->length <= EVENT_BYTES_SMALL)
		return emit_bytes_sized(skb, origin, at, EVENT_BYTES_SMALL);
	if (at->length <= EVENT_BYTES_MEDIUM)
		return emit_bytes_sized(skb, origin, at, EVENT_BYTES_MEDIUM);
	return emit_bytes_sized(skb, origin, at, EVENT_BYTES_LARGE);
}

static __always_inline void emit_bytes(const struct sight *sight, const struct bytes_at *at)
{
	struct origin origin = sight_origin(sight);

	if (!sight->connection->opened || !emit_bytes_of(sight->skb, &origin, at))
		sight_lost(sight, STATISTIC_LOST_RING);
}

#endif /* EMIT_BPF_H */
