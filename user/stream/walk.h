/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * walk - the loop around the walker (tls_walk.h) over bytes in memory: the results come out as the kernel's events for
 * the same bytes.
 */
#ifndef STREAM_WALK_H
#define STREAM_WALK_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared/event.h"

/* Takes an event; valid until the function returns. */
typedef void (*walk_sink)(const struct event *event, void *context);

/*
 * Walk length bytes of data, the next bytes of the direction; the caller calls tls_walk_segment() at the beginning of a
 * segment. The events have origin's connection, direction and time. Returns the number of walked bytes: fewer than
 * length only if the walk ended.
 */
size_t walk_bytes(struct tls_walk *walk, const uint8_t *data, size_t length, const struct event *origin, walk_sink sink,
                  void *context);

#endif /* STREAM_WALK_H */
