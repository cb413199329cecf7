/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * view - how top looks: draws the model on the terminal (ncurses). Three lists on the main screen, pages on top of them. Everything
 * fits 80 columns and 24 rows, needs no colour and no UTF-8, and grows with the terminal.
 */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "top/model.h"

enum top_list {
	TOP_SERVICES,
	TOP_FAILURES,
	TOP_CERTIFICATES,
	TOP_LISTS,
};

/* Lines of a page: a service, a ladder, the help. */
struct top_page {
	char *text; /* lines that end with '
	             * '; NULL: no page */
	char title[256];
	size_t first; /* the line at the top */
};

struct top_view {
	enum top_list list;       /* that has the cursor */
	size_t cursor[TOP_LISTS]; /* the row that is chosen */
	size_t first[TOP_LISTS];  /* the row at the top of the list */
	struct top_page page;
	bool paused;
	bool prompting; /* the last line takes an expression */
	char input[TOP_EXPRESSION_MAX];
	char message[256]; /* for the last line; "": none */
	char source[64];   /* the source: "this host", a file's name */
	enum top_order order;
};

/* Take the terminal over. Returns 0, or -ENOTTY after a message: standard input or output is no terminal, or TERM is not known. */
int view_open(bool colour);
void view_close(void);

void view_draw(struct top_view *view, const struct top_model *model);

/* The list and the row at a place of the screen; false: none. */
bool view_place(const struct top_view *view, const struct top_model *model, int line, enum top_list *list, size_t *row);

/* Rows of a list on the screen, and lines of a page. */
size_t view_rows(enum top_list list);
size_t view_page_lines(void);

size_t view_list_length(const struct top_model *model, enum top_list list);

#endif /* TOP_VIEW_H */
