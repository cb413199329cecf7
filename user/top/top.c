// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "top/top.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/memory.h"
#include "system/log.h"
#include "system/signals.h"
#include "top/model.h"
#include "top/view.h"

enum {
	KEY_ESCAPE = 27,
	KEY_RETURN = '\r',
	KEY_DELETE = 127,
	REFRESH_MS = 1000,
	POLL_MS = 50,
	LINE_MAX_TEXT = 512,
};

static const char help_text[] = "  j, k, arrows       move                    g, G          first, last\n"
				"  PgUp, PgDn         a screen                Tab           next list\n"
				"  Enter              open a service, or the ladder of a failure\n"
				"  Esc, Backspace     back\n"
				"  /                  show only what an expression matches; empty: all\n"
				"  s                  sort by rate, count, rejected, address\n"
				"  p, Space           pause                   h, ?          this page\n"
				"  q                  quit                    mouse         click, wheel\n"
				"\n"
				"The bar shows what came of a service's handshakes:\n"
				"  P presented   d declined   X rejected   r resumed   ? unknown   . the rest\n"
				"\n"
				"Expressions (mtlsnoop(8), EXPRESSIONS):\n"
				"  verdict == rejected_certificate and client.ip in 10.1.0.0/16\n"
				"  role == server and requested and not trusted\n"
				"  failure.reason == certificate_expired\n";

struct top {
	struct top_model *model;
	struct top_view view;
	struct store_memory *memory; /* NULL: the store is somebody else's */
	uint64_t refreshed_ms;
	bool stale; /* something is to be drawn */
	bool over;
};

static uint64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000ULL + time.tv_nsec / 1000000;
}

static void close_page(struct top *top)
{
	free(top->view.page.text);
	top->view.page = (struct top_page){};
}

static void open_page(struct top *top, const char *title, char *text)
{
	close_page(top);
	top->view.page.text = text;
	snprintf(top->view.page.title, sizeof(top->view.page.title), "%s", title);
}

int top_open(struct top **result, sqlite3 *database, const struct top_options *options)
{
	struct top *top = calloc(1, sizeof(*top));
	char error_text[256];
	int error = 0;

	if (!top)
		return -ENOMEM;
	if (!database)
		error = store_memory_open(&top->memory, options->redact, true);
	if (!error) {
		top->model = top_model_new(database ?: store_memory_database(top->memory));
		error = top->model ? 0 : -ENOMEM;
	}
	if (!error && options->expression)
		error = top_model_filter(top->model, options->expression, error_text, sizeof(error_text));
	if (!error)
		error = view_open(options->colour);
	if (error) {
		store_memory_free(top->memory);
		top_model_free(top->model);
		free(top);
		return error;
	}
	snprintf(top->view.source, sizeof(top->view.source), "%s", options->source);
	top->stale = true;
	*result = top;
	return 0;
}

void top_close(struct top *top)
{
	if (!top)
		return;
	view_close();
	close_page(top);
	top_model_free(top->model);
	store_memory_free(top->memory);
	free(top);
}

/* Pages */

static void write_answer(struct top *top, FILE *out, const char *title, const struct top_service *service,
                         enum question question)
{
	struct store_answer *answer;

	if (top_model_of_service(top->model, service, question, &answer))
		return;
	fprintf(out, "\n%s\n", title);
	if (answer_rows(answer))
		answer_write(answer, out, ANSWER_TABLE, COLS);
	else
		fputs("none\n", out);
	answer_free(answer);
}

static void write_service(FILE *out, const struct top_service *service)
{
	fprintf(out, "process       %s\n", *service->process ? service->process : "not known");
	fprintf(out, "where         %s\n", *service->where ? service->where : "not known");
	fprintf(out, "asks          %s\n", service->asks < 0 ? "not known" : service->asks ? "yes" : "no");
	fprintf(out, "handshakes    %lld (%.1f a second)\n", (long long)service->count, service->rate);
	fprintf(out, "presented     %.1f %%\n", 100 * service->presented);
	fprintf(out, "declined      %.1f %%\n", 100 * service->declined);
	fprintf(out, "rejected      %.1f %%\n", 100 * service->rejected);
	fprintf(out, "resumed       %.1f %%\n", 100 * service->resumed);
	fprintf(out, "unknown       %.1f %%\n", 100 * service->unknown);
	if (service->trusted >= 0)
		fprintf(out, "trusted       %.1f %%\n", 100 * service->trusted);
	if (service->plaintext)
		fprintf(out, "without TLS   %lld\n", (long long)service->plaintext);
}

static void open_service(struct top *top)
{
	const struct top_service *service = top_model_service(top->model, top->view.cursor[TOP_SERVICES]);
	char title[256], *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return;
	write_service(out, service);
	write_answer(top, out, "FAILURES", service, QUESTION_FAILURES);
	write_answer(top, out, "CLIENTS", service, QUESTION_CLIENTS);
	write_answer(top, out, "LAST HANDSHAKES", service, QUESTION_HANDSHAKES);
	fclose(out);
	snprintf(title, sizeof(title), "%s port %d %s", service->address, service->port, service->name);
	open_page(top, title, text);
}

static void open_failure(struct top *top)
{
	const struct store_answer *failures = top_model_failures(top->model);
	size_t row = top->view.cursor[TOP_FAILURES];
	const char *event = answer_text_of(failures, row, answer_column_of(failures, "example"));
	char *ladder = event ? top_model_ladder(top->model, event) : NULL;

	if (ladder)
		open_page(top, "the last such handshake", ladder);
	else
		snprintf(top->view.message, sizeof(top->view.message), "this handshake is not kept in full");
}

static void open_certificate(struct top *top)
{
	const struct store_answer *certificates = top_model_certificates(top->model);
	static const char *const keys[] = {"subject",  "names",      "issuer",     "serial_number", "sha256",
	                                   "key",      "not_before", "not_after",  "days_left",     "shown_by",
	                                   "services", "clients",    "handshakes", "first_seen",    "last_seen"};
	char cell[LINE_MAX_TEXT], *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return;
	for (size_t index = 0; index < sizeof(keys) / sizeof(*keys); index++) {
		size_t column = answer_column_of(certificates, keys[index]);

		answer_cell(certificates, top->view.cursor[TOP_CERTIFICATES], column, cell, sizeof(cell), 0);
		fprintf(out, "%-14s %s\n", keys[index], cell);
	}
	fclose(out);
	open_page(top, "certificate", text);
}

static void open_chosen(struct top *top)
{
	if (top->view.cursor[top->view.list] >= view_list_length(top->model, top->view.list))
		return;
	if (top->view.list == TOP_SERVICES)
		open_service(top);
	else if (top->view.list == TOP_FAILURES)
		open_failure(top);
	else
		open_certificate(top);
}

/* Keys */

static size_t page_length(const struct top_page *page)
{
	size_t lines = 0;

	for (const char *text = page->text; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* Move by so many rows; far enough is the first or the last. */
static void move_by(struct top *top, long rows)
{
	struct top_view *view = &top->view;
	size_t *place = view->page.text ? &view->page.first : &view->cursor[view->list];
	size_t length = view->page.text ? page_length(&view->page) : view_list_length(top->model, view->list);
	size_t last = length ? length - 1 : 0;

	if (view->page.text)
		last = length > view_page_lines() ? length - view_page_lines() : 0;
	if (rows < 0)
		*place = (size_t)-rows > *place ? 0 : *place + rows;
	else
		*place = *place + rows > last ? last : *place + rows;
}

static long screen_of(const struct top *top)
{
	return top->view.page.text ? view_page_lines() : view_rows(top->view.list);
}

/* A key of the line that takes an expression. */
static void type(struct top *top, int key)
{
	struct top_view *view = &top->view;
	size_t length = strlen(view->input);

	if (key == KEY_ESCAPE) {
		view->prompting = false;
	} else if (key == KEY_RETURN || key == KEY_ENTER || key == '\n') {
		if (top_model_filter(top->model, view->input, view->message, sizeof(view->message)))
			return;
		view->prompting = false;
		top->refreshed_ms = 0;
	} else if (key == KEY_BACKSPACE || key == KEY_DELETE || key == '\b') {
		while (length && (view->input[length - 1] & 0xc0) == 0x80)
			view->input[--length] = '\0';
		if (length)
			view->input[length - 1] = '\0';
	} else if (key == ('u' & 0x1f)) {
		view->input[0] = '\0';
	} else if (key >= ' ' && key < 256 && key != KEY_DELETE && length + 1 < sizeof(view->input)) {
		view->input[length] = key;
		view->input[length + 1] = '\0';
	}
}

static void take_mouse(struct top *top)
{
	enum top_list list;
	MEVENT event;
	size_t row;

	if (getmouse(&event) != OK)
		return;
	if (event.bstate & BUTTON4_PRESSED)
		move_by(top, -3);
	else if (event.bstate & BUTTON5_PRESSED)
		move_by(top, 3);
	else if (!top->view.page.text && view_place(&top->view, top->model, event.y, &list, &row)) {
		bool again = top->view.list == list && top->view.cursor[list] == row;

		top->view.list = list;
		top->view.cursor[list] = row;
		/* a second click opens */
		if (again && event.bstate & (BUTTON1_CLICKED | BUTTON1_PRESSED | BUTTON1_DOUBLE_CLICKED))
			open_chosen(top);
	}
}

static void go_back(struct top *top)
{
	if (top->view.page.text) {
		close_page(top);
	} else if (*top_model_expression(top->model)) {
		top_model_filter(top->model, "", top->view.message, sizeof(top->view.message));
		top->refreshed_ms = 0;
	}
}

/* A key that moves the cursor or the page. Returns whether the key is one. */
static bool take_moving_key(struct top *top, int key)
{
	static const long end = 1L << 30; /* rows: farther than any list is long */

	switch (key) {
	case 'j':
	case KEY_DOWN:
		move_by(top, 1);
		return true;
	case 'k':
	case KEY_UP:
		move_by(top, -1);
		return true;
	case KEY_NPAGE:
	case 'd' & 0x1f:
		move_by(top, screen_of(top));
		return true;
	case KEY_PPAGE:
	case 'u' & 0x1f:
		move_by(top, -screen_of(top));
		return true;
	case 'g':
	case KEY_HOME:
		move_by(top, -end);
		return true;
	case 'G':
	case KEY_END:
		move_by(top, end);
		return true;
	default:
		return false;
	}
}

/* A key that goes to a list, a page or back. Returns whether the key is one. */
static bool take_going_key(struct top *top, int key)
{
	struct top_view *view = &top->view;

	switch (key) {
	case '\t':
	case KEY_RIGHT:
		view->list = (view->list + 1) % TOP_LISTS;
		return true;
	case KEY_BTAB:
	case KEY_LEFT:
		view->list = (view->list + TOP_LISTS - 1) % TOP_LISTS;
		return true;
	case KEY_RETURN:
	case KEY_ENTER:
	case '\n':
		open_chosen(top);
		return true;
	case KEY_ESCAPE:
	case KEY_BACKSPACE:
	case KEY_DELETE:
		go_back(top);
		return true;
	case 'h':
	case '?':
		open_page(top, "help", strdup(help_text));
		return true;
	case KEY_MOUSE:
		take_mouse(top);
		return true;
	default:
		return false;
	}
}

static void begin_prompt(struct top *top)
{
	close_page(top);
	top->view.prompting = true;
	snprintf(top->view.input, sizeof(top->view.input), "%s", top_model_expression(top->model));
}

static void take_next_order(struct top *top)
{
	top->view.order = (top->view.order + 1) % TOP_ORDERS;
	top_model_order(top->model, top->view.order);
	top->refreshed_ms = 0;
}

static void take_key(struct top *top, int key)
{
	top->view.message[0] = '\0';
	if (top->view.prompting) {
		type(top, key);
		return;
	}
	if (take_moving_key(top, key) || take_going_key(top, key))
		return;
	switch (key) {
	case 'q':
		top->over = true;
		break;
	case '/':
		begin_prompt(top);
		break;
	case 's':
		take_next_order(top);
		break;
	case 'p':
	case ' ':
		top->view.paused = !top->view.paused;
		break;
	}
}

static void refresh_when_due(struct top *top)
{
	uint64_t now_ms = clock_ms();

	if (top->view.paused || (top->refreshed_ms && now_ms - top->refreshed_ms < REFRESH_MS))
		return;
	top->refreshed_ms = now_ms;
	if (top->memory)
		store_memory_database(top->memory);
	if (top_model_refresh(top->model, time(NULL), now_ms * 1000000))
		snprintf(top->view.message, sizeof(top->view.message), "the store cannot be read now");
	top->stale = true;
}

bool top_look(struct top *top)
{
	int key;

	while ((key = getch()) != ERR) {
		take_key(top, key);
		top->stale = true;
	}
	refresh_when_due(top);
	if (top->stale)
		view_draw(&top->view, top->model);
	top->stale = false;
	return !top->over;
}

int top_run(struct top *top)
{
	while (top_look(top) && !signals_stop()) {
		struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};

		poll(&keys, 1, POLL_MS);
		/* the terminal is gone */
		if (keys.revents & (POLLHUP | POLLERR))
			break;
	}
	return 0;
}

static int take(void *state, const struct handshake *handshake)
{
	struct top *top = state;
	const struct sink memory = store_memory_sink(top->memory);

	return memory.class->take(memory.state, handshake);
}

static void tick(void *state, const struct status *status)
{
	struct top *top = state;

	(void)status;
	if (!top->over && !top_look(top))
		raise(SIGTERM);
}

struct sink top_sink(struct top *top)
{
	static const struct sink_class class = {.name = "top", .take = take, .tick = tick};

	return (struct sink){.class = &class,
	                     .state = top,
	                     .needs = SINK_NEEDS_CERTIFICATES | SINK_NEEDS_ATTRIBUTION | SINK_NEEDS_HINTS};
}
