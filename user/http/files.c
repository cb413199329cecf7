// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/files.h"
#include "http/names.h"

#include "system/child.h"
#include "system/sandbox.h"
#include "http/web_config.h"
#include "system/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Precedes the texts, which follow one after the other, on the way from the child. Both ends are the same program. */
struct files_answer {
	int32_t error;
	uint32_t present[FILES]; /* 1: the text follows */
	uint32_t length[FILES];
};

struct file_reader {
	struct child child;
	const struct files_paths *paths;
	uint32_t asked; /* answers to come */
	/* the incoming answer: */
	struct files_answer answer;
	size_t received; /* bytes of the answer and of the texts */
	struct file_texts texts;
};

static int cannot_read(const char *path, int error)
{
	log_error("cannot read %s: %s", path, strerror(error));
	return -error;
}

static int refuse(const char *path, int error, const char *why)
{
	log_error("cannot read %s: it %s", path, why);
	return -error;
}

/* Fill text from an open file of at most FILES_TEXT_MAX bytes; it may grow or shrink meanwhile. */
static int fill(int descriptor, struct file_text *text)
{
	text->bytes = malloc(FILES_TEXT_MAX + 2);
	text->length = 0;
	if (!text->bytes)
		return -ENOMEM;
	while (text->length <= FILES_TEXT_MAX) {
		ssize_t length = read(descriptor, text->bytes + text->length, FILES_TEXT_MAX + 1 - text->length);

		if (length < 0)
			return -errno;
		if (!length)
			break;
		text->length += length;
	}
	text->bytes[text->length] = '\0';
	return text->length > FILES_TEXT_MAX ? -EFBIG : 0;
}

static int read_file(const char *path, struct file_text *text)
{
	/* not to wait for who writes into a FIFO, nor to make a terminal ours */
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	int error;

	if (descriptor < 0)
		return cannot_read(path, errno);
	if (fstat(descriptor, &status))
		error = cannot_read(path, errno);
	else if (!S_ISREG(status.st_mode))
		error = refuse(path, EINVAL, "is not a regular file");
	else {
		error = fill(descriptor, text);
		if (error == -EFBIG)
			refuse(path, EFBIG, "is longer than 1 MiB");
		else if (error)
			cannot_read(path, -error);
	}
	close(descriptor);
	return error;
}

/* The files named in the web configuration. */
static int read_named(const char *path, struct file_texts *texts)
{
	const struct file_text *text = &texts->text[FILE_WEB_CONFIG];
	struct web_config *config;
	int error;

	error = web_config_read(&config, path, text->bytes, text->length);
	if (error)
		return error;
	if (config->certificate_file)
		error = read_file(config->certificate_file, &texts->text[FILE_CERTIFICATE]);
	if (!error && config->key_file)
		error = read_file(config->key_file, &texts->text[FILE_KEY]);
	if (!error && config->client_authorities_file)
		error = read_file(config->client_authorities_file, &texts->text[FILE_CLIENT_AUTHORITIES]);
	web_config_free(config);
	return error;
}

/* The addresses of the hosts of a policy, as they are looked up. */
struct lookup {
	struct names *names;
	FILE *out;
};

static uint32_t write_host(const char *name, struct policy_address addresses[POLICY_ADDRESSES_MAX], void *context)
{
	struct lookup *lookup = context;
	uint32_t count = names_resolve(name, addresses, lookup->names);
	char text[INET6_ADDRSTRLEN];

	for (uint32_t index = 0; index < count; index++)
		if (inet_ntop(addresses[index].family == 4 ? AF_INET : AF_INET6, addresses[index].bytes, text,
		              sizeof(text)))
			fprintf(lookup->out, "%s %s\n", name, text);
	return count;
}

/* Any other mistake in the policy is reported by its user. */
static int look_up_hosts(struct names *names, const struct file_text *policy_text, struct file_text *hosts)
{
	struct lookup lookup = {.names = names};
	struct policy *policy = NULL;
	struct policy_error wrong;

	lookup.out = open_memstream(&hosts->bytes, &hosts->length);
	if (!lookup.out)
		return -ENOMEM;
	if (!policy_parse(&policy, policy_text->bytes, policy_text->length, write_host, &lookup, &wrong))
		policy_free(policy);
	if (!fclose(lookup.out) && hosts->length <= FILES_TEXT_MAX)
		return 0;
	log_error("the addresses of the hosts in the policy take more than 1 MiB, or more memory than there is");
	return -ENOMEM;
}

uint32_t files_resolve(const char *name, struct policy_address addresses[POLICY_ADDRESSES_MAX], void *context)
{
	const struct file_text *hosts = context;
	const size_t length = strlen(name);
	const char *line = hosts->bytes, *end;
	char text[INET6_ADDRSTRLEN];
	uint32_t count = 0;

	for (; line && *line && count < POLICY_ADDRESSES_MAX; line = end + (*end == '\n')) {
		end = line + strcspn(line, "\n");
		if (strncmp(line, name, length) || line[length] != ' ' || end - line - length > sizeof(text))
			continue;
		memcpy(text, line + length + 1, end - line - length - 1);
		text[end - line - length - 1] = '\0';
		addresses[count] = (struct policy_address){.family = strchr(text, ':') ? 6 : 4};
		count +=
			inet_pton(addresses[count].family == 4 ? AF_INET : AF_INET6, text, addresses[count].bytes) == 1;
	}
	return count;
}

int files_read(const struct files_paths *paths, struct names *names, struct file_texts *texts)
{
	int error = 0;

	*texts = (struct file_texts){};
	if (paths->policy)
		error = read_file(paths->policy, &texts->text[FILE_POLICY]);
	if (!error && paths->policy)
		error = look_up_hosts(names, &texts->text[FILE_POLICY], &texts->text[FILE_POLICY_HOSTS]);
	if (!error && paths->web_config)
		error = read_file(paths->web_config, &texts->text[FILE_WEB_CONFIG]);
	if (!error && paths->web_config)
		error = read_named(paths->web_config, texts);
	if (error)
		files_release(texts);
	return error;
}

void files_release(struct file_texts *texts)
{
	for (int kind = 0; kind < FILES; kind++) {
		struct file_text *text = &texts->text[kind];

		if (text->bytes)
			explicit_bzero(text->bytes, text->length);
		free(text->bytes);
	}
	*texts = (struct file_texts){};
}

static bool send_all(int socket, const void *bytes, size_t length)
{
	for (size_t sent = 0; sent < length;) {
		ssize_t count = send(socket, (const char *)bytes + sent, length - sent, MSG_NOSIGNAL);

		if (count < 0)
			return false;
		sent += count;
	}
	return true;
}

static bool answer(int socket, int error, const struct file_texts *texts)
{
	struct files_answer answer = {.error = error};
	bool sent;

	for (int kind = 0; kind < FILES; kind++) {
		answer.present[kind] = texts->text[kind].bytes != NULL;
		answer.length[kind] = texts->text[kind].length;
	}
	sent = send_all(socket, &answer, sizeof(answer));
	for (int kind = 0; kind < FILES && sent; kind++)
		sent = send_all(socket, texts->text[kind].bytes, texts->text[kind].length);
	return sent;
}

/* The child: one byte in, an answer out. */
static int read_when_asked(int socket, void *context)
{
	const struct files_paths *paths = context;
	struct names *names = NULL;
	struct file_texts texts;
	bool sent = true;
	char byte;

	if (paths->policy && names_start(&names))
		return EXIT_FAILURE;
	sandbox_enter(SANDBOX_FILES);
	while (sent && recv(socket, &byte, 1, 0) == 1) {
		int error = files_read(paths, names, &texts);

		sent = answer(socket, error, &texts);
		files_release(&texts);
	}
	/* the process that looks up names ends with this process */
	return EXIT_SUCCESS;
}

int file_reader_start(struct file_reader **result, const struct files_paths *paths)
{
	static const int capabilities[] = {CAP_DAC_READ_SEARCH, -1};
	struct file_reader *reader = calloc(1, sizeof(*reader));
	int error;

	if (!reader) {
		log_out_of_memory();
		return -ENOMEM;
	}
	error = child_start(&reader->child, "reads files again", capabilities, read_when_asked, (void *)paths);
	if (error) {
		free(reader);
		return error;
	}
	*result = reader;
	return 0;
}

void file_reader_stop(struct file_reader *reader)
{
	if (!reader)
		return;
	child_stop(&reader->child);
	files_release(&reader->texts);
	free(reader);
}

/* The child has ended without an answer. */
static int give_up(struct file_reader *reader, int error)
{
	log_error("the process that reads files is gone: they cannot be read again");
	shutdown(reader->child.socket, SHUT_RDWR);
	files_release(&reader->texts);
	reader->asked = 0;
	reader->received = 0;
	return error;
}

int file_reader_ask(struct file_reader *reader)
{
	if (send(reader->child.socket, "?", 1, MSG_NOSIGNAL) != 1)
		return give_up(reader, -errno);
	reader->asked++;
	return 0;
}

/* The head of the answer has come: allocate the texts. */
static int prepare(struct file_reader *reader)
{
	for (int kind = 0; kind < FILES; kind++) {
		struct file_text *text = &reader->texts.text[kind];

		if (reader->answer.length[kind] > FILES_TEXT_MAX)
			return -EPROTO;
		if (!reader->answer.present[kind])
			continue;
		text->length = reader->answer.length[kind];
		text->bytes = calloc(1, text->length + 1);
		if (!text->bytes)
			return -ENOMEM;
	}
	return 0;
}

/* Where the next byte goes, and how many may come; 0: the answer is whole. */
static size_t place(struct file_reader *reader, char **next)
{
	size_t offset = reader->received;

	if (offset < sizeof(reader->answer)) {
		*next = (char *)&reader->answer + offset;
		return sizeof(reader->answer) - offset;
	}
	offset -= sizeof(reader->answer);
	for (int kind = 0; kind < FILES; kind++) {
		const struct file_text *text = &reader->texts.text[kind];

		if (offset < text->length) {
			*next = text->bytes + offset;
			return text->length - offset;
		}
		offset -= text->length;
	}
	return 0;
}

/* Receive a part of the answer. */
static int receive(struct file_reader *reader, int timeout_ms)
{
	struct pollfd wanted = {.fd = reader->child.socket, .events = POLLIN};
	size_t capacity;
	ssize_t length;
	char *next;

	while ((capacity = place(reader, &next))) {
		if (poll(&wanted, 1, timeout_ms) <= 0)
			return -EAGAIN;
		length = recv(reader->child.socket, next, capacity, MSG_DONTWAIT);
		if (length <= 0)
			return length < 0 ? -errno : -EPIPE;
		reader->received += length;
		if (reader->received == sizeof(reader->answer) && prepare(reader))
			return -EPROTO;
	}
	return 0;
}

int file_reader_take(struct file_reader *reader, struct file_texts *texts, int timeout_ms)
{
	int error;

	while (reader->asked) {
		error = receive(reader, timeout_ms);
		if (error)
			return error == -EAGAIN ? error : give_up(reader, error);
		*texts = reader->texts;
		error = reader->answer.error;
		reader->texts = (struct file_texts){};
		reader->received = 0;
		if (!--reader->asked)
			return error;
		files_release(texts);
	}
	return -EAGAIN;
}
