/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pod_names - the names of Kubernetes pods and their containers, from the names of the kubelet's log directories. The API server is not asked.
 *
 *         /var/log/pods/NAMESPACE_POD_UID/CONTAINER/
 *         /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log
 */
#ifndef ATTRIBUTION_POD_NAMES_H
#define ATTRIBUTION_POD_NAMES_H

#include <stdbool.h>

#include "handshake/attribution.h"

/* Read "NAMESPACE_POD_UID". Returns false, and changes nothing, where name is of another form or too long. */
bool pod_name_read(const char *name, struct attribution *attribution);

/* The container's name in "POD_NAMESPACE_CONTAINER-ID.log", if the other parts are those of attribution. */
bool pod_container_read(const char *name, struct attribution *attribution);

/*
 * Fill in pod, pod_namespace and pod_container of attribution->pod_uid from the directories under logs ("/var/log").
 * The container is named if the name of a log has the container's id, or if the pod has a single container.
 */
void pod_names_find(const char *logs, struct attribution *attribution);

#endif /* ATTRIBUTION_POD_NAMES_H */
