// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/files.h"

#include "captured_output.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PATH_MAX_LENGTH = 64,
	WITHOUT_END = -1,
};

struct directory {
	char path[PATH_MAX_LENGTH];
};

static char *path_in(char path[2 * PATH_MAX_LENGTH], const struct directory *directory, const char *name)
{
	snprintf(path, 2 * PATH_MAX_LENGTH, "%s/%s", directory->path, name);
	return path;
}

static void write_file(const struct directory *directory, const char *name, const char *text, size_t length)
{
	char path[2 * PATH_MAX_LENGTH];
	FILE *file = fopen(path_in(path, directory, name), "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
	chmod(path, 0600);
}

static void write_text(const struct directory *directory, const char *name, const char *text)
{
	write_file(directory, name, text, strlen(text));
}

static void remove_file(const struct directory *directory, const char *name)
{
	char path[2 * PATH_MAX_LENGTH];

	unlink(path_in(path, directory, name));
}

static int make_directory(void **state)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	strcpy(directory->path, "/tmp/files_test.XXXXXX");
	*state = directory;
	return mkdtemp(directory->path) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = {"policy", "web.yml", "server.pem", "server.key", "ca.pem", "long", "fifo"};
	struct directory *directory = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove_file(directory, names[i]);
	rmdir(directory->path);
	free(directory);
	return 0;
}

static const char web_text[] = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
			       "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";

static void assert_text(const struct file_texts *texts, int kind, const char *expected)
{
	assert_non_null(texts->text[kind].bytes);
	assert_int_equal(texts->text[kind].length, strlen(expected));
	assert_string_equal(texts->text[kind].bytes, expected);
}

static void kill_children(const char *list)
{
	FILE *file = fopen(list, "re");
	int process;

	assert_non_null(file);
	while (fscanf(file, "%d", &process) == 1)
		kill(process, SIGKILL);
	fclose(file);
}

static void write_all(const struct directory *directory)
{
	write_text(directory, "policy", ":443 never\n");
	write_text(directory, "web.yml", web_text);
	write_text(directory, "server.pem", "the certificate");
	write_text(directory, "server.key", "the key");
	write_text(directory, "ca.pem", "");
}

static void all_files(void **state)
{
	char policy[2 * PATH_MAX_LENGTH], web[2 * PATH_MAX_LENGTH];
	const struct files_paths paths = {path_in(policy, *state, "policy"), path_in(web, *state, "web.yml")};
	struct file_texts texts;

	write_all(*state);
	assert_int_equal(files_read(&paths, NULL, &texts), 0);
	assert_text(&texts, FILE_POLICY, ":443 never\n");
	assert_text(&texts, FILE_WEB_CONFIG, web_text);
	assert_text(&texts, FILE_CERTIFICATE, "the certificate");
	assert_text(&texts, FILE_KEY, "the key");
	assert_text(&texts, FILE_CLIENT_AUTHORITIES, "");
	files_release(&texts);
}

/* What is said of a file that cannot be read, and that there are no texts then. */
static void assert_refused(const struct files_paths *paths, int expected, const char *reason)
{
	struct captured_output captured;
	struct file_texts texts;
	const char *told;
	int error;

	captured_begin(&captured, stderr);
	error = files_read(paths, NULL, &texts);
	told = captured_end(&captured);
	assert_int_equal(error, expected);
	if (!strstr(told, reason) || strchr(told, '\n') != strrchr(told, '\n'))
		fail_msg("'%s', expected a line with '%s'", told, reason);
	for (int kind = 0; kind < FILES; kind++)
		assert_null(texts.text[kind].bytes);
}

static void refused(void **state)
{
	char path[2 * PATH_MAX_LENGTH], web[2 * PATH_MAX_LENGTH];
	const struct files_paths one = {.policy = path}, two = {.web_config = path_in(web, *state, "web.yml")};
	char *text = calloc(1, FILES_TEXT_MAX + 1);
	struct file_texts texts;

	path_in(path, *state, "missing");
	assert_refused(&one, -ENOENT, "missing: No such file or directory");
	assert_refused(&(struct files_paths){.policy = ((struct directory *)*state)->path}, -EINVAL,
	               "is not a regular file");
	assert_int_equal(mkfifo(path_in(path, *state, "fifo"), 0600), 0);
	assert_refused(&one, -EINVAL, "is not a regular file");
	write_file(*state, "long", text, FILES_TEXT_MAX + 1);
	path_in(path, *state, "long");
	assert_refused(&one, -EFBIG, "is longer than 1 MiB");
	write_file(*state, "long", text, FILES_TEXT_MAX);
	assert_int_equal(files_read(&one, NULL, &texts), 0);
	assert_int_equal(texts.text[FILE_POLICY].length, FILES_TEXT_MAX);
	files_release(&texts);
	free(text);
	write_all(*state);
	remove_file(*state, "server.key");
	assert_refused(&two, -ENOENT, "server.key: No such file or directory");
	write_text(*state, "web.yml", "\nwhat: x\n");
	assert_refused(&two, -EINVAL, "web.yml, line 2: the file has no key 'what'");
}

/* A child reads the same, again and again, also what took the place of a file; and goes on where one was missing. */
static void read_again(void **state)
{
	char policy[2 * PATH_MAX_LENGTH], web[2 * PATH_MAX_LENGTH], other[2 * PATH_MAX_LENGTH];
	const struct files_paths paths = {path_in(policy, *state, "policy"), path_in(web, *state, "web.yml")};
	struct file_reader *reader;
	struct file_texts texts;

	write_all(*state);
	assert_int_equal(file_reader_start(&reader, &paths), 0);
	assert_int_equal(file_reader_take(reader, &texts, 0), -EAGAIN);
	assert_int_equal(file_reader_ask(reader), 0);
	assert_int_equal(file_reader_take(reader, &texts, WITHOUT_END), 0);
	assert_text(&texts, FILE_KEY, "the key");
	assert_text(&texts, FILE_CLIENT_AUTHORITIES, "");
	files_release(&texts);
	write_text(*state, "long", ":1 required\n");
	assert_int_equal(rename(path_in(other, *state, "long"), policy), 0);
	/* asked twice: the last answer counts */
	assert_int_equal(file_reader_ask(reader), 0);
	assert_int_equal(file_reader_ask(reader), 0);
	assert_int_equal(file_reader_take(reader, &texts, WITHOUT_END), 0);
	assert_text(&texts, FILE_POLICY, ":1 required\n");
	files_release(&texts);
	assert_int_equal(file_reader_take(reader, &texts, 0), -EAGAIN);
	remove_file(*state, "policy");
	assert_int_equal(file_reader_ask(reader), 0);
	assert_int_equal(file_reader_take(reader, &texts, WITHOUT_END), -ENOENT);
	write_all(*state);
	assert_int_equal(file_reader_ask(reader), 0);
	assert_int_equal(file_reader_take(reader, &texts, WITHOUT_END), 0);
	files_release(&texts);
	file_reader_stop(reader);
}

/* A child that is gone is told of once for each time that it is asked. */
static void reader_is_gone(void **state)
{
	char policy[2 * PATH_MAX_LENGTH];
	const struct files_paths paths = {.policy = path_in(policy, *state, "policy")};
	struct captured_output captured;
	struct file_reader *reader;
	struct file_texts texts;
	int errors[2];
	const char *told;
	char path[PATH_MAX_LENGTH];

	write_all(*state);
	assert_int_equal(file_reader_start(&reader, &paths), 0);
	assert_int_equal(file_reader_ask(reader), 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	kill_children(path);
	captured_begin(&captured, stderr);
	errors[0] = file_reader_take(reader, &texts, WITHOUT_END);
	errors[1] = file_reader_take(reader, &texts, 0);
	told = captured_end(&captured);
	/* it may have answered before it was killed */
	if (!errors[0]) {
		files_release(&texts);
	} else {
		assert_string_equal(told,
		                    "mtlsnoop: the process that reads files is gone: they cannot be read again\n");
	}
	assert_int_equal(errors[1], -EAGAIN);
	file_reader_stop(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_files, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(refused, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(read_again, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(reader_is_gone, make_directory, remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
