/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * connection - the state that the kernel keeps of a TCP connection, and the events that it makes of its packets.
 *
 * The kernel extracts and never judges. In the ordinary case it walks the records in order and tells of each handshake
 * message as its type byte passes. Whatever is not ordinary - a gap, more messages in a packet than are walked in one go -
 * it hands over: the walker's state and the bytes that follow go to userspace, which goes on with the same walker.
 */
#ifndef CONNECTION_BPF_H
#define CONNECTION_BPF_H

#include "bpf/shared/service_set.h"
#include "hook/turn.bpf.h"

enum connection_bounds {
	STEPS_MAX = 48,           /* headers and bodies walked in one packet; more is handed over */
	BODY_MAX = 64 * 1024,     /* bytes told of one message's body */
	HANDOVER_MAX = 96 * 1024, /* bytes handed over of one direction */
	CHUNKS_MAX = 48,          /* events for the payload of one packet */
	FOLLOW_DATA_MAX = 8,      /* records of application data passed over in one packet without ado */
	FOLLOW_STEPS_MAX = 256,   /* record headers read in one packet of an established connection */
};

_Static_assert(CHUNKS_MAX *EVENT_BYTES_LARGE >= HANDOVER_MAX, "what is within the one bound is within the other");

enum direction_state {
	DIRECTION_UNKNOWN = 0, /* no sequence number known yet */
	DIRECTION_WALKED,      /* walked here */
	DIRECTION_HANDED_OVER, /* walked in userspace */
	DIRECTION_ENDED,       /* nothing more is wanted: the cheap path */
	DIRECTION_FOLLOWED,    /* established, up to TLS 1.2: from record to record, for a renegotiation */
};

/* How far a direction is in a renegotiation. */
enum direction_renewal {
	RENEWAL_NONE = 0,
	RENEWAL_CHANGED, /* ChangeCipherSpec: the next handshake record is Finished */
	RENEWAL_FINISHED,
};

struct direction {
	struct tls_walk walk;
	__u32 next_sequence; /* WALKED: of the first byte not walked; FOLLOWED: of the next byte of a record header */
	__u32 handed_over;   /* bytes */
	__u32 busy;          /* CPUs that are at it */
	__u8 state;          /* enum direction_state */
	__u8 renewal;        /* enum direction_renewal */
	__u8 reserved[2];
	/*
	 * How far the program is in the packet at hand. Here and not on the stack for two reasons: the steps are functions
	 * of their own, which take nothing but the packet; and what is read from a map is any number to the verifier, so
	 * that all ways through a step meet again in one state.
	 */
	__u64 time_ns;
	__u32 offset;   /* in the skb: of the next byte */
	__u32 left;     /* bytes from there on */
	__u32 sequence; /* HANDED_OVER: of that byte */
	struct tls_walk_event found;
};

struct connection {
	__u64 id;
	/*
	 * Of what was received with a listening socket, later with the connection's own; on a device, of the SYN's direction.
	 */
	__u32 first_sequence;
	__u32 begun;           /* CPUs that met it first */
	__u8 opened;           /* EVENT_OPEN went out */
	__u8 hello;            /* a hello was found: 1 + the client's direction */
	__u8 lost;             /* an event did not go out: EVENT_LOST */
	__u8 search_elsewhere; /* a direction was handed over while a ClientHello was still looked for */
	__u8 renegotiates; /* a handshake record came behind the handshake, and the new one is not over: event flags */
	__u8 addresses_compared; /* bits 1 << enum event_direction: a packet's addresses were held against the socket's */
	__u8 plaintext; /* the connection was held against the services, and EVENT_PLAINTEXT went out if it is one */
	__u8 reserved[2];
	__u32 owner;           /* tgid of the process in the last EVENT_OWNER, 0: none yet */
	__u32 answer_sequence; /* of the first byte behind the latest SYN/ACK, where it is not known yet which one counts */
	struct direction direction[EVENT_DIRECTIONS];
};

/* Ids made here, and not from a socket's cookie, have this bit, which no cookie has. */
static const __u64 CONNECTION_WITHOUT_SOCKET = 1ull << 63;

static __always_inline __u64 connection_random_id(void)
{
	return CONNECTION_WITHOUT_SOCKET | (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

/*
 * Which packet, in one number, since a function that is verified on its own takes nothing but the skb and scalars: in the
 * lowest bit its direction (enum event_direction), then where its IP header is in the skb, then how many bytes of the skb
 * are behind it. The socket hook is shown nothing before and behind: there it is the direction alone.
 */
enum where_bits {
	WHERE_NETWORK_SHIFT = 1,
	WHERE_NETWORK_MAX = 4095,
	WHERE_BEHIND_SHIFT = 13,
	WHERE_BEHIND_MAX = 1 << 19,
};

static __always_inline __u32 where_of(__u32 network_offset, __u32 behind, __u32 index)
{
	return behind << WHERE_BEHIND_SHIFT | network_offset << WHERE_NETWORK_SHIFT | index;
}

static __always_inline __u32 where_index(__u32 where)
{
	return where & 1;
}

static __always_inline int packet_at_hand(struct __sk_buff *skb, __u32 where, struct packet *packet)
{
	return packet_parse(skb, where >> WHERE_NETWORK_SHIFT & WHERE_NETWORK_MAX,
	                    skb->len - (where >> WHERE_BEHIND_SHIFT), packet);
}

/* The packet at hand, its connection and its direction. */
struct sight {
	struct __sk_buff *skb;
	struct connection *connection;
	struct direction *direction;
	__u32 where;
	__u32 index; /* of it: enum event_direction */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024); /* set before loading */
} events SEC(".maps");

/* enum statistic. The reader maps it, and so needs no privilege to read it. None is counted on the way of ordinary packets. */
__u64 statistics[STATISTICS];

struct packet_counter packet_counters[PACKET_COUNTERS_CPUS] __attribute__((aligned(64)));

static __always_inline void packet_count(__u32 program)
{
	packet_counters[bpf_get_smp_processor_id() & (PACKET_COUNTERS_CPUS - 1)].packets[program]++;
}

/* The reader looks every 50 ms; it is woken before that only where this much is waiting: a wake-up costs 20 us. */
const volatile __u64 wakeup_bytes = 2 * 1024 * 1024;

static __always_inline void statistic_add(enum statistic statistic)
{
	__sync_fetch_and_add(&statistics[statistic], 1);
}

/* Random numbers that strangers do not know. Set before loading. */
const volatile struct flow_hash_key flow_key = {};

/* Userspace writes it; an empty set costs one load. */
struct service_set services;

/* The ends of a connection, as struct event_open and struct event_translated have them. */
struct ends {
	__u8 local_address[16];
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
} __attribute__((aligned(4)));

/* A value to make an entry of a hash from: it is too large for the stack */
static const __u8 connection_zero[sizeof(struct connection)] __attribute__((unused));

/*
 * What each hook provides: the state of a packet's connection, NULL where there is none, the same where the packet was read
 * already; and whose its socket is.
 */
static struct connection *connection_at_hand(struct __sk_buff *skb, __u32 where);
static struct connection *connection_of_packet(struct __sk_buff *skb, __u32 where, const struct packet *packet);
static void open_owner(struct __sk_buff *skb, struct event_open *open);
/* The ends of the connection as its socket has them, where there is one; else as the packet has them. */
static void ends_of(struct __sk_buff *skb, const struct packet *packet, __u32 index, struct ends *ends);
/* The tgid of the task that writes, where the packet at hand leaves a socket; else 0. And the rest of what is told of it. */
static __u32 writer_of(struct __sk_buff *skb);
static void writer_fill(struct __sk_buff *skb, struct event_owner *owner);

static __always_inline int sight_take(struct sight *sight, struct __sk_buff *skb, struct connection *connection,
                                      __u32 where)
{
	sight->skb = skb;
	sight->where = where;
	sight->index = where_index(where);
	sight->connection = connection;
	if (!connection)
		return 0;
	/* an index from a variable would cost the verifier a bound check: two branches cost nothing */
	sight->direction = sight->index == EVENT_SENT ? &connection->direction[EVENT_SENT]
	                                              : &connection->direction[EVENT_RECEIVED];
	return 1;
}

static __always_inline void sight_lost(const struct sight *sight, __u32 statistic)
{
	sight->connection->lost = EVENT_LOST;
	statistic_add(statistic);
}

static __always_inline __u64 event_wakeup(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > wakeup_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void event_submit(void *event)
{
	bpf_ringbuf_submit(event, event_wakeup());
}

/*
 * Whether established connections are followed to see them renegotiate. Where their state lies in a table they would push
 * out those that are in their handshake. Set before loading.
 */
const volatile __u8 follow_established = CONNECTION_SOURCE == EVENT_FROM_SOCKET;

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

/* Tell of a connection: its addresses. Returns 0 where there was no room. */
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

/* Tell of the connection, once. Where there is no room the next event tries again, and says that some were lost. */
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
	return 0;
}

static __always_inline void emit_open(const struct sight *sight)
{
	if (!sight->connection->opened)
		connection_tell_open(sight->skb, sight->where);
}

/* Tell which process writes. Returns 0 where there was no room. */
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

/* Room for an event of a fixed size of a connection that was told of, or NULL, which is counted. */
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

/* The events that a header makes are of one size: one reservation serves them all. */
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

/* Tell the addresses that packets of this direction carry, where they are not the socket's. */
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

/* Tell which process writes, where it is another one than was told. */
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

/* What a packet shows of the ends of a connection that was told of. */
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

/* Copy bytes of the packet into an event, in the smallest size that holds them. Returns 0 where there was no room. */
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

static __always_inline void connection_end(struct connection *connection)
{
	connection->direction[EVENT_RECEIVED].state = DIRECTION_ENDED;
	connection->direction[EVENT_SENT].state = DIRECTION_ENDED;
}

static __always_inline int connection_idle(const struct connection *connection)
{
	return connection->direction[EVENT_RECEIVED].state == DIRECTION_ENDED &&
	       connection->direction[EVENT_SENT].state == DIRECTION_ENDED;
}

static __always_inline int direction_is_over(const struct direction *direction)
{
	return direction->state == DIRECTION_ENDED || direction->state == DIRECTION_FOLLOWED;
}

/* Whether the handshake is over in both directions, which may still be followed. */
static __always_inline int connection_is_over(const struct connection *connection)
{
	return direction_is_over(&connection->direction[EVENT_RECEIVED]) &&
	       direction_is_over(&connection->direction[EVENT_SENT]);
}

/*
 * Two CPUs can receive packets of one connection at the same time, since cgroup_skb runs before the socket is locked (a
 * sender on loopback that changes its CPU). The second one does not wait: its packet is lost to the walk, and told so.
 */
static __always_inline int direction_claim(const struct sight *sight)
{
	return turn_claim(&sight->direction->busy, sight->connection->id);
}

static __always_inline void direction_release(const struct sight *sight)
{
	turn_release(&sight->direction->busy, sight->connection->id);
}

/* Hand the direction over to userspace: the walker's state now, its bytes from here on. */
static __always_inline void direction_hand_over(const struct sight *sight)
{
	sight->direction->state = DIRECTION_HANDED_OVER;
	if (!sight->connection->hello)
		sight->connection->search_elsewhere = 1;
	statistic_add(STATISTIC_HANDOVERS);
	emit_handover(sight);
}

/* Pass on the next bytes of the packet. Returns whether more of it is left. */
__noinline int connection_forward_chunk(struct __sk_buff *skb, __u32 where, __u32 flags)
{
	struct direction *direction;
	struct sight sight;
	struct bytes_at at;

	if (!sight_take(&sight, skb, connection_at_hand(skb, where), where))
		return 0;
	direction = sight.direction;
	at.kind = EVENT_SEGMENT;
	at.type = 0;
	at.flags = flags;
	at.position = direction->sequence;
	at.offset = direction->offset;
	at.length = direction->left < EVENT_BYTES_LARGE ? direction->left : EVENT_BYTES_LARGE;
	emit_bytes(&sight, &at);
	direction->sequence += at.length;
	direction->offset += at.length;
	direction->left -= at.length;
	return direction->left != 0;
}

/* Pass on the bytes of the packet at hand that direction->sequence, offset and left tell of. */
static __always_inline void direction_forward(const struct sight *sight)
{
	struct direction *direction = sight->direction;
	__u32 flags = EVENT_SEGMENT_START;
	int i;

	if (direction->handed_over + direction->left > HANDOVER_MAX) {
		statistic_add(STATISTIC_HANDOVER_BOUND);
		emit_cut(sight, direction->sequence, 0);
		direction->state = DIRECTION_ENDED;
		return;
	}
	direction->handed_over += direction->left;
	for (i = 0; i < CHUNKS_MAX; i++) {
		if (!connection_forward_chunk(sight->skb, sight->where, flags))
			break;
		flags = 0;
	}
}

/* Tell of the bytes of a message's body that lie here, where it is one that is read. */
static __always_inline void direction_tell_body(const struct sight *sight, const struct tls_walk *walk, __u32 offset,
                                                __u32 length)
{
	struct bytes_at at = {
		.kind = EVENT_BODY,
		.type = walk->message_type,
		.position = walk->message_length - walk->message_left,
		.offset = offset,
		.length = length,
	};

	if (!tls_walk_in_body(walk) || !tls_walk_body_matters(walk))
		return;
	if (at.position >= BODY_MAX) {
		/* no message of a wanted kind is that long (RFC 8446 section 4.3.2: 2^16 bytes of names); counted once */
		if (at.position < BODY_MAX + EVENT_BYTES_LARGE)
			statistic_add(STATISTIC_BODY_BOUND);
		return;
	}
	emit_bytes(sight, &at);
}

/* The first handshake record behind the handshake begins another one, of which userspace knows nothing yet. */
static __always_inline void connection_renegotiate(struct connection *connection)
{
	connection->renegotiates = EVENT_RENEGOTIATES | (connection->hello == 1 + EVENT_SENT ? EVENT_CLIENT_SENT : 0);
	connection->opened = 0;
	connection->lost = 0;
	connection->direction[EVENT_RECEIVED].renewal = RENEWAL_NONE;
	connection->direction[EVENT_SENT].renewal = RENEWAL_NONE;
}

/* Both sides have sent Finished once more: what comes next is no part of this handshake. */
static __always_inline void direction_renew(const struct sight *sight, __u8 record_type)
{
	struct connection *connection = sight->connection;
	struct direction *direction = sight->direction;

	if (record_type == TLS_CHANGE_CIPHER_SPEC)
		direction->renewal = RENEWAL_CHANGED;
	else if (record_type == TLS_HANDSHAKE && direction->renewal == RENEWAL_CHANGED)
		direction->renewal = RENEWAL_FINISHED;
	if (connection->direction[EVENT_RECEIVED].renewal == RENEWAL_FINISHED &&
	    connection->direction[EVENT_SENT].renewal == RENEWAL_FINISHED)
		connection->renegotiates = 0;
}

static __always_inline void direction_tell(const struct sight *sight)
{
	const struct tls_walk_event *found = &sight->direction->found;
	struct connection *connection = sight->connection;

	if (found->kind == TLS_WALK_EVENT_NONE)
		return;
	if (sight->direction->state == DIRECTION_FOLLOWED && !connection->renegotiates) {
		/* an alert alone is the ordinary end; and nothing is new before both sides have finished */
		if (found->type != TLS_HANDSHAKE || !connection_is_over(connection))
			return;
		connection_renegotiate(connection);
	}
	if (found->kind == TLS_WALK_EVENT_MESSAGE && !connection->hello) {
		connection->hello = 1 + (found->type == TLS_CLIENT_HELLO ? sight->index : !sight->index);
		statistic_add(STATISTIC_HANDSHAKES);
	}
	emit_open(sight);
	emit_found(sight, found);
}

/* Whether no more is known of the direction's bytes than that no ClientHello was whole in them. */
static __always_inline int walk_searches(const struct tls_walk *walk)
{
	return walk->phase == TLS_WALK_SEARCH || walk->flags & TLS_WALK_CANDIDATE;
}

/* Once the other end has sent a ClientHello, what comes here answers it. */
static __always_inline void direction_begin_segment(const struct sight *sight)
{
	struct tls_walk *walk = &sight->direction->walk;
	__u8 hello = sight->connection->hello;

	if (hello && hello != 1 + sight->index && walk_searches(walk))
		tls_walk_expect_answer(walk);
	tls_walk_segment(walk);
}

/* Whether one end of the connection is a service that is known to speak TLS. */
static __always_inline int ends_are_of_service(const struct ends *ends, __u8 family)
{
	struct service_key service = {.port = ends->local_port, .family = family};

	__builtin_memcpy(service.address, ends->local_address, sizeof(service.address));
	if (service_set_has(&flow_key, &services, &service))
		return 1;
	service.port = ends->remote_port;
	__builtin_memcpy(service.address, ends->remote_address, sizeof(service.address));
	if (service_set_has(&flow_key, &services, &service))
		return 1;
	__builtin_memset(service.address, 0, sizeof(service.address));
	service.family = 0;
	if (service_set_has(&flow_key, &services, &service))
		return 1;
	service.port = ends->local_port;
	return service_set_has(&flow_key, &services, &service);
}

/* Whether the connection of the packet at hand has a service at one end. Asked once. */
__noinline int connection_is_of_service(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	struct ends ends;

	if (!packet_at_hand(skb, where, &packet))
		return 0;
	ends_of(skb, &packet, where_index(where), &ends);
	return ends_are_of_service(&ends, packet.family);
}

/* Tell the first bytes of the packet at hand. */
__noinline int connection_tell_plaintext(struct __sk_buff *skb, __u32 where)
{
	struct bytes_at at = {.kind = EVENT_PLAINTEXT};
	struct packet packet = {};
	struct sight sight;

	if (!packet_at_hand(skb, where, &packet) || !packet.payload_length ||
	    !sight_take(&sight, skb, connection_of_packet(skb, where, &packet), where))
		return 0;
	at.position = packet.sequence;
	at.offset = packet.payload_offset;
	at.length = packet.payload_length < EVENT_PLAINTEXT_MAX ? packet.payload_length : EVENT_PLAINTEXT_MAX;
	emit_bytes(&sight, &at);
	return 0;
}

/*
 * The packet at hand was walked. If no ClientHello, nor the beginning of one, was in the connection until now, and one end
 * is a service that is known to speak TLS, tell its first bytes. No function calls the other: the stack is short.
 */
static __always_inline void connection_look_for_plaintext(const struct sight *sight)
{
	struct connection *connection = sight->connection;
	const struct tls_walk *walk = &sight->direction->walk;

	if (!services.count || connection->plaintext || connection->hello || walk->flags & TLS_WALK_CANDIDATE ||
	    !walk->searched)
		return;
	connection->plaintext = 1;
	if (!connection_is_of_service(sight->skb, sight->where))
		return;
	emit_open(sight);
	connection_tell_plaintext(sight->skb, sight->where);
}

static __always_inline void direction_advance(struct direction *direction, __u32 count)
{
	direction->next_sequence += count;
	direction->offset += count;
	direction->left -= count;
}

/* Read header bytes, at most wanted. Returns 0 where the packet could not be read. */
static __always_inline int direction_read(const struct sight *sight, __u32 wanted)
{
	struct direction *direction = sight->direction;
	__u8 bytes[TLS_WALK_READ_MAX] = {};
	__u32 offset = direction->offset;
	__u32 count = direction->left;

	if (count > wanted)
		count = wanted;
	/* keep the compiler from dropping the bound that the verifier needs for the buffer */
	count--;
	asm volatile("" : "+r"(count));
	if (count >= TLS_WALK_READ_MAX || bpf_skb_load_bytes(sight->skb, offset, bytes, count + 1))
		return 0;
	count++;
	direction_advance(direction, count);
	direction->found = tls_walk_read(&direction->walk, bytes, count);
	direction_tell(sight);
	return 1;
}

static __always_inline void direction_pass(const struct sight *sight)
{
	struct direction *direction = sight->direction;
	struct tls_walk *walk = &direction->walk;
	__u32 count = tls_walk_passable(walk);

	if (count > direction->left)
		count = direction->left;
	/* a body goes out in events of a bounded size */
	if (tls_walk_in_body(walk) && count > EVENT_BYTES_LARGE)
		count = EVENT_BYTES_LARGE;
	direction_tell_body(sight, walk, direction->offset, count);
	tls_walk_pass(walk, count);
	direction_advance(direction, count);
}

/* One step of the walk through the packet at hand. Returns whether to go on. */
__noinline int connection_walk_step(struct __sk_buff *skb, __u32 where)
{
	struct sight sight;
	__u32 wanted;

	if (!sight_take(&sight, skb, connection_at_hand(skb, where), where))
		return 0;
	wanted = tls_walk_wanted(&sight.direction->walk);
	if (!wanted)
		direction_pass(&sight);
	else if (!direction_read(&sight, wanted))
		return 0;
	return sight.direction->left && !tls_walk_ended(&sight.direction->walk);
}

/* Nothing more will be seen of the direction. A renegotiation that is under way cannot be judged. */
static __always_inline void direction_lose_track(const struct sight *sight)
{
	struct direction *direction = sight->direction;

	direction->state = DIRECTION_ENDED;
	statistic_add(STATISTIC_UNFOLLOWED);
	if (sight->connection->renegotiates && sight->connection->opened)
		emit_cut(sight, direction->next_sequence, 0);
}

/* The rest of a record is passed over, however many packets it takes. Returns whether more of this packet is left. */
static __always_inline int direction_pass_record(struct direction *direction)
{
	struct tls_walk *walk = &direction->walk;
	__u32 count = walk->phase == TLS_WALK_SKIP ? walk->record_left : 0;

	tls_walk_pass(walk, count);
	direction->next_sequence += count;
	if (count >= direction->left) {
		direction->left = 0;
		return 0;
	}
	direction->offset += count;
	direction->left -= count;
	return 1;
}

/* One record header, as far as it is in the packet at hand, and what it is the header of. Returns whether to go on. */
__noinline int connection_follow_step(struct __sk_buff *skb, __u32 where)
{
	struct direction *direction;
	struct sight sight;
	__u32 wanted;

	if (!sight_take(&sight, skb, connection_at_hand(skb, where), where))
		return 0;
	direction = sight.direction;
	wanted = tls_walk_wanted(&direction->walk);
	if (!wanted || !direction_read(&sight, wanted))
		return 0;
	if (sight.direction->found.kind != TLS_WALK_EVENT_NONE)
		direction_renew(&sight, sight.direction->found.type);
	if (tls_walk_ended(&direction->walk))
		return 0;
	return direction_pass_record(direction);
}

/* Follow the records in the bytes that direction->offset and left tell of; they begin at next_sequence. */
static __always_inline void direction_follow_records(const struct sight *sight)
{
	int step;

	for (step = 0; step < FOLLOW_STEPS_MAX; step++)
		if (!connection_follow_step(sight->skb, sight->where))
			break;
	if (sight->direction->left || tls_walk_ended(&sight->direction->walk))
		direction_lose_track(sight);
}

/*
 * Pass over the records of application data that begin in the packet: nearly all that there is. Returns whether that leaves
 * nothing of it. Nothing is written before; so it is not under the direction's counter either: of two CPUs with the same
 * segment both find the same.
 *
 * Not inlined: with its buffer the frame of the caller would not fit on the stack together with those of the steps.
 */
static __noinline int direction_pass_data(struct __sk_buff *skb, struct direction *direction,
                                          const struct packet *packet)
{
	__u32 next = direction->next_sequence;
	__u8 header[TLS_WALK_RECORD_HEADER];
	__u32 behind, length;
	int i;

	if (direction->walk.header_have)
		return 0;
	for (i = 0; i < FOLLOW_DATA_MAX; i++) {
		behind = next - packet->sequence;
		if (behind > packet->payload_length || packet->payload_length - behind < TLS_WALK_RECORD_HEADER ||
		    bpf_skb_load_bytes(skb, packet->payload_offset + behind, header, sizeof(header)))
			return 0;
		length = header[3] << 8 | header[4];
		if (header[0] != TLS_APPLICATION_DATA || header[1] != 3 || length > TLS_WALK_RECORD_MAX)
			return 0;
		next += TLS_WALK_RECORD_HEADER + length;
		if ((__s32)(packet->sequence + packet->payload_length - next) <= 0) {
			direction->walk.flags &= ~TLS_WALK_FINISHING;
			direction->next_sequence = next;
			return 1;
		}
	}
	return 0;
}

/*
 * Whether a packet of an established connection says nothing: it ends before the next record header of its direction, one
 * comparison, or has headers of application data alone.
 */
static __always_inline int connection_unmoved(struct __sk_buff *skb, struct connection *connection, __u32 index,
                                              const struct packet *packet)
{
	struct direction *direction =
		index == EVENT_SENT ? &connection->direction[EVENT_SENT] : &connection->direction[EVENT_RECEIVED];

	if (packet->tcp_flags & (TCP_FLAG_BIT_SYN | TCP_FLAG_BIT_FIN | TCP_FLAG_BIT_RST))
		return 0;
	if (direction->state == DIRECTION_FOLLOWED)
		return (__s32)(packet->sequence + packet->payload_length - direction->next_sequence) <= 0 ||
		       direction_pass_data(skb, direction, packet);
	/* this direction has lost track, the other has not */
	return connection_is_over(connection);
}

/* A segment of a direction that is followed. */
static __always_inline void direction_follow(const struct sight *sight, const struct packet *packet)
{
	struct direction *direction = sight->direction;
	__u32 behind = direction->next_sequence - packet->sequence;

	if (packet->payload_length == 0)
		return;
	if ((__s32)behind < 0) {
		direction_lose_track(sight);
	} else if (behind < packet->payload_length) {
		direction->offset = packet->payload_offset + behind;
		direction->left = packet->payload_length - behind;
		direction_follow_records(sight);
	}
}

/* The walk has ended with Finished, up to TLS 1.2: from here on the direction is followed from record to record. */
static __always_inline void direction_begin_to_follow(const struct sight *sight)
{
	struct direction *direction = sight->direction;

	tls_walk_follow(&direction->walk);
	direction->state = DIRECTION_FOLLOWED;
	/* the other side finishes behind it, and what this one may say until then is not told (direction_tell()) */
	if (!connection_is_over(sight->connection))
		tls_walk_finished(&direction->walk);
	if (direction_pass_record(direction))
		direction_follow_records(sight);
}

/* Walk the bytes of the packet at hand that direction->offset and left tell of; they begin at next_sequence. */
static __always_inline void direction_walk(const struct sight *sight)
{
	struct connection *connection = sight->connection;
	struct direction *direction = sight->direction;
	struct tls_walk *walk = &direction->walk;
	int step;

	direction_begin_segment(sight);
	for (step = 0; step < STEPS_MAX; step++)
		if (!connection_walk_step(sight->skb, sight->where))
			break;
	if (follow_established && tls_walk_may_follow(walk)) {
		direction_begin_to_follow(sight);
	} else if (tls_walk_ended(walk)) {
		direction->state = DIRECTION_ENDED;
		/* not TLS, and never was, or TLS 1.3 well behind the client's flight: the whole connection is left alone */
		if (!connection->hello ||
		    (walk->flags & TLS_WALK_CLIENT && walk->encrypted_records >= TLS_WALK_ENCRYPTED_MAX))
			connection_end(connection);
	} else if (direction->left) {
		statistic_add(STATISTIC_STEP_BOUND);
		direction_hand_over(sight);
		direction->sequence = direction->next_sequence;
		direction_forward(sight);
	}
}

/*
 * Put a segment with payload or FIN in its place. Returns 0 where its sequence number is none of this stream: anyone can
 * send such, TCP has not checked it yet.
 */
static __always_inline int direction_segment(const struct sight *sight, const struct packet *packet)
{
	const struct connection *connection = sight->connection;
	struct direction *direction = sight->direction;
	__u32 sequence = packet->sequence + !!(packet->tcp_flags & TCP_FLAG_BIT_SYN);
	/* an empty segment takes part only by its FIN, which stands for one byte */
	struct tcp_order order = tcp_order_place(direction->next_sequence, sequence, packet->payload_length ?: 1);

	if (order.kind == TCP_ORDER_OUTSIDE) {
		statistic_add(STATISTIC_OUTSIDE);
		return 0;
	}
	if (direction->state == DIRECTION_WALKED &&
	    (order.kind == TCP_ORDER_GAP || (connection->search_elsewhere && !connection->hello)))
		direction_hand_over(sight);
	if (packet->payload_length == 0)
		return 1;
	if (direction->state == DIRECTION_HANDED_OVER) {
		direction->sequence = sequence;
		direction->offset = packet->payload_offset;
		direction->left = packet->payload_length;
		direction_forward(sight);
	} else if (direction->state == DIRECTION_WALKED && order.kind == TCP_ORDER_NEW) {
		direction->offset = packet->payload_offset + order.skip;
		direction->left = order.count;
		direction_walk(sight);
	}
	return 1;
}

/*
 * FIN or RST. One that does not come from a socket of ours counts only where TCP would take it: at the next byte (RFC 5961
 * section 3.2).
 */
static __always_inline void direction_close(const struct sight *sight, const struct packet *packet)
{
	struct direction *direction = sight->direction;
	__u32 sequence = packet->sequence + packet->payload_length;
	int reset = packet->tcp_flags & TCP_FLAG_BIT_RST;
	int from_us = CONNECTION_SOURCE == EVENT_FROM_SOCKET && sight->index == EVENT_SENT;

	if (!from_us && direction->state == DIRECTION_WALKED && sequence != direction->next_sequence)
		return;
	/* of a connection that is established nobody waits for the end */
	if (sight->connection->opened && (!connection_is_over(sight->connection) || sight->connection->renegotiates))
		emit_close(sight, reset ? EVENT_RST : EVENT_FIN, sequence);
	if (reset)
		connection_end(sight->connection);
	else if (direction->state == DIRECTION_WALKED || direction->state == DIRECTION_FOLLOWED)
		direction->state = DIRECTION_ENDED;
}

/*
 * The server goes on behind all the records that are told of, and the client has begun its encrypted flight: this is
 * application data of TLS 1.3, and the connection from here on as cheap as any.
 */
static __always_inline int connection_established(const struct sight *sight)
{
	const struct connection *connection = sight->connection;
	const struct direction *client = connection->hello == 1 + EVENT_SENT ? &connection->direction[EVENT_SENT]
	                                                                     : &connection->direction[EVENT_RECEIVED];

	return connection->hello && connection->hello != 1 + sight->index && client->walk.encrypted_records &&
	       client->state != DIRECTION_FOLLOWED;
}

static __always_inline void direction_packet(const struct sight *sight, const struct packet *packet)
{
	int closes = packet->tcp_flags & (TCP_FLAG_BIT_FIN | TCP_FLAG_BIT_RST);

	if (sight->direction->state == DIRECTION_UNKNOWN)
		return;
	if (sight->direction->state == DIRECTION_ENDED && !closes) {
		if (connection_established(sight))
			connection_end(sight->connection);
		return;
	}
	if (sight->direction->state == DIRECTION_FOLLOWED) {
		direction_follow(sight, packet);
		if (closes)
			direction_close(sight, packet);
	} else if (packet->tcp_flags & TCP_FLAG_BIT_RST || (direction_segment(sight, packet) && closes)) {
		direction_close(sight, packet);
	}
}

/*
 * Whether all of a segment was walked before: it came again, or it passes a second device. Then another CPU may be in this
 * direction with what follows, which is no loss. (The number that is expected next only grows.)
 */
static __always_inline int direction_knows(const struct direction *direction, const struct packet *packet)
{
	__u32 end = packet->sequence + !!(packet->tcp_flags & TCP_FLAG_BIT_SYN) + packet->payload_length;

	return direction->state == DIRECTION_WALKED && packet->payload_length &&
	       !(packet->tcp_flags & (TCP_FLAG_BIT_FIN | TCP_FLAG_BIT_RST)) &&
	       (__s32)(end - direction->next_sequence) <= 0;
}

/* Take a packet whose connection's state is at hand. */
static __always_inline void connection_packet(const struct sight *sight, const struct packet *packet)
{
	if (packet->payload_length == 0 && !(packet->tcp_flags & (TCP_FLAG_BIT_FIN | TCP_FLAG_BIT_RST)))
		return;
	if (direction_knows(sight->direction, packet))
		return;
	if (direction_claim(sight)) {
		sight->direction->time_ns = bpf_ktime_get_ns();
		direction_packet(sight, packet);
		connection_look_for_plaintext(sight);
		if (packet->payload_length)
			connection_tell_ends(sight);
	} else if (sight->direction->state == DIRECTION_FOLLOWED) {
		direction_lose_track(sight);
	} else {
		sight_lost(sight, STATISTIC_CONTENDED);
		emit_cut(sight, packet->sequence, packet->payload_length);
	}
	direction_release(sight);
}

#endif /* CONNECTION_BPF_H */
