// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/metrics.h"

#include "http/accept.h"
#include "tls/names.h"
#include "handshake/policy.h"
#include "sink/report.h"
#include "handshake/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROLES = ROLE_OBSERVER + 1,
	OCTET_VALUES = 256,
	OCTET_OTHER = 255, /* for private use in the registries of HandshakeType and Alert: has no name there */
	NANOSECONDS_PER_MILLISECOND = 1000000,
	NANOSECONDS_PER_SECOND = 1000000000,
	SECONDS_PER_HOUR = 3600,
	SERVICE_NAME_MAX = REPORT_ADDRESS_MAX + sizeof("[]:65535"),
};

/* What handshakes are counted by; others are counted together. 0 stands for no ServerHello. */
static const uint16_t versions[] = {0, 0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x0100, 0xfeff, 0xfefd, 0xfefc};

enum {
	VERSION_OTHER = sizeof(versions) / sizeof(versions[0]),
	VERSIONS,
};

/* Upper bounds as both formats write them: OpenMetrics wants a point in each, and a series keeps its name in both. */
static const struct {
	uint64_t bound_ns;
	const char *name;
} buckets[] = {{100000, "0.0001"},    {250000, "0.00025"},  {500000, "0.0005"},  {1000000, "0.001"},
               {2500000, "0.0025"},   {5000000, "0.005"},   {10000000, "0.01"},  {25000000, "0.025"},
               {50000000, "0.05"},    {100000000, "0.1"},   {250000000, "0.25"}, {500000000, "0.5"},
               {1000000000, "1.0"},   {2500000000, "2.5"},  {5000000000, "5.0"}, {10000000000, "10.0"},
               {30000000000, "30.0"}, {60000000000, "60.0"}};

enum {
	BUCKETS = sizeof(buckets) / sizeof(buckets[0]),
};

struct histogram {
	uint64_t count[BUCKETS + 1]; /* in each bucket alone; the last one is behind all bounds */
	uint64_t sum_ns;
};

/*
 * The earliest end of a certificate that clients presented in each of the last hours, an hour of CLOCK_MONOTONIC a place. A
 * certificate that was replaced is forgotten when its last hour falls out, however many there are.
 */
struct expiry {
	uint64_t hour[REPORT_METRICS_EXPIRY_HOURS]; /* that the place is of, counted from 1; 0: none */
	int64_t earliest[REPORT_METRICS_EXPIRY_HOURS];
};

/* What is counted of one service. */
struct service_counts {
	uint64_t handshakes[VERSIONS][CLIENT_AUTHS][EVIDENCES];
	uint64_t policy[POLICY_EXPECTATIONS][POLICY_RESULTS];
	struct histogram duration;
	struct histogram answer;
	struct expiry expiry;
};

struct service {
	uint8_t address[16];
	uint16_t port;
	uint8_t family;
};

/*
 * The services of a role. Each role has a bound of its own: the many servers that a host may call must not push those of
 * its own services into "other".
 */
struct role_counts {
	uint32_t services;             /* known */
	struct service *service;       /* of services_max */
	struct service_counts *counts; /* of each service, and of all others in counts[services_max] */
};

struct report_metrics {
	uint32_t services_max;
	struct role_counts role[ROLES];
	uint64_t messages[OCTET_VALUES][SIDES];
	uint64_t alerts[OCTET_VALUES][SIDES];
	uint64_t unknown[REASONS];
	struct report_metrics_state state;
};

struct report_metrics *report_metrics_new(uint32_t services_max)
{
	struct report_metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return NULL;
	metrics->services_max = services_max;
	for (int role = 0; role < ROLES; role++) {
		struct role_counts *counts = &metrics->role[role];

		/* pages that are never written take no memory */
		counts->service = calloc((size_t)services_max + 1, sizeof(*counts->service));
		counts->counts = calloc((size_t)services_max + 1, sizeof(*counts->counts));
		if (!counts->service || !counts->counts) {
			report_metrics_free(metrics);
			return NULL;
		}
	}
	return metrics;
}

void report_metrics_free(struct report_metrics *metrics)
{
	if (!metrics)
		return;
	for (int role = 0; role < ROLES; role++) {
		free(metrics->role[role].service);
		free(metrics->role[role].counts);
	}
	free(metrics);
}

/* The service's place among the counts of its role. */
static uint32_t service_index(struct report_metrics *metrics, uint8_t role, const struct handshake *handshake)
{
	struct role_counts *counts = &metrics->role[role];
	struct service wanted = {.port = handshake->server.port, .family = handshake->family};
	uint32_t index;

	if (handshake->family != 4 && handshake->family != 6)
		return metrics->services_max;
	memcpy(wanted.address, handshake->server.address, handshake->family == 4 ? 4 : sizeof(wanted.address));
	for (index = 0; index < counts->services; index++) {
		const struct service *service = &counts->service[index];

		if (service->port == wanted.port && service->family == wanted.family &&
		    !memcmp(service->address, wanted.address, sizeof(wanted.address)))
			return index;
	}
	if (index < metrics->services_max) {
		counts->service[index] = wanted;
		counts->services++;
	}
	return index;
}

static uint32_t version_index(uint16_t version)
{
	uint32_t index;

	for (index = 0; index < VERSION_OTHER; index++)
		if (versions[index] == version)
			break;
	return index;
}

static void observe(struct histogram *histogram, uint64_t value_ns)
{
	uint32_t index = 0;

	while (index < BUCKETS && value_ns > buckets[index].bound_ns)
		index++;
	histogram->count[index]++;
	histogram->sum_ns += value_ns;
}

static uint64_t hour_of(uint64_t time_ns)
{
	return 1 + time_ns / ((uint64_t)SECONDS_PER_HOUR * NANOSECONDS_PER_SECOND);
}

/* Of certificates that were taken alone: what a client makes up that is turned away says nothing of the others. */
static void note_expiry(struct expiry *expiry, const struct handshake *handshake)
{
	const struct certificate *certificate = handshake->certificate;
	const uint64_t hour = hour_of(handshake->end_ns);
	const uint32_t place = hour % REPORT_METRICS_EXPIRY_HOURS;

	if (handshake->verdict.client_auth != CLIENT_AUTH_PRESENTED || !certificate || !certificate->leaf_parsed)
		return;
	if (expiry->hour[place] == hour && expiry->earliest[place] <= certificate->not_after)
		return;
	expiry->hour[place] = hour;
	expiry->earliest[place] = certificate->not_after;
}

static void count_steps(struct report_metrics *metrics, const struct handshake *handshake)
{
	for (uint32_t index = 0; index < handshake->steps && index < HANDSHAKE_STEPS_MAX; index++) {
		const struct handshake_step *step = &handshake->step[index];
		uint8_t from = step->from == FROM_CLIENT ? FROM_CLIENT : FROM_SERVER;

		if (step->kind == STEP_MESSAGE || step->kind == STEP_LIBRARY)
			metrics->messages[handshake_type_name(step->type) ? step->type : OCTET_OTHER][from]++;
		else if (step->kind == STEP_ALERT)
			metrics->alerts[alert_description_name(step->description) ? step->description : OCTET_OTHER]
				       [from]++;
	}
}

/* Without an end that was seen, the time says how long was waited, and nothing of the handshake. */
static bool end_is_seen(const struct handshake *handshake)
{
	return handshake->facts.end != END_NONE && handshake->facts.end != END_TIMEOUT &&
	       handshake->end_ns >= handshake->start_ns;
}

void report_metrics_handshake(struct report_metrics *metrics, const struct handshake *handshake)
{
	const struct verdict *verdict = &handshake->verdict;
	uint8_t role = handshake->role < ROLES ? handshake->role : ROLE_OBSERVER;
	uint8_t client_auth = verdict->client_auth < CLIENT_AUTHS ? verdict->client_auth : CLIENT_AUTH_UNKNOWN;
	uint8_t evidence = verdict->evidence < EVIDENCES ? verdict->evidence : EVIDENCE_CLEARTEXT;
	struct service_counts *counts;

	counts = &metrics->role[role].counts[service_index(metrics, role, handshake)];
	counts->handshakes[version_index(handshake->version)][client_auth][evidence]++;
	if (client_auth == CLIENT_AUTH_UNKNOWN && verdict->reason < REASONS)
		metrics->unknown[verdict->reason]++;
	if (end_is_seen(handshake))
		observe(&counts->duration, handshake->end_ns - handshake->start_ns);
	if (handshake->request_ns && handshake->answer_ns >= handshake->request_ns)
		observe(&counts->answer, handshake->answer_ns - handshake->request_ns);
	if (policy_expectation_name(handshake->policy.expectation) && handshake->policy.result < POLICY_RESULTS)
		counts->policy[handshake->policy.expectation][handshake->policy.result]++;
	note_expiry(&counts->expiry, handshake);
	count_steps(metrics, handshake);
}

void report_metrics_update(struct report_metrics *metrics, const struct report_metrics_state *state)
{
	metrics->state = *state;
}

void report_metrics_copy(struct report_metrics *to, const struct report_metrics *from)
{
	struct role_counts role[ROLES];

	memcpy(role, to->role, sizeof(role));
	*to = *from;
	for (int index = 0; index < ROLES; index++) {
		const struct role_counts *source = &from->role[index];

		role[index].services = source->services;
		memcpy(role[index].service, source->service, source->services * sizeof(*source->service));
		memcpy(role[index].counts, source->counts, source->services * sizeof(*source->counts));
		role[index].counts[from->services_max] = source->counts[from->services_max];
	}
	memcpy(to->role, role, sizeof(role));
}

/* A place where something is lost or left out; urgent: connections are untold or unknown, and something can be done. */
struct loss {
	const char *where;
	uint64_t count;
	bool urgent;
};

enum {
	LOSSES = 21,
};

static void gather_losses(const struct report_metrics_state *state, struct loss losses[LOSSES])
{
	const uint64_t *statistics = state->statistics;
	const uint64_t *library = state->library_statistics;
	const struct listening *listening = &state->listening;
	const struct connection_counts *counts = &state->counts;
	const struct loss all[LOSSES] = {
		{"ring_buffer", statistics[STATISTIC_LOST_RING], true},
		{"socket_storage", statistics[STATISTIC_LOST_STORAGE], true},
		{"listener", statistics[STATISTIC_LOST_LISTENER], true},
		{"two_cpus", statistics[STATISTIC_CONTENDED], true},
		{"device_table", statistics[STATISTIC_EVICTED], true},
		{"library_ring", library[LIBRARY_STATISTIC_LOST_RING], false},
		{"library_memory", library[LIBRARY_STATISTIC_LOST_READ], false},
		{"library_state", library[LIBRARY_STATISTIC_LOST_STATE], false},
		{"connection_table", counts->table_full, true},
		{"malformed_event", counts->malformed_events + listening->transcripts.malformed_events, true},
		{"handover_bound", statistics[STATISTIC_HANDOVER_BOUND], false},
		{"body_bound", statistics[STATISTIC_BODY_BOUND], false},
		{"held_bound", counts->bounds, false},
		{"library_bound", library[LIBRARY_STATISTIC_CALL_BOUND], false},
		{"library_targets", state->libraries.bound, false},
		{"library_table", listening->transcripts.table_full + listening->join.table_full, false},
		{"library_damaged", listening->transcripts.damaged, false},
		{"outside_stream", statistics[STATISTIC_OUTSIDE], false},
		{"fragment", statistics[STATISTIC_FRAGMENTS], false},
		{"established", statistics[STATISTIC_UNFOLLOWED], false},
		{"refused", statistics[STATISTIC_REFUSED], false},
	};

	memcpy(losses, all, sizeof(all));
}

uint64_t report_metrics_lost(const struct report_metrics *metrics)
{
	struct loss losses[LOSSES];
	uint64_t lost = 0;

	gather_losses(&metrics->state, losses);
	for (int index = 0; index < LOSSES; index++)
		if (losses[index].urgent)
			lost += losses[index].count;
	return lost;
}

enum family_type {
	COUNTER,
	GAUGE,
	HISTOGRAM,
	INFO, /* a gauge that is 1 in the text format, which has no such type */
};

/* A metric family (OpenMetrics) or metric (text format): its name is without the suffix that the type brings. */
struct family {
	const char *name;
	enum family_type type;
	const char *unit; /* NULL: it has none */
	const char *help; /* without backslashes, quotation marks and newlines */
};

/* What is being written. */
struct page {
	FILE *out;
	uint64_t now_ns; /* of the state */
	enum report_metrics_format format;
	const struct family *family;
	bool labelled;         /* the sample has a label already */
	uint8_t policy_result; /* enum policy_result: what the family counts */
};

static const char *family_suffix(const struct family *family)
{
	static const char *const suffixes[] = {[COUNTER] = "_total", [GAUGE] = "", [HISTOGRAM] = "", [INFO] = "_info"};

	return suffixes[family->type];
}

static void begin_family(struct page *page, const struct family *family)
{
	static const char *const types[] = {
		[COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram", [INFO] = "info"};
	bool open = page->format == REPORT_METRICS_OPENMETRICS;
	const char *suffix = open ? "" : family_suffix(family);
	const char *type = types[!open && family->type == INFO ? GAUGE : family->type];

	page->family = family;
	fprintf(page->out, "# HELP %s%s %s\n", family->name, suffix, family->help);
	fprintf(page->out, "# TYPE %s%s %s\n", family->name, suffix, type);
	if (open && family->unit)
		fprintf(page->out, "# UNIT %s %s\n", family->name, family->unit);
}

/* A backslash, a quotation mark and a newline are escaped in both formats; what is not printable ASCII has no place here. */
static void write_label_value(FILE *out, const char *value)
{
	for (; *value; value++) {
		unsigned char byte = *value;

		if (byte == '\n')
			fputs("\\n", out);
		else if (byte == '\\' || byte == '"')
			fprintf(out, "\\%c", byte);
		else
			fputc(byte < 0x20 || byte > 0x7e ? '?' : byte, out);
	}
}

static void begin_sample(struct page *page, const char *suffix)
{
	fprintf(page->out, "%s%s", page->family->name, suffix);
	page->labelled = false;
}

static void add_label(struct page *page, const char *name, const char *value)
{
	fprintf(page->out, "%s%s=\"", page->labelled ? "," : "{", name);
	write_label_value(page->out, value);
	fputc('"', page->out);
	page->labelled = true;
}

static void end_sample(struct page *page, uint64_t value)
{
	fprintf(page->out, "%s %" PRIu64 "\n", page->labelled ? "}" : "", value);
}

/* Not by way of floating point: its digits would hang on the locale, and its last ones on rounding. */
static void end_sample_seconds(struct page *page, uint64_t value_ns)
{
	fprintf(page->out, "%s %" PRIu64 ".%09" PRIu64 "\n", page->labelled ? "}" : "",
	        value_ns / NANOSECONDS_PER_SECOND, value_ns % NANOSECONDS_PER_SECOND);
}

/* A sample with one label or, where name is NULL, none. */
static void write_sample(struct page *page, const char *name, const char *value, uint64_t count)
{
	begin_sample(page, family_suffix(page->family));
	if (name)
		add_label(page, name, value);
	end_sample(page, count);
}

/* A counter without labels. */
static void write_counter(struct page *page, const char *name, const char *help, uint64_t count)
{
	const struct family family = {name, COUNTER, NULL, help};

	begin_family(page, &family);
	write_sample(page, NULL, NULL, count);
}

static const char *service_name(char name[SERVICE_NAME_MAX], const struct report_metrics *metrics, uint8_t role,
                                uint32_t index)
{
	const struct service *service = &metrics->role[role].service[index];
	struct endpoint endpoint = {.port = service->port};
	char address[REPORT_ADDRESS_MAX];

	memcpy(endpoint.address, service->address, sizeof(endpoint.address));
	if (index == metrics->services_max || !report_address(address, &endpoint, service->family))
		return "other";
	snprintf(name, SERVICE_NAME_MAX, service->family == 4 ? "%s:%u" : "[%s]:%u", address, service->port);
	return name;
}

static const char *version_label(uint32_t index)
{
	if (index == VERSION_OTHER)
		return "other";
	return versions[index] ? version_name(versions[index]) : "none";
}

/* Calls write() for each service of each role, the others behind those that are known. */
static void each_service(struct page *page, const struct report_metrics *metrics,
                         void (*write)(struct page *page, const char *role, const char *service,
                                       const struct service_counts *counts))
{
	char name[SERVICE_NAME_MAX];

	for (uint8_t role = 0; role < ROLES; role++) {
		const struct role_counts *counts = &metrics->role[role];

		for (uint32_t index = 0; index < counts->services; index++)
			write(page, report_role_name(role), service_name(name, metrics, role, index),
			      &counts->counts[index]);
		write(page, report_role_name(role), "other", &counts->counts[metrics->services_max]);
	}
}

static void write_service_handshakes(struct page *page, const char *role, const char *service,
                                     const struct service_counts *counts)
{
	for (uint32_t version = 0; version < VERSIONS; version++)
		for (uint32_t client_auth = 0; client_auth < CLIENT_AUTHS; client_auth++)
			for (uint32_t evidence = 0; evidence < EVIDENCES; evidence++) {
				if (!counts->handshakes[version][client_auth][evidence])
					continue;
				begin_sample(page, "_total");
				add_label(page, "role", role);
				add_label(page, "service", service);
				add_label(page, "version", version_label(version));
				add_label(page, "client_auth", client_auth_name(client_auth));
				add_label(page, "evidence", evidence_name(evidence));
				end_sample(page, counts->handshakes[version][client_auth][evidence]);
			}
}

static void begin_service_sample(struct page *page, const char *suffix, const char *role, const char *service)
{
	begin_sample(page, suffix);
	add_label(page, "role", role);
	add_label(page, "service", service);
}

static void write_histogram(struct page *page, const char *role, const char *service, const struct histogram *histogram)
{
	uint64_t count = 0;

	for (uint32_t index = 0; index <= BUCKETS; index++)
		count += histogram->count[index];
	if (!count)
		return;
	count = 0;
	for (uint32_t index = 0; index <= BUCKETS; index++) {
		count += histogram->count[index];
		begin_service_sample(page, "_bucket", role, service);
		add_label(page, "le", index < BUCKETS ? buckets[index].name : "+Inf");
		end_sample(page, count);
	}
	begin_service_sample(page, "_sum", role, service);
	end_sample_seconds(page, histogram->sum_ns);
	begin_service_sample(page, "_count", role, service);
	end_sample(page, count);
}

static void write_service_duration(struct page *page, const char *role, const char *service,
                                   const struct service_counts *counts)
{
	write_histogram(page, role, service, &counts->duration);
}

static void write_service_answer(struct page *page, const char *role, const char *service,
                                 const struct service_counts *counts)
{
	write_histogram(page, role, service, &counts->answer);
}

/* The earliest end among the hours that count; false where there is none. */
static bool earliest_expiry(const struct expiry *expiry, uint64_t now_ns, int64_t *earliest)
{
	const uint64_t now = hour_of(now_ns);
	bool found = false;

	for (int place = 0; place < REPORT_METRICS_EXPIRY_HOURS; place++) {
		if (!expiry->hour[place] || expiry->hour[place] + REPORT_METRICS_EXPIRY_HOURS <= now)
			continue;
		if (!found || expiry->earliest[place] < *earliest)
			*earliest = expiry->earliest[place];
		found = true;
	}
	return found;
}

static void write_service_expiry(struct page *page, const char *role, const char *service,
                                 const struct service_counts *counts)
{
	int64_t earliest = 0;

	if (!earliest_expiry(&counts->expiry, page->now_ns, &earliest))
		return;
	begin_service_sample(page, "", role, service);
	/* a certificate may say that it ended before 1970 */
	end_sample(page, earliest > 0 ? earliest : 0);
}

static void write_service_policy(struct page *page, const char *role, const char *service,
                                 const struct service_counts *counts)
{
	for (uint8_t expectation = POLICY_NOTHING + 1; expectation < POLICY_EXPECTATIONS; expectation++) {
		const uint64_t *results = counts->policy[expectation];

		/* what has one of the three has all: 0 is not the same as nothing */
		if (!(results[POLICY_KEPT] | results[POLICY_BROKEN] | results[POLICY_UNJUDGED]))
			continue;
		begin_service_sample(page, "_total", role, service);
		add_label(page, "rule", policy_expectation_name(expectation));
		end_sample(page, results[page->policy_result]);
	}
}

static void write_policy(struct page *page, const struct report_metrics *metrics)
{
	static const struct family families[POLICY_RESULTS] = {
		[POLICY_BROKEN] = {"mtlsnoop_policy_violations", COUNTER, NULL,
	                           "Handshakes that broke what is expected of their service (--expect)."},
		[POLICY_KEPT] = {"mtlsnoop_policy_kept", COUNTER, NULL,
	                         "Handshakes that kept to what is expected of their service."},
		[POLICY_UNJUDGED] = {"mtlsnoop_policy_unjudged", COUNTER, NULL,
	                             "Handshakes of services of which something is expected that could not be judged."},
	};
	static const struct family lines = {"mtlsnoop_policy_lines", GAUGE, NULL,
	                                    "Lines of the policy, by what they expect."};

	if (!metrics->state.settings.has_policy)
		return;
	for (page->policy_result = 0; page->policy_result < POLICY_RESULTS; page->policy_result++) {
		begin_family(page, &families[page->policy_result]);
		each_service(page, metrics, write_service_policy);
	}
	begin_family(page, &lines);
	for (uint8_t expectation = POLICY_NOTHING + 1; expectation < POLICY_EXPECTATIONS; expectation++)
		write_sample(page, "rule", policy_expectation_name(expectation),
		             metrics->state.settings.lines[expectation]);
}

static void write_services(struct page *page, const struct report_metrics *metrics)
{
	static const struct family handshakes = {"mtlsnoop_handshakes", COUNTER, NULL,
	                                         "TLS handshakes that have ended, by verdict."};
	static const struct family duration = {
		"mtlsnoop_handshake_duration_seconds", HISTOGRAM, "seconds",
		"From the ClientHello to what ended the handshake, where that was seen."};
	static const struct family answer = {"mtlsnoop_certificate_answer_seconds", HISTOGRAM, "seconds",
	                                     "From CertificateRequest to the client's Certificate, where both were "
	                                     "seen."};

	static const struct family expiry = {
		"mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds", GAUGE, "seconds",
		"When the first of the client certificates ends that were presented in the last 24 hours."};

	begin_family(page, &handshakes);
	each_service(page, metrics, write_service_handshakes);
	begin_family(page, &duration);
	each_service(page, metrics, write_service_duration);
	begin_family(page, &answer);
	each_service(page, metrics, write_service_answer);
	begin_family(page, &expiry);
	each_service(page, metrics, write_service_expiry);
}

/* Counts by a number of a registry, and by the side that it came from. */
static void write_by_number(struct page *page, const uint64_t counts[OCTET_VALUES][SIDES], const char *label,
                            const char *(*name_of)(uint8_t number))
{
	for (uint32_t number = 0; number < OCTET_VALUES; number++)
		for (uint8_t side = 0; side < SIDES; side++) {
			if (!counts[number][side])
				continue;
			begin_sample(page, "_total");
			add_label(page, label, name_of(number) ?: "other");
			add_label(page, "from", report_side_name(side));
			end_sample(page, counts[number][side]);
		}
}

static void write_messages(struct page *page, const struct report_metrics *metrics)
{
	static const struct family messages = {"mtlsnoop_handshake_messages", COUNTER, NULL,
	                                       "Handshake messages, in cleartext or told by a TLS library."};
	static const struct family alerts = {"mtlsnoop_handshake_alerts", COUNTER, NULL,
	                                     "Alerts in cleartext during handshakes."};

	begin_family(page, &messages);
	write_by_number(page, metrics->messages, "type", handshake_type_name);
	begin_family(page, &alerts);
	write_by_number(page, metrics->alerts, "description", alert_description_name);
}

static void write_unknown(struct page *page, const struct report_metrics *metrics)
{
	static const struct family unknown = {"mtlsnoop_unknown", COUNTER, NULL,
	                                      "Handshakes whose verdict is unknown, by reason."};

	begin_family(page, &unknown);
	for (uint32_t reason = REASON_NONE + 1; reason < REASONS; reason++)
		write_sample(page, "reason", unknown_reason_name(reason), metrics->unknown[reason]);
}

static void write_losses(struct page *page, const struct report_metrics_state *state)
{
	static const struct family lost = {"mtlsnoop_lost_events", COUNTER, NULL,
	                                   "What mtlsnoop itself lost or left out: events, packets, directions."};
	struct loss losses[LOSSES];

	gather_losses(state, losses);
	begin_family(page, &lost);
	for (int index = 0; index < LOSSES; index++)
		write_sample(page, "where", losses[index].where, losses[index].count);
	write_counter(page, "mtlsnoop_gaps", "Directions of connections with bytes that never came.",
	              state->counts.gaps);
	write_counter(page, "mtlsnoop_reassembled_directions",
	              "Directions of connections that were put together outside the kernel.",
	              state->statistics[STATISTIC_HANDOVERS]);
	write_counter(page, "mtlsnoop_evidence_conflicts", "Handshakes of which two kinds of evidence disagree.",
	              state->counts.conflicts);
}

static void write_connections(struct page *page, const struct report_metrics_state *state)
{
	static const struct family connections = {"mtlsnoop_connections", GAUGE, NULL,
	                                          "Connections that are followed now."};
	static const char *const names[CONNECTION_STATES] = {[CONNECTION_HANDSHAKE] = "handshake",
	                                                     [CONNECTION_LAST_WORD] = "last_word",
	                                                     [CONNECTION_LIBRARY] = "library"};

	begin_family(page, &connections);
	for (int index = 0; index < CONNECTION_STATES; index++)
		write_sample(page, "state", names[index], state->connections[index]);
	write_counter(page, "mtlsnoop_tcp_connections", "TCP connections seen from their start, TLS or not.",
	              state->statistics[STATISTIC_CONNECTIONS]);
	write_counter(page, "mtlsnoop_tls_connections", "TCP connections in which a ClientHello was found.",
	              state->statistics[STATISTIC_HANDSHAKES]);
	write_counter(page, "mtlsnoop_midstream_connections",
	              "TCP connections that were open before mtlsnoop: left alone.",
	              state->statistics[STATISTIC_MIDSTREAM]);
}

/* A time of CLOCK_MONOTONIC, told as one since the epoch, to the millisecond: the two clocks are read one after the other. */
static void write_time(struct page *page, const struct report_metrics_state *state, uint64_t time_ns)
{
	uint64_t milliseconds = (time_ns + state->realtime_offset_ns) / NANOSECONDS_PER_MILLISECOND;

	if (!time_ns)
		return;
	begin_sample(page, "");
	fprintf(page->out, " %" PRIu64 ".%03" PRIu64 "\n", milliseconds / 1000, milliseconds % 1000);
}

static void write_times(struct page *page, const struct report_metrics_state *state)
{
	static const struct family event = {"mtlsnoop_last_event_timestamp_seconds", GAUGE, "seconds",
	                                    "When the kernel last told of anything, in seconds since the epoch."};
	static const struct family read = {"mtlsnoop_last_read_timestamp_seconds", GAUGE, "seconds",
	                                   "When events were last looked for, in seconds since the epoch."};

	begin_family(page, &event);
	write_time(page, state, state->last_event_ns);
	begin_family(page, &read);
	write_time(page, state, state->now_ns);
}

/* A gauge without labels. */
static void write_gauge(struct page *page, const char *name, const char *unit, const char *help, uint64_t value)
{
	const struct family family = {name, GAUGE, unit, help};

	begin_family(page, &family);
	write_sample(page, NULL, NULL, value);
}

/* What there is to see, and how full the way to here is. */
static void write_sight(struct page *page, const struct report_metrics_state *state)
{
	static const struct family hooks = {"mtlsnoop_hooks", GAUGE, NULL, "BPF programs in place, by hook."};
	static const struct family packets = {"mtlsnoop_packets", COUNTER, NULL,
	                                      "Packets that the BPF programs were shown, TLS or not."};
	const struct tracer_sight *sight = &state->sight;

	begin_family(page, &hooks);
	if (sight->hook)
		write_sample(page, "hook", sight->hook, sight->programs);
	begin_family(page, &packets);
	for (int index = 0; index < TRACER_PROGRAMS; index++)
		if (state->runs[index].program)
			write_sample(page, "program", state->runs[index].program, sight->packets[index]);
	write_gauge(page, "mtlsnoop_ring_buffer_size_bytes", "bytes", "Size of the ring buffer for events.",
	            sight->buffer_bytes);
	write_gauge(page, "mtlsnoop_ring_buffer_waiting_bytes", "bytes",
	            "Bytes that waited in the ring buffer when it was last read.", sight->buffer_waiting);
	write_gauge(page, "mtlsnoop_ring_buffer_peak_bytes", "bytes",
	            "The most bytes that ever waited in the ring buffer when it was read.", sight->buffer_peak);
}

static void write_settings(struct page *page, const struct report_metrics_state *state)
{
	if (!state->settings.named)
		return;
	write_gauge(page, "mtlsnoop_config_last_reload_successful", NULL,
	            "Whether the files of the command line were taken over when they were last read.",
	            !state->settings.refused);
	write_gauge(page, "mtlsnoop_config_last_reload_success_timestamp_seconds", "seconds",
	            "When files were last taken over, in seconds since the epoch.", state->settings.since);
}

/* What was told by both, by the library alone, and in TLS 1.3 by the wire alone. */
static void write_library_handshakes(struct page *page, const struct report_metrics_state *state)
{
	static const struct family handshakes = {
		"mtlsnoop_library_handshakes", COUNTER, NULL,
		"Handshakes that TLS libraries told of, or might have, by whether the wire has the same."};
	const struct library_join_counts *join = &state->listening.join;

	begin_family(page, &handshakes);
	write_sample(page, "state", "joined", join->joined);
	write_sample(page, "state", "unjoined", join->unjoined);
	write_sample(page, "state", "untold", join->untold);
}

static void write_libraries(struct page *page, const struct report_metrics_state *state)
{
	static const struct family targets = {
		"mtlsnoop_library_targets", GAUGE, NULL,
		"Files of TLS libraries, and programs that hold one, that are probed now."};
	static const struct family calls = {"mtlsnoop_library_calls", COUNTER, NULL,
	                                    "Calls that the BPF programs in TLS libraries were shown."};
	static const char *const names[LIBRARY_KINDS] = {
		[LIBRARY_OPENSSL] = "openssl", [LIBRARY_GNUTLS] = "gnutls", [LIBRARY_GO] = "go"};

	begin_family(page, &targets);
	for (int kind = 0; kind < LIBRARY_KINDS; kind++)
		write_sample(page, "library", names[kind], state->libraries.attached[kind]);
	write_counter(page, "mtlsnoop_library_refused", "Files of TLS libraries that could not be probed.",
	              state->libraries.refused);
	write_library_handshakes(page, state);
	begin_family(page, &calls);
	write_sample(page, "state", "told", state->library_statistics[LIBRARY_STATISTIC_CALLS]);
	write_sample(page, "state", "left_alone", state->library_statistics[LIBRARY_STATISTIC_STRANGERS]);
	write_counter(page, "mtlsnoop_library_stranger_calls", "Calls that were told and belong to no handshake.",
	              state->listening.transcripts.strangers);
}

/* Where the kernel does not count there is nothing: 0 would say that the programs do not run. */
static void write_runs(struct page *page, const struct report_metrics_state *state)
{
	static const struct family seconds = {"mtlsnoop_bpf_run_seconds", COUNTER, "seconds",
	                                      "Time that the BPF programs took."};
	static const struct family runs = {"mtlsnoop_bpf_runs", COUNTER, NULL, "Runs of the BPF programs."};
	int index;

	begin_family(page, &seconds);
	for (index = 0; index < TRACER_RUNS; index++) {
		if (!state->runs[index].runs)
			continue;
		begin_sample(page, "_total");
		add_label(page, "program", state->runs[index].program);
		end_sample_seconds(page, state->runs[index].run_ns);
	}
	begin_family(page, &runs);
	for (index = 0; index < TRACER_RUNS; index++)
		if (state->runs[index].runs)
			write_sample(page, "program", state->runs[index].program, state->runs[index].runs);
}

static void write_build(struct page *page)
{
	static const struct family build = {"mtlsnoop_build", INFO, NULL, "The version of mtlsnoop."};

	begin_family(page, &build);
	write_sample(page, "version", MTLSNOOP_VERSION, 1);
}

char *report_metrics_text(const struct report_metrics *metrics, enum report_metrics_format format, size_t *length)
{
	struct page page = {.format = format, .now_ns = metrics->state.now_ns};
	char *text = NULL;
	bool failed;

	page.out = open_memstream(&text, length);
	if (!page.out)
		return NULL;
	write_services(&page, metrics);
	write_policy(&page, metrics);
	write_messages(&page, metrics);
	write_unknown(&page, metrics);
	write_losses(&page, &metrics->state);
	write_connections(&page, &metrics->state);
	write_times(&page, &metrics->state);
	write_sight(&page, &metrics->state);
	write_runs(&page, &metrics->state);
	write_libraries(&page, &metrics->state);
	write_settings(&page, &metrics->state);
	write_build(&page);
	if (format == REPORT_METRICS_OPENMETRICS)
		fputs("# EOF\n", page.out);
	failed = ferror(page.out);
	if (!fclose(page.out) && !failed)
		return text;
	free(text);
	return NULL;
}

const char *report_metrics_content_type(enum report_metrics_format format)
{
	if (format == REPORT_METRICS_OPENMETRICS)
		return "application/openmetrics-text; version=1.0.0; charset=utf-8";
	return "text/plain; version=0.0.4; charset=utf-8";
}

enum report_metrics_format report_metrics_choose(const char *accept)
{
	if (accept &&
	    accept_rank(accept, "application/openmetrics-text", "1.0.0") > accept_rank(accept, "text/plain", "0.0.4"))
		return REPORT_METRICS_OPENMETRICS;
	return REPORT_METRICS_TEXT;
}
