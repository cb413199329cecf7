/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * early - the part of an expression that a connection's first packet decides, for the kernel.
 */
#ifndef FILTER_EARLY_H
#define FILTER_EARLY_H

#include <linux/types.h>

#include "bpf/shared/early_filter.h"
#include "filter/filter.h"

/*
 * Compile the early part. early->steps is 0 if nothing can be decided early: without a filter, if the first packet says
 * too little, or if the expression is too long. A record selected by filter_match() passes with both ends as the record
 * has them.
 */
void filter_early(const struct filter *filter, struct early_filter *early);

#endif /* FILTER_EARLY_H */
