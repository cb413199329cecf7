// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/json.h"

#include "sink/json_parts.h"
#include "sink/report.h"

#include <errno.h>
#include <netinet/in.h>

void json_add_known(struct json_writer *writer, const char *key, uint8_t known)
{
	if (known == NOT_KNOWN)
		json_add_null(writer, key);
	else
		json_add_boolean(writer, key, known == KNOWN_YES);
}

static void add_timestamp(struct json_parts *parts)
{
	const uint64_t realtime_ns = parts->handshake->start_realtime_ns;
	char seconds[REPORT_TIME_MAX], text[REPORT_TIME_MAX + sizeof(".999999Z")];

	if (!report_time(seconds, realtime_ns / NANOSECONDS_PER_SECOND))
		return;
	snprintf(text, sizeof(text), "%s.%06uZ", seconds,
	         (unsigned)(realtime_ns % NANOSECONDS_PER_SECOND / NANOSECONDS_PER_MICROSECOND));
	json_add_text(&parts->writer, "@timestamp", text);
}

static const char *outcome_name(uint8_t established)
{
	switch (established) {
	case KNOWN_YES:
		return "success";
	case KNOWN_NO:
		return "failure";
	default:
		return "unknown";
	}
}

static void add_event(struct json_parts *parts)
{
	const struct handshake *handshake = parts->handshake;
	struct json_writer *writer = &parts->writer;

	json_open_object(writer, "event");
	json_add_text(writer, "id", handshake->id);
	json_add_text(writer, "kind", "event");
	json_open_array(writer, "category");
	json_add_text(writer, NULL, "network");
	json_close_array(writer);
	json_add_text(writer, "action", "tls-handshake");
	json_add_text(writer, "outcome", outcome_name(handshake->verdict.established));
	if (handshake->end_ns >= handshake->start_ns)
		json_add_number(writer, "duration", handshake->end_ns - handshake->start_ns);
	json_close_object(writer);
}

static void add_host(struct json_parts *parts)
{
	const struct host *host = parts->options->host;
	struct json_writer *writer = &parts->writer;

	if (!host)
		return;
	json_open_lazy_object(writer, "host");
	json_add_text(writer, "name", host->name);
	json_add_text(writer, "id", host->id);
	json_close_object(writer);
}

static void add_address_and_port(struct json_parts *parts, const struct endpoint *endpoint)
{
	char address[REPORT_ADDRESS_MAX];

	if (report_address(address, endpoint, parts->handshake->family))
		json_add_text(&parts->writer, "ip", address);
	json_add_number(&parts->writer, "port", endpoint->port);
}

static void add_source(struct json_parts *parts)
{
	json_open_object(&parts->writer, "source");
	add_address_and_port(parts, &parts->handshake->client);
	json_close_object(&parts->writer);
}

static void add_destination(struct json_parts *parts)
{
	json_open_object(&parts->writer, "destination");
	add_address_and_port(parts, &parts->handshake->server);
	if (parts->handshake->has_nat) {
		json_open_object(&parts->writer, "nat");
		add_address_and_port(parts, &parts->handshake->nat);
		json_close_object(&parts->writer);
	}
	json_close_object(&parts->writer);
}

/* The protocol above the transport; NULL where nothing of TLS was seen. */
static const char *protocol_name(const struct handshake *handshake)
{
	if (handshake->verdict.client_auth == CLIENT_AUTH_NOT_TLS)
		return NULL;
	switch (handshake->transport) {
	case IPPROTO_TCP:
		return "tls";
	case IPPROTO_UDP:
		return "dtls";
	default:
		return NULL;
	}
}

static void add_network(struct json_parts *parts)
{
	const struct handshake *handshake = parts->handshake;
	struct json_writer *writer = &parts->writer;

	json_open_object(writer, "network");
	if (handshake->transport == IPPROTO_TCP || handshake->transport == IPPROTO_UDP)
		json_add_text(writer, "transport", handshake->transport == IPPROTO_TCP ? "tcp" : "udp");
	if (handshake->family == 4 || handshake->family == 6)
		json_add_text(writer, "type", handshake->family == 4 ? "ipv4" : "ipv6");
	if (handshake->role != ROLE_OBSERVER)
		json_add_text(writer, "direction", handshake->role == ROLE_SERVER ? "ingress" : "egress");
	json_add_text(writer, "protocol", protocol_name(handshake));
	if (handshake->attribution && handshake->attribution->network_namespace)
		json_add_number(writer, "netns", handshake->attribution->network_namespace);
	json_close_object(writer);
}

int json_line(FILE *out, const struct handshake *handshake, const struct json_options *options)
{
	struct json_parts parts;

	parts.handshake = handshake;
	parts.options = options;
	json_begin(&parts.writer, out);
	json_open_object(&parts.writer, NULL);
	add_timestamp(&parts);
	add_event(&parts);
	add_host(&parts);
	add_source(&parts);
	add_destination(&parts);
	add_network(&parts);
	json_add_origin(&parts);
	json_add_tls(&parts);
	json_add_mtls(&parts);
	json_close_object(&parts.writer);
	json_end_line(&parts.writer);
	return ferror(out) ? -EIO : 0;
}
