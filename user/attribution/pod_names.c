// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attribution/pod_names.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static bool take(char *to, size_t size, const char *text, size_t length)
{
	if (!length || length >= size)
		return false;
	memcpy(to, text, length);
	to[length] = '\0';
	return true;
}

/* Neither a namespace nor a pod's name nor a uid has an underscore (RFC 1123). */
bool pod_name_read(const char *name, struct attribution *attribution)
{
	const char *first = strchr(name, '_');
	const char *second = first ? strchr(first + 1, '_') : NULL;
	struct attribution read = *attribution;

	if (!second || strchr(second + 1, '_') ||
	    !take(read.pod_namespace, sizeof(read.pod_namespace), name, first - name) ||
	    !take(read.pod, sizeof(read.pod), first + 1, second - first - 1) ||
	    !take(read.pod_uid, sizeof(read.pod_uid), second + 1, strlen(second + 1)))
		return false;
	*attribution = read;
	return true;
}

bool pod_container_read(const char *name, struct attribution *attribution)
{
	const size_t digits = strlen(attribution->container);
	char front[ATTRIBUTION_POD_MAX + ATTRIBUTION_NAMESPACE_MAX + sizeof("__")];
	const size_t length = snprintf(front, sizeof(front), "%s_%s_", attribution->pod, attribution->pod_namespace);
	const char *dash = strrchr(name, '-');

	if (strncmp(name, front, length) || !dash || dash < name + length || !digits ||
	    strncmp(dash + 1, attribution->container, digits) || strcmp(dash + 1 + digits, ".log"))
		return false;
	return take(attribution->pod_container, sizeof(attribution->pod_container), name + length,
	            dash - name - length);
}

/* Call read() for each name in a directory until a call returns true. Returns whether a call did. */
static bool find_in(const char *directory, bool (*read)(const char *name, struct attribution *attribution),
                    struct attribution *attribution)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;
	bool found = false;

	if (!entries)
		return false;
	while (!found && (entry = readdir(entries)) != NULL)
		found = read(entry->d_name, attribution);
	closedir(entries);
	return found;
}

static bool is_of_pod(const char *name, struct attribution *attribution)
{
	const char *uid = strrchr(name, '_');

	return uid && !strcmp(uid + 1, attribution->pod_uid) && pod_name_read(name, attribution);
}

/* Of two directories nobody knows the right directory. */
static bool take_only_one(const char *name, struct attribution *attribution)
{
	if (*name == '.')
		return false;
	if (*attribution->pod_container) {
		attribution->pod_container[0] = '\0';
		return true;
	}
	take(attribution->pod_container, sizeof(attribution->pod_container), name, strlen(name));
	return false;
}

void pod_names_find(const char *logs, struct attribution *attribution)
{
	char path[PATH_MAX];

	if (!*attribution->pod_uid)
		return;
	snprintf(path, sizeof(path), "%s/pods", logs);
	if (!find_in(path, is_of_pod, attribution))
		return;
	snprintf(path, sizeof(path), "%s/containers", logs);
	if (!*attribution->container || find_in(path, pod_container_read, attribution))
		return;
	snprintf(path, sizeof(path), "%s/pods/%s_%s_%s", logs, attribution->pod_namespace, attribution->pod,
	         attribution->pod_uid);
	find_in(path, take_only_one, attribution);
}
