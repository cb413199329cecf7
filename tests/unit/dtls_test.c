// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stream/dtls.h"

#include "message_bytes.h"

#include <errno.h>
#include <stdlib.h>

enum {
	VERSION = 0xfefd,
	CLIENT_HELLO_LENGTH = 60,
	TOLD_MAX = 64 * 1024,
};

/* What was told, as text: "1(60)" a message, "b1[0,60]" its body, "r20(1)" a record, "a2.40" an alert. */
struct told {
	char text[TOLD_MAX];
	size_t length;
	bool bodies;      /* tell of them too */
	uint64_t time_ns; /* of the last event */
};

static uint8_t pattern(uint8_t type, uint32_t offset)
{
	return type * 31 + offset * 7;
}

static void append(struct told *told, const char *format, unsigned int first, unsigned int second)
{
	told->length += snprintf(told->text + told->length, TOLD_MAX - told->length, format, first, second);
	assert_true(told->length < TOLD_MAX);
}

static void check_body(struct told *told, const struct event_bytes *body)
{
	uint32_t i;

	assert_true(body->event.size >= sizeof(*body) + body->length);
	for (i = 0; i < body->length; i++)
		if (body->data[i] != pattern(body->type, body->position + i))
			fail_msg("body of %u, byte %u: %#x, expected %#x", body->type, body->position + i,
			         body->data[i], pattern(body->type, body->position + i));
	if (told->bodies)
		append(told, " b%u[%u]", body->type, body->length);
}

static void tell(const struct event *event, void *context)
{
	const struct event_message *message = (const struct event_message *)event;
	const struct event_record *record = (const struct event_record *)event;
	const struct event_alert *alert = (const struct event_alert *)event;
	struct told *told = context;

	expect_number("event", "connection", event->connection, 42);
	expect_number("event", "direction", event->direction, EVENT_SENT);
	told->time_ns = event->time_ns;
	switch (event->kind) {
	case EVENT_MESSAGE:
		append(told, " %u(%u)", message->type, message->length);
		expect_number("message", "version", message->version, VERSION);
		break;
	case EVENT_BODY:
		check_body(told, (const struct event_bytes *)event);
		break;
	case EVENT_RECORD:
		append(told, " r%u(%u)", record->type, record->length);
		break;
	case EVENT_ALERT:
		append(told, " a%u.%u", alert->level, alert->description);
		break;
	default:
		fail_msg("event of kind %u", event->kind);
	}
}

/* One direction and what it told. */
struct direction {
	struct dtls *dtls;
	struct told told;
	uint64_t time_ns;
};

static struct direction *direction_new(void)
{
	struct direction *direction = calloc(1, sizeof(*direction));

	assert_non_null(direction);
	direction->dtls = dtls_new(tell, &direction->told);
	assert_non_null(direction->dtls);
	return direction;
}

static void direction_free(struct direction *direction)
{
	dtls_free(direction->dtls);
	free(direction);
}

/* The event is exactly as large as it says: what reads farther is reported. */
static int send_part(struct direction *direction, const uint8_t *bytes, size_t position, size_t length)
{
	struct event_bytes *event = malloc(sizeof(*event) + length);
	int result;

	assert_non_null(event);
	*event = (struct event_bytes){
		.event = {.size = sizeof(*event) + length,
	                  .kind = EVENT_DATAGRAM,
	                  .direction = EVENT_SENT,
	                  .connection = 42,
	                  .time_ns = direction->time_ns},
		.position = position,
		.length = length,
	};
	memcpy(event->data, bytes + position, length);
	result = dtls_datagram(direction->dtls, event);
	free(event);
	return result;
}

static int send_datagram(struct direction *direction, const struct message_bytes *datagram)
{
	direction->time_ns++;
	return send_part(direction, datagram->data, 0, datagram->length);
}

static size_t record_begin(struct message_bytes *datagram, uint8_t type, uint16_t epoch)
{
	put_number(datagram, 1, type);
	put_number(datagram, 2, VERSION);
	put_number(datagram, 2, epoch);
	put_zeros(datagram, 6);
	return vector_begin(datagram, 2);
}

static void put_fragment(struct message_bytes *datagram, uint8_t type, uint16_t sequence, uint32_t length,
                         uint32_t offset, uint32_t count)
{
	put_number(datagram, 1, type);
	put_number(datagram, 3, length);
	put_number(datagram, 2, sequence);
	put_number(datagram, 3, offset);
	put_number(datagram, 3, count);
	while (count--)
		put_number(datagram, 1, pattern(type, offset++));
}

static void put_fragment_record(struct message_bytes *datagram, uint8_t type, uint16_t sequence, uint32_t length,
                                uint32_t offset, uint32_t count)
{
	size_t record = record_begin(datagram, 22, 0);

	put_fragment(datagram, type, sequence, length, offset, count);
	vector_end(datagram, 2, record);
}

static void put_message(struct message_bytes *datagram, uint8_t type, uint16_t sequence, uint32_t length)
{
	put_fragment_record(datagram, type, sequence, length, 0, length);
}

static void put_record(struct message_bytes *datagram, uint8_t type, uint16_t epoch, const char *hex)
{
	size_t record = record_begin(datagram, type, epoch);

	put_hex(datagram, hex);
	vector_end(datagram, 2, record);
}

static void put_change_cipher_spec(struct message_bytes *datagram)
{
	put_record(datagram, 20, 0, "01");
}

static void put_finished(struct message_bytes *datagram)
{
	put_record(datagram, 22, 1, "000102030405060708090a0b0c0d0e0f");
}

static int send_message(struct direction *direction, uint8_t type, uint16_t sequence, uint32_t length)
{
	struct message_bytes datagram = {.length = 0};

	put_message(&datagram, type, sequence, length);
	return send_datagram(direction, &datagram);
}

static int send_fragment(struct direction *direction, uint8_t type, uint16_t sequence, uint32_t length, uint32_t offset,
                         uint32_t count)
{
	struct message_bytes datagram = {.length = 0};

	put_fragment_record(&datagram, type, sequence, length, offset, count);
	return send_datagram(direction, &datagram);
}

static void expect_told(const char *about, const struct direction *direction, const char *expected)
{
	expect_text(about, "told", direction->told.text, expected);
}

/* A server's flight in three datagrams, with records that hold several messages and datagrams that hold several records. */
static void flight_in_order(void **state)
{
	struct direction *server = direction_new();
	struct message_bytes first = {.length = 0}, second = {.length = 0}, third = {.length = 0};
	size_t record;

	(void)state;
	put_message(&first, TLS_SERVER_HELLO, 0, 70);
	put_fragment_record(&first, TLS_CERTIFICATE, 1, 2000, 0, 1000);
	record = record_begin(&second, 22, 0);
	put_fragment(&second, TLS_CERTIFICATE, 1, 2000, 1000, 1000);
	put_fragment(&second, TLS_CERTIFICATE_REQUEST, 2, 30, 0, 30);
	put_fragment(&second, TLS_SERVER_HELLO_DONE, 3, 0, 0, 0);
	vector_end(&second, 2, record);
	put_message(&third, TLS_NEW_SESSION_TICKET, 4, 100);
	put_change_cipher_spec(&third);
	put_finished(&third);

	assert_int_equal(send_datagram(server, &first), 0);
	expect_told("first datagram", server, " 2(70)");
	assert_int_equal(send_datagram(server, &second), 0);
	expect_told("second datagram", server, " 2(70) 11(2000) 13(30) 14(0)");
	expect_number("second datagram", "time", server->told.time_ns, 2);
	assert_true(dtls_wants_more(server->dtls));
	assert_int_equal(send_datagram(server, &third), 0);
	expect_told("third datagram", server, " 2(70) 11(2000) 13(30) 14(0) 4(100) r20(1) r22(16)");
	assert_false(dtls_wants_more(server->dtls));
	assert_false(dtls_has_gap(server->dtls));
	direction_free(server);
}

/* The bodies of the messages that mtlsnoop reads are reported, both sides' Certificate among them. */
static void bodies_that_matter(void **state)
{
	struct direction *client = direction_new();
	struct direction *server = direction_new();

	(void)state;
	client->told.bodies = true;
	server->told.bodies = true;
	send_message(client, TLS_CLIENT_HELLO, 0, CLIENT_HELLO_LENGTH);
	send_message(client, TLS_CERTIFICATE, 1, 500);
	send_message(client, TLS_CLIENT_KEY_EXCHANGE, 2, 66);
	expect_told("client", client, " 1(60) b1[60] 11(500) b11[500] 16(66)");
	send_message(server, TLS_SERVER_HELLO, 0, 70);
	send_message(server, TLS_CERTIFICATE, 1, 500);
	send_message(server, TLS_CERTIFICATE_REQUEST, 2, 30);
	expect_told("server", server, " 2(70) b2[70] 11(500) b11[500] 13(30) b13[30]");
	direction_free(client);
	direction_free(server);
}

/* RFC 6347 section 4.2.2: a HelloVerifyRequest and the ClientHello that answers it */
static void hello_verify_request(void **state)
{
	struct direction *client = direction_new();
	struct direction *server = direction_new();

	(void)state;
	send_message(client, TLS_CLIENT_HELLO, 0, CLIENT_HELLO_LENGTH);
	send_message(client, TLS_CLIENT_HELLO, 0, CLIENT_HELLO_LENGTH);
	send_message(client, TLS_CLIENT_HELLO, 1, CLIENT_HELLO_LENGTH + 20);
	expect_told("client", client, " 1(60) 1(80)");
	send_message(server, TLS_HELLO_VERIFY_REQUEST, 0, 23);
	send_message(server, TLS_HELLO_VERIFY_REQUEST, 0, 23);
	send_message(server, TLS_SERVER_HELLO, 1, 70);
	expect_told("server", server, " 3(23) 2(70)");
	direction_free(client);
	direction_free(server);
}

/* Every order of four datagrams gives the same messages, and so do repetitions of each. */
static void any_order(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t length, offset, count;
		uint16_t sequence;
	} parts[] = {
		{TLS_SERVER_HELLO, 70, 0, 70, 1},
		{TLS_CERTIFICATE, 900, 0, 500, 2},
		{TLS_CERTIFICATE, 900, 400, 500, 2},
		{TLS_CERTIFICATE_REQUEST, 30, 0, 30, 3},
	};
	struct direction *server;
	int order, i, which, repeat;

	(void)state;
	for (order = 0; order < 4 * 4 * 4 * 4; order++) {
		int used = 1 << (order & 3) | 1 << (order >> 2 & 3) | 1 << (order >> 4 & 3) | 1 << (order >> 6 & 3);

		if (used != 15)
			continue;
		server = direction_new();
		for (i = 0; i < 4; i++) {
			which = order >> 2 * i & 3;
			for (repeat = 0; repeat < 2; repeat++)
				assert_int_equal(send_fragment(server, parts[which].type, parts[which].sequence,
				                               parts[which].length, parts[which].offset,
				                               parts[which].count),
				                 0);
		}
		expect_told("any order", server, " 2(70) 11(900) 13(30)");
		assert_false(dtls_has_gap(server->dtls));
		direction_free(server);
	}
}

/* ChangeCipherSpec and Finished arrive before a message that is known to be missing. */
static void records_wait_for_messages(void **state)
{
	struct direction *client = direction_new();
	struct message_bytes datagram = {.length = 0};

	(void)state;
	send_message(client, TLS_CLIENT_HELLO, 0, CLIENT_HELLO_LENGTH);
	put_message(&datagram, TLS_CLIENT_KEY_EXCHANGE, 2, 66);
	put_change_cipher_spec(&datagram);
	put_finished(&datagram);
	send_datagram(client, &datagram);
	expect_told("waiting", client, " 1(60)");
	assert_true(dtls_has_gap(client->dtls));
	assert_true(dtls_wants_more(client->dtls));
	send_datagram(client, &datagram);
	send_message(client, TLS_CERTIFICATE, 1, 3);
	expect_told("come", client, " 1(60) 11(3) 16(66) r20(1) r22(16)");
	assert_false(dtls_has_gap(client->dtls));
	direction_free(client);
}

/* What never came leaves a gap; what stands behind it is told at the end. */
static void missing_message(void **state)
{
	struct direction *server = direction_new();
	struct message_bytes datagram = {.length = 0};

	(void)state;
	server->told.bodies = true;
	send_message(server, TLS_SERVER_HELLO, 0, 70);
	send_fragment(server, TLS_CERTIFICATE_REQUEST, 2, 300, 0, 100);
	send_message(server, TLS_SERVER_HELLO_DONE, 3, 0);
	put_change_cipher_spec(&datagram);
	send_datagram(server, &datagram);
	expect_told("before the end", server, " 2(70) b2[70]");
	dtls_finish(server->dtls);
	expect_told("at the end", server, " 2(70) b2[70] 13(300) b13[100] 14(0) r20(1)");
	assert_true(dtls_has_gap(server->dtls));
	assert_false(dtls_wants_more(server->dtls));
	direction_free(server);
}

/* A capture that begins in the middle: nothing says how many messages came before. */
static void begun_in_the_middle(void **state)
{
	struct direction *client = direction_new();

	(void)state;
	send_message(client, TLS_CERTIFICATE, 2, 300);
	send_message(client, TLS_CLIENT_KEY_EXCHANGE, 3, 66);
	expect_told("in the middle", client, "");
	dtls_finish(client->dtls);
	expect_told("at the end", client, " 11(300) 16(66)");
	assert_true(dtls_has_gap(client->dtls));
	direction_free(client);
}

static void alerts(void **state)
{
	struct direction *server = direction_new();
	struct message_bytes datagram = {.length = 0};

	(void)state;
	send_message(server, TLS_SERVER_HELLO, 0, 70);
	put_record(&datagram, 21, 0, "0228");
	put_record(&datagram, 21, 1, "000102030405060708");
	send_datagram(server, &datagram);
	expect_told("alerts", server, " 2(70) a2.40 r21(9)");
	direction_free(server);
}

/* STUN, RTP, DTLS 1.3 records, connection IDs, nonsense: nothing to tell, nothing missing. */
static void what_is_not_dtls(void **state)
{
	static const char *const datagrams[] = {
		"000100002112a442000000000000000000000000",   /* STUN */
		"8060000100000001000000010203",               /* RTP */
		"2e0001001001020304",                         /* DTLS 1.3 */
		"19fefd0001000000000000aabbccdd000400010203", /* a connection ID of four bytes */
		"16030100050100000100",                       /* TLS */
		"16fefd000000000000000048010a",               /* a record longer than there may be */
		"13",
		"",
		"80",
	};
	struct direction *client = direction_new();
	struct message_bytes datagram;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(datagrams) / sizeof(datagrams[0]); i++) {
		datagram.length = 0;
		put_hex(&datagram, datagrams[i]);
		assert_int_equal(send_datagram(client, &datagram), 0);
	}
	send_message(client, TLS_CLIENT_HELLO, 0, CLIENT_HELLO_LENGTH);
	expect_told("what is not DTLS", client, " 1(60)");
	assert_false(dtls_has_gap(client->dtls));
	direction_free(client);
}

/* Fragments that cannot be, each with a good message behind it in the datagram. */
static void impossible_fragments(void **state)
{
	static const char *const fragments[] = {
		"0d00001e00010000000000200102", /* longer than its record */
		"0d00001e000100001d0000020102", /* past the message's end */
		"0d0000020001ffffffffffff0102", /* offset and length that wrap */
		"6300000200010000000000020102", /* no HandshakeType */
		"0d0000020001",                 /* no whole header */
		"",
	};
	struct direction *server;
	struct message_bytes datagram;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
		server = direction_new();
		datagram.length = 0;
		put_message(&datagram, TLS_SERVER_HELLO, 0, 70);
		put_record(&datagram, 22, 0, fragments[i]);
		put_message(&datagram, TLS_SERVER_HELLO_DONE, 1, 0);
		assert_int_equal(send_datagram(server, &datagram), 0);
		expect_told(fragments[i], server, " 2(70) 14(0)");
		direction_free(server);
	}
}

/* A fragment that says something else of its message than the first one did is none of it. */
static void contradicting_fragments(void **state)
{
	struct direction *server = direction_new();

	(void)state;
	send_message(server, TLS_SERVER_HELLO, 0, 70);
	send_fragment(server, TLS_CERTIFICATE_REQUEST, 1, 40, 0, 20);
	send_fragment(server, TLS_CERTIFICATE_REQUEST, 1, 20, 0, 20);
	send_fragment(server, TLS_CERTIFICATE, 1, 40, 20, 20);
	expect_told("contradicting", server, " 2(70)");
	send_fragment(server, TLS_CERTIFICATE_REQUEST, 1, 40, 20, 20);
	expect_told("agreeing", server, " 2(70) 13(40)");
	direction_free(server);
}

/* A datagram cut short at every byte: a gap, and no message that was not whole. */
static void cut_short_anywhere(void **state)
{
	struct message_bytes datagram = {.length = 0};
	struct direction *server;
	size_t length, first, second;

	(void)state;
	put_message(&datagram, TLS_SERVER_HELLO, 0, 70);
	first = datagram.length;
	put_message(&datagram, TLS_CERTIFICATE_REQUEST, 1, 30);
	second = datagram.length;
	for (length = 0; length <= second; length++) {
		server = direction_new();
		assert_int_equal(send_part(server, datagram.data, 0, length), 0);
		dtls_cut(server->dtls);
		expect_told("cut", server, length < first ? "" : length < second ? " 2(70)" : " 2(70) 13(30)");
		assert_true(dtls_has_gap(server->dtls));
		direction_free(server);
		/* where nobody says that it was cut, a record without its end says so itself */
		server = direction_new();
		assert_int_equal(send_part(server, datagram.data, 0, length), 0);
		dtls_finish(server->dtls);
		expect_number("cut", "gap", dtls_has_gap(server->dtls),
		              length != 0 && length != first && length != second);
		direction_free(server);
	}
}

/* A datagram in two parts, divided at every byte. */
static void datagram_in_parts(void **state)
{
	struct message_bytes datagram = {.length = 0};
	struct direction *server;
	size_t at;

	(void)state;
	put_message(&datagram, TLS_SERVER_HELLO, 0, 70);
	put_message(&datagram, TLS_CERTIFICATE_REQUEST, 1, 30);
	put_record(&datagram, 21, 0, "0100");
	put_change_cipher_spec(&datagram);
	put_finished(&datagram);
	for (at = 1; at < datagram.length; at++) {
		server = direction_new();
		server->told.bodies = true;
		send_part(server, datagram.data, 0, at);
		send_part(server, datagram.data, at, datagram.length - at);
		expect_told("parts", server, " 2(70) b2[70] 13(30) b13[30] a1.0 r20(1) r22(16)");
		assert_false(dtls_has_gap(server->dtls));
		direction_free(server);
	}
}

/* Bounds: messages too far ahead, more bytes than are held, more alerts and encrypted records than are told. */
static void bounds(void **state)
{
	struct direction *server = direction_new();
	struct direction *client = direction_new();
	struct message_bytes datagram = {.length = 0};
	int i, held, result;

	(void)state;
	send_message(server, TLS_SERVER_HELLO, 0, 70);
	assert_int_equal(send_message(server, TLS_SERVER_HELLO_DONE, 1 + DTLS_MESSAGES_AHEAD, 0), -ENOBUFS);
	assert_true(dtls_has_gap(server->dtls));

	send_message(client, TLS_CLIENT_HELLO, 0, CLIENT_HELLO_LENGTH);
	for (i = 0, held = 0, result = 0; i < 20 && !result; i++, held += 10000)
		result = send_fragment(client, TLS_CERTIFICATE, 1 + i % 10, 0xffffff, i * 10000, 10000);
	expect_number("bytes", "result", result, -ENOBUFS);
	expect_number("bytes", "held", held / 10000, DTLS_BYTES_MAX / 10000 + 1);

	direction_free(server);
	server = direction_new();
	for (i = 0; i < 2 * DTLS_ALERTS_MAX; i++)
		put_record(&datagram, 21, 0, "0100");
	for (i = 0; i < 2 * DTLS_ENCRYPTED_MAX; i++)
		put_record(&datagram, 23, 1, "00010203");
	send_datagram(server, &datagram);
	expect_number("alerts and records", "told", server->told.length,
	              DTLS_ALERTS_MAX * strlen(" a1.0") + DTLS_ENCRYPTED_MAX * strlen(" r23(4)"));
	direction_free(server);
	direction_free(client);
}

static void what_begins_an_association(void **state)
{
	struct message_bytes datagram = {.length = 0};
	struct guarded_bytes guarded;
	__u64 random, expected = 0;
	size_t length, i;
	bool begins;

	(void)state;
	put_message(&datagram, TLS_CLIENT_HELLO, 0, CLIENT_HELLO_LENGTH);
	for (i = 0; i < 8; i++)
		expected = expected << 8 | pattern(TLS_CLIENT_HELLO, 2 + i);
	for (length = 0; length <= datagram.length; length++) {
		guarded = guarded_copy(datagram.data, length);
		begins = dtls_begins(guarded.data, length, &random);
		expect_number("ClientHello", "begins", begins, length >= 25);
		expect_number("ClientHello", "random", random, length >= 25 + 2 + 8 ? expected : 0);
		guarded_free(&guarded);
	}
	datagram.length = 0;
	put_message(&datagram, TLS_CLIENT_HELLO, 1, CLIENT_HELLO_LENGTH);
	assert_true(dtls_begins(datagram.data, datagram.length, &random));
	expect_number("second ClientHello", "random", random, 0);
	datagram.length = 0;
	put_message(&datagram, TLS_CERTIFICATE, 1, 100);
	assert_false(dtls_begins(datagram.data, datagram.length, &random));
	datagram.length = 0;
	put_record(&datagram, 22, 1, "010000300000000000000030");
	assert_false(dtls_begins(datagram.data, datagram.length, &random));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flight_in_order),
		cmocka_unit_test(bodies_that_matter),
		cmocka_unit_test(hello_verify_request),
		cmocka_unit_test(any_order),
		cmocka_unit_test(records_wait_for_messages),
		cmocka_unit_test(missing_message),
		cmocka_unit_test(begun_in_the_middle),
		cmocka_unit_test(alerts),
		cmocka_unit_test(what_is_not_dtls),
		cmocka_unit_test(impossible_fragments),
		cmocka_unit_test(contradicting_fragments),
		cmocka_unit_test(cut_short_anywhere),
		cmocka_unit_test(datagram_in_parts),
		cmocka_unit_test(bounds),
		cmocka_unit_test(what_begins_an_association),
	};

	return cmocka_run_group_tests_name("dtls", tests, NULL, NULL);
}
