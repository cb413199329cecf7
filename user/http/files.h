/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * files - the text of the files that were named on the command line, and of those that the web configuration names.
 *
 * They are read at the start and again on SIGHUP. By then this process is nobody, and an operator's files belong to root and
 * are nobody else's to read: so they are read by a child that keeps the one capability to read any file. All that it can be
 * asked for is to read again; which files that are, the command line has said, and the files themselves do.
 */
#ifndef HTTP_FILES_H
#define HTTP_FILES_H

#include <stddef.h>

enum files_bounds {
	FILES_TEXT_MAX = 1024 * 1024, /* bytes of a file */
};

enum file_kind {
	FILE_POLICY,
	FILE_WEB_CONFIG,
	FILE_CERTIFICATE, /* these three are named in the web configuration */
	FILE_KEY,
	FILE_CLIENT_AUTHORITIES,
	FILES,
};

struct files_paths {
	const char *policy; /* NULL: there is none */
	const char *web_config;
};

struct file_text {
	char *bytes; /* NULL: no such file is wanted; else with a NUL behind its end */
	size_t length;
};

struct file_texts {
	struct file_text text[FILES];
};

/* Read all, here and now. Returns 0, or -errno after a message on standard error, and no texts. */
int files_read(const struct files_paths *paths, struct file_texts *texts);

/* Free the texts, and leave nothing of them in memory. */
void files_release(struct file_texts *texts);

struct file_reader;

/* Start the child. paths and what they point to have to live as long as the reader. -errno after a message. */
int file_reader_start(struct file_reader **reader, const struct files_paths *paths);
void file_reader_stop(struct file_reader *reader);

/* Ask it to read all files now. What it was asked before, and has not answered, counts no more. -errno after a message. */
int file_reader_ask(struct file_reader *reader);

/*
 * Take its answer, waiting for at most timeout_ms (-1: without end). Returns 0 and the texts; -EAGAIN where it is not there yet;
 * another -errno where the files could not be read, which the child has said on standard error, or where the child is gone.
 */
int file_reader_take(struct file_reader *reader, struct file_texts *texts, int timeout_ms);

#endif /* HTTP_FILES_H */
