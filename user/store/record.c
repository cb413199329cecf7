// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handshake/handshake.h"
#include "sink/report.h"

static const uint64_t NS_PER_US = 1000;

/*
 * A packed record: this header, the fixed part of struct store_record, and for each text its length and its bytes with
 * a NUL.
 */
struct packed_header {
	uint32_t size; /* of all, this header included */
	uint32_t magic;
};

enum {
	PACKED_MAGIC = 0x534d544d,
	FIXED_SIZE = offsetof(struct store_record, text),
};

static uint8_t trusted_of(const struct handshake *handshake)
{
	const struct verification *verification = &handshake->verification[FROM_CLIENT];

	if (!verification->known)
		return NOT_KNOWN;
	return verification->result == FAILURE_NONE ? KNOWN_YES : KNOWN_NO;
}

/* Join texts with newlines, as many as there is room for. */
static void join(char *to, size_t size, const char *texts, size_t stride, size_t count)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t index = 0; index < count; index++) {
		const char *text = texts + index * stride;
		size_t length = strlen(text);

		if (used + length + 2 > size)
			return;
		if (used)
			to[used++] = '\n';
		memcpy(to + used, text, length + 1);
		used += length;
	}
}

static size_t smaller(size_t one, size_t other)
{
	return one < other ? one : other;
}

static void set_certificate(struct store_record *record, struct store_record_space *space, int side,
                            const struct certificate *certificate, bool redact)
{
	struct store_certificate *to = side == FROM_CLIENT ? &record->client : &record->server;
	const char **text =
		record->text + (side == FROM_CLIENT ? STORE_TEXT_CLIENT_CERTIFICATE : STORE_TEXT_SERVER_CERTIFICATE);

	if (!certificate || !certificate->certificates || !certificate->sha256_known)
		return;
	report_sha256(to->sha256, certificate->sha256);
	to->chain = certificate->certificates;
	if (!certificate->leaf_parsed)
		return;
	to->not_after = certificate->not_after;
	to->not_before = certificate->not_before;
	if (redact)
		return;
	text[STORE_CERTIFICATE_SUBJECT] = certificate->subject;
	text[STORE_CERTIFICATE_ISSUER] = certificate->issuer;
	text[STORE_CERTIFICATE_SERIAL] = certificate->serial;
	text[STORE_CERTIFICATE_SIGNATURE] = certificate->signature_algorithm;
	snprintf(space->certificate[side].key, sizeof(space->certificate[side].key),
	         *certificate->key_algorithm ? "%s %u" : "%s", certificate->key_algorithm, certificate->key_size);
	text[STORE_CERTIFICATE_KEY] = space->certificate[side].key;
	join(space->certificate[side].names, sizeof(space->certificate[side].names), certificate->alternative_name[0],
	     MESSAGE_ALTERNATIVE_NAME_MAX, smaller(certificate->alternative_names, MESSAGE_ALTERNATIVE_NAMES_MAX));
	text[STORE_CERTIFICATE_NAMES] = space->certificate[side].names;
}

static void set_attribution(struct store_record *record, const struct handshake *handshake)
{
	const struct attribution *attribution = handshake->attribution;
	const struct process *process = handshake->process.id ? &handshake->process : &handshake->owner;

	record->process = process->id;
	record->text[STORE_TEXT_PROCESS] = process->name;
	record->text[STORE_TEXT_CONTAINER] = handshake->container;
	if (!attribution)
		return;
	if (attribution->process) {
		record->process = attribution->process;
		record->text[STORE_TEXT_PROCESS] = attribution->name;
	}
	record->text[STORE_TEXT_EXECUTABLE] = attribution->executable;
	record->text[STORE_TEXT_USER] = attribution->user_name;
	record->text[STORE_TEXT_UNIT] = attribution->unit;
	if (*attribution->container)
		record->text[STORE_TEXT_CONTAINER] = attribution->container;
	record->text[STORE_TEXT_NAMESPACE] = attribution->pod_namespace;
	record->text[STORE_TEXT_POD] = attribution->pod;
}

static void set_verdict(struct store_record *record, const struct handshake *handshake)
{
	record->client_auth = handshake->verdict.client_auth;
	record->evidence = handshake->verdict.evidence;
	record->reason = handshake->verdict.reason;
	record->requested = handshake->verdict.requested;
	record->answer = handshake->verdict.answer;
	record->resumed = handshake->verdict.resumed;
	record->trusted = trusted_of(handshake);
	record->failure = handshake->failure.reason;
	record->failure_by = handshake->failure.by;
	record->failure_source = handshake->failure.source;
	record->policy_expectation = handshake->policy.expectation;
	record->policy_result = handshake->policy.result;
}

void store_record_of(struct store_record *record, struct store_record_space *space, const struct handshake *handshake,
                     bool redact, const char *json, const char *ladder)
{
	const struct certificate_request *request = handshake->request;

	*record = (struct store_record){.time_us = handshake->start_realtime_ns / NS_PER_US,
	                                .server_port = handshake->server.port,
	                                .client_port = handshake->client.port,
	                                .version = handshake->version,
	                                .transport = handshake->transport,
	                                .role = handshake->role};
	for (int text = 0; text < STORE_TEXTS; text++)
		record->text[text] = "";
	if (handshake->end_ns >= handshake->start_ns)
		record->duration_us = (handshake->end_ns - handshake->start_ns) / NS_PER_US;
	set_verdict(record, handshake);
	set_attribution(record, handshake);
	set_certificate(record, space, FROM_CLIENT, handshake->certificate, redact);
	set_certificate(record, space, FROM_SERVER, handshake->server_certificate, redact);
	space->authorities[0] = '\0';
	if (request && !redact)
		join(space->authorities, sizeof(space->authorities), request->authority[0], MESSAGE_NAME_MAX,
		     smaller(request->authorities, MESSAGE_AUTHORITIES_MAX));
	if (!report_address(space->server_address, &handshake->server, handshake->family))
		space->server_address[0] = '\0';
	if (!report_address(space->client_address, &handshake->client, handshake->family))
		space->client_address[0] = '\0';
	record->text[STORE_TEXT_EVENT] = handshake->id;
	record->text[STORE_TEXT_CORRECTS] = handshake->corrects;
	record->text[STORE_TEXT_SERVER_ADDRESS] = space->server_address;
	record->text[STORE_TEXT_CLIENT_ADDRESS] = space->client_address;
	record->text[STORE_TEXT_SERVER_NAME] = handshake->client_hello.server_name;
	record->text[STORE_TEXT_AUTHORITIES] = space->authorities;
	record->text[STORE_TEXT_FAILURE_DETAIL] = redact ? "" : handshake->failure.detail;
	record->text[STORE_TEXT_JSON] = json ?: "";
	record->text[STORE_TEXT_LADDER] = ladder ?: "";
}

static size_t text_bound(int text)
{
	return text == STORE_TEXT_JSON || text == STORE_TEXT_LADDER ? STORE_RECORD_DETAIL_MAX : STORE_RECORD_TEXT_MAX;
}

size_t store_record_pack(const struct store_record *record, uint8_t *bytes)
{
	struct packed_header header = {.magic = PACKED_MAGIC};
	size_t used = sizeof(header);

	memcpy(bytes + used, record, FIXED_SIZE);
	used += FIXED_SIZE;
	for (int text = 0; text < STORE_TEXTS; text++) {
		size_t bound = text_bound(text);
		size_t length = strnlen(record->text[text], bound);
		uint32_t size;

		/* A long text is cut. A record that is too long is left out: half of a JSON object is useless. */
		if (length == bound)
			length = bound == STORE_RECORD_TEXT_MAX ? bound - 1 : 0;
		size = length + 1;
		memcpy(bytes + used, &size, sizeof(size));
		memcpy(bytes + used + sizeof(size), record->text[text], length);
		bytes[used + sizeof(size) + length] = '\0';
		used += sizeof(size) + size;
	}
	header.size = used;
	memcpy(bytes, &header, sizeof(header));
	return used;
}

static bool unpack_texts(struct store_record *record, const uint8_t *bytes, size_t length)
{
	size_t used = 0;

	for (int text = 0; text < STORE_TEXTS; text++) {
		uint32_t size;

		if (length - used < sizeof(size))
			return false;
		memcpy(&size, bytes + used, sizeof(size));
		used += sizeof(size);
		if (!size || size > text_bound(text) || size > length - used || bytes[used + size - 1])
			return false;
		record->text[text] = (const char *)bytes + used;
		used += size;
	}
	return used == length;
}

ptrdiff_t store_record_unpack(struct store_record *record, const uint8_t *bytes, size_t length)
{
	struct packed_header header;

	if (length < sizeof(header))
		return 0;
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != PACKED_MAGIC || header.size > STORE_RECORD_PACKED_MAX ||
	    header.size < sizeof(header) + FIXED_SIZE)
		return -EBADMSG;
	if (length < header.size)
		return 0;
	memcpy(record, bytes + sizeof(header), FIXED_SIZE);
	record->client.sha256[sizeof(record->client.sha256) - 1] = '\0';
	record->server.sha256[sizeof(record->server.sha256) - 1] = '\0';
	if (!unpack_texts(record, bytes + sizeof(header) + FIXED_SIZE, header.size - sizeof(header) - FIXED_SIZE))
		return -EBADMSG;
	return header.size;
}
