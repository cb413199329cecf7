// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "decrypt/keylog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "system/log.h"

enum {
	BUCKETS = 65536, /* a power of two */
};

struct entry {
	LIST_ENTRY(entry) in_bucket;
	uint8_t random[MESSAGE_RANDOM];
	struct keylog_secret secret[KEYLOG_LABELS];
};

LIST_HEAD(bucket, entry);

struct keylog {
	uint32_t connections;
	struct bucket bucket[BUCKETS];
};

static const char *const label_names[KEYLOG_LABELS] = {
	[KEYLOG_CLIENT_HANDSHAKE] = "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	[KEYLOG_SERVER_HANDSHAKE] = "SERVER_HANDSHAKE_TRAFFIC_SECRET",
	[KEYLOG_CLIENT_TRAFFIC] = "CLIENT_TRAFFIC_SECRET_0",
	[KEYLOG_SERVER_TRAFFIC] = "SERVER_TRAFFIC_SECRET_0",
};

struct keylog *keylog_new(void)
{
	return calloc(1, sizeof(struct keylog));
}

void keylog_free(struct keylog *keylog)
{
	struct entry *entry;

	if (!keylog)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while ((entry = LIST_FIRST(&keylog->bucket[i]))) {
			LIST_REMOVE(entry, in_bucket);
			explicit_bzero(entry, sizeof(*entry));
			free(entry);
		}
	}
	free(keylog);
}

/* Randoms are random: their first bytes are hash enough. */
static size_t bucket_number(const uint8_t random[MESSAGE_RANDOM])
{
	return (random[4] << 8 | random[5]) & (BUCKETS - 1);
}

static struct entry *entry_find(const struct keylog *keylog, const uint8_t random[MESSAGE_RANDOM])
{
	struct entry *entry;

	LIST_FOREACH (entry, &keylog->bucket[bucket_number(random)], in_bucket)
		if (!memcmp(entry->random, random, MESSAGE_RANDOM))
			return entry;
	return NULL;
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
		return (digit | 0x20) - 'a' + 10;
	return -1;
}

/* Returns how many bytes the text up to a space or the end gives, at most maximum, or 0 where it is not hexadecimal. */
static size_t read_hex(const char *text, const char *end, uint8_t *bytes, size_t maximum)
{
	size_t count = 0;

	while (text < end && *text != ' ') {
		if (count == maximum || end - text < 2 || hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return 0;
		bytes[count++] = hex_digit(text[0]) << 4 | hex_digit(text[1]);
		text += 2;
	}
	return count;
}

static int entry_add(struct keylog *keylog, const uint8_t random[MESSAGE_RANDOM], enum keylog_label label,
                     const struct keylog_secret *secret)
{
	struct entry *entry = entry_find(keylog, random);

	if (!entry) {
		if (keylog->connections == KEYLOG_CONNECTIONS_MAX)
			return -ENOSPC;
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		memcpy(entry->random, random, MESSAGE_RANDOM);
		LIST_INSERT_HEAD(&keylog->bucket[bucket_number(random)], entry, in_bucket);
		keylog->connections++;
	}
	entry->secret[label] = *secret;
	return 0;
}

static int add_line(struct keylog *keylog, const char *line, const char *end)
{
	uint8_t random[MESSAGE_RANDOM];
	struct keylog_secret secret = {};
	size_t length;

	if (end > line && end[-1] == '\r')
		end--;
	for (enum keylog_label label = 0; label < KEYLOG_LABELS; label++) {
		length = strlen(label_names[label]);
		if ((size_t)(end - line) <= length + 2 + 2 * MESSAGE_RANDOM ||
		    memcmp(line, label_names[label], length) || line[length] != ' ')
			continue;
		line += length + 1;
		if (read_hex(line, end, random, sizeof(random)) != sizeof(random))
			return 0;
		secret.length = read_hex(line + 2 * MESSAGE_RANDOM + 1, end, secret.bytes, sizeof(secret.bytes));
		return secret.length ? entry_add(keylog, random, label, &secret) : 0;
	}
	return 0;
}

int keylog_add(struct keylog *keylog, const char *text, size_t length)
{
	const char *end = text + length;
	const char *line_end;
	int error = 0;

	while (text < end && !error) {
		line_end = memchr(text, '\n', end - text) ?: end;
		error = add_line(keylog, text, line_end);
		text = line_end + 1;
	}
	return error;
}

int keylog_read(struct keylog *keylog, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024];
	int error = file ? 0 : -errno;

	while (file && !error && fgets(line, sizeof(line), file))
		error = keylog_add(keylog, line, strlen(line));
	if (file && !error && ferror(file))
		error = -EIO;
	if (file)
		fclose(file);
	explicit_bzero(line, sizeof(line));
	if (error)
		log_error("%s: %s", path, strerror(-error));
	return error;
}

const struct keylog_secret *keylog_find(const struct keylog *keylog, const uint8_t random[MESSAGE_RANDOM])
{
	const struct entry *entry = entry_find(keylog, random);

	return entry ? entry->secret : NULL;
}
