// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * verify - what the verifier of the running kernel makes of BPF objects: loads each program by itself and prints
 *
 *     PROGRAM COUNT (STACK bytes of stack)    instructions verified, those of the global functions it calls among them
 *     PROGRAM refused: WHY                    what the verifier said at last
 *
 * The count is what the verifier's log says: the kernel tells it otherwise only since 5.16. So does the log say how much stack
 * each function has; what the deepest chain of calls has together is reckoned here as 5.10 does it (check_max_stack_depth() of
 * its kernel/bpf/verifier.c: each frame is a multiple of 32 bytes, and 512 is the most). Status 0 where all were read and
 * loaded, else 1.
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
	FUNCTIONS_MAX = 256,
	FRAME_UNIT = 32,
};

/* The functions of a loaded program, in the order of their instructions, which is that of the verifier's log. */
struct functions {
	size_t count;
	size_t start[FUNCTIONS_MAX];
	unsigned int stack[FUNCTIONS_MAX];
	const struct bpf_insn *instructions;
	size_t instructions_count;
};

static bool calls_function(const struct bpf_insn *instruction)
{
	return instruction->code == (BPF_JMP | BPF_CALL) && instruction->src_reg == BPF_PSEUDO_CALL;
}

static void add_function(struct functions *functions, size_t start)
{
	size_t at = functions->count;

	for (size_t index = 0; index < functions->count; index++)
		if (functions->start[index] == start)
			return;
	if (at == FUNCTIONS_MAX)
		return;
	for (; at && functions->start[at - 1] > start; at--)
		functions->start[at] = functions->start[at - 1];
	functions->start[at] = start;
	functions->count++;
}

static size_t function_at(const struct functions *functions, size_t start)
{
	size_t index = 0;

	while (index < functions->count && functions->start[index] != start)
		index++;
	return index;
}

/* BPF has no recursion: the verifier refuses it. */
static unsigned int deepest(const struct functions *functions, size_t function)
{
	size_t end = function + 1 < functions->count ? functions->start[function + 1] : functions->instructions_count;
	unsigned int own = functions->stack[function] ?: 1, below = 0;

	for (size_t at = functions->start[function]; at < end; at++) {
		const struct bpf_insn *instruction = &functions->instructions[at];
		unsigned int depth;

		if (!calls_function(instruction))
			continue;
		depth = deepest(functions, function_at(functions, at + 1 + instruction->imm));
		if (depth > below)
			below = depth;
	}
	return (own + FRAME_UNIT - 1) / FRAME_UNIT * FRAME_UNIT + below;
}

/* Bytes of stack of the deepest chain of calls; 0 where the log does not tell. */
static unsigned int stack_of(const struct bpf_program *program, const char *log)
{
	struct functions functions = {
		.instructions = bpf_program__insns(program),
		.instructions_count = bpf_program__insn_cnt(program),
	};
	const char *depths = strstr(log, "stack depth ");
	size_t told = 0;
	int read;

	add_function(&functions, 0);
	for (size_t at = 0; at < functions.instructions_count; at++)
		if (calls_function(&functions.instructions[at]))
			add_function(&functions, at + 1 + functions.instructions[at].imm);
	if (!depths)
		return 0;
	depths += strlen("stack depth ");
	while (told < FUNCTIONS_MAX && sscanf(depths, "%u%n", &functions.stack[told], &read) == 1) {
		told++;
		depths += read;
		if (*depths++ != '+')
			break;
	}
	return told == functions.count ? deepest(&functions, 0) : 0;
}

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
		if (strncmp(line, "processed ", 10) != 0 && strncmp(line, "stack depth ", 12) != 0)
			why = line;
	printf("%s refused: %s\n", name, why ?: strerror(error));
}

static int print_count(const struct bpf_program *program, const char *log)
{
	const char *statistics = strstr(log, "processed "), *name = bpf_program__name(program);
	unsigned int count, stack = stack_of(program, log);

	if (!statistics || sscanf(statistics, "processed %u insns", &count) != 1) {
		printf("%s refused: the verifier's log does not tell its count\n", name);
		return -EPROTO;
	}
	if (!stack) {
		printf("%s refused: the verifier's log does not tell the stack of each function\n", name);
		return -EPROTO;
	}
	printf("%s %u (%u bytes of stack)\n", name, count, stack);
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
		if (error || print_count(program, log))
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
