/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * writer - the process that an event names as the writer of a socket.
 */
#ifndef TRACKING_WRITER_H
#define TRACKING_WRITER_H

#include <linux/types.h>

#include "bpf/shared/event.h"
#include "handshake/attribution.h"

struct writer writer_of_event(const struct event_owner *owner);

#endif /* TRACKING_WRITER_H */
