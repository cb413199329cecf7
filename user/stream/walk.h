/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * walk - the loop around the walker (tls_walk.h) over bytes in memory: what it finds comes out as the events that the
 * kernel makes of the same bytes.
 */
#ifndef STREAM_WALK_H
#define STREAM_WALK_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared/event.h"

/* Takes an event; it is the callee's to read until it returns. */
typedef void (*walk_sink)(const struct event *event, void *context);

/*
 * Walk length bytes of data, the next ones of the direction; tls_walk_segment() is the caller's to call where they begin a
 * segment. The events are of origin's connection and direction, and have its time. Returns how many bytes were walked:
 * fewer than length only where the walk ended.
 */
size_t walk_bytes(struct tls_walk *walk, const uint8_t *data, size_t length, const struct event *origin, walk_sink sink,
                  void *context);

#endif /* STREAM_WALK_H */
