// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * verify - what the verifier of the running kernel makes of BPF objects: loads each program by itself and prints
 *
 *     PROGRAM COUNT           instructions verified, those of the global functions it calls among them
 *     PROGRAM refused: WHY    the last thing that the verifier said
 *
 * The count is what the verifier's log says: the kernel tells it otherwise only since 5.16. Status 0 where all were read
 * and loaded, else 1.
 *
 * usage: verify OBJECT...
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	LOG_STATISTICS = 4, /* BPF_LOG_STATS of the kernel's include/linux/bpf_verifier.h */
	LOG_MAX = 64 * 1024,
};

/* What libbpf has to say is about loading, and the verifier's log tells that better. */
static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static void print_refusal(const char *name, char *log, int error)
{
	char *why = NULL;

	for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, "processed ", 10) != 0)
			why = line;
	printf("%s refused: %s\n", name, why ?: strerror(error));
}

static int print_count(const char *name, const char *log)
{
	const char *statistics = strstr(log, "processed ");
	unsigned int count;

	if (!statistics || sscanf(statistics, "processed %u insns", &count) != 1) {
		printf("%s refused: the verifier's log does not tell its count\n", name);
		return -EPROTO;
	}
	printf("%s %u\n", name, count);
	return 0;
}

/* Make the program at this position the only one to be loaded. */
static struct bpf_program *choose_program(struct bpf_object *object, int position)
{
	struct bpf_program *program, *chosen = NULL;

	bpf_object__for_each_program (program, object) {
		bool choose = position-- == 0;

		bpf_program__set_autoload(program, choose);
		if (choose)
			chosen = program;
	}
	return chosen;
}

/* Returns false behind the last program, and where the object cannot be read. */
static bool verify_program(const char *path, int position, int *status)
{
	static char log[LOG_MAX];
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int error;

	if (!object) {
		fprintf(stderr, "verify: %s: %s\n", path, strerror(errno));
		*status = 1;
		return false;
	}
	program = choose_program(object, position);
	if (program) {
		log[0] = '\0';
		bpf_program__set_log_level(program, LOG_STATISTICS);
		bpf_program__set_log_buf(program, log, sizeof(log));
		error = bpf_object__load(object);
		if (error)
			print_refusal(bpf_program__name(program), log, -error);
		if (error || print_count(bpf_program__name(program), log))
			*status = 1;
	}
	bpf_object__close(object);
	return program;
}

int main(int count, char **paths)
{
	int status = count > 1 ? 0 : 1;

	libbpf_set_print(print_nothing);
	for (int index = 1; index < count; index++)
		for (int position = 0; verify_program(paths[index], position, &status); position++)
			;
	return status;
}
