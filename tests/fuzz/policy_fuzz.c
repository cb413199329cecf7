// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The reader of --expect: whatever the text is, it is read or refused with a line and a reason; of what is read the first
 * line that fits counts, so that a text cut behind that line judges the same.
 */
#include "handshake/policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	TAIL = 19, /* of the input: an address, a port, a family */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* As many addresses as the name has bytes, modulo a bound. */
static uint32_t resolve(const char *name, struct policy_address addresses[POLICY_ADDRESSES_MAX], void *context)
{
	uint32_t count = strlen(name) % (POLICY_ADDRESSES_MAX + 1);

	(void)context;
	for (uint32_t index = 0; index < count; index++)
		addresses[index] = (struct policy_address){.family = index % 2 ? 4 : 6, .bytes = {name[0], index}};
	return count;
}

/* Where line ends in text, its newline left out. */
static size_t end_of_line(const uint8_t *text, size_t size, uint32_t line)
{
	size_t end = 0;

	for (; end < size; end++)
		if (text[end] == '\n' && !--line)
			break;
	return end;
}

static void judge_again(const uint8_t *text, size_t size, const struct handshake *handshake,
                        const struct policy_judgement *judgement)
{
	struct policy *policy = NULL;
	struct policy_error error;
	struct policy_judgement again;

	require(!policy_parse(&policy, (const char *)text, end_of_line(text, size, judgement->line), resolve, NULL,
	                      &error));
	again = policy_judge(policy, handshake);
	require(again.line == judgement->line && again.expectation == judgement->expectation &&
	        again.result == judgement->result);
	policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handshake handshake = {.verdict.client_auth = CLIENT_AUTH_DECLINED, .verdict.established = KNOWN_YES};
	struct policy *policy = NULL;
	struct policy_error error;
	struct policy_judgement judgement;

	if (size < TAIL)
		return 0;
	size -= TAIL;
	memcpy(handshake.server.address, data + size, sizeof(handshake.server.address));
	handshake.server.port = data[size + 16] | data[size + 17] << 8;
	handshake.family = data[size + 18] & 1 ? 6 : 4;
	handshake.facts.client_hello = true;
	memcpy(handshake.client_hello.server_name, data + size, sizeof(handshake.server.address));
	if (policy_parse(&policy, (const char *)data, size, resolve, NULL, &error)) {
		require(!policy && error.line && memchr(error.reason, '\0', sizeof(error.reason)) && *error.reason);
		return 0;
	}
	judgement = policy_judge(policy, &handshake);
	if (judgement.expectation == POLICY_NOTHING)
		require(!judgement.line);
	else
		judge_again(data, size, &handshake, &judgement);
	policy_free(policy);
	return 0;
}
