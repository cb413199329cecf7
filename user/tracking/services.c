// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <linux/types.h>

#include "tracking/services.h"

#include <string.h>

/* FNV-1a */
static uint32_t place_of(const struct endpoint *endpoint, uint8_t family)
{
	uint32_t hash = 2166136261u ^ family ^ (uint32_t)endpoint->port << 8;

	for (size_t index = 0; index < sizeof(endpoint->address); index++)
		hash = (hash ^ endpoint->address[index]) * 16777619u;
	return (hash ^ hash >> 16) % SERVICES_MAX;
}

static bool same(const struct service *service, const struct endpoint *endpoint, uint8_t family)
{
	return service->used && service->family == family && service->endpoint.port == endpoint->port &&
	       !memcmp(service->endpoint.address, endpoint->address, sizeof(endpoint->address));
}

void services_add(struct services *services, const struct endpoint *endpoint, uint8_t family)
{
	services->service[place_of(endpoint, family)] =
		(struct service){.endpoint = *endpoint, .family = family, .used = true};
}

static bool has(const struct services *services, const struct endpoint *endpoint, uint8_t family)
{
	return same(&services->service[place_of(endpoint, family)], endpoint, family);
}

static bool is_service(const struct services *services, const __u8 *address, uint16_t port, uint8_t family)
{
	struct endpoint endpoint = {.port = port};

	if (has(services, &endpoint, 0))
		return true;
	memcpy(endpoint.address, address, sizeof(endpoint.address));
	return has(services, &endpoint, family);
}

uint8_t services_client_direction(const struct services *services, const struct event_open *open)
{
	bool local = is_service(services, open->local_address, open->local_port, open->family);
	bool remote = is_service(services, open->remote_address, open->remote_port, open->family);

	if (local == remote)
		return EVENT_DIRECTIONS;
	return local ? EVENT_RECEIVED : EVENT_SENT;
}
