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

/* The first to come: for what happens once. */
static __always_inline int turn_claim_once(__u32 *count)
{
	__sync_fetch_and_add(count, 1);
	return *(volatile __u32 *)count == 1;
}

#if defined(__TARGET_ARCH_x86)

static __always_inline int turn_claim(__u32 *count, __u64 id)
{
	(void)id;
	return turn_claim_once(count);
}

static __always_inline void turn_release(__u32 *count, __u64 id)
{
	(void)id;
	__sync_fetch_and_add(count, -1);
}

#else

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

/* Not inlined, these two: the key on the stack would make a larger frame of their caller's. */
static __noinline int turn_claim(__u32 *count, __u64 id)
{
	struct turn *turn = turn_of(id);
	int alone;

	if (!turn)
		return 0;
	bpf_spin_lock(&turn->lock);
	alone = turn_claim_once(count);
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
