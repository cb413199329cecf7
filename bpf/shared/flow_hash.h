/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * flow_hash - a keyed hash of addresses and ports. Strangers choose these, so two of theirs must not collide by design.
 *
 * Multilinear hashing (Lemire and Kaser, "Strongly universal string hashing is fast", 2014): the sum of 32-bit words,
 * each times a random 64-bit key, modulo 2^64; the upper half is strongly universal. Two such halves with separate keys
 * make 64 bits: whoever does not know the keys hits a given value once in 2^64 tries. A seeded FNV would not do: flipping
 * the top bits of two neighbouring words collides under every seed.
 *
 * Pure; includes nothing: the includer provides __u8 to __u64.
 */
#ifndef FLOW_HASH_H
#define FLOW_HASH_H

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

enum flow_hash_bounds {
	FLOW_HASH_WORDS = 12, /* 32-bit words that can be hashed */
};

struct flow_hash_key {
	__u64 upper[FLOW_HASH_WORDS + 1]; /* random; the last one is the constant term */
	__u64 lower[FLOW_HASH_WORDS + 1];
};

/* count is a constant, at most FLOW_HASH_WORDS, and the same for all that is compared. */
static __always_inline __attribute__((unused)) __u64 flow_hash(const volatile struct flow_hash_key *key,
                                                               const void *data, const int count)
{
	const __u32 *words = data;
	__u64 upper = key->upper[FLOW_HASH_WORDS], lower = key->lower[FLOW_HASH_WORDS];
	int i;

	for (i = 0; i < count; i++) {
		upper += key->upper[i] * words[i];
		lower += key->lower[i] * words[i];
	}
	return (upper >> 32) << 32 | lower >> 32;
}

#endif /* FLOW_HASH_H */
