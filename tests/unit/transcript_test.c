// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Handshakes out of what TLS libraries hash (user/tracking/transcript.c). */
#include "transcript_feed.h"

enum {
	TABLE_HANDSHAKES = 8,
	REPORTS_MAX = 128,
	SUMMARY_MAX = 256,
	RECORD_BYTES = 16384,
};

/* What was told of last, and of each handshake. */
struct fixture {
	struct transcript_table *table;
	struct library_handshake last;
	char subject[MESSAGE_NAME_MAX];
	uint16_t authorities;
	uint64_t reports;
	uint64_t ids[REPORTS_MAX];
	uint32_t handshakes;
};

static void take_report(const struct library_handshake *handshake, void *context)
{
	struct fixture *fixture = context;

	fixture->last = *handshake;
	fixture->reports++;
	if (handshake->certificate)
		strcpy(fixture->subject, handshake->certificate->subject);
	if (handshake->request)
		fixture->authorities = handshake->request->authorities;
	if (fixture->handshakes && fixture->ids[fixture->handshakes - 1] == handshake->id)
		return;
	assert_true(fixture->handshakes < REPORTS_MAX);
	fixture->ids[fixture->handshakes++] = handshake->id;
}

static void fixture_open(struct fixture *fixture, uint32_t handshakes)
{
	const struct transcript_limits limits = {.handshakes = handshakes};

	*fixture = (struct fixture){};
	fixture->table = transcript_table_new(&limits, take_report, fixture);
	assert_non_null(fixture->table);
}

static void fixture_close(struct fixture *fixture)
{
	transcript_table_free(fixture->table);
	fixture->table = NULL;
}

static void add_word(char text[SUMMARY_MAX], bool condition, const char *word)
{
	if (!condition)
		return;
	if (*text)
		strcat(text, " ");
	strcat(text, word);
}

static const char *answer_word(const struct library_view *view)
{
	return view->client_certificate_empty ? "empty" : "certificate";
}

/* A view in words. */
static void summarize(const struct library_view *view, char text[SUMMARY_MAX])
{
	*text = '\0';
	add_word(text, view->server_hello, view->version_1_3 ? "1.3" : "1.2");
	add_word(text, view->pre_shared_key, "psk");
	add_word(text, view->server_certificate, "full");
	add_word(text, view->certificate_request, "asked");
	add_word(text, view->server_hello_done, "done");
	add_word(text, view->client_certificate, answer_word(view));
	add_word(text, view->server_finished, "server");
	add_word(text, view->client_finished, "client");
	add_word(text, view->renegotiation, "renegotiation");
	add_word(text, view->post_handshake, "post");
	add_word(text, view->damaged, "damaged");
}

static void expect_summary(const char *about, const struct fixture *fixture, const char *expected)
{
	char text[SUMMARY_MAX];

	summarize(&fixture->last.view, text);
	expect_text(about, "what was seen", text, expected);
}

static void put_server_flight_1_3(struct feed *feed, bool ask)
{
	feed_hex_call(feed, TLS_ENCRYPTED_EXTENSIONS, "0000");
	if (ask)
		feed_hex_call(feed, TLS_CERTIFICATE_REQUEST, certificate_request_tls1_3);
	feed_zeros_call(feed, TLS_CERTIFICATE, 383);
	feed_zeros_call(feed, TLS_CERTIFICATE_VERIFY, 74);
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

static void put_hellos_1_3(struct feed *feed)
{
	feed_hex(feed, TLS_CLIENT_HELLO, client_hello_tls1_3);
	feed_hex_call(feed, TLS_SERVER_HELLO, server_hello_tls1_3);
}

static void put_1_3_not_asked(struct feed *feed)
{
	put_hellos_1_3(feed);
	put_server_flight_1_3(feed, false);
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

static void put_1_3_certificate(struct feed *feed)
{
	put_hellos_1_3(feed);
	put_server_flight_1_3(feed, true);
	feed_hex_call(feed, TLS_CERTIFICATE, certificate_tls1_3);
	feed_zeros_call(feed, TLS_CERTIFICATE_VERIFY, 74);
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

static void put_1_3_empty(struct feed *feed)
{
	put_hellos_1_3(feed);
	put_server_flight_1_3(feed, true);
	feed_hex_call(feed, TLS_CERTIFICATE, certificate_tls1_3_empty);
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

/* RFC 8879: what is not compressed is an empty context and an empty list, 4 bytes */
static void put_1_3_compressed_empty(struct feed *feed)
{
	put_hellos_1_3(feed);
	put_server_flight_1_3(feed, true);
	feed_hex_call(feed, TLS_COMPRESSED_CERTIFICATE, "00010000040000080000000000000000");
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

static void put_1_3_compressed(struct feed *feed)
{
	put_hellos_1_3(feed);
	put_server_flight_1_3(feed, true);
	feed_hex_call(feed, TLS_COMPRESSED_CERTIFICATE, "00010001840000080000000000000000");
	feed_zeros_call(feed, TLS_CERTIFICATE_VERIFY, 74);
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

/* As OpenSSL does: the first hello alone, then its hash and all that is known. */
static void put_1_3_retry(struct feed *feed)
{
	feed_hex_call(feed, TLS_CLIENT_HELLO, client_hello_tls1_3);
	feed_zeros(feed, TLS_MESSAGE_HASH, 48);
	feed_hex(feed, TLS_SERVER_HELLO, server_hello_tls1_3_retry);
	put_hellos_1_3(feed);
	put_server_flight_1_3(feed, true);
	feed_hex_call(feed, TLS_CERTIFICATE, certificate_tls1_3_empty);
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

/* As a library does that hashes each message as it comes. */
static void put_1_3_retry_in_order(struct feed *feed)
{
	feed_hex_call(feed, TLS_CLIENT_HELLO, client_hello_tls1_3);
	feed_hex_call(feed, TLS_SERVER_HELLO, server_hello_tls1_3_retry);
	feed_hex_call(feed, TLS_CLIENT_HELLO, client_hello_tls1_3);
	feed_hex_call(feed, TLS_SERVER_HELLO, server_hello_tls1_3);
	put_server_flight_1_3(feed, false);
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

/* A pre-shared key is bound by a part of the hello, early secrets by all of it: the same context begins three times. */
static void put_1_3_resumed(struct feed *feed)
{
	size_t hello;

	feed_hex(feed, TLS_CLIENT_HELLO, client_hello_tls1_3_early_data);
	hello = feed->bytes.length;
	feed->bytes.length -= 51;
	feed_call_ends(feed);
	put_bytes(&feed->bytes, feed->bytes.data, hello - 51);
	put_zeros(&feed->bytes, 51);
	feed_call_ends(feed);
	feed_hex(feed, TLS_CLIENT_HELLO, client_hello_tls1_3_early_data);
	feed_hex_call(feed, TLS_SERVER_HELLO, server_hello_tls1_3_resumed);
	feed_hex_call(feed, TLS_ENCRYPTED_EXTENSIONS, "0004002a0000");
	feed_zeros_call(feed, TLS_FINISHED, 48);
	feed_zeros_call(feed, TLS_END_OF_EARLY_DATA, 0);
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

/* OpenSSL keeps it all until it knows the hash and whether a CertificateVerify needs the messages. */
static void put_1_2_certificate(struct feed *feed)
{
	feed_hex(feed, TLS_CLIENT_HELLO, client_hello_tls1_2);
	feed_hex(feed, TLS_SERVER_HELLO, server_hello_tls1_2);
	feed_zeros(feed, TLS_CERTIFICATE, 380);
	feed_zeros(feed, TLS_SERVER_KEY_EXCHANGE, 110);
	feed_hex(feed, TLS_CERTIFICATE_REQUEST, certificate_request_tls1_2);
	feed_zeros(feed, TLS_SERVER_HELLO_DONE, 0);
	feed_hex(feed, TLS_CERTIFICATE, certificate_tls1_2);
	feed_zeros_call(feed, TLS_CLIENT_KEY_EXCHANGE, 33);
	feed_zeros_call(feed, TLS_CERTIFICATE_VERIFY, 75);
	feed_hex_call(feed, TLS_FINISHED, "c93f1b7be21f6abedcfcb1ab");
	feed_zeros_call(feed, TLS_NEW_SESSION_TICKET, 566);
	feed_hex_call(feed, TLS_FINISHED, "112233445566778899aabbcc");
}

static void put_1_2_not_asked(struct feed *feed)
{
	feed_hex_call(feed, TLS_CLIENT_HELLO, client_hello_tls1_2);
	feed_hex_call(feed, TLS_SERVER_HELLO, server_hello_tls1_2);
	feed_zeros_call(feed, TLS_CERTIFICATE, 380);
	feed_zeros_call(feed, TLS_SERVER_KEY_EXCHANGE, 112);
	feed_zeros_call(feed, TLS_SERVER_HELLO_DONE, 0);
	feed_zeros_call(feed, TLS_CLIENT_KEY_EXCHANGE, 33);
	feed_hex_call(feed, TLS_FINISHED, "c93f1b7be21f6abedcfcb1ab");
	feed_hex_call(feed, TLS_FINISHED, "112233445566778899aabbcc");
}

static void put_1_2_resumed(struct feed *feed)
{
	feed_hex(feed, TLS_CLIENT_HELLO, client_hello_tls1_2_session_id);
	feed_hex_call(feed, TLS_SERVER_HELLO, server_hello_tls1_2_session_id);
	feed_hex_call(feed, TLS_FINISHED, "112233445566778899aabbcc");
	feed_hex_call(feed, TLS_FINISHED, "c93f1b7be21f6abedcfcb1ab");
}

/* Each message with the header of DTLS, as if it had come in one piece. */
static void feed_datagram_hex(struct feed *feed, uint8_t type, uint16_t sequence, const char *body)
{
	size_t length = strlen(body) / 2;

	put_number(&feed->bytes, 1, type);
	put_number(&feed->bytes, 3, length);
	put_number(&feed->bytes, 2, sequence);
	put_number(&feed->bytes, 3, 0);
	put_number(&feed->bytes, 3, length);
	put_hex(&feed->bytes, body);
}

static void put_dtls_1_2_empty(struct feed *feed)
{
	feed_datagram_hex(feed, TLS_CLIENT_HELLO, 1, client_hello_dtls1_2_cookie);
	feed_datagram_hex(feed, TLS_SERVER_HELLO, 1, server_hello_dtls1_2);
	feed_datagram_hex(feed, TLS_CERTIFICATE, 2, "0000050000020001");
	feed_datagram_hex(feed, TLS_CERTIFICATE_REQUEST, 3, certificate_request_tls1_2);
	feed_datagram_hex(feed, TLS_SERVER_HELLO_DONE, 4, "");
	feed_datagram_hex(feed, TLS_CERTIFICATE, 2, certificate_tls1_2_empty);
	feed_datagram_hex(feed, TLS_CLIENT_KEY_EXCHANGE, 3, "0102");
	feed_call_ends(feed);
	/* a message in as many calls as it had fragments */
	feed_datagram_hex(feed, TLS_FINISHED, 4, "c93f1b7be21f6abedcfcb1ab");
	feed->bytes.length -= 8;
	feed_call_ends(feed);
	put_hex(&feed->bytes, "e21f6abedcfcb1ab");
	feed_call_ends(feed);
	feed_datagram_hex(feed, TLS_FINISHED, 5, "112233445566778899aabbcc");
	feed_call_ends(feed);
}

static const struct scenario {
	const char *name;
	void (*put)(struct feed *feed);
	const char *expected;
	uint8_t messages;
} scenarios[] = {
	{"TLS 1.3, not asked", put_1_3_not_asked, "1.3 full server client", 7},
	{"TLS 1.3, certificate", put_1_3_certificate, "1.3 full asked certificate server client", 10},
	{"TLS 1.3, empty", put_1_3_empty, "1.3 full asked empty server client", 9},
	{"TLS 1.3, compressed, empty", put_1_3_compressed_empty, "1.3 full asked empty server client", 9},
	{"TLS 1.3, compressed", put_1_3_compressed, "1.3 full asked certificate server client", 10},
	{"TLS 1.3, HelloRetryRequest", put_1_3_retry, "1.3 full asked empty server client", 11},
	{"TLS 1.3, HelloRetryRequest in order", put_1_3_retry_in_order, "1.3 full server client", 9},
	{"TLS 1.3, resumed", put_1_3_resumed, "1.3 psk server client", 6},
	{"TLS 1.2, certificate", put_1_2_certificate, "1.2 full asked done certificate server client", 12},
	{"TLS 1.2, not asked", put_1_2_not_asked, "1.2 full done server client", 8},
	{"TLS 1.2, resumed", put_1_2_resumed, "1.2 server client", 4},
	{"DTLS 1.2, empty", put_dtls_1_2_empty, "1.2 full asked done empty server client", 9},
};

enum {
	SCENARIOS = sizeof(scenarios) / sizeof(*scenarios)
};

static void test_scenarios(void **state)
{
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < SCENARIOS; index++) {
		const struct scenario *scenario = &scenarios[index];
		struct feed *feed = feed_new();

		fixture_open(&fixture, TABLE_HANDSHAKES);
		scenario->put(feed);
		feed_tell(feed, fixture.table);
		expect_summary(scenario->name, &fixture, scenario->expected);
		expect_number(scenario->name, "messages", fixture.last.messages, scenario->messages);
		expect_number(scenario->name, "process", fixture.last.process, FEED_PROCESS);
		expect_text(scenario->name, "name", fixture.last.name, "server");
		expect_number(scenario->name, "damaged", transcript_table_counts(fixture.table)->damaged, 0);
		fixture_close(&fixture);
		free(feed);
	}
}

/* However the probe cuts a call into events: but for the first, which shows what the call begins with. */
static void test_chunks(void **state)
{
	static const size_t chunks[] = {64, 65, 100, 127, 128, 1000, 1024, 4095};
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < SCENARIOS * (sizeof(chunks) / sizeof(*chunks)); index++) {
		const struct scenario *scenario = &scenarios[index % SCENARIOS];
		struct feed *feed = feed_new();

		fixture_open(&fixture, TABLE_HANDSHAKES);
		scenario->put(feed);
		feed->chunk = chunks[index / SCENARIOS];
		feed_tell(feed, fixture.table);
		expect_summary(scenario->name, &fixture, scenario->expected);
		expect_number(scenario->name, "messages", fixture.last.messages, scenario->messages);
		fixture_close(&fixture);
		free(feed);
	}
}

/* What a view must not say where it does not have it all. */
static void expect_no_wrong_no(const char *about, const struct library_view *view, bool asked)
{
	bool says_no =
		view->seen && !view->damaged && !view->certificate_request &&
		((view->version_1_3 && view->server_finished && view->server_certificate) || view->server_hello_done);

	if (!asked || !says_no)
		return;
	print_error("%s: it says that nobody asked\n", about);
	fail();
}

/* The first bytes of a transcript say no more than all of it, and no "no". */
static void test_cut_at_every_byte(void **state)
{
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < SCENARIOS; index++) {
		const struct scenario *scenario = &scenarios[index];
		struct feed *feed = feed_new();
		bool asked = strstr(scenario->expected, "asked") != NULL;

		scenario->put(feed);
		for (size_t limit = 0; limit < feed->bytes.length; limit++) {
			char text[SUMMARY_MAX];

			fixture_open(&fixture, TABLE_HANDSHAKES);
			feed->time_ns = FEED_START_NS;
			feed_tell_first(feed, fixture.table, limit);
			expect_no_wrong_no(scenario->name, &fixture.last.view, asked);
			summarize(&fixture.last.view, text);
			if (fixture.last.view.client_certificate &&
			    !strstr(scenario->expected, answer_word(&fixture.last.view)))
				expect_text(scenario->name, "cut short", text, scenario->expected);
			fixture_close(&fixture);
		}
		free(feed);
	}
}

/* Whichever call is lost, with or without a word of it: what is left says no "no", and nothing that was not. */
static void test_lost_calls(void **state)
{
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < SCENARIOS; index++) {
		const struct scenario *scenario = &scenarios[index];
		struct feed *feed = feed_new();
		bool asked = strstr(scenario->expected, "asked") != NULL;

		scenario->put(feed);
		feed->tell_loss = true;
		for (feed->leave_out = 1; feed->leave_out <= feed->calls; feed->leave_out++) {
			fixture_open(&fixture, TABLE_HANDSHAKES);
			feed->time_ns = FEED_START_NS;
			feed_tell(feed, fixture.table);
			expect_no_wrong_no(scenario->name, &fixture.last.view, asked);
			if (feed->leave_out > 3 && feed->leave_out < feed->calls)
				expect_number(scenario->name, "damaged", fixture.last.view.damaged, true);
			fixture_close(&fixture);
		}
		free(feed);
	}
}

/* A CertificateRequest that is lost leaves a hole in the order of TLS 1.3 that nothing shows but the loss itself. */
static void test_lost_request(void **state)
{
	struct feed *feed = feed_new();
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_3_empty(feed);
	feed->leave_out = 3;
	feed->tell_loss = true;
	feed_tell(feed, fixture.table);
	expect_summary("lost request", &fixture, "1.3 damaged");
	fixture_close(&fixture);
	free(feed);
}

/* Bytes that no event brought: in a body that nobody reads they matter to nobody. */
static void test_missing_in_body(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();
	size_t begin;

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_hellos_1_3(feed);
	feed_hex_call(feed, TLS_ENCRYPTED_EXTENSIONS, "0000");
	feed_tell(feed, fixture.table);
	begin = feed->bytes.length;
	feed_zeros_call(feed, TLS_CERTIFICATE, 70000);
	feed_event(feed, fixture.table, begin, LIBRARY_DATA_MAX, 0, 70004);
	feed->bytes.length = 0;
	feed->calls = 0;
	feed_zeros_call(feed, TLS_CERTIFICATE_VERIFY, 74);
	feed_zeros_call(feed, TLS_FINISHED, 48);
	feed_tell(feed, fixture.table);
	expect_summary("missing in a body", &fixture, "1.3 full server");
	fixture_close(&fixture);
	free(feed);
}

static void test_missing_between_messages(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_2_certificate(feed);
	/* of the first call the beginning, then the rest of it but for what came between */
	feed_event(feed, fixture.table, 0, 500, 0, feed->end[0]);
	feed_event(feed, fixture.table, 0, feed->end[0] - 1000, 1000, feed->end[0]);
	expect_number("a hole", "damaged", fixture.last.view.damaged, true);
	expect_number("a hole", "counted", transcript_table_counts(fixture.table)->damaged, 1);
	fixture_close(&fixture);
	free(feed);
}

/* A client's chain that a server sends takes several records: OpenSSL hashes as it sends. */
static void test_message_in_several_calls(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_hellos_1_3(feed);
	feed_hex_call(feed, TLS_ENCRYPTED_EXTENSIONS, "0000");
	feed_zeros(feed, TLS_CERTIFICATE, 40000);
	feed->bytes.length -= 40000;
	for (int part = 0; part < 2; part++) {
		put_zeros(&feed->bytes, RECORD_BYTES);
		feed_call_ends(feed);
	}
	put_zeros(&feed->bytes, 40000 - 2 * RECORD_BYTES);
	feed_call_ends(feed);
	feed_zeros_call(feed, TLS_CERTIFICATE_VERIFY, 74);
	feed_zeros_call(feed, TLS_FINISHED, 48);
	feed_tell(feed, fixture.table);
	expect_summary("several calls", &fixture, "1.3 full server");
	fixture_close(&fixture);
	free(feed);
}

/* The client's certificate and the request are read, and kept until the handshake has ended. */
static void test_certificate(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_3_certificate(feed);
	feed_tell(feed, fixture.table);
	assert_non_null(fixture.last.certificate);
	assert_true(strstr(fixture.subject, "CN=") != NULL);
	expect_number("request", "authorities", fixture.authorities, 2);
	fixture_close(&fixture);
	free(feed);
}

static void test_randoms(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_3_not_asked(feed);
	feed_tell(feed, fixture.table);
	/* behind version: of client_hello_tls1_3, server_hello_tls1_3 */
	expect_hex("client", "random", fixture.last.random, 8, "56de8da69e61cc41");
	assert_memory_equal(fixture.last.server_random, feed->bytes.data + 4 + strlen(client_hello_tls1_3) / 2 + 4 + 2,
	                    MESSAGE_RANDOM);
	fixture_close(&fixture);
	free(feed);
}

/* When a message was hashed says who hashed it, where it was not kept back. */
static void test_prompt(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_2_certificate(feed);
	feed_tell(feed, fixture.table);
	for (size_t index = 0; index < fixture.last.messages; index++) {
		const struct library_message *message = &fixture.last.message[index];

		expect_number("prompt", "message", message->prompt, index >= 7);
		if (message->type == TLS_CLIENT_KEY_EXCHANGE)
			expect_number("prompt", "time", message->time_ns, FEED_START_NS);
		if (message->type == TLS_CERTIFICATE_VERIFY)
			expect_number("prompt", "time", message->time_ns, FEED_START_NS + 1000);
	}
	fixture_close(&fixture);
	free(feed);
}

static void feed_reset(struct feed *feed)
{
	feed->bytes.length = 0;
	feed->calls = 0;
}

static void put_post_handshake(struct feed *feed, bool certificate)
{
	/* certificate_request_context of two bytes, signature_algorithms */
	feed_hex_call(feed, TLS_CERTIFICATE_REQUEST, "02abcd0008000d000400020403");
	if (!certificate) {
		feed_hex_call(feed, TLS_CERTIFICATE, "02abcd000000");
	} else {
		feed_hex_call(feed, TLS_CERTIFICATE, "02abcd0000080000030102030000");
		feed_zeros_call(feed, TLS_CERTIFICATE_VERIFY, 74);
	}
	feed_zeros_call(feed, TLS_FINISHED, 48);
}

/* OpenSSL copies the context back to where it was: at the same address the request follows the client's Finished. */
static void test_post_handshake(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();
	uint8_t random[MESSAGE_RANDOM];

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_3_not_asked(feed);
	feed_tell(feed, fixture.table);
	memcpy(random, fixture.last.random, sizeof(random));
	for (int round = 0; round < 2; round++) {
		feed_reset(feed);
		put_post_handshake(feed, round == 0);
		feed_tell(feed, fixture.table);
		expect_summary("post-handshake", &fixture,
		               round == 0 ? "1.3 full asked certificate server client post"
		                          : "1.3 full asked empty server client post");
		assert_memory_equal(fixture.last.random, random, sizeof(random));
		expect_number("post-handshake", "handshakes", fixture.handshakes, 2 + round);
	}
	/* one that is not answered, and the next */
	feed_reset(feed);
	feed_hex_call(feed, TLS_CERTIFICATE_REQUEST, "02abcd0008000d000400020403");
	feed_tell(feed, fixture.table);
	expect_summary("unanswered", &fixture, "1.3 full asked server post");
	feed_reset(feed);
	put_post_handshake(feed, false);
	feed_tell(feed, fixture.table);
	expect_summary("post-handshake", &fixture, "1.3 full asked empty server client post");
	fixture_close(&fixture);
	free(feed);
}

/* What is hashed at the address of a handshake that is over, but is no request, is a stranger's. */
static void test_address_used_again(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();
	uint64_t reports;

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_3_not_asked(feed);
	feed_tell(feed, fixture.table);
	reports = fixture.reports;
	feed_reset(feed);
	feed_hex_call(feed, 0x94, "c4130d0000");
	feed_hex_call(feed, TLS_CERTIFICATE_REQUEST, "02abcd0008000d000400020403");
	feed_tell(feed, fixture.table);
	expect_number("strangers", "reports", fixture.reports, reports);
	expect_number("strangers", "counted", transcript_table_counts(fixture.table)->strangers, 2);
	feed_reset(feed);
	put_1_3_empty(feed);
	feed_tell(feed, fixture.table);
	expect_summary("the next handshake", &fixture, "1.3 full asked empty server client");
	expect_number("the next handshake", "handshakes", fixture.handshakes, 2);
	fixture_close(&fixture);
	free(feed);
}

/* The next handshake begins in the middle of one that broke off. */
static void test_begun_anew(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_3_certificate(feed);
	feed_tell_first(feed, fixture.table, feed->end[3] - 10);
	expect_summary("broken off", &fixture, "1.3 full asked");
	feed_reset(feed);
	put_1_3_not_asked(feed);
	feed_tell(feed, fixture.table);
	expect_summary("begun anew", &fixture, "1.3 full server client");
	expect_number("begun anew", "handshakes", fixture.handshakes, 2);
	expect_number("begun anew", "damaged", transcript_table_counts(fixture.table)->damaged, 0);
	fixture_close(&fixture);
	free(feed);
}

/* client_hello_tls1_2 with renegotiation_info in the place of its empty session_ticket. */
static void put_renegotiating_hello(struct feed *feed, const char *verify_data)
{
	const char *extensions = strstr(client_hello_tls1_2, "007b00000013");
	char body[2048];

	assert_non_null(extensions);
	snprintf(body, sizeof(body), "%.*s%04x%sff01000d0c%s", (int)(extensions - client_hello_tls1_2),
	         client_hello_tls1_2, 0x7b + 17, extensions + 4, verify_data);
	body[4] = 'f'; /* another random */
	feed_hex(feed, TLS_CLIENT_HELLO, body);
}

static void put_renegotiation(struct feed *feed, const char *verify_data)
{
	put_renegotiating_hello(feed, verify_data);
	feed_hex(feed, TLS_SERVER_HELLO, server_hello_tls1_2);
	feed_zeros(feed, TLS_CERTIFICATE, 380);
	feed_zeros(feed, TLS_SERVER_KEY_EXCHANGE, 110);
	feed_hex(feed, TLS_CERTIFICATE_REQUEST, certificate_request_tls1_2);
	feed_zeros(feed, TLS_SERVER_HELLO_DONE, 0);
	feed_hex(feed, TLS_CERTIFICATE, certificate_tls1_2_empty);
	feed_zeros_call(feed, TLS_CLIENT_KEY_EXCHANGE, 33);
	feed_hex_call(feed, TLS_FINISHED, "aaaaaaaaaaaaaaaaaaaaaaaa");
	feed_hex_call(feed, TLS_FINISHED, "bbbbbbbbbbbbbbbbbbbbbbbb");
}

/* Each later handshake names the one before, and all are joined by the hellos of the first. */
static void test_renegotiation(void **state)
{
	static const char *const finished[] = {"c93f1b7be21f6abedcfcb1ab", "aaaaaaaaaaaaaaaaaaaaaaaa"};
	struct fixture fixture;
	struct feed *feed = feed_new();
	struct library_handshake first;

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_1_2_not_asked(feed);
	feed_tell(feed, fixture.table);
	first = fixture.last;
	for (int round = 0; round < 2; round++) {
		feed_reset(feed);
		feed->handle += round * 64; /* the same address, or another */
		put_renegotiation(feed, finished[round]);
		feed_tell(feed, fixture.table);
		expect_summary("renegotiation", &fixture, "1.2 full asked done empty server client renegotiation");
		assert_memory_equal(fixture.last.random, first.random, MESSAGE_RANDOM);
		assert_memory_equal(fixture.last.server_random, first.server_random, MESSAGE_RANDOM);
		expect_number("renegotiation", "handshakes", fixture.handshakes, 2 + round);
	}
	fixture_close(&fixture);
	free(feed);
}

/* Of a handshake that was not seen, or of another process: it is nobody's. */
static void test_renegotiation_of_strangers(void **state)
{
	static const uint8_t nobody[MESSAGE_RANDOM];
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	for (int other = 0; other < 2; other++) {
		fixture_open(&fixture, TABLE_HANDSHAKES);
		feed_reset(feed);
		put_1_2_not_asked(feed);
		feed_tell(feed, fixture.table);
		feed_reset(feed);
		feed->process += other;
		put_renegotiation(feed, other ? "c93f1b7be21f6abedcfcb1ab" : "c93f1b7be21f6abedcfcb1ac");
		feed_tell(feed, fixture.table);
		expect_number("stranger", "renegotiation", fixture.last.view.renegotiation, true);
		assert_memory_equal(fixture.last.random, nobody, MESSAGE_RANDOM);
		assert_memory_equal(fixture.last.server_random, nobody, MESSAGE_RANDOM);
		fixture_close(&fixture);
	}
	free(feed);
}

/* A buffer is a transcript if all of it is. */
static void test_whole(void **state)
{
	struct fixture fixture;

	(void)state;
	for (size_t index = 0; index < SCENARIOS; index++) {
		const struct scenario *scenario = &scenarios[index];
		struct feed *feed = feed_new();

		/* what begins anew has no place in a buffer */
		if (scenario->put == put_1_3_resumed || scenario->put == put_1_3_retry) {
			free(feed);
			continue;
		}
		fixture_open(&fixture, TABLE_HANDSHAKES);
		scenario->put(feed);
		feed->kind = LIBRARY_WHOLE;
		feed->end[0] = feed->bytes.length;
		feed->calls = 1;
		feed->chunk = 100;
		feed_tell(feed, fixture.table);
		expect_summary(scenario->name, &fixture, scenario->expected);
		expect_number(scenario->name, "reports", fixture.reports, 1);
		feed->end[0]--;
		feed_tell(feed, fixture.table);
		expect_number("cut short", "reports", fixture.reports, 1);
		put_zeros(&feed->bytes, 3);
		feed->end[0] = feed->bytes.length;
		feed_tell(feed, fixture.table);
		expect_number("more behind it", "reports", fixture.reports, 1);
		fixture_close(&fixture);
		free(feed);
	}
}

/* Tell of messages, each by itself, with their directions as a process of this role has them. */
static void tell_messages(struct fixture *fixture, struct feed *feed, uint8_t role, const char *senders)
{
	fixture_open(fixture, TABLE_HANDSHAKES);
	feed->kind = LIBRARY_MESSAGE;
	feed->role = role;
	feed->senders = senders;
	feed_tell(feed, fixture->table);
}

static void test_messages(void **state)
{
	static const uint8_t roles[] = {ROLE_OBSERVER, ROLE_SERVER, ROLE_CLIENT};
	static const size_t chunks[] = {LIBRARY_DATA_MAX, 4};
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	put_1_3_retry_in_order(feed);
	for (size_t index = 0; index < 6; index++) {
		/* the header of a message may come apart */
		feed->chunk = chunks[index % 2];
		tell_messages(&fixture, feed, roles[index / 2], "cscsssssc");
		expect_summary("messages", &fixture, "1.3 full server client");
		expect_number("messages", "role", fixture.last.role, roles[index / 2]);
		fixture_close(&fixture);
	}
	free(feed);
}

/* A handshake of which each message is told by itself. */
static void put_1_3_apart(struct feed *feed, bool asked)
{
	feed_reset(feed);
	feed_hex_call(feed, TLS_CLIENT_HELLO, client_hello_tls1_3);
	feed_hex_call(feed, TLS_SERVER_HELLO, server_hello_tls1_3);
	put_server_flight_1_3(feed, asked);
}

/* What goes the wrong way is of another handshake. */
static void test_messages_of_two(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	put_1_3_apart(feed, false);
	tell_messages(&fixture, feed, ROLE_CLIENT, "ccssss");
	expect_summary("server hello", &fixture, "damaged");
	fixture_close(&fixture);
	put_1_3_apart(feed, true);
	feed_hex_call(feed, TLS_CERTIFICATE, certificate_tls1_3);
	tell_messages(&fixture, feed, ROLE_SERVER, "csssssss");
	expect_summary("certificate", &fixture, "1.3 full asked server damaged");
	fixture_close(&fixture);
	free(feed);
}

/* Go sends a ticket before it has the client's Finished. */
static void test_early_ticket(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	put_1_3_apart(feed, false);
	feed_zeros_call(feed, TLS_NEW_SESSION_TICKET, 200);
	feed_zeros_call(feed, TLS_FINISHED, 48);
	tell_messages(&fixture, feed, ROLE_SERVER, "cssssssc");
	expect_summary("ticket", &fixture, "1.3 full server client");
	fixture_close(&fixture);
	free(feed);
}

/* Messages out of their order are no handshake: what was said before stays, nothing is added. */
static void test_order(void **state)
{
	static const struct {
		uint8_t types[6];
		const char *expected;
	} orders[] = {
		{{TLS_CERTIFICATE}, "1.3 damaged"},
		{{TLS_FINISHED}, "1.3 damaged"},
		{{TLS_ENCRYPTED_EXTENSIONS, TLS_FINISHED}, "1.3 damaged"},
		{{TLS_ENCRYPTED_EXTENSIONS, TLS_CERTIFICATE_REQUEST, TLS_FINISHED}, "1.3 asked damaged"},
		{{TLS_ENCRYPTED_EXTENSIONS, TLS_CERTIFICATE, TLS_FINISHED}, "1.3 full damaged"},
		{{TLS_ENCRYPTED_EXTENSIONS, TLS_CERTIFICATE, TLS_CERTIFICATE_REQUEST}, "1.3 full damaged"},
		{{TLS_ENCRYPTED_EXTENSIONS, TLS_CERTIFICATE_REQUEST, TLS_CERTIFICATE_REQUEST}, "1.3 asked damaged"},
		{{TLS_ENCRYPTED_EXTENSIONS, TLS_CERTIFICATE, TLS_CERTIFICATE_VERIFY, TLS_FINISHED, TLS_CERTIFICATE},
	         "1.3 full server damaged"},
		{{TLS_ENCRYPTED_EXTENSIONS, TLS_CERTIFICATE, TLS_CERTIFICATE_VERIFY, TLS_FINISHED,
	          TLS_CERTIFICATE_REQUEST},
	         "1.3 full server damaged"},
		{{TLS_ENCRYPTED_EXTENSIONS, TLS_CERTIFICATE, TLS_CERTIFICATE_VERIFY, TLS_FINISHED, TLS_SERVER_HELLO},
	         "1.3 full server damaged"},
	};
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	for (size_t index = 0; index < sizeof(orders) / sizeof(*orders); index++) {
		fixture_open(&fixture, TABLE_HANDSHAKES);
		feed_reset(feed);
		put_hellos_1_3(feed);
		for (size_t type = 0; type < 6 && orders[index].types[type]; type++)
			feed_zeros_call(feed, orders[index].types[type], 48);
		feed_tell(feed, fixture.table);
		expect_summary("order", &fixture, orders[index].expected);
		fixture_close(&fixture);
	}
	free(feed);
}

/* A client that was asked has to answer, and prove what it shows. */
static void test_unproven(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	put_hellos_1_3(feed);
	put_server_flight_1_3(feed, true);
	feed_hex_call(feed, TLS_CERTIFICATE, certificate_tls1_3);
	feed_zeros_call(feed, TLS_FINISHED, 48);
	feed_tell(feed, fixture.table);
	expect_summary("unproven", &fixture, "1.3 full asked certificate server damaged");
	fixture_close(&fixture);
	free(feed);
}

/* Whoever was quiet for longest makes room; at one address in two processes are two handshakes. */
static void test_bounds(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, 2);
	put_1_3_not_asked(feed);
	for (int process = 0; process < 5; process++) {
		feed->process++;
		feed_tell_first(feed, fixture.table, feed->end[1]);
	}
	expect_number("bounds", "table_full", transcript_table_counts(fixture.table)->table_full, 3);
	expect_number("bounds", "handshakes", transcript_table_counts(fixture.table)->handshakes, 5);
	fixture_close(&fixture);
	free(feed);
}

/* Handshakes that strangers begin and never end push out no handshake that goes on. */
static void test_flood(void **state)
{
	struct fixture fixture;
	struct feed *feed = feed_new();

	(void)state;
	fixture_open(&fixture, 4);
	put_1_3_not_asked(feed);
	for (int stranger = 0; stranger < 100; stranger++) {
		feed->process++;
		feed_tell_first(feed, fixture.table, feed->end[1]);
	}
	feed->process++;
	feed_tell(feed, fixture.table);
	expect_summary("flood", &fixture, "1.3 full server client");
	expect_number("flood", "table_full", transcript_table_counts(fixture.table)->table_full, 97);
	fixture_close(&fixture);
	free(feed);
}

static void test_malformed_events(void **state)
{
	struct library_event event = {.size = sizeof(event), .kind = LIBRARY_TRANSCRIPT};
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture, TABLE_HANDSHAKES);
	event.length = 1;
	transcript_table_event(fixture.table, &event);
	event.length = 0;
	event.size--;
	transcript_table_event(fixture.table, &event);
	event.size++;
	event.kind = LIBRARY_MESSAGE + 1;
	transcript_table_event(fixture.table, &event);
	event.kind = LIBRARY_TRANSCRIPT;
	event.position = 2;
	event.total = 1;
	transcript_table_event(fixture.table, &event);
	expect_number("malformed", "events", transcript_table_counts(fixture.table)->malformed_events, 4);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_lost_calls),
		cmocka_unit_test(test_lost_request),
		cmocka_unit_test(test_missing_in_body),
		cmocka_unit_test(test_missing_between_messages),
		cmocka_unit_test(test_message_in_several_calls),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_randoms),
		cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_post_handshake),
		cmocka_unit_test(test_address_used_again),
		cmocka_unit_test(test_begun_anew),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_renegotiation_of_strangers),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_messages_of_two),
		cmocka_unit_test(test_early_ticket),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_unproven),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_malformed_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
