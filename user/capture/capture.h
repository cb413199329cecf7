/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * capture - a pcap or pcapng file as a source of events: what the kernel's hooks would hand over of its packets.
 */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/shared/event.h"
#include "capture/pcapng.h"

/* Takes an event; returns whether more of this direction of the connection is wanted. */
typedef bool (*capture_sink)(const struct event *event, void *context);

enum capture_bounds {
	CAPTURE_FLOWS_MAX = 262144, /* connections followed at once, unless told otherwise; finished ones count too */
};

struct capture;

/*
 * Called while the input of a pipe or a terminal has nothing to read. Returns whether to go on waiting; false ends the
 * capture, as the end of the file does.
 */
typedef bool (*capture_wait)(void *context);

/*
 * Open path ("-" is standard input). Reads nothing yet, so that the caller can give up privileges before the first byte is
 * parsed. Returns 0, or -errno after a message on standard error.
 */
int capture_open(struct capture **capture, const char *path, capture_sink sink, void *context);
void capture_close(struct capture *capture);

/* Call wait while there is nothing to read. To be called before capture_read(). */
void capture_set_wait(struct capture *capture, capture_wait wait, void *context);

/* Whether the sink, with its context, still follows a connection that was not reported to be unwanted. */
typedef bool (*capture_follows)(uint64_t connection, void *context);

/* The sink gives quiet connections up: open them again where bytes follow. */
void capture_set_follows(struct capture *capture, capture_follows follows);

/* The connections so far have ended, says the file: one that --write made holds one connection after the other. */
typedef void (*capture_ended)(void *context);

void capture_set_ended(struct capture *capture, capture_ended ended);

/* Take the secrets that a pcapng file carries, with the sink's context. To be called before capture_begin(). */
void capture_set_secrets(struct capture *capture, pcapng_secrets secrets);

/* Follow at most this many connections at once, at least one. To be called before capture_read(). */
void capture_set_flows_max(struct capture *capture, uint32_t flows_max);

/*
 * Read the header of the file; capture_read() does where this has not been called. Returns 0, or -errno after a message: not a
 * capture file.
 */
int capture_begin(struct capture *capture);

/*
 * Read up to packets packets and pass on their events. Returns 1 where there may be more, 0 at the end of the file, or
 * -errno after a message on standard error (no capture file, or a damaged one; what came before the damage counts).
 */
int capture_read(struct capture *capture, unsigned int packets);

/* The latest time of a packet, ns since the epoch. */
uint64_t capture_time(const struct capture *capture);

/* Add this to the time of an event to get the time that the file has. It is 0 unless the file's clock jumps backwards. */
int64_t capture_realtime_offset(const struct capture *capture);

/* Say what was not understood, by kind: one line each, nothing where there was none. */
void capture_log_left_out(const struct capture *capture);

#endif /* CAPTURE_CAPTURE_H */
