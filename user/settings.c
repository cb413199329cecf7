// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "settings.h"

#include "http/files.h"
#include "options.h"
#include "system/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct values {
	struct policy *policy;
	struct http_guard *guard;
};

struct settings {
	struct files_paths paths;
	struct file_reader *reader; /* NULL: they are read once */
	struct values now;
	struct values before; /* somebody may still use them */
	bool refused;
	time_t since;
};

static void release(struct values *values)
{
	policy_free(values->policy);
	http_guard_release(values->guard);
	*values = (struct values){};
}

bool settings_are_named(const struct options *options)
{
	return options->expect_file || options->web_config_file;
}

static int make_policy(struct policy **policy, const char *path, const struct file_text *text)
{
	struct policy_error wrong;
	int error = policy_parse(policy, text->bytes, text->length, &wrong);

	if (error == -EINVAL)
		log_error("%s, line %u: %s", path, wrong.line, wrong.reason);
	else if (error)
		log_out_of_memory();
	return error;
}

static int make_values(const struct settings *settings, const struct file_texts *texts, struct values *values)
{
	int error = 0;

	*values = (struct values){};
	if (settings->paths.policy)
		error = make_policy(&values->policy, settings->paths.policy, &texts->text[FILE_POLICY]);
	if (!error && settings->paths.web_config)
		error = http_guard_make(&values->guard, settings->paths.web_config, texts);
	if (error)
		release(values);
	return error;
}

int settings_open(struct settings **result, const struct options *options)
{
	struct settings *settings;
	struct file_texts texts;
	int error;

	*result = NULL;
	if (!settings_are_named(options))
		return 0;
	settings = calloc(1, sizeof(*settings));
	if (!settings)
		return -ENOMEM;
	settings->paths = (struct files_paths){.policy = options->expect_file, .web_config = options->web_config_file};
	error = options->read_file ? 0 : file_reader_start(&settings->reader, &settings->paths);
	/* here, and not in the child: this process may still be allowed what the child is not */
	if (!error)
		error = files_read(&settings->paths, &texts);
	if (error)
		goto cleanup;
	error = make_values(settings, &texts, &settings->now);
	files_release(&texts);
	if (error)
		goto cleanup;
	settings->since = time(NULL);
	*result = settings;
	return 0;
cleanup:
	settings_close(settings);
	return error;
}

void settings_close(struct settings *settings)
{
	if (!settings)
		return;
	file_reader_stop(settings->reader);
	release(&settings->now);
	release(&settings->before);
	free(settings);
}

const struct policy *settings_policy(const struct settings *settings)
{
	return settings ? settings->now.policy : NULL;
}

struct http_guard *settings_guard(const struct settings *settings)
{
	return settings ? settings->now.guard : NULL;
}

int settings_reload(struct settings *settings)
{
	return settings && settings->reader ? file_reader_ask(settings->reader) : -ENOENT;
}

struct settings_state settings_state(const struct settings *settings)
{
	struct settings_state state = {.named = settings != NULL};

	if (!settings)
		return state;
	state.refused = settings->refused;
	state.since = settings->since;
	state.has_policy = settings->now.policy != NULL;
	for (int expectation = 0; expectation < POLICY_EXPECTATIONS; expectation++)
		state.lines[expectation] = policy_lines(settings->now.policy, expectation);
	return state;
}

static enum settings_change refuse(struct settings *settings)
{
	log_error("nothing of what was read again is taken over");
	settings->refused = true;
	return SETTINGS_REFUSED;
}

enum settings_change settings_poll(struct settings *settings)
{
	struct file_texts texts;
	struct values values;
	int error;

	if (!settings || !settings->reader)
		return SETTINGS_SAME;
	error = file_reader_take(settings->reader, &texts, 0);
	if (error == -EAGAIN)
		return SETTINGS_SAME;
	if (error)
		return refuse(settings);
	error = make_values(settings, &texts, &values);
	files_release(&texts);
	if (error)
		return refuse(settings);
	if (http_guard_has_tls(values.guard) != http_guard_has_tls(settings->now.guard)) {
		log_error("%s: TLS cannot be turned on or off while mtlsnoop runs: start it anew",
		          settings->paths.web_config);
		release(&values);
		return refuse(settings);
	}
	release(&settings->before);
	settings->before = settings->now;
	settings->now = values;
	settings->refused = false;
	settings->since = time(NULL);
	return SETTINGS_NEW;
}
