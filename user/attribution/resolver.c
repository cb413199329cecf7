// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attribution/resolver.h"

#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "attribution/cgroup_name.h"
#include "attribution/cgroup_tree.h"
#include "attribution/pod_names.h"
#include "system/sandbox.h"

enum {
	USERS_KEPT = 64,
	PODS_KEPT = 256,
	KEPT_SECONDS = 10,  /* names are looked up again after this time */
	MISSED_SECONDS = 1, /* missing names are */
};

struct kept_user {
	bool used;
	uint32_t user;
	time_t since;
	char name[ATTRIBUTION_USER_MAX];
};

struct kept_pod {
	time_t since;
	char container[ATTRIBUTION_CONTAINER_MAX];
	struct attribution names; /* of the pod: pod_uid, pod, pod_namespace, pod_container */
};

struct resolver {
	struct resolver_options options;
	struct cgroup_tree *tree; /* NULL: no cgroup v2 hierarchy */
	bool proc;                /* /proc has the numbers of the initial pid namespace */
	struct kept_user user[USERS_KEPT];
	struct kept_pod pod[PODS_KEPT];
};

static time_t clock_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

struct resolver *resolver_begin(const struct resolver_options *options)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	char root[PATH_MAX];

	if (!resolver)
		return NULL;
	resolver->options = *options;
	resolver->proc = proc_is_initial_namespace();
	if (cgroup_tree_mount_point(root, sizeof(root)))
		resolver->tree = cgroup_tree_open(root);
	return resolver;
}

void resolver_end(struct resolver *resolver)
{
	if (!resolver)
		return;
	cgroup_tree_close(resolver->tree);
	free(resolver);
}

/* The file itself, and not what nsswitch.conf names: the libraries of other sources could not be loaded any more. */
static void read_user_name(const char *users, uint32_t user, char name[ATTRIBUTION_USER_MAX])
{
	FILE *file = fopen(users, "re");
	struct passwd *entry;

	name[0] = '\0';
	if (!file)
		return;
	while ((entry = fgetpwent(file)) != NULL)
		if (entry->pw_uid == user) {
			if (strlen(entry->pw_name) < ATTRIBUTION_USER_MAX)
				strcpy(name, entry->pw_name);
			break;
		}
	fclose(file);
}

static const char *user_name(struct resolver *resolver, uint32_t user)
{
	struct kept_user *kept = &resolver->user[user % USERS_KEPT];
	const time_t now = clock_seconds();

	if (!kept->used || kept->user != user || now - kept->since > KEPT_SECONDS) {
		read_user_name(resolver->options.users, user, kept->name);
		kept->used = true;
		kept->user = user;
		kept->since = now;
	}
	return kept->name;
}

static struct kept_pod *kept_pod_of(struct resolver *resolver, const struct attribution *attribution)
{
	uint32_t hash = 0;

	for (const char *letter = attribution->pod_uid; *letter; letter++)
		hash = hash * 31 + (unsigned char)*letter;
	for (const char *letter = attribution->container; *letter; letter++)
		hash = hash * 31 + (unsigned char)*letter;
	return &resolver->pod[hash % PODS_KEPT];
}

static void name_pod(struct resolver *resolver, struct attribution *attribution)
{
	struct kept_pod *kept = kept_pod_of(resolver, attribution);
	const time_t age = clock_seconds() - kept->since;

	if (strcmp(kept->names.pod_uid, attribution->pod_uid) || strcmp(kept->container, attribution->container) ||
	    age > (*kept->names.pod ? KEPT_SECONDS : MISSED_SECONDS)) {
		memset(kept, 0, sizeof(*kept));
		kept->since = clock_seconds();
		strcpy(kept->container, attribution->container);
		strcpy(kept->names.container, attribution->container);
		strcpy(kept->names.pod_uid, attribution->pod_uid);
		pod_names_find(resolver->options.logs, &kept->names);
	}
	strcpy(attribution->pod, kept->names.pod);
	strcpy(attribution->pod_namespace, kept->names.pod_namespace);
	strcpy(attribution->pod_container, kept->names.pod_container);
}

void resolver_resolve(struct resolver *resolver, const struct resolver_question *question,
                      struct attribution *attribution)
{
	const char *path;

	memset(attribution, 0, sizeof(*attribution));
	attribution->process = question->identity.process;
	attribution->network_namespace = question->network_namespace;
	attribution->user = question->user;
	attribution->user_known = question->user_known;
	memcpy(attribution->name, question->name, sizeof(attribution->name) - 1);
	path = resolver->tree && question->cgroup ? cgroup_tree_path(resolver->tree, question->cgroup) : NULL;
	if (path)
		cgroup_name_read(path, attribution);
	if (resolver->proc)
		proc_read(&question->identity, resolver->options.command_line, !*question->name, attribution);
	/* a container's image has users of its own; uid 0 is root everywhere */
	if (attribution->user_known && (!*attribution->container || !attribution->user))
		strcpy(attribution->user_name, user_name(resolver, attribution->user));
	if (*attribution->pod_uid)
		name_pod(resolver, attribution);
}

/* Returns false where the peer is gone. */
static bool answer(struct resolver *resolver, int socket)
{
	struct resolver_question question;
	struct resolver_answer answer;

	if (recv(socket, &question, sizeof(question), MSG_WAITALL) != sizeof(question))
		return false;
	memset(&answer, 0, sizeof(answer));
	answer.number = question.number;
	resolver_resolve(resolver, &question, &answer.attribution);
	return send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer);
}

int resolver_work(int socket, void *context)
{
	struct resolver *resolver = resolver_begin(context);
	struct pollfd ready[2] = {{.fd = socket, .events = POLLIN}, {.fd = -1, .events = POLLIN}};

	if (!resolver)
		return EXIT_FAILURE;
	if (resolver->tree)
		ready[1].fd = cgroup_tree_descriptor(resolver->tree);
	sandbox_enter(SANDBOX_ATTRIBUTION);
	for (;;) {
		if (poll(ready, 2, -1) < 0)
			continue;
		if (ready[1].revents)
			cgroup_tree_read(resolver->tree);
		if (ready[0].revents && !answer(resolver, socket))
			return EXIT_SUCCESS;
	}
}
