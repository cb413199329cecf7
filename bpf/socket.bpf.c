// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * socket - the socket hook: cgroup_skb on a cgroup, both ways. Every TCP socket below that cgroup is seen, once per
 * endpoint, with its state in the socket's own storage: it needs no table, no eviction, and dies with the socket.
 *
 * Every path returns PASS: nothing is changed, delayed or dropped.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "event.h"
#include "tcp_order.h"
#include "packet.bpf.h"
#define CONNECTION_SOURCE EVENT_FROM_SOCKET
#include "connection.bpf.h"

enum {
	PASS = 1,
	EARLY_MAX = 4096,                  /* connections whose first bytes came before their socket */
	DATAGRAM_CHUNKS_MAX = 8,           /* 16 KiB of a DTLS datagram are handed over */
	ID_WITHOUT_SOCKET = 1 << 31,       /* high half of a connection's id: no socket cookie has this bit */
	DTLS_HEADER = 13,                  /* RFC 6347 section 4.1 */
	DTLS_1_0 = 0xfeff,
	DTLS_1_2 = 0xfefd,
};

/* State of a connection, kept with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} sockets SEC(".maps");

/*
 * State of connections whose first bytes were shown with the LISTENING socket, because their own did not exist yet: the
 * third ACK was lost, TCP_DEFER_ACCEPT, TCP Fast Open. It moves to the socket with the first packet that has one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EARLY_MAX);
	__type(key, struct packet_flow);
	__type(value, struct connection);
} early SEC(".maps");

/* A value to create an entry of `early` from: too large for the stack */
static const __u8 connection_zero[sizeof(struct connection)];

/* The key of a connection in `early`, from a packet that goes to the local end or comes from it. */
static __always_inline int early_key(struct __sk_buff *skb, const struct packet *packet, int to_local,
				     __u32 acknowledgment, struct packet_flow *flow)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->acknowledgment = acknowledgment;
	if (to_local) {
		flow->source_port = packet->source_port;
		flow->destination_port = packet->destination_port;
		return packet_addresses(skb, packet->family, flow->source, flow->destination);
	}
	flow->source_port = packet->destination_port;
	flow->destination_port = packet->source_port;
	return packet_addresses(skb, packet->family, flow->destination, flow->source);
}

/*
 * The key of a packet that is shown with a listening socket. The server has sent nothing but its SYN/ACK, so all such
 * packets of a connection acknowledge the same number, the server's first: with it the key tells this connection from the
 * next one of the same addresses and ports, and from one in another network namespace. (With TCP Fast Open the SYN itself
 * carries data and acknowledges nothing: its key has 0 there.)
 */
static __always_inline int early_key_of_packet(struct __sk_buff *skb, const struct packet *packet,
					       struct packet_flow *flow)
{
	return early_key(skb, packet, 1, packet->tcp_flags & TCP_FLAG_BIT_ACK ? packet->acknowledgment : 0, flow);
}

static __always_inline struct bpf_sock *socket_of(struct __sk_buff *skb)
{
	struct bpf_sock *socket = skb->sk;

	return socket ? bpf_sk_fullsock(socket) : NULL;
}

static __always_inline struct connection *connection_at_hand(struct __sk_buff *skb)
{
	struct bpf_sock *socket = socket_of(skb);
	struct packet packet = {};
	struct packet_flow flow;

	if (!socket)
		return NULL;
	if (socket->state != BPF_TCP_LISTEN)
		return bpf_sk_storage_get(&sockets, socket, NULL, 0);
	if (!packet_parse(skb, &packet) || !early_key_of_packet(skb, &packet, &flow))
		return NULL;
	return bpf_map_lookup_elem(&early, &flow);
}

/* Payload that comes with a listening socket: find or make the state of its connection. */
__noinline int early_begin(struct __sk_buff *skb)
{
	struct connection *connection;
	struct direction *received;
	struct packet packet = {};
	struct packet_flow flow;

	if (!packet_parse(skb, &packet) || !early_key_of_packet(skb, &packet, &flow))
		return 0;
	connection = bpf_map_lookup_elem(&early, &flow);
	if (!connection) {
		bpf_map_update_elem(&early, &flow, connection_zero, BPF_NOEXIST);
		connection = bpf_map_lookup_elem(&early, &flow);
	}
	if (!connection) {
		statistic_add(STATISTIC_LOST_LISTENER);
		return 0;
	}
	received = &connection->direction[EVENT_RECEIVED];
	if (received->state == DIRECTION_UNKNOWN) {
		connection->id = (__u64)(bpf_get_prandom_u32() | ID_WITHOUT_SOCKET) << 32 | bpf_get_prandom_u32();
		connection->first_sequence = packet.sequence + !!(packet.tcp_flags & TCP_FLAG_BIT_SYN);
		received->next_sequence = connection->first_sequence;
		received->state = DIRECTION_WALKED;
	}
	return 0;
}

/* What TCP has counted of a socket says where its streams began. */
struct stream_starts {
	__u32 received; /* sequence number of the first byte received */
	__u32 sent;     /* of the first byte sent */
	int fresh;      /* nothing has been received, nothing sent was acknowledged */
};

static __always_inline int stream_starts_of(struct bpf_sock *socket, struct stream_starts *starts)
{
	/* volatile: a choice between two fields becomes a choice between pointers, which the verifier refuses here */
	volatile struct bpf_tcp_sock *tcp = bpf_tcp_sock(socket);
	__u32 receive_next, send_unacknowledged;
	__u64 bytes_received, bytes_acked;

	if (!tcp)
		return 0;
	bytes_received = tcp->bytes_received;
	bytes_acked = tcp->bytes_acked;
	receive_next = tcp->rcv_nxt;
	send_unacknowledged = tcp->snd_una;
	/* on the side that connected, bytes_acked counts the SYN too */
	starts->fresh = bytes_received == 0 && bytes_acked <= 1;
	starts->received = receive_next - (__u32)bytes_received;
	starts->sent = starts->fresh ? send_unacknowledged : send_unacknowledged - (__u32)bytes_acked;
	return 1;
}

/* The socket of a connection whose first bytes came before it: its state moves in. Returns 0 where there is none. */
static __always_inline int connection_adopt(const struct sight *sight, const struct packet *packet,
					    const struct stream_starts *starts)
{
	struct connection *connection = sight->connection;
	struct direction *received = &connection->direction[EVENT_RECEIVED];
	struct direction *sent = &connection->direction[EVENT_SENT];
	struct connection *found;
	struct packet_flow flow;

	if (!early_key(sight->skb, packet, sight->index == EVENT_RECEIVED, starts->sent, &flow))
		return 0;
	found = bpf_map_lookup_elem(&early, &flow);
	if (!found) {
		flow.acknowledgment = 0;
		found = bpf_map_lookup_elem(&early, &flow);
	}
	if (!found || found->first_sequence != starts->received)
		return 0;
	*connection = *found;
	connection->begun = 1;
	if (received->busy) {
		received->busy = 0;
		sight_lost(sight, STATISTIC_CONTENDED);
	}
	sent->next_sequence = starts->sent;
	sent->state = DIRECTION_WALKED;
	bpf_map_delete_elem(&early, &flow);
	statistic_add(STATISTIC_CONNECTIONS);
	return 1;
}

/*
 * The first packet seen with this socket, whose state is all zeroes: is its connection new, known from its listener, or
 * was it open before?
 */
__noinline int connection_begin(struct __sk_buff *skb, __u32 index)
{
	struct bpf_sock *socket = socket_of(skb);
	struct stream_starts starts;
	struct packet packet = {};
	struct sight sight;

	if (!socket || !packet_parse(skb, &packet))
		return 0;
	if (!sight_take(&sight, skb, bpf_sk_storage_get(&sockets, socket, NULL, 0), index))
		return 0;
	/* a socket that is disconnected and connects again keeps its cookie */
	sight.connection->id = bpf_get_socket_cookie(skb) << 16 | (bpf_get_prandom_u32() & 0xffff);
	if (packet.tcp_flags & TCP_FLAG_BIT_SYN) {
		statistic_add(STATISTIC_CONNECTIONS);
		return 0;
	}
	if (!stream_starts_of(socket, &starts) || connection_adopt(&sight, &packet, &starts))
		return 0;
	if (!starts.fresh) {
		connection_end(sight.connection);
		statistic_add(STATISTIC_MIDSTREAM);
		return 0;
	}
	sight.connection->direction[EVENT_RECEIVED].next_sequence = starts.received;
	sight.connection->direction[EVENT_RECEIVED].state = DIRECTION_WALKED;
	sight.connection->direction[EVENT_SENT].next_sequence = starts.sent;
	sight.connection->direction[EVENT_SENT].state = DIRECTION_WALKED;
	statistic_add(STATISTIC_CONNECTIONS);
	return 0;
}

/*
 * A SYN says where its direction begins. It may come again; once bytes were walked it says nothing new. One that is received
 * by a socket which is not connecting is none that TCP would take.
 */
static __always_inline void direction_synchronize(const struct sight *sight, const struct packet *packet, __u32 tcp_state)
{
	struct direction *direction = sight->direction;

	if (sight->index == EVENT_RECEIVED && tcp_state != BPF_TCP_SYN_SENT && direction->state != DIRECTION_UNKNOWN)
		return;
	if (direction->state == DIRECTION_UNKNOWN ||
	    (direction->state == DIRECTION_WALKED && !(direction->walk.flags & TLS_WALK_STARTED))) {
		direction->next_sequence = packet->sequence + 1;
		direction->state = DIRECTION_WALKED;
	}
}

static __always_inline int connection_idle(const struct connection *connection)
{
	return connection->direction[EVENT_RECEIVED].state == DIRECTION_ENDED &&
	       connection->direction[EVENT_SENT].state == DIRECTION_ENDED;
}

/* Payload with a listening socket: the state of a connection that has no socket of its own yet. */
static __always_inline struct connection *connection_of_listener(struct __sk_buff *skb, __u32 index,
								 const struct packet *packet)
{
	if (packet->payload_length == 0 || index != EVENT_RECEIVED)
		return NULL;
	early_begin(skb);
	return connection_at_hand(skb);
}

/* Make the state of a connection that has none yet. Of two CPUs that meet it at the same time the second leaves it alone. */
static __always_inline struct connection *connection_make(struct __sk_buff *skb, struct bpf_sock *socket, __u32 index)
{
	struct connection *connection = bpf_sk_storage_get(&sockets, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!connection)
		statistic_add(STATISTIC_LOST_STORAGE);
	else if (claim(&connection->begun))
		connection_begin(skb, index);
	return connection;
}

/* RFC 6347 section 4.1: whether a datagram begins with a record of a handshake. What is encrypted data is left alone. */
static __always_inline int datagram_is_handshake(const __u8 *header)
{
	__u16 version = packet_u16(header + 1);

	return header[0] >= TLS_CHANGE_CIPHER_SPEC && header[0] <= TLS_HANDSHAKE &&
	       (version == DTLS_1_0 || version == DTLS_1_2);
}

/* One UDP socket may have many peers: an association is named by its socket and its addresses. */
static __always_inline __u64 datagram_id(struct __sk_buff *skb, __u32 index, const struct packet *packet)
{
	__u64 id = bpf_get_socket_cookie(skb);
	struct packet_flow flow;
	const __u64 *words = (const __u64 *)&flow;
	int i;

	if (!early_key(skb, packet, index == EVENT_RECEIVED, 0, &flow))
		return 0;
	/* FNV-1a over words */
	for (i = 0; i < (int)(sizeof(flow) / sizeof(*words)); i++)
		id = (id ^ words[i]) * 0x100000001b3ull;
	return id | (__u64)ID_WITHOUT_SOCKET << 32;
}

_Static_assert(sizeof(struct packet_flow) % sizeof(__u64) == 0, "hashed by words");

/* Hand over the bytes of a datagram at position, with its addresses before the first. Returns whether more may follow. */
__noinline int datagram_chunk(struct __sk_buff *skb, __u32 index, __u32 position)
{
	struct bytes_at at = { .kind = EVENT_DATAGRAM, .position = position };
	struct origin origin = { .index = index };
	struct packet packet = {};

	if (!packet_parse(skb, &packet) || position >= packet.payload_length)
		return 0;
	origin.connection = datagram_id(skb, index, &packet);
	origin.time_ns = bpf_ktime_get_ns();
	at.offset = packet.payload_offset + position;
	at.length = packet.payload_length - position;
	at.flags = position ? 0 : EVENT_SEGMENT_START;
	if (at.length > EVENT_BYTES_LARGE)
		at.length = EVENT_BYTES_LARGE;
	if ((position == 0 && !emit_open_of(skb, &origin, &packet)) || !emit_bytes_of(skb, &origin, &at)) {
		statistic_add(STATISTIC_LOST_RING);
		return 0;
	}
	return 1;
}

/* DTLS is put together in userspace: the kernel keeps nothing of it, and hands over the datagrams of handshakes. */
__noinline int datagram_packet(struct __sk_buff *skb, __u32 index)
{
	struct packet packet = {};
	__u8 header[DTLS_HEADER];
	int i;

	if (!packet_parse(skb, &packet) || packet.protocol != PROTOCOL_UDP)
		return 0;
	if (packet.payload_length < DTLS_HEADER ||
	    bpf_skb_load_bytes(skb, packet.payload_offset, header, sizeof(header)) || !datagram_is_handshake(header))
		return 0;
	for (i = 0; i < DATAGRAM_CHUNKS_MAX; i++)
		if (!datagram_chunk(skb, index, i * EVENT_BYTES_LARGE))
			return 0;
	if (packet.payload_length > DATAGRAM_CHUNKS_MAX * EVENT_BYTES_LARGE)
		statistic_add(STATISTIC_HANDOVER_BOUND);
	return 0;
}

static __always_inline void socket_packet(struct __sk_buff *skb, __u32 index)
{
	struct bpf_sock *socket = socket_of(skb);
	struct connection *connection;
	struct packet packet = {};
	struct sight sight;
	__u32 protocol, tcp_state;

	if (!socket)
		return;
	/* volatile: read once, at their place; the verifier takes no pointer computed from a socket */
	protocol = *(volatile __u32 *)&socket->protocol;
	tcp_state = *(volatile __u32 *)&socket->state;
	connection = bpf_sk_storage_get(&sockets, socket, NULL, 0);
	if (connection && connection_idle(connection)) {
		if (tcp_state != BPF_TCP_SYN_SENT)
			return;
		/* the socket was disconnected, and now connects again */
		bpf_sk_storage_delete(&sockets, socket);
		connection = NULL;
	}
	if (protocol == PROTOCOL_UDP)
		datagram_packet(skb, index);
	if (protocol != PROTOCOL_TCP || !packet_parse(skb, &packet) || packet.protocol != PROTOCOL_TCP)
		return;
	if (tcp_state == BPF_TCP_LISTEN)
		connection = connection_of_listener(skb, index, &packet);
	else if (!connection)
		connection = connection_make(skb, socket, index);
	if (!sight_take(&sight, skb, connection, index))
		return;
	if (packet.tcp_flags & TCP_FLAG_BIT_SYN)
		direction_synchronize(&sight, &packet, tcp_state);
	connection_packet(&sight, &packet);
}

SEC("cgroup_skb/ingress")
int mtlsnoop_receive(struct __sk_buff *skb)
{
	socket_packet(skb, EVENT_RECEIVED);
	return PASS;
}

SEC("cgroup_skb/egress")
int mtlsnoop_send(struct __sk_buff *skb)
{
	socket_packet(skb, EVENT_SENT);
	return PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
