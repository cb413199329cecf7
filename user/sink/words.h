/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * words - the cells and sentences that the table and the ladder have in common. All of it is plain ASCII, and text from the
 * network is escaped.
 */
#ifndef SINK_WORDS_H
#define SINK_WORDS_H

#include "handshake/handshake.h"
#include "sink/report.h"

#include <stddef.h>
#include <stdint.h>

#define NANOSECONDS_PER_MILLISECOND 1e6

enum words_bounds {
	ENDPOINT_TEXT_MAX = sizeof("[]:65535") + REPORT_ADDRESS_MAX,
	CLOCK_TEXT_MAX = sizeof("23:59:60"),
	NAME_TEXT_MAX = 64, /* a name from a registry, or the number in its place */
	END_TEXT_MAX = 96,
	RESULT_TEXT_MAX = 256,
	SERVER_NAME_TEXT_MAX = 4 * MESSAGE_SERVER_NAME_MAX, /* each byte may be escaped */
	MILLISECONDS_TEXT_MAX = 24,
};

enum words_units {
	NANOSECONDS_PER_MICROSECOND = 1000,
	NANOSECONDS_PER_SECOND = 1000000000,
};

/* Local time of day; "-" where the C library has none. */
void describe_clock(char text[CLOCK_TEXT_MAX], uint64_t realtime_ns);

/* "10.0.0.1:443", "[::1]:443" */
void describe_endpoint(char text[ENDPOINT_TEXT_MAX], const struct endpoint *endpoint, uint8_t family);

/* "yes", "no", "?" for an enum known */
const char *describe_known(uint8_t known);

/* "certificate", "empty", "-", "?" for an enum answer */
const char *describe_answer(uint8_t answer);

/* "TLSv1.2", "-" */
const char *describe_version(uint16_t version);

/* "unknown_ca from server", "closed by client" */
void describe_end(char text[END_TEXT_MAX], const struct handshake *handshake);

/* ", renegotiation", ", post-handshake", or "" for the first handshake of a connection */
const char *describe_later(const struct handshake *handshake);

/* " (untrusted)", where the expectation alone does not say how it was broken; else "" */
const char *describe_untrusted(const struct policy_judgement *judgement);

/* The verdict with its cause: the cell RESULT. */
void describe_result(char text[RESULT_TEXT_MAX], const struct handshake *handshake);

/* Milliseconds from the ClientHello to the end; "-" where not known. */
void describe_duration(char text[MILLISECONDS_TEXT_MAX], const struct handshake *handshake);

/* The server name as a word of at most so many columns; "-" where the client sent none. */
void describe_server_name(char *text, size_t columns, const struct handshake *handshake);

#endif /* SINK_WORDS_H */
