// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/detacher.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
	STACK_BYTES = 128 * 1024,
};

struct detacher {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread[DETACHER_THREADS];
	uint32_t threads;
	bool stopping;
	uint32_t waiting;
	struct probe_link link[DETACHER_QUEUE_MAX];
};

/* Returns false if there is nothing more to come. */
static bool take_link(struct detacher *detacher, struct probe_link *link)
{
	bool taken;

	pthread_mutex_lock(&detacher->lock);
	while (!detacher->waiting && !detacher->stopping)
		pthread_cond_wait(&detacher->changed, &detacher->lock);
	taken = detacher->waiting;
	if (taken)
		*link = detacher->link[--detacher->waiting];
	pthread_mutex_unlock(&detacher->lock);
	return taken;
}

static void *work(void *context)
{
	struct detacher *detacher = context;
	struct probe_link link;

	while (take_link(detacher, &link))
		probes_detach(&link);
	return NULL;
}

static void start_threads(struct detacher *detacher)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	while (detacher->threads < DETACHER_THREADS &&
	       !pthread_create(&detacher->thread[detacher->threads], &attributes, work, detacher))
		detacher->threads++;
	pthread_attr_destroy(&attributes);
}

struct detacher *detacher_start(void)
{
	struct detacher *detacher = calloc(1, sizeof(*detacher));

	if (!detacher)
		return NULL;
	pthread_mutex_init(&detacher->lock, NULL);
	pthread_cond_init(&detacher->changed, NULL);
	start_threads(detacher);
	return detacher;
}

void detacher_add(struct detacher *detacher, const struct probe_link *link)
{
	struct probe_link own = *link;
	bool queued = false;

	if (detacher && detacher->threads) {
		pthread_mutex_lock(&detacher->lock);
		queued = detacher->waiting < DETACHER_QUEUE_MAX;
		if (queued)
			detacher->link[detacher->waiting++] = own;
		pthread_cond_signal(&detacher->changed);
		pthread_mutex_unlock(&detacher->lock);
	}
	if (!queued)
		probes_detach(&own);
}

void detacher_stop(struct detacher *detacher)
{
	if (!detacher)
		return;
	pthread_mutex_lock(&detacher->lock);
	detacher->stopping = true;
	pthread_cond_broadcast(&detacher->changed);
	pthread_mutex_unlock(&detacher->lock);
	for (uint32_t index = 0; index < detacher->threads; index++)
		pthread_join(detacher->thread[index], NULL);
	pthread_mutex_destroy(&detacher->lock);
	pthread_cond_destroy(&detacher->changed);
	free(detacher);
}
