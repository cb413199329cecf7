// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The parser of expressions. Any text is compiled, or refused with a place within the text and a message. A compiled
 * expression and its negation are never both true of a record, and the expression in parentheses says the same.
 */
#include "filter/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handshake/handshake.h"

enum {
	NOW = 1796000000,
	TEXT_MAX = 2048,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_error(const char *text, const struct filter_error *error)
{
	char message[FILTER_ERROR_TEXT_MAX];

	require(*error->message && error->offset + error->length <= strlen(text));
	filter_error_text(message, text, error);
	require(strlen(message) < sizeof(message) && strchr(message, '^'));
}

static bool match(const char *format, const char *text, const struct handshake *handshake)
{
	char changed[TEXT_MAX + 16];
	struct filter *filter;
	struct filter_error error;
	bool matches;

	snprintf(changed, sizeof(changed), format, text);
	/* one part more may be one too many */
	if (filter_parse(changed, &filter, &error))
		return false;
	matches = filter_match(filter, handshake, NOW);
	filter_free(filter);
	return matches;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct attribution attribution = {.process = 7, .name = "nginx", .unit = "nginx.service"};
	static struct certificate certificate = {.leaf_parsed = true, .subject = "CN=a", .not_after = NOW};
	static struct handshake handshake = {
		.family = 4, .end_ns = 1000, .version = 0x0303, .client_hello.server_name = "a.corp"};
	char text[TEXT_MAX];
	struct filter *filter;
	struct filter_error error;
	bool matches;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	handshake.attribution = size % 2 ? &attribution : NULL;
	handshake.certificate = size % 3 ? &certificate : NULL;
	if (filter_parse(text, &filter, &error)) {
		require(!filter);
		require_error(text, &error);
		return 0;
	}
	matches = filter_match(filter, &handshake, NOW);
	filter_free(filter);
	require(match("(%s)", text, &handshake) == matches);
	require(!matches || !match("not (%s)", text, &handshake));
	return 0;
}
