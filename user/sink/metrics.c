// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/metrics.h"

#include "handshake/policy.h"
#include "sink/loss_table.h"
#include "sink/metrics_counts.h"
#include "tls/names.h"

#include <stdlib.h>
#include <string.h>

enum {
	VERSION_OTHER = METRICS_VERSIONS - 1,
	SECONDS_PER_HOUR = 3600,
};

const uint16_t metrics_version[] = {0, 0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x0100, 0xfeff, 0xfefd, 0xfefc};

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

/* Of certificates that were taken alone: what a client makes up that is turned away says nothing of the others. */
static void note_expiry(struct expiry *expiry, const struct handshake *handshake)
{
	const struct certificate *certificate = handshake->certificate;
	const uint64_t hour = metrics_hour(handshake->end_ns);
	const uint32_t place = hour % METRICS_EXPIRY_HOURS;

	if (handshake->verdict.client_auth != CLIENT_AUTH_PRESENTED || !certificate || !certificate->leaf_parsed)
		return;
	if (expiry->hour[place] == hour && expiry->earliest[place] <= certificate->not_after)
		return;
	expiry->hour[place] = hour;
	expiry->earliest[place] = certificate->not_after;
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

/* Without an end that was seen, the time says how long was waited, and nothing of the handshake. */
static bool end_is_seen(const struct handshake *handshake)
{
	return handshake->facts.end != END_NONE && handshake->facts.end != END_TIMEOUT &&
	       handshake->end_ns >= handshake->start_ns;
}

void metrics_handshake(struct metrics *metrics, const struct handshake *handshake)
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

void metrics_update(struct metrics *metrics, const struct status *status)
{
	metrics->status = *status;
}

void metrics_copy(struct metrics *to, const struct metrics *from)
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

uint64_t metrics_lost(const struct metrics *metrics)
{
	return loss_urgent(&metrics->status);
}
