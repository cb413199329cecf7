/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * accept - the weight of a media type in a field Accept of an HTTP request (RFC 9110 section 12.5.1). Quoted strings
 * are not read: no type here needs a quoted parameter.
 */
#ifndef HTTP_ACCEPT_H
#define HTTP_ACCEPT_H

/*
 * The weight of a media type, for example "text/plain", with its parameter version (RFC 9110 section 12.4.2) and,
 * between equal weights, the exactness of the match. 0 if absent. Useful only for comparisons.
 */
unsigned accept_rank(const char *accept, const char *type, const char *version);

#endif /* HTTP_ACCEPT_H */
