// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A day of records through the store: store RECORDS FILE. 300 services, 5,000 client certificates, 2,000 client addresses, 24
 * hours. Prints microseconds of CPU time for each record, and the file's bytes. One of a hundred is a failure.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "handshake/handshake.h"
#include "store/database.h"
#include "store/ledger.h"
#include "store/record.h"

enum {
	SERVICES = 300,
	CERTIFICATES = 5000,
	CLIENTS = 2000,
	BEGIN = 1795996800, /* midnight */
};

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Certificates belong to clients, and a client talks to a few services. */
static void fill(struct store_record *record, uint64_t index, uint64_t count, char *texts)
{
	uint64_t random = (index * 0x9e3779b97f4a7c15ULL) >> 20;
	unsigned certificate = random % CERTIFICATES;
	unsigned client = certificate % CLIENTS;
	unsigned service = (certificate * 7 + random / CERTIFICATES % 4) % SERVICES;

	record->time_us = (BEGIN + (int64_t)(index * STORE_DAY / count)) * 1000000;
	snprintf(texts, 32, "10.1.%u.%u", client / 250, client % 250);
	snprintf(texts + 32, 32, "10.2.%u.%u", service / 250, service % 250);
	snprintf(texts + 64, 32, "%032llx", (unsigned long long)index);
	snprintf(record->client.sha256, sizeof(record->client.sha256), "%064u", certificate);
	snprintf(texts + 128, 64, "CN=client-%u,O=Example", certificate);
	record->client.not_after = BEGIN + certificate * 3600;
	record->text[STORE_TEXT_CLIENT_ADDRESS] = texts;
	record->text[STORE_TEXT_SERVER_ADDRESS] = texts + 32;
	record->text[STORE_TEXT_EVENT] = texts + 64;
	record->text[STORE_TEXT_CLIENT_CERTIFICATE + STORE_CERTIFICATE_SUBJECT] = texts + 128;
	record->client_auth = index % 100 ? CLIENT_AUTH_PRESENTED : CLIENT_AUTH_REJECTED_CERTIFICATE;
	record->failure = index % 100 ? FAILURE_NONE : FAILURE_CERTIFICATE_EXPIRED;
}

int main(int argc, char **argv)
{
	const uint64_t count = argc > 2 ? strtoull(argv[1], NULL, 10) : 0;
	struct store_record record = {
		.server_port = 443, .version = 0x0304, .transport = 6, .trusted = NOT_KNOWN, .resumed = KNOWN_NO};
	char texts[256];
	uint8_t *packed = malloc(STORE_RECORD_PACKED_MAX);
	struct ledger *ledger;
	struct store_record back;
	sqlite3 *database;
	struct stat status;
	double begin;

	if (!count || !packed || store_database_open(&database, argv[2], STORE_WRITE) ||
	    ledger_open(&ledger, database, &(struct store_limits){}))
		return EXIT_FAILURE;
	for (int text = 0; text < STORE_TEXTS; text++)
		record.text[text] = "";
	begin = cpu_seconds();
	for (uint64_t index = 0; index < count; index++) {
		fill(&record, index, count, texts);
		size_t size = store_record_pack(&record, packed);
		if (store_record_unpack(&back, packed, size) <= 0 || ledger_take(ledger, &back))
			return EXIT_FAILURE;
		/* the writer writes once a second: some 2,000 records of a busy host */
		if (index % 2000 == 0 && ledger_write(ledger))
			return EXIT_FAILURE;
	}
	ledger_write(ledger);
	printf("%.2f us of CPU time for each of %llu records\n", (cpu_seconds() - begin) * 1e6 / count,
	       (unsigned long long)count);
	ledger_close(ledger);
	sqlite3_close(database);
	if (!stat(argv[2], &status))
		printf("%.1f MB\n", status.st_size / 1e6);
	return EXIT_SUCCESS;
}
