// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How OpenSSL uses its hash contexts (seen in 3.0; 1.1.1 and 3.x do the same):
 *
 * - A handshake hashes into one context, and the context's address is the handle. The first call holds all messages before the
 *   hash was known: both hellos in TLS 1.3; in TLS 1.2 perhaps all messages up to ClientKeyExchange or CertificateVerify.
 * - A hash of a part of the ClientHello binds a pre-shared key (RFC 8446 section 4.2.11.2), a hash of the whole ClientHello makes
 *   early secrets: in other contexts, or in the same context, started again. HelloRetryRequest starts the context again, too.
 * - For post-handshake authentication OpenSSL copies the state after the client's Finished back into the same context:
 *   CertificateRequest follows Finished at the same address (RFC 8446 section 4.6.2).
 * - A renegotiation hashes into a new context. Its ClientHello repeats the previous handshake's Finished (RFC 5746 section 3.5).
 * - OpenSSL uses addresses again, for other handshakes and for unrelated hashes.
 */
#include "tracking/transcript.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "bpf/shared/tls_walk.h"
#include "tracking/transcript_handshake.h"

enum {
	BUCKETS_MAX = 1 << 12,
	HELD_MAX = 16 * 1024 * 1024, /* bytes of messages that are not whole yet, of all handshakes */
	HELLO_MIN = 4 + 2 + 32 + 1,  /* a ClientHello as far as the length of its session id */
	HELLO_LENGTH_MAX = 1 << 16,  /* with all extensions: a longer message is no ClientHello */
	SESSION_ID_MAX = 32,
	HASH_MIN = 32,
	HASH_MAX = 64,
};

/* A handshake, and the call in progress. */
struct entry {
	LIST_ENTRY(entry) by_handle;
	LIST_ENTRY(entry) by_finished;
	TAILQ_ENTRY(entry) used;
	uint64_t handle;
	uint32_t process;
	uint32_t call_have; /* bytes of the call that came or are known to be missing */
	uint32_t call_total;
	uint32_t held;
	bool attached;     /* the handle is its own: in by_handle */
	bool has_finished; /* in by_finished */
	bool is_whole;     /* LIBRARY_WHOLE: read only when the buffer is complete */
	bool counted_damage;
	struct body whole;
	struct transcript_handshake handshake;
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(entry_queue, entry);

struct transcript_table {
	struct transcript_limits limits;
	transcript_report report;
	void *context;
	struct parse_cache *cache; /* NULL: what certificates say is not read */
	struct transcript_counts counts;
	uint64_t next_id;
	uint32_t entries;
	uint64_t held;
	struct entry_queue used; /* quiet for longest first */
	struct bucket by_handle[BUCKETS_MAX];
	struct bucket by_finished[BUCKETS_MAX];
};

struct transcript_table *transcript_table_new(const struct transcript_limits *limits, transcript_report report,
                                              void *context)
{
	struct transcript_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->limits = *limits;
	table->report = report;
	table->context = context;
	table->next_id = 1;
	TAILQ_INIT(&table->used);
	if (!limits->no_certificates) {
		table->cache = parse_cache_new();
		if (!table->cache) {
			free(table);
			return NULL;
		}
	}
	return table;
}

static uint32_t bucket_index(uint64_t key, uint32_t process)
{
	return ((key ^ (uint64_t)process << 40) * 0x9e3779b97f4a7c15ull >> 32) % BUCKETS_MAX;
}

static uint64_t finished_key(const uint8_t *verify_data)
{
	uint64_t key;

	memcpy(&key, verify_data, sizeof(key));
	return key;
}

static struct entry *entry_find(struct transcript_table *table, uint64_t handle, uint32_t process)
{
	struct entry *entry;

	LIST_FOREACH (entry, &table->by_handle[bucket_index(handle, process)], by_handle)
		if (entry->handle == handle && entry->process == process)
			return entry;
	return NULL;
}

/* The handshake before a renegotiation: the renegotiation's ClientHello repeats the client's Finished. */
static struct entry *entry_find_finished(struct transcript_table *table, const struct client_hello *hello,
                                         uint32_t process)
{
	struct entry *entry;

	if (hello->renegotiated_length < sizeof(uint64_t))
		return NULL;
	LIST_FOREACH (entry, &table->by_finished[bucket_index(finished_key(hello->renegotiated), process)], by_finished)
		if (entry->process == process && entry->handshake.verify_data_length == hello->renegotiated_length &&
		    !memcmp(entry->handshake.verify_data, hello->renegotiated, hello->renegotiated_length))
			return entry;
	return NULL;
}

static void entry_detach(struct entry *entry)
{
	if (entry->attached)
		LIST_REMOVE(entry, by_handle);
	entry->attached = false;
}

static void entry_free(struct transcript_table *table, struct entry *entry)
{
	entry_detach(entry);
	if (entry->has_finished)
		LIST_REMOVE(entry, by_finished);
	TAILQ_REMOVE(&table->used, entry, used);
	table->entries--;
	table->held -= entry->held;
	transcript_handshake_release(&entry->handshake);
	body_release(&entry->whole);
	free(entry);
}

/* The address has another use from here on. What a renegotiation may refer to stays. */
static void entry_leave(struct transcript_table *table, struct entry *entry)
{
	entry_detach(entry);
	transcript_handshake_release(&entry->handshake);
	body_release(&entry->whole);
	if (!entry->has_finished)
		entry_free(table, entry);
}

static void make_room(struct transcript_table *table)
{
	struct entry *quiet = TAILQ_FIRST(&table->used);

	if (table->entries < table->limits.handshakes || !quiet)
		return;
	table->counts.table_full += quiet->handshake.stage != STAGE_OVER;
	entry_free(table, quiet);
}

static struct entry *entry_add(struct transcript_table *table, const struct library_event *event)
{
	struct entry *entry;

	make_room(table);
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		table->counts.table_full++;
		return NULL;
	}
	entry->handle = event->handle;
	entry->process = event->process;
	entry->is_whole = event->kind == LIBRARY_WHOLE;
	entry->attached = true;
	entry->handshake.cache = table->cache;
	entry->handshake.seen = (struct library_handshake){
		.id = table->next_id++,
		.process = event->process,
		.target = event->target,
		.cgroup = event->cgroup,
		.start_ns = event->time_ns,
		.last_ns = event->time_ns,
		.role = ROLE_OBSERVER,
	};
	memcpy(entry->handshake.seen.name, event->name, sizeof(event->name));
	entry->handshake.seen.name[sizeof(event->name) - 1] = '\0';
	/* the first message is the client's */
	if (event->from == LIBRARY_SENT || event->from == LIBRARY_RECEIVED)
		entry->handshake.seen.role = event->from == LIBRARY_SENT ? ROLE_CLIENT : ROLE_SERVER;
	LIST_INSERT_HEAD(&table->by_handle[bucket_index(event->handle, event->process)], entry, by_handle);
	TAILQ_INSERT_TAIL(&table->used, entry, used);
	table->entries++;
	return entry;
}

static uint32_t claimed_length(const uint8_t *header)
{
	return header[1] << 16 | header[2] << 8 | header[3];
}

/* Of a ClientHello the header alone, told apart from its content (GnuTLS). */
static bool begins_with_header(const struct library_event *event)
{
	uint32_t claimed;

	if (event->kind != LIBRARY_MESSAGE || event->length != TRANSCRIPT_HEADER_TLS)
		return false;
	claimed = claimed_length(event->data);
	return event->data[0] == TLS_CLIENT_HELLO && claimed >= HELLO_MIN - TRANSCRIPT_HEADER_TLS &&
	       claimed < HELLO_LENGTH_MAX && event->total == TRANSCRIPT_HEADER_TLS + claimed;
}

/*
 * Whether a call with these first bytes begins a transcript: a ClientHello, or message_hash and a ServerHello (RFC 8446 section
 * 4.4.1). A ClientHello may go on in the next call. A ClientHello that was cut to bind a pre-shared key looks the same; the whole
 * ClientHello then begins the transcript again.
 */
static bool begins_transcript(const struct library_event *event)
{
	const uint8_t *data = event->data;
	uint32_t claimed, at = TRANSCRIPT_HEADER_TLS;

	if (event->length < HELLO_MIN)
		return begins_with_header(event);
	claimed = claimed_length(data);
	if (data[0] == TLS_MESSAGE_HASH)
		return claimed >= HASH_MIN && claimed <= HASH_MAX && event->total > at + claimed &&
		       (event->length <= at + claimed || data[at + claimed] == TLS_SERVER_HELLO);
	if (data[0] != TLS_CLIENT_HELLO || claimed < HELLO_MIN - at || claimed >= HELLO_LENGTH_MAX)
		return false;
	/* legacy_version is 3.x; DTLS has message_seq at this place, followed by the length */
	if (data[at] == 3)
		return data[HELLO_MIN - 1] <= SESSION_ID_MAX;
	return data[at] == 0 && !memcmp(data + 1, data + 9, 3) && (data[12] == 0xfe || data[12] == 1);
}

/* What the first client Finished names, a later ClientHello may refer to. */
static void entry_keep_finished(struct transcript_table *table, struct entry *entry)
{
	const struct transcript_handshake *handshake = &entry->handshake;
	uint32_t index;

	if (entry->has_finished || handshake->seen.view.version_1_3 || handshake->verify_data_length < sizeof(uint64_t))
		return;
	index = bucket_index(finished_key(handshake->verify_data), entry->process);
	LIST_INSERT_HEAD(&table->by_finished[index], entry, by_finished);
	entry->has_finished = true;
}

/* A ClientHello that repeats a Finished renegotiates: the randoms of the first handshake name the connection. */
static void entry_join_renegotiation(struct transcript_table *table, struct entry *entry)
{
	struct transcript_handshake *handshake = &entry->handshake;
	const struct entry *before;

	if (!handshake->client_hello.renegotiated_length || handshake->seen.view.renegotiation)
		return;
	handshake->seen.view.renegotiation = true;
	before = entry_find_finished(table, &handshake->client_hello, entry->process);
	if (!before || before == entry) {
		/* the connection is unknown */
		memset(handshake->seen.random, 0, MESSAGE_RANDOM);
		memset(handshake->seen.server_random, 0, MESSAGE_RANDOM);
		return;
	}
	memcpy(handshake->seen.random, before->handshake.seen.random, MESSAGE_RANDOM);
	memcpy(handshake->seen.server_random, before->handshake.seen.server_random, MESSAGE_RANDOM);
	handshake->seen.role = before->handshake.seen.role;
}

static void entry_count(struct transcript_table *table, struct entry *entry, bool was_seen)
{
	const struct library_view *view = &entry->handshake.seen.view;

	table->counts.handshakes += view->seen && !was_seen;
	if (view->damaged && !entry->counted_damage && view->seen) {
		entry->counted_damage = true;
		table->counts.damaged++;
	}
}

/* Tell of what is new. */
static void entry_tell(struct transcript_table *table, struct entry *entry, bool was_seen)
{
	struct transcript_handshake *handshake = &entry->handshake;

	if (!handshake->changed)
		return;
	handshake->changed = false;
	entry_count(table, entry, was_seen);
	if (!handshake->seen.view.seen)
		return;
	if (!was_seen)
		entry_join_renegotiation(table, entry);
	entry_keep_finished(table, entry);
	table->report(&handshake->seen, table->context);
	if (handshake->stage == STAGE_OVER)
		transcript_handshake_release(handshake);
}

static void entry_weigh(struct transcript_table *table, struct entry *entry)
{
	table->held -= entry->held;
	entry->held = entry->handshake.body.capacity + entry->whole.capacity;
	table->held += entry->held;
	if (table->held <= HELD_MAX || !entry->held)
		return;
	transcript_handshake_damage(&entry->handshake);
	body_release(&entry->whole);
	table->held -= entry->held;
	entry->held = 0;
}

/* A request behind the handshake, at the address of the handshake's own context. */
static bool begins_post_handshake(const struct entry *entry, const struct library_event *event)
{
	const struct library_view *view = &entry->handshake.seen.view;

	return event->kind != LIBRARY_WHOLE && view->version_1_3 && !view->damaged &&
	       (entry->handshake.stage == STAGE_OVER || view->post_handshake) &&
	       event->length > TRANSCRIPT_HEADER_TLS && transcript_handshake_at_boundary(&entry->handshake) &&
	       event->data[0] == TLS_CERTIFICATE_REQUEST &&
	       TRANSCRIPT_HEADER_TLS + claimed_length(event->data) == event->total;
}

/* Bytes of the call before that no event brought. */
static void entry_end_call(struct entry *entry)
{
	if (!entry->is_whole)
		transcript_handshake_missing(&entry->handshake, entry->call_total - entry->call_have);
	entry->call_have = entry->call_total;
}

/* Whether the call continues the transcript. Otherwise the call begins another transcript. */
static bool goes_on(const struct entry *entry, const struct library_event *event)
{
	const struct transcript_handshake *handshake = &entry->handshake;

	if (entry->is_whole || event->kind == LIBRARY_WHOLE || handshake->seen.view.damaged)
		return false;
	/* behind a HelloRetryRequest the second ClientHello */
	if (handshake->stage == STAGE_CLIENT_HELLO && handshake->seen.messages &&
	    transcript_handshake_at_boundary(handshake))
		return true;
	return !begins_transcript(event);
}

/* A call begins: returns the call's handshake, or NULL if the call belongs to no handshake. */
static struct entry *entry_of_call(struct transcript_table *table, struct entry *entry,
                                   const struct library_event *event)
{
	if (entry)
		entry_end_call(entry);
	if (entry && begins_post_handshake(entry, event)) {
		entry->handshake.seen.id = table->next_id++;
		entry->handshake.seen.start_ns = event->time_ns;
		transcript_handshake_begin_post(&entry->handshake);
		return entry;
	}
	if (entry && entry->handshake.stage != STAGE_OVER && goes_on(entry, event))
		return entry;
	if (entry)
		entry_leave(table, entry);
	if (!begins_transcript(event)) {
		table->counts.strangers++;
		return NULL;
	}
	return entry_add(table, event);
}

/* The buffer is complete: it is a transcript only if messages in their order fill the whole buffer. */
static void entry_take_whole(struct entry *entry, uint64_t time_ns)
{
	struct transcript_handshake *handshake = &entry->handshake;

	if (!body_complete(&entry->whole))
		return;
	transcript_handshake_bytes(handshake, entry->whole.data, entry->whole.have, time_ns);
	if (!transcript_handshake_at_boundary(handshake))
		transcript_handshake_damage(handshake);
	handshake->seen.view.seen &= !handshake->seen.view.damaged;
	body_release(&entry->whole);
}

static void entry_take_bytes(struct entry *entry, const struct library_event *event)
{
	if (entry->is_whole) {
		body_add(&entry->whole, event->position, event->data, event->length);
		entry_take_whole(entry, event->time_ns);
		return;
	}
	if (event->kind == LIBRARY_MESSAGE)
		entry->handshake.direction = event->from;
	transcript_handshake_missing(&entry->handshake, event->position - entry->call_have);
	transcript_handshake_bytes(&entry->handshake, event->data, event->length, event->time_ns);
}

static bool event_is_well_formed(const struct library_event *event)
{
	if (event->size < sizeof(*event) || event->length > event->size - sizeof(*event))
		return false;
	if (event->kind < LIBRARY_TRANSCRIPT || event->kind > LIBRARY_MESSAGE)
		return false;
	return event->position <= event->total && event->length <= event->total - event->position;
}

/* A part of a call. */
static void entry_take(struct transcript_table *table, struct entry *entry, const struct library_event *event)
{
	bool was_seen = entry->handshake.seen.view.seen;

	if (event->position < entry->call_have || event->total != entry->call_total)
		transcript_handshake_damage(&entry->handshake);
	else
		entry_take_bytes(entry, event);
	entry->call_have = event->position + event->length;
	if (!entry->is_whole && entry->call_have == entry->call_total)
		transcript_handshake_call_ends(&entry->handshake);
	entry_weigh(table, entry);
	TAILQ_REMOVE(&table->used, entry, used);
	TAILQ_INSERT_TAIL(&table->used, entry, used);
	entry_tell(table, entry, was_seen);
	if (entry->is_whole && entry->call_have == entry->call_total)
		entry_leave(table, entry);
}

void transcript_table_event(struct transcript_table *table, const struct library_event *event)
{
	struct entry *entry;

	if (!event_is_well_formed(event)) {
		table->counts.malformed_events++;
		return;
	}
	entry = entry_find(table, event->handle, event->process);
	if (!event->length) {
		/* an earlier call's bytes did not come */
		if (entry) {
			transcript_handshake_damage(&entry->handshake);
			entry_tell(table, entry, true);
		}
		return;
	}
	if (event->position == 0) {
		entry = entry_of_call(table, entry, event);
		if (!entry)
			return;
		entry->call_have = 0;
		entry->call_total = event->total;
		if (entry->is_whole)
			body_begin(&entry->whole, 0, event->total);
	}
	if (entry)
		entry_take(table, entry, event);
}

void transcript_table_free(struct transcript_table *table)
{
	struct entry *entry;

	if (!table)
		return;
	while ((entry = TAILQ_FIRST(&table->used)))
		entry_free(table, entry);
	parse_cache_free(table->cache);
	free(table);
}

const struct library_handshake *transcript_table_handshake(struct transcript_table *table, uint64_t handle,
                                                           uint32_t process)
{
	const struct entry *entry = entry_find(table, handle, process);

	return entry && entry->handshake.seen.view.seen ? &entry->handshake.seen : NULL;
}

const struct transcript_counts *transcript_table_counts(const struct transcript_table *table)
{
	return &table->counts;
}
