// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/memory.h"

#include <errno.h>
#include <stdlib.h>

#include "handshake/handshake.h"
#include "store/detail.h"
#include "store/ledger.h"
#include "store/record.h"

enum {
	WRITE_EACH = 256, /* records: the ledger holds so many in full */
	HANDSHAKES_MAX = 1 << 20,
};

struct store_memory {
	sqlite3 *database;
	struct ledger *ledger;
	bool redact;
	bool details;
	uint32_t taken; /* since the last write */
};

int store_memory_open(struct store_memory **result, bool redact, bool details)
{
	const struct store_limits limits = {.bytes = UINT64_MAX, .handshakes = HANDSHAKES_MAX};
	struct store_memory *memory = calloc(1, sizeof(*memory));
	int error;

	if (!memory)
		return -ENOMEM;
	memory->redact = redact;
	memory->details = details;
	error = store_database_open(&memory->database, NULL, STORE_MEMORY);
	if (!error)
		error = ledger_open(&memory->ledger, memory->database, &limits);
	if (error) {
		store_memory_free(memory);
		return error;
	}
	*result = memory;
	return 0;
}

static int take(void *state, const struct handshake *handshake)
{
	struct store_memory *memory = state;
	struct detail_texts texts = {};
	struct store_record_space space;
	struct store_record record;
	int error;

	if (memory->details)
		texts = detail_texts_of(handshake, memory->redact);
	store_record_of(&record, &space, handshake, memory->redact, texts.json, texts.ladder);
	error = ledger_take(memory->ledger, &record);
	detail_texts_free(&texts);
	if (error || ++memory->taken < WRITE_EACH)
		return error;
	memory->taken = 0;
	return ledger_write(memory->ledger);
}

struct sink store_memory_sink(struct store_memory *memory)
{
	static const struct sink_class class = {.name = "memory", .take = take};

	return (struct sink){.class = &class,
	                     .state = memory,
	                     .needs = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_ATTRIBUTION | SINK_NEEDS_HINTS};
}

sqlite3 *store_memory_database(struct store_memory *memory)
{
	ledger_write(memory->ledger);
	return memory->database;
}

void store_memory_free(struct store_memory *memory)
{
	if (!memory)
		return;
	ledger_close(memory->ledger);
	sqlite3_close(memory->database);
	free(memory);
}
