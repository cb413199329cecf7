/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_event - reports of the probes in TLS libraries to userspace: plaintext handshake bytes from the library,
 * before encryption or after decryption. The ABI of the second ring buffer; the rules of event.h hold here too.
 *
 * The kernel copies and never judges: userspace decides which bytes are a transcript.
 */
#ifndef LIBRARY_EVENT_H
#define LIBRARY_EVENT_H

/* The meaning of the bytes. */
enum library_event_kind {
	LIBRARY_TRANSCRIPT = 1, /* the next bytes of a handshake's transcript, sent and received (OpenSSL) */
	LIBRARY_WHOLE,          /* a buffer, perhaps with the transcript of a whole handshake (GnuTLS) */
	LIBRARY_MESSAGE,        /* a message with the header of 4 bytes (Go, GnuTLS) */
	LIBRARY_FAILURE,        /* struct library_cause: an error ends the handshake */
	LIBRARY_VERIFICATION,   /* struct library_cause: the verdict on the peer's certificates */
};

/* The direction of LIBRARY_MESSAGE, if known to the probe. */
enum library_event_from {
	LIBRARY_FROM_UNKNOWN = 0,
	LIBRARY_RECEIVED, /* by the process */
	LIBRARY_SENT,
};

enum library_event_bounds {
	LIBRARY_DATA_MAX = 4096,  /* bytes of one event */
	LIBRARY_CALL_MAX = 65536, /* reported bytes of a call, in several events: the rest is missing */
	LIBRARY_NAME_MAX = 16,    /* the kernel's TASK_COMM_LEN */
};

/* Sizes of data: the kernel takes the smallest sufficient size. */
enum library_event_capacity {
	LIBRARY_DATA_SMALL = 128,
	LIBRARY_DATA_MEDIUM = 1024,
	LIBRARY_DATA_LARGE = LIBRARY_DATA_MAX,
};

/* Counters of the probes. */
enum library_statistic {
	LIBRARY_STATISTIC_CALLS,      /* calls for a possible handshake: reported */
	LIBRARY_STATISTIC_STRANGERS,  /* calls without a handshake: ignored in the kernel */
	LIBRARY_STATISTIC_LOST_RING,  /* events without room in the ring buffer */
	LIBRARY_STATISTIC_LOST_READ,  /* calls with unreadable bytes */
	LIBRARY_STATISTIC_LOST_STATE, /* handshakes without room for state */
	LIBRARY_STATISTIC_LOST_EXEC,  /* new programs without room for a report */
	LIBRARY_STATISTIC_CALL_BOUND, /* calls with more than LIBRARY_CALL_MAX bytes */
	LIBRARY_STATISTICS,
};

struct library_event {
	__u32 size;                  /* bytes, including the header */
	__u8 kind;                   /* enum library_event_kind */
	__u8 from;                   /* enum library_event_from */
	__u16 length;                /* valid bytes of data; size may be larger */
	__u64 time_ns;               /* CLOCK_MONOTONIC */
	__u64 handle;                /* of the handshake within the process: an address in the library, reused later */
	__u64 cgroup;                /* id of the process's cgroup */
	__u32 process;               /* tgid in the initial pid namespace */
	__u32 target;                /* the probed file; 0 if the kernel cannot say (before 5.15) */
	__u32 position;              /* of data in the bytes of the call */
	__u32 total;                 /* bytes of the call; bytes without an event are missing */
	char name[LIBRARY_NAME_MAX]; /* of the process's thread, NUL-terminated */
	__u8 data[];
};

enum library_cause_bounds {
	LIBRARY_RANDOM_BYTES = 32,   /* RFC 8446 section 4.1.2 */
	LIBRARY_REASON_ALERT = 1000, /* OpenSSL: the reason of a received alert is 1000 plus the alert's number */
};

enum library_cause_of {
	LIBRARY_CAUSE_OPENSSL,
	LIBRARY_CAUSE_GNUTLS,
	LIBRARY_CAUSE_GO,
};

/* A library's report about a connection: the data of LIBRARY_FAILURE and LIBRARY_VERIFICATION. */
struct library_cause {
	__u8 random
		[2]
		[LIBRARY_RANDOM_BYTES]; /* of ServerHello and ClientHello, GnuTLS: the other way round; zero: none yet */
	__s32 code;     /* FAILURE: reason; VERIFICATION: error, 0 for a good chain: the library's number */
	__s32 alert;    /* FAILURE: the sent alert; -1: no alert */
	__u8 is_server; /* the process's role in the handshake */
	__u8 library;   /* enum library_cause_of: the library of the numbers */
	__u8 reserved[6];
};

/* Registers with a pointer to a connection. */
enum library_register {
	LIBRARY_REGISTER_NONE,
	LIBRARY_REGISTER_BX,
	LIBRARY_REGISTER_BP,
	LIBRARY_REGISTER_12,
	LIBRARY_REGISTER_13,
	LIBRARY_REGISTER_14,
	LIBRARY_REGISTER_15,
};

/* Offsets in bytes in the structures of a probed file. The value of a map; userspace fills the map. */
struct library_layout {
	__u32 randoms;     /* server_random, directly before client_random, in the connection or `pointer`'s target */
	__u32 pointer;     /* in the connection; 0: randoms stand in the connection itself */
	__u32 server;      /* in the connection: not 0 for a server */
	__u32 error;       /* in the verified structure; 0: not known */
	__u8 ssl_register; /* enum library_register: the connection at a verification */
	__u8 reason_argument; /* number of the argument with the reason of a failure */
	__u8 reserved[2];
};

/* A process has begun to run a program. */
struct library_exec {
	__u32 process;
	__u32 user; /* the process's real user id, in the initial user namespace */
};

_Static_assert(sizeof(struct library_event) == 64, "ABI");
_Static_assert(sizeof(struct library_cause) == 80, "ABI");
_Static_assert(sizeof(struct library_cause) <= LIBRARY_DATA_SMALL, "one event holds a cause");
_Static_assert(sizeof(struct library_layout) == 20, "ABI");

#endif /* LIBRARY_EVENT_H */
