// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/descriptors.h"

#include <limits.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <unistd.h>

void descriptors_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The lowest of the descriptors from `from` on; UINT_MAX without descriptors. */
static unsigned int lowest_from(unsigned int from, const int descriptors[], int count)
{
	unsigned int lowest = UINT_MAX;

	for (int index = 0; index < count; index++)
		if (descriptors[index] >= 0 && (unsigned int)descriptors[index] >= from &&
		    (unsigned int)descriptors[index] < lowest)
			lowest = descriptors[index];
	return lowest;
}

void descriptors_close_all_but(const int kept[], int count)
{
	unsigned int from, next;

	for (from = STDERR_FILENO + 1;; from = next + 1) {
		next = lowest_from(from, kept, count);
		if (next > from)
			close_range(from, next - (next != UINT_MAX), 0);
		if (next == UINT_MAX)
			return;
	}
}
