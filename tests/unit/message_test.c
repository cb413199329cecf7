// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ClientHello and ServerHello. What the real ones hold was read off tshark 4.0.17.
 */
#include "hello_bodies.h"
#include "tls/message.h"
#include "message_bytes.h"

#include <errno.h>

enum {
	RANDOM_OFFSET = 2,
	SESSION_ID_OFFSET = RANDOM_OFFSET + MESSAGE_RANDOM,
};

struct client_hello_case {
	const char *name;
	const char *hex;
	const char *random;
	const char *session_id;
	struct client_hello expected;
};

static const struct client_hello_case client_hellos[] = {
	{
		.name = "SSL 3.0",
		.hex = client_hello_ssl3,
		.random = "aabb363738abed298f90dc57d662a4b4e894a321faf59730370103ffc38c71f5",
		.session_id = "",
		.expected = {.legacy_version = 0x0300, .highest_version = 0x0300, .cipher_suites = 12},
	},
	{
		.name = "TLS 1.0",
		.hex = client_hello_tls1_0,
		.random = "d49632533808ca91fb95420ee5622c5056a702a123bf99b7abe03dc7232a2b8a",
		.session_id = "",
		.expected = {.legacy_version = 0x0301,
                             .highest_version = 0x0301,
                             .cipher_suites = 23,
                             .server_name = "server.example"},
	},
	{
		.name = "TLS 1.2",
		.hex = client_hello_tls1_2,
		.random = "da6464af6ce7608ecd9d02632e03049e0733aa427353b2dcb76aa1d929a72198",
		.session_id = "",
		.expected = {.legacy_version = 0x0303,
                             .highest_version = 0x0303,
                             .cipher_suites = 28,
                             .server_name = "server.example",
                             .protocol = "h2"},
	},
	{
		.name = "TLS 1.2 with a session id",
		.hex = client_hello_tls1_2_session_id,
		.random = "a642811f81f3d50a2f22606f0fb47b661662b6a669f33efe5699837cbab17c04",
		.session_id = "a44a58caa6b546efcaffef94f484d11a041a0c89135d1b0fc76a9dfd5b29f7a2",
		.expected = {.legacy_version = 0x0303,
                             .highest_version = 0x0303,
                             .cipher_suites = 28,
                             .server_name = "server.example"},
	},
	{
		.name = "TLS 1.2 with a ticket",
		.hex = client_hello_tls1_2_ticket,
		.random = "27a6d00288870b07db4af4bf2332bb87e14e41967798c113ec602da055c673dc",
		.session_id = "cfd6e48c94a9857c9aa12889a2288df2602a721eaf26e325ee50ebadd386b71b",
		.expected = {.legacy_version = 0x0303,
                             .highest_version = 0x0303,
                             .cipher_suites = 28,
                             .server_name = "server.example",
                             .session_ticket = true},
	},
	{
		.name = "TLS 1.3",
		.hex = client_hello_tls1_3,
		.random = "56de8da69e61cc41ff8a972f9c646895461554db846f83245204c0e349162147",
		.session_id = "cc7227812ce8477cd009deb5b48f8e041af2298fe8708404febcda94915b1eb4",
		.expected = {.legacy_version = 0x0303,
                             .highest_version = 0x0304,
                             .cipher_suites = 31,
                             .server_name = "server.example",
                             .protocol = "h2",
                             .post_handshake_auth = true},
	},
	{
		.name = "TLS 1.3 with early data",
		.hex = client_hello_tls1_3_early_data,
		.random = "31ff79226491d0914c598059f4c43f8d587447f1110e91fd6009d2c8d5987f6a",
		.session_id = "5ac8e9b1526c80a87d5915eed1525c3156b5cfe14ab93cd904bc6b067f5cd826",
		.expected = {.legacy_version = 0x0303,
                             .highest_version = 0x0304,
                             .cipher_suites = 31,
                             .server_name = "server.example",
                             .pre_shared_key = true,
                             .early_data = true},
	},
	{
		.name = "DTLS 1.0 with a cookie",
		.hex = client_hello_dtls1_0_cookie,
		.random = "e7b766505bcd3dc8874707393b3d3a4024fadc2eb2e3921cb92212ab320b723e",
		.session_id = "",
		.expected = {.legacy_version = 0xfeff,
                             .highest_version = 0xfeff,
                             .cipher_suites = 23,
                             .server_name = "server.example"},
	},
	{
		.name = "DTLS 1.2",
		.hex = client_hello_dtls1_2,
		.random = "8aaf3506adce3262dcba4229a1dc239459758e66d0a36e401c9b61b14060e537",
		.session_id = "",
		.expected = {.legacy_version = 0xfefd,
                             .highest_version = 0xfefd,
                             .cipher_suites = 28,
                             .server_name = "server.example"},
	},
	{
		.name = "DTLS 1.2 with a cookie",
		.hex = client_hello_dtls1_2_cookie,
		.random = "8aaf3506adce3262dcba4229a1dc239459758e66d0a36e401c9b61b14060e537",
		.session_id = "",
		.expected = {.legacy_version = 0xfefd,
                             .highest_version = 0xfefd,
                             .cipher_suites = 28,
                             .server_name = "server.example"},
	},
};

struct server_hello_case {
	const char *name;
	const char *hex;
	const char *random;
	const char *session_id;
	struct server_hello expected;
};

static const struct server_hello_case server_hellos[] = {
	{
		.name = "TLS 1.0",
		.hex = server_hello_tls1_0,
		.random = "f7fb572716e2ea3283516a51fedc4381db9e3de19c16acef4510a9efba793a44",
		.session_id = "",
		.expected = {.version = 0x0301, .cipher_suite = 0xc00a},
	},
	{
		.name = "TLS 1.2",
		.hex = server_hello_tls1_2,
		.random = "65223645aa5e3fd3a111512fce7b055f7550f2f2e4cf91e9444f574e47524401",
		.session_id = "",
		.expected = {.version = 0x0303, .cipher_suite = 0xc02c, .protocol = "h2"},
	},
	{
		.name = "TLS 1.2 with a session id",
		.hex = server_hello_tls1_2_session_id,
		.random = "a4decaafdbec334cb00a0ee9cf5bf00f2a2654b9c897d7d1444f574e47524401",
		.session_id = "a44a58caa6b546efcaffef94f484d11a041a0c89135d1b0fc76a9dfd5b29f7a2",
		.expected = {.version = 0x0303, .cipher_suite = 0xc02c},
	},
	{
		.name = "TLS 1.3",
		.hex = server_hello_tls1_3,
		.random = "bf53c651bb60e2f1095210928a37eaf801d713bdfc9e1ab333d86ad1a8ce9fad",
		.session_id = "cc7227812ce8477cd009deb5b48f8e041af2298fe8708404febcda94915b1eb4",
		.expected = {.version = 0x0304, .cipher_suite = 0x1302},
	},
	{
		.name = "TLS 1.3, HelloRetryRequest",
		.hex = server_hello_tls1_3_retry,
		.random = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c",
		.session_id = "7c34a2d952045d37b09ee18d94bf200d08a4c7c3af04ceeb53db78452dae08fe",
		.expected = {.version = 0x0304, .cipher_suite = 0x1302, .hello_retry_request = true},
	},
	{
		.name = "TLS 1.3, resumed",
		.hex = server_hello_tls1_3_resumed,
		.random = "80b53c4d283803d140d07f0300f42ecc48554955bc2f5c750534203cfad26326",
		.session_id = "96f3416cfa8a98f4ba2871ea37a407e262f2b08ff831ca4199315bdd2f12b78b",
		.expected = {.version = 0x0304, .cipher_suite = 0x1302, .pre_shared_key = true},
	},
	{
		.name = "DTLS 1.2",
		.hex = server_hello_dtls1_2,
		.random = "ffb874bc3b15e168544e7891d8659f6d15d16f749ea704cc85df3e24365e6251",
		.session_id = "",
		.expected = {.version = 0xfefd, .cipher_suite = 0xc02c},
	},
};

#define CASES(table) (sizeof(table) / sizeof(*(table)))

static int parse_client_hello(const uint8_t *data, size_t length, struct client_hello *hello)
{
	struct guarded_bytes input = guarded_copy(data, length);
	int result;

	memset(hello, 0xa5, sizeof(*hello));
	result = message_parse_client_hello(input.data, input.length, hello);
	guarded_free(&input);
	return result;
}

static int parse_server_hello(const uint8_t *data, size_t length, struct server_hello *hello)
{
	struct guarded_bytes input = guarded_copy(data, length);
	int result;

	memset(hello, 0xa5, sizeof(*hello));
	result = message_parse_server_hello(input.data, input.length, hello);
	guarded_free(&input);
	return result;
}

static void expect_client_hello(const struct client_hello_case *test, const struct client_hello *hello)
{
	const struct client_hello *expected = &test->expected;

	expect_number(test->name, "legacy_version", hello->legacy_version, expected->legacy_version);
	expect_number(test->name, "highest_version", hello->highest_version, expected->highest_version);
	expect_hex(test->name, "random", hello->random, MESSAGE_RANDOM, test->random);
	expect_hex(test->name, "session_id", hello->session_id, hello->session_id_length, test->session_id);
	expect_number(test->name, "cipher_suites", hello->cipher_suites, expected->cipher_suites);
	expect_text(test->name, "server_name", hello->server_name, expected->server_name);
	expect_text(test->name, "protocol", hello->protocol, expected->protocol);
	expect_number(test->name, "session_ticket", hello->session_ticket, expected->session_ticket);
	expect_number(test->name, "pre_shared_key", hello->pre_shared_key, expected->pre_shared_key);
	expect_number(test->name, "early_data", hello->early_data, expected->early_data);
	expect_number(test->name, "post_handshake_auth", hello->post_handshake_auth, expected->post_handshake_auth);
}

static void expect_server_hello(const struct server_hello_case *test, const struct server_hello *hello)
{
	const struct server_hello *expected = &test->expected;

	expect_number(test->name, "version", hello->version, expected->version);
	expect_hex(test->name, "random", hello->random, MESSAGE_RANDOM, test->random);
	expect_hex(test->name, "session_id", hello->session_id, hello->session_id_length, test->session_id);
	expect_number(test->name, "cipher_suite", hello->cipher_suite, expected->cipher_suite);
	expect_text(test->name, "protocol", hello->protocol, expected->protocol);
	expect_number(test->name, "hello_retry_request", hello->hello_retry_request, expected->hello_retry_request);
	expect_number(test->name, "pre_shared_key", hello->pre_shared_key, expected->pre_shared_key);
}

/* Extensions of browsers by which a message of their own comes into the client's flight: ALPS by both numbers, Channel ID. */
static void test_more_messages(void **state)
{
	static const struct {
		uint16_t type;
		bool expected;
	} extensions[] = {{17513, true}, {17613, true}, {30032, true}, {17512, false}};

	(void)state;
	for (size_t index = 0; index < sizeof(extensions) / sizeof(*extensions); index++) {
		struct message_bytes body = {};
		struct client_hello hello;

		put_hex(&body, "0303");
		put_zeros(&body, 32);
		put_hex(&body, "00000213010100");
		put_number(&body, 2, 4);
		put_number(&body, 2, extensions[index].type);
		put_number(&body, 2, 0);
		assert_int_equal(message_parse_client_hello(body.data, body.length, &hello), 0);
		assert_int_equal(hello.more_messages, extensions[index].expected);
	}
}

/* OfferedPsks (RFC 8446 section 4.2.11): a ticket, a key with the ticket age 0, a ticket; binders of 32 bytes. */
static void test_external_keys(void **state)
{
	static const struct {
		uint16_t selected;
		bool external;
	} answers[] = {{0, false}, {1, true}, {2, false}, {33, false}};
	struct message_bytes body = {};
	struct client_hello hello;

	(void)state;
	put_hex(&body, "0303");
	put_zeros(&body, 32);
	put_hex(&body, "00000213010100");
	put_number(&body, 2, 4 + 2 + 24 + 2 + 99);
	put_hex(&body, "0029");
	put_number(&body, 2, 2 + 24 + 2 + 99);
	put_hex(&body, "0018");
	put_hex(&body, "0002aaaa12345678");
	put_hex(&body, "0002bbbb00000000");
	put_hex(&body, "0002cccc00000100");
	put_number(&body, 2, 99);
	for (int binder = 0; binder < 3; binder++) {
		put_number(&body, 1, 32);
		put_zeros(&body, 32);
	}
	assert_int_equal(message_parse_client_hello(body.data, body.length, &hello), 0);
	assert_true(hello.pre_shared_key);
	assert_int_equal(hello.external_keys, 1 << 1);
	for (size_t index = 0; index < CASES(answers); index++) {
		const struct server_hello answer = {.pre_shared_key = true,
		                                    .selected_identity = answers[index].selected};

		assert_int_equal(message_uses_external_key(&hello, &answer), answers[index].external);
	}
	assert_false(message_uses_external_key(&hello, &(struct server_hello){.selected_identity = 1}));
}

static void test_client_hello(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(client_hellos); i++) {
		struct message_bytes body = {0};
		struct client_hello hello;

		put_hex(&body, client_hellos[i].hex);
		expect_number(client_hellos[i].name, "result", parse_client_hello(body.data, body.length, &hello), 0);
		expect_client_hello(&client_hellos[i], &hello);
	}
}

static void test_server_hello(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(server_hellos); i++) {
		struct message_bytes body = {0};
		struct server_hello hello;

		put_hex(&body, server_hellos[i].hex);
		expect_number(server_hellos[i].name, "result", parse_server_hello(body.data, body.length, &hello), 0);
		expect_server_hello(&server_hellos[i], &hello);
	}
}

/* Where a ClientHello could end for want of extensions: behind the compression methods, of which OpenSSL and NSS have one. */
static size_t client_hello_extensions_offset(const struct message_bytes *body, const struct client_hello *expected)
{
	size_t offset = SESSION_ID_OFFSET;

	offset += 1 + body->data[offset];
	if (expected->legacy_version >= 0xfe00)
		offset += 1 + body->data[offset];
	return offset + 2 + 2 * expected->cipher_suites + 2;
}

/* What a cut ClientHello told is what the whole one tells, or it says that it does not know. */
static void expect_part_of_client_hello(const struct client_hello_case *test, const struct client_hello *hello,
                                        int result)
{
	const struct client_hello *expected = &test->expected;

	if (hello->legacy_version)
		expect_number(test->name, "legacy_version", hello->legacy_version, expected->legacy_version);
	if (hello->highest_version && result < 0)
		expect_number(test->name, "highest_version", hello->highest_version, expected->highest_version);
	if (hello->session_id_length)
		expect_hex(test->name, "session_id", hello->session_id, hello->session_id_length, test->session_id);
	if (hello->server_name[0])
		expect_text(test->name, "server_name", hello->server_name, expected->server_name);
	if (hello->protocol[0])
		expect_text(test->name, "protocol", hello->protocol, expected->protocol);
	assert_true(hello->cipher_suites <= expected->cipher_suites);
	assert_true(hello->session_ticket <= expected->session_ticket);
	assert_true(hello->pre_shared_key <= expected->pre_shared_key);
	assert_true(hello->early_data <= expected->early_data);
	assert_true(hello->post_handshake_auth <= expected->post_handshake_auth);
}

static void test_client_hello_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(client_hellos); i++) {
		const struct client_hello_case *test = &client_hellos[i];
		struct message_bytes body = {0};
		struct client_hello hello;
		size_t offset;

		put_hex(&body, test->hex);
		offset = client_hello_extensions_offset(&body, &test->expected);
		for (size_t length = 0; length < body.length; length++) {
			int result = parse_client_hello(body.data, length, &hello);

			expect_number(test->name, "result of a part", result, length == offset ? 0 : -EBADMSG);
			expect_part_of_client_hello(test, &hello, result);
			if (length >= SESSION_ID_OFFSET)
				expect_hex(test->name, "random", hello.random, MESSAGE_RANDOM, test->random);
		}
	}
}

static void test_server_hello_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(server_hellos); i++) {
		const struct server_hello_case *test = &server_hellos[i];
		struct message_bytes body = {0};
		struct server_hello hello;
		size_t offset;

		put_hex(&body, test->hex);
		offset = SESSION_ID_OFFSET + 1 + body.data[SESSION_ID_OFFSET] + 3;
		for (size_t length = 0; length < body.length; length++) {
			int result = parse_server_hello(body.data, length, &hello);

			expect_number(test->name, "result of a part", result, length == offset ? 0 : -EBADMSG);
			if (hello.version && result < 0)
				expect_number(test->name, "version", hello.version, test->expected.version);
			if (hello.cipher_suite)
				expect_number(test->name, "cipher_suite", hello.cipher_suite,
				              test->expected.cipher_suite);
			if (hello.protocol[0])
				expect_text(test->name, "protocol", hello.protocol, test->expected.protocol);
			assert_true(hello.pre_shared_key <= test->expected.pre_shared_key);
			expect_number(test->name, "hello_retry_request", hello.hello_retry_request,
			              length >= SESSION_ID_OFFSET && test->expected.hello_retry_request);
		}
	}
}

/* A length field of a message: where it is, how many bytes it takes, what it holds. */
struct length_field {
	size_t offset;
	size_t size;
	uint32_t length;
	const char *name;
};

static uint32_t field_value(const struct message_bytes *body, const struct length_field *field)
{
	uint32_t value = 0;

	for (size_t i = 0; i < field->size; i++)
		value = value << 8 | body->data[field->offset + i];
	return value;
}

static void set_field(struct message_bytes *body, const struct length_field *field, uint32_t value)
{
	for (size_t i = 0; i < field->size; i++)
		body->data[field->offset + i] = value >> (8 * (field->size - 1 - i));
}

/* Of client_hello_tls1_2, by tshark */
static const struct length_field client_hello_lengths[] = {
	{34, 1, 0, "session_id"},
	{35, 2, 56, "cipher_suites"},
	{93, 1, 1, "compression_methods"},
	{95, 2, 123, "extensions"},
	{99, 2, 19, "server_name"},
	{101, 2, 17, "server_name_list"},
	{104, 2, 14, "HostName"},
	{122, 2, 4, "point formats"},
	{130, 2, 12, "groups"},
	{146, 2, 0, "session_ticket"},
	{150, 2, 14, "protocols"},
	{152, 2, 12, "protocol_name_list"},
	{154, 1, 2, "ProtocolName 1"},
	{157, 1, 8, "ProtocolName 2"},
	{168, 2, 0, "encrypt_then_mac"},
	{172, 2, 0, "master_secret"},
	{176, 2, 42, "signature_algorithms"},
};

static void test_client_hello_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(client_hello_lengths); i++) {
		const struct length_field *field = &client_hello_lengths[i];
		const uint32_t wrong[] = {field->length + 1, field->length - 1, UINT32_MAX};
		struct message_bytes body = {0};
		struct client_hello hello;

		put_hex(&body, client_hello_tls1_2);
		expect_number(field->name, "length", field_value(&body, field), field->length);
		for (size_t j = 0; j < CASES(wrong); j++) {
			set_field(&body, field, wrong[j]);
			expect_number(field->name, "result", parse_client_hello(body.data, body.length, &hello),
			              -EBADMSG);
		}
	}
}

/* Of server_hello_tls1_2, by tshark */
static const struct length_field server_hello_lengths[] = {
	{34, 1, 0, "session_id"},         {38, 2, 30, "extensions"},    {42, 2, 1, "renegotiation_info"},
	{47, 2, 4, "point formats"},      {55, 2, 0, "session_ticket"}, {59, 2, 5, "protocols"},
	{61, 2, 3, "protocol_name_list"}, {63, 1, 2, "ProtocolName"},   {68, 2, 0, "master_secret"},
};

static void test_server_hello_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(server_hello_lengths); i++) {
		const struct length_field *field = &server_hello_lengths[i];
		const uint32_t wrong[] = {field->length + 1, field->length - 1, UINT32_MAX};
		struct message_bytes body = {0};
		struct server_hello hello;

		put_hex(&body, server_hello_tls1_2);
		expect_number(field->name, "length", field_value(&body, field), field->length);
		for (size_t j = 0; j < CASES(wrong); j++) {
			set_field(&body, field, wrong[j]);
			expect_number(field->name, "result", parse_server_hello(body.data, body.length, &hello),
			              -EBADMSG);
		}
	}
}

/* Whatever a byte is changed to: no read beyond the end, a result of the two, and text that ends. */
static void test_client_hello_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(client_hellos); i++) {
		struct message_bytes body = {0};
		struct client_hello hello;

		put_hex(&body, client_hellos[i].hex);
		for (size_t offset = 0; offset < body.length; offset++) {
			const uint8_t original = body.data[offset];
			const uint8_t changed[] = {0, 0xff, original + 1, original - 1, original ^ 0x80};

			for (size_t j = 0; j < CASES(changed); j++) {
				int result;

				body.data[offset] = changed[j];
				result = parse_client_hello(body.data, body.length, &hello);
				assert_true(result == 0 || result == -EBADMSG);
				assert_non_null(memchr(hello.server_name, '\0', sizeof(hello.server_name)));
				assert_non_null(memchr(hello.protocol, '\0', sizeof(hello.protocol)));
				assert_in_range(hello.session_id_length, 0, MESSAGE_SESSION_ID_MAX);
			}
			body.data[offset] = original;
		}
	}
}

static void test_server_hello_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(server_hellos); i++) {
		struct message_bytes body = {0};
		struct server_hello hello;

		put_hex(&body, server_hellos[i].hex);
		for (size_t offset = 0; offset < body.length; offset++) {
			const uint8_t original = body.data[offset];
			const uint8_t changed[] = {0, 0xff, original + 1, original - 1, original ^ 0x80};

			for (size_t j = 0; j < CASES(changed); j++) {
				int result;

				body.data[offset] = changed[j];
				result = parse_server_hello(body.data, body.length, &hello);
				assert_true(result == 0 || result == -EBADMSG);
				assert_non_null(memchr(hello.protocol, '\0', sizeof(hello.protocol)));
				assert_in_range(hello.session_id_length, 0, MESSAGE_SESSION_ID_MAX);
			}
			body.data[offset] = original;
		}
	}
}

static void test_nothing(void **state)
{
	struct client_hello client_hello;
	struct server_hello server_hello;

	(void)state;
	expect_number("ClientHello", "result", message_parse_client_hello(NULL, 0, &client_hello), -EBADMSG);
	expect_number("ServerHello", "result", message_parse_server_hello(NULL, 0, &server_hello), -EBADMSG);
}

static void test_bytes_behind_the_end(void **state)
{
	struct message_bytes body = {0};
	struct client_hello client_hello;
	struct server_hello server_hello;

	(void)state;
	put_hex(&body, client_hello_tls1_0);
	put_number(&body, 1, 0);
	expect_number("ClientHello", "result", parse_client_hello(body.data, body.length, &client_hello), -EBADMSG);
	expect_text("ClientHello", "server_name", client_hello.server_name, "server.example");
	expect_number("ClientHello", "highest_version", client_hello.highest_version, 0x0301);

	body.length = 0;
	put_hex(&body, server_hello_tls1_2);
	put_number(&body, 1, 0);
	expect_number("ServerHello", "result", parse_server_hello(body.data, body.length, &server_hello), -EBADMSG);
	expect_number("ServerHello", "cipher_suite", server_hello.cipher_suite, 0xc02c);
	expect_number("ServerHello", "version", server_hello.version,
	              0); /* what supported_versions would have said is open */

	body.length = 0;
	put_hex(&body, server_hello_dtls1_2);
	put_number(&body, 1, 0);
	expect_number("DTLS", "result", parse_server_hello(body.data, body.length, &server_hello), -EBADMSG);
	expect_number("DTLS", "version", server_hello.version, 0);
}

/* What the schema forbids is not that message; what follows is read all the same. */
struct flaw {
	const char *what;
	const char *cipher_suites;
	size_t cipher_suites_length;
	size_t compression_methods;
};

static const struct flaw flaws[] = {
	{"no cipher suite", "", 0, 1},
	{"half a cipher suite", "\x13\x01\x13", 3, 1},
	{"no compression method", "\x13\x01", 2, 0},
};

static void test_client_hello_flawed(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(flaws); i++) {
		struct message_bytes body = {0};
		struct client_hello hello;
		size_t extensions;

		put_number(&body, 2, 0x0303);
		put_zeros(&body, MESSAGE_RANDOM + 1);
		put_vector(&body, 2, flaws[i].cipher_suites, flaws[i].cipher_suites_length);
		put_vector(&body, 1, "\0", flaws[i].compression_methods);
		extensions = vector_begin(&body, 2);
		put_number(&body, 2, 49);
		put_zeros(&body, 2);
		vector_end(&body, 2, extensions);
		expect_number(flaws[i].what, "result", parse_client_hello(body.data, body.length, &hello), -EBADMSG);
		expect_number(flaws[i].what, "cipher_suites", hello.cipher_suites, flaws[i].cipher_suites_length / 2);
		expect_number(flaws[i].what, "post_handshake_auth", hello.post_handshake_auth, true);
	}
}

/* The least of a ClientHello, up to the extensions; returns where these begin, for vector_end(). */
static size_t client_hello_begin(struct message_bytes *body, uint16_t version)
{
	put_number(body, 2, version);
	put_zeros(body, MESSAGE_RANDOM);
	put_zeros(body, 1); /* session_id */
	if (version >= 0xfe00 || version == 0x0100)
		put_zeros(body, 1); /* cookie */
	put_number(body, 2, 2);
	put_number(body, 2, 0x1301);
	put_number(body, 1, 1);
	put_zeros(body, 1); /* the null compression method */
	return vector_begin(body, 2);
}

static size_t server_hello_begin(struct message_bytes *body, uint16_t version)
{
	put_number(body, 2, version);
	put_zeros(body, MESSAGE_RANDOM);
	put_zeros(body, 1); /* session_id */
	put_number(body, 2, 0x1301);
	put_zeros(body, 1); /* the null compression method */
	return vector_begin(body, 2);
}

enum {
	VERSIONS_MAX = 8,
};

struct versions_case {
	const char *name;
	uint16_t legacy_version;
	uint16_t offered[VERSIONS_MAX]; /* up to 0 */
	uint16_t expected;
};

static const struct versions_case versions[] = {
	{"ascending", 0x0303, {0x0302, 0x0303, 0x0304}, 0x0304},
	{"descending", 0x0303, {0x0304, 0x0303}, 0x0304},
	{"lower than legacy_version", 0x0303, {0x0302}, 0x0302},
	{"GREASE first", 0x0303, {0x0a0a, 0x0304, 0x0303}, 0x0304},
	{"GREASE last", 0x0303, {0x0303, 0xfafa}, 0x0303},
	{"all GREASE of the one kind", 0x0303, {0x7a7a, 0xeaea, 0xdada, 0x3a3a}, 0x0303},
	{"draft 28 of TLS 1.3", 0x0303, {0x7f1c, 0x0303}, 0x0304},
	{"Facebook's draft 23", 0x0303, {0xfb17, 0x0303}, 0x0304},
	{"Google's experiment", 0x0303, {0x7e02, 0x0303}, 0x0304},
	{"DTLS counts down", 0xfefd, {0xfefd, 0xfefc, 0xfeff}, 0xfefc},
	{"DTLS and GREASE", 0xfefd, {0x2a2a, 0xfefd}, 0xfefd},
	{"DTLS in TLS", 0x0303, {0xfefc, 0x0303}, 0x0303},
	{"TLS in DTLS", 0xfefd, {0x0304, 0xfeff}, 0xfeff},
	{"before DTLS 1.0", 0x0100, {0}, 0x0100},
};

static void test_versions_offered(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(versions); i++) {
		struct message_bytes body = {0};
		struct client_hello hello;
		size_t extensions, extension, list;

		extensions = client_hello_begin(&body, versions[i].legacy_version);
		if (versions[i].offered[0]) {
			put_number(&body, 2, 43);
			extension = vector_begin(&body, 2);
			list = vector_begin(&body, 1);
			for (size_t j = 0; versions[i].offered[j]; j++)
				put_number(&body, 2, versions[i].offered[j]);
			vector_end(&body, 1, list);
			vector_end(&body, 2, extension);
		}
		vector_end(&body, 2, extensions);
		expect_number(versions[i].name, "result", parse_client_hello(body.data, body.length, &hello), 0);
		expect_number(versions[i].name, "highest_version", hello.highest_version, versions[i].expected);
		expect_number(versions[i].name, "legacy_version", hello.legacy_version, versions[i].legacy_version);
	}
}

struct selected_case {
	const char *name;
	uint16_t legacy_version;
	uint16_t selected;
	uint16_t expected;
};

static const struct selected_case selected_versions[] = {
	{"TLS 1.3", 0x0303, 0x0304, 0x0304},
	{"draft 22 of TLS 1.3", 0x0303, 0x7f16, 0x0304},
	{"draft 28 of TLS 1.3", 0x0303, 0x7f1c, 0x0304},
	{"Facebook's draft 23", 0x0303, 0xfb17, 0x0304},
	{"DTLS 1.3", 0xfefd, 0xfefc, 0xfefc},
	{"one not known", 0x0303, 0x0305, 0x0305},
};

static void test_version_selected(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(selected_versions); i++) {
		struct message_bytes body = {0};
		struct server_hello hello;
		size_t extensions = server_hello_begin(&body, selected_versions[i].legacy_version);

		put_number(&body, 2, 43);
		put_number(&body, 2, 2);
		put_number(&body, 2, selected_versions[i].selected);
		vector_end(&body, 2, extensions);
		expect_number(selected_versions[i].name, "result", parse_server_hello(body.data, body.length, &hello),
		              0);
		expect_number(selected_versions[i].name, "version", hello.version, selected_versions[i].expected);
	}
}

/*
 * draft-ietf-tls-tls13-18 section 4.1.3: ProtocolVersion, Random, CipherSuite, extensions. By the document: no program
 * that still speaks it was at hand.
 */
static void test_server_hello_of_an_early_draft(void **state)
{
	static const uint16_t draft_versions[] = {0x7f12, 0x0304};

	(void)state;
	for (size_t i = 0; i < CASES(draft_versions); i++) {
		struct message_bytes body = {0};
		struct server_hello hello;
		size_t extensions;

		put_number(&body, 2, draft_versions[i]);
		put_zeros(&body, MESSAGE_RANDOM);
		put_number(&body, 2, 0x1302);
		extensions = vector_begin(&body, 2);
		put_number(&body, 2, 41);
		put_vector(&body, 2, "\0\0", 2);
		vector_end(&body, 2, extensions);
		expect_number("draft", "result", parse_server_hello(body.data, body.length, &hello), 0);
		expect_number("draft", "version", hello.version, 0x0304);
		expect_number("draft", "cipher_suite", hello.cipher_suite, 0x1302);
		expect_number("draft", "session_id_length", hello.session_id_length, 0);
		expect_number("draft", "pre_shared_key", hello.pre_shared_key, true);
	}
}

static int parse_server_name(const void *name, size_t length, struct client_hello *hello)
{
	struct message_bytes body = {0};
	size_t extensions, extension, list;

	extensions = client_hello_begin(&body, 0x0303);
	put_number(&body, 2, 0);
	extension = vector_begin(&body, 2);
	list = vector_begin(&body, 2);
	put_number(&body, 1, 0); /* host_name */
	put_vector(&body, 2, name, length);
	vector_end(&body, 2, list);
	vector_end(&body, 2, extension);
	vector_end(&body, 2, extensions);
	return parse_client_hello(body.data, body.length, hello);
}

struct server_name_case {
	const char *what;
	const char *sent;
	size_t length;
	const char *expected;
};

static const struct server_name_case server_names[] = {
	{"a NUL inside", "good.example\0.evil", 18, "good.example?.evil"},
	{"only NULs", "\0\0\0", 3, "???"},
	{"a NUL at the end", "name\0", 5, "name?"},
	{"control characters", "\x1b[2J\r\n\t\x7f", 8, "\x1b[2J\r\n\t\x7f"},
	{"not UTF-8", "\xff\xfe\x80\xc0", 4, "\xff\xfe\x80\xc0"},
	{"UTF-8 that is cut off", "n\xc3", 2, "n\xc3"},
	{"a quote and a backslash", "\"\\", 2, "\"\\"},
	{"an address", "192.0.2.1", 9, "192.0.2.1"},
};

static void test_server_name_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(server_names); i++) {
		struct client_hello hello;

		expect_number(server_names[i].what, "result",
		              parse_server_name(server_names[i].sent, server_names[i].length, &hello), 0);
		expect_text(server_names[i].what, "server_name", hello.server_name, server_names[i].expected);
	}
}

static void test_server_name_long(void **state)
{
	static char name[65000];
	struct client_hello hello;

	(void)state;
	memset(name, 'a', sizeof(name));
	expect_number("255 bytes", "result", parse_server_name(name, 255, &hello), 0);
	expect_number("255 bytes", "length", strlen(hello.server_name), 255);
	assert_null(strchr(hello.server_name, '.'));
	expect_number("256 bytes", "result", parse_server_name(name, 256, &hello), 0);
	expect_number("256 bytes", "length", strlen(hello.server_name), 255);
	expect_text("256 bytes", "end", hello.server_name + 252, "...");
	expect_number("65000 bytes", "result", parse_server_name(name, sizeof(name), &hello), 0);
	expect_text("65000 bytes", "end", hello.server_name + 252, "...");
}

static void test_server_name_empty(void **state)
{
	struct client_hello hello;

	(void)state;
	expect_number("empty", "result", parse_server_name("", 0, &hello), -EBADMSG); /* HostName<1..2^16-1> */
	expect_text("empty", "server_name", hello.server_name, "");
	expect_number("empty", "cipher_suites", hello.cipher_suites, 1);
}

static void test_server_name_list(void **state)
{
	static const uint8_t list[] = {0, 18, 7, 0, 2, 'n', 'o', 0, 0, 5, 'h', 'o', 's', 't', '1', 0, 0, 2, 'h', '2'};
	struct message_bytes body = {0};
	struct client_hello hello;
	size_t extensions = client_hello_begin(&body, 0x0303);

	(void)state;
	put_number(&body, 2, 0);
	put_vector(&body, 2, list, sizeof(list));
	vector_end(&body, 2, extensions);
	expect_number("name types 7, 0, 0", "result", parse_client_hello(body.data, body.length, &hello), 0);
	expect_text("name types 7, 0, 0", "server_name", hello.server_name, "host1");
}

static int parse_protocols(const void *list, size_t length, struct client_hello *hello)
{
	struct message_bytes body = {0};
	size_t extensions = client_hello_begin(&body, 0x0303), extension;

	put_number(&body, 2, 16);
	extension = vector_begin(&body, 2);
	put_vector(&body, 2, list, length);
	vector_end(&body, 2, extension);
	vector_end(&body, 2, extensions);
	return parse_client_hello(body.data, body.length, hello);
}

struct protocols_case {
	const char *what;
	const char *list;
	size_t length;
	int result;
	const char *expected;
};

static const struct protocols_case protocol_lists[] = {
	{"two", "\x02h2\x08http/1.1", 12, 0, "h2"},
	{"GREASE first", "\x02\x0a\x0a\x02h2", 6, 0, "h2"},
	{"only GREASE", "\x02\x5a\x5a", 3, 0, ""},
	{"three bytes like GREASE", "\x03\x0a\x0a\x0a\x02h2", 7, 0, "\x0a\x0a\x0a"},
	{"two bytes that differ", "\x02\x0a\x1a\x02h2", 6, 0, "\x0a\x1a"},
	{"a NUL", "\x02\0h", 3, 0, "?h"},
	{"an empty one first", "\0\x02h2", 4, -EBADMSG, "h2"}, /* ProtocolName<1..2^8-1> */
	{"longer than the list", "\x03h2", 3, -EBADMSG, ""},
};

static void test_protocols(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES(protocol_lists); i++) {
		const struct protocols_case *test = &protocol_lists[i];
		struct client_hello hello;

		expect_number(test->what, "result", parse_protocols(test->list, test->length, &hello), test->result);
		expect_text(test->what, "protocol", hello.protocol, test->expected);
	}
}

static void test_protocol_longest(void **state)
{
	static uint8_t longest[1 + MESSAGE_PROTOCOL_MAX] = {MESSAGE_PROTOCOL_MAX};
	struct client_hello hello;

	(void)state;
	memset(longest + 1, 'x', MESSAGE_PROTOCOL_MAX);
	expect_number("255 bytes", "result", parse_protocols(longest, sizeof(longest), &hello), 0);
	expect_number("255 bytes", "length", strlen(hello.protocol), MESSAGE_PROTOCOL_MAX);
	assert_null(strchr(hello.protocol, '.'));
}

static void test_session_id_too_long(void **state)
{
	struct message_bytes body = {0};
	struct client_hello hello;

	(void)state;
	put_number(&body, 2, 0x0303);
	put_zeros(&body, MESSAGE_RANDOM);
	put_number(&body, 1, MESSAGE_SESSION_ID_MAX + 1);
	put_zeros(&body, MESSAGE_SESSION_ID_MAX + 1);
	put_vector(&body, 2, "\x13\x01\x13\x02", 4);
	put_vector(&body, 1, "", 1);
	expect_number("33 bytes", "result", parse_client_hello(body.data, body.length, &hello), -EBADMSG);
	expect_number("33 bytes", "session_id_length", hello.session_id_length, 0);
	expect_number("33 bytes", "cipher_suites", hello.cipher_suites, 2);
}

static void test_session_ticket_empty(void **state)
{
	struct message_bytes body = {0};
	struct client_hello hello;

	(void)state;
	put_hex(&body, client_hello_tls1_0); /* offers tickets, has none */
	expect_number("TLS 1.0", "result", parse_client_hello(body.data, body.length, &hello), 0);
	expect_number("TLS 1.0", "session_ticket", hello.session_ticket, false);
}

static void test_ssl2_client_hello(void **state)
{
	struct client_hello hello;

	(void)state;
	memset(&hello, 0xa5, sizeof(hello));
	message_set_ssl2_client_hello(0x0301, &hello);
	expect_number("SSL 2.0", "legacy_version", hello.legacy_version, 0x0301);
	expect_number("SSL 2.0", "highest_version", hello.highest_version, 0x0301);
	expect_text("SSL 2.0", "server_name", hello.server_name, "");
	expect_number("SSL 2.0", "session_ticket", hello.session_ticket, false);
	expect_number("SSL 2.0", "session_id_length", hello.session_id_length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_messages),
		cmocka_unit_test(test_external_keys),
		cmocka_unit_test(test_client_hello),
		cmocka_unit_test(test_client_hello_cut),
		cmocka_unit_test(test_client_hello_lengths),
		cmocka_unit_test(test_client_hello_changed),
		cmocka_unit_test(test_server_hello),
		cmocka_unit_test(test_server_hello_cut),
		cmocka_unit_test(test_server_hello_lengths),
		cmocka_unit_test(test_server_hello_changed),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_bytes_behind_the_end),
		cmocka_unit_test(test_client_hello_flawed),
		cmocka_unit_test(test_versions_offered),
		cmocka_unit_test(test_version_selected),
		cmocka_unit_test(test_server_hello_of_an_early_draft),
		cmocka_unit_test(test_server_name_hostile),
		cmocka_unit_test(test_server_name_long),
		cmocka_unit_test(test_server_name_empty),
		cmocka_unit_test(test_server_name_list),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_protocol_longest),
		cmocka_unit_test(test_session_id_too_long),
		cmocka_unit_test(test_session_ticket_empty),
		cmocka_unit_test(test_ssl2_client_hello),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
