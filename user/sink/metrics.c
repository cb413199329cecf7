// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/metrics.h"

#include "handshake/policy.h"
#include "sink/loss_table.h"
#include "sink/metrics_counts.h"
#include "sink/report.h"
#include "tls/names.h"

#include <stdlib.h>
#include <string.h>

enum {
	VERSION_OTHER = METRICS_VERSIONS - 1,
	SECONDS_PER_HOUR = 3600,
};

const uint16_t metrics_version[] = {0,      0x0002, 0x0300, 0x0301, 0x0302, 0x0303,
                                    0x0304, 0x0100, 0xfeff, 0xfefd, 0xfefc, 0x0101};

_Static_assert(sizeof(metrics_version) / sizeof(metrics_version[0]) == VERSION_OTHER, "each place has its version");

const struct metrics_bucket metrics_bucket[] = {
	{100000, "0.0001"},    {250000, "0.00025"},   {500000, "0.0005"},   {1000000, "0.001"},  {2500000, "0.0025"},
	{5000000, "0.005"},    {10000000, "0.01"},    {25000000, "0.025"},  {50000000, "0.05"},  {100000000, "0.1"},
	{250000000, "0.25"},   {500000000, "0.5"},    {1000000000, "1.0"},  {2500000000, "2.5"}, {5000000000, "5.0"},
	{10000000000, "10.0"}, {30000000000, "30.0"}, {60000000000, "60.0"}};

_Static_assert(sizeof(metrics_bucket) / sizeof(metrics_bucket[0]) == METRICS_BUCKETS, "each bucket has its bound");

struct metrics *metrics_new(uint32_t services_max)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return NULL;
	metrics->services_max = services_max;
	metrics->held = calloc(1, sizeof(*metrics->held));
	if (!metrics->held) {
		metrics_free(metrics);
		return NULL;
	}
	for (int role = 0; role < ROLES; role++) {
		struct role_counts *counts = &metrics->role[role];

		/* pages that are never written take no memory */
		counts->service = calloc((size_t)services_max + 1, sizeof(*counts->service));
		counts->counts = calloc((size_t)services_max + 1, sizeof(*counts->counts));
		if (!counts->service || !counts->counts) {
			metrics_free(metrics);
			return NULL;
		}
	}
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	for (int role = 0; role < ROLES; role++) {
		free(metrics->role[role].service);
		free(metrics->role[role].counts);
	}
	free(metrics->held);
	free(metrics);
}

/* The service's place among the counts of its role. */
static uint32_t service_index(struct metrics *metrics, uint8_t role, const struct handshake *handshake)
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
		if (metrics_version[index] == version)
			break;
	return index;
}

static void observe(struct histogram *histogram, uint64_t value_ns)
{
	uint32_t index = 0;

	while (index < METRICS_BUCKETS && value_ns > metrics_bucket[index].bound_ns)
		index++;
	histogram->count[index]++;
	histogram->sum_ns += value_ns;
}

uint64_t metrics_hour(uint64_t time_ns)
{
	return 1 + time_ns / ((uint64_t)SECONDS_PER_HOUR * NANOSECONDS_PER_SECOND);
}

static void note_expiry(struct expiry *expiry, const struct tally *tally)
{
	const uint64_t hour = metrics_hour(tally->end_ns);
	const uint32_t place = hour % METRICS_EXPIRY_HOURS;

	if (expiry->hour[place] == hour && expiry->earliest[place] <= tally->not_after)
		return;
	expiry->hour[place] = hour;
	expiry->earliest[place] = tally->not_after;
}

static void count_steps(struct metrics *metrics, const struct handshake *handshake)
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

/* Without an end that was seen, the time is only how long somebody waited. */
static bool end_is_seen(const struct handshake *handshake)
{
	return handshake->facts.end != END_NONE && handshake->facts.end != END_TIMEOUT &&
	       handshake->end_ns >= handshake->start_ns;
}

/* Only certificates accepted by the server: a rejected client may have made up its certificate. */
static bool certificate_counts(const struct handshake *handshake)
{
	return handshake->verdict.client_auth == CLIENT_AUTH_PRESENTED && handshake->certificate &&
	       handshake->certificate->leaf_parsed;
}

static void tally_verdict(struct tally *tally, const struct handshake *handshake)
{
	const struct verdict *verdict = &handshake->verdict;

	tally->client_auth = verdict->client_auth < CLIENT_AUTHS ? verdict->client_auth : CLIENT_AUTH_UNKNOWN;
	tally->evidence = verdict->evidence < EVIDENCES ? verdict->evidence : EVIDENCE_CLEARTEXT;
	tally->reason = REASONS;
	if (tally->client_auth == CLIENT_AUTH_UNKNOWN && verdict->reason < REASONS)
		tally->reason = verdict->reason;
	tally->expectation = POLICY_NOTHING;
	if (policy_expectation_name(handshake->policy.expectation) && handshake->policy.result < POLICY_RESULTS) {
		tally->expectation = handshake->policy.expectation;
		tally->result = handshake->policy.result;
	}
}

static void tally_cause(struct tally *tally, const struct handshake *handshake)
{
	const struct verification *verification = &handshake->verification[FROM_CLIENT];
	const uint8_t by = report_failure_by(handshake);

	tally->failure = handshake->failure.reason < FAILURE_REASONS ? handshake->failure.reason : FAILURE_OTHER;
	tally->failed_by = by < SIDES ? by : ENDER_UNKNOWN;
	tally->has_verification = verification->known;
	tally->verification = verification->result < FAILURE_REASONS ? verification->result : FAILURE_OTHER;
}

static void tally_times(struct tally *tally, const struct handshake *handshake)
{
	tally->end_ns = handshake->end_ns;
	tally->has_duration = end_is_seen(handshake);
	tally->duration_ns = handshake->end_ns - handshake->start_ns;
	tally->has_answer = handshake->request_ns && handshake->answer_ns >= handshake->request_ns;
	tally->answer_ns = handshake->answer_ns - handshake->request_ns;
	tally->has_expiry = certificate_counts(handshake);
	tally->not_after = tally->has_expiry ? handshake->certificate->not_after : 0;
}

static struct tally tally_of(struct metrics *metrics, const struct handshake *handshake)
{
	struct tally tally = {.role = handshake->role < ROLES ? handshake->role : ROLE_OBSERVER,
	                      .version = version_index(handshake->version)};

	tally.service = service_index(metrics, tally.role, handshake);
	tally_verdict(&tally, handshake);
	tally_cause(&tally, handshake);
	tally_times(&tally, handshake);
	return tally;
}

static void count_tally(struct metrics *metrics, const struct tally *tally)
{
	struct service_counts *counts = &metrics->role[tally->role].counts[tally->service];

	counts->handshakes[tally->version][tally->client_auth][tally->evidence]++;
	counts->plaintext += tally->client_auth == CLIENT_AUTH_NOT_TLS;
	if (tally->reason < REASONS)
		metrics->unknown[tally->reason]++;
	if (tally->failure != FAILURE_NONE)
		counts->failures[tally->failed_by][tally->failure]++;
	if (tally->has_verification)
		counts->verifications[tally->verification]++;
	if (tally->has_duration)
		observe(&counts->duration, tally->duration_ns);
	if (tally->has_answer)
		observe(&counts->answer, tally->answer_ns);
	if (tally->expectation != POLICY_NOTHING)
		counts->policy[tally->expectation][tally->result]++;
	if (tally->has_expiry)
		note_expiry(&counts->expiry, tally);
}

static struct held_tally *held_place(struct metrics_held *held, uint32_t index)
{
	return &held->place[(held->first + index) % METRICS_HELD_MAX];
}

/* Nobody corrects the oldest record any more: its verdict stands. */
static void count_oldest(struct metrics *metrics)
{
	struct metrics_held *held = metrics->held;
	const struct held_tally *oldest = held_place(held, 0);

	/* a record that was corrected has left an empty place */
	if (*oldest->id)
		count_tally(metrics, &oldest->tally);
	held->first = (held->first + 1) % METRICS_HELD_MAX;
	held->count--;
}

static void hold(struct metrics *metrics, const struct tally *tally, const struct handshake *handshake)
{
	struct metrics_held *held = metrics->held;
	struct held_tally *place;

	if (held->count == METRICS_HELD_MAX)
		count_oldest(metrics);
	place = held_place(held, held->count++);
	memcpy(place->id, handshake->id, sizeof(place->id));
	place->until_ns = handshake->end_ns + METRICS_HELD_SECONDS * (uint64_t)NANOSECONDS_PER_SECOND;
	place->tally = *tally;
}

/* Take the earlier record out. Returns whether it was held. */
static bool release(struct metrics_held *held, const char *id)
{
	for (uint32_t index = 0; index < held->count; index++) {
		struct held_tally *place = held_place(held, index);

		if (strcmp(place->id, id))
			continue;
		*place->id = '\0';
		return true;
	}
	return false;
}

void metrics_handshake(struct metrics *metrics, const struct handshake *handshake)
{
	const struct tally tally = tally_of(metrics, handshake);
	bool corrects = *handshake->corrects;

	if (corrects && !release(metrics->held, handshake->corrects)) {
		metrics->corrections[METRICS_CORRECTION_LATE]++;
		return;
	}
	metrics->corrections[METRICS_CORRECTED] += corrects;
	if (handshake->provisional)
		hold(metrics, &tally, handshake);
	else
		count_tally(metrics, &tally);
	/* the messages of the earlier record have been counted */
	if (!corrects)
		count_steps(metrics, handshake);
}

void metrics_update(struct metrics *metrics, const struct status *status)
{
	metrics->status = *status;
	while (metrics->held->count && held_place(metrics->held, 0)->until_ns <= status->now_ns)
		count_oldest(metrics);
}

void metrics_copy(struct metrics *to, const struct metrics *from)
{
	struct metrics_held *held = to->held;
	struct role_counts role[ROLES];

	memcpy(role, to->role, sizeof(role));
	*to = *from;
	to->held = held;
	for (int index = 0; index < ROLES; index++) {
		const struct role_counts *source = &from->role[index];

		role[index].services = source->services;
		memcpy(role[index].service, source->service, source->services * sizeof(*source->service));
		memcpy(role[index].counts, source->counts, source->services * sizeof(*source->counts));
		role[index].counts[from->services_max] = source->counts[from->services_max];
	}
	memcpy(to->role, role, sizeof(role));
}

uint64_t metrics_lost(const struct metrics *metrics)
{
	return loss_urgent(&metrics->status);
}
