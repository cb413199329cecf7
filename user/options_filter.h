/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * options_filter - the options that select handshakes as one expression. -P, -R, -u, -c and --pod are short forms:
 *
 *	-P 443,8000-8100	(server.port in {443, 8000..8100} or client.port in {443, 8000..8100})
 *	-R			requested
 *	-u nginx		unit in {"nginx.service"}
 *	-c 0123abcd		container matches "0123abcd*"
 *	--pod shop/cart		(namespace == "shop" and pod == "cart")
 *
 * All of them, and the expression on the command line, have to be true.
 */
#ifndef OPTIONS_FILTER_H
#define OPTIONS_FILTER_H

#include "options.h"

/* The expression of the short forms, to be freed; "" where no option selects anything. NULL: no memory. */
char *options_filter_text(const struct options *options);

/*
 * Compile options->expression and the short forms into options->filter and options->counted. Returns 0; -EINVAL, with error filled in: a place in
 * options->expression; or -ENOMEM.
 */
int options_filter_compile(struct options *options, struct filter_error *error);

#endif /* OPTIONS_FILTER_H */
