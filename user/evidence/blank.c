// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "evidence/blank.h"

#include <stdbool.h>
#include <string.h>

enum {
	DATAGRAM_RECORD_HEADER = 13, /* RFC 6347 section 4.1 */
	DTLS_BEFORE_1_0 = 0x0100,    /* OpenSSL and Cisco's AnyConnect before RFC 4347 */
};

/* Whether the bytes just read by the walker are certainly part of TLS, and not mere candidates. */
static bool is_framing(const struct tls_walk *walk)
{
	switch (walk->phase) {
	case TLS_WALK_SEARCH:
	case TLS_WALK_NOT_TLS:
		return false;
	default:
		return true;
	}
}

/* Part of a record header with a first byte that is no ContentType: the rest of the header will show no TLS. */
static bool begins_as_no_record(const struct tls_walk *walk)
{
	uint8_t first = tls_walk_byte(walk->header, walk->header_have, 0);

	return walk->phase == TLS_WALK_RECORD && walk->header_have && !(walk->flags & TLS_WALK_CANDIDATE) &&
	       (first < TLS_CHANGE_CIPHER_SPEC || first > TLS_HEARTBEAT);
}

static size_t read_header(struct tls_walk *walk, uint8_t *bytes, size_t length)
{
	uint32_t wanted = tls_walk_wanted(walk);
	uint8_t header[TLS_WALK_READ_MAX] = {};
	size_t count = length < wanted ? length : wanted;

	if (wanted > sizeof(header))
		return 0;
	memcpy(header, bytes, count);
	tls_walk_read(walk, header, count);
	if (!is_framing(walk) || begins_as_no_record(walk))
		memset(bytes, 0, count);
	return count;
}

/* An encrypted handshake record and a ChangeCipherSpec carry no application data. */
static bool content_stays(const struct tls_walk *walk)
{
	return tls_walk_in_body(walk) ||
	       (walk->phase == TLS_WALK_SKIP &&
	        (walk->record_type == TLS_CHANGE_CIPHER_SPEC || walk->record_type == TLS_HANDSHAKE));
}

static size_t pass_content(struct tls_walk *walk, uint8_t *bytes, size_t length)
{
	uint32_t passable = tls_walk_passable(walk);
	size_t count = length < passable ? length : passable;

	if (!content_stays(walk))
		memset(bytes, 0, count);
	tls_walk_pass(walk, count);
	return count;
}

void blank_stream(struct tls_walk *walk, uint8_t *bytes, size_t length)
{
	size_t count;

	while (length && !tls_walk_ended(walk)) {
		count = tls_walk_wanted(walk) ? read_header(walk, bytes, length) : pass_content(walk, bytes, length);
		if (!count)
			break;
		bytes += count;
		length -= count;
	}
	memset(bytes, 0, length);
}

void blank_hole(struct tls_walk *walk, uint32_t count)
{
	if (tls_walk_ended(walk))
		return;
	if (!tls_walk_wanted(walk) && count <= tls_walk_passable(walk))
		tls_walk_pass(walk, count);
	else
		walk->phase = TLS_WALK_DONE;
}

static bool is_datagram_version(uint16_t version)
{
	return version >> 8 == 0xfe || version == DTLS_BEFORE_1_0;
}

void blank_datagram(uint8_t *bytes, size_t length)
{
	size_t content;

	while (length >= DATAGRAM_RECORD_HEADER && is_datagram_version(bytes[1] << 8 | bytes[2])) {
		content = bytes[11] << 8 | bytes[12];
		if (content > length - DATAGRAM_RECORD_HEADER)
			content = length - DATAGRAM_RECORD_HEADER;
		if (bytes[0] < TLS_CHANGE_CIPHER_SPEC || bytes[0] >= TLS_APPLICATION_DATA)
			memset(bytes + DATAGRAM_RECORD_HEADER, 0, content);
		bytes += DATAGRAM_RECORD_HEADER + content;
		length -= DATAGRAM_RECORD_HEADER + content;
	}
	/* the first byte shows the protocol (RFC 7983, RFC 9147 section 4) */
	if (length > 1)
		memset(bytes + 1, 0, length - 1);
}
