/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * handshake_record - fills in the record of a handshake (handshake.h), event by event. Knows no connection, no clock and no
 * table: each event comes with the side that spoke.
 */
#ifndef TRACKING_RECORD_H
#define TRACKING_RECORD_H

#include <linux/types.h>

#include "bpf/shared/event.h"
#include "tls/body.h"
#include "handshake/handshake.h"
#include "tls/parse_cache.h"

/* The handshake renegotiates an established connection: all messages are encrypted. */
void handshake_record_renegotiates(struct handshake *handshake);

/* A handshake message begins. */
void handshake_record_message(struct handshake *handshake, enum handshake_side from,
                              const struct event_message *message);

/*
 * The body of a message is complete. CertificateRequest and Certificate are parsed only with a cache: no verdict depends on the
 * content. cache may be NULL.
 */
void handshake_record_body(struct handshake *handshake, enum handshake_side from, const struct body *body,
                           struct parse_cache *cache);

/* ChangeCipherSpec, or an encrypted record. */
void handshake_record_unread(struct handshake *handshake, enum handshake_side from, const struct event_record *record);

/* An alert in cleartext; a fatal one ends the handshake, and so does close_notify. */
void handshake_record_alert(struct handshake *handshake, enum handshake_side from, const struct event_alert *alert);

/* The handshake ended so at time_ns, unless it had ended before. */
void handshake_record_end(struct handshake *handshake, enum handshake_end end, enum handshake_side by,
                          uint64_t time_ns);

/* This side sent bytes that are not TLS. */
void handshake_record_not_tls(struct handshake *handshake, enum handshake_side from, uint64_t time_ns);

/*
 * The handshake has ended: correct ended_by. A side that sent an alert ended the handshake, whoever closed the connection first
 * after the alert (TLS 1.3: the record's length shows the alert).
 */
void handshake_record_blame(struct handshake *handshake);

/* Whether no later event can change the verdict. */
bool handshake_record_ended(const struct handshake *handshake);

/* TLS 1.3: whether the client's flight is complete, and only the server's reaction is open. */
bool handshake_record_waits_for_server(const struct handshake *handshake);

/*
 * TLS 1.3: whether the server has not reacted to an answer yet. It may need any time to look at a certificate: silence alone
 * is not consent.
 */
bool handshake_record_may_be_refused(const struct handshake *handshake);

/* Free what the record holds. */
void handshake_record_release(struct handshake *handshake);

/* Free what a copy holds and the original does not. */
void handshake_record_release_copy(struct handshake *copy, const struct handshake *original);

#endif /* TRACKING_RECORD_H */
