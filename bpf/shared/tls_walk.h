/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tls_walk - TLS record and handshake framing as a resumable state machine.
 *
 * One struct tls_walk follows one direction of one connection. The struct has no packet, no map and no pointer into
 * data. The walker asks for a number of header bytes, or skips a number of bytes; the caller passes the bytes that
 * were read. Headers may be split anywhere, messages may share a record or span many, and the state may be stored,
 * copied to another program and continued there. The BPF programs, the capture reader, the unit tests and the fuzzer
 * all compile this header.
 *
 * The caller's loop, with `left` bytes of the direction at hand:
 *
 *	tls_walk_segment(walk);                       // once per segment: where a ClientHello may begin
 *	while (left && !tls_walk_ended(walk)) {
 *		wanted = tls_walk_wanted(walk);
 *		if (wanted) {
 *			n = min(wanted, left);
 *			event = tls_walk_read(walk, bytes, n);   // bytes: the next n, in a buffer of TLS_WALK_READ_MAX
 *		} else {
 *			n = min(tls_walk_passable(walk), left);
 *			// tls_walk_in_body(walk): these n bytes belong to the body of walk->message_type
 *			tls_walk_pass(walk, n);
 *		}
 *		// go on n bytes further
 *	}
 *
 * A fresh direction is all zeroes and searches for a ClientHello (with TLS_WALK_EITHER in flags, for a ClientHello or
 * a ServerHello). tls_walk_expect_answer() begins the direction that answers a ClientHello. This header includes
 * nothing: the includer provides __u8 to __u64.
 *
 * Sources: RFC 5246 sections 6.2.1 and 7 (records, handshake), RFC 8446 sections 4 and 5 and appendix D.4 (TLS 1.3 and
 * middlebox compatibility), RFC 6101 (SSL 3.0), RFC 5246 appendix E.2 (SSL 2.0 compatible ClientHello), HAProxy's
 * PROXY protocol, versions 1 and 2 (a load balancer's header with the client's address, before the client's bytes).
 */
#ifndef TLS_WALK_H
#define TLS_WALK_H

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define TLS_WALK_FUNCTION static __always_inline __attribute__((unused))
/* Rare cases are separate functions in BPF: the caller's frame must stay small. */
#ifdef __bpf__
#define TLS_WALK_APART static __attribute__((noinline, unused))
#else
#define TLS_WALK_APART TLS_WALK_FUNCTION
#endif

/* ContentType, RFC 8446 section 5.1, and 24 from RFC 6520 */
enum tls_content_type {
	TLS_CHANGE_CIPHER_SPEC = 20,
	TLS_ALERT = 21,
	TLS_HANDSHAKE = 22,
	TLS_APPLICATION_DATA = 23,
	TLS_HEARTBEAT = 24,
};

/* AlertLevel, RFC 8446 section 6 */
enum tls_alert_level {
	TLS_ALERT_WARNING = 1,
	TLS_ALERT_FATAL = 2,
};

/* HandshakeType, RFC 8446 section 4 and the registry: the types with a name in mtlsnoop */
enum tls_handshake_type {
	TLS_HELLO_REQUEST = 0,
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_HELLO_VERIFY_REQUEST = 3,
	TLS_NEW_SESSION_TICKET = 4,
	TLS_END_OF_EARLY_DATA = 5,
	TLS_ENCRYPTED_EXTENSIONS = 8,
	TLS_CERTIFICATE = 11,
	TLS_SERVER_KEY_EXCHANGE = 12,
	TLS_CERTIFICATE_REQUEST = 13,
	TLS_SERVER_HELLO_DONE = 14,
	TLS_CERTIFICATE_VERIFY = 15,
	TLS_CLIENT_KEY_EXCHANGE = 16,
	TLS_FINISHED = 20,
	TLS_CERTIFICATE_URL = 21,
	TLS_CERTIFICATE_STATUS = 22,
	TLS_SUPPLEMENTAL_DATA = 23,
	TLS_KEY_UPDATE = 24,
	TLS_COMPRESSED_CERTIFICATE = 25,
	TLS_NEXT_PROTOCOL = 67,
	TLS_MESSAGE_HASH = 254,
};

enum tls_walk_bounds {
	TLS_WALK_READ_MAX = 8, /* size of the buffer for tls_walk_read() */
	TLS_WALK_RECORD_HEADER = 5,
	TLS_WALK_MESSAGE_HEADER = 4,
	TLS_WALK_ALERT_LENGTH = 2,
	TLS_WALK_CHANGE_CIPHER_SPEC_LENGTH = 1,
	TLS_WALK_SSL2_HEADER = 6,           /* bytes after the first five: three lengths */
	TLS_WALK_SSL2_MIN = 3 + 6 + 3 + 16, /* type and version, the lengths, one cipher spec, a challenge */
	TLS_WALK_PROXY_HEADER = 11,         /* bytes after the first five of a PROXY protocol header, version 2 */
	TLS_WALK_PROXY_LINE_MAX = 107,      /* of version 1: a line, including the line's end */
	TLS_WALK_TDS_HEADER = 8,
	TLS_WALK_MYSQL_REQUEST = 36,        /* MySQL's request for TLS */
	TLS_WALK_POSTGRESQL_REQUEST = 8,    /* PostgreSQL's */
	TLS_WALK_CLIENT_HELLO_MAX = 65535,  /* of the body: a larger length is no ClientHello */
	TLS_WALK_RECORD_MAX = 16384 + 2048, /* TLSCiphertext.length, RFC 5246 section 6.2.3 */
	TLS_WALK_SEARCH_MAX = 16384,        /* bytes of a direction to search for a ClientHello */
	TLS_WALK_ENCRYPTED_MAX = 32,        /* encrypted records told of per direction */
	TLS_WALK_FOLLOWED_MAX = 200, /* encrypted records reported of a followed direction: some renegotiations */
};

enum tls_walk_version {
	TLS_WALK_TLCP = 0x0101,
};

enum tls_walk_phase {
	TLS_WALK_SEARCH = 0, /* no ClientHello yet: nothing to read before the next segment */
	TLS_WALK_RECORD,     /* in a record header */
	TLS_WALK_SSL2_HELLO, /* in the second part of an SSL 2.0 ClientHello's header */
	TLS_WALK_PROXY_LINE, /* in the line of a PROXY protocol header, version 1, or of a request for TLS */
	TLS_WALK_PROXY_HEAD, /* in the second part of a PROXY protocol header, version 2 */
	TLS_WALK_MESSAGE,    /* in a handshake message header */
	TLS_WALK_BODY,       /* in a handshake message's body */
	TLS_WALK_ALERT,      /* in an alert in cleartext */
	TLS_WALK_SKIP,       /* in a record with unread content */
	TLS_WALK_DONE,       /* from here on ended: nothing more to learn from the direction */
	TLS_WALK_NOT_TLS,    /* the next bytes are not TLS */
};

enum tls_walk_flags {
	TLS_WALK_CANDIDATE = 1 << 0, /* the bytes read so far may yet turn out to be no ClientHello */
	TLS_WALK_CLIENT = 1 << 1,    /* the direction sent the ClientHello */
	TLS_WALK_CIPHERED = 1 << 2,  /* ChangeCipherSpec passed: handshake records are encrypted */
	TLS_WALK_STARTED = 1 << 3,   /* bytes of the direction have been seen: no SSL 2.0 ClientHello any more */
	TLS_WALK_EITHER = 1 << 4,    /* the ClientHello may have been missed: a ServerHello ends the search too */
	TLS_WALK_FOLLOWED = 1 << 5,  /* the handshake is over: from record to record, to find a renegotiation */
	TLS_WALK_FINISHING = 1 << 6, /* FOLLOWED: the next handshake records still belong to the handshake */
	TLS_WALK_TDS = 1 << 7,       /* the bytes are in packets of TDS */
};

/* A direction. Plain numbers in host byte order; 48 bytes, part of the ABI (event.h). */
struct tls_walk {
	__u64 header;         /* bytes of the header being read, latest in the low byte */
	__u32 message_header; /* the same of a message header, which may continue in the next record */
	__u32 message_length; /* of the message with the last read header */
	__u32 message_left;   /* missing bytes of the message's body */
	__u32 searched;       /* bytes seen in search of a ClientHello */
	__u16 record_left;    /* missing bytes of the current record */
	__u16 record_length;
	__u16 record_version;
	__u8 record_type;       /* enum tls_content_type */
	__u8 message_type;      /* enum tls_handshake_type */
	__u8 phase;             /* enum tls_walk_phase */
	__u8 flags;             /* enum tls_walk_flags */
	__u8 header_have;       /* bytes in header */
	__u8 message_have;      /* bytes in message_header */
	__u8 encrypted_records; /* encrypted records told of */
	__u8 alert_have;        /* bytes of an alert in cleartext read so far; the rest may be in the next record */
	__u8 alert_level;
	__u8 tds_have;    /* bytes of a TDS header read so far */
	__u32 tds_header; /* the first four bytes of the header */
	__u16 tds_left;   /* missing bytes of the TDS packet */
	__u16 reserved;
};

_Static_assert(sizeof(struct tls_walk) == 48, "struct tls_walk is part of the ABI");

enum tls_walk_event_kind {
	TLS_WALK_EVENT_NONE = 0,
	TLS_WALK_EVENT_MESSAGE, /* a handshake message begins: type, length; version of the record */
	TLS_WALK_EVENT_RECORD,  /* an unread record (ChangeCipherSpec or encrypted): type, length */
	TLS_WALK_EVENT_ALERT,   /* an alert in cleartext: level, description */
	TLS_WALK_EVENT_NOT_TLS, /* the direction has left the protocol */
};

/* The result of tls_walk_read(). */
struct tls_walk_event {
	__u8 kind;        /* enum tls_walk_event_kind */
	__u8 type;        /* HandshakeType or ContentType */
	__u8 level;       /* enum tls_alert_level */
	__u8 description; /* AlertDescription */
	__u16 version;    /* ProtocolVersion of the record; of an SSL 2.0 ClientHello the offered version */
	__u8 ssl2;        /* a ClientHello in SSL 2.0's framing */
	__u8 reserved;
	__u32 length; /* bytes after the header */
};

TLS_WALK_FUNCTION int tls_walk_ended(const struct tls_walk *walk)
{
	return walk->phase >= TLS_WALK_DONE;
}

TLS_WALK_FUNCTION void tls_walk_leave_tds(struct tls_walk *walk)
{
	walk->flags &= ~TLS_WALK_TDS;
	walk->tds_left = 0;
	walk->tds_have = 0;
}

/* The direction has sent Finished in a record of type handshake: only up to TLS 1.2 (RFC 8446 section 5.2). */
TLS_WALK_FUNCTION int tls_walk_may_follow(const struct tls_walk *walk)
{
	return walk->phase == TLS_WALK_DONE && walk->record_type == TLS_HANDSHAKE && !(walk->flags & TLS_WALK_FOLLOWED);
}

/*
 * Go on after the handshake, if tls_walk_may_follow(). Application data is skipped and not reported. The other
 * records are the encrypted records of a renegotiation (RFC 5246 section 7.4.1.1), and alerts. No later byte confirms
 * the framing, so invalid records end the walk silently: DONE.
 *
 * A client may send encrypted messages before Finished (NextProtocol and similar messages, which never became RFCs),
 * and the walker may have taken an earlier message for Finished. So handshake records directly after the supposed
 * Finished are no renegotiation, until tls_walk_finished().
 */
TLS_WALK_FUNCTION void tls_walk_follow(struct tls_walk *walk)
{
	tls_walk_leave_tds(walk);
	walk->flags |= TLS_WALK_FOLLOWED;
	if (walk->flags & TLS_WALK_CLIENT)
		walk->flags |= TLS_WALK_FINISHING;
	walk->encrypted_records = 0;
	walk->header_have = 0;
	walk->header = 0;
	walk->phase = walk->record_left ? TLS_WALK_SKIP : TLS_WALK_RECORD;
}

/*
 * For a followed direction, if the other direction's Finished comes later: the handshake ends with the later Finished.
 */
TLS_WALK_FUNCTION void tls_walk_finished(struct tls_walk *walk)
{
	walk->flags &= ~TLS_WALK_FINISHING;
}

/* The other direction sent a ClientHello: from now on the records here answer. */
TLS_WALK_FUNCTION void tls_walk_expect_answer(struct tls_walk *walk)
{
	/* the whole state: a half-read candidate would lend bytes to the first message */
	*walk = (struct tls_walk){.phase = TLS_WALK_RECORD, .flags = TLS_WALK_STARTED};
}

/*
 * A segment begins. Protocols turn to TLS (STARTTLS and similar commands) after a round trip, so a ClientHello begins
 * a segment.
 */
TLS_WALK_FUNCTION void tls_walk_segment(struct tls_walk *walk)
{
	if (walk->phase != TLS_WALK_SEARCH)
		return;
	walk->phase = TLS_WALK_RECORD;
	walk->flags |= TLS_WALK_CANDIDATE;
	walk->header_have = 0;
	walk->header = 0;
}

/*
 * SQL Server before TDS 8 carries the handshake in TDS packets (MS-TDS sections 2.2.3.1 and 2.2.6.5): a header of
 * type, status, length with the header, and four bytes more. A record may lie in several packets. After the handshake
 * the records have no TDS header.
 */
enum tls_walk_tds {
	TLS_WALK_TDS_PRELOGIN = 0x12,
};

TLS_WALK_FUNCTION int tls_walk_at_tds_header(const struct tls_walk *walk)
{
	return walk->flags & TLS_WALK_TDS && walk->tds_left == 0;
}

/* As long as the bytes are in packets of TDS nothing reaches behind the packet at hand. */
TLS_WALK_FUNCTION __u32 tls_walk_within_tds(const struct tls_walk *walk, __u32 count)
{
	return walk->flags & TLS_WALK_TDS && count > walk->tds_left ? walk->tds_left : count;
}

/* The first five bytes begin a TDS header, and no record. */
TLS_WALK_FUNCTION void tls_walk_begin_tds(struct tls_walk *walk)
{
	walk->flags |= TLS_WALK_TDS;
	walk->tds_header = walk->header >> 8;
	walk->tds_have = TLS_WALK_RECORD_HEADER;
	walk->tds_left = 0;
	walk->header_have = 0;
	walk->header = 0;
}

/* The answering direction has not sent a record yet. */
TLS_WALK_FUNCTION int tls_walk_answer_begins(const struct tls_walk *walk)
{
	return !(walk->flags & (TLS_WALK_CANDIDATE | TLS_WALK_CLIENT | TLS_WALK_FOLLOWED)) && walk->record_type == 0 &&
	       walk->message_type == 0;
}

/* How many header bytes are wanted next, at most TLS_WALK_READ_MAX; 0 where bytes are to be passed over. */
TLS_WALK_FUNCTION __u32 tls_walk_wanted(const struct tls_walk *walk)
{
	__u32 wanted;

	/* one byte first: the byte may begin a record outside a TDS packet */
	if (tls_walk_at_tds_header(walk) && !tls_walk_ended(walk))
		return walk->tds_have ? TLS_WALK_TDS_HEADER - walk->tds_have : 1;
	switch (walk->phase) {
	case TLS_WALK_RECORD:
		return tls_walk_within_tds(walk, TLS_WALK_RECORD_HEADER - walk->header_have);
	case TLS_WALK_SSL2_HELLO:
		return TLS_WALK_SSL2_HEADER - walk->header_have;
	case TLS_WALK_PROXY_LINE:
		/* if the line ends in these bytes, the remaining bytes fit in the record's header after the line */
		return TLS_WALK_RECORD_HEADER;
	case TLS_WALK_PROXY_HEAD:
		wanted = TLS_WALK_PROXY_HEADER - walk->header_have;
		return wanted < TLS_WALK_READ_MAX ? wanted : TLS_WALK_READ_MAX;
	case TLS_WALK_MESSAGE:
		wanted = TLS_WALK_MESSAGE_HEADER - walk->message_have;
		break;
	case TLS_WALK_ALERT:
		wanted = TLS_WALK_ALERT_LENGTH - walk->alert_have;
		break;
	default:
		return 0;
	}
	return tls_walk_within_tds(walk, wanted < walk->record_left ? wanted : walk->record_left);
}

/* How many bytes may be skipped at once if tls_walk_wanted() is 0. */
TLS_WALK_FUNCTION __u32 tls_walk_passable(const struct tls_walk *walk)
{
	switch (walk->phase) {
	case TLS_WALK_BODY:
		return tls_walk_within_tds(walk, walk->message_left < walk->record_left ? walk->message_left
		                                                                        : walk->record_left);
	case TLS_WALK_SKIP:
		return tls_walk_within_tds(walk, walk->record_left);
	default:
		return ~(__u32)0;
	}
}

TLS_WALK_FUNCTION int tls_walk_in_body(const struct tls_walk *walk)
{
	return walk->phase == TLS_WALK_BODY;
}

/* Whether mtlsnoop reads the body of the current message. */
TLS_WALK_FUNCTION int tls_walk_body_matters(const struct tls_walk *walk)
{
	switch (walk->message_type) {
	case TLS_CLIENT_HELLO:
	case TLS_SERVER_HELLO:
	case TLS_CERTIFICATE_REQUEST:
	case TLS_CERTIFICATE:
		return 1;
	default:
		return 0;
	}
}

/* The record is used up: an incomplete message goes on in the next record (RFC 8446 section 5.1). */
TLS_WALK_FUNCTION void tls_walk_next_record(struct tls_walk *walk)
{
	walk->phase = TLS_WALK_RECORD;
	walk->header_have = 0;
	walk->header = 0;
}

TLS_WALK_FUNCTION void tls_walk_after_bytes(struct tls_walk *walk)
{
	if (walk->record_left == 0)
		tls_walk_next_record(walk);
	else if (walk->phase == TLS_WALK_BODY && walk->message_left == 0)
		walk->phase = TLS_WALK_MESSAGE;
}

/* Pass over count bytes, at most tls_walk_passable(). */
TLS_WALK_FUNCTION void tls_walk_pass(struct tls_walk *walk, __u32 count)
{
	walk->flags |= TLS_WALK_STARTED;
	if (walk->flags & TLS_WALK_TDS)
		walk->tds_left -= count;
	switch (walk->phase) {
	case TLS_WALK_BODY:
		walk->message_left -= count;
		walk->record_left -= count;
		tls_walk_after_bytes(walk);
		break;
	case TLS_WALK_SKIP:
		if (walk->flags & TLS_WALK_CANDIDATE)
			walk->searched += count;
		walk->record_left -= count;
		tls_walk_after_bytes(walk);
		break;
	case TLS_WALK_SEARCH:
		walk->searched += count;
		if (walk->searched >= TLS_WALK_SEARCH_MAX)
			walk->phase = TLS_WALK_NOT_TLS;
		break;
	}
}

TLS_WALK_FUNCTION __u64 tls_walk_append(__u64 header, const __u8 *bytes, __u32 count)
{
	__u32 i;

	for (i = 0; i < TLS_WALK_READ_MAX; i++)
		if (i < count)
			header = header << 8 | bytes[i];
	return header;
}

/* Byte number index of a header; the first `have` bytes were read. */
TLS_WALK_FUNCTION __u8 tls_walk_byte(__u64 header, __u32 have, __u32 index)
{
	return header >> ((have - 1 - index) & 7) * 8;
}

/*
 * RFC 5246 appendix E.2: a two-byte length with the high bit set, message type 1, a version: 3.x from a client with
 * TLS, 0.2 from a client with SSL 2.0 only.
 */
TLS_WALK_FUNCTION int tls_walk_may_be_ssl2(__u64 header, __u32 have)
{
	if (!(tls_walk_byte(header, have, 0) & 0x80))
		return 0;
	if (have > 2 && tls_walk_byte(header, have, 2) != TLS_CLIENT_HELLO)
		return 0;
	if (have < 4 || tls_walk_byte(header, have, 3) == 3)
		return have < 5 || tls_walk_byte(header, have, 4) <= 4;
	return tls_walk_byte(header, have, 3) == 0 && (have < 5 || tls_walk_byte(header, have, 4) == 2);
}

/* Whether the have bytes of a record header read so far can begin a ClientHello's record. */
TLS_WALK_FUNCTION int tls_walk_may_be_hello(__u64 header, __u32 have)
{
	__u8 major = tls_walk_byte(header, have, 1);

	if (tls_walk_byte(header, have, 0) != TLS_HANDSHAKE)
		return 0;
	if (have > 1 && major != 3 && major != 1)
		return 0;
	if (have > 2 && major == 1)
		return tls_walk_byte(header, have, 2) == 1;
	return have < 3 || tls_walk_byte(header, have, 2) <= 4;
}

/* SSL 3.0 to TLS 1.3 have 3.x; TLCP 1.1 (GB/T 38636-2020), with the framing and messages of TLS 1.2, has 1.1. */
TLS_WALK_FUNCTION int tls_walk_version_known(const struct tls_walk *walk)
{
	return walk->record_version >> 8 == 3 || walk->record_version == TLS_WALK_TLCP;
}

/* The candidate is no ClientHello: nothing can begin here before the next segment. */
TLS_WALK_FUNCTION void tls_walk_reject_candidate(struct tls_walk *walk)
{
	walk->phase = TLS_WALK_SEARCH;
	walk->flags &= ~TLS_WALK_CANDIDATE;
	tls_walk_leave_tds(walk);
	walk->message_have = 0;
	walk->message_header = 0;
	if (walk->searched >= TLS_WALK_SEARCH_MAX)
		walk->phase = TLS_WALK_NOT_TLS;
}

TLS_WALK_FUNCTION void tls_walk_leave(struct tls_walk *walk, struct tls_walk_event *event)
{
	if (walk->flags & TLS_WALK_CANDIDATE) {
		tls_walk_reject_candidate(walk);
		return;
	}
	walk->phase = TLS_WALK_NOT_TLS;
	event->kind = TLS_WALK_EVENT_NOT_TLS;
}

TLS_WALK_FUNCTION void tls_walk_tell_record(struct tls_walk *walk, struct tls_walk_event *event)
{
	event->kind = TLS_WALK_EVENT_RECORD;
	event->type = walk->record_type;
	event->version = walk->record_version;
	event->length = walk->record_length;
	walk->phase = TLS_WALK_SKIP;
}

/* An unreadable record: only the type and length are reported, and only for a limited number of records. */
TLS_WALK_FUNCTION void tls_walk_encrypted_record(struct tls_walk *walk, struct tls_walk_event *event)
{
	tls_walk_tell_record(walk, event);
	walk->encrypted_records++;
	/* up to TLS 1.2 the first encrypted handshake record is Finished, the end of the handshake */
	if (walk->record_type == TLS_HANDSHAKE || walk->encrypted_records >= TLS_WALK_ENCRYPTED_MAX)
		walk->phase = TLS_WALK_DONE;
}

/*
 * Nothing may come between the records of one message (RFC 8446 section 5.1; in older versions ChangeCipherSpec would
 * take effect in the middle of the message). The walker would read a record in between as the rest of the message,
 * and miss the record's content. Only alerts are let through: an alert ends a handshake at any point.
 */
TLS_WALK_FUNCTION int tls_walk_interrupts(const struct tls_walk *walk)
{
	if (walk->record_type == TLS_ALERT)
		return 0;
	if (walk->alert_have)
		return 1;
	return walk->record_type != TLS_HANDSHAKE && (walk->message_have || walk->message_left);
}

TLS_WALK_FUNCTION int tls_walk_record_valid(const struct tls_walk *walk)
{
	if (!tls_walk_version_known(walk) || walk->record_length > TLS_WALK_RECORD_MAX)
		return 0;
	if (walk->flags & TLS_WALK_CANDIDATE)
		return walk->record_type == TLS_HANDSHAKE && walk->record_length;
	if (tls_walk_interrupts(walk))
		return 0;
	if (walk->record_type == TLS_CHANGE_CIPHER_SPEC)
		return walk->record_length == TLS_WALK_CHANGE_CIPHER_SPEC_LENGTH;
	return walk->record_type >= TLS_ALERT && walk->record_type <= TLS_HEARTBEAT;
}

TLS_WALK_FUNCTION void tls_walk_handshake_record(struct tls_walk *walk, struct tls_walk_event *event)
{
	if (walk->record_left == 0)
		return;
	if (walk->flags & TLS_WALK_CIPHERED && walk->record_left < TLS_WALK_MESSAGE_HEADER)
		tls_walk_encrypted_record(walk, event);
	else if (walk->message_left)
		walk->phase = TLS_WALK_BODY;
	else
		walk->phase = TLS_WALK_MESSAGE;
}

/* A record behind the handshake. */
TLS_WALK_FUNCTION void tls_walk_followed_record(struct tls_walk *walk, struct tls_walk_event *event)
{
	if (!tls_walk_version_known(walk) || walk->record_length > TLS_WALK_RECORD_MAX ||
	    walk->record_type < TLS_CHANGE_CIPHER_SPEC || walk->record_type > TLS_HEARTBEAT ||
	    walk->encrypted_records >= TLS_WALK_FOLLOWED_MAX) {
		walk->phase = TLS_WALK_DONE;
		return;
	}
	walk->phase = TLS_WALK_SKIP;
	if (walk->record_type != TLS_HANDSHAKE)
		walk->flags &= ~TLS_WALK_FINISHING;
	if (walk->record_type < TLS_APPLICATION_DATA && !(walk->flags & TLS_WALK_FINISHING)) {
		tls_walk_tell_record(walk, event);
		walk->encrypted_records++;
	}
}

/* A valid record of an unfinished handshake. */
TLS_WALK_FUNCTION void tls_walk_begin_handshake_record(struct tls_walk *walk, struct tls_walk_event *event)
{
	switch (walk->record_type) {
	case TLS_HANDSHAKE:
		tls_walk_handshake_record(walk, event);
		break;
	case TLS_CHANGE_CIPHER_SPEC:
		tls_walk_tell_record(walk, event);
		walk->flags |= TLS_WALK_CIPHERED;
		break;
	case TLS_ALERT:
		/* encrypted alerts are longer: every cipher suite expands two bytes (RFC 5246 section 6.2.3) */
		if (walk->flags & TLS_WALK_CIPHERED && walk->record_length != TLS_WALK_ALERT_LENGTH)
			tls_walk_encrypted_record(walk, event);
		else
			walk->phase = TLS_WALK_ALERT;
		break;
	default:
		tls_walk_encrypted_record(walk, event);
	}
}

/* A record header is complete. */
TLS_WALK_FUNCTION void tls_walk_begin_record(struct tls_walk *walk, struct tls_walk_event *event)
{
	walk->record_type = walk->header >> 32;
	walk->record_version = walk->header >> 16;
	walk->record_length = walk->header;
	walk->record_left = walk->record_length;
	walk->header_have = 0;
	walk->header = 0;

	if (walk->flags & TLS_WALK_FOLLOWED) {
		tls_walk_followed_record(walk, event);
	} else if (!tls_walk_record_valid(walk)) {
		tls_walk_leave(walk, event);
		return;
	} else {
		tls_walk_begin_handshake_record(walk, event);
	}
	if (walk->record_left == 0 && !tls_walk_ended(walk))
		tls_walk_next_record(walk);
}

/* The first five bytes begin an SSL 2.0 ClientHello: length, type and version. */
TLS_WALK_FUNCTION void tls_walk_begin_ssl2(struct tls_walk *walk)
{
	__u16 length = walk->header >> 24 & 0x7fff;

	if (length < TLS_WALK_SSL2_MIN) {
		tls_walk_reject_candidate(walk);
		return;
	}
	walk->record_length = length - 3;
	walk->record_version = walk->header;
	walk->phase = TLS_WALK_SSL2_HELLO;
	walk->header_have = 0;
	walk->header = 0;
}

/*
 * The PROXY protocol, sections 2.1 and 2.2: version 1 begins with "PROXY", version 2 with CR LF CR LF NUL. Behind the
 * header the client's own bytes begin, most often in the same segment.
 */
#define TLS_WALK_PROXY_1 0x50524f5859ull
#define TLS_WALK_PROXY_2 0x0d0a0d0a00ull

/* Whether the `have` bytes read so far begin the five bytes of the pattern. */
TLS_WALK_FUNCTION int tls_walk_begins(__u64 header, __u32 have, __u64 expected)
{
	return header == expected >> ((TLS_WALK_RECORD_HEADER - have) & 7) * 8;
}

TLS_WALK_FUNCTION int tls_walk_may_be_proxy(__u64 header, __u32 have)
{
	return tls_walk_begins(header, have, TLS_WALK_PROXY_1) || tls_walk_begins(header, have, TLS_WALK_PROXY_2);
}

TLS_WALK_FUNCTION void tls_walk_begin_proxy(struct tls_walk *walk)
{
	walk->phase = walk->header == TLS_WALK_PROXY_1 ? TLS_WALK_PROXY_LINE : TLS_WALK_PROXY_HEAD;
	walk->record_left = TLS_WALK_PROXY_LINE_MAX - TLS_WALK_RECORD_HEADER;
	/* a direction has at most one PROXY header, and no SSL 2.0 ClientHello is searched after the header */
	walk->flags |= TLS_WALK_STARTED;
	walk->header_have = 0;
	walk->header = 0;
}

/* Whether bytes may begin a TDS header: type, status (1: the last packet of a message), length, and a 0 (SPID). */
TLS_WALK_FUNCTION int tls_walk_may_be_tds(__u64 header, __u32 have)
{
	if (tls_walk_byte(header, have, 0) != TLS_WALK_TDS_PRELOGIN)
		return 0;
	if (have > 1 && tls_walk_byte(header, have, 1) > 1)
		return 0;
	if (have > 3 && !tls_walk_byte(header, have, 2) && tls_walk_byte(header, have, 3) <= TLS_WALK_TDS_HEADER)
		return 0;
	return have < 5 || !tls_walk_byte(header, have, 4);
}

/*
 * Requests for TLS that a client may send in one segment with its ClientHello: the lines of SMTP and similar
 * protocols, ended by LF, and the requests of MySQL, PostgreSQL and LDAP (RFC 4511 section 4.14), with known lengths.
 */
#define TLS_WALK_STARTTLS   0x5354415254ull /* STARTTLS */
#define TLS_WALK_STLS       0x53544c530dull /* STLS of POP3, RFC 2595 */
#define TLS_WALK_AUTH_TLS   0x4155544820ull /* AUTH TLS of FTP, RFC 4217 */
#define TLS_WALK_MYSQL      0x2000000100ull /* four bytes count: length 32, number 1 */
#define TLS_WALK_POSTGRESQL 0x0000000804ull

/* A SEQUENCE of up to 127 bytes, beginning with a message id in a single byte. */
TLS_WALK_FUNCTION int tls_walk_may_be_ldap(__u64 header, __u32 have)
{
	__u8 length = tls_walk_byte(header, have, 1);

	if (tls_walk_byte(header, have, 0) != 0x30 || (have > 1 && (length <= 3 || length > 127)))
		return 0;
	if (have > 2 && tls_walk_byte(header, have, 2) != 2)
		return 0;
	return have < 4 || tls_walk_byte(header, have, 3) == 1;
}

TLS_WALK_FUNCTION int tls_walk_may_be_mysql(__u64 header, __u32 have)
{
	return have < 5 ? tls_walk_begins(header, have, TLS_WALK_MYSQL) : header >> 8 == TLS_WALK_MYSQL >> 8;
}

TLS_WALK_FUNCTION int tls_walk_may_be_request(__u64 header, __u32 have)
{
	return tls_walk_begins(header, have, TLS_WALK_STARTTLS) || tls_walk_begins(header, have, TLS_WALK_STLS) ||
	       tls_walk_begins(header, have, TLS_WALK_AUTH_TLS) || tls_walk_begins(header, have, TLS_WALK_POSTGRESQL) ||
	       tls_walk_may_be_mysql(header, have) || tls_walk_may_be_ldap(header, have);
}

/* The number of bytes of a request after the first five; 0: the request is a line. */
TLS_WALK_FUNCTION __u32 tls_walk_request_left(__u64 header)
{
	if (tls_walk_may_be_mysql(header, TLS_WALK_RECORD_HEADER))
		return TLS_WALK_MYSQL_REQUEST - TLS_WALK_RECORD_HEADER;
	if (header == TLS_WALK_POSTGRESQL)
		return TLS_WALK_POSTGRESQL_REQUEST - TLS_WALK_RECORD_HEADER;
	if (tls_walk_may_be_ldap(header, TLS_WALK_RECORD_HEADER))
		return tls_walk_byte(header, TLS_WALK_RECORD_HEADER, 1) - 3;
	return 0;
}

/* The client asks for TLS: the ClientHello may follow in the same segment. */
TLS_WALK_FUNCTION void tls_walk_begin_request(struct tls_walk *walk)
{
	__u32 left = tls_walk_request_left(walk->header);

	walk->record_left = left ? left : TLS_WALK_PROXY_LINE_MAX - TLS_WALK_RECORD_HEADER;
	walk->phase = left ? TLS_WALK_SKIP : TLS_WALK_PROXY_LINE;
	walk->flags |= TLS_WALK_STARTED;
	walk->header_have = 0;
	walk->header = 0;
}

/* Methods of HTTP with an arbitrary body. CONNECT and OPTIONS lead to TLS (RFC 2817, RFC 9110 section 9.3.6). */
TLS_WALK_FUNCTION int tls_walk_may_be_http(__u64 header, __u32 have)
{
	return tls_walk_begins(header, have, 0x474554202full) || tls_walk_begins(header, have, 0x4845414420ull) ||
	       tls_walk_begins(header, have, 0x504f535420ull) || tls_walk_begins(header, have, 0x505554202full) ||
	       tls_walk_begins(header, have, 0x44454c4554ull) || tls_walk_begins(header, have, 0x5041544348ull);
}

/* Five bytes that do not begin a TLS record. */
TLS_WALK_FUNCTION void tls_walk_take_other_header(struct tls_walk *walk)
{
	__u64 header = walk->header;
	int started = walk->flags & TLS_WALK_STARTED;

	if (tls_walk_may_be_tds(header, TLS_WALK_RECORD_HEADER)) {
		tls_walk_begin_tds(walk);
	} else if (tls_walk_may_be_request(header, TLS_WALK_RECORD_HEADER)) {
		tls_walk_begin_request(walk);
	} else if (!started && tls_walk_may_be_ssl2(header, TLS_WALK_RECORD_HEADER)) {
		tls_walk_begin_ssl2(walk);
	} else if (!started && tls_walk_may_be_proxy(header, TLS_WALK_RECORD_HEADER)) {
		tls_walk_begin_proxy(walk);
	} else {
		tls_walk_reject_candidate(walk);
		if (!started && tls_walk_may_be_http(header, TLS_WALK_RECORD_HEADER))
			walk->phase = TLS_WALK_NOT_TLS;
	}
}

/* The first bytes of a candidate begin no TLS record: may the bytes begin another known format? */
TLS_WALK_APART void tls_walk_read_other_header(struct tls_walk *walk)
{
	__u64 header = walk->header;
	__u32 have = walk->header_have;

	if (have == TLS_WALK_RECORD_HEADER)
		tls_walk_take_other_header(walk);
	else if (tls_walk_may_be_tds(header, have) || tls_walk_may_be_request(header, have))
		return;
	else if (walk->flags & TLS_WALK_STARTED ||
	         !(tls_walk_may_be_ssl2(header, have) || tls_walk_may_be_proxy(header, have) ||
	           tls_walk_may_be_http(header, have)))
		tls_walk_reject_candidate(walk);
}

TLS_WALK_FUNCTION void tls_walk_read_record_header(struct tls_walk *walk, struct tls_walk_event *event)
{
	int whole = walk->header_have == TLS_WALK_RECORD_HEADER;

	if (walk->flags & TLS_WALK_CANDIDATE && walk->message_have == 0 &&
	    !tls_walk_may_be_hello(walk->header, walk->header_have))
		tls_walk_read_other_header(walk);
	else if (whole && tls_walk_answer_begins(walk) && tls_walk_may_be_tds(walk->header, walk->header_have))
		tls_walk_begin_tds(walk);
	else if (whole)
		tls_walk_begin_record(walk, event);
}

/* The line ends with LF. The bytes read after LF begin the header of the ClientHello's record. */
TLS_WALK_FUNCTION void tls_walk_read_proxy_line(struct tls_walk *walk, const __u8 *bytes, __u32 count,
                                                struct tls_walk_event *event)
{
	__u32 i;

	for (i = 0; i < TLS_WALK_RECORD_HEADER; i++) {
		if (i >= count)
			break;
		if (walk->phase == TLS_WALK_RECORD) {
			walk->header = walk->header << 8 | bytes[i];
			walk->header_have++;
		} else if (walk->record_left == 0) {
			tls_walk_reject_candidate(walk);
			return;
		} else if (bytes[i] == '\n') {
			walk->phase = TLS_WALK_RECORD;
		} else {
			walk->record_left--;
		}
	}
	if (walk->header_have)
		tls_walk_read_record_header(walk, event);
}

/* The rest of the signature (only the last bytes are compared), version and command, family, length. */
TLS_WALK_FUNCTION void tls_walk_read_proxy_head(struct tls_walk *walk)
{
	if (walk->header_have < TLS_WALK_PROXY_HEADER)
		return;
	if (walk->header >> 32 != 0x5549540a || (walk->header >> 28 & 0xf) != 2) {
		tls_walk_reject_candidate(walk);
		return;
	}
	walk->record_left = walk->header;
	if (walk->record_left)
		walk->phase = TLS_WALK_SKIP;
	else
		tls_walk_next_record(walk);
}

/*
 * RFC 5246 appendix E.2: cipher_spec_length, session_id_length, challenge_length; the three parts must fill the record.
 */
TLS_WALK_FUNCTION void tls_walk_read_ssl2_header(struct tls_walk *walk, struct tls_walk_event *event)
{
	__u32 specs = walk->header >> 32 & 0xffff;
	__u32 session_id = walk->header >> 16 & 0xffff;
	__u32 challenge = walk->header & 0xffff;

	if (walk->header_have < TLS_WALK_SSL2_HEADER)
		return;
	if (specs == 0 || specs % 3 || session_id > 32 || challenge < 16 || challenge > 32 ||
	    TLS_WALK_SSL2_HEADER + specs + session_id + challenge != walk->record_length) {
		tls_walk_reject_candidate(walk);
		return;
	}
	walk->flags &= ~TLS_WALK_CANDIDATE;
	walk->flags |= TLS_WALK_CLIENT;
	walk->message_type = TLS_CLIENT_HELLO;
	walk->record_type = TLS_HANDSHAKE;
	walk->record_left = walk->record_length - TLS_WALK_SSL2_HEADER;
	walk->phase = TLS_WALK_SKIP;
	event->kind = TLS_WALK_EVENT_MESSAGE;
	event->type = TLS_CLIENT_HELLO;
	event->ssl2 = 1;
	event->version = walk->record_version;
	event->length = walk->record_length + 3;
}

/*
 * Whether a handshake record after ChangeCipherSpec is in cleartext all the same: TLS 1.3 sends ChangeCipherSpec for
 * middleboxes (RFC 8446 appendix D.4), and after a HelloRetryRequest the second ClientHello and the ServerHello come
 * after ChangeCipherSpec. Each message fills the record; ciphertext looks so once in 2^31.
 */
TLS_WALK_FUNCTION int tls_walk_hello_after_retry(const struct tls_walk *walk)
{
	__u8 expected = walk->flags & TLS_WALK_CLIENT ? TLS_CLIENT_HELLO : TLS_SERVER_HELLO;

	return walk->message_header >> 24 == expected &&
	       (walk->message_header & 0xffffff) + TLS_WALK_MESSAGE_HEADER == walk->record_length;
}

TLS_WALK_FUNCTION int tls_walk_handshake_type_known(__u8 type)
{
	switch (type) {
	case TLS_HELLO_REQUEST:
	case TLS_CLIENT_HELLO:
	case TLS_SERVER_HELLO:
	case TLS_HELLO_VERIFY_REQUEST:
	case TLS_NEW_SESSION_TICKET:
	case TLS_CERTIFICATE:
	case TLS_SERVER_KEY_EXCHANGE:
	case TLS_CERTIFICATE_REQUEST:
	case TLS_SERVER_HELLO_DONE:
	case TLS_CERTIFICATE_VERIFY:
	case TLS_CLIENT_KEY_EXCHANGE:
	case TLS_FINISHED:
	case TLS_CERTIFICATE_URL:
	case TLS_CERTIFICATE_STATUS:
	case TLS_SUPPLEMENTAL_DATA:
		return 1;
	default:
		return 0;
	}
}

/* Whether a candidate's first message begins a handshake. */
TLS_WALK_FUNCTION int tls_walk_hello_found(const struct tls_walk *walk, __u8 type, __u32 length)
{
	if (length > TLS_WALK_CLIENT_HELLO_MAX)
		return 0;
	return type == TLS_CLIENT_HELLO || (type == TLS_SERVER_HELLO && walk->flags & TLS_WALK_EITHER);
}

/* A message header is complete. */
TLS_WALK_FUNCTION void tls_walk_begin_message(struct tls_walk *walk, struct tls_walk_event *event)
{
	__u8 type = walk->message_header >> 24;
	__u32 length = walk->message_header & 0xffffff;

	walk->message_have = 0;
	if (walk->flags & TLS_WALK_CIPHERED) {
		if (!tls_walk_hello_after_retry(walk)) {
			walk->message_header = 0;
			tls_walk_encrypted_record(walk, event);
			return;
		}
		walk->flags &= ~TLS_WALK_CIPHERED;
	}
	walk->message_header = 0;
	if (walk->flags & TLS_WALK_CANDIDATE) {
		if (!tls_walk_hello_found(walk, type, length)) {
			tls_walk_reject_candidate(walk);
			return;
		}
		walk->flags &= ~TLS_WALK_CANDIDATE;
		if (type == TLS_CLIENT_HELLO)
			walk->flags |= TLS_WALK_CLIENT;
	}
	if (!tls_walk_handshake_type_known(type)) {
		tls_walk_leave(walk, event);
		return;
	}
	walk->message_type = type;
	walk->message_length = length;
	walk->message_left = length;
	event->kind = TLS_WALK_EVENT_MESSAGE;
	event->type = type;
	event->version = walk->record_version;
	event->length = length;
	if (length)
		walk->phase = TLS_WALK_BODY;
}

TLS_WALK_FUNCTION void tls_walk_read_message_header(struct tls_walk *walk, const __u8 *bytes, __u32 count,
                                                    struct tls_walk_event *event)
{
	walk->message_header = tls_walk_append(walk->message_header, bytes, count);
	walk->message_have += count;
	walk->record_left -= count;
	if (walk->message_have >= TLS_WALK_MESSAGE_HEADER)
		tls_walk_begin_message(walk, event);
	if (walk->record_left == 0 && !tls_walk_ended(walk) && walk->phase != TLS_WALK_SEARCH)
		tls_walk_next_record(walk);
}

TLS_WALK_FUNCTION void tls_walk_read_alert(struct tls_walk *walk, const __u8 *bytes, __u32 count,
                                           struct tls_walk_event *event)
{
	__u8 level = bytes[0];
	__u8 description = bytes[1];

	walk->record_left -= count;
	/*
	 * plain assignments: the compiler makes a choice between two memory operands a choice between pointers:
	 * impossible in BPF
	 */
	if (walk->alert_have) {
		description = level;
		level = walk->alert_level;
	}
	/* RFC 8446 section 6: warning or fatal; other values are no alert in cleartext */
	if (level != TLS_ALERT_WARNING && level != TLS_ALERT_FATAL) {
		tls_walk_leave(walk, event);
		return;
	}
	if (walk->alert_have + count < TLS_WALK_ALERT_LENGTH) {
		walk->alert_have = 1;
		walk->alert_level = level;
	} else {
		event->kind = TLS_WALK_EVENT_ALERT;
		event->level = level;
		event->description = description;
		event->version = walk->record_version;
		walk->alert_have = 0;
	}
	if (walk->record_left == 0)
		tls_walk_next_record(walk);
}

/*
 * Read bytes of a TDS header. Returns whether the bytes are no TDS header: a record outside TDS packets begins; the
 * handshake is over, or the direction never was TDS.
 */
TLS_WALK_FUNCTION int tls_walk_read_tds(struct tls_walk *walk, const __u8 *bytes, __u32 count,
                                        struct tls_walk_event *event)
{
	__u32 i, length;

	if (walk->tds_have == 0 && bytes[0] != TLS_WALK_TDS_PRELOGIN) {
		tls_walk_leave_tds(walk);
		if (walk->phase == TLS_WALK_RECORD && walk->header_have == 0)
			return 1;
		tls_walk_leave(walk, event);
		return 0;
	}
	for (i = 0; i < TLS_WALK_READ_MAX; i++) {
		if (i >= count)
			break;
		if (walk->tds_have < 4)
			walk->tds_header = walk->tds_header << 8 | bytes[i];
		walk->tds_have++;
	}
	if (walk->tds_have < TLS_WALK_TDS_HEADER)
		return 0;
	walk->tds_have = 0;
	length = walk->tds_header & 0xffff;
	if (length > TLS_WALK_TDS_HEADER)
		walk->tds_left = length - TLS_WALK_TDS_HEADER;
	else
		tls_walk_leave(walk, event);
	return 0;
}

/*
 * Read count header bytes, 1 to tls_walk_wanted(); bytes is a buffer of TLS_WALK_READ_MAX; the first count bytes are
 * read. Returns the completed item, or kind TLS_WALK_EVENT_NONE if nothing is complete.
 */
TLS_WALK_FUNCTION struct tls_walk_event tls_walk_read(struct tls_walk *walk, const __u8 *bytes, __u32 count)
{
	struct tls_walk_event event = {};

	/* in every case, or many short segments could search for ever */
	if (walk->flags & TLS_WALK_CANDIDATE)
		walk->searched += count;
	if (tls_walk_at_tds_header(walk)) {
		if (!tls_walk_read_tds(walk, bytes, count, &event))
			return event;
	} else if (walk->flags & TLS_WALK_TDS) {
		walk->tds_left -= count;
	}
	switch (walk->phase) {
	case TLS_WALK_MESSAGE:
		tls_walk_read_message_header(walk, bytes, count, &event);
		break;
	case TLS_WALK_ALERT:
		tls_walk_read_alert(walk, bytes, count, &event);
		break;
	case TLS_WALK_PROXY_LINE:
		tls_walk_read_proxy_line(walk, bytes, count, &event);
		break;
	default:
		walk->header = tls_walk_append(walk->header, bytes, count);
		walk->header_have += count;
		if (walk->phase == TLS_WALK_RECORD)
			tls_walk_read_record_header(walk, &event);
		else if (walk->phase == TLS_WALK_SSL2_HELLO)
			tls_walk_read_ssl2_header(walk, &event);
		else
			tls_walk_read_proxy_head(walk);
	}
	if (!(walk->flags & TLS_WALK_CANDIDATE))
		walk->flags |= TLS_WALK_STARTED;
	return event;
}

#endif /* TLS_WALK_H */
