// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/metrics.h"

#include "handshake/policy.h"
#include "handshake/verdict.h"
#include "http/accept.h"
#include "sink/loss_table.h"
#include "sink/metrics_counts.h"
#include "tls/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SERVICE_NAME_MAX = REPORT_ADDRESS_MAX + sizeof("[]:65535"),
	VERSION_OTHER = METRICS_VERSIONS - 1,
};

enum family_type {
	COUNTER,
	GAUGE,
	HISTOGRAM,
	INFO, /* a gauge of value 1 in the text format, which has no such type */
};

/* A metric family (OpenMetrics) or metric (text format): its name is without the suffix of the type. */
struct family {
	const char *name;
	enum family_type type;
	const char *unit; /* NULL: absent */
	const char *help; /* without backslashes, quotation marks and newlines */
};

/* What is being written. */
struct page {
	FILE *out;
	uint64_t now_ns; /* of the state */
	enum metrics_format format;
	const struct family *family;
	bool labelled;         /* the sample has a label already */
	uint8_t policy_result; /* enum policy_result: what the family counts */
};

static const char *family_suffix(const struct family *family)
{
	static const char *const suffixes[] = {[COUNTER] = "_total", [GAUGE] = "", [HISTOGRAM] = "", [INFO] = "_info"};

	return suffixes[family->type];
}

static void begin_family(struct page *page, const struct family *family)
{
	static const char *const types[] = {
		[COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram", [INFO] = "info"};
	bool open = page->format == METRICS_OPENMETRICS;
	const char *suffix = open ? "" : family_suffix(family);
	const char *type = types[!open && family->type == INFO ? GAUGE : family->type];

	page->family = family;
	fprintf(page->out, "# HELP %s%s %s\n", family->name, suffix, family->help);
	fprintf(page->out, "# TYPE %s%s %s\n", family->name, suffix, type);
	if (open && family->unit)
		fprintf(page->out, "# UNIT %s %s\n", family->name, family->unit);
}

/* A backslash, a quotation mark and a newline are escaped in both formats; what is not printable ASCII has no place here. */
static void write_label_value(FILE *out, const char *value)
{
	for (; *value; value++) {
		unsigned char byte = *value;

		if (byte == '\n')
			fputs("\\n", out);
		else if (byte == '\\' || byte == '"')
			fprintf(out, "\\%c", byte);
		else
			fputc(byte < 0x20 || byte > 0x7e ? '?' : byte, out);
	}
}

static void begin_sample(struct page *page, const char *suffix)
{
	fprintf(page->out, "%s%s", page->family->name, suffix);
	page->labelled = false;
}

static void add_label(struct page *page, const char *name, const char *value)
{
	fprintf(page->out, "%s%s=\"", page->labelled ? "," : "{", name);
	write_label_value(page->out, value);
	fputc('"', page->out);
	page->labelled = true;
}

static void end_sample(struct page *page, uint64_t value)
{
	fprintf(page->out, "%s %" PRIu64 "\n", page->labelled ? "}" : "", value);
}

/* Not by floating point: digits would depend on the locale, and the last digits on rounding. */
static void end_sample_seconds(struct page *page, uint64_t value_ns)
{
	fprintf(page->out, "%s %" PRIu64 ".%09" PRIu64 "\n", page->labelled ? "}" : "",
	        value_ns / NANOSECONDS_PER_SECOND, value_ns % NANOSECONDS_PER_SECOND);
}

/* A sample with one label or, if name is NULL, without labels. */
static void write_sample(struct page *page, const char *name, const char *value, uint64_t count)
{
	begin_sample(page, family_suffix(page->family));
	if (name)
		add_label(page, name, value);
	end_sample(page, count);
}

/* Numbers with names: each with its name as a label. */
static void write_numbers(struct page *page, const char *label, const struct status_number *numbers, size_t count)
{
	for (size_t index = 0; index < count; index++)
		if (numbers[index].name)
			write_sample(page, label, numbers[index].name, numbers[index].value);
}

/* A counter without labels. */
static void write_counter(struct page *page, const char *name, const char *help, uint64_t count)
{
	const struct family family = {name, COUNTER, NULL, help};

	begin_family(page, &family);
	write_sample(page, NULL, NULL, count);
	page->family = NULL;
}

static const char *service_name(char name[SERVICE_NAME_MAX], const struct metrics *metrics, uint8_t role,
                                uint32_t index)
{
	const struct service *service = &metrics->role[role].service[index];
	struct endpoint endpoint = {.port = service->port};
	char address[REPORT_ADDRESS_MAX];

	memcpy(endpoint.address, service->address, sizeof(endpoint.address));
	if (index == metrics->services_max || !report_address(address, &endpoint, service->family))
		return "other";
	snprintf(name, SERVICE_NAME_MAX, service->family == 4 ? "%s:%u" : "[%s]:%u", address, service->port);
	return name;
}

static const char *version_label(uint32_t index)
{
	if (index == VERSION_OTHER)
		return "other";
	return metrics_version[index] ? version_name(metrics_version[index]) : "none";
}

/* Call write() for each service of each role, "other" after the known services. */
static void each_service(struct page *page, const struct metrics *metrics,
                         void (*write)(struct page *page, const char *role, const char *service,
                                       const struct service_counts *counts))
{
	char name[SERVICE_NAME_MAX];

	for (uint8_t role = 0; role < ROLES; role++) {
		const struct role_counts *counts = &metrics->role[role];

		for (uint32_t index = 0; index < counts->services; index++)
			write(page, report_role_name(role), service_name(name, metrics, role, index),
			      &counts->counts[index]);
		write(page, report_role_name(role), "other", &counts->counts[metrics->services_max]);
	}
}

static void write_service_handshakes(struct page *page, const char *role, const char *service,
                                     const struct service_counts *counts)
{
	for (uint32_t version = 0; version < METRICS_VERSIONS; version++)
		for (uint32_t client_auth = 0; client_auth < CLIENT_AUTHS; client_auth++)
			for (uint32_t evidence = 0; evidence < EVIDENCES; evidence++) {
				if (!counts->handshakes[version][client_auth][evidence])
					continue;
				begin_sample(page, "_total");
				add_label(page, "role", role);
				add_label(page, "service", service);
				add_label(page, "version", version_label(version));
				add_label(page, "client_auth", client_auth_name(client_auth));
				add_label(page, "evidence", evidence_name(evidence));
				end_sample(page, counts->handshakes[version][client_auth][evidence]);
			}
}

static void begin_service_sample(struct page *page, const char *suffix, const char *role, const char *service)
{
	begin_sample(page, suffix);
	add_label(page, "role", role);
	add_label(page, "service", service);
}

static void write_histogram(struct page *page, const char *role, const char *service, const struct histogram *histogram)
{
	uint64_t count = 0;

	for (uint32_t index = 0; index <= METRICS_BUCKETS; index++)
		count += histogram->count[index];
	if (!count)
		return;
	count = 0;
	for (uint32_t index = 0; index <= METRICS_BUCKETS; index++) {
		count += histogram->count[index];
		begin_service_sample(page, "_bucket", role, service);
		add_label(page, "le", index < METRICS_BUCKETS ? metrics_bucket[index].name : "+Inf");
		end_sample(page, count);
	}
	begin_service_sample(page, "_sum", role, service);
	end_sample_seconds(page, histogram->sum_ns);
	begin_service_sample(page, "_count", role, service);
	end_sample(page, count);
}

static void write_service_duration(struct page *page, const char *role, const char *service,
                                   const struct service_counts *counts)
{
	write_histogram(page, role, service, &counts->duration);
}

static void write_service_answer(struct page *page, const char *role, const char *service,
                                 const struct service_counts *counts)
{
	write_histogram(page, role, service, &counts->answer);
}

/* The earliest end among the counting hours; false without an end. */
static bool earliest_expiry(const struct expiry *expiry, uint64_t now_ns, int64_t *earliest)
{
	const uint64_t now = metrics_hour(now_ns);
	bool found = false;

	for (int place = 0; place < METRICS_EXPIRY_HOURS; place++) {
		if (!expiry->hour[place] || expiry->hour[place] + METRICS_EXPIRY_HOURS <= now)
			continue;
		if (!found || expiry->earliest[place] < *earliest)
			*earliest = expiry->earliest[place];
		found = true;
	}
	return found;
}

static void write_service_expiry(struct page *page, const char *role, const char *service,
                                 const struct service_counts *counts)
{
	int64_t earliest = 0;

	if (!earliest_expiry(&counts->expiry, page->now_ns, &earliest))
		return;
	begin_service_sample(page, "", role, service);
	/* a certificate's end may lie before 1970 */
	end_sample(page, earliest > 0 ? earliest : 0);
}

static void write_service_failures(struct page *page, const char *role, const char *service,
                                   const struct service_counts *counts)
{
	for (uint8_t ender = 0; ender < ENDERS; ender++)
		for (uint8_t reason = FAILURE_NONE + 1; reason < FAILURE_REASONS; reason++) {
			if (!counts->failures[ender][reason])
				continue;
			begin_service_sample(page, "_total", role, service);
			add_label(page, "by", ender == ENDER_UNKNOWN ? "unknown" : report_side_name(ender));
			add_label(page, "reason", failure_reason_name(reason));
			end_sample(page, counts->failures[ender][reason]);
		}
}

/*
 * Numbers counted at the server's side: a client on this host is the other end of a connection that is counted at the
 * server, here or elsewhere. So the label role is not needed.
 */
static bool is_seen_at_server(const char *role)
{
	return strcmp(role, report_role_name(ROLE_CLIENT)) != 0;
}

static void write_service_verifications(struct page *page, const char *role, const char *service,
                                        const struct service_counts *counts)
{
	if (!is_seen_at_server(role))
		return;
	for (uint8_t result = 0; result < FAILURE_REASONS; result++) {
		if (!counts->verifications[result])
			continue;
		begin_sample(page, "_total");
		add_label(page, "service", service);
		add_label(page, "result", verification_result_name(result));
		end_sample(page, counts->verifications[result]);
	}
}

static void write_service_plaintext(struct page *page, const char *role, const char *service,
                                    const struct service_counts *counts)
{
	if (is_seen_at_server(role) && counts->plaintext)
		write_sample(page, "service", service, counts->plaintext);
}

static void write_causes(struct page *page, const struct metrics *metrics)
{
	static const struct family failures = {"mtlsnoop_handshake_failures", COUNTER, NULL,
	                                       "Handshakes that failed, by the side that ended them and the reason."};
	static const struct family verifications = {
		"mtlsnoop_client_certificate_verifications", COUNTER, NULL,
		"Checks of client certificates by the server, by result: ok, or why the certificate was not trusted."};
	static const struct family plaintext = {"mtlsnoop_plaintext_connections", COUNTER, NULL,
	                                        "Connections to a TLS service whose client sent no ClientHello."};
	static const struct family corrections = {
		"mtlsnoop_corrections", COUNTER, NULL,
		"Records that correct an earlier one: counted in its place, or too late and not counted."};

	begin_family(page, &failures);
	each_service(page, metrics, write_service_failures);
	begin_family(page, &verifications);
	each_service(page, metrics, write_service_verifications);
	begin_family(page, &plaintext);
	each_service(page, metrics, write_service_plaintext);
	begin_family(page, &corrections);
	write_sample(page, "state", "counted", metrics->corrections[METRICS_CORRECTED]);
	write_sample(page, "state", "late", metrics->corrections[METRICS_CORRECTION_LATE]);
}

static void write_sink_records(struct page *page, const struct status_sink *sink)
{
	const struct {
		const char *state;
		uint64_t count;
	} samples[] = {
		{"taken", sink->counts.taken},
		{"dropped", sink->counts.dropped},
		{"failed", sink->counts.failed},
	};

	for (size_t index = 0; index < sizeof(samples) / sizeof(samples[0]); index++) {
		begin_sample(page, "_total");
		add_label(page, "sink", sink->name);
		add_label(page, "state", samples[index].state);
		end_sample(page, samples[index].count);
	}
}

static void write_sinks(struct page *page, const struct status *status)
{
	static const struct family records = {"mtlsnoop_sink_records", COUNTER, NULL,
	                                      "Records that each sink was given, and those of them that it lost."};
	static const struct family waiting = {"mtlsnoop_sink_waiting_records", GAUGE, NULL,
	                                      "Records that wait in the queue of each sink."};

	begin_family(page, &records);
	for (int index = 0; index < STATUS_SINKS_MAX; index++)
		if (status->sink[index].name)
			write_sink_records(page, &status->sink[index]);
	begin_family(page, &waiting);
	for (int index = 0; index < STATUS_SINKS_MAX; index++)
		if (status->sink[index].name)
			write_sample(page, "sink", status->sink[index].name, status->sink[index].counts.waiting);
}

static void write_service_policy(struct page *page, const char *role, const char *service,
                                 const struct service_counts *counts)
{
	for (uint8_t expectation = POLICY_NOTHING + 1; expectation < POLICY_EXPECTATIONS; expectation++) {
		const uint64_t *results = counts->policy[expectation];

		/* a rule with one of the three has all three: 0 differs from absent */
		if (!(results[POLICY_KEPT] | results[POLICY_BROKEN] | results[POLICY_UNJUDGED]))
			continue;
		begin_service_sample(page, "_total", role, service);
		add_label(page, "rule", policy_expectation_name(expectation));
		end_sample(page, results[page->policy_result]);
	}
}

static void write_policy(struct page *page, const struct metrics *metrics)
{
	static const struct family families[POLICY_RESULTS] = {
		[POLICY_BROKEN] = {"mtlsnoop_policy_violations", COUNTER, NULL,
	                           "Handshakes that broke the policy for their service (--expect)."},
		[POLICY_KEPT] = {"mtlsnoop_policy_kept", COUNTER, NULL,
	                         "Handshakes that kept the policy for their service."},
		[POLICY_UNJUDGED] = {"mtlsnoop_policy_unjudged", COUNTER, NULL,
	                             "Handshakes of services with a policy that could not be judged."},
	};
	static const struct family lines = {"mtlsnoop_policy_lines", GAUGE, NULL, "Lines of the policy, by rule."};

	if (!metrics->status.settings.has_policy)
		return;
	for (page->policy_result = 0; page->policy_result < POLICY_RESULTS; page->policy_result++) {
		begin_family(page, &families[page->policy_result]);
		each_service(page, metrics, write_service_policy);
	}
	begin_family(page, &lines);
	for (uint8_t expectation = POLICY_NOTHING + 1; expectation < POLICY_EXPECTATIONS; expectation++)
		write_sample(page, "rule", policy_expectation_name(expectation),
		             metrics->status.settings.lines[expectation]);
}

static void write_services(struct page *page, const struct metrics *metrics)
{
	static const struct family handshakes = {"mtlsnoop_handshakes", COUNTER, NULL,
	                                         "TLS handshakes that have ended, by verdict."};
	static const struct family duration = {
		"mtlsnoop_handshake_duration_seconds", HISTOGRAM, "seconds",
		"Time from the ClientHello to the end of the handshake, where the end was seen."};
	static const struct family answer = {
		"mtlsnoop_certificate_answer_seconds", HISTOGRAM, "seconds",
		"Time from CertificateRequest to the client's Certificate, where both were seen."};

	static const struct family expiry = {
		"mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds", GAUGE, "seconds",
		"When the first certificate expires of those that clients presented in the last 24 hours."};

	begin_family(page, &handshakes);
	each_service(page, metrics, write_service_handshakes);
	begin_family(page, &duration);
	each_service(page, metrics, write_service_duration);
	begin_family(page, &answer);
	each_service(page, metrics, write_service_answer);
	begin_family(page, &expiry);
	each_service(page, metrics, write_service_expiry);
}

/* Counts by a registered number, and by the sending side. */
static void write_by_number(struct page *page, const uint64_t counts[OCTET_VALUES][SIDES], const char *label,
                            const char *(*name_of)(uint8_t number))
{
	for (uint32_t number = 0; number < OCTET_VALUES; number++)
		for (uint8_t side = 0; side < SIDES; side++) {
			if (!counts[number][side])
				continue;
			begin_sample(page, "_total");
			add_label(page, label, name_of(number) ?: "other");
			add_label(page, "from", report_side_name(side));
			end_sample(page, counts[number][side]);
		}
}

static void write_messages(struct page *page, const struct metrics *metrics)
{
	static const struct family messages = {"mtlsnoop_handshake_messages", COUNTER, NULL,
	                                       "Handshake messages, in cleartext or as a TLS library had them."};
	static const struct family alerts = {"mtlsnoop_handshake_alerts", COUNTER, NULL,
	                                     "Alerts in cleartext during handshakes."};

	begin_family(page, &messages);
	write_by_number(page, metrics->messages, "type", handshake_type_name);
	begin_family(page, &alerts);
	write_by_number(page, metrics->alerts, "description", alert_description_name);
}

static void write_unknown(struct page *page, const struct metrics *metrics)
{
	static const struct family unknown = {"mtlsnoop_unknown", COUNTER, NULL,
	                                      "Handshakes whose verdict is unknown, by reason."};

	begin_family(page, &unknown);
	for (uint32_t reason = REASON_NONE + 1; reason < REASONS; reason++)
		write_sample(page, "reason", unknown_reason_name(reason), metrics->unknown[reason]);
}

static void write_losses(struct page *page, const struct status *status)
{
	static const struct family lost = {"mtlsnoop_lost_events", COUNTER, NULL,
	                                   "Events, packets and directions that mtlsnoop itself lost or left out."};
	size_t rows;
	const struct loss *table = loss_table(&rows);

	begin_family(page, &lost);
	for (size_t row = 0; row < rows; row++) {
		uint64_t count = loss_count(&table[row], status);

		if (!table[row].where)
			continue;
		while (row + 1 < rows && table[row + 1].where && !strcmp(table[row + 1].where, table[row].where))
			count += loss_count(&table[++row], status);
		write_sample(page, "where", table[row].where, count);
	}
	write_counter(page, "mtlsnoop_gaps", "Directions of connections with bytes that never came.",
	              status->tracking.gaps);
	write_counter(page, "mtlsnoop_reassembled_directions",
	              "Directions of connections that were reassembled outside the kernel.",
	              status->statistics[STATISTIC_HANDOVERS]);
	write_counter(page, "mtlsnoop_evidence_conflicts", "Handshakes about which two kinds of evidence disagree.",
	              status->tracking.conflicts);
}

static void write_connections(struct page *page, const struct status *status)
{
	static const struct family connections = {"mtlsnoop_connections", GAUGE, NULL,
	                                          "Connections that are followed now."};

	begin_family(page, &connections);
	write_numbers(page, "state", status->tracking.followed, STATUS_STATES_MAX);
	write_counter(page, "mtlsnoop_tcp_connections", "TCP connections seen from their start, TLS or not.",
	              status->statistics[STATISTIC_CONNECTIONS]);
	write_counter(page, "mtlsnoop_tls_connections", "TCP connections in which a ClientHello was found.",
	              status->statistics[STATISTIC_HANDSHAKES]);
	write_counter(page, "mtlsnoop_midstream_connections",
	              "TCP connections that were open before mtlsnoop started, and are ignored.",
	              status->statistics[STATISTIC_MIDSTREAM]);
}

/*
 * A time of CLOCK_MONOTONIC as a time since the epoch, to the millisecond: the two clocks are read one after the other.
 */
static void write_time(struct page *page, const struct status *status, uint64_t time_ns)
{
	uint64_t milliseconds = (time_ns + status->realtime_offset_ns) / NANOSECONDS_PER_MILLISECOND;

	if (!time_ns)
		return;
	begin_sample(page, "");
	fprintf(page->out, " %" PRIu64 ".%03" PRIu64 "\n", milliseconds / 1000, milliseconds % 1000);
}

static void write_times(struct page *page, const struct status *status)
{
	static const struct family event = {"mtlsnoop_last_event_timestamp_seconds", GAUGE, "seconds",
	                                    "When the kernel last reported an event, in seconds since the epoch."};
	static const struct family read = {"mtlsnoop_last_read_timestamp_seconds", GAUGE, "seconds",
	                                   "When events were last read, in seconds since the epoch."};

	begin_family(page, &event);
	write_time(page, status, status->last_event_ns);
	begin_family(page, &read);
	write_time(page, status, status->now_ns);
}

/* A gauge without labels. */
static void write_gauge(struct page *page, const char *name, const char *unit, const char *help, uint64_t value)
{
	const struct family family = {name, GAUGE, unit, help};

	begin_family(page, &family);
	write_sample(page, NULL, NULL, value);
}

/* The traffic seen, and the filling of the ring buffer. */
static void write_sight(struct page *page, const struct status *status)
{
	static const struct family hooks = {"mtlsnoop_hooks", GAUGE, NULL, "BPF programs in place, by hook."};
	static const struct family packets = {"mtlsnoop_packets", COUNTER, NULL,
	                                      "Packets that the BPF programs saw, TLS or not."};
	const struct status_hook *hook = &status->hook;

	begin_family(page, &hooks);
	if (hook->name)
		write_sample(page, "hook", hook->name, hook->programs);
	begin_family(page, &packets);
	for (int index = 0; index < STATUS_PROGRAMS_MAX; index++)
		if (status->program[index].name && status->program[index].shown_packets)
			write_sample(page, "program", status->program[index].name, status->program[index].packets);
	write_gauge(page, "mtlsnoop_ring_buffer_size_bytes", "bytes", "Size of the ring buffer for events.",
	            hook->buffer_bytes);
	write_gauge(page, "mtlsnoop_ring_buffer_waiting_bytes", "bytes",
	            "Bytes that waited in the ring buffer when it was last read.", hook->buffer_waiting);
	write_gauge(page, "mtlsnoop_ring_buffer_peak_bytes", "bytes",
	            "Most bytes that ever waited in the ring buffer when it was read.", hook->buffer_peak);
}

static void write_settings(struct page *page, const struct status *status)
{
	if (!status->settings.named)
		return;
	write_gauge(page, "mtlsnoop_config_last_reload_successful", NULL,
	            "Whether the last reload of the files on the command line was successful.",
	            !status->settings.refused);
	write_gauge(page, "mtlsnoop_config_last_reload_success_timestamp_seconds", "seconds",
	            "When the files in force were read, in seconds since the epoch.", status->settings.since);
}

/* What was told by both, by the library alone, and in TLS 1.3 by the wire alone. */
static void write_library_handshakes(struct page *page, const struct status *status)
{
	static const struct family handshakes = {
		"mtlsnoop_library_handshakes", COUNTER, NULL,
		"Handshakes that TLS libraries reported, or might have, by whether the wire shows the same."};
	const struct status_libraries *libraries = &status->libraries;

	begin_family(page, &handshakes);
	write_sample(page, "state", "joined", libraries->joined);
	write_sample(page, "state", "unjoined", libraries->unjoined);
	write_sample(page, "state", "untold", libraries->untold);
}

static void write_libraries(struct page *page, const struct status *status)
{
	static const struct family targets = {
		"mtlsnoop_library_targets", GAUGE, NULL,
		"Files of TLS libraries, and programs that contain one, that are probed now."};
	static const struct family delay = {"mtlsnoop_library_look_delay_seconds", GAUGE, "seconds",
	                                    "Longest wait of a user's processes for the next look for libraries."};
	static const struct family calls = {"mtlsnoop_library_calls", COUNTER, NULL,
	                                    "Calls that the BPF programs in TLS libraries saw."};

	begin_family(page, &targets);
	write_numbers(page, "library", status->libraries.attached, STATUS_LIBRARIES_MAX);
	write_counter(page, "mtlsnoop_library_refused", "Files of TLS libraries that could not be probed.",
	              status->libraries.refused);
	write_counter(page, "mtlsnoop_library_unreadable", "Mapped files that could not be opened or parsed in time.",
	              status->libraries.unreadable);
	write_counter(page, "mtlsnoop_library_skipped_processes",
	              "Processes left out of a look for libraries: their user took more than its share of the time.",
	              status->libraries.skipped);
	begin_family(page, &delay);
	begin_sample(page, "");
	end_sample_seconds(page, status->libraries.delay_ms * NANOSECONDS_PER_MILLISECOND);
	write_library_handshakes(page, status);
	begin_family(page, &calls);
	write_sample(page, "state", "told", status->library_calls[LIBRARY_STATISTIC_CALLS]);
	write_sample(page, "state", "left_alone", status->library_calls[LIBRARY_STATISTIC_STRANGERS]);
	write_counter(page, "mtlsnoop_library_stranger_calls", "Calls that were reported and belong to no handshake.",
	              status->libraries.strangers);
}

/* If the kernel does not count, the metric is absent: 0 would mean that the programs do not run. */
static void write_runs(struct page *page, const struct status *status)
{
	static const struct family seconds = {"mtlsnoop_bpf_run_seconds", COUNTER, "seconds",
	                                      "Time that the BPF programs ran."};
	static const struct family runs = {"mtlsnoop_bpf_runs", COUNTER, NULL, "Runs of the BPF programs."};
	int index;

	begin_family(page, &seconds);
	for (index = 0; index < STATUS_PROGRAMS_MAX; index++) {
		if (!status->program[index].runs)
			continue;
		begin_sample(page, "_total");
		add_label(page, "program", status->program[index].name);
		end_sample_seconds(page, status->program[index].run_ns);
	}
	begin_family(page, &runs);
	for (index = 0; index < STATUS_PROGRAMS_MAX; index++)
		if (status->program[index].runs)
			write_sample(page, "program", status->program[index].name, status->program[index].runs);
}

static void write_build(struct page *page)
{
	static const struct family build = {"mtlsnoop_build", INFO, NULL, "The version of mtlsnoop."};

	begin_family(page, &build);
	write_sample(page, "version", MTLSNOOP_VERSION, 1);
}

char *metrics_text(const struct metrics *metrics, enum metrics_format format, size_t *length)
{
	struct page page = {.format = format, .now_ns = metrics->status.now_ns};
	char *text = NULL;
	bool failed;

	page.out = open_memstream(&text, length);
	if (!page.out)
		return NULL;
	write_services(&page, metrics);
	write_causes(&page, metrics);
	write_policy(&page, metrics);
	write_messages(&page, metrics);
	write_unknown(&page, metrics);
	write_losses(&page, &metrics->status);
	write_connections(&page, &metrics->status);
	write_times(&page, &metrics->status);
	write_sight(&page, &metrics->status);
	write_runs(&page, &metrics->status);
	write_libraries(&page, &metrics->status);
	write_settings(&page, &metrics->status);
	write_sinks(&page, &metrics->status);
	write_build(&page);
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", page.out);
	failed = ferror(page.out);
	if (!fclose(page.out) && !failed)
		return text;
	free(text);
	return NULL;
}

const char *metrics_content_type(enum metrics_format format)
{
	if (format == METRICS_OPENMETRICS)
		return "application/openmetrics-text; version=1.0.0; charset=utf-8";
	return "text/plain; version=0.0.4; charset=utf-8";
}

enum metrics_format metrics_choose(const char *accept)
{
	if (accept &&
	    accept_rank(accept, "application/openmetrics-text", "1.0.0") > accept_rank(accept, "text/plain", "0.0.4"))
		return METRICS_OPENMETRICS;
	return METRICS_TEXT;
}
