/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * model - the data of top, read from a store: services with their rates, failures, certificates, handshakes. Knows no
 * terminal.
 */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/answer.h"
#include "store/question.h"

enum top_bounds {
	TOP_EXPRESSION_MAX = 512,
	TOP_SERVICES_MAX = 2000, /* rows of each list */
	TOP_LIST_MAX = 500,
};

enum top_order {
	TOP_BY_RATE,
	TOP_BY_COUNT,
	TOP_BY_FAILURES,
	TOP_BY_ADDRESS,
	TOP_ORDERS,
};

/* A service in the list. Shares are of its handshakes, 0 to 1. */
struct top_service {
	char address[48];
	int port;
	char transport[4]; /* "tcp", "udp" */
	char name[128];
	char role[12];
	char process[20];
	char where[64];
	char last_failure[40];
	int asks; /* 1, 0; -1: not known */
	int64_t count;
	double rate; /* handshakes a second, since the last refresh but a few */
	double presented, declined, rejected, resumed, unknown, trusted; /* trusted below 0: not known */
	int64_t plaintext;
};

struct top_model;

/* Read from an open store, which must outlive the model. NULL without memory. */
struct top_model *top_model_new(sqlite3 *database);
void top_model_free(struct top_model *model);

/*
 * Show only matches of the expression; "": all. Returns 0; or -EINVAL, with the mistake in error: the expression in
 * force stays.
 */
int top_model_filter(struct top_model *model, const char *expression, char *error, size_t size);
const char *top_model_expression(const struct top_model *model);

void top_model_order(struct top_model *model, enum top_order order);
const char *top_order_name(enum top_order order);

/* Read the store. now: seconds since the epoch; now_ns: CLOCK_MONOTONIC, for the rates. Returns 0 or -errno. */
int top_model_refresh(struct top_model *model, int64_t now, uint64_t now_ns);

/* As of the last refresh. */
size_t top_model_services(const struct top_model *model);
const struct top_service *top_model_service(const struct top_model *model, size_t index);
const struct store_answer *top_model_failures(const struct top_model *model);
const struct store_answer *top_model_certificates(const struct top_model *model);

/* The facts about one service; the caller frees the answers. Returns 0 or -errno. */
int top_model_of_service(struct top_model *model, const struct top_service *service, enum question question,
                         struct store_answer **answer);

/* The ladder of the handshake with this event.id, or NULL if not kept; the caller frees it. */
char *top_model_ladder(struct top_model *model, const char *event);

#endif /* TOP_MODEL_H */
