// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The walker (bpf/shared/tls_walk.h) and the loop around it (user/stream/walk.c). Each vector is a direction made by hand, with the
 * events that it holds written out by hand. It is fed whole, byte by byte, and cut in two at every byte: the events have
 * to be the same. All input lies flush against an unmapped page.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/walk.h"
#include "recorder.h"
#include "reference.h"
#include "stream.h"
#include "stream_random.h"

enum version {
	SSL3 = 0x0300,
	TLS10 = 0x0301,
	TLS12 = 0x0303,
};

enum {
	GUARDED_MAX = 256 * 1024,
	/* of longer vectors not every cut is tried, but all near the start and then some */
	EVERY_CUT_MAX = 24 * 1024,
	CUT_STRIDE = 1021,
	RANDOM_STREAMS = 4000,
};

struct vector {
	const char *name;
	void (*build)(struct stream *stream);
	const char *expected; /* NULL: build_expected */
	void (*build_expected)(struct recorder *recorder);
	enum reference_begin begin;
};

/* ---- A page that ends all reading beyond the input ---- */

static uint8_t *guard_map(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *memory;

	memory = mmap(NULL, GUARDED_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || mprotect(memory + GUARDED_MAX, page, PROT_NONE))
		abort();
	return memory + GUARDED_MAX;
}

static const uint8_t *guard(const uint8_t *data, size_t length)
{
	static uint8_t *end;

	if (!end)
		end = guard_map();
	return memcpy(end - length, data, length);
}

/* ---- Feeding ---- */

static struct tls_walk walk_begin(enum reference_begin begin)
{
	struct tls_walk walk = {};

	if (begin == REFERENCE_EITHER)
		walk.flags = TLS_WALK_EITHER;
	if (begin == REFERENCE_ANSWER)
		tls_walk_expect_answer(&walk);
	return walk;
}

/* The first segment that begins at position or behind it; they are in order. */
static size_t next_start(const struct stream *stream, size_t position)
{
	size_t low = 0, high = stream->starts, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (stream->start[middle] < position)
			low = middle + 1;
		else
			high = middle;
	}
	return low < stream->starts ? stream->start[low] : SIZE_MAX;
}

static void feed(struct tls_walk *walk, const struct stream *stream, size_t from, size_t to, struct recorder *recorder)
{
	struct event origin = {};
	size_t end;

	for (; from < to; from = end) {
		/* segments are not joined */
		end = next_start(stream, from + 1);
		if (end > to)
			end = to;
		if (next_start(stream, from) == from)
			tls_walk_segment(walk);
		walk_bytes(walk, guard(stream->bytes + from, end - from), end - from, &origin, recorder_event,
		           recorder);
	}
}

static void expect_events(const char *name, const char *how, size_t at, struct recorder *recorder, const char *expected)
{
	const char *actual = recorder_text(recorder);

	if (strcmp(actual, expected)) {
		print_error("%s, %s %zu:\n", name, how, at);
		assert_string_equal(actual, expected);
	}
	recorder_free(recorder);
}

static void feed_whole(const struct vector *vector, const struct stream *stream, const char *expected)
{
	struct tls_walk walk = walk_begin(vector->begin);
	struct recorder recorder = {};

	feed(&walk, stream, 0, stream->length, &recorder);
	expect_events(vector->name, "whole", stream->length, &recorder, expected);
}

static void feed_bytewise(const struct vector *vector, const struct stream *stream, const char *expected)
{
	struct tls_walk walk = walk_begin(vector->begin);
	struct recorder recorder = {};
	size_t i;

	for (i = 0; i < stream->length; i++)
		feed(&walk, stream, i, i + 1, &recorder);
	expect_events(vector->name, "byte by byte of", stream->length, &recorder, expected);
}

static void feed_cut(const struct vector *vector, const struct stream *stream, size_t cut, const char *expected)
{
	struct tls_walk walk = walk_begin(vector->begin);
	struct recorder recorder = {};

	feed(&walk, stream, 0, cut, &recorder);
	feed(&walk, stream, cut, stream->length, &recorder);
	expect_events(vector->name, "cut at", cut, &recorder, expected);
}

static void run_vector(void **state)
{
	const struct vector *vector = *state;
	struct stream *stream = stream_new();
	struct recorder built = {};
	const char *expected = vector->expected;
	size_t cut;

	vector->build(stream);
	if (!expected) {
		vector->build_expected(&built);
		expected = recorder_text(&built);
	}
	feed_whole(vector, stream, expected);
	feed_bytewise(vector, stream, expected);
	for (cut = 1; cut<stream->length; cut += stream->length> EVERY_CUT_MAX && cut > 64 ? CUT_STRIDE : 1)
		feed_cut(vector, stream, cut, expected);
	recorder_free(&built);
	free(stream);
}

/* ---- TLS 1.2 and older ---- */

static void build_message_per_record(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 70);
	stream_message_record(stream, TLS12, 11, 500);
	stream_message_record(stream, TLS12, 12, 300);
	stream_message_record(stream, TLS12, 13, 50);
	stream_message_record(stream, TLS12, 14, 0);
	stream_change_cipher_spec(stream, TLS12);
	stream_encrypted(stream, 22, TLS12, 40);
	stream_encrypted(stream, 23, TLS12, 100);
}

static void build_messages_in_record(struct stream *stream)
{
	stream_record(stream, 22, TLS12);
	stream_message(stream, 2, 70);
	stream_message(stream, 11, 500);
	stream_message(stream, 22, 7);
	stream_message(stream, 13, 50);
	stream_message(stream, 14, 0);
	stream_record_end(stream);
}

static void build_client(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 200);
	stream_record(stream, 22, TLS12);
	stream_message(stream, 11, 300);
	stream_message(stream, 16, 66);
	stream_message(stream, 15, 260);
	stream_record_end(stream);
	stream_change_cipher_spec(stream, TLS12);
	stream_encrypted(stream, 22, TLS12, 40);
	stream_encrypted(stream, 23, TLS12, 100);
}

static void build_client_empty_certificate(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 200);
	stream_message_record(stream, TLS12, 11, 3);
	stream_message_record(stream, TLS12, 16, 66);
}

static void build_message_over_records(struct stream *stream)
{
	uint32_t position;

	stream_message_record(stream, TLS12, 2, 70);
	/* the header is split after three bytes, the next message begins in the last record */
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 1000, 0, 3);
	stream_record_end(stream);
	for (position = 3; position < 1003; position += 100) {
		stream_record(stream, 22, TLS12);
		stream_message_part(stream, 13, 1000, position, 100);
		stream_record_end(stream);
	}
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 1000, 1003, 1);
	stream_message(stream, 14, 0);
	stream_record_end(stream);
}

static void build_header_at_record_end(struct stream *stream)
{
	stream_record(stream, 22, TLS12);
	stream_message(stream, 2, 70);
	stream_message_part(stream, 13, 20, 0, 4);
	stream_record_end(stream);
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 20, 4, 20);
	stream_record_end(stream);
	stream_message_record(stream, TLS12, 14, 0);
}

static void build_one_byte_records(struct stream *stream)
{
	uint32_t i;

	for (i = 0; i < 4 + 50; i++) {
		stream_record(stream, 22, TLS12);
		stream_message_part(stream, 13, 50, i, 1);
		stream_record_end(stream);
	}
	for (i = 0; i < 4; i++) {
		stream_record(stream, 22, TLS12);
		stream_message_part(stream, 14, 0, i, 1);
		stream_record_end(stream);
	}
}

static void build_empty_records(struct stream *stream)
{
	stream_record_header(stream, 22, TLS12, 0);
	stream_message_record(stream, TLS12, 2, 70);
	stream_record_header(stream, 22, TLS12, 0);
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 50, 0, 20);
	stream_record_end(stream);
	stream_record_header(stream, 22, TLS12, 0);
	stream_record_header(stream, 21, TLS12, 0);
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 50, 20, 34);
	stream_record_end(stream);
	stream_record_header(stream, 23, TLS12, 0);
	stream_message_record(stream, TLS12, 14, 0);
}

static void build_change_cipher_spec_length(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 70);
	stream_record_header(stream, 20, TLS12, 2);
	stream_fill(stream, 1, 2);
	stream_message_record(stream, TLS12, 13, 50);
}

/* Were the record behind it read as the rest of the Certificate, a CertificateRequest in it would be hidden. */
static void build_change_cipher_spec_in_message(struct stream *stream)
{
	stream_record(stream, 22, TLS12);
	stream_message(stream, 2, 70);
	stream_message_part(stream, 11, 500, 0, 100);
	stream_record_end(stream);
	stream_change_cipher_spec(stream, TLS12);
	stream_encrypted(stream, 22, TLS12, 40);
}

static void build_change_cipher_spec_in_header(struct stream *stream)
{
	stream_record(stream, 22, TLS12);
	stream_message(stream, 2, 70);
	stream_message_part(stream, 11, 500, 0, 2);
	stream_record_end(stream);
	stream_change_cipher_spec(stream, TLS12);
	stream_encrypted(stream, 22, TLS12, 40);
}

static void build_short_encrypted_handshake(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 70);
	stream_change_cipher_spec(stream, TLS12);
	stream_encrypted(stream, 22, TLS12, 3);
	stream_message_record(stream, TLS12, 13, 50);
}

static void build_hello_request(struct stream *stream)
{
	stream_message_record(stream, TLS12, 0, 0);
	stream_message_record(stream, TLS12, 2, 70);
}

/* ---- Alerts ---- */

static void build_alerts(struct stream *stream)
{
	stream_alert(stream, TLS12, 1, 112);
	stream_message_record(stream, TLS12, 2, 70);
	stream_alert(stream, TLS12, 2, 40);
}

static void build_alert_fragmented(struct stream *stream)
{
	stream_record_header(stream, 21, TLS12, 1);
	stream_byte(stream, 2);
	stream_record_header(stream, 21, TLS12, 1);
	stream_byte(stream, 48);
	stream_message_record(stream, TLS12, 2, 70);
}

static void build_alerts_in_record(struct stream *stream)
{
	stream_record_header(stream, 21, TLS12, 5);
	stream_number(stream, 0x015a012e, 4);
	stream_byte(stream, 2);
	stream_record_header(stream, 21, TLS12, 1);
	stream_byte(stream, 42);
}

static void build_alert_in_message(struct stream *stream)
{
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 50, 0, 20);
	stream_record_end(stream);
	stream_alert(stream, TLS12, 1, 90);
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 50, 20, 34);
	stream_message(stream, 14, 0);
	stream_record_end(stream);
}

static void build_alert_level(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 70);
	stream_alert(stream, TLS12, 3, 40);
	stream_message_record(stream, TLS12, 13, 50);
}

static void build_alert_half(struct stream *stream)
{
	stream_record_header(stream, 21, TLS12, 1);
	stream_byte(stream, 1);
	stream_message_record(stream, TLS12, 2, 70);
}

static void build_alert_encrypted(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 200);
	stream_change_cipher_spec(stream, TLS12);
	stream_encrypted(stream, 21, TLS12, 26);
	stream_encrypted(stream, 22, TLS12, 40);
}

/* A client of TLS 1.3 that has sent its ChangeCipherSpec for middleboxes and has no keys yet */
static void build_alert_after_change_cipher_spec(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 200);
	stream_change_cipher_spec(stream, TLS12);
	stream_alert(stream, TLS12, 2, 47);
}

static void build_no_certificate(struct stream *stream)
{
	stream_message_record(stream, SSL3, 1, 60);
	stream_alert(stream, SSL3, 1, 41);
	stream_message_record(stream, SSL3, 16, 128);
	stream_change_cipher_spec(stream, SSL3);
	stream_encrypted(stream, 22, SSL3, 64);
}

/* ---- TLS 1.3 ---- */

static void build_tls13_server(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 118);
	stream_change_cipher_spec(stream, TLS12);
	stream_encrypted(stream, 23, TLS12, 23);
	stream_encrypted(stream, 23, TLS12, 62);
	stream_encrypted(stream, 23, TLS12, 811);
	stream_encrypted(stream, 23, TLS12, 281);
	stream_encrypted(stream, 23, TLS12, 69);
	stream_encrypted(stream, 23, TLS12, 19);
}

static void build_tls13_client_plain(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 300);
	stream_encrypted(stream, 23, TLS12, 25);
	stream_encrypted(stream, 23, TLS12, 69);
}

static void build_encrypted_bound(struct stream *stream)
{
	uint16_t i;

	stream_message_record(stream, TLS12, 2, 118);
	stream_change_cipher_spec(stream, TLS12);
	for (i = 1; i <= 34; i++)
		stream_encrypted(stream, 23, TLS12, 20 + i);
}

static void build_retry_server(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 84);
	stream_change_cipher_spec(stream, TLS12);
	stream_message_record(stream, TLS12, 2, 118);
	stream_encrypted(stream, 23, TLS12, 23);
	stream_encrypted(stream, 23, TLS12, 62);
}

static void build_retry_client(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 300);
	stream_change_cipher_spec(stream, TLS12);
	stream_message_record(stream, TLS12, 1, 333);
	stream_encrypted(stream, 23, TLS12, 69);
}

/* Early data before the retry: RFC 8446 section 4.2.10 */
static void build_retry_client_early_data(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 300);
	stream_change_cipher_spec(stream, TLS12);
	stream_encrypted(stream, 23, TLS12, 500);
	stream_message_record(stream, TLS12, 1, 333);
	stream_encrypted(stream, 23, TLS12, 69);
}

/* Ciphertext that begins like a ClientHello but does not fill its record like one */
static void build_retry_lookalike(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 300);
	stream_change_cipher_spec(stream, TLS12);
	stream_record(stream, 22, TLS12);
	stream_message(stream, 1, 30);
	stream_fill(stream, 0xe5, 6);
	stream_record_end(stream);
	stream_message_record(stream, TLS12, 11, 50);
}

/* The other side's hello is none of this side's */
static void build_retry_wrong_side(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 84);
	stream_change_cipher_spec(stream, TLS12);
	stream_message_record(stream, TLS12, 1, 118);
	stream_encrypted(stream, 23, TLS12, 23);
}

/* ---- SSL 2.0 compatible ClientHello ---- */

static void build_ssl2(struct stream *stream)
{
	stream_ssl2_hello(stream, TLS10, 30, 32);
	stream_message_record(stream, TLS10, 11, 300);
	stream_message_record(stream, TLS10, 16, 66);
}

static void build_ssl2_alone(struct stream *stream)
{
	stream_ssl2_hello(stream, 0x0002, 21, 16);
	stream_fill(stream, 0x80, 40);
}

static void build_ssl2_invalid(struct stream *stream)
{
	/* a length that leaves less than nothing for what has to be in it: 2 - 3, with lengths that would add up to it */
	stream_number(stream, 0x8002, 2);
	stream_number(stream, 0x010301, 3);
	stream_number(stream, 0xffe7, 2);
	stream_number(stream, 2, 2);
	stream_number(stream, 16, 2);
	stream_fill(stream, 0x5c, 100);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

static void build_ssl2_lengths_differ(struct stream *stream)
{
	stream_ssl2_hello(stream, TLS10, 30, 32);
	stream->bytes[1]++;
	stream_fill(stream, 0x5c, 1);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

static void build_ssl2_version(struct stream *stream)
{
	stream_ssl2_hello(stream, 0x0003, 30, 32);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

static void build_ssl2_highest_version(struct stream *stream)
{
	stream_ssl2_hello(stream, 0x0304, 30, 32);
}

static void build_ssl2_session(struct stream *stream)
{
	stream_ssl2_session_hello(stream, 0x0002, 21, 16, 16);
}

/* The shortest and the longest of everything */
static void build_ssl2_shortest(struct stream *stream)
{
	stream_ssl2_hello(stream, TLS10, 3, 16);
	stream_message_record(stream, TLS10, 16, 66);
}

static void build_ssl2_longest(struct stream *stream)
{
	stream_ssl2_session_hello(stream, TLS10, 32694, 32, 32);
	stream_message_record(stream, TLS10, 16, 66);
}

/* Lengths that no ClientHello has, each in a stream of its own that a hello follows */
static void build_ssl2_specs(struct stream *stream)
{
	stream_ssl2_hello(stream, TLS10, 31, 32);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

static void build_ssl2_no_specs(struct stream *stream)
{
	stream_ssl2_hello(stream, TLS10, 0, 32);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

static void build_ssl2_session_too_long(struct stream *stream)
{
	stream_ssl2_session_hello(stream, TLS10, 30, 33, 32);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

static void build_ssl2_challenge_too_short(struct stream *stream)
{
	stream_ssl2_hello(stream, TLS10, 30, 15);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

static void build_ssl2_challenge_too_long(struct stream *stream)
{
	stream_ssl2_hello(stream, TLS10, 30, 33);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

static void build_ssl2_version_too_high(struct stream *stream)
{
	stream_ssl2_hello(stream, 0x0305, 30, 32);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

/* The other messages of SSL 2.0 begin like its ClientHello. */
static void build_ssl2_other_message(struct stream *stream)
{
	stream_ssl2_hello(stream, TLS10, 30, 32);
	stream->bytes[2] = 4;
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 60);
}

/* The first bytes of the direction, though they began no segment, were none of it. */
static void build_ssl2_after_rest(struct stream *stream)
{
	stream->starts = 0;
	stream_fill(stream, 'x', 10);
	stream_segment(stream);
	stream_ssl2_hello(stream, TLS10, 30, 32);
}

static void build_ssl2_later(struct stream *stream)
{
	stream_text(stream, "STARTTLS\r\n");
	stream_segment(stream);
	stream_ssl2_hello(stream, TLS10, 30, 32);
}

/* ---- The search ---- */

static void build_starttls(struct stream *stream)
{
	stream_text(stream, "EHLO example.org\r\n");
	stream_segment(stream);
	stream_text(stream, "STARTTLS\r\n");
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 200);
	stream_message_record(stream, TLS12, 16, 66);
}

/* PostgreSQL's SSLRequest, and a ClientHello whose header lies over two segments */
static void build_hello_over_segments(struct stream *stream)
{
	size_t hello;

	stream_number(stream, 8, 4);
	stream_number(stream, 80877103, 4);
	stream_segment(stream);
	hello = stream->length;
	stream_message_record(stream, TLS10, 1, 200);
	stream->start[stream->starts++] = hello + 3;
	stream->start[stream->starts++] = hello + 7;
	stream->start[stream->starts++] = hello + 100;
}

static void build_hello_highest_version(struct stream *stream)
{
	stream_message_record(stream, 0x0304, 1, 200);
}

static void build_hello_longest(struct stream *stream)
{
	stream_record(stream, 22, TLS10);
	stream_message_part(stream, 1, 65535, 0, 104);
	stream_record_end(stream);
}

static void build_hello_over_records(struct stream *stream)
{
	stream_record(stream, 22, TLS10);
	stream_message_part(stream, 1, 200, 0, 1);
	stream_record_end(stream);
	stream_record(stream, 22, TLS10);
	stream_message_part(stream, 1, 200, 1, 2);
	stream_record_end(stream);
	stream_record(stream, 22, TLS10);
	stream_message_part(stream, 1, 200, 3, 201);
	stream_record_end(stream);
}

static const char proxy_line[] = "PROXY TCP4 192.0.2.7 192.0.2.1 51234 443\r\n";

static void build_proxy_line(struct stream *stream)
{
	stream_text(stream, proxy_line);
	stream_message_record(stream, TLS10, 1, 200);
	stream_message_record(stream, TLS12, 11, 30);
}

static void build_proxy_line_segment(struct stream *stream)
{
	stream_text(stream, proxy_line);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 200);
}

/* 107 bytes with the line's end, the most there can be */
static void build_proxy_line_longest(struct stream *stream)
{
	stream_text(stream, "PROXY UNKNOWN ");
	stream_fill(stream, 'x', 107 - 16);
	stream_text(stream, "\r\n");
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_proxy_line_too_long(struct stream *stream)
{
	stream_text(stream, "PROXY UNKNOWN ");
	stream_fill(stream, 'x', 108 - 16);
	stream_text(stream, "\r\n");
	stream_message_record(stream, TLS10, 1, 200);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 100);
}

static void build_proxy_line_then_other(struct stream *stream)
{
	stream_text(stream, proxy_line);
	stream_text(stream, "EHLO example.org\r\n");
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 200);
}

/* So few bytes behind the line that they were read with its end */
static void build_proxy_line_then_few(struct stream *stream)
{
	stream_text(stream, proxy_line);
	stream_text(stream, "ab");
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_proxy_header(struct stream *stream)
{
	stream_proxy_header(stream, 12);
	stream_message_record(stream, TLS10, 1, 200);
	stream_message_record(stream, TLS12, 11, 30);
}

static void build_proxy_header_empty(struct stream *stream)
{
	stream_proxy_header(stream, 0);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_proxy_header_longest(struct stream *stream)
{
	stream_proxy_header(stream, 0xffff);
	stream_message_record(stream, TLS10, 1, 200);
}

/* Twice is no protocol, nor is another signature or version. */
static void build_proxy_header_invalid(struct stream *stream)
{
	stream_proxy_header(stream, 12);
	stream_proxy_header(stream, 12);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_proxy_header_signature(struct stream *stream)
{
	stream_proxy_header(stream, 12);
	stream->bytes[11] = '\r';
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_proxy_header_version(struct stream *stream)
{
	stream_proxy_header(stream, 12);
	stream->bytes[12] = 0x31;
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_proxy_later(struct stream *stream)
{
	stream_text(stream, "EHLO example.org\r\n");
	stream_segment(stream);
	stream_text(stream, proxy_line);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_hello_inside_segment(struct stream *stream)
{
	stream_text(stream, "STARTTLS\r\n");
	stream_message_record(stream, TLS10, 1, 200);
}

/* MySQL's request for TLS is of 36 bytes, PostgreSQL's of 8, LDAP's says its length. */
static void build_hello_after_mysql(struct stream *stream)
{
	stream_number(stream, 0x20000001, 4);
	stream_fill(stream, 0x85, 32);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_hello_after_postgresql(struct stream *stream)
{
	stream_number(stream, 8, 4);
	stream_number(stream, 80877103, 4);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_hello_after_ldap(struct stream *stream)
{
	stream_number(stream, 0x301d0201, 4);
	stream_fill(stream, 1, 27);
	stream_message_record(stream, TLS10, 1, 200);
}

/* A line that is too long asks for nothing. */
static void build_hello_after_long_line(struct stream *stream)
{
	stream_text(stream, "AUTH ");
	stream_fill(stream, 'x', 110);
	stream_text(stream, "\r\n");
	stream_message_record(stream, TLS10, 1, 200);
}

/* The body of an HTTP request may be anything. */
static void build_hello_after_http(struct stream *stream)
{
	stream_text(stream, "POST /u HTTP/1.1\r\n\r\n");
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_tlcp(struct stream *stream)
{
	stream_message_record(stream, 0x0101, 1, 60);
	stream_message_record(stream, 0x0101, 11, 100);
	stream_change_cipher_spec(stream, 0x0101);
}

static void stream_tds_header(struct stream *stream, uint16_t length)
{
	stream_number(stream, 0x1201, 2);
	stream_number(stream, length + 8, 2);
	stream_number(stream, 0, 4);
}

/* A pre-login, then records in packets: one over two of them, whose border lies in a record header; then one in none. */
static void build_tds(struct stream *stream)
{
	stream_tds_header(stream, 20);
	stream_fill(stream, 0, 20);
	stream_segment(stream);
	stream_tds_header(stream, 45);
	stream_message_record(stream, TLS12, 1, 36);
	stream_segment(stream);
	stream_tds_header(stream, 40 + 3);
	stream_message_record(stream, TLS12, 16, 31);
	stream_number(stream, 20 << 16 | TLS12, 3);
	stream_tds_header(stream, 3);
	stream_number(stream, 1, 2);
	stream_byte(stream, 1);
	stream_record_header(stream, 23, TLS12, 10);
	stream_fill(stream, 0xe5, 10);
}

static void build_hello_after_lookalikes(struct stream *stream)
{
	/* each begins a segment, and is none for another reason: type, major, minor, lengths, message, length of it */
	stream_record_header(stream, 21, TLS10, 5);
	stream_segment(stream);
	stream_record_header(stream, 22, 0x0401, 5);
	stream_segment(stream);
	stream_record_header(stream, 22, 0x0305, 5);
	stream_segment(stream);
	stream_record_header(stream, 22, TLS10, 0);
	stream_segment(stream);
	stream_record_header(stream, 22, TLS10, 18433);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 2, 70);
	stream_segment(stream);
	stream_record_header(stream, 22, TLS10, 500);
	stream_message_header(stream, 1, 65536);
	stream_segment(stream);
	stream_record_header(stream, 22, TLS10, 1);
	stream_byte(stream, 1);
	stream_record_header(stream, 23, TLS10, 500);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_http(struct stream *stream)
{
	stream_text(stream, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
	stream_segment(stream);
	stream_text(stream, "GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n");
}

static void build_random(struct stream *stream)
{
	uint32_t random = 12345;
	int i;

	for (i = 0; i < 3000; i++) {
		if (i % 300 == 299)
			stream_segment(stream);
		random = random * 1664525 + 1013904223;
		stream_byte(stream, random >> 24);
	}
}

static void build_search_last_byte(struct stream *stream)
{
	stream_fill(stream, 'x', TLS_WALK_SEARCH_MAX - 1);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 200);
}

static void build_search_bound(struct stream *stream)
{
	stream_fill(stream, 'x', TLS_WALK_SEARCH_MAX);
	stream_segment(stream);
	stream_message_record(stream, TLS10, 1, 200);
}

/* ---- What is no TLS ---- */

static void build_http_answer(struct stream *stream)
{
	stream_text(stream, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void build_unknown_message(struct stream *stream)
{
	stream_record(stream, 22, TLS12);
	stream_message(stream, 2, 70);
	stream_message(stream, 99, 10);
	stream_message(stream, 13, 50);
	stream_record_end(stream);
}

static void build_record_type(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 70);
	stream_record_header(stream, 25, TLS12, 10);
	stream_fill(stream, 0, 10);
}

static void build_record_version(struct stream *stream)
{
	stream_message_record(stream, TLS12, 2, 70);
	stream_message_record(stream, 0x0403, 13, 50);
}

static void build_record_longest(struct stream *stream)
{
	stream_message_record(stream, TLS12, 11, TLS_WALK_RECORD_MAX - 4);
	stream_message_record(stream, TLS12, 14, 0);
}

static void build_record_too_long(struct stream *stream)
{
	stream_message_record(stream, TLS12, 11, TLS_WALK_RECORD_MAX - 3);
	stream_message_record(stream, TLS12, 14, 0);
}

static void build_longest_message(struct stream *stream)
{
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 0xffffff, 0, 204);
	stream_record_end(stream);
	stream_record(stream, 22, TLS12);
	stream_message_part(stream, 13, 0xffffff, 204, 100);
	stream_record_end(stream);
}

enum {
	FLOOD_RECORDS = 4,
	FLOOD_MESSAGES = 4096, /* in each: 16 KiB of headers */
};

static void build_flood(struct stream *stream)
{
	int record, message;

	for (record = 0; record < FLOOD_RECORDS; record++) {
		stream_record(stream, 22, TLS12);
		for (message = 0; message < FLOOD_MESSAGES; message++)
			stream_message(stream, 0, 0);
		stream_record_end(stream);
	}
	stream_message_record(stream, TLS12, 13, 50);
}

static void expect_flood(struct recorder *recorder)
{
	int message;

	for (message = 0; message < FLOOD_RECORDS * FLOOD_MESSAGES; message++)
		recorder_line(recorder, "message 0 0 0303\n");
	recorder_line(recorder, "message 13 50 0303\nbody 13 0+50\n");
}

/* ---- A capture that has missed the ClientHello ---- */

static void build_either_server(struct stream *stream)
{
	stream_text(stream, "220 ready\r\n");
	stream_segment(stream);
	stream_record(stream, 22, TLS12);
	stream_message(stream, 2, 70);
	stream_message(stream, 11, 100);
	stream_message(stream, 13, 50);
	stream_record_end(stream);
}

static void build_either_client(struct stream *stream)
{
	stream_message_record(stream, TLS10, 1, 200);
	stream_message_record(stream, TLS12, 11, 100);
}

static const struct vector vectors[] = {
	{
		.name = "message_per_record",
		.begin = REFERENCE_ANSWER,
		.build = build_message_per_record,
		.expected =
			"message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+500\nmessage 12 300 0303\n"
			"message 13 50 0303\nbody 13 0+50\nmessage 14 0 0303\nrecord 20 1 0303\nrecord 22 40 0303\n",
	},
	{
		.name = "messages_in_record",
		.begin = REFERENCE_ANSWER,
		.build = build_messages_in_record,
		.expected = "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+500\nmessage 22 7 0303\n"
			    "message 13 50 0303\nbody 13 0+50\nmessage 14 0 0303\n",
	},
	{
		.name = "client",
		.build = build_client,
		.expected = "message 1 200 0301\nbody 1 0+200\nmessage 11 300 0303\nbody 11 0+300\n"
			    "message 16 66 0303\nmessage 15 260 0303\nrecord 20 1 0303\nrecord 22 40 0303\n",
	},
	{
		.name = "client_empty_certificate",
		.build = build_client_empty_certificate,
		.expected = "message 1 200 0301\nbody 1 0+200\nmessage 11 3 0303\nbody 11 0+3\nmessage 16 66 0303\n",
	},
	{
		.name = "message_over_records",
		.begin = REFERENCE_ANSWER,
		.build = build_message_over_records,
		.expected = "message 2 70 0303\nbody 2 0+70\nmessage 13 1000 0303\nbody 13 0+1000\nmessage 14 0 0303\n",
	},
	{
		.name = "header_at_record_end",
		.begin = REFERENCE_ANSWER,
		.build = build_header_at_record_end,
		.expected = "message 2 70 0303\nbody 2 0+70\nmessage 13 20 0303\nbody 13 0+20\nmessage 14 0 0303\n",
	},
	{
		.name = "one_byte_records",
		.begin = REFERENCE_ANSWER,
		.build = build_one_byte_records,
		.expected = "message 13 50 0303\nbody 13 0+50\nmessage 14 0 0303\n",
	},
	{
		.name = "empty_records",
		.begin = REFERENCE_ANSWER,
		.build = build_empty_records,
		.expected = "message 2 70 0303\nbody 2 0+70\nmessage 13 50 0303\nbody 13 0+50\nrecord 23 0 0303\n"
			    "message 14 0 0303\n",
	},
	{
		.name = "change_cipher_spec_length",
		.begin = REFERENCE_ANSWER,
		.build = build_change_cipher_spec_length,
		.expected = "message 2 70 0303\nbody 2 0+70\nnot_tls\n",
	},
	{
		.name = "change_cipher_spec_in_message",
		.begin = REFERENCE_ANSWER,
		.build = build_change_cipher_spec_in_message,
		.expected = "message 2 70 0303\nbody 2 0+70\nmessage 11 500 0303\nbody 11 0+96\nnot_tls\n",
	},
	{
		.name = "change_cipher_spec_in_header",
		.begin = REFERENCE_ANSWER,
		.build = build_change_cipher_spec_in_header,
		.expected = "message 2 70 0303\nbody 2 0+70\nnot_tls\n",
	},
	{
		.name = "short_encrypted_handshake",
		.begin = REFERENCE_ANSWER,
		.build = build_short_encrypted_handshake,
		.expected = "message 2 70 0303\nbody 2 0+70\nrecord 20 1 0303\nrecord 22 3 0303\n",
	},
	{
		.name = "hello_request",
		.begin = REFERENCE_ANSWER,
		.build = build_hello_request,
		.expected = "message 0 0 0303\nmessage 2 70 0303\nbody 2 0+70\n",
	},
	{
		.name = "alerts",
		.begin = REFERENCE_ANSWER,
		.build = build_alerts,
		.expected = "alert 1 112\nmessage 2 70 0303\nbody 2 0+70\nalert 2 40\n",
	},
	{
		.name = "alert_fragmented",
		.begin = REFERENCE_ANSWER,
		.build = build_alert_fragmented,
		.expected = "alert 2 48\nmessage 2 70 0303\nbody 2 0+70\n",
	},
	{
		.name = "alerts_in_record",
		.begin = REFERENCE_ANSWER,
		.build = build_alerts_in_record,
		.expected = "alert 1 90\nalert 1 46\nalert 2 42\n",
	},
	{
		.name = "alert_in_message",
		.begin = REFERENCE_ANSWER,
		.build = build_alert_in_message,
		.expected = "message 13 50 0303\nbody 13 0+16\nalert 1 90\nbody 13 16+34\nmessage 14 0 0303\n",
	},
	{
		.name = "alert_level",
		.begin = REFERENCE_ANSWER,
		.build = build_alert_level,
		.expected = "message 2 70 0303\nbody 2 0+70\nnot_tls\n",
	},
	{
		.name = "alert_half",
		.begin = REFERENCE_ANSWER,
		.build = build_alert_half,
		.expected = "not_tls\n",
	},
	{
		.name = "alert_encrypted",
		.build = build_alert_encrypted,
		.expected =
			"message 1 200 0301\nbody 1 0+200\nrecord 20 1 0303\nrecord 21 26 0303\nrecord 22 40 0303\n",
	},
	{
		.name = "alert_after_change_cipher_spec",
		.build = build_alert_after_change_cipher_spec,
		.expected = "message 1 200 0301\nbody 1 0+200\nrecord 20 1 0303\nalert 2 47\n",
	},
	{
		.name = "no_certificate",
		.build = build_no_certificate,
		.expected = "message 1 60 0300\nbody 1 0+60\nalert 1 41\nmessage 16 128 0300\nrecord 20 1 0300\n"
			    "record 22 64 0300\n",
	},
	{
		.name = "tls13_server",
		.begin = REFERENCE_ANSWER,
		.build = build_tls13_server,
		.expected = "message 2 118 0303\nbody 2 0+118\nrecord 20 1 0303\nrecord 23 23 0303\n"
			    "record 23 62 0303\nrecord 23 811 0303\nrecord 23 281 0303\nrecord 23 69 0303\n"
			    "record 23 19 0303\n",
	},
	{
		.name = "tls13_client_plain",
		.build = build_tls13_client_plain,
		.expected = "message 1 300 0301\nbody 1 0+300\nrecord 23 25 0303\nrecord 23 69 0303\n",
	},
	{
		.name = "encrypted_bound",
		.begin = REFERENCE_ANSWER,
		.build = build_encrypted_bound,
		.expected = "message 2 118 0303\nbody 2 0+118\nrecord 20 1 0303\n"
			    "record 23 21 0303\nrecord 23 22 0303\nrecord 23 23 0303\nrecord 23 24 0303\n"
			    "record 23 25 0303\nrecord 23 26 0303\nrecord 23 27 0303\nrecord 23 28 0303\n"
			    "record 23 29 0303\nrecord 23 30 0303\nrecord 23 31 0303\nrecord 23 32 0303\n"
			    "record 23 33 0303\nrecord 23 34 0303\nrecord 23 35 0303\nrecord 23 36 0303\n"
			    "record 23 37 0303\nrecord 23 38 0303\nrecord 23 39 0303\nrecord 23 40 0303\n"
			    "record 23 41 0303\nrecord 23 42 0303\nrecord 23 43 0303\nrecord 23 44 0303\n"
			    "record 23 45 0303\nrecord 23 46 0303\nrecord 23 47 0303\nrecord 23 48 0303\n"
			    "record 23 49 0303\nrecord 23 50 0303\nrecord 23 51 0303\nrecord 23 52 0303\n",
	},
	{
		.name = "retry_server",
		.begin = REFERENCE_ANSWER,
		.build = build_retry_server,
		.expected = "message 2 84 0303\nbody 2 0+84\nrecord 20 1 0303\nmessage 2 118 0303\nbody 2 0+118\n"
			    "record 23 23 0303\nrecord 23 62 0303\n",
	},
	{
		.name = "retry_client",
		.build = build_retry_client,
		.expected = "message 1 300 0301\nbody 1 0+300\nrecord 20 1 0303\nmessage 1 333 0303\nbody 1 0+333\n"
			    "record 23 69 0303\n",
	},
	{
		.name = "retry_client_early_data",
		.build = build_retry_client_early_data,
		.expected = "message 1 300 0301\nbody 1 0+300\nrecord 20 1 0303\nrecord 23 500 0303\n"
			    "message 1 333 0303\nbody 1 0+333\nrecord 23 69 0303\n",
	},
	{
		.name = "retry_lookalike",
		.build = build_retry_lookalike,
		.expected = "message 1 300 0301\nbody 1 0+300\nrecord 20 1 0303\nrecord 22 40 0303\n",
	},
	{
		.name = "retry_wrong_side",
		.begin = REFERENCE_ANSWER,
		.build = build_retry_wrong_side,
		.expected = "message 2 84 0303\nbody 2 0+84\nrecord 20 1 0303\nrecord 22 122 0303\n",
	},
	{
		.name = "ssl2",
		.build = build_ssl2,
		.expected = "message 1 71 0301 ssl2\nmessage 11 300 0301\nbody 11 0+300\nmessage 16 66 0301\n",
	},
	{
		.name = "ssl2_alone",
		.build = build_ssl2_alone,
		.expected = "message 1 46 0002 ssl2\nnot_tls\n",
	},
	{
		.name = "ssl2_invalid",
		.build = build_ssl2_invalid,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_lengths_differ",
		.build = build_ssl2_lengths_differ,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_version",
		.build = build_ssl2_version,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_highest_version",
		.build = build_ssl2_highest_version,
		.expected = "message 1 71 0304 ssl2\n",
	},
	{
		.name = "ssl2_session",
		.build = build_ssl2_session,
		.expected = "message 1 62 0002 ssl2\n",
	},
	{
		.name = "ssl2_shortest",
		.build = build_ssl2_shortest,
		.expected = "message 1 28 0301 ssl2\nmessage 16 66 0301\n",
	},
	{
		.name = "ssl2_longest",
		.build = build_ssl2_longest,
		.expected = "message 1 32767 0301 ssl2\nmessage 16 66 0301\n",
	},
	{
		.name = "ssl2_specs",
		.build = build_ssl2_specs,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_no_specs",
		.build = build_ssl2_no_specs,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_session_too_long",
		.build = build_ssl2_session_too_long,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_challenge_too_short",
		.build = build_ssl2_challenge_too_short,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_challenge_too_long",
		.build = build_ssl2_challenge_too_long,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_version_too_high",
		.build = build_ssl2_version_too_high,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_other_message",
		.build = build_ssl2_other_message,
		.expected = "message 1 60 0301\nbody 1 0+60\n",
	},
	{
		.name = "ssl2_after_rest",
		.build = build_ssl2_after_rest,
		.expected = "",
	},
	{
		.name = "ssl2_later",
		.build = build_ssl2_later,
		.expected = "",
	},
	{
		.name = "starttls",
		.build = build_starttls,
		.expected = "message 1 200 0301\nbody 1 0+200\nmessage 16 66 0303\n",
	},
	{
		.name = "hello_over_segments",
		.build = build_hello_over_segments,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "hello_highest_version",
		.build = build_hello_highest_version,
		.expected = "message 1 200 0304\nbody 1 0+200\n",
	},
	{
		.name = "hello_longest",
		.build = build_hello_longest,
		.expected = "message 1 65535 0301\nbody 1 0+100\n",
	},
	{
		.name = "hello_over_records",
		.build = build_hello_over_records,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "proxy_line",
		.build = build_proxy_line,
		.expected = "message 1 200 0301\nbody 1 0+200\nmessage 11 30 0303\nbody 11 0+30\n",
	},
	{
		.name = "proxy_line_segment",
		.build = build_proxy_line_segment,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "proxy_line_longest",
		.build = build_proxy_line_longest,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "proxy_line_too_long",
		.build = build_proxy_line_too_long,
		.expected = "message 1 100 0301\nbody 1 0+100\n",
	},
	{
		.name = "proxy_line_then_other",
		.build = build_proxy_line_then_other,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "proxy_line_then_few",
		.build = build_proxy_line_then_few,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "proxy_header",
		.build = build_proxy_header,
		.expected = "message 1 200 0301\nbody 1 0+200\nmessage 11 30 0303\nbody 11 0+30\n",
	},
	{
		.name = "proxy_header_empty",
		.build = build_proxy_header_empty,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "proxy_header_longest",
		.build = build_proxy_header_longest,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "proxy_header_invalid",
		.build = build_proxy_header_invalid,
		.expected = "",
	},
	{
		.name = "proxy_header_signature",
		.build = build_proxy_header_signature,
		.expected = "",
	},
	{
		.name = "proxy_header_version",
		.build = build_proxy_header_version,
		.expected = "",
	},
	{
		.name = "proxy_later",
		.build = build_proxy_later,
		.expected = "",
	},
	{
		.name = "hello_inside_segment",
		.build = build_hello_inside_segment,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "hello_after_mysql",
		.build = build_hello_after_mysql,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "hello_after_postgresql",
		.build = build_hello_after_postgresql,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "hello_after_ldap",
		.build = build_hello_after_ldap,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "hello_after_long_line",
		.build = build_hello_after_long_line,
		.expected = "",
	},
	{
		.name = "hello_after_http",
		.build = build_hello_after_http,
		.expected = "",
	},
	{
		.name = "tlcp",
		.build = build_tlcp,
		.expected = "message 1 60 0101\nbody 1 0+60\nmessage 11 100 0101\nbody 11 0+100\nrecord 20 1 0101\n",
	},
	{
		.name = "tds",
		.build = build_tds,
		.expected = "message 1 36 0303\nbody 1 0+36\nmessage 16 31 0303\nrecord 20 1 0303\nrecord 23 10 0303\n",
	},
	{
		.name = "hello_after_lookalikes",
		.build = build_hello_after_lookalikes,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "http",
		.build = build_http,
		.expected = "",
	},
	{
		.name = "random",
		.build = build_random,
		.expected = "",
	},
	{
		.name = "random_answer",
		.begin = REFERENCE_ANSWER,
		.build = build_random,
		.expected = "not_tls\n",
	},
	{
		.name = "search_last_byte",
		.build = build_search_last_byte,
		.expected = "message 1 200 0301\nbody 1 0+200\n",
	},
	{
		.name = "search_bound",
		.build = build_search_bound,
		.expected = "",
	},
	{
		.name = "http_answer",
		.begin = REFERENCE_ANSWER,
		.build = build_http_answer,
		.expected = "not_tls\n",
	},
	{
		.name = "unknown_message",
		.begin = REFERENCE_ANSWER,
		.build = build_unknown_message,
		.expected = "message 2 70 0303\nbody 2 0+70\nnot_tls\n",
	},
	{
		.name = "record_type",
		.begin = REFERENCE_ANSWER,
		.build = build_record_type,
		.expected = "message 2 70 0303\nbody 2 0+70\nnot_tls\n",
	},
	{
		.name = "record_version",
		.begin = REFERENCE_ANSWER,
		.build = build_record_version,
		.expected = "message 2 70 0303\nbody 2 0+70\nnot_tls\n",
	},
	{
		.name = "record_longest",
		.begin = REFERENCE_ANSWER,
		.build = build_record_longest,
		.expected = "message 11 18428 0303\nbody 11 0+18428\nmessage 14 0 0303\n",
	},
	{
		.name = "record_too_long",
		.begin = REFERENCE_ANSWER,
		.build = build_record_too_long,
		.expected = "not_tls\n",
	},
	{
		.name = "longest_message",
		.begin = REFERENCE_ANSWER,
		.build = build_longest_message,
		.expected = "message 13 16777215 0303\nbody 13 0+300\n",
	},
	{
		.name = "flood",
		.begin = REFERENCE_ANSWER,
		.build = build_flood,
		.build_expected = expect_flood,
	},
	{
		.name = "either_server",
		.begin = REFERENCE_EITHER,
		.build = build_either_server,
		.expected = "message 2 70 0303\nbody 2 0+70\nmessage 11 100 0303\nbody 11 0+100\nmessage 13 50 "
			    "0303\nbody 13 0+50\n",
	},
	{
		.name = "either_client",
		.begin = REFERENCE_EITHER,
		.build = build_either_client,
		.expected = "message 1 200 0301\nbody 1 0+200\nmessage 11 100 0303\nbody 11 0+100\n",
	},
	{
		.name = "either_only_where_asked",
		.begin = REFERENCE_SEARCH,
		.build = build_either_server,
		.expected = "",
	},
};

/* ---- State ---- */

static struct tls_walk walk_stream(const struct stream *stream, enum reference_begin begin)
{
	struct tls_walk walk = walk_begin(begin);
	struct recorder recorder = {};

	feed(&walk, stream, 0, stream->length, &recorder);
	recorder_free(&recorder);
	return walk;
}

static void test_phases(void **state)
{
	struct stream *stream = stream_new();

	(void)state;
	build_http(stream);
	assert_int_equal(walk_stream(stream, REFERENCE_SEARCH).phase, TLS_WALK_NOT_TLS);
	stream_reset(stream);
	build_search_bound(stream);
	assert_int_equal(walk_stream(stream, REFERENCE_SEARCH).phase, TLS_WALK_NOT_TLS);
	stream_reset(stream);
	build_message_per_record(stream);
	assert_int_equal(walk_stream(stream, REFERENCE_ANSWER).phase, TLS_WALK_DONE);
	stream_reset(stream);
	build_tls13_server(stream);
	assert_int_equal(walk_stream(stream, REFERENCE_ANSWER).phase, TLS_WALK_RECORD);
	free(stream);
}

/* Walk a stream that goes on behind Finished, count bytes at a time; the kinds of records told are put into told. */
static struct tls_walk follow_stream(const struct stream *stream, struct tls_walk walk, uint32_t count, char *told)
{
	size_t position = 0;

	while (position < stream->length) {
		uint32_t wanted = tls_walk_wanted(&walk);
		uint32_t most = wanted ? wanted : tls_walk_passable(&walk);
		uint8_t bytes[TLS_WALK_READ_MAX] = {};
		uint32_t now = most < count ? most : count;

		if (tls_walk_may_follow(&walk))
			tls_walk_follow(&walk);
		else if (tls_walk_ended(&walk))
			break;
		else if (wanted) {
			struct tls_walk_event event;

			memcpy(bytes, stream->bytes + position, now);
			event = tls_walk_read(&walk, bytes, now);
			told += sprintf(told, event.kind == TLS_WALK_EVENT_RECORD ? " %u(%u)" : "", event.type,
			                event.length);
			position += now;
		} else {
			now = now < stream->length - position ? now : stream->length - position;
			tls_walk_pass(&walk, now);
			position += now;
		}
	}
	return walk;
}

static void build_renegotiation(struct stream *stream)
{
	stream_change_cipher_spec(stream, 0x0303);
	stream_encrypted(stream, 22, 0x0303, 40);
	stream_encrypted(stream, 22, 0x0303, 41);
	stream_encrypted(stream, 23, 0x0303, 1000);
	stream_encrypted(stream, 22, 0x0303, 248);
	stream_encrypted(stream, 23, 0x0303, 0);
	stream_encrypted(stream, 20, 0x0303, 25);
	stream_encrypted(stream, 22, 0x0303, 42);
	stream_encrypted(stream, 24, 0x0303, 60);
	stream_encrypted(stream, 21, 0x0303, 26);
}

/* Behind the handshake all but data is told; of a client not what may be NextProtocol and then Finished. */
static void test_follow(void **state)
{
	static const uint32_t counts[] = {1, 2, 3, 5, 7, 1000};
	static const struct tls_walk client = {.phase = TLS_WALK_RECORD, .flags = TLS_WALK_STARTED | TLS_WALK_CLIENT};
	static const struct tls_walk server = {.phase = TLS_WALK_RECORD, .flags = TLS_WALK_STARTED};
	struct stream *stream = stream_new();
	char told[256];

	(void)state;
	build_renegotiation(stream);
	for (size_t index = 0; index < sizeof(counts) / sizeof(*counts); index++) {
		assert_int_equal(follow_stream(stream, client, counts[index], told).phase, TLS_WALK_RECORD);
		assert_string_equal(told, " 20(1) 22(40) 22(248) 20(25) 22(42) 21(26)");
		assert_int_equal(follow_stream(stream, server, counts[index], told).phase, TLS_WALK_RECORD);
		assert_string_equal(told, " 20(1) 22(40) 22(41) 22(248) 20(25) 22(42) 21(26)");
	}
	free(stream);
}

/* A client whose server has finished behind it may begin a renegotiation at once. */
static void test_follow_finished(void **state)
{
	static const struct tls_walk client = {.phase = TLS_WALK_RECORD, .flags = TLS_WALK_STARTED | TLS_WALK_CLIENT};
	struct stream *stream = stream_new();
	struct tls_walk walk;
	char told[256];

	(void)state;
	stream_change_cipher_spec(stream, 0x0303);
	stream_encrypted(stream, 22, 0x0303, 40);
	walk = follow_stream(stream, client, 1000, told);
	assert_true(tls_walk_may_follow(&walk) || walk.flags & TLS_WALK_FOLLOWED);
	if (tls_walk_may_follow(&walk))
		tls_walk_follow(&walk);
	tls_walk_finished(&walk);
	stream_reset(stream);
	stream_encrypted(stream, 22, 0x0303, 248);
	stream_encrypted(stream, 22, 0x0303, 61);
	follow_stream(stream, walk, 1000, told);
	assert_string_equal(told, " 22(248) 22(61)");
	free(stream);
}

/* What is no record behind the handshake ends the walk without a word, and so do more records than are told. */
static void test_follow_ends(void **state)
{
	static const struct tls_walk server = {.phase = TLS_WALK_RECORD, .flags = TLS_WALK_STARTED};
	struct stream *stream = stream_new();
	char told[16 * (TLS_WALK_FOLLOWED_MAX + 2)];

	(void)state;
	build_renegotiation(stream);
	stream_text(stream, "220 in the clear again\r\n");
	assert_int_equal(follow_stream(stream, server, 5, told).phase, TLS_WALK_DONE);
	assert_null(strstr(told, "not"));
	stream_reset(stream);
	stream_change_cipher_spec(stream, 0x0303);
	for (int index = 0; index < TLS_WALK_FOLLOWED_MAX + 2; index++)
		stream_encrypted(stream, 22, 0x0303, 40);
	assert_int_equal(follow_stream(stream, server, 5, told).phase, TLS_WALK_DONE);
	assert_int_equal(strlen(told), strlen(" 20(1)") + (TLS_WALK_FOLLOWED_MAX + 1) * strlen(" 22(40)"));
	free(stream);
}

static void test_client_flag(void **state)
{
	struct stream *stream = stream_new();

	(void)state;
	build_client(stream);
	assert_int_equal(walk_stream(stream, REFERENCE_SEARCH).flags & TLS_WALK_CLIENT, TLS_WALK_CLIENT);
	stream_reset(stream);
	build_ssl2(stream);
	assert_int_equal(walk_stream(stream, REFERENCE_SEARCH).flags & TLS_WALK_CLIENT, TLS_WALK_CLIENT);
	stream_reset(stream);
	build_either_server(stream);
	assert_int_equal(walk_stream(stream, REFERENCE_EITHER).flags & TLS_WALK_CLIENT, 0);
	free(stream);
}

/* A candidate half read must leave nothing behind that would be taken for the answer's first bytes. */
static void test_answer_after_candidate(void **state)
{
	struct stream *stream = stream_new();
	struct recorder recorder = {};
	struct tls_walk walk = {};
	size_t cut;

	(void)state;
	for (cut = 1; cut < 9; cut++) {
		stream_reset(stream);
		stream_message_record(stream, TLS10, 1, 200);
		stream->length = cut;
		walk = walk_stream(stream, REFERENCE_SEARCH);
		tls_walk_expect_answer(&walk);
		stream_reset(stream);
		build_message_per_record(stream);
		feed(&walk, stream, 0, stream->length, &recorder);
		expect_events("answer_after_candidate", "cut at", cut, &recorder, vectors[0].expected);
	}
	free(stream);
}

/* Many short segments end the search as well as long ones do. */
static void test_search_ends(void **state)
{
	struct tls_walk walk = {};
	struct recorder recorder = {};
	struct event origin = {};
	unsigned int segments;
	const uint8_t byte = 22;

	(void)state;
	for (segments = 0; segments < 2 * TLS_WALK_SEARCH_MAX && !tls_walk_ended(&walk); segments++) {
		tls_walk_segment(&walk);
		walk_bytes(&walk, &byte, 1, &origin, recorder_event, &recorder);
	}
	assert_int_equal(walk.phase, TLS_WALK_NOT_TLS);
	assert_int_equal(segments, TLS_WALK_SEARCH_MAX);
	assert_string_equal(recorder_text(&recorder), "");
}

static void take_alert(const struct event *event, void *context)
{
	assert_int_equal(event->size, sizeof(struct event_alert));
	memcpy(context, event, sizeof(struct event_alert));
}

static void test_events_have_their_origin(void **state)
{
	static const struct event origin = {
		.kind = EVENT_SEGMENT,
		.direction = EVENT_SENT,
		.flags = EVENT_SEGMENT_START,
		.connection = 0x123456789abcdef0,
		.time_ns = 987654321,
	};
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 40};
	struct tls_walk walk = walk_begin(REFERENCE_ANSWER);
	struct event_alert found = {};

	(void)state;
	assert_int_equal(walk_bytes(&walk, alert, sizeof(alert), &origin, take_alert, &found), sizeof(alert));
	assert_int_equal(found.event.kind, EVENT_ALERT);
	assert_int_equal(found.event.direction, origin.direction);
	assert_int_equal(found.event.flags, 0);
	assert_int_equal(found.event.connection, origin.connection);
	assert_int_equal(found.event.time_ns, origin.time_ns);
	assert_int_equal(found.level, 2);
	assert_int_equal(found.description, 40);
}

/* ---- Against the reference ---- */

static void record_reference(const struct stream *stream, enum reference_begin begin, struct recorder *recorder)
{
	uint8_t *exact = malloc(stream->length ?: 1);

	if (!exact)
		abort();
	memcpy(exact, stream->bytes, stream->length);
	reference_parse(exact, stream->length, stream->start, stream->starts, begin, recorder);
	free(exact);
}

/* Feed in pieces of 1 to at_most bytes. */
static void record_pieces(const struct stream *stream, enum reference_begin begin, uint32_t at_most, uint32_t *random,
                          struct recorder *recorder)
{
	struct tls_walk walk = walk_begin(begin);
	size_t from, to;

	for (from = 0; from < stream->length; from = to) {
		to = from + 1 + stream_random_below(random, at_most);
		if (to > stream->length)
			to = stream->length;
		feed(&walk, stream, from, to, recorder);
	}
}

static void test_reference(void **state)
{
	static const uint32_t at_most[] = {1, 7, 300, STREAM_MAX};
	struct stream *stream = stream_new();
	struct recorder expected = {.hash_bodies = true};
	struct recorder actual = {.hash_bodies = true};
	uint32_t random = 20081;
	uint32_t messages = 0, left = 0;
	uint32_t number, begin;
	size_t i;

	(void)state;
	for (number = 0; number < RANDOM_STREAMS; number++) {
		begin = stream_random_below(&random, 3);
		stream_random(stream, &random, begin == REFERENCE_ANSWER);
		if (number % 2)
			stream_mutate(stream, &random);
		record_reference(stream, begin, &expected);
		messages += strstr(recorder_text(&expected), "message") != NULL;
		left += strstr(recorder_text(&expected), "not_tls") != NULL;
		for (i = 0; i < sizeof(at_most) / sizeof(at_most[0]); i++) {
			record_pieces(stream, begin, at_most[i], &random, &actual);
			expect_events("random stream", "number", number, &actual, recorder_text(&expected));
		}
		recorder_free(&expected);
	}
	/* the streams are worth the comparison: most hold messages, and some leave the protocol */
	assert_in_range(messages, RANDOM_STREAMS / 2, RANDOM_STREAMS);
	assert_in_range(left, RANDOM_STREAMS / 20, RANDOM_STREAMS / 2);
	free(stream);
}

int main(void)
{
	enum {
		VECTORS = sizeof(vectors) / sizeof(vectors[0])
	};
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_phases),          cmocka_unit_test(test_follow),
		cmocka_unit_test(test_follow_finished), cmocka_unit_test(test_follow_ends),
		cmocka_unit_test(test_client_flag),     cmocka_unit_test(test_answer_after_candidate),
		cmocka_unit_test(test_search_ends),     cmocka_unit_test(test_events_have_their_origin),
		cmocka_unit_test(test_reference),
	};
	struct CMUnitTest tests[VECTORS] = {};
	size_t i;

	for (i = 0; i < VECTORS; i++) {
		tests[i].name = vectors[i].name;
		tests[i].test_func = run_vector;
		tests[i].initial_state = (void *)&vectors[i];
	}
	return cmocka_run_group_tests_name("walk_vectors", tests, NULL, NULL) +
	       cmocka_run_group_tests_name("walk", others, NULL, NULL);
}
