// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * socket - the socket hook: cgroup_skb on a cgroup, both ways. The programs see every TCP socket below that cgroup,
 * once per endpoint. The state lives in the socket's own storage: no table, no eviction, and the state dies with the
 * socket.
 *
 * Every path returns PASS: nothing is changed, delayed or dropped.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "bpf/shared/early_filter.h"
#include "bpf/shared/event.h"
#include "bpf/shared/tcp_order.h"
#include "hook/packet.bpf.h"
#define CONNECTION_SOURCE EVENT_FROM_SOCKET
#include "hook/segment.bpf.h"
#include "hook/datagram.bpf.h"

enum {
	PASS = 1,
	ANCESTORS_MAX = 16,                 /* generations that are looked at for -p */
	EARLY_MAX = 4096,                   /* connections with bytes before their socket */
	TASK_IS_KERNEL_THREAD = 0x00200000, /* PF_KTHREAD in task_struct.flags: the same number since Linux 2.6.22 */
};

/* State of a connection, kept with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} sockets SEC(".maps");

/*
 * The opener of a socket. An accepted socket inherits the entry of the listening socket: then the opener may be a
 * parent of the serving process.
 */
struct owner {
	__u32 process;
	char name[EVENT_NAME_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owner);
} owners SEC(".maps");

/*
 * State of connections whose first bytes were shown with the LISTENING socket, because their own socket did not exist
 * yet: the third ACK was lost, TCP_DEFER_ACCEPT, TCP Fast Open. The state moves to the socket with the first packet of
 * that socket.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EARLY_MAX);
	__type(key, struct packet_flow);
	__type(value, struct connection);
} early SEC(".maps");

/*
 * The key of a packet that is shown with a listening socket. The server has sent only its SYN/ACK, so all such packets
 * of a connection acknowledge the same number, the server's first. The number tells the connection from the next
 * connection of the same addresses and ports, and from a connection in another network namespace. (With TCP Fast Open
 * the SYN itself carries data and acknowledges nothing: the key has 0.)
 */
static __always_inline int early_key_of_packet(struct __sk_buff *skb, const struct packet *packet,
                                               struct packet_flow *flow)
{
	int loaded = packet_flow_of(skb, packet, 0, flow);

	flow->acknowledgment = packet->tcp_flags & TCP_ACK ? packet->acknowledgment : 0;
	return loaded;
}

/* A packet is shown from its IP header to its end, so its direction alone describes its place. */
static __always_inline int packet_here(struct __sk_buff *skb, struct packet *packet)
{
	return packet_parse(skb, 0, skb->len, packet);
}

static __always_inline struct bpf_sock *socket_of(struct __sk_buff *skb)
{
	struct bpf_sock *socket = skb->sk;

	return socket ? bpf_sk_fullsock(socket) : NULL;
}

static __always_inline void open_owner(struct __sk_buff *skb, struct event_open *open)
{
	struct bpf_sock *socket = socket_of(skb);
	const struct owner *owner = socket ? bpf_sk_storage_get(&owners, socket, NULL, 0) : NULL;

	if (!owner)
		return;
	open->process = owner->process;
	__builtin_memcpy(open->process_name, owner->name, sizeof(open->process_name));
}

/*
 * The ends as the socket has them: NAT on this host changes packets before (ingress) or after (egress) the socket sees
 * them. A listening socket and a UDP socket without a peer have no remote address, and perhaps no local address: then
 * the packet counts. Sockets and packets keep IPv4 and IPv6 addresses apart; the packet's family selects.
 */
static __always_inline void ends_of(struct __sk_buff *skb, const struct packet *packet, __u32 index, struct ends *ends)
{
	volatile struct bpf_sock *socket = socket_of(skb);
	__u32 *local = (__u32 *)ends->local_address, *remote = (__u32 *)ends->remote_address;
	__u32 local_port, remote_port;

	packet_ends(skb, packet, index, ends);
	if (!socket)
		return;
	remote_port = bpf_ntohs(socket->dst_port);
	local_port = socket->src_port;
	if (!remote_port || !local_port)
		return;
	ends->local_port = local_port;
	ends->remote_port = remote_port;
	if (packet->family == 4) {
		local[0] = socket->src_ip4;
		remote[0] = socket->dst_ip4;
		return;
	}
	local[0] = socket->src_ip6[0];
	local[1] = socket->src_ip6[1];
	local[2] = socket->src_ip6[2];
	local[3] = socket->src_ip6[3];
	remote[0] = socket->dst_ip6[0];
	remote[1] = socket->dst_ip6[1];
	remote[2] = socket->dst_ip6[2];
	remote[3] = socket->dst_ip6[3];
}

/*
 * A UDP socket may have many peers: an association is named by its socket and its peer's address. The local address is
 * left out: NAT on this host gives the two directions of an association different local addresses. For a connected
 * socket ends_of() knows the dialled peer, whatever the packets carry.
 */
static __always_inline int datagram_flow(struct __sk_buff *skb, const struct packet *packet, __u32 index,
                                         struct packet_flow *flow)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct ends ends;

	ends_of(skb, packet, index, &ends);
	__builtin_memset(flow, 0, sizeof(*flow));
	__builtin_memcpy(flow->source, ends.remote_address, sizeof(flow->source));
	__builtin_memcpy(flow->destination, &cookie, sizeof(cookie));
	flow->source_port = ends.remote_port;
	return 1;
}

/* The kernel's own struct sock: copied as a number, since the verifier lets nobody read behind a struct bpf_sock. */
static __always_inline struct sock *kernel_socket(struct bpf_sock *socket)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &socket);
	return (struct sock *)address;
}

/*
 * The task that writes to the socket. Data leaves a TCP socket in its writer's own context, under the socket's lock
 * (sk_lock.owned). Answers to packets and timers leave in a softirq, over any task, and only while nobody owns the
 * lock. A UDP datagram leaves in its sender's context. Kernel threads (kernel TLS, MPTCP's worker) write for others.
 */
static __always_inline __u32 writer_of(struct __sk_buff *skb)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct bpf_sock *shown = socket_of(skb);
	struct sock *socket;
	__u32 protocol;

	if (!shown)
		return 0;
	protocol = *(volatile __u32 *)&shown->protocol;
	socket = kernel_socket(shown);
	if (protocol == PROTOCOL_TCP && !BPF_CORE_READ(socket, sk_lock.owned))
		return 0;
	if (BPF_CORE_READ(task, flags) & TASK_IS_KERNEL_THREAD)
		return 0;
	return BPF_CORE_READ(task, tgid);
}

/* The process that the user asks for; 0: no process. Set before loading. */
const volatile __u32 follow_process = 0;

/* Whether the task is in that process or in a descendant. */
static __always_inline __u8 writer_is_followed(struct task_struct *task)
{
	__u32 process;
	int i;

	if (!follow_process)
		return 0;
	for (i = 0; i < ANCESTORS_MAX; i++) {
		process = BPF_CORE_READ(task, tgid);
		if (process == follow_process)
			return 1;
		if (process <= 1)
			return 0;
		task = BPF_CORE_READ(task, real_parent);
	}
	return 0;
}

/* The rest of what is told of the writer. */
static __always_inline void writer_fill(struct __sk_buff *skb, struct event_owner *owner)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct bpf_sock *shown = socket_of(skb);

	owner->start_ns = BPF_CORE_READ(leader, start_boottime);
	owner->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	owner->user = BPF_CORE_READ(task, cred, euid.val);
	owner->followed = writer_is_followed(leader);
	BPF_CORE_READ_STR_INTO(&owner->process_name, leader, comm);
	if (shown)
		owner->network_namespace = BPF_CORE_READ(kernel_socket(shown), __sk_common.skc_net.net, ns.inum);
}

/* Whether the application reads urgent bytes in their place: SO_OOBINLINE. */
static __always_inline int urgent_is_inline(struct __sk_buff *skb)
{
	struct bpf_sock *shown = socket_of(skb);
	__u64 bit = bpf_core_enum_value(enum sock_flags, SOCK_URGINLINE);

	return shown && BPF_CORE_READ(kernel_socket(shown), __sk_common.skc_flags) >> bit & 1;
}

static __always_inline struct connection *connection_of_packet(struct __sk_buff *skb, __u32 where,
                                                               const struct packet *packet)
{
	struct bpf_sock *socket = socket_of(skb);
	struct packet_flow flow;

	(void)where;
	if (!socket)
		return NULL;
	if (socket->state != BPF_TCP_LISTEN)
		return bpf_sk_storage_get(&sockets, socket, NULL, 0);
	return early_key_of_packet(skb, packet, &flow) ? bpf_map_lookup_elem(&early, &flow) : NULL;
}

static __always_inline struct connection *connection_at_hand(struct __sk_buff *skb, __u32 where)
{
	struct bpf_sock *socket = socket_of(skb);
	struct packet packet = {};
	struct packet_flow flow;

	(void)where;
	if (!socket)
		return NULL;
	if (socket->state != BPF_TCP_LISTEN)
		return bpf_sk_storage_get(&sockets, socket, NULL, 0);
	if (!packet_here(skb, &packet) || !early_key_of_packet(skb, &packet, &flow))
		return NULL;
	return bpf_map_lookup_elem(&early, &flow);
}

/* Payload with a listening socket: find or make the state of its connection. */
__noinline int early_begin(struct __sk_buff *skb)
{
	struct connection *connection;
	struct direction *received;
	struct packet packet = {};
	struct packet_flow flow;

	if (!packet_here(skb, &packet) || !early_key_of_packet(skb, &packet, &flow))
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
		connection->id = connection_random_id();
		connection->first_sequence = packet.sequence + !!(packet.tcp_flags & TCP_SYN);
		received->next_sequence = connection->first_sequence;
		received->state = DIRECTION_WALKED;
	}
	return 0;
}

/* TCP's counters of a socket give the beginnings of its streams. */
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

/*
 * Copy all state except the counters of CPUs: another CPU may have entered the new place, or be in the old place. Later
 * writes to the old place are lost.
 */
static __always_inline void connection_move(struct connection *to, const struct connection *from)
{
	struct direction *received = &to->direction[EVENT_RECEIVED];
	const struct direction *before = &from->direction[EVENT_RECEIVED];

	to->id = from->id;
	to->opened = from->opened;
	to->hello = from->hello;
	to->lost = from->lost;
	to->search_elsewhere = from->search_elsewhere;
	to->addresses_compared = from->addresses_compared;
	to->plaintext = from->plaintext;
	to->contended = from->contended;
	received->walk = before->walk;
	received->next_sequence = before->next_sequence;
	received->handed_over = before->handed_over;
	received->state = before->state;
	if (before->busy) {
		to->lost = EVENT_LOST;
		statistic_add(STATISTIC_CONTENDED);
	}
}

/* The socket of a connection with bytes before its socket: the state moves in. Returns 0 without such state. */
static __always_inline int connection_adopt(const struct sight *sight, const struct packet *packet,
                                            const struct stream_starts *starts)
{
	struct connection *connection = sight->connection;
	struct direction *received = &connection->direction[EVENT_RECEIVED];
	struct direction *sent = &connection->direction[EVENT_SENT];
	struct connection *found;
	struct packet_flow flow;

	if (!packet_flow_of(sight->skb, packet, sight->index == EVENT_SENT, &flow))
		return 0;
	flow.acknowledgment = starts->sent;
	found = bpf_map_lookup_elem(&early, &flow);
	if (!found) {
		flow.acknowledgment = 0;
		found = bpf_map_lookup_elem(&early, &flow);
	}
	if (!found || found->first_sequence != starts->received)
		return 0;
	connection_move(connection, found);
	connection->first_sequence = received->next_sequence;
	sent->next_sequence = starts->sent;
	sent->state = DIRECTION_WALKED;
	bpf_map_delete_elem(&early, &flow);
	statistic_add(STATISTIC_CONNECTIONS);
	return 1;
}

/*
 * The first packet seen with this socket, whose state is all zeroes: is the connection new, known from its listener, or
 * older than the start?
 */
__noinline int connection_begin(struct __sk_buff *skb, __u32 index)
{
	struct bpf_sock *socket = socket_of(skb);
	struct stream_starts starts;
	struct packet packet = {};
	struct sight sight;

	if (!socket || !packet_here(skb, &packet))
		return 0;
	if (!sight_take(&sight, skb, bpf_sk_storage_get(&sockets, socket, NULL, 0), index))
		return 0;
	/* a socket that disconnects and connects again keeps its cookie */
	sight.connection->id = bpf_get_socket_cookie(skb) << 16 | (bpf_get_prandom_u32() & 0xffff);
	if ((packet.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		statistic_add(STATISTIC_CONNECTIONS);
		return 0;
	}
	if (!stream_starts_of(socket, &starts) || connection_adopt(&sight, &packet, &starts))
		return 0;
	if (packet.tcp_flags & TCP_SYN) {
		statistic_add(STATISTIC_CONNECTIONS);
		return 0;
	}
	if (!starts.fresh) {
		connection_end(sight.connection);
		statistic_add(STATISTIC_MIDSTREAM);
		return 0;
	}
	sight.connection->first_sequence = starts.received;
	sight.connection->direction[EVENT_RECEIVED].next_sequence = starts.received;
	sight.connection->direction[EVENT_RECEIVED].state = DIRECTION_WALKED;
	sight.connection->direction[EVENT_SENT].next_sequence = starts.sent;
	sight.connection->direction[EVENT_SENT].state = DIRECTION_WALKED;
	statistic_add(STATISTIC_CONNECTIONS);
	return 0;
}

/*
 * A SYN gives the beginning of its direction. A repeated SYN after walked bytes says nothing new. early_begin() has
 * read a SYN with data to a listener.
 */
static __always_inline void direction_synchronize(const struct sight *sight, const struct packet *packet,
                                                  __u32 tcp_state)
{
	struct direction *direction = sight->direction;

	if (sight->index == EVENT_RECEIVED && tcp_state != BPF_TCP_SYN_SENT && direction->state != DIRECTION_UNKNOWN)
		return;
	if (direction->state == DIRECTION_UNKNOWN ||
	    (direction->state == DIRECTION_WALKED && !(direction->walk.flags & TLS_WALK_STARTED))) {
		direction->next_sequence = packet->sequence + 1;
		direction->state = DIRECTION_WALKED;
		if (sight->index == EVENT_RECEIVED)
			sight->connection->first_sequence = packet->sequence + 1;
	}
}

/* Payload with a listening socket: the state of a connection without a socket yet. */
static __always_inline struct connection *connection_of_listener(struct __sk_buff *skb, __u32 index,
                                                                 const struct packet *packet)
{
	/* an urgent pointer counts without payload, too: it may be ahead of the segment */
	if (index != EVENT_RECEIVED || !(packet->payload_length || packet->tcp_flags & TCP_URG))
		return NULL;
	early_begin(skb);
	return connection_at_hand(skb, index);
}

/*
 * The part of the user's expression that the first packet decides. Set before loading; a step here, so the verifier
 * checks the whole program even if the expression is empty.
 */
const volatile struct early_filter early_filter = {.steps = 1};

/* Whether the expression may select the connection of the packet at hand: nobody knows yet which end is the client. */
__noinline int connection_passes(struct __sk_buff *skb, __u32 index)
{
	struct early_end local = {}, remote = {};
	struct packet packet = {};
	struct ends ends;

	if (!packet_here(skb, &packet))
		return 1;
	ends_of(skb, &packet, index, &ends);
	__builtin_memcpy(local.address, ends.local_address, sizeof(local.address));
	__builtin_memcpy(remote.address, ends.remote_address, sizeof(remote.address));
	local.port = ends.local_port;
	remote.port = ends.remote_port;
	local.family = remote.family = packet.family;
	return early_passes(&early_filter, &local, &remote, EARLY_SERVER) ||
	       early_passes(&early_filter, &remote, &local, EARLY_CLIENT);
}

/* Make the state of a new connection. If two CPUs meet the connection at the same time, the second leaves. */
static __always_inline struct connection *connection_make(struct __sk_buff *skb, struct bpf_sock *socket, __u32 index)
{
	struct connection *connection = bpf_sk_storage_get(&sockets, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!connection) {
		statistic_add(STATISTIC_LOST_STORAGE);
	} else if (turn_claim_once(&connection->begun)) {
		connection_begin(skb, index);
		if (early_filter.steps && !connection_passes(skb, index))
			connection_end(connection);
	}
	return connection;
}

/*
 * Whether TCP accepts a RST at this place: at the next byte (RFC 5961 section 3.2), and in Linux also at the number of
 * an earlier FIN. A closed peer answers data that was sent before its FIN arrived with the number acknowledged by that
 * data.
 */
static __always_inline int reset_acceptable(const struct packet *packet, const struct direction *received,
                                            __u32 receive_next, __u32 tcp_state)
{
	if (received->state == DIRECTION_WALKED && packet->sequence == received->next_sequence)
		return 1;
	if (tcp_state == BPF_TCP_CLOSE_WAIT || tcp_state == BPF_TCP_LAST_ACK || tcp_state == BPF_TCP_CLOSING)
		return receive_next - packet->sequence <= 1;
	return packet->sequence == receive_next;
}

/* The end of the window that the socket has offered: tcp_receive_window() in the kernel's include/net/tcp.h. */
static __always_inline __u32 window_end(struct bpf_sock *socket)
{
	const struct tcp_sock *tcp = (const struct tcp_sock *)kernel_socket(socket);

	return BPF_CORE_READ(tcp, rcv_wup) + BPF_CORE_READ(tcp, rcv_wnd);
}

/*
 * Whether TCP will accept a received segment, as far as its counters tell. rcv_nxt may lag behind the socket's backlog.
 * A refused segment is counted if the peer itself cannot have sent it: a repeated FIN and a late RST, the answer to
 * data for a closed socket, are ordinary. Not inlined: the caller's frame would grow.
 */
static __noinline int segment_acceptable(struct bpf_sock *socket, struct packet *packet,
                                         const struct direction *received, __u32 tcp_state)
{
	volatile struct bpf_tcp_sock *tcp = bpf_tcp_sock(socket);
	struct tcp_receiver receiver = {
		.known = TCP_KNOWN_NEXT | TCP_KNOWN_EXACT | TCP_KNOWN_SEND_NEXT | TCP_KNOWN_SYNCHRONIZED,
	};
	struct tcp_segment segment = {
		.sequence = packet->sequence,
		.acknowledgment = packet->acknowledgment,
		.length = packet->payload_length,
		.flags = packet->tcp_flags,
	};
	int reception;

	if (!tcp || !(packet->payload_length || packet->tcp_flags & (TCP_FIN | TCP_RST)))
		return 1;
	receiver.next = tcp->rcv_nxt;
	receiver.send_next = tcp->snd_nxt;
	if (tcp_ahead(packet->sequence, receiver.next) > 0) {
		receiver.known |= TCP_KNOWN_WINDOW;
		receiver.window_end = window_end(socket);
	}
	if (packet->tcp_flags & TCP_RST) {
		if (reset_acceptable(packet, received, receiver.next, tcp_state))
			return 1;
		if (tcp_is_far(packet->sequence, receiver.next))
			statistic_add(STATISTIC_OUTSIDE);
		return 0;
	}
	packet->taken = tcp_receiver_old(&receiver, packet->sequence, packet->payload_length);
	reception = tcp_receiver_judge(&receiver, &segment);
	if (reception == TCP_FOREIGN)
		statistic_add(STATISTIC_OUTSIDE);
	return reception == TCP_TAKES || reception == TCP_UNSURE;
}

/*
 * Walked bytes come again at this position, and TCP has not accepted the first copy: a wrong checksum, an old
 * timestamp, or no room. So the walked bytes may not be the stream. If the bytes were skipped in the search for a
 * ClientHello, the search begins anew; otherwise the connection is unknown.
 */
__noinline int connection_refused(struct __sk_buff *skb, __u32 position)
{
	struct direction *received;
	struct sight sight;

	if (!sight_take(&sight, skb, connection_at_hand(skb, EVENT_RECEIVED), EVENT_RECEIVED))
		return 0;
	received = sight.direction;
	if (!direction_claim(&sight)) {
		sight_lost(&sight, STATISTIC_REFUSED);
	} else if (received->state == DIRECTION_WALKED && !sight.connection->hello && walk_searches(&received->walk)) {
		__builtin_memset(&received->walk, 0, sizeof(received->walk));
		received->next_sequence = position;
	} else {
		received->time_ns = bpf_ktime_get_ns();
		sight_lost(&sight, STATISTIC_REFUSED);
		if (sight.connection->opened)
			emit_cut(&sight, position, 1);
	}
	direction_release(&sight);
	return 0;
}

/*
 * Find out whether TCP refused walked bytes of a segment. Bytes before the socket do not count: a listener drops
 * acceptable segments. rcv_nxt may lag behind the socket's backlog; a repetition meanwhile makes a connection unknown
 * without need, which is rare.
 */
static __always_inline void segment_compare(struct __sk_buff *skb, struct bpf_sock *socket, const struct packet *packet,
                                            const struct connection *connection)
{
	const struct direction *received = &connection->direction[EVENT_RECEIVED];
	volatile struct bpf_tcp_sock *tcp = bpf_tcp_sock(socket);
	__u32 position = packet->sequence, receive_next, walked;

	if (!tcp || connection->lost || connection_is_over(connection) || received->state == DIRECTION_UNKNOWN)
		return;
	/* a direction that is followed knows where the next record begins, and how far its handshake was walked */
	walked = received->state == DIRECTION_FOLLOWED ? received->sequence : received->next_sequence;
	receive_next = tcp->rcv_nxt;
	position = tcp_order_later(position, receive_next);
	position = tcp_order_later(position, connection->first_sequence);
	if ((__s32)(walked - position) > 0 && (__s32)(packet->sequence + packet->payload_length - position) > 0)
		connection_refused(skb, position);
}

/*
 * A received SYN is for a listener, or for a connecting socket. Any other socket answers and keeps its state (RFC 5961
 * section 4.2): an old or repeated SYN says nothing about the beginnings of the streams.
 */
static __always_inline int syn_is_void(const struct packet *packet, __u32 tcp_state)
{
	return packet->tcp_flags & TCP_SYN && tcp_state != BPF_TCP_LISTEN && tcp_state != BPF_TCP_SYN_SENT;
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
	if (connection && connection_is_over(connection)) {
		/* the socket was disconnected, and now connects again */
		if (tcp_state == BPF_TCP_SYN_SENT) {
			bpf_sk_storage_delete(&sockets, socket);
			connection = NULL;
		} else if (connection_idle(connection)) {
			return;
		}
	}
	if (protocol == PROTOCOL_UDP)
		datagram_packet(skb, index);
	if (protocol != PROTOCOL_TCP || !packet_here(skb, &packet) || packet.protocol != PROTOCOL_TCP)
		return;
	if (index == EVENT_RECEIVED && syn_is_void(&packet, tcp_state))
		return;
	if (connection && connection_unmoved(skb, connection, index, &packet))
		return;
	if (tcp_state == BPF_TCP_LISTEN)
		connection = connection_of_listener(skb, index, &packet);
	else if (!connection)
		connection = connection_make(skb, socket, index);
	/* a connection older than the start is over with its first packet */
	if (!sight_take(&sight, skb, connection, index) || connection_idle(connection))
		return;
	if (index == EVENT_RECEIVED && tcp_state != BPF_TCP_LISTEN && tcp_state != BPF_TCP_SYN_SENT &&
	    tcp_state != BPF_TCP_SYN_RECV) {
		if (!segment_acceptable(socket, &packet, sight.direction, tcp_state))
			return;
		segment_compare(skb, socket, &packet, sight.connection);
	}
	if (packet.tcp_flags & TCP_SYN)
		direction_synchronize(&sight, &packet, tcp_state);
	connection_packet(&sight, &packet);
}

SEC("cgroup_skb/ingress")
int mtlsnoop_receive(struct __sk_buff *skb)
{
	packet_count(EVENT_RECEIVED);
	socket_packet(skb, EVENT_RECEIVED);
	return PASS;
}

SEC("cgroup_skb/egress")
int mtlsnoop_send(struct __sk_buff *skb)
{
	packet_count(EVENT_SENT);
	socket_packet(skb, EVENT_SENT);
	return PASS;
}

/* A process opens a socket: only here does the kernel show both. A socket older than this program has no owner here. */
SEC("cgroup/sock_create")
int mtlsnoop_create(struct bpf_sock *socket)
{
	struct owner *owner = bpf_sk_storage_get(&owners, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	struct task_struct *task;

	if (!owner)
		return PASS;
	task = (struct task_struct *)bpf_get_current_task();
	owner->process = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_STR_INTO(&owner->name, task, group_leader, comm);
	return PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
