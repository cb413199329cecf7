/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * recorder - writes events down as text, one a line, so that two sequences of them can be compared and both shown:
 *
 *	message TYPE LENGTH VERSION [ssl2]     body TYPE POSITION+COUNT
 *	record TYPE LENGTH VERSION             alert LEVEL DESCRIPTION             not_tls
 *
 * Chunks of a body that follow each other are one line, whatever the chunks were. Its bytes are either compared with
 * the pattern of stream_message() ("damaged" where they differ) or told by a hash.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/shared/event.h"

struct recorder {
	char *text; /* "" or lines; NULL before the first */
	size_t length;
	size_t capacity;
	bool hash_bodies; /* any bytes: tell their hash */
	bool no_bodies;   /* leave them out */
	bool in_body;     /* a body line is being put together */
	bool damaged;
	uint8_t type;
	uint32_t position;
	uint32_t end;
	uint32_t hash;
};

/* What stream_message() fills bodies with. */
static inline uint8_t recorder_pattern(uint8_t type, uint32_t position)
{
	return type * 16 + position % 251;
}

static inline void recorder_free(struct recorder *recorder)
{
	free(recorder->text);
	*recorder = (struct recorder){
		.hash_bodies = recorder->hash_bodies,
		.no_bodies = recorder->no_bodies,
	};
}

static inline __attribute__((format(printf, 2, 3))) void recorder_line(struct recorder *recorder, const char *format,
                                                                       ...)
{
	char line[96];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (recorder->length + length + 1 > recorder->capacity) {
		recorder->capacity = 2 * (recorder->length + length + 1);
		recorder->text = realloc(recorder->text, recorder->capacity);
		if (!recorder->text)
			abort();
	}
	memcpy(recorder->text + recorder->length, line, length + 1);
	recorder->length += length;
}

static inline void recorder_end_body(struct recorder *recorder)
{
	if (!recorder->in_body)
		return;
	recorder->in_body = false;
	if (recorder->hash_bodies)
		recorder_line(recorder, "body %u %u+%u %08x\n", recorder->type, recorder->position,
		              recorder->end - recorder->position, recorder->hash);
	else
		recorder_line(recorder, "body %u %u+%u%s\n", recorder->type, recorder->position,
		              recorder->end - recorder->position, recorder->damaged ? " damaged" : "");
}

static inline void recorder_body(struct recorder *recorder, uint8_t type, uint32_t position, const uint8_t *data,
                                 size_t length)
{
	size_t i;

	if (!recorder->in_body || recorder->type != type || recorder->end != position) {
		recorder_end_body(recorder);
		recorder->in_body = true;
		recorder->damaged = false;
		recorder->type = type;
		recorder->position = position;
		recorder->end = position;
		recorder->hash = 2166136261;
	}
	for (i = 0; i < length; i++) {
		recorder->hash = (recorder->hash ^ data[i]) * 16777619;
		recorder->damaged |= data[i] != recorder_pattern(type, recorder->end);
		recorder->end++;
	}
}

/* What event.size has to be. */
static inline uint32_t recorder_size(const struct event *event)
{
	switch (event->kind) {
	case EVENT_MESSAGE:
		return sizeof(struct event_message);
	case EVENT_BODY:
		return sizeof(struct event_bytes) + ((const struct event_bytes *)event)->length;
	case EVENT_RECORD:
		return sizeof(struct event_record);
	case EVENT_ALERT:
		return sizeof(struct event_alert);
	default:
		return sizeof(struct event);
	}
}

/* A sink of events: context is the recorder. */
static inline void recorder_event(const struct event *event, void *context)
{
	const struct event_message *message = (const void *)event;
	const struct event_record *record = (const void *)event;
	const struct event_bytes *bytes = (const void *)event;
	const struct event_alert *alert = (const void *)event;
	struct recorder *recorder = context;

	if (event->size != recorder_size(event))
		recorder_line(recorder, "kind %u of %u bytes, not %u\n", event->kind, event->size,
		              recorder_size(event));
	if (event->kind == EVENT_BODY && recorder->no_bodies)
		return;
	if (event->kind == EVENT_BODY) {
		recorder_body(recorder, bytes->type, bytes->position, bytes->data, bytes->length);
		return;
	}
	recorder_end_body(recorder);
	if (event->kind == EVENT_MESSAGE)
		recorder_line(recorder, "message %u %u %04x%s\n", message->type, message->length, message->version,
		              message->ssl2 ? " ssl2" : "");
	else if (event->kind == EVENT_RECORD)
		recorder_line(recorder, "record %u %u %04x\n", record->type, record->length, record->version);
	else if (event->kind == EVENT_ALERT)
		recorder_line(recorder, "alert %u %u\n", alert->level, alert->description);
	else if (event->kind == EVENT_NOT_TLS)
		recorder_line(recorder, "not_tls\n");
	else
		recorder_line(recorder, "unexpected kind %u\n", event->kind);
}

/* All that was recorded. */
static inline const char *recorder_text(struct recorder *recorder)
{
	recorder_end_body(recorder);
	return recorder->text ?: "";
}

#endif /* RECORDER_H */
