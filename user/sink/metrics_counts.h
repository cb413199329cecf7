/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* metrics_counts - the sums of the metrics: metrics adds to the sums, metrics_page writes them. */
#ifndef SINK_METRICS_COUNTS_H
#define SINK_METRICS_COUNTS_H

#include "handshake/handshake.h"
#include "sink/metrics.h"
#include "sink/report.h"
#include "sink/status.h"

#include <stdbool.h>
#include <stdint.h>

enum metrics_counts_bounds {
	ROLES = ROLE_OBSERVER + 1,
	OCTET_VALUES = 256,
	OCTET_OTHER = 255, /* for private use in the registries of HandshakeType and Alert: has no name there */
	NANOSECONDS_PER_MILLISECOND = 1000000,
	NANOSECONDS_PER_SECOND = 1000000000,
	METRICS_VERSIONS = 13, /* 0 for no ServerHello, then versions with names; the last is all others */
	METRICS_BUCKETS = 18,
	ENDERS = SIDES + 1, /* client, server, nobody knows */
	ENDER_UNKNOWN = SIDES,
};

/* The version of a place; 0 for no ServerHello. The last place, METRICS_VERSIONS - 1, has none. */
extern const uint16_t metrics_version[METRICS_VERSIONS - 1];

/* Upper bounds as both formats write them: OpenMetrics requires a point, and a series keeps its name in both. */
struct metrics_bucket {
	uint64_t bound_ns;
	const char *name;
};

extern const struct metrics_bucket metrics_bucket[METRICS_BUCKETS];

struct histogram {
	uint64_t count[METRICS_BUCKETS + 1]; /* in each bucket alone; the last one has no bound */
	uint64_t sum_ns;
};

/*
 * The earliest end of a client certificate in each of the last hours. Each hour of CLOCK_MONOTONIC has a place. A
 * replaced certificate is forgotten when its last hour is dropped, however many certificates come.
 */
struct expiry {
	uint64_t hour[METRICS_EXPIRY_HOURS]; /* the hour of the place, counted from 1; 0: none */
	int64_t earliest[METRICS_EXPIRY_HOURS];
};

/* The sums of one service. */
struct service_counts {
	uint64_t handshakes[METRICS_VERSIONS][CLIENT_AUTHS][EVIDENCES];
	uint64_t policy[POLICY_EXPECTATIONS][POLICY_RESULTS];
	uint64_t failures[ENDERS][FAILURE_REASONS];
	uint64_t verifications[FAILURE_REASONS]; /* of client certificates, by result */
	uint64_t plaintext;                      /* connections that were not TLS */
	struct histogram duration;
	struct histogram answer;
	struct expiry expiry;
};

/*
 * A handshake for the sums. Small, because provisional records wait in this form: for the correction, which is counted
 * instead, or for the end of the waiting time.
 */
struct tally {
	uint32_t service; /* place among the services of the role */
	uint8_t role;
	uint8_t version; /* place in metrics_version */
	uint8_t client_auth;
	uint8_t evidence;
	uint8_t reason; /* REASONS: none to count */
	uint8_t failure;
	uint8_t failed_by;
	uint8_t expectation;
	uint8_t result;
	bool has_duration;
	bool has_answer;
	bool has_expiry;
	bool has_verification;
	uint8_t verification;
	uint64_t duration_ns;
	uint64_t answer_ns;
	uint64_t end_ns;
	int64_t not_after;
};

enum metrics_held_bounds {
	METRICS_HELD_MAX = 1024,        /* waiting provisional records; beyond the bound the oldest is counted */
	METRICS_HELD_SECONDS = 10 * 60, /* the longest wait */
};

struct held_tally {
	char id[EVENT_ID_MAX];
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	struct tally tally;
};

/* A ring, oldest first. */
struct metrics_held {
	uint32_t first;
	uint32_t count;
	struct held_tally place[METRICS_HELD_MAX];
};

/* The fate of a record that corrects an earlier record. */
enum metrics_correction {
	METRICS_CORRECTED,       /* counted in place of the earlier one */
	METRICS_CORRECTION_LATE, /* the earlier record had been counted: this record is not */
	METRICS_CORRECTIONS,
};

struct service {
	uint8_t address[16];
	uint16_t port;
	uint8_t family;
};

/*
 * The services of a role. Each role has its own bound: the many servers that a host may call must not push the host's
 * own services into "other".
 */
struct role_counts {
	uint32_t services;             /* known */
	struct service *service;       /* of services_max */
	struct service_counts *counts; /* of each service, and of all others in counts[services_max] */
};

struct metrics {
	uint32_t services_max;
	struct role_counts role[ROLES];
	uint64_t messages[OCTET_VALUES][SIDES];
	uint64_t alerts[OCTET_VALUES][SIDES];
	uint64_t unknown[REASONS];
	struct metrics_held *held; /* records awaiting a correction; a snapshot has an empty list */
	uint64_t corrections[METRICS_CORRECTIONS];
	struct status status;
};

/* The hour of a time of CLOCK_MONOTONIC, counted from 1. */
uint64_t metrics_hour(uint64_t time_ns);

#endif /* SINK_METRICS_COUNTS_H */
