/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * json_parts - the parts of a line of JSON: each writes members of the outermost object.
 */
#ifndef SINK_JSON_PARTS_H
#define SINK_JSON_PARTS_H

#include "sink/json.h"
#include "sink/json_writer.h"

/* A line on its way. */
struct json_parts {
	struct json_writer writer;
	const struct handshake *handshake;
	const struct json_options *options;
};

/* process, user, systemd, container, orchestrator, kubernetes */
void json_add_origin(struct json_parts *parts);

/* tls */
void json_add_tls(struct json_parts *parts);

/* mtls */
void json_add_mtls(struct json_parts *parts);

/* true, false, or null where it is not known; known is an enum known. */
void json_add_known(struct json_writer *writer, const char *key, uint8_t known);

enum json_parts_units {
	NANOSECONDS_PER_MICROSECOND = 1000,
	NANOSECONDS_PER_SECOND = 1000000000,
};

#endif /* SINK_JSON_PARTS_H */
