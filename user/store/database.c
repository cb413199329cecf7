// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "system/log.h"

enum {
	BUSY_MS = 2000, /* a reader that begins while the writer checkpoints waits so long */
	FILE_MODE_MASK = 0027,
};

/* Each entry brings a store from the version of its index to the next. The first makes an empty file a store. */
static const char *const migrations[STORE_SCHEMA_VERSION] = {
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE service(id INTEGER PRIMARY KEY, address TEXT NOT NULL, port INTEGER NOT NULL,"
	" transport INTEGER NOT NULL, name TEXT NOT NULL, process TEXT NOT NULL DEFAULT '',"
	" executable TEXT NOT NULL DEFAULT '', user TEXT NOT NULL DEFAULT '', unit TEXT NOT NULL DEFAULT '',"
	" container TEXT NOT NULL DEFAULT '', namespace TEXT NOT NULL DEFAULT '', pod TEXT NOT NULL DEFAULT '',"
	" first INTEGER NOT NULL, last INTEGER NOT NULL, asks INTEGER, authorities TEXT NOT NULL DEFAULT '',"
	" certificate INTEGER NOT NULL DEFAULT 0, UNIQUE(address, port, transport, name));"
	"CREATE TABLE client(id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, process TEXT NOT NULL DEFAULT '',"
	" unit TEXT NOT NULL DEFAULT '', container TEXT NOT NULL DEFAULT '', namespace TEXT NOT NULL DEFAULT '',"
	" pod TEXT NOT NULL DEFAULT '', first INTEGER NOT NULL, last INTEGER NOT NULL);"
	"CREATE TABLE certificate(id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, subject TEXT NOT NULL,"
	" issuer TEXT NOT NULL, serial TEXT NOT NULL, names TEXT NOT NULL, key TEXT NOT NULL,"
	" signature TEXT NOT NULL, not_before INTEGER, not_after INTEGER, chain INTEGER NOT NULL,"
	" by_client INTEGER NOT NULL DEFAULT 0, by_server INTEGER NOT NULL DEFAULT 0,"
	" first INTEGER NOT NULL, last INTEGER NOT NULL);"
	"CREATE INDEX certificate_not_after ON certificate(not_after);"
	"CREATE TABLE outcome(id INTEGER PRIMARY KEY, role TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,"
	" evidence TEXT NOT NULL, version TEXT NOT NULL, requested INTEGER, answer TEXT NOT NULL, resumed INTEGER,"
	" trusted INTEGER, failure TEXT NOT NULL, failed_by TEXT NOT NULL, policy TEXT NOT NULL);"
	"CREATE INDEX outcome_verdict ON outcome(role, verdict, version, failure);"
	"CREATE TABLE cell(begin INTEGER NOT NULL, service INTEGER NOT NULL, client INTEGER NOT NULL,"
	" certificate INTEGER NOT NULL, outcome INTEGER NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL,"
	" last INTEGER NOT NULL, PRIMARY KEY(begin, service, client, certificate, outcome)) WITHOUT ROWID;"
	"CREATE TABLE failure(service INTEGER NOT NULL, client INTEGER NOT NULL, certificate INTEGER NOT NULL,"
	" outcome INTEGER NOT NULL,"
	" time INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT NOT NULL,"
	" PRIMARY KEY(service, client, certificate, outcome)) WITHOUT ROWID;"
	"CREATE TABLE change(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, service INTEGER NOT NULL,"
	" what TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL);"
	"CREATE INDEX change_time ON change(time);"
	"CREATE TABLE handshake(id INTEGER PRIMARY KEY, event TEXT NOT NULL, time_us INTEGER NOT NULL,"
	" service INTEGER NOT NULL, client INTEGER NOT NULL, certificate INTEGER NOT NULL, outcome INTEGER NOT NULL,"
	" client_port INTEGER NOT NULL, duration_us INTEGER NOT NULL, json TEXT NOT NULL, ladder TEXT NOT NULL);"
	"CREATE INDEX handshake_event ON handshake(event);",
	/* 2: how long a cell spans: 3600, or 86400 where the hours of a day were folded */
	"ALTER TABLE cell ADD COLUMN span INTEGER NOT NULL DEFAULT 3600;",
};

int store_database_error(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	default:
		return -EIO;
	}
}

int store_database_run(sqlite3 *database, const char *statements)
{
	return store_database_error(sqlite3_exec(database, statements, NULL, NULL, NULL));
}

int64_t store_database_number(sqlite3 *database, const char *query, int64_t fallback)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = fallback;

	if (!sqlite3_prepare_v2(database, query, -1, &statement, NULL) && sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static int refuse(const char *path, const char *why, int error)
{
	log_error("cannot open the store %s: %s", path, why);
	return error;
}

static int migrate_step(sqlite3 *database, int version)
{
	char pragma[sizeof("PRAGMA user_version = -2147483648")];
	int error;

	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version + 1);
	error = store_database_run(database, "BEGIN IMMEDIATE");
	if (!error)
		error = store_database_run(database, migrations[version]);
	if (!error)
		error = store_database_run(database, pragma);
	if (!error)
		return store_database_run(database, "COMMIT");
	store_database_run(database, "ROLLBACK");
	return error;
}

/* An empty or absent file becomes a store; an older schema the newest. Another program's file is left alone. */
static int migrate(sqlite3 *database, const char *path)
{
	int64_t version = store_database_number(database, "PRAGMA user_version", 0);
	char pragma[sizeof("PRAGMA application_id = -2147483648")];
	int error = 0;

	if (!version) {
		snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d", STORE_APPLICATION_ID);
		error = store_database_run(database, pragma);
	}
	for (; version < STORE_SCHEMA_VERSION && !error; version++)
		error = migrate_step(database, version);
	if (error)
		return refuse(path, sqlite3_errmsg(database), error);
	return 0;
}

/* The kind of the file, before anything is written. */
static int check(sqlite3 *database, const char *path, enum store_database_access access)
{
	int64_t tables = store_database_number(database, "SELECT count(*) FROM sqlite_schema", -1);
	int64_t application = store_database_number(database, "PRAGMA application_id", 0);
	int64_t version = store_database_number(database, "PRAGMA user_version", 0);
	int error;

	if (tables < 0) {
		error = store_database_error(sqlite3_errcode(database));
		return refuse(path, sqlite3_errmsg(database), error ? error : -EIO);
	}
	if (tables && application != STORE_APPLICATION_ID)
		return refuse(path, "this database is not a store of mtlsnoop", -EINVAL);
	if (version > STORE_SCHEMA_VERSION)
		return refuse(path, "a newer mtlsnoop wrote it", -EINVAL);
	if (access == STORE_READ && version < STORE_SCHEMA_VERSION)
		return refuse(path, tables ? "its schema is older; mtlsnoop --store=PATH migrates it" : "it is empty",
		              -EINVAL);
	return 0;
}

/* WAL: readers and the writer do not wait for each other. After a crash at most the last transaction is missing. */
static int configure(sqlite3 *database, enum store_database_access access)
{
	sqlite3_busy_timeout(database, BUSY_MS);
	sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (access != STORE_WRITE)
		return 0;
	/* auto_vacuum only takes effect before the first page is written */
	return store_database_run(database, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
	                                    "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1000;"
	                                    "PRAGMA journal_size_limit = 8388608; PRAGMA temp_store = MEMORY");
}

int store_database_open(sqlite3 **database, const char *path, enum store_database_access access)
{
	int flags = access == STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	mode_t mask = umask(FILE_MODE_MASK);
	int error;

	*database = NULL;
	if (access == STORE_MEMORY)
		path = ":memory:";
	error = store_database_error(sqlite3_open_v2(path, database, flags, NULL));
	umask(mask);
	if (error)
		error = refuse(path, *database ? sqlite3_errmsg(*database) : strerror(ENOMEM), error);
	if (!error)
		error = check(*database, path, access);
	if (!error && access == STORE_WRITE && sqlite3_db_readonly(*database, "main"))
		error = refuse(path, "the user nobody, who writes it where mtlsnoop is root, may only read it",
		               -EACCES);
	if (!error) {
		error = configure(*database, access);
		if (error)
			refuse(path, sqlite3_errmsg(*database), error);
	}
	if (!error && access != STORE_READ)
		error = migrate(*database, path);
	if (error) {
		sqlite3_close(*database);
		*database = NULL;
	}
	return error;
}
