// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/json_parts.h"

#include <stdio.h>

/* The process of the handshake, otherwise the opener of the socket. The process chooses its name. */
static void add_process(struct json_parts *parts, const struct attribution *attribution)
{
	const struct handshake *handshake = parts->handshake;
	const struct process *process = handshake->process.id ? &handshake->process : &handshake->owner;
	struct json_writer *writer = &parts->writer;
	uint32_t id = attribution && attribution->process ? attribution->process : process->id;

	if (!id)
		return;
	json_open_object(writer, "process");
	json_add_number(writer, "pid", id);
	json_add_text(writer, "name", attribution && *attribution->name ? attribution->name : process->name);
	if (attribution) {
		json_add_text(writer, "executable", attribution->executable);
		if (!parts->options->redact)
			json_add_text(writer, "command_line", attribution->command_line);
	}
	json_close_object(writer);
}

static void add_user(struct json_parts *parts, const struct attribution *attribution)
{
	char id[sizeof("4294967295")];

	if (!attribution->user_known || parts->options->redact)
		return;
	snprintf(id, sizeof(id), "%u", attribution->user);
	json_open_object(&parts->writer, "user");
	json_add_text(&parts->writer, "id", id);
	json_add_text(&parts->writer, "name", attribution->user_name);
	json_close_object(&parts->writer);
}

static void add_unit(struct json_writer *writer, const struct attribution *attribution)
{
	json_open_lazy_object(writer, "systemd");
	json_add_text(writer, "unit", attribution->unit);
	json_close_object(writer);
}

static void add_container(struct json_parts *parts, const struct attribution *attribution)
{
	const char *id = parts->handshake->container;

	if (attribution && !*id)
		id = attribution->container;
	json_open_lazy_object(&parts->writer, "container");
	json_add_text(&parts->writer, "id", id);
	if (attribution)
		json_add_text(&parts->writer, "runtime", attribution->runtime);
	json_close_object(&parts->writer);
}

static void add_orchestrator(struct json_writer *writer, const struct attribution *attribution)
{
	if (!*attribution->pod && !*attribution->pod_namespace && !*attribution->pod_uid)
		return;
	json_open_object(writer, "orchestrator");
	json_add_text(writer, "type", "kubernetes");
	json_add_text(writer, "namespace", attribution->pod_namespace);
	if (*attribution->pod) {
		json_open_object(writer, "resource");
		json_add_text(writer, "type", "pod");
		json_add_text(writer, "name", attribution->pod);
		json_close_object(writer);
	}
	json_close_object(writer);
}

static void add_kubernetes(struct json_writer *writer, const struct attribution *attribution)
{
	json_open_lazy_object(writer, "kubernetes");
	json_open_lazy_object(writer, "pod");
	json_add_text(writer, "uid", attribution->pod_uid);
	json_close_object(writer);
	json_open_lazy_object(writer, "container");
	json_add_text(writer, "name", attribution->pod_container);
	json_close_object(writer);
	json_close_object(writer);
}

void json_add_origin(struct json_parts *parts)
{
	const struct attribution *attribution = parts->handshake->attribution;

	add_process(parts, attribution);
	if (attribution) {
		add_user(parts, attribution);
		add_unit(&parts->writer, attribution);
	}
	add_container(parts, attribution);
	if (attribution) {
		add_orchestrator(&parts->writer, attribution);
		add_kubernetes(&parts->writer, attribution);
	}
}
