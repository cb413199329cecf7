/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * capture - a pcap or pcapng file as a source of events: the events that the kernel's hooks would make of the packets.
 */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/shared/event.h"
#include "capture/pcapng.h"

/* Takes an event; returns whether more of the event's direction is wanted. */
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
 * Open path ("-" is standard input). Reads nothing yet, so the caller can give up privileges before the first byte is
 * parsed. Returns 0, or -errno after a message on standard error.
 */
int capture_open(struct capture **capture, const char *path, capture_sink sink, void *context);
void capture_close(struct capture *capture);

/* Set the function to call while the file has nothing to read. To be called before capture_read(). */
void capture_set_wait(struct capture *capture, capture_wait wait, void *context);

/* Whether the sink, with its context, still follows a connection not reported as unwanted. */
typedef bool (*capture_follows)(uint64_t connection, void *context);

/* The sink gives quiet connections up: open a connection again if bytes follow. */
void capture_set_follows(struct capture *capture, capture_follows follows);

/* The file says that the connections so far have ended: a file of --write holds connections one after another. */
typedef void (*capture_ended)(void *context);

void capture_set_ended(struct capture *capture, capture_ended ended);

/* Take the secrets that a pcapng file carries, with the sink's context. To be called before capture_begin(). */
void capture_set_secrets(struct capture *capture, pcapng_secrets secrets);

/* Follow at most flows_max connections at once, 1 or more. To be called before capture_read(). */
void capture_set_flows_max(struct capture *capture, uint32_t flows_max);

/*
 * Read the header of the file. Without this call, capture_read() reads the header. Returns 0, or -errno after a
 * message: not a capture file.
 */
int capture_begin(struct capture *capture);

/*
 * Read up to packets packets and pass on the events. Returns 1 if more packets may follow, 0 at the end of the file, or
 * -errno after a message on standard error (no capture file, or a damaged file; packets before the damage count).
 */
int capture_read(struct capture *capture, unsigned int packets);

/* The latest time of a packet, ns since the epoch. */
uint64_t capture_time(const struct capture *capture);

/* The difference from an event's time to the time in the file. 0 unless the file's clock jumps backwards. */
int64_t capture_realtime_offset(const struct capture *capture);

/* Report packets that were not understood: a line for each kind, nothing without such packets. */
void capture_log_left_out(const struct capture *capture);

#endif /* CAPTURE_CAPTURE_H */
