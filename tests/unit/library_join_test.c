// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What TLS libraries saw, joined to the connections of the wire (user/tracking/library_join.c, user/handshake/verdict_library.c). */
#include "handshake_feed.h"

#include "bpf/shared/tls_walk.h"
#include "handshake/verdict.h"

enum {
	SERVER_PROCESS = 100,
	CLIENT_PROCESS = 200,
	OTHER_PROCESS = 300,
	FEED_CGROUP = 77, /* of feed_open() */
};

static const uint64_t MILLISECOND_NS = 1000 * 1000;

/* The wire of TLS 1.3 with SHA-256; each word takes 1 ms: ServerHello is shown at 2 ms. */
#define HELLOS        "> client_hello < server_hello:1.3 ccs "
#define SERVER_FLIGHT "data:27 data:62 data:811 data:281 data:53 "
#define NOT_ASKED     HELLOS "data:27 data:811 data:281 data:53 > ccs data:53 "
#define CERTIFICATE   HELLOS SERVER_FLIGHT "> ccs data:811 data:281 data:53 "
#define EMPTY         HELLOS SERVER_FLIGHT "> ccs data:25 data:53 "
#define PADDED_ASKED  HELLOS SERVER_FLIGHT "> ccs data:528 "
#define PADDED        HELLOS "data:27 data:811 data:281 data:53 > ccs data:528 "
#define WENT_ON       "< data:250 data:250"
#define REFUSED       "< data:19 fin > fin"

struct fixture {
	struct tracker *table;
	struct feed_reports reports;
	struct feed feed;
	struct library_handshake seen;
	uint64_t start_ns;
};

static void put_be64(uint8_t *bytes, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = number >> (56 - 8 * i);
	memset(bytes + 8, 0x77, 24);
}

static void fixture_open(struct fixture *fixture, uint8_t client_direction)
{
	const struct tracker_limits limits = {
		.connections = 100,
		.handshake_timeout_ns = 60ull * 1000 * 1000 * 1000,
	};

	*fixture = (struct fixture){};
	fixture->table = tracker_new(&limits, feed_report, &fixture->reports);
	assert_non_null(fixture->table);
	assert_int_equal(tracker_listen(fixture->table), 0);
	feed_init(&fixture->feed, fixture->table, FEED_EVENTS, 1);
	fixture->feed.client_direction = client_direction;
	fixture->start_ns = fixture->feed.time_ns;
	fixture->seen = (struct library_handshake){
		.id = 1,
		.process = SERVER_PROCESS,
		.cgroup = FEED_CGROUP,
		.name = "nginx",
		.start_ns = fixture->start_ns,
		.role = ROLE_OBSERVER,
		.view = {.seen = true, .version = 0x0304, .version_1_3 = true, .server_hello = true},
	};
	put_be64(fixture->seen.random, fixture->feed.random);
	put_be64(fixture->seen.server_random, ~fixture->feed.random);
}

static void fixture_close(struct fixture *fixture)
{
	feed_release(&fixture->feed);
	tracker_free(fixture->table);
}

static void add_message(struct library_handshake *seen, uint8_t type, uint8_t from, uint64_t time_ns)
{
	seen->message[seen->messages++] =
		(struct library_message){.time_ns = time_ns, .length = 10, .type = type, .from = from, .prompt = true};
	seen->last_ns = time_ns;
}

/* The hellos, as hashed so long behind the beginning. */
static void see_hellos(struct fixture *fixture, uint64_t milliseconds)
{
	uint64_t time_ns = fixture->start_ns + milliseconds * MILLISECOND_NS + 500000;

	add_message(&fixture->seen, TLS_CLIENT_HELLO, FROM_CLIENT, time_ns);
	fixture->seen.message[0].prompt = false;
	add_message(&fixture->seen, TLS_SERVER_HELLO, FROM_SERVER, time_ns);
}

static void see_server_flight(struct fixture *fixture, bool asked)
{
	fixture->seen.view.server_certificate = true;
	fixture->seen.view.certificate_request = asked;
	fixture->seen.view.server_finished = true;
	if (asked)
		add_message(&fixture->seen, TLS_CERTIFICATE_REQUEST, FROM_SERVER, fixture->seen.last_ns + 1000);
}

static void see_client_flight(struct fixture *fixture, bool certificate)
{
	fixture->seen.view.client_certificate = fixture->seen.view.certificate_request;
	fixture->seen.view.client_certificate_empty = !certificate && fixture->seen.view.certificate_request;
	fixture->seen.view.client_finished = true;
	if (fixture->seen.view.certificate_request)
		add_message(&fixture->seen, TLS_CERTIFICATE, FROM_CLIENT, fixture->start_ns + 15 * MILLISECOND_NS);
	add_message(&fixture->seen, TLS_FINISHED, FROM_CLIENT, fixture->start_ns + 16 * MILLISECOND_NS);
}

/* The library went no further than the client's Certificate. */
static void forget_finished(struct fixture *fixture)
{
	fixture->seen.view.client_finished = false;
	fixture->seen.messages--;
}

static void tell(struct fixture *fixture)
{
	tracker_library(fixture->table, &fixture->seen, "OpenSSL 3.0.19");
}

static void expect_report(const char *about, const struct fixture *fixture, const char *text, uint8_t evidence,
                          uint32_t process)
{
	expect_text(about, "report", fixture->reports.text, text);
	expect_number(about, "evidence", fixture->reports.last.verdict.evidence, evidence);
	expect_number(about, "process", fixture->reports.last.process.id, process);
}

/* ServerHello hashed before the wire shows it: the server's; after: the client's. Each record takes its own alone. */
static void test_roles(void **state)
{
	static const struct {
		const char *name;
		uint8_t client_direction;
		uint64_t milliseconds; /* of the hash of ServerHello; the wire shows it at 2 */
		uint32_t process;
	} cases[] = {
		{"server, hashed before", EVENT_RECEIVED, 1, SERVER_PROCESS},
		{"server, hashed behind", EVENT_RECEIVED, 3, 0},
		{"client, hashed before", EVENT_SENT, 1, 0},
		{"client, hashed behind", EVENT_SENT, 3, SERVER_PROCESS},
	};
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		fixture_open(&fixture, cases[index].client_direction);
		see_hellos(&fixture, cases[index].milliseconds);
		see_server_flight(&fixture, true);
		see_client_flight(&fixture, true);
		tell(&fixture);
		feed_play(&fixture.feed, CERTIFICATE WENT_ON);
		expect_report(cases[index].name, &fixture,
		              "presented asked:yes answer:certificate established:yes resumed:no end:completed",
		              cases[index].process ? EVIDENCE_LIBRARY : EVIDENCE_INFERRED, cases[index].process);
		expect_number(cases[index].name, "conflict", fixture.reports.last.verdict.conflict, false);
		fixture_close(&fixture);
	}
}

/* Both ends on one host: two records, two processes with the same randoms. */
static void test_both_ends(void **state)
{
	struct fixture fixture;
	struct feed client;

	(void)state;
	fixture_open(&fixture, EVENT_RECEIVED);
	feed_init(&client, fixture.table, FEED_EVENTS, 2);
	client.client_direction = EVENT_SENT;
	client.random = fixture.feed.random;
	client.time_ns = fixture.feed.time_ns;
	feed_play(&fixture.feed, CERTIFICATE);
	feed_play(&client, CERTIFICATE);
	see_hellos(&fixture, 1);
	see_server_flight(&fixture, true);
	see_client_flight(&fixture, true);
	tell(&fixture);
	fixture.seen.id = 2;
	fixture.seen.process = CLIENT_PROCESS;
	fixture.seen.message[1].time_ns += 2 * MILLISECOND_NS;
	tell(&fixture);
	feed_play(&fixture.feed, WENT_ON);
	expect_number("server", "process", fixture.reports.last.process.id, SERVER_PROCESS);
	expect_number("server", "role", fixture.reports.last.role, ROLE_SERVER);
	feed_play(&client, WENT_ON);
	expect_number("client", "reports", fixture.reports.count, 2);
	expect_number("client", "process", fixture.reports.last.process.id, CLIENT_PROCESS);
	expect_number("client", "role", fixture.reports.last.role, ROLE_CLIENT);
	expect_text("client", "library", fixture.reports.last.library, "OpenSSL 3.0.19");
	expect_number("both", "joined", tracker_library_counts(fixture.table)->joined, 2);
	expect_number("both", "untold", tracker_library_counts(fixture.table)->untold, 0);
	feed_release(&client);
	fixture_close(&fixture);
}

/* The library may have its say before the wire, or behind it within its time. */
static void test_order(void **state)
{
	static const char expected[] = "declined asked:yes answer:empty established:yes resumed:no end:completed";
	struct fixture fixture;

	(void)state;
	for (int last_word = 0; last_word < 2; last_word++) {
		fixture_open(&fixture, EVENT_RECEIVED);
		see_hellos(&fixture, 1);
		see_server_flight(&fixture, true);
		tell(&fixture);
		feed_play(&fixture.feed, EMPTY WENT_ON);
		expect_number("held", "reports", fixture.reports.count, 0);
		if (last_word) {
			see_client_flight(&fixture, false);
			tell(&fixture);
			expect_report("the last word", &fixture, expected, EVIDENCE_LIBRARY, SERVER_PROCESS);
		} else {
			tracker_time(fixture.table, fixture.feed.time_ns + 198 * MILLISECOND_NS);
			expect_number("held", "reports", fixture.reports.count, 0);
			tracker_time(fixture.table, fixture.feed.time_ns + 200 * MILLISECOND_NS);
			/* of the answer the wire alone has spoken */
			expect_report("no last word", &fixture, expected, EVIDENCE_INFERRED, SERVER_PROCESS);
		}
		fixture_close(&fixture);
	}
}

/* Two views of one end by one process: one of them is a lie. */
static void test_contradicting_views(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture, EVENT_RECEIVED);
	see_hellos(&fixture, 1);
	see_server_flight(&fixture, true);
	see_client_flight(&fixture, true);
	tell(&fixture);
	fixture.seen.id = 2;
	fixture.seen.view.certificate_request = false;
	fixture.seen.view.client_certificate = false;
	tell(&fixture);
	feed_play(&fixture.feed, NOT_ASKED WENT_ON);
	expect_number("contradiction", "verdict", fixture.reports.last.verdict.client_auth, CLIENT_AUTH_UNKNOWN);
	expect_number("contradiction", "conflict", fixture.reports.last.verdict.conflict, true);
	expect_number("contradiction", "requested", fixture.reports.last.verdict.requested, NOT_KNOWN);
	fixture_close(&fixture);
}

/* Nobody was seen to write: a process in the cgroup of the socket may speak for its end, one elsewhere may not. */
static void test_cgroup_without_a_writer(void **state)
{
	struct fixture fixture;

	(void)state;
	for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
		fixture_open(&fixture, EVENT_RECEIVED);
		fixture.seen.role = ROLE_SERVER;
		fixture.seen.cgroup = elsewhere ? FEED_CGROUP + 1 : FEED_CGROUP;
		fixture.seen.process = OTHER_PROCESS;
		see_hellos(&fixture, 1);
		see_server_flight(&fixture, true);
		see_client_flight(&fixture, true);
		tell(&fixture);
		feed_play(&fixture.feed, NOT_ASKED WENT_ON);
		expect_number(elsewhere ? "elsewhere" : "in the cgroup", "evidence",
		              fixture.reports.last.verdict.evidence, elsewhere ? EVIDENCE_INFERRED : EVIDENCE_LIBRARY);
		fixture_close(&fixture);
	}
}

/* Where no library has spoken, nothing waits. */
static void test_nobody_spoke(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture, EVENT_RECEIVED);
	fixture.seen.random[0]++;
	see_hellos(&fixture, 1);
	tell(&fixture);
	feed_play(&fixture.feed, EMPTY WENT_ON);
	expect_report("nobody", &fixture, "declined asked:yes answer:empty established:yes resumed:no end:completed",
	              EVIDENCE_INFERRED, 0);
	tracker_time(fixture.table, fixture.feed.time_ns + 61 * FEED_SECOND_NS);
	expect_number("nobody", "unjoined", tracker_library_counts(fixture.table)->unjoined, 1);
	expect_number("nobody", "untold", tracker_library_counts(fixture.table)->untold, 1);
	expect_number("nobody", "joined", tracker_library_counts(fixture.table)->joined, 0);
	fixture_close(&fixture);
}

/* The same ClientHello, sent again to another server: its ServerHello tells. */
static void test_hello_sent_again(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture, EVENT_RECEIVED);
	fixture.seen.server_random[0]++;
	see_hellos(&fixture, 1);
	see_server_flight(&fixture, false);
	see_client_flight(&fixture, false);
	tell(&fixture);
	feed_play(&fixture.feed, EMPTY WENT_ON);
	expect_report("again", &fixture, "declined asked:yes answer:empty established:yes resumed:no end:completed",
	              EVIDENCE_INFERRED, 0);
	fixture_close(&fixture);
}

/* What the wire leaves open, or has wrong. */
static void test_verdicts(void **state)
{
	enum saw {
		SAW_NOT_ASKED,
		SAW_CERTIFICATE,
		SAW_EMPTY,
		SAW_CERTIFICATE_ALONE, /* and nothing behind it */
		SAW_EMPTY_ALONE,
		SAW_REQUEST,
		SAW_NO_REQUEST,
		SAW_HELLOS
	};
	static const struct {
		const char *name;
		const char *words;
		uint8_t saw;
		const char *expected;
		uint8_t evidence;
		bool conflict;
	} cases[] = {
		{"padded, certificate", PADDED WENT_ON, SAW_CERTIFICATE,
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed", EVIDENCE_LIBRARY,
	         false},
		{"padded, empty", PADDED WENT_ON, SAW_EMPTY,
	         "declined asked:yes answer:empty established:yes resumed:no end:completed", EVIDENCE_LIBRARY, false},
		{"padded, not asked", PADDED WENT_ON, SAW_NOT_ASKED,
	         "not_requested asked:no answer:none established:yes resumed:no end:completed", EVIDENCE_LIBRARY,
	         false},
		{"padded, and the library was not asked further", PADDED WENT_ON, SAW_REQUEST,
	         "unknown:padding asked:yes answer:? established:? resumed:no end:completed", EVIDENCE_LIBRARY, false},
		{"early data refused",
	         "> client_hello:early ccs data:100 < server_hello:1.3 ccs " SERVER_FLIGHT "> data:25 data:53 " WENT_ON,
	         SAW_EMPTY, "declined asked:yes answer:empty established:yes resumed:no end:completed",
	         EVIDENCE_LIBRARY, false},
		{"refused", CERTIFICATE REFUSED, SAW_REQUEST,
	         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin",
	         EVIDENCE_INFERRED, false},
		{"the server says good-bye behind the handshake", CERTIFICATE REFUSED, SAW_CERTIFICATE,
	         "presented asked:yes answer:certificate established:yes resumed:no end:<fin", EVIDENCE_LIBRARY, true},
		{"the client leaves", CERTIFICATE "> data:19 fin < fin", SAW_CERTIFICATE,
	         "presented asked:yes answer:certificate established:yes resumed:no end:>fin", EVIDENCE_LIBRARY, false},
		{"the client refuses the server", HELLOS SERVER_FLIGHT "> ccs data:19 fin < fin", SAW_REQUEST,
	         "unanswered asked:yes answer:none established:no resumed:no end:>fin", EVIDENCE_LIBRARY, false},
		{"the client refuses a server that does not ask",
	         HELLOS "data:27 data:811 data:281 data:53 > ccs data:19 fin < fin", SAW_NO_REQUEST,
	         "not_requested asked:no answer:none established:no resumed:no end:>fin", EVIDENCE_LIBRARY, false},
		{"the lengths of Finished alone", NOT_ASKED WENT_ON, SAW_EMPTY,
	         "declined asked:yes answer:empty established:yes resumed:no end:completed", EVIDENCE_LIBRARY, true},
		{"the lengths of an answer", EMPTY WENT_ON, SAW_NOT_ASKED,
	         "not_requested asked:no answer:none established:yes resumed:no end:completed", EVIDENCE_LIBRARY, true},
		{"an event was lost", CERTIFICATE "lost " WENT_ON, SAW_CERTIFICATE,
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed", EVIDENCE_LIBRARY,
	         false},
		{"padded, and the server refuses the certificate", PADDED_ASKED REFUSED, SAW_CERTIFICATE_ALONE,
	         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin",
	         EVIDENCE_LIBRARY, false},
		{"padded, and the server refuses an empty one", PADDED_ASKED REFUSED, SAW_EMPTY_ALONE,
	         "rejected_without_certificate asked:yes answer:empty established:no resumed:no end:<fin",
	         EVIDENCE_LIBRARY, false},
		{"the same where the server's flight does not show the request", PADDED REFUSED, SAW_EMPTY_ALONE,
	         "rejected_without_certificate asked:yes answer:empty established:no resumed:no end:<fin",
	         EVIDENCE_LIBRARY, false},
		{"padded, and the server resets", PADDED_ASKED "< rst", SAW_CERTIFICATE_ALONE,
	         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<rst",
	         EVIDENCE_LIBRARY, false},
		{"padded, and the server goes on: what its library did then was missed", PADDED_ASKED WENT_ON,
	         SAW_CERTIFICATE_ALONE,
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed", EVIDENCE_LIBRARY,
	         false},
		{"padded, and the client leaves", PADDED_ASKED "> fin < data:19 fin", SAW_CERTIFICATE_ALONE,
	         "unknown:padding asked:yes answer:certificate established:? resumed:no end:>fin", EVIDENCE_LIBRARY,
	         false},
		{"padded, and a second record, which may be the client's alert", PADDED_ASKED "data:528 " REFUSED,
	         SAW_CERTIFICATE_ALONE,
	         "unknown:padding asked:yes answer:certificate established:? resumed:no end:<fin", EVIDENCE_LIBRARY,
	         false},
		{"padded, and the server's library went on", PADDED_ASKED REFUSED, SAW_CERTIFICATE,
	         "presented asked:yes answer:certificate established:yes resumed:no end:<fin", EVIDENCE_LIBRARY, false},
		{"silence, which is no consent where the server's library stands still", CERTIFICATE "pause:61",
	         SAW_CERTIFICATE_ALONE,
	         "unknown:unfinished asked:yes answer:certificate established:? resumed:no end:timeout",
	         EVIDENCE_LIBRARY, false},
		{"the same before it has read the answer", EMPTY "pause:61", SAW_REQUEST,
	         "unknown:unfinished asked:yes answer:empty established:? resumed:no end:timeout", EVIDENCE_LIBRARY,
	         false},
		{"silence, and the server's library went on", CERTIFICATE "pause:3", SAW_CERTIFICATE,
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed", EVIDENCE_LIBRARY,
	         false},
		{"a Certificate by itself, refused", HELLOS SERVER_FLIGHT "> ccs data:827 " REFUSED,
	         SAW_CERTIFICATE_ALONE,
	         "rejected_certificate asked:yes answer:certificate established:no resumed:no end:<fin",
	         EVIDENCE_LIBRARY, false},
		{"no more than hellos", CERTIFICATE WENT_ON, SAW_HELLOS,
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed", EVIDENCE_INFERRED,
	         false},
		{"the tracer stops", HELLOS "data:27 data:811 data:281 data:53 stop", SAW_NO_REQUEST,
	         "not_requested asked:no answer:none established:? resumed:no end:none", EVIDENCE_LIBRARY, false},
	};
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		uint8_t saw = cases[index].saw;

		fixture_open(&fixture, EVENT_RECEIVED);
		/* where early data comes first, ServerHello is on the wire at 4 ms */
		see_hellos(&fixture, 1);
		if (saw != SAW_HELLOS)
			see_server_flight(&fixture, saw != SAW_NOT_ASKED && saw != SAW_NO_REQUEST);
		if (saw < SAW_REQUEST)
			see_client_flight(&fixture, saw == SAW_CERTIFICATE || saw == SAW_CERTIFICATE_ALONE);
		if (saw == SAW_CERTIFICATE_ALONE || saw == SAW_EMPTY_ALONE)
			forget_finished(&fixture);
		tell(&fixture);
		feed_play(&fixture.feed, cases[index].words);
		tracker_time(fixture.table, fixture.feed.time_ns + 70 * FEED_SECOND_NS);
		expect_report(cases[index].name, &fixture, cases[index].expected, cases[index].evidence,
		              SERVER_PROCESS);
		expect_number(cases[index].name, "conflict", fixture.reports.last.verdict.conflict,
		              cases[index].conflict);
		expect_number(cases[index].name, "conflicts", tracker_counts(fixture.table)->conflicts,
		              cases[index].conflict);
		fixture_close(&fixture);
	}
}

/* Whose end it is nobody knows: it counts in its own cgroup, and the process is the one of the socket or none. */
static void test_role_not_known(void **state)
{
	struct fixture fixture;

	(void)state;
	for (uint64_t cgroup = FEED_CGROUP - 1; cgroup <= FEED_CGROUP; cgroup++) {
		fixture_open(&fixture, EVENT_RECEIVED);
		see_hellos(&fixture, 1);
		see_server_flight(&fixture, true);
		see_client_flight(&fixture, true);
		for (size_t message = 0; message < fixture.seen.messages; message++)
			fixture.seen.message[message].prompt = false;
		fixture.seen.cgroup = cgroup;
		tell(&fixture);
		feed_play(&fixture.feed, PADDED WENT_ON);
		tracker_time(fixture.table, fixture.feed.time_ns + 70 * FEED_SECOND_NS);
		if (cgroup == FEED_CGROUP)
			expect_report("its cgroup", &fixture,
			              "presented asked:yes answer:certificate established:yes resumed:no end:completed",
			              EVIDENCE_LIBRARY, 0);
		else
			expect_report("another cgroup", &fixture,
			              "unknown:padding asked:? answer:? established:yes resumed:no end:completed",
			              EVIDENCE_INFERRED, 0);
		fixture_close(&fixture);
	}
}

/* TLS 1.2: the client hashes its key exchange before the wire shows it, the server behind it. */
static void test_roles_1_2(void **state)
{
	struct fixture fixture;

	(void)state;
	for (int behind = 0; behind < 2; behind++) {
		fixture_open(&fixture, behind ? EVENT_RECEIVED : EVENT_SENT);
		fixture.seen.view.version = 0x0303;
		fixture.seen.view.version_1_3 = false;
		fixture.seen.view.server_hello_done = true;
		see_server_flight(&fixture, true);
		/* the wire shows ClientKeyExchange at 8 ms */
		add_message(&fixture.seen, TLS_CLIENT_KEY_EXCHANGE, FROM_CLIENT,
		            fixture.start_ns + (behind ? 9 : 7) * MILLISECOND_NS);
		see_client_flight(&fixture, true);
		tell(&fixture);
		feed_play(&fixture.feed,
		          "> client_hello < server_hello certificate server_key_exchange certificate_request "
		          "server_hello_done > certificate client_key_exchange certificate_verify ccs finished "
		          "< ccs finished");
		expect_report("TLS 1.2", &fixture,
		              "presented asked:yes answer:certificate established:yes resumed:no end:completed",
		              EVIDENCE_CLEARTEXT, SERVER_PROCESS);
		fixture_close(&fixture);
	}
}

/* The messages that the wire encrypts stand between its own, by their time. */
static void test_steps(void **state)
{
	struct fixture fixture;
	uint32_t library = 0;

	(void)state;
	fixture_open(&fixture, EVENT_RECEIVED);
	see_hellos(&fixture, 1);
	see_server_flight(&fixture, true);
	see_client_flight(&fixture, true);
	tell(&fixture);
	feed_play(&fixture.feed, CERTIFICATE WENT_ON);
	for (size_t index = 0; index < fixture.reports.last.steps; index++) {
		const struct handshake_step *step = &fixture.reports.last.step[index];

		library += step->kind == STEP_LIBRARY;
		if (index)
			assert_true(step->time_ns >= fixture.reports.last.step[index - 1].time_ns);
		if (step->kind == STEP_LIBRARY)
			assert_true(step->type != TLS_CLIENT_HELLO && step->type != TLS_SERVER_HELLO);
	}
	expect_number("steps", "of the library", library, 3);
	assert_true(fixture.reports.last.answer_ns > fixture.reports.last.request_ns);
	fixture_close(&fixture);
}

/* A request behind the handshake: a record of its own, with the connection's addresses. */
static void test_later(void **state)
{
	enum later {
		LATER_PRESENTED,
		LATER_DECLINED,
		LATER_UNANSWERED,
		LATER_NOT_TAKEN,
		LATER_RENEGOTIATED,
		LATERS
	};
	static const char *const expected[LATERS] = {
		[LATER_PRESENTED] = "presented asked:yes answer:certificate established:yes resumed:no end:completed",
		[LATER_DECLINED] = "declined asked:yes answer:empty established:yes resumed:no end:completed",
		[LATER_UNANSWERED] = "unknown:unfinished asked:yes answer:? established:? resumed:no end:timeout",
		[LATER_NOT_TAKEN] =
			"unknown:abandoned asked:yes answer:certificate established:? resumed:no end:timeout",
		[LATER_RENEGOTIATED] = "not_requested asked:no answer:none established:yes resumed:no end:completed",
	};
	struct fixture fixture;

	(void)state;
	for (int later = 0; later < LATERS; later++) {
		fixture_open(&fixture, EVENT_RECEIVED);
		see_hellos(&fixture, 1);
		see_server_flight(&fixture, false);
		see_client_flight(&fixture, false);
		tell(&fixture);
		feed_play(&fixture.feed, NOT_ASKED WENT_ON);
		expect_number("first", "reports", fixture.reports.count, 1);
		fixture.reports = (struct feed_reports){};
		fixture.seen.id = 2;
		fixture.seen.messages = 0;
		fixture.seen.view.post_handshake = later != LATER_RENEGOTIATED;
		fixture.seen.view.renegotiation = later == LATER_RENEGOTIATED;
		fixture.seen.view.version_1_3 = later != LATER_RENEGOTIATED;
		fixture.seen.view.server_hello_done = later == LATER_RENEGOTIATED;
		fixture.seen.view.client_finished = false;
		if (later != LATER_RENEGOTIATED)
			see_server_flight(&fixture, true);
		if (later != LATER_UNANSWERED)
			see_client_flight(&fixture, later != LATER_DECLINED);
		if (later == LATER_NOT_TAKEN)
			fixture.seen.view.client_finished = false;
		tell(&fixture);
		tracker_time(fixture.table, fixture.feed.time_ns + 1 * FEED_SECOND_NS);
		if (later == LATER_UNANSWERED || later == LATER_NOT_TAKEN)
			expect_number("later", "reports", fixture.reports.count, 0);
		tracker_time(fixture.table, fixture.feed.time_ns + 61 * FEED_SECOND_NS);
		expect_report("later", &fixture, expected[later], EVIDENCE_LIBRARY, SERVER_PROCESS);
		expect_number("later", "port", fixture.reports.last.server.port, 443);
		fixture_close(&fixture);
	}
}

/* Of a connection that nobody knows, or another process's: counted, not told. */
static void test_later_of_nobody(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture, EVENT_RECEIVED);
	see_hellos(&fixture, 1);
	see_server_flight(&fixture, false);
	see_client_flight(&fixture, false);
	tell(&fixture);
	feed_play(&fixture.feed, NOT_ASKED WENT_ON);
	fixture.seen.id = 2;
	fixture.seen.process = OTHER_PROCESS;
	fixture.seen.view.post_handshake = true;
	see_server_flight(&fixture, true);
	see_client_flight(&fixture, true);
	tell(&fixture);
	tracker_time(fixture.table, fixture.feed.time_ns + 61 * FEED_SECOND_NS);
	expect_number("nobody", "reports", fixture.reports.count, 1);
	expect_number("nobody", "unjoined", tracker_library_counts(fixture.table)->unjoined, 1);
	fixture_close(&fixture);
}

/*
 * A renegotiation up to TLS 1.2, which the wire shows by types and lengths of records ("c22:61": the client's, of type 22),
 * and the library by its messages: one record, whoever of the two has seen it, and in whatever order they tell of it.
 */
#define AGAIN                "s22:28 c22:248 s22:133 s22:918 s22:139 s22:28 "
#define AGAIN_ENDS           "c20:25 c22:40 s20:25 s22:40"
#define AGAIN_PRESENTED      AGAIN "c22:400 c22:61 c22:104 " AGAIN_ENDS
#define AGAIN_DECLINED       AGAIN "c22:31 c22:61 " AGAIN_ENDS
#define AGAIN_NOT_ASKED      AGAIN "c22:61 " AGAIN_ENDS
#define AGAIN_NOT_CLEAR      AGAIN "c22:286 " AGAIN_ENDS
#define AGAIN_NEVER_FINISHED AGAIN "c22:400 c22:61"

enum again_order {
	AGAIN_WIRE_FIRST,
	AGAIN_LIBRARY_FIRST,
	AGAIN_IN_PARTS,     /* the wire is through while the library is at its hellos */
	AGAIN_LIBRARY_LATE, /* by more than is waited for it */
	AGAIN_WIRE_LATE,
	AGAIN_WIRE_ALONE,
	AGAIN_LIBRARY_ALONE,
	AGAIN_ORDERS
};

static const char *const again_orders[AGAIN_ORDERS] = {
	"wire first", "library first", "in parts", "library late", "wire late", "wire alone", "library alone",
};

enum again_seen {
	AGAIN_SEEN_NOT_ASKED,
	AGAIN_SEEN_DECLINED,
	AGAIN_SEEN_PRESENTED
};

/* The handshake that is followed by another one; the library of the end that receives sees both. */
static void open_established(struct fixture *fixture)
{
	fixture_open(fixture, EVENT_RECEIVED);
	fixture->seen.view.version = 0x0303;
	fixture->seen.view.version_1_3 = false;
	fixture->seen.view.server_hello_done = true;
	see_server_flight(fixture, false);
	/* the wire shows it at 6 ms */
	add_message(&fixture->seen, TLS_CLIENT_KEY_EXCHANGE, FROM_CLIENT, fixture->start_ns + 7 * MILLISECOND_NS);
	see_client_flight(fixture, false);
	tell(fixture);
	feed_play(&fixture->feed, "> client_hello < server_hello certificate server_key_exchange server_hello_done "
	                          "> client_key_exchange ccs finished < ccs finished");
	expect_number("first", "reports", fixture->reports.count, 1);
	expect_number("first", "process", fixture->reports.last.process.id, SERVER_PROCESS);
	fixture->reports = (struct feed_reports){};
	fixture->feed.time_ns += FEED_SECOND_NS;
	fixture->start_ns = fixture->feed.time_ns;
}

static void renegotiate(struct feed *feed, const char *records)
{
	struct event_open open = {
		.event = {.kind = EVENT_OPEN, .flags = EVENT_RENEGOTIATES},
		.local_port = 443,
		.remote_port = feed->port,
		.family = 4,
		.transport = IPPROTO_TCP,
		.source = EVENT_FROM_SOCKET,
		.cgroup = FEED_CGROUP,
	};
	unsigned int type, length;
	char side;
	int read;

	feed_event(feed, &open, sizeof(open));
	for (; sscanf(records, " %c%u:%u%n", &side, &type, &length, &read) == 3; records += read) {
		struct event_record record = {
			.event = {.kind = EVENT_RECORD,
		                  .flags = EVENT_RENEGOTIATES,
		                  .direction = side == 'c' ? EVENT_RECEIVED : EVENT_SENT},
			.length = length,
			.version = 0x0303,
			.type = type,
		};

		feed->time_ns += FEED_STEP_NS;
		feed_event(feed, &record, sizeof(record));
	}
	assert_int_equal(*records, '\0');
}

static void see_again_hellos(struct fixture *fixture)
{
	fixture->seen.id++;
	fixture->seen.messages = 0;
	fixture->seen.start_ns = fixture->start_ns + 2 * MILLISECOND_NS + 500000;
	fixture->seen.view = (struct library_view){.seen = true, .version = 0x0303, .renegotiation = true};
	see_hellos(fixture, 2);
	fixture->seen.view.server_hello = true;
}

static void see_again_rest(struct fixture *fixture, enum again_seen seen)
{
	see_server_flight(fixture, seen != AGAIN_SEEN_NOT_ASKED);
	fixture->seen.view.server_hello_done = true;
	see_client_flight(fixture, seen == AGAIN_SEEN_PRESENTED);
}

static void play_again(struct fixture *fixture, enum again_order order, const char *wire, enum again_seen seen)
{
	uint64_t start_ns = fixture->feed.time_ns;

	if (order == AGAIN_LIBRARY_FIRST || order == AGAIN_WIRE_LATE || order == AGAIN_LIBRARY_ALONE ||
	    order == AGAIN_IN_PARTS)
		see_again_hellos(fixture);
	if (fixture->seen.view.renegotiation && order != AGAIN_IN_PARTS)
		see_again_rest(fixture, seen);
	if (fixture->seen.view.renegotiation)
		tell(fixture);
	if (order == AGAIN_WIRE_LATE)
		tracker_time(fixture->table, start_ns + FEED_SECOND_NS);
	if (order != AGAIN_LIBRARY_ALONE)
		renegotiate(&fixture->feed, wire);
	if (order == AGAIN_LIBRARY_LATE)
		tracker_time(fixture->table, fixture->feed.time_ns + FEED_SECOND_NS);
	if (order == AGAIN_WIRE_FIRST || order == AGAIN_LIBRARY_LATE)
		see_again_hellos(fixture);
	if (order == AGAIN_WIRE_FIRST || order == AGAIN_LIBRARY_LATE || order == AGAIN_IN_PARTS) {
		see_again_rest(fixture, seen);
		tell(fixture);
	}
	tracker_time(fixture->table, fixture->feed.time_ns + FEED_SECOND_NS);
}

static void expect_again(const struct fixture *fixture, const char *about, const char *text, uint8_t evidence,
                         bool conflict)
{
	expect_number(about, "reports", fixture->reports.count, 1);
	expect_report(about, fixture, text, evidence, SERVER_PROCESS);
	expect_number(about, "conflict", fixture->reports.last.verdict.conflict, conflict);
	expect_number(about, "renegotiation",
	              fixture->reports.last.facts.renegotiation || fixture->reports.last.facts.library.renegotiation,
	              true);
	expect_number(about, "port", fixture->reports.last.server.port, 443);
}

/* All in all one record of each, and the next renegotiation of the connection has its own. */
static void test_renegotiation(void **state)
{
	static const struct {
		const char *wire;
		enum again_seen seen;
		const char *both, *alone;
	} cases[] = {
		{AGAIN_PRESENTED, AGAIN_SEEN_PRESENTED,
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed",
	         "presented asked:yes answer:certificate established:yes resumed:? end:completed"},
		{AGAIN_DECLINED, AGAIN_SEEN_DECLINED,
	         "declined asked:yes answer:empty established:yes resumed:no end:completed",
	         "declined asked:yes answer:empty established:yes resumed:? end:completed"},
		{AGAIN_NOT_ASKED, AGAIN_SEEN_NOT_ASKED,
	         "not_requested asked:no answer:none established:yes resumed:no end:completed",
	         "not_requested asked:no answer:none established:yes resumed:? end:completed"},
		{AGAIN_NOT_CLEAR, AGAIN_SEEN_PRESENTED,
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed",
	         "unknown:encrypted asked:? answer:? established:yes resumed:? end:completed"},
	};
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		for (int order = 0; order < AGAIN_ORDERS; order++) {
			bool alone = order == AGAIN_WIRE_ALONE || order == AGAIN_LIBRARY_LATE;

			open_established(&fixture);
			for (int time = 0; time < 2; time++) {
				play_again(&fixture, order, cases[index].wire, cases[index].seen);
				expect_again(&fixture, again_orders[order],
				             alone ? cases[index].alone : cases[index].both,
				             alone ? EVIDENCE_INFERRED : EVIDENCE_LIBRARY, false);
				fixture.reports = (struct feed_reports){};
				fixture.feed.time_ns += FEED_SECOND_NS;
				fixture.start_ns = fixture.feed.time_ns;
				fixture.seen.view.renegotiation = false;
			}
			tracker_time(fixture.table, fixture.feed.time_ns + 70 * FEED_SECOND_NS);
			expect_number(again_orders[order], "reports behind it", fixture.reports.count, 0);
			expect_number(again_orders[order], "unjoined", tracker_library_counts(fixture.table)->unjoined,
			              0);
			fixture_close(&fixture);
		}
	}
}

/* What both cannot be right about: the library decides, and the record says that they disagree. */
static void test_renegotiation_conflict(void **state)
{
	static const struct {
		const char *wire;
		enum again_seen seen;
		const char *expected;
	} cases[] = {
		{AGAIN_PRESENTED, AGAIN_SEEN_NOT_ASKED,
	         "not_requested asked:no answer:none established:yes resumed:no end:completed"},
		{AGAIN_NOT_ASKED, AGAIN_SEEN_PRESENTED,
	         "presented asked:yes answer:certificate established:yes resumed:no end:completed"},
		{AGAIN_PRESENTED, AGAIN_SEEN_DECLINED,
	         "declined asked:yes answer:empty established:yes resumed:no end:completed"},
	};
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		for (int order = AGAIN_WIRE_FIRST; order <= AGAIN_IN_PARTS; order++) {
			open_established(&fixture);
			play_again(&fixture, order, cases[index].wire, cases[index].seen);
			expect_again(&fixture, again_orders[order], cases[index].expected, EVIDENCE_LIBRARY, true);
			expect_number(again_orders[order], "conflicts", tracker_counts(fixture.table)->conflicts, 1);
			fixture_close(&fixture);
		}
	}
}

/* The wire lost track in the middle of it: its record is not over, and the library's is told. Later there is no other. */
static void test_renegotiation_lost_on_the_wire(void **state)
{
	struct fixture fixture;

	(void)state;
	open_established(&fixture);
	see_again_hellos(&fixture);
	see_again_rest(&fixture, AGAIN_SEEN_PRESENTED);
	renegotiate(&fixture.feed, AGAIN_NEVER_FINISHED);
	tell(&fixture);
	tracker_time(fixture.table, fixture.feed.time_ns + FEED_SECOND_NS);
	expect_again(&fixture, "lost",
	             "presented asked:yes answer:certificate established:yes resumed:no end:completed",
	             EVIDENCE_LIBRARY, false);
	tracker_time(fixture.table, fixture.feed.time_ns + 70 * FEED_SECOND_NS);
	expect_number("lost", "reports", fixture.reports.count, 1);
	fixture_close(&fixture);
}

/* Every view, also those that no library can have, beside wires of every kind. */

static struct library_view view_of(uint32_t number)
{
	return (struct library_view){
		.seen = true,
		.version_1_3 = number & 1 << 0,
		.server_hello = number & 1 << 1,
		.pre_shared_key = number & 1 << 2,
		.certificate_request = number & 1 << 3,
		.server_certificate = number & 1 << 4,
		.server_hello_done = number & 1 << 5,
		.client_certificate = number & 1 << 6,
		.client_certificate_empty = number & 1 << 7,
		.server_finished = number & 1 << 8,
		.client_finished = number & 1 << 9,
		.by_server = number & 1 << 10,
		.damaged = number & 1 << 11,
	};
}

enum {
	VIEWS = 1 << 12,
};

static const struct handshake_records flights[] = {
	{.count = 0},
	{.count = 1, .length = {53}},
	{.count = 2, .length = {25, 53}},
	{.count = 3, .length = {811, 281, 53}},
	{.count = 1, .length = {19}},
	{.count = 3, .length = {1041, 529, 1041}},
	{.count = 1, .length = {528}},
	{.count = 2, .length = {528, 528}},
};

enum spoiler {
	SPOILER_NONE,
	SPOILER_LOST,
	SPOILER_GAP,
	SPOILER_MALFORMED,
	SPOILER_EARLY,
	SPOILER_SUITE,
	SPOILERS
};

/* The server's reply: none, a ticket, an alert. */
static const uint16_t replies[] = {0, 250, 19};

static struct handshake_facts wire_of(size_t flight, uint8_t end, uint8_t by, size_t reply, enum spoiler spoiler)
{
	struct handshake_facts facts = {
		.client_hello = true,
		.server_hello = true,
		.version_1_3 = true,
		.cipher_suite = spoiler == SPOILER_SUITE ? 0x9999 : 0x1301,
		.client_records = flights[flight],
		.end = end,
		.ended_by = by,
		.lost_events = spoiler == SPOILER_LOST,
		.gap = spoiler == SPOILER_GAP,
		.malformed = spoiler == SPOILER_MALFORMED,
		.early_data = spoiler == SPOILER_EARLY,
	};

	facts.server_records.count = replies[reply] != 0;
	facts.server_records.length[0] = replies[reply];
	return facts;
}

static void check_views(struct handshake_facts *facts)
{
	struct verdict wire, both;
	const char *broken;

	facts->library = (struct library_view){};
	wire = verdict_of(facts);
	for (uint32_t number = 0; number < VIEWS; number++) {
		facts->library = view_of(number);
		both = verdict_of(facts);
		broken = verdict_broken_by_library(facts, &wire, &both);
		if (broken)
			fail_msg("view %#x beside %s (%s): %s: %s (%s)", number, client_auth_name(wire.client_auth),
			         unknown_reason_name(wire.reason) ?: "-", broken, client_auth_name(both.client_auth),
			         unknown_reason_name(both.reason) ?: "-");
	}
}

static void test_every_view(void **state)
{
	(void)state;
	for (size_t flight = 0; flight < sizeof(flights) / sizeof(*flights); flight++)
		for (uint8_t end = END_NONE; end <= END_NOT_TLS; end++)
			for (int variant = 0; variant < 6 * SPOILERS; variant++) {
				struct handshake_facts facts =
					wire_of(flight, end, variant & 1, variant / 2 % 3, variant / 6);

				check_views(&facts);
			}
}

/* A request or an answer in cleartext, of a handshake that is unknown for the rest: no library can deny it. */
static void test_read_is_not_denied(void **state)
{
	static const struct {
		const char *name;
		struct handshake_facts wire;
		struct library_view view;
		bool denied;
	} cases[] = {
		{"request, none", {.certificate_request = true}, {}, true},
		{"answer, none", {.certificate_request = true, .client_certificate = true}, {}, true},
		{"answer of SSL 3.0, none", {.no_certificate_alert = true}, {}, true},
		{"certificate, empty",
	         {.certificate_request = true, .client_certificate = true},
	         {.certificate_request = true, .client_certificate = true, .client_certificate_empty = true},
	         true},
		{"empty, certificate",
	         {.certificate_request = true, .client_certificate = true, .client_certificate_empty = true},
	         {.certificate_request = true, .client_certificate = true},
	         true},
		{"certificate, certificate",
	         {.certificate_request = true, .client_certificate = true},
	         {.certificate_request = true, .client_certificate = true},
	         false},
		{"certificate, certificate without a request",
	         {.certificate_request = true, .client_certificate = true},
	         {.client_certificate = true},
	         true},
		{"nothing, none", {}, {}, false},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		struct handshake_facts facts = cases[index].wire;
		struct verdict verdict;

		facts.client_hello = facts.server_hello = facts.server_hello_done = true;
		facts.gap = true;
		facts.library = cases[index].view;
		facts.library.seen = facts.library.server_hello = facts.library.server_hello_done = true;
		facts.library.client_finished = facts.library.server_finished = true;
		verdict = verdict_of(&facts);
		expect_number(cases[index].name, "conflict", verdict.conflict, cases[index].denied);
		expect_number(cases[index].name, "evidence", verdict.evidence == EVIDENCE_LIBRARY,
		              !cases[index].denied);
		expect_number(cases[index].name, "unknown", verdict.client_auth == CLIENT_AUTH_UNKNOWN,
		              cases[index].denied);
		assert_null(verdict_broken(&facts, &verdict));
	}
}

/* Views of handshakes that strangers begin and never end push out no view of a handshake that goes on. */
static void test_flood(void **state)
{
	struct fixture fixture;
	struct library_handshake stranger;

	(void)state;
	fixture_open(&fixture, EVENT_RECEIVED);
	stranger = fixture.seen;
	stranger.view.server_hello = false;
	for (int index = 0; index < 1000; index++) {
		stranger.id = 1000 + index;
		put_be64(stranger.random, 0xabcd000000000000 + index);
		tracker_library(fixture.table, &stranger, "OpenSSL 3.0.19");
	}
	feed_play(&fixture.feed, CERTIFICATE);
	see_hellos(&fixture, 1);
	see_server_flight(&fixture, true);
	see_client_flight(&fixture, true);
	tell(&fixture);
	for (int index = 0; index < 50; index++) {
		stranger.id = 5000 + index;
		put_be64(stranger.random, 0xdcba000000000000 + index);
		tracker_library(fixture.table, &stranger, "OpenSSL 3.0.19");
	}
	feed_play(&fixture.feed, WENT_ON);
	expect_report("flood", &fixture,
	              "presented asked:yes answer:certificate established:yes resumed:no end:completed",
	              EVIDENCE_LIBRARY, SERVER_PROCESS);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_both_ends),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_contradicting_views),
		cmocka_unit_test(test_cgroup_without_a_writer),
		cmocka_unit_test(test_nobody_spoke),
		cmocka_unit_test(test_hello_sent_again),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_role_not_known),
		cmocka_unit_test(test_roles_1_2),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_later_of_nobody),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_renegotiation_conflict),
		cmocka_unit_test(test_renegotiation_lost_on_the_wire),
		cmocka_unit_test(test_every_view),
		cmocka_unit_test(test_read_is_not_denied),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
