/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * notify - informs the service manager about the service: started, alive, reloading, stopping (sd_notify(3),
 * systemd.service(5) Type=notify and WatchdogSec=).
 *
 * The protocol is a datagram of text on a socket, and stable (systemd's Interface Portability and Stability Promise).
 * The code is our own because libsystemd opens a socket for each message, which the sandbox would have to allow; here
 * one socket is opened before the sandbox. libsystemd would also map libraries for compression and encryption without
 * need.
 *
 * Without a service manager ($NOTIFY_SOCKET is not set) the functions do nothing.
 */
#ifndef SYSTEM_NOTIFY_H
#define SYSTEM_NOTIFY_H

#include <stdint.h>

struct notify {
	int socket;                  /* connected to the service manager; -1: none */
	uint64_t watchdog_period_ns; /* a sign of life is sent so often; 0: nobody waits for one */
	uint64_t watchdog_next_ns;   /* on CLOCK_MONOTONIC */
};

/*
 * Connect, and read the manager's settings from the environment and remove them, so no child does the same. Before
 * privileges are given up. Returns 0, or -errno after a message on standard error: a waiting manager without messages
 * would end the service.
 */
int notify_open(struct notify *notify);

void notify_close(struct notify *notify);

/* All is attached, and what has happened from now on will be told. */
void notify_ready(const struct notify *notify);

/* The loop has come round: a sign of life, if due. */
void notify_alive(struct notify *notify, uint64_t now_ns);

/* The service reads its files again, until notify_ready() or notify_reload_failed(). */
void notify_reloading(const struct notify *notify, uint64_t now_ns);

/* The service goes on with its old configuration. */
void notify_reload_failed(const struct notify *notify);

/* The service has begun to stop. */
void notify_stopping(const struct notify *notify);

#endif /* SYSTEM_NOTIFY_H */
