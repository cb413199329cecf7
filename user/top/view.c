// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "top/view.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/log.h"

enum colour {
	COLOUR_PRESENTED = 1,
	COLOUR_DECLINED,
	COLOUR_REJECTED,
	COLOUR_RESUMED,
	COLOUR_UNKNOWN,
	COLOUR_HEADING,
};

enum layout {
	LINES_MIN = 12,
	BAR_WIDTH = 20,
	CELL_MAX = 512,
	FAILURES_SHARE = 4,     /* a quarter of the lines */
	CERTIFICATES_SHARE = 6, /* a sixth */
	LIST_LINES_MIN = 3,     /* with the heading */
};

static bool coloured;

int view_open(bool colour)
{
	setlocale(LC_ALL, "");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		log_error("top needs a terminal; mtlsnoop services prints the same once");
		return -ENOTTY;
	}
	if (!newterm(NULL, stdout, stdin)) {
		log_error("the terminal %s is not known: set TERM", getenv("TERM") ?: "(TERM is not set)");
		return -ENOTTY;
	}
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, true);
	nodelay(stdscr, true);
	set_escdelay(25);
	curs_set(0);
	mousemask(BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED | BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	mouseinterval(0);
	coloured = colour && has_colors() && start_color() == OK;
	if (coloured) {
		use_default_colors();
		init_pair(COLOUR_PRESENTED, COLOR_GREEN, -1);
		init_pair(COLOUR_DECLINED, COLOR_YELLOW, -1);
		init_pair(COLOUR_REJECTED, COLOR_RED, -1);
		init_pair(COLOUR_RESUMED, COLOR_CYAN, -1);
		init_pair(COLOUR_UNKNOWN, COLOR_MAGENTA, -1);
		init_pair(COLOUR_HEADING, COLOR_BLUE, -1);
	}
	return 0;
}

void view_close(void)
{
	endwin();
}

/* Where the lists stand. */

static int list_lines(enum top_list list)
{
	int certificates = LINES / CERTIFICATES_SHARE, failures = LINES / FAILURES_SHARE;

	certificates = certificates < LIST_LINES_MIN ? LIST_LINES_MIN : certificates;
	failures = failures < LIST_LINES_MIN ? LIST_LINES_MIN : failures;
	switch (list) {
	case TOP_FAILURES:
		return failures;
	case TOP_CERTIFICATES:
		return certificates;
	default:
		/* the first and the last line are not the lists' */
		return LINES - 2 - failures - certificates;
	}
}

static int list_top(enum top_list list)
{
	int line = 1;

	for (int before = 0; before < (int)list; before++)
		line += list_lines(before);
	return line;
}

size_t view_rows(enum top_list list)
{
	int lines = list_lines(list) - 1;

	return lines > 0 ? lines : 0;
}

size_t view_page_lines(void)
{
	return LINES > 2 ? LINES - 2 : 0;
}

size_t view_list_length(const struct top_model *model, enum top_list list)
{
	switch (list) {
	case TOP_SERVICES:
		return top_model_services(model);
	case TOP_FAILURES:
		return top_model_failures(model) ? answer_rows(top_model_failures(model)) : 0;
	default:
		return top_model_certificates(model) ? answer_rows(top_model_certificates(model)) : 0;
	}
}

bool view_place(const struct top_view *view, const struct top_model *model, int line, enum top_list *list, size_t *row)
{
	for (int index = 0; index < TOP_LISTS; index++) {
		int top = list_top(index) + 1;

		if (line < top || line >= top + (int)view_rows(index))
			continue;
		*list = index;
		*row = view->first[index] + (line - top);
		return *row < view_list_length(model, index);
	}
	return false;
}

/* Text */

/* At most columns characters of text at the cursor, padded with spaces. */
static void put(const char *text, int columns, bool right)
{
	int width = 0;
	const char *end = text;

	for (; *end && width < columns; width++)
		do
			end++;
		while ((*end & 0xc0) == 0x80);
	if (right)
		printw("%*s", columns - width, "");
	addnstr(text, end - text);
	if (!right)
		printw("%*s", columns - width, "");
}

static void put_line(int line, int attributes, const char *text)
{
	attron(attributes);
	move(line, 0);
	put(text, COLS, false);
	attroff(attributes);
}

static int colour_of(enum colour colour)
{
	return coloured ? COLOR_PAIR(colour) : 0;
}

/* Services */

/* The verdicts of a service as a bar: letters say without colour what colours say. */
static void put_bar(const struct top_service *service)
{
	const struct {
		double share;
		char letter;
		enum colour colour;
	} parts[] = {{service->presented, 'P', COLOUR_PRESENTED},
	             {service->declined, 'd', COLOUR_DECLINED},
	             {service->rejected, 'X', COLOUR_REJECTED},
	             {service->resumed, 'r', COLOUR_RESUMED},
	             {service->unknown, '?', COLOUR_UNKNOWN}};
	int used = 0;

	for (size_t index = 0; index < sizeof(parts) / sizeof(*parts); index++) {
		int length = lround(parts[index].share * BAR_WIDTH);

		/* what happened at all can be seen */
		if (parts[index].share > 0 && !length)
			length = 1;
		attron(colour_of(parts[index].colour));
		for (; length && used < BAR_WIDTH; length--, used++)
			addch(parts[index].letter);
		attroff(colour_of(parts[index].colour));
	}
	for (; used < BAR_WIDTH; used++)
		addch('.');
}

/* "1234", "12.3k", "4.5M" */
static void short_number(char *text, size_t size, double number)
{
	static const char units[] = {'\0', 'k', 'M', 'G', 'T'};
	size_t unit = 0;

	while (number >= 10000 && unit + 1 < sizeof(units)) {
		number /= 1000;
		unit++;
	}
	if (unit)
		snprintf(text, size, "%.1f%c", number, units[unit]);
	else
		snprintf(text, size, "%.0f", number);
}

/* Columns without room on an 80-column terminal appear on wider terminals. */
struct service_columns {
	int service, process, where, failure;
};

static struct service_columns service_columns(void)
{
	/* asks 5, rate 7, count 8, bar 21, trusted 6, gaps */
	int left = COLS - 5 - 7 - 8 - (BAR_WIDTH + 1) - 6;
	struct service_columns columns = {.service = left};

	if (left > 45) {
		columns.process = 13;
		left -= columns.process;
	}
	if (left > 62) {
		columns.failure = 22;
		left -= columns.failure;
	}
	if (left > 70) {
		columns.where = 24;
		left -= columns.where;
	}
	columns.service = left;
	return columns;
}

static void draw_service_heading(struct service_columns columns)
{
	put("SERVICE", columns.service, false);
	if (columns.process)
		put("PROCESS", columns.process, false);
	if (columns.where)
		put("WHERE", columns.where, false);
	put("ASKS", 5, false);
	put("RATE/s", 6, true);
	put("COUNT", 8, true);
	addch(' ');
	put("P d X r ?", BAR_WIDTH, false);
	addch(' ');
	put("TRUST", 6, true);
	if (columns.failure)
		put(" LAST FAILURE", columns.failure, false);
}

static void service_text(char *text, size_t size, const struct top_service *service)
{
	bool six = strchr(service->address, ':');

	snprintf(text, size, "%s%s%s:%d%s%s%s%s", six ? "[" : "", service->address, six ? "]" : "", service->port,
	         strcmp(service->transport, "udp") ? "" : " (udp)", *service->name ? " " : "", service->name,
	         strcmp(service->role, "client") ? "" : " (as client)");
}

static void draw_service(const struct top_service *service, struct service_columns columns)
{
	char text[CELL_MAX];

	service_text(text, sizeof(text), service);
	put(text, columns.service - 1, false);
	addch(' ');
	if (columns.process)
		put(*service->process ? service->process : "-", columns.process, false);
	if (columns.where)
		put(*service->where ? service->where : "-", columns.where, false);
	put(service->asks < 0 ? "?" : service->asks ? "yes" : "no", 5, false);
	snprintf(text, sizeof(text), service->rate < 100 ? "%.1f" : "%.0f", service->rate);
	put(text, 6, true);
	short_number(text, sizeof(text), service->count);
	put(text, 8, true);
	addch(' ');
	put_bar(service);
	snprintf(text, sizeof(text), service->trusted < 0 ? "-" : "%.0f%%", 100 * service->trusted);
	put(text, 7, true);
	if (columns.failure) {
		addch(' ');
		put(*service->last_failure ? service->last_failure : "-", columns.failure - 1, false);
	}
}

/* Failures and certificates */

struct column {
	const char *key;
	const char *heading;
	int width; /* 0: the rest of the line */
	int from;  /* terminals of fewer columns leave it out */
};

static const struct column failure_columns[] = {
	{"last_seen", "LAST", 17, 0}, {"reason", "REASON", 30, 0},    {"by", "BY", 7, 90},
	{"count", "COUNT", 7, 0},     {"address", "SERVICE", 16, 90}, {"port", "PORT", 6, 0},
	{"name", "SNI", 22, 130},     {"client", "CLIENT", 0, 0},
};

static const struct column certificate_columns[] = {
	{"not_after", "EXPIRES", 17, 0},   {"days_left", "DAYS", 6, 0},  {"shown_by", "BY", 7, 0},
	{"services", "SERVICES", 24, 110}, {"subject", "SUBJECT", 0, 0},
};

static bool is_shown(const struct column *column)
{
	return COLS >= column->from;
}

static int width_of(const struct column *columns, size_t count, size_t index)
{
	int width = COLS;

	if (columns[index].width)
		return columns[index].width;
	for (size_t other = 0; other < count; other++)
		if (is_shown(&columns[other]))
			width -= columns[other].width;
	return width > 0 ? width : 0;
}

static void draw_headings(const struct column *columns, size_t count)
{
	for (size_t index = 0; index < count; index++)
		if (is_shown(&columns[index]))
			put(columns[index].heading, width_of(columns, count, index), false);
}

static void draw_row(const struct store_answer *answer, size_t row, const struct column *columns, size_t count)
{
	char text[CELL_MAX];

	for (size_t index = 0; index < count; index++) {
		int width = width_of(columns, count, index);
		size_t column = answer_column_of(answer, columns[index].key);

		if (!is_shown(&columns[index]) || column == ANSWER_COLUMNS_MAX || width < 5)
			continue;
		answer_cell(answer, row, column, text, sizeof(text), width - 1);
		/* a rejected handshake without a known reason shows its verdict */
		if (!strcmp(columns[index].key, "reason") && !strcmp(text, "-"))
			answer_cell(answer, row, answer_column_of(answer, "verdict"), text, sizeof(text), width - 1);
		put(text, width, false);
	}
}

#define COLUMNS_OF(array) (array), sizeof(array) / sizeof(*(array))

static void draw_list_heading(const struct top_view *view, enum top_list list)
{
	int attributes = A_BOLD | colour_of(COLOUR_HEADING) | (view->list == list ? A_UNDERLINE : 0);

	attron(attributes);
	move(list_top(list), 0);
	if (list == TOP_SERVICES)
		draw_service_heading(service_columns());
	else if (list == TOP_FAILURES)
		draw_headings(COLUMNS_OF(failure_columns));
	else
		draw_headings(COLUMNS_OF(certificate_columns));
	attroff(attributes);
}

static void draw_list_row(const struct top_model *model, enum top_list list, size_t row)
{
	if (list == TOP_SERVICES)
		draw_service(top_model_service(model, row), service_columns());
	else if (list == TOP_FAILURES)
		draw_row(top_model_failures(model), row, COLUMNS_OF(failure_columns));
	else
		draw_row(top_model_certificates(model), row, COLUMNS_OF(certificate_columns));
}

/* The cursor stays on an existing row, and on the screen. */
static void keep_on_screen(struct top_view *view, const struct top_model *model, enum top_list list)
{
	size_t length = view_list_length(model, list), rows = view_rows(list);

	if (view->cursor[list] >= length)
		view->cursor[list] = length ? length - 1 : 0;
	if (view->cursor[list] < view->first[list])
		view->first[list] = view->cursor[list];
	if (rows && view->cursor[list] >= view->first[list] + rows)
		view->first[list] = view->cursor[list] - rows + 1;
}

static void draw_list(struct top_view *view, const struct top_model *model, enum top_list list)
{
	static const char *const nothing[TOP_LISTS] = {"no handshake yet", "no failure",
	                                               "no certificate ends within 30 days"};
	size_t length = view_list_length(model, list);

	keep_on_screen(view, model, list);
	draw_list_heading(view, list);
	for (size_t row = 0; row < view_rows(list); row++) {
		bool chosen = view->list == list && view->first[list] + row == view->cursor[list];

		move(list_top(list) + 1 + row, 0);
		if (view->first[list] + row >= length) {
			put(row || length ? "" : nothing[list], COLS, false);
			continue;
		}
		attron(chosen ? A_REVERSE : 0);
		draw_list_row(model, list, view->first[list] + row);
		attroff(A_REVERSE);
	}
}

static void draw_page(const struct top_view *view)
{
	const char *line = view->page.text;
	char text[CELL_MAX];
	int row = 1;

	for (size_t skipped = 0; skipped < view->page.first && *line; skipped++)
		line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');
	for (; row < LINES - 1; row++) {
		size_t length = strcspn(line, "\n");

		snprintf(text, sizeof(text), "%.*s", (int)(length < sizeof(text) ? length : sizeof(text) - 1), line);
		put_line(row, 0, text);
		line += length + (line[length] == '\n');
	}
}

static void draw_title(const struct top_view *view, const struct top_model *model)
{
	char text[CELL_MAX];

	if (view->page.text)
		snprintf(text, sizeof(text), "mtlsnoop: %s", view->page.title);
	else
		snprintf(text, sizeof(text), "mtlsnoop: %s  %zu services  by %s%s%s%s", view->source,
		         top_model_services(model), top_order_name(view->order), view->paused ? "  PAUSED" : "",
		         *top_model_expression(model) ? "  filter: " : "", top_model_expression(model));
	put_line(0, A_REVERSE, text);
}

static void draw_last_line(const struct top_view *view)
{
	char text[CELL_MAX + TOP_EXPRESSION_MAX];
	size_t length;

	if (view->prompting) {
		if (*view->message)
			put_line(LINES - 2, A_BOLD, view->message);
		/* the end of a long expression is where it is being typed */
		snprintf(text, sizeof(text), "/%s", view->input);
		length = strlen(text);
		put_line(LINES - 1, 0, length > (size_t)COLS - 1 ? text + length - COLS + 1 : text);
		move(LINES - 1, length > (size_t)COLS - 1 ? COLS - 1 : (int)length);
	} else if (*view->message) {
		put_line(LINES - 1, A_BOLD, view->message);
	} else if (view->page.text) {
		put_line(LINES - 1, 0, "j/k scroll  Esc back  q quit");
	} else {
		put_line(LINES - 1, 0, "j/k move  Tab list  Enter open  / filter  s sort  p pause  h help  q quit");
	}
}

void view_draw(struct top_view *view, const struct top_model *model)
{
	erase();
	if (LINES < LINES_MIN || COLS < 40) {
		mvaddstr(0, 0, "terminal too small");
		refresh();
		return;
	}
	draw_title(view, model);
	if (view->page.text)
		draw_page(view);
	else
		for (int list = 0; list < TOP_LISTS; list++)
			draw_list(view, model, list);
	draw_last_line(view);
	curs_set(view->prompting);
	/* a message on standard error may have written over the screen */
	redrawwin(stdscr);
	refresh();
}
