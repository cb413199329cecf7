// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "certificate_bodies.h"
#include "tracking/record.h"

#include <stdlib.h>

#include "message_bytes.h"

enum {
	VERSION = 0x0303,
};

static void say(struct handshake *handshake, enum handshake_side from, uint8_t type, uint32_t length)
{
	struct event_message message = {
		.event = {.time_ns = 1000 + handshake->steps}, .length = length, .version = VERSION, .type = type};

	handshake_record_message(handshake, from, &message);
}

static void say_body(struct handshake *handshake, enum handshake_side from, uint8_t type,
                     const struct message_bytes *bytes)
{
	struct body body = {
		.data = (uint8_t *)bytes->data, .have = bytes->length, .length = bytes->length, .type = type};
	struct parse_cache *cache = parse_cache_new();

	assert_non_null(cache);
	handshake_record_body(handshake, from, &body, cache);
	parse_cache_free(cache);
}

/* The body alone. */
static void say_hex_again(struct handshake *handshake, enum handshake_side from, uint8_t type, const char *hex)
{
	struct message_bytes bytes = {.length = 0};

	put_hex(&bytes, hex);
	say_body(handshake, from, type, &bytes);
}

static void say_hex(struct handshake *handshake, enum handshake_side from, uint8_t type, const char *hex)
{
	struct message_bytes bytes = {.length = 0};

	put_hex(&bytes, hex);
	say(handshake, from, type, bytes.length);
	say_body(handshake, from, type, &bytes);
}

static void say_record(struct handshake *handshake, enum handshake_side from, uint8_t type, uint16_t length)
{
	struct event_record record = {.version = VERSION, .type = type, .length = length};

	handshake_record_unread(handshake, from, &record);
}

static void say_alert(struct handshake *handshake, enum handshake_side from, uint8_t level, uint8_t description)
{
	struct event_alert alert = {.event = {.time_ns = 7}, .level = level, .description = description};

	handshake_record_alert(handshake, from, &alert);
}

static void put_fill(struct message_bytes *bytes, uint8_t byte, size_t count)
{
	while (count--)
		put_number(bytes, 1, byte);
}

/* What of a ClientHello and a ServerHello is of interest here. */
struct hellos {
	uint16_t version;
	uint8_t offered;  /* length of the session id */
	uint8_t answered; /* the same of ServerHello's */
	bool ticket;
	bool different; /* the session ids, where of the same length */
	bool expected;
};

static void client_hello_bytes(struct message_bytes *bytes, const struct hellos *hellos)
{
	size_t extensions;

	put_number(bytes, 2, VERSION);
	put_fill(bytes, 1, 32);
	put_number(bytes, 1, hellos->offered);
	put_fill(bytes, 5, hellos->offered);
	put_hex(bytes, "0002c030"
	               "0100");
	extensions = vector_begin(bytes, 2);
	if (hellos->ticket)
		put_hex(bytes, "00230003010203");
	vector_end(bytes, 2, extensions);
}

static void server_hello_bytes(struct message_bytes *bytes, const struct hellos *hellos)
{
	put_number(bytes, 2, hellos->version);
	put_fill(bytes, 2, 32);
	put_number(bytes, 1, hellos->answered);
	put_fill(bytes, hellos->different ? 6 : 5, hellos->answered);
	put_hex(bytes, "c03000");
}

/* RFC 5246 section 7.4.1.3: the session id comes back; RFC 5077 section 3.4: or there was a ticket alone. */
static void session_is_accepted(void **state)
{
	static const struct hellos cases[] = {
		{.offered = 32, .answered = 32, .expected = true},
		{.offered = 32, .answered = 32, .ticket = true, .expected = true},
		{.offered = 1, .answered = 1, .expected = true},
		{.offered = 32, .answered = 32, .different = true},
		{.offered = 32, .answered = 32, .different = true, .ticket = true},
		{.offered = 32, .answered = 31},
		{.offered = 31, .answered = 32},
		{.offered = 32, .answered = 0},
		{.offered = 32, .answered = 0, .ticket = true},
		{.offered = 0, .answered = 32},
		{.offered = 0, .answered = 0},
		{.offered = 0, .answered = 0, .ticket = true, .expected = true},
		{.offered = 0, .answered = 32, .ticket = true, .expected = true},
	};
	size_t i;
	int server_first;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (server_first = 0; server_first < 2; server_first++) {
			struct message_bytes client = {.length = 0}, server = {.length = 0};
			struct hellos hellos = cases[i];
			struct handshake handshake = {0};

			hellos.version = VERSION;
			client_hello_bytes(&client, &hellos);
			server_hello_bytes(&server, &hellos);
			/* the directions of a capture are not in step */
			if (server_first) {
				say(&handshake, FROM_SERVER, TLS_SERVER_HELLO, server.length);
				say_body(&handshake, FROM_SERVER, TLS_SERVER_HELLO, &server);
			}
			say(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, client.length);
			say_body(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, &client);
			if (!server_first) {
				say(&handshake, FROM_SERVER, TLS_SERVER_HELLO, server.length);
				say_body(&handshake, FROM_SERVER, TLS_SERVER_HELLO, &server);
			}
			if (handshake.facts.session_accepted != cases[i].expected)
				fail_msg("case %zu, %s first: %d", i, server_first ? "server" : "client",
				         handshake.facts.session_accepted);
			assert_false(handshake.facts.malformed);
		}
	}
}

/* ServerHello behind its version, with an extension or none: session id, suite, compression */
static void server_hello_of(struct handshake *handshake, uint16_t version, const char *random, const char *rest)
{
	struct message_bytes bytes = {.length = 0};

	put_number(&bytes, 2, version);
	put_hex(&bytes, random);
	put_hex(&bytes, rest);
	say(handshake, FROM_SERVER, TLS_SERVER_HELLO, bytes.length);
	say_body(handshake, FROM_SERVER, TLS_SERVER_HELLO, &bytes);
}

static const char any_random[] = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
static const char retry_random[] = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

static void versions(void **state)
{
	static const struct {
		const char *name;
		uint16_t legacy;
		const char *rest;
		uint16_t version;
		uint16_t cipher_suite;
		bool version_1_3;
		bool pre_shared_key;
	} cases[] = {
		{"SSL 3.0", 0x0300, "00000a00", 0x0300, 0x000a, false, false},
		{"TLS 1.0", 0x0301, "00000a00", 0x0301, 0x000a, false, false},
		{"TLS 1.2", 0x0303, "00c03000", 0x0303, 0xc030, false, false},
		{"TLS 1.3", 0x0303, "001301000006002b00020304", 0x0304, 0x1301, true, false},
		{"TLS 1.3 with a PSK", 0x0303, "00130100000c002b00020304002900020000", 0x0304, 0x1301, true, true},
		/* not there yet */
		{"TLS 1.4", 0x0303, "001301000006002b00020305", 0x0305, 0, true, false},
		{"DTLS 1.2", 0xfefd, "00c03000", 0xfefd, 0xc030, false, false},
		/* whose records say nothing here: no suite to infer from */
		{"DTLS 1.3", 0xfefd, "001301000006002b0002fefc", 0xfefc, 0, true, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct handshake handshake = {0};

		say(&handshake, FROM_SERVER, TLS_SERVER_HELLO, 38);
		assert_true(handshake.facts.server_hello_unread);
		handshake = (struct handshake){0};
		server_hello_of(&handshake, cases[i].legacy, any_random, cases[i].rest);
		expect_number(cases[i].name, "server_hello", handshake.facts.server_hello, true);
		expect_number(cases[i].name, "server_hello_unread", handshake.facts.server_hello_unread, false);
		expect_number(cases[i].name, "version", handshake.version, cases[i].version);
		expect_number(cases[i].name, "version_1_3", handshake.facts.version_1_3, cases[i].version_1_3);
		expect_number(cases[i].name, "pre_shared_key", handshake.facts.pre_shared_key, cases[i].pre_shared_key);
		expect_number(cases[i].name, "cipher_suite", handshake.facts.cipher_suite, cases[i].cipher_suite);
		expect_number(cases[i].name, "malformed", handshake.facts.malformed, false);
	}
}

/* RFC 8446 section 4.1.4 and appendix D.4 */
static void hello_retry_request(void **state)
{
	struct handshake handshake = {0};

	(void)state;
	say(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, 200);
	server_hello_of(&handshake, VERSION, retry_random, "001301000006002b00020304");
	assert_false(handshake.facts.server_hello);
	assert_false(handshake.facts.server_hello_unread);
	assert_int_equal(handshake.version, 0);
	say_record(&handshake, FROM_SERVER, TLS_CHANGE_CIPHER_SPEC, 1);
	say_record(&handshake, FROM_CLIENT, TLS_CHANGE_CIPHER_SPEC, 1);
	say(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, 200);
	assert_false(handshake.facts.change_cipher_spec[FROM_CLIENT]);
	server_hello_of(&handshake, VERSION, any_random, "001301000006002b00020304");
	assert_false(handshake.facts.change_cipher_spec[FROM_SERVER]);
	assert_true(handshake.facts.server_hello);
	assert_true(handshake.facts.version_1_3);
	assert_false(handshake.facts.malformed);
}

static void what_comes_twice(void **state)
{
	static const struct {
		const char *name;
		enum handshake_side from;
		uint8_t type;
		bool malformed;
	} cases[] = {
		{"ClientHello: HelloRetryRequest, HelloVerifyRequest", FROM_CLIENT, TLS_CLIENT_HELLO, false},
		{"CertificateRequest", FROM_SERVER, TLS_CERTIFICATE_REQUEST, true},
		{"the client's Certificate", FROM_CLIENT, TLS_CERTIFICATE, true},
	};
	struct handshake handshake = {0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		handshake = (struct handshake){0};
		say(&handshake, cases[i].from, cases[i].type, 50);
		expect_number(cases[i].name, "malformed at first", handshake.facts.malformed, false);
		say(&handshake, cases[i].from, cases[i].type, 50);
		expect_number(cases[i].name, "malformed", handshake.facts.malformed, cases[i].malformed);
	}
	handshake = (struct handshake){0};
	server_hello_of(&handshake, VERSION, any_random, "00c03000");
	expect_number("ServerHello", "malformed at first", handshake.facts.malformed, false);
	/* it does not take the other one's place */
	server_hello_of(&handshake, VERSION, any_random, "001301000006002b00020304");
	expect_number("ServerHello", "malformed", handshake.facts.malformed, true);
	expect_number("ServerHello", "version", handshake.version, VERSION);
}

/* It stays so, whatever comes next. */
static void malformed_stays(void **state)
{
	struct handshake handshake = {0};

	(void)state;
	say(&handshake, FROM_SERVER, TLS_CERTIFICATE_REQUEST, 50);
	say(&handshake, FROM_SERVER, TLS_CERTIFICATE_REQUEST, 50);
	say(&handshake, FROM_SERVER, TLS_SERVER_HELLO, 50);
	assert_true(handshake.facts.malformed);
	say(&handshake, FROM_CLIENT, TLS_CERTIFICATE, 50);
	assert_true(handshake.facts.malformed);
	handshake = (struct handshake){.facts.malformed = true};
	say(&handshake, FROM_SERVER, TLS_CERTIFICATE_REQUEST, 50);
	assert_true(handshake.facts.malformed);
}

/* Each message is its own fact and no other. */
static void facts_of_messages(void **state)
{
	static const struct {
		enum handshake_side from;
		uint8_t type;
		struct handshake_facts expected;
	} cases[] = {
		{FROM_CLIENT,
	         TLS_CLIENT_HELLO,
	         {.client_hello = true, .client_hello_unread = true, .early_data = true}},
		{FROM_CLIENT, TLS_CERTIFICATE, {.client_certificate = true}},
		{FROM_CLIENT, TLS_CERTIFICATE_URL, {.client_certificate = true}},
		{FROM_CLIENT, TLS_CLIENT_KEY_EXCHANGE, {.client_key_exchange = true}},
		{FROM_CLIENT, TLS_CERTIFICATE_VERIFY, {.client_hello = false}},
		{FROM_SERVER, TLS_HELLO_REQUEST, {.client_hello = false}},
		{FROM_SERVER, TLS_HELLO_VERIFY_REQUEST, {.client_hello = false}},
		{FROM_SERVER, TLS_SERVER_HELLO, {.server_hello_unread = true}},
		{FROM_SERVER, TLS_CERTIFICATE, {.server_certificate = true}},
		{FROM_SERVER, TLS_CERTIFICATE_STATUS, {.client_hello = false}},
		{FROM_SERVER, TLS_SERVER_KEY_EXCHANGE, {.server_key_exchange = true}},
		{FROM_SERVER, TLS_CERTIFICATE_REQUEST, {.certificate_request = true}},
		{FROM_SERVER, TLS_SERVER_HELLO_DONE, {.server_hello_done = true}},
		{FROM_SERVER, TLS_NEW_SESSION_TICKET, {.client_hello = false}},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct handshake handshake;

		memset(&handshake, 0, sizeof(handshake));
		say(&handshake, cases[i].from, cases[i].type, 100);
		if (memcmp(&handshake.facts, &cases[i].expected, sizeof(handshake.facts)))
			fail_msg("message %u from side %u: other facts", cases[i].type, cases[i].from);
	}
}

/* RFC 5246 section 7.4.6: the length of the list and nothing else */
static void empty_certificates(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t length;
		bool empty;
	} cases[] = {
		{TLS_CERTIFICATE, 0, true},     {TLS_CERTIFICATE, 3, true},      {TLS_CERTIFICATE, 4, false},
		{TLS_CERTIFICATE, 1300, false}, {TLS_CERTIFICATE_URL, 3, false}, {TLS_CERTIFICATE_URL, 60, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct handshake handshake = {0};

		say(&handshake, FROM_CLIENT, cases[i].type, cases[i].length);
		assert_true(handshake.facts.client_certificate);
		if (handshake.facts.client_certificate_empty != cases[i].empty)
			fail_msg("type %u of %u bytes: empty is %d", cases[i].type, cases[i].length,
			         handshake.facts.client_certificate_empty);
		assert_int_equal(handshake.answer_ns, 1000);
	}
}

/* The same types from the other side are other facts. */
static void sides(void **state)
{
	struct handshake handshake = {0};

	(void)state;
	say(&handshake, FROM_SERVER, TLS_CERTIFICATE, 900);
	assert_true(handshake.facts.server_certificate);
	assert_false(handshake.facts.client_certificate);
	assert_int_equal(handshake.answer_ns, 0);
	say(&handshake, FROM_CLIENT, TLS_CERTIFICATE_REQUEST, 30);
	say(&handshake, FROM_CLIENT, TLS_SERVER_HELLO_DONE, 0);
	say(&handshake, FROM_CLIENT, TLS_SERVER_HELLO, 70);
	assert_false(handshake.facts.certificate_request);
	assert_false(handshake.facts.server_hello_done);
	assert_false(handshake.facts.server_hello_unread);
	assert_int_equal(handshake.request_ns, 0);
	say(&handshake, FROM_SERVER, TLS_CLIENT_KEY_EXCHANGE, 60);
	say(&handshake, FROM_SERVER, TLS_CLIENT_HELLO, 60);
	assert_false(handshake.facts.client_key_exchange);
	assert_false(handshake.facts.client_hello);
}

/* RFC 6101 section 5.6.6: a warning that is an answer, in SSL 3.0 and from the client alone */
static void no_certificate(void **state)
{
	static const struct {
		uint16_t version;
		enum handshake_side from;
		uint8_t level;
		uint8_t description;
		bool answer;
		uint8_t end;
	} cases[] = {
		{0x0300, FROM_CLIENT, 1, 41, true, END_NONE},   {0x0300, FROM_CLIENT, 2, 41, true, END_NONE},
		{0x0300, FROM_SERVER, 1, 41, false, END_NONE},  {0x0300, FROM_SERVER, 2, 41, false, END_ALERT},
		{0x0301, FROM_CLIENT, 1, 41, false, END_NONE},  {0x0301, FROM_CLIENT, 2, 41, false, END_ALERT},
		{0x0000, FROM_CLIENT, 1, 41, false, END_NONE},  {0x0300, FROM_CLIENT, 1, 42, false, END_NONE},
		{0x0300, FROM_CLIENT, 2, 40, false, END_ALERT},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct handshake handshake = {.version = cases[i].version};

		say_alert(&handshake, cases[i].from, cases[i].level, cases[i].description);
		if (handshake.facts.no_certificate_alert != cases[i].answer || handshake.facts.end != cases[i].end ||
		    (handshake.answer_ns == 7) != cases[i].answer)
			fail_msg("case %zu: answer %d, end %u", i, handshake.facts.no_certificate_alert,
			         handshake.facts.end);
	}
}

/* RFC 5246 section 7.2.1: whatever its level, nothing more comes of its sender. */
static void close_notify(void **state)
{
	struct handshake handshake = {0};

	(void)state;
	say_alert(&handshake, FROM_SERVER, 1, 90);
	assert_int_equal(handshake.facts.end, END_NONE);
	say_alert(&handshake, FROM_SERVER, 1, 0);
	assert_int_equal(handshake.facts.end, END_ALERT);
	assert_int_equal(handshake.facts.ended_by, FROM_SERVER);
	assert_true(handshake_record_ended(&handshake));
}

/* The alert that ended it, or else the last one. */
static void the_alert(void **state)
{
	struct handshake handshake = {0};

	(void)state;
	say_alert(&handshake, FROM_SERVER, 1, 112);
	assert_true(handshake.has_alert);
	assert_int_equal(handshake.alert.description, 112);
	assert_false(handshake_record_ended(&handshake));
	say_alert(&handshake, FROM_CLIENT, 2, 48);
	assert_int_equal(handshake.alert.description, 48);
	assert_int_equal(handshake.alert.from, FROM_CLIENT);
	assert_true(handshake_record_ended(&handshake));
	say_alert(&handshake, FROM_SERVER, 2, 80);
	assert_int_equal(handshake.alert.description, 48);
	assert_int_equal(handshake.facts.ended_by, FROM_CLIENT);
	assert_int_equal(handshake.steps, 3);
}

/* The first end counts; which of them leave nothing to wait for. */
static void ends(void **state)
{
	static const bool ended[] = {
		[END_NONE] = false, [END_COMPLETED] = true, [END_ALERT] = true,   [END_FIN] = false,
		[END_RST] = true,   [END_TIMEOUT] = true,   [END_NOT_TLS] = true,
	};
	int first, second;

	(void)state;
	for (first = END_NONE + 1; first <= END_NOT_TLS; first++) {
		for (second = END_NONE + 1; second <= END_NOT_TLS; second++) {
			struct handshake handshake = {0};

			if (second == END_COMPLETED)
				continue;
			handshake_record_end(&handshake, first, FROM_CLIENT, 0);
			assert_int_equal(handshake_record_ended(&handshake), ended[first]);
			handshake_record_end(&handshake, second, FROM_SERVER, 0);
			assert_int_equal(handshake.facts.end, first);
			assert_int_equal(handshake.facts.ended_by, FROM_CLIENT);
		}
	}
}

static void finish(struct handshake *handshake, enum handshake_side from)
{
	say_record(handshake, from, TLS_CHANGE_CIPHER_SPEC, 1);
	say_record(handshake, from, TLS_HANDSHAKE, 40);
}

static void completion(void **state)
{
	int side;

	(void)state;
	for (side = FROM_CLIENT; side < SIDES; side++) {
		struct handshake handshake = {0};

		finish(&handshake, side);
		assert_true(handshake.facts.finished[side]);
		assert_false(handshake.facts.finished[!side]);
		assert_int_equal(handshake.facts.end, END_NONE);
		/* the side that has finished closes: the other completes it all the same */
		handshake_record_end(&handshake, END_FIN, side, 0);
		finish(&handshake, !side);
		assert_int_equal(handshake.facts.end, END_COMPLETED);
		assert_true(handshake_record_ended(&handshake));
	}
}

/* An encrypted handshake record is Finished; ChangeCipherSpec may come behind it in DTLS. */
static void what_is_finished(void **state)
{
	struct handshake handshake = {0};

	(void)state;
	say_record(&handshake, FROM_CLIENT, TLS_CHANGE_CIPHER_SPEC, 1);
	say_record(&handshake, FROM_CLIENT, TLS_APPLICATION_DATA, 40);
	say_record(&handshake, FROM_SERVER, TLS_ALERT, 40);
	assert_false(handshake.facts.finished[FROM_CLIENT]);
	assert_false(handshake.facts.finished[FROM_SERVER]);
	say_record(&handshake, FROM_CLIENT, TLS_HANDSHAKE, 40);
	assert_true(handshake.facts.finished[FROM_CLIENT]);
	assert_false(handshake.facts.finished[FROM_SERVER]);
	say_record(&handshake, FROM_SERVER, TLS_HANDSHAKE, 40);
	assert_int_equal(handshake.facts.end, END_COMPLETED);
	say_record(&handshake, FROM_SERVER, TLS_CHANGE_CIPHER_SPEC, 1);
	assert_true(handshake.facts.change_cipher_spec[FROM_SERVER]);
}

/* The encrypted records of TLS 1.3, and how many of the other side's had come before each. */
static void encrypted_records(void **state)
{
	struct handshake handshake = {0};
	uint16_t i;

	(void)state;
	server_hello_of(&handshake, VERSION, any_random, "001301000006002b00020304");
	say_record(&handshake, FROM_SERVER, TLS_APPLICATION_DATA, 27);
	say_record(&handshake, FROM_SERVER, TLS_APPLICATION_DATA, 811);
	say_record(&handshake, FROM_CLIENT, TLS_APPLICATION_DATA, 25);
	say_record(&handshake, FROM_SERVER, TLS_APPLICATION_DATA, 53);
	say_record(&handshake, FROM_CLIENT, TLS_APPLICATION_DATA, 53);
	assert_int_equal(handshake.facts.server_records.count, 3);
	assert_int_equal(handshake.facts.server_records.length[1], 811);
	assert_int_equal(handshake.facts.server_records.after[1], 0);
	assert_int_equal(handshake.facts.server_records.after[2], 1);
	assert_int_equal(handshake.facts.client_records.count, 2);
	assert_int_equal(handshake.facts.client_records.length[0], 25);
	assert_int_equal(handshake.facts.client_records.after[0], 2);
	assert_int_equal(handshake.facts.client_records.length[1], 53);
	assert_int_equal(handshake.facts.client_records.after[1], 3);
	assert_false(handshake.facts.records_before_hello);
	for (i = 0; i < 3 * HANDSHAKE_RECORDS_MAX; i++)
		say_record(&handshake, FROM_CLIENT, TLS_APPLICATION_DATA, 1000 + i);
	assert_int_equal(handshake.facts.client_records.count, HANDSHAKE_RECORDS_MAX);
	assert_int_equal(handshake.facts.client_records.length[2], 1000);
	assert_int_equal(handshake.facts.server_records.count, 3);
}

static void encrypted_records_before_server_hello(void **state)
{
	struct handshake handshake = {0};

	(void)state;
	say_record(&handshake, FROM_SERVER, TLS_APPLICATION_DATA, 27);
	assert_false(handshake.facts.records_before_hello);
	say_record(&handshake, FROM_CLIENT, TLS_APPLICATION_DATA, 27);
	assert_true(handshake.facts.records_before_hello);
	say_record(&handshake, FROM_SERVER, TLS_APPLICATION_DATA, 27);
	assert_true(handshake.facts.records_before_hello);
	assert_int_equal(handshake.facts.client_records.count + handshake.facts.server_records.count, 0);
	/* it was early data, if another hello follows it */
	say(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, 200);
	assert_false(handshake.facts.records_before_hello);
}

/* What one side says when the other has closed. */
static void parting_words(void **state)
{
	static const struct {
		enum handshake_side closes, from;
		uint8_t how;
		bool kept, client_closed_first;
	} cases[] = {
		{FROM_SERVER, FROM_CLIENT, END_FIN, false, false}, {FROM_CLIENT, FROM_SERVER, END_FIN, true, true},
		{FROM_CLIENT, FROM_CLIENT, END_FIN, true, true},   {FROM_SERVER, FROM_SERVER, END_FIN, true, false},
		{FROM_SERVER, FROM_CLIENT, END_NONE, true, false}, {FROM_CLIENT, FROM_SERVER, END_NONE, true, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct handshake handshake = {0};

		server_hello_of(&handshake, VERSION, any_random, "001301000006002b00020304");
		say_record(&handshake, FROM_SERVER, TLS_APPLICATION_DATA, 23);
		if (cases[i].how != END_NONE)
			handshake_record_end(&handshake, cases[i].how, cases[i].closes, 0);
		say_record(&handshake, cases[i].from, TLS_APPLICATION_DATA, 40);
		if (handshake.facts.client_records.count + handshake.facts.server_records.count != 1 + cases[i].kept ||
		    handshake.facts.client_closed_first != cases[i].client_closed_first ||
		    handshake.facts.client_closed_after != cases[i].client_closed_first)
			fail_msg("case %zu: client %u, server %u, closed first %d", i,
			         handshake.facts.client_records.count, handshake.facts.server_records.count,
			         handshake.facts.client_closed_first);
	}
}

/* What the client says behind the server's FIN is no answer that the server could reject. */
static void answers_behind_a_fin(void **state)
{
	static const char certificate[] = "00000700000430020500";
	struct handshake handshake = {0};

	(void)state;
	say(&handshake, FROM_SERVER, TLS_CERTIFICATE_REQUEST, 10);
	handshake_record_end(&handshake, END_FIN, FROM_SERVER, 0);
	say_hex(&handshake, FROM_CLIENT, TLS_CERTIFICATE, certificate);
	say(&handshake, FROM_CLIENT, TLS_CLIENT_KEY_EXCHANGE, 60);
	finish(&handshake, FROM_CLIENT);
	handshake.version = 0x0300;
	say_alert(&handshake, FROM_CLIENT, 1, 41);
	assert_false(handshake.facts.client_certificate);
	assert_false(handshake.facts.client_key_exchange);
	assert_false(handshake.facts.change_cipher_spec[FROM_CLIENT]);
	assert_false(handshake.facts.finished[FROM_CLIENT]);
	assert_false(handshake.facts.no_certificate_alert);
	assert_int_equal(handshake.answer_ns, 0);
	assert_null(handshake.certificate);
	/* the ladder shows it all the same */
	assert_int_equal(handshake.steps, 6);

	/* what it had said before stays said */
	handshake = (struct handshake){0};
	say(&handshake, FROM_CLIENT, TLS_CLIENT_KEY_EXCHANGE, 60);
	handshake_record_end(&handshake, END_FIN, FROM_SERVER, 0);
	say(&handshake, FROM_CLIENT, TLS_CLIENT_KEY_EXCHANGE, 60);
	assert_true(handshake.facts.client_key_exchange);

	/* of its own FIN the client's bytes that came late stand in front */
	handshake = (struct handshake){0};
	handshake_record_end(&handshake, END_FIN, FROM_CLIENT, 0);
	say(&handshake, FROM_CLIENT, TLS_CERTIFICATE, 600);
	assert_true(handshake.facts.client_certificate);
}

static void certificates_of_both_sides(void **state)
{
	struct handshake handshake = {.version = VERSION};

	(void)state;
	say_hex(&handshake, FROM_SERVER, TLS_CERTIFICATE, certificate_tls1_2);
	assert_non_null(handshake.server_certificate);
	assert_int_equal(handshake.server_certificate->certificates, 3);
	assert_true(handshake.server_certificate->leaf_parsed);
	assert_string_equal(handshake.server_certificate->serial, "03");
	assert_null(handshake.certificate);
	say_hex(&handshake, FROM_CLIENT, TLS_CERTIFICATE, certificate_tls1_2);
	assert_non_null(handshake.certificate);
	handshake_record_release(&handshake);
	assert_null(handshake.certificate);
	assert_null(handshake.server_certificate);
}

static void bodies(void **state)
{
	static const char request[] = "020140"
				      "00020403"
				      "0004"
				      "00023000";
	struct handshake handshake = {.version = VERSION};

	(void)state;
	say_hex(&handshake, FROM_SERVER, TLS_CERTIFICATE_REQUEST, request);
	assert_non_null(handshake.request);
	assert_int_equal(handshake.request->certificate_types, 2);
	assert_int_equal(handshake.request->authorities, 1);
	assert_string_equal(handshake.request->authority[0], "");
	say_hex(&handshake, FROM_CLIENT, TLS_CERTIFICATE, "00000700000430020500");
	assert_non_null(handshake.certificate);
	assert_int_equal(handshake.certificate->certificates, 1);
	assert_true(handshake.certificate->sha256_known);
	assert_false(handshake.facts.malformed);
	/* told again, the one before is forgotten */
	say_hex_again(&handshake, FROM_SERVER, TLS_CERTIFICATE_REQUEST, request);
	say_hex_again(&handshake, FROM_CLIENT, TLS_CERTIFICATE, "000000");
	assert_int_equal(handshake.certificate->certificates, 0);
	/* a chain that breaks off behind the client's own */
	say_hex_again(&handshake, FROM_CLIENT, TLS_CERTIFICATE, "00000a000002300500000930");
	assert_int_not_equal(handshake.certificate->certificates, 0);
	assert_true(handshake.certificate->sha256_known);
	handshake_record_release(&handshake);
	assert_null(handshake.request);
	assert_null(handshake.certificate);
}

/* What cannot be read takes nothing from the fact that it was sent. */
static void bodies_that_cannot_be_read(void **state)
{
	struct handshake handshake = {.version = VERSION};

	(void)state;
	say_hex(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, "0303ff");
	assert_true(handshake.facts.client_hello);
	say_hex(&handshake, FROM_SERVER, TLS_CERTIFICATE_REQUEST, "ff");
	assert_true(handshake.facts.certificate_request);
	assert_null(handshake.request);
	say_hex(&handshake, FROM_CLIENT, TLS_CERTIFICATE, "00ffff00");
	assert_true(handshake.facts.client_certificate);
	assert_null(handshake.certificate);
	assert_false(handshake.facts.malformed);
	/* all that follows hangs on its version */
	say_hex(&handshake, FROM_SERVER, TLS_SERVER_HELLO, "0303ff");
	assert_false(handshake.facts.server_hello);
	assert_true(handshake.facts.malformed);
	handshake_record_release(&handshake);
}

/* Until the hello has been read early data may come. */
static void early_data(void **state)
{
	struct hellos hellos = {.version = VERSION};
	struct message_bytes bytes = {.length = 0};
	struct event_message ssl2 = {.type = TLS_CLIENT_HELLO, .version = 0x0301, .length = 28, .ssl2 = 1};
	struct handshake handshake = {0};

	(void)state;
	say(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, 200);
	assert_true(handshake.facts.early_data);
	client_hello_bytes(&bytes, &hellos);
	say_body(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, &bytes);
	assert_false(handshake.facts.early_data);
	say(&handshake, FROM_CLIENT, TLS_CLIENT_HELLO, 200);
	assert_true(handshake.facts.early_data);
	handshake = (struct handshake){0};
	handshake_record_message(&handshake, FROM_CLIENT, &ssl2);
	assert_false(handshake.facts.early_data);
	assert_int_equal(handshake.client_hello.highest_version, 0x0301);
	assert_false(handshake.facts.ssl2);
}

static void steps_are_bounded(void **state)
{
	struct handshake handshake = {0};
	uint32_t i;

	(void)state;
	for (i = 0; i < HANDSHAKE_STEPS_MAX; i++)
		say(&handshake, FROM_SERVER, TLS_HELLO_REQUEST, i);
	assert_int_equal(handshake.steps, HANDSHAKE_STEPS_MAX);
	assert_int_equal(handshake.steps_dropped, 0);
	for (i = 0; i < 70000; i++)
		say(&handshake, FROM_CLIENT, TLS_CERTIFICATE_VERIFY, 5);
	assert_int_equal(handshake.steps, HANDSHAKE_STEPS_MAX);
	assert_int_equal(handshake.steps_dropped, UINT16_MAX);
	for (i = 0; i < HANDSHAKE_STEPS_MAX; i++) {
		assert_int_equal(handshake.step[i].kind, STEP_MESSAGE);
		assert_int_equal(handshake.step[i].type, TLS_HELLO_REQUEST);
		assert_int_equal(handshake.step[i].from, FROM_SERVER);
		assert_int_equal(handshake.step[i].length, i);
		assert_int_equal(handshake.step[i].version, VERSION);
		assert_int_equal(handshake.step[i].time_ns, 1000 + i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_is_accepted),
		cmocka_unit_test(versions),
		cmocka_unit_test(hello_retry_request),
		cmocka_unit_test(what_comes_twice),
		cmocka_unit_test(malformed_stays),
		cmocka_unit_test(facts_of_messages),
		cmocka_unit_test(empty_certificates),
		cmocka_unit_test(sides),
		cmocka_unit_test(no_certificate),
		cmocka_unit_test(close_notify),
		cmocka_unit_test(the_alert),
		cmocka_unit_test(ends),
		cmocka_unit_test(completion),
		cmocka_unit_test(what_is_finished),
		cmocka_unit_test(encrypted_records),
		cmocka_unit_test(encrypted_records_before_server_hello),
		cmocka_unit_test(parting_words),
		cmocka_unit_test(answers_behind_a_fin),
		cmocka_unit_test(certificates_of_both_sides),
		cmocka_unit_test(bodies),
		cmocka_unit_test(bodies_that_cannot_be_read),
		cmocka_unit_test(early_data),
		cmocka_unit_test(steps_are_bounded),
	};

	return cmocka_run_group_tests_name("handshake_record", tests, NULL, NULL);
}
