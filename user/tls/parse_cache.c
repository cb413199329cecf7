// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/parse_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct entry {
	TAILQ_ENTRY(entry) used;
	size_t length; /* of the body */
	size_t size;   /* of the result */
	uint16_t version;
	uint8_t type;
	void *parsed;
	uint8_t body[];
};

TAILQ_HEAD(entry_list, entry);

struct parse_cache {
	struct entry_list entries; /* the latest used first */
	size_t bodies;
	size_t bytes;
};

struct parse_cache *parse_cache_new(void)
{
	struct parse_cache *cache = calloc(1, sizeof(*cache));

	if (cache)
		TAILQ_INIT(&cache->entries);
	return cache;
}

static size_t entry_bytes(const struct entry *entry)
{
	return sizeof(*entry) + entry->length + entry->size;
}

static void entry_free(struct entry *entry)
{
	free(entry->parsed);
	free(entry);
}

static void entry_drop(struct parse_cache *cache, struct entry *entry)
{
	TAILQ_REMOVE(&cache->entries, entry, used);
	cache->bodies--;
	cache->bytes -= entry_bytes(entry);
	entry_free(entry);
}

void parse_cache_free(struct parse_cache *cache)
{
	if (!cache)
		return;
	while (!TAILQ_EMPTY(&cache->entries))
		entry_drop(cache, TAILQ_FIRST(&cache->entries));
	free(cache);
}

static bool entry_is(const struct entry *entry, const struct parse_key *key)
{
	return entry->length == key->length && entry->version == key->version && entry->type == key->type &&
	       !memcmp(entry->body, key->body, key->length);
}

const void *parse_cache_find(struct parse_cache *cache, const struct parse_key *key, size_t *size)
{
	struct entry *entry;

	if (key->length > PARSE_CACHE_BODY_MAX)
		return NULL;
	TAILQ_FOREACH (entry, &cache->entries, used) {
		if (!entry_is(entry, key))
			continue;
		TAILQ_REMOVE(&cache->entries, entry, used);
		TAILQ_INSERT_HEAD(&cache->entries, entry, used);
		*size = entry->size;
		return entry->parsed;
	}
	return NULL;
}

static struct entry *entry_new(const struct parse_key *key, const void *parsed, size_t size)
{
	struct entry *entry = malloc(sizeof(*entry) + key->length);

	if (!entry)
		return NULL;
	*entry = (struct entry){.length = key->length, .size = size, .version = key->version, .type = key->type};
	memcpy(entry->body, key->body, key->length);
	entry->parsed = malloc(size);
	if (!entry->parsed) {
		free(entry);
		return NULL;
	}
	memcpy(entry->parsed, parsed, size);
	return entry;
}

void parse_cache_keep(struct parse_cache *cache, const struct parse_key *key, const void *parsed, size_t size)
{
	struct entry *entry;

	if (!key->length || key->length > PARSE_CACHE_BODY_MAX || !size || size > PARSE_CACHE_BYTES_MAX / 2)
		return;
	entry = entry_new(key, parsed, size);
	if (!entry)
		return;
	TAILQ_INSERT_HEAD(&cache->entries, entry, used);
	cache->bodies++;
	cache->bytes += entry_bytes(entry);
	while (cache->bodies > PARSE_CACHE_BODIES_MAX || cache->bytes > PARSE_CACHE_BYTES_MAX)
		entry_drop(cache, TAILQ_LAST(&cache->entries, entry_list));
}
