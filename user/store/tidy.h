/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tidy - keeps a store within its bounds. Age: older data is deleted. Bytes: first the oldest hours become days, then
 * the clients of the oldest days are merged, then the oldest days are deleted; full handshakes are deleted before all
 * these. Each step is counted.
 */
#ifndef STORE_TIDY_H
#define STORE_TIDY_H

#include "store/database.h"
#include "store/ledger.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Returns 0 or -errno. by_age: look for old data, too, which reads the whole store. counters are the ledger's, which
 * writes them with its next record.
 */
int tidy(sqlite3 *database, const struct store_limits *limits, int64_t now, bool by_age,
         uint64_t counters[STORE_COUNTERS]);

/* Bytes of the store's pages that are in use. */
int64_t tidy_bytes(sqlite3 *database);

#endif /* STORE_TIDY_H */
