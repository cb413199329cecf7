// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/writer.h"

#include <string.h>

struct writer writer_of_event(const struct event_owner *owner)
{
	struct writer writer = {
		.process = owner->process,
		.user = owner->user,
		.start_ns = owner->start_ns,
		.cgroup = owner->cgroup,
		.network_namespace = owner->network_namespace,
		.followed = owner->followed,
	};

	memcpy(writer.name, owner->process_name, sizeof(writer.name));
	writer.name[sizeof(writer.name) - 1] = '\0';
	return writer;
}
