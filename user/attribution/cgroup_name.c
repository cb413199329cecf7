// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attribution/cgroup_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
	ID_DIGITS = 64,
	UUID_LENGTH = ATTRIBUTION_UID_MAX - 1,
};

/* A name within a path: not NUL-terminated. */
struct name {
	const char *text;
	size_t length;
};

static bool has_prefix(struct name name, const char *prefix)
{
	return name.length >= strlen(prefix) && !memcmp(name.text, prefix, strlen(prefix));
}

static bool has_suffix(struct name name, const char *suffix)
{
	const size_t size = strlen(suffix);

	return name.length >= size && !memcmp(name.text + name.length - size, suffix, size);
}

static struct name without_prefix(struct name name, size_t length)
{
	return (struct name){name.text + length, name.length - length};
}

static void copy(char *to, size_t size, struct name name)
{
	const size_t length = name.length < size ? name.length : size - 1;

	memcpy(to, name.text, length);
	to[length] = '\0';
}

/* The next name of a path; length 0 behind the last. */
static struct name next_name(const char **path)
{
	struct name name;

	*path += strspn(*path, "/");
	name = (struct name){*path, strcspn(*path, "/\n")};
	*path += name.length;
	return name;
}

static bool is_id(struct name name)
{
	if (name.length != ID_DIGITS)
		return false;
	for (size_t index = 0; index < name.length; index++)
		if (!isxdigit((unsigned char)name.text[index]))
			return false;
	return true;
}

/* Prefixes of a container's id, and the runtimes that write them; "": unknown. */
static const struct {
	const char *prefix;
	const char *runtime;
} id_forms[] = {
	{"docker-", "docker"},
	{"cri-containerd-", "containerd"},
	{"crio-", "cri-o"},
	{"libpod-payload-", "podman"},
	{"libpod-", "podman"},
	{"nerdctl-", "containerd"},
	{"containerd-", "containerd"},
	{"", ""},
};

/* "kubepods-burstable-pod1.slice:cri-containerd:ID": the runtime stands between the colons. */
static bool take_colon_form(struct name name, struct attribution *attribution)
{
	static const char *const runtimes[][2] = {
		{"cri-containerd", "containerd"}, {"crio", "cri-o"}, {"docker", "docker"}, {"nerdctl", "containerd"}};
	const char *last = memrchr(name.text, ':', name.length);
	const char *first = last ? memrchr(name.text, ':', last - name.text) : NULL;
	struct name runtime;

	if (!first || !is_id(without_prefix(name, last + 1 - name.text)))
		return false;
	runtime = (struct name){first + 1, last - first - 1};
	copy(attribution->container, sizeof(attribution->container), without_prefix(name, last + 1 - name.text));
	attribution->runtime[0] = '\0';
	for (size_t index = 0; index < sizeof(runtimes) / sizeof(runtimes[0]); index++)
		if (runtime.length == strlen(runtimes[index][0]) && has_prefix(runtime, runtimes[index][0]))
			strcpy(attribution->runtime, runtimes[index][1]);
	return true;
}

/* The id alone: the directory above may tell the runtime ("/docker/ID"). */
static const char *runtime_of_parent(struct name parent)
{
	if (parent.length == strlen("docker") && has_prefix(parent, "docker"))
		return "docker";
	return parent.length == strlen("libpod_parent") && has_prefix(parent, "libpod_parent") ? "podman" : "";
}

static bool take_id(struct name name, struct name parent, struct attribution *attribution)
{
	if (has_suffix(name, ".scope"))
		name.length -= strlen(".scope");
	for (size_t index = 0; index < sizeof(id_forms) / sizeof(id_forms[0]); index++) {
		const char *prefix = id_forms[index].prefix;

		if (!has_prefix(name, prefix) || !is_id(without_prefix(name, strlen(prefix))))
			continue;
		copy(attribution->container, sizeof(attribution->container), without_prefix(name, strlen(prefix)));
		strcpy(attribution->runtime, *prefix ? id_forms[index].runtime : runtime_of_parent(parent));
		return true;
	}
	return take_colon_form(name, attribution);
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* In names of units systemd writes special bytes as \xNN. */
static void unescape_unit(char *to, size_t size, struct name name)
{
	size_t length = 0;

	for (size_t index = 0; index < name.length && length < size - 1; index++) {
		const char *text = name.text + index;

		if (name.length - index >= 4 && text[0] == '\\' && text[1] == 'x' && hex_digit(text[2]) >= 0 &&
		    hex_digit(text[3]) >= 0 && (hex_digit(text[2]) || hex_digit(text[3]))) {
			to[length++] = hex_digit(text[2]) << 4 | hex_digit(text[3]);
			index += 3;
		} else {
			to[length++] = *text;
		}
	}
	to[length] = '\0';
}

/* The name of a machine stands between a prefix and a suffix. "machine-qemu-..." is a virtual machine: no container. */
static bool take_machine(struct name name, struct attribution *attribution)
{
	static const struct {
		const char *prefix;
		const char *suffix;
		const char *runtime;
	} forms[] = {
		{"systemd-nspawn@", ".service", "systemd-nspawn"},
		{"machine-lxc\\x2d", ".scope", "lxc"},
		{"machine-", ".scope", "systemd-nspawn"},
		{"lxc.payload.", "", "lxc"},
	};

	if (has_prefix(name, "machine-qemu\\x2d"))
		return false;
	for (size_t form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
		const size_t before = strlen(forms[form].prefix), after = strlen(forms[form].suffix);

		if (name.length <= before + after || !has_prefix(name, forms[form].prefix) ||
		    !has_suffix(name, forms[form].suffix))
			continue;
		unescape_unit(attribution->container, sizeof(attribution->container),
		              (struct name){name.text + before, name.length - before - after});
		strcpy(attribution->runtime, forms[form].runtime);
		return true;
	}
	return false;
}

/* "pod12345678-1234-1234-1234-123456789abc", "kubepods-burstable-pod12345678_1234_1234_1234_123456789abc.slice" */
static void take_pod(struct name name, struct attribution *attribution)
{
	char uid[ATTRIBUTION_UID_MAX];

	if (has_prefix(name, "kubepods-") && has_suffix(name, ".slice"))
		name.length -= strlen(".slice");
	else if (!has_prefix(name, "pod"))
		return;
	if (has_prefix(name, "kubepods-burstable-pod"))
		name = without_prefix(name, strlen("kubepods-burstable-"));
	else if (has_prefix(name, "kubepods-besteffort-pod"))
		name = without_prefix(name, strlen("kubepods-besteffort-"));
	else if (has_prefix(name, "kubepods-pod"))
		name = without_prefix(name, strlen("kubepods-"));
	if (!has_prefix(name, "pod") || name.length - strlen("pod") > UUID_LENGTH || name.length == strlen("pod"))
		return;
	copy(uid, sizeof(uid), without_prefix(name, strlen("pod")));
	for (char *letter = uid; *letter; letter++) {
		if (*letter == '_')
			*letter = '-';
		if (!isalnum((unsigned char)*letter) && *letter != '-')
			return;
	}
	strcpy(attribution->pod_uid, uid);
}

/* "system.slice:cri-containerd:ID" has the pod's slice in the same name as the container. */
static void take_pod_of_colon_form(struct name name, struct attribution *attribution)
{
	const char *colon = memchr(name.text, ':', name.length);

	if (colon)
		name.length = colon - name.text;
	take_pod(name, attribution);
}

/* A slice only groups units. */
static bool is_unit(struct name name)
{
	static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	for (size_t index = 0; index < sizeof(suffixes) / sizeof(suffixes[0]); index++)
		if (name.length > strlen(suffixes[index]) && has_suffix(name, suffixes[index]))
			return true;
	return false;
}

static void take_unit(struct name name, struct attribution *attribution)
{
	/* systemd puts "_" before names that clash with the kernel's files, such as "cpu.service" */
	if (*name.text == '_')
		name = without_prefix(name, 1);
	copy(attribution->unit, sizeof(attribution->unit), name);
}

void cgroup_name_read(const char *path, struct attribution *attribution)
{
	struct name name, parent = {"", 0};
	bool above_units = true, in_user_slice = false;

	while ((name = next_name(&path)).length) {
		const bool monitor = has_prefix(name, "libpod-conmon-") || has_prefix(name, "crio-conmon-");
		const bool container =
			!monitor && (take_id(name, parent, attribution) || take_machine(name, attribution));

		in_user_slice |= !parent.length && has_prefix(name, "user.slice");
		/* a user may create any cgroup below his own service: pods are the host's */
		if (!in_user_slice)
			take_pod_of_colon_form(name, attribution);
		if (above_units && is_unit(name) &&
		    (!container || !has_suffix(name, ".scope") || has_prefix(name, "machine-")))
			take_unit(name, attribution);
		above_units &= has_suffix(name, ".slice");
		parent = name;
	}
}

/* The path of a line "hierarchy-ID:controllers:path"; NULL: no path. */
static const char *path_of_line(const char *line)
{
	const size_t length = strcspn(line, "\n");
	const char *first = memchr(line, ':', length);
	const char *second = first ? memchr(first + 1, ':', length - (first + 1 - line)) : NULL;

	return second ? second + 1 : NULL;
}

void cgroup_name_read_lines(const char *text, struct attribution *attribution)
{
	for (int version = 2; version >= 1; version--)
		for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
			const char *path = path_of_line(line);
			const bool is_version_2 = !strncmp(line, "0::", 3);

			if (!path || is_version_2 != (version == 2))
				continue;
			/* v1 counts only if the unified hierarchy has no container */
			if (version == 1 && *attribution->container)
				return;
			cgroup_name_read(path, attribution);
		}
}
