// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/notify.h"
#include "system/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	SIGNS_PER_WATCHDOG = 3, /* sd_watchdog_enabled(3) asks for two; so one may be lost */
	MICROSECOND_NS = 1000,
	TEXT_MAX = 128,
};

/* A number in the environment, and nothing else; 0 if absent. */
static uint64_t number_in_environment(const char *name)
{
	const char *text = getenv(name);
	unsigned long long number;
	char behind;

	if (!text || text[0] < '0' || text[0] > '9')
		return 0;
	return sscanf(text, "%19llu%c", &number, &behind) == 1 ? number : 0;
}

static uint64_t watchdog_period_ns(void)
{
	uint64_t pid = number_in_environment("WATCHDOG_PID");

	/* the variable may be meant for a parent that has left its environment to us */
	if (pid && pid != (uint64_t)getpid())
		return 0;
	return number_in_environment("WATCHDOG_USEC") * MICROSECOND_NS / SIGNS_PER_WATCHDOG;
}

/* A path, or a name in the abstract namespace behind an @. */
static int connect_to(int descriptor, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);

	if (length > sizeof(address.sun_path) || (name[0] != '/' && name[0] != '@'))
		return -EINVAL;
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	if (connect(descriptor, (const struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length))
		return -errno;
	return 0;
}

int notify_open(struct notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int error;

	*notify = (struct notify){.socket = -1};
	if (!name)
		return 0;
	notify->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	error = notify->socket < 0 ? -errno : connect_to(notify->socket, name);
	if (error) {
		log_error("cannot reach the service manager at NOTIFY_SOCKET=%s: %s", name, strerror(-error));
		notify_close(notify);
		return error;
	}
	notify->watchdog_period_ns = watchdog_period_ns();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

void notify_close(struct notify *notify)
{
	if (notify->socket >= 0)
		close(notify->socket);
	notify->socket = -1;
}

static void tell(const struct notify *notify, const char *text, int flags)
{
	/* the manager does not answer, and no other receiver of complaints exists */
	if (notify->socket >= 0)
		(void)!send(notify->socket, text, strlen(text), MSG_NOSIGNAL | flags);
}

void notify_ready(const struct notify *notify)
{
	tell(notify, "READY=1\nSTATUS=Attached, and reading events", 0);
}

void notify_reload_failed(const struct notify *notify)
{
	tell(notify, "READY=1\nSTATUS=Reload failed: the previous configuration stays in force; the journal says why",
	     0);
}

void notify_alive(struct notify *notify, uint64_t now_ns)
{
	if (!notify->watchdog_period_ns || now_ns < notify->watchdog_next_ns)
		return;
	notify->watchdog_next_ns = now_ns + notify->watchdog_period_ns;
	/* events do not wait for a manager that does not read */
	tell(notify, "WATCHDOG=1", MSG_DONTWAIT);
}

void notify_reloading(const struct notify *notify, uint64_t now_ns)
{
	char text[TEXT_MAX];

	/* the time tells Type=notify-reload which reload this answers */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reading its files again",
	         now_ns / MICROSECOND_NS);
	tell(notify, text, 0);
}

void notify_stopping(const struct notify *notify)
{
	tell(notify, "STOPPING=1\nSTATUS=Reporting what is left", 0);
}
