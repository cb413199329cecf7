// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "system/log.h"

int report_open(struct report *report, const struct options *options)
{
	report->options = options;
	if (getrandom(&report->ids.run, sizeof(report->ids.run), 0) != sizeof(report->ids.run)) {
		log_error("cannot get random numbers: %s", strerror(errno));
		return -errno;
	}
	if (options->read_file || !(sinks_needs(&report->sinks) & SINK_NEEDS_ATTRIBUTION))
		return 0;
	return processes_open(&report->processes);
}

void report_close(struct report *report)
{
	sinks_close(&report->sinks);
	processes_close(report->processes);
	report->processes = NULL;
}

static bool is_wanted(const struct report *report, const struct handshake *handshake)
{
	return !report->options->requested_only || handshake->verdict.requested == KNOWN_YES;
}

void report_handshake(const struct handshake *handshake, void *context)
{
	struct report *report = context;
	const struct options *options = report->options;
	struct handshake record;
	bool wanted;

	if (!options_want_process(options, handshake) ||
	    !options_want_ports(options, handshake->server.port, handshake->client.port))
		return;
	record = *handshake;
	if (!*record.id)
		event_id_next(&report->ids, record.id);
	if (report->processes)
		processes_container(report->processes, record.process.id ?: record.owner.id, record.container);
	wanted = is_wanted(report, &record) && !report_is_complete(report);
	/* a record that corrects an earlier one is the same handshake */
	report->reported += wanted && !*record.corrects;
	sinks_take(&report->sinks, &record, wanted);
}

bool report_is_complete(const struct report *report)
{
	return report->options->count && report->reported >= report->options->count;
}
