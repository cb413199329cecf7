/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * privileges - give up what loading and attaching needed, before the first byte from the network is read.
 */
#ifndef SYSTEM_PRIVILEGES_H
#define SYSTEM_PRIVILEGES_H

#include <stdbool.h>

/*
 * Become the user nobody if started as root, keep no capability, and never gain a capability again (no_new_privs). Open
 * files, including the attached programs, stay open. Returns 0, or -errno after a message on standard error.
 */
int privileges_drop(void);

/* The same, but keep those of the capabilities (ended by -1) that this process has; none is inherited. */
int privileges_keep(const int *capabilities);

/* Make a present capability effective, or not. */
void privileges_use(int capability, bool effective);

#endif /* SYSTEM_PRIVILEGES_H */
