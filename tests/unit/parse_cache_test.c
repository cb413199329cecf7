// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What was read of bodies, kept (user/tls/parse_cache.c), and that a handshake's record is the same with it. */
#include "tls/parse_cache.h"

#include "certificate_bodies.h"
#include "tracking/record.h"
#include "message_bytes.h"

#include "bpf/shared/tls_walk.h"

#include <stdlib.h>

enum {
	TYPE = 11,
	VERSION = 0x0303,
	VERSION_TLS_1_0 = 0x0301,
	LARGE = 256 * 1024, /* of what was read: with few such the bytes are the bound */
	STEPS = 20000,
};

static int setup(void **state)
{
	*state = parse_cache_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	parse_cache_free(*state);
	return 0;
}

/* Each number a body of its own, all of the same length. */
struct numbered {
	uint32_t number;
	uint8_t rest[28];
};

static struct parse_key key_of(const struct numbered *body)
{
	return (struct parse_key){
		.body = (const uint8_t *)body,
		.length = sizeof(*body),
		.version = VERSION,
		.type = TYPE,
	};
}

static void keep(struct parse_cache *cache, uint32_t number)
{
	const struct numbered body = {.number = number};
	const struct parse_key key = key_of(&body);

	parse_cache_keep(cache, &key, &number, sizeof(number));
}

/* Whether it is there; if so, it has to be what was kept of this body. */
static bool has(struct parse_cache *cache, uint32_t number)
{
	const struct numbered body = {.number = number};
	const struct parse_key key = key_of(&body);
	size_t size = 0;
	const void *found = parse_cache_find(cache, &key, &size);

	if (!found)
		return false;
	expect_number("kept", "size", size, sizeof(number));
	expect_number("kept", "content", *(const uint32_t *)found, number);
	return true;
}

static void expect_has(struct parse_cache *cache, uint32_t number, bool expected)
{
	char about[32];

	snprintf(about, sizeof(about), "body %u", number);
	expect_number(about, "found", has(cache, number), expected);
}

static void finds_a_copy_of_what_was_kept(void **state)
{
	struct numbered body = {.number = 1};
	const struct parse_key key = key_of(&body);
	char read[] = "what was read";
	size_t size = 0;

	assert_null(parse_cache_find(*state, &key, &size));
	parse_cache_keep(*state, &key, read, sizeof(read));
	body.number = 2;
	assert_null(parse_cache_find(*state, &key, &size));
	body.number = 1;
	memset(read, 'x', sizeof(read) - 1);
	expect_text("kept", "content", parse_cache_find(*state, &key, &size), "what was read");
	expect_number("kept", "size", size, sizeof(read));
}

static void every_bit_of_a_body_counts(void **state)
{
	struct numbered body = {.number = 1};
	uint8_t *bytes = (uint8_t *)&body;
	struct parse_key key = key_of(&body);
	size_t size;

	parse_cache_keep(*state, &key, "read", 5);
	for (size_t bit = 0; bit < 8 * sizeof(body); bit++) {
		bytes[bit / 8] ^= 1 << bit % 8;
		assert_null(parse_cache_find(*state, &key, &size));
		bytes[bit / 8] ^= 1 << bit % 8;
	}
	for (key.length = 0; key.length < sizeof(body); key.length++)
		assert_null(parse_cache_find(*state, &key, &size));
	assert_non_null(parse_cache_find(*state, &key, &size));
}

static void type_and_version_count(void **state)
{
	const struct numbered body = {.number = 1};
	struct parse_key key = key_of(&body);
	size_t size;

	parse_cache_keep(*state, &key, "read", 5);
	key.version = VERSION_TLS_1_0;
	assert_null(parse_cache_find(*state, &key, &size));
	parse_cache_keep(*state, &key, "1.0", 4);
	expect_text("TLS 1.0", "content", parse_cache_find(*state, &key, &size), "1.0");
	key.type = TYPE + 2;
	assert_null(parse_cache_find(*state, &key, &size));
	key = key_of(&body);
	expect_text("TLS 1.2", "content", parse_cache_find(*state, &key, &size), "read");
}

static void what_was_not_used_for_longest_makes_room(void **state)
{
	for (uint32_t number = 0; number < PARSE_CACHE_BODIES_MAX; number++)
		keep(*state, number);
	expect_has(*state, 0, true);
	keep(*state, PARSE_CACHE_BODIES_MAX);
	expect_has(*state, 1, false);
	expect_has(*state, 0, true);
	for (uint32_t number = 2; number <= PARSE_CACHE_BODIES_MAX; number++)
		expect_has(*state, number, true);
}

/* Where all is done by the book: the numbers in the order of their use. */
struct model {
	uint32_t number[PARSE_CACHE_BODIES_MAX + 1];
	size_t count;
};

/* Returns whether it was there. */
static bool model_use(struct model *model, uint32_t number)
{
	size_t place = 0;
	bool there;

	while (place < model->count && model->number[place] != number)
		place++;
	there = place < model->count;
	memmove(model->number + 1, model->number, place * sizeof(number));
	model->number[0] = number;
	if (!there && model->count < PARSE_CACHE_BODIES_MAX)
		model->count++;
	return there;
}

static void holds_what_a_plain_list_would(void **state)
{
	struct model model = {};
	uint32_t random = 1;

	for (int step = 0; step < STEPS; step++) {
		uint32_t number;
		bool expected;

		random = random * 1103515245 + 12345;
		number = (random >> 16) % (PARSE_CACHE_BODIES_MAX * 5 / 4);
		expected = model_use(&model, number);
		expect_has(*state, number, expected);
		if (!expected)
			keep(*state, number);
	}
}

static void bytes_are_bounded(void **state)
{
	enum {
		KEPT = PARSE_CACHE_BYTES_MAX / LARGE - 1 /* the bodies themselves take some of the room */
	};
	uint8_t *read = calloc(1, LARGE);

	assert_non_null(read);
	for (uint32_t number = 0; number < 2 * KEPT; number++) {
		const struct numbered body = {.number = number};
		const struct parse_key key = key_of(&body);

		memcpy(read, &number, sizeof(number));
		parse_cache_keep(*state, &key, read, LARGE);
	}
	free(read);
	for (uint32_t number = 0; number < 2 * KEPT; number++) {
		const struct numbered body = {.number = number};
		const struct parse_key key = key_of(&body);
		size_t size = 0;
		const uint32_t *found = parse_cache_find(*state, &key, &size);

		expect_number("a large one", "size", size, number < KEPT ? 0 : LARGE);
		if (found)
			expect_number("a large one", "content", *found, number);
	}
}

static void what_is_too_long_is_not_kept(void **state)
{
	uint8_t body[PARSE_CACHE_BODY_MAX + 1] = {1};
	struct parse_key key = {.body = body, .length = sizeof(body), .version = VERSION, .type = TYPE};
	uint8_t *read = calloc(1, PARSE_CACHE_BYTES_MAX);
	size_t size;

	assert_non_null(read);
	parse_cache_keep(*state, &key, "read", 5);
	assert_null(parse_cache_find(*state, &key, &size));
	key.length = PARSE_CACHE_BODY_MAX;
	parse_cache_keep(*state, &key, read, PARSE_CACHE_BYTES_MAX);
	assert_null(parse_cache_find(*state, &key, &size));
	parse_cache_keep(*state, &key, "read", 5);
	expect_text("the longest", "content", parse_cache_find(*state, &key, &size), "read");
	free(read);
}

/* A body as it comes, of a message that was told of. */
static void record(struct handshake *handshake, enum handshake_side from, uint8_t type, const char *hex,
                   struct parse_cache *cache)
{
	struct message_bytes *bytes = calloc(1, sizeof(*bytes));
	struct event_message message = {.type = type, .version = VERSION};
	struct body body = {.type = type};

	assert_non_null(bytes);
	put_hex(bytes, hex);
	message.length = bytes->length;
	body.data = bytes->data;
	body.have = bytes->length;
	body.length = bytes->length;
	handshake_record_message(handshake, from, &message);
	handshake_record_body(handshake, from, &body, cache);
	free(bytes);
}

static void record_both(struct handshake *handshake, uint16_t version, struct parse_cache *cache)
{
	handshake->version = version;
	record(handshake, FROM_SERVER, TLS_CERTIFICATE_REQUEST,
	       version == VERSION ? certificate_request_tls1_2 : certificate_request_tls1_0, cache);
	record(handshake, FROM_CLIENT, TLS_CERTIFICATE, certificate_tls1_2, cache);
}

static void expect_same_request(const struct certificate_request *actual, const struct certificate_request *expected)
{
	assert_non_null(actual);
	expect_number("request", "authorities", actual->authorities, expected->authorities);
	assert_memory_equal(actual, expected, offsetof(struct certificate_request, authority[expected->authorities]));
}

static void a_record_is_the_same_as_one_that_was_read(void **state)
{
	static const uint16_t versions[] = {VERSION, VERSION_TLS_1_0, VERSION, VERSION_TLS_1_0, VERSION};

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		struct parse_cache *unused = parse_cache_new();
		struct handshake known = {}, fresh = {};

		assert_non_null(unused);
		record_both(&known, versions[i], *state);
		record_both(&fresh, versions[i], unused);
		assert_non_null(fresh.request);
		assert_non_null(fresh.certificate);
		expect_number("fresh", "authorities", fresh.request->authorities, 2);
		expect_text("fresh", "issuer", fresh.certificate->issuer, "CN=Test Intermediate,O=Beispiel,C=DE");
		expect_same_request(known.request, fresh.request);
		assert_non_null(known.certificate);
		assert_memory_equal(known.certificate, fresh.certificate, sizeof(*fresh.certificate));
		assert_memory_equal(&known.facts, &fresh.facts, sizeof(fresh.facts));
		handshake_record_release(&known);
		handshake_record_release(&fresh);
		parse_cache_free(unused);
	}
}

/* 80 of 382 bytes of a certificate: half a body is no other's beginning. */
static void a_body_that_is_cut_is_another(void **state)
{
	char cut[2 * 80 + 1] = "";
	struct handshake whole = {.version = VERSION}, part = {.version = VERSION}, again = {.version = VERSION};

	memcpy(cut, certificate_tls1_2, sizeof(cut) - 1);
	record(&whole, FROM_CLIENT, TLS_CERTIFICATE, certificate_tls1_2, *state);
	record(&part, FROM_CLIENT, TLS_CERTIFICATE, cut, *state);
	record(&again, FROM_CLIENT, TLS_CERTIFICATE, cut, *state);
	assert_non_null(whole.certificate);
	assert_null(part.certificate);
	assert_null(again.certificate);
	handshake_record_release(&whole);
}

static void without_a_cache_certificates_are_left_out(void **state)
{
	struct handshake without = {}, with = {};

	record_both(&without, VERSION, NULL);
	record_both(&with, VERSION, *state);
	assert_null(without.request);
	assert_null(without.certificate);
	assert_memory_equal(&without.facts, &with.facts, sizeof(with.facts));
	handshake_record_release(&without);
	handshake_record_release(&with);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_a_copy_of_what_was_kept), TEST(every_bit_of_a_body_counts),
		TEST(type_and_version_count),        TEST(what_was_not_used_for_longest_makes_room),
		TEST(holds_what_a_plain_list_would), TEST(bytes_are_bounded),
		TEST(what_is_too_long_is_not_kept),  TEST(a_record_is_the_same_as_one_that_was_read),
		TEST(a_body_that_is_cut_is_another), TEST(without_a_cache_certificates_are_left_out),
	};

	return cmocka_run_group_tests_name("parse_cache", tests, NULL, NULL);
}
