/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * service_set - the addresses and ports of services known to speak TLS: a hash set of fixed size in memory written by
 * userspace and read by the hooks. An entry is a keyed 64-bit hash (flow_hash.h) of address, port and family.
 *
 * Userspace is the only writer and never removes an entry. An entry is one aligned 64-bit word, which a reader sees
 * whole. Pure; includes only flow_hash.h: the includer provides __u8 to __u64.
 */
#ifndef SERVICE_SET_H
#define SERVICE_SET_H

#include "bpf/shared/flow_hash.h"

enum service_set_bounds {
	SERVICE_SET_ROWS = 512, /* a power of two */
	SERVICE_SET_PLACES = 4, /* entries in a row */
};

struct service_set {
	__u64 count; /* entries; 0: the hooks look nothing up */
	__u64 entry[SERVICE_SET_ROWS][SERVICE_SET_PLACES];
};

/* A service. All zeroes as the address: any address. */
struct service_key {
	__u8 address[16]; /* network byte order; an IPv4 address in the first four */
	__u16 port;       /* host byte order */
	__u8 family;      /* 4 or 6; 0 with no address */
	__u8 reserved[5]; /* 0 */
} __attribute__((aligned(8)));

_Static_assert(sizeof(struct service_key) == 24, "hashed by words");

/* Never 0. */
static __always_inline __attribute__((unused)) __u64 service_hash(const volatile struct flow_hash_key *key,
                                                                  const struct service_key *service)
{
	__u64 hash = flow_hash(key, service, sizeof(*service) / sizeof(__u32));

	return hash ? hash : 1;
}

static __always_inline __attribute__((unused)) int service_set_has(const volatile struct flow_hash_key *key,
                                                                   const struct service_set *set,
                                                                   const struct service_key *service)
{
	__u64 hash = service_hash(key, service);
	const __u64 *row = set->entry[hash & (SERVICE_SET_ROWS - 1)];
	int place;

	for (place = 0; place < SERVICE_SET_PLACES; place++)
		if (row[place] == hash)
			return 1;
	return 0;
}

/* Returns 1 where the service is in the set now, 0 where its row is full. */
static __always_inline __attribute__((unused)) int
service_set_add(const volatile struct flow_hash_key *key, struct service_set *set, const struct service_key *service)
{
	__u64 hash = service_hash(key, service);
	__u64 *row = set->entry[hash & (SERVICE_SET_ROWS - 1)];
	int place;

	for (place = 0; place < SERVICE_SET_PLACES; place++) {
		if (row[place] == hash)
			return 1;
		if (row[place])
			continue;
		__atomic_store_n(&row[place], hash, __ATOMIC_RELAXED);
		__atomic_store_n(&set->count, set->count + 1, __ATOMIC_RELEASE);
		return 1;
	}
	return 0;
}

#endif /* SERVICE_SET_H */
