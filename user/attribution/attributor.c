// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attribution/attributor.h"

#include "system/log.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attribution/resolver.h"
#include "system/child.h"

enum {
	WAYS = 4, /* places where the answer for a process may be kept */
	SETS = ATTRIBUTOR_KEPT / WAYS,
	ANSWERS_BUFFER = 4 << 20, /* bytes of answers in the socket */
};

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;
static const uint64_t MILLISECOND_NS = 1000 * 1000;

/* Without a start time the number may soon belong to another process: the answer is forgotten after this time. */
static const uint64_t GUESS_KEPT_NS = 1000 * 1000 * 1000;

struct kept {
	struct resolver_question question; /* number 0: the place is free */
	bool answered;
	uint64_t used_ns;
	uint64_t asked_ns;
	struct attribution attribution;
};

struct attributor {
	struct child child;
	struct resolver_options options;
	struct attributor_counts counts;
	uint64_t number;               /* of the last question */
	uint64_t patient_ns;           /* CLOCK_MONOTONIC: no record waits before */
	struct resolver_answer answer; /* received in part */
	size_t answer_have;            /* bytes received */
	bool gone;                     /* the child has ended */
	struct attribution partial;    /* the result if the answer is late: what the kernel told */
	struct kept kept[ATTRIBUTOR_KEPT];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * SECOND_NS + time.tv_nsec;
}

int attributor_open(struct attributor **result, bool command_line)
{
	/* needed for /proc/PID/exe of other users' processes: without the capability executables stay unknown */
	static const int capabilities[] = {CAP_SYS_PTRACE, -1};
	struct attributor *attributor = calloc(1, sizeof(*attributor));
	const int buffer = ANSWERS_BUFFER;
	int error;

	*result = NULL;
	if (!attributor) {
		log_out_of_memory();
		return -ENOMEM;
	}
	attributor->options = (struct resolver_options){command_line, "/var/log", "/etc/passwd"};
	error = child_start(&attributor->child, "looks for processes", capabilities, resolver_work,
	                    &attributor->options);
	if (error) {
		free(attributor);
		return error;
	}
	setsockopt(attributor->child.socket, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	*result = attributor;
	return 0;
}

void attributor_close(struct attributor *attributor)
{
	if (!attributor)
		return;
	child_stop(&attributor->child);
	free(attributor);
}

static bool same_question(const struct resolver_question *one, const struct resolver_question *other)
{
	return one->identity.process == other->identity.process && one->identity.start_ns == other->identity.start_ns &&
	       one->cgroup == other->cgroup && one->network_namespace == other->network_namespace &&
	       one->user == other->user && one->user_known == other->user_known &&
	       !memcmp(one->name, other->name, sizeof(one->name));
}

static struct kept *set_of(struct attributor *attributor, const struct resolver_question *question)
{
	const uint64_t key = question->identity.process * 0x9e3779b97f4a7c15ull;

	return &attributor->kept[(key >> 32) % SETS * WAYS];
}

/* An answer for a number without a start time holds for a while, and only for later handshakes. */
static bool is_fresh(const struct kept *kept, const struct resolver_question *question, uint64_t now_ns)
{
	return question->identity.start_ns || (now_ns - kept->asked_ns < GUESS_KEPT_NS &&
	                                       question->identity.not_after_ns >= kept->question.identity.not_after_ns);
}

static struct kept *find(struct attributor *attributor, const struct resolver_question *question, uint64_t now_ns)
{
	struct kept *set = set_of(attributor, question);

	for (int way = 0; way < WAYS; way++)
		if (set[way].question.number && same_question(&set[way].question, question) &&
		    is_fresh(&set[way], question, now_ns))
			return &set[way];
	return NULL;
}

/* The least recently used place. */
static struct kept *replace(struct attributor *attributor, const struct resolver_question *question)
{
	struct kept *set = set_of(attributor, question), *oldest = set;

	for (int way = 1; way < WAYS; way++)
		if (set[way].used_ns < oldest->used_ns)
			oldest = &set[way];
	memset(oldest, 0, sizeof(*oldest));
	return oldest;
}

static void take_answer(struct attributor *attributor)
{
	const struct resolver_answer *answer = &attributor->answer;

	for (int index = 0; index < ATTRIBUTOR_KEPT; index++)
		if (attributor->kept[index].question.number == answer->number) {
			attributor->kept[index].attribution = answer->attribution;
			attributor->kept[index].answered = true;
			return;
		}
}

/* Take all answers in the socket. */
static void read_answers(struct attributor *attributor)
{
	char *answer = (char *)&attributor->answer;

	for (;;) {
		ssize_t length = recv(attributor->child.socket, answer + attributor->answer_have,
		                      sizeof(attributor->answer) - attributor->answer_have, MSG_DONTWAIT);

		if (length <= 0) {
			attributor->gone |= length == 0 || (errno != EAGAIN && errno != EINTR);
			return;
		}
		attributor->answer_have += length;
		if (attributor->answer_have < sizeof(attributor->answer))
			continue;
		attributor->answer_have = 0;
		take_answer(attributor);
	}
}

/* Ask, if that was not done. Returns the place of the answer; NULL where the child has no room for a question. */
static struct kept *ask(struct attributor *attributor, const struct resolver_question *question)
{
	const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	struct kept *kept = find(attributor, question, now_ns);
	struct resolver_question numbered = *question;

	if (kept) {
		kept->used_ns = now_ns;
		return kept;
	}
	read_answers(attributor);
	if (attributor->gone)
		return NULL;
	numbered.number = ++attributor->number;
	/* a question is smaller than the socket's low-water mark: send() takes all of the question, or nothing */
	if (send(attributor->child.socket, &numbered, sizeof(numbered), MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    sizeof(numbered))
		return NULL;
	kept = replace(attributor, question);
	kept->question = numbered;
	kept->used_ns = kept->asked_ns = now_ns;
	attributor->counts.asked++;
	return kept;
}

static void question_of_writer(const struct writer *writer, struct resolver_question *question)
{
	*question = (struct resolver_question){
		.identity = {.process = writer->process, .start_ns = writer->start_ns},
		.cgroup = writer->cgroup,
		.network_namespace = writer->network_namespace,
		.user = writer->user,
		.user_known = true,
	};
	memcpy(question->name, writer->name, sizeof(question->name));
	question->name[sizeof(question->name) - 1] = '\0';
}

/*
 * Only the number of the process is known. A process younger than the handshake is another process. The opener of the socket
 * counts for clients only: a server's opener may have left the connection to another process.
 */
static bool question_of_number(const struct handshake *handshake, struct resolver_question *question)
{
	const struct process *process = handshake->process.id            ? &handshake->process
	                                : handshake->role == ROLE_CLIENT ? &handshake->owner
	                                                                 : NULL;
	const uint64_t suspended_ns = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);

	if (!process || !process->id)
		return false;
	*question = (struct resolver_question){
		.identity = {.process = process->id, .not_after_ns = handshake->start_ns + suspended_ns},
	};
	return true;
}

static bool wait_for(struct attributor *attributor, const struct kept *kept)
{
	const uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + ATTRIBUTOR_WAIT_MS * MILLISECOND_NS;
	struct pollfd ready = {.fd = attributor->child.socket, .events = POLLIN};
	uint64_t now_ns;

	read_answers(attributor);
	if (kept->answered || clock_ns(CLOCK_MONOTONIC) < attributor->patient_ns)
		return kept->answered;
	while (!kept->answered && !attributor->gone && (now_ns = clock_ns(CLOCK_MONOTONIC)) < end_ns) {
		if (poll(&ready, 1, (end_ns - now_ns) / MILLISECOND_NS + 1) <= 0)
			continue;
		read_answers(attributor);
	}
	if (!kept->answered)
		attributor->patient_ns = clock_ns(CLOCK_MONOTONIC) + SECOND_NS;
	return kept->answered;
}

void attributor_expect(struct attributor *attributor, const struct writer *writer)
{
	struct resolver_question question;

	if (!attributor || !writer->process)
		return;
	question_of_writer(writer, &question);
	ask(attributor, &question);
}

/* The kernel's part of the attribution is exact. */
static const struct attribution *partial_of(struct attributor *attributor, const struct resolver_question *question)
{
	struct attribution *partial = &attributor->partial;

	attributor->counts.late++;
	memset(partial, 0, sizeof(*partial));
	/* a number without a start time may be another process's by now */
	if (!question->identity.start_ns)
		return NULL;
	partial->process = question->identity.process;
	partial->user = question->user;
	partial->user_known = question->user_known;
	partial->network_namespace = question->network_namespace;
	memcpy(partial->name, question->name, sizeof(partial->name));
	return partial;
}

const struct attribution *attributor_resolve(struct attributor *attributor, const struct handshake *handshake)
{
	struct resolver_question question;
	struct kept *kept;

	if (!attributor || handshake->role == ROLE_OBSERVER)
		return NULL;
	if (handshake->writer.process) {
		question_of_writer(&handshake->writer, &question);
	} else if (!question_of_number(handshake, &question)) {
		attributor->counts.unnamed++;
		return NULL;
	}
	kept = ask(attributor, &question);
	if (!kept || !wait_for(attributor, kept))
		return partial_of(attributor, &question);
	/* the process is gone, or the number belongs to another process */
	if (!question.identity.start_ns && !*kept->attribution.name) {
		attributor->counts.unnamed++;
		return NULL;
	}
	return &kept->attribution;
}

const struct attributor_counts *attributor_counts(const struct attributor *attributor)
{
	return &attributor->counts;
}
