// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake_feed.h"

#include "tls/body.h"

/* AddressSanitizer's <sanitizer/allocator_interface.h>, which not every compiler brings */
size_t __sanitizer_get_current_allocated_bytes(void);

static const struct tracker_limits limits = {
	.connections = 100,
	.handshake_timeout_ns = 60ull * 1000 * 1000 * 1000,
};

static struct tracker *table_new(struct feed_reports *reports)
{
	struct tracker *table = tracker_new(&limits, feed_report, reports);

	assert_non_null(table);
	memset(reports, 0, sizeof(*reports));
	return table;
}

/* Play words on a table of their own. */
static void play(enum feed_form form, const char *words, struct feed_reports *reports)
{
	struct tracker *table = table_new(reports);
	struct feed feed;

	feed_init(&feed, table, form, 1);
	feed_play(&feed, words);
	/* a time-out in a file is reported when the file ends */
	if (form == FEED_CAPTURE || form == FEED_CAPTURE_SHUFFLED)
		tracker_finish(table);
	feed_release(&feed);
	tracker_free(table);
}

enum {
	EVENTS = 1 << FEED_EVENTS,
	SEGMENTS = 1 << FEED_SEGMENTS,
	CAPTURE = 1 << FEED_CAPTURE,
	CAPTURES = 1 << FEED_CAPTURE | 1 << FEED_CAPTURE_SHUFFLED,
	IN_ORDER = EVENTS | SEGMENTS | 1 << FEED_BYTES | CAPTURE,
	TCP = IN_ORDER | 1 << FEED_SHUFFLED | 1 << FEED_RANDOM | CAPTURES,
	DTLS = 1 << FEED_DATAGRAMS | 1 << FEED_DATAGRAMS_SHUFFLED,
	ANY = TCP | DTLS,
};

#define FLIGHT "> client_hello < server_hello certificate server_key_exchange server_hello_done "
#define REQUESTING_FLIGHT                                                                                              \
	"> client_hello < server_hello certificate server_key_exchange certificate_request server_hello_done "
#define FINISHES "> client_key_exchange ccs finished "
#define ANSWERS  "> certificate client_key_exchange certificate_verify ccs finished "
#define DECLINES "> certificate:empty client_key_exchange ccs finished "

struct scenario {
	const char *name;
	uint32_t forms;
	const char *words;
	const char *expected;
};

static const struct scenario scenarios[] = {
	/* not_requested */
	{"full handshake", ANY, FLIGHT FINISHES "< ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"with a new ticket", ANY, FLIGHT FINISHES "< new_session_ticket ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"with a stapled OCSP response", ANY,
         "> client_hello < server_hello certificate certificate_status server_key_exchange server_hello_done " FINISHES
         "< ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"static RSA", ANY, "> client_hello < server_hello certificate server_hello_done " FINISHES "< ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"the client refuses the server's certificate", ANY, FLIGHT "> fatal:48 pause:3",
         "not_requested asked:no answer:none established:no resumed:no end:>alert"},
	{"heartbeats of a client that looks for holes (RFC 6520)", TCP,
         "> client_hello heartbeat:3 < server_hello certificate server_hello_done > heartbeat:3 < fin > fin",
         "not_requested asked:no answer:none established:no resumed:no end:<fin"},
	{"heartbeats instead of an answer", TCP, REQUESTING_FLIGHT "> heartbeat:3 < fin > fin",
         "unanswered asked:yes answer:none established:no resumed:no end:<fin"},
	{"the client goes away", IN_ORDER, FLIGHT "> rst",
         "not_requested asked:no answer:none established:no resumed:no end:>rst"},
	{"the client falls silent", ANY, FLIGHT "pause:61",
         "not_requested asked:no answer:none established:? resumed:no end:timeout"},
	{"the tracer stops", ANY, FLIGHT FINISHES "stop",
         "not_requested asked:no answer:none established:? resumed:no end:none"},
	{"a warning does not end it", ANY,
         "> client_hello < warning:112 server_hello certificate server_hello_done " FINISHES "< ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"the same session id, and a full handshake", ANY,
         "> client_hello < server_hello:same certificate server_hello_done " FINISHES "< ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"a hello that cannot be read", ANY,
         "> client_hello:broken < server_hello certificate server_hello_done " FINISHES "< ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"SSL 2.0 framed ClientHello", TCP,
         "> client_hello:ssl2 < server_hello certificate server_hello_done " FINISHES "< ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},

	/* presented, declined */
	{"mutual authentication", ANY, REQUESTING_FLIGHT ANSWERS "< ccs finished",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"mutual authentication, with a new ticket", ANY, REQUESTING_FLIGHT ANSWERS "< new_session_ticket ccs finished",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"a certificate by its address", ANY,
         REQUESTING_FLIGHT "> certificate_url client_key_exchange certificate_verify ccs finished < ccs finished",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"the client closes early, and the server completes", TCP, REQUESTING_FLIGHT ANSWERS "> fin < ccs finished",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"an empty certificate", ANY, REQUESTING_FLIGHT DECLINES "< ccs finished",
         "declined asked:yes answer:empty established:yes resumed:no end:completed"},
	{"SSL 3.0", TCP,
         "> client_hello < server_hello:ssl3 certificate certificate_request server_hello_done "
         "> warning:41 client_key_exchange ccs finished < ccs finished",
         "declined asked:yes answer:empty established:yes resumed:no end:completed"},

	/* rejected */
	{"the server refuses the certificate", ANY, REQUESTING_FLIGHT ANSWERS "< fatal:48 pause:3",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<alert"},
	{"the server refuses it and closes", TCP, REQUESTING_FLIGHT ANSWERS "< fatal:48 fin",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<alert"},
	{"the server says good-bye, and the client closes first", TCP,
         REQUESTING_FLIGHT "> certificate client_key_exchange < warning:0 > fin < fin",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<alert"},
	{"the server closes", TCP, REQUESTING_FLIGHT ANSWERS "< fin > fin",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin"},
	{"the server closes and the client does not", TCP, REQUESTING_FLIGHT ANSWERS "< fin pause:3",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin"},
	{"the server resets", TCP, REQUESTING_FLIGHT ANSWERS "< rst",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<rst"},
	{"the server insists", ANY, REQUESTING_FLIGHT DECLINES "< fatal:40 pause:3",
         "rejected_without_certificate asked:yes answer:empty established:no resumed:no end:<alert"},
	{"the server of SSL 3.0 insists", TCP,
         "> client_hello < server_hello:ssl3 certificate certificate_request server_hello_done > warning:41 < fatal:40 "
         "pause:3",
         "rejected_without_certificate asked:yes answer:empty established:no resumed:no end:<alert"},

	/* unanswered */
	{"no answer", ANY, REQUESTING_FLIGHT "pause:61",
         "unknown:unfinished asked:yes answer:? established:? resumed:no end:timeout"},
	{"the client refuses the server first", ANY, REQUESTING_FLIGHT "> fatal:48 pause:3",
         "unanswered asked:yes answer:none established:no resumed:no end:>alert"},
	{"the client closes instead", TCP, REQUESTING_FLIGHT "> fin < fin",
         "unanswered asked:yes answer:none established:no resumed:no end:>fin"},
	{"the client resets instead", TCP, REQUESTING_FLIGHT "> rst",
         "unanswered asked:yes answer:none established:no resumed:no end:>rst"},
	{"the server does not wait", TCP, REQUESTING_FLIGHT "< fin > fin",
         "unanswered asked:yes answer:none established:no resumed:no end:<fin"},
	{"the server did not wait, and the answer comes all the same", IN_ORDER,
         REQUESTING_FLIGHT "< fin " ANSWERS "> fin",
         "unanswered asked:yes answer:none established:no resumed:no end:<fin"},
	{"no_certificate means nothing in TLS", TCP, REQUESTING_FLIGHT "> warning:41 pause:61",
         "unknown:unfinished asked:yes answer:? established:? resumed:no end:timeout"},

	/* resumed */
	{"abbreviated", ANY, "> client_hello < server_hello:same ccs finished > ccs finished",
         "resumed asked:no answer:none established:yes resumed:yes end:completed"},
	{"abbreviated, with a new ticket", ANY,
         "> client_hello < server_hello:same new_session_ticket ccs finished > ccs finished",
         "resumed asked:no answer:none established:yes resumed:yes end:completed"},
	{"abbreviated by a ticket without a session id", ANY,
         "> client_hello:ticket < server_hello ccs finished > ccs finished",
         "resumed asked:no answer:none established:yes resumed:yes end:completed"},
	{"abbreviated, and the client falls silent", ANY, "> client_hello < server_hello:same ccs finished pause:61",
         "resumed asked:no answer:none established:? resumed:yes end:timeout"},
	{"abbreviated, and the server closes before the client has finished", IN_ORDER,
         "> client_hello < server_hello:same ccs finished fin > ccs finished",
         "resumed asked:no answer:none established:yes resumed:yes end:completed"},
	{"TLS 1.3 with a PSK", TCP,
         "> client_hello < server_hello:1.3_psk ccs data:27 data:53 > ccs data:53 < data:200",
         "resumed asked:no answer:none established:yes resumed:yes end:completed"},
	{"TLS 1.3 with a PSK behind a HelloRetryRequest", TCP,
         "> client_hello < server_hello:retry ccs > ccs client_hello < server_hello:1.3_psk data:27 data:53 > data:53 "
         "< data:200",
         "resumed asked:no answer:none established:yes resumed:yes end:completed"},

	/* TLS 1.3: Finished alone has 53 bytes with SHA-256, an empty Certificate 25, an alert 19 */
	{"TLS 1.3", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:811 data:281 data:53 > ccs data:53 < data:250 data:250",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"TLS 1.3, asked", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 "
         "< data:250 data:250",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"TLS 1.3, asked, and the client has none", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:25 data:53 "
         "< data:250 data:250",
         "declined asked:yes answer:empty established:yes resumed:no end:completed"},
	{"TLS 1.3, and the server insists", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:25 data:53 "
         "< data:19 fin > fin",
         "rejected_without_certificate asked:yes answer:empty established:no resumed:no end:<fin"},
	{"TLS 1.3, and the server keeps the connection without a word", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:25 data:53 "
         "pause:61",
         "unknown:unfinished asked:yes answer:empty established:? resumed:no end:timeout"},
	{"TLS 1.3, the server is silent for 4 s and refuses, and the client has nothing to say", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 pause:4 < data:19 fin > fin",
         "unknown:abandoned asked:yes answer:certificate established:? resumed:no end:<fin"},
	{"TLS 1.3, the server is silent for 4 s and goes on", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 pause:4 < data:250",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"TLS 1.3, the client refuses the server with an alert, and the server closes first", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > data:19 < fin > fin",
         "unanswered asked:yes answer:none established:no resumed:no end:>fin"},
	{"TLS 1.3, the server refuses with an alert, and the client closes first", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 < data:19 > fin < fin",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin"},
	{"TLS 1.3, the server refuses with an alert and goes on in cleartext: MariaDB", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 < data:19 http pause:3",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<not_tls"},
	{"TLS 1.3, the client hangs up when it is asked", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > fin < fin",
         "unanswered asked:yes answer:none established:no resumed:no end:>fin"},
	{"TLS 1.3, the server owes a reply to more than the flight, and is slow to refuse", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:25 data:53 "
         "data:96 pause:5 < data:19 fin > fin",
         "rejected_without_certificate asked:yes answer:empty established:no resumed:no end:<fin"},
	{"TLS 1.3, the same, asked for after a while", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 pause:1 > data:96 pause:5 < data:19 fin > fin",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin"},
	{"TLS 1.3, the same, slow to go on", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 data:96 pause:5 < data:500",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"TLS 1.3, the same, and the server never says a word", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 data:96 pause:61",
         "unknown:unfinished asked:yes answer:certificate established:? resumed:no end:timeout"},
	{"TLS 1.3, the same, and the client closes its side", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 data:281 "
         "data:53 data:96 fin pause:3",
         "unknown:abandoned asked:yes answer:certificate established:? resumed:no end:>fin"},
	{"TLS 1.3, no more than a parting word: the server owes nothing", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:25 data:53 "
         "data:19 pause:61",
         "unknown:unfinished asked:yes answer:empty established:? resumed:no end:timeout"},
	{"TLS 1.3, not asked: the verdict hangs on no reply", TCP,
         "> client_hello < server_hello:1.3 ccs data:27 data:811 data:281 data:53 > ccs data:53 data:96 pause:3",
         "not_requested asked:no answer:none established:? resumed:no end:completed"},
	{"TLS 1.3, early data is refused with another hello", TCP,
         "> client_hello:early ccs data:100 < server_hello:retry ccs > client_hello < server_hello:1.3 data:27 data:62 "
         "data:811 data:281 data:53 > data:25 data:53 < data:250",
         "declined asked:yes answer:empty established:yes resumed:no end:completed"},
	{"TLS 1.3 with early data that is refused", TCP,
         "> client_hello:early ccs data:100 < server_hello:1.3 ccs data:27 data:811 data:281 data:53 > data:53 "
         "< data:250 data:250",
         "unknown:early_data asked:? answer:? established:? resumed:no end:completed"},

	/* failed_before_request */
	{"the server refuses", ANY, "> client_hello < fatal:40 pause:3",
         "failed_before_request asked:? answer:? established:no resumed:? end:<alert"},
	{"the server speaks HTTP", TCP, "> client_hello < http pause:3",
         "failed_before_request asked:? answer:? established:no resumed:? end:<not_tls"},
	{"the server closes at once", TCP, "> client_hello < fin > fin",
         "failed_before_request asked:? answer:? established:no resumed:? end:<fin"},
	{"the client closes at once", IN_ORDER, "> client_hello > fin < fin",
         "failed_before_request asked:? answer:? established:no resumed:? end:>fin"},
	{"the server resets at once", TCP, "> client_hello < rst",
         "failed_before_request asked:? answer:? established:no resumed:? end:<rst"},
	{"the client dislikes ServerHello", ANY, "> client_hello < server_hello > fatal:70 pause:3",
         "failed_before_request asked:? answer:? established:no resumed:? end:>alert"},
	{"the server falls silent within its flight", ANY, "> client_hello < server_hello certificate pause:61",
         "unknown:unfinished asked:? answer:? established:? resumed:no end:timeout"},
	{"HelloRetryRequest and no more", TCP, "> client_hello < server_hello:retry > fatal:47 pause:3",
         "failed_before_request asked:? answer:? established:no resumed:? end:>alert"},
	{"HelloVerifyRequest and no more", DTLS, "> client_hello < hello_verify_request pause:61",
         "unknown:unfinished asked:? answer:? established:? resumed:? end:timeout"},

	/* unknown */
	{"the tracer stops at once", SEGMENTS, "> client_hello stop",
         "unknown:unfinished asked:? answer:? established:? resumed:? end:none"},
	{"of a capture one direction may be missing", CAPTURES, "> client_hello stop",
         "unknown:gap asked:? answer:? established:? resumed:? end:none"},
	{"the tracer stops behind the request", ANY, REQUESTING_FLIGHT "stop",
         "unknown:unfinished asked:yes answer:? established:? resumed:no end:none"},
	{"the client answers and goes away", ANY,
         REQUESTING_FLIGHT "> certificate client_key_exchange fatal:80 pause:3",
         "unknown:abandoned asked:yes answer:certificate established:no resumed:no end:>alert"},
	{"the client answers and nobody goes on", ANY, REQUESTING_FLIGHT ANSWERS "pause:61",
         "unknown:unfinished asked:yes answer:certificate established:? resumed:no end:timeout"},
	{"asked, and no answer in the client's flight", ANY, REQUESTING_FLIGHT FINISHES "< ccs finished",
         "unknown:malformed asked:yes answer:none established:yes resumed:no end:completed"},
	{"an answer that was not asked for", ANY, FLIGHT ANSWERS "< ccs finished",
         "unknown:malformed asked:? answer:certificate established:yes resumed:no end:completed"},
	{"two ServerHellos", TCP | 1 << FEED_DATAGRAMS,
         "> client_hello < server_hello certificate server_hello certificate server_hello_done " FINISHES
         "< ccs finished",
         "unknown:malformed asked:? answer:? established:yes resumed:? end:completed"},
	{"two CertificateRequests", ANY,
         "> client_hello < server_hello certificate_request certificate_request > fatal:10 pause:3",
         "unknown:malformed asked:yes answer:? established:? resumed:? end:>alert"},
	{"a ServerHello that cannot be read", ANY, "> client_hello < server_hello:broken > fatal:50 pause:3",
         "unknown:malformed asked:? answer:? established:? resumed:? end:>alert"},
	{"no session was offered, and the server goes on without a flight", ANY,
         "> client_hello:plain < server_hello ccs finished > ccs finished",
         "unknown:gap asked:? answer:? established:yes resumed:? end:completed"},
	{"another session id, and the server goes on without a flight", ANY,
         "> client_hello < server_hello ccs finished > ccs finished",
         "unknown:gap asked:? answer:? established:yes resumed:? end:completed"},
	{"the client leaves the protocol", TCP, REQUESTING_FLIGHT "> http pause:3",
         "unknown:malformed asked:yes answer:? established:? resumed:? end:none"},
	{"the server leaves the protocol within its flight", TCP, "> client_hello < server_hello http pause:3",
         "unknown:malformed asked:? answer:? established:? resumed:? end:none"},
	{"SSL 2.0", TCP, "> client_hello:ssl2_only < http pause:3",
         "unknown:ssl2 asked:? answer:? established:? resumed:? end:<not_tls"},
	{"a server that may speak SSL 2.0", TCP, "> client_hello:ssl2 < http pause:3",
         "unknown:ssl2 asked:? answer:? established:? resumed:? end:<not_tls"},
	{"TLS 1.3 with a request in cleartext", TCP,
         "> client_hello < server_hello:1.3_psk certificate_request > fatal:10 pause:3",
         "unknown:malformed asked:yes answer:? established:? resumed:? end:>alert"},
	{"DTLS 1.3, whose records are not told of", DTLS, "> client_hello < server_hello:dtls1.3 pause:61",
         "unknown:encrypted asked:? answer:? established:? resumed:no end:timeout"},
	{"an event was lost", TCP, REQUESTING_FLIGHT "lost " ANSWERS "< ccs finished",
         "unknown:lost_events asked:yes answer:certificate established:yes resumed:? end:completed"},
	{"events were lost, perhaps of it", TCP, REQUESTING_FLIGHT "losses pause:61",
         "unknown:lost_events asked:yes answer:? established:? resumed:? end:timeout"},
	{"events were lost, but none of what ended it", TCP, REQUESTING_FLIGHT "losses " ANSWERS "< ccs finished",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"DTLS: events were lost, and the kernel does not know of which association", DTLS,
         REQUESTING_FLIGHT "losses " ANSWERS "< ccs finished",
         "unknown:lost_events asked:yes answer:certificate established:yes resumed:? end:completed"},
	{"events were lost behind the first FIN", TCP, REQUESTING_FLIGHT ANSWERS "< fin losses pause:3",
         "unknown:lost_events asked:yes answer:certificate established:? resumed:? end:<fin"},

	/* holes in a capture */
	{"a request that was not captured", CAPTURES,
         "> client_hello < server_hello certificate !certificate_request server_hello_done " FINISHES
         "< ccs finished stop",
         "unknown:gap asked:? answer:? established:? resumed:? end:none"},
	{"a server's flight that was not captured", CAPTURES,
         "> client_hello < !server_hello !server_hello_done " FINISHES "< ccs finished stop",
         "unknown:gap asked:? answer:? established:? resumed:? end:none"},
	{"a hole in ServerHello", CAPTURES, "> client_hello < ~server_hello > fatal:70 pause:3",
         "unknown:gap asked:? answer:? established:? resumed:? end:>alert"},
	{"a hole in ServerHello, and a whole flight", CAPTURES,
         "> client_hello < ~server_hello certificate server_hello_done " FINISHES "< ccs finished",
         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
	{"a hole in ServerHello of TLS 1.3", CAPTURES,
         "> client_hello < ~server_hello:1.3 data:27 data:53 > data:53 fin < fin",
         "unknown:gap asked:? answer:? established:? resumed:? end:>fin"},
	{"a hole in ServerHello, and it looks abbreviated", CAPTURES,
         "> client_hello < ~server_hello:same ccs finished > ccs finished",
         "unknown:gap asked:? answer:? established:yes resumed:? end:completed"},
	{"a hole in what is not read", CAPTURES,
         "> client_hello < server_hello ~certificate_status certificate_request server_hello_done " ANSWERS
         "< ccs finished",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"a hole of which nobody tells, and the tracer stops", CAPTURES,
         "> client_hello < server_hello certificate _certificate_status server_key_exchange certificate_request "
         "server_hello_done " ANSWERS "< ccs finished stop",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"a hole of which nobody tells, and the client's alert", CAPTURES,
         "> client_hello < server_hello certificate _certificate_status server_key_exchange certificate_request "
         "server_hello_done > fatal:48 pause:3",
         "unanswered asked:yes answer:none established:no resumed:no end:>alert"},
	{"a hole of which nobody tells, and nobody goes on", CAPTURES,
         "> client_hello < server_hello certificate _certificate_status server_key_exchange certificate_request "
         "server_hello_done pause:61",
         "unknown:unfinished asked:yes answer:? established:? resumed:no end:timeout"},
	{"a hole of which nobody tells, and the server's FIN behind it", CAPTURES,
         "> client_hello < server_hello certificate _certificate_status certificate_request server_hello_done " ANSWERS
         "< fin pause:61",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin"},
	{"a hole in the client's flight of which nobody tells, and the server's alert", CAPTURES,
         REQUESTING_FLIGHT "> certificate _client_key_exchange certificate_verify ccs finished < fatal:42 pause:3",
         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<alert"},
	{"an answer that was not captured, and the client's FIN", CAPTURES,
         REQUESTING_FLIGHT "> !certificate !client_key_exchange fin < fin stop",
         "unknown:gap asked:yes answer:? established:? resumed:? end:<fin"},
	{"an answer that was not captured, and the server goes on", CAPTURES,
         REQUESTING_FLIGHT "> !certificate !client_key_exchange !ccs !finished < ccs finished stop",
         "unknown:gap asked:yes answer:? established:? resumed:? end:none"},
	{"the client's side alone", CAPTURES, "> client_hello < !server_hello > client_key_exchange ccs finished stop",
         "unknown:gap asked:? answer:? established:? resumed:? end:none"},
	{"the server's side alone", CAPTURES, "> !client_hello < server_hello certificate server_hello_done pause:61",
         "unknown:gap asked:? answer:? established:? resumed:? end:timeout"},
	{"ClientHello was not captured, but its SYN", CAPTURES,
         "> !client_hello < server_hello certificate server_hello_done > client_key_exchange pause:61",
         "unknown:gap asked:? answer:? established:? resumed:? end:timeout"},

	/* datagrams that were not captured */
	{"DTLS: a request that was not captured", DTLS,
         "> client_hello < server_hello certificate !certificate_request server_hello_done " FINISHES
         "< ccs finished pause:61",
         "unknown:gap asked:? answer:? established:yes resumed:? end:completed"},
	{"DTLS: a request that was not captured, and none of what is behind it", DTLS,
         "> client_hello < server_hello certificate !certificate_request !server_hello_done " FINISHES "< ccs finished",
         "unknown:gap asked:? answer:? established:yes resumed:? end:completed"},
	{"DTLS: nothing between the hellos and the end was captured", DTLS,
         "> client_hello < server_hello !certificate !certificate_request !server_hello_done "
         "> !certificate !client_key_exchange !certificate_verify ccs finished < ccs finished",
         "unknown:gap asked:? answer:? established:yes resumed:? end:completed"},
	{"DTLS: an answer that was not captured", DTLS,
         REQUESTING_FLIGHT "> !certificate !client_key_exchange !certificate_verify ccs finished < fatal:42 pause:3",
         "unknown:gap asked:yes answer:? established:? resumed:? end:<alert"},
	{"DTLS: Finished overtakes all before it", 1 << FEED_DATAGRAMS,
         REQUESTING_FLIGHT "> finished:early certificate client_key_exchange certificate_verify pause:61",
         "unknown:gap asked:yes answer:? established:? resumed:? end:timeout"},
	{"DTLS: Finished overtakes ChangeCipherSpec", DTLS,
         REQUESTING_FLIGHT "> certificate client_key_exchange certificate_verify finished:early ccs < ccs finished",
         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
	{"DTLS: the end of a datagram was not captured", DTLS,
         "> client_hello < server_hello:same ~certificate > ccs finished < ccs finished pause:61",
         "unknown:gap asked:? answer:? established:yes resumed:? end:completed"},
};

static void play_scenario(const struct scenario *scenario, enum feed_form form)
{
	static const char *const forms[] = {"events",  "segments",         "bytes",     "shuffled",          "random",
	                                    "capture", "shuffled capture", "datagrams", "shuffled datagrams"};
	struct feed_reports reports;

	_Static_assert(sizeof(forms) / sizeof(*forms) == FEED_FORMS, "each has a name");
	play(form, scenario->words, &reports);
	if (strcmp(reports.text, scenario->expected))
		fail_msg("%s, as %s:\n\t%s, expected\n\t%s", scenario->name, forms[form], reports.text,
		         scenario->expected);
}

static void plays_scenarios(void **state)
{
	size_t i;
	int form;

	(void)state;
	for (i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
		for (form = 0; form < FEED_FORMS; form++)
			if (scenarios[i].forms & 1 << form)
				play_scenario(&scenarios[i], form);
}

/* The same words in random segments and orders: whatever the kernel walks and whatever it hands over, one verdict. */
static void any_segments_in_any_order(void **state)
{
	static const struct scenario some[] = {
		{"full handshake", 0, FLIGHT FINISHES "< new_session_ticket ccs finished",
	         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
		{"mutual authentication", 0, REQUESTING_FLIGHT ANSWERS "< ccs finished",
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
		{"the server refuses", 0, REQUESTING_FLIGHT DECLINES "< fatal:40 fin pause:3",
	         "rejected_without_certificate asked:yes answer:empty established:no resumed:no end:<alert"},
		{"the server closes", 0, REQUESTING_FLIGHT ANSWERS "< fin > fin",
	         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin"},
		{"TLS 1.3, and data behind it", 0,
	         "> client_hello < server_hello:1.3 ccs data:27 data:62 data:811 data:281 data:53 > ccs data:811 "
	         "data:281 "
	         "data:53 < data:250 data:250 data:1000",
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
		{"abbreviated", 0,
	         "> client_hello < server_hello:same new_session_ticket ccs finished > ccs finished fin",
	         "resumed asked:no answer:none established:yes resumed:yes end:completed"},
	};
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;
	uint32_t seed;
	size_t i;

	(void)state;
	for (seed = 1; seed <= 400; seed++) {
		for (i = 0; i < sizeof(some) / sizeof(*some); i++) {
			table = table_new(&reports);
			feed_init(&feed, table, FEED_RANDOM, 1);
			feed.seed = seed;
			/* on either end, or on the way between them */
			feed.client_direction = seed & 1;
			if (seed % 3 == 0)
				feed.source = EVENT_FROM_FILE;
			feed_play(&feed, some[i].words);
			feed_release(&feed);
			tracker_free(table);
			if (strcmp(reports.text, some[i].expected))
				fail_msg("%s, seed %u:\n\t%s, expected\n\t%s", some[i].name, seed, reports.text,
				         some[i].expected);
		}
	}
}

static void expect_followed(const char *about, const struct tracker *table, uint32_t handshakes, uint32_t last_words)
{
	uint32_t followed[TRACKER_STATES];

	tracker_followed(table, followed);
	expect_number(about, "handshakes", followed[TRACKER_HANDSHAKE], handshakes);
	expect_number(about, "last words", followed[TRACKER_LAST_WORD], last_words);
}

/* How many are followed and what they wait for; those that wait no longer go in the order in which they were heard last. */
static void states_of_connections(void **state)
{
	enum {
		PLAYED = 6,
	};
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed[PLAYED];
	int i;

	(void)state;
	table = table_new(&reports);
	expect_followed("none", table, 0, 0);
	for (i = 0; i < PLAYED; i++) {
		feed_init(&feed[i], table, FEED_SEGMENTS, 1 + i);
		feed_open(&feed[i]);
		assert_true(feed[i].wanted);
		feed[i].opened = false;
		feed_open(&feed[i]);
		assert_true(feed[i].wanted);
	}
	/* they have been open for no time */
	tracker_time(table, feed[0].time_ns + FEED_SECOND_NS);
	expect_followed("open", table, PLAYED, 0);
	for (i = 0; i < PLAYED; i++)
		feed_play(&feed[i], "> client_hello");
	for (i = 0; i < 3; i++)
		feed_play(&feed[i], "> fin");
	expect_followed("three closed", table, PLAYED - 3, 3);
	feed_play(&feed[2], "< fin");
	expect_followed("the latest of them ended", table, PLAYED - 3, 2);
	feed_play(&feed[3], "> fin");
	feed_play(&feed[0], "< server_hello");
	expect_followed("one more closed, one heard of", table, PLAYED - 4, 3);
	reports.count = 0;
	tracker_time(table, feed[0].time_ns + 3 * FEED_SECOND_NS);
	expect_followed("the others had their time", table, PLAYED - 4, 0);
	assert_int_equal(reports.count, 3);
	assert_int_equal(reports.last.connection, 1);
	feed_play(&feed[5], "< fatal:40");
	expect_followed("the latest ended", table, PLAYED - 5, 0);
	tracker_finish(table);
	expect_followed("finished", table, 0, 0);
	assert_int_equal(tracker_counts(table)->handshakes, PLAYED);
	for (i = 0; i < PLAYED; i++)
		feed_release(&feed[i]);
	tracker_free(table);
}

/* Many connections at once, a word of each in turn: none hears of another. */
static void connections_do_not_mix(void **state)
{
	enum {
		PLAYED = 24,
		WORDS_MAX = 64,
	};
	struct tracker *table;
	struct feed_reports reports[PLAYED] = {0};
	struct feed_reports all;
	struct feed feed[PLAYED];
	char *words[PLAYED], *rest[PLAYED], line[80];
	char side[PLAYED];
	const char *word;
	size_t i, turn;

	(void)state;
	table = table_new(&all);
	for (i = 0; i < PLAYED; i++) {
		play(FEED_EVENTS, scenarios[i].words, &reports[i]);
		feed_init(&feed[i], table, i % 2 ? FEED_SEGMENTS : FEED_EVENTS, 1 + i);
		words[i] = rest[i] = strdup(scenarios[i].words);
		side[i] = '>';
	}
	for (turn = 0; turn < WORDS_MAX; turn++) {
		for (i = 0; i < PLAYED; i++) {
			memset(all.text, 0, sizeof(all.text));
			all.count = 0;
			word = strsep(&rest[i], " ");
			if (!word || !strncmp(word, "pause", 5) || !strcmp(word, "stop"))
				continue;
			if (*word == '>' || *word == '<')
				side[i] = *word;
			snprintf(line, sizeof(line), "%c %s", side[i], *word == side[i] ? "" : word);
			feed_play(&feed[i], line);
			if (all.count && strcmp(all.text, reports[i].text))
				fail_msg("%s, among others:\n\t%s, expected\n\t%s", scenarios[i].name, all.text,
				         reports[i].text);
			if (all.count)
				reports[i].count = 0;
		}
	}
	for (i = 0; i < PLAYED; i++) {
		if (reports[i].count && !strstr(scenarios[i].words, "pause") && !strstr(scenarios[i].words, "stop"))
			fail_msg("%s, among others, was not reported", scenarios[i].name);
		feed_release(&feed[i]);
		free(words[i]);
	}
	tracker_free(table);
}

/* Of a chain that did not come in whole the client's own certificate is the first. */
static void part_of_a_chain(void **state)
{
	static const enum feed_form forms[] = {FEED_EVENTS, FEED_CAPTURE, FEED_CAPTURE_SHUFFLED};
	struct feed_reports reports;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		play(forms[i],
		     REQUESTING_FLIGHT "> ~certificate client_key_exchange certificate_verify ccs finished "
		                       "< ccs finished",
		     &reports);
		assert_string_equal(reports.text, "presented asked:yes answer:certificate established:yes resumed:no "
		                                  "end:completed");
		assert_true(reports.has_certificate);
		/* nothing comes behind it */
		play(forms[i], REQUESTING_FLIGHT "> ~certificate < fatal:42", &reports);
		assert_string_equal(reports.text, "rejected_certificate asked:yes answer:certificate established:no "
		                                  "resumed:no end:<alert");
		assert_true(reports.has_certificate);
	}
}

/* That events were lost may be said with the first one alone. */
static void open_tells_of_losses(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_EVENTS, 1);
	feed.lost = true;
	feed_open(&feed);
	feed.lost = false;
	feed_play(&feed, FLIGHT FINISHES "< ccs finished");
	assert_string_equal(reports.text,
	                    "unknown:lost_events asked:? answer:? established:yes resumed:? end:completed");
	feed_release(&feed);
	tracker_free(table);
}

/* What is counted of directions: gaps that never close, and more behind them than is held. */
static void gaps_and_bounds_are_counted(void **state)
{
	struct tracker *table;
	struct message_bytes bytes = {.length = 0};
	struct feed_word word = {.direction = EVENT_SENT};
	struct feed_reports reports;
	struct feed feed;
	int i;

	(void)state;
	put_fill(&bytes, 0x17, 4000);
	table = table_new(&reports);
	feed_init(&feed, table, FEED_CAPTURE, 1);
	feed_play(&feed, "> client_hello < server_hello !certificate");
	for (i = 0; i < 256 * 1024 / 4000; i++)
		feed_stream(&feed, &word, &bytes);
	assert_int_equal(tracker_counts(table)->bounds, 0);
	feed_stream(&feed, &word, &bytes);
	assert_int_equal(tracker_counts(table)->bounds, 1);
	assert_int_equal(tracker_counts(table)->gaps, 0);
	feed_play(&feed, "> fatal:80");
	assert_string_equal(reports.text, "unknown:gap asked:? answer:? established:? resumed:? end:>alert");
	assert_int_equal(tracker_counts(table)->gaps, 1);
	feed_release(&feed);
	tracker_free(table);
}

/* Who is who, and when. */
static void record_has_ends_and_times(void **state)
{
	static const uint8_t local[4] = {192, 0, 2, 1}, remote[4] = {192, 0, 2, 2};
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;
	int direction;

	(void)state;
	for (direction = 0; direction < EVENT_DIRECTIONS; direction++) {
		bool is_client = direction == EVENT_SENT;

		table = table_new(&reports);
		tracker_set_realtime_offset(table, 1000);
		feed_init(&feed, table, FEED_SEGMENTS, 9);
		feed.client_direction = direction;
		feed_play(&feed, REQUESTING_FLIGHT ANSWERS "< ccs finished");
		assert_int_equal(reports.count, 1);
		assert_int_equal(reports.last.role, is_client ? ROLE_CLIENT : ROLE_SERVER);
		assert_memory_equal(reports.last.client.address, is_client ? local : remote, 4);
		assert_memory_equal(reports.last.server.address, is_client ? remote : local, 4);
		assert_int_equal(reports.last.client.port, 40009);
		assert_int_equal(reports.last.server.port, 443);
		assert_int_equal(reports.last.family, 4);
		assert_int_equal(reports.last.transport, IPPROTO_TCP);
		assert_int_equal(reports.last.cgroup, 77);
		assert_int_equal(reports.last.connection, 9);
		assert_int_equal(reports.last.version, 0x0303);
		assert_int_equal(reports.last.start_realtime_ns, reports.last.start_ns + 1000);
		assert_true(reports.last.start_ns < reports.last.request_ns);
		assert_true(reports.last.request_ns < reports.last.answer_ns);
		assert_true(reports.last.answer_ns < reports.last.end_ns);
		/* two steps a word: one when it is said and one until it arrives */
		assert_int_equal(reports.last.answer_ns - reports.last.request_ns, 2 * 2 * FEED_STEP_NS);
		assert_int_equal(reports.last.end_ns - reports.last.start_ns, 12 * 2 * FEED_STEP_NS);
		assert_true(reports.has_request);
		assert_true(reports.has_certificate);
		assert_int_equal(reports.last.steps, 13);
		feed_release(&feed);
		tracker_free(table);
	}
}

/* Where nobody wants to know them certificates are left unread; the verdict is the same. */
static void certificates_may_stay_unread(void **state)
{
	struct tracker_limits some = limits;
	struct feed_reports reports = {0};
	struct tracker *table;
	struct feed feed;

	(void)state;
	some.no_certificates = true;
	table = tracker_new(&some, feed_report, &reports);
	assert_non_null(table);
	feed_init(&feed, table, FEED_SEGMENTS, 1);
	feed_play(&feed, REQUESTING_FLIGHT ANSWERS "< ccs finished");
	assert_string_equal(reports.text,
	                    "presented asked:yes answer:certificate established:yes resumed:no end:completed");
	assert_false(reports.has_request);
	assert_false(reports.has_certificate);
	feed_release(&feed);
	tracker_free(table);
}

/* A handshake is judged by the policy of when it ends. */
static void policy_of_the_end(void **state)
{
	static const char text[] = "0.0.0.0/0 never\n[::/0] never\n";
	struct policy *policy = NULL;
	struct policy_error error;
	struct feed_reports reports;
	struct tracker *table = table_new(&reports);
	struct feed feed;

	(void)state;
	assert_int_equal(policy_parse(&policy, text, strlen(text), NULL, NULL, &error), 0);
	feed_init(&feed, table, FEED_SEGMENTS, 1);
	feed_play(&feed, REQUESTING_FLIGHT ANSWERS);
	tracker_set_policy(table, policy);
	feed_play(&feed, "< ccs finished");
	assert_int_equal(reports.count, 1);
	assert_int_equal(reports.last.policy.expectation, POLICY_NEVER);
	assert_int_equal(reports.last.policy.result, POLICY_BROKEN);
	feed_release(&feed);
	tracker_set_policy(table, NULL);
	feed_init(&feed, table, FEED_SEGMENTS, 2);
	feed_play(&feed, REQUESTING_FLIGHT ANSWERS "< ccs finished");
	assert_int_equal(reports.count, 2);
	assert_int_equal(reports.last.policy.expectation, POLICY_NOTHING);
	feed_release(&feed);
	tracker_free(table);
	policy_free(policy);
}

static void an_observer_is_no_end(void **state)
{
	struct feed_reports reports;

	(void)state;
	play(FEED_CAPTURE, REQUESTING_FLIGHT ANSWERS "< ccs finished", &reports);
	assert_int_equal(reports.last.role, ROLE_OBSERVER);
	assert_int_equal(reports.last.client.port, 40001);
	assert_int_equal(reports.last.server.port, 443);
}

/* What was in the middle of it when the capture began: the other end is the client. */
static void answer_without_a_hello(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_CAPTURE, 1);
	feed_play(
		&feed,
		"< server_hello certificate server_hello_done > client_key_exchange ccs finished < ccs finished stop");
	/* the client's side is read from there on, but what its hello offered is not known */
	assert_string_equal(reports.text, "unknown:midstream asked:? answer:? established:yes resumed:? end:completed");
	assert_int_equal(reports.last.client.port, 40001);
	feed_release(&feed);
	tracker_free(table);
}

/* What a source is told of more: nothing of what has ended, was not followed or is no event. */
static void tells_what_is_wanted(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_CAPTURE, 1);
	feed_play(&feed, "> client_hello");
	assert_true(feed.wanted);
	feed_play(&feed, "< server_hello certificate");
	assert_true(feed.wanted);
	feed_play(&feed, "< server_hello_done " FINISHES);
	/* the client's direction has told all of the handshake; it is followed for another one */
	assert_true(feed.wanted);
	assert_int_equal(reports.count, 0);
	feed_play(&feed, "< ccs finished");
	assert_true(feed.wanted);
	assert_int_equal(reports.count, 1);
	assert_false(reports.last.facts.renegotiation);
	feed_play(&feed, "< data:100 > data:100");
	assert_true(feed.wanted);
	assert_int_equal(reports.count, 1);
	feed_play(&feed, "> finished fin < fin");
	assert_false(feed.wanted);
	assert_int_equal(reports.count, 2);
	assert_true(reports.last.facts.renegotiation);
	assert_int_equal(reports.last.client.port, 40001);
	feed_release(&feed);
	tracker_free(table);
}

/*
 * The client's next handshake record behind its Finished: where the server has finished behind it, a renegotiation; where the
 * client finished last (a session resumed), its real Finished, what came before being NextProtocol.
 */
static void client_renegotiates_at_once(void **state)
{
	static const struct {
		const char *handshake;
		unsigned int reports;
	} cases[] = {
		{"> client_hello < server_hello certificate server_hello_done " FINISHES "< ccs finished ", 2},
		{"> client_hello < server_hello:same ccs finished > ccs finished ", 1},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		struct tracker *table;
		struct feed_reports reports;
		struct feed feed;

		table = table_new(&reports);
		feed_init(&feed, table, FEED_CAPTURE, 1);
		feed_play(&feed, cases[index].handshake);
		assert_int_equal(reports.count, 1);
		feed_play(&feed, "> finished fin < fin");
		expect_number(cases[index].handshake, "reports", reports.count, cases[index].reports);
		assert_int_equal(reports.last.facts.renegotiation, cases[index].reports == 2);
		feed_release(&feed);
		tracker_free(table);
	}
}

/* A connection in whose first bytes no ClientHello comes is not kept. */
static void search_has_an_end(void **state)
{
	struct tracker *table;
	struct message_bytes noise = {.length = 0};
	struct feed_word word = {.direction = EVENT_RECEIVED};
	struct feed_reports reports;
	struct feed feed;
	int i;

	(void)state;
	put_fill(&noise, 'x', 2000);
	table = table_new(&reports);
	feed_init(&feed, table, FEED_CAPTURE, 1);
	for (i = 0; i < 8; i++) {
		feed_stream(&feed, &word, &noise);
		assert_true(feed.wanted);
	}
	feed_stream(&feed, &word, &noise);
	assert_false(feed.wanted);
	feed_play(&feed, "> client_hello < fatal:40");
	assert_int_equal(reports.count, 0);
	feed_release(&feed);
	tracker_free(table);
}

/* A hello behind a dialog in cleartext, as with STARTTLS, also where segments of the dialog are missing. */
static void hello_behind_a_dialog(void **state)
{
	static const char *const said[] = {"EHLO client.example\r\n", "250 STARTTLS\r\n", "STARTTLS\r\n",
	                                   "220 go on\r\n"};
	struct tracker *table;
	struct message_bytes line;
	struct feed_word word;
	struct feed_reports reports;
	struct feed feed;
	int missing, form;
	size_t i;

	(void)state;
	for (form = FEED_SEGMENTS; form < FEED_DATAGRAMS; form++) {
		for (missing = -1; missing < 4; missing++) {
			table = table_new(&reports);
			feed_init(&feed, table, form, 1);
			for (i = 0; i < 4; i++) {
				word = (struct feed_word){.direction = i & 1, .missing = (int)i == missing};
				line.length = 0;
				put_bytes(&line, said[i], strlen(said[i]));
				feed_stream(&feed, &word, &line);
			}
			feed_play(&feed, REQUESTING_FLIGHT DECLINES "< ccs finished stop");
			/* the client had seen all of "250 STARTTLS", whether or not it was captured, when it spoke on */
			if (missing == -1 || missing == 1)
				assert_string_equal(reports.text, "declined asked:yes answer:empty established:yes "
				                                  "resumed:no end:completed");
			else if (reports.count && reports.last.verdict.client_auth != CLIENT_AUTH_DECLINED)
				assert_int_equal(reports.last.verdict.client_auth, CLIENT_AUTH_UNKNOWN);
			feed_release(&feed);
			tracker_free(table);
		}
	}
}

/* FIN in front of bytes that belong before it: it counts when they have come. */
static void close_waits_for_its_place(void **state)
{
	struct tracker *table;
	struct event_close close = {.event = {.kind = EVENT_CLOSE, .direction = EVENT_RECEIVED}, .how = EVENT_FIN};
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_CAPTURE, 1);
	feed_play(&feed, REQUESTING_FLIGHT "> certificate");
	close.sequence = feed.direction[EVENT_RECEIVED].said + 500;
	feed_event(&feed, &close, sizeof(close));
	/* were it taken at once, the server would have two seconds left */
	feed_play(&feed, "pause:10 > client_key_exchange certificate_verify ccs finished < ccs finished");
	assert_string_equal(reports.text,
	                    "presented asked:yes answer:certificate established:yes resumed:no end:completed");
	feed_release(&feed);
	tracker_free(table);
}

/* So does a reset. */
static void reset_waits_for_its_place(void **state)
{
	struct tracker *table;
	struct event_close close = {.event = {.kind = EVENT_CLOSE, .direction = EVENT_RECEIVED}, .how = EVENT_RST};
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_CAPTURE, 1);
	feed_play(&feed, REQUESTING_FLIGHT);
	/* the Certificate's record: its header, a message's, and 51 bytes */
	close.sequence = feed.direction[EVENT_RECEIVED].said + 5 + 4 + 51;
	feed_event(&feed, &close, sizeof(close));
	assert_int_equal(reports.count, 0);
	feed_play(&feed, "> certificate");
	assert_string_equal(reports.text,
	                    "unknown:abandoned asked:yes answer:certificate established:no resumed:no end:>rst");
	feed_release(&feed);
	tracker_free(table);
}

static void last_word(void **state)
{
	struct feed_reports reports;

	(void)state;
	/* one side has closed: the other has two seconds */
	play(FEED_SEGMENTS, REQUESTING_FLIGHT ANSWERS "> fin pause:1 < ccs finished", &reports);
	assert_string_equal(reports.text,
	                    "presented asked:yes answer:certificate established:yes resumed:no end:completed");
	play(FEED_SEGMENTS, REQUESTING_FLIGHT ANSWERS "> fin pause:2 < ccs finished", &reports);
	assert_string_equal(reports.text,
	                    "unknown:abandoned asked:yes answer:certificate established:no resumed:no end:>fin");
}

static void time_runs_from_the_last_event(void **state)
{
	struct feed_reports reports;

	(void)state;
	play(FEED_SEGMENTS, "> client_hello pause:59 < server_hello pause:59 < certificate pause:59", &reports);
	assert_int_equal(reports.count, 0);
	play(FEED_SEGMENTS, "> client_hello pause:59 < server_hello pause:59 < certificate pause:60", &reports);
	assert_int_equal(reports.count, 1);
	assert_int_equal(reports.last.facts.end, END_TIMEOUT);
	/* two steps a word, one a pause */
	assert_int_equal(reports.last.end_ns - reports.last.start_ns, 118 * FEED_SECOND_NS + 6 * FEED_STEP_NS);
}

/* A clock that stands before the events, and times at the end of the numbers: nothing ends early. */
static void time_does_not_wrap(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_SEGMENTS, 1);
	feed.time_ns = UINT64_MAX - FEED_SECOND_NS;
	feed_play(&feed, "> client_hello");
	tracker_time(table, 5);
	tracker_time(table, UINT64_MAX);
	assert_int_equal(reports.count, 0);
	tracker_finish(table);
	assert_int_equal(reports.count, 1);
	feed_release(&feed);
	tracker_free(table);
}

static void finish_reports_what_is_open(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed[3];
	int i;

	(void)state;
	table = table_new(&reports);
	for (i = 0; i < 3; i++)
		feed_init(&feed[i], table, FEED_SEGMENTS, 1 + i);
	feed_play(&feed[0], FLIGHT);
	feed_play(&feed[1], REQUESTING_FLIGHT "> certificate < fin");
	feed_open(&feed[2]); /* and not a message */
	tracker_finish(table);
	assert_string_equal(reports.text,
	                    "not_requested asked:no answer:none established:? resumed:no end:none\n"
	                    "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin");
	assert_int_equal(tracker_counts(table)->handshakes, 2);
	tracker_finish(table);
	assert_int_equal(reports.count, 2);
	for (i = 0; i < 3; i++)
		feed_release(&feed[i]);
	tracker_free(table);
}

/* A full table follows no new connection, counts it, and has room again when one ends. */
static void table_has_room_for_so_many(void **state)
{
	const struct tracker_limits two = {.connections = 2, .handshake_timeout_ns = limits.handshake_timeout_ns};
	struct feed_reports reports = {0};
	struct tracker *table = tracker_new(&two, feed_report, &reports);
	struct feed feed[4], datagrams;
	int i;

	(void)state;
	assert_non_null(table);
	feed_init(&datagrams, table, FEED_DATAGRAMS, 9);
	for (i = 0; i < 4; i++)
		feed_init(&feed[i], table, FEED_EVENTS, 1 + i);
	for (i = 0; i < 3; i++)
		feed_play(&feed[i], "> client_hello");
	assert_int_equal(tracker_counts(table)->table_full, 1);
	feed_play(&datagrams, "> client_hello");
	assert_int_equal(tracker_counts(table)->table_full, 2);
	assert_true(feed[1].wanted);
	assert_false(feed[2].wanted);
	for (i = 0; i < 3; i++)
		feed_play(&feed[i], "< fatal:40");
	assert_int_equal(reports.count, 2);
	feed_play(&feed[3], "> client_hello < fatal:40");
	assert_int_equal(reports.count, 3);
	assert_int_equal(tracker_counts(table)->table_full, 2);
	feed_release(&datagrams);
	for (i = 0; i < 4; i++)
		feed_release(&feed[i]);
	tracker_free(table);
}

/* A record that a time-out brought is corrected by a second one if the handshake goes on; it is no second handshake. */
static void a_time_out_is_corrected(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;
	char first[EVENT_ID_MAX];

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_SEGMENTS, 1);
	feed_play(&feed, REQUESTING_FLIGHT "pause:61");
	assert_string_equal(reports.text, "unknown:unfinished asked:yes answer:? established:? resumed:no end:timeout");
	memcpy(first, reports.last.id, sizeof(first));
	assert_int_equal(strlen(first), EVENT_ID_MAX - 1);
	assert_string_equal(reports.last.corrects, "");
	feed_play(&feed, "pause:600 " ANSWERS "< ccs finished");
	assert_int_equal(reports.count, 2);
	assert_string_equal(strchr(reports.text, '\n') + 1,
	                    "presented asked:yes answer:certificate established:yes resumed:no end:completed");
	assert_string_equal(reports.last.corrects, first);
	assert_int_equal(tracker_counts(table)->handshakes, 1);
	feed_release(&feed);
	tracker_free(table);
}

/* Nothing new behind the time-out: no second record. */
static void a_time_out_that_stands(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_SEGMENTS, 1);
	feed_play(&feed,
	          "> client_hello < server_hello certificate server_key_exchange server_hello_done pause:61 stop");
	assert_string_equal(reports.text, "not_requested asked:no answer:none established:? resumed:no end:timeout");
	feed_release(&feed);
	tracker_free(table);
}

/* Half-open handshakes fill the table: after some seconds without an event each gives way to another connection. */
static void half_open_handshakes_give_way(void **state)
{
	enum {
		ROOM = 8
	};
	const struct tracker_limits few = {.connections = ROOM, .handshake_timeout_ns = limits.handshake_timeout_ns};
	struct feed_reports reports = {0};
	struct tracker *table = tracker_new(&few, feed_report, &reports);
	struct feed stranger[ROOM], answered;

	(void)state;
	assert_non_null(table);
	for (int i = 0; i < ROOM; i++) {
		feed_init(&stranger[i], table, FEED_EVENTS, 10 + i);
		feed_play(&stranger[i], FLIGHT);
	}
	feed_init(&answered, table, FEED_EVENTS, 1);
	answered.time_ns += 6 * FEED_SECOND_NS;
	feed_play(&answered, FLIGHT FINISHES "< ccs finished");
	assert_int_equal(reports.last.connection, 1);
	assert_int_equal(reports.last.verdict.established, KNOWN_YES);
	assert_int_equal(tracker_counts(table)->table_full, 1);
	for (int i = 0; i < ROOM; i++)
		feed_release(&stranger[i]);
	feed_release(&answered);
	tracker_free(table);
}

/* DTLS ClientHellos that nobody answers have a small part of the table, and 5 s. */
static void unanswered_associations_have_a_table_of_their_own(void **state)
{
	enum {
		ROOM = 64,
		FLOOD = 200
	};
	const struct tracker_limits few = {.connections = ROOM, .handshake_timeout_ns = limits.handshake_timeout_ns};
	struct feed_reports reports = {0};
	struct tracker *table = tracker_new(&few, feed_report, &reports);
	struct feed feed;
	uint32_t followed[TRACKER_STATES];

	(void)state;
	assert_non_null(table);
	/* a server that wants a cookie answers strangers, too */
	for (int i = 0; i < FLOOD; i++) {
		feed_init(&feed, table, FEED_DATAGRAMS, 100 + i);
		feed_play(&feed, i % 2 ? "> client_hello" : "> client_hello < hello_verify_request");
		feed_release(&feed);
	}
	tracker_followed(table, followed);
	assert_int_equal(followed[TRACKER_HANDSHAKE], ROOM / 16 + 1);
	assert_int_equal(tracker_counts(table)->table_full, FLOOD - ROOM / 16 - 1);
	feed_init(&feed, table, FEED_EVENTS, 1);
	feed_play(&feed, FLIGHT FINISHES "< ccs finished");
	assert_int_equal(reports.count, 1);
	tracker_time(table, feed.time_ns + 6 * FEED_SECOND_NS);
	tracker_followed(table, followed);
	assert_int_equal(followed[TRACKER_HANDSHAKE], 0);
	feed_release(&feed);
	tracker_free(table);
}

/* The first bytes of a connection to a service of TLS are no ClientHello: the end tells, and a later ClientHello. */
static void plain_text_to_a_service(void **state)
{
	static const struct {
		const char *words;
		const char *expected;
		bool known; /* which end is the service */
		uint8_t first;
	} cases[] = {
		{"> fin < fin", "not_tls asked:no answer:none established:no resumed:no end:>not_tls", true,
	         EVENT_RECEIVED},
		{"> fin < fin", "not_tls asked:no answer:none established:no resumed:no end:>not_tls", true,
	         EVENT_SENT},
		{"stop", "not_tls asked:no answer:none established:no resumed:no end:>not_tls", true, EVENT_RECEIVED},
		{"> fin < fin", "", false, EVENT_RECEIVED},
		{FLIGHT FINISHES "< ccs finished fin > fin",
	         "not_requested asked:no answer:none established:yes resumed:no end:completed", true, EVENT_SENT},
	};
	const struct endpoint service = {.address = {192, 0, 2, 1}, .port = 443};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		struct event_bytes plain = {.event = {.kind = EVENT_PLAINTEXT, .direction = cases[index].first},
		                            .length = 4};
		struct feed_reports reports;
		struct tracker *table = table_new(&reports);
		struct feed feed;

		if (cases[index].known)
			tracker_add_service(table, &service, 4);
		feed_init(&feed, table, FEED_EVENTS, 1);
		feed_open(&feed);
		feed_event_bytes(&feed, &plain, (const uint8_t *)"GET ");
		feed_play(&feed, cases[index].words);
		assert_string_equal(reports.text, cases[index].expected);
		if (reports.count)
			assert_int_equal(reports.last.server.port, 443);
		feed_release(&feed);
		tracker_free(table);
	}
}

static void count_service(const struct endpoint *service, uint8_t family, void *context)
{
	assert_int_equal(service->port, 443);
	assert_int_equal(family, 4);
	++*(int *)context;
}

/* Only a completed handshake shows that a service speaks TLS. */
static void services_that_speak_tls(void **state)
{
	static const struct {
		const char *words;
		int services;
	} cases[] = {
		{FLIGHT FINISHES "< ccs finished", 1},
		{"> client_hello < fatal:40", 0},
		{"> client_hello < http", 0},
		{FLIGHT "pause:61", 0},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		struct feed_reports reports;
		struct tracker *table = table_new(&reports);
		struct feed feed;
		int services = 0;

		tracker_set_service(table, count_service, &services);
		feed_init(&feed, table, FEED_EVENTS, 1);
		feed_play(&feed, cases[index].words);
		assert_int_equal(services, cases[index].services);
		feed_release(&feed);
		tracker_free(table);
	}
}

/* The host's NAT: the record names the end that was dialled, and the end that answers. */
static void translated_addresses(void **state)
{
	static const struct {
		uint8_t client_direction;
		uint16_t local_port, remote_port, server_port, nat_port;
	} cases[] = {
		/* as client the socket has what was dialled, the packets what answers */
		{EVENT_SENT, 40001, 8443, 443, 8443},
		/* as server the socket has what answers, the packets what was dialled */
		{EVENT_RECEIVED, 8443, 40001, 8443, 443},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		struct event_translated translated = {
			.event = {.kind = EVENT_TRANSLATED, .direction = EVENT_SENT},
			.local_port = cases[index].local_port,
			.remote_port = cases[index].remote_port,
			.family = 4,
		};
		struct feed_reports reports;
		struct tracker *table = table_new(&reports);
		struct feed feed;

		feed_init(&feed, table, FEED_EVENTS, 1);
		feed.client_direction = cases[index].client_direction;
		feed_play(&feed, "> client_hello");
		feed_event(&feed, &translated, sizeof(translated));
		feed_play(&feed, "< fatal:40");
		if (!reports.count)
			tracker_finish(table);
		assert_true(reports.last.has_nat);
		assert_int_equal(reports.last.server.port, cases[index].server_port);
		assert_int_equal(reports.last.nat.port, cases[index].nat_port);
		feed_release(&feed);
		tracker_free(table);
	}
}

/* The same id again: the first one goes on. */
static void open_comes_twice(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_EVENTS, 1);
	feed_play(&feed, REQUESTING_FLIGHT);
	feed.opened = false;
	feed.port = 50000;
	feed_open(&feed);
	feed_play(&feed, DECLINES "< ccs finished");
	assert_string_equal(reports.text, "declined asked:yes answer:empty established:yes resumed:no end:completed");
	assert_int_equal(reports.last.client.port, 40001);
	feed_release(&feed);
	tracker_free(table);
}

static void events_of_nobody(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_EVENTS, 1);
	feed.opened = true;
	feed_play(&feed, FLIGHT FINISHES "< ccs finished fin > fin rst");
	assert_false(feed.wanted);
	feed.form = FEED_CAPTURE;
	feed_play(&feed, FLIGHT FINISHES "< ccs finished fin > fin rst stop");
	assert_int_equal(reports.count, 0);
	assert_int_equal(tracker_counts(table)->malformed_events, 0);
	feed_release(&feed);
	tracker_free(table);
}

/* What only comes where events were lost: their connection knows nothing any more. */
static void events_without_their_predecessors(void **state)
{
	struct event_bytes segment = {.event = {.kind = EVENT_SEGMENT}, .length = 0};
	struct event_cut cut = {.event = {.kind = EVENT_CUT}, .position = 5, .count = 7};
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;
	int which;

	(void)state;
	for (which = 0; which < 2; which++) {
		table = table_new(&reports);
		feed_init(&feed, table, FEED_EVENTS, 1);
		feed_play(&feed, FLIGHT);
		if (which)
			feed_event(&feed, &cut, sizeof(cut));
		else
			feed_event(&feed, &segment, sizeof(segment));
		feed_play(&feed, FINISHES "< ccs finished");
		assert_string_equal(reports.text,
		                    "unknown:lost_events asked:? answer:? established:yes resumed:? end:completed");
		assert_int_equal(tracker_counts(table)->events_lost, 1);
		feed_release(&feed);
		tracker_free(table);
	}
}

/* Every kind of event in every size that is too small for it, and bytes that claim to be more than there are. */
static void malformed_events(void **state)
{
	static const size_t sizes[] = {
		[EVENT_OPEN] = sizeof(struct event_open),
		[EVENT_MESSAGE] = sizeof(struct event_message),
		[EVENT_BODY] = sizeof(struct event_bytes),
		[EVENT_RECORD] = sizeof(struct event_record),
		[EVENT_ALERT] = sizeof(struct event_alert),
		[EVENT_NOT_TLS] = sizeof(struct event),
		[EVENT_CLOSE] = sizeof(struct event_close),
		[EVENT_HANDOVER] = sizeof(struct event_handover),
		[EVENT_SEGMENT] = sizeof(struct event_bytes),
		[EVENT_DATAGRAM] = sizeof(struct event_bytes),
		[EVENT_CUT] = sizeof(struct event_cut),
		[EVENT_OWNER] = sizeof(struct event_owner),
		[EVENT_TRANSLATED] = sizeof(struct event_translated),
		[EVENT_PLAINTEXT] = sizeof(struct event_bytes),
	};
	uint64_t expected = 0;
	struct tracker *table;
	struct feed_reports reports;
	struct event *event;
	struct feed feed;
	size_t size;
	int kind;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_EVENTS, 1);
	feed_play(&feed, FLIGHT);
	for (kind = 0; kind < 256; kind++) {
		bool known = kind >= EVENT_OPEN && kind < EVENT_KINDS;

		for (size = 0; size < (known ? sizes[kind] : 100); size++) {
			/* what the reader of the ring buffer has seen to: struct event is there */
			event = calloc(1, size > sizeof(*event) ? size : sizeof(*event));
			assert_non_null(event);
			*event = (struct event){.size = size, .kind = kind, .connection = 1};
			assert_false(tracker_event(table, event));
			free(event);
			expected++;
			if (tracker_counts(table)->malformed_events != expected)
				fail_msg("kind %d of %zu bytes was taken", kind, size);
		}
	}
	feed_play(&feed, FINISHES "< ccs finished");
	assert_string_equal(reports.text,
	                    "not_requested asked:no answer:none established:yes resumed:no end:completed");
	feed_release(&feed);
	tracker_free(table);
}

static void malformed_fields(void **state)
{
	static const uint8_t kinds[] = {EVENT_BODY, EVENT_SEGMENT, EVENT_DATAGRAM, EVENT_PLAINTEXT};
	struct event_close close = {.event = {.size = sizeof(close), .kind = EVENT_CLOSE, .connection = 1}};
	struct event not_tls = {.size = sizeof(not_tls), .kind = EVENT_NOT_TLS, .direction = 2, .connection = 1};
	struct tracker *table;
	struct event_bytes *bytes;
	struct feed_reports reports;
	struct feed feed;
	size_t i;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_EVENTS, 1);
	feed_play(&feed, FLIGHT);
	for (i = 0; i < sizeof(kinds); i++) {
		bytes = calloc(1, sizeof(*bytes) + 9);
		assert_non_null(bytes);
		*bytes = (struct event_bytes){.event = {.size = sizeof(*bytes) + 9, .kind = kinds[i], .connection = 1},
		                              .length = 10};
		assert_false(tracker_event(table, &bytes->event));
		free(bytes);
		assert_int_equal(tracker_counts(table)->malformed_events, 1 + i);
	}
	assert_false(tracker_event(table, &not_tls));
	assert_int_equal(tracker_counts(table)->malformed_events, 5);
	for (i = 0; i < 256; i++) {
		close.how = i;
		if (i != EVENT_FIN && i != EVENT_RST)
			assert_false(tracker_event(table, &close.event));
	}
	assert_int_equal(tracker_counts(table)->malformed_events, 5 + 254);
	assert_int_equal(reports.count, 0);
	feed_release(&feed);
	tracker_free(table);
}

/* DTLS: one association behind another between the same ports, told apart by its random; the first one never ended. */
static void associations_on_the_same_ports(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed, next;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_DATAGRAMS, 1);
	feed_play(&feed, REQUESTING_FLIGHT);
	feed_init(&next, table, FEED_DATAGRAMS, 1);
	next.random = 0xfeedfacecafebeef;
	/* a repetition of the first hello begins none, the other one does */
	feed.direction[EVENT_RECEIVED].message = 0;
	feed_play(&feed, "> client_hello");
	assert_int_equal(reports.count, 0);
	feed_play(&next, "> client_hello < hello_verify_request > client_hello");
	assert_string_equal(reports.text, "unknown:unfinished asked:yes answer:? established:? resumed:no end:none");
	feed_play(&next, "< server_hello certificate server_hello_done " FINISHES "< ccs finished");
	assert_string_equal(reports.text,
	                    "unknown:unfinished asked:yes answer:? established:? resumed:no end:none\n"
	                    "not_requested asked:no answer:none established:yes resumed:no end:completed");
	assert_int_equal(reports.last.transport, IPPROTO_UDP);
	assert_int_equal(reports.last.version, 0xfefd);
	feed_release(&feed);
	feed_release(&next);
	tracker_free(table);
}

/* Flights of a handshake that is over may come again; they begin none. */
static void flights_of_an_association_that_is_over(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_DATAGRAMS, 1);
	feed_play(&feed, FLIGHT FINISHES "< ccs finished");
	assert_int_equal(reports.count, 1);
	feed.opened = false;
	feed.direction[EVENT_RECEIVED].message = 0;
	feed.direction[EVENT_SENT].message = 0;
	feed_play(&feed, "> client_hello < server_hello certificate server_hello_done stop");
	assert_int_equal(reports.count, 1);
	/* another random is another association */
	feed.opened = false;
	feed.random++;
	feed.direction[EVENT_RECEIVED].message = 0;
	feed.direction[EVENT_SENT].message = 0;
	feed_play(&feed, "> client_hello < server_hello certificate server_hello_done stop");
	assert_int_equal(reports.count, 2);
	/* and so is one that comes when nothing can come again any more */
	feed.time_ns += 61 * FEED_SECOND_NS;
	feed.opened = false;
	feed.direction[EVENT_RECEIVED].message = 0;
	feed_play(&feed, "> client_hello stop");
	assert_int_equal(reports.count, 3);
	feed_release(&feed);
	tracker_free(table);
}

/* Two CPUs: the addresses of one datagram come between those of the other and its bytes. */
static void associations_at_once(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed[3];
	int i;

	(void)state;
	table = table_new(&reports);
	for (i = 0; i < 3; i++) {
		feed_init(&feed[i], table, FEED_DATAGRAMS, 1 + i);
		feed_open(&feed[i]);
		assert_true(feed[i].wanted);
	}
	for (i = 0; i < 3; i++) {
		reports.count = 0;
		reports.text[0] = '\0';
		feed_play(&feed[i], REQUESTING_FLIGHT DECLINES "< ccs finished");
		assert_string_equal(reports.text,
		                    "declined asked:yes answer:empty established:yes resumed:no end:completed");
		assert_int_equal(reports.last.client.port, 40001 + i);
		feed_release(&feed[i]);
	}
	tracker_free(table);
}

/* What is no DTLS, and what is in the middle of an association, begins none. */
static void datagrams_that_begin_nothing(void **state)
{
	struct tracker *table;
	struct message_bytes noise = {.length = 0};
	struct feed_word word = {.direction = EVENT_RECEIVED};
	struct feed_reports reports;
	struct feed feed;

	(void)state;
	put_fill(&noise, 'x', 100);
	table = table_new(&reports);
	feed_init(&feed, table, FEED_DATAGRAMS, 1);
	feed_hold_datagram(&feed, &word, &noise);
	assert_false(feed.wanted);
	feed_play(&feed, "> data:100 < finished ccs certificate stop");
	assert_int_equal(reports.count, 0);
	feed_release(&feed);
	tracker_free(table);
}

/* The end of the datagram that also holds the rest of the flight was not captured: not even the messages' names are known. */
static void datagram_cut_behind_server_hello(void **state)
{
	struct tracker *table;
	struct message_bytes body = {.length = 0}, bytes = {.length = 0};
	struct event_bytes header = {.event = {.kind = EVENT_DATAGRAM, .direction = EVENT_SENT}};
	struct event_cut cut = {.event = {.kind = EVENT_CUT, .direction = EVENT_SENT}, .count = 900};
	struct feed_reports reports;
	struct feed feed;
	size_t record;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_DATAGRAMS, 1);
	feed_play(&feed, "> client_hello");
	put_server_hello(&body, &feed, "same");
	record = put_record_header(&feed, &bytes, 22, 0);
	put_number(&bytes, 1, 2);
	put_number(&bytes, 3, body.length);
	put_zeros(&bytes, 5);
	put_number(&bytes, 3, body.length);
	put_bytes(&bytes, body.data, body.length);
	vector_end(&bytes, 2, record);
	header.length = bytes.length;
	feed_event_bytes(&feed, &header, bytes.data);
	cut.position = bytes.length;
	feed_event(&feed, &cut, sizeof(cut));
	feed_play(&feed, "> ccs finished < ccs finished");
	assert_string_equal(reports.text, "unknown:gap asked:? answer:? established:yes resumed:? end:completed");
	feed_release(&feed);
	tracker_free(table);
}

/* A flood of messages costs no more memory than a handshake does. */
static void a_flood_of_messages(void **state)
{
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;
	size_t before;
	int i;

	(void)state;
	table = table_new(&reports);
	feed_init(&feed, table, FEED_EVENTS, 1);
	feed_play(&feed, REQUESTING_FLIGHT "> certificate");
	before = __sanitizer_get_current_allocated_bytes();
	for (i = 0; i < 20000; i++)
		feed_play(&feed, "> certificate client_hello < server_hello certificate_request server_hello_done");
	assert_in_range(__sanitizer_get_current_allocated_bytes(), 0, before + 1024);
	feed_play(&feed, "stop");
	assert_string_equal(reports.text,
	                    "unknown:malformed asked:yes answer:certificate established:? resumed:? end:none");
	assert_int_equal(reports.last.steps, HANDSHAKE_STEPS_MAX);
	assert_int_equal(reports.last.steps_dropped, UINT16_MAX);
	feed_release(&feed);
	tracker_free(table);
}

/* Bytes behind gaps in as many connections as there is room for: all of them together are bounded too. */
static void memory_is_bounded(void **state)
{
	struct tracker *table;
	struct message_bytes bytes = {.length = 0};
	struct feed_word word = {.direction = EVENT_RECEIVED};
	struct feed_word missing = {.direction = EVENT_RECEIVED, .missing = true};
	struct feed_reports reports;
	struct feed feed;
	size_t before, most = 0, now;
	uint32_t i, part;

	(void)state;
	put_fill(&bytes, 0x16, 4000);
	table = table_new(&reports);
	before = __sanitizer_get_current_allocated_bytes();
	for (i = 0; i < limits.connections; i++) {
		feed_init(&feed, table, FEED_CAPTURE, 1 + i);
		feed_play(&feed, "> client_hello");
		feed_stream(&feed, &missing, &bytes);
		for (part = 0; part < 30; part++) {
			feed_stream(&feed, &word, &bytes);
			now = __sanitizer_get_current_allocated_bytes() - before;
			if (now > most)
				most = now;
		}
		feed_release(&feed);
	}
	/* what is held, the records, and what the test itself has */
	assert_in_range(most, 0, limits.connections * (TRACKER_HELD_MEAN + 8192) + 1024 * 1024);
	assert_int_not_equal(tracker_counts(table)->bounds, 0);
	assert_int_equal(reports.count, tracker_counts(table)->bounds);
	assert_int_equal(reports.last.verdict.reason, REASON_LOST_EVENTS);
	tracker_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plays_scenarios),
		cmocka_unit_test(any_segments_in_any_order),
		cmocka_unit_test(states_of_connections),
		cmocka_unit_test(connections_do_not_mix),
		cmocka_unit_test(part_of_a_chain),
		cmocka_unit_test(open_tells_of_losses),
		cmocka_unit_test(gaps_and_bounds_are_counted),
		cmocka_unit_test(record_has_ends_and_times),
		cmocka_unit_test(certificates_may_stay_unread),
		cmocka_unit_test(policy_of_the_end),
		cmocka_unit_test(an_observer_is_no_end),
		cmocka_unit_test(answer_without_a_hello),
		cmocka_unit_test(tells_what_is_wanted),
		cmocka_unit_test(client_renegotiates_at_once),
		cmocka_unit_test(search_has_an_end),
		cmocka_unit_test(hello_behind_a_dialog),
		cmocka_unit_test(close_waits_for_its_place),
		cmocka_unit_test(reset_waits_for_its_place),
		cmocka_unit_test(last_word),
		cmocka_unit_test(time_runs_from_the_last_event),
		cmocka_unit_test(time_does_not_wrap),
		cmocka_unit_test(finish_reports_what_is_open),
		cmocka_unit_test(table_has_room_for_so_many),
		cmocka_unit_test(open_comes_twice),
		cmocka_unit_test(a_time_out_is_corrected),
		cmocka_unit_test(a_time_out_that_stands),
		cmocka_unit_test(half_open_handshakes_give_way),
		cmocka_unit_test(unanswered_associations_have_a_table_of_their_own),
		cmocka_unit_test(plain_text_to_a_service),
		cmocka_unit_test(services_that_speak_tls),
		cmocka_unit_test(translated_addresses),
		cmocka_unit_test(events_of_nobody),
		cmocka_unit_test(events_without_their_predecessors),
		cmocka_unit_test(malformed_events),
		cmocka_unit_test(malformed_fields),
		cmocka_unit_test(associations_on_the_same_ports),
		cmocka_unit_test(flights_of_an_association_that_is_over),
		cmocka_unit_test(associations_at_once),
		cmocka_unit_test(datagrams_that_begin_nothing),
		cmocka_unit_test(datagram_cut_behind_server_hello),
		cmocka_unit_test(a_flood_of_messages),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
