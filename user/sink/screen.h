/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * screen - the size of the terminal that a table goes to, and whether to color it.
 */
#ifndef SINK_SCREEN_H
#define SINK_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum screen_color {
	SCREEN_COLOR_AUTO, /* on a terminal, unless NO_COLOR is set (no-color.org) or TERM is dumb */
	SCREEN_COLOR_ALWAYS,
	SCREEN_COLOR_NEVER,
};

struct screen {
	size_t width;  /* columns; 0: no bound */
	size_t height; /* lines; 0: not known */
	bool color;
};

/*
 * The screen behind a descriptor. The environment variable COLUMNS goes before the terminal's own width; a file and a pipe
 * have no bound. Before the sandbox.
 */
void screen_read(struct screen *screen, int descriptor, enum screen_color color);

#endif /* SINK_SCREEN_H */
