// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "filter/filter.h"
#include "system/log.h"

int report_open(struct report *report, const struct options *options)
{
	report->options = options;
	if (getrandom(&report->ids.run, sizeof(report->ids.run), 0) != sizeof(report->ids.run)) {
		log_error("cannot get random numbers: %s", strerror(errno));
		return -errno;
	}
	if (options->read_file || options->interfaces ||
	    (!(sinks_needs(&report->sinks) & SINK_NEEDS_ATTRIBUTION) && !filter_needs_attribution(options->filter)))
		return 0;
	return attributor_open(&report->attributor, options->command_line);
}

void report_close(struct report *report)
{
	sinks_close(&report->sinks);
	attributor_close(report->attributor);
	report->attributor = NULL;
}

static struct process process_of(uint32_t id, const char name[ATTRIBUTION_NAME_MAX])
{
	struct process process = {.id = id};

	memcpy(process.name, name, sizeof(process.name));
	return process;
}

/*
 * The process of the handshake, the same in all parts of the record. Without attribution the record has the facts of
 * the kernel and the TLS library; with attribution the record never names a doubtful process.
 */
static void attribute(struct report *report, struct handshake *record)
{
	const struct attribution *attribution;

	if (!report->attributor) {
		if (record->writer.process)
			record->process = process_of(record->writer.process, record->writer.name);
		return;
	}
	attribution = attributor_resolve(report->attributor, record);
	record->attribution = attribution;
	record->owner = (struct process){};
	record->process = attribution ? process_of(attribution->process, attribution->name) : (struct process){};
	record->container[0] = '\0';
	if (attribution)
		memcpy(record->container, attribution->container, sizeof(record->container));
}

static bool matches(const struct filter *filter, const struct handshake *handshake)
{
	return filter_match(filter, handshake, time(NULL));
}

void report_handshake(const struct handshake *handshake, void *context)
{
	struct report *report = context;
	const struct options *options = report->options;
	const bool by_attribution = filter_needs_attribution(options->counted);
	struct handshake record;
	bool wanted;

	/* a record for no sink needs no attribution */
	if (!options_want_process(options, handshake) || (!by_attribution && !matches(options->counted, handshake)))
		return;
	record = *handshake;
	/* the table of connections names the records with a possible later correction */
	record.provisional = *record.id;
	if (!*record.id)
		event_id_next(&report->ids, record.id);
	attribute(report, &record);
	if (by_attribution && !matches(options->counted, &record))
		return;
	wanted = !report_is_complete(report) && (!options->requested_only || record.verdict.requested == KNOWN_YES);
	/* a record that corrects an earlier one is the same handshake */
	report->reported += wanted && !*record.corrects;
	sinks_take(&report->sinks, &record, wanted);
}

bool report_is_complete(const struct report *report)
{
	return report->options->count && report->reported >= report->options->count;
}
