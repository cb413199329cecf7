/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * database - the store's file: opening, the schema and its versions, statements. The tables (docs/store.md describes
 * them):
 *
 *         service, client, certificate, outcome   one row for each, referenced by the numbers in cell
 *         cell            how often a client met a service with an outcome in a span of time (an hour; later a day)
 *         failure         the last failure of a client at a service, for each outcome
 *         change          when a service began or stopped to ask, and similar changes
 *         handshake       the last handshakes in full
 *         meta            counters: folded, deleted and left-out rows
 *
 * Times are seconds since the epoch, except handshake.time_us. Addresses are text.
 */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum store_database_bounds {
	STORE_SCHEMA_VERSION = 2,
	STORE_APPLICATION_ID = 0x6d544c53, /* "mTLS": PRAGMA application_id */
	STORE_HOUR = 3600,
	STORE_DAY = 24 * STORE_HOUR,
};

enum store_database_access {
	STORE_WRITE,  /* created if absent; an older schema is migrated */
	STORE_READ,   /* as another process writes */
	STORE_MEMORY, /* no file: a capture is folded and asked in one process */
};

/*
 * Open the store at path (ignored for STORE_MEMORY). Returns 0, or -errno after a message with the path: the file is no
 * store (-EINVAL), its schema is newer than this program (-EINVAL), it is damaged (-EUCLEAN), it cannot be read or
 * written.
 */
int store_database_open(sqlite3 **database, const char *path, enum store_database_access access);

/* Run statements without results. Returns 0, or -EIO after a message; -ENOSPC where the disk is full. */
int store_database_run(sqlite3 *database, const char *statements);

/* -errno for SQLite's result: -ENOSPC, -EUCLEAN (damaged), -EBUSY, -ENOMEM, -EROFS, otherwise -EIO. */
int store_database_error(int result);

/* The number in the first column of the first row; fallback without a row. */
int64_t store_database_number(sqlite3 *database, const char *query, int64_t fallback);

#endif /* STORE_DATABASE_H */
