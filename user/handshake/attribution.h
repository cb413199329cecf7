/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * attribution - the maker of a handshake on this host: process, user, unit, container, pod. The wing attribution/
 * resolves the facts; the record only points at them. Other programs choose every text: sinks escape texts. "" means
 * unknown.
 */
#ifndef HANDSHAKE_ATTRIBUTION_H
#define HANDSHAKE_ATTRIBUTION_H

#include <stdbool.h>
#include <stdint.h>

enum attribution_bounds {
	ATTRIBUTION_NAME_MAX = 16,        /* the kernel's TASK_COMM_LEN */
	ATTRIBUTION_EXECUTABLE_MAX = 256, /* a longer path ends in "..." */
	ATTRIBUTION_COMMAND_LINE_MAX = 512,
	ATTRIBUTION_USER_MAX = 64,
	ATTRIBUTION_UNIT_MAX = 256,     /* systemd's UNIT_NAME_MAX */
	ATTRIBUTION_CONTAINER_MAX = 65, /* 64 hexadecimal digits, or a machine's name */
	ATTRIBUTION_RUNTIME_MAX = 16,   /* docker, containerd, cri-o, podman, systemd-nspawn */
	ATTRIBUTION_NAMESPACE_MAX = 64, /* RFC 1123 label */
	ATTRIBUTION_POD_MAX = 254,      /* RFC 1123 subdomain */
	ATTRIBUTION_UID_MAX = 37,       /* a UUID */
};

/*
 * The process that writes to the local end of a connection, as the kernel sees the process while a packet leaves
 * (EVENT_OWNER): exact, whoever opened the socket. The last writer during the handshake counts.
 */
struct writer {
	uint32_t process;           /* tgid in the initial pid namespace; 0: nobody wrote, and the rest means nothing */
	uint32_t user;              /* effective uid, in the initial user namespace */
	uint64_t start_ns;          /* of the process, CLOCK_BOOTTIME: no other process has the same number and start */
	uint64_t cgroup;            /* id of the process's cgroup (v2); 0: not known */
	uint64_t network_namespace; /* inode number; 0: not known */
	bool followed;              /* -p: the requested process, or a descendant */
	char name[ATTRIBUTION_NAME_MAX];
};

struct attribution {
	uint32_t process;                                /* tgid in the initial pid namespace; 0: not known */
	char name[ATTRIBUTION_NAME_MAX];                 /* of the process: its group leader's comm */
	char executable[ATTRIBUTION_EXECUTABLE_MAX];     /* /proc/PID/exe */
	char command_line[ATTRIBUTION_COMMAND_LINE_MAX]; /* only with --command-line */
	bool user_known;
	uint32_t user; /* effective uid, in the initial user namespace */
	char user_name[ATTRIBUTION_USER_MAX];
	char unit[ATTRIBUTION_UNIT_MAX]; /* "nginx.service" */
	char container[ATTRIBUTION_CONTAINER_MAX];
	char runtime[ATTRIBUTION_RUNTIME_MAX];
	char pod_namespace[ATTRIBUTION_NAMESPACE_MAX];
	char pod[ATTRIBUTION_POD_MAX];
	char pod_uid[ATTRIBUTION_UID_MAX];
	char pod_container[ATTRIBUTION_NAMESPACE_MAX]; /* the container's name in the pod */
	uint64_t network_namespace;                    /* inode number; 0: not known */
};

#endif /* HANDSHAKE_ATTRIBUTION_H */
