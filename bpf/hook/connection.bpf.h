/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * connection - the kernel's state of a TCP connection, and the rules for changing the state.
 *
 * The kernel extracts and never judges. Usually the program walks the records in order (walk.bpf.h) and reports each
 * handshake message when its type byte passes (emit.bpf.h). Unusual directions are handed over: after a gap, or if a
 * packet has more messages than one run walks, the walker's state and the following bytes go to userspace, which
 * continues with the same walker. After a handshake of TLS 1.2 or older the program follows the records (follow.bpf.h).
 * segment.bpf.h puts each segment in its place.
 *
 * The includer defines CONNECTION_SOURCE, an enum event_source, first.
 */
#ifndef CONNECTION_BPF_H
#define CONNECTION_BPF_H

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
	__u32 busy;          /* CPUs inside the direction */
	__u8 state;          /* enum direction_state */
	__u8 renewal;        /* enum direction_renewal */
	__u8 reserved[2];
	/*
	 * The program's progress in the current packet. Not on the stack for two reasons: the steps are separate
	 * functions, which take only the packet; and a value from a map is an arbitrary number to the verifier, so all
	 * paths through a step meet again in the same state.
	 */
	__u64 time_ns;
	__u32 offset;   /* in the skb: of the next byte */
	__u32 left;     /* bytes from there on */
	__u32 sequence; /* HANDED_OVER: of that byte; FOLLOWED: of the first byte after the header of Finished */
	struct tls_walk_event found;
};

struct connection {
	__u64 id;
	/*
	 * Of what was received with a listening socket, later with the connection's own; on a device, of the SYN's direction.
	 */
	__u32 first_sequence;
	__u32 begun;           /* CPUs that met the connection first */
	__u8 opened;           /* EVENT_OPEN went out */
	__u8 hello;            /* a hello was found: 1 + the client's direction */
	__u8 lost;             /* an event did not go out: EVENT_LOST */
	__u8 search_elsewhere; /* a direction was handed over while a ClientHello was still looked for */
	__u8 renegotiates; /* a handshake record came behind the handshake, and the new one is not over: event flags */
	__u8 addresses_compared; /* bits 1 << enum event_direction: a packet's addresses were held against the socket's */
	__u8 plaintext; /* the connection was compared with the services; EVENT_PLAINTEXT was sent on a match */
	__u8 contended; /* a packet was lost to another CPU before EVENT_OPEN: counted once that goes out */
	__u8 reserved;
	__u32 owner;   /* tgid of the process in the last EVENT_OWNER, 0: none yet */
	__u32 renewed; /* device: number of the first byte after a SYN that may begin another connection, if renewing */
	__u8 renewing; /* 1 + the direction of that SYN */
	__u8 reserved_end[3];
	__u32 answer_sequence; /* of the first byte after the latest SYN/ACK, until the valid SYN/ACK is known */
	struct direction direction[EVENT_DIRECTIONS];
};

/* Ids made here have this bit; socket cookies never have the bit. */
static const __u64 CONNECTION_WITHOUT_SOCKET = 1ull << 63;

static __always_inline __u64 connection_random_id(void)
{
	return CONNECTION_WITHOUT_SOCKET | (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

/*
 * The current packet in one number, because a function that is verified separately takes only the skb and scalars: the
 * lowest bit is the direction (enum event_direction), then follow the offset of the IP header in the skb, and the
 * number of bytes of the skb after the packet. The skb of the socket hook begins and ends with the packet: there the
 * number is the direction alone.
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

/* The current packet, its connection and its direction. */
struct sight {
	struct __sk_buff *skb;
	struct connection *connection;
	struct direction *direction;
	__u32 where;
	__u32 index; /* of it: enum event_direction */
};

/* enum statistic. The reader maps the array and so needs no privilege to read. Ordinary packets count nothing here. */
__u64 statistics[STATISTICS];

struct packet_counter packet_counters[PACKET_COUNTERS_CPUS] __attribute__((aligned(64)));

static __always_inline void packet_count(__u32 program)
{
	packet_counters[bpf_get_smp_processor_id() & (PACKET_COUNTERS_CPUS - 1)].packets[program]++;
}

static __always_inline void statistic_add(enum statistic statistic)
{
	__sync_fetch_and_add(&statistics[statistic], 1);
}

/* Random numbers that strangers do not know. Set before loading. */
const volatile struct flow_hash_key flow_key = {};

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
 * Each hook provides: the state of a packet's connection, or NULL; the same for a packet that was already read; and the
 * owner of the packet's socket.
 */
static struct connection *connection_at_hand(struct __sk_buff *skb, __u32 where);
static struct connection *connection_of_packet(struct __sk_buff *skb, __u32 where, const struct packet *packet);
static void open_owner(struct __sk_buff *skb, struct event_open *open);
/* The ends of the connection as the socket has them; without a socket, as the packet has them. */
static void ends_of(struct __sk_buff *skb, const struct packet *packet, __u32 index, struct ends *ends);
/* The tgid of the writing task, if the packet leaves a socket; otherwise 0. Then the further facts about the task. */
static __u32 writer_of(struct __sk_buff *skb);
static void writer_fill(struct __sk_buff *skb, struct event_owner *owner);
/* Whether the receiver of the current packet is a socket here that reads urgent bytes in line. */
static int urgent_is_inline(struct __sk_buff *skb);

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
 * Two CPUs can receive packets of one connection at the same time, because cgroup_skb runs before the socket is locked
 * (a sender on loopback that moves to another CPU). The second CPU does not wait: the walk loses its packet, and the
 * loss is reported.
 */
static __always_inline int direction_claim(const struct sight *sight)
{
	return turn_claim(&sight->direction->busy, sight->connection->id);
}

static __always_inline void direction_release(const struct sight *sight)
{
	turn_release(&sight->direction->busy, sight->connection->id);
}

/* The first handshake record after the handshake begins a new handshake, still unknown to userspace. */
static __always_inline void connection_renegotiate(struct connection *connection)
{
	connection->renegotiates = EVENT_RENEGOTIATES | (connection->hello == 1 + EVENT_SENT ? EVENT_CLIENT_SENT : 0);
	connection->opened = 0;
	connection->lost = 0;
	connection->direction[EVENT_RECEIVED].renewal = RENEWAL_NONE;
	connection->direction[EVENT_SENT].renewal = RENEWAL_NONE;
}

#endif /* CONNECTION_BPF_H */
