// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Print the events that say who is at the ends of a connection, as they come, until standard input ends: for the tests of
 * suite kernel. usage: events CGROUP|- INTERFACE|- [PORT...]      a PORT is that of a service known to speak TLS
 *
 *   ready
 *   open CONNECTION LOCAL REMOTE                       each end: ADDRESS PORT
 *   translated CONNECTION received|sent LOCAL REMOTE
 *   owner CONNECTION PROCESS START_NS USER CGROUP NETWORK_NAMESPACE NAME
 *   plaintext CONNECTION received|sent BYTES(hex)
 *   message CONNECTION received|sent TYPE
 *   close CONNECTION received|sent
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/tracer.h"

enum {
	POLL_MS = 20,
	BUFFER = 1024 * 1024,
	CONNECTIONS = 1024,
};

static const char *const directions[] = {[EVENT_RECEIVED] = "received", [EVENT_SENT] = "sent"};

static void print_end(uint8_t family, const uint8_t *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	printf(" %s %u", inet_ntop(family == 4 ? AF_INET : AF_INET6, address, text, sizeof(text)), port);
}

static void print_open(const struct event_open *open)
{
	printf("open %" PRIx64, (uint64_t)open->event.connection);
	print_end(open->family, open->local_address, open->local_port);
	print_end(open->family, open->remote_address, open->remote_port);
	printf("\n");
}

static void print_translated(const struct event_translated *translated)
{
	printf("translated %" PRIx64 " %s", (uint64_t)translated->event.connection,
	       directions[translated->event.direction]);
	print_end(translated->family, translated->local_address, translated->local_port);
	print_end(translated->family, translated->remote_address, translated->remote_port);
	printf("\n");
}

static void print_owner(const struct event_owner *owner)
{
	printf("owner %" PRIx64 " %u %" PRIu64 " %u %" PRIu64 " %u %.16s\n", (uint64_t)owner->event.connection,
	       owner->process, (uint64_t)owner->start_ns, owner->user, (uint64_t)owner->cgroup,
	       owner->network_namespace, owner->process_name);
}

static void print_plaintext(const struct event_bytes *bytes)
{
	printf("plaintext %" PRIx64 " %s ", (uint64_t)bytes->event.connection, directions[bytes->event.direction]);
	for (int index = 0; index < bytes->length; index++)
		printf("%02x", bytes->data[index]);
	printf("\n");
}

static void take_event(const struct event *event, void *context)
{
	(void)context;
	switch (event->kind) {
	case EVENT_OPEN:
		print_open((const struct event_open *)event);
		break;
	case EVENT_TRANSLATED:
		print_translated((const struct event_translated *)event);
		break;
	case EVENT_OWNER:
		print_owner((const struct event_owner *)event);
		break;
	case EVENT_PLAINTEXT:
		print_plaintext((const struct event_bytes *)event);
		break;
	case EVENT_MESSAGE:
		printf("message %" PRIx64 " %s %u\n", (uint64_t)event->connection, directions[event->direction],
		       ((const struct event_message *)event)->type);
		break;
	case EVENT_CLOSE:
		printf("close %" PRIx64 " %s\n", (uint64_t)event->connection, directions[event->direction]);
		break;
	}
}

int main(int count, char **arguments)
{
	struct pollfd input = {.fd = 0, .events = POLLIN};
	struct tracer_options options = {.buffer_bytes = BUFFER, .interface_connections = CONNECTIONS};
	const char *interfaces[1];
	struct tracer *tracer;

	if (count < 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	interfaces[0] = arguments[2];
	options.cgroup = strcmp(arguments[1], "-") ? arguments[1] : NULL;
	options.interfaces = interfaces;
	options.interface_count = strcmp(arguments[2], "-") ? 1 : 0;
	if (tracer_open(&tracer, &options, take_event, NULL))
		return 1;
	for (int index = 3; index < count; index++) {
		const struct service_key service = {.port = atoi(arguments[index])};

		if (!tracer_add_service(tracer, &service))
			return 1;
	}
	printf("ready\n");
	while (poll(&input, 1, 0) == 0)
		tracer_poll(tracer, POLL_MS);
	tracer_poll(tracer, 0);
	tracer_close(tracer);
	return 0;
}
