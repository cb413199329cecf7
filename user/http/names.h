/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * names - the addresses of hosts, by a child without any privilege: answers of name servers come from the network, and the
 * process that asks may have privileges.
 */
#ifndef HTTP_NAMES_H
#define HTTP_NAMES_H

#include "handshake/policy.h"

#include <stdint.h>

enum names_bounds {
	NAMES_PATIENCE_MS = 10000, /* for one name */
};

struct names;

/* Start the child. Returns 0, or -errno after a message on standard error. */
int names_start(struct names **names);
void names_stop(struct names *names);

/*
 * A policy_resolve whose context is a struct names. Waits for the answer at most NAMES_PATIENCE_MS; a silent child is
 * asked no more.
 */
uint32_t names_resolve(const char *name, struct policy_address addresses[POLICY_ADDRESSES_MAX], void *context);

#endif /* HTTP_NAMES_H */
