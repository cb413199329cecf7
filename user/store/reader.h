/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reader - a process that asks a store for the HTTP server: the server talks to the network and may open no file;
 * the reader has no network. One question at a time, each within a bound of time and rows.
 */
#ifndef STORE_READER_H
#define STORE_READER_H

#include "store/answer.h"
#include "store/question.h"

#include <stddef.h>
#include <stdint.h>

enum reader_bounds {
	READER_EXPRESSION_MAX = 2048,
	READER_MS = 3000,        /* time limit of a question; then the reader gives up */
	READER_ROWS_MAX = 10000, /* rows of a page */
	READER_BYTES_MAX = 16 << 20,
	READER_EVENT_MAX = 33,
};

/* A question. Both ends are one program. */
struct reader_request {
	uint32_t question; /* enum question; QUESTIONS: the handshake of event, in full */
	uint32_t csv;      /* 1: CSV, else JSON */
	int64_t since;
	int64_t until;
	int64_t expiring;
	uint32_t first; /* row of the page */
	uint32_t limit; /* rows of the page */
	char expression[READER_EXPRESSION_MAX];
	char event[READER_EVENT_MAX];
};

struct store_reader;

/*
 * Start the process, before threads and before privileges are given up; the process opens path when the file exists.
 * 0, or -errno after a message.
 */
int store_reader_start(struct store_reader **reader, const char *path);
void store_reader_stop(struct store_reader *reader);

/*
 * Ask. One thread at a time. Returns 0 and text, freed by the caller; -EINVAL and a text with the expression's error;
 * -ENOENT: no store, or no matching handshake; -ETIMEDOUT; -EIO: the process is gone, or the store cannot be read.
 */
int store_reader_ask(struct store_reader *reader, const struct reader_request *request, char **text, size_t *length);

#endif /* STORE_READER_H */
