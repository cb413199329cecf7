/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ledger - folds records into the store: a record is counted in memory and written with all others of the same second
 * in one transaction. Each table has a bound. An entry without a place is counted under a coarser name: a client under
 * its network, a server name under "*", a certificate under none; the counters in meta say how often.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "store/database.h"
#include "store/record.h"

#include <stdint.h>

/* Bounds; 0 stands for the default in brackets. */
struct store_limits {
	uint32_t services;     /* rows of service (10,000) */
	uint32_t names;        /* server names of one address and port (64) */
	uint32_t clients;      /* rows of client (100,000) */
	uint32_t certificates; /* rows of certificate (100,000) */
	uint32_t handshakes;   /* rows of handshake (20,000) */
	uint32_t changes;      /* rows of change (20,000) */
	uint64_t bytes;        /* of the file (512 MiB) */
	uint64_t keep_seconds; /* older than this is deleted (90 days) */
};

/* Counters, kept in the table meta under these names. */
enum store_counter {
	STORE_RECORDS,             /* records: records that were folded */
	STORE_CORRECTED,           /* corrected: records that replaced an earlier record */
	STORE_CORRECTIONS_LATE,    /* corrections_late: the replaced record was not remembered any more: both count */
	STORE_CLIENTS_FOLDED,      /* clients_folded: records counted under a network or under "*" */
	STORE_NAMES_FOLDED,        /* names_folded: records counted under the server name "*" */
	STORE_CERTIFICATES_FOLDED, /* certificates_folded: records counted without their certificate */
	STORE_CELLS_FOLDED,        /* cells_folded: cells of hours that became part of a day's */
	STORE_CELLS_DELETED,       /* cells_deleted */
	STORE_HANDSHAKES_DELETED,  /* handshakes_deleted: of those kept in full */
	STORE_LOST,                /* lost: records that a full disk or a damaged file kept from being written */
	STORE_COUNTERS,
};

struct ledger;

/* Fold into an open store. Returns 0 and a ledger, or -errno after a message. */
int ledger_open(struct ledger **ledger, sqlite3 *database, const struct store_limits *limits);

/* What is in memory and not yet written is lost: call ledger_write() before. */
void ledger_close(struct ledger *ledger);

/* Count a record. Returns 0, or -ENOMEM: the record is not counted. */
int ledger_take(struct ledger *ledger, const struct store_record *record);

/*
 * Write the counts. Returns 0; or -errno: nothing was written, and the counts stay in memory for another attempt, or
 * are dropped and counted as lost beyond the bound.
 */
int ledger_write(struct ledger *ledger);

/* Keep to the bounds of age, rows and bytes as of now (seconds since the epoch): fold and delete the oldest first. Returns 0 or -errno. */
int ledger_tidy(struct ledger *ledger, int64_t now);

uint64_t ledger_counter(const struct ledger *ledger, enum store_counter counter);
const char *ledger_counter_name(enum store_counter counter);

#endif /* STORE_LEDGER_H */
