/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * json - a handshake as one line of JSON with the field names of the Elastic Common Schema.
 */
#ifndef SINK_JSON_H
#define SINK_JSON_H

#include "handshake/handshake.h"
#include "sink/host.h"

#include <stdbool.h>
#include <stdio.h>

struct json_options {
	/*
	 * Of certificates only the fingerprint, of a failure only its reason: no names, dates and serial numbers of
	 * certificates, no user, no command line, no hints.
	 */
	bool redact;
	const struct host *host; /* where the handshake was seen; NULL: not known */
};

/* Write the record and a newline. Returns 0, or -EIO where the stream has failed. */
int json_line(FILE *out, const struct handshake *handshake, const struct json_options *options);

#endif /* SINK_JSON_H */
