/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * memory - a store without a file, for the handshakes of one run: a question about a capture, or a summary at the end.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "sink/sink.h"
#include "store/database.h"

#include <stdbool.h>

struct store_memory;

/* details: keep handshakes in full. Returns 0, or -errno after a message. */
int store_memory_open(struct store_memory **memory, bool redact, bool details);

/* The sink's close() does nothing: the answers are asked for afterwards. */
struct sink store_memory_sink(struct store_memory *memory);

/* All that was taken, for question_ask(). Lives as long as the memory. */
sqlite3 *store_memory_database(struct store_memory *memory);

void store_memory_free(struct store_memory *memory);

#endif /* STORE_MEMORY_H */
