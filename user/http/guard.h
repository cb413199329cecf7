/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * http_guard - access to the HTTP server: TLS with or without certificates of clients, and users with passwords, from the file
 * of --web-config. A guard never changes. A reload replaces the guard, and each connection keeps the guard of its start.
 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include "http/basic_auth.h"
#include "http/files.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>

struct http_guard;

/*
 * Make a guard of the texts. path is the name of the configuration file, for messages. Returns 0, or -errno after a message
 * on standard error. The caller holds the guard once.
 */
int http_guard_make(struct http_guard **guard, const char *path, const struct file_texts *texts);

/* Know the passwords that before knows; both may be NULL. To be called before others use guard. */
void http_guard_keep_known(struct http_guard *guard, struct http_guard *before);

/* Take and drop a reference, from any thread. Both functions ignore NULL. */
struct http_guard *http_guard_hold(struct http_guard *guard);
void http_guard_release(struct http_guard *guard);

/* Whether connections are TLS; false for NULL. */
bool http_guard_has_tls(const struct http_guard *guard);

/* Give a session, before its handshake, this guard's certificate and demands. The guard must outlive it. Returns 0 or -EINVAL. */
int http_guard_protect(struct http_guard *guard, gnutls_session_t session);

/* Whether a client has to say who it is: by a password, or by a certificate that is checked. False for NULL. */
bool http_guard_identifies(const struct http_guard *guard);

/* NULL where nobody is asked who he is. */
struct basic_auth_users *http_guard_users(const struct http_guard *guard);

#endif /* HTTP_GUARD_H */
