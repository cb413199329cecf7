// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/json_writer.h"

#include <string.h>

#include "system/escape.h"

enum {
	NUMBER_TEXT_MAX = sizeof("-9223372036854775808"),
};

void json_begin(struct json_writer *writer, FILE *out)
{
	writer->out = out;
	writer->used = 0;
	writer->comma = false;
	writer->pending_count = 0;
}

static void flush(struct json_writer *writer)
{
	fwrite(writer->buffer, 1, writer->used, writer->out);
	writer->used = 0;
}

static void write_bytes(struct json_writer *writer, const char *bytes, size_t length)
{
	if (length > sizeof(writer->buffer) - writer->used)
		flush(writer);
	if (length > sizeof(writer->buffer)) {
		fwrite(bytes, 1, length, writer->out);
		return;
	}
	memcpy(writer->buffer + writer->used, bytes, length);
	writer->used += length;
}

static void write_byte(struct json_writer *writer, char byte)
{
	if (writer->used == sizeof(writer->buffer))
		flush(writer);
	writer->buffer[writer->used++] = byte;
}

void json_end_line(struct json_writer *writer)
{
	write_byte(writer, '\n');
	flush(writer);
}

/* The comma before a member, and its key. */
static void write_key(struct json_writer *writer, const char *key)
{
	if (writer->comma)
		write_byte(writer, ',');
	writer->comma = true;
	if (!key)
		return;
	write_byte(writer, '"');
	write_bytes(writer, key, strlen(key));
	write_bytes(writer, "\":", 2);
}

static void write_bracket(struct json_writer *writer, const char *key, char bracket)
{
	write_key(writer, key);
	write_byte(writer, bracket);
	writer->comma = false;
}

/* A member comes: the lazy objects around it appear. */
static void settle(struct json_writer *writer)
{
	for (uint8_t index = 0; index < writer->pending_count; index++)
		write_bracket(writer, writer->pending[index].key, writer->pending[index].bracket);
	writer->pending_count = 0;
}

static void begin_member(struct json_writer *writer, const char *key)
{
	if (writer->pending_count)
		settle(writer);
	write_key(writer, key);
}

static void open_eagerly(struct json_writer *writer, const char *key, char bracket)
{
	settle(writer);
	write_bracket(writer, key, bracket);
}

static void open_lazily(struct json_writer *writer, const char *key, char bracket)
{
	if (writer->pending_count == JSON_DEPTH_MAX)
		settle(writer);
	writer->pending[writer->pending_count++] = (struct json_pending){key, bracket};
}

void json_open_object(struct json_writer *writer, const char *key)
{
	open_eagerly(writer, key, '{');
}

void json_open_array(struct json_writer *writer, const char *key)
{
	open_eagerly(writer, key, '[');
}

void json_open_lazy_object(struct json_writer *writer, const char *key)
{
	open_lazily(writer, key, '{');
}

void json_open_lazy_array(struct json_writer *writer, const char *key)
{
	open_lazily(writer, key, '[');
}

static void close_bracket(struct json_writer *writer, char bracket)
{
	if (writer->pending_count) {
		writer->pending_count--;
		return;
	}
	write_byte(writer, bracket);
	writer->comma = true;
}

void json_close_object(struct json_writer *writer)
{
	close_bracket(writer, '}');
}

void json_close_array(struct json_writer *writer)
{
	close_bracket(writer, ']');
}

void json_add_any_text(struct json_writer *writer, const char *key, const char *text)
{
	char escape[ESCAPE_JSON_MAX];
	size_t span;

	begin_member(writer, key);
	write_byte(writer, '"');
	for (;;) {
		span = escape_json_span(text);
		write_bytes(writer, text, span);
		text += span;
		if (!*text)
			break;
		text += escape_json_character(text, escape);
		write_bytes(writer, escape, strlen(escape));
	}
	write_byte(writer, '"');
}

void json_add_text(struct json_writer *writer, const char *key, const char *text)
{
	if (text && *text)
		json_add_any_text(writer, key, text);
}

void json_add_number(struct json_writer *writer, const char *key, int64_t number)
{
	char text[NUMBER_TEXT_MAX];
	char *digit = text + sizeof(text);
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

	do
		*--digit = '0' + rest % 10;
	while (rest /= 10);
	if (number < 0)
		*--digit = '-';
	begin_member(writer, key);
	write_bytes(writer, digit, text + sizeof(text) - digit);
}

void json_add_boolean(struct json_writer *writer, const char *key, bool value)
{
	begin_member(writer, key);
	write_bytes(writer, value ? "true" : "false", value ? 4 : 5);
}

void json_add_null(struct json_writer *writer, const char *key)
{
	begin_member(writer, key);
	write_bytes(writer, "null", 4);
}
