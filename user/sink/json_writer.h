/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * json_writer - writes JSON (RFC 8259) to a stream directly: without a tree, without memory of its own, in a fixed
 * buffer. The writer adds commas and quotes; the caller provides the order. Keys are plain ASCII constants, names and
 * texts are hostile (escape.h).
 *
 * An object or array that was opened lazily appears with its first member, and not without a member. So an unknown
 * field is left out, and so is an otherwise empty object.
 */
#ifndef SINK_JSON_WRITER_H
#define SINK_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum json_writer_bounds {
	JSON_DEPTH_MAX = 8, /* lazy objects in each other that have no member yet */
	JSON_BUFFER = 8192,
};

struct json_pending {
	const char *key;
	char bracket; /* '{' or '[' */
};

struct json_writer {
	FILE *out;
	size_t used;
	bool comma; /* the next member follows another one */
	uint8_t pending_count;
	struct json_pending pending[JSON_DEPTH_MAX];
	char buffer[JSON_BUFFER];
};

void json_begin(struct json_writer *writer, FILE *out);

/* Write the buffer and a newline. The stream itself is not flushed; its error flag reports a failure. */
void json_end_line(struct json_writer *writer);

/* key is NULL for an element of an array, and for the outermost object. */
void json_open_object(struct json_writer *writer, const char *key);
void json_open_array(struct json_writer *writer, const char *key);
void json_open_lazy_object(struct json_writer *writer, const char *key);
void json_open_lazy_array(struct json_writer *writer, const char *key);

/* Close the innermost object or array. */
void json_close_object(struct json_writer *writer);
void json_close_array(struct json_writer *writer);

/* Text that is not known (NULL or "") is left out. */
void json_add_text(struct json_writer *writer, const char *key, const char *text);
/* The same, but "" is a value. */
void json_add_any_text(struct json_writer *writer, const char *key, const char *text);
void json_add_number(struct json_writer *writer, const char *key, int64_t number);
void json_add_boolean(struct json_writer *writer, const char *key, bool value);
void json_add_null(struct json_writer *writer, const char *key);

#endif /* SINK_JSON_WRITER_H */
