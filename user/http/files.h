/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * files - the text of the files on the command line, and of the files named in the web configuration; with the
 * addresses of the hosts named in the policy.
 *
 * The files are read at the start and again on SIGHUP. By then this process is nobody, and an operator's files belong
 * to root and are unreadable for other users. So a child reads the files, with the single capability to read any file.
 * The child can only be asked to read again: the command line, and the files themselves, name the files.
 */
#ifndef HTTP_FILES_H
#define HTTP_FILES_H

#include "handshake/policy.h"

#include <stddef.h>

enum files_bounds {
	FILES_TEXT_MAX = 1024 * 1024, /* bytes of a file */
};

enum file_kind {
	FILE_POLICY,
	FILE_POLICY_HOSTS, /* no file: a line "NAME ADDRESS" for each address of each host of the policy */
	FILE_WEB_CONFIG,
	FILE_CERTIFICATE, /* the web configuration names these three */
	FILE_KEY,
	FILE_CLIENT_AUTHORITIES,
	FILES,
};

struct files_paths {
	const char *policy; /* NULL: absent */
	const char *web_config;
};

struct file_text {
	char *bytes; /* NULL: no such file is wanted; otherwise a NUL follows the end */
	size_t length;
};

struct file_texts {
	struct file_text text[FILES];
};

struct names;

/*
 * Read all, here and now, and have names look up the hosts of the policy. Returns 0, or -errno after a message on standard
 * error, and no texts.
 */
int files_read(const struct files_paths *paths, struct names *names, struct file_texts *texts);

/* A policy_resolve whose context is the text of FILE_POLICY_HOSTS. */
uint32_t files_resolve(const char *name, struct policy_address addresses[POLICY_ADDRESSES_MAX], void *context);

/* Free the texts, and wipe the memory. */
void files_release(struct file_texts *texts);

struct file_reader;

/* Start the child. paths and their targets have to live as long as the reader. -errno after a message. */
int file_reader_start(struct file_reader **reader, const struct files_paths *paths);
void file_reader_stop(struct file_reader *reader);

/* Ask the child to read all files now. Earlier questions without an answer no longer count. -errno after a message. */
int file_reader_ask(struct file_reader *reader);

/*
 * Take the answer, waiting for at most timeout_ms (-1: without end). Returns 0 and the texts; -EAGAIN where there is no answer
 * yet; another -errno where the files could not be read, after a message of the child, or where the child has ended.
 */
int file_reader_take(struct file_reader *reader, struct file_texts *texts, int timeout_ms);

#endif /* HTTP_FILES_H */
