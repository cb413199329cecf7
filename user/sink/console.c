// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/console.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "system/journal.h"
#include "sink/json.h"
#include "sink/text.h"
#include "system/log.h"

static FILE *stream_of(const struct output *output)
{
	return output->stream ?: stdout;
}

static bool wanted(const struct output *output, const struct handshake *handshake)
{
	const struct options *options = output->options;

	if (output_is_complete(output) || !options_want_ports(options, handshake->server.port, handshake->client.port))
		return false;
	return !options->requested_only || handshake->verdict.requested == KNOWN_YES;
}

bool output_tells_certificates(const struct options *options)
{
	return options->format != FORMAT_TABLE && !options->quiet;
}

void output_begin(struct output *output, const struct options *options)
{
	output->options = options;
	output->printed = 0;
	/* the journal's lines are read one by one, and by many */
	if (options->format == FORMAT_TABLE && !options->quiet && !journal_takes(STDOUT_FILENO))
		report_text_header(stream_of(output));
}

void output_handshake(const struct handshake *handshake, void *context)
{
	struct output *output = context;
	const struct report_json_options json = {.redact = output->options->redact};

	if (!wanted(output, handshake))
		return;
	output->printed++;
	if (output->options->quiet)
		return;
	switch (output->options->format) {
	case FORMAT_TABLE:
		report_text_line(stream_of(output), handshake);
		break;
	case FORMAT_LADDER:
		report_text_ladder(stream_of(output), handshake, output->options->redact);
		break;
	case FORMAT_JSON:
		if (report_json_line(stream_of(output), handshake, &json))
			log_warning("a handshake is not printed: out of memory");
		break;
	}
}

bool output_is_complete(const struct output *output)
{
	return output->options->count && output->printed >= output->options->count;
}

int output_flush(struct output *output)
{
	FILE *stream = stream_of(output);
	int error;

	error = fflush(stream) ? -errno : 0;
	/* what did not fit stdio's buffer was written, or not, before */
	if (!error && ferror(stream))
		error = -EIO;
	if (error && !output->failed)
		log_error("cannot write to standard output: %s", strerror(-error));
	output->failed |= error != 0;
	return error;
}
