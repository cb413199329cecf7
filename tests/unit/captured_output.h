/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * captured_output - what a function prints to standard output or standard error, as text.
 */
#ifndef CAPTURED_OUTPUT_H
#define CAPTURED_OUTPUT_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct captured_output {
	FILE *stream; /* that is captured */
	int saved;    /* where it went before */
	int file;
	char text[64 * 1024];
};

/* From here on stream goes to a file. No assertion may fail before captured_end(): cmocka prints there too. */
static inline void captured_begin(struct captured_output *captured, FILE *stream)
{
	char path[] = "/tmp/captured_output.XXXXXX";

	captured->stream = stream;
	captured->file = mkstemp(path);
	assert_true(captured->file >= 0);
	unlink(path);
	fflush(stream);
	captured->saved = dup(fileno(stream));
	assert_true(captured->saved >= 0);
	dup2(captured->file, fileno(stream));
}

/* It goes where it went before; text holds what it was. */
static inline const char *captured_end(struct captured_output *captured)
{
	ssize_t length;

	fflush(captured->stream);
	dup2(captured->saved, fileno(captured->stream));
	close(captured->saved);
	length = pread(captured->file, captured->text, sizeof(captured->text) - 1, 0);
	close(captured->file);
	assert_true(length >= 0);
	captured->text[length] = '\0';
	return captured->text;
}

#endif /* CAPTURED_OUTPUT_H */
