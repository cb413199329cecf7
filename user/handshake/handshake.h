/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * handshake - the record of a TLS handshake: the observed facts and the verdict. connection fills the record, verdict
 * judges, the reports print.
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
	HANDSHAKE_RECORDS_MAX = 32, /* encrypted records examined per side */
	LIBRARY_MESSAGES_MAX = 24,  /* library messages kept for the ladder; further messages are left out */
};

enum handshake_side {
	FROM_CLIENT = 0, /* the side that sent ClientHello */
	FROM_SERVER = 1,
	SIDES = 2,
};

/* The end of the connection on this host. */
enum handshake_role {
	ROLE_SERVER,   /* the local socket received the ClientHello */
	ROLE_CLIENT,   /* sent by the local socket */
	ROLE_OBSERVER, /* neither: seen on a device or read from a file */
};

enum handshake_step_kind {
	STEP_MESSAGE, /* a handshake message in cleartext: type is a HandshakeType */
	STEP_RECORD,  /* ChangeCipherSpec or an encrypted record: type is a ContentType */
	STEP_ALERT,   /* an alert in cleartext: level and description */
	STEP_LIBRARY, /* a message encrypted on the wire, read at a TLS library */
};

/* A line of the ladder. */
struct handshake_step {
	uint64_t time_ns; /* on the clock of the record's start_ns */
	uint32_t length;  /* bytes after the message's header */
	uint16_t version; /* of the record with this message */
	uint8_t kind;     /* enum handshake_step_kind */
	uint8_t from;     /* enum handshake_side */
	uint8_t type;
	uint8_t level;
	uint8_t description;
};

/* How a handshake ended, as far as the wire shows. */
enum handshake_end {
	END_NONE,      /* no end seen: the tracer stopped, or the capture ended */
	END_COMPLETED, /* both sides finished; if Finished is encrypted: inferred */
	END_ALERT,     /* a fatal alert or close_notify by ended_by */
	END_FIN,       /* ended_by closed the connection */
	END_RST,       /* ended_by sent a reset */
	END_TIMEOUT,   /* no event for the handshake timeout: the handshake may go on */
	END_NOT_TLS,   /* ended_by sent bytes other than TLS */
};

/* The encrypted records of a side, in order. */
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
	bool prompt; /* the last message of the call: time_ns is the message's own time, not the time of a buffer of several messages */
};

/* Facts that TLS libraries saw. transcript.h says when the absence of a fact proves anything. */
struct library_view {
	bool seen;         /* at least a ClientHello, by any library */
	bool damaged;      /* later messages say nothing */
	bool contradicted; /* another view of the same end, by the same process, contradicts this view */
	uint16_t version;  /* negotiated ProtocolVersion; 0 before ServerHello */
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
	bool by_server;      /* the server's library. False: the client's, or the side is unknown */
	bool renegotiation;  /* a later handshake of a connection: ClientHello was encrypted */
	bool post_handshake; /* TLS 1.3: a request after the handshake (RFC 8446 section 4.6.2) */
	bool decrypted;      /* no library's view: records of a capture file, decrypted with keys */
};

/* The facts for a verdict. */
struct handshake_facts {
	/* the hellos */
	bool client_hello;
	bool client_hello_unread; /* the body was not read whole: the offered keys are unknown */
	bool server_hello;        /* no HelloRetryRequest */
	bool server_hello_unread; /* ServerHello began, and the body is incomplete: the version is unknown */
	bool version_1_3;         /* negotiated TLS 1.3 or later: everything after ServerHello is encrypted */
	bool pre_shared_key;      /* TLS 1.3: ServerHello accepted a key */
	bool external_key;        /* the accepted key belongs to no session: ticket age 0 (RFC 8446 section 4.2.11) */
	bool session_accepted;    /* up to TLS 1.2: ServerHello may resume the session offered by ClientHello */
	uint16_t cipher_suite;    /* of ServerHello */
	bool early_data;          /* offered: records of data may precede the client's flight */
	bool more_messages;       /* TLS 1.3: the client's flight may have messages unknown to RFC 8446 */
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

	/* encrypted records: in TLS 1.3 the records after ServerHello, in a renegotiation all */
	bool records_before_hello; /* encrypted records of the client preceded ServerHello */
	struct handshake_records client_records;
	struct handshake_records server_records;

	/* the kind of handshake or connection */
	bool renegotiation; /* inside an established connection up to TLS 1.2: all messages are encrypted */
	bool plaintext;     /* no ClientHello: the client's first bytes to a TLS service are not TLS */
	bool ssl2_hello;    /* ClientHello came in the framing of SSL 2.0 */
	bool ssl2;          /* SSL 2.0, not only an SSL 2.0 ClientHello */

	/* gaps in the observation */
	bool lost_events; /* an event of this connection was lost, or a bound was hit */
	bool gap;         /* missing bytes will not come */
	bool midstream;   /* the connection's start was not seen */
	bool malformed;   /* a side left the protocol in the middle of the handshake */

	/* the end */
	uint8_t end;                 /* enum handshake_end */
	uint8_t ended_by;            /* enum handshake_side, for ALERT, FIN, RST, NOT_TLS */
	uint32_t end_ms;             /* since the handshake began */
	bool client_closed_first;    /* the client's FIN came before any other end */
	uint8_t client_closed_after; /* encrypted records of the server before the FIN */

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
	REASON_LOST_EVENTS, /* the tracer lost events or hit a bound of the tracer */
	REASON_PADDING,     /* encrypted records of no known length pattern */
	REASON_EARLY_DATA,  /* encrypted records that may be early data as well as the client's flight */
	REASON_MALFORMED,   /* the protocol does not allow the messages seen */
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
	ANSWER_NONE, /* no certificate: not requested, or not answered */
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
	uint8_t conflict;    /* not 0: two kinds of evidence contradict each other */
	/* EVIDENCE_INFERRED: not 0: the server's own records agree. Else the verdict rests on the client's word. */
	uint8_t server_agrees;
};

enum process_bounds {
	PROCESS_NAME_MAX = 16, /* the kernel's TASK_COMM_LEN */
	CONTAINER_ID_MAX = 65, /* 64 hexadecimal digits, or a name */
	LIBRARY_NAME_TEXT_MAX = 64,
	EVENT_ID_MAX = 33, /* 32 hexadecimal digits */
};

/* A process of this host. The process chooses the name. */
struct process {
	uint32_t id; /* tgid in the initial pid namespace; 0: not known */
	char name[PROCESS_NAME_MAX];
};

/* The policy's expectation of the service. */
enum policy_expectation {
	POLICY_NOTHING,
	POLICY_REQUIRED, /* no client is let in without a certificate */
	POLICY_OPTIONAL, /* the server asks, and accepts a client without a certificate */
	POLICY_NEVER,    /* the server does not ask */
	POLICY_TRUSTED,  /* the server accepts only clients with a verified certificate */
	POLICY_EXPECTATIONS,
};

/* How an expectation was broken. */
enum policy_breach {
	POLICY_BREACH_NONE,          /* the expectation holds */
	POLICY_BREACH_NOT_REQUESTED, /* the server did not ask */
	POLICY_BREACH_MISSING,       /* a client without a certificate was let in */
	POLICY_BREACH_UNTRUSTED,     /* the server accepted a client with an untrusted certificate */
	POLICY_BREACH_REQUESTED,     /* the server asked, and must not */
	POLICY_BREACH_REFUSED,       /* a client without a certificate was not let in, and must be */
	POLICY_BREACHES,
};

enum policy_result {
	POLICY_UNJUDGED, /* the observed facts do not decide */
	POLICY_KEPT,
	POLICY_BROKEN,
	POLICY_RESULTS,
};

struct policy_judgement {
	uint8_t expectation; /* enum policy_expectation; POLICY_NOTHING: the rest says nothing */
	uint8_t result;      /* enum policy_result */
	uint32_t line;       /* line of the expectation in the policy's text, from 1 */
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

	struct process process; /* makes the handshake; reported by the process's TLS library */
	struct process owner;   /* opened the local socket, or the listening socket */
	struct writer writer;   /* writes to the local socket; reported by the kernel */
	char container[CONTAINER_ID_MAX];
	char library[LIBRARY_NAME_TEXT_MAX]; /* of process: "OpenSSL 3.0.19" */

	uint64_t start_ns;          /* first message, CLOCK_MONOTONIC or a capture's clock */
	uint64_t end_ns;            /* the cause of the end */
	uint64_t start_realtime_ns; /* start_ns since the epoch */
	uint64_t request_ns;        /* CertificateRequest, 0 if absent */
	uint64_t answer_ns;         /* the client's Certificate, 0 if absent */

	struct handshake_facts facts;
	struct verdict verdict;
	struct policy_judgement policy;
	struct failure failure;                  /* reason FAILURE_NONE: no failure, or the cause is unknown */
	struct verification verification[SIDES]; /* of this side's certificate, by the peer's library */
	const struct attribution *attribution;   /* of the local end; NULL: not known. Lives as long as the call */
	const struct hints *hints;               /* NULL: no hints. Valid during the call */
	char id[EVENT_ID_MAX];                   /* event.id; "" before the record is reported */
	bool provisional;                        /* reported before the end: a later record may correct this one */
	char corrects[EVENT_ID_MAX];             /* the id of the replaced record; "": no replacement */
	bool has_nat;        /* the socket's server end differs from the address dialled by the client */
	struct endpoint nat; /* destination.nat: the answering end */

	uint16_t version;                       /* negotiated ProtocolVersion; 0 before ServerHello */
	struct client_hello client_hello;       /* where facts.client_hello */
	struct server_hello server_hello;       /* where facts.server_hello */
	struct certificate_request *request;    /* NULL if not read; ends after the authorities kept */
	struct certificate *certificate;        /* the client's; NULL if not read */
	struct certificate *server_certificate; /* NULL if not read */

	bool has_alert; /* the alert at the end of the handshake, otherwise the last alert */
	struct handshake_step alert;

	uint16_t steps;         /* kept, at most HANDSHAKE_STEPS_MAX */
	uint16_t steps_dropped; /* not kept */
	struct handshake_step step[HANDSHAKE_STEPS_MAX];
};

#endif /* HANDSHAKE_HANDSHAKE_H */
