/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reference - a second reading of the RFCs to hold the walker against: it has all bytes of a direction before it, knows
 * no state between calls, and works by offsets. It shares nothing with tls_walk.h but the numbers of the RFCs, written
 * out here once more.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "recorder.h"

enum reference_begin {
	REFERENCE_SEARCH, /* for a ClientHello */
	REFERENCE_EITHER, /* or a ServerHello */
	REFERENCE_ANSWER, /* records from the first byte on */
};

enum reference_bounds {
	REFERENCE_RECORD_MAX = 18432,
	REFERENCE_SEARCH_MAX = 16384,
	REFERENCE_ENCRYPTED_MAX = 32,
};

struct reference {
	const uint8_t *bytes;
	size_t length;
	const size_t *start; /* offsets at which segments begin, ascending */
	size_t starts;
	enum reference_begin begin;
	struct recorder *recorder;
	size_t position;
	size_t hello; /* where the candidate's record begins */
	bool client;
	bool ciphered;
	bool over;
	unsigned int encrypted;
	uint8_t header[4]; /* of the handshake message that began last */
	unsigned int header_have;
	uint32_t body; /* bytes of its body seen */
	uint8_t alert_level;
	bool alert_half;
};

enum reference_match {
	REFERENCE_NONE,       /* no hello; position is where that was clear */
	REFERENCE_INCOMPLETE, /* the bytes end before it is clear */
	REFERENCE_TLS,
	REFERENCE_SSL2,
};

static inline uint32_t reference_number(const struct reference *reference, size_t position, unsigned int count)
{
	uint32_t number = 0;

	while (count--)
		number = number << 8 | reference->bytes[position++];
	return number;
}

static inline uint32_t reference_message_length(const struct reference *reference)
{
	return reference->header[1] << 16 | reference->header[2] << 8 | reference->header[3];
}

static inline bool reference_in_message(const struct reference *reference)
{
	if (reference->header_have == 0)
		return false;
	return reference->header_have < 4 || reference->body < reference_message_length(reference);
}

static inline void reference_not_tls(struct reference *reference)
{
	recorder_end_body(reference->recorder);
	recorder_line(reference->recorder, "not_tls\n");
	reference->over = true;
}

/* Whether the bytes from start on are those of an SSL 2.0 ClientHello (RFC 5246 appendix E.2). */
static inline enum reference_match reference_match_ssl2(struct reference *reference, size_t start)
{
	size_t left = reference->length - start;
	uint32_t length, specs, session, challenge;

	if (left > 2 && reference->bytes[start + 2] != 1)
		return REFERENCE_NONE;
	if (left > 3 && reference->bytes[start + 3] != 3 && reference->bytes[start + 3] != 0)
		return REFERENCE_NONE;
	if (left < 5)
		return REFERENCE_INCOMPLETE;
	if (reference->bytes[start + 3] == 3 ? reference->bytes[start + 4] > 4 : reference->bytes[start + 4] != 2)
		return REFERENCE_NONE;
	length = reference_number(reference, start, 2) - 0x8000;
	if (length < 28)
		return REFERENCE_NONE;
	if (left < 11)
		return REFERENCE_INCOMPLETE;
	specs = reference_number(reference, start + 5, 2);
	session = reference_number(reference, start + 7, 2);
	challenge = reference_number(reference, start + 9, 2);
	if (specs == 0 || specs % 3 != 0 || session > 32 || challenge < 16 || challenge > 32)
		return REFERENCE_NONE;
	return 9 + specs + session + challenge == length ? REFERENCE_SSL2 : REFERENCE_NONE;
}

/* Where it becomes clear that the bytes from start on are no SSL 2.0 ClientHello: the last byte that was looked at. */
static inline size_t reference_ssl2_end(const struct reference *reference, size_t start)
{
	struct reference prefix = *reference;
	size_t end;

	for (end = start + 1; end < reference->length; end++) {
		prefix.length = end;
		if (reference_match_ssl2(&prefix, start) == REFERENCE_NONE)
			break;
	}
	return end - 1;
}

/* SSL 3.0 to TLS 1.3, and TLCP. */
static inline bool reference_version_known(uint16_t version)
{
	return version >> 8 == 3 || version == 0x0101;
}

/* The four bytes of the first message's header, which may be spread over records. Moves position. */
static inline enum reference_match reference_first_message(struct reference *reference, size_t record)
{
	uint32_t left = 0;
	uint8_t header[4];
	unsigned int have;

	reference->position = record;
	for (have = 0; have < 4; have++) {
		if (left == 0) {
			if (reference->length - reference->position < 5)
				return REFERENCE_INCOMPLETE;
			left = reference_number(reference, reference->position + 3, 2);
			if (reference->bytes[reference->position] != 22 ||
			    !reference_version_known(reference_number(reference, reference->position + 1, 2)) ||
			    left == 0 || left > REFERENCE_RECORD_MAX) {
				reference->position += 4;
				return REFERENCE_NONE;
			}
			reference->position += 5;
		}
		if (reference->position == reference->length)
			return REFERENCE_INCOMPLETE;
		header[have] = reference->bytes[reference->position++];
		left--;
	}
	reference->position--;
	if (header[1])
		return REFERENCE_NONE;
	if (header[0] == 2 && reference->begin == REFERENCE_EITHER)
		return REFERENCE_TLS;
	reference->client = header[0] == 1;
	return reference->client ? REFERENCE_TLS : REFERENCE_NONE;
}

static inline enum reference_match reference_match_tls(struct reference *reference, size_t start)
{
	const uint8_t *bytes = reference->bytes + start;
	size_t left = reference->length - start;

	reference->position = start;
	if (left == 0)
		return REFERENCE_INCOMPLETE;
	if (bytes[0] != 22)
		return REFERENCE_NONE;
	if (left > 1 && bytes[1] != 3 && bytes[1] != 1) {
		reference->position = start + 1;
		return REFERENCE_NONE;
	}
	if (left > 2 && (bytes[1] == 1 ? bytes[2] != 1 : bytes[2] > 4)) {
		reference->position = start + 2;
		return REFERENCE_NONE;
	}
	return reference_first_message(reference, start);
}

/*
 * Where the PROXY protocol's header ends that the stream begins with, which is where the hello begins; 0 where there is
 * none: position is then where that was clear.
 */
static inline size_t reference_proxy_end(struct reference *reference)
{
	/* of the longer signature three bytes are not looked at: the walker has no room to keep them */
	static const char signature[] = "\r\n\r\n\0???UIT\n";
	const uint8_t *bytes = reference->bytes;
	size_t length = reference->length, end;
	const char *expected = bytes[0] == 'P' ? "PROXY" : signature;

	for (end = 0; end < 5 && end < length && bytes[end] == (uint8_t)expected[end];)
		end++;
	reference->position = end;
	if (end < 5)
		return end == length ? SIZE_MAX : 0;
	if (bytes[0] == 'P') {
		for (end = 5; end < length && end < 107; end++)
			if (bytes[end] == '\n')
				return end + 1;
		reference->position = end;
		return end == length ? SIZE_MAX : 0;
	}
	if (length < 16)
		return SIZE_MAX;
	reference->position = 15;
	if (memcmp(bytes + 8, signature + 8, 4) || bytes[12] >> 4 != 2)
		return 0;
	return 16 + reference_number(reference, 14, 2);
}

#define REFERENCE_NO_REQUEST (SIZE_MAX - 1)

/*
 * Where a request for TLS ends that begins at start, which is where the hello may begin; start where none begins. If the
 * line is too long REFERENCE_NO_REQUEST: position is then where that was clear. If it is not complete SIZE_MAX.
 */
static inline size_t reference_request_end(struct reference *reference, size_t start)
{
	static const char *const lines[] = {"START", "STLS\r", "AUTH "};
	const uint8_t *bytes = reference->bytes + start;
	size_t left = reference->length - start, i, end;

	if (left >= 5 && !memcmp(bytes, "\x20\0\0\1", 4))
		return start + 36;
	if (left >= 5 && !memcmp(bytes, "\0\0\0\x08\x04", 5))
		return start + 8;
	if (left >= 5 && bytes[0] == 0x30 && bytes[1] > 3 && bytes[1] < 128 && bytes[2] == 2 && bytes[3] == 1)
		return start + 2 + bytes[1];
	for (i = 0; i < 3; i++) {
		if (left < 5 || memcmp(bytes, lines[i], 5))
			continue;
		for (end = 5; end < left && end < 107; end++)
			if (bytes[end] == '\n')
				return start + end + 1;
		reference->position = start + end;
		return end == left ? SIZE_MAX : REFERENCE_NO_REQUEST;
	}
	return start;
}

/* Whether there is a hello at start, or behind what may come before one; position is where it was found, or not. */
static inline enum reference_match reference_match_hello(struct reference *reference, size_t start)
{
	enum reference_match match;
	size_t end;

	reference->hello = start;
	if (start == 0 && reference->bytes[0] & 0x80) {
		match = reference_match_ssl2(reference, start);
		if (match == REFERENCE_NONE)
			reference->position = reference_ssl2_end(reference, start);
		return match;
	}
	if (start == 0 && (reference->bytes[0] == 'P' || reference->bytes[0] == '\r')) {
		reference->hello = reference_proxy_end(reference);
		if (reference->hello == 0)
			return REFERENCE_NONE;
		if (reference->hello >= reference->length)
			return REFERENCE_INCOMPLETE;
	}
	end = reference_request_end(reference, reference->hello);
	if (end == REFERENCE_NO_REQUEST)
		return REFERENCE_NONE;
	if (end >= reference->length)
		return REFERENCE_INCOMPLETE;
	/* another request behind it */
	if (end != reference->hello)
		return reference_match_hello(reference, end);
	return reference_match_tls(reference, reference->hello);
}

static inline void reference_ssl2_hello(struct reference *reference)
{
	uint32_t length = reference_number(reference, reference->position, 2) - 0x8000;

	reference->client = true;
	recorder_line(reference->recorder, "message 1 %u %04x ssl2\n", length,
	              reference_number(reference, reference->position + 3, 2));
	reference->position += 2 + length;
}

/* Find the hello; position is then at its first record, or for SSL 2.0 behind it. Returns false where there is none. */
static inline bool reference_search(struct reference *reference)
{
	enum reference_match match;
	size_t from = 0, i;

	for (i = 0; i < reference->starts; i++) {
		if (reference->start[i] < from)
			continue;
		if (reference->start[i] >= REFERENCE_SEARCH_MAX || reference->start[i] >= reference->length)
			return false;
		match = reference_match_hello(reference, reference->start[i]);
		if (match == REFERENCE_INCOMPLETE)
			return false;
		from = reference->position + 1;
		reference->position = reference->hello;
		if (match == REFERENCE_SSL2)
			reference_ssl2_hello(reference);
		if (match != REFERENCE_NONE)
			return true;
	}
	return false;
}

static inline void reference_encrypted(struct reference *reference, uint8_t type, uint16_t version, uint16_t length)
{
	recorder_end_body(reference->recorder);
	recorder_line(reference->recorder, "record %u %u %04x\n", type, length, version);
	reference->encrypted++;
	if (type == 22 || reference->encrypted == REFERENCE_ENCRYPTED_MAX)
		reference->over = true;
}

static inline void reference_message(struct reference *reference, uint16_t version)
{
	static const uint8_t known[] = {0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23};

	reference->body = 0;
	if (!memchr(known, reference->header[0], sizeof(known))) {
		reference_not_tls(reference);
		return;
	}
	recorder_end_body(reference->recorder);
	recorder_line(reference->recorder, "message %u %u %04x\n", reference->header[0],
	              reference_message_length(reference), version);
}

static inline void reference_handshake(struct reference *reference, const uint8_t *payload, size_t available,
                                       uint16_t version)
{
	size_t i, count;
	uint8_t type;

	for (i = 0; i < available && !reference->over; i += count) {
		count = 1;
		if (!reference_in_message(reference))
			reference->header_have = 0;
		if (reference->header_have < 4) {
			reference->header[reference->header_have++] = payload[i];
			if (reference->header_have == 4)
				reference_message(reference, version);
			continue;
		}
		count = reference_message_length(reference) - reference->body;
		if (count > available - i)
			count = available - i;
		type = reference->header[0];
		if (type == 1 || type == 2 || type == 13 || type == 11)
			recorder_body(reference->recorder, type, reference->body, payload + i, count);
		reference->body += count;
	}
}

/* A handshake record behind ChangeCipherSpec: a hello that fills it (RFC 8446 appendix D.4), or encrypted. */
static inline void reference_handshake_ciphered(struct reference *reference, const uint8_t *payload, size_t available,
                                                uint16_t version, uint16_t length)
{
	if (length == 0)
		return;
	if (length >= 4 && available < 4)
		reference->over = true;
	else if (length >= 4 && payload[0] == (reference->client ? 1 : 2) &&
	         (payload[1] << 16 | payload[2] << 8 | payload[3]) + 4 == length)
		reference->ciphered = false;
	else
		reference_encrypted(reference, 22, version, length);
	if (!reference->over && !reference->ciphered)
		reference_handshake(reference, payload, available, version);
}

static inline void reference_alerts(struct reference *reference, const uint8_t *payload, size_t available)
{
	size_t i;

	for (i = 0; i < available && !reference->over; i++) {
		if (reference->alert_half) {
			recorder_end_body(reference->recorder);
			recorder_line(reference->recorder, "alert %u %u\n", reference->alert_level, payload[i]);
			reference->alert_half = false;
		} else if (payload[i] == 1 || payload[i] == 2) {
			reference->alert_level = payload[i];
			reference->alert_half = true;
		} else {
			reference_not_tls(reference);
		}
	}
}

static inline bool reference_record_valid(const struct reference *reference, uint8_t type, uint16_t version,
                                          uint16_t length)
{
	if (type < 20 || type > 24 || !reference_version_known(version) || length > REFERENCE_RECORD_MAX)
		return false;
	if (type != 21 && reference->alert_half)
		return false;
	if (type != 21 && type != 22 && reference_in_message(reference))
		return false;
	return type != 20 || length == 1;
}

static inline void reference_record(struct reference *reference, size_t available)
{
	uint8_t type = reference->bytes[reference->position];
	uint16_t version = reference_number(reference, reference->position + 1, 2);
	uint16_t length = reference_number(reference, reference->position + 3, 2);
	const uint8_t *payload = reference->bytes + reference->position + 5;

	if (available > length)
		available = length;
	if (!reference_record_valid(reference, type, version, length)) {
		reference_not_tls(reference);
	} else if (type == 20) {
		recorder_end_body(reference->recorder);
		recorder_line(reference->recorder, "record 20 1 %04x\n", version);
		reference->ciphered = true;
	} else if (type == 21 && (!reference->ciphered || length == 2)) {
		reference_alerts(reference, payload, available);
	} else if (type == 22 && reference->ciphered) {
		reference_handshake_ciphered(reference, payload, available, version, length);
	} else if (type == 22) {
		reference_handshake(reference, payload, available, version);
	} else {
		reference_encrypted(reference, type, version, length);
	}
	reference->position += 5 + length;
}

/* Record what a direction with these bytes holds. */
static inline void reference_parse(const uint8_t *bytes, size_t length, const size_t *start, size_t starts,
                                   enum reference_begin begin, struct recorder *recorder)
{
	struct reference reference = {
		.bytes = bytes,
		.length = length,
		.start = start,
		.starts = starts,
		.begin = begin,
		.recorder = recorder,
	};

	if (begin != REFERENCE_ANSWER && !reference_search(&reference))
		return;
	while (!reference.over && reference.position <= length && length - reference.position >= 5)
		reference_record(&reference, length - reference.position - 5);
}

#endif /* REFERENCE_H */
