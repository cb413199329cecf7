// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "web/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "page.h" /* the files of page/, and the chart library */
#include "store/ask.h"
#include "store/question.h"
#include "store/reader.h"
#include "system/log.h"
#include "web/live.h"

enum {
	STATUS_OK = 200,
	STATUS_BAD_REQUEST = 400,
	STATUS_FORBIDDEN = 403,
	STATUS_NOT_FOUND = 404,
	STATUS_UNAVAILABLE = 503,
	STATUS_TIMEOUT = 504,
	ROWS_DEFAULT = 200,
	ARGUMENT_MAX = 64,
	MESSAGE_MAX = 512,
};

static const char json_type[] = "application/json; charset=utf-8";
static const char csv_type[] = "text/csv; charset=utf-8";
static const char api[] = "/api/v1/";

struct web {
	struct store_reader *reader; /* NULL: no store */
	struct web_live *live;
	bool loopback; /* the server listens on a loopback address */
};

static bool is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six = (const void *)address;
	const struct sockaddr_in *four = (const void *)address;

	if (address->ss_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

int web_open(struct web **result, const struct web_options *options)
{
	struct web *web = calloc(1, sizeof(*web));
	int error = 0;

	if (!web) {
		log_out_of_memory();
		return -ENOMEM;
	}
	web->loopback = is_loopback(options->address);
	web->live = web_live_new(options->redact);
	if (!web->live) {
		log_out_of_memory();
		error = -ENOMEM;
	} else if (options->store) {
		error = store_reader_start(&web->reader, options->store);
	}
	if (error) {
		web_close(web);
		return error;
	}
	*result = web;
	return 0;
}

void web_close(struct web *web)
{
	if (!web)
		return;
	store_reader_stop(web->reader);
	web_live_free(web->live);
	free(web);
}

static int take(void *state, const struct handshake *handshake)
{
	struct web *web = state;

	return web_live_take(web->live, handshake);
}

struct sink web_sink(struct web *web)
{
	static const struct sink_class class = {.name = "page", .take = take};

	return (struct sink){.class = &class,
	                     .state = web,
	                     .needs = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_ATTRIBUTION | SINK_NEEDS_HINTS};
}

/*
 * Names are shown to an identified client; else only to a browser on this host that asked for this host by a loopback
 * name.
 */
static bool may_see(const struct web *web, const struct http_request *request, bool identified)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

	if (identified)
		return true;
	if (!web->loopback || !request->host)
		return false;
	for (size_t index = 0; index < sizeof(names) / sizeof(*names); index++) {
		size_t length = strlen(names[index]);

		if (!strncmp(request->host, names[index], length) &&
		    (request->host[length] == ':' || !request->host[length]))
			return true;
	}
	return false;
}

static void answer_error(struct http_answer *answer, unsigned status, const char *message)
{
	FILE *out = open_memstream(&answer->body, &answer->length);

	answer->status = status;
	answer->content_type = json_type;
	if (!out)
		return;
	fputs("{\"error\":", out);
	answer_write_string(out, message, strlen(message));
	fputs("}\n", out);
	fclose(out);
}

/* A point in time; false: the argument is wrong, and the answer says so. */
static bool read_moment(const struct http_request *request, const char *name, bool ahead, int64_t *seconds,
                        struct http_answer *answer)
{
	char text[ARGUMENT_MAX], message[MESSAGE_MAX];

	*seconds = 0;
	if (!http_argument(request, name, text, sizeof(text)) || !*text)
		return true;
	if (!ask_time(text, time(NULL), ahead, seconds))
		return true;
	snprintf(message, sizeof(message), "%s: '%s' is no time: a span such as 1d, or a date such as 2026-11-30", name,
	         text);
	answer_error(answer, STATUS_BAD_REQUEST, message);
	return false;
}

static uint32_t read_number(const struct http_request *request, const char *name, uint32_t fallback, uint32_t maximum)
{
	char text[ARGUMENT_MAX];
	unsigned long number;

	if (!http_argument(request, name, text, sizeof(text)) || strspn(text, "0123456789") != strlen(text) || !*text)
		return fallback;
	number = strtoul(text, NULL, 10);
	return number < maximum ? number : maximum;
}

static bool read_question(const struct http_request *request, struct reader_request *ask, struct http_answer *answer)
{
	char format[ARGUMENT_MAX] = "";

	if (!read_moment(request, "since", false, &ask->since, answer) ||
	    !read_moment(request, "until", false, &ask->until, answer) ||
	    !read_moment(request, "expiring", true, &ask->expiring, answer))
		return false;
	ask->first = read_number(request, "first", 0, ANSWER_ROWS_MAX);
	ask->limit = read_number(request, "limit", ROWS_DEFAULT, READER_ROWS_MAX);
	http_argument(request, "format", format, sizeof(format));
	ask->csv = !strcmp(format, "csv");
	ask->expression[0] = '\0';
	http_argument(request, "expression", ask->expression, sizeof(ask->expression));
	return true;
}

static void answer_reply(struct web *web, const struct reader_request *ask, struct http_answer *answer)
{
	int error = store_reader_ask(web->reader, ask, &answer->body, &answer->length);
	char message[MESSAGE_MAX];

	snprintf(message, sizeof(message), "%s", error == -EINVAL && answer->body ? answer->body : "");
	if (error) {
		free(answer->body);
		answer->body = NULL;
	}
	switch (error) {
	case 0:
		answer->status = STATUS_OK;
		answer->content_type = ask->csv ? csv_type : json_type;
		answer->disposition = ask->csv ? "attachment; filename=\"mtlsnoop.csv\"" : NULL;
		break;
	case -EINVAL:
		answer_error(answer, STATUS_BAD_REQUEST, message);
		break;
	case -ENOENT:
		answer_error(answer, STATUS_NOT_FOUND, "not in the store");
		break;
	case -ETIMEDOUT:
		answer_error(answer, STATUS_TIMEOUT,
		             "the question took too long: narrow it with an expression or since");
		break;
	default:
		answer_error(answer, STATUS_UNAVAILABLE, "the store cannot be read");
	}
}

static void answer_question(struct web *web, const struct http_request *request, enum question question,
                            struct http_answer *answer)
{
	struct reader_request ask = {.question = question};

	if (!web->reader)
		answer_error(answer, STATUS_UNAVAILABLE, "there is no store: start mtlsnoop with --store");
	else if (read_question(request, &ask, answer))
		answer_reply(web, &ask, answer);
}

static void answer_event(struct web *web, const char *event, struct http_answer *answer)
{
	struct reader_request ask = {.question = QUESTIONS};

	snprintf(ask.event, sizeof(ask.event), "%s", event);
	if (!web->reader)
		answer_error(answer, STATUS_UNAVAILABLE, "there is no store: start mtlsnoop with --store");
	else
		answer_reply(web, &ask, answer);
}

static size_t read_live(void *context, uint64_t *position, char *bytes, size_t size)
{
	return web_live_events(context, position, bytes, size);
}

static void answer_live(struct web *web, struct http_answer *answer)
{
	uint64_t last = web_live_last(web->live);

	answer->status = STATUS_OK;
	answer->content_type = "text/event-stream";
	answer->constant = "";
	answer->stream = read_live;
	answer->stream_context = web->live;
	/* a page that begins has something to show */
	answer->stream_position = last > 20 ? last - 20 : 0;
}

static void answer_rates(struct web *web, struct http_answer *answer)
{
	FILE *out = open_memstream(&answer->body, &answer->length);

	answer->status = STATUS_OK;
	answer->content_type = json_type;
	if (!out)
		return;
	web_live_rates(web->live, out);
	fclose(out);
}

static void answer_api(struct web *web, const struct http_request *request, struct http_answer *answer)
{
	static const char handshake[] = "handshakes/";
	const char *name = request->path + strlen(api);
	enum question question = question_of_name(name);

	if (question < QUESTIONS)
		answer_question(web, request, question, answer);
	else if (!strncmp(name, handshake, strlen(handshake)))
		answer_event(web, name + strlen(handshake), answer);
	else if (!strcmp(name, "live"))
		answer_live(web, answer);
	else if (!strcmp(name, "rates"))
		answer_rates(web, answer);
	else
		answer_error(answer, STATUS_NOT_FOUND, "there is no such question");
}

static bool answer_page(const char *path, struct http_answer *answer)
{
	static const struct {
		const char *path, *type, *bytes;
		size_t length;
	} files[] = {
		{"/", "text/html; charset=utf-8", index_html, sizeof(index_html) - 1},
		{"/app.js", "text/javascript; charset=utf-8", app_js, sizeof(app_js) - 1},
		{"/style.css", "text/css; charset=utf-8", style_css, sizeof(style_css) - 1},
		{"/chart.js", "text/javascript; charset=utf-8", chart_js, sizeof(chart_js) - 1},
	};

	for (size_t index = 0; index < sizeof(files) / sizeof(*files); index++) {
		if (strcmp(path, files[index].path))
			continue;
		answer->status = STATUS_OK;
		answer->content_type = files[index].type;
		answer->constant = files[index].bytes;
		answer->length = files[index].length;
		return true;
	}
	return false;
}

bool web_answer(struct web *web, const struct http_request *request, bool identified, struct http_answer *answer)
{
	if (strncmp(request->path, api, strlen(api)))
		return answer_page(request->path, answer);
	if (may_see(web, request, identified))
		answer_api(web, request, answer);
	else
		answer_error(answer, STATUS_FORBIDDEN,
		             "names are shown only where --web-config asks who is there, or to a browser of this host "
		             "that asks for "
		             "localhost");
	return true;
}
