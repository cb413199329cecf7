// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* machine-id(5): 32 lower-case hexadecimal digits. A text such as "uninitialized" is no id. */
static void read_id(char id[HOST_ID_MAX])
{
	FILE *file = fopen("/etc/machine-id", "re");

	*id = '\0';
	if (!file)
		return;
	if (!fgets(id, HOST_ID_MAX, file) || strspn(id, "0123456789abcdef") != HOST_ID_MAX - 1)
		*id = '\0';
	fclose(file);
}

void host_read(struct host *host)
{
	memset(host, 0, sizeof(*host));
	if (gethostname(host->name, sizeof(host->name) - 1))
		*host->name = '\0';
	read_id(host->id);
}
