// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/names.h"

#include "system/child.h"
#include "system/log.h"
#include "system/sandbox.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct names {
	struct child child;
	bool gone; /* the child does not answer */
};

/* A datagram each; both ends are of one program. */
struct names_question {
	char name[POLICY_NAME_MAX + 1];
};

struct names_answer {
	uint32_t count;
	struct policy_address addresses[POLICY_ADDRESSES_MAX];
};

/* Returns false for an address of another family. */
static bool take_address(const struct addrinfo *found, struct policy_address *address)
{
	const struct sockaddr_in6 *ipv6 = (const void *)found->ai_addr;
	const struct sockaddr_in *ipv4 = (const void *)found->ai_addr;

	*address = (struct policy_address){};
	if (found->ai_family == AF_INET) {
		address->family = 4;
		memcpy(address->bytes, &ipv4->sin_addr, sizeof(ipv4->sin_addr));
	} else if (found->ai_family == AF_INET6) {
		address->family = 6;
		memcpy(address->bytes, &ipv6->sin6_addr, sizeof(ipv6->sin6_addr));
	}
	return address->family;
}

static void look_up(const char *name, struct names_answer *answer)
{
	/* SOCK_STREAM: each address once, and not once for each kind of socket */
	const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;

	*answer = (struct names_answer){};
	if (getaddrinfo(name, NULL, &wanted, &found))
		return;
	for (const struct addrinfo *each = found; each && answer->count < POLICY_ADDRESSES_MAX; each = each->ai_next)
		answer->count += take_address(each, &answer->addresses[answer->count]);
	freeaddrinfo(found);
}

static int answer_questions(int socket, void *context)
{
	struct names_question question;
	struct names_answer answer;

	(void)context;
	/* loads the modules that /etc/nsswitch.conf names while code can still be mapped */
	look_up("localhost", &answer);
	sandbox_enter(SANDBOX_NAMES);
	while (recv(socket, &question, sizeof(question), 0) == sizeof(question)) {
		question.name[POLICY_NAME_MAX] = '\0';
		look_up(question.name, &answer);
		if (send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
	return EXIT_SUCCESS;
}

int names_start(struct names **result)
{
	static const int none[] = {-1};
	const struct child_options options = {
		.purpose = "looks up host names", .work = answer_questions, .capabilities = none, .datagrams = true};
	struct names *names = calloc(1, sizeof(*names));
	int error;

	if (!names) {
		log_out_of_memory();
		return -ENOMEM;
	}
	error = child_start_with(&names->child, &options);
	if (error) {
		free(names);
		return error;
	}
	*result = names;
	return 0;
}

void names_stop(struct names *names)
{
	if (!names)
		return;
	child_stop(&names->child);
	free(names);
}

static bool ask(const struct names *names, const struct names_question *question, struct names_answer *answer)
{
	struct pollfd ready = {.fd = names->child.socket, .events = POLLIN};

	if (send(names->child.socket, question, sizeof(*question), MSG_NOSIGNAL) != sizeof(*question))
		return false;
	/* a signal asks the program to stop: the name is not found then */
	if (poll(&ready, 1, NAMES_PATIENCE_MS) <= 0)
		return false;
	return recv(names->child.socket, answer, sizeof(*answer), MSG_DONTWAIT) == sizeof(*answer);
}

uint32_t names_resolve(const char *name, struct policy_address addresses[POLICY_ADDRESSES_MAX], void *context)
{
	struct names *names = context;
	struct names_question question = {};
	struct names_answer answer;

	if (!names || names->gone || strlen(name) > POLICY_NAME_MAX)
		return 0;
	strcpy(question.name, name);
	if (!ask(names, &question, &answer)) {
		names->gone = true;
		return 0;
	}
	if (answer.count > POLICY_ADDRESSES_MAX)
		return 0;
	memcpy(addresses, answer.addresses, sizeof(answer.addresses));
	return answer.count;
}
