// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Application data does not get into evidence (user/evidence/blank.c). */
#include "evidence/blank.h"

#include "message_bytes.h"

/* Expect these bytes of a direction, fed in chunks of each size, to become those. */
static void expect_blank(const char *about, const struct tls_walk *begin, const char *hex, const char *expected)
{
	struct message_bytes wanted = {0};

	put_hex(&wanted, expected);
	for (size_t chunk = 1; chunk <= wanted.length; chunk++) {
		struct message_bytes bytes = {0};
		struct tls_walk walk = *begin;

		put_hex(&bytes, hex);
		assert_int_equal(bytes.length, wanted.length);
		tls_walk_segment(&walk);
		for (size_t at = 0; at < bytes.length; at += chunk)
			blank_stream(&walk, bytes.data + at, bytes.length - at < chunk ? bytes.length - at : chunk);
		for (size_t i = 0; i < bytes.length; i++)
			expect_number(about, "byte", bytes.data[i], wanted.data[i]);
	}
}

static const struct tls_walk either = {.flags = TLS_WALK_EITHER};

static void test_application_data(void **state)
{
	struct tls_walk answer = {};

	(void)state;
	tls_walk_expect_answer(&answer);
	/* ServerHelloDone and ChangeCipherSpec stay; behind the header of the encrypted Finished nothing does */
	expect_blank("server", &answer,
	             "1603030004"
	             "0e000000"
	             "1403030001"
	             "01"
	             "1603030003"
	             "a1a2a3"
	             "1703030004"
	             "deadbeef"
	             "1503030002"
	             "b1b2",
	             "1603030004"
	             "0e000000"
	             "1403030001"
	             "01"
	             "1603030003"
	             "000000"
	             "0000000000"
	             "00000000"
	             "0000000000"
	             "0000");
}

static void test_cleartext_is_no_tls(void **state)
{
	(void)state;
	expect_blank("SMTP", &either, "45484c4f206d650d0a4155544820504c41494e",
	             "00000000000000000000000000000000000000");
}

static void test_what_follows_tls(void **state)
{
	struct tls_walk answer = {};

	(void)state;
	tls_walk_expect_answer(&answer);
	expect_blank("HTTP", &answer, "485454502f312e3120343030", "000000000000000000000000");
}

static void test_holes(void **state)
{
	struct tls_walk walk = {};
	uint8_t header[] = {0x16, 3, 3, 0, 24, 0x0b, 0, 0, 20};
	uint8_t rest[] = {1, 2, 3, 4, 5};

	(void)state;
	tls_walk_expect_answer(&walk);
	blank_stream(&walk, header, sizeof(header));
	blank_hole(&walk, 15); /* within the message's body of 20 */
	blank_stream(&walk, rest, sizeof(rest));
	expect_number("within", "first byte", rest[0], 1);
	blank_hole(&walk, 1); /* of a record's header: nobody knows what follows */
	blank_stream(&walk, rest, sizeof(rest));
	expect_number("behind", "first byte", rest[0], 0);
}

static void test_datagrams(void **state)
{
	struct message_bytes bytes = {0}, wanted = {0};

	(void)state;
	put_hex(&bytes, "16fefd00000000000000010002a1a2"
	                "17fefd00010000000000010003deadbe"
	                "2c0102030405");
	put_hex(&wanted, "16fefd00000000000000010002a1a2"
	                 "17fefd00010000000000010003000000"
	                 "2c0000000000");
	blank_datagram(bytes.data, bytes.length);
	for (size_t i = 0; i < bytes.length; i++)
		expect_number("datagram", "byte", bytes.data[i], wanted.data[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_application_data), cmocka_unit_test(test_cleartext_is_no_tls),
		cmocka_unit_test(test_what_follows_tls), cmocka_unit_test(test_holes),
		cmocka_unit_test(test_datagrams),
	};

	return cmocka_run_group_tests_name("blank", tests, NULL, NULL);
}
