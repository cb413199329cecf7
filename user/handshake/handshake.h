/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * handshake - the record of one TLS handshake: what was seen of it and what that means. connection makes it, verdict
 * judges it, the reports print it.
 */
#ifndef HANDSHAKE_HANDSHAKE_H
#define HANDSHAKE_HANDSHAKE_H

#include "handshake/attribution.h"
#include "handshake/failure.h"
#include "handshake/hints.h"
#include "tls/message.h"

#include <stdbool.h>
#include <stdint.h>

enum handshake_bounds {
	HANDSHAKE_STEPS_MAX = 64,   /* steps kept for the ladder; more are counted */
	HANDSHAKE_RECORDS_MAX = 32, /* encrypted records of one side that are looked at */
	LIBRARY_MESSAGES_MAX = 24,  /* messages kept of what a library saw; more are left out of the ladder */
};

enum handshake_side {
	FROM_CLIENT = 0, /* the side that sent ClientHello */
	FROM_SERVER = 1,
	SIDES = 2,
};

/* Which end this host is. */
enum handshake_role {
	ROLE_SERVER,   /* the local socket received the ClientHello */
	ROLE_CLIENT,   /* the local socket sent it */
	ROLE_OBSERVER, /* neither: seen on a device or read from a file */
};

enum handshake_step_kind {
	STEP_MESSAGE, /* a handshake message in cleartext: type is a HandshakeType */
	STEP_RECORD,  /* ChangeCipherSpec or an encrypted record: type is a ContentType */
	STEP_ALERT,   /* an alert in cleartext: level and description */
	STEP_LIBRARY, /* a message that is encrypted on the wire, as a TLS library had it */
};

/* One line of the ladder. */
struct handshake_step {
	uint64_t time_ns; /* on the clock of the record's start_ns */
	uint32_t length;  /* bytes behind the header that names it */
	uint16_t version; /* of the record that carried it */
	uint8_t kind;     /* enum handshake_step_kind */
	uint8_t from;     /* enum handshake_side */
	uint8_t type;
	uint8_t level;
	uint8_t description;
};

/* How a handshake ended, as far as the wire shows. */
enum handshake_end {
	END_NONE,      /* it did not: the tracer stopped, or the capture ended */
	END_COMPLETED, /* both sides finished; where that is encrypted: as far as can be told */
	END_ALERT,     /* a fatal alert or close_notify by ended_by */
	END_FIN,       /* ended_by closed the connection */
	END_RST,       /* ended_by reset it */
	END_TIMEOUT,   /* no event for the handshake timeout: the handshake may go on */
	END_NOT_TLS,   /* ended_by sent bytes that are not TLS */
};

/* The encrypted records of one side, in order. */
struct handshake_records {
	uint8_t count;                           /* at most HANDSHAKE_RECORDS_MAX; later records are dropped */
	uint8_t after[HANDSHAKE_RECORDS_MAX];    /* records of the other side seen before each record */
	uint16_t length[HANDSHAKE_RECORDS_MAX];  /* in the record header: content, type byte and tag */
	uint8_t type[HANDSHAKE_RECORDS_MAX];     /* ContentType, of a renegotiation only */
	uint32_t time_ms[HANDSHAKE_RECORDS_MAX]; /* since the handshake began */
};

/* A plaintext message at a TLS library. */
struct library_message {
	uint64_t time_ns;
	uint32_t length;
	uint8_t type; /* HandshakeType */
	uint8_t from; /* enum handshake_side */
	bool prompt;  /* the last message of its call: time_ns is the message's own, not that of a buffer of several */
};

/* Facts that TLS libraries saw. transcript.h says when the absence of a fact proves anything. */
struct library_view {
	bool seen;         /* at least a ClientHello, by any library */
	bool damaged;      /* later messages say nothing */
	bool contradicted; /* another view of the same end, by the same process, says what cannot be true beside this one */
	uint16_t version; /* negotiated ProtocolVersion; 0 before ServerHello */
	bool version_1_3;
	bool server_hello;
	bool pre_shared_key; /* TLS 1.3: ServerHello accepted a key */
	bool external_key;   /* the accepted key belongs to no session */
	bool certificate_request;
	bool server_certificate;
	bool server_hello_done;        /* up to TLS 1.2 */
	bool client_certificate;       /* the client's Certificate, empty or not */
	bool client_certificate_empty; /* the Certificate carries no certificate */
	bool server_finished;
	bool client_finished;
	bool by_server;      /* the server's library. False: the client's, or unknown whose */
	bool renegotiation;  /* a later handshake of a connection: ClientHello was encrypted */
	bool post_handshake; /* TLS 1.3: a request after the handshake (RFC 8446 section 4.6.2) */
	bool decrypted;      /* no library's view: records of a capture file, decrypted with keys */
};

/* The facts that a verdict depends on. */
struct handshake_facts {
	/* the hellos */
	bool client_hello;
	bool client_hello_unread; /* the body was not read whole: the offered keys are unknown */
	bool server_hello;        /* no HelloRetryRequest */
	bool server_hello_unread; /* ServerHello began, and its body is not whole: the version is unknown */
	bool version_1_3;         /* negotiated TLS 1.3 or later: everything after ServerHello is encrypted */
	bool pre_shared_key;      /* TLS 1.3: ServerHello accepted a key */
	bool external_key;        /* the accepted key belongs to no session: ticket age 0 (RFC 8446 section 4.2.11) */
	bool session_accepted;    /* up to TLS 1.2: ServerHello may resume the session that ClientHello offered */
	uint16_t cipher_suite;    /* of ServerHello */
	bool early_data;          /* offered: records of data may precede the client's flight */
	bool more_messages;       /* TLS 1.3: the client's flight may have messages that RFC 8446 does not know */
	bool channel_id;          /* a Channel ID is among these messages */

	/* cleartext messages, up to TLS 1.2 */
	bool certificate_request; /* 13, from the server */
	bool server_certificate;
	bool server_hello_done; /* 14: the server's flight is whole, and not abbreviated */
	bool server_key_exchange;
	bool client_key_exchange;      /* 16: the client's answer to a request precedes this message */
	bool client_certificate;       /* 11, from the client */
	bool client_certificate_empty; /* the Certificate carries no certificate */
	bool no_certificate_alert;     /* SSL 3.0: 41, from the client */
	bool change_cipher_spec[SIDES];
	bool finished[SIDES]; /* an encrypted handshake record */

	/* encrypted records: of TLS 1.3 those after ServerHello, of a renegotiation all */
	bool records_before_hello; /* encrypted records of the client preceded ServerHello */
	struct handshake_records client_records;
	struct handshake_records server_records;

	/* what kind of handshake or connection this is */
	bool renegotiation; /* inside an established connection up to TLS 1.2: all messages are encrypted */
	bool plaintext;     /* no ClientHello: the client's first bytes to a TLS service are something else */
	bool ssl2_hello;    /* ClientHello came in the framing of SSL 2.0 */
	bool ssl2;          /* SSL 2.0 itself, not only its ClientHello */

	/* what was not seen */
	bool lost_events; /* an event of this connection was lost, or a bound was hit */
	bool gap;         /* missing bytes will not come */
	bool midstream;   /* the connection's start was not seen */
	bool malformed;   /* a side left the protocol in the middle of the handshake */

	/* the end */
	uint8_t end;                 /* enum handshake_end */
	uint8_t ended_by;            /* enum handshake_side, for ALERT, FIN, RST, NOT_TLS */
	uint32_t end_ms;             /* since the handshake began */
	bool client_closed_first;    /* the client's FIN came before any other end */
	uint8_t client_closed_after; /* encrypted records of the server seen before that FIN */

	struct library_view library;
};

enum client_auth {
	CLIENT_AUTH_NOT_REQUESTED,
	CLIENT_AUTH_PRESENTED,
	CLIENT_AUTH_DECLINED,
	CLIENT_AUTH_REJECTED_CERTIFICATE,
	CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE,
	CLIENT_AUTH_UNANSWERED,
	CLIENT_AUTH_RESUMED,
	CLIENT_AUTH_FAILED_BEFORE_REQUEST,
	CLIENT_AUTH_UNKNOWN,
	CLIENT_AUTH_PSK,     /* an external key (RFC 8446 section 2.2): no certificate can be asked for */
	CLIENT_AUTH_NOT_TLS, /* no ClientHello came, to a service of TLS */
	CLIENT_AUTHS,
};

enum evidence {
	EVIDENCE_CLEARTEXT, /* message types read on the wire */
	EVIDENCE_INFERRED,  /* lengths of encrypted records */
	EVIDENCE_LIBRARY,   /* message types read at the TLS library */
	EVIDENCE_DECRYPTED, /* a capture file, with keys */
	EVIDENCES,
};

/* Why a verdict is unknown. */
enum unknown_reason {
	REASON_NONE,
	REASON_ENCRYPTED,   /* the request, if any, is encrypted */
	REASON_GAP,         /* bytes are missing */
	REASON_MIDSTREAM,   /* the connection's start was not seen */
	REASON_LOST_EVENTS, /* the tracer lost events or hit a bound of its own */
	REASON_PADDING,     /* encrypted records of no known length pattern */
	REASON_EARLY_DATA,  /* encrypted records that may be early data as well as the client's flight */
	REASON_MALFORMED,   /* not what the protocol allows */
	REASON_SSL2,        /* SSL 2.0 */
	REASON_UNFINISHED,  /* the tracer stopped, or the capture ended, before the handshake did */
	REASON_ABANDONED,   /* the client answered and then ended the handshake itself, or nobody went on */
	REASONS,
};

/* true, false, or not known */
enum known {
	KNOWN_NO,
	KNOWN_YES,
	NOT_KNOWN,
};

enum answer {
	ANSWER_NOT_KNOWN,
	ANSWER_NONE, /* there was none: not asked, or not answered */
	ANSWER_CERTIFICATE,
	ANSWER_EMPTY,
};

struct verdict {
	uint8_t client_auth; /* enum client_auth */
	uint8_t evidence;    /* enum evidence */
	uint8_t reason;      /* enum unknown_reason, REASON_NONE unless unknown */
	uint8_t requested;   /* enum known */
	uint8_t answer;      /* enum answer */
	uint8_t established; /* enum known */
	uint8_t resumed;     /* enum known */
	uint8_t conflict;    /* not 0: two kinds of evidence say what cannot both be */
	/* EVIDENCE_INFERRED: not 0: the server's own records agree. Else the verdict is the client's own word. */
	uint8_t server_agrees;
};

enum process_bounds {
	PROCESS_NAME_MAX = 16, /* the kernel's TASK_COMM_LEN */
	CONTAINER_ID_MAX = 65, /* 64 hexadecimal digits, or a name */
	LIBRARY_NAME_TEXT_MAX = 64,
	EVENT_ID_MAX = 33, /* 32 hexadecimal digits */
};

/* A process of this host. The name is whatever it gives itself. */
struct process {
	uint32_t id; /* tgid in the initial pid namespace; 0: not known */
	char name[PROCESS_NAME_MAX];
};

/* What was expected of the service (policy). */
enum policy_expectation {
	POLICY_NOTHING,
	POLICY_REQUIRED, /* no client is let in without a certificate */
	POLICY_OPTIONAL, /* the server asks, and lets a client in that has none */
	POLICY_NEVER,    /* the server does not ask */
	POLICY_TRUSTED,  /* no client is let in without a certificate that the server has verified */
	POLICY_EXPECTATIONS,
};

/* How an expectation was broken. */
enum policy_breach {
	POLICY_BREACH_NONE,          /* it was not broken */
	POLICY_BREACH_NOT_REQUESTED, /* the server did not ask */
	POLICY_BREACH_MISSING,       /* a client without a certificate was let in */
	POLICY_BREACH_UNTRUSTED,     /* a client was let in with a certificate that is not trusted */
	POLICY_BREACH_REQUESTED,     /* the server asked, and must not */
	POLICY_BREACH_REFUSED,       /* a client without a certificate was not let in, and must be */
	POLICY_BREACHES,
};

enum policy_result {
	POLICY_UNJUDGED, /* what was seen does not tell */
	POLICY_KEPT,
	POLICY_BROKEN,
	POLICY_RESULTS,
};

struct policy_judgement {
	uint8_t expectation; /* enum policy_expectation; POLICY_NOTHING: the rest says nothing */
	uint8_t result;      /* enum policy_result */
	uint32_t line;       /* of the policy's text that said so, from 1 */
	uint8_t breach;      /* enum policy_breach */
};

struct endpoint {
	uint8_t address[16]; /* network byte order; an IPv4 address in the first four */
	uint16_t port;       /* host byte order */
};

struct handshake {
	uint64_t connection;
	struct endpoint client;
	struct endpoint server;
	uint8_t family;    /* 4 or 6 */
	uint8_t transport; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t role;      /* enum handshake_role */
	uint64_t cgroup;   /* of the local socket, 0 where unknown */

	struct process process; /* that makes the handshake: its TLS library tells */
	struct process owner;   /* that opened the local socket, or the one that listens */
	struct writer writer;   /* that writes to the local socket: the kernel tells */
	char container[CONTAINER_ID_MAX];
	char library[LIBRARY_NAME_TEXT_MAX]; /* of process: "OpenSSL 3.0.19" */

	uint64_t start_ns;          /* first message, CLOCK_MONOTONIC or a capture's clock */
	uint64_t end_ns;            /* what ended it */
	uint64_t start_realtime_ns; /* start_ns since the epoch */
	uint64_t request_ns;        /* CertificateRequest, 0 where none */
	uint64_t answer_ns;         /* the client's Certificate, 0 where none */

	struct handshake_facts facts;
	struct verdict verdict;
	struct policy_judgement policy;
	struct failure failure;                  /* reason FAILURE_NONE: it did not fail, or nobody knows why */
	struct verification verification[SIDES]; /* of the certificate that this side showed, by its peer's library */
	const struct attribution *attribution;   /* of the local end; NULL: not known. Lives as long as the call */
	const struct hints *hints;               /* NULL: none were made. Lives as long as the call */
	char id[EVENT_ID_MAX];                   /* event.id; "" before the record is reported */
	bool provisional;                        /* reported before the end: a later record may correct this one */
	char corrects[EVENT_ID_MAX];             /* the id of the record that this one replaces; "": none */
	bool has_nat;                            /* the socket's server end differs from what the client dialled */
	struct endpoint nat;                     /* destination.nat: the end that answers */

	uint16_t version;                       /* negotiated ProtocolVersion; 0 before ServerHello */
	struct client_hello client_hello;       /* where facts.client_hello */
	struct server_hello server_hello;       /* where facts.server_hello */
	struct certificate_request *request;    /* NULL where none was read; ends behind the authorities kept */
	struct certificate *certificate;        /* the client's; NULL where none was read */
	struct certificate *server_certificate; /* NULL where none was read */

	bool has_alert; /* the alert that ended it, or else the last one */
	struct handshake_step alert;

	uint16_t steps;         /* kept, at most HANDSHAKE_STEPS_MAX */
	uint16_t steps_dropped; /* not kept */
	struct handshake_step step[HANDSHAKE_STEPS_MAX];
};

#endif /* HANDSHAKE_HANDSHAKE_H */
