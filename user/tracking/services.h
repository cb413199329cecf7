/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * services - which end of a connection is a service that speaks TLS. Bounded: a service takes the place of another service with
 * the same hash. Only the wing tracking/ includes this header.
 */
#ifndef TRACKING_SERVICES_H
#define TRACKING_SERVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/shared/event.h"
#include "handshake/handshake.h"

enum services_bounds {
	SERVICES_MAX = 4096,
};

/* A service. family 0: any address. */
struct service {
	struct endpoint endpoint;
	uint8_t family; /* 4 or 6 */
	bool used;
};

/* All zeroes is an empty set. */
struct services {
	struct service service[SERVICES_MAX];
};

void services_add(struct services *services, const struct endpoint *endpoint, uint8_t family);

/*
 * The direction in which the client of a connection sends, if just one end is a service: EVENT_SENT or EVENT_RECEIVED.
 * EVENT_DIRECTIONS: no end is, or both are.
 */
uint8_t services_client_direction(const struct services *services, const struct event_open *open);

#endif /* TRACKING_SERVICES_H */
