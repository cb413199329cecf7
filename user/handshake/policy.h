/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy - what services are expected to ask of their clients, and whether a handshake meets the expectation. Pure: the caller
 * reads the file and resolves host names.
 *
 *	# a comment
 *	10.0.0.1:443		required
 *	[2001:db8::/32]:8443	optional
 *	*:5432			never
 *	192.0.2.0/24		required
 *	db.corp:5432		trusted
 *	sni:*.corp:443		required
 *
 * A service is the server's address and port. The address may be a prefix, the name of a host, * or missing (any address);
 * the port may be missing (any port). sni:PATTERN is the name that the client asks for (RFC 6066 section 3); * in the pattern
 * stands for any characters, upper and lower case are the same, and a client that names nothing does not match.
 *
 * The first line that matches a handshake counts. A line that no handshake can reach is an error, like any bad line.
 */
#ifndef HANDSHAKE_POLICY_H
#define HANDSHAKE_POLICY_H

#include "handshake/handshake.h"

#include <stddef.h>
#include <stdint.h>

enum policy_bounds {
	POLICY_LINES_MAX =
		1024, /* services, and addresses of host names: each handshake is compared with all of them */
	POLICY_REASON_MAX = 160,
	POLICY_ADDRESSES_MAX = 16, /* of a host name */
	POLICY_NAME_MAX = 253,     /* bytes of a host name or a pattern (RFC 1035 section 2.3.4) */
};

struct policy_address {
	uint8_t family;    /* 4 or 6 */
	uint8_t bytes[16]; /* network byte order; an IPv4 address in the first four */
};

/* Set the addresses of a host. Returns how many, at most POLICY_ADDRESSES_MAX; 0: the name has no address. */
typedef uint32_t (*policy_resolve)(const char *name, struct policy_address addresses[POLICY_ADDRESSES_MAX],
                                   void *context);

/* The mistake in a text, and the line. */
struct policy_error {
	uint32_t line; /* from 1; 0: no single line */
	char reason[POLICY_REASON_MAX];
};

struct policy;

/*
 * Read a text. resolve is called once for each line with a host name; NULL: no name has an address. Returns 0; -EINVAL, with
 * error filled in; or -ENOMEM. The caller frees the policy.
 */
int policy_parse(struct policy **policy, const char *text, size_t length, policy_resolve resolve, void *context,
                 struct policy_error *error);
void policy_free(struct policy *policy);

/* The number of lines with an expectation (enum policy_expectation); 0 without a policy. */
uint32_t policy_lines(const struct policy *policy, uint8_t expectation);

/*
 * Name the services of lines that expect TLS of one address, or of any address: family is 0 then. Lines of a prefix, of a
 * server name or without a port name no service.
 */
void policy_services(const struct policy *policy,
                     void (*service)(const struct endpoint *service, uint8_t family, void *context), void *context);

/* Judge a handshake whose verdict is known. Without a policy, or without a line that matches, nothing is expected. */
struct policy_judgement policy_judge(const struct policy *policy, const struct handshake *handshake);

/* "trusted", "required", "optional", "never"; NULL for POLICY_NOTHING. */
const char *policy_expectation_name(uint8_t expectation);

/* How an expectation was broken: "not_requested", "missing", "untrusted", "requested", "refused"; NULL for POLICY_BREACH_NONE. */
const char *policy_breach_name(uint8_t breach);

#endif /* HANDSHAKE_POLICY_H */
