/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * early_filter - the part of an expression that a connection's first packet decides: addresses, ports, and the role of this host.
 * All other comparisons count as true, so every connection that the expression selects passes. Userspace compiles the part
 * (filter/early.h); the BPF programs and the tests evaluate the part with the same code.
 *
 * Includes nothing: the includer provides __u8 to __u64.
 */
#ifndef EARLY_FILTER_H
#define EARLY_FILTER_H

enum early_filter_bounds {
	EARLY_FILTER_STEPS = 64, /* each takes a bit of the stack */
};

enum early_kind {
	EARLY_TRUE,
	EARLY_AND, /* takes two results from the stack, and pushes their conjunction */
	EARLY_OR,
	EARLY_ROLE, /* low is a mask: 1 << enum early_role */
	EARLY_SERVER_PORT,
	EARLY_CLIENT_PORT,
	EARLY_SERVER_ADDRESS,
	EARLY_CLIENT_ADDRESS,
};

/* As enum handshake_role. */
enum early_role {
	EARLY_SERVER,
	EARLY_CLIENT,
};

/* A step in postfix order. */
struct early_step {
	__u8 kind;     /* enum early_kind */
	__u8 inverted; /* 1: the opposite of the comparison */
	__u8 family;   /* of the address: 4 or 6 */
	__u8 reserved;
	__u16 low; /* of a range of ports, host byte order */
	__u16 high;
	__u32 address[4]; /* network byte order; bits outside the mask are 0 */
	__u32 mask[4];
};

struct early_filter {
	__u32 steps; /* 0: every connection passes */
	__u32 reserved;
	struct early_step step[EARLY_FILTER_STEPS];
};

/* An end of a connection. */
struct early_end {
	__u32 address[4]; /* network byte order, an IPv4 address in the first */
	__u16 port;       /* host byte order */
	__u16 family;     /* 4 or 6 */
};

_Static_assert(sizeof(struct early_step) == 40, "ABI");
_Static_assert(sizeof(struct early_filter) == 8 + 40 * EARLY_FILTER_STEPS, "ABI");

static inline __attribute__((always_inline)) __u32 early_address_within(const volatile struct early_step *step,
                                                                        const struct early_end *end)
{
	__u32 differ = step->family ^ end->family;

	differ |= (end->address[0] ^ step->address[0]) & step->mask[0];
	differ |= (end->address[1] ^ step->address[1]) & step->mask[1];
	differ |= (end->address[2] ^ step->address[2]) & step->mask[2];
	differ |= (end->address[3] ^ step->address[3]) & step->mask[3];
	return differ == 0;
}

static inline __attribute__((always_inline)) __u32 early_compare(const volatile struct early_step *step,
                                                                 const struct early_end *server,
                                                                 const struct early_end *client, __u32 role)
{
	__u32 port = step->kind == EARLY_SERVER_PORT ? server->port : client->port;

	switch (step->kind) {
	case EARLY_ROLE:
		return step->low >> role & 1;
	case EARLY_SERVER_PORT:
	case EARLY_CLIENT_PORT:
		return port >= step->low && port <= step->high;
	case EARLY_SERVER_ADDRESS:
		return early_address_within(step, server);
	case EARLY_CLIENT_ADDRESS:
		return early_address_within(step, client);
	default:
		return 1;
	}
}

/* Take a step: the lowest bit of the stack is the top. Returns the new stack. */
static inline __attribute__((always_inline)) __u64 early_step(const volatile struct early_step *step,
                                                              const struct early_end *server,
                                                              const struct early_end *client, __u32 role, __u64 stack)
{
	__u64 top = stack & 1;

	if (step->kind == EARLY_AND)
		return (stack >> 1) & (top | ~1ULL);
	if (step->kind == EARLY_OR)
		return (stack >> 1) | top;
	return stack << 1 | (early_compare(step, server, client, role) ^ step->inverted);
}

/* Whether the expression may select a connection with the given ends, if this host has the given role. */
static inline __attribute__((always_inline)) __u32 early_passes(const volatile struct early_filter *filter,
                                                                const struct early_end *server,
                                                                const struct early_end *client, __u32 role)
{
	__u64 stack = 0;
	__u32 index;

	for (index = 0; index < EARLY_FILTER_STEPS; index++) {
		if (index >= filter->steps)
			break;
		stack = early_step(&filter->step[index], server, client, role, stack);
	}
	return !filter->steps || stack & 1;
}

#endif /* EARLY_FILTER_H */
