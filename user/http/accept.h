/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * accept - what a field Accept of an HTTP request (RFC 9110 section 12.5.1) says of a media type. Quoted strings are not
 * read: no type here has a parameter that needs one.
 */
#ifndef HTTP_ACCEPT_H
#define HTTP_ACCEPT_H

/*
 * How much a media type is wanted, "text/plain" say, with its parameter version: the weight (RFC 9110 section 12.4.2)
 * and, where two weigh the same, how exactly the type is named. 0 where it is not. Only good to be compared.
 */
unsigned accept_rank(const char *accept, const char *type, const char *version);

#endif /* HTTP_ACCEPT_H */
