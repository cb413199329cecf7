// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "settings.h"

#include "http/files.h"
#include "http/names.h"
#include "options.h"
#include "system/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	WRONG_MAX = 4096 + POLICY_REASON_MAX, /* a path and a reason */
};

struct values {
	struct policy *policy;
	struct http_guard *guard;
};

struct settings {
	struct files_paths paths;
	struct file_reader *reader; /* NULL: the files are read once */
	struct values now;
	struct values before; /* a reader may still use the old values */
	bool refused;
	time_t since;
	char wrong[WRONG_MAX]; /* why the files cannot be used */
	bool printed;          /* the reason has been printed, and wrong only names the file */
};

__attribute__((format(printf, 2, 3))) static void set_wrong(struct settings *settings, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(settings->wrong, sizeof(settings->wrong), format, arguments);
	va_end(arguments);
}

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

static int make_policy(struct settings *settings, const struct file_texts *texts, struct policy **policy)
{
	const struct file_text *text = &texts->text[FILE_POLICY];
	struct policy_error wrong;
	int error = policy_parse(policy, text->bytes, text->length, files_resolve,
	                         (void *)&texts->text[FILE_POLICY_HOSTS], &wrong);

	if (error == -EINVAL)
		set_wrong(settings, "%s, line %u: %s", settings->paths.policy, wrong.line, wrong.reason);
	else if (error)
		set_wrong(settings, "out of memory");
	return error;
}

/* Returns 0; or -errno, with settings->wrong set. What is wrong with a web configuration has been printed, too. */
static int make_values(struct settings *settings, const struct file_texts *texts, struct values *values)
{
	const char *web_config = settings->paths.web_config;
	int error = 0;

	*values = (struct values){};
	if (settings->paths.policy)
		error = make_policy(settings, texts, &values->policy);
	if (!error && web_config) {
		error = http_guard_make(&values->guard, web_config, texts);
		settings->printed = error && error != -ENOMEM;
		if (error)
			set_wrong(settings, error == -ENOMEM ? "out of memory" : "%s cannot be used", web_config);
	}
	if (error)
		release(values);
	return error;
}

static int read_now(const struct files_paths *paths, struct file_texts *texts)
{
	struct names *names = NULL;
	int error = paths->policy ? names_start(&names) : 0;

	if (!error)
		error = files_read(paths, names, texts);
	names_stop(names);
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
	if (!settings) {
		log_out_of_memory();
		return -ENOMEM;
	}
	settings->paths = (struct files_paths){.policy = options->expect_file, .web_config = options->web_config_file};
	error = options->read_file || options->check ? 0 : file_reader_start(&settings->reader, &settings->paths);
	/* read in this process, which may still have more rights than the child */
	if (!error)
		error = read_now(&settings->paths, &texts);
	if (error)
		goto cleanup;
	error = make_values(settings, &texts, &settings->now);
	files_release(&texts);
	if (error && !settings->printed)
		log_error("%s", settings->wrong);
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
	log_warning("reload failed: %s; the previous configuration stays in force", settings->wrong);
	settings->refused = true;
	return SETTINGS_REFUSED;
}

/* New values, if the files that were read have them. Returns 0; or -errno, with settings->wrong set. */
static int make_new_values(struct settings *settings, const struct file_texts *texts, struct values *values)
{
	int error = make_values(settings, texts, values);

	if (error || http_guard_has_tls(values->guard) == http_guard_has_tls(settings->now.guard))
		return error;
	set_wrong(settings, "%s: TLS cannot be turned on or off while mtlsnoop runs: restart it",
	          settings->paths.web_config);
	release(values);
	return -EINVAL;
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
	if (error) {
		/* the child has printed the name of the file */
		set_wrong(settings, "a file cannot be read");
		return refuse(settings);
	}
	error = make_new_values(settings, &texts, &values);
	files_release(&texts);
	if (error)
		return refuse(settings);
	http_guard_keep_known(values.guard, settings->now.guard);
	release(&settings->before);
	settings->before = settings->now;
	settings->now = values;
	settings->refused = false;
	settings->since = time(NULL);
	return SETTINGS_NEW;
}

static void print_policy(const struct settings *settings, FILE *out)
{
	const char *separator = "";

	if (!settings->paths.policy)
		return;
	fprintf(out, "%s: valid (", settings->paths.policy);
	for (int expectation = POLICY_NOTHING + 1; expectation < POLICY_EXPECTATIONS; expectation++) {
		fprintf(out, "%s%u %s", separator, policy_lines(settings->now.policy, expectation),
		        policy_expectation_name(expectation));
		separator = ", ";
	}
	fprintf(out, ")\n");
}

void settings_print(const struct settings *settings, FILE *out)
{
	if (!settings) {
		fprintf(out, "no files to test: neither --expect nor --web-config is given\n");
		return;
	}
	print_policy(settings, out);
	if (settings->paths.web_config)
		fprintf(out, "%s: valid (%s, %s)\n", settings->paths.web_config,
		        http_guard_has_tls(settings->now.guard) ? "TLS" : "no TLS",
		        http_guard_users(settings->now.guard) ? "passwords" : "no passwords");
}
