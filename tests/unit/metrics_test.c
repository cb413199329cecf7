// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/metrics.h"

#include "report_sample.h"

#include <stdio.h>

enum {
	SERVICES = 3,
	NAME_MAX_LENGTH = 256,
};

static char *text_of(const struct metrics *metrics, enum metrics_format format)
{
	size_t length = 0;
	char *text = metrics_text(metrics, format, &length);

	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	assert_clean_lines(text);
	return text;
}

static void assert_has(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("expected to read:\n%s\nin:\n%s", wanted, text);
}

/* text has the line, whole. */
static void assert_line(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (const char *found = strstr(text, line); found; found = strstr(found + 1, line))
		if ((found == text || found[-1] == '\n') && found[length] == '\n')
			return;
	fail_msg("expected the line:\n%s\nin:\n%s", line, text);
}

static void assert_lines(const struct metrics *metrics, const char *const *lines)
{
	char *text = text_of(metrics, METRICS_TEXT);

	for (; *lines; lines++)
		assert_line(text, *lines);
	free(text);
}

static void assert_no(const struct metrics *metrics, const char *unwanted)
{
	char *text = text_of(metrics, METRICS_TEXT);

	if (strstr(text, unwanted))
		fail_msg("did not expect to read %s in:\n%s", unwanted, text);
	free(text);
}

static size_t count_of(const struct metrics *metrics, const char *wanted)
{
	char *text = text_of(metrics, METRICS_TEXT);
	size_t count = 0;

	for (const char *found = strstr(text, wanted); found; found = strstr(found + 1, wanted))
		count++;
	free(text);
	return count;
}

/* One handshake and a state in which each number is another one. */
static struct metrics *sample_metrics(void)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct certificate certificate = sample_certificate();
	struct handshake handshake = sample_handshake();
	struct status status = {
		.tracking = {.followed = {{"handshake", 501}, {"last_word", 502}, {"library", 503}},
	                     .table_full = 105,
	                     .events_lost = 999,
	                     .gaps = 301,
	                     .bounds = 109,
	                     .malformed_events = 106,
	                     .unfollowed = 20},
		.statistics = {[STATISTIC_CONNECTIONS] = 401,
	                       [STATISTIC_MIDSTREAM] = 403,
	                       [STATISTIC_HANDSHAKES] = 402,
	                       [STATISTIC_HANDOVERS] = 302,
	                       [STATISTIC_LOST_RING] = 101,
	                       [STATISTIC_LOST_STORAGE] = 102,
	                       [STATISTIC_LOST_LISTENER] = 103,
	                       [STATISTIC_HANDOVER_BOUND] = 107,
	                       [STATISTIC_BODY_BOUND] = 108,
	                       [STATISTIC_STEP_BOUND] = 122,
	                       [STATISTIC_CONTENDED] = 104,
	                       [STATISTIC_OUTSIDE] = 110,
	                       [STATISTIC_EVICTED] = 111,
	                       [STATISTIC_FRAGMENTS] = 112,
	                       [STATISTIC_LAYERS] = 123,
	                       [STATISTIC_UNFOLLOWED] = 100,
	                       [STATISTIC_REFUSED] = 121},
		.now_ns = SAMPLE_START_NS + 1000000000,
		.last_event_ns = SAMPLE_START_NS,
		.realtime_offset_ns = SAMPLE_REALTIME_NS - SAMPLE_START_NS,
		.library_calls = {[LIBRARY_STATISTIC_CALLS] = 1001,
	                          [LIBRARY_STATISTIC_STRANGERS] = 1002,
	                          [LIBRARY_STATISTIC_LOST_RING] = 113,
	                          [LIBRARY_STATISTIC_LOST_READ] = 114,
	                          [LIBRARY_STATISTIC_LOST_STATE] = 115,
	                          [LIBRARY_STATISTIC_LOST_EXEC] = 999,
	                          [LIBRARY_STATISTIC_CALL_BOUND] = 116},
		.libraries = {.attached = {{"openssl", 901}, {"gnutls", 902}, {"go", 903}},
	                      .refused = 904,
	                      .unreadable = 905,
	                      .skipped = 906,
	                      .delay_ms = 907,
	                      .bound = 117,
	                      .joined = 1004,
	                      .unjoined = 1005,
	                      .untold = 1006,
	                      .strangers = 1003,
	                      .damaged = 119,
	                      .table_full = 118,
	                      .malformed_events = 1000},
		.hook = {"socket", 2, .buffer_bytes = 801, .buffer_waiting = 802, .buffer_peak = 803},
		.settings = {.named = true,
	                     .since = 901,
	                     .has_policy = true,
	                     .lines = {[POLICY_REQUIRED] = 911, [POLICY_OPTIONAL] = 912, [POLICY_NEVER] = 913}},
		.program = {{"receive", true, 701, 601, 1000000602},
	                    {"send", true, 702, 0, 0},
	                    [STATUS_PROGRAMS_MAX - 1] = {"exec", .runs = 603, .run_ns = 604}},
		.sink = {{"json", {.taken = 1101, .dropped = 1102, .failed = 1103, .waiting = 1104}}},
	};

	assert_non_null(metrics);
	handshake.certificate = &certificate;
	handshake.policy = (struct policy_judgement){.expectation = POLICY_REQUIRED, .result = POLICY_KEPT, .line = 3};
	handshake.verification[FROM_CLIENT] = (struct verification){.known = true, .result = FAILURE_NONE};
	metrics_handshake(metrics, &handshake);
	metrics_update(metrics, &status);
	return metrics;
}

#define SERVICE_LINE(role, service, count)                                                                             \
	"mtlsnoop_handshakes_total{role=\"" role "\",service=\"" service                                               \
	"\",version=\"TLSv1.2\",client_auth=\"presented\",evidence=\"cleartext\"} " count
#define SERVICE             "role=\"server\",service=\"10.0.0.1:443\""
#define DURATION(le, count) "mtlsnoop_handshake_duration_seconds_bucket{" SERVICE ",le=\"" le "\"} " count
#define ANSWER(le, count)   "mtlsnoop_certificate_answer_seconds_bucket{" SERVICE ",le=\"" le "\"} " count
#define MESSAGE(type, from) "mtlsnoop_handshake_messages_total{type=\"" type "\",from=\"" from "\"} 1"
#define UNKNOWN(reason)     "mtlsnoop_unknown_total{reason=\"" reason "\"} 0"
#define LOST(where, count)  "mtlsnoop_lost_events_total{where=\"" where "\"} " count

#define EXPIRY              "mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds"
#define POLICY(what, count) "mtlsnoop_policy_" what "_total{" SERVICE ",rule=\"required\"} " count
#define LINES(rule, count)  "mtlsnoop_policy_lines{rule=\"" rule "\"} " count

/* The duration is 1.834 ms, the answer took 412 us. */
static const char *const text_golden[] = {
	"# HELP mtlsnoop_handshakes_total TLS handshakes that have ended, by verdict.",
	"# TYPE mtlsnoop_handshakes_total counter",
	SERVICE_LINE("server", "10.0.0.1:443", "1"),
	"# HELP mtlsnoop_handshake_duration_seconds Time from the ClientHello to the end of the handshake, where the "
	"end was seen.",
	"# TYPE mtlsnoop_handshake_duration_seconds histogram",
	DURATION("0.0001", "0"),
	DURATION("0.00025", "0"),
	DURATION("0.0005", "0"),
	DURATION("0.001", "0"),
	DURATION("0.0025", "1"),
	DURATION("0.005", "1"),
	DURATION("0.01", "1"),
	DURATION("0.025", "1"),
	DURATION("0.05", "1"),
	DURATION("0.1", "1"),
	DURATION("0.25", "1"),
	DURATION("0.5", "1"),
	DURATION("1.0", "1"),
	DURATION("2.5", "1"),
	DURATION("5.0", "1"),
	DURATION("10.0", "1"),
	DURATION("30.0", "1"),
	DURATION("60.0", "1"),
	DURATION("+Inf", "1"),
	"mtlsnoop_handshake_duration_seconds_sum{" SERVICE "} 0.001834000",
	"mtlsnoop_handshake_duration_seconds_count{" SERVICE "} 1",
	"# HELP mtlsnoop_certificate_answer_seconds Time from CertificateRequest to the client's Certificate, where "
	"both were seen.",
	"# TYPE mtlsnoop_certificate_answer_seconds histogram",
	ANSWER("0.0001", "0"),
	ANSWER("0.00025", "0"),
	ANSWER("0.0005", "1"),
	ANSWER("0.001", "1"),
	ANSWER("0.0025", "1"),
	ANSWER("0.005", "1"),
	ANSWER("0.01", "1"),
	ANSWER("0.025", "1"),
	ANSWER("0.05", "1"),
	ANSWER("0.1", "1"),
	ANSWER("0.25", "1"),
	ANSWER("0.5", "1"),
	ANSWER("1.0", "1"),
	ANSWER("2.5", "1"),
	ANSWER("5.0", "1"),
	ANSWER("10.0", "1"),
	ANSWER("30.0", "1"),
	ANSWER("60.0", "1"),
	ANSWER("+Inf", "1"),
	"mtlsnoop_certificate_answer_seconds_sum{" SERVICE "} 0.000412000",
	"mtlsnoop_certificate_answer_seconds_count{" SERVICE "} 1",
	"# HELP mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds When the first certificate expires of "
	"those that clients presented in the last 24 hours.",
	"# TYPE mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds gauge",
	EXPIRY "{" SERVICE "} 1826967599",
	"# HELP mtlsnoop_handshake_failures_total Handshakes that failed, by the side that ended them and the reason.",
	"# TYPE mtlsnoop_handshake_failures_total counter",
	"# HELP mtlsnoop_client_certificate_verifications_total Checks of client certificates by the server, by "
	"result: ok, or why the certificate was not trusted.",
	"# TYPE mtlsnoop_client_certificate_verifications_total counter",
	"mtlsnoop_client_certificate_verifications_total{service=\"10.0.0.1:443\",result=\"ok\"} 1",
	"# HELP mtlsnoop_plaintext_connections_total Connections to a TLS service whose client sent no ClientHello.",
	"# TYPE mtlsnoop_plaintext_connections_total counter",
	"# HELP mtlsnoop_corrections_total Records that correct an earlier one: counted in its place, or too late and "
	"not counted.",
	"# TYPE mtlsnoop_corrections_total counter",
	"mtlsnoop_corrections_total{state=\"counted\"} 0",
	"mtlsnoop_corrections_total{state=\"late\"} 0",
	"# HELP mtlsnoop_policy_unjudged_total Handshakes of services with a policy that could not be judged.",
	"# TYPE mtlsnoop_policy_unjudged_total counter",
	POLICY("unjudged", "0"),
	"# HELP mtlsnoop_policy_kept_total Handshakes that kept the policy for their service.",
	"# TYPE mtlsnoop_policy_kept_total counter",
	POLICY("kept", "1"),
	"# HELP mtlsnoop_policy_violations_total Handshakes that broke the policy for their service (--expect).",
	"# TYPE mtlsnoop_policy_violations_total counter",
	POLICY("violations", "0"),
	"# HELP mtlsnoop_policy_lines Lines of the policy, by rule.",
	"# TYPE mtlsnoop_policy_lines gauge",
	LINES("required", "911"),
	LINES("optional", "912"),
	LINES("never", "913"),
	LINES("trusted", "0"),
	"# HELP mtlsnoop_handshake_messages_total Handshake messages, in cleartext or as a TLS library had them.",
	"# TYPE mtlsnoop_handshake_messages_total counter",
	MESSAGE("client_hello", "client"),
	MESSAGE("server_hello", "server"),
	MESSAGE("certificate", "client"),
	MESSAGE("certificate_request", "server"),
	"# HELP mtlsnoop_handshake_alerts_total Alerts in cleartext during handshakes.",
	"# TYPE mtlsnoop_handshake_alerts_total counter",
	"# HELP mtlsnoop_unknown_total Handshakes whose verdict is unknown, by reason.",
	"# TYPE mtlsnoop_unknown_total counter",
	UNKNOWN("encrypted"),
	UNKNOWN("gap"),
	UNKNOWN("midstream"),
	UNKNOWN("lost_events"),
	UNKNOWN("padding"),
	UNKNOWN("early_data"),
	UNKNOWN("malformed"),
	UNKNOWN("ssl2"),
	UNKNOWN("unfinished"),
	UNKNOWN("abandoned"),
	"# HELP mtlsnoop_lost_events_total Events, packets and directions that mtlsnoop itself lost or left out.",
	"# TYPE mtlsnoop_lost_events_total counter",
	LOST("ring_buffer", "101"),
	LOST("socket_storage", "102"),
	LOST("listener", "103"),
	LOST("two_cpus", "104"),
	LOST("device_table", "111"),
	LOST("library_ring", "113"),
	LOST("library_memory", "114"),
	LOST("library_state", "115"),
	LOST("connection_table", "105"),
	LOST("malformed_event", "1106"),
	LOST("handover_bound", "107"),
	LOST("body_bound", "108"),
	LOST("held_bound", "109"),
	LOST("library_bound", "116"),
	LOST("library_targets", "117"),
	LOST("library_table", "118"),
	LOST("library_damaged", "119"),
	LOST("outside_stream", "110"),
	LOST("fragment", "112"),
	LOST("established", "120"),
	LOST("refused", "121"),
	LOST("step_bound", "122"),
	LOST("layers", "123"),
	"# HELP mtlsnoop_gaps_total Directions of connections with bytes that never came.",
	"# TYPE mtlsnoop_gaps_total counter",
	"mtlsnoop_gaps_total 301",
	"# HELP mtlsnoop_reassembled_directions_total Directions of connections that were reassembled outside the "
	"kernel.",
	"# TYPE mtlsnoop_reassembled_directions_total counter",
	"mtlsnoop_reassembled_directions_total 302",
	"# HELP mtlsnoop_evidence_conflicts_total Handshakes about which two kinds of evidence disagree.",
	"# TYPE mtlsnoop_evidence_conflicts_total counter",
	"mtlsnoop_evidence_conflicts_total 0",
	"# HELP mtlsnoop_connections Connections that are followed now.",
	"# TYPE mtlsnoop_connections gauge",
	"mtlsnoop_connections{state=\"handshake\"} 501",
	"mtlsnoop_connections{state=\"last_word\"} 502",
	"mtlsnoop_connections{state=\"library\"} 503",
	"# HELP mtlsnoop_tcp_connections_total TCP connections seen from their start, TLS or not.",
	"# TYPE mtlsnoop_tcp_connections_total counter",
	"mtlsnoop_tcp_connections_total 401",
	"# HELP mtlsnoop_tls_connections_total TCP connections in which a ClientHello was found.",
	"# TYPE mtlsnoop_tls_connections_total counter",
	"mtlsnoop_tls_connections_total 402",
	"# HELP mtlsnoop_midstream_connections_total TCP connections that were open before mtlsnoop started, and are "
	"ignored.",
	"# TYPE mtlsnoop_midstream_connections_total counter",
	"mtlsnoop_midstream_connections_total 403",
	"# HELP mtlsnoop_last_event_timestamp_seconds When the kernel last reported an event, in seconds since the "
	"epoch.",
	"# TYPE mtlsnoop_last_event_timestamp_seconds gauge",
	"mtlsnoop_last_event_timestamp_seconds 1795431600.123",
	"# HELP mtlsnoop_last_read_timestamp_seconds When events were last read, in seconds since the epoch.",
	"# TYPE mtlsnoop_last_read_timestamp_seconds gauge",
	"mtlsnoop_last_read_timestamp_seconds 1795431601.123",
	"# HELP mtlsnoop_hooks BPF programs in place, by hook.",
	"# TYPE mtlsnoop_hooks gauge",
	"mtlsnoop_hooks{hook=\"socket\"} 2",
	"# HELP mtlsnoop_packets_total Packets that the BPF programs saw, TLS or not.",
	"# TYPE mtlsnoop_packets_total counter",
	"mtlsnoop_packets_total{program=\"receive\"} 701",
	"mtlsnoop_packets_total{program=\"send\"} 702",
	"# HELP mtlsnoop_ring_buffer_size_bytes Size of the ring buffer for events.",
	"# TYPE mtlsnoop_ring_buffer_size_bytes gauge",
	"mtlsnoop_ring_buffer_size_bytes 801",
	"# HELP mtlsnoop_ring_buffer_waiting_bytes Bytes that waited in the ring buffer when it was last read.",
	"# TYPE mtlsnoop_ring_buffer_waiting_bytes gauge",
	"mtlsnoop_ring_buffer_waiting_bytes 802",
	"# HELP mtlsnoop_ring_buffer_peak_bytes Most bytes that ever waited in the ring buffer when it was read.",
	"# TYPE mtlsnoop_ring_buffer_peak_bytes gauge",
	"mtlsnoop_ring_buffer_peak_bytes 803",
	"# HELP mtlsnoop_bpf_run_seconds_total Time that the BPF programs ran.",
	"# TYPE mtlsnoop_bpf_run_seconds_total counter",
	"mtlsnoop_bpf_run_seconds_total{program=\"receive\"} 1.000000602",
	"mtlsnoop_bpf_run_seconds_total{program=\"exec\"} 0.000000604",
	"# HELP mtlsnoop_bpf_runs_total Runs of the BPF programs.",
	"# TYPE mtlsnoop_bpf_runs_total counter",
	"mtlsnoop_bpf_runs_total{program=\"receive\"} 601",
	"mtlsnoop_bpf_runs_total{program=\"exec\"} 603",
	"# HELP mtlsnoop_library_targets Files of TLS libraries, and programs that contain one, that are probed now.",
	"# TYPE mtlsnoop_library_targets gauge",
	"mtlsnoop_library_targets{library=\"openssl\"} 901",
	"mtlsnoop_library_targets{library=\"gnutls\"} 902",
	"mtlsnoop_library_targets{library=\"go\"} 903",
	"# HELP mtlsnoop_library_refused_total Files of TLS libraries that could not be probed.",
	"# TYPE mtlsnoop_library_refused_total counter",
	"mtlsnoop_library_refused_total 904",
	"# HELP mtlsnoop_library_unreadable_total Mapped files that could not be opened or parsed in time.",
	"# TYPE mtlsnoop_library_unreadable_total counter",
	"mtlsnoop_library_unreadable_total 905",
	"# HELP mtlsnoop_library_skipped_processes_total Processes left out of a look for libraries: their user took "
	"more than its "
	"share of the time.",
	"# TYPE mtlsnoop_library_skipped_processes_total counter",
	"mtlsnoop_library_skipped_processes_total 906",
	"# HELP mtlsnoop_library_look_delay_seconds Longest wait of a user's processes for the next look for "
	"libraries.",
	"# TYPE mtlsnoop_library_look_delay_seconds gauge",
	"mtlsnoop_library_look_delay_seconds 0.907000000",
	"# HELP mtlsnoop_library_handshakes_total Handshakes that TLS libraries reported, or might have, by whether "
	"the wire shows the same.",
	"# TYPE mtlsnoop_library_handshakes_total counter",
	"mtlsnoop_library_handshakes_total{state=\"joined\"} 1004",
	"mtlsnoop_library_handshakes_total{state=\"unjoined\"} 1005",
	"mtlsnoop_library_handshakes_total{state=\"untold\"} 1006",
	"# HELP mtlsnoop_library_calls_total Calls that the BPF programs in TLS libraries saw.",
	"# TYPE mtlsnoop_library_calls_total counter",
	"mtlsnoop_library_calls_total{state=\"told\"} 1001",
	"mtlsnoop_library_calls_total{state=\"left_alone\"} 1002",
	"# HELP mtlsnoop_library_stranger_calls_total Calls that were reported and belong to no handshake.",
	"# TYPE mtlsnoop_library_stranger_calls_total counter",
	"mtlsnoop_library_stranger_calls_total 1003",
	"# HELP mtlsnoop_config_last_reload_successful Whether the last reload of the files on the command line was "
	"successful.",
	"# TYPE mtlsnoop_config_last_reload_successful gauge",
	"mtlsnoop_config_last_reload_successful 1",
	"# HELP mtlsnoop_config_last_reload_success_timestamp_seconds When the files in force were read, in seconds "
	"since the epoch.",
	"# TYPE mtlsnoop_config_last_reload_success_timestamp_seconds gauge",
	"mtlsnoop_config_last_reload_success_timestamp_seconds 901",
	"# HELP mtlsnoop_sink_records_total Records that each sink was given, and those of them that it lost.",
	"# TYPE mtlsnoop_sink_records_total counter",
	"mtlsnoop_sink_records_total{sink=\"json\",state=\"taken\"} 1101",
	"mtlsnoop_sink_records_total{sink=\"json\",state=\"dropped\"} 1102",
	"mtlsnoop_sink_records_total{sink=\"json\",state=\"failed\"} 1103",
	"# HELP mtlsnoop_sink_waiting_records Records that wait in the queue of each sink.",
	"# TYPE mtlsnoop_sink_waiting_records gauge",
	"mtlsnoop_sink_waiting_records{sink=\"json\"} 1104",
	"# HELP mtlsnoop_build_info The version of mtlsnoop.",
	"# TYPE mtlsnoop_build_info gauge",
	"mtlsnoop_build_info{version=\"" MTLSNOOP_VERSION "\"} 1",
	NULL,
};

/* The samples are the same: the comments differ. */
static const char *const openmetrics_golden[] = {
	"# HELP mtlsnoop_handshakes TLS handshakes that have ended, by verdict.",
	"# TYPE mtlsnoop_handshakes counter",
	SERVICE_LINE("server", "10.0.0.1:443", "1"),
	"# HELP mtlsnoop_handshake_duration_seconds Time from the ClientHello to the end of the handshake, where the "
	"end was seen.",
	"# TYPE mtlsnoop_handshake_duration_seconds histogram",
	"# UNIT mtlsnoop_handshake_duration_seconds seconds",
	DURATION("0.0001", "0"),
	DURATION("0.00025", "0"),
	DURATION("0.0005", "0"),
	DURATION("0.001", "0"),
	DURATION("0.0025", "1"),
	DURATION("0.005", "1"),
	DURATION("0.01", "1"),
	DURATION("0.025", "1"),
	DURATION("0.05", "1"),
	DURATION("0.1", "1"),
	DURATION("0.25", "1"),
	DURATION("0.5", "1"),
	DURATION("1.0", "1"),
	DURATION("2.5", "1"),
	DURATION("5.0", "1"),
	DURATION("10.0", "1"),
	DURATION("30.0", "1"),
	DURATION("60.0", "1"),
	DURATION("+Inf", "1"),
	"mtlsnoop_handshake_duration_seconds_sum{" SERVICE "} 0.001834000",
	"mtlsnoop_handshake_duration_seconds_count{" SERVICE "} 1",
	"# HELP mtlsnoop_certificate_answer_seconds Time from CertificateRequest to the client's Certificate, where "
	"both were seen.",
	"# TYPE mtlsnoop_certificate_answer_seconds histogram",
	"# UNIT mtlsnoop_certificate_answer_seconds seconds",
	ANSWER("0.0001", "0"),
	ANSWER("0.00025", "0"),
	ANSWER("0.0005", "1"),
	ANSWER("0.001", "1"),
	ANSWER("0.0025", "1"),
	ANSWER("0.005", "1"),
	ANSWER("0.01", "1"),
	ANSWER("0.025", "1"),
	ANSWER("0.05", "1"),
	ANSWER("0.1", "1"),
	ANSWER("0.25", "1"),
	ANSWER("0.5", "1"),
	ANSWER("1.0", "1"),
	ANSWER("2.5", "1"),
	ANSWER("5.0", "1"),
	ANSWER("10.0", "1"),
	ANSWER("30.0", "1"),
	ANSWER("60.0", "1"),
	ANSWER("+Inf", "1"),
	"mtlsnoop_certificate_answer_seconds_sum{" SERVICE "} 0.000412000",
	"mtlsnoop_certificate_answer_seconds_count{" SERVICE "} 1",
	"# HELP mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds When the first certificate expires of "
	"those that clients presented in the last 24 hours.",
	"# TYPE mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds gauge",
	"# UNIT mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds seconds",
	EXPIRY "{" SERVICE "} 1826967599",
	"# HELP mtlsnoop_handshake_failures Handshakes that failed, by the side that ended them and the reason.",
	"# TYPE mtlsnoop_handshake_failures counter",
	"# HELP mtlsnoop_client_certificate_verifications Checks of client certificates by the server, by result: ok, "
	"or why the certificate was not trusted.",
	"# TYPE mtlsnoop_client_certificate_verifications counter",
	"mtlsnoop_client_certificate_verifications_total{service=\"10.0.0.1:443\",result=\"ok\"} 1",
	"# HELP mtlsnoop_plaintext_connections Connections to a TLS service whose client sent no ClientHello.",
	"# TYPE mtlsnoop_plaintext_connections counter",
	"# HELP mtlsnoop_corrections Records that correct an earlier one: counted in its place, or too late and not "
	"counted.",
	"# TYPE mtlsnoop_corrections counter",
	"mtlsnoop_corrections_total{state=\"counted\"} 0",
	"mtlsnoop_corrections_total{state=\"late\"} 0",
	"# HELP mtlsnoop_policy_unjudged Handshakes of services with a policy that could not be judged.",
	"# TYPE mtlsnoop_policy_unjudged counter",
	POLICY("unjudged", "0"),
	"# HELP mtlsnoop_policy_kept Handshakes that kept the policy for their service.",
	"# TYPE mtlsnoop_policy_kept counter",
	POLICY("kept", "1"),
	"# HELP mtlsnoop_policy_violations Handshakes that broke the policy for their service (--expect).",
	"# TYPE mtlsnoop_policy_violations counter",
	POLICY("violations", "0"),
	"# HELP mtlsnoop_policy_lines Lines of the policy, by rule.",
	"# TYPE mtlsnoop_policy_lines gauge",
	LINES("required", "911"),
	LINES("optional", "912"),
	LINES("never", "913"),
	LINES("trusted", "0"),
	"# HELP mtlsnoop_handshake_messages Handshake messages, in cleartext or as a TLS library had them.",
	"# TYPE mtlsnoop_handshake_messages counter",
	MESSAGE("client_hello", "client"),
	MESSAGE("server_hello", "server"),
	MESSAGE("certificate", "client"),
	MESSAGE("certificate_request", "server"),
	"# HELP mtlsnoop_handshake_alerts Alerts in cleartext during handshakes.",
	"# TYPE mtlsnoop_handshake_alerts counter",
	"# HELP mtlsnoop_unknown Handshakes whose verdict is unknown, by reason.",
	"# TYPE mtlsnoop_unknown counter",
	UNKNOWN("encrypted"),
	UNKNOWN("gap"),
	UNKNOWN("midstream"),
	UNKNOWN("lost_events"),
	UNKNOWN("padding"),
	UNKNOWN("early_data"),
	UNKNOWN("malformed"),
	UNKNOWN("ssl2"),
	UNKNOWN("unfinished"),
	UNKNOWN("abandoned"),
	"# HELP mtlsnoop_lost_events Events, packets and directions that mtlsnoop itself lost or left out.",
	"# TYPE mtlsnoop_lost_events counter",
	LOST("ring_buffer", "101"),
	LOST("socket_storage", "102"),
	LOST("listener", "103"),
	LOST("two_cpus", "104"),
	LOST("device_table", "111"),
	LOST("library_ring", "113"),
	LOST("library_memory", "114"),
	LOST("library_state", "115"),
	LOST("connection_table", "105"),
	LOST("malformed_event", "1106"),
	LOST("handover_bound", "107"),
	LOST("body_bound", "108"),
	LOST("held_bound", "109"),
	LOST("library_bound", "116"),
	LOST("library_targets", "117"),
	LOST("library_table", "118"),
	LOST("library_damaged", "119"),
	LOST("outside_stream", "110"),
	LOST("fragment", "112"),
	LOST("established", "120"),
	LOST("refused", "121"),
	LOST("step_bound", "122"),
	LOST("layers", "123"),
	"# HELP mtlsnoop_gaps Directions of connections with bytes that never came.",
	"# TYPE mtlsnoop_gaps counter",
	"mtlsnoop_gaps_total 301",
	"# HELP mtlsnoop_reassembled_directions Directions of connections that were reassembled outside the kernel.",
	"# TYPE mtlsnoop_reassembled_directions counter",
	"mtlsnoop_reassembled_directions_total 302",
	"# HELP mtlsnoop_evidence_conflicts Handshakes about which two kinds of evidence disagree.",
	"# TYPE mtlsnoop_evidence_conflicts counter",
	"mtlsnoop_evidence_conflicts_total 0",
	"# HELP mtlsnoop_connections Connections that are followed now.",
	"# TYPE mtlsnoop_connections gauge",
	"mtlsnoop_connections{state=\"handshake\"} 501",
	"mtlsnoop_connections{state=\"last_word\"} 502",
	"mtlsnoop_connections{state=\"library\"} 503",
	"# HELP mtlsnoop_tcp_connections TCP connections seen from their start, TLS or not.",
	"# TYPE mtlsnoop_tcp_connections counter",
	"mtlsnoop_tcp_connections_total 401",
	"# HELP mtlsnoop_tls_connections TCP connections in which a ClientHello was found.",
	"# TYPE mtlsnoop_tls_connections counter",
	"mtlsnoop_tls_connections_total 402",
	"# HELP mtlsnoop_midstream_connections TCP connections that were open before mtlsnoop started, and are "
	"ignored.",
	"# TYPE mtlsnoop_midstream_connections counter",
	"mtlsnoop_midstream_connections_total 403",
	"# HELP mtlsnoop_last_event_timestamp_seconds When the kernel last reported an event, in seconds since the "
	"epoch.",
	"# TYPE mtlsnoop_last_event_timestamp_seconds gauge",
	"# UNIT mtlsnoop_last_event_timestamp_seconds seconds",
	"mtlsnoop_last_event_timestamp_seconds 1795431600.123",
	"# HELP mtlsnoop_last_read_timestamp_seconds When events were last read, in seconds since the epoch.",
	"# TYPE mtlsnoop_last_read_timestamp_seconds gauge",
	"# UNIT mtlsnoop_last_read_timestamp_seconds seconds",
	"mtlsnoop_last_read_timestamp_seconds 1795431601.123",
	"# HELP mtlsnoop_hooks BPF programs in place, by hook.",
	"# TYPE mtlsnoop_hooks gauge",
	"mtlsnoop_hooks{hook=\"socket\"} 2",
	"# HELP mtlsnoop_packets Packets that the BPF programs saw, TLS or not.",
	"# TYPE mtlsnoop_packets counter",
	"mtlsnoop_packets_total{program=\"receive\"} 701",
	"mtlsnoop_packets_total{program=\"send\"} 702",
	"# HELP mtlsnoop_ring_buffer_size_bytes Size of the ring buffer for events.",
	"# TYPE mtlsnoop_ring_buffer_size_bytes gauge",
	"# UNIT mtlsnoop_ring_buffer_size_bytes bytes",
	"mtlsnoop_ring_buffer_size_bytes 801",
	"# HELP mtlsnoop_ring_buffer_waiting_bytes Bytes that waited in the ring buffer when it was last read.",
	"# TYPE mtlsnoop_ring_buffer_waiting_bytes gauge",
	"# UNIT mtlsnoop_ring_buffer_waiting_bytes bytes",
	"mtlsnoop_ring_buffer_waiting_bytes 802",
	"# HELP mtlsnoop_ring_buffer_peak_bytes Most bytes that ever waited in the ring buffer when it was read.",
	"# TYPE mtlsnoop_ring_buffer_peak_bytes gauge",
	"# UNIT mtlsnoop_ring_buffer_peak_bytes bytes",
	"mtlsnoop_ring_buffer_peak_bytes 803",
	"# HELP mtlsnoop_bpf_run_seconds Time that the BPF programs ran.",
	"# TYPE mtlsnoop_bpf_run_seconds counter",
	"# UNIT mtlsnoop_bpf_run_seconds seconds",
	"mtlsnoop_bpf_run_seconds_total{program=\"receive\"} 1.000000602",
	"mtlsnoop_bpf_run_seconds_total{program=\"exec\"} 0.000000604",
	"# HELP mtlsnoop_bpf_runs Runs of the BPF programs.",
	"# TYPE mtlsnoop_bpf_runs counter",
	"mtlsnoop_bpf_runs_total{program=\"receive\"} 601",
	"mtlsnoop_bpf_runs_total{program=\"exec\"} 603",
	"# HELP mtlsnoop_library_targets Files of TLS libraries, and programs that contain one, that are probed now.",
	"# TYPE mtlsnoop_library_targets gauge",
	"mtlsnoop_library_targets{library=\"openssl\"} 901",
	"mtlsnoop_library_targets{library=\"gnutls\"} 902",
	"mtlsnoop_library_targets{library=\"go\"} 903",
	"# HELP mtlsnoop_library_refused Files of TLS libraries that could not be probed.",
	"# TYPE mtlsnoop_library_refused counter",
	"mtlsnoop_library_refused_total 904",
	"# HELP mtlsnoop_library_unreadable Mapped files that could not be opened or parsed in time.",
	"# TYPE mtlsnoop_library_unreadable counter",
	"mtlsnoop_library_unreadable_total 905",
	"# HELP mtlsnoop_library_skipped_processes Processes left out of a look for libraries: their user took more "
	"than its "
	"share of the time.",
	"# TYPE mtlsnoop_library_skipped_processes counter",
	"mtlsnoop_library_skipped_processes_total 906",
	"# HELP mtlsnoop_library_look_delay_seconds Longest wait of a user's processes for the next look for "
	"libraries.",
	"# TYPE mtlsnoop_library_look_delay_seconds gauge",
	"# UNIT mtlsnoop_library_look_delay_seconds seconds",
	"mtlsnoop_library_look_delay_seconds 0.907000000",
	"# HELP mtlsnoop_library_handshakes Handshakes that TLS libraries reported, or might have, by whether the wire "
	"shows the same.",
	"# TYPE mtlsnoop_library_handshakes counter",
	"mtlsnoop_library_handshakes_total{state=\"joined\"} 1004",
	"mtlsnoop_library_handshakes_total{state=\"unjoined\"} 1005",
	"mtlsnoop_library_handshakes_total{state=\"untold\"} 1006",
	"# HELP mtlsnoop_library_calls Calls that the BPF programs in TLS libraries saw.",
	"# TYPE mtlsnoop_library_calls counter",
	"mtlsnoop_library_calls_total{state=\"told\"} 1001",
	"mtlsnoop_library_calls_total{state=\"left_alone\"} 1002",
	"# HELP mtlsnoop_library_stranger_calls Calls that were reported and belong to no handshake.",
	"# TYPE mtlsnoop_library_stranger_calls counter",
	"mtlsnoop_library_stranger_calls_total 1003",
	"# HELP mtlsnoop_config_last_reload_successful Whether the last reload of the files on the command line was "
	"successful.",
	"# TYPE mtlsnoop_config_last_reload_successful gauge",
	"mtlsnoop_config_last_reload_successful 1",
	"# HELP mtlsnoop_config_last_reload_success_timestamp_seconds When the files in force were read, in seconds "
	"since the epoch.",
	"# TYPE mtlsnoop_config_last_reload_success_timestamp_seconds gauge",
	"# UNIT mtlsnoop_config_last_reload_success_timestamp_seconds seconds",
	"mtlsnoop_config_last_reload_success_timestamp_seconds 901",
	"# HELP mtlsnoop_sink_records Records that each sink was given, and those of them that it lost.",
	"# TYPE mtlsnoop_sink_records counter",
	"mtlsnoop_sink_records_total{sink=\"json\",state=\"taken\"} 1101",
	"mtlsnoop_sink_records_total{sink=\"json\",state=\"dropped\"} 1102",
	"mtlsnoop_sink_records_total{sink=\"json\",state=\"failed\"} 1103",
	"# HELP mtlsnoop_sink_waiting_records Records that wait in the queue of each sink.",
	"# TYPE mtlsnoop_sink_waiting_records gauge",
	"mtlsnoop_sink_waiting_records{sink=\"json\"} 1104",
	"# HELP mtlsnoop_build The version of mtlsnoop.",
	"# TYPE mtlsnoop_build info",
	"mtlsnoop_build_info{version=\"" MTLSNOOP_VERSION "\"} 1",
	"# EOF",
	NULL,
};

/* text is these lines and no other. */
static void assert_golden(const char *text, const char *const *lines)
{
	const char *end;

	for (; *lines; lines++, text = end + 1) {
		end = strchr(text, '\n');
		if (!end || strlen(*lines) != (size_t)(end - text) || strncmp(text, *lines, end - text))
			fail_msg("expected the line:\n%s\nat the beginning of:\n%s", *lines, text);
	}
	assert_string_equal(text, "");
}

static void whole_text(void **state)
{
	struct metrics *metrics = sample_metrics();
	char *text = text_of(metrics, METRICS_TEXT);

	(void)state;
	assert_golden(text, text_golden);
	free(text);
	metrics_free(metrics);
}

static void whole_openmetrics(void **state)
{
	struct metrics *metrics = sample_metrics();
	char *text = text_of(metrics, METRICS_OPENMETRICS);

	(void)state;
	assert_golden(text, openmetrics_golden);
	free(text);
	metrics_free(metrics);
}

/* A snapshot says the same, whatever was in it before, and stays what it is. */
static void snapshot(void **state)
{
	struct metrics *metrics = sample_metrics();
	struct metrics *copy = metrics_new(SERVICES);
	struct handshake handshake = sample_handshake();
	char *text;

	(void)state;
	metrics_handshake(copy, &handshake);
	metrics_handshake(copy, &handshake);
	metrics_copy(copy, metrics);
	metrics_handshake(metrics, &handshake);
	text = text_of(copy, METRICS_TEXT);
	assert_golden(text, text_golden);
	assert_int_equal(metrics_lost(copy), 101 + 102 + 103 + 104 + 105 + 1106 + 111);
	free(text);
	metrics_free(copy);
	metrics_free(metrics);
}

/* What nobody has to do anything about is no loss that makes it unwell. */
static void urgent_losses(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct status losses = {
		.tracking = {.gaps = 1, .bounds = 1, .events_lost = 1},
		.statistics = {[STATISTIC_CONNECTIONS] = 1,
	                       [STATISTIC_MIDSTREAM] = 1,
	                       [STATISTIC_HANDSHAKES] = 1,
	                       [STATISTIC_HANDOVERS] = 1,
	                       [STATISTIC_HANDOVER_BOUND] = 1,
	                       [STATISTIC_BODY_BOUND] = 1,
	                       [STATISTIC_STEP_BOUND] = 1,
	                       [STATISTIC_OUTSIDE] = 1},
	};

	(void)state;
	metrics_update(metrics, &losses);
	assert_int_equal(metrics_lost(metrics), 0);
	losses.statistics[STATISTIC_LOST_RING] = 7;
	metrics_update(metrics, &losses);
	assert_int_equal(metrics_lost(metrics), 7);
	metrics_free(metrics);
}

static void labels_are_escaped(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	static const struct status hostile = {
		.program = {{"a\"} 1\n# EOF\\\t\x7f\xff", .runs = 5, .run_ns = 5}, {"send", .runs = 6, .run_ns = 6}},
	};

	(void)state;
	metrics_update(metrics, &hostile);
	assert_lines(metrics, (const char *[]){
				      "mtlsnoop_bpf_runs_total{program=\"a\\\"} 1\\n# EOF\\\\???\"} 5",
				      "mtlsnoop_bpf_runs_total{program=\"send\"} 6",
				      "mtlsnoop_bpf_run_seconds_total{program=\"send\"} 0.000000006",
				      NULL,
			      });
	metrics_free(metrics);
}

/* Nothing of the client, nor of what it sent, gets into a label. */
static void clients_are_not_told(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct handshake handshake = sample_handshake();
	struct certificate certificate = sample_certificate();

	(void)state;
	handshake.certificate = &certificate;
	strcpy(handshake.client_hello.server_name, HOSTILE);
	metrics_handshake(metrics, &handshake);
	assert_no(metrics, "10.0.0.5");
	assert_no(metrics, "51234");
	assert_no(metrics, "CN=");
	assert_no(metrics, "x1b");
	metrics_free(metrics);
}

static void count_service(struct metrics *metrics, uint8_t role, uint8_t last_byte)
{
	struct handshake handshake = sample_handshake();

	handshake.role = role;
	handshake.server.address[3] = last_byte;
	metrics_handshake(metrics, &handshake);
}

/* Those that came first keep their series; the clients' servers leave room for the host's own. */
static void services_are_bounded(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);

	(void)state;
	for (int last_byte = 0; last_byte < 256; last_byte++)
		count_service(metrics, ROLE_CLIENT, last_byte);
	count_service(metrics, ROLE_CLIENT, 1);
	for (int last_byte = 7; last_byte < 7 + SERVICES; last_byte++)
		count_service(metrics, ROLE_SERVER, last_byte);
	assert_lines(metrics, (const char *[]){
				      SERVICE_LINE("client", "10.0.0.0:443", "1"),
				      SERVICE_LINE("client", "10.0.0.1:443", "2"),
				      SERVICE_LINE("client", "10.0.0.2:443", "1"),
				      SERVICE_LINE("client", "other", "253"),
				      SERVICE_LINE("server", "10.0.0.7:443", "1"),
				      SERVICE_LINE("server", "10.0.0.8:443", "1"),
				      SERVICE_LINE("server", "10.0.0.9:443", "1"),
				      NULL,
			      });
	assert_int_equal(count_of(metrics, "mtlsnoop_handshakes_total{"), 7);
	assert_int_equal(count_of(metrics, "mtlsnoop_handshake_duration_seconds_count{"), 7);
	assert_no(metrics, "role=\"server\",service=\"other\"");
	metrics_free(metrics);
}

static void services_are_told_apart(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.server = (struct endpoint){.address = {0x20, 1, 0x0d, 0xb8, [15] = 1}, .port = 8443};
	handshake.family = 6;
	metrics_handshake(metrics, &handshake);
	handshake.server.port = 8444;
	metrics_handshake(metrics, &handshake);
	/* what is behind an IPv4 address is not a part of it */
	handshake = sample_handshake();
	metrics_handshake(metrics, &handshake);
	handshake.server.address[4] = 1;
	metrics_handshake(metrics, &handshake);
	handshake.family = 0;
	metrics_handshake(metrics, &handshake);
	assert_lines(metrics, (const char *[]){
				      SERVICE_LINE("server", "[2001:db8::1]:8443", "1"),
				      SERVICE_LINE("server", "[2001:db8::1]:8444", "1"),
				      SERVICE_LINE("server", "10.0.0.1:443", "2"),
				      SERVICE_LINE("server", "other", "1"),
				      NULL,
			      });
	metrics_free(metrics);
}

/* Numbers from the network: those without a name are counted together. */
static void numbers_are_bounded(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct handshake handshake = sample_handshake();

	(void)state;
	for (int number = 0; number < 256; number++) {
		handshake.steps = 0;
		handshake.version = 0x0500 + number;
		sample_step(&handshake, 0, STEP_MESSAGE, FROM_CLIENT, number, 0);
		sample_alert(&handshake, 1, FROM_SERVER, number);
		metrics_handshake(metrics, &handshake);
	}
	handshake.version = 0;
	handshake.steps = UINT16_MAX;
	memset(handshake.step, 0, sizeof(handshake.step));
	metrics_handshake(metrics, &handshake);
	assert_lines(metrics, (const char *[]){
				      /* 25 types and 37 alerts have a name */
				      "mtlsnoop_handshake_messages_total{type=\"other\",from=\"client\"} 231",
				      "mtlsnoop_handshake_messages_total{type=\"finished\",from=\"client\"} 1",
				      "mtlsnoop_handshake_messages_total{type=\"hello_request\",from=\"client\"} 65",
				      "mtlsnoop_handshake_alerts_total{description=\"other\",from=\"server\"} 219",
				      "mtlsnoop_handshake_alerts_total{description=\"unknown_ca\",from=\"server\"} 1",
				      NULL,
			      });
	assert_int_equal(count_of(metrics, "version=\"other\""), 1);
	assert_int_equal(count_of(metrics, "version=\"none\""), 1);
	assert_int_equal(count_of(metrics, "mtlsnoop_handshake_messages_total{"), 26);
	assert_int_equal(count_of(metrics, "mtlsnoop_handshake_alerts_total{"), 38);
	metrics_free(metrics);
}

/* The verdict's own values, whatever stands in the record. */
static void verdicts(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.version = 0x0304;
	handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE;
	handshake.verdict.evidence = EVIDENCE_INFERRED;
	metrics_handshake(metrics, &handshake);
	handshake.verdict.client_auth = CLIENT_AUTH_UNKNOWN;
	handshake.verdict.reason = REASON_PADDING;
	metrics_handshake(metrics, &handshake);
	handshake.verdict = (struct verdict){.client_auth = 255, .evidence = 255, .reason = 255};
	handshake.role = 255;
	metrics_handshake(metrics, &handshake);
	assert_lines(
		metrics,
		(const char *[]){
			"mtlsnoop_handshakes_total{" SERVICE
			",version=\"TLSv1.3\",client_auth=\"rejected_without_certificate\",evidence=\"inferred\"} 1",
			"mtlsnoop_handshakes_total{" SERVICE
			",version=\"TLSv1.3\",client_auth=\"unknown\",evidence=\"inferred\"} 1",
			"mtlsnoop_handshakes_total{role=\"observer\",service=\"10.0.0.1:443\""
			",version=\"TLSv1.3\",client_auth=\"unknown\",evidence=\"cleartext\"} 1",
			"mtlsnoop_unknown_total{reason=\"padding\"} 1",
			"mtlsnoop_unknown_total{reason=\"gap\"} 0",
			NULL,
		});
	metrics_free(metrics);
}

static void observe_times(struct metrics *metrics, uint64_t duration_ns)
{
	struct handshake handshake = sample_handshake();

	handshake.end_ns = handshake.start_ns + duration_ns;
	handshake.request_ns = 0;
	metrics_handshake(metrics, &handshake);
}

#define BUCKET(le, count) "mtlsnoop_handshake_duration_seconds_bucket{" SERVICE ",le=\"" le "\"} " count

/* An upper bound belongs to its bucket. */
static void buckets(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);

	(void)state;
	observe_times(metrics, 0);
	observe_times(metrics, 100000);
	observe_times(metrics, 100001);
	observe_times(metrics, 60000000000);
	observe_times(metrics, 60000000001);
	assert_lines(metrics, (const char *[]){
				      BUCKET("0.0001", "2"),
				      BUCKET("0.00025", "3"),
				      BUCKET("30.0", "3"),
				      BUCKET("60.0", "4"),
				      BUCKET("+Inf", "5"),
				      "mtlsnoop_handshake_duration_seconds_sum{" SERVICE "} 120.000200002",
				      "mtlsnoop_handshake_duration_seconds_count{" SERVICE "} 5",
				      NULL,
			      });
	assert_no(metrics, "mtlsnoop_certificate_answer_seconds_count");
	metrics_free(metrics);
}

/* Times that are not those of a handshake are not counted; the handshake is. */
static void no_times(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.answer_ns = handshake.request_ns - 1;
	handshake.facts.end = END_TIMEOUT;
	metrics_handshake(metrics, &handshake);
	handshake.facts.end = END_NONE;
	metrics_handshake(metrics, &handshake);
	handshake.facts.end = END_RST;
	handshake.end_ns = handshake.start_ns - 1;
	metrics_handshake(metrics, &handshake);
	assert_lines(metrics, (const char *[]){SERVICE_LINE("server", "10.0.0.1:443", "3"), NULL});
	assert_no(metrics, "_bucket");
	metrics_free(metrics);
}

/* The value of the series that a line of text begins with; -1 where text has none. */
static double value_of(const char *text, const char *series, size_t length)
{
	for (const char *found = strstr(text, series); found; found = strstr(found + 1, series))
		if ((found == text || found[-1] == '\n') && !strncmp(found, series, length))
			return atof(found + length);
	return -1;
}

/* Every series of before is in after, and no counter has shrunk. */
static void assert_monotonic(const char *before, const char *after)
{
	char series[NAME_MAX_LENGTH];
	const char *end;

	for (const char *line = before; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (*line == '#')
			continue;
		for (end = strchr(line, '\n'); *end != ' '; end--)
			;
		assert_in_range(end - line, 1, sizeof(series) - 2);
		memcpy(series, line, end + 1 - line);
		series[end + 1 - line] = '\0';
		if (value_of(after, series, end + 1 - line) < atof(end))
			fail_msg("%s: %f behind %f", series, value_of(after, series, end + 1 - line), atof(end));
		end = strchr(line, '\n');
	}
}

/* Many handshakes of any kind: what was seen once stays. */
static void series_stay(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	char *before = text_of(metrics, METRICS_TEXT), *after;
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct handshake handshake = sample_handshake();

		random = random * 1664525 + 1013904223;
		handshake.role = random >> 8 & 1;
		handshake.server.address[3] = random >> 9 & 7;
		handshake.version = 0x0300 + (random >> 12 & 7);
		handshake.verdict.client_auth = (random >> 15) % CLIENT_AUTHS;
		handshake.verdict.reason = (random >> 19) % REASONS;
		handshake.verdict.evidence = random >> 23 & 1;
		handshake.end_ns = handshake.start_ns + random;
		sample_alert(&handshake, 5, random >> 24 & 1, random >> 25);
		metrics_handshake(metrics, &handshake);
		after = text_of(metrics, METRICS_TEXT);
		assert_monotonic(before, after);
		free(before);
		before = after;
	}
	assert_has(before, "service=\"other\"");
	free(before);
	metrics_free(metrics);
}

static void formats_are_chosen(void **state)
{
	static const struct {
		const char *accept;
		bool openmetrics;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/plain", false},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
		{"application/openmetrics-text", true},
		{"Application/OpenMetrics-Text ; version=1.0.0 ; charset=utf-8", true},
		{"application/*", true},
		/* Prometheus 2.42 */
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
	         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	         true},
		/* Prometheus 3 */
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
	         "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
	         "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	         true},
		{"application/openmetrics-text;version=0.0.1", false},
		{"application/openmetrics-text;version=2.0.0,*/*;q=0.1", false},
		{"text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.8", false},
		{"text/plain;version=0.0.4;q=0.8,application/openmetrics-text;q=0.9", true},
		{"text/plain,application/openmetrics-text;q=0", false},
		{"application/openmetrics-text;q=0.001", true},
		{"application/openmetrics-text;q=0.0001", false},
		{"application/openmetrics-text;q=2", false},
		{"application/openmetrics-text;q=1.001", false},
		{"application/openmetrics-text;q=x", false},
		{"application/openmetrics-text;q=", false},
		{"application/openmetrics-text;q", false},
		{"application/openmetrics-text, */*", true},
		{"application/openmetrics-textual", false},
		{"application/openmetrics-tex", false},
		{"xapplication/openmetrics-text", false},
		{"applicationx*", false},
		{";;;,,,===;q=1,=;q", false},
		{",\t, application/openmetrics-text\t,", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((metrics_choose(cases[i].accept) == METRICS_OPENMETRICS) != cases[i].openmetrics)
			fail_msg("Accept: %s: expected %s", cases[i].accept,
			         cases[i].openmetrics ? "OpenMetrics" : "text");
	assert_string_equal(metrics_content_type(METRICS_TEXT), "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(metrics_content_type(METRICS_OPENMETRICS),
	                    "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

#define HOUR_NS 3600000000000ull

static void present_at(struct metrics *metrics, uint64_t end_ns, int64_t not_after)
{
	struct certificate certificate = sample_certificate();
	struct handshake handshake = sample_handshake();

	certificate.not_after = not_after;
	handshake.certificate = &certificate;
	handshake.end_ns = end_ns;
	metrics_handshake(metrics, &handshake);
}

static void assert_expiry(struct metrics *metrics, uint64_t now_ns, const char *expected)
{
	struct status state = {.now_ns = now_ns};
	char line[NAME_MAX_LENGTH];

	metrics_update(metrics, &state);
	if (!expected) {
		assert_no(metrics, EXPIRY "{");
		return;
	}
	snprintf(line, sizeof(line), EXPIRY "{" SERVICE "} %s", expected);
	assert_lines(metrics, (const char *const[]){line, NULL});
}

/* The earliest of the last 24 hours, the current one and 23 before it: what was replaced is forgotten. */
static void expiry_of_a_day(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);

	(void)state;
	assert_expiry(metrics, 1, NULL);
	present_at(metrics, 0, 5000);
	assert_expiry(metrics, 1, "5000");
	present_at(metrics, HOUR_NS - 1, 4000);
	present_at(metrics, HOUR_NS - 1, 6000);
	assert_expiry(metrics, HOUR_NS, "4000");
	present_at(metrics, 5 * HOUR_NS, 7000);
	assert_expiry(metrics, 24 * HOUR_NS - 1, "4000");
	assert_expiry(metrics, 24 * HOUR_NS, "7000");
	assert_expiry(metrics, 29 * HOUR_NS - 1, "7000");
	assert_expiry(metrics, 29 * HOUR_NS, NULL);
	/* the place of an hour that is long over is used again */
	present_at(metrics, 29 * HOUR_NS, 9000);
	assert_expiry(metrics, 29 * HOUR_NS, "9000");
	metrics_free(metrics);
}

/* Certificates that were turned away, or could not be read, do not count; what is before 1970 is told as 1970. */
static void expiry_of_what_was_taken(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct certificate certificate = sample_certificate();
	struct handshake handshake = sample_handshake();

	(void)state;
	metrics_handshake(metrics, &handshake);
	assert_expiry(metrics, SAMPLE_START_NS, NULL);
	handshake.certificate = &certificate;
	handshake.verdict.client_auth = CLIENT_AUTH_REJECTED_CERTIFICATE;
	metrics_handshake(metrics, &handshake);
	handshake.verdict.client_auth = CLIENT_AUTH_UNKNOWN;
	metrics_handshake(metrics, &handshake);
	assert_expiry(metrics, SAMPLE_START_NS, NULL);
	handshake.verdict.client_auth = CLIENT_AUTH_PRESENTED;
	certificate.leaf_parsed = false;
	metrics_handshake(metrics, &handshake);
	assert_expiry(metrics, SAMPLE_START_NS, NULL);
	present_at(metrics, SAMPLE_START_NS, -600000000);
	assert_expiry(metrics, SAMPLE_START_NS, "0");
	metrics_free(metrics);
}

static void count_policy(struct metrics *metrics, uint8_t expectation, uint8_t result, int times)
{
	struct handshake handshake = sample_handshake();

	handshake.policy = (struct policy_judgement){.expectation = expectation, .result = result, .line = 1};
	while (times--)
		metrics_handshake(metrics, &handshake);
}

static void policy_counts(void **state)
{
	const char *const lines[] = {"mtlsnoop_policy_violations_total{" SERVICE ",rule=\"required\"} 2",
	                             "mtlsnoop_policy_kept_total{" SERVICE ",rule=\"required\"} 0",
	                             "mtlsnoop_policy_unjudged_total{" SERVICE ",rule=\"required\"} 0",
	                             "mtlsnoop_policy_violations_total{" SERVICE ",rule=\"never\"} 0",
	                             "mtlsnoop_policy_kept_total{" SERVICE ",rule=\"never\"} 3",
	                             "mtlsnoop_policy_unjudged_total{" SERVICE ",rule=\"never\"} 4",
	                             NULL};
	struct metrics *metrics = metrics_new(SERVICES);
	struct status named = {.settings = {.named = true, .has_policy = true, .refused = true}};

	(void)state;
	count_policy(metrics, POLICY_REQUIRED, POLICY_BROKEN, 2);
	count_policy(metrics, POLICY_NEVER, POLICY_KEPT, 3);
	count_policy(metrics, POLICY_NEVER, POLICY_UNJUDGED, 4);
	count_policy(metrics, POLICY_NOTHING, POLICY_BROKEN, 5);
	count_policy(metrics, 0xff, 0xff, 6);
	assert_no(metrics, "mtlsnoop_policy_");
	assert_no(metrics, "mtlsnoop_config_");
	metrics_update(metrics, &named);
	assert_lines(metrics, lines);
	assert_no(metrics, "rule=\"optional\"} 1");
	assert_int_equal(count_of(metrics, "rule=\"optional\""), 1);
	assert_lines(metrics, (const char *const[]){"mtlsnoop_config_last_reload_successful 0", NULL});
	metrics_free(metrics);
}

static void failures_name_the_ender_and_the_reason(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.failure = (struct failure){.reason = FAILURE_CERTIFICATE_EXPIRED, .by = FROM_SERVER};
	handshake.facts.end = END_ALERT;
	handshake.facts.ended_by = FROM_SERVER;
	metrics_handshake(metrics, &handshake);
	metrics_handshake(metrics, &handshake);
	/* the blame and the end disagree: nobody is blamed */
	handshake.failure.by = FROM_CLIENT;
	metrics_handshake(metrics, &handshake);
	handshake.role = ROLE_CLIENT;
	handshake.failure = (struct failure){.reason = FAILURE_UNKNOWN_CA, .by = FROM_CLIENT};
	handshake.facts.ended_by = FROM_CLIENT;
	metrics_handshake(metrics, &handshake);
	handshake.failure.reason = 0xff;
	metrics_handshake(metrics, &handshake);
	handshake.failure.reason = FAILURE_NONE;
	metrics_handshake(metrics, &handshake);
	assert_lines(metrics, (const char *const[]){
				      "mtlsnoop_handshake_failures_total{" SERVICE
				      ",by=\"server\",reason=\"certificate_expired\"} 2",
				      "mtlsnoop_handshake_failures_total{" SERVICE
				      ",by=\"unknown\",reason=\"certificate_expired\"} 1",
				      "mtlsnoop_handshake_failures_total{role=\"client\",service=\"10.0.0.1:443\","
				      "by=\"client\",reason=\"unknown_ca\"} 1",
				      "mtlsnoop_handshake_failures_total{role=\"client\",service=\"10.0.0.1:443\","
				      "by=\"client\",reason=\"other\"} 1",
				      NULL,
			      });
	assert_int_equal(count_of(metrics, "mtlsnoop_handshake_failures_total{"), 4);
	metrics_free(metrics);
}

/* Both ends of a connection on this host are records: the client's is not counted again. */
static void verifications_and_plaintext_are_counted_at_the_server(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	struct handshake handshake = sample_handshake();

	(void)state;
	handshake.verification[FROM_CLIENT] = (struct verification){.known = true, .result = FAILURE_SELF_SIGNED};
	handshake.verdict.client_auth = CLIENT_AUTH_NOT_TLS;
	metrics_handshake(metrics, &handshake);
	handshake.role = ROLE_CLIENT;
	metrics_handshake(metrics, &handshake);
	handshake.role = ROLE_SERVER;
	handshake.verdict.client_auth = CLIENT_AUTH_DECLINED;
	handshake.verification[FROM_CLIENT].known = false;
	handshake.verification[FROM_SERVER] = (struct verification){.known = true, .result = FAILURE_UNKNOWN_CA};
	metrics_handshake(metrics, &handshake);
	assert_lines(metrics, (const char *const[]){
				      "mtlsnoop_client_certificate_verifications_total{service=\"10.0.0.1:443\",result="
				      "\"self_signed\"} 1",
				      "mtlsnoop_plaintext_connections_total{service=\"10.0.0.1:443\"} 1",
				      NULL,
			      });
	assert_int_equal(count_of(metrics, "mtlsnoop_client_certificate_verifications_total{"), 1);
	assert_int_equal(count_of(metrics, "mtlsnoop_plaintext_connections_total{"), 1);
	metrics_free(metrics);
}

static void report_provisional(struct metrics *metrics, const char *id)
{
	struct handshake handshake = sample_handshake();

	handshake.provisional = true;
	handshake.verdict.client_auth = CLIENT_AUTH_UNANSWERED;
	strcpy(handshake.id, id);
	metrics_handshake(metrics, &handshake);
}

static void report_correction(struct metrics *metrics, const char *corrects)
{
	struct handshake handshake = sample_handshake();

	strcpy(handshake.id, "9");
	strcpy(handshake.corrects, corrects);
	metrics_handshake(metrics, &handshake);
}

static void tick_at(struct metrics *metrics, uint64_t now_ns)
{
	const struct status status = {.now_ns = now_ns};

	metrics_update(metrics, &status);
}

#define VERDICT(name) "mtlsnoop_handshakes_total{" SERVICE ",version=\"TLSv1.2\",client_auth=\"" name "\","

/* A counter cannot go back: the first record waits, and the second is counted in its place. */
static void correction_is_counted_in_place_of_the_first_record(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);

	(void)state;
	report_provisional(metrics, "1");
	report_provisional(metrics, "2");
	assert_no(metrics, "mtlsnoop_handshakes_total{");
	report_correction(metrics, "1");
	tick_at(metrics, SAMPLE_START_NS);
	assert_lines(metrics, (const char *const[]){VERDICT("presented") "evidence=\"cleartext\"} 1",
	                                            "mtlsnoop_corrections_total{state=\"counted\"} 1",
	                                            "mtlsnoop_corrections_total{state=\"late\"} 0", NULL});
	assert_no(metrics, "client_auth=\"unanswered\"");
	/* messages were seen once */
	assert_lines(metrics,
	             (const char *const[]){"mtlsnoop_handshake_messages_total{type=\"client_hello\",from=\"client\"} 2",
	                                   NULL});
	metrics_free(metrics);
}

/* Nobody waits for ever: after ten minutes the first record is counted, and a correction is only noted. */
static void provisional_record_is_counted_after_its_time(void **state)
{
	const uint64_t end_ns = SAMPLE_MICROSECONDS(1834), minutes_ns = 10 * 60 * 1000000000ull;
	struct metrics *metrics = metrics_new(SERVICES);

	(void)state;
	report_provisional(metrics, "1");
	tick_at(metrics, end_ns + minutes_ns - 1);
	assert_no(metrics, "mtlsnoop_handshakes_total{");
	tick_at(metrics, end_ns + minutes_ns);
	assert_lines(metrics, (const char *const[]){VERDICT("unanswered") "evidence=\"cleartext\"} 1", NULL});
	report_correction(metrics, "1");
	assert_lines(metrics, (const char *const[]){VERDICT("unanswered") "evidence=\"cleartext\"} 1",
	                                            "mtlsnoop_corrections_total{state=\"late\"} 1", NULL});
	assert_int_equal(count_of(metrics, "mtlsnoop_handshakes_total{"), 1);
	metrics_free(metrics);
}

/* The memory is bounded: one record too many, and the oldest is counted. */
static void provisional_records_are_bounded(void **state)
{
	struct metrics *metrics = metrics_new(SERVICES);
	char id[EVENT_ID_MAX];

	(void)state;
	for (int index = 0; index < 1024 + 3; index++) {
		snprintf(id, sizeof(id), "%d", index);
		report_provisional(metrics, id);
	}
	assert_lines(metrics, (const char *const[]){VERDICT("unanswered") "evidence=\"cleartext\"} 3", NULL});
	report_correction(metrics, "2");
	report_correction(metrics, "3");
	assert_lines(metrics, (const char *const[]){VERDICT("unanswered") "evidence=\"cleartext\"} 3",
	                                            VERDICT("presented") "evidence=\"cleartext\"} 1", NULL});
	tick_at(metrics, UINT64_MAX);
	assert_lines(metrics, (const char *const[]){VERDICT("unanswered") "evidence=\"cleartext\"} 1026",
	                                            "mtlsnoop_corrections_total{state=\"counted\"} 1",
	                                            "mtlsnoop_corrections_total{state=\"late\"} 1", NULL});
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expiry_of_a_day),
		cmocka_unit_test(expiry_of_what_was_taken),
		cmocka_unit_test(policy_counts),
		cmocka_unit_test(failures_name_the_ender_and_the_reason),
		cmocka_unit_test(verifications_and_plaintext_are_counted_at_the_server),
		cmocka_unit_test(correction_is_counted_in_place_of_the_first_record),
		cmocka_unit_test(provisional_record_is_counted_after_its_time),
		cmocka_unit_test(provisional_records_are_bounded),
		cmocka_unit_test(whole_text),
		cmocka_unit_test(whole_openmetrics),
		cmocka_unit_test(snapshot),
		cmocka_unit_test(urgent_losses),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(clients_are_not_told),
		cmocka_unit_test(services_are_bounded),
		cmocka_unit_test(services_are_told_apart),
		cmocka_unit_test(numbers_are_bounded),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(buckets),
		cmocka_unit_test(no_times),
		cmocka_unit_test(series_stay),
		cmocka_unit_test(formats_are_chosen),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
