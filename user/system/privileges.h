/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * privileges - give up what loading and attaching needed, before the first byte from the network is read.
 */
#ifndef SYSTEM_PRIVILEGES_H
#define SYSTEM_PRIVILEGES_H

#include <stdbool.h>

/*
 * Become the user nobody where started as root, keep no capability, and never gain one again (no_new_privs). Open files,
 * the attached programs among them, stay open. Returns 0, or -errno after a message on standard error.
 */
int privileges_drop(void);

/* The same, but of the capabilities (ended by -1) those that this process has are kept; none is inherited. */
int privileges_keep(const int *capabilities);

/* Have a capability that there is take effect, or not. */
void privileges_use(int capability, bool effective);

#endif /* SYSTEM_PRIVILEGES_H */
