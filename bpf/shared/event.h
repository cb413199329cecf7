/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * event - the hooks' reports to userspace: the ABI of the ring buffer.
 *
 * Every field has a fixed width, padding is explicit, numbers are in host byte order, addresses in network byte order.
 * Each event begins with struct event; a reader checks event.size against the struct's size before the read.
 * Userspace walks handed-over and captured bytes and makes the same events, so all later code has a single source.
 *
 * Includes nothing but the walker's state: the includer provides __u8 to __u64.
 */
#ifndef EVENT_H
#define EVENT_H

#include "bpf/shared/tls_walk.h"

enum event_kind {
	EVENT_OPEN = 1,   /* struct event_open: a connection is told of for the first time */
	EVENT_MESSAGE,    /* struct event_message: a handshake message begins */
	EVENT_BODY,       /* struct event_bytes: bytes of the message's body */
	EVENT_RECORD,     /* struct event_record: an unread record: ChangeCipherSpec or encrypted */
	EVENT_ALERT,      /* struct event_alert: an alert in cleartext */
	EVENT_NOT_TLS,    /* struct event: the direction has left the protocol */
	EVENT_CLOSE,      /* struct event_close: FIN or RST */
	EVENT_HANDOVER,   /* struct event_handover: the direction's bytes are walked in userspace from here on */
	EVENT_SEGMENT,    /* struct event_bytes: bytes of a handed-over direction */
	EVENT_DATAGRAM,   /* struct event_bytes: a DTLS datagram, after the struct event_open */
	EVENT_CUT,        /* struct event_cut: missing bytes of the direction (a bound, a short capture) */
	EVENT_OWNER,      /* struct event_owner: the local socket's writer; repeated if the writer changes */
	EVENT_TRANSLATED, /* struct event_translated: packets carry other addresses than the socket has (NAT) */
	EVENT_PLAINTEXT,  /* struct event_bytes: the first bytes of a connection to a TLS service are no ClientHello */
	EVENT_KINDS,      /* the last kind plus 1 */
};

/*
 * The direction of the bytes. On a socket the local end receives or sends the bytes; elsewhere the local end is the
 * addressee of the connection's first seen packet.
 */
enum event_direction {
	EVENT_RECEIVED = 0, /* remote to local */
	EVENT_SENT = 1,     /* local to remote */
	EVENT_DIRECTIONS = 2,
};

enum event_flags {
	EVENT_LOST = 1 << 0,          /* an earlier event of this connection was lost */
	EVENT_SEGMENT_START = 1 << 1, /* EVENT_SEGMENT: the bytes begin a segment */
	/*
	 * The connection had completed a handshake, in cleartext; the events after EVENT_OPEN are the encrypted
	 * records of a second handshake inside. The client is the remote end, or with the second flag the local end.
	 */
	EVENT_RENEGOTIATES = 1 << 2,
	EVENT_CLIENT_SENT = 1 << 3,
};

/* Where a connection was seen. */
enum event_source {
	EVENT_FROM_SOCKET = 1, /* the local end is a socket of this host */
	EVENT_FROM_DEVICE = 2,
	EVENT_FROM_FILE = 3,
};

struct event {
	__u32 size;     /* bytes, including the header */
	__u8 kind;      /* enum event_kind */
	__u8 direction; /* enum event_direction */
	__u8 flags;     /* enum event_flags */
	__u8 reserved;
	__u64 connection; /* the same in all events of a connection, never used twice */
	__u64 time_ns;    /* CLOCK_MONOTONIC; in a capture, since the epoch */
};

enum event_open_bounds {
	EVENT_NAME_MAX = 16,      /* the kernel's TASK_COMM_LEN */
	EVENT_PLAINTEXT_MAX = 32, /* bytes in EVENT_PLAINTEXT: enough to name a protocol */
};

/* The addresses are the socket's own if a socket was seen (EVENT_FROM_SOCKET), else the packet's. */
struct event_open {
	struct event event;
	__u8 local_address[16]; /* network byte order; an IPv4 address in the first four */
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
	__u8 family;    /* 4 or 6 */
	__u8 transport; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 source;    /* enum event_source */
	__u8 reserved;
	__u64 cgroup; /* id of the socket's cgroup, 0 where unknown */
	/* the process that opened the socket, or the listening socket: tgid in the initial pid namespace, 0: unknown */
	__u32 process;
	__u32 reserved_end;
	char process_name[EVENT_NAME_MAX]; /* comm of the thread group's leader, NUL-terminated */
};

/*
 * The process that wrote the bytes of direction EVENT_SENT: the task that held the TCP socket's lock as the packet
 * left, or the sender of the datagram. Follows EVENT_OPEN. A connection gets one EVENT_OWNER, and another each time
 * that a process with another tgid writes during the handshake. For UDP each sent datagram of a handshake has an
 * EVENT_OWNER, between EVENT_OPEN and EVENT_DATAGRAM. Kernel threads (kernel TLS, MPTCP's worker) are never reported.
 */
struct event_owner {
	struct event event;
	__u64 start_ns; /* of the thread group's leader: CLOCK_BOOTTIME; differs for a later process of the tgid */
	__u64 cgroup;   /* id of the process's cgroup (v2), 0 where unknown */
	__u32 process;  /* tgid in the initial pid namespace */
	__u32 user;     /* effective uid in the initial user namespace */
	__u32 network_namespace; /* inode number of the socket's network namespace, 0 where unknown */
	__u8 followed;           /* 1: the process of -p, or a descendant */
	__u8 reserved[3];
	char process_name[EVENT_NAME_MAX]; /* comm of the thread group's leader, NUL-terminated */
};

/*
 * The addresses that packets of event.direction carry at this hook, if different from the socket's
 * (struct event_open): the host's NAT, REDIRECT or a proxy changed them. At most one event for each direction.
 * As client, direction EVENT_SENT: remote_* is the answering end; EVENT_OPEN has the dialled end.
 * As server, direction EVENT_SENT: local_* is the end dialled by the client; EVENT_OPEN has the answering end.
 */
struct event_translated {
	struct event event;
	__u8 local_address[16]; /* as in struct event_open */
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
	__u8 family; /* 4 or 6 */
	__u8 reserved[3];
};

struct event_message {
	struct event event;
	__u32 length;  /* of the body */
	__u16 version; /* ProtocolVersion of the record; of an SSL 2.0 ClientHello the offered version */
	__u8 type;     /* HandshakeType */
	__u8 ssl2;     /* a ClientHello in SSL 2.0's framing: the body is not reported */
};

struct event_record {
	struct event event;
	__u16 length;
	__u16 version;
	__u8 type; /* ContentType */
	__u8 reserved[3];
};

struct event_alert {
	struct event event;
	__u8 level;       /* AlertLevel */
	__u8 description; /* AlertDescription */
	__u8 reserved[6];
};

enum event_close_how {
	EVENT_FIN = 1,
	EVENT_RST = 2,
};

struct event_close {
	struct event event;
	__u32 sequence; /* TCP sequence number of the FIN: earlier bytes may still come */
	__u8 how;       /* enum event_close_how */
	__u8 reserved[3];
};

struct event_handover {
	struct event event;
	struct tls_walk walk;
	__u32 next_sequence; /* TCP sequence number of the walker's first unseen byte */
	__u32 reserved;
};

struct event_cut {
	struct event event;
	__u32 position; /* TCP sequence number of the first missing byte */
	__u32 count;    /* missing bytes; 0: all later bytes */
};

/* Sizes of handed-over data: the kernel takes the smallest sufficient size. */
enum event_bytes_capacity {
	EVENT_BYTES_SMALL = 128,
	EVENT_BYTES_MEDIUM = 640,
	EVENT_BYTES_LARGE = 2048,
};

enum event_segment_type {
	EVENT_SEGMENT_OPEN = 0,     /* the receiver may take these bytes, or another copy */
	EVENT_SEGMENT_ACKNOWLEDGED, /* the receiver had acknowledged all these bytes before the copy came */
};

struct event_bytes {
	struct event event;
	/*
	 * BODY: offset in the message's body; SEGMENT: TCP sequence number; DATAGRAM: offset in the datagram;
	 * PLAINTEXT: TCP sequence number
	 */
	__u32 position;
	__u16 length; /* valid bytes of data; event.size may be larger */
	__u8 type;    /* BODY: HandshakeType */
	__u8 reserved;
	__u8 data[];
};

/* Counters of the hooks. */
enum statistic {
	STATISTIC_CONNECTIONS,    /* TCP connections seen from the start */
	STATISTIC_MIDSTREAM,      /* connections opened before the trace: ignored */
	STATISTIC_HANDSHAKES,     /* connections with a ClientHello */
	STATISTIC_HANDOVERS,      /* directions handed over to userspace */
	STATISTIC_LOST_RING,      /* events without room in the ring buffer */
	STATISTIC_LOST_STORAGE,   /* connections without room for state */
	STATISTIC_LOST_LISTENER,  /* connections with first bytes before the socket, not kept */
	STATISTIC_HANDOVER_BOUND, /* directions with more bytes to hand over than the bound */
	STATISTIC_BODY_BOUND,     /* message bodies longer than the handed-over bytes */
	STATISTIC_STEP_BOUND,     /* packets with more records and messages than one run walks */
	STATISTIC_CONTENDED,      /* packets during another CPU's walk of the same direction: lost to the walk */
	STATISTIC_OUTSIDE,        /* segments outside the stream: ignored */
	STATISTIC_EVICTED,        /* device: connections evicted from the full table during the handshake */
	STATISTIC_FRAGMENTS,      /* device: IP fragments after a packet's first fragment: not read */
	STATISTIC_LAYERS,         /* device: packets with more tags and tunnels than are taken off */
	STATISTIC_UNFOLLOWED,     /* established connections whose renegotiation would be missed */
	STATISTIC_REFUSED,        /* sockets: connections with walked bytes refused by TCP: lost */
	STATISTICS,
};

enum packet_counter_bounds {
	PACKET_COUNTERS_CPUS = 512, /* a power of two; further CPUs share */
};

/*
 * Packets shown to the programs. Each CPU counts in a separate cache line, without an atomic operation: an atomic
 * operation for every packet of the host would be the program's most expensive step. If another packet interrupts a
 * program between read and write, one count is lost: the sum may be a little low.
 */
struct packet_counter {
	__u64 packets[2]; /* by program: received and sent; on a device with and without a link layer */
	__u64 reserved[6];
};

_Static_assert(sizeof(struct packet_counter) == 64, "a cache line");
_Static_assert(sizeof(struct event) == 24, "ABI");
_Static_assert(sizeof(struct event_open) == 96, "ABI");
_Static_assert(sizeof(struct event_message) == 32, "ABI");
_Static_assert(sizeof(struct event_record) == 32, "ABI");
_Static_assert(sizeof(struct event_alert) == 32, "ABI");
_Static_assert(sizeof(struct event_close) == 32, "ABI");
_Static_assert(sizeof(struct event_handover) == 80, "ABI");
_Static_assert(sizeof(struct event_cut) == 32, "ABI");
_Static_assert(sizeof(struct event_bytes) == 32, "ABI");
_Static_assert(sizeof(struct event_owner) == 72, "ABI");
_Static_assert(sizeof(struct event_translated) == 64, "ABI");

#endif /* EVENT_H */
