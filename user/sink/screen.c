// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	WIDTH_MAX = 10000,
};

/* A number of columns from the environment; 0: none, or nonsense. */
static size_t environment_width(void)
{
	const char *text = getenv("COLUMNS");
	char *end;
	unsigned long width;

	if (!text || *text < '1' || *text > '9')
		return 0;
	width = strtoul(text, &end, 10);
	return *end || width > WIDTH_MAX ? 0 : width;
}

static bool is_colored(int descriptor, enum screen_color color)
{
	const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (color != SCREEN_COLOR_AUTO)
		return color == SCREEN_COLOR_ALWAYS;
	return isatty(descriptor) && !(refused && *refused) && !(terminal && !strcmp(terminal, "dumb"));
}

void screen_read(struct screen *screen, int descriptor, enum screen_color color)
{
	struct winsize size = {};

	*screen = (struct screen){.width = environment_width(), .color = is_colored(descriptor, color)};
	if (!isatty(descriptor) || ioctl(descriptor, TIOCGWINSZ, &size))
		return;
	screen->height = size.ws_row;
	if (!screen->width)
		screen->width = size.ws_col;
}
