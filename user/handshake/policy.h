/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy - what a service is expected to ask of its clients, and whether a handshake keeps to it. Pure: the caller reads the
 * file.
 *
 *	# a comment
 *	10.0.0.1:443		required
 *	[2001:db8::/32]:8443	optional
 *	:5432			never
 *	192.0.2.0/24		required
 *
 * A service is the server's address and port; its address may be a prefix or left out, its port left out. The first line
 * that fits a handshake is the one that counts. A line that no handshake can reach is an error, like any bad line.
 */
#ifndef HANDSHAKE_POLICY_H
#define HANDSHAKE_POLICY_H

#include "handshake/handshake.h"

#include <stddef.h>
#include <stdint.h>

enum policy_bounds {
	POLICY_LINES_MAX = 1024, /* with an expectation: each handshake is compared with all of them */
	POLICY_REASON_MAX = 128,
};

/* What is wrong with a text, and where. */
struct policy_error {
	uint32_t line; /* from 1; 0: it is not of one line */
	char reason[POLICY_REASON_MAX];
};

struct policy;

/*
 * Read a text. Returns 0; -EINVAL, with error filled in; or -ENOMEM. The policy is the caller's to free.
 */
int policy_parse(struct policy **policy, const char *text, size_t length, struct policy_error *error);
void policy_free(struct policy *policy);

/* How many lines expect this (enum policy_expectation); 0 without a policy. */
uint32_t policy_lines(const struct policy *policy, uint8_t expectation);

/* Judge a handshake whose verdict is known. Without a policy, or a line that fits, nothing is expected. */
struct policy_judgement policy_judge(const struct policy *policy, const struct handshake *handshake);

/* "required", "optional", "never"; NULL for POLICY_NOTHING. */
const char *policy_expectation_name(uint8_t expectation);

#endif /* HANDSHAKE_POLICY_H */
