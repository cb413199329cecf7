// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/verdict.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "verdict_invariants.h"

/*
 * The flights of RFC 5246 section 7.3, figure 1 (full handshake) and figure 2 (abbreviated handshake). NewSessionTicket (RFC
 * 5077 section 3.3), HelloRequest and CertificateStatus leave no fact behind.
 */
#define HELLOS            .client_hello = true, .server_hello = true
#define FULL_FLIGHT       HELLOS, .server_certificate = true, .server_key_exchange = true, .server_hello_done = true
#define REQUESTING_FLIGHT FULL_FLIGHT, .certificate_request = true
#define CERTIFICATE       .client_certificate = true
#define EMPTY_CERTIFICATE .client_certificate = true, .client_certificate_empty = true
#define NO_CERTIFICATE    .no_certificate_alert = true
#define KEY_EXCHANGE      .client_key_exchange = true
#define CLIENT_FINISHED   .change_cipher_spec = {[FROM_CLIENT] = true}, .finished = {[FROM_CLIENT] = true}
#define SERVER_FINISHED   .change_cipher_spec = {[FROM_SERVER] = true}, .finished = {[FROM_SERVER] = true}
#define BOTH_FINISHED     .change_cipher_spec = {true, true}, .finished = {true, true}
#define COMPLETED         BOTH_FINISHED, .end = END_COMPLETED
#define ENDED(how, by)    .end = (how), .ended_by = (by)
#define TIMED_OUT         .end = END_TIMEOUT
#define ABBREVIATED       HELLOS, .session_accepted = true

/*
 * TLS 1.3 with TLS_AES_128_GCM_SHA256: Finished alone has 53 bytes, an empty Certificate 25, an alert 19. The server's
 * flight is five records where it requests; what it says behind the client's flight follows.
 */
#define TLS_1_3                   HELLOS, .version_1_3 = true, .cipher_suite = 0x1301
#define CLIENT_SENDS(number, ...) .client_records = {.count = (number), .after = {5, 5, 5, 5}, .length = {__VA_ARGS__}}
#define SERVER_SENT               .server_records = {.count = 5, .length = {27, 62, 811, 281, 53}}
#define SERVER_REPLIES(record)                                                                                         \
	.server_records = {.count = 6, .after = {[5] = 1}, .length = {27, 62, 811, 281, 53, (record)}}

/* The same of a server that does not ask: four records. */
#define FINISHED_ALONE     .client_records = {.count = 1, .after = {4}, .length = {53}}
#define SILENT_SERVER_SENT .server_records = {.count = 4, .length = {27, 811, 281, 53}}
#define SILENT_SERVER_REPLIES(record)                                                                                  \
	.server_records = {.count = 5, .after = {[4] = 1}, .length = {27, 811, 281, 53, (record)}}

struct verdict_case {
	const char *name;
	struct handshake_facts facts;
	struct verdict expected;
};

#define VERDICT(word, asked, answered, completed, abbreviated)                                                         \
	{                                                                                                              \
		.client_auth = CLIENT_AUTH_##word, .requested = (asked), .answer = ANSWER_##answered,                  \
		.established = (completed), .resumed = (abbreviated)                                                   \
	}
#define UNKNOWN(why, asked, answered, completed, abbreviated)                                                          \
	{                                                                                                              \
		.client_auth = CLIENT_AUTH_UNKNOWN, .reason = REASON_##why, .requested = (asked),                      \
		.answer = ANSWER_##answered, .established = (completed), .resumed = (abbreviated)                      \
	}

#define INFERRED(word, asked, answered, completed)                                                                     \
	{                                                                                                              \
		.client_auth = CLIENT_AUTH_##word, .evidence = EVIDENCE_INFERRED, .requested = (asked),                \
		.answer = ANSWER_##answered, .established = (completed), .resumed = KNOWN_NO                           \
	}
#define NOT_INFERRED(why, asked, answered, completed)                                                                  \
	{                                                                                                              \
		.client_auth = CLIENT_AUTH_UNKNOWN, .reason = REASON_##why, .evidence = EVIDENCE_INFERRED,             \
		.requested = (asked), .answer = ANSWER_##answered, .established = (completed), .resumed = KNOWN_NO     \
	}

/* The columns: requested, answer, established, resumed. */
static const struct verdict_case cases[] = {
	/* not_requested: full handshake, the server sent no CertificateRequest */
	{"full handshake",
         {FULL_FLIGHT, KEY_EXCHANGE, COMPLETED},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_YES, KNOWN_NO)},
	{"static RSA: no ServerKeyExchange",
         {HELLOS, .server_certificate = true, .server_hello_done = true, KEY_EXCHANGE, COMPLETED},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_YES, KNOWN_NO)},
	{"anonymous Diffie-Hellman: no server certificate",
         {HELLOS, .server_key_exchange = true, .server_hello_done = true, KEY_EXCHANGE, COMPLETED},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_YES, KNOWN_NO)},
	{"pre-shared key (RFC 4279): ServerHello and ServerHelloDone alone",
         {HELLOS, .server_hello_done = true, KEY_EXCHANGE, COMPLETED},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_YES, KNOWN_NO)},
	{"a session was offered and not taken up",
         {FULL_FLIGHT, .session_accepted = true, KEY_EXCHANGE, COMPLETED},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_YES, KNOWN_NO)},
	{"the client refuses the server's certificate",
         {FULL_FLIGHT, ENDED(END_ALERT, FROM_CLIENT)},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_NO, KNOWN_NO)},
	{"the client goes away behind ServerHelloDone",
         {FULL_FLIGHT, ENDED(END_RST, FROM_CLIENT)},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_NO, KNOWN_NO)},
	{"the client falls silent behind ServerHelloDone",
         {FULL_FLIGHT, TIMED_OUT},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, NOT_KNOWN, KNOWN_NO)},
	{"the tracer stops behind ServerHelloDone",
         {FULL_FLIGHT},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, NOT_KNOWN, KNOWN_NO)},
	{"the server dislikes the client's Finished",
         {FULL_FLIGHT, KEY_EXCHANGE, CLIENT_FINISHED, ENDED(END_ALERT, FROM_SERVER)},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_NO, KNOWN_NO)},
	{"ServerHello was not read, and the flight is whole",
         {.client_hello = true,
          .server_hello_unread = true,
          .server_certificate = true,
          .server_hello_done = true,
          KEY_EXCHANGE,
          COMPLETED},
         VERDICT(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_YES, KNOWN_NO)},

	/* presented: requested, answered with a certificate, completed */
	{"mutual authentication",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, COMPLETED},
         VERDICT(PRESENTED, KNOWN_YES, CERTIFICATE, KNOWN_YES, KNOWN_NO)},
	{"the server closed its side before the client's Finished came",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, BOTH_FINISHED, .end = END_COMPLETED, .ended_by = FROM_CLIENT},
         VERDICT(PRESENTED, KNOWN_YES, CERTIFICATE, KNOWN_YES, KNOWN_NO)},

	/* declined: requested, answered with none, completed all the same */
	{"an empty Certificate (RFC 5246 section 7.4.6)",
         {REQUESTING_FLIGHT, EMPTY_CERTIFICATE, KEY_EXCHANGE, COMPLETED},
         VERDICT(DECLINED, KNOWN_YES, EMPTY, KNOWN_YES, KNOWN_NO)},
	{"SSL 3.0: no_certificate (RFC 6101 section 5.6.6)",
         {REQUESTING_FLIGHT, NO_CERTIFICATE, KEY_EXCHANGE, COMPLETED},
         VERDICT(DECLINED, KNOWN_YES, EMPTY, KNOWN_YES, KNOWN_NO)},

	/* rejected_certificate: presented, and the server ended it */
	{"the server's alert",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, ENDED(END_ALERT, FROM_SERVER)},
         VERDICT(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO, KNOWN_NO)},
	{"the server's alert before the key exchange",
         {REQUESTING_FLIGHT, CERTIFICATE, ENDED(END_ALERT, FROM_SERVER)},
         VERDICT(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO, KNOWN_NO)},
	{"the server's alert behind the client's Finished",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, CLIENT_FINISHED, ENDED(END_ALERT, FROM_SERVER)},
         VERDICT(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO, KNOWN_NO)},
	{"the server closes without a word",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, CLIENT_FINISHED, ENDED(END_FIN, FROM_SERVER)},
         VERDICT(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO, KNOWN_NO)},
	{"the server resets",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, CLIENT_FINISHED, ENDED(END_RST, FROM_SERVER)},
         VERDICT(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO, KNOWN_NO)},

	/* rejected_without_certificate */
	{"the server's alert behind an empty Certificate",
         {REQUESTING_FLIGHT, EMPTY_CERTIFICATE, KEY_EXCHANGE, CLIENT_FINISHED, ENDED(END_ALERT, FROM_SERVER)},
         VERDICT(REJECTED_WITHOUT_CERTIFICATE, KNOWN_YES, EMPTY, KNOWN_NO, KNOWN_NO)},
	{"the server's alert behind no_certificate",
         {REQUESTING_FLIGHT, NO_CERTIFICATE, ENDED(END_ALERT, FROM_SERVER)},
         VERDICT(REJECTED_WITHOUT_CERTIFICATE, KNOWN_YES, EMPTY, KNOWN_NO, KNOWN_NO)},
	{"the server closes behind an empty Certificate",
         {REQUESTING_FLIGHT, EMPTY_CERTIFICATE, KEY_EXCHANGE, ENDED(END_FIN, FROM_SERVER)},
         VERDICT(REJECTED_WITHOUT_CERTIFICATE, KNOWN_YES, EMPTY, KNOWN_NO, KNOWN_NO)},
	{"the server resets behind an empty Certificate",
         {REQUESTING_FLIGHT, EMPTY_CERTIFICATE, KEY_EXCHANGE, ENDED(END_RST, FROM_SERVER)},
         VERDICT(REJECTED_WITHOUT_CERTIFICATE, KNOWN_YES, EMPTY, KNOWN_NO, KNOWN_NO)},

	/* unanswered: requested, and it ended before the client answered */
	{"the client falls silent",
         {REQUESTING_FLIGHT, TIMED_OUT},
         UNKNOWN(UNFINISHED, KNOWN_YES, NOT_KNOWN, NOT_KNOWN, KNOWN_NO)},
	{"the client refuses the server's certificate instead",
         {REQUESTING_FLIGHT, ENDED(END_ALERT, FROM_CLIENT)},
         VERDICT(UNANSWERED, KNOWN_YES, NONE, KNOWN_NO, KNOWN_NO)},
	{"the client closes",
         {REQUESTING_FLIGHT, ENDED(END_FIN, FROM_CLIENT)},
         VERDICT(UNANSWERED, KNOWN_YES, NONE, KNOWN_NO, KNOWN_NO)},
	{"the client resets",
         {REQUESTING_FLIGHT, ENDED(END_RST, FROM_CLIENT)},
         VERDICT(UNANSWERED, KNOWN_YES, NONE, KNOWN_NO, KNOWN_NO)},
	{"the server does not wait",
         {REQUESTING_FLIGHT, ENDED(END_FIN, FROM_SERVER)},
         VERDICT(UNANSWERED, KNOWN_YES, NONE, KNOWN_NO, KNOWN_NO)},
	{"the request comes, ServerHelloDone does not",
         {HELLOS, .server_certificate = true, .certificate_request = true, ENDED(END_FIN, FROM_CLIENT)},
         VERDICT(UNANSWERED, KNOWN_YES, NONE, KNOWN_NO, KNOWN_NO)},

	/* resumed: abbreviated handshake */
	{"abbreviated handshake", {ABBREVIATED, COMPLETED}, VERDICT(RESUMED, KNOWN_NO, NONE, KNOWN_YES, KNOWN_YES)},
	{"abbreviated, and the client goes away",
         {ABBREVIATED, SERVER_FINISHED, ENDED(END_RST, FROM_CLIENT)},
         VERDICT(RESUMED, KNOWN_NO, NONE, KNOWN_NO, KNOWN_YES)},
	{"abbreviated, and the tracer stops",
         {ABBREVIATED, SERVER_FINISHED},
         VERDICT(RESUMED, KNOWN_NO, NONE, NOT_KNOWN, KNOWN_YES)},
	{"TLS 1.3 with a PSK (RFC 8446 section 4.3.2)",
         {HELLOS, .version_1_3 = true, .pre_shared_key = true, .cipher_suite = 0x1301},
         VERDICT(RESUMED, KNOWN_NO, NONE, NOT_KNOWN, KNOWN_YES)},

	/* psk: an external key */
	{"TLS 1.3 with an external key: no session is resumed",
         {TLS_1_3, .pre_shared_key = true, .external_key = true, CLIENT_SENDS(1, 53), SERVER_REPLIES(250),
          .end = END_COMPLETED},
         VERDICT(PSK, KNOWN_NO, NONE, KNOWN_YES, KNOWN_NO)},

	{"TLS 1.3 with a key, and ClientHello was not read: session or external key",
         {TLS_1_3, .client_hello_unread = true, .pre_shared_key = true, CLIENT_SENDS(1, 53), SERVER_REPLIES(250),
          .end = END_COMPLETED},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},

	/* not_tls */
	{"the client speaks HTTP to a service of TLS",
         {.plaintext = true, ENDED(END_NOT_TLS, FROM_CLIENT)},
         VERDICT(NOT_TLS, KNOWN_NO, NONE, KNOWN_NO, KNOWN_NO)},

	/* failed_before_request: it ended before it could be known */
	{"the server's alert instead of ServerHello",
         {.client_hello = true, ENDED(END_ALERT, FROM_SERVER)},
         VERDICT(FAILED_BEFORE_REQUEST, NOT_KNOWN, NOT_KNOWN, KNOWN_NO, NOT_KNOWN)},
	{"the server speaks HTTP",
         {.client_hello = true, ENDED(END_NOT_TLS, FROM_SERVER)},
         VERDICT(FAILED_BEFORE_REQUEST, NOT_KNOWN, NOT_KNOWN, KNOWN_NO, NOT_KNOWN)},
	{"the server closes",
         {.client_hello = true, ENDED(END_FIN, FROM_SERVER)},
         VERDICT(FAILED_BEFORE_REQUEST, NOT_KNOWN, NOT_KNOWN, KNOWN_NO, NOT_KNOWN)},
	{"the client closes",
         {.client_hello = true, ENDED(END_FIN, FROM_CLIENT)},
         VERDICT(FAILED_BEFORE_REQUEST, NOT_KNOWN, NOT_KNOWN, KNOWN_NO, NOT_KNOWN)},
	{"the server resets",
         {.client_hello = true, ENDED(END_RST, FROM_SERVER)},
         VERDICT(FAILED_BEFORE_REQUEST, NOT_KNOWN, NOT_KNOWN, KNOWN_NO, NOT_KNOWN)},
	{"the server falls silent",
         {.client_hello = true, TIMED_OUT},
         UNKNOWN(UNFINISHED, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"the client dislikes ServerHello",
         {HELLOS, ENDED(END_ALERT, FROM_CLIENT)},
         VERDICT(FAILED_BEFORE_REQUEST, NOT_KNOWN, NOT_KNOWN, KNOWN_NO, NOT_KNOWN)},
	{"the flight breaks off where a request could still come",
         {HELLOS, .server_certificate = true, .server_key_exchange = true, TIMED_OUT},
         UNKNOWN(UNFINISHED, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, KNOWN_NO)},
	{"HelloRetryRequest with its ChangeCipherSpec, and no more",
         {.client_hello = true, .change_cipher_spec = {[FROM_SERVER] = true}, ENDED(END_FIN, FROM_CLIENT)},
         VERDICT(FAILED_BEFORE_REQUEST, NOT_KNOWN, NOT_KNOWN, KNOWN_NO, NOT_KNOWN)},

	/* unknown */
	{"lost events hide a request",
         {FULL_FLIGHT, KEY_EXCHANGE, COMPLETED, .lost_events = true},
         UNKNOWN(LOST_EVENTS, NOT_KNOWN, NOT_KNOWN, KNOWN_YES, NOT_KNOWN)},
	{"lost events behind a request",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, COMPLETED, .lost_events = true},
         UNKNOWN(LOST_EVENTS, KNOWN_YES, CERTIFICATE, KNOWN_YES, NOT_KNOWN)},
	{"a gap hides a request",
         {FULL_FLIGHT, TIMED_OUT, .gap = true},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"a DTLS message is missing, and both sides finished",
         {FULL_FLIGHT, KEY_EXCHANGE, COMPLETED, .gap = true},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, KNOWN_YES, NOT_KNOWN)},
	{"midstream",
         {FULL_FLIGHT, KEY_EXCHANGE, COMPLETED, .midstream = true},
         UNKNOWN(MIDSTREAM, NOT_KNOWN, NOT_KNOWN, KNOWN_YES, NOT_KNOWN)},
	{"ClientHello was not seen",
         {.server_hello = true, .server_certificate = true, .server_hello_done = true, KEY_EXCHANGE, COMPLETED},
         UNKNOWN(MIDSTREAM, NOT_KNOWN, NOT_KNOWN, KNOWN_YES, NOT_KNOWN)},
	{"SSL 2.0",
         {.client_hello = true, .ssl2 = true, ENDED(END_NOT_TLS, FROM_SERVER)},
         UNKNOWN(SSL2, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"it left the protocol",
         {FULL_FLIGHT, KEY_EXCHANGE, .malformed = true},
         UNKNOWN(MALFORMED, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"the tracer stops behind ClientHello",
         {.client_hello = true},
         UNKNOWN(UNFINISHED, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"the tracer stops behind the request",
         {REQUESTING_FLIGHT},
         UNKNOWN(UNFINISHED, KNOWN_YES, NOT_KNOWN, NOT_KNOWN, KNOWN_NO)},
	{"the tracer stops behind the answer",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE},
         UNKNOWN(UNFINISHED, KNOWN_YES, CERTIFICATE, NOT_KNOWN, KNOWN_NO)},
	{"the client answers and ends it itself",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, ENDED(END_ALERT, FROM_CLIENT)},
         UNKNOWN(ABANDONED, KNOWN_YES, CERTIFICATE, KNOWN_NO, KNOWN_NO)},
	{"the client answers with none and resets",
         {REQUESTING_FLIGHT, EMPTY_CERTIFICATE, ENDED(END_RST, FROM_CLIENT)},
         UNKNOWN(ABANDONED, KNOWN_YES, EMPTY, KNOWN_NO, KNOWN_NO)},
	{"the client answers and nobody goes on",
         {REQUESTING_FLIGHT, CERTIFICATE, KEY_EXCHANGE, CLIENT_FINISHED, TIMED_OUT},
         UNKNOWN(UNFINISHED, KNOWN_YES, CERTIFICATE, NOT_KNOWN, KNOWN_NO)},
	{"asked, and the key exchange comes without an answer",
         {REQUESTING_FLIGHT, KEY_EXCHANGE, ENDED(END_ALERT, FROM_SERVER)},
         UNKNOWN(MALFORMED, KNOWN_YES, NONE, KNOWN_NO, KNOWN_NO)},
	{"asked, and completed without an answer",
         {REQUESTING_FLIGHT, KEY_EXCHANGE, COMPLETED},
         UNKNOWN(MALFORMED, KNOWN_YES, NONE, KNOWN_YES, KNOWN_NO)},
	{"an answer to a request that is not there",
         {FULL_FLIGHT, CERTIFICATE, KEY_EXCHANGE, COMPLETED},
         UNKNOWN(MALFORMED, NOT_KNOWN, CERTIFICATE, KNOWN_YES, KNOWN_NO)},
	{"the client went on without an answer and without key exchange",
         {REQUESTING_FLIGHT, CLIENT_FINISHED, ENDED(END_ALERT, FROM_SERVER)},
         UNKNOWN(GAP, KNOWN_YES, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"the client answers a server that was not seen",
         {.client_hello = true, CERTIFICATE, KEY_EXCHANGE, TIMED_OUT},
         UNKNOWN(GAP, NOT_KNOWN, CERTIFICATE, NOT_KNOWN, NOT_KNOWN)},
	{"the client goes on behind half a flight",
         {HELLOS, .server_certificate = true, KEY_EXCHANGE, CLIENT_FINISHED, TIMED_OUT},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"the server changes its cipher behind half a flight",
         {HELLOS, .server_certificate = true, .change_cipher_spec = {[FROM_SERVER] = true}, TIMED_OUT},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"the server finishes a full handshake alone",
         {FULL_FLIGHT, SERVER_FINISHED, TIMED_OUT},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"it looks abbreviated, but the client did a key exchange",
         {ABBREVIATED, KEY_EXCHANGE, COMPLETED},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, KNOWN_YES, NOT_KNOWN)},
	{"it looks abbreviated, but no session was taken up",
         {HELLOS, COMPLETED},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, KNOWN_YES, NOT_KNOWN)},
	{"ServerHello was not read, and what follows is encrypted",
         {.client_hello = true, .server_hello_unread = true, ENDED(END_FIN, FROM_CLIENT)},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"ServerHello was not read, and it looks abbreviated",
         {.client_hello = true, .server_hello_unread = true, COMPLETED},
         UNKNOWN(GAP, NOT_KNOWN, NOT_KNOWN, KNOWN_YES, NOT_KNOWN)},
	{"TLS 1.3, and then messages in cleartext",
         {REQUESTING_FLIGHT, .version_1_3 = true, .pre_shared_key = true, ENDED(END_ALERT, FROM_CLIENT)},
         UNKNOWN(MALFORMED, KNOWN_YES, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},

	/* TLS 1.3 */
	{"1.3: resumed, with a suite whose lengths are not known",
         {HELLOS, .version_1_3 = true, .pre_shared_key = true, .cipher_suite = 0x13ff, CLIENT_SENDS(1, 53),
          ENDED(END_FIN, FROM_CLIENT)},
         VERDICT(RESUMED, KNOWN_NO, NONE, NOT_KNOWN, KNOWN_YES)},
	{"1.3: Finished alone, and the server goes on",
         {TLS_1_3, FINISHED_ALONE, SILENT_SERVER_REPLIES(250), .end = END_COMPLETED},
         INFERRED(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_YES)},
	{"1.3: Finished alone, and the server stays silent",
         {TLS_1_3, FINISHED_ALONE, SILENT_SERVER_SENT, .end = END_COMPLETED},
         INFERRED(NOT_REQUESTED, KNOWN_NO, NONE, NOT_KNOWN)},
	{"1.3: Finished alone, and the tracer stops",
         {TLS_1_3, FINISHED_ALONE, SILENT_SERVER_SENT},
         INFERRED(NOT_REQUESTED, KNOWN_NO, NONE, NOT_KNOWN)},
	{"1.3: Finished alone, and the server's alert",
         {TLS_1_3, FINISHED_ALONE, SILENT_SERVER_REPLIES(19), ENDED(END_FIN, FROM_SERVER)},
         INFERRED(NOT_REQUESTED, KNOWN_NO, NONE, KNOWN_NO)},
	{"1.3: a certificate, and the server goes on",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_REPLIES(250), .end = END_COMPLETED},
         INFERRED(PRESENTED, KNOWN_YES, CERTIFICATE, KNOWN_YES)},
	{"1.3: a certificate, and the server stays silent: it may still look at the certificate",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_SENT, TIMED_OUT},
         NOT_INFERRED(UNFINISHED, KNOWN_YES, CERTIFICATE, NOT_KNOWN)},
	{"1.3: a certificate, and the server closes 4 s later: it refuses, or is restarted",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_SENT, ENDED(END_FIN, FROM_SERVER), .end_ms = 4000},
         NOT_INFERRED(ABANDONED, KNOWN_YES, CERTIFICATE, NOT_KNOWN)},
	{"1.3: a certificate, and the server sends an alert's length 4 s later: its refusal, or close_notify",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), ENDED(END_FIN, FROM_SERVER),
          .server_records =
                  {.count = 6, .after = {[5] = 3}, .length = {27, 62, 811, 281, 53, 19}, .time_ms = {[5] = 4000}}},
         NOT_INFERRED(ABANDONED, KNOWN_YES, CERTIFICATE, NOT_KNOWN)},
	{"1.3: a certificate and data at once, and the server's alert 4 s later: the data has waited for an answer",
         {TLS_1_3, CLIENT_SENDS(4, 811, 281, 53, 100), ENDED(END_FIN, FROM_SERVER),
          .server_records =
                  {.count = 6, .after = {[5] = 4}, .length = {27, 62, 811, 281, 53, 19}, .time_ms = {[5] = 4000}}},
         INFERRED(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO)},
	{"1.3: a certificate and data for 60 s, and the server's alert: it was content with the client",
         {TLS_1_3,
          .client_records = {.count = 5,
                             .after = {5, 5, 5, 5, 5},
                             .length = {811, 281, 53, 100, 100},
                             .time_ms = {0, 0, 0, 0, 59900}},
          ENDED(END_FIN, FROM_SERVER),
          .server_records =
                  {.count = 6, .after = {[5] = 5}, .length = {27, 62, 811, 281, 53, 19}, .time_ms = {[5] = 60000}}},
         NOT_INFERRED(ABANDONED, KNOWN_YES, CERTIFICATE, NOT_KNOWN)},
	{"1.3: the server's alert, and then cleartext: MariaDB",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_REPLIES(19), ENDED(END_NOT_TLS, FROM_SERVER)},
         INFERRED(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO)},
	{"1.3: none, and the server goes on",
         {TLS_1_3, CLIENT_SENDS(2, 25, 53), SERVER_REPLIES(250), .end = END_COMPLETED},
         INFERRED(DECLINED, KNOWN_YES, EMPTY, KNOWN_YES)},
	{"1.3: a certificate, and the server's alert and FIN",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_REPLIES(19), ENDED(END_FIN, FROM_SERVER)},
         INFERRED(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO)},
	{"1.3: a certificate, and the server's alert, and the client closes first",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_REPLIES(19), ENDED(END_FIN, FROM_CLIENT)},
         INFERRED(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO)},
	{"1.3: a certificate, and the server's alert and reset",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_REPLIES(19), ENDED(END_RST, FROM_SERVER)},
         INFERRED(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO)},
	{"1.3: a certificate, and the server resets without a word",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_SENT, ENDED(END_RST, FROM_SERVER)},
         INFERRED(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO)},
	{"1.3: none, and the server's alert and FIN",
         {TLS_1_3, CLIENT_SENDS(2, 25, 53), SERVER_REPLIES(19), ENDED(END_FIN, FROM_SERVER)},
         INFERRED(REJECTED_WITHOUT_CERTIFICATE, KNOWN_YES, EMPTY, KNOWN_NO)},
	{"1.3: the client ends it in the place of its flight",
         {TLS_1_3, SERVER_SENT, ENDED(END_RST, FROM_CLIENT)},
         INFERRED(UNANSWERED, KNOWN_YES, NONE, KNOWN_NO)},
	{"1.3: the client ends it in the place of its flight, and the server's flight does not show a request",
         {TLS_1_3, .server_records = {.count = 4, .length = {27, 811, 281, 53}}, ENDED(END_RST, FROM_CLIENT)},
         INFERRED(FAILED_BEFORE_REQUEST, NOT_KNOWN, NOT_KNOWN, KNOWN_NO)},
	{"1.3: the client's alert in the place of its flight",
         {TLS_1_3, CLIENT_SENDS(1, 19), SERVER_SENT, ENDED(END_FIN, FROM_CLIENT)},
         INFERRED(UNANSWERED, KNOWN_YES, NONE, KNOWN_NO)},
	{"1.3: a certificate, and the client closes",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_SENT, ENDED(END_FIN, FROM_CLIENT)},
         NOT_INFERRED(ABANDONED, KNOWN_YES, CERTIFICATE, NOT_KNOWN)},
	{"1.3: a certificate, an alert, and nobody closes",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_REPLIES(19), TIMED_OUT},
         NOT_INFERRED(UNFINISHED, KNOWN_YES, CERTIFICATE, NOT_KNOWN)},
	{"1.3: none and no Finished, and the client closes",
         {TLS_1_3, CLIENT_SENDS(1, 25), SERVER_SENT, ENDED(END_FIN, FROM_CLIENT)},
         NOT_INFERRED(ABANDONED, KNOWN_YES, EMPTY, KNOWN_NO)},
	{"1.3: the tracer stops behind the answer",
         {TLS_1_3, CLIENT_SENDS(3, 811, 281, 53), SERVER_SENT},
         NOT_INFERRED(UNFINISHED, KNOWN_YES, CERTIFICATE, NOT_KNOWN)},
	{"1.3: the tracer stops before the client's flight",
         {TLS_1_3, SERVER_SENT},
         NOT_INFERRED(UNFINISHED, KNOWN_YES, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: a client that pads to 512 bytes took its leave, and the server answered that",
         {TLS_1_3, CLIENT_SENDS(3, 1040, 528, 528), SERVER_REPLIES(19), ENDED(END_FIN, FROM_SERVER)},
         NOT_INFERRED(PADDING, KNOWN_YES, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: a Certificate by itself, and the server's alert and FIN",
         {TLS_1_3, CLIENT_SENDS(1, 827), SERVER_REPLIES(19), ENDED(END_FIN, FROM_SERVER)},
         INFERRED(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO)},
	{"1.3: a Certificate by itself, and the server closes without a word",
         {TLS_1_3, CLIENT_SENDS(1, 827), SERVER_SENT, ENDED(END_FIN, FROM_SERVER)},
         INFERRED(REJECTED_CERTIFICATE, KNOWN_YES, CERTIFICATE, KNOWN_NO)},
	{"1.3: a Certificate by itself, and then silence: the client may be asking for a key's password",
         {TLS_1_3, CLIENT_SENDS(1, 827), SERVER_SENT, .end = END_COMPLETED},
         NOT_INFERRED(PADDING, KNOWN_YES, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: a Certificate by itself, and the client closes",
         {TLS_1_3, CLIENT_SENDS(1, 827), SERVER_SENT, ENDED(END_FIN, FROM_CLIENT)},
         NOT_INFERRED(PADDING, KNOWN_YES, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: a Certificate by itself, and the tracer stops behind the server's alert",
         {TLS_1_3, CLIENT_SENDS(1, 827), SERVER_REPLIES(19)},
         NOT_INFERRED(PADDING, KNOWN_YES, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: a record that may be padded, and the server's alert and FIN",
         {TLS_1_3, CLIENT_SENDS(1, 528), SERVER_REPLIES(19), ENDED(END_FIN, FROM_SERVER)},
         NOT_INFERRED(PADDING, KNOWN_YES, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: a suite whose lengths are not known",
         {HELLOS, .version_1_3 = true, .cipher_suite = 0x13ff, CLIENT_SENDS(1, 53), SERVER_REPLIES(250),
          .end = END_COMPLETED},
         NOT_INFERRED(ENCRYPTED, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: early data was offered",
         {TLS_1_3, .early_data = true, CLIENT_SENDS(1, 53), SERVER_REPLIES(250), .end = END_COMPLETED},
         NOT_INFERRED(EARLY_DATA, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: the directions are not in step",
         {TLS_1_3, .records_before_hello = true, CLIENT_SENDS(1, 53), SERVER_REPLIES(250), .end = END_COMPLETED},
         NOT_INFERRED(GAP, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: an encrypted record of an older version, the client's",
         {TLS_1_3, .finished = {[FROM_CLIENT] = true}, ENDED(END_FIN, FROM_CLIENT)},
         UNKNOWN(MALFORMED, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
	{"1.3: an encrypted record of an older version, the server's",
         {TLS_1_3, .finished = {[FROM_SERVER] = true}, ENDED(END_FIN, FROM_CLIENT)},
         UNKNOWN(MALFORMED, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)},
};

static void expect_field(const char *name, const char *field, const char *actual, const char *expected)
{
	if (strcmp(actual, expected) == 0)
		return;
	fail_msg("%s: %s is %s, expected %s", name, field, actual, expected);
}

static const char *known_text(uint8_t known)
{
	static const char *const texts[] = {"no", "yes", "not known"};

	return known <= NOT_KNOWN ? texts[known] : "no value of it";
}

static const char *answer_text(uint8_t answer)
{
	static const char *const texts[] = {"not known", "none", "certificate", "empty"};

	return answer <= ANSWER_EMPTY ? texts[answer] : "no value of it";
}

static void words(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct verdict_case *test = &cases[i];
		struct verdict actual = verdict_of(&test->facts);

		expect_field(test->name, "client_auth", client_auth_name(actual.client_auth),
		             client_auth_name(test->expected.client_auth));
		expect_field(test->name, "reason", unknown_reason_name(actual.reason) ?: "none",
		             unknown_reason_name(test->expected.reason) ?: "none");
		expect_field(test->name, "requested", known_text(actual.requested),
		             known_text(test->expected.requested));
		expect_field(test->name, "answer", answer_text(actual.answer), answer_text(test->expected.answer));
		expect_field(test->name, "established", known_text(actual.established),
		             known_text(test->expected.established));
		expect_field(test->name, "resumed", known_text(actual.resumed), known_text(test->expected.resumed));
		expect_field(test->name, "evidence", evidence_name(actual.evidence),
		             evidence_name(test->expected.evidence));
		expect_field(test->name, "broken", verdict_broken(&test->facts, &actual) ?: "nothing", "nothing");
	}
}

/* Every word of the contract is what some case expects. */
static void every_word_has_a_case(void **state)
{
	bool seen[CLIENT_AUTHS] = {false};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		seen[cases[i].expected.client_auth] = true;
	for (i = 0; i < CLIENT_AUTHS; i++)
		if (!seen[i])
			fail_msg("no case expects %s", client_auth_name(i));
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(client_auth_name(CLIENT_AUTH_NOT_REQUESTED), "not_requested");
	assert_string_equal(client_auth_name(CLIENT_AUTH_PRESENTED), "presented");
	assert_string_equal(client_auth_name(CLIENT_AUTH_DECLINED), "declined");
	assert_string_equal(client_auth_name(CLIENT_AUTH_REJECTED_CERTIFICATE), "rejected_certificate");
	assert_string_equal(client_auth_name(CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE), "rejected_without_certificate");
	assert_string_equal(client_auth_name(CLIENT_AUTH_UNANSWERED), "unanswered");
	assert_string_equal(client_auth_name(CLIENT_AUTH_RESUMED), "resumed");
	assert_string_equal(client_auth_name(CLIENT_AUTH_FAILED_BEFORE_REQUEST), "failed_before_request");
	assert_string_equal(client_auth_name(CLIENT_AUTH_UNKNOWN), "unknown");
	assert_string_equal(client_auth_name(CLIENT_AUTH_PSK), "psk");
	assert_string_equal(client_auth_name(CLIENT_AUTH_NOT_TLS), "not_tls");
	assert_string_equal(client_auth_name(CLIENT_AUTHS), "unknown");
	assert_string_equal(evidence_name(EVIDENCE_CLEARTEXT), "cleartext");
	assert_string_equal(evidence_name(EVIDENCE_INFERRED), "inferred");
	assert_string_equal(evidence_name(EVIDENCE_LIBRARY), "library");
	assert_string_equal(unknown_reason_name(REASON_ENCRYPTED), "encrypted");
	assert_string_equal(unknown_reason_name(REASON_GAP), "gap");
	assert_string_equal(unknown_reason_name(REASON_MIDSTREAM), "midstream");
	assert_string_equal(unknown_reason_name(REASON_LOST_EVENTS), "lost_events");
	assert_string_equal(unknown_reason_name(REASON_PADDING), "padding");
	assert_null(unknown_reason_name(REASON_NONE));
	assert_null(unknown_reason_name(REASONS));
}

/* Every reason has a word of its own. */
static void reasons_have_names(void **state)
{
	int one, other;

	(void)state;
	for (one = REASON_NONE + 1; one < REASONS; one++) {
		assert_non_null(unknown_reason_name(one));
		for (other = one + 1; other < REASONS; other++)
			assert_string_not_equal(unknown_reason_name(one), unknown_reason_name(other));
	}
}

enum {
	FACT_BITS = 18,
	SPOILERS = 5,
};

/* The facts that number stands for, a bit for each. */
static struct handshake_facts facts_of(uint32_t number)
{
	return (struct handshake_facts){
		.client_hello = number & 1 << 0,
		.server_hello = number & 1 << 1,
		.server_hello_unread = number & 1 << 2,
		.pre_shared_key = number & 1 << 3,
		.certificate_request = number & 1 << 4,
		.server_certificate = number & 1 << 5,
		.server_hello_done = number & 1 << 6,
		.server_key_exchange = number & 1 << 7,
		.client_key_exchange = number & 1 << 8,
		.client_certificate = number & 1 << 9,
		.client_certificate_empty = number & 1 << 10,
		.no_certificate_alert = number & 1 << 11,
		.change_cipher_spec = {number & 1 << 12, number & 1 << 13},
		.finished = {number & 1 << 14, number & 1 << 15},
		.session_accepted = number & 1 << 16,
		.version_1_3 = number & 1 << 17,
	};
}

/* Those that make any other worthless. */
static void spoil(struct handshake_facts *facts, uint32_t spoilers)
{
	facts->ssl2 = spoilers & 1 << 0;
	facts->lost_events = spoilers & 1 << 1;
	facts->gap = spoilers & 1 << 2;
	facts->midstream = spoilers & 1 << 3;
	facts->malformed = spoilers & 1 << 4;
}

static void fail_facts(uint32_t number, const struct handshake_facts *facts, const struct verdict *verdict,
                       const char *what)
{
	fail_msg("facts %#x end %u by %u: %s: %s (%s), requested %s, answer %s, established %s, resumed %s", number,
	         facts->end, facts->ended_by, what, client_auth_name(verdict->client_auth),
	         unknown_reason_name(verdict->reason) ?: "-", known_text(verdict->requested),
	         answer_text(verdict->answer), known_text(verdict->established), known_text(verdict->resumed));
}

/* Who ended it matters only where somebody did. */
static bool somebody_ended(uint8_t end)
{
	return end == END_ALERT || end == END_FIN || end == END_RST || end == END_NOT_TLS;
}

static void check_ends(uint32_t number, struct handshake_facts *facts)
{
	struct verdict verdicts[SIDES];
	const char *broken;

	for (facts->end = END_NONE; facts->end <= END_NOT_TLS; facts->end++) {
		for (facts->ended_by = FROM_CLIENT; facts->ended_by < SIDES; facts->ended_by++) {
			verdicts[facts->ended_by] = verdict_of(facts);
			broken = verdict_broken(facts, &verdicts[facts->ended_by]);
			if (broken)
				fail_facts(number, facts, &verdicts[facts->ended_by], broken);
		}
		if (!somebody_ended(facts->end) && memcmp(&verdicts[0], &verdicts[1], sizeof(*verdicts)))
			fail_facts(number, facts, &verdicts[1], "who ended it makes a difference although nobody did");
	}
}

/*
 * Every combination of facts and ends, also those that no connection can show: what comes in is hostile. Of those that
 * spoil the others none, each one and all.
 */
static void invariants_hold(void **state)
{
	struct handshake_facts facts;
	uint32_t number, spoiler;

	(void)state;
	for (number = 0; number < 1u << FACT_BITS; number++) {
		facts = facts_of(number);
		check_ends(number, &facts);
		for (spoiler = 0; spoiler < SPOILERS; spoiler++) {
			spoil(&facts, 1 << spoiler);
			check_ends(number, &facts);
		}
		spoil(&facts, (1 << SPOILERS) - 1);
		check_ends(number, &facts);
	}
}

/* The same with encrypted records of TLS 1.3, where nothing is missing. */
static void invariants_hold_for_encrypted_records(void **state)
{
	static const struct handshake_records records[] = {
		{.count = 1, .length = {53}},     {.count = 1, .length = {25}},
		{.count = 2, .length = {25, 53}}, {.count = 3, .length = {811, 281, 53}},
		{.count = 1, .length = {19}},     {.count = 2, .length = {1000, 1000}},
	};
	uint32_t number, i;

	(void)state;
	for (number = 0; number < 1u << 16; number++) {
		struct handshake_facts facts = facts_of(number);

		facts.version_1_3 = true;
		facts.cipher_suite = 0x1301;
		for (i = 0; i < sizeof(records) / sizeof(*records); i++) {
			facts.client_records = records[i];
			facts.early_data = false;
			check_ends(number, &facts);
			facts.early_data = true;
			check_ends(number, &facts);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),           cmocka_unit_test(every_word_has_a_case),
		cmocka_unit_test(names),           cmocka_unit_test(reasons_have_names),
		cmocka_unit_test(invariants_hold), cmocka_unit_test(invariants_hold_for_encrypted_records),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
