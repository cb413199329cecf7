/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * web - the page on the metrics port and the API behind it: GET /, /app.js, /style.css, /chart.js and GET /api/v1/...
 * (docs/api.md). Read-only. The page shows names and certificates only if --web-config identifies the client, or on a
 * loopback address to a browser that asked for a loopback name: another site's page cannot reach the server by a
 * foreign name (DNS rebinding).
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "http/server.h"
#include "sink/sink.h"

#include <stdbool.h>
#include <sys/socket.h>

struct web_options {
	const char *store; /* path of the store; NULL: no store, and the page has only current handshakes */
	const struct sockaddr_storage *address;
	bool redact;
};

struct web;

/* Before threads and before privileges are given up. Returns 0, or -errno after a message. */
int web_open(struct web **web, const struct web_options *options);
void web_close(struct web *web);

/* The page's sink, for current handshakes. The sink's close() does nothing. */
struct sink web_sink(struct web *web);

/*
 * Answer a request if the path belongs to the page; false: another path. identified: --web-config identified the
 * client. In the server's thread.
 */
bool web_answer(struct web *web, const struct http_request *request, bool identified, struct http_answer *answer);

#endif /* WEB_WEB_H */
