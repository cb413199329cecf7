// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/losses.h"

#include <inttypes.h>

#include "sink/loss_table.h"
#include "system/log.h"

static const char *message_of(const struct loss *loss, uint64_t count)
{
	return count == 1 ? loss->one : loss->several;
}

void losses_report(struct losses *losses, const struct status *status)
{
	size_t rows;
	const struct loss *table = loss_table(&rows);

	for (size_t row = 0; row < rows && row < LOSSES_MAX; row++) {
		uint64_t count = loss_count(&table[row], status);

		if (!count || losses->reported[row] || !table[row].advice)
			continue;
		losses->reported[row] = true;
		log_warning("%" PRIu64 " %s; %s", count, message_of(&table[row], count), table[row].advice);
	}
}

void losses_summarize(const struct status *status, uint8_t without)
{
	size_t rows;
	const struct loss *table = loss_table(&rows);

	for (size_t row = 0; row < rows; row++) {
		uint64_t count = loss_count(&table[row], status);

		if (count && table[row].one && !(table[row].flags & without))
			log_notice("%" PRIu64 " %s", count, message_of(&table[row], count));
	}
}
