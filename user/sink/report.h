/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report - common parts of the reports: sides, addresses and times as text. Everything is plain ASCII. */
#ifndef SINK_REPORT_H
#define SINK_REPORT_H

#include "handshake/handshake.h"

#include <netinet/in.h>
#include <stdbool.h>

enum report_bounds {
	REPORT_ADDRESS_MAX = INET6_ADDRSTRLEN,
	REPORT_TIME_MAX = sizeof("9999-12-31T23:59:59"),
};

/* "server", "client", "observer" for an enum handshake_role */
const char *report_role_name(uint8_t role);

/* "client", "server" for an enum handshake_side */
const char *report_side_name(uint8_t side);

/* Whether a certificate was trusted: an enum known. */
uint8_t report_trusted(const struct verification *verification);

/* Whether facts.ended_by says who ended the handshake. */
bool report_has_ender(const struct handshake_facts *facts);

/*
 * The side to blame for the failure: an enum handshake_side, or FAILURE_BY_NOBODY. Either the side that ended the
 * handshake, or nobody: two different answers would contradict each other.
 */
uint8_t report_failure_by(const struct handshake *handshake);

/* The address without the port; false where family is neither 4 nor 6. */
bool report_address(char text[REPORT_ADDRESS_MAX], const struct endpoint *endpoint, uint8_t family);

/* ISO 8601 in UTC, without fraction and zone; false where seconds since the epoch are not in the years 0 to 9999. */
bool report_time(char text[REPORT_TIME_MAX], int64_t seconds);

/* Upper-case hexadecimal, as ECS has it. */
void report_sha256(char text[2 * MESSAGE_SHA256 + 1], const uint8_t sha256[MESSAGE_SHA256]);

#endif /* SINK_REPORT_H */
