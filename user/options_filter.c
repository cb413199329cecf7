// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "options_filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text for the grammar, without quotes. */
static void write_text(FILE *out, const char *text, size_t length)
{
	for (size_t index = 0; index < length; index++) {
		const unsigned char byte = text[index];

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < ' ' || byte > '~')
			fprintf(out, "\\x%02x", byte);
		else
			fputc(byte, out);
	}
}

static void write_quoted(FILE *out, const char *text, size_t length)
{
	fputc('"', out);
	write_text(out, text, length);
	fputc('"', out);
}

/* A glob for all texts that begin with text: special letters are escaped. */
static void write_beginning(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (strchr("*?\\", *text))
			fputs("\\\\", out);
		write_text(out, text, 1);
	}
	fputs("*\"", out);
}

/* Tests after the first begin with `and`. */
static void write_and(FILE *out)
{
	if (ftell(out) > 0)
		fputs(" and ", out);
}

static void write_port_set(FILE *out, const struct options *options)
{
	fputc('{', out);
	for (uint32_t index = 0; index < options->ports; index++) {
		const struct port_range *range = &options->port[index];

		fprintf(out, range->first == range->last ? "%s%u" : "%s%u..%u", index ? ", " : "", range->first,
		        range->last);
	}
	fputc('}', out);
}

static void write_ports(FILE *out, const struct options *options)
{
	if (!options->ports)
		return;
	write_and(out);
	fputs("(server.port in ", out);
	write_port_set(out, options);
	fputs(" or client.port in ", out);
	write_port_set(out, options);
	fputc(')', out);
}

/* As in systemctl, a name without a suffix means a service. */
static bool has_suffix(const char *unit)
{
	static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};
	const size_t length = strlen(unit);

	for (size_t index = 0; index < sizeof(suffixes) / sizeof(suffixes[0]); index++)
		if (length > strlen(suffixes[index]) &&
		    !strcmp(unit + length - strlen(suffixes[index]), suffixes[index]))
			return true;
	return false;
}

static void write_units(FILE *out, const struct options *options)
{
	char *unit;

	if (!options->units)
		return;
	write_and(out);
	fputs("unit in {", out);
	for (uint32_t index = 0; index < options->units; index++) {
		fputs(index ? ", " : "", out);
		if (asprintf(&unit, "%s%s", options->unit[index], has_suffix(options->unit[index]) ? "" : ".service") <
		    0)
			continue;
		write_quoted(out, unit, strlen(unit));
		free(unit);
	}
	fputc('}', out);
}

static void write_containers(FILE *out, const struct options *options)
{
	if (!options->containers)
		return;
	write_and(out);
	fputs(options->containers > 1 ? "(" : "", out);
	for (uint32_t index = 0; index < options->containers; index++) {
		fputs(index ? " or container matches " : "container matches ", out);
		/* other programs show the first digits of an id */
		write_beginning(out, options->container[index]);
	}
	fputs(options->containers > 1 ? ")" : "", out);
}

/* "NAMESPACE/NAME", or "NAME" in any namespace */
static void write_pod(FILE *out, const char *pod)
{
	const char *slash = strchr(pod, '/');

	if (slash) {
		fputs("(namespace == ", out);
		write_quoted(out, pod, slash - pod);
		fputs(" and pod == ", out);
		write_quoted(out, slash + 1, strlen(slash + 1));
		fputc(')', out);
	} else {
		fputs("pod == ", out);
		write_quoted(out, pod, strlen(pod));
	}
}

static void write_pods(FILE *out, const struct options *options)
{
	if (!options->pods)
		return;
	write_and(out);
	fputs(options->pods > 1 ? "(" : "", out);
	for (uint32_t index = 0; index < options->pods; index++) {
		fputs(index ? " or " : "", out);
		write_pod(out, options->pod[index]);
	}
	fputs(options->pods > 1 ? ")" : "", out);
}

char *options_filter_text(const struct options *options)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	write_ports(out, options);
	if (options->requested_only) {
		write_and(out);
		fputs("requested", out);
	}
	write_units(out, options);
	write_containers(out, options);
	write_pods(out, options);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* The user's expression alone is compiled first: the place of an error is a place in that. */
static int check_expression(const char *expression, struct filter_error *error)
{
	struct filter *filter;
	int status = filter_parse(expression, &filter, error);

	if (!status)
		filter_free(filter);
	return status;
}

/* The short forms and the expression in one filter; NULL: all handshakes. */
static int compile(const struct options *options, struct filter **filter, struct filter_error *error)
{
	char *selected = options_filter_text(options), *whole = NULL;
	int status = selected ? 0 : -ENOMEM;

	if (!status && options->expression && *selected &&
	    asprintf(&whole, "%s and (%s)", selected, options->expression) < 0)
		status = -ENOMEM;
	if (!status && (options->expression || *selected))
		status = filter_parse(whole ?: options->expression ?: selected, filter, error);
	free(whole);
	free(selected);
	return status;
}

int options_filter_compile(struct options *options, struct filter_error *error)
{
	struct options counted = *options;
	int status = options->expression ? check_expression(options->expression, error) : 0;

	counted.requested_only = false;
	if (!status)
		status = compile(options, &options->filter, error);
	if (!status)
		status = compile(&counted, &options->counted, error);
	return status;
}
