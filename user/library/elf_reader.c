// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/elf_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "library/kinds.h"
#include "system/sandbox.h"

enum question_kind {
	QUESTION_READ = 1,
	QUESTION_COMPANION,
};

struct question {
	uint32_t sequence;
	uint32_t kind; /* enum question_kind */
};

struct answer {
	uint32_t sequence;
	int32_t error; /* 0 or -errno */
	char why[ELF_READER_WHY_MAX];
	struct library_elf elf;
	struct library_companion companion;
};

static const char ENDED[] =
	"the process that parsed the file was ended: the file takes too much time or memory, or is damaged";

/* Both ends are this program: a question and its descriptor arrive whole. Returns 0, or -1 at the end. */
static int receive_question(int socket, struct question *question, int *descriptor)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	struct iovec bytes = {.iov_base = question, .iov_len = sizeof(*question)};
	struct msghdr message = {
		.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	const struct cmsghdr *header;
	ssize_t length;

	do
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (length < 0 && errno == EINTR);
	header = length == sizeof(*question) ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(descriptor, CMSG_DATA(header), sizeof(*descriptor));
	return 0;
}

static int send_question(int socket, const struct question *question, int descriptor)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {};
	struct iovec bytes = {.iov_base = (void *)question, .iov_len = sizeof(*question)};
	struct msghdr message = {
		.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == sizeof(*question) ? 0 : -EPIPE;
}

/* Returns whether all bytes came before the end. */
static bool read_whole(int descriptor, void *bytes, size_t size)
{
	size_t have = 0;
	ssize_t length;

	while (have < size) {
		length = read(descriptor, (char *)bytes + have, size - have);
		if (length < 0 && errno == EINTR)
			continue;
		if (length <= 0)
			return false;
		have += length;
	}
	return true;
}

/* In the process that parses one file. */
static int parse(const struct question *question, int descriptor, const struct library_host *host, int output)
{
	struct answer answer;
	const char *why = "";

	memset(&answer, 0, sizeof(answer));
	alarm(ELF_READER_FILE_SECONDS);
	if (question->kind == QUESTION_COMPANION)
		answer.error = library_elf_companion(descriptor, &answer.companion);
	else
		answer.error = library_elf_read(descriptor, host, &answer.elf, &why);
	snprintf(answer.why, sizeof(answer.why), "%s", why);
	return write(output, &answer, sizeof(answer)) == sizeof(answer) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The answer of a separate process, which never holds the socket: it could answer other questions, too. */
static void answer_question(int socket, const struct question *question, int descriptor,
                            const struct library_host *host, struct answer *answer)
{
	int ends[2];
	pid_t process;
	bool whole;

	memset(answer, 0, sizeof(*answer));
	answer->error = -ENOTSUP;
	snprintf(answer->why, sizeof(answer->why), "%s", ENDED);
	if (pipe2(ends, O_CLOEXEC))
		return;
	process = fork();
	if (!process) {
		close(socket);
		close(ends[0]);
		_exit(parse(question, descriptor, host, ends[1]));
	}
	close(ends[1]);
	if (process > 0) {
		struct answer parsed;

		whole = read_whole(ends[0], &parsed, sizeof(parsed));
		while (waitpid(process, NULL, 0) < 0 && errno == EINTR)
			;
		if (whole)
			*answer = parsed;
	}
	close(ends[0]);
}

static void limit_resources(void)
{
	const struct rlimit memory = {ELF_READER_MEMORY, ELF_READER_MEMORY};
	const struct rlimit nothing = {0, 0};

	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_CORE, &nothing);
	/* no file grows by this process; a pipe is no file */
	setrlimit(RLIMIT_FSIZE, &nothing);
}

static int work(int socket, void *context)
{
	const struct library_host *host = context;
	struct question question;
	struct answer answer;
	int descriptor;

	prctl(PR_SET_NAME, "mtlsnoop-elf");
	/* with its own copy of the program the alarm ends the parser */
	signal(SIGALRM, SIG_DFL);
	limit_resources();
	sandbox_enter(SANDBOX_ELF);
	while (!receive_question(socket, &question, &descriptor)) {
		answer_question(socket, &question, descriptor, host, &answer);
		close(descriptor);
		answer.sequence = question.sequence;
		if (send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
	return EXIT_SUCCESS;
}

int elf_reader_start(struct elf_reader *reader, const struct library_host *host)
{
	static const int no_capability[] = {-1};

	*reader = (struct elf_reader){};
	return child_start(&reader->child, "parses the files of TLS libraries", no_capability, work, (void *)host);
}

void elf_reader_stop(struct elf_reader *reader)
{
	child_stop(&reader->child);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Take the answer to the latest question; earlier ones came too late. Returns 0, -EAGAIN after `patience_ms`, or -EPIPE. */
static int receive_answer(struct elf_reader *reader, struct answer *answer, int patience_ms)
{
	struct pollfd socket = {.fd = reader->child.socket, .events = POLLIN};
	const int64_t end_ms = now_ms() + patience_ms;
	int ready;

	for (;;) {
		int64_t left_ms = end_ms - now_ms();

		ready = poll(&socket, 1, left_ms > 0 ? left_ms : 0);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return -EAGAIN;
		if (!read_whole(socket.fd, answer, sizeof(*answer)))
			return -EPIPE;
		if (answer->sequence == reader->sequence)
			return 0;
	}
}

static int ask(struct elf_reader *reader, enum question_kind kind, int descriptor, struct answer *answer)
{
	struct question question = {.kind = kind};
	int error;

	if (!reader->child.process)
		return -EPIPE;
	if (reader->waiting && receive_answer(reader, answer, 0) == -EAGAIN)
		return -EAGAIN;
	question.sequence = ++reader->sequence;
	error = send_question(reader->child.socket, &question, descriptor);
	if (!error)
		error = receive_answer(reader, answer, ELF_READER_PATIENCE_MS);
	reader->waiting = error == -EAGAIN;
	answer->why[sizeof(answer->why) - 1] = '\0';
	return error;
}

int elf_reader_read(struct elf_reader *reader, int descriptor, struct library_elf *elf, const char **why)
{
	struct answer answer;
	int error = ask(reader, QUESTION_READ, descriptor, &answer);

	if (error)
		return error;
	if (answer.error) {
		snprintf(reader->why, sizeof(reader->why), "%s", answer.why);
		*why = reader->why;
		return answer.error == -ENOENT ? -ENOENT : -ENOTSUP;
	}
	if (!library_elf_is_valid(&answer.elf)) {
		*why = ENDED;
		return -ENOTSUP;
	}
	*elf = answer.elf;
	return 0;
}

int elf_reader_companion(struct elf_reader *reader, int descriptor, struct library_companion *companion)
{
	struct answer answer;
	int error = ask(reader, QUESTION_COMPANION, descriptor, &answer);

	if (error)
		return error;
	if (answer.error || !library_name_is_valid(answer.companion.name, sizeof(answer.companion.name)))
		return -ENOENT;
	*companion = answer.companion;
	return 0;
}
