// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What TLS libraries hash, as any process on the host may make it up. The input is a list of events, each
 *
 *	1 byte    kind (0 to 3), 4 * handle (0 to 3), 16 * process (0 or 1), 32: the call begins, 64: the event says less than
 *	          its size, 128: another total than its bytes
 *	2 bytes   bytes of data
 *	the data; what the input lacks of it is zeroes
 *
 * Whatever comes, nothing is read beyond an event, nothing leaks, and each report keeps to what a view may say.
 */
#include <linux/types.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tracking/transcript.h"

enum {
	TABLE_HANDSHAKES = 3,
	HANDLES = 4,
	FLAG_BEGINS = 32,
	FLAG_SHORT = 64,
	FLAG_TOTAL = 128,
	EVENTS_MAX = 4000,
};

struct fuzz {
	const uint8_t *data;
	size_t left;
	uint32_t position[HANDLES];
	uint64_t time_ns;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct library_handshake *handshake, void *context)
{
	const struct library_view *view = &handshake->view;

	(void)context;
	if (!view->seen || (view->client_certificate && !view->certificate_request))
		abort();
	if (view->server_finished && !view->server_hello)
		abort();
	if (view->version_1_3 && view->client_finished && !view->server_finished)
		abort();
	if (view->certificate_request && view->client_finished && !view->client_certificate && view->version != 0x0300)
		abort();
	if (handshake->messages > LIBRARY_MESSAGES_MAX || !memchr(handshake->name, '\0', sizeof(handshake->name)))
		abort();
	if (handshake->certificate && strlen(handshake->certificate->subject) >= MESSAGE_NAME_MAX)
		abort();
}

static uint8_t read_byte(struct fuzz *fuzz)
{
	if (!fuzz->left)
		return 0;
	fuzz->left--;
	return *fuzz->data++;
}

static void feed_event(struct fuzz *fuzz, struct transcript_table *table)
{
	uint8_t what = read_byte(fuzz);
	size_t length = read_byte(fuzz) << 8;
	uint8_t handle = what >> 2 & (HANDLES - 1);
	struct library_event *event;
	size_t have;

	length |= read_byte(fuzz);
	length %= LIBRARY_DATA_MAX + 1;
	event = calloc(1, sizeof(*event) + length);
	if (!event)
		return;
	have = length < fuzz->left ? length : fuzz->left;
	memcpy(event->data, fuzz->data, have);
	fuzz->data += have;
	fuzz->left -= have;
	if (what & FLAG_BEGINS)
		fuzz->position[handle] = 0;
	event->kind = what & 3;
	event->handle = handle;
	event->process = what >> 4 & 1;
	event->length = length;
	event->size = sizeof(*event) + length - (what & FLAG_SHORT && length);
	event->position = fuzz->position[handle];
	event->total = event->position + length + (what & FLAG_TOTAL ? 1000 : 0);
	event->time_ns = fuzz->time_ns++;
	memset(event->name, 'x', sizeof(event->name));
	fuzz->position[handle] += length;
	transcript_table_event(table, event);
	free(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct transcript_limits limits = {.handshakes = TABLE_HANDSHAKES};
	struct fuzz fuzz = {.data = data, .left = size};
	struct transcript_table *table = transcript_table_new(&limits, check, NULL);

	if (!table)
		return 0;
	for (int events = 0; fuzz.left && events < EVENTS_MAX; events++)
		feed_event(&fuzz, table);
	transcript_table_free(table);
	return 0;
}
