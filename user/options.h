/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * options - the command line.
 *
 * An option is one row of option_rows in options.c: names, argument, help text, and the function that reads the
 * value. To add an option: add a field to struct options, a row, and an entry in the OPTIONS part of docs/mtlsnoop.8.
 * The completions read --help and need no change. Excluding another option is a row of option_conflicts.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "filter/filter.h"
#include "handshake/handshake.h"
#include "library/finder.h"
#include "option_values.h"
#include "sink/exporter.h"
#include "sink/screen.h"
#include "store/question.h"

#include <stdbool.h>
#include <stdint.h>

enum options_bounds {
	OPTIONS_PORTS_MAX = 64, /* ranges; a single port is a range of length 1 */
	OPTIONS_INTERFACES_MAX = 64,
	OPTIONS_SELECTED_MAX = 16, /* units, containers, pods: of each */
};

/* The optional first word; without a command mtlsnoop traces. */
enum options_command {
	COMMAND_TRACE,
	COMMAND_ASK, /* a question: options.question */
	COMMAND_TOP,
};

enum options_format {
	FORMAT_TABLE,
	FORMAT_LADDER,
	FORMAT_JSON,
};

struct options {
	enum options_command command;
	enum question question; /* COMMAND_ASK */
	char *expression;       /* EXPRESSION as typed, words joined by spaces; NULL if absent */
	struct filter *filter;  /* the same with its short forms (options_filter.h), compiled; NULL: all handshakes */
	struct filter *counted; /* the same without -R: -R selects lines and does not affect metrics */
	const char *store;    /* --store; NULL if absent. COMMAND_ASK and COMMAND_TOP: never NULL without -r, -g, -i */
	uint64_t store_bytes; /* --store-limit; 0: the default */
	uint64_t store_keep_ns; /* --store-keep; 0: the default */
	const char *since;      /* --since, --until: as typed, for ask_time(); NULL if absent */
	const char *until;
	const char *expiring;                          /* --expiring, likewise */
	uint32_t rows;                                 /* -n of COMMAND_ASK; 0: all */
	bool no_web;                                   /* --no-web: metrics without the page */
	bool csv;                                      /* --csv */
	bool wide;                                     /* --wide: all columns of the table */
	bool both_ends;                                /* --both-ends: a line for each end on this host */
	uint8_t color;                                 /* --color: enum screen_color */
	bool summary;                                  /* --summary: nothing but sums at the end */
	const char *cgroup;                            /* -g; NULL: the root of the cgroup v2 hierarchy */
	const char *interface[OPTIONS_INTERFACES_MAX]; /* -i */
	uint32_t interfaces;                           /* how many; 0: sockets are traced */
	const char *read_file;                         /* -r; NULL: the live host */
	const char *keylog_file;                       /* --keylog; NULL if absent */
	const char *write_file;                        /* -w; NULL: no evidence is written */
	uint64_t rotate_bytes;                         /* --rotate; 0: not by size */
	uint64_t rotate_ns;                            /* --rotate; 0: not by time */
	const char *expect_file;                       /* --expect; NULL: nothing is expected */
	const char *web_config_file;                   /* --web-config; NULL: plain HTTP for everybody */
	struct port_range port[OPTIONS_PORTS_MAX];     /* -P */
	uint32_t ports;                                /* how many ranges; 0: all ports */
	uint32_t process;                              /* -p; 0: all */
	const char *unit[OPTIONS_SELECTED_MAX];        /* -u */
	uint32_t units;                                /* how many; 0: all */
	const char *container[OPTIONS_SELECTED_MAX];   /* -c */
	uint32_t containers;                           /* how many; 0: all */
	const char *pod[OPTIONS_SELECTED_MAX];         /* --pod */
	uint32_t pods;                                 /* how many; 0: all */
	bool requested_only;                           /* -R */
	bool quiet;                                    /* -q */
	bool redact;                                   /* --redact */
	bool command_line;                             /* --command-line */
	bool debug;                                    /* --debug */
	bool check;                                    /* --check: read the configuration files and end */
	bool trace;                                    /* -t; see format */
	bool json;                                     /* -j; see format */
	uint8_t format;                                /* enum options_format: -t, -j */
	uint64_t duration_ns;                          /* -d; 0: no end */
	uint64_t count;                                /* -n; 0: no end */
	uint32_t max_connections;                      /* --max-connections */
	uint64_t handshake_timeout_ns;                 /* --handshake-timeout */
	struct exporter_options metrics;               /* -m, --max-services */
	uint32_t buffer_bytes;                         /* --buffer: of the ring buffer, a power of two */
	enum library_mode library;                     /* -L; not with -i */
	const char *library_path;                      /* -L PATH */
};

/*
 * Read the command line into options. On --help and --version prints and exits 0; on an error prints the error with
 * the offending text and exits 2.
 */
void options_parse(int argc, char **argv, struct options *options);

/*
 * Find the word of a command: the first argument, or the first after -r FILE. words ends with NULL. Returns the index of the word
 * and removes the word from argv, so that options_parse() reads the rest; or returns -1 and changes nothing.
 */
int options_take_word(int *argc, char **argv, const char *const words[]);

/*
 * Whether -p selects a handshake: the process of -p, or a descendant, writes to the socket. If the kernel has not
 * reported the writer: the process's TLS library makes the handshake, or the process opened the socket.
 */
bool options_want_process(const struct options *options, const struct handshake *handshake);

/* Free what options_parse() has allocated. */
void options_release(struct options *options);

#endif /* OPTIONS_H */
