/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * record - the store's data of one handshake: numbers and texts, without pointers into the handshake. The sink makes a
 * record and packs it into bytes for the writer's process, and the writer unpacks it. Both are the same program, so
 * numbers are in host order; the reader still checks every length. Pure.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handshake;

enum store_record_bounds {
	STORE_RECORD_TEXT_MAX = 1024,        /* bytes of one text with its NUL; a longer text is cut */
	STORE_RECORD_DETAIL_MAX = 48 * 1024, /* the whole record as JSON, and the ladder: what is longer is left out */
	STORE_RECORD_PACKED_MAX = 128 * 1024,
};

/* A text of a record. The list is the order on the wire. */
enum store_text {
	STORE_TEXT_EVENT,    /* event.id */
	STORE_TEXT_CORRECTS, /* event.id of the replaced record; "": none */
	STORE_TEXT_SERVER_ADDRESS,
	STORE_TEXT_CLIENT_ADDRESS,
	STORE_TEXT_SERVER_NAME, /* SNI */
	STORE_TEXT_PROCESS,
	STORE_TEXT_EXECUTABLE,
	STORE_TEXT_USER,
	STORE_TEXT_UNIT,
	STORE_TEXT_CONTAINER,
	STORE_TEXT_NAMESPACE,
	STORE_TEXT_POD,
	STORE_TEXT_AUTHORITIES, /* names of the CAs asked for, one a line */
	STORE_TEXT_FAILURE_DETAIL,
	STORE_TEXT_JSON, /* "": this handshake is not kept in full */
	STORE_TEXT_LADDER,
	STORE_TEXT_CLIENT_CERTIFICATE, /* STORE_CERTIFICATE_TEXTS of them */
	STORE_TEXT_SERVER_CERTIFICATE = STORE_TEXT_CLIENT_CERTIFICATE + 6,
	STORE_TEXTS = STORE_TEXT_SERVER_CERTIFICATE + 6,
};

/* The texts of a certificate, from STORE_TEXT_CLIENT_CERTIFICATE or STORE_TEXT_SERVER_CERTIFICATE on. All are "" with redact. */
enum store_certificate_text {
	STORE_CERTIFICATE_SUBJECT,
	STORE_CERTIFICATE_ISSUER,
	STORE_CERTIFICATE_SERIAL,
	STORE_CERTIFICATE_NAMES, /* subjectAltName entries, one a line */
	STORE_CERTIFICATE_KEY,   /* "EC 256" */
	STORE_CERTIFICATE_SIGNATURE,
	STORE_CERTIFICATE_TEXTS,
};

/* A certificate. sha256 "": none was read. */
struct store_certificate {
	char sha256[65];
	uint16_t chain;     /* certificates sent */
	int64_t not_before; /* seconds since the epoch; 0 where not read */
	int64_t not_after;
};

struct store_record {
	int64_t time_us; /* since the epoch: the handshake's start */
	uint64_t duration_us;
	uint16_t server_port;
	uint16_t client_port;
	uint16_t version;  /* ProtocolVersion; 0: not known */
	uint8_t transport; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t role;      /* enum handshake_role */
	uint8_t client_auth;
	uint8_t evidence;
	uint8_t reason;         /* enum unknown_reason */
	uint8_t requested;      /* enum known */
	uint8_t answer;         /* enum answer */
	uint8_t resumed;        /* enum known */
	uint8_t trusted;        /* enum known */
	uint8_t failure;        /* enum failure_reason */
	uint8_t failure_by;     /* enum handshake_side, or FAILURE_BY_NOBODY */
	uint8_t failure_source; /* enum failure_source */
	uint8_t policy_expectation;
	uint8_t policy_result;
	uint32_t process;
	struct store_certificate client;
	struct store_certificate server;
	const char *text[STORE_TEXTS]; /* never NULL */
};

/* Space that the texts of a record point into. */
struct store_record_space {
	char server_address[48];
	char client_address[48];
	char authorities[STORE_RECORD_TEXT_MAX];
	struct {
		char names[STORE_RECORD_TEXT_MAX];
		char key[48];
	} certificate[2]; /* of the client and of the server */
};

_Static_assert(STORE_TEXT_SERVER_CERTIFICATE - STORE_TEXT_CLIENT_CERTIFICATE == STORE_CERTIFICATE_TEXTS,
               "texts of a certificate");

/*
 * Fill in the record of a handshake. With redact, names in certificates and CA names are left out. json and ladder are the
 * texts of the whole handshake, NULL where the handshake is not kept in full. The record points into the handshake and space.
 */
void store_record_of(struct store_record *record, struct store_record_space *space, const struct handshake *handshake,
                     bool redact, const char *json, const char *ladder);

/*
 * Pack into bytes, with room for STORE_RECORD_PACKED_MAX. Returns the number of written bytes, including the length at
 * the start.
 */
size_t store_record_pack(const struct store_record *record, uint8_t *bytes);

/*
 * Unpack the first record of the bytes. Returns how many bytes it took; 0: more bytes are needed; -EBADMSG: the bytes are no record. The
 * texts point into the bytes.
 */
ptrdiff_t store_record_unpack(struct store_record *record, const uint8_t *bytes, size_t length);

#endif /* STORE_RECORD_H */
