/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * filter - expressions over the record of a handshake, such as
 *
 *	verdict == rejected_certificate and client.ip in 10.1.0.0/16 and sni matches "*.corp"
 *
 * The man page's section EXPRESSIONS describes the language. A comparison with a field that is not known is neither true
 * nor false, as in SQL; `not`, `and` and `or` follow Kleene's rules; a record matches only if the whole expression is true.
 * `field == null` and `field != null` ask whether the field is known. Pure: no I/O, no clock.
 */
#ifndef FILTER_FILTER_H
#define FILTER_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handshake;
struct filter_node;

enum filter_bounds {
	FILTER_TEXT_MAX = 16384,  /* bytes of an expression */
	FILTER_NODES_MAX = 2048,  /* comparisons, `and`, `or` and `not` in an expression: bounds the recursion, too */
	FILTER_VALUES_MAX = 4096, /* values in all sets of an expression */
	FILTER_ERROR_MAX = 256,
	FILTER_ERROR_TEXT_MAX = FILTER_ERROR_MAX + 256,
};

/* An error in an expression, and its place. */
struct filter_error {
	size_t offset; /* bytes from the begin of the expression */
	size_t length; /* bytes of the wrong part; 0: something is missing at offset */
	char message[FILTER_ERROR_MAX];
};

struct filter;

/*
 * Compile a NUL-terminated expression. Returns 0; -EINVAL, with error filled in; or -ENOMEM, with error filled in. The
 * filter is the caller's to free; it keeps no pointer to text.
 */
int filter_parse(const char *text, struct filter **filter, struct filter_error *error);
void filter_free(struct filter *filter);

/*
 * The error as three lines, each ended by a newline: the message, the expression (as much of it as fits 100 columns, control
 * characters replaced by '?'), and a caret below the place.
 */
void filter_error_text(char text[FILTER_ERROR_TEXT_MAX], const char *expression, const struct filter_error *error);

/* Whether the expression is true of the record. now: seconds since the epoch. A filter that is NULL matches everything. */
bool filter_match(const struct filter *filter, const struct handshake *handshake, int64_t now);

/* Whether the expression asks for certificates, or for handshake.attribution. False for NULL. */
bool filter_needs_certificates(const struct filter *filter);
bool filter_needs_attribution(const struct filter *filter);

/* The compiled expression (filter/node.h), for translations such as SQL. Lives as long as the filter. */
const struct filter_node *filter_root(const struct filter *filter);

#endif /* FILTER_FILTER_H */
