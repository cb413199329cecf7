/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * library_event - what the probes in TLS libraries tell userspace: plaintext handshake bytes as the library saw them, before
 * encryption or behind decryption. The ABI of the second ring buffer; the rules of event.h hold here too.
 *
 * The kernel copies and never judges: which bytes are a transcript is for userspace to say.
 */
#ifndef LIBRARY_EVENT_H
#define LIBRARY_EVENT_H

/* What the bytes are. */
enum library_event_kind {
	LIBRARY_TRANSCRIPT = 1, /* bytes that go on in the transcript of a handshake, sent and received (OpenSSL) */
	LIBRARY_WHOLE,          /* a buffer that may hold the transcript of a whole handshake (GnuTLS) */
	LIBRARY_MESSAGE,        /* one message with its header of 4 bytes (Go) */
};

/* The direction of LIBRARY_MESSAGE, where the probe knows it. */
enum library_event_from {
	LIBRARY_FROM_UNKNOWN = 0,
	LIBRARY_RECEIVED, /* by the process */
	LIBRARY_SENT,
};

enum library_event_bounds {
	LIBRARY_DATA_MAX = 4096,  /* bytes of one event */
	LIBRARY_CALL_MAX = 65536, /* bytes of one call that are told, in several events: the rest is missing */
	LIBRARY_NAME_MAX = 16,    /* the kernel's TASK_COMM_LEN */
};

/* Sizes of data: the smallest that holds the bytes is taken. */
enum library_event_capacity {
	LIBRARY_DATA_SMALL = 128,
	LIBRARY_DATA_MEDIUM = 1024,
	LIBRARY_DATA_LARGE = LIBRARY_DATA_MAX,
};

/* Counters of the probes. */
enum library_statistic {
	LIBRARY_STATISTIC_CALLS,      /* that may belong to a handshake: told */
	LIBRARY_STATISTIC_STRANGERS,  /* calls that belong to none: left alone in the kernel */
	LIBRARY_STATISTIC_LOST_RING,  /* events that found no room in the ring buffer */
	LIBRARY_STATISTIC_LOST_READ,  /* calls whose bytes could not be read */
	LIBRARY_STATISTIC_LOST_STATE, /* handshakes for which there was no state to be had */
	LIBRARY_STATISTIC_LOST_EXEC,  /* new programs of which there was no room to tell */
	LIBRARY_STATISTIC_CALL_BOUND, /* calls with more than LIBRARY_CALL_MAX bytes */
	LIBRARY_STATISTICS,
};

struct library_event {
	__u32 size;     /* bytes, this header included */
	__u8 kind;      /* enum library_event_kind */
	__u8 from;      /* enum library_event_from */
	__u16 length;   /* bytes of data that count; size may be larger */
	__u64 time_ns;  /* CLOCK_MONOTONIC */
	__u64 handle;   /* of the handshake within the process: an address of the library's. Used again after it */
	__u64 cgroup;   /* id of the process's cgroup */
	__u32 process;  /* tgid in the initial pid namespace */
	__u32 target;   /* which probed file; 0 where the kernel cannot say (before 5.15) */
	__u32 position; /* of data in the bytes of this call */
	__u32 total;    /* bytes of this call; those that no event brings are missing */
	char name[LIBRARY_NAME_MAX]; /* of the process's thread, NUL-terminated */
	__u8 data[];
};

/* A process has begun to run a program. */
struct library_exec {
	__u32 process;
	__u32 user; /* its real user id, in the initial user namespace */
};

_Static_assert(sizeof(struct library_event) == 64, "ABI");

#endif /* LIBRARY_EVENT_H */
