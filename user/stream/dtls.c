// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stream/dtls.h"
#include "stream/pieces.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	RECORD_HEADER = 13,   /* type, version, epoch, sequence number, length: RFC 6347 section 4.1 */
	FRAGMENT_HEADER = 12, /* type, length, message_seq, fragment_offset, fragment_length: section 4.2.2 */
	ALERT_LENGTH = 2,
	TLS12_CID = 25,             /* ContentType, RFC 9146 section 4 */
	VERSION_1_0_DRAFT = 0x0100, /* what OpenSSL spoke before RFC 4347 (DTLS1_BAD_VER) */
	RANDOM_AT = 2,              /* in a ClientHello, behind the version */
};

/* Where in the datagram the next byte lies. */
enum phase {
	PHASE_RECORD,   /* in a record header */
	PHASE_FRAGMENT, /* in the header of a message's fragment */
	PHASE_BODY,     /* in a fragment */
	PHASE_ALERT,
	PHASE_SKIP,   /* in a record that is not read */
	PHASE_IGNORE, /* in what is not DTLS, to the datagram's end */
};

/* A message of which fragments came. */
struct message {
	bool used;
	__u8 type;
	__u16 sequence; /* message_seq */
	__u16 version;
	__u32 length;
	struct pieces pieces;
};

struct dtls {
	dtls_sink sink;
	void *context;
	struct event origin; /* of the datagram at hand */

	/* where in it the next byte lies */
	__u8 phase;
	__u8 header_have;
	__u8 header[RECORD_HEADER];
	__u8 record_type;
	__u16 record_version;
	__u16 record_left;
	__u32 position;

	/* the fragment at hand */
	struct message *message; /* NULL where nobody wants it */
	__u32 fragment_offset;
	__u32 fragment_left;

	bool client;  /* this direction sent a ClientHello */
	bool started; /* next_message is known */
	bool cut;     /* bytes of a datagram are missing */
	bool gap;     /* messages were reported after a missing message */
	bool bound;   /* something was left out */
	bool done;    /* Finished was seen: all is told */
	bool changed; /* ChangeCipherSpec was seen */
	__u8 alerts;
	__u8 encrypted_records;
	__u8 records_waiting;
	__u16 next_message;
	struct message messages[DTLS_MESSAGES_AHEAD];       /* by message_seq, modulo their number */
	struct event_record record[1 + DTLS_ENCRYPTED_MAX]; /* those that wait for messages */
};

static __u32 get_16(const __u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static __u32 get_24(const __u8 *bytes)
{
	return bytes[0] << 16 | get_16(bytes + 1);
}

static __u32 at_most(__u32 value, __u32 bound)
{
	return value < bound ? value : bound;
}

static bool version_is_dtls(__u32 version)
{
	return version >> 8 == 0xfe || version == VERSION_1_0_DRAFT;
}

struct dtls *dtls_new(dtls_sink sink, void *context)
{
	struct dtls *dtls = calloc(1, sizeof(*dtls));

	if (!dtls)
		return NULL;
	dtls->sink = sink;
	dtls->context = context;
	return dtls;
}

static void message_drop(struct message *message)
{
	pieces_clear(&message->pieces);
	message->used = false;
}

void dtls_free(struct dtls *dtls)
{
	size_t i;

	if (!dtls)
		return;
	for (i = 0; i < DTLS_MESSAGES_AHEAD; i++)
		message_drop(&dtls->messages[i]);
	free(dtls);
}

static struct event event_of(const struct dtls *dtls, enum event_kind kind, __u32 size)
{
	struct event event = {
		.size = size,
		.kind = kind,
		.direction = dtls->origin.direction,
		.connection = dtls->origin.connection,
		.time_ns = dtls->origin.time_ns,
	};

	return event;
}

/* Whether mtlsnoop reads the body, as tls_walk_body_matters(). */
static bool body_matters(__u8 type)
{
	switch (type) {
	case TLS_CLIENT_HELLO:
	case TLS_SERVER_HELLO:
	case TLS_CERTIFICATE_REQUEST:
	case TLS_CERTIFICATE:
		return true;
	default:
		return false;
	}
}

static void tell_message_header(struct dtls *dtls, const struct message *message)
{
	struct event_message event = {
		.event = event_of(dtls, EVENT_MESSAGE, sizeof(event)),
		.length = message->length,
		.version = message->version,
		.type = message->type,
	};

	dtls->sink(&event.event, dtls->context);
}

/* Report a message and the available beginning of its body. */
static void tell_message(struct dtls *dtls, const struct message *message)
{
	__u32 capacity = at_most(message->pieces.held, DTLS_BODY_MAX);
	struct event_bytes *body;

	tell_message_header(dtls, message);
	if (!capacity)
		return;
	body = calloc(1, sizeof(*body) + capacity);
	if (!body)
		return;
	body->length = pieces_copy(&message->pieces, body->data, capacity);
	body->event = event_of(dtls, EVENT_BODY, sizeof(*body) + body->length);
	body->type = message->type;
	if (body->length)
		dtls->sink(&body->event, dtls->context);
	free(body);
}

static bool message_is_whole(const struct message *message)
{
	return message->used && message->pieces.covered == message->length;
}

static bool messages_are_held(const struct dtls *dtls)
{
	size_t i;

	for (i = 0; i < DTLS_MESSAGES_AHEAD; i++)
		if (dtls->messages[i].used)
			return true;
	return false;
}

static void tell_waiting_records(struct dtls *dtls)
{
	size_t i;

	for (i = 0; i < dtls->records_waiting; i++) {
		dtls->sink(&dtls->record[i].event, dtls->context);
		/* up to DTLS 1.2 the first encrypted handshake record is Finished */
		if (dtls->record[i].type == TLS_HANDSHAKE) {
			dtls->done = true;
			break;
		}
	}
	dtls->records_waiting = 0;
}

/* Report the next whole messages, and everything that waited for them. */
static void tell_what_is_next(struct dtls *dtls)
{
	struct message *message = &dtls->messages[dtls->next_message % DTLS_MESSAGES_AHEAD];

	while (dtls->started && message_is_whole(message)) {
		tell_message(dtls, message);
		message_drop(message);
		dtls->next_message++;
		message = &dtls->messages[dtls->next_message % DTLS_MESSAGES_AHEAD];
	}
	if (!messages_are_held(dtls))
		tell_waiting_records(dtls);
}

/* An unread record: reported after the messages before the record. */
static void found_record(struct dtls *dtls)
{
	struct event_record *record = &dtls->record[dtls->records_waiting];

	*record = (struct event_record){
		.event = event_of(dtls, EVENT_RECORD, sizeof(*record)),
		.length = dtls->record_left,
		.version = dtls->record_version,
		.type = dtls->record_type,
	};
	dtls->records_waiting++;
	if (!messages_are_held(dtls))
		tell_waiting_records(dtls);
}

static void skip_record(struct dtls *dtls)
{
	dtls->phase = dtls->record_left ? PHASE_SKIP : PHASE_RECORD;
}

static void begin_encrypted_record(struct dtls *dtls)
{
	if (dtls->encrypted_records >= DTLS_ENCRYPTED_MAX)
		return;
	dtls->encrypted_records++;
	found_record(dtls);
}

/* Retransmitted flights repeat the record; the first copy counts. */
static void begin_change_cipher_spec(struct dtls *dtls)
{
	if (dtls->changed)
		return;
	dtls->changed = true;
	found_record(dtls);
}

/*
 * RFC 9146 section 4: a connection ID, of a length that only the ends know, comes before the record's length, and the
 * record's real type is encrypted. After ChangeCipherSpec the first such record is Finished, and any later one shows that it was
 * sent.
 * Nobody knows where the next record of the datagram begins.
 */
static void begin_record_with_id(struct dtls *dtls, __u32 epoch)
{
	dtls->phase = PHASE_IGNORE;
	if (!epoch || !dtls->changed || dtls->encrypted_records)
		return;
	dtls->record_type = TLS_HANDSHAKE;
	dtls->record_left = 0;
	begin_encrypted_record(dtls);
}

/* A record header is complete. */
static void begin_record(struct dtls *dtls)
{
	const __u8 *header = dtls->header;
	__u32 epoch = get_16(header + 3);

	dtls->record_version = get_16(header + 1);
	dtls->record_left = get_16(header + 11);
	if (dtls->record_type == TLS12_CID && version_is_dtls(dtls->record_version)) {
		begin_record_with_id(dtls, epoch);
		return;
	}
	if (!version_is_dtls(dtls->record_version) || dtls->record_left > TLS_WALK_RECORD_MAX) {
		dtls->phase = PHASE_IGNORE;
		return;
	}
	skip_record(dtls);
	if (epoch)
		begin_encrypted_record(dtls);
	else if (dtls->record_type == TLS_CHANGE_CIPHER_SPEC)
		begin_change_cipher_spec(dtls);
	else if (dtls->record_type == TLS_HANDSHAKE && dtls->record_left >= FRAGMENT_HEADER)
		dtls->phase = PHASE_FRAGMENT;
	else if (dtls->record_type == TLS_ALERT && dtls->record_left == ALERT_LENGTH)
		dtls->phase = PHASE_ALERT;
}

/* The direction begins with this message. */
static void start_at(struct dtls *dtls, __u16 sequence)
{
	size_t i;

	dtls->started = true;
	dtls->next_message = sequence;
	for (i = 0; i < DTLS_MESSAGES_AHEAD; i++)
		if ((__u16)(dtls->messages[i].sequence - sequence) >= DTLS_MESSAGES_AHEAD)
			message_drop(&dtls->messages[i]);
}

static struct message *message_begin(struct dtls *dtls, __u8 type, __u16 sequence, __u32 length)
{
	struct message *message = &dtls->messages[sequence % DTLS_MESSAGES_AHEAD];

	if (message->used && message->sequence == sequence)
		return message->type == type && message->length == length ? message : NULL;
	if (message->used) {
		dtls->bound = true;
		return NULL;
	}
	message->used = true;
	message->type = type;
	message->sequence = sequence;
	message->version = dtls->record_version;
	message->length = length;
	return message;
}

/* The message of a fragment; NULL for a repeated message, or a message too far ahead. */
static struct message *message_of(struct dtls *dtls, __u8 type, __u16 sequence, __u32 length)
{
	bool first = type == TLS_CLIENT_HELLO || type == TLS_SERVER_HELLO || type == TLS_HELLO_VERIFY_REQUEST;
	__u16 ahead;

	if (type == TLS_CLIENT_HELLO)
		dtls->client = true;
	if (!dtls->started && (first || sequence == 0))
		start_at(dtls, sequence);
	ahead = sequence - dtls->next_message;
	if (dtls->started && ahead >= DTLS_MESSAGES_AHEAD) {
		/* followed by the repeated messages */
		dtls->bound |= ahead < 0x8000;
		return NULL;
	}
	return message_begin(dtls, type, sequence, length);
}

/* A fragment's bytes are complete: another fragment may follow in the record. */
static void end_fragment(struct dtls *dtls)
{
	if (dtls->message)
		tell_what_is_next(dtls);
	dtls->message = NULL;
	skip_record(dtls);
	if (dtls->record_left >= FRAGMENT_HEADER)
		dtls->phase = PHASE_FRAGMENT;
}

/* of the command line; NULL: none */
static void begin_fragment(struct dtls *dtls)
{
	const __u8 *header = dtls->header;
	__u32 length = get_24(header + 1);

	dtls->fragment_offset = get_24(header + 6);
	dtls->fragment_left = get_24(header + 9);
	skip_record(dtls);
	if (dtls->fragment_left > dtls->record_left || dtls->fragment_offset + dtls->fragment_left > length ||
	    !tls_walk_handshake_type_known(header[0]))
		return;
	dtls->message = dtls->done ? NULL : message_of(dtls, header[0], get_16(header + 4), length);
	dtls->phase = PHASE_BODY;
	if (dtls->fragment_left == 0)
		end_fragment(dtls);
}

__u32 dtls_held(const struct dtls *dtls)
{
	__u32 held = 0;
	size_t i;

	for (i = 0; i < DTLS_MESSAGES_AHEAD; i++)
		held += dtls->messages[i].pieces.held;
	return held;
}

static void take_body(struct dtls *dtls, const __u8 *bytes, __u32 count)
{
	struct message *message = dtls->message;
	__u32 kept = 0;

	if (message && body_matters(message->type) && message->pieces.covered < message->length) {
		kept = at_most(count, DTLS_BYTES_MAX - dtls_held(dtls));
		dtls->bound |= kept < count;
	}
	if (message && pieces_add(&message->pieces, dtls->fragment_offset, count, bytes, kept) < 0)
		dtls->bound = true;
	dtls->fragment_offset += count;
	dtls->fragment_left -= count;
	dtls->record_left -= count;
	if (dtls->fragment_left == 0)
		end_fragment(dtls);
}

static void take_alert(struct dtls *dtls)
{
	struct event_alert event = {
		.event = event_of(dtls, EVENT_ALERT, sizeof(event)),
		.level = dtls->header[0],
		.description = dtls->header[1],
	};

	dtls->phase = PHASE_RECORD;
	if (dtls->alerts >= DTLS_ALERTS_MAX || dtls->done)
		return;
	dtls->alerts++;
	dtls->sink(&event.event, dtls->context);
}

/* How many bytes of header the phase reads. */
static __u32 header_length(const struct dtls *dtls)
{
	switch (dtls->phase) {
	case PHASE_RECORD:
		return RECORD_HEADER;
	case PHASE_FRAGMENT:
		return FRAGMENT_HEADER;
	case PHASE_ALERT:
		return ALERT_LENGTH;
	default:
		return 0;
	}
}

/* Read header bytes; returns how many. */
static __u32 take_header(struct dtls *dtls, const __u8 *bytes, __u32 left)
{
	__u32 wanted = header_length(dtls);
	__u32 count = at_most(wanted - dtls->header_have, left);

	memcpy(dtls->header + dtls->header_have, bytes, count);
	dtls->header_have += count;
	if (dtls->phase != PHASE_RECORD)
		dtls->record_left -= count;
	if (dtls->header_have < wanted) {
		if (dtls->phase == PHASE_RECORD && dtls->header_have >= 3 && !version_is_dtls(get_16(dtls->header + 1)))
			dtls->phase = PHASE_IGNORE;
		return count;
	}
	dtls->header_have = 0;
	if (dtls->phase == PHASE_RECORD)
		begin_record(dtls);
	else if (dtls->phase == PHASE_FRAGMENT)
		begin_fragment(dtls);
	else
		take_alert(dtls);
	return count;
}

/* Take some of the datagram's bytes; returns how many, at least one. */
static __u32 take_bytes(struct dtls *dtls, const __u8 *bytes, __u32 left)
{
	__u32 count = left;

	switch (dtls->phase) {
	case PHASE_RECORD:
		if (dtls->header_have == 0) {
			dtls->record_type = bytes[0];
			/* STUN, RTP and others may share the port (RFC 7983) */
			if (bytes[0] < TLS_CHANGE_CIPHER_SPEC || bytes[0] > TLS12_CID) {
				dtls->phase = PHASE_IGNORE;
				return count;
			}
		}
		return take_header(dtls, bytes, left);
	case PHASE_FRAGMENT:
	case PHASE_ALERT:
		return take_header(dtls, bytes, left);
	case PHASE_BODY:
		count = at_most(dtls->fragment_left, left);
		take_body(dtls, bytes, count);
		return count;
	case PHASE_SKIP:
		count = at_most(dtls->record_left, left);
		dtls->record_left -= count;
		skip_record(dtls);
		return count;
	default:
		return count;
	}
}

/* A datagram ends: an incomplete record was not captured whole, because no record continues in the next datagram. */
static void end_datagram(struct dtls *dtls)
{
	bool whole = dtls->phase == PHASE_IGNORE || (dtls->phase == PHASE_RECORD && dtls->header_have == 0);

	if (!whole)
		dtls_cut(dtls);
	dtls->phase = PHASE_RECORD;
	dtls->header_have = 0;
	dtls->message = NULL;
	dtls->position = 0;
}

int dtls_datagram(struct dtls *dtls, const struct event_bytes *datagram)
{
	__u32 at = 0;
	bool bound = dtls->bound;

	if (datagram->position == 0)
		end_datagram(dtls);
	else if (datagram->position != dtls->position)
		return 0;
	dtls->origin = datagram->event;
	while (at < datagram->length)
		at += take_bytes(dtls, datagram->data + at, datagram->length - at);
	dtls->position += datagram->length;
	return dtls->bound && !bound ? -ENOBUFS : 0;
}

void dtls_cut(struct dtls *dtls)
{
	if (!dtls->done)
		dtls->cut = true;
	dtls->phase = PHASE_IGNORE;
}

/* The held message with the lowest message_seq; NULL without messages. */
static struct message *first_held(struct dtls *dtls)
{
	struct message *first = NULL;
	size_t i;

	for (i = 0; i < DTLS_MESSAGES_AHEAD; i++)
		if (dtls->messages[i].used && (!first || dtls->messages[i].sequence < first->sequence))
			first = &dtls->messages[i];
	return first;
}

void dtls_finish(struct dtls *dtls)
{
	struct message *message;

	end_datagram(dtls);
	while ((message = first_held(dtls))) {
		dtls->gap = true;
		tell_message(dtls, message);
		message_drop(message);
	}
	tell_waiting_records(dtls);
	dtls->done = true;
}

bool dtls_has_gap(const struct dtls *dtls)
{
	return dtls->cut || dtls->gap || dtls->bound || messages_are_held(dtls);
}

bool dtls_wants_more(const struct dtls *dtls)
{
	return !dtls->done;
}

bool dtls_begins(const __u8 *datagram, size_t length, __u64 *random)
{
	const __u8 *fragment = datagram + RECORD_HEADER;
	const __u8 *body = fragment + FRAGMENT_HEADER;
	size_t i;

	*random = 0;
	if (length < RECORD_HEADER + FRAGMENT_HEADER || datagram[0] != TLS_HANDSHAKE ||
	    !version_is_dtls(get_16(datagram + 1)) || get_16(datagram + 3) != 0)
		return false;
	if (fragment[0] != TLS_CLIENT_HELLO && fragment[0] != TLS_SERVER_HELLO &&
	    fragment[0] != TLS_HELLO_VERIFY_REQUEST)
		return false;
	if (get_16(datagram + 11) < FRAGMENT_HEADER + get_24(fragment + 9) ||
	    get_24(fragment + 6) + get_24(fragment + 9) > get_24(fragment + 1))
		return false;
	if (fragment[0] == TLS_CLIENT_HELLO && get_16(fragment + 4) == 0 && get_24(fragment + 6) == 0 &&
	    length >= RECORD_HEADER + FRAGMENT_HEADER + RANDOM_AT + sizeof(*random))
		for (i = 0; i < sizeof(*random); i++)
			*random = *random << 8 | body[RANDOM_AT + i];
	return true;
}
