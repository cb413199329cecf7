/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * http - a small HTTP server in a thread of its own. The server answers GET and HEAD, one request per connection, and
 * knows nothing about the content.
 *
 * Clients may be hostile: there are at most 56 connections, each with 8 KiB for the request and 10 s in total,
 * including a TLS handshake. If connections get crowded, the oldest connection without a complete request gives way,
 * so the server always hears a new connection. A client in an unfinished TLS handshake has no complete request. At
 * most 8 answers without an end (http_stream) run at once, each for an hour at most.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/guard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* A request. The texts live until the call returns. */
struct http_request {
	const char *path;       /* without the query, with unresolved escapes */
	const char *accept;     /* the field Accept; NULL if absent */
	const char *host;       /* the field Host; NULL if absent */
	bool identified;        /* the guard has checked a password or a certificate */
	const void *connection; /* for http_argument() */
};

/* The argument of the query with this name, with escapes resolved, in text; false: absent or too long. */
bool http_argument(const struct http_request *request, const char *name, char *text, size_t size);

/*
 * Fill in the next bytes of an answer without an end; 0: no bytes now, ask again in half a second. position is the
 * stream's own number, 0 at first. Called in the server's thread.
 */
typedef size_t (*http_stream)(void *context, uint64_t *position, char *bytes, size_t size);

struct http_answer {
	unsigned status; /* 200, 404, ... */
	const char *content_type;
	char *body; /* from malloc(): freed by the server; NULL: out of memory */
	size_t length;
	const char *constant;    /* not NULL: the body, not freed */
	const char *disposition; /* of a file to be saved; NULL if absent */
	http_stream stream;      /* not NULL: the body has no end */
	void *stream_context;
	uint64_t stream_position;
};

/* Answer a request. Called in the server's thread. */
typedef void (*http_handler)(const struct http_request *request, struct http_answer *answer, void *context);

struct http;

/*
 * Listen on address (AF_INET or AF_INET6), as the guard says; NULL: plain HTTP for everybody. Nothing is read and no thread
 * runs yet, so the caller can give up the privileges for listening before http_start(). Returns 0, or -errno after a message on
 * standard error.
 */
int http_open(struct http **http, const struct sockaddr_storage *address, struct http_guard *guard,
              http_handler handler, void *context);

/* Start the thread that answers and the thread for passwords, with the caller's privileges. 0, or -errno after a message. */
int http_start(struct http *http);

/* Use this guard from the next connection on. The guard must have TLS if and only if the previous guard has TLS. */
void http_set_guard(struct http *http, struct http_guard *guard);

/* Stop answering, and free all. */
void http_close(struct http *http);

#endif /* HTTP_SERVER_H */
