// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracking/library_join.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "bpf/shared/tls_walk.h"
#include "tracking/library_statement.h"
#include "tracking/record.h"
#include "handshake/verdict.h"

enum {
	BUCKETS = 1 << 12,
};

/* A joined view is kept for so long: the handshake may have another record (a proxy that passes TLS on). */
static const uint64_t JOINED_NS = 2ull * 1000 * 1000 * 1000;

/* So long a renegotiation may wait for the record of its packets. */
static const uint64_t WIRE_LAST_WORD_NS = 500ull * 1000 * 1000;

/* A library's view of one handshake. */
struct sighting {
	LIST_ENTRY(sighting) by_random;
	TAILQ_ENTRY(sighting) aged;
	struct library_handshake seen; /* request and certificate are its own */
	char library[LIBRARY_NAME_TEXT_MAX];
	bool joined;
};

/* A connection with a reported handshake: the data for records of later handshakes. */
struct base {
	LIST_ENTRY(base) by_random;
	LIST_ENTRY(base) by_connection;
	TAILQ_ENTRY(base) aged;
	uint64_t
		told_until_ns; /* the end of the latest renegotiation that was told, by the wire's record or the library's */
	uint8_t random[MESSAGE_RANDOM];
	uint8_t server_random[MESSAGE_RANDOM];
	uint64_t connection;
	struct endpoint client;
	struct endpoint server;
	uint8_t family;
	uint8_t transport;
	uint8_t role;
	uint64_t cgroup;
	uint64_t realtime_offset_ns;
	struct process process;
	struct process owner;
	struct writer writer;
	uint16_t version;
	uint16_t cipher_suite;
	char server_name[MESSAGE_SERVER_NAME_MAX + 1];
};

LIST_HEAD(sighting_bucket, sighting);
TAILQ_HEAD(sighting_queue, sighting);
LIST_HEAD(base_bucket, base);
TAILQ_HEAD(base_queue, base);

struct library_join {
	struct library_join_limits limits;
	struct library_join_counts counts;
	uint32_t sightings;
	uint32_t bases;
	struct sighting_queue aged;   /* the latest word longest ago first: to be joined to a record */
	struct sighting_queue joined; /* the same of joined views */
	struct sighting_queue later;  /* the same of handshakes without packets */
	struct base_queue base_aged;
	struct sighting_bucket by_random[BUCKETS];
	struct base_bucket base_by_random[BUCKETS];
	struct base_bucket base_by_connection[BUCKETS];
};

struct library_join *library_join_new(const struct library_join_limits *limits)
{
	struct library_join *join = calloc(1, sizeof(*join));

	if (!join)
		return NULL;
	join->limits = *limits;
	TAILQ_INIT(&join->aged);
	TAILQ_INIT(&join->joined);
	TAILQ_INIT(&join->later);
	TAILQ_INIT(&join->base_aged);
	return join;
}

static uint32_t bucket_of_key(uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15ull >> 32) % BUCKETS;
}

/* An attacker may choose randoms and fill one bucket: the bound on all views bounds the bucket, too. */
static uint32_t bucket_of(const uint8_t random[MESSAGE_RANDOM])
{
	uint64_t key;

	memcpy(&key, random + MESSAGE_RANDOM - sizeof(key), sizeof(key));
	return bucket_of_key(key);
}

static bool is_later_view(const struct library_view *view)
{
	return view->renegotiation || view->post_handshake;
}

static bool is_later(const struct library_handshake *seen)
{
	return is_later_view(&seen->view);
}

static struct sighting_queue *queue_of(struct library_join *join, const struct sighting *sighting)
{
	if (is_later(&sighting->seen))
		return &join->later;
	return sighting->joined ? &join->joined : &join->aged;
}

static void sighting_free(struct library_join *join, struct sighting *sighting)
{
	LIST_REMOVE(sighting, by_random);
	TAILQ_REMOVE(queue_of(join, sighting), sighting, aged);
	join->sightings--;
	free(sighting->seen.request);
	free(sighting->seen.certificate);
	free(sighting->seen.server_certificate);
	free(sighting);
}

static void make_room(struct library_join *join)
{
	struct sighting *oldest = TAILQ_FIRST(&join->joined);

	if (join->sightings < join->limits.handshakes)
		return;
	if (!oldest) {
		join->counts.table_full++;
		oldest = TAILQ_FIRST(&join->aged) ?: TAILQ_FIRST(&join->later);
	}
	sighting_free(join, oldest);
}

static struct sighting *sighting_find(struct library_join *join, const struct library_handshake *seen)
{
	struct sighting *sighting;

	LIST_FOREACH (sighting, &join->by_random[bucket_of(seen->random)], by_random)
		if (sighting->seen.id == seen->id)
			return sighting;
	return NULL;
}

static struct sighting *sighting_add(struct library_join *join, const struct library_handshake *seen)
{
	struct sighting *sighting;

	make_room(join);
	sighting = calloc(1, sizeof(*sighting));
	if (!sighting) {
		join->counts.table_full++;
		return NULL;
	}
	sighting->seen.view = seen->view;
	LIST_INSERT_HEAD(&join->by_random[bucket_of(seen->random)], sighting, by_random);
	TAILQ_INSERT_TAIL(queue_of(join, sighting), sighting, aged);
	join->sightings++;
	return sighting;
}

static void *copy_of(const void *bytes, size_t size)
{
	void *copy = bytes ? malloc(size) : NULL;

	return copy ? memcpy(copy, bytes, size) : NULL;
}

/* A request ends behind the authorities kept. */
static struct certificate_request *copy_of_request(const struct certificate_request *request)
{
	size_t kept;

	if (!request)
		return NULL;
	kept = request->authorities < MESSAGE_AUTHORITIES_MAX ? request->authorities : MESSAGE_AUTHORITIES_MAX;
	return copy_of(request, offsetof(struct certificate_request, authority[kept]));
}

void library_join_take(struct library_join *join, const struct library_handshake *seen, const char *library)
{
	static const uint8_t nobody[MESSAGE_RANDOM];
	struct sighting *sighting;
	struct certificate_request *request;
	struct certificate *certificate, *server_certificate;

	/* a renegotiation of an unknown connection: reported once, at its beginning */
	if (!memcmp(seen->random, nobody, MESSAGE_RANDOM)) {
		join->counts.unjoined += !seen->view.server_hello;
		return;
	}
	sighting = sighting_find(join, seen) ?: sighting_add(join, seen);
	if (!sighting)
		return;
	request = sighting->seen.request;
	certificate = sighting->seen.certificate;
	server_certificate = sighting->seen.server_certificate;
	TAILQ_REMOVE(queue_of(join, sighting), sighting, aged);
	sighting->seen = *seen;
	TAILQ_INSERT_TAIL(queue_of(join, sighting), sighting, aged);
	sighting->seen.request = request ?: copy_of_request(seen->request);
	sighting->seen.certificate = certificate ?: copy_of(seen->certificate, sizeof(*seen->certificate));
	sighting->seen.server_certificate =
		server_certificate ?: copy_of(seen->server_certificate, sizeof(*seen->server_certificate));
	if (library)
		strncpy(sighting->library, library, sizeof(sighting->library) - 1);
}

/* When the wire showed a message, the last of its type: a ServerHello may be a HelloRetryRequest. 0: not at all. */
static uint64_t wire_time(const struct handshake *handshake, const struct library_message *message)
{
	for (size_t index = handshake->steps; index-- > 0;) {
		const struct handshake_step *step = &handshake->step[index];

		if (step->kind == STEP_MESSAGE && step->type == message->type && step->from == message->from)
			return step->time_ns;
	}
	return 0;
}

static enum handshake_role other_role(enum handshake_role role)
{
	return role == ROLE_SERVER ? ROLE_CLIENT : ROLE_SERVER;
}

/* The role of the library, by whether it hashed a message before or after the wire showed the message. Unknown for buffered messages. */
static enum handshake_role role_by(const struct handshake *handshake, const struct library_message *message)
{
	enum handshake_role sender = message->from == FROM_SERVER ? ROLE_SERVER : ROLE_CLIENT;
	uint64_t time_ns = wire_time(handshake, message);

	if (!message->prompt || !time_ns)
		return ROLE_OBSERVER;
	return message->time_ns < time_ns ? sender : other_role(sender);
}

/*
 * The end of the library, by ServerHello if ServerHello ends a call (always in TLS 1.3), else by ClientKeyExchange, which OpenSSL
 * never buffers. If the two disagree, the end is unknown.
 */
static enum handshake_role role_of(const struct handshake *handshake, const struct library_handshake *seen)
{
	enum handshake_role role = ROLE_OBSERVER;

	if (seen->role != ROLE_OBSERVER)
		return seen->role;
	for (size_t index = 0; index < seen->messages; index++) {
		const struct library_message *message = &seen->message[index];
		enum handshake_role by = ROLE_OBSERVER;

		if (message->type == TLS_SERVER_HELLO || message->type == TLS_CLIENT_KEY_EXCHANGE)
			by = role_by(handshake, message);
		if (by == ROLE_OBSERVER)
			continue;
		if (role != ROLE_OBSERVER && role != by)
			return ROLE_OBSERVER;
		role = by;
	}
	return role;
}

/* Whether a library's view belongs to this record: the same handshake and the same end. */
static bool is_of(const struct handshake *handshake, const struct sighting *sighting, enum handshake_role *role)
{
	const struct library_handshake *seen = &sighting->seen;

	if (is_later(seen) || memcmp(seen->random, handshake->client_hello.random, MESSAGE_RANDOM))
		return false;
	/* the same ClientHello sent to another server */
	if (seen->view.server_hello && handshake->facts.server_hello &&
	    memcmp(seen->server_random, handshake->server_hello.random, MESSAGE_RANDOM))
		return false;
	*role = role_of(handshake, seen);
	if (handshake->role == ROLE_OBSERVER)
		return true;
	/* only the process that writes to this socket may speak for this end */
	return (*role == ROLE_OBSERVER || *role == handshake->role) &&
	       library_owns(handshake, seen->process, seen->cgroup);
}

/* Which of two views says more. */
static uint32_t worth(const struct library_view *view)
{
	uint32_t facts = view->server_hello + view->certificate_request + view->server_finished +
	                 view->client_certificate + view->client_finished;

	return view->damaged ? facts : facts + 16;
}

/* The process is known if the end of its library is known, or if the process opened the socket. */
static void fill_process(struct handshake *handshake, const struct sighting *sighting, enum handshake_role role)
{
	const struct library_handshake *seen = &sighting->seen;
	bool is_local = handshake->role != ROLE_OBSERVER && role == handshake->role;

	if (!is_local && (!handshake->owner.id || handshake->owner.id != seen->process))
		return;
	handshake->process.id = seen->process;
	memcpy(handshake->process.name, seen->name, sizeof(handshake->process.name));
	memcpy(handshake->library, sighting->library, sizeof(handshake->library));
}

static void insert_step(struct handshake *handshake, const struct handshake_step *step)
{
	size_t at = handshake->steps;

	if (at == HANDSHAKE_STEPS_MAX) {
		handshake->steps_dropped += handshake->steps_dropped < UINT16_MAX;
		return;
	}
	for (; at && handshake->step[at - 1].time_ns > step->time_ns; at--)
		handshake->step[at] = handshake->step[at - 1];
	handshake->step[at] = *step;
	handshake->steps++;
}

/* Whether the wire shows a message: up to TLS 1.2 all but what Finished says, later the hellos alone. */
static bool is_in_cleartext(const struct library_handshake *seen, uint8_t type)
{
	if (is_later(seen))
		return false;
	return !seen->view.version_1_3 || type == TLS_CLIENT_HELLO || type == TLS_SERVER_HELLO ||
	       type == TLS_MESSAGE_HASH;
}

/* A server has hashed its whole flight before the wire shows the first message. The ladder keeps the order of the messages. */
static uint64_t hellos_end(const struct handshake *handshake)
{
	const struct library_message server_hello = {.type = TLS_SERVER_HELLO, .from = FROM_SERVER};

	return wire_time(handshake, &server_hello);
}

static void fill_steps(struct handshake *handshake, const struct library_handshake *seen)
{
	uint64_t earliest_ns = hellos_end(handshake);

	for (size_t index = 0; index < seen->messages; index++) {
		const struct library_message *message = &seen->message[index];
		const struct handshake_step step = {
			.time_ns = message->time_ns > earliest_ns ? message->time_ns : earliest_ns,
			.length = message->length,
			.kind = STEP_LIBRARY,
			.from = message->from,
			.type = message->type,
		};

		if (is_in_cleartext(seen, message->type))
			continue;
		insert_step(handshake, &step);
		if (message->type == TLS_CERTIFICATE_REQUEST && !handshake->request_ns)
			handshake->request_ns = step.time_ns;
		if (message->from == FROM_CLIENT && !handshake->answer_ns &&
		    (message->type == TLS_CERTIFICATE || message->type == TLS_COMPRESSED_CERTIFICATE))
			handshake->answer_ns = step.time_ns;
	}
}

/* What a library says of a record. */
static void fill(struct handshake *handshake, const struct sighting *sighting, enum handshake_role role)
{
	const struct library_handshake *seen = &sighting->seen;

	handshake->facts.library = seen->view;
	handshake->facts.library.by_server = role == ROLE_SERVER;
	if (!handshake->request)
		handshake->request = copy_of_request(seen->request);
	if (!handshake->certificate)
		handshake->certificate = copy_of(seen->certificate, sizeof(*seen->certificate));
	if (!handshake->server_certificate)
		handshake->server_certificate = copy_of(seen->server_certificate, sizeof(*seen->server_certificate));
	fill_steps(handshake, seen);
}

static void sighting_set_joined(struct library_join *join, struct sighting *sighting)
{
	TAILQ_REMOVE(queue_of(join, sighting), sighting, aged);
	sighting->joined = true;
	TAILQ_INSERT_TAIL(queue_of(join, sighting), sighting, aged);
}

/* The view that says most of a record. */
static struct sighting *best_of(struct library_join *join, const struct handshake *handshake,
                                enum handshake_role *best_role)
{
	struct sighting *best = NULL, *sighting;
	enum handshake_role role;

	LIST_FOREACH (sighting, &join->by_random[bucket_of(handshake->client_hello.random)], by_random) {
		if (!is_of(handshake, sighting, &role))
			continue;
		/* the right end matters more than the content */
		if (best && (*best_role == handshake->role) > (role == handshake->role))
			continue;
		if (best && (*best_role == handshake->role) == (role == handshake->role) &&
		    worth(&best->seen.view) >= worth(&sighting->seen.view))
			continue;
		best = sighting;
		*best_role = role;
	}
	return best;
}

static bool flight_is_whole(const struct library_view *view)
{
	return view->server_finished || view->server_hello_done;
}

/* Whether both cannot be true. */
static bool contradict(const struct library_view *one, const struct library_view *other)
{
	if (one->certificate_request && !other->certificate_request && flight_is_whole(other))
		return true;
	if (other->certificate_request && !one->certificate_request && flight_is_whole(one))
		return true;
	return one->client_certificate && other->client_certificate &&
	       one->client_certificate_empty != other->client_certificate_empty;
}

/* Whether another view of the same end says what cannot be true beside this one. */
static bool is_contradicted(struct library_join *join, const struct handshake *handshake, const struct sighting *best,
                            enum handshake_role best_role)
{
	const struct sighting *sighting;
	enum handshake_role role;

	LIST_FOREACH (sighting, &join->by_random[bucket_of(handshake->client_hello.random)], by_random)
		if (sighting != best && !sighting->seen.view.damaged && is_of(handshake, sighting, &role) &&
		    role == best_role && contradict(&best->seen.view, &sighting->seen.view))
			return true;
	return false;
}

static struct base *base_find(struct library_join *join, const struct library_handshake *seen)
{
	struct base *base;

	LIST_FOREACH (base, &join->base_by_random[bucket_of(seen->random)], by_random)
		if (base->process.id == seen->process && !memcmp(base->random, seen->random, MESSAGE_RANDOM) &&
		    !memcmp(base->server_random, seen->server_random, MESSAGE_RANDOM))
			return base;
	return NULL;
}

static struct base *base_of_connection(struct library_join *join, uint64_t connection)
{
	struct base *base;

	LIST_FOREACH (base, &join->base_by_connection[bucket_of_key(connection)], by_connection)
		if (base->connection == connection)
			return base;
	return NULL;
}

/*
 * The library's view of a renegotiation that has a record of packets: the same connection, at the same time. A connection may
 * renegotiate several times, and either source may have missed some of the handshakes.
 */
static struct sighting *sighting_of_renegotiation(struct library_join *join, const struct base *base,
                                                  const struct handshake *handshake)
{
	struct sighting *sighting;

	LIST_FOREACH (sighting, &join->by_random[bucket_of(base->random)], by_random)
		if (sighting->seen.view.renegotiation && !sighting->joined &&
		    base_find(join, &sighting->seen) == base && sighting->seen.start_ns <= handshake->end_ns &&
		    sighting->seen.last_ns >= handshake->start_ns)
			return sighting;
	return NULL;
}

/* Whether there is no more to come of a handshake inside a connection. */
static bool later_is_over(const struct library_view *view)
{
	if (view->damaged)
		return true;
	return view->client_finished && (view->post_handshake || view->server_finished);
}

/* The library of the connection's first handshake sees the renegotiation, too, and usually has reported it by now. */
static bool renegotiation_waits(struct library_join *join, const struct handshake *handshake)
{
	const struct base *base = base_of_connection(join, handshake->connection);
	const struct sighting *sighting = base ? sighting_of_renegotiation(join, base, handshake) : NULL;

	return base && !(sighting && later_is_over(&sighting->seen.view));
}

bool library_join_knows(struct library_join *join, const struct handshake *handshake)
{
	enum handshake_role role = ROLE_OBSERVER;

	return best_of(join, handshake, &role) && role == handshake->role;
}

bool library_join_waits(struct library_join *join, const struct handshake *handshake)
{
	enum handshake_role role = ROLE_OBSERVER;
	const struct sighting *best;

	if (handshake->facts.renegotiation)
		return renegotiation_waits(join, handshake);
	best = best_of(join, handshake, &role);
	return best && !best->seen.view.damaged && best->seen.view.version_1_3 && !best->seen.view.client_finished;
}

bool library_join_accepted(struct library_join *join, const struct handshake *handshake)
{
	enum handshake_role role = ROLE_OBSERVER;
	const struct sighting *best = best_of(join, handshake, &role);

	return best && role == ROLE_SERVER && best->seen.view.client_finished && !best->seen.view.damaged;
}

/*
 * The wire followed the connection to a renegotiation: the library's view joins this record and gets no record of its own. The
 * process is known even without a view.
 */
static void fill_renegotiation(struct library_join *join, struct handshake *handshake)
{
	struct base *base = base_of_connection(join, handshake->connection);
	struct sighting *sighting;

	if (!base)
		return;
	handshake->process = base->process;
	strcpy(handshake->client_hello.server_name, base->server_name);
	if (base->told_until_ns < handshake->end_ns)
		base->told_until_ns = handshake->end_ns;
	sighting = sighting_of_renegotiation(join, base, handshake);
	if (!sighting)
		return;
	join->counts.joined++;
	memcpy(handshake->library, sighting->library, sizeof(handshake->library));
	fill(handshake, sighting, base->role);
	sighting_set_joined(join, sighting);
}

bool library_join_told(struct library_join *join, const struct handshake *handshake)
{
	const struct base *base;

	if (!handshake->facts.renegotiation)
		return false;
	base = base_of_connection(join, handshake->connection);
	return base && handshake->start_ns <= base->told_until_ns && !sighting_of_renegotiation(join, base, handshake);
}

void library_join_fill(struct library_join *join, struct handshake *handshake)
{
	enum handshake_role role = ROLE_OBSERVER;
	struct sighting *best;

	if (handshake->facts.renegotiation) {
		fill_renegotiation(join, handshake);
		return;
	}
	if (!handshake->facts.client_hello)
		return;
	best = best_of(join, handshake, &role);
	if (!best) {
		join->counts.untold += handshake->facts.version_1_3 && handshake->role != ROLE_OBSERVER;
		return;
	}
	join->counts.joined++;
	fill_process(handshake, best, role);
	if (!best->seen.view.damaged && is_contradicted(join, handshake, best, role))
		handshake->facts.library = (struct library_view){.seen = true, .damaged = true, .contradicted = true};
	else
		fill(handshake, best, role);
	sighting_set_joined(join, best);
}

static void base_free(struct library_join *join, struct base *base)
{
	LIST_REMOVE(base, by_random);
	LIST_REMOVE(base, by_connection);
	TAILQ_REMOVE(&join->base_aged, base, aged);
	join->bases--;
	free(base);
}

void library_join_remember(struct library_join *join, const struct handshake *handshake)
{
	const struct library_view *view = &handshake->facts.library;
	struct base *base;

	if (!handshake->process.id || !handshake->facts.server_hello || is_later_view(view))
		return;
	if (join->bases >= join->limits.handshakes)
		base_free(join, TAILQ_FIRST(&join->base_aged));
	base = calloc(1, sizeof(*base));
	if (!base)
		return;
	memcpy(base->random, handshake->client_hello.random, MESSAGE_RANDOM);
	memcpy(base->server_random, handshake->server_hello.random, MESSAGE_RANDOM);
	base->connection = handshake->connection;
	base->client = handshake->client;
	base->server = handshake->server;
	base->family = handshake->family;
	base->transport = handshake->transport;
	base->role = handshake->role;
	base->cgroup = handshake->cgroup;
	base->realtime_offset_ns = handshake->start_realtime_ns - handshake->start_ns;
	base->process = handshake->process;
	base->owner = handshake->owner;
	base->writer = handshake->writer;
	base->version = handshake->version;
	base->cipher_suite = handshake->server_hello.cipher_suite;
	strcpy(base->server_name, handshake->client_hello.server_name);
	LIST_INSERT_HEAD(&join->base_by_random[bucket_of(base->random)], base, by_random);
	LIST_INSERT_HEAD(&join->base_by_connection[bucket_of_key(base->connection)], base, by_connection);
	TAILQ_INSERT_TAIL(&join->base_aged, base, aged);
	join->bases++;
}

static void report_later(const struct sighting *sighting, const struct base *base, library_join_report report,
                         void *context)
{
	const struct library_handshake *seen = &sighting->seen;
	struct handshake handshake = {
		.connection = base->connection,
		.client = base->client,
		.server = base->server,
		.family = base->family,
		.transport = base->transport,
		.role = base->role,
		.cgroup = base->cgroup,
		.process = base->process,
		.owner = base->owner,
		.writer = base->writer,
		.start_ns = seen->start_ns,
		.end_ns = seen->last_ns,
		.start_realtime_ns = seen->start_ns + base->realtime_offset_ns,
		.version = seen->view.version ?: base->version,
		.facts = {.client_hello = true, .server_hello = true, .version_1_3 = seen->view.version_1_3},
	};

	handshake.server_hello.cipher_suite = base->cipher_suite;
	strcpy(handshake.client_hello.server_name, base->server_name);
	memcpy(handshake.library, sighting->library, sizeof(handshake.library));
	handshake.facts.end = later_is_over(&seen->view) && !seen->view.damaged ? END_COMPLETED : END_TIMEOUT;
	fill(&handshake, sighting, base->role);
	handshake.verdict = verdict_of(&handshake.facts);
	report(&handshake, context);
	handshake_record_release(&handshake);
}

static bool is_quiet(const struct sighting *sighting, uint64_t now_ns, uint64_t timeout_ns)
{
	return now_ns > sighting->seen.last_ns && now_ns - sighting->seen.last_ns >= timeout_ns;
}

/* Report a handshake that is over, unless the wire reported the handshake, or forget it. Returns false if it is not over. */
static bool conclude_later(struct library_join *join, const struct sighting *sighting, uint64_t now_ns,
                           library_join_report report, void *context)
{
	const struct library_handshake *seen = &sighting->seen;
	bool quiet = is_quiet(sighting, now_ns, join->limits.timeout_ns);
	struct base *base;

	if (sighting->joined)
		return is_quiet(sighting, now_ns, JOINED_NS);
	if (!quiet && !later_is_over(&seen->view))
		return false;
	/* the wire's record may be on its way */
	if (seen->view.renegotiation && !is_quiet(sighting, now_ns, WIRE_LAST_WORD_NS))
		return false;
	base = base_find(join, seen);
	/* its connection's own handshake may not be reported yet */
	if (!base && !quiet)
		return false;
	if (!base) {
		join->counts.unjoined++;
		return true;
	}
	/* the library's words came later than is waited for them: the wire's record is out */
	if (seen->view.renegotiation && seen->start_ns <= base->told_until_ns)
		return true;
	report_later(sighting, base, report, context);
	if (seen->view.renegotiation)
		base->told_until_ns = seen->last_ns;
	return true;
}

static void conclude_all_later(struct library_join *join, uint64_t now_ns, library_join_report report, void *context)
{
	struct sighting *sighting = TAILQ_FIRST(&join->later), *next;

	for (; sighting; sighting = next) {
		next = TAILQ_NEXT(sighting, aged);
		if (conclude_later(join, sighting, now_ns, report, context))
			sighting_free(join, sighting);
	}
}

void library_join_time(struct library_join *join, uint64_t now_ns, library_join_report report, void *context)
{
	struct sighting *sighting;

	conclude_all_later(join, now_ns, report, context);
	while ((sighting = TAILQ_FIRST(&join->joined)) && is_quiet(sighting, now_ns, JOINED_NS))
		sighting_free(join, sighting);
	while ((sighting = TAILQ_FIRST(&join->aged)) && is_quiet(sighting, now_ns, join->limits.timeout_ns)) {
		/* without a ServerHello it may be no more than a hash of a part of the hello */
		join->counts.unjoined += sighting->seen.view.server_hello;
		sighting_free(join, sighting);
	}
}

const struct library_join_counts *library_join_counts(const struct library_join *join)
{
	return &join->counts;
}

void library_join_free(struct library_join *join)
{
	struct sighting_queue *queues[3];

	if (!join)
		return;
	queues[0] = &join->aged;
	queues[1] = &join->joined;
	queues[2] = &join->later;
	for (int queue = 0; queue < 3; queue++)
		while (!TAILQ_EMPTY(queues[queue]))
			sighting_free(join, TAILQ_FIRST(queues[queue]));
	while (!TAILQ_EMPTY(&join->base_aged))
		base_free(join, TAILQ_FIRST(&join->base_aged));
	free(join);
}
