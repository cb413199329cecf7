// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stream/walk.h"

#include <string.h>

/* Where events come from and go to. */
struct walk_output {
	const struct event *origin;
	walk_sink sink;
	void *context;
};

/* The largest event with bytes that is made here. */
union walk_bytes_event {
	struct event_bytes bytes;
	uint8_t room[sizeof(struct event_bytes) + EVENT_BYTES_LARGE];
};

static struct event walk_event(const struct walk_output *output, uint8_t kind, uint32_t size)
{
	return (struct event){
		.size = size,
		.kind = kind,
		.direction = output->origin->direction,
		.connection = output->origin->connection,
		.time_ns = output->origin->time_ns,
	};
}

static void walk_tell_message(const struct walk_output *output, const struct tls_walk_event *found)
{
	struct event_message message = {
		.event = walk_event(output, EVENT_MESSAGE, sizeof(message)),
		.length = found->length,
		.version = found->version,
		.type = found->type,
		.ssl2 = found->ssl2,
	};

	output->sink(&message.event, output->context);
}

static void walk_tell_record(const struct walk_output *output, const struct tls_walk_event *found)
{
	struct event_record record = {
		.event = walk_event(output, EVENT_RECORD, sizeof(record)),
		.length = found->length,
		.version = found->version,
		.type = found->type,
	};

	output->sink(&record.event, output->context);
}

static void walk_tell_alert(const struct walk_output *output, const struct tls_walk_event *found)
{
	struct event_alert alert = {
		.event = walk_event(output, EVENT_ALERT, sizeof(alert)),
		.level = found->level,
		.description = found->description,
	};

	output->sink(&alert.event, output->context);
}

static void walk_tell_not_tls(const struct walk_output *output)
{
	struct event event = walk_event(output, EVENT_NOT_TLS, sizeof(event));

	output->sink(&event, output->context);
}

static void walk_tell(const struct walk_output *output, const struct tls_walk_event *found)
{
	switch (found->kind) {
	case TLS_WALK_EVENT_MESSAGE:
		walk_tell_message(output, found);
		break;
	case TLS_WALK_EVENT_RECORD:
		walk_tell_record(output, found);
		break;
	case TLS_WALK_EVENT_ALERT:
		walk_tell_alert(output, found);
		break;
	case TLS_WALK_EVENT_NOT_TLS:
		walk_tell_not_tls(output);
		break;
	}
}

static void walk_tell_body(const struct walk_output *output, const struct tls_walk *walk, const uint8_t *data,
                           size_t length)
{
	uint32_t position = walk->message_length - walk->message_left;
	union walk_bytes_event event;
	uint16_t count;

	while (length) {
		count = length < EVENT_BYTES_LARGE ? length : EVENT_BYTES_LARGE;
		event.bytes = (struct event_bytes){
			.event = walk_event(output, EVENT_BODY, sizeof(event.bytes) + count),
			.position = position,
			.length = count,
			.type = walk->message_type,
		};
		memcpy(event.bytes.data, data, count);
		output->sink(&event.bytes.event, output->context);
		data += count;
		length -= count;
		position += count;
	}
}

static size_t walk_read(struct tls_walk *walk, const uint8_t *data, size_t length, const struct walk_output *output)
{
	uint32_t wanted = tls_walk_wanted(walk);
	uint8_t header[TLS_WALK_READ_MAX] = {};
	struct tls_walk_event found;
	size_t count = length < wanted ? length : wanted;

	/* a damaged state, see walk_bytes() */
	if (wanted > sizeof(header))
		return 0;
	memcpy(header, data, count);
	found = tls_walk_read(walk, header, count);
	walk_tell(output, &found);
	return count;
}

static size_t walk_pass(struct tls_walk *walk, const uint8_t *data, size_t length, const struct walk_output *output)
{
	uint32_t passable = tls_walk_passable(walk);
	size_t count = length < passable ? length : passable;

	if (tls_walk_in_body(walk) && tls_walk_body_matters(walk))
		walk_tell_body(output, walk, data, count);
	tls_walk_pass(walk, count);
	return count;
}

size_t walk_bytes(struct tls_walk *walk, const uint8_t *data, size_t length, const struct event *origin, walk_sink sink,
                  void *context)
{
	struct walk_output output = {.origin = origin, .sink = sink, .context = context};
	size_t walked = 0;
	size_t count;

	while (walked < length && !tls_walk_ended(walk)) {
		if (tls_walk_wanted(walk))
			count = walk_read(walk, data + walked, length - walked, &output);
		else
			count = walk_pass(walk, data + walked, length - walked, &output);
		/* the walker itself never leaves such a state: the state arrived damaged */
		if (count == 0)
			break;
		walked += count;
	}
	return walked;
}
