/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * turn - one CPU at a time. The second CPU does not wait: it learns of the first, and leaves.
 *
 * Kernel 5.10 has no atomic operation that returns a value, and no spin lock in an LRU hash. But after the addition
 * each CPU reads at least its own share, so at most one CPU can read 1.
 *
 * The next CPU must see the writes of the previous CPU. On x86 the addition orders them: nothing is reordered with a
 * locked instruction (Intel SDM volume 3, section 9.2.2). Elsewhere the addition orders nothing (arm64: STADD, or LDXR
 * and STXR, without acquire and release), and BPF has no fence. A lock orders everything before and after: both
 * additions are made under a lock.
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

/*
 * The lock of the connection with this id. While the id is being made, the lock may be another connection's: then
 * nothing is ordered yet.
 */
static __always_inline struct turn *turn_of(__u64 id)
{
	__u32 index = id & (TURN_LOCKS - 1);

	return bpf_map_lookup_elem(&turns, &index);
}

/*
 * The first to arrive, for actions that happen once. Exactly one CPU gets 1: two CPUs that only add may both read 2,
 * and neither would be first. once must be 0 before. Any lock serves, if all callers use the same.
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

/* Of the CPUs inside, this CPU included, at most one reads 1. A count below 1 has gone wrong (turn_is_broken()). */
static __always_inline int turn_count(__u32 *count)
{
	__sync_fetch_and_add(count, 1);
	return *(volatile __u32 *)count == 1;
}

/*
 * Whether a counter is wrong; for a CPU that has counted itself and not left. A counter goes wrong if an LRU hash
 * reuses an entry for another connection while a CPU is inside: that CPU leaves a counter that it never entered.
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

/* These two are not inlined: the key on the stack would enlarge the caller's frame. */
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
