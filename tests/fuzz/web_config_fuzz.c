// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The reader of --web-config: whatever the text is, it is read or refused with a line and a reason, and what is read holds
 * together.
 */
#include "http/web_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_user(const struct web_user *user)
{
	size_t length = strnlen(user->name, sizeof(user->name));

	require(length > 0 && length < sizeof(user->name));
	for (; length < sizeof(user->name); length++)
		require(!user->name[length]);
	require(strnlen(user->hash, sizeof(user->hash)) == WEB_HASH_LENGTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct web_config *config = NULL;
	struct web_config_error error;
	int result = web_config_parse(&config, "/etc/web.yml", (const char *)data, size, &error);

	if (result) {
		require(result == -EINVAL && !config && error.line && *error.reason);
		require(memchr(error.reason, '\0', sizeof(error.reason)));
		return 0;
	}
	require(config->tls == (config->certificate_file && config->key_file));
	require((config->client_auth >= WEB_VERIFY_CLIENT_CERT_IF_GIVEN) == !!config->client_authorities_file);
	require(config->min_version <= config->max_version && config->max_version < WEB_VERSIONS);
	require(config->groups <= WEB_GROUPS_MAX && config->users <= WEB_USERS_MAX);
	for (uint32_t index = 0; index < config->users; index++)
		require_user(&config->user[index]);
	web_config_free(config);
	return 0;
}
