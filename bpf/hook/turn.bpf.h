/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * turn - one CPU at a time in what two may meet in. The second one does not wait: it is told, and leaves it alone.
 *
 * Kernel 5.10 has no atomic operation that returns a value, and no spin lock in an LRU hash; but after the addition each CPU
 * reads at least its own share, so at most one of them can read 1.
 *
 * Who comes next must find what the one before has written. On x86 the addition sees to that: nothing is reordered with a
 * locked instruction (Intel SDM volume 3, section 9.2.2). Elsewhere it orders nothing but itself (arm64: STADD, or LDXR and
 * STXR, without acquire and release), and there is no fence in BPF. A lock orders what is before and behind it: both
 * additions are made under one.
 */
#ifndef TURN_BPF_H
#define TURN_BPF_H

enum {
	TURN_LOCKS = 256,
};

struct turn {
	struct bpf_spin_lock lock;
};

/* Of many connections each; held for one addition. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURN_LOCKS);
	__type(key, __u32);
	__type(value, struct turn);
} turns SEC(".maps");

/* The lock of the connection with this id. While that is being made it may be another's: then nothing is ordered, as yet. */
static __always_inline struct turn *turn_of(__u64 id)
{
	__u32 index = id & (TURN_LOCKS - 1);

	return bpf_map_lookup_elem(&turns, &index);
}

/*
 * The first to come: for what happens once. Exactly one CPU gets 1: two that only add may both read 2, and nobody would be
 * the first. once must be 0 before. Which lock is taken makes no difference, as long as it is the same one.
 */
static __noinline int turn_claim_once(__u32 *once)
{
	struct turn *turn = turn_of(0);
	int first;

	if (!turn)
		return 0;
	bpf_spin_lock(&turn->lock);
	first = *once == 0;
	*once = 1;
	bpf_spin_unlock(&turn->lock);
	return first;
}

/* Of the CPUs that are in it, this one among them, at most one reads 1. A count below 1 has gone wrong (turn_is_broken()). */
static __always_inline int turn_count(__u32 *count)
{
	__sync_fetch_and_add(count, 1);
	return *(volatile __u32 *)count == 1;
}

/*
 * Whether a counter is wrong, asked by a CPU that has counted itself and not yet left. A counter goes wrong where an entry
 * of an LRU hash is used for another connection while a CPU is still in it: that CPU leaves what it never entered.
 */
static __always_inline int turn_is_broken(const __u32 *count)
{
	return (__s32) * (const volatile __u32 *)count < 1;
}

#if defined(__TARGET_ARCH_x86)

static __always_inline int turn_claim(__u32 *count, __u64 id)
{
	(void)id;
	return turn_count(count);
}

static __always_inline void turn_release(__u32 *count, __u64 id)
{
	(void)id;
	__sync_fetch_and_add(count, -1);
}

#else

/* Not inlined, these two: the key on the stack would make a larger frame of their caller's. */
static __noinline int turn_claim(__u32 *count, __u64 id)
{
	struct turn *turn = turn_of(id);
	int alone;

	if (!turn)
		return 0;
	bpf_spin_lock(&turn->lock);
	alone = turn_count(count);
	bpf_spin_unlock(&turn->lock);
	return alone;
}

static __noinline int turn_release(__u32 *count, __u64 id)
{
	struct turn *turn = turn_of(id);

	if (!turn)
		return 0;
	bpf_spin_lock(&turn->lock);
	__sync_fetch_and_add(count, -1);
	bpf_spin_unlock(&turn->lock);
	return 0;
}

#endif

#endif /* TURN_BPF_H */
