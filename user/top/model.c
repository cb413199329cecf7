// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "top/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter.h"

enum {
	RATES = 5, /* refreshes that a rate is taken over */
	EXPIRING_DAYS = 30,
};

static const double NS_PER_SECOND = 1e9;

/* How often a service was counted at a refresh. */
struct sample {
	uint64_t time_ns;
	int64_t count;
};

/* The past of a service. */
struct history {
	char key[224];
	struct sample sample[RATES]; /* a ring */
	uint32_t samples;
	bool seen; /* in this refresh */
};

struct top_model {
	sqlite3 *database;
	char expression[TOP_EXPRESSION_MAX];
	struct filter *filter;
	enum top_order order;
	int64_t now;
	struct top_service *services;
	size_t service_count;
	struct history *histories;
	size_t history_count;
	struct store_answer *failures;
	struct store_answer *certificates;
};

struct top_model *top_model_new(sqlite3 *database)
{
	struct top_model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->database = database;
	model->services = calloc(TOP_SERVICES_MAX, sizeof(*model->services));
	model->histories = calloc(TOP_SERVICES_MAX, sizeof(*model->histories));
	if (!model->services || !model->histories) {
		top_model_free(model);
		return NULL;
	}
	return model;
}

void top_model_free(struct top_model *model)
{
	if (!model)
		return;
	filter_free(model->filter);
	answer_free(model->failures);
	answer_free(model->certificates);
	free(model->services);
	free(model->histories);
	free(model);
}

int top_model_filter(struct top_model *model, const char *expression, char *error, size_t size)
{
	struct filter_error wrong;
	struct filter *filter = NULL;

	error[0] = '\0';
	if (strlen(expression) >= sizeof(model->expression)) {
		snprintf(error, size, "the expression is longer than %d characters", TOP_EXPRESSION_MAX - 1);
		return -EINVAL;
	}
	if (*expression && filter_parse(expression, &filter, &wrong)) {
		snprintf(error, size, "column %zu: %s", wrong.offset + 1, wrong.message);
		return -EINVAL;
	}
	filter_free(model->filter);
	model->filter = filter;
	snprintf(model->expression, sizeof(model->expression), "%s", expression);
	return 0;
}

const char *top_model_expression(const struct top_model *model)
{
	return model->expression;
}

void top_model_order(struct top_model *model, enum top_order order)
{
	model->order = order;
}

const char *top_order_name(enum top_order order)
{
	static const char *const names[TOP_ORDERS] = {[TOP_BY_RATE] = "rate",
	                                              [TOP_BY_COUNT] = "count",
	                                              [TOP_BY_FAILURES] = "rejected",
	                                              [TOP_BY_ADDRESS] = "address"};

	return order < TOP_ORDERS ? names[order] : "";
}

static int ask(struct top_model *model, enum question question, const struct filter *filter, uint32_t limit,
               int64_t expiring, struct store_answer **answer)
{
	const struct question_scope scope = {.filter = filter, .now = model->now, .limit = limit, .expiring = expiring};

	*answer = NULL;
	return question_ask(model->database, question, &scope, answer);
}

/* Services */

static void copy_text(char *to, size_t size, const struct store_answer *answer, size_t row, const char *key)
{
	const char *text = answer_text_of(answer, row, answer_column_of(answer, key));

	snprintf(to, size, "%s", text ?: "");
}

static double share(const struct store_answer *answer, size_t row, const char *key, double fallback)
{
	double percent = answer_percent_of(answer, row, answer_column_of(answer, key), fallback);

	return percent < 0 ? percent : percent / 100;
}

static int64_t number(const struct store_answer *answer, size_t row, const char *key, int64_t fallback)
{
	return answer_number_of(answer, row, answer_column_of(answer, key), fallback);
}

static void read_service(struct top_service *service, const struct store_answer *answer, size_t row)
{
	*service = (struct top_service){
		.port = number(answer, row, "port", 0),
		.asks = number(answer, row, "asks", -1),
		.count = number(answer, row, "handshakes", 0),
		.presented = share(answer, row, "presented_percent", 0),
		.declined = share(answer, row, "declined_percent", 0),
		.rejected = share(answer, row, "rejected_percent", 0),
		.resumed = share(answer, row, "resumed_percent", 0),
		.unknown = share(answer, row, "unknown_percent", 0),
		.trusted = share(answer, row, "trusted_percent", -1),
		.plaintext = number(answer, row, "plaintext", 0),
	};
	copy_text(service->address, sizeof(service->address), answer, row, "address");
	copy_text(service->transport, sizeof(service->transport), answer, row, "transport");
	copy_text(service->name, sizeof(service->name), answer, row, "name");
	copy_text(service->role, sizeof(service->role), answer, row, "role");
	copy_text(service->process, sizeof(service->process), answer, row, "process");
	copy_text(service->where, sizeof(service->where), answer, row, "where");
	copy_text(service->last_failure, sizeof(service->last_failure), answer, row, "last_failure");
}

/* The past of a service; a removed service makes room. NULL: no room. */
static struct history *history_of(struct top_model *model, const struct top_service *service)
{
	struct history *unused = NULL;
	char key[sizeof(unused->key)];

	snprintf(key, sizeof(key), "%s %d %s %s %s", service->address, service->port, service->transport, service->role,
	         service->name);
	for (struct history *history = model->histories; history < model->histories + model->history_count; history++) {
		if (!strcmp(history->key, key))
			return history;
		if (!history->seen)
			unused = history;
	}
	if (model->history_count < TOP_SERVICES_MAX)
		unused = &model->histories[model->history_count++];
	if (unused) {
		*unused = (struct history){};
		memcpy(unused->key, key, sizeof(key));
	}
	return unused;
}

static void set_rate(struct top_model *model, struct top_service *service, uint64_t now_ns)
{
	struct history *history = history_of(model, service);
	const struct sample *oldest;

	if (!history)
		return;
	history->seen = true;
	oldest = &history->sample[history->samples < RATES ? 0 : history->samples % RATES];
	if (history->samples && now_ns > oldest->time_ns && service->count > oldest->count)
		service->rate = (service->count - oldest->count) / ((now_ns - oldest->time_ns) / NS_PER_SECOND);
	history->sample[history->samples++ % RATES] = (struct sample){.time_ns = now_ns, .count = service->count};
}

static int compare_doubles(double one, double other)
{
	return (one < other) - (one > other);
}

static int compare_addresses(const struct top_service *one, const struct top_service *other)
{
	int order = strcmp(one->address, other->address);

	order = order ? order : one->port - other->port;
	order = order ? order : strcmp(one->transport, other->transport);
	order = order ? order : strcmp(one->name, other->name);
	return order ? order : strcmp(one->role, other->role);
}

static int compare_services(const void *first, const void *second, void *context)
{
	const struct top_service *one = first, *other = second;
	const struct top_model *model = context;
	int order = 0;

	switch (model->order) {
	case TOP_BY_RATE:
		order = compare_doubles(one->rate, other->rate);
		order = order ? order : compare_doubles(one->count, other->count);
		break;
	case TOP_BY_COUNT:
		order = compare_doubles(one->count, other->count);
		break;
	case TOP_BY_FAILURES:
		order = compare_doubles(one->rejected * one->count, other->rejected * other->count);
		break;
	default:
		break;
	}
	return order ? order : compare_addresses(one, other);
}

static int refresh_services(struct top_model *model, uint64_t now_ns)
{
	struct store_answer *answer;
	int error = ask(model, QUESTION_SERVICES, model->filter, TOP_SERVICES_MAX, 0, &answer);

	if (error)
		return error;
	for (size_t index = 0; index < model->history_count; index++)
		model->histories[index].seen = false;
	model->service_count = answer_rows(answer);
	for (size_t row = 0; row < model->service_count; row++) {
		read_service(&model->services[row], answer, row);
		set_rate(model, &model->services[row], now_ns);
	}
	answer_free(answer);
	qsort_r(model->services, model->service_count, sizeof(*model->services), compare_services, model);
	return 0;
}

int top_model_refresh(struct top_model *model, int64_t now, uint64_t now_ns)
{
	int error;

	model->now = now;
	error = refresh_services(model, now_ns);
	answer_free(model->failures);
	answer_free(model->certificates);
	model->failures = model->certificates = NULL;
	if (!error)
		error = ask(model, QUESTION_FAILURES, model->filter, TOP_LIST_MAX, 0, &model->failures);
	if (!error)
		error = ask(model, QUESTION_CERTIFICATES, model->filter, TOP_LIST_MAX, now + EXPIRING_DAYS * STORE_DAY,
		            &model->certificates);
	return error;
}

size_t top_model_services(const struct top_model *model)
{
	return model->service_count;
}

const struct top_service *top_model_service(const struct top_model *model, size_t index)
{
	return &model->services[index];
}

const struct store_answer *top_model_failures(const struct top_model *model)
{
	return model->failures;
}

const struct store_answer *top_model_certificates(const struct top_model *model)
{
	return model->certificates;
}

/* A string literal of an expression. A name may hold what would end the literal. */
static void append_literal(char *text, size_t size, const char *name)
{
	size_t used = strlen(text);

	if (used + 2 < size)
		text[used++] = '"';
	for (; *name && used + 4 < size; name++) {
		if (*name == '"' || *name == '\\')
			text[used++] = '\\';
		text[used++] = *name;
	}
	text[used++] = '"';
	text[used] = '\0';
}

int top_model_of_service(struct top_model *model, const struct top_service *service, enum question question,
                         struct store_answer **answer)
{
	char expression[2 * TOP_EXPRESSION_MAX];
	struct filter_error wrong;
	struct filter *filter;
	int error;

	snprintf(expression, sizeof(expression), "server.ip == %s and server.port == %d and role == %s and sni ",
	         service->address, service->port, service->role);
	if (*service->name) {
		strcat(expression, "== ");
		append_literal(expression, sizeof(expression), service->name);
	} else {
		strcat(expression, "== null");
	}
	error = filter_parse(expression, &filter, &wrong);
	if (error)
		return error;
	error = ask(model, question, filter, TOP_LIST_MAX, 0, answer);
	filter_free(filter);
	return error;
}

char *top_model_ladder(struct top_model *model, const char *event)
{
	sqlite3_stmt *statement;
	char *ladder = NULL;

	if (sqlite3_prepare_v2(model->database, "SELECT ladder FROM handshake WHERE event = ?1", -1, &statement, NULL))
		return NULL;
	sqlite3_bind_text(statement, 1, event, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
		ladder = strdup((const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return ladder;
}
