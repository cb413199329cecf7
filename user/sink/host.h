/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* host - the name of this host, and its unique id: host.name and host.id of a record. */
#ifndef SINK_HOST_H
#define SINK_HOST_H

enum host_bounds {
	HOST_NAME_TEXT_MAX = 65, /* Linux: 64 bytes */
	HOST_ID_MAX = 33,        /* machine-id(5): 32 hexadecimal digits */
};

struct host {
	char name[HOST_NAME_TEXT_MAX]; /* "" where not known */
	char id[HOST_ID_MAX];          /* of /etc/machine-id; "" where not known */
};

/* Read both. Before the sandbox, which lets no file be opened. */
void host_read(struct host *host);

#endif /* SINK_HOST_H */
