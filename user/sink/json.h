/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report_json - a handshake as one line of JSON with the field names of the Elastic Common Schema.
 */
#ifndef SINK_JSON_H
#define SINK_JSON_H

#include "handshake/handshake.h"

#include <stdbool.h>
#include <stdio.h>

struct json_options {
	bool redact; /* of a client certificate only the fingerprint */
};

/* Write the record and a newline. Returns 0, or -ENOMEM where the line could not be made. */
int json_line(FILE *out, const struct handshake *handshake, const struct json_options *options);

#endif /* SINK_JSON_H */
