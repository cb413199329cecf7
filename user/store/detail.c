// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/detail.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/json.h"
#include "sink/text.h"

static char *json_of(const struct handshake *handshake, bool redact)
{
	const struct json_options options = {.redact = redact};
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	int error;

	if (!stream)
		return NULL;
	error = json_line(stream, handshake, &options);
	if (fclose(stream) || error) {
		free(text);
		return NULL;
	}
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static char *ladder_of(const struct handshake *handshake, bool redact)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		return NULL;
	text_ladder(stream, handshake, redact);
	if (fclose(stream)) {
		free(text);
		return NULL;
	}
	return text;
}

struct detail_texts detail_texts_of(const struct handshake *handshake, bool redact)
{
	struct detail_texts texts = {.json = json_of(handshake, redact), .ladder = ladder_of(handshake, redact)};

	if (!texts.json || !texts.ladder)
		detail_texts_free(&texts);
	return texts;
}

void detail_texts_free(struct detail_texts *texts)
{
	free(texts->json);
	free(texts->ladder);
	*texts = (struct detail_texts){};
}
