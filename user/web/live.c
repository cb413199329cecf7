// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "web/live.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handshake/handshake.h"
#include "handshake/verdict.h"
#include "store/detail.h"

enum {
	SECONDS_PER_MINUTE = 60,
	EVENT_FRAME_MAX = 64, /* "id: ...\ndata: ...\n\n" around a line */
};

struct minute {
	int64_t number; /* minutes since the epoch; 0: unused */
	uint32_t counts[CLIENT_AUTHS];
	uint32_t failed;
};

struct web_live {
	bool redact;
	pthread_mutex_t lock;
	/* under the lock: */
	char *line[WEB_LIVE_LINES]; /* a ring by number */
	uint64_t last;              /* number of the last line; 0: none */
	time_t second;
	uint32_t lines_in_second;
	struct minute minute[WEB_LIVE_MINUTES]; /* a ring by number */
};

struct web_live *web_live_new(bool redact)
{
	struct web_live *live = calloc(1, sizeof(*live));

	if (!live)
		return NULL;
	live->redact = redact;
	pthread_mutex_init(&live->lock, NULL);
	return live;
}

void web_live_free(struct web_live *live)
{
	if (!live)
		return;
	for (int index = 0; index < WEB_LIVE_LINES; index++)
		free(live->line[index]);
	pthread_mutex_destroy(&live->lock);
	free(live);
}

static void count(struct web_live *live, const struct handshake *handshake, time_t now)
{
	int64_t number = now / SECONDS_PER_MINUTE;
	struct minute *minute = &live->minute[number % WEB_LIVE_MINUTES];

	if (minute->number != number)
		*minute = (struct minute){.number = number};
	if (handshake->verdict.client_auth < CLIENT_AUTHS)
		minute->counts[handshake->verdict.client_auth]++;
	minute->failed += handshake->failure.reason != FAILURE_NONE;
}

static bool may_show(struct web_live *live, time_t now)
{
	if (live->second != now) {
		live->second = now;
		live->lines_in_second = 0;
	}
	return live->lines_in_second++ < WEB_LIVE_LINES_PER_SECOND;
}

int web_live_take(struct web_live *live, const struct handshake *handshake)
{
	time_t now = time(NULL);
	struct detail_texts texts = {};
	char **place;

	pthread_mutex_lock(&live->lock);
	count(live, handshake, now);
	if (!may_show(live, now)) {
		pthread_mutex_unlock(&live->lock);
		return 0;
	}
	pthread_mutex_unlock(&live->lock);
	texts = detail_texts_of(handshake, live->redact);
	if (!texts.json)
		return -ENOMEM;
	pthread_mutex_lock(&live->lock);
	place = &live->line[++live->last % WEB_LIVE_LINES];
	free(*place);
	*place = texts.json;
	pthread_mutex_unlock(&live->lock);
	free(texts.ladder);
	return 0;
}

size_t web_live_events(struct web_live *live, uint64_t *after, char *text, size_t size)
{
	size_t used = 0;
	uint64_t number;

	pthread_mutex_lock(&live->lock);
	number = live->last > *after + WEB_LIVE_LINES ? live->last - WEB_LIVE_LINES : *after;
	while (number < live->last) {
		const char *line = live->line[(number + 1) % WEB_LIVE_LINES];

		if (used + strlen(line) + EVENT_FRAME_MAX > size)
			break;
		number++;
		used += snprintf(text + used, size - used, "id: %llu\ndata: %s\n\n", (unsigned long long)number, line);
	}
	*after = number;
	pthread_mutex_unlock(&live->lock);
	return used;
}

uint64_t web_live_last(struct web_live *live)
{
	uint64_t last;

	pthread_mutex_lock(&live->lock);
	last = live->last;
	pthread_mutex_unlock(&live->lock);
	return last;
}

static void write_minute(FILE *out, const struct minute *minute)
{
	fprintf(out, "{\"time\":%lld,\"failed\":%u", (long long)minute->number * SECONDS_PER_MINUTE, minute->failed);
	for (int verdict = 0; verdict < CLIENT_AUTHS; verdict++)
		if (minute->counts[verdict])
			fprintf(out, ",\"%s\":%u", client_auth_name(verdict), minute->counts[verdict]);
	fputc('}', out);
}

void web_live_rates(struct web_live *live, FILE *out)
{
	int64_t now = time(NULL) / SECONDS_PER_MINUTE;
	bool first = true;

	fprintf(out, "{\"now\":%lld,\"minutes\":[", (long long)now * SECONDS_PER_MINUTE);
	pthread_mutex_lock(&live->lock);
	for (int64_t number = now - WEB_LIVE_MINUTES + 1; number <= now; number++) {
		const struct minute *minute = &live->minute[number % WEB_LIVE_MINUTES];

		if (minute->number != number)
			continue;
		fputs(first ? "" : ",", out);
		write_minute(out, minute);
		first = false;
	}
	pthread_mutex_unlock(&live->lock);
	fputs("]}\n", out);
}
