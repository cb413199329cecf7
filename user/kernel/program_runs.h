/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * program_runs - the kernel's count of the runs of a BPF program. Needs no privileges, unless the kernel restricts
 * bpf(2).
 */
#ifndef KERNEL_PROGRAM_RUNS_H
#define KERNEL_PROGRAM_RUNS_H

#include <stdint.h>

struct program_runs {
	const char *program; /* a static string */
	uint64_t runs;       /* 0 where the kernel does not count (sysctl kernel.bpf_stats_enabled) or does not tell */
	uint64_t run_ns;
};

struct bpf_program;
struct program_runs program_runs(const char *name, const struct bpf_program *program);

#endif /* KERNEL_PROGRAM_RUNS_H */
