// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "system/privileges.h"
#include "system/log.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	NOBODY = 65534, /* if the host has no such user: the kernel's id for unmapped ids */
};

/* Choose the remaining capabilities: those of the list that are present now. */
static void choose(const int *capabilities)
{
	bool has[CAP_LAST_CAP + 1] = {};

	for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
		has[capability] = capng_have_capability(CAPNG_PERMITTED, capability);
	capng_clear(CAPNG_SELECT_BOTH);
	for (; *capabilities >= 0; capabilities++)
		if (*capabilities <= CAP_LAST_CAP && has[*capabilities])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, *capabilities);
}

static int become_nobody(const int *capabilities)
{
	const struct passwd *nobody = getpwnam("nobody");
	uid_t user = nobody ? nobody->pw_uid : NOBODY;
	gid_t group = nobody ? nobody->pw_gid : NOBODY;

	choose(capabilities);
	if (geteuid() == 0)
		return capng_change_id(user, group, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) ? -EPERM : 0;
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

int privileges_keep(const int *capabilities)
{
	int error = become_nobody(capabilities);

	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		error = -errno;
	if (error)
		log_error("cannot give up privileges: %s; root needs CAP_SETUID, CAP_SETGID and CAP_SETPCAP "
		          "for "
		          "that",
		          strerror(-error));
	return error;
}

int privileges_drop(void)
{
	static const int none[] = {-1};

	return privileges_keep(none);
}

void privileges_use(int capability, bool effective)
{
	if (!capng_have_capability(CAPNG_PERMITTED, capability))
		return;
	capng_update(effective ? CAPNG_ADD : CAPNG_DROP, CAPNG_EFFECTIVE, capability);
	capng_apply(CAPNG_SELECT_CAPS);
}
