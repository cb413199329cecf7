/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rows - the rows referenced by cells: services, clients, certificates and outcomes. Each is looked up by its contents,
 * and recent rows are found in memory. rows_write() writes the changed columns (last seen, process, ...).
 */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "store/database.h"
#include "store/ledger.h"
#include "store/record.h"

#include <stdbool.h>
#include <stdint.h>

enum rows_ids {
	ROW_NONE = 0, /* no certificate; of a client or a service: it has no row, and the record is counted under "*" */
};

struct rows;

struct rows *rows_new(sqlite3 *database, const struct store_limits *limits, uint64_t *counters);
void rows_free(struct rows *rows);

/*
 * The id of each row, created if absent. Negative: -errno. rows_service() also notices changes of the service since its
 * last record (table change).
 */
int64_t rows_service(struct rows *rows, const struct store_record *record, int64_t certificate);
int64_t rows_client(struct rows *rows, const struct store_record *record);
int64_t rows_client_certificate(struct rows *rows, const struct store_record *record);
int64_t rows_server_certificate(struct rows *rows, const struct store_record *record);
int64_t rows_outcome(struct rows *rows, const struct store_record *record);

/* Write what changed of the rows in memory. Returns 0 or -errno. Within a transaction of the caller. */
int rows_write(struct rows *rows);

/* Forget all rows in memory: a transaction was rolled back, and ids may be wrong. */
void rows_forget(struct rows *rows);

/* Whether record speaks of a failure that the table failure keeps. */
bool rows_failed(const struct store_record *record);

#endif /* STORE_ROWS_H */
