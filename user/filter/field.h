/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * field - the fields of a record in expressions, and the values of fields.
 */
#ifndef FILTER_FIELD_H
#define FILTER_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake/handshake.h"

enum filter_field {
	FIELD_VERDICT,
	FIELD_REQUESTED,
	FIELD_ANSWER,
	FIELD_TRUSTED,
	FIELD_EVIDENCE,
	FIELD_REASON,
	FIELD_FAILURE_REASON,
	FIELD_FAILURE_BY,
	FIELD_ROLE,
	FIELD_VERSION,
	FIELD_CIPHER,
	FIELD_SNI,
	FIELD_ALPN,
	FIELD_SERVER_IP,
	FIELD_SERVER_PORT,
	FIELD_CLIENT_IP,
	FIELD_CLIENT_PORT,
	FIELD_SERVICE,
	FIELD_PROCESS_NAME,
	FIELD_PROCESS_PID,
	FIELD_USER_NAME,
	FIELD_UNIT,
	FIELD_CONTAINER,
	FIELD_POD,
	FIELD_NAMESPACE,
	FIELD_SUBJECT,
	FIELD_ISSUER,
	FIELD_SERIAL,
	FIELD_NAMES,
	FIELD_NOT_AFTER,
	FIELD_DURATION,
	FIELD_RESUMED,
	FIELD_POLICY,
	FIELDS,
};

enum filter_type {
	FILTER_WORD,     /* from a fixed list of words */
	FILTER_TEXT,     /* any text */
	FILTER_NUMBER,   /* an unsigned number */
	FILTER_BOOLEAN,  /* 0 or 1 */
	FILTER_VERSION,  /* a protocol's version, ordered by rank */
	FILTER_ADDRESS,  /* an IP address */
	FILTER_DURATION, /* nanoseconds */
	FILTER_TIME,     /* seconds since the epoch */
};

enum filter_field_bounds {
	FIELD_TEXT_MAX = 64, /* "[IPv6 address]:port" */
};

/* Properties of a field. */
struct filter_field_information {
	const char *name;
	const char *description; /* for the man page and for errors */
	enum filter_type type;
	bool fold_case; /* a text: upper and lower case are equal */
	bool multiple;  /* a record has any number of values: a comparison is true if a single value passes */
	const char *(*word)(size_t index); /* FILTER_WORD: the words, until NULL */
};

/* The value of a field in a record. */
struct field_value {
	bool known;
	bool incomplete; /* a multiple field: the record keeps only some of the values */
	int64_t number;  /* every type but FILTER_WORD, FILTER_TEXT and FILTER_ADDRESS */
	const char *text;
	const struct certificate *names; /* a multiple field: the values are the certificate's alternative names */
	const struct endpoint *endpoint; /* FILTER_ADDRESS */
	uint8_t family;                  /* FILTER_ADDRESS: 4 or 6 */
	char buffer[FIELD_TEXT_MAX];     /* text may point here */
};

const struct filter_field_information *filter_field_information(enum filter_field field);

/* The field with the name or alias; FIELDS: no such field. */
enum filter_field filter_field_find(const char *name);

/* The known name nearest to an unknown name; NULL: no name is near. */
const char *filter_field_suggest(const char *name);

/* The field's word nearest to text; NULL: no word is near. */
const char *filter_word_suggest(enum filter_field field, const char *text);

/* An alias and its field, by number; NULL after the last alias. */
const char *filter_field_alias(size_t index, enum filter_field *field);

/* Read the field of a record. What the record does not know is not known. The value points into the record, or itself. */
void filter_field_read(enum filter_field field, const struct handshake *handshake, struct field_value *value);

/*
 * Versions in order, by the number that tls.version shows: SSL "2.0" is 0, SSL "3.0" is 1, then "0.9" (DTLS) to "1.3". -1: not a
 * known version.
 */
int filter_version_rank(const char *number);

#endif /* FILTER_FIELD_H */
